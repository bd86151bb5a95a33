"""Every action by its stable name."""

from __future__ import annotations

from . import backends, circuits, locks, outbox, providers
from .action import Action

ACTIONS: dict[str, Action] = {
    action.name: action for module in (providers, circuits, outbox, locks, backends) for action in module.ACTIONS
}
