"""pods.restart: in Kubernetes by the deployment, in Docker by the containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..model import Reading
from ..sources.workload_runtime import HOW, on_docker, runtime_of
from . import containers, pods
from .action import Action, Context, Suggestion
from .plan import Guard, Outcome, Plan, Verdict

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources


class RestartWorkloads:
    """Restarts processes. That clears their state; a cause outside of the process stays."""

    name = pods.RESTART.name
    title = pods.RESTART.title
    synonyms = (*pods.RESTART.synonyms, "docker restart", "restart container")
    arguments = pods.RESTART.arguments
    rights = pods.RESTART.rights  # of Kubernetes; Docker has none

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        return pods.RESTART.suggestions(readings, settings)

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return None if runtime_of(sources) is not None else f"what runs NexNum can't be reached: {HOW}"

    async def permitted(self, context: Context) -> Guard:
        if on_docker(context.sources):
            return await containers.permitted(context)
        return await pods.RESTART.permitted(context)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        if on_docker(context.sources):
            return await containers.prepare(arguments, context)
        return await pods.RESTART.prepare(arguments, context)

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        if on_docker(context.sources):
            return await containers.execute(plan, context)
        return await pods.RESTART.execute(plan, context)

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        if on_docker(context.sources):
            return await containers.settle(plan, outcome, context)
        return await pods.RESTART.settle(plan, outcome, context)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        if on_docker(context.sources):
            return await containers.verify(plan, outcome, context)
        return await pods.RESTART.verify(plan, outcome, context)


RESTART = RestartWorkloads()
ACTIONS: tuple[Action, ...] = (RESTART,)
