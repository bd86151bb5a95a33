"""The content of an incident's report, in reading order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ..incident.actions import ActionRecord
from ..incident.incident import CALM, Incident, SeverityChange
from ..incident.metrics import ranges, said, title
from ..incident.proposals import WAITS, Proposal
from ..incident.timing import timing_of
from ..text.units import clock, duration, moment
from .blocks import Block, Bullets, Chart, Code, Heading, ReportSection, ReportTable, Text

MISSING = "not on record"
QUESTIONS = (
    "What was the first sign, who saw it, and could it have been seen earlier?",
    "What showed the cause, and which earlier belief was wrong?",
    "What would have made it shorter: an alert, a step of the runbook, an action, a permission?",
    "Who was affected, how many, and what do we owe them?",
    "What changes, by whom and by when, so that it does not happen again?",
)


def figures(incident: Incident) -> dict[str, SeverityChange]:
    """The severity at start, worst and end, with the sentences that hold its figures; what is missing is left out."""
    levels = incident.levels
    risen = [level for level in levels if level.level != CALM]
    if not risen:
        return {}
    return {"start": risen[0], "worst": min(risen, key=lambda level: (level.rank, level.at)), "end": levels[-1]}


def questions(incident: Incident) -> tuple[str, ...]:
    """The review's questions: about this incident first, then general ones."""
    own = []
    for number, action in enumerate(incident.actions, 1):
        if action.unknown:
            own.append(f"What became of action {number}, {action.name}?")
        elif action.unjudged:
            own.append(f"Did action {number}, {action.name}, help? No verdict is on record.")
        elif action.outcome in ("refused", "failed"):
            own.append(f"Action {number}, {action.name}, was {action.outcome}: why, and what did that cost?")
        elif action.verdict in ("no effect", "worse"):
            own.append(f"Action {number}, {action.name}: {action.verdict}. What was expected, and why?")
    for proposal in incident.proposals:
        if proposal.ended in ("objected", "stopped"):
            own.append(
                f"{proposal.name} was proposed and not sent ({proposal.reason or proposal.ended}): was that right?"
            )
    for walk in incident.scenarios:
        skipped = [step.name for step in walk.steps if step.state == "skipped"]
        if skipped:
            own.append(f"{walk.name}: {', '.join(skipped)} skipped: was that right, or is the runbook wrong?")
    own += [
        f"{glass.by} broke the glass for {glass.action}: why was nobody there to approve it, and was it right?"
        for glass in incident.broken_glass
    ]
    own += [f"Who ends this, and when: {open_item.what}?" for open_item in incident.standing if open_item.in_force]
    return (*own, *QUESTIONS)


def sections(incident: Incident) -> tuple[ReportSection, ...]:
    """The whole report, in the order in which it is read."""
    if incident.begin is None:
        return (ReportSection("Summary", (Text("The journal holds no entries."),)),)
    found = (
        ReportSection("Summary", tuple(_summary(incident))),
        ReportSection("Likely cause", tuple(_causes(incident))),
        ReportSection("Glass that was broken", (Bullets(tuple(_broken_glass(incident))),)),
        ReportSection("What is still in force", (_standing(incident),)),
        ReportSection("Figures", tuple(_figures(incident))),
        ReportSection("Actions", tuple(_actions(incident))),
        ReportSection("Proposals", tuple(_proposals(incident))),
        ReportSection("What was undone", (Bullets(tuple(_undone(incident))),)),
        ReportSection("Scenarios", tuple(_scenarios(incident))),
        ReportSection("Notes", (Bullets(tuple(f"{clock(n.at)} {n.by}: {n.text}" for n in incident.notes)),)),
        ReportSection("Timeline", tuple(_timeline(incident))),
        ReportSection("Questions for the review", (Bullets(questions(incident)),)),
    )
    return tuple(section for section in found if section.blocks and section.blocks != (Bullets(()),))


def _summary(incident: Incident) -> Iterator[Block]:
    assert incident.begin is not None and incident.end is not None and incident.since is not None
    if incident.title:
        yield Text(incident.title, strong=True)
    ended = f"closed: {incident.closed or 'no reason given'}" if incident.closed is not None else "not closed on record"
    began = f" Severity was first judged at {moment(incident.since)}." if incident.since != incident.begin else ""
    yield Text(
        f"From {moment(incident.begin)} to {moment(incident.end)} (first and last entry),"
        f" {duration(incident.lasted, exact=True)}; {ended}.{began} All times are UTC."
    )
    if incident.before:
        yield Text("Actions of the half hour before it was opened are included.")
    if incident.levels or incident.declared:
        yield from _severity(incident)
        yield Chart()
    else:
        yield Text("Severity: no entry says.")
    yield from _times(incident)
    yield from _people(incident)


def _severity(incident: Incident) -> Iterator[Block]:
    if incident.levels:
        yield Text(f"Severity as the rules judge it: {', then '.join(_lasting(incident, incident.levels))}.")
    if incident.declared:
        yield Text(f"Severity as people declared it: {'; '.join(map(_declared, incident.declared))}.")


def _declared(level: SeverityChange) -> str:
    because = f" ({', '.join(level.because)})" if level.because else ""
    return f"{level.level} at {clock(level.at)} by {level.by}{because}"


def _times(incident: Incident) -> Iterator[Block]:
    times = timing_of(incident)
    since = "the first entry" if incident.since == incident.begin else "the first severity"
    yield ReportTable(
        ("to", f"from {since}", "which is"),
        (
            ("detect", _or_missing(times.detect), "opened, or the first severity on record"),
            ("engage", _or_missing(times.engage), "the first step or action"),
            ("mitigate", _or_missing(times.mitigate), "the first action whose verdict was: worked"),
            ("recover", _or_missing(times.recover), "the severity back to none"),
        ),
    )


def _people(incident: Incident) -> Iterator[Block]:
    held: dict[str, list[str]] = {}
    for assignment in incident.held:
        until = f"to {clock(assignment.until)}" if assignment.until else "to the end"
        held.setdefault(assignment.person, []).append(f"{assignment.role} from {clock(assignment.since)} {until}")
    rows = [
        (
            person.name,
            "; ".join(held.pop(person.name, ())) or "none taken",
            moment(person.first),
            moment(person.last),
            str(person.entries),
            ", ".join(person.hosts),
        )
        for person in incident.people
    ]
    rows += [(name, "; ".join(roles), MISSING, MISSING, "0", "") for name, roles in held.items()]
    yield ReportTable(("who", "role", "first seen", "last seen", "entries", "from"), tuple(rows))


def _or_missing(length: timedelta | None) -> str:
    return MISSING if length is None else duration(length, exact=True)


def _lasting(incident: Incident, levels: Sequence[SeverityChange]) -> Iterator[str]:
    assert incident.end is not None
    ends = [*(level.at for level in levels[1:]), incident.end]
    for level, end in zip(levels, ends, strict=True):
        yield f"{level.level} from {clock(level.at)} for {duration(end - level.at, exact=True)}"


def _causes(incident: Incident) -> Iterator[Block]:
    """What the console named, with the evidence of then; what was withdrawn says so."""
    for cause in incident.causes:
        gone = f"; withdrawn at {clock(cause.withdrawn_at)}" if cause.withdrawn_at is not None else ""
        yield Text(f"{cause.text}. Named at {clock(cause.named_at)}{gone}.", strong=cause.withdrawn_at is None)
        if cause.evidence:
            yield Bullets(cause.evidence)


def _standing(incident: Incident) -> Block:
    lines = tuple(
        f"{open_item.what} (since {moment(open_item.since)}, {open_item.by})" for open_item in incident.standing
    )
    return Bullets(lines) if lines else Text("Nothing on record.")


def _figures(incident: Incident) -> Iterator[Block]:
    specs = incident.metrics
    rows = tuple(
        (
            title(metric_range.name, specs),
            said(metric_range.name, metric_range.start, specs),
            f"{said(metric_range.name, metric_range.worst, specs)} at {clock(metric_range.worst_at)}",
            said(metric_range.name, metric_range.end, specs),
        )
        for metric_range in ranges(incident.figures, specs)
    )
    if rows:
        first, last = incident.figures[0], incident.figures[-1]
        yield ReportTable(("figure", f"start ({clock(first.at)})", "worst", f"end ({clock(last.at)})"), rows)
    found = figures(incident)
    if found:
        yield ReportTable(
            ("at", "time", "severity", "because"),
            tuple(
                (name, clock(change.at), change.level, "; ".join(change.because) or MISSING)
                for name, change in found.items()
            ),
        )


def _actions(incident: Incident) -> Iterator[Block]:
    for number, action in enumerate(incident.actions, 1):
        yield Heading(f"{number}. {action.name}")
        yield Bullets(tuple(_facts(action)))
        if action.command:
            yield Code(action.command)


def _facts(action: ActionRecord) -> Iterator[str]:
    step = f", for: {action.step_title or f'{action.scenario}, {action.step}'}" if action.step else ""
    yield f"{moment(action.at)}, {action.by}{step}"
    if action.proposed_by:
        because = f", because: {action.proposed_because}" if action.proposed_because else ""
        yield f"proposed by {action.proposed_by}, confirmed by {action.by}{because}"
    if action.broke_glass:
        yield f"GLASS BROKEN: no second person approved it, because: {action.broke_glass}"
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


def _broken_glass(incident: Incident) -> Iterator[str]:
    """What was sent without the second person that it needs."""
    for glass in incident.broken_glass:
        yield f"{moment(glass.at)}, {glass.by}: {glass.words}"


def _proposals(incident: Incident) -> Iterator[Block]:
    rows = tuple(
        (clock(proposal.at), proposal.name, proposal.by, _waited(proposal), _ended(proposal))
        for proposal in incident.proposals
    )
    if rows:
        yield ReportTable(("time", "action", "who", "waited for", "what became of it"), rows)


def _waited(proposal: Proposal) -> str:
    return f"{WAITS[proposal.needs]} until {clock(proposal.until)}"


def _ended(proposal: Proposal) -> str:
    if not proposal.ended:
        return MISSING
    by = f" by {proposal.ended_by}" if proposal.ended != "sent" or proposal.agent else ""
    ended = CONFIRMED if proposal.agent and proposal.ended == "sent" else ENDED.get(proposal.ended, proposal.ended)
    return f"{ended}{by}" + (f": {proposal.reason}" if proposal.reason else "")


CONFIRMED = "confirmed"
ENDED = {"objected": "objected to", "stopped": "not sent: stopped"}


def _undone(incident: Incident) -> Iterator[str]:
    for number, action in enumerate(incident.actions, 1):
        if action.undone_at:
            yield f"action {number}, {action.name}: taken back {moment(action.undone_at)} by {action.undone_by}"


def _scenarios(incident: Incident) -> Iterator[Block]:
    for walk in incident.scenarios:
        yield Heading(walk.name)
        yield Text(f"begun {moment(walk.begun_at)} by {walk.begun_by}; worked on by {', '.join(walk.people)}")
        rows = tuple(
            (clock(step.at), step.name, step.state, step.by, step.answer or step.reason) for step in walk.steps
        )
        if rows:
            yield ReportTable(("time", "step", "state", "who", "answer or reason"), rows)


def _timeline(incident: Incident) -> Iterator[Block]:
    day = ""
    rows: list[tuple[str, ...]] = []
    for line in incident.timeline:
        if (today := moment(line.at)[:10]) != day:
            if rows:
                yield ReportTable(("time", "who", "entry", "what"), tuple(rows))
            yield Heading(today)
            day, rows = today, []
        rows.append((clock(line.at), line.by, line.kind, line.text))
    if rows:
        yield ReportTable(("time", "who", "entry", "what"), tuple(rows))
    if incident.others:
        counted = ", ".join(f"{kind} {count}" for kind, count in incident.others.items())
        yield Text(f"Not shown, because this version doesn't know these kinds: {counted}.")
