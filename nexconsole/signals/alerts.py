"""Alerts: what fires in Prometheus, and which of the runbook's alerts can fire. (nexnum.md#alerts)"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Unpack

from ..catalogue import Argument
from ..errors import SourceError
from ..model import LEVELS, Value
from ..text.sanitize import clean
from ..text.units import duration, period, several
from . import alert_checks
from .probe import Probe, ProbeOptions, ProbeResult, Read, View
from .rulecheck import examine
from .signal import (
    ExportedMetric,
    Judgement,
    Signal,
    SubjectState,
)

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.prometheus import PrometheusSource
    from ..sources.prometheus_json import ActiveAlert, PrometheusRule, QueryResult, Sample

MOST = 200  # firing alerts that are kept
RULES_EVERY_S = 30.0
CHECK_EVERY_S = 300.0
JUDGED_EVERY_S = 60.0
RUNBOOK_TIMEOUT_S = 3.0
RAISING = LEVELS[:3]
OWN_LABELS = ("alertname", "alertstate", "__name__")


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A firing alert, labels without `alertname` and `alertstate`; `since` is UTC."""

    name: str
    severity: str
    since: datetime | None
    summary: str = ""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunbookAlert:
    """One alert that the runbook names. `exists`: some rule has this name; `can_fire`: its series exist here.

    None: the server doesn't say (Thanos and Mimir may have no rules route). `expression` is what was judged,
    at `checked_at` (epoch seconds).
    """

    name: str
    exists: bool | None
    can_fire: bool | None
    why: str = ""
    expression: str = ""
    checked_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Alerts(Value):
    """`firing` by severity, the oldest first. `rules_at` is when the rules were asked for, in epoch seconds.

    `judged`: whether anything judges at all, so that none firing means that none should; looked at, where nothing
    fires, at `judged_at` (epoch seconds). None: the server doesn't say.
    """

    firing: tuple[Alert, ...] = ()
    pending: int = 0
    runbook: tuple[RunbookAlert, ...] = ()
    rules_at: float = 0.0
    judged: bool | None = True
    judged_at: float = 0.0


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Alerts:
    """What is active now; the runbook's rules are looked at seldom, and their last judgement kept between."""
    before = previous if isinstance(previous, Alerts) else None
    prometheus = sources.prometheus
    active = await prometheus.alerts()
    notes = active.notes if active is not None else ()
    firing = [_alert(alert) for alert in active or () if alert.state == "firing"]
    pending = sum(alert.state == "pending" for alert in active or ())
    names = frozenset(alert.labels.get("alertname", "") for alert in active or ())
    runbook, rules_at, trouble = await _runbook(prometheus, settings, before, names)
    judged, judged_at = await _judged(prometheus, active, before, runbook)
    if active is None or not judged:
        why = "has no alerts route" if active is None else "shows no alert rules"
        notes += (f"this server {why}: its ALERTS series are read instead",)
        firing, pending = await _from_series(prometheus)
        judged = True if firing or pending else judged
        if not judged:
            notes += ("no rule judges anything here, as far as can be seen: that no alert fires says nothing",)
    firing.sort(key=lambda alert: _rank(alert, settings))
    if len(firing) > MOST:
        notes += (f"{len(firing)} alerts fire, and only {MOST} of them are kept",)
    return Alerts(
        source="prometheus",
        notes=notes + trouble,
        firing=tuple(firing[:MOST]),
        pending=pending,
        runbook=runbook,
        rules_at=rules_at,
        judged=judged,
        judged_at=judged_at,
    )


async def _judged(
    prometheus: PrometheusSource,
    active: QueryResult[ActiveAlert] | None,
    before: Alerts | None,
    runbook: Sequence[RunbookAlert],
) -> tuple[bool | None, float]:
    """(whether rules are evaluated, when that was looked at): a server's route may be there and know of none."""
    if active or any(alert.exists for alert in runbook):
        return True, 0.0
    now = time.time()
    if before is not None and before.judged_at and 0 <= now - before.judged_at < JUDGED_EVERY_S:
        return before.judged, before.judged_at
    try:
        rules = await prometheus.rules()
    except SourceError:  # too many to be sent, for one: then there are some
        return (True if active is not None else None), now
    return (None if rules is None else bool(rules)), now


def _alert(active: ActiveAlert) -> Alert:
    summaries = (active.annotations.get(name, "") for name in ("summary", "description", "message"))
    return Alert(
        name=active.labels.get("alertname", "(no name)"),
        severity=active.labels.get("severity", ""),
        since=active.since,
        summary=next(filter(None, summaries), ""),
        labels={name: value for name, value in active.labels.items() if name not in OWN_LABELS},
    )


def _rank(alert: Alert, settings: Settings) -> tuple[int, float, str]:
    level = settings.severity.alerts.get(alert.severity)
    place = RAISING.index(level) if level in RAISING else len(RAISING)
    return place, alert.since.timestamp() if alert.since else 0.0, alert.name


async def _from_series(prometheus: PrometheusSource) -> tuple[list[Alert], int]:
    """(firing, how many are pending) from the series that the rules leave; their annotations are not in them."""
    states = await prometheus.query("ALERTS")
    started = {_identity(sample.labels): sample.value for sample in await prometheus.query("ALERTS_FOR_STATE")}
    firing = [_from_sample(s, started) for s in states if s.labels.get("alertstate") == "firing"]
    return firing, sum(sample.labels.get("alertstate") == "pending" for sample in states)


def _identity(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in labels.items() if name not in ("alertstate", "__name__"))


def _from_sample(sample: Sample, started: Mapping[frozenset[tuple[str, str]], float]) -> Alert:
    since = started.get(_identity(sample.labels))
    return Alert(
        name=sample.labels.get("alertname", "(no name)"),
        severity=sample.labels.get("severity", ""),
        since=datetime.fromtimestamp(since, UTC) if since and since < 1e11 else None,
        labels={name: value for name, value in sample.labels.items() if name not in OWN_LABELS},
    )


async def _runbook(
    prometheus: PrometheusSource, settings: Settings, before: Alerts | None, active: frozenset[str]
) -> tuple[tuple[RunbookAlert, ...], float, tuple[str, ...]]:
    """(the runbook's alerts, when the rules were read, notes). Trouble here leaves the last judgement as it was."""
    now, names = time.time(), settings.severity.runbook_alerts
    if before is not None and 0 <= now - before.rules_at < RULES_EVERY_S:
        return before.runbook, before.rules_at, ()
    known = {alert.name: alert for alert in before.runbook} if before else {}
    try:
        async with asyncio.timeout(RUNBOOK_TIMEOUT_S):
            rules = await prometheus.rules(names)
            judged = tuple([await _judge(prometheus, name, rules, active, known.get(name), now) for name in names])
            return judged, now, ()
    except (SourceError, TimeoutError) as error:
        why = str(error) or f"no answer within {period(RUNBOOK_TIMEOUT_S)}"
        kept = tuple(known.get(name, RunbookAlert(name=name, exists=None, can_fire=None, why=why)) for name in names)
        return kept, now, (f"the runbook's alerts could not be looked up: {why}",)


async def _judge(
    prometheus: PrometheusSource,
    name: str,
    rules: QueryResult[PrometheusRule] | None,
    active: frozenset[str],
    known: RunbookAlert | None,
    now: float,
) -> RunbookAlert:
    if name in active:
        return RunbookAlert(name=name, exists=True, can_fire=True, checked_at=now)
    if rules is None:
        why = "this server does not show its rules"
        return RunbookAlert(name=name, exists=None, can_fire=None, why=why)
    expressions: Sequence[PrometheusRule] = [rule for rule in rules if rule.name == name]
    if not expressions:
        return RunbookAlert(name=name, exists=False, can_fire=False, why="no rule has this name here")
    text = "\n".join(rule.expression for rule in expressions)
    if known is not None and known.expression == text and 0 <= now - known.checked_at < CHECK_EVERY_S:
        return known
    verdicts = [await examine(prometheus, rule.expression) for rule in expressions]
    # Of several rules with one name the one that could fire decides.
    best = next((v for wish in (True, None) for v in verdicts if v.can_fire is wish), verdicts[0])
    why = best.why
    if problem := next((rule.problem for rule in expressions if rule.problem), ""):
        why = f"its last evaluation failed: {problem}" + (f"; {why}" if why else "")
    return RunbookAlert(name=name, exists=True, can_fire=best.can_fire, why=why, expression=text, checked_at=now)


def _reasons(value: Alerts, settings: Settings) -> Iterator[Judgement]:
    for alert in value.firing:
        level = settings.severity.alerts.get(alert.severity)
        if level in RAISING:
            yield Judgement(level, f"alert {alert.name} fires ({alert.severity})", about=f"alert {alert.name}")


def _summary(value: Alerts) -> str:
    return ", ".join(f"{alert.name} ({alert.severity})" for alert in value.firing) or _no_alert(value)


def _states(value: Alerts, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    firing = {f"alert {clean(alert.name, 150)}": alert for alert in value.firing}
    for subject, alert in firing.items():
        level = f" ({clean(alert.severity, 40)})" if alert.severity else ""
        yield SubjectState(subject, "firing", f"{subject} fires{level}", brief=True)
    for subject, state in known.items():
        if subject.startswith("alert ") and state == "firing" and subject not in firing:
            yield SubjectState(subject, "ended", f"{subject} fires no more", brief=True)


def _no_alert(value: Alerts) -> str:
    return "no alerts firing" if value.judged else "not known: no alert rules here"


def _firing(view: View[Alerts]) -> ProbeResult:
    value = view.value
    name = view.argument
    fires = next((alert for alert in value.firing if alert.name == name), None)
    if fires is not None:
        since = f" since {duration((view.now - fires.since).total_seconds())}" if fires.since else ""
        return ProbeResult(text=f"{name} fires{since}", value=True)
    rule = next((rule for rule in value.runbook if rule.name == name), None)
    why = f": {rule.why}" if rule and rule.why else ""
    if rule and rule.exists is False:
        lacks = f"an alert rule named {name}"
        return ProbeResult(text=f"not known: there is no alert {name} here{why}", value=None, lacks=lacks)
    if rule and rule.can_fire is False:
        lacks = f"a rule {name} that can fire"
        return ProbeResult(
            text=f"not known: {name} can never fire here, its silence proves nothing{why}", value=None, lacks=lacks
        )
    doubt = "" if rule and rule.exists else "; whether it exists is not known"
    return ProbeResult(text=f"{name} does not fire{doubt}", value=False)


def _level(view: View[Alerts]) -> ProbeResult:
    value = view.value
    levels = view.settings.severity.alerts
    judged = [(levels.get(alert.severity), alert) for alert in value.firing]
    judged = [(level, alert) for level, alert in judged if level in RAISING]
    if not judged:
        return ProbeResult(text=f"{several(len(value.firing), 'alert')} firing, none that counts", value="none")
    level, alert = min(judged, key=lambda pair: LEVELS.index(pair[0]))
    return ProbeResult(text=f"{alert.name} fires ({alert.severity})", value=level)


def _probe(name: str, title: str, read: Read, kind: str = "number", **options: Unpack[ProbeOptions]) -> Probe:
    return Probe(name=name, title=title, signal="alerts", kind=kind, read=read, **options)


PROBES = (
    _probe(
        "alerts.firing",
        "whether an alert fires",
        _firing,
        "flag",
        argument=Argument(name="alert", kind="alert"),
    ),
    alert_checks.PROBE,
    _probe("alerts.level", "the highest level that firing alerts stand for", _level, "word", words=LEVELS),
)
SIGNAL = Signal(
    name="alerts",
    kind=Alerts,
    read=read,
    summary=_summary,
    every=4.0,
    unseen_every=15.0,
    timeout=8.0,
    needs=("prometheus",),
    reasons=_reasons,
    exported=(ExportedMetric("alerts_firing", "Alerts that fire.", lambda value: [({}, len(value.firing))]),),
    observe=_states,
    arguments={"alert": lambda value: (alert.name for alert in value.firing)},
    probes=PROBES,
)
