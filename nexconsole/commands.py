"""What the palette offers: scenarios, actions with their likely targets, panes, themes, and the console's own keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from .actions.action import Action, Suggestion
from .actions.registry import ACTIONS
from .screens.desk import Desk
from .screens.palette import Command

LOGS = "logs.show"
MOST_TARGETS = 200  # of one kind; more are found by typing them where the action asks for its arguments


def commands(desk: Desk, fixed: Iterable[tuple[str, str, str, Callable[[], object]]]) -> list[Command]:
    """Everything that can be done, or why not now. `fixed` are (name, title, detail, what it does)."""
    observing = desk.operations.observing()
    found = [*_scenarios(desk), *_operations(desk)]
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
        Command(name="scenario.begin", title="Begin the open scenario anew", run=desk.begin_anew, words=("restart",),
                detail="its steps are all pending again; the journal keeps the old walk",
                why_not="" if desk.pane else "no scenario is open"),
    ]  # fmt: skip


def _not_sending(desk: Desk) -> str:
    return "" if any(one.phase == "sending" for one in desk.operations.under_way) else "nothing is being sent"


def _action(desk: Desk, action: Action, observing: str | None) -> list[Command]:
    """The action with each likely target, and once without: then its arguments are asked for."""
    operations = desk.operations
    why_not = observing or action.unavailable(operations.settings, operations.sources) or ""
    suggestions: Sequence[Suggestion] = action.suggestions(operations.readings(), operations.settings)
    found = [
        Command(
            name=action.name,
            title=suggestion.title,
            words=(*action.synonyms, action.title, *suggestion.arguments.values()),
            detail=f"{action.title}; nothing is sent before you have seen what it would touch",
            run=partial(desk.act, action.name, dict(suggestion.arguments)),
            weight=0.5 + suggestion.weight,
            why_not=why_not,
        )
        for suggestion in suggestions
    ]
    if not action.arguments and found:
        return found
    found += _others(desk, action, {tuple(one.arguments.values()) for one in suggestions}, why_not)
    required = [argument.name for argument in action.arguments if argument.required]
    ask = partial(desk.ask_arguments, action.name) if action.arguments else partial(desk.act, action.name, {})
    given = " ".join(argument.name.upper() for argument in action.arguments)
    found.append(
        Command(
            name=action.name,
            title=f"{action.title} ..." if required else action.title,
            words=(*action.synonyms, given),
            detail=f"asks for {given}" if given else "nothing is sent before you have seen what it would touch",
            run=ask,
            weight=0.1,
            why_not=why_not,
        )
    )
    return found


def _others(desk: Desk, action: Action, suggested: set[tuple[str, ...]], why_not: str) -> list[Command]:
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
            detail="nothing is sent before you have seen what it would touch",
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
