"""Since when a pane's figure is out of its usual range: a short phrase for its frame, and marks for its chart."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from ..causes.change_wording import BEFORE_S, CHANGES, ONSET, said
from ..text.units import clock_minute
from ..widgets.charts import ChartMark
from ..widgets.panel import RenderContext

if TYPE_CHECKING:
    from ..signals.onset import Onset
    from ..signals.signal import MetricSpec

BEGAN = "▲"  # on the chart
AFTER_S = 120.0  # a change so long after it began is marked too
MOST_MARKED = 4
LETTERS = {
    "config": "C",
    "secret": "C",
    "provider": "P",
    "database": "D",
    "redis": "D",
    "replicas": "N",
    "eviction": "E",
}


def began_words(signals: Collection[str | None], space: RenderContext) -> tuple[str, ...]:
    """`since 03:12, was 1.1 %` and shorter, of these signals' figure that got worse first; () where none did."""
    found = _first(signals, space)
    if found is None:
        return ()
    from ..causes.wording import since_words  # nothing that the first paint waits for

    onset, spec = found
    since = since_words(onset, space.now)
    return (f"{since}, was {spec.say(onset.before)}", since) if onset.before is not None else (since,)


def began_marks(figure: str, space: RenderContext) -> tuple[ChartMark, ...]:
    """When the figure left its usual range, and what changed just before and after, as marks of its chart."""
    onsets = ONSET.value(space.readings)
    onset = onsets.of(figure) if onsets is not None else None
    if onset is None or onset.at is None or not onset.worse:
        return ()
    at = onset.at.timestamp()
    began = ChartMark(at, BEGAN, f"{clock_minute(onset.at)} it began", clock_minute(onset.at))
    return (*_changed(at, space), began)


def _changed(began: float, space: RenderContext) -> Iterator[ChartMark]:
    """The nearest changes but releases and actions, which have marks of their own."""
    log = CHANGES.value(space.readings)
    near = [
        (abs(began - change.at.timestamp()), change)
        for change in (log.changes if log is not None else ())
        if change.kind in LETTERS and -AFTER_S <= began - change.at.timestamp() <= BEFORE_S
    ]
    for _, change in sorted(near, key=lambda pair: pair[0])[:MOST_MARKED]:
        text = f"{clock_minute(change.at)} {said(change)}"
        yield ChartMark(change.at.timestamp(), LETTERS[change.kind], text, f"{change.kind} {change.target}")


def _first(signals: Collection[str | None], space: RenderContext) -> tuple[Onset, MetricSpec] | None:
    onsets = ONSET.value(space.readings)
    worse = [each for each in onsets.found if each.worse and not each.subject] if onsets is not None else []
    if not worse:
        return None
    specs = _specs(signals, space)
    return next(((each, specs[each.figure]) for each in worse if each.figure in specs), None)


def _specs(signals: Collection[str | None], space: RenderContext) -> dict[str, MetricSpec]:
    from ..signals.registry import signals as declared  # with all signals behind it; nothing the first paint waits for

    return {
        name: spec
        for signal in declared(space.settings)
        if signal.name in signals
        for name, spec in signal.metrics.items()
    }
