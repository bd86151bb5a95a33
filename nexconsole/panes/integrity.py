"""Integrity: lost or endangered data and open routes; each check with what it read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..catalogue import Subject
from ..model import SignalKey
from ..text.units import ago, count, several
from ..widgets.panel import Listing, Panel, RenderContext
from ..widgets.spans import Line, Span, column, phrases, plain, wrapped
from . import subjects

if TYPE_CHECKING:
    from ..signals.findings import Finding, IntegrityCheck
    from ..signals.integrity import Integrity
    from ..signals.outbox import Outbox

NUMBER, SIGNAL, TITLE = 0, "integrity", "Integrity"
OUTBOX: SignalKey[Outbox] = SignalKey("outbox")
GAP: Span = ("  ", "muted")
INKS = {"SEV-1": "alarm", "SEV-2": "alarm", "SEV-3": "warn"}
MOST_LINES = 4  # of one finding

Row = tuple[str, Subject | None, Callable[[], Line]]


def small(value: Integrity, space: RenderContext) -> Panel:
    findings = value.findings
    alert_level = space.mood_or(False)
    if not findings:
        return Panel(alert_level, (phrases(_words(value, space), space.width, GAP),))
    rows = max(1, min(MOST_LINES, space.height - 1))
    head = tuple(((line, _ink(findings[0], space)),) for line in wrapped(plain(findings[0].text), space.width, rows))
    others = findings[1:]
    if not others:
        return Panel(alert_level, head)
    listing = Listing(
        [finding.text for finding in others],
        lambda n: _short(others[n], space),
        lambda n: subjects.finding(others[n].text),
    )
    return Panel(alert_level, head, listing)


def detail(value: Integrity, space: RenderContext) -> Panel:
    drawn: list[Row] = []
    for number, finding in enumerate(value.findings):
        drawn += _told(number, finding, space)
    if drawn:
        drawn.append(("\0gap", None, lambda: ()))
    head = f"  {'look':<14} {'taken':>12}   at"
    drawn.append(("\0looks", None, lambda: ((head, "muted"),)))
    drawn += [
        (f"\0look {check.name}", subjects.check(check.name), partial(_look, check, space)) for check in value.checks
    ]
    first = phrases(_words(value, space), space.width, GAP)
    listing = Listing([key for key, _, _ in drawn], lambda n: drawn[n][2](), lambda n: drawn[n][1])
    return Panel(space.mood_or(False), (first, ()), listing)


def brief(value: Integrity, space: RenderContext) -> Line:
    return phrases(_words(value, space), space.width, GAP)


def _ink(finding: Finding, space: RenderContext) -> str:
    return INKS.get(finding.level, "text") if space.alert_level != "calm" else "text"


def _words(value: Integrity, space: RenderContext) -> list[Span]:
    findings = [finding for finding in value.findings if finding.level in INKS]
    taken = [check for check in value.checks if check.at is not None]
    words: list[Span] = []
    if findings:
        words.append((plain(findings[0].text), _ink(findings[0], space)))
        words += [(f"+{len(findings) - 1} more", "text")] if len(findings) > 1 else []
    else:
        known = len(value.findings)
        note = f", {several(known, 'thing')} worth knowing" if known else ""
        words.append((f"nothing found in {several(len(taken), 'look')}{note}", "muted"))
    if blind := sum(bool(check.error) for check in value.checks):
        words.append((f"{blind} can't be taken", "doubt"))
    outbox = OUTBOX.value(space.readings)
    if outbox is not None and outbox.dropped:
        words.append((f"{count(outbox.dropped)} outbox events dropped", "warn"))
    return words


def _short(finding: Finding, space: RenderContext) -> Line:
    return ((f"{_level(finding):<6} ", _ink(finding, space)), (plain(finding.text), "text"))


def _level(finding: Finding) -> str:
    return plain(finding.level, 6) if finding.level in INKS else "-"


def _told(number: int, finding: Finding, space: RenderContext) -> list[Row]:
    """A finding in full: its text, and what to do about it."""
    head: Span = (f"  {_level(finding):<6} {column(plain(finding.kind, 9), 9)} ", _ink(finding, space))
    blank: Span = (" " * 19, "text")
    width = max(10, space.width - 19)
    lines = [(line, "text") for line in wrapped(plain(finding.text), width, MOST_LINES)] or [("", "text")]
    lines += [(line, "muted") for line in wrapped(plain(finding.advice), width, 2)] if finding.advice else []
    return [
        (f"\0finding {number} {place}", subjects.finding(finding.text), partial(_pair, blank if place else head, run))
        for place, run in enumerate(lines)
    ]


def _pair(first: Span, second: Span) -> Line:
    return first, second


def _look(check: IntegrityCheck, space: RenderContext) -> Line:
    age = None if check.at is None else max(0.0, (space.now - check.at).total_seconds())
    said: Span = (plain(check.said), "text") if not check.error else (plain(check.error), "doubt")
    return ((f"  {column(plain(check.name, 20), 14)} ", "text"), (f"{ago(age):>12}   ", "muted"), said)
