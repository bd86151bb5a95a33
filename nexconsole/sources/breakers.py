"""What the pods' logs say of the SMS providers' breakers: lines to events, events to state. (facts 3.1 - 3.3)

Nothing here does I/O or looks at a clock. Times are the kubelet's, of the line itself.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from .text import clean, strip_controls

OPEN, HALF_OPEN, CLOSED, UNKNOWN = "open", "half-open", "closed", "unknown"
PROVIDERS = 5_000  # names come from the log: bounded, like everything else from there
NAME_LENGTH = 120
OPENINGS_KEPT = 100
WINDOW_S = 600
STEP_S = 10
SETTLES_AFTER = timedelta(seconds=60)  # longer than opossum's 45 s: by then a probe has closed or opened the breaker
REJECTS_WITHIN = timedelta(seconds=2)  # a rejection is logged at once, in the same turn of the pod's event loop
RACE = timedelta(seconds=1)

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


class _Entry(msgspec.Struct):
    """A line of pino's. Anything may be in any field: an Error becomes {}, a status a string."""

    msg: Any = ""
    context: Any = ""
    type: Any = ""
    status: Any = 0
    error: Any = ""
    provider_id: Any = msgspec.field(default="", name="providerId")
    open_ms: Any = msgspec.field(default=0, name="openDurationMs")


_entry = msgspec.json.Decoder(_Entry)


class Event(msgspec.Struct, frozen=True):
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


def parse(line: bytes) -> Event | None:
    """The event in a line of a pod's log (without the kubelet's time), in any of NexNum's formats; None: no event."""
    if line[:1] == b"{":
        return _parse_json(line)
    text = _string(line.decode("utf-8", "replace"))
    start = _TEXT.match(text)
    return _parse_message(text, start.end() if start else 0)


def _parse_json(line: bytes) -> Event | None:
    try:
        entry = _entry.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    context = _string(entry.context)
    if context.startswith("DynamicProvider:"):
        return _parse_upstream(context.removeprefix("DynamicProvider:"), entry)
    message = _string(entry.msg)
    if message.startswith("Circuit breaker opened"):
        opened, uuid = entry.open_ms, _clean(_string(entry.provider_id))
        seconds = opened / 1000 if isinstance(opened, int | float) and 0 < opened < 1e9 else None
        return Event("shared", uuid, open_s=seconds) if uuid else None
    if message.startswith("[DynamicProvider:") and "Request failed" in message:
        message += f" {_string(entry.error)}"
    return _parse_message(message, 0)


def _parse_upstream(name: str, entry: _Entry) -> Event | None:
    if entry.type == "upstream_request":
        return Event("request", _clean(name))
    if entry.type == "upstream_response":
        return Event("response", _clean(name), entry.status if isinstance(entry.status, int) else 0)
    return None


def _string(value: object) -> str:
    """Text without the terminal's escapes; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    return value if value.isprintable() else strip_controls(value)


@lru_cache(maxsize=2 * PROVIDERS)
def _clean(name: str) -> str:
    return clean(name, NAME_LENGTH)


def _parse_message(text: str, start: int) -> Event | None:
    found = _PROVIDER.match(text, start)
    if found is None:
        return _parse_other(text, start)
    name = _clean(found["name"])
    if found["circuit"]:
        return Event(found["circuit"].lower(), name)
    if found["request"]:
        return Event("request", name)
    if found["response"]:
        return Event("response", name, int(found["response"]))
    if found["retry"]:
        return Event("retry", name, 429)
    why = found["why"]
    if "Breaker is open" in why:
        return Event("rejected", name)
    status = _STATUS.search(why)
    return Event("failed", name, int(status[1]) if status else 0)


def _parse_other(text: str, start: int) -> Event | None:
    if lifecycle := _LIFECYCLE.match(text, start):
        return Event("lifecycle", state=lifecycle[1].lower().replace("_", "-"))
    if shared := _SHARED.match(text, start):
        uuid = re.search(r'"?providerId"?:\s*["\']([\w-]{1,120})', shared["meta"])
        opened = re.search(r'"?openDurationMs"?:\s*(\d{1,9})\b', shared["meta"])
        return Event("shared", uuid[1], open_s=int(opened[1]) / 1000 if opened else None) if uuid else None
    return None


@dataclass(slots=True)
class Breaker:
    """One pod's breaker for one provider, as far as the log proves it.

    `since` is when it went to `state`, None where that was not seen. `seen` is the newest line that bears on it.
    `first` and `second` are requests while nothing is proved: a half-open breaker lets one through and then closes,
    opens or rejects, so two that stay unanswered by any such line prove it closed, and so does a minute's silence.
    """

    state: str = UNKNOWN
    since: datetime | None = None
    seen: datetime | None = None
    first: datetime | None = None
    second: datetime | None = None
    openings: deque[float] | None = None
    shown: Any = None  # what a reader has made of the present state; gone when that changes

    def turn(self, at: datetime, state: str) -> None:
        """The breaker itself says its new state."""
        if state == OPEN:
            self.openings = self.openings or deque(maxlen=OPENINGS_KEPT)
            self.openings.append(at.timestamp())
        self._go(state, at, at)

    def reject(self, at: datetime) -> bool:
        """A request was rejected. A half-open one rejects, too, while its probe is under way."""
        if self.state in (OPEN, HALF_OPEN) or (self.state == CLOSED and self.since and at - self.since < RACE):
            return False
        self._go(OPEN, None, at)
        return True

    def request(self, at: datetime) -> None:
        if self.state != UNKNOWN:
            return
        self.seen = at
        if self.first is None:
            self.first = at
        elif self.second is None:
            self.second = at
        elif at - self.second > REJECTS_WITHIN:
            self._go(CLOSED, None, at)

    def settle(self, now: datetime) -> str:
        """The state at `now`."""
        if self.state == UNKNOWN and self.first is not None:
            quiet = self.second is not None and now - self.second > REJECTS_WITHIN
            if quiet or now - self.first > SETTLES_AFTER:
                self._go(CLOSED, None, self.seen)
        return self.state

    def _go(self, state: str, since: datetime | None, seen: datetime | None) -> None:
        self.state, self.since, self.seen = state, since, seen
        self.first = self.second = self.shown = None

    def opened(self, now: datetime, window_s: float) -> int:
        """How often it opened in the last `window_s` seconds."""
        earliest = now.timestamp() - window_s
        return sum(at >= earliest for at in self.openings or ())


class Count:
    """How many there were in the last ten minutes, give or take ten seconds; bounded whatever comes."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}

    def add(self, at: datetime) -> None:
        step = int(at.timestamp()) // STEP_S
        self._steps[step] = self._steps.get(step, 0) + 1
        if len(self._steps) > 2 * WINDOW_S // STEP_S:
            self._forget(max(self._steps) - WINDOW_S // STEP_S)

    def total(self, now: datetime) -> int:
        self._forget(int(now.timestamp()) // STEP_S - WINDOW_S // STEP_S)
        return sum(self._steps.values())

    def _forget(self, before: int) -> None:
        if any(step < before for step in self._steps):
            self._steps = {step: count for step, count in self._steps.items() if step >= before}


@dataclass(slots=True)
class Traffic:
    """What all pods' logs say of one provider. `name` is as the logs spell it.

    A request that fails with a status has a response line and a failed line at newer versions, only the latter at
    older ones: the greater of the two counts is the number of such responses.
    """

    name: str
    last: datetime | None = None
    counts: dict[str, Count] = field(default_factory=dict)

    def count(self, what: str, at: datetime) -> None:
        if what not in self.counts:
            self.counts[what] = Count()
        self.counts[what].add(at)

    def total(self, what: str, now: datetime) -> int:
        return self.counts[what].total(now) if what in self.counts else 0

    def opened(self, now: datetime) -> int:
        return self.total(OPEN, now)

    def seen_429(self, now: datetime) -> int:
        return self.total("retry", now) + max(self.total("response 429", now), self.total("failed 429", now))

    def seen_5xx(self, now: datetime) -> int:
        return max(self.total("response 5xx", now), self.total("failed 5xx", now))


@dataclass(slots=True)
class PodBreakers:
    """The breakers in one container's memory. `covered`: the log was read since the container began."""

    breakers: dict[str, Breaker] = field(default_factory=dict)
    covered: bool = False
    lifecycle: tuple[str, datetime] | None = None

    def forget(self, before: datetime | None = None) -> None:
        """Lines may be missing, or the process is a new one: what was proved before that moment no longer is."""
        self.covered = False
        self.lifecycle = None
        self.breakers = {
            name: breaker
            for name, breaker in self.breakers.items()
            if before is not None and breaker.seen is not None and breaker.seen >= before
        }


@dataclass(frozen=True, slots=True)
class SharedOpening:
    """A pod said that the shared breaker opened; for how long, where it said so."""

    at: datetime
    open_s: float | None


class Logbook:
    """The fold over all pods' logs: breakers by pod, traffic by provider (lower-case names), shared openings by uuid.

    `dropped` counts lines that were not folded because their provider's name was one too many.
    """

    def __init__(self) -> None:
        self.traffic: dict[str, Traffic] = {}
        self.shared: dict[str, SharedOpening] = {}
        self.dropped = 0

    def fold(self, pod: PodBreakers, at: datetime, event: Event) -> bool:
        """Take one event of a pod's in; True when a breaker's state has changed by it."""
        if event.kind == "lifecycle":
            pod.lifecycle = (event.state, at)
            return True
        if event.kind == "shared":
            return self._share(event, at)
        key = event.name.lower()
        breaker, traffic = pod.breakers.get(key), self.traffic.get(key)
        if traffic is None:
            if len(self.traffic) >= PROVIDERS:
                self.dropped += 1
                return False
            traffic = self.traffic[key] = Traffic(event.name)
        if breaker is None:
            breaker = pod.breakers[key] = Breaker()
        if event.kind in (OPEN, HALF_OPEN, CLOSED):
            breaker.turn(at, event.kind)
            if event.kind == OPEN:
                traffic.count(OPEN, at)
            return True
        if event.kind == "rejected":
            return breaker.reject(at)
        if traffic.last is None or at > traffic.last:
            traffic.last = at
        if event.kind == "request":
            breaker.request(at)
            return False
        return self._answered(traffic, event, at)

    def _answered(self, traffic: Traffic, event: Event, at: datetime) -> bool:
        if event.kind == "retry":
            traffic.count("retry", at)
        elif event.status == 429:
            traffic.count(f"{event.kind} 429", at)
        elif 500 <= event.status < 600:
            traffic.count(f"{event.kind} 5xx", at)
        return False

    def _share(self, event: Event, at: datetime) -> bool:
        uuid = event.name.lower()
        known = self.shared.get(uuid)
        if known is None and len(self.shared) >= PROVIDERS:
            self.dropped += 1
            return False
        if known is None or at >= known.at:
            self.shared[uuid] = SharedOpening(at, event.open_s)
        return True
