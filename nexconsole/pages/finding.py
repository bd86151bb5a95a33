"""A finding or a check on data and security: its words in full, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..model import SignalKey
from ..text.units import ago, clock, several, since
from ..widgets.spans import Line, Span, plain
from .section import PageContext, Section, by_urgency, fact, from_signal, own_ink, sentence

if TYPE_CHECKING:
    from ..signals.findings import Finding, IntegrityCheck
    from ..signals.integrity import Integrity

NOUN = ""
INTEGRITY: SignalKey[Integrity] = SignalKey("integrity")
SIGNALS = frozenset[str]({INTEGRITY})


def _checks(context: PageContext) -> tuple[IntegrityCheck, ...]:
    """The check of this name, or those that made this finding."""
    value = INTEGRITY.value(context.readings)
    id = context.subject.id
    checks = value.checks if value is not None else ()
    if context.subject.kind == "check":
        return tuple(check for check in checks if check.name == id)
    return tuple(check for check in checks if any(finding.text == id for finding in check.findings))


def _findings(context: PageContext) -> list[Finding]:
    found = [finding for check in _checks(context) for finding in check.findings]
    one = context.subject.kind == "finding"
    return [finding for finding in found if not one or finding.text == context.subject.id]


def present(context: PageContext) -> bool | None:
    return None if INTEGRITY.value(context.readings) is None else bool(_checks(context))


def headline(context: PageContext) -> Span:
    findings = _findings(context)
    if not findings:
        return "nothing is found", "muted"
    worst = next((finding.level for finding in findings if finding.level != "none"), "")
    many = f"{several(len(findings), 'finding')}, " if context.subject.kind == "check" else ""
    if not worst:
        return f"{many}worth knowing, and no reason to wake anybody", "text"
    return f"{many}{worst}", own_ink(context.alert_levels.get(INTEGRITY, "calm"))


def sections(context: PageContext) -> tuple[Section, ...]:
    return by_urgency(
        (
            from_signal(context, "Findings", INTEGRITY, lambda value: _found(context), least=6),
            from_signal(context, "The check", INTEGRITY, lambda value: _looked(context)),
        )
    )


def _found(context: PageContext) -> Iterator[Line]:
    for finding in _findings(context):
        yield from fact(
            finding.kind,
            [(finding.level if finding.level != "none" else "", "strong"), (plain(finding.text, 2000), "text")],
            context.width,
        )
        if finding.advice:
            yield from fact("what to do", (plain(finding.advice, 2000), "text"), context.width)


def _looked(context: PageContext) -> Iterator[Line]:
    for check in _checks(context):
        when = f"at {clock(check.at)}, {ago(since(check.at, context.now))}" if check.at else "not yet"
        words: list[Span] = [(plain(check.name, 60), "strong"), (when, "muted"), (plain(check.said, 400), "text")]
        yield from fact("looked", words, context.width)
        if check.error:
            yield from sentence(f"! it can't run now: {check.error}", "doubt", context.width)
