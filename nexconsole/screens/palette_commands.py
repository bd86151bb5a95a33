"""The palette's commands: scenarios, actions with likely targets, panes, themes, and the console's own keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..catalogue import LOGS, Subject
from ..session.capabilities import Capability
from ..session.offers import MOST_TARGETS, ActionOffer, action_offers
from ..session.verbs import Verb, verbs
from ..sources.workload_runtime import NOT_CONFIGURED, runtime_of
from ..widgets.banner import bound_keys, titled
from .controller import Controller
from .palette import PaletteCommand
from .row_commands import row_commands

if TYPE_CHECKING:
    from ..incident.proposals import Proposal
    from .incident_controller import IncidentController

# Other words for the console's own commands, by their stable names.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "console.keys": ("help", "shortcuts", "bindings", "manual", "?"),
    "console.quit": ("exit", "leave", "bye", "close the console"),
    "console.freeze": ("pause", "hold", "still"),
    "console.copy": ("yank", "clipboard"),
    "console.present": ("share screen", "projector", "mask"),
}


def commands(
    controller: Controller,
    fixed: Iterable[tuple[str, str, str, Callable[[], object]]],
    subject: Subject | None = None,
) -> list[PaletteCommand]:
    """Everything that can be done, or why not now; what can be done to the subject is first, and there once.

    `fixed` are (name, title, detail, what it does).
    """
    palette_commands: list[PaletteCommand] = []
    offered = {(verb.action, tuple(verb.given.items())) for verb in _verbs(controller, subject)}
    if not controller.session.capabilities.silent:
        palette_commands = [*scenarios(controller), *_operations(controller), *_incident(controller)]
        palette_commands += [
            _action(controller, offer)
            for offer in action_offers(controller.session)
            if offer.arguments is None or (offer.action, tuple(offer.arguments.items())) not in offered
        ]
    palette_commands += row_commands(controller, subject) if subject is not None else []
    palette_commands += _logs(controller)
    palette_commands += [
        PaletteCommand(name=name, title=title, detail=detail, run=run, words=(detail, *SYNONYMS.get(name, ())))
        for name, title, detail, run in fixed
    ]
    bound = bound_keys(type(controller.app), type(controller.console))
    titles = [titled(command.title, bound, command.binding) for command in palette_commands]
    with_keys = [replace(command, title=title) for command, title in zip(palette_commands, titles, strict=True)]
    return sorted(with_keys, key=lambda command: -command.weight)


def _verbs(controller: Controller, subject: Subject | None) -> list[Verb]:
    return verbs(controller.session, subject) if subject is not None else []


def scenarios(controller: Controller) -> list[PaletteCommand]:
    """All scenarios, those that fit first, in their order."""
    if controller.scenarios.library is None:
        return []
    fits = {fit.scenario.id: fit.because for fit in controller.scenarios.fits}
    order = list(fits)
    return [
        PaletteCommand(
            name=f"scenario.{scenario.id}",
            title=f"Scenario: {scenario.title}" + (" - fits now" if scenario.id in fits else ""),
            detail=fits.get(scenario.id, f"opens {scenario.title.lower()} beside the panes"),
            words=("runbook", scenario.severity),
            run=partial(controller.scenarios.open, scenario.id),
            weight=2.0 - 0.01 * order.index(scenario.id) if scenario.id in fits else 0.3,
        )
        for scenario in controller.scenarios.library.runbook.chapters()
    ]


def _operations(controller: Controller) -> list[PaletteCommand]:
    undoable = controller.session.undoable
    title = f"Undo {undoable.name}" if undoable else "Undo"
    nothing = "" if undoable else "nothing was done here that could be undone"
    return [
        PaletteCommand(
            name="operation.undo",
            title=title,
            binding="operation.undo",
            run=controller.actions.undo,
            why_not=nothing,
            words=("revert", "back"),
            detail="undoes the newest action, after a confirmation",
            weight=1.5 if undoable else 0.0,
        ),
        PaletteCommand(
            name="operation.stop",
            title="Stop what is being sent",
            binding="operation.stop",
            run=controller.actions.stop,
            words=("cancel", "abort"),
            detail="before its next target",
            why_not=_not_sending(controller),
        ),
        PaletteCommand(
            name="operation.dismiss",
            title="Dismiss what has ended",
            binding="operation.dismiss",
            run=controller.actions.dismiss,
            detail="clears it from the operation bar; the journal keeps it",
        ),
        PaletteCommand(
            name="journal.note",
            title="Write a note",
            binding="journal.note",
            run=controller.note,
            words=("comment", "log"),
            detail="one line in the journal",
            weight=0.2,
        ),
        PaletteCommand(
            name="journal.show",
            title="Journal",
            binding="journal.show",
            run=controller.journal,
            words=("history", "timeline", "record"),
            detail="what was done, by whom, and whether it helped",
            weight=0.2,
        ),
        PaletteCommand(
            name="report.export",
            title="Write the report",
            binding="report.export",
            run=controller.paper.export,
            words=("export", "postmortem", "review", "markdown", "html"),
            detail="of this incident, into files",
        ),
        PaletteCommand(
            name="handover.show",
            title="Hand over",
            run=controller.paper.hand_over,
            words=("handover", "shift", "relief", "takes over"),
            detail="one page for whoever takes over: what stands, was tried, comes next, and who",
        ),
        PaletteCommand(
            name="report.line",
            title="Copy the status line",
            binding="report.line",
            run=controller.paper.line,
            words=("chat", "channel", "slack", "summary"),
            detail="the incident's state in one line",
        ),
        PaletteCommand(
            name="sheet.show",
            title="Break-glass sheet",
            binding="sheet.show",
            run=controller.paper.show,
            words=("emergency", "commands", "offline", "manual", "by hand"),
            detail="last known values and shell commands, for when nothing can be reached",
        ),
        PaletteCommand(
            name="scenario.begin",
            title="Begin the open scenario anew",
            run=controller.scenarios.begin_anew,
            words=("restart",),
            detail="all steps are pending again; the journal keeps the earlier run",
            why_not="" if controller.scenarios.pane else "no scenario is open",
        ),
    ]


def _incident(controller: Controller) -> list[PaletteCommand]:
    """Opening, joining and leading an incident; objecting to what others are about to do."""
    incidents, book = controller.incidents, controller.session.incident_store
    open_ = book.current is not None
    none = "" if open_ else "no incident is open"
    command = controller.session.why_not(Capability.COMMAND) or ""
    waiting = incidents.waiting()
    told = f"the incident {book.current}" if open_ else "opens one: a title is asked for"
    return [
        PaletteCommand(
            name="incident.show" if open_ else "incident.open",
            run=incidents.show,
            detail=told,
            title="Incident" if open_ else "Open an incident",
            binding="incident.show",
            words=("war room", "roles", "timeline"),
            weight=1.8 if incidents.offered() else 0.3,
        ),
        *(
            PaletteCommand(
                name="incident.join",
                title=f"Join {incident.id}: {incident.title}",
                run=partial(incidents.join, incident.id),
                detail=f"opened by {incident.opened_by}; entries go there from now on",
                words=("switch",),
                weight=0.2,
            )
            for incident in book.incidents.values()
            if incident.open and incident.id != book.current
        ),
        PaletteCommand(
            name="incident.role",
            title="Take a role, or hand it over",
            run=incidents.role,
            why_not=none or controller.session.why_not(Capability.NOTE) or "",
            detail="commander, operator, scribe or observer",
            words=("commander", "lead", "drive", "hand over"),
        ),
        PaletteCommand(
            name="incident.severity",
            title="Declare a severity",
            run=incidents.declare,
            why_not=none or command,
            detail="your judgement, with the reason",
            words=("sev-1", "sev-2", "sev-3", "escalate"),
        ),
        PaletteCommand(
            name="pager.acknowledge",
            title="Acknowledge the page",
            run=controller.acknowledge_page,
            why_not=controller.session.why_not(Capability.NOTE) or "",
            detail="tells PagerDuty or Opsgenie that somebody is at it",
            words=("pagerduty", "opsgenie", "ack", "on call"),
        ),
        PaletteCommand(
            name="incident.close",
            title="Close the incident",
            run=incidents.close,
            why_not=none or command,
            detail="asks for what is still in force",
            words=("resolve", "end", "over"),
        ),
        *_proposals(incidents, "proposal.object", "o", "Object to", waiting, "nothing is proposed"),
        *_proposals(
            incidents,
            "proposal.approve",
            "a",
            "Approve",
            [proposal for proposal in waiting if proposal.needs == "approval"],
            "nothing waits for approval",
        ),
        *_proposals(
            incidents,
            "proposal.open",
            "A",
            "Open",
            [proposal for proposal in waiting if proposal.agent],
            "no agent proposes anything",
        ),
    ]


DETAILS = {
    "o": "stops it: nothing is sent",
    "a": "it is sent at once",
    "A": "shows its plan as it is now: nothing is sent before you confirm it",
}


def _proposals(
    incidents: IncidentController, name: str, key: str, verb: str, waiting: Sequence[Proposal], nothing: str
) -> list[PaletteCommand]:
    """A line for each proposal that this can be said to: what is said is said to that one, however many come."""
    if not waiting:
        return [
            PaletteCommand(name=name, title=f"{verb} what is proposed", run=lambda: None, why_not=nothing, binding=name)
        ]
    detail = DETAILS[key]
    return [
        PaletteCommand(
            name=name,
            title=f"{verb} {proposal.name} of {proposal.by}",
            binding=name,
            words=("veto", "proposal", "agent" if proposal.agent else ""),
            detail=detail,
            run=partial(incidents.speak, key, proposal.id),
            weight=2.5 if key == "o" else 2.4,
        )
        for proposal in waiting
    ]


def _not_sending(controller: Controller) -> str:
    return (
        ""
        if any(operation.phase == "sending" for operation in controller.session.under_way)
        else "nothing is being sent"
    )


def _action(controller: Controller, offer: ActionOffer) -> PaletteCommand:
    given = offer.arguments
    if given is None:
        run = partial(controller.actions.ask_arguments, offer.action)
    else:
        run = partial(controller.actions.act, offer.action, given)
    return PaletteCommand(
        name=offer.action,
        title=offer.title,
        words=offer.words,
        detail=offer.detail,
        run=run,
        weight=offer.weight,
        why_not=offer.why_not,
        asks=given is None,
        targets=tuple(given.values()) if given else (),
    )


def _logs(controller: Controller) -> list[PaletteCommand]:
    why_not = "" if (runtime := runtime_of(controller.session.sources)) is not None else NOT_CONFIGURED
    noun = runtime.noun if runtime is not None else "pod"
    detail = f"follows the {noun}s' logs"
    whole = PaletteCommand(
        name=LOGS,
        title=f"{noun.capitalize()}s' logs",
        binding="logs.show",
        detail=detail,
        run=controller.logs,
        why_not=why_not,
        words=("tail", "kubectl logs", "docker logs"),
        weight=0.2,
    )
    names = (*controller.session.known("provider")[:MOST_TARGETS], "OUTBOX", "RECONCILE")
    return [whole] + [
        PaletteCommand(
            name=LOGS,
            title=f"Logs of {name}",
            detail=detail,
            run=partial(controller.logs, name),
            why_not=why_not,
            words=("tail", "kubectl logs", "docker logs"),
            weight=-1.0,
            targets=(name,),
        )
        for name in names
    ]
