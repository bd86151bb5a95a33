"""The actions that a runbook may name: names, arguments and routes as data. What they do is none of its business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Argument:
    """A word after the name. kind: provider, event, family, pod, pid, count, alert, duration or text."""

    name: str
    kind: str
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route of NexNum's API and the methods of which any one will do."""

    path: str
    methods: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ActionSpec:
    """An action's stable name and what it wants. Any one of `routes` is enough; without any it needs none."""

    name: str
    title: str
    arguments: tuple[Argument, ...] = ()
    routes: tuple[Route, ...] = ()

    def named(self, words: tuple[str, ...]) -> dict[str, str]:
        """The words of a step by their arguments' names."""
        return {argument.name: word for argument, word in zip(self.arguments, words, strict=False)}


KINDS = ("provider", "event", "family", "pod", "pid", "count", "alert", "duration", "text")
_PROVIDER = Argument(name="provider", kind="provider")
_PID = Argument(name="pid", kind="pid")

_ALL = (
    ActionSpec(name="provider.disable", title="Disable a provider", arguments=(_PROVIDER,)),
    ActionSpec(name="provider.enable", title="Enable a provider", arguments=(_PROVIDER,)),
    ActionSpec(name="circuit.open", title="Open a provider's shared breaker", arguments=(_PROVIDER,)),
    ActionSpec(name="circuit.close", title="Close a provider's shared breaker", arguments=(_PROVIDER,)),
    ActionSpec(
        name="reconcile.run",
        title="Run the reconciler once",
        routes=(Route(path="/api/cron/reconcile", methods=("POST", "GET")),),
    ),
    ActionSpec(
        name="outbox.process",
        title="Process the outbox once",
        routes=(
            Route(path="/api/cron/process-outbox", methods=("GET", "POST")),
            Route(path="/api/cron/worker", methods=("GET", "POST")),
            Route(path="/api/admin/outbox", methods=("POST",)),
        ),
    ),
    ActionSpec(
        name="outbox.retry",
        title="Put a failed event back to PENDING",
        arguments=(Argument(name="event", kind="event"),),
    ),
    ActionSpec(
        name="locks.flush",
        title="Delete abandoned locks of a family",
        arguments=(
            Argument(name="family", kind="family"),
            Argument(name="which", kind="text", required=False),
            Argument(name="keys", kind="text", required=False),
        ),
    ),
    ActionSpec(name="locks.restore", title="Put flushed locks back", arguments=(Argument(name="flush", kind="text"),)),
    ActionSpec(name="slots.clear", title="Empty a provider's queue of slots", arguments=(_PROVIDER,)),
    ActionSpec(
        name="slots.restore",
        title="Put a provider's queue of slots back",
        arguments=(_PROVIDER, Argument(name="until", kind="text")),
    ),
    ActionSpec(
        name="pods.restart",
        title="Restart the pods, one after the other",
        arguments=(Argument(name="pod", kind="pod", required=False),),
    ),
    ActionSpec(
        name="deployment.scale",
        title="Scale the deployment",
        arguments=(Argument(name="replicas", kind="count"),),
    ),
    ActionSpec(
        name="rollout.undo",
        title="Go back to the revision before",
        arguments=(Argument(name="revision", kind="count", required=False),),
    ),
    ActionSpec(name="backend.cancel", title="Cancel a database session's query", arguments=(_PID,)),
    ActionSpec(name="backend.terminate", title="End a database session", arguments=(_PID,)),
    ActionSpec(
        name="alert.silence",
        title="Silence an alert for a while",
        arguments=(Argument(name="alert", kind="alert"), Argument(name="duration", kind="duration", required=False)),
    ),
    ActionSpec(
        name="alert.unsilence",
        title="End a silence of an alert",
        arguments=(Argument(name="silence", kind="text"),),
    ),
    ActionSpec(
        name="logs.show",
        title="Follow the pods' logs",
        arguments=(Argument(name="of", kind="text", required=False),),
    ),
)

ACTIONS: Mapping[str, ActionSpec] = {action.name: action for action in _ALL}
