"""What a report of an incident says, in blocks that Markdown and HTML draw alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .incident import CALM, Incident, Level
from .taking import Taken

MISSING = "not on record"
QUESTIONS = (
    "What was the first sign, who saw it, and could it have been seen earlier?",
    "What told the cause, and what was believed before that was wrong?",
    "What would have made it shorter: an alert, a step of the runbook, an action, a permission?",
    "Who was touched by it, how many, and what is owed to them?",
    "What changes, by whom and until when, so that it does not come again?",
)


@dataclass(frozen=True)
class Text:
    text: str
    strong: bool = False


@dataclass(frozen=True)
class Bullets:
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    text: str


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """Where the severity over time is drawn."""


@dataclass(frozen=True)
class Heading:
    text: str


Block = Text | Bullets | Code | Table | Chart | Heading


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Times:
    """Until detected, engaged, mitigated and recovered, from the first entry on; None where no entry says so."""

    detect: timedelta | None
    engage: timedelta | None
    mitigate: timedelta | None
    recover: timedelta | None


def times_of(incident: Incident) -> Times:
    """Detect: the first severity. Engage: the first step or intent. Mitigate: the first action that worked.
    Recover: the severity back to none, where it stayed there."""
    begun = [line.at for line in incident.timeline if line.kind in ("step", "intent")]
    worked = [action.verdict_at for action in incident.actions if action.verdict == "worked" and action.verdict_at]
    return Times(
        detect=_after(incident, [level.at for level in incident.levels if level.level != CALM]),
        engage=_after(incident, begun),
        mitigate=_after(incident, worked),
        recover=_after(incident, [at for at in (recovered(incident),) if at]),
    )


def _after(incident: Incident, moments: Sequence[datetime]) -> timedelta | None:
    return min(moments) - incident.begin if moments and incident.begin else None


def recovered(incident: Incident) -> datetime | None:
    """When the severity went back to none and stayed there; None where it did not, or never rose."""
    levels = incident.levels
    return levels[-1].at if len(levels) > 1 and levels[-1].level == CALM else None


def figures(incident: Incident) -> dict[str, Level]:
    """The severity at start, worst and end, with the sentences that hold its figures; what is missing is left out."""
    levels = incident.levels
    risen = [level for level in levels if level.level != CALM]
    if not risen:
        return {}
    return {"start": risen[0], "worst": min(risen, key=lambda level: (level.rank, level.at)), "end": levels[-1]}


def questions(incident: Incident) -> tuple[str, ...]:
    """What a review asks: of this incident first, then of every one."""
    own = []
    for number, action in enumerate(incident.actions, 1):
        if action.unknown:
            own.append(f"What became of action {number}, {action.name}?")
        elif action.unjudged:
            own.append(f"Did action {number}, {action.name}, help? No verdict is on record.")
        elif action.outcome in ("refused", "failed"):
            own.append(f"Action {number}, {action.name}, was {action.outcome}: why, and what did that cost?")
        elif action.verdict in ("no effect", "worse"):
            own.append(f"Action {number}, {action.name}: {action.verdict}. What had been expected of it, and why?")
    for walk in incident.scenarios:
        skipped = [step.step for step in walk.steps if step.state == "skipped"]
        if skipped:
            own.append(f"{walk.scenario}: {', '.join(skipped)} skipped: was that right, or is the runbook wrong?")
    own += [f"Who ends this, and when: {one.what}?" for one in incident.standing if one.kind in ("provider", "silence")]
    return (*own, *QUESTIONS)


def span(length: timedelta) -> str:
    """Such as 48 s, 22 min, 1 h 05 min, 4 d 3 h: the same on every machine."""
    seconds = max(0, int(length.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 1:
        return f"{seconds} s"
    if minutes < 10:
        return f"{minutes} min {seconds % 60:02} s"
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60:02} min" if days < 1 else f"{days} d {hours % 24} h"


def moment(at: datetime) -> str:
    return f"{at.isoformat(sep=' ', timespec='seconds')[:19]}Z"


def clock(at: datetime) -> str:
    return at.isoformat(timespec="seconds")[11:19]


def sections(incident: Incident) -> tuple[Section, ...]:
    """The whole report, in the order in which it is read."""
    if incident.begin is None:
        return (Section("Summary", (Text("The journal holds no entries."),)),)
    found = (
        Section("Summary", tuple(_summary(incident))),
        Section("What still stands", (_standing(incident),)),
        Section("Figures", tuple(_figures(incident))),
        Section("Actions", tuple(_actions(incident))),
        Section("Scenarios", tuple(_scenarios(incident))),
        Section("Notes", (Bullets(tuple(f"{clock(n.at)} {n.by}: {n.text}" for n in incident.notes)),)),
        Section("Timeline", tuple(_timeline(incident))),
        Section("Questions for the review", (Bullets(questions(incident)),)),
    )
    return tuple(section for section in found if section.blocks and section.blocks != (Bullets(()),))


def _summary(incident: Incident) -> Iterator[Block]:
    assert incident.begin is not None and incident.end is not None
    if incident.title:
        yield Text(incident.title, strong=True)
    ended = f"closed: {incident.closed or 'no reason given'}" if incident.closed is not None else "not closed on record"
    yield Text(
        f"From {moment(incident.begin)} to {moment(incident.end)} (first and last entry),"
        f" {span(incident.lasted)}; {ended}. All times are UTC."
    )
    if incident.levels:
        yield Text(f"Severity: {', then '.join(_lasting(incident))}.")
        yield Chart()
    else:
        yield Text("Severity: no entry says.")
    times = times_of(incident)
    yield Table(
        ("to", "from the first entry", "which is"),
        (
            ("detect", _or_missing(times.detect), "the first severity on record"),
            ("engage", _or_missing(times.engage), "the first step or action"),
            ("mitigate", _or_missing(times.mitigate), "the first action whose verdict was: worked"),
            ("recover", _or_missing(times.recover), "the severity back to none"),
        ),
    )
    yield Table(
        ("who", "first seen", "last seen", "entries", "from"),
        tuple(
            (one.name, moment(one.first), moment(one.last), str(one.entries), ", ".join(one.hosts))
            for one in incident.people
        ),
    )


def _or_missing(length: timedelta | None) -> str:
    return MISSING if length is None else span(length)


def _lasting(incident: Incident) -> Iterator[str]:
    assert incident.end is not None
    ends = [*(level.at for level in incident.levels[1:]), incident.end]
    for level, end in zip(incident.levels, ends, strict=True):
        yield f"{level.level} from {clock(level.at)} for {span(end - level.at)}"


def _standing(incident: Incident) -> Block:
    lines = tuple(f"{one.what} (since {moment(one.since)}, {one.by})" for one in incident.standing)
    return Bullets(lines) if lines else Text("Nothing that the journal knows of.")


def _figures(incident: Incident) -> Iterator[Block]:
    found = figures(incident)
    if found:
        yield Table(
            ("at", "time", "severity", "because"),
            tuple((name, clock(one.at), one.level, "; ".join(one.because) or MISSING) for name, one in found.items()),
        )


def _actions(incident: Incident) -> Iterator[Block]:
    for number, action in enumerate(incident.actions, 1):
        yield Heading(f"{number}. {action.name}")
        yield Bullets(tuple(_facts(action)))
        if action.command:
            yield Code(action.command)


def _facts(action: Taken) -> Iterator[str]:
    step = f", for {action.scenario}, {action.step}" if action.step else ""
    yield f"{moment(action.at)}, {action.by}{step}"
    if action.effect:
        yield f"plan: {action.effect}"
    if action.targets:
        more = f" and {action.more_targets} more" if action.more_targets else ""
        yield f"targets: {', '.join(action.targets)}{more}"
    yield from (f"warned: {warning}" for warning in action.warnings)
    yield f"outcome: {action.outcome}: {action.answer}" + (f" ({clock(action.ended_at)})" if action.ended_at else "")
    if action.verdict and action.verdict_at:
        yield f"verdict: {action.verdict}: {action.because} ({clock(action.verdict_at)})"
    else:
        yield f"verdict: {MISSING}"
    if action.undone_at:
        yield f"taken back: {moment(action.undone_at)}, {action.undone_by}"


def _scenarios(incident: Incident) -> Iterator[Block]:
    for walk in incident.scenarios:
        yield Heading(walk.scenario)
        yield Text(f"begun {moment(walk.begun_at)} by {walk.begun_by}; worked on by {', '.join(walk.people)}")
        rows = tuple((clock(one.at), one.step, one.state, one.by, one.answer or one.reason) for one in walk.steps)
        if rows:
            yield Table(("time", "step", "state", "who", "answer or reason"), rows)


def _timeline(incident: Incident) -> Iterator[Block]:
    day, rows = "", []
    for line in incident.timeline:
        if (today := moment(line.at)[:10]) != day:
            if rows:
                yield Table(("time", "who", "entry", "what"), tuple(rows))
            yield Heading(today)
            day, rows = today, []
        rows.append((clock(line.at), line.by, line.kind, line.text))
    if rows:
        yield Table(("time", "who", "entry", "what"), tuple(rows))
    if incident.others:
        counted = ", ".join(f"{kind} {count}" for kind, count in incident.others.items())
        yield Text(f"Not shown, because this version doesn't know these kinds: {counted}.")
