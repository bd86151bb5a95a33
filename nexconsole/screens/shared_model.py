"""The data of the shared screen beside its figures: start, operator, actions, next steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from ..incident.actions import ActionRecord, actions_in
from ..incident.incident import CALM, Incident
from ..journal import Entry, EntryKind
from ..runbook.model import Scenario, Step
from ..runbook.resolution import resolve
from ..text.units import clock, duration
from ..widgets.banner import key_of
from ..widgets.spans import Span, plain
from . import operation_bar
from .console import LOUD
from .scenario_rows import ScenarioRows, rows_of

if TYPE_CHECKING:
    from ..model import Reading
    from ..session.operation import Operation
    from ..session.session import Session
    from .controller import Controller

MOVES = 3  # the last actions that are told of
UNDER_WAY = ("preparing", "asking", "sending", "watching")


@dataclass(frozen=True, kw_only=True)
class SharedAction:
    """An action that was taken: when, by whom, which, its verdict (or outcome) as (text, ink), and why."""

    at: datetime
    by: str
    name: str
    verdict: Span
    because: str


@dataclass(frozen=True, kw_only=True)
class SharedModel:
    """`since` (UTC): when the incident was opened, else when the severity rose; None while there is neither.

    `driver` is "" where nobody drives. `moves` are the last actions, the newest last; `ahead` is what comes next, as
    (text, ink), the most urgent first. `broken_glass`: what was sent last without the second person that it needs, ""
    for nothing in the open incident.
    """

    id: str = ""
    title: str = ""
    since: datetime | None = None
    declared: str = ""
    driver: str = ""
    commander: str = ""
    broken_glass: str = ""
    moves: tuple[SharedAction, ...] = ()
    ahead: tuple[Span, ...] = ()


class _IncidentHead(TypedDict, total=False):
    """The fields of a Scene that tell of the incident."""

    id: str
    title: str
    since: datetime | None
    declared: str
    driver: str
    commander: str
    broken_glass: str


def scene(
    controller: Controller | None, risen_at: datetime | None, readings: Mapping[str, Reading], now: datetime
) -> SharedModel:
    """The scene by now. `controller`: None while it is not made; `risen_at`: when this screen saw the severity rise."""
    if controller is None:
        return SharedModel(since=risen_at)
    session = controller.session
    incident = session.incident
    return SharedModel(
        **_incident(incident, session, risen_at),
        moves=moves(session.entries, session.shown),
        ahead=(
            *_ahead(session, session.shown, now),
            *_scenario(controller, readings, now),
            *_unopened(incident, controller),
        ),
    )


def _incident(incident: Incident | None, session: Session, risen_at: datetime | None) -> _IncidentHead:
    if incident is None:
        rose = _rose(session.entries) if risen_at is not None else None
        return {"since": min(filter(None, (rose, risen_at)), default=None)}
    judged = incident.levels[-1].level if incident.levels else ""
    declared = incident.declared[-1].level if incident.declared else ""
    return {
        "id": session.journal.journal.stem,
        "title": incident.title,
        "since": incident.since or incident.begin,
        "declared": declared if declared != judged else "",
        "driver": incident.roles.get("operator", ""),
        "commander": incident.commander,
        "broken_glass": incident.broken_glass[-1].action if incident.broken_glass else "",
    }


def _rose(entries: Sequence[Entry]) -> datetime | None:
    """When the severity that is on record rose from none; None where it is none, or nobody has recorded it."""
    rose = None
    for entry in reversed(entries):
        if entry.kind == EntryKind.SEVERITY:
            if entry.data.get("level") in (CALM, None):
                break
            rose = entry.at
    return rose


def moves(entries: Sequence[Entry], shown: Sequence[Operation]) -> tuple[SharedAction, ...]:
    """The last actions on record, those of other consoles too; of one that goes on, how far it is."""
    intents = [entry for entry in entries if entry.kind == EntryKind.INTENT][-MOVES:]
    if not intents:
        return ()
    since = entries.index(intents[0])
    live = {operation.intent: operation for operation in shown if operation.intent}
    return tuple(_move(taken, live.get(taken.intent)) for taken in actions_in(entries[since:])[-MOVES:])


def _move(taken: ActionRecord, live: Operation | None) -> SharedAction:
    verdict, because = _verdict(taken, live)
    return SharedAction(at=taken.at, by=taken.by.partition("@")[0], name=taken.name, verdict=verdict, because=because)


def _verdict(taken: ActionRecord, live: Operation | None) -> tuple[Span, str]:
    if taken.undone_at is not None:
        return ("○ taken back", "muted"), f"by {taken.undone_by}, {clock(taken.undone_at)}"
    if taken.verdict:
        return operation_bar.ENDS.get(taken.verdict, operation_bar.ENDS["unknown"]), taken.because
    if live is not None and live.phase == "sending" and not live.unfinished:
        return ("▸ sending", "note"), live.progress or "no answer yet"
    if live is not None and live.phase == "watching":
        return ("▸ watching", "note"), taken.answer
    if taken.ended_at is not None:
        return operation_bar.OUTCOMES.get(taken.outcome, operation_bar.OUTCOMES["unknown"]), taken.answer
    return operation_bar.ENDS["unknown"], f"outcome unknown: check whether {taken.watch or 'it happened'}"


def _ahead(session: Session, shown: Sequence[Operation], now: datetime) -> Iterator[Span]:
    for proposal, seconds in session.incident_store.waiting():
        left, ends = duration(seconds), now + timedelta(seconds=seconds)
        if proposal.needs == "approval":
            yield f"▸ {proposal.name} waits for a second person's approval, for {left}", "note"
        elif proposal.agent:
            yield f"▸ {proposal.by} proposes {proposal.name}: it waits for a person, for {left}", "note"
        else:
            yield f"▸ {proposal.name} goes ahead at {clock(ends)} unless somebody objects: {left}", "note"
    for operation in shown:
        who = plain(operation.by.partition("@")[0], 30)
        if operation.phase == "sending" and not operation.unfinished:
            yield (
                f"▸ {operation.name} is being sent by {who}{f': {operation.progress}' if operation.progress else ''}",
                "note",
            )
        elif operation.phase == "watching":
            watch = operation.plan.watch if operation.plan is not None else operation.watch
            until = f"until {clock(operation.watch_until)} " if operation.watch_until is not None else ""
            yield f"▸ {until}it is watched whether {watch or f'{operation.name} helped'}", "note"
        elif operation.phase in UNDER_WAY and operation.stopped is None:
            yield f"▸ {who} prepares {operation.name}", "note"


def _unopened(incident: Incident | None, controller: Controller) -> Iterator[Span]:
    severity = controller.console.severity
    if incident is None and severity is not None and severity.level in LOUD:
        yield f"○ no incident is open: {key_of('incident.show')} opens one", "warn"


def _scenario(controller: Controller, readings: Mapping[str, Reading], now: datetime) -> Iterator[Span]:
    """The next step of the scenario that is open or was touched last; or that one fits and nobody has begun it."""
    scenario = controller.scenarios.pane.scenario if controller.scenarios.pane is not None else _touched(controller)
    if scenario is None:
        if controller.scenarios.fits:
            yield f"○ {_named(controller.scenarios.fits[0].scenario)} fits, and nobody has begun it", "strong"
        return
    found = next_step(controller, scenario, readings, now)
    if found is None:
        yield f"● {_named(scenario)}: every step is settled", "muted"
    else:
        step, state = found
        yield f"{'▸' if state == 'running' else '○'} {_named(scenario)}: {step.title}", "strong"


def _named(scenario: Scenario) -> str:
    return f"scenario {scenario.number}" if scenario.number else scenario.title


def _touched(controller: Controller) -> Scenario | None:
    last = next((entry for entry in reversed(controller.session.entries) if entry.kind == EntryKind.STEP), None)
    if last is None or controller.scenarios.runbook is None:
        return None
    scenario = controller.scenarios.runbook.chapter(str(last.data.get("scenario")))
    return scenario if scenario is not None and controller.session.walk(scenario.id) is not None else None


def next_step(
    controller: Controller, scenario: Scenario, readings: Mapping[str, Reading], now: datetime
) -> tuple[Step, str] | None:
    """What is under way, else what needs a person next, as where the scenario's cursor opens; and its state (pending
    or running). None where nothing is left."""
    walk = controller.session.walk(scenario.id)
    answers, taken = (walk.answers, walk.taken) if walk else ({}, {})
    nodes = resolve(scenario, readings, controller.session.settings, now, answers, taken)
    steps = ScenarioRows(scenario, tuple(rows_of(nodes, ())), walk)
    running = next((row for row in steps.steps if (mark := steps.mark(row.id)) and mark.state == "running"), None)
    id = running.id if running is not None else "" if steps.ended else steps.next_person()
    step = next((row.node.step for row in steps.rows if row.id == id), None)
    return (step, "running" if running is not None else "pending") if isinstance(step, Step) else None
