"""Every action by its stable name."""

from __future__ import annotations

from . import backends, outbox, providers
from .action import Action

ACTIONS: dict[str, Action] = {
    action.name: action for module in (providers, outbox, backends) for action in module.ACTIONS
}
