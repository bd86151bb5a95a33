"""Parses a pod's log lines about breakers, in every format that NexNum has used.
(nexnum.md#log-format, #breaker-lines)
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..text.sanitize import NAME_LENGTH, clean_name, strip_controls

# Cheap to look for in bytes; a line without any of them says nothing of breakers.
MARKS = (b"DynamicProvider:", b"ircuit breaker")

# Text after the terminal's escapes are gone. The time, level and glyph come from the pretty printers; without them the
# line has to begin with the bracket, so that a stack or an answer's body that quotes such a line is not taken for one.
_TEXT = re.compile(r"(?:\[\d[\d:.+ -]*\]\s+[A-Z]+:?\s+)?(?:[^\w\s\[\"'({]{1,3}\s+)?")
_GLYPH = r"(?:[^\w\s\[\"'({]{1,3}\s+)?"
_PROVIDER = re.compile(
    rf"\[DynamicProvider:(?P<name>.{{1,{NAME_LENGTH}}}?)\]\s+{_GLYPH}(?:"
    r"Circuit (?P<circuit>OPEN|HALF-OPEN|CLOSED)\b"
    r"|(?P<request>GET|POST|PUT|PATCH|DELETE) https?:"
    r"|(?P<response>\d{3}) (?:GET|POST|PUT|PATCH|DELETE) "
    r"|(?P<retry>429 Retry in)"
    r"|(?P<failed>Request failed)(?P<why>.*))",
    re.DOTALL,
)
_STATUS = re.compile(r"API Request Failed \((\d{3})\b")
_SHARED = re.compile(r"Circuit breaker opened(?P<meta>.*)", re.DOTALL)
_LIFECYCLE = re.compile(r"\[Lifecycle\] Circuit breaker (OPEN|HALF.?OPEN|CLOSED)")


class _BreakerLogEntry(msgspec.Struct):
    """A line of pino's. Anything may be in any field: an Error becomes {}, a status a string."""

    msg: Any = ""
    context: Any = ""
    type: Any = ""
    status: Any = 0
    error: Any = ""
    provider_id: Any = msgspec.field(default="", name="providerId")
    open_ms: Any = msgspec.field(default=0, name="openDurationMs")


_entry = msgspec.json.Decoder(_BreakerLogEntry)


class BreakerEvent(msgspec.Struct, frozen=True):
    """What one line says. `kind` is a state that a breaker went to (open, half-open, closed), or one of

    request (asked for; a breaker may still reject it), rejected ("Breaker is open"), retry (a 429 inside the breaker),
    response (it came through the breaker), failed, shared (Redis' breaker opened; `name` is the uuid, `open_s` how
    long), lifecycle (`state` tells). `status` is the HTTP status, 0 where none is known.
    """

    kind: str
    name: str = ""
    status: int = 0
    open_s: float | None = None
    state: str = ""


def parse(line: bytes) -> BreakerEvent | None:
    """The event in a line of a pod's log (without the kubelet's time), in any of NexNum's formats; None: no event."""
    if line[:1] == b"{":
        return _parse_json(line)
    text = _string(line.decode("utf-8", "replace"))
    start = _TEXT.match(text)
    return _parse_message(text, start.end() if start else 0)


def _parse_json(line: bytes) -> BreakerEvent | None:
    try:
        entry = _entry.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    context = _string(entry.context)
    if context.startswith("DynamicProvider:"):
        return _parse_upstream(context.removeprefix("DynamicProvider:"), entry)
    message = _string(entry.msg)
    if message.startswith("Circuit breaker opened"):
        opened, uuid = entry.open_ms, clean_name(_string(entry.provider_id))
        seconds = opened / 1000 if isinstance(opened, int | float) and 0 < opened < 1e9 else None
        return BreakerEvent("shared", uuid, open_s=seconds) if uuid else None
    if message.startswith("[DynamicProvider:") and "Request failed" in message:
        message += f" {_string(entry.error)}"
    return _parse_message(message, 0)


def _parse_upstream(name: str, entry: _BreakerLogEntry) -> BreakerEvent | None:
    if entry.type == "upstream_request":
        return BreakerEvent("request", clean_name(name))
    if entry.type == "upstream_response":
        return BreakerEvent("response", clean_name(name), entry.status if isinstance(entry.status, int) else 0)
    return None


def _string(value: object) -> str:
    """Text without the terminal's escapes; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    return value if value.isprintable() else strip_controls(value)


def _parse_message(text: str, start: int) -> BreakerEvent | None:
    found = _PROVIDER.match(text, start)
    if found is None:
        return _parse_other(text, start)
    name = clean_name(found["name"])
    if found["circuit"]:
        return BreakerEvent(found["circuit"].lower(), name)
    if found["request"]:
        return BreakerEvent("request", name)
    if found["response"]:
        return BreakerEvent("response", name, int(found["response"]))
    if found["retry"]:
        return BreakerEvent("retry", name, 429)
    why = found["why"]
    if "Breaker is open" in why:
        return BreakerEvent("rejected", name)
    status = _STATUS.search(why)
    return BreakerEvent("failed", name, int(status[1]) if status else 0)


def _parse_other(text: str, start: int) -> BreakerEvent | None:
    if lifecycle := _LIFECYCLE.match(text, start):
        return BreakerEvent("lifecycle", state=lifecycle[1].lower().replace("_", "-"))
    if shared := _SHARED.match(text, start):
        uuid = re.search(r'"?providerId"?:\s*["\']([\w-]{1,120})', shared["meta"])
        opened = re.search(r'"?openDurationMs"?:\s*(\d{1,9})\b', shared["meta"])
        return BreakerEvent("shared", uuid[1], open_s=int(opened[1]) / 1000 if opened else None) if uuid else None
    return None
