"""Counts of purchases: by provider, by source, and by step of the trend."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
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


NOTHING = Counts(attempts=0, failures=0)


def together(counts: Collection[Counts]) -> Counts:
    """All of them as one: `oldest_s` is the greatest there is, every other age the least."""
    if len(counts) == 1:
        return next(iter(counts))
    return Counts(
        attempts=sum(one.attempts for one in counts),
        failures=sum(one.failures for one in counts),
        in_flight=sum(one.in_flight for one in counts),
        overdue=sum(one.overdue for one in counts),
        minute=sum(one.minute for one in counts),
        minute_failures=sum(one.minute_failures for one in counts),
        oldest_s=max((one.oldest_s for one in counts if one.oldest_s is not None), default=None),
        newest_s=_least(one.newest_s for one in counts),
        silent_s=_least(one.silent_s for one in counts),
        failed_s=_least(one.failed_s for one in counts),
    )


def _least(ages: Iterable[float | None]) -> float | None:
    return min((age for age in ages if age is not None), default=None)


@dataclass(frozen=True, kw_only=True)
class SourceCounts:
    """One source's counts by provider (`names` says which key a provider has); `of` finds one's."""

    source: str
    providers: Mapping[str, Counts]
    notes: tuple[str, ...] = ()
    names: ProviderNames = field(default_factory=ProviderNames)

    @cached_property
    def whole(self) -> Counts:
        return together(self.providers.values())

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
