"""An agent proposes an action: its plan is prepared and frozen, and waits for a person. Nothing here sends anything."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ..actions.action import named_arguments
from ..actions.plan import Plan
from ..actions.registry import ACTIONS
from ..errors import ActionError, JournalError
from ..incident.proposals import Proposal, agent_name, proposals_in
from ..journal import EntryKind, journal_folder
from ..sharing.presence_files import somebody_acts
from ..text.sanitize import clean
from ..text.suggestions import did_you_mean
from ..text.units import period
from .capabilities import Capability
from .session import Session

REASON = 500  # characters
ARGUMENT = 200
PREPARE_S = 20.0  # how long the systems may take to answer
MINUTE = timedelta(minutes=1)
NOBODY = "no incident is open and nobody is at a console here, so nobody would see it: nothing was proposed"


@dataclass(frozen=True, kw_only=True)
class ProposedAction:
    """A proposal as it stands on record; `lasts_s` seconds a person may confirm it."""

    id: str
    plan: Plan
    lasts_s: float


def checked(action: str, arguments: Mapping[str, str]) -> dict[str, str]:
    """The arguments of a known action, cleaned. Raises ActionError and SettingsError."""
    if action not in ACTIONS:
        near = did_you_mean(clean(action, 60), ACTIONS) or ": `actions` lists them"
        raise ActionError(f"there is no action {clean(action, 60)}{near}")
    known = {argument.name for argument in ACTIONS[action].arguments}
    if unknown := sorted(set(arguments) - known):
        raise ActionError(
            f"{action} has no argument {clean(unknown[0], 60)}: it takes {', '.join(sorted(known)) or 'none'}"
        )
    given = {name: clean(value, ARGUMENT) for name, value in arguments.items() if str(value).strip()}
    return named_arguments(ACTIONS[action], (), given)


async def prepared_plan(session: Session, action: str, arguments: Mapping[str, str]) -> Plan:
    """The plan, by the same reads as in a console. Raises ActionError where there is none, or not in time."""
    given = checked(action, arguments)
    try:
        async with asyncio.timeout(PREPARE_S):
            result = await session.preview(action, given)
    except TimeoutError as error:
        raise ActionError(
            f"{action} could not be prepared within {period(PREPARE_S)}: a system did not answer"
        ) from error
    if result.plan is None:
        raise ActionError(result.stopped or f"{action} could not be prepared")
    return result.plan


async def propose(
    session: Session, agent: str, action: str, arguments: Mapping[str, str], reason: str
) -> ProposedAction:
    """Record the proposal of an agent of this name. Raises ActionError with the sentence why it can't be proposed, and
    JournalError."""
    if (why_not := session.why_not(Capability.PROPOSE)) is not None:
        raise ActionError(why_not)
    because = clean(reason, REASON)
    if not because:
        raise ActionError("a proposal needs a reason: say in a sentence what it is to end, and what shows that")
    await session.incident_store.look()
    await _check_room(session)
    plan = await prepared_plan(session, action, arguments)
    if plan.blocked:
        raise ActionError(f"blocked, so nothing was proposed: {'; '.join(guard.reason for guard in plan.blocked)}")
    _check_open(session, plan)
    lasts = session.settings.agents.proposal_s
    frozen = {name: value for name, value in plan.as_dict().items() if name != "confirm"}
    data = {
        "operator": session.settings.operator,
        "plan": frozen,
        "fingerprint": plan.fingerprint,
        "until": (session.clock() + timedelta(seconds=lasts)).isoformat(),
        "lasts_s": lasts,
        "needs": "confirmation",
        "agent": agent_name(agent),
        "reason": because,
    }
    id = await session.record(EntryKind.PROPOSED, data)
    return ProposedAction(id=id, plan=plan, lasts_s=lasts)


def _waiting(session: Session) -> list[Proposal]:
    """The agents' proposals that wait for a person."""
    return [proposal for proposal, _ in session.incident_store.waiting() if proposal.agent]


async def _check_room(session: Session) -> None:
    """Raises ActionError where nobody would see it, or too much is proposed already; JournalError for what can't be
    read."""
    if session.trouble:
        raise JournalError(f"nothing was proposed: {session.trouble}")
    rules, now = session.settings.agents, session.clock()
    if len(_waiting(session)) >= rules.most_open:
        raise ActionError(
            f"{rules.most_open} proposals of agents wait for a person already (agents.most_open): wait until one ends"
        )
    lately = [
        proposal for proposal in proposals_in(session.entries) if proposal.agent and now - MINUTE < proposal.at <= now
    ]
    if len(lately) >= rules.a_minute:
        raise ActionError(f"agents have made {rules.a_minute} proposals within a minute (agents.a_minute): wait")
    alone = session.incident_store.current is None and not session.settings.warroom.redis_url
    if alone and not await asyncio.to_thread(somebody_acts, journal_folder(session.settings)):
        raise ActionError(NOBODY)


def _check_open(session: Session, plan: Plan) -> None:
    """Raises ActionError where the same waits already."""
    same = next(
        (one for one in _waiting(session) if (one.action, one.arguments) == (plan.action, dict(plan.arguments))), None
    )
    if same is not None:
        raise ActionError(f"it is proposed already, by {same.by}: {same.id} waits for a person")
