"""Parses a pod's log lines about purchases, in every format that NexNum has used. (nexnum.md#log-format,
#purchase-lines)
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..text.sanitize import NAME_LENGTH, clean_name, strip_controls

# Cheap to look for in bytes; a line without any of them says nothing of a purchase.
MARKS = (b"[PURCHASE", b"SmartRouter: ", b"Scheduling polling")

INIT, OFFER, ELIGIBLE, LOCKED, RESERVED, CALLED, BOUGHT = (
    "init",
    "offer",
    "eligible",
    "locked",
    "reserved",
    "called",
    "bought",
)
SOLD, FAILED, REFUSED, REPLAY, CRASHED = "sold", "failed", "refused", "replay", "crashed"
WHY, SELLER, OPENED = "why", "seller", "opened"

REFUSALS = ("no offer", "no route", "funds", "lock", "price", "velocity", "input", "other")
# Of the provider's own, of its breaker, of what we ask it for, of our money there; then of our own servers.
FAILURES = (
    "no answer",
    "5xx",
    "429",
    "4xx",
    "bad answer",
    "no stock",
    "breaker open",
    "not active",
    "no balance",
    "bad key",
    "bad request",
    "lock timeout",
    "no connection",
    "read-only",
    "database",
    "redis full",
    "redis",
    "crash",
    "other",
)
OWN_SERVERS = ("lock timeout", "no connection", "read-only", "database", "redis full", "redis")

LONGEST_ID = 100
_HEAD = {
    "INIT": INIT,
    "OFFER_RESOLVED": OFFER,
    "ELIGIBILITY_PASSED": ELIGIBLE,
    "LOCK_ACQUIRED": LOCKED,
    "RESERVE_SUCCESS": RESERVED,
    "PROVIDER_CALL_START": CALLED,
    "PROVIDER_CALL_SUCCESS": BOUGHT,
    "PROVIDER_CALL_FAIL": FAILED,
    "COMPLETE": SOLD,
    "CRITICAL_FAIL": CRASHED,
    "IDEMPOTENT_REPLAY": REPLAY,
    "OFFER_NOT_FOUND": REFUSED,
    "NO_ROUTE": REFUSED,
    "ELIGIBILITY_DENIED": REFUSED,
    "LOCK_CONFLICT": REFUSED,
    "PRICE_EXCEEDED": REFUSED,
    "VALIDATION_FAIL": REFUSED,
}
_REASONS = {
    "OFFER_NOT_FOUND": "no offer",
    "NO_ROUTE": "no route",
    "LOCK_CONFLICT": "lock",
    "PRICE_EXCEEDED": "price",
    "VALIDATION_FAIL": "input",
}
_CODES = {"E_INSUFFICIENT_FUNDS": "funds", "E_VELOCITY_LIMIT": "velocity"}

_MESSAGE = re.compile(r"\[PURCHASE_([A-Z_]{3,40})\]")
# A pretty line: time of day, level, context, glyph, message, meta. (nexnum.md#log-format)
_PRETTY = re.compile(r"\[\d\d:\d\d:\d\d(?:\.\d+)?\]\s+[A-Z]+:?\s+(?:\[PURCHASE\]\s+)?(?:[^\w\s\[\"'({]{1,3}\s+)?")
_META = re.compile(r" › (\{.*\})\s*$", re.DOTALL)
_NAME = rf".{{1,{NAME_LENGTH}}}?"
_ROUTER = re.compile(
    rf"SmartRouter: (?:Purchase failed on (?P<failed>{_NAME}): (?P<why>.*)"
    rf"|Attempting purchase from (?P<asked>{_NAME})(?: for |\.\.\.))",
    re.DOTALL,
)
_OLD = re.compile(
    r"\[PURCHASE\] (?:"
    r"(?P<init>Attempting purchase:)"
    r"|(?P<missing>No offer found for:)"
    r"|(?P<offer>Found offer:)"
    r"|(?P<reserved>Reserved funds\. Order: (?P<order>[\w-]{1,100}))"
    r"|(?P<failed>Provider failed\. Rolling back\.\.\. (?P<error>.*))"
    r"|(?P<sold>Success! Number: (?P<number>[\w-]{1,100}))"
    r"|(?P<crash>Critical Error: (?P<trouble>.*)))",
    re.DOTALL,
)
# A field of an inspected object, on a line of its own or in a short object. The offer's comes twice: as the search
# found it (`provider`), and as the route takes it (`providerName`), which is the one that counts.
_FIELDS = {
    name: re.compile(rb"(?:^|[ {])%s: '((?:[^'\\]|\\.){1,200})'" % name) for name in (b"provider", b"providerName")
}
_CHECKED = re.compile(
    rf"(?:Checked: (?P<one>.{{1,{NAME_LENGTH}}}?)\(|Provider '(?P<other>[^']{{1,{NAME_LENGTH}}})' is)"
)
_STATUS = re.compile(r"API Request Failed \((\d)(\d\d)\b")


class _Body(msgspec.Struct):
    provider: Any = ""


class _FunnelLogEntry(msgspec.Struct):
    """What is taken of a line of pino's, or of a pretty line's meta. Anything may be in any field."""

    msg: Any = ""
    context: Any = ""
    request: Any = msgspec.field(default="", name="requestId")
    purchase: Any = msgspec.field(default="", name="correlationId")
    user: Any = msgspec.field(default="", name="userId")
    provider: Any = msgspec.field(default="", name="providerName")
    resolved: Any = msgspec.field(default="", name="resolvedProvider")
    activation: Any = msgspec.field(default="", name="activationId")
    number: Any = msgspec.field(default="", name="numberId")
    code: Any = ""
    error: Any = ""
    body: Any = None


_entry = msgspec.json.Decoder(_FunnelLogEntry)


class FunnelStep(msgspec.Struct, frozen=True, gc=False):
    """What one line says of a purchase. `id` tells purchases apart; `old` steps are of logs that have no such ids.

    kind: init, offer, eligible, locked, reserved, called, bought (the provider gave a number), sold, failed, refused,
    crashed, replay (an answer once more: no purchase). Besides, of no one purchase: why (the router's word on a failed
    call; `request` ties it to one), seller (`id` is a number, `provider` who sold it), opened (the line begins an
    object whose lines follow; `reason` is the kind that it is of).
    """

    kind: str
    id: str = ""
    provider: str = ""
    user: str = ""
    reason: str = ""
    request: str = ""
    old: bool = False


def parse(line: bytes) -> FunnelStep | None:
    """The step in a line of a pod's log (without the kubelet's time), in any of NexNum's formats; None: none."""
    if line[:1] == b"{":
        return _parse_json(line)
    if line[:10] == b"[PURCHASE]":
        return _parse_old(line)
    text = strip_controls(line.decode("utf-8", "replace"))
    start = _PRETTY.match(text)
    return _parse_pretty(text, start.end()) if start else None


def _parse_json(line: bytes) -> FunnelStep | None:
    try:
        entry = _entry.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(entry.msg, str):
        return None
    if entry.context == "PURCHASE":
        found = _MESSAGE.match(entry.msg)
        return _of_purchase(found[1], entry) if found else None
    if entry.msg.startswith("SmartRouter: "):
        return _of_router(entry.msg, _word(entry.request))
    if "Scheduling polling" in entry.msg and (number := _word(entry.number)):
        return FunnelStep(SELLER, number, _seller(entry.activation), old=True)
    return None


def _parse_pretty(text: str, start: int) -> FunnelStep | None:
    found = _MESSAGE.match(text, start)
    if found is None:
        return _of_router(text[start:], "") if text.startswith("SmartRouter: ", start) else None
    meta = _META.search(text, found.end())
    try:
        entry = _entry.decode(meta[1]) if meta else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _of_purchase(found[1], entry) if entry else None


def _of_purchase(name: str, entry: _FunnelLogEntry) -> FunnelStep | None:
    kind, purchase = _HEAD.get(name), _word(entry.purchase)
    if kind is None or not purchase:
        return None
    provider = _name(entry.provider or entry.resolved)
    reason = ""
    if kind == INIT:
        provider = _name(entry.body.get("provider")) if isinstance(entry.body, dict) else ""
    elif kind == BOUGHT:
        provider = _seller(entry.activation) or provider
    elif kind == REFUSED:
        reason = _REASONS.get(name) or _CODES.get(entry.code if isinstance(entry.code, str) else "", "other")
    elif kind in (FAILED, CRASHED):
        reason = failure(entry.error if isinstance(entry.error, str) else "")
    return FunnelStep(kind, purchase, provider, _word(entry.user), reason, _word(entry.request))


def _of_router(text: str, request: str) -> FunnelStep | None:
    found = _ROUTER.match(text)
    if found is None:
        return None
    if found["asked"]:
        return FunnelStep(CALLED, "", _name(found["asked"]), old=True)
    return FunnelStep(WHY, "", _name(found["failed"]), "", failure(found["why"]), request)


def _parse_old(line: bytes) -> FunnelStep | None:
    text = strip_controls(line.decode("utf-8", "replace"))
    found = _OLD.match(text)
    if found is None:
        return None
    for group, kind in (("init", INIT), ("missing", REFUSED), ("offer", OFFER)):
        if found[group]:
            whole = text.rstrip().endswith("}")
            return told(kind, provider_in(line, kind)) if whole else FunnelStep(OPENED, reason=kind, old=True)
    if found["reserved"]:
        return FunnelStep(RESERVED, found["order"], old=True)
    if found["sold"]:
        return FunnelStep(SOLD, found["number"], old=True)
    if found["failed"]:
        checked = _CHECKED.search(found["error"])
        name = _name(checked["one"] or checked["other"]) if checked else ""
        return FunnelStep(FAILED, "", name, "", failure(found["error"]), old=True)
    return FunnelStep(CRASHED, reason=failure(found["trouble"]), old=True)


def provider_in(line: bytes, kind: str) -> str:
    """The provider that a line of an object of that kind names; "" for none."""
    found = _FIELDS[b"providerName" if kind == OFFER else b"provider"].search(line)
    return _name(found[1].decode("utf-8", "replace")) if found else ""


def told(kind: str, provider: str) -> FunnelStep | None:
    """The step that an object told, now that it has been read; None for one that is not the route's own."""
    if kind == OFFER and not provider:
        return None
    return FunnelStep(kind, "", provider, "", "no offer" if kind == REFUSED else "", old=True)


def failure(text: str) -> str:
    """The kind of a failed purchase, one of FAILURES or `funds`, by what was said of it."""
    text = text[:500].split(" › ")[0]  # what a pretty line has behind the message is the router's own guess
    if status := _STATUS.search(text):
        code = status[1] + status[2]
        return _STATUSES.get(code) or (f"{status[1]}xx" if status[1] in "45" else "other")
    for words, kind in _KINDS:
        if words in text:
            return kind
    return "other"


_STATUSES = {"429": "429", "401": "bad key", "403": "bad key", "402": "no balance"}
_KINDS = (
    ("Breaker is open", "breaker open"),
    ("lock timeout", "lock timeout"),
    ("deadlock", "lock timeout"),
    ("too many clients", "no connection"),
    ("connection slots", "no connection"),
    ("new connection from the", "no connection"),
    ("MaxClients", "no connection"),
    ("trying to connect", "no connection"),
    ("READONLY", "redis full"),
    ("read-only transaction", "read-only"),
    ("OOM command", "redis full"),
    ("maxmemory", "redis full"),
    ("MISCONF", "redis full"),
    ("max retries per request", "redis"),
    ("Connection is closed", "redis"),
    (":6379", "redis"),
    ("reach database", "database"),
    ("terminating connection", "database"),
    ("database system is", "database"),
    ("Connection terminated", "database"),
    (":5432", "database"),
    (":6543", "database"),
    ("NO_BALANCE", "no balance"),
    ("NO_MONEY", "no balance"),
    ("BAD_KEY", "bad key"),
    ("WRONG_KEY", "bad key"),
    ("NO_KEY", "bad key"),
    ("BANNED", "bad key"),
    ("API_KEY", "bad key"),
    ("nauthorized", "bad key"),
    ("BAD_", "bad request"),
    ("WRONG_", "bad request"),
    ("NO_STOCK", "no stock"),
    ("NO_NUMBERS", "no stock"),
    ("Insufficient", "funds"),
    ("is not active", "not active"),
    ("fetch failed", "no answer"),
    ("ECONN", "no answer"),
    ("imed out", "no answer"),
    ("TIMEOUT", "no answer"),
    ("imeout", "no answer"),
    ("aborted", "no answer"),
    ("Failed to parse", "bad answer"),
)


def _seller(activation: object) -> str:
    """Who sold a number: the prefix of its activation's id. (nexnum.md#best-route)"""
    name, colon, _ = activation.partition(":") if isinstance(activation, str) else ("", "", "")
    return _name(name) if colon else ""


def _name(value: object) -> str:
    return clean_name(value).lower() if isinstance(value, str) and value and len(value) <= 4 * NAME_LENGTH else ""


def _word(value: object) -> str:
    """An id as it stands; "" for what is none."""
    return value if isinstance(value, str) and len(value) <= LONGEST_ID else ""
