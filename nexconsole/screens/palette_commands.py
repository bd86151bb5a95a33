"""What the palette offers: scenarios, actions with their likely targets, panes, themes, and the console's own keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..actions.action import Action, Suggestion
from ..actions.hindrances import Seen, hindrance
from ..actions.registry import ACTIONS
from .desk import Desk
from .palette import Command

if TYPE_CHECKING:
    from ..warroom.proposals import Proposal
    from .incidents import Incidents

LOGS = "logs.show"
UNSENT = "nothing is sent before you have seen what it would touch"
HINDERED = -0.3  # after everything that may help, before targets that nothing speaks for
MOST_TARGETS = 200  # of one kind; more are found by typing them where the action asks for its arguments


def commands(desk: Desk, fixed: Iterable[tuple[str, str, str, Callable[[], object]]]) -> list[Command]:
    """Everything that can be done, or why not now. `fixed` are (name, title, detail, what it does)."""
    found: list[Command] = []
    if not desk.operations.settings.journal.read_only:
        observing = desk.operations.observing()
        found = [*_scenarios(desk), *_operations(desk), *_incident(desk)]
        for name in sorted(ACTIONS):
            found += _action(desk, ACTIONS[name], observing)
    found += _logs(desk)
    found += [
        Command(name=name, title=title, detail=detail, run=run, words=(detail,)) for name, title, detail, run in fixed
    ]
    return sorted(found, key=lambda command: -command.weight)


def _scenarios(desk: Desk) -> list[Command]:
    if desk.library is None:
        return []
    fits = {fit.scenario.id: fit.because for fit in desk.fits}
    return [
        Command(
            name=f"scenario.{scenario.id}",
            title=f"Scenario: {scenario.title}" + (" - fits now" if scenario.id in fits else ""),
            detail=fits.get(scenario.id, f"opens {scenario.title.lower()} beside the panes"),
            words=("runbook", scenario.severity),
            run=partial(desk.open_scenario, scenario.id),
            weight=2.0 if scenario.id in fits else 0.3,
        )
        for scenario in desk.library.runbook.chapters()
    ]


def _operations(desk: Desk) -> list[Command]:
    undoable = desk.operations.undoable
    title = f"Undo {undoable.name} (u)" if undoable else "Undo (u)"
    nothing = "" if undoable else "nothing was done here that could be taken back"
    return [
        Command(name="operation.undo", title=title, run=desk.undo, why_not=nothing, words=("revert", "back"),
                detail="takes the newest action back, asked about like any other", weight=1.5 if undoable else 0.0),
        Command(name="operation.stop", title="Stop what is being sent (^K)", run=desk.stop, words=("cancel", "abort"),
                detail="before its next target", why_not=_not_sending(desk)),
        Command(name="operation.dismiss", title="Dismiss what has ended (d)", run=desk.dismiss,
                detail="the strip above the keys forgets it; the journal doesn't"),
        Command(name="journal.note", title="Write a note (n)", run=desk.note, words=("comment", "log"),
                detail="one line in the journal", weight=0.2),
        Command(name="journal.show", title="Journal (J)", run=desk.journal, words=("history", "timeline", "record"),
                detail="what was done, by whom, and whether it helped", weight=0.2),
        Command(name="report.export", title="Write the report (e)", run=desk.paper.export,
                words=("export", "postmortem", "review", "markdown", "html"), detail="of this incident, into files"),
        Command(name="report.line", title="Copy the status line (y)", run=desk.paper.line,
                words=("chat", "channel", "slack", "summary"), detail="the incident's state in one line"),
        Command(name="sheet.show", title="Break-glass sheet (B)", run=desk.paper.show,
                words=("emergency", "commands", "offline", "manual", "by hand"),
                detail="what was last known and what to type by hand, when nothing can be reached"),
        Command(name="scenario.begin", title="Begin the open scenario anew", run=desk.begin_anew, words=("restart",),
                detail="its steps are all pending again; the journal keeps the old walk",
                why_not="" if desk.pane else "no scenario is open"),
    ]  # fmt: skip


def _incident(desk: Desk) -> list[Command]:
    """Opening, joining and leading an incident; objecting to what others are about to do."""
    incidents, book = desk.incidents, desk.operations.logbook
    open_ = book.current is not None
    none = "" if open_ else "no incident is open"
    waiting = incidents.waiting()
    told = f"the incident {book.current}" if open_ else "opens one: a title is asked for"
    return [
        Command(name="incident.show" if open_ else "incident.open", run=incidents.show, detail=told,
                title="Incident (i)" if open_ else "Open an incident (i)", words=("war room", "roles", "timeline"),
                weight=1.8 if incidents.offered() else 0.3),
        *(Command(name="incident.join", title=f"Join {one.id}: {one.title}", run=partial(incidents.join, one.id),
                  detail=f"opened by {one.opened_by}; entries go there from now on", words=("switch",), weight=0.2)
          for one in book.incidents.values() if one.open and one.id != book.current),
        Command(name="incident.role", title="Take a role, or hand it over", run=incidents.role, why_not=none,
                detail="commander, operator, scribe or observer", words=("commander", "lead", "drive", "hand over")),
        Command(name="incident.severity", title="Declare a severity", run=incidents.declare, why_not=none,
                detail="as a person judges it, with the reason", words=("sev-1", "sev-2", "sev-3", "escalate")),
        Command(name="incident.close", title="Close the incident", run=incidents.close, why_not=none,
                detail="asks for what still stands", words=("resolve", "end", "over")),
        *_proposals(incidents, "proposal.object", "o", "Object to", waiting, "nothing is proposed"),
        *_proposals(incidents, "proposal.approve", "a", "Approve", [one for one in waiting if one.needs == "approval"],
                    "nothing waits for a second person's word"),
    ]  # fmt: skip


def _proposals(
    incidents: Incidents, name: str, key: str, verb: str, waiting: Sequence[Proposal], nothing: str
) -> list[Command]:
    """A line for each proposal that this can be said to: what is said is said to that one, however many come."""
    if not waiting:
        return [Command(name=name, title=f"{verb} what is proposed ({key})", run=lambda: None, why_not=nothing)]
    detail = "stops it: nothing is sent" if key == "o" else "it is sent at once"
    return [
        Command(name=name, title=f"{verb} {one.name} of {one.by} ({key})", words=("veto", "proposal"), detail=detail,
                run=partial(incidents.speak, key, one.id), weight=2.5 if key == "o" else 2.4)
        for one in waiting
    ]  # fmt: skip


def _not_sending(desk: Desk) -> str:
    return "" if any(one.phase == "sending" for one in desk.operations.under_way) else "nothing is being sent"


def _action(desk: Desk, action: Action, observing: str | None) -> list[Command]:
    """The action with each likely target, and once without: then its arguments are asked for."""
    operations = desk.operations
    why_not = observing or action.unavailable(operations.settings, operations.sources) or ""
    suggestions: Sequence[Suggestion] = action.suggestions(operations.readings(), operations.settings)
    seen = Seen(readings=operations.readings(), health=operations.sources.health(), settings=operations.settings,
                now=desk.clock())  # fmt: skip
    found = [_suggested(desk, action, suggestion, seen, why_not) for suggestion in suggestions]
    if not action.arguments and found:
        return found
    found += _others(desk, action, {tuple(one.arguments.values()) for one in suggestions}, seen, why_not)
    required = [argument.name for argument in action.arguments if argument.required]
    ask = partial(desk.ask_arguments, action.name) if action.arguments else partial(desk.act, action.name, {})
    given = " ".join(argument.name.upper() for argument in action.arguments)
    found.append(
        Command(
            name=action.name,
            title=f"{action.title} ..." if required else action.title,
            words=(*action.synonyms, given),
            detail=f"asks for {given}" if given else UNSENT,
            run=ask,
            weight=0.1,
            why_not=why_not,
            asks=bool(action.arguments),
        )
    )
    return found


def _suggested(desk: Desk, action: Action, suggestion: Suggestion, seen: Seen, why_not: str) -> Command:
    """A likely target; what would not help by what is on screen comes last, and says why."""
    hindered = hindrance(action.name, suggestion.arguments, seen)
    detail = _detail(hindered, f"{action.title}; {UNSENT}")
    return Command(
        name=action.name,
        title=suggestion.title,
        words=(*action.synonyms, action.title, *suggestion.arguments.values()),
        detail=detail,
        run=partial(desk.act, action.name, dict(suggestion.arguments)),
        weight=HINDERED if hindered else 0.5 + suggestion.weight,
        why_not=why_not,
    )


def _detail(hindered: str, else_: str) -> str:
    return f"will not help: {hindered}" if hindered else else_


def _others(desk: Desk, action: Action, suggested: set[tuple[str, ...]], seen: Seen, why_not: str) -> list[Command]:
    """The action with every other target that the readings know, for whoever types its name."""
    required = [argument for argument in action.arguments if argument.required]
    if len(required) != 1:
        return []
    known = [word for word in desk.operations.known(required[0].kind)[:MOST_TARGETS] if (word,) not in suggested]
    return [
        Command(
            name=action.name,
            title=f"{action.title}: {word}",
            words=action.synonyms,
            detail=f"will not help: {why}"
            if (why := hindrance(action.name, {required[0].name: word}, seen))
            else UNSENT,
            run=partial(desk.act, action.name, {required[0].name: word}),
            weight=-0.5,
            why_not=why_not,
        )
        for word in known
    ]


def _logs(desk: Desk) -> list[Command]:
    why_not = "" if desk.operations.sources.has("kubernetes") else "kubernetes is not configured"
    detail = "follows the pods' logs"
    whole = Command(name=LOGS, title="Pods' logs (l)", detail=detail, run=desk.logs, why_not=why_not,
                    words=("tail", "kubectl logs"), weight=0.2)  # fmt: skip
    names = (*desk.operations.known("provider")[:MOST_TARGETS], "OUTBOX", "RECONCILE")
    return [whole] + [
        Command(name=LOGS, title=f"Logs of {name}", detail=detail, run=partial(desk.logs, name), why_not=why_not,
                words=("tail", "kubectl logs"), weight=-1.0)
        for name in names
    ]  # fmt: skip
