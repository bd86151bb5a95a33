"""Types that every layer shares: a value, a reading of it, a source's health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, cast

LEVELS = ("SEV-1", "SEV-2", "SEV-3", "none")  # of severity, the worst first


def utc_now() -> datetime:
    return datetime.now(UTC)


class State(StrEnum):
    """The state of a reading. WAITING only appears on screen, before the first attempt has ended."""

    WAITING = "waiting"
    FRESH = "fresh"
    STALE = "stale"
    ERROR = "error"
    ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class Value:
    """The base of every signal's value.

    `source` names where the figures came from ("postgres", "prometheus", "pod logs, redis"). `notes` are whole
    sentences on what is missing or doubtful.
    """

    source: str = ""
    notes: tuple[str, ...] = ()


if TYPE_CHECKING:
    from typing_extensions import TypeVar

    V = TypeVar("V", bound=Value, covariant=True, default=Value)  # `Reading` alone: of any signal
else:
    from typing import TypeVar

    V = TypeVar("V", bound=Value)
K = TypeVar("K", bound=Value)


@dataclass(frozen=True, kw_only=True)
class Reading(Generic[V]):
    """A signal's last good value, its time (UTC), and the error if the newest attempt failed.

    `every` is the signal's cadence in seconds. A value older than three of them is stale even without an error, because
    then nobody is reading. `denied`: the error is an answer, which refused this console's account.
    """

    signal: str
    every: float
    value: V | None = None
    taken_at: datetime | None = None
    attempted_at: datetime | None = None
    error: str | None = None
    absent: bool = False
    denied: bool = False

    def age(self, now: datetime) -> float | None:
        """Seconds since the value was taken; None where there is no value."""
        return None if self.taken_at is None else max(0.0, (now - self.taken_at).total_seconds())

    def state(self, now: datetime) -> State:
        if self.absent:
            return State.ABSENT
        if self.value is None:
            return State.WAITING if self.attempted_at is None else State.ERROR
        if self.error is None and (self.age(now) or 0.0) <= max(3 * self.every, 5.0):
            return State.FRESH
        return State.STALE


class SignalKey(str, Generic[V]):
    """A signal's name, for who reads its value without importing its module: `SLOTS: SignalKey[Slots]`."""

    __slots__ = ()

    def value(self, readings: Mapping[str, Reading]) -> V | None:
        """The signal's last good value; None where it has none."""
        reading = readings.get(self)
        return cast("V | None", reading.value) if reading is not None else None


def value_of(readings: Mapping[str, Reading], signal: str, kind: type[K]) -> K | None:
    """The signal's last good value, which is of this kind; None where it has none."""
    reading = readings.get(signal)
    value = None if reading is None else reading.value
    return value if isinstance(value, kind) else None


@dataclass(frozen=True, kw_only=True)
class SourceHealth:
    """A source's health after its last exchange. `latency_ms` is of the last good one, `at` is UTC. `place` is the part
    of the source in use, where one address holds several: "prod-eu/nexnum".
    """

    name: str
    configured: bool = True
    place: str = ""
    latency_ms: float | None = None
    ok_at: datetime | None = None
    failed_at: datetime | None = None
    error: str | None = None
    kind: str | None = field(default=None)

    @property
    def state(self) -> State:
        if not self.configured:
            return State.ABSENT
        if self.error is not None:
            return State.ERROR
        return State.WAITING if self.ok_at is None else State.FRESH
