"""Handover: one page for whoever takes over. What stands, what was tried, what it is and is not, what comes next, who.

Pure: made of the journal's incident and of what is read now, where something can be read. It may be shared, so customer
data in it is masked. As text it has at most 60 lines of 80 cells.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ..causes.model import Candidate, Evidence, Side, Standing
from ..causes.outlook_wording import hurt, reached
from ..causes.wording import look_words, named_words
from ..incident.actions import ActionRecord
from ..incident.incident import CALM, Incident
from ..incident.open_items import OpenItem
from ..incident.proposals import WAITS
from ..incident.roles import OBSERVER, ROLES
from ..signals.customers import CUSTOMERS
from ..signals.runway import RUNWAY
from ..text.pod_names import brief_pods
from ..text.units import clock_minute, date, duration, moment, several
from .masked import masked

if TYPE_CHECKING:
    from ..causes.model import Explanation
    from ..model import Reading
    from ..settings import Settings
    from ..severity import Severity
    from ..signals.runway import Ceiling

FORMAT = 1  # of the JSON document
WIDTH, HEIGHT = 80, 60
MOST_LINES = 3  # of one sentence
MOST_REASONS = 3
MOST_CAUSES = 3
MOST_POSSIBLE = 3
MOST_RULED_OUT = 4
MOST_TRIED = 10
MOST_CEILINGS = 4
MOST_NOTES = 3
MOST_GLASS = 3
NOBODY = "nobody"
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&#])")


@dataclass(frozen=True, kw_only=True)
class HandoverContext:
    """What is known. `severity` None: nothing is read now, and `why_not_read` says why; the journal alone speaks.

    `in_force`: what was done by any console and still has an effect. `here`: who is at a console now; () not known.
    `seen_before` is a sentence, or "". `unread` are sentences on what can't be read now.
    """

    now: datetime
    settings: Settings
    name: str = ""
    incident: Incident | None = None
    severity: Severity | None = None
    explanation: Explanation | None = None
    readings: Mapping[str, Reading] = field(default_factory=dict)
    in_force: Sequence[OpenItem] = ()
    here: Sequence[str] = ()
    seen_before: str = ""
    unread: Sequence[str] = ()
    why_not_read: str = ""


@dataclass(frozen=True, kw_only=True)
class HandoverSection:
    """A heading and its sentences, the most important first. `more`: how many were left out."""

    title: str
    lines: tuple[str, ...]
    more: int = 0


@dataclass(frozen=True, kw_only=True)
class HandoverPage:
    """The page. `level` is "" where it is not known; `live`: whether something could be read for it."""

    name: str
    title: str
    at: datetime
    level: str
    live: bool
    sections: tuple[HandoverSection, ...]


def handover(context: HandoverContext) -> HandoverPage:
    """The page by now, with customer data masked."""
    incident = context.incident
    page = HandoverPage(
        name=context.name,
        title=incident.title if incident is not None else "",
        at=context.now,
        level=_level(context),
        live=context.severity is not None,
        sections=(
            HandoverSection(title="What stands now", lines=tuple(_standing(context))),
            HandoverSection(title="What it is", lines=tuple(_causes(context))),
            _cut("What was tried", tuple(_tried(context)), MOST_TRIED),
            HandoverSection(title="What was ruled out", lines=tuple(_ruled_out(context)) or ("nothing yet",)),
            HandoverSection(title="In force, and until when", lines=tuple(_in_force(context)) or ("nothing",)),
            HandoverSection(title="What comes next, and by when", lines=tuple(_next(context)) or ("nothing is open",)),
            HandoverSection(title="Who", lines=tuple(_who(context))),
        ),
    )
    return masked(page)


def _cut(title: str, lines: tuple[str, ...], most: int) -> HandoverSection:
    return HandoverSection(title=title, lines=lines[:most] or ("nothing",), more=max(0, len(lines) - most))


# --- what stands ------------------------------------------------------------------------------------------------------


def _level(context: HandoverContext) -> str:
    """The declared level, else the judged one, else the one on record; "" where none is known."""
    incident = context.incident
    if incident is not None and incident.declared:
        return incident.declared[-1].level
    if judged := _judged(context):
        return judged
    return incident.levels[-1].level if incident is not None and incident.levels else ""


def _judged(context: HandoverContext) -> str:
    """The level by the rules now; "" where nothing is read, or where what is not read may hide one: that is no calm."""
    severity = context.severity
    if severity is None or (severity.level == CALM and (severity.unanswered or severity.unknown or context.unread)):
        return ""
    return severity.level


def _standing(context: HandoverContext) -> Iterator[str]:
    incident, severity = context.incident, context.severity
    if severity is None:
        yield f"nothing is read now ({context.why_not_read}): this page is from the journal alone"
    if incident is None:
        yield "no incident is open"
    yield _level_words(context)
    if incident is not None and incident.closed is not None:
        yield f"it is closed: {incident.closed or 'no reason given'}"
    for glass in incident.broken_glass[-MOST_GLASS:] if incident is not None else ():
        yield f"GLASS BROKEN at {clock_minute(glass.at)}Z by {glass.by}: {glass.words}"
    if severity is not None:
        yield from (reason.text for reason in severity.reasons[:MOST_REASONS])
        if len(severity.reasons) > MOST_REASONS:
            yield f"and {several(len(severity.reasons) - MOST_REASONS, 'more reason')}"
        yield f"whom it hurts: {_hurt(context)}"
    elif incident is not None and incident.levels:
        last = incident.levels[-1]
        yield from (f"{reason} (as of {clock_minute(last.at)}Z)" for reason in last.because[:MOST_REASONS])
    if context.seen_before:
        yield context.seen_before
    if context.unread:
        more = f", and {len(context.unread) - 1} more" if len(context.unread) > 1 else ""
        yield f"not known now: {context.unread[0]}{more}"


def _level_words(context: HandoverContext) -> str:
    incident, now = context.incident, context.now
    level = _level(context)
    words = "the level is not known" if not level else "calm" if level == CALM else level
    if incident is not None and incident.declared:
        declared = incident.declared[-1]
        words += f", declared by {declared.by} at {clock_minute(declared.at)}Z"
        judged = _judged(context)
        if judged and judged != level:
            words += f" (the rules say {judged})"
    elif level and not _judged(context):
        words += " when it was last on record"
    if (since := _begun(context)) is not None:
        words += (
            f"; begun {date(since)} {clock_minute(since)}Z, {duration(max(0.0, (now - since).total_seconds()))} ago"
        )
    return words


def _begun(context: HandoverContext) -> datetime | None:
    """When it began by its cause, or when its severity was first judged: what is earlier; None without an incident."""
    incident, explanation = context.incident, context.explanation
    if incident is None or incident.since is None:
        return None
    named = explanation.named if explanation is not None else ()
    onsets = (candidate.since.at for candidate in named if candidate.since is not None)
    return min((incident.since, *(at for at in onsets if at is not None)))


def _hurt(context: HandoverContext) -> str:
    reading = context.readings.get(CUSTOMERS)
    value = CUSTOMERS.value(context.readings)
    if value is None:
        return f"not known: {(reading.error if reading is not None else '') or 'nothing was read yet'}"
    unknown = [
        word
        for number, word in ((value.failing, "failing"), (value.refused, "refused"), (value.waiting, "waiting"))
        if number is None
    ]
    doubt = f"{', '.join(unknown)}: not known" if unknown else ""
    parts = [f"{row.name} most: {row.failed} of {row.decided} fail" for row in value.out_of_line[:2]]
    return "; ".join(filter(None, (hurt(value) or ("" if unknown else "nobody"), *parts, doubt)))


# --- what it is -------------------------------------------------------------------------------------------------------


def _causes(context: HandoverContext) -> Iterator[str]:
    explanation = context.explanation
    if explanation is None:
        yield _recorded_cause(context.incident) or "the cause is not known: nothing is read now"
        return
    for candidate in explanation.named[:MOST_CAUSES]:
        why = next((each for each in candidate.evidence if each.holds and each.side is not Side.AGAINST), None)
        because = f": {_evidence(why)}" if why is not None else ""
        yield f"likely: {named_words(candidate, context.now)}{because}"
    wrong = context.severity is not None and context.severity.level != CALM
    if not explanation.named and wrong:
        look = explanation.next_look
        told = f"; the look that would tell most: {look_words(look, context.settings)}" if look is not None else ""
        yield f"the cause is not known{told}"
        if recorded := _recorded_cause(context.incident):
            yield recorded
    elif not explanation.named:
        yield "nothing is wrong that would need a cause"
    possible = [each for each in explanation.candidates if each.standing is Standing.POSSIBLE]
    if possible and wrong:
        yield f"may be: {'; '.join(each.title for each in possible[:MOST_POSSIBLE])}"
    if explanation.named and explanation.unexplained:
        yield f"not explained by it: {'; '.join(explanation.unexplained[:MOST_REASONS])}"


def _recorded_cause(incident: Incident | None) -> str:
    """The causes that were named last, as far as nobody has withdrawn them."""
    found = [cause for cause in incident.causes if cause.withdrawn_at is None] if incident is not None else []
    return "; ".join(
        f"likely, when it was last on record: {cause.text} ({clock_minute(cause.named_at)}Z)" for cause in found[-2:]
    )


def _evidence(evidence: Evidence) -> str:
    return brief_pods(evidence.text or evidence.title)


def _ruled_out(context: HandoverContext) -> Iterator[str]:
    explanation = context.explanation
    out: Sequence[Candidate] = explanation.ruled_out if explanation is not None else ()
    wrong = context.severity is not None and context.severity.level != CALM
    kinds: dict[str, list[Candidate]] = {}  # a cause once, however many targets it could have
    for candidate in out if wrong else ():
        kinds.setdefault(candidate.cause.id, []).append(candidate)
    for first, *others in list(kinds.values())[:MOST_RULED_OUT]:
        more = f" (nor at {several(len(others), 'other')})" if others else ""
        yield f"{first.title}{more}: {_why_not(first)}"
    if len(kinds) > MOST_RULED_OUT:
        yield f"and {several(len(kinds) - MOST_RULED_OUT, 'more cause')}"
    incident = context.incident
    for cause in incident.causes if incident is not None else ():
        if cause.withdrawn_at is not None:
            named, gone = clock_minute(cause.named_at), clock_minute(cause.withdrawn_at)
            yield f"{cause.text}: named at {named}Z, withdrawn at {gone}Z"
    for action in incident.actions if incident is not None else ():
        if action.verdict in ("no effect", "worse"):
            yield f"{action.name} did not help ({action.verdict})"


def _why_not(candidate: Candidate) -> str:
    """The line that speaks against it: something needed that is not so, or something that speaks against it and is."""
    for evidence in candidate.evidence:
        against = evidence.side is Side.AGAINST and evidence.holds
        if against or (evidence.side is Side.NEEDED and evidence.holds is False):
            return _evidence(evidence)
    return "nothing speaks for it"


# --- what was done, and what comes ------------------------------------------------------------------------------------


def _tried(context: HandoverContext) -> Iterator[str]:
    """The newest first."""
    for action in reversed(context.incident.actions if context.incident is not None else ()):
        agent = f" (proposed by {action.proposed_by})" if action.proposed_by else ""
        yield f"{clock_minute(action.at)}Z {action.name}, {action.by}{agent}: {_came_of(action)}"


def _came_of(action: ActionRecord) -> str:
    if action.undone_at is not None:
        return f"taken back at {clock_minute(action.undone_at)}Z" + (
            f", was {action.verdict}" if action.verdict else ""
        )
    if action.verdict:
        return f"{action.verdict}: {action.because}" if action.because else action.verdict
    if action.outcome == "done":
        return "done, no verdict yet"
    return f"{action.outcome}: {action.answer}" if action.answer else action.outcome


def _in_force(context: HandoverContext) -> Iterator[str]:
    seen = set()
    own = context.incident.standing if context.incident is not None else ()
    for item in (*context.in_force, *own):
        if item.in_force and (item.kind, item.what) not in seen:
            seen.add((item.kind, item.what))
            until = "" if " until " in item.what else "; until somebody ends it"
            yield f"{item.what}, since {clock_minute(item.since)}Z by {item.by}{until}"


def _next(context: HandoverContext) -> Iterator[str]:
    incident = context.incident
    if incident is not None:
        yield from (f"to check: {item.what} ({item.by})" for item in incident.standing if not item.in_force)
        for proposal in incident.proposals:
            if not proposal.ended and proposal.until > context.now:
                waits = WAITS[proposal.needs]
                yield f"{proposal.name} of {proposal.by} waits for {waits} until {clock_minute(proposal.until)}Z"
    runway = RUNWAY.value(context.readings)
    ceilings = [one for one in runway.ceilings if _comes(one, context.now)] if runway is not None else []
    yield from (f"expected: {reached(ceiling, context.now)[0]}" for ceiling in ceilings[:MOST_CEILINGS])
    explanation = context.explanation
    for candidate in explanation.named[:MOST_CAUSES] if explanation is not None else ():
        if text := candidate.cause.remedy_text.rstrip(". "):
            yield f"to do, if {candidate.title}: {text[:1].lower()}{text[1:]}"
    if incident is not None:
        for walk in incident.scenarios[-1:]:
            done = sum(step.state == "done" for step in walk.steps)
            last = f", the last: {walk.steps[-1].name} ({walk.steps[-1].state})" if walk.steps else ""
            yield f"scenario {walk.name}: {several(done, 'step')} done{last}"
        for note in incident.notes[-MOST_NOTES:]:
            yield f"note {clock_minute(note.at)}Z, {note.by}: {note.text}"


def _comes(ceiling: Ceiling, now: datetime) -> bool:
    """Whether it has an estimate, and is not reached yet: what is reached stands among the reasons."""
    last = ceiling.latest or ceiling.earliest
    return last is not None and last > now


def _who(context: HandoverContext) -> Iterator[str]:
    incident = context.incident
    if incident is not None:
        held = [f"{role} {incident.roles.get(role) or NOBODY}" for role in ROLES if role != OBSERVER]
        yield ", ".join(held) + (f", observers {', '.join(incident.observers)}" if incident.observers else "")
    if context.here:
        yield f"at a console now: {', '.join(context.here)}"
    if incident is not None and incident.people:
        people = sorted(incident.people, key=lambda person: person.last, reverse=True)
        yield f"wrote in the journal: {', '.join(f'{one.name} (to {clock_minute(one.last)}Z)' for one in people[:6])}"
    if incident is None and not context.here:
        yield "nobody has a role: open an incident to lead one"


# --- the page ---------------------------------------------------------------------------------------------------------


def as_text(page: HandoverPage, width: int = WIDTH, height: int = HEIGHT) -> str:
    """The page in lines of at most `width` cells, at most `height` of them: the longest sections are cut first."""
    page = fitted(page, width, height)
    return "\n".join(lines_of(page, width)) + "\n"


def fitted(page: HandoverPage, width: int, height: int) -> HandoverPage:
    """The page with so many sentences left out that it has no more lines; each section keeps its first."""
    while len(lines_of(page, width)) > height:
        longest = max(page.sections, key=lambda one: (len(one.lines) > 1, len(_section(one, width))))
        if len(longest.lines) <= 1:
            break
        shorter = replace(longest, lines=longest.lines[:-1], more=longest.more + 1)
        page = replace(page, sections=tuple(shorter if one is longest else one for one in page.sections))
    return page


def lines_of(page: HandoverPage, width: int) -> list[str]:
    """The page's lines: a heading, and its sections, each below a line of its own."""
    lines = [_line(heading(page), width)]
    if page.title:
        lines.append(_line(page.title, width))
    for section in page.sections:
        lines += ["", section.title.upper(), *_section(section, width)]
    return lines


def heading(page: HandoverPage) -> str:
    return f"HANDOVER {page.name or 'without an incident'}, {moment(page.at)}"


def _section(section: HandoverSection, width: int) -> list[str]:
    lines = [line for sentence in section.lines for line in _bullet(sentence, width)]
    return lines + ([f"- and {section.more} more: the journal has them"] if section.more else [])


def _bullet(sentence: str, width: int) -> list[str]:
    found = textwrap.wrap(
        sentence, width, initial_indent="- ", subsequent_indent="  ", max_lines=MOST_LINES, placeholder=" …"
    )
    return found or ["-"]


def _line(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def as_markdown(page: HandoverPage) -> str:
    """The whole page; no text in it can break the markup."""
    lines = [f"# {_escaped(heading(page))}", ""]
    if page.title:
        lines += [f"**{_escaped(page.title)}**", ""]
    for section in page.sections:
        lines += [f"## {section.title}", "", *(f"- {_escaped(line)}" for line in section.lines)]
        lines += [f"- and {section.more} more: the journal has them"] if section.more else []
        lines.append("")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def as_json(page: HandoverPage) -> str:
    """{version, incident, title, at, level, live, sections: [{title, lines, more}]}."""
    document: dict[str, Any] = {
        "version": FORMAT,
        "incident": page.name or None,
        "title": page.title,
        "at": page.at,
        "level": page.level or None,
        "live": page.live,
        "sections": [
            {"title": section.title, "lines": section.lines, "more": section.more} for section in page.sections
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
