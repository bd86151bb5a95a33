"""Whether an alert rule can fire here: do the series of its expression exist? (nexnum.md#alerts, #samples)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NoRoute
from ..sources.prometheus import QueryRefused
from ..text.sanitize import clean
from . import promql
from .promql import SeriesSelector

if TYPE_CHECKING:
    from ..sources.prometheus import PrometheusSource

CONSTANT_WINDOW = "1d"
CONSTANT_SERIES = 50  # of more series a day's values are not asked for
VALUES_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class RuleVerdict:
    """None: not known; `why` then says what stood in the way."""

    can_fire: bool | None
    why: str = ""


async def examine(prometheus: PrometheusSource, expression: str) -> RuleVerdict:
    """Judge one expression by a handful of cheap queries: one count a selector, one or two more where it is 0."""
    try:
        selectors, tolerant = promql.selectors(expression), promql.tolerant(expression)
    except ValueError as error:
        return RuleVerdict(can_fire=None, why=f"its expression is not understood here: {clean(error, 80)}")
    try:
        counts = [await _scalar(prometheus, f"count({selector})") for selector in selectors]
        absent = [selector for selector, count in zip(selectors, counts, strict=True) if count is None]
        missing = [selector for selector in absent if not await _remembered(prometheus, selector)]
        if missing:
            why = await _why_missing(prometheus, missing[0])
            return RuleVerdict(can_fire=None if tolerant else False, why=why)
        if absent:
            return RuleVerdict(can_fire=True, why=f"nothing matches {clean(absent[0], 120)} now, but something did")
        if len(selectors) == 1 and (counts[0] or 0) <= CONSTANT_SERIES:
            return await _unless_constant(prometheus, expression, selectors[0])
    except QueryRefused as refused:
        return RuleVerdict(can_fire=None, why=f"its series can't be looked up: {clean(refused, 160)}")
    return RuleVerdict(can_fire=True)


async def _remembered(prometheus: PrometheusSource, selector: SeriesSelector) -> bool:
    """Whether a series matched at any time that the server remembers: an error counter may only be resting."""
    try:
        return bool(await prometheus.label_values("__name__", str(selector)))
    except (QueryRefused, NoRoute):
        return False


async def _why_missing(prometheus: PrometheusSource, selector: SeriesSelector) -> str:
    """Is the whole metric missing, or only the label's value? The values that there ever were tell which."""
    if not selector.metric or not selector.matchers:
        return f"there is no series {clean(selector, 120)}"
    label = next((m.label for m in selector.matchers if m.operator in ("=", "=~")), selector.matchers[0].label)
    try:
        values = await prometheus.label_values(label, selector.metric)
        known = values or await prometheus.label_values("__name__", selector.metric)
    except (QueryRefused, NoRoute):
        return f"no series matches {clean(selector, 120)}"
    if not known:
        return f"there is no series {clean(selector.metric, 80)} at all"
    return f"no series matches {clean(selector, 120)}: {clean(label, 40)} is {_only(sorted(values))}"


def _only(values: Sequence[str]) -> str:
    if not values:
        return "not one of its labels"
    shown = ", ".join(value or "(empty)" for value in values[:VALUES_SHOWN])
    more = len(values) - VALUES_SHOWN
    return f"only ever {shown}" if more <= 0 else f"{shown} and {more} others"


async def _unless_constant(prometheus: PrometheusSource, expression: str, selector: SeriesSelector) -> RuleVerdict:
    """A gauge without labels is 0 from the start, set or not (nexnum.md#samples): of one that is never above it, little
    can
    be said."""
    words = [text for kind, text in promql.tokens(expression) if kind in ("word", "sign")]
    if selector.matchers or words[:1] != [selector.metric] or words[1:] not in ([">"], [">="]):
        return RuleVerdict(can_fire=True)
    try:
        highest = await _scalar(prometheus, f"max(max_over_time({selector}[{CONSTANT_WINDOW}]))")
    except QueryRefused:
        return RuleVerdict(can_fire=True)
    if highest != 0:
        return RuleVerdict(can_fire=True)
    return RuleVerdict(
        can_fire=None, why=f"{selector.metric} has been 0 for all of the last day, as if nothing ever set it"
    )


async def _scalar(prometheus: PrometheusSource, expression: str) -> float | None:
    """The one value of an aggregation; None where nothing was there to aggregate."""
    answer = await prometheus.query(expression)
    return answer[0].value if answer else None
