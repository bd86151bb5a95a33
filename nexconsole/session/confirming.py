"""A person confirms what an agent has proposed: how the plan of now differs from the agent's, and whether it may still
be confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..actions.perform import AS_IT_IS, difference
from ..actions.plan import Guard, Plan, Target
from ..actions.registry import ACTIONS
from ..incident.proposals import Proposal, proposals_in
from ..text.sanitize import clean
from .incident_store import IncidentStore

UNLIKE = "the system changed since it was proposed"


def heading(proposal: Proposal, plan: Plan) -> str:
    """Who proposes this plan and why, and how it differs from the one that the agent saw."""
    said = f"proposed by {proposal.by}, because: {proposal.because or 'no reason given'}"
    before = seen_by_agent(proposal, plan)
    if before is None:
        return said
    changed = difference(before, plan).removesuffix(AS_IT_IS)
    return f"{said}. {UNLIKE}{changed[changed.find(' (') :]}" if " (" in changed else f"{said}. {UNLIKE}"


def why_unfit(proposal: Proposal) -> str:
    """Why this can't be an action here, whoever wrote it; "" where it can."""
    action = ACTIONS.get(proposal.action)
    if action is None:
        return f"there is no action {clean(proposal.action, 60) or 'without a name'} here"
    known = {argument.name: argument.required for argument in action.arguments}
    unknown = [clean(name, 40) for name in proposal.arguments if name not in known]
    missing = [name for name, required in known.items() if required and not proposal.arguments.get(name)]
    if unknown or missing:
        return f"{action.name} " + (f"has no argument {unknown[0]}" if unknown else f"needs {', '.join(missing)}")
    return ""


def seen_by_agent(proposal: Proposal, plan: Plan) -> Plan | None:
    """The plan as the agent saw it, to be compared with `plan`; None where that is the same, or can't be known."""
    if not proposal.fingerprint or proposal.fingerprint == plan.fingerprint:
        return None
    frozen = proposal.plan
    targets, guards = frozen.get("targets"), frozen.get("guards")
    if not isinstance(targets, list) or not isinstance(guards, list):
        return None
    now = {(target.kind, target.id): target for target in plan.targets}
    return replace(
        plan,
        targets=tuple(_target(facts, now) for facts in targets if isinstance(facts, dict)),
        guards=tuple(
            Guard(name=_text(facts, "name"), level=level, reason=_text(facts, "reason"))
            for facts in guards
            if isinstance(facts, dict) and (level := facts.get("level")) in ("ok", "warn", "block")
        ),
        effect=_text(frozen, "effect"),
    )


def _target(facts: Mapping[str, Any], now: Mapping[tuple[str, str], Target]) -> Target:
    """A target as it is on record, its identity by the same facts as that of the present one."""
    kind, id = _text(facts, "kind"), _text(facts, "id")
    present = now.get((kind, id))
    named = present.identity if present is not None else {}
    identity = {name: facts.get(name, value) for name, value in named.items()}
    return Target(kind=kind, id=id, identity=identity, chosen=facts.get("chosen") is not False)


def _text(facts: Mapping[str, Any], name: str) -> str:
    return clean(facts.get(name) or "", 2000)


def why_ended(store: IncidentStore, proposal: Proposal) -> str | None:
    """Why an agent's proposal can't be confirmed any more; None while it can, also when its time is just over."""
    present = next((one for one in proposals_in(store.entries) if one.id == proposal.id), None)
    if present is None:
        return "the agent's proposal is no longer on record: nothing was sent"
    because = f": {present.reason}" if present.reason else ""
    match present.ended:
        case "sent":
            return f"{present.ended_by} has confirmed the agent's proposal already: nothing was sent"
        case "objected":
            return f"{present.ended_by} refused the agent's proposal{because}: nothing was sent"
        case "stopped":
            return f"the agent's proposal was stopped by {present.ended_by}{because}: nothing was sent"
        case _:
            return None
