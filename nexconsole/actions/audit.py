"""Checks an action ahead of an incident: can it be prepared here, and does this role have the permission?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..catalogue import LOGS
from ..errors import ActionError, NexConsoleError
from ..model import Reading, value_of
from ..runbook.audit import AuditAction, AuditFinding
from ..settings import Settings
from ..signals.circuits import Circuits
from ..signals.workloads_value import Workloads
from ..sources import Sources
from ..sources.workload_runtime import HOW, runtime_of
from ..text.units import plural
from .action import Action, Context
from .registry import ACTIONS


def auditor(sources: Sources, settings: Settings, readings: Mapping[str, Reading]) -> AuditAction:
    """Prepares any action's plan and discards it. Nothing is changed."""
    context = Context(settings=settings, sources=sources, readings=lambda: readings, operator=settings.operator)

    async def audit(name: str, arguments: Mapping[str, str | None]) -> AuditFinding:
        action = ACTIONS.get(name)
        if name == LOGS:
            return _logs(sources, readings)
        if action is None:
            return AuditFinding(ok=False, said=f"there is no action {name}")
        why_not = action.unavailable(settings, sources)
        if why_not is not None:
            return AuditFinding(ok=False, said=why_not)
        permission = await action.permitted(context)
        if permission.level == "block":
            return AuditFinding(
                ok=False, said=permission.reason, advice="grant it, or take the step out of the runbook"
            )
        return await _prepared(action, arguments, context, permission.reason)

    return audit


def _logs(sources: Sources, readings: Mapping[str, Reading]) -> AuditFinding:
    """Whether pods' logs can be followed. The circuits signal follows the same logs."""
    runtime = runtime_of(sources)
    if runtime is None:
        return AuditFinding(ok=False, said=f"logs can't be followed: {HOW}")
    workloads = value_of(readings, "workloads", Workloads)
    if workloads is None:
        why = readings["workloads"].error if "workloads" in readings else None
        return AuditFinding(ok=False, said=f"the {plural(runtime.noun)} can't be listed{f': {why}' if why else ''}")
    return AuditFinding(ok=True, said=f"the logs of {len(workloads.pods)} {plural(runtime.noun)} can be shown")


async def _prepared(
    action: Action, arguments: Mapping[str, str | None], context: Context, permission: str
) -> AuditFinding:
    """Prepare it for the target that the step names, else for any likely target. Often there is none ahead of an
    incident.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    for argument in action.arguments:
        if argument.name in given or not argument.required:
            continue
        likely = next(_likely(action, argument.name, argument.kind, context), None)
        if likely is None:
            return AuditFinding(ok=True, said=f"{permission}; there is no {argument.kind} to prepare it for now")
        given[argument.name] = likely
    try:
        plan = await action.prepare(given, context)
    except ActionError as error:
        return AuditFinding(ok=True, said=f"{permission}; no target now: {error}")
    except NexConsoleError as error:
        return AuditFinding(ok=False, said=str(error))
    return AuditFinding(ok=True, said=f"{permission}; prepared for {' '.join(plan.arguments.values()) or 'all of it'}")


def _likely(action: Action, name: str, kind: str, context: Context) -> Iterator[str]:
    """Values for this argument: the action's own suggestions, else any known value of its kind."""
    readings, settings = context.readings(), context.settings
    for suggestion in action.suggestions(readings, settings):
        if name in suggestion.arguments:
            yield suggestion.arguments[name]
    circuits, workloads = value_of(readings, "circuits", Circuits), value_of(readings, "workloads", Workloads)
    match kind:
        case "provider" if circuits is not None:
            yield from (provider.name for provider in circuits.providers if provider.active)
        case "family":
            yield from settings.locks.families
        case "pod" if workloads is not None:
            yield from (pod.name for pod in workloads.pods)
        case "count" if workloads is not None:
            yield str(workloads.desired)
        case "alert":
            yield from settings.severity.runbook_alerts
