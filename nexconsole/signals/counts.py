"""Counts of purchases: by provider, by source, and by step of the trend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .provider_names import ProviderNames


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Purchases at one provider. `attempts` are the decided ones and those `in_flight`; ages are in seconds.

    `overdue`: in flight for longer than usual, begun in the window. `oldest_s`, `newest_s`: ages of those in flight.
    `silent_s`: since one was decided; `failed_s`: since the newest failure began. `minute`: decided in the last minute.
    """

    attempts: int
    failures: int
    in_flight: int = 0
    overdue: int = 0
    minute: int = 0
    minute_failures: int = 0
    oldest_s: float | None = None
    newest_s: float | None = None
    silent_s: float | None = None
    failed_s: float | None = None

    @property
    def decided(self) -> int:
        return self.attempts - self.in_flight

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            attempts=self.attempts + other.attempts,
            failures=self.failures + other.failures,
            in_flight=self.in_flight + other.in_flight,
            overdue=self.overdue + other.overdue,
            minute=self.minute + other.minute,
            minute_failures=self.minute_failures + other.minute_failures,
            oldest_s=_either(max, self.oldest_s, other.oldest_s),
            newest_s=_either(min, self.newest_s, other.newest_s),
            silent_s=_either(min, self.silent_s, other.silent_s),
            failed_s=_either(min, self.failed_s, other.failed_s),
        )


NOTHING = Counts(attempts=0, failures=0)


def _either(choose: Callable[[Iterable[float]], float], one: float | None, other: float | None) -> float | None:
    known = [each for each in (one, other) if each is not None]
    return choose(known) if known else None


@dataclass(frozen=True, kw_only=True)
class SourceCounts:
    """One source's counts by provider (`names` says which key a provider has); `of` finds one's."""

    source: str
    providers: Mapping[str, Counts]
    notes: tuple[str, ...] = ()
    names: ProviderNames = field(default_factory=ProviderNames)

    @cached_property
    def whole(self) -> Counts:
        return sum(self.providers.values(), NOTHING)

    @property
    def attempts(self) -> int:
        return self.whole.attempts

    @property
    def decided(self) -> int:
        return self.whole.decided

    @property
    def failures(self) -> int:
        return self.whole.failures

    @property
    def in_flight(self) -> int:
        return self.whole.in_flight

    @property
    def failure_rate(self) -> float | None:
        """Of the decided ones; None where none is."""
        whole = self.whole
        return whole.failures / whole.decided if whole.decided else None

    def of(self, name: str) -> Counts:
        """The counts of the provider that this name means; nothing where it has none."""
        return self.providers.get(self.names.key(name), NOTHING)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One step of the trend: `at` is epoch seconds, `attempts` the purchases decided in a minute, `failure_rate` the
    part of them that failed, 0..1, None where none was decided."""

    at: float
    attempts: float
    failure_rate: float | None


def point(at: float, decided: float, failures: float) -> Point:
    return Point(at=at, attempts=decided, failure_rate=min(1.0, failures / decided) if decided > 0 else None)
