"""NexNum's log lines, to the letter. (nexnum.md#log-format)

Each function gives one entry of a container's log as text; @old entries can have several lines. `old` and `head` are
the two production formats. Addresses carry the api_key in clear, as the real lines do.
"""

from __future__ import annotations

import copy
import random
from typing import Any, Self

import msgspec

from ..schema import Era

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"


class LogLines:
    """Writes the lines of one era. `at` is epoch seconds; `seed` makes the request ids repeatable."""

    def __init__(self, era: Era, seed: int) -> None:
        self.era = era
        self._random = random.Random(seed)
        self._request = ""
        self._began = 0.0

    def of_request(self, began: float) -> Self:
        """The lines of one request: @HEAD they share its id and say how long it has taken. (nexnum.md#log-format)"""
        if self.era == "old":
            return self
        own = copy.copy(self)
        own._request, own._began = self._id(began), began
        return own

    def _id(self, at: float) -> str:
        return f"req_{_base36(int(at * 1000))}_{self._random.getrandbits(32):08x}"

    def json(self, at: float, level: str, text: str, **meta: Any) -> str:
        """pino: key order level, time, env, requestId, durationMs, meta, msg. Outside of a request the id is random
        and correlates nothing."""
        head: dict[str, Any] = {"level": level, "time": int(at * 1000), "env": "production"}
        head["requestId"] = self._request or self._id(at)
        if self._request:
            head["durationMs"] = int((at - self._began) * 1000)
        return msgspec.json.encode(head | meta | {"msg": text}).decode()

    def request(self, at: float, provider: str, url: str) -> str:
        if self.era == "old":
            return (
                f"[DynamicProvider:{provider}] GET {url}\n"
                f'[DynamicProvider:{provider}] Headers: {{"Accept":"application/json, text/plain, */*"}}'
            )
        context = f"DynamicProvider:{provider}"
        return self.json(at, "info", f"\x1b[1mGET\x1b[0m {url}", context=context, type="upstream_request")

    def retry_429(self, at: float, provider: str, delay_ms: int) -> str:
        text = f"[DynamicProvider:{provider}] 429 Retry in {delay_ms}ms"
        return text if self.era == "old" else self.json(at, "warn", text)

    def response(self, at: float, provider: str, url: str, status: int, duration_ms: int) -> str | None:
        """The line of an answer; @old has none."""
        if self.era == "old":
            return None
        colour, level = ("\x1b[38;5;114m", "info") if status < 300 else ("\x1b[31m", "error")
        text = f"{colour}\x1b[1m{status}\x1b[0m \x1b[1mGET\x1b[0m {url}"
        meta = {"durationMs": duration_ms, "context": f"DynamicProvider:{provider}", "type": "upstream_response"}
        return self.json(at, level, text, **meta, status=status)

    def failed(self, at: float, provider: str, url: str, error: str, status: int | None, duration_ms: int) -> str:
        if self.era == "head":
            text = f"[DynamicProvider:{provider}] Request failed"
            return self.json(at, "error", text, error=error, duration=f"{duration_ms}ms")
        head = f"[DynamicProvider:{provider}] Request failed: "
        if error == "Breaker is open":
            return (
                f"{head}Error: Breaker is open\n"
                "    at r.fire (/app/.next/server/chunks/4821.js:1:11873) {\n"
                "  code: 'EOPENBREAKER'\n}"
            )
        stack = "    at async r.request (/app/.next/server/chunks/4821.js:1:20331)"
        if status is None:
            return f"{head}TypeError: {error}\n{stack} {{\n  code: 'UND_ERR_CONNECT_TIMEOUT'\n}}"
        phrase = error.removeprefix("API Request Failed (").removesuffix(")").partition(" ")[2]
        return (
            f"{head}ProviderApiError: {error}\n{stack} {{\n  status: {status},\n  statusText: '{phrase}',\n"
            f"  url: '{url}',\n  responseBody: 'upstream down',\n  requestHeaders: {{ Accept: '*/*' }}\n}}"
        )

    def circuit(self, at: float, provider: str, state: str) -> str:
        """A pod's own breaker has changed to `open`, `half-open` or `closed`."""
        words = {"open": "OPEN - Failing fast", "half-open": "HALF-OPEN - Testing", "closed": "CLOSED - Recovered"}
        text = f"[DynamicProvider:{provider}] Circuit {words[state]}"
        return text if self.era == "old" else self.json(at, "warn" if state == "open" else "info", text)

    def shared_opened(self, at: float, provider_id: str, failures: int, kind: str, open_s: int) -> str:
        text = "Circuit breaker opened"
        if self.era == "old":
            return self.json(at, "error", text, providerId=provider_id, consecutiveFailures=failures)
        meta = {"errorType": kind, "backoffMultiplier": open_s // 30, "openDurationMs": open_s * 1000}
        return self.json(at, "error", text, providerId=provider_id, consecutiveFailures=failures, **meta)

    def purchase_error(self, at: float, error: str) -> str:
        if self.era == "old":
            where = "/app/.next/server/app/api/numbers/purchase/route.js:1:9120"
            return f"[PURCHASE] Error: {error}\n    at async h ({where})"
        return self.json(at, "error", error, context="PURCHASE")

    def outbox_failed(self, at: float, event_id: str, error: str) -> str:
        if self.era == "old":
            return f"[OUTBOX] Failed to process {event_id}: {error}"
        return self.json(at, "error", f"Failed to process {event_id}", context="OUTBOX", error=error)

    def order_expired(self, at: float, order_id: str) -> str:
        return self.json(at, "info", f"[Reconcile] PurchaseOrder {order_id} -> FAILED (expired)")

    def order_failed(self, at: float, order_id: str) -> str:
        """Without the error's text: its message is lost in the meta. (nexnum.md#log-format)"""
        return self.json(at, "error", f"[Reconcile] PurchaseOrder {order_id} failed")

    def activation_stuck(self, at: float, activation_id: str) -> str:
        return self.json(at, "info", f"[Reconcile] Activation {activation_id} -> FAILED (stuck)")

    def started(self, version: str = "16.1.1") -> str:
        return f"   ▲ Next.js {version}\n   - Local:         http://localhost:3000\n ✓ Starting...\n ✓ Ready in 1894ms"
