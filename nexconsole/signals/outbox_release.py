"""Whether the outbox is in trouble since the release that runs: by the ages of what failed, waits or was lost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, cast

from ..model import Reading
from ..text.units import duration, several
from .probe import Probe, ProbeResult, View

LOST = 3  # events; fewer may be a mishap
YOUNG_S = 7200.0  # an older release is not what went wrong just now
NO_AGE = "not known: how old the release is can't be read"


class OutboxAges(Protocol):
    """What of the outbox' value is looked at; its module imports this one."""

    @property
    def dropped(self) -> int: ...
    @property
    def oldest_dropped_s(self) -> float | None: ...
    @property
    def oldest_failed_s(self) -> float | None: ...
    @property
    def oldest_pending_s(self) -> float | None: ...


def _outbox(readings: Mapping[str, Reading]) -> OutboxAges | None:
    reading = readings.get("outbox")
    return cast("OutboxAges | None", reading.value) if reading is not None else None


def _release_age(readings: Mapping[str, Reading], now: datetime) -> float | None:
    """Seconds since the release that runs; None where that is not known."""
    workloads = readings.get("workloads")
    release = getattr(workloads.value, "release", None) if workloads is not None else None
    since = getattr(release, "since", None)
    return None if since is None else max(0.0, (now - since).total_seconds())


def _since_release(view: View) -> ProbeResult:
    """Whether all that failed or is late is younger than the release that runs, which is young itself."""
    value, age = cast("OutboxAges", view.value), _release_age(view.readings, view.now)
    if age is None:
        return ProbeResult(text=NO_AGE, value=None)
    ages = [each for each in (value.oldest_failed_s, value.oldest_pending_s) if each is not None]
    if not ages:
        return ProbeResult(text="nothing failed and nothing waits", value=False)
    text = f"the oldest that failed or waits is {duration(max(ages))} old, the release {duration(age)}"
    return ProbeResult(text=text, value=max(ages) <= age <= YOUNG_S)


def loses(readings: Mapping[str, Reading], now: datetime) -> bool | None:
    """Whether several events were lost, all of them since the release that runs, which is young; None: not known."""
    value, age = _outbox(readings), _release_age(readings, now)
    if value is None or value.oldest_dropped_s is None or value.dropped < LOST:
        return False if value is not None else None
    return None if age is None else value.oldest_dropped_s <= age <= YOUNG_S


def _loses(view: View) -> ProbeResult:
    value, age = cast("OutboxAges", view.value), _release_age(view.readings, view.now)
    if value.oldest_dropped_s is None:
        return ProbeResult(text="no event was lost", value=False)
    if age is None:
        return ProbeResult(text=NO_AGE, value=None)
    lost, oldest = several(value.dropped, "event was lost", "events were lost"), duration(value.oldest_dropped_s)
    text = f"{lost}, the first {oldest} ago, the release is {duration(age)} old"
    return ProbeResult(text=text, value=loses(view.readings, view.now))


PROBES = (
    Probe(
        name="outbox.since-release",
        title="whether all that failed or waits is younger than the release",
        signal="outbox",
        kind="flag",
        read=_since_release,
    ),
    Probe(
        name="outbox.loses",
        title="whether events are lost since the release that runs",
        signal="outbox",
        kind="flag",
        read=_loses,
    ),
)
