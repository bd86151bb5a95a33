"""An alert: since when it fires, its labels, its words, and whether the runbook knows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..model import SignalKey
from ..text.units import clock, duration, since
from ..widgets.spans import Line, Span, plain
from .changes import changes
from .section import PageContext, Section, by_urgency, fact, from_signal, own_ink, sentence

if TYPE_CHECKING:
    from ..signals.alerts import Alert, Alerts

NOUN = "Alert"
ALERTS: SignalKey[Alerts] = SignalKey("alerts")
SIGNALS = frozenset[str]({ALERTS})


def key_of(alert: Alert) -> str:
    """An alert's identity: its name and labels, as the pane's rows have it."""
    return "\0".join((alert.name, *(f"{name}={text}" for name, text in sorted(alert.labels.items()))))


def _alert(context: PageContext) -> Alert | None:
    value = ALERTS.value(context.readings)
    firing = value.firing if value is not None else ()
    return next((alert for alert in firing if key_of(alert) == context.subject.id), None)


def _name(context: PageContext) -> str:
    return context.subject.arguments.get("alert") or context.subject.title


def present(context: PageContext) -> bool | None:
    value = ALERTS.value(context.readings)
    return None if value is None else _alert(context) is not None


def headline(context: PageContext) -> Span:
    alert = _alert(context)
    if alert is None:
        return "it does not fire", "muted"
    counts = alert.severity in context.settings.severity.alerts
    ink = own_ink(context.alert_levels.get(ALERTS, "calm")) if counts else "text"
    since_when = f" for {duration(since(alert.since, context.now))}" if alert.since else ""
    return f"it fires{since_when}, {plain(alert.severity or 'without a severity', 40)}", ink


def sections(context: PageContext) -> tuple[Section, ...]:
    return by_urgency(
        (
            from_signal(context, "What it says", ALERTS, lambda value: _said(context), least=6),
            from_signal(context, "In the runbook", ALERTS, lambda value: _rule(value, context)),
            changes(context, _name(context)),
        )
    )


def _said(context: PageContext) -> Iterator[Line]:
    alert, width = _alert(context), context.width
    if alert is None:
        yield from sentence("no alert with these labels fires", "muted", width)
        return
    if alert.summary:
        yield from fact("summary", (plain(alert.summary, 2000), "strong"), width)
    severity = plain(alert.severity, 40) or "none"
    level = context.settings.severity.alerts.get(alert.severity)
    yield from fact(
        "severity", [(severity, "text"), (f"counts as {level}" if level else "counts for nothing", "muted")], width
    )
    yield from fact("since", (clock(alert.since) if alert.since else "not known", "text"), width)
    for name, text in sorted(alert.labels.items()):
        if name != "severity":
            yield from fact(plain(name, 40), (plain(text, 500), "text"), width)


def _rule(value: Alerts, context: PageContext) -> Iterator[Line]:
    rule = next((rule for rule in value.runbook if rule.name == _name(context)), None)
    if rule is None:
        yield from sentence("the runbook does not name this alert", "muted", context.width)
        return
    exists = {True: "there is a rule of this name", False: "no rule has this name", None: "not known"}[rule.exists]
    can = {True: "it can fire here", False: "it can't fire here", None: "whether it can fire is not known"}[
        rule.can_fire
    ]
    yield from fact("rule", [(exists, "text"), (can, "text"), (plain(rule.why, 500), "muted")], context.width)
    if rule.expression:
        yield from fact("expression", (plain(rule.expression, 2000), "muted"), context.width)
