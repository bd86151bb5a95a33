"""What an HTTP answer proves about a request that changes something. (nexnum.md#nextjs, #cron-routes, #provider-api)

Done: a 2xx that is the application's JSON. Refused: a 4xx in the application's own words. Everything else proves
nothing: the handler may have ended before it stumbled, and a gateway does not know what goes on behind it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import msgspec

from ..text.sanitize import clean
from .plan import Outcome

NOTHING = "nothing was changed"
MAYBE = "it may have happened or not"
# What stands before the application says that it got no answer, or none in time (520 to 530: Cloudflare's).
GATEWAYS = frozenset({408, 499, 502, 503, 504, *range(520, 531), 598, 599})
NO_METHOD = 405  # Next.js answers it without a body, and runs no handler
HINTS = {
    401: ": check the token or secret in the settings",
    403: ": this account may not do it",
    404: ": not found, or no such route in this version",
    405: ": the route does not export this method",
    429: ": our requests are limited, wait a minute",
}


@dataclass(frozen=True, kw_only=True)
class HttpReply:
    """A 2xx answer that is JSON, decoded. `document` is data from outside: clean() what is shown of it."""

    status: int
    document: Any


def proves_refusal(status: int, said: str) -> bool:
    """Whether an answer proves that nothing was done. `said` is what the application's own error document says, ""
    where there is none: a 4xx without it may be anybody's."""
    return 400 <= status < 500 and status not in GATEWAYS and (bool(said) or status == NO_METHOD)


def lost(sentence: str, sent: bool) -> Outcome:
    """No answer came: nothing happened for certain only where nothing was sent."""
    if not sent:
        return Outcome(state="failed", answer=f"{sentence}: {NOTHING}")
    return Outcome(state="unknown", answer=f"{sentence}: {MAYBE}", answered=False)


def judged(
    at: str, status: int, kind: str, content: bytes, *, empty: bool = False, location: str = ""
) -> HttpReply | Outcome:
    """An answer to a request that was sent. `at` names request and server; `kind` is its content type; with `empty` a
    2xx without content is a Reply whose document is None."""
    kind = clean(kind, 80).partition(";")[0].strip().lower()
    document = _decoded(content) if kind == "application/json" or kind.endswith("+json") else None
    said = problem_of(document)
    shown = f" ({said})" if said else ""
    if status in GATEWAYS:
        sentence = f"{at} was not answered: a gateway before it gave up ({status}{f', {said}' if said else ''})"
        return lost(sentence, sent=True)
    if proves_refusal(status, said):
        return Outcome(state="refused", answer=f"{at} answered {status}{shown}{HINTS.get(status, '')}: {NOTHING}")
    if 200 <= status < 300 and (document is not None or (empty and not content)):
        return HttpReply(status=status, document=document)
    if 300 <= status < 400:
        to = f" to {clean(location, 120)}" if location else ""
        return unproven(
            f"{at} answered with a redirect ({status}){to}: is it in maintenance, is the address the final one?"
        )
    if status < 300:
        what = "nothing" if not content else f"{kind or 'something'} that is not JSON"
        return unproven(f"{at} answered {status} with {what}: that is not the application's answer")
    whose = "" if said or document is not None else f" with {kind or 'nothing'}, not in the application's words"
    return unproven(f"{at} answered {status}{shown}{whose}{HINTS.get(status, '')}")


def unproven(sentence: str) -> Outcome:
    """An answer came, and it does not say what happened."""
    return Outcome(state="unknown", answer=f"{sentence}: {MAYBE}")


def problem_of(document: object) -> str:
    """What a JSON answer says about its error; empty where it says nothing of the kind."""
    if isinstance(document, str):  # as Alertmanager does
        return clean(document, 200)
    if isinstance(document, dict):
        for name in ("error", "message"):
            if isinstance(document.get(name), str):
                return clean(document[name], 200)
    return ""


def _decoded(content: bytes) -> Any:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(content)
    return None
