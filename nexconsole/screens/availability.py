"""Which keys would do something now, and why the others would not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..session.capabilities import Capabilities, Capability
from ..sources.workload_runtime import runtime_of

if TYPE_CHECKING:
    from ..incident.proposals import Proposal
    from ..session.session import Session

# What a console that is only to be looked at has keys for, and what it has not.
LOOKING = ("help", "journal", "logs", "next_theme", "quit", "help_quit", "command_palette")
DOING = (
    "scenario",
    "scenarios",
    "note",
    "incident",
    "object",
    "approve",
    "open_proposal",
    "export",
    "status_line",
    "sheet",
    "undo",
    "dismiss_ended",
    "stop",
    "present",
)
NEEDS = {
    "object": Capability.NOTE,
    "approve": Capability.APPROVE,
    "open_proposal": Capability.ACT,
    "undo": Capability.ACT,
    "stop": Capability.ACT,
}
# What there is nothing to do for, mostly, and why not then.
NOTHING_TO_DO = {
    "object": "nothing is proposed",
    "approve": "nothing waits for approval",
    "open_proposal": "no agent proposes anything",
    "undo": "nothing was done that could be undone",
    "dismiss_ended": "no action has ended",
    "stop": "nothing is being sent",
    "logs": "no kubernetes, no docker",
}


def why_nothing(action: str, capabilities: Capabilities) -> str:
    """Why this action would do nothing where it would do nothing; "" where it is not worth saying."""
    able = action not in NEEDS or NEEDS[action] in capabilities
    return NOTHING_TO_DO.get(action, "") if able and not capabilities.silent else ""


def works_now(action: str, session: Session, waiting: Sequence[Proposal], capabilities: Capabilities) -> bool:
    """Whether one of the actions in NOTHING_TO_DO would do anything now."""
    if action in NEEDS and NEEDS[action] not in capabilities:
        return False
    return {
        "object": bool(waiting),
        "approve": any(proposal.needs == "approval" for proposal in waiting),
        "open_proposal": any(proposal.agent for proposal in waiting),
        "undo": session.undoable is not None,
        "dismiss_ended": any(operation.phase == "ended" or operation.lost for operation in session.shown),
        "stop": any(operation.phase in ("sending", "waiting") for operation in session.under_way),
        "logs": runtime_of(session.sources) is not None,
    }[action]
