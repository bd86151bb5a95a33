"""A few key figures: taken from readings, written to the journal, folded from it again.

An unknown or stale figure is None, never 0. Rates are 0..1; times are in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..journal import Entry, EntryKind
from ..model import Reading, State
from ..signals.registry import signals
from ..signals.signal import MetricSpec, Number, Numbers
from ..text.sanitize import clean

if TYPE_CHECKING:
    from ..settings import Settings

BUCKET_S = 15  # several consoles write the same: the first of each bucket counts
MOST = 100  # numbers of one entry
LARGEST = 1e15


@dataclass(frozen=True, kw_only=True)
class MetricSample:
    """The figures known at `at` (UTC), by name; an unknown one is missing."""

    at: datetime
    numbers: Mapping[str, Number]


@dataclass(frozen=True, kw_only=True)
class MetricRange:
    """One figure over an incident: first, worst and last known value, and when it was worst (UTC)."""

    name: str
    start: Number
    worst: Number
    worst_at: datetime
    end: Number


def metric_specs(settings: Settings | None = None) -> dict[str, MetricSpec]:
    """Every metric by its name, in the order of the signals."""
    return {name: spec for signal in signals(settings) for name, spec in signal.metrics.items()}


def sample_of(readings: Mapping[str, Reading], now: datetime, settings: Settings | None = None) -> Numbers:
    """Every metric by its name, from the readings that are fresh at `now`; None for the rest."""
    sample: Numbers = dict.fromkeys(metric_specs(settings))
    for signal in signals(settings):
        reading = readings.get(signal.name)
        if signal.numbers is None or reading is None or reading.value is None:
            continue
        if reading.state(now) is State.FRESH:
            sample.update(signal.numbers(reading.value, reading.every, now))
    return sample


def subject_sample_of(
    readings: Mapping[str, Reading], now: datetime, settings: Settings | None = None
) -> dict[tuple[str, str], Number]:
    """The metrics that are known of a subject, by metric and subject, from the readings that are fresh at `now`."""
    sample: dict[tuple[str, str], Number] = {}
    for signal in signals(settings):
        reading = readings.get(signal.name)
        if signal.subject_numbers is None or reading is None or reading.value is None:
            continue
        if reading.state(now) is State.FRESH:
            found = signal.subject_numbers(reading.value)
            sample |= {(metric, subject): number for metric, subject, number in found if number is not None}
    return sample


def samples_in(entries: Iterable[Entry]) -> tuple[MetricSample, ...]:
    """Those that these entries (in merge's order) hold, the first of each bucket of 15 s."""
    found: dict[int, MetricSample] = {}
    for entry in entries:
        bucket = int(entry.at.timestamp() // BUCKET_S)
        if entry.kind == EntryKind.FIGURES and bucket not in found and (numbers := dict(_numbers(entry.data))):
            found[bucket] = MetricSample(at=entry.at.astimezone(UTC), numbers=numbers)
    return tuple(found.values())


def ranges(figures: Iterable[MetricSample], specs: Mapping[str, MetricSpec] | None = None) -> tuple[MetricRange, ...]:
    """Each figure that was ever known, in the order of `specs` (ours, where none are given) and then by name."""
    known: dict[str, list[tuple[datetime, Number]]] = {}
    for sample in figures:
        for name, number in sample.numbers.items():
            known.setdefault(name, []).append((sample.at, number))
    specs = metric_specs() if specs is None else specs
    names = [*(name for name in specs if name in known), *sorted(known.keys() - specs.keys())]
    return tuple(_extent(name, known[name], specs) for name in names)


def _extent(name: str, points: list[tuple[datetime, Number]], specs: Mapping[str, MetricSpec]) -> MetricRange:
    less = name in specs and specs[name].less
    at, worst = (min if less else max)(points, key=lambda point: point[1])  # the first of equals
    return MetricRange(name=name, start=points[0][1], worst=worst, worst_at=at, end=points[-1][1])


def title(name: str, specs: Mapping[str, MetricSpec] | None = None) -> str:
    spec = (metric_specs() if specs is None else specs).get(name)
    return spec.title if spec is not None else clean(name.replace("_", " "), 40)


def said(name: str, number: Number | None, specs: Mapping[str, MetricSpec] | None = None) -> str:
    """The figure with its unit; a dash where it is not known."""
    if number is None:
        return "-"
    spec = (metric_specs() if specs is None else specs).get(name)
    return spec.say(number) if spec is not None else f"{number:g}"


def _numbers(data: Mapping[str, Any]) -> Iterator[tuple[str, Number]]:
    figures = data.get("figures")
    for name, number in list(figures.items())[:MOST] if isinstance(figures, dict) else ():
        usable = isinstance(number, int | float) and not isinstance(number, bool)
        if usable and -LARGEST <= number <= LARGEST and math.isfinite(number):
            yield clean(name, 40), number
