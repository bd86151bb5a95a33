"""Every action by its stable name."""

from __future__ import annotations

from . import (
    backends,
    circuits,
    deployments,
    locks,
    outbox,
    outbox_worker,
    pods,
    providers,
    reconcile,
    rollback,
    silences,
    slots,
)
from .action import Action

MODULES = (
    providers, circuits, reconcile, outbox_worker, outbox, locks, pods, deployments, rollback, backends,
    silences, slots,
)  # fmt: skip
ACTIONS: dict[str, Action] = {action.name: action for module in MODULES for action in module.ACTIONS}
