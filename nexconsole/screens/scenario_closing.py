"""A scenario's closing page: what was done, what still stands, and what fits now. Nothing of it happens by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..incident.actions import ActionRecord, actions_in
from ..model import LEVELS
from ..session.capabilities import Capability
from ..text.units import clock_minute, several
from ..widgets.banner import key_of
from ..widgets.spans import Line, plain, wrapped
from .operation_bar import ENDS, OUTCOMES

if TYPE_CHECKING:
    from datetime import datetime

    from ..incident.open_items import OpenItem
    from ..runbook.resolution import Fit
    from ..session.session import Session
    from ..severity import Reason, Severity
    from .scenario_rows import ScenarioRows

MOST_ACTIONS = 6


def is_calm(severity: Severity | None) -> bool:
    """Whether no rule holds, and nothing is silent that could hide one."""
    return severity is not None and severity.level == "none" and not severity.unanswered


def others(steps: ScenarioRows, fits: Sequence[Fit], severity: Severity | None = None) -> tuple[Fit, ...]:
    """The other scenarios that fit by now; not those that fit only by what is over and leaves the window."""
    return tuple(fit for fit in fits if fit.scenario.id != steps.scenario.id and not _passing(fit, severity))


def _passing(fit: Fit, severity: Severity | None) -> bool:
    """Whether the worst that this fit's signals are a reason for is expected to end by itself."""
    reasons = [one for one in severity.reasons if one.signal in fit.signals] if severity is not None else []
    worst = min((LEVELS.index(one.level) for one in reasons), default=0)
    return bool(reasons) and all(one.outlook and not one.stale for one in reasons if LEVELS.index(one.level) == worst)


def closing_lines(
    steps: ScenarioRows,
    session: Session,
    severity: Severity | None,
    fits: Sequence[Fit],
    width: int,
    falls_at: datetime | None = None,
) -> list[Line]:
    """The page, of lines of at most `width` cells; at least what matters most stands at its top. `falls_at`: when the
    failure rate asks for a lower level, if nothing more fails."""
    lines: list[Line] = [((f"● All that applies is done: {several(steps.settled, 'step')}", "strong"),)]
    words, ink = _level(severity)
    lines += [((text, ink),) for text in wrapped(words, width, 3)]
    lines += [((text, "text"),) for text in wrapped(_outlook(severity, falls_at), width, 3)]
    lines += _keys(steps, session, severity, fits, width)
    lines += _actions(steps, session, width)
    lines += _in_force(session, width)
    if steps.unanswered:
        names = "; ".join(plain(row.node.step.title, 60) for row in steps.unanswered)
        words = f"no reading answers {several(len(steps.unanswered), 'look')}: {names}"
        lines += [((text, "muted"),) for text in wrapped(words, width, 2)]
    return lines


def _level(severity: Severity | None) -> tuple[str, str]:
    if severity is None:
        return "? the level is not known yet", "doubt"
    if severity.level != "none":
        reason = _reason(severity)
        because = f" because {plain(reason.text)}" if reason is not None else ""
        return f"▲ the level is still {severity.level}{because}", "warn"
    if severity.unanswered:
        return f"? the level is not known: {plain(severity.unanswered[0])}", "doubt"
    return "the level is calm: no rule holds", "text"


def _reason(severity: Severity) -> Reason | None:
    """The first reason for the level."""
    return next((reason for reason in severity.reasons if reason.level == severity.level), None)


def _outlook(severity: Severity | None, falls_at: datetime | None) -> str:
    """When the level falls by itself; "" where nothing says so."""
    reason = _reason(severity) if severity is not None and severity.level != "none" else None
    if reason is None or not reason.outlook:
        return ""
    if falls_at is not None and reason.signal == "transactions":
        return f"the level falls by {clock_minute(falls_at)} if nothing more fails"
    return plain(reason.outlook)


def _keys(
    steps: ScenarioRows, session: Session, severity: Severity | None, fits: Sequence[Fit], width: int
) -> Iterator[Line]:
    told: list[tuple[str, str]] = []
    fitting = others(steps, fits, severity)
    if fitting and not is_calm(severity):
        other = fitting[0]
        called = f"scenario {other.scenario.number}" if other.scenario.number else plain(other.scenario.title, 40)
        told.append(("enter", f"opens {called}, which fits: {plain(other.because)}"))
    if Capability.JOIN in session.capabilities:
        told.append((key_of("report.export"), "writes the report"))
        if (name := session.incident_store.current) is not None:
            told.append((key_of("step.skip"), f"closes {name}"))
            told.append((key_of("incident.show"), "shows it"))
    told.append((key_of("scenario.list"), "lists the scenarios"))
    told.append(("esc", "closes this"))
    line: list[tuple[str, str]] = []
    for key, does in told:
        more = [(key, "key"), (f" {does}   ", "text")]
        if line and sum(len(text) for text, _ in (*line, *more)) > width:
            yield tuple(line)
            line = []
        line += more
    yield tuple(line)


def _actions(steps: ScenarioRows, session: Session, width: int) -> Iterator[Line]:
    since = steps.walk.begun_at if steps.walk is not None else None
    taken = [action for action in actions_in(session.entries) if since is not None and action.at >= since]
    if not taken:
        yield (("no action was taken", "muted"),)
    for action in taken[-MOST_ACTIONS:]:
        mark, ink = _end(action)
        head = f"{mark} {plain(action.name, 80)}"
        words = f"{head}: {plain(action.because or action.answer)}"
        for n, text in enumerate(wrapped(words, width - 2 * bool(words), 2)):
            yield ((text if n == 0 else f"  {text}", ink if n == 0 else "muted"),)
    if len(taken) > MOST_ACTIONS:
        yield ((f"{len(taken) - MOST_ACTIONS} more before them: J", "muted"),)


def _end(action: ActionRecord) -> tuple[str, str]:
    if action.undone_at is not None:
        return "○ undone", "muted"
    if action.verdict in ENDS:
        return ENDS[action.verdict]
    return OUTCOMES.get(action.outcome, OUTCOMES["unknown"])


def _in_force(session: Session, width: int) -> Iterator[Line]:
    undoable = session.undoable
    acts = Capability.ACT in session.capabilities
    items = session.in_force
    if not items:
        yield (("nothing stays in force", "muted"),)
    for item in items:
        mine = acts and undoable is not None and bool(item.intent) and item.intent == undoable.intent
        key: Line = (
            ((f"  {key_of('operation.undo')}", "key"), (" undoes it", "text"))
            if mine
            else ((_otherwise(item), "muted"),)
            if acts
            else ()
        )
        text = wrapped(f"in force: {plain(item.what)}, by {plain(item.by.partition('@')[0], 20)}", width, 1)[0]
        if len(text) + sum(len(part) for part, _ in key) <= width:
            yield ((text, "warn"), *key)
        else:
            yield ((text, "warn"),)
            yield key


def _otherwise(item: OpenItem) -> str:
    """How it is ended where it is not the newest action of this operator."""
    words = {
        "provider": f"provider.enable {plain(item.subject, 40)}",
        "silence": "alert.unsilence",
        "deployment": "the deployment's actions",
    }
    return f"  ^P: {words.get(item.kind, 'undo')}"
