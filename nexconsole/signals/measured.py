"""Signals of the team's own, declared in the settings: one number by a PromQL or an SQL expression, with limits."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ..errors import BadAnswer
from ..model import LEVELS, Value
from ..text.units import count, duration, percent
from .probe import Probe, ProbeResult, View
from .signal import Judgement, MetricSpec, Number, Numbers, Signal, SubjectState, gauge, rounded

if TYPE_CHECKING:
    from datetime import datetime

    from ..settings import Settings, SignalSettings
    from ..sources import Sources

MOST_ROWS = 2  # one too many is enough to say that there is more than one
UNIT_LENGTH = 20


@dataclass(frozen=True, kw_only=True)
class Measurement(Value):
    """One number. `unit`: "ratio" (0..1), "seconds", "" or a word. `title` is what it is called on screen.

    `passed` is the limit that it has passed, None where it has passed none; `level` is that limit's.
    """

    title: str
    number: float
    unit: str = ""
    level: str = "none"
    passed: float | None = None
    worse: str = "above"


def shown(number: Number, unit: str) -> str:
    """The number with its unit: `12 refunds`, `4.5 %`, `3 min`."""
    if unit == "ratio":
        return percent(number)
    if unit == "seconds":
        return duration(number)
    plain = count(int(number)) if float(number).is_integer() and abs(number) < 1e15 else f"{number:.4g}"
    return f"{plain} {unit}".rstrip()


def measured(name: str, rules: SignalSettings) -> Signal[Measurement]:
    """The signal that these settings declare."""
    title = rules.title or name.replace("-", " ").capitalize()
    metric = name.replace("-", "_")

    def numbers(value: Measurement, every: float, now: datetime) -> Numbers:
        return {metric: rounded(value.number)}

    def states(value: Measurement, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
        inside = value.passed is None
        state = "within its limits" if inside else f"{value.worse} {shown(value.passed or 0.0, value.unit)}"
        if rules.limits:
            yield SubjectState(name, state, f"{title}: {shown(value.number, value.unit)}, {state}", usual=inside)

    probe = Probe(
        name=name,
        title=title,
        signal=name,
        kind="number",
        unit=rules.unit if rules.unit in ("ratio", "seconds") else "",
        read=_answer,
    )
    return Signal(
        name=name,
        title=title,
        kind=Measurement,
        read=_by_sql(name, title, rules) if rules.sql else _by_promql(name, title, rules),
        summary=_summary,
        every=rules.every_s,
        timeout=max(4.0, min(rules.every_s, 10.0)),
        needs=("postgres",) if rules.sql else ("prometheus",),
        reasons=_reasons,
        numbers=numbers,
        metrics={metric: MetricSpec(title, lambda number: shown(number, rules.unit), less=rules.worse == "below")},
        exported=(gauge(f"own_{metric}", f"{title} (signals.{name} in the settings).", "number"),),
        observe=states,
        probes=(probe,),
    )


def _by_promql(
    name: str, title: str, rules: SignalSettings
) -> Callable[[Sources, Settings, Value | None], Awaitable[Measurement]]:
    async def read(sources: Sources, settings: Settings, previous: Value | None) -> Measurement:
        samples = await sources.prometheus.query(rules.promql)
        numbers = [sample.value for sample in samples]
        number = _one(numbers, name, "promql", "series", "sum(...) makes one of them")
        return _measurement(number, title, rules, "prometheus", samples.notes)

    return read


def _by_sql(
    name: str, title: str, rules: SignalSettings
) -> Callable[[Sources, Settings, Value | None], Awaitable[Measurement]]:
    sql = f"SELECT * FROM (\n{rules.sql}\n) AS measured LIMIT {MOST_ROWS}"  # so that only one SELECT fits in there

    async def read(sources: Sources, settings: Settings, previous: Value | None) -> Measurement:
        async with sources.postgres.read(f"the query of signals.{name}") as tx:
            rows = await tx.fetch(sql)
        cells = [cell for row in rows for cell in row.values()]
        number = _one(cells, name, "sql", "values", "it must give one row of one column")
        return _measurement(number, title, rules, "postgres", ())

    return read


def _one(cells: Iterable[object], name: str, key: str, what: str, advice: str) -> float:
    """The one finite number. Raises BadAnswer."""
    source = "postgres" if key == "sql" else "prometheus"
    given = list(cells)
    if not given:
        raise BadAnswer(source, f"signals.{name}.{key} gives no number: is the expression right?")
    if len(given) > 1:
        raise BadAnswer(source, f"signals.{name}.{key} gives several {what}: {advice}")
    number = given[0]
    if isinstance(number, bool) or not isinstance(number, int | float | Decimal) or not math.isfinite(number):
        raise BadAnswer(source, f"signals.{name}.{key} gives no number, but {str(number)[:40]}")
    return float(number)


def _measurement(number: float, title: str, rules: SignalSettings, source: str, notes: tuple[str, ...]) -> Measurement:
    below = rules.worse == "below"
    passed = {level: limit for level, limit in rules.limits.items() if (number < limit if below else number > limit)}
    level = next((level for level in LEVELS if level in passed), "none")
    return Measurement(
        source=source,
        notes=notes,
        title=title,
        number=number,
        unit=rules.unit,
        level=level,
        passed=passed.get(level),
        worse=rules.worse,
    )


def _summary(value: Measurement) -> str:
    limit = "" if value.passed is None else f", {value.worse} {shown(value.passed, value.unit)}"
    return f"{shown(value.number, value.unit)}{limit}"


def _reasons(value: Measurement, settings: Settings) -> Iterator[Judgement]:
    if value.passed is not None:
        yield Judgement(value.level, f"{value.title}: {_summary(value)}")


def _answer(view: View[Measurement]) -> ProbeResult:
    return ProbeResult(text=f"{view.value.title}: {_summary(view.value)}", value=view.value.number)
