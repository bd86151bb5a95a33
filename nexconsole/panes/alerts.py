"""Alerts: what fires in Prometheus, and which of the runbook's alerts can fire here. (nexnum.md#alerts)"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..text.units import clock, duration, since
from ..widgets.panel import Listing, Panel, RenderContext
from ..widgets.spans import BLANK, Line, Span, column, phrases, plain, wrapped
from . import subjects

if TYPE_CHECKING:
    from ..signals.alerts import Alert, Alerts, RunbookAlert

NUMBER, SIGNAL, TITLE = 7, "alerts", "Alerts"

RULE = 23  # cells of a rule's name: the longest of the runbook's


def small(value: Alerts, space: RenderContext) -> Panel:
    head = phrases(_words(value, space), space.width, ("  ", "muted"))
    firing = _firing(value)
    rows = _listing(firing, lambda alert: _short(alert, space))
    spare = space.height - 1 - len(firing)
    foot = _runbook_lines(value, space, spare)[: max(0, spare)] if not firing or spare > 2 else ()
    return Panel(space.alert_level, (head,), rows, foot)


def detail(value: Alerts, space: RenderContext) -> Panel:
    firing = _firing(value)
    head = (phrases(_words(value, space), space.width, ("  ", "muted")), BLANK)
    foot = ((), (("the runbook's alerts", "muted"),), *_runbook_lines(value, space, space.height - 8 - len(firing)))
    foot = foot[: max(0, space.height - 6)]
    rows = _listing(firing, lambda alert: _long(alert, space))
    if not firing:
        return Panel(space.alert_level, (*head, *foot[1:]))
    return Panel(space.alert_level, head, rows, foot)


def brief(value: Alerts, space: RenderContext) -> Line:
    return phrases(_words(value, space), space.width, ("  ", "muted"))


def _listing(firing: list[Alert], draw: Callable[[Alert], Line]) -> Listing | None:
    if not firing:
        return None
    keys = [_key(alert) for alert in firing]
    return Listing(
        keys,
        lambda n: draw(firing[n]),
        lambda n: subjects.alert(firing[n].name, firing[n].labels, keys[n]),
        (
            ("age", lambda n: -begun.timestamp() if (begun := firing[n].since) is not None else None),
            ("name", lambda n: firing[n].name),
            ("severity", lambda n: firing[n].severity),
        ),
    )


def _firing(value: Alerts) -> list[Alert]:
    order = {"critical": 0, "warning": 1}
    return sorted(value.firing, key=lambda a: (order.get(a.severity, 2), a.name, _key(a)))


def _key(alert: Alert) -> str:
    return "\0".join((alert.name, *(f"{name}={text}" for name, text in sorted(alert.labels.items()))))


def _ink(alert: Alert, space: RenderContext) -> str:
    return space.ink if alert.severity in space.settings.severity.alerts else "text"


def _words(value: Alerts, space: RenderContext) -> list[Span]:
    parts: list[Span] = []
    if value.firing:
        parts.append((f"{len(value.firing)} firing", space.ink))
    elif value.judged:
        parts.append(("no alerts firing", "muted"))
    else:
        parts.append(("NOT KNOWN: no alert rules here", "doubt"))
    if value.pending:
        parts.append((f"{value.pending} pending", "text"))
    missing = sum(_cannot(alert) for alert in value.runbook)
    if missing:
        parts.append((f"{missing} of the runbook's {len(value.runbook)} can't fire here", "muted"))
    return parts


def _cannot(alert: RunbookAlert) -> bool:
    return alert.exists is False or alert.can_fire is False


def _runbook_lines(value: Alerts, space: RenderContext, rows: int) -> tuple[Line, ...]:
    """A line for each of the runbook's alerts; more, where there are so many `rows`, for why it can't fire."""
    whole = [line for alert in value.runbook for line in _runbook(alert, space, 3)]
    if len(whole) <= rows:
        return tuple(whole)
    return tuple(_runbook(alert, space, 1)[0] for alert in value.runbook)


def _runbook(alert: RunbookAlert, space: RenderContext, rows: int) -> list[Line]:
    if alert.exists is None:
        shape, word, why = "?", "unknown", "the server doesn't list its rules"
    elif not alert.exists:
        shape, word, why = "○", "no rule", "no rule of this name is here"
    else:
        shape = "○" if alert.can_fire is False else "●"
        word, why = ("can't fire" if alert.can_fire is False else "can fire" if alert.can_fire else "exists"), ""
    why = plain(alert.why) or why
    full = f"{word}: {why}" if why and space.width >= 50 else word
    ink = "text" if _cannot(alert) else "muted"
    first, *more = wrapped(full, space.width - RULE - 3, rows)
    name = column(plain(alert.name, 60), RULE)
    indent = " " * (RULE + 3)
    return [((f"{shape} ", "muted"), (f"{name} ", "muted"), (first, ink)), *(((indent + line, ink),) for line in more)]


def _short(alert: Alert, space: RenderContext) -> Line:
    ink = _ink(alert, space)
    parts: list[Span] = [(plain(alert.severity or "no severity", 20), ink)]
    if alert.since:
        parts.append((duration(since(alert.since, space.now)), "text"))
    parts += [
        (f"{plain(name, 40)}={plain(text, 60)}", "muted")
        for name, text in sorted(alert.labels.items())
        if name != "severity"
    ][:6]
    if alert.summary:
        parts.append((plain(alert.summary, 200), "muted"))
    wide = 26 if space.width >= 50 else 20
    return (
        ("▲ ", ink),
        (column(plain(alert.name, 60), wide) + " ", "strong"),
        *phrases(parts, max(0, space.width - wide - 3), ("  ", "muted")),
    )


def _long(alert: Alert, space: RenderContext) -> Line:
    since_when = f"since {clock(alert.since)}, {duration(since(alert.since, space.now))}" if alert.since else "-"
    labels = " ".join(f"{plain(name, 40)}={plain(text, 80)}" for name, text in sorted(alert.labels.items()))
    ink = _ink(alert, space)
    return (
        ("▲ ", ink),
        (column(plain(alert.name, 80), 28) + " ", "strong"),
        (column(plain(alert.severity, 20), 10) + " ", ink),
        (column(since_when, 24) + " ", "text"),
        (labels, "text"),
        (f"  {plain(alert.summary)}" if alert.summary else "", "muted"),
    )
