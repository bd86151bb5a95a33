"""Every action by its stable name, one line each. A module is imported when one of its actions is first used.

An installed package may add actions by an entry point in the group `nexconsole.actions`: its name is the action's, its
object is the action. They load when all actions, or an unknown name, are first asked for. A broken one is left out, and
`problems` says why.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from importlib.metadata import EntryPoint, entry_points

from ..catalogue import SCREENS, CommandSpec
from ..errors import SettingsError
from ..text.sanitize import clean
from .action import Action
from .plugin import plugin_action

log = logging.getLogger(__name__)

GROUP = "nexconsole.actions"
MODULES: Mapping[str, str] = {
    "provider.disable": "providers",
    "provider.enable": "providers",
    "circuit.open": "circuits",
    "circuit.close": "circuits",
    "reconcile.run": "reconcile",
    "outbox.process": "outbox_worker",
    "outbox.retry": "outbox",
    "locks.flush": "locks",
    "locks.restore": "lock_undo",
    "slots.clear": "slots",
    "slots.restore": "slot_undo",
    "pods.restart": "restart",
    "deployment.scale": "deployments",
    "rollout.undo": "rollback",
    "backend.cancel": "backends",
    "backend.terminate": "backends",
    "alert.silence": "silences",
    "alert.unsilence": "silence_undo",
}


class ActionRegistry(MutableMapping[str, Action]):
    """`modules`: the module of this package that holds each action, by name, in its `ACTIONS`."""

    def __init__(self, modules: Mapping[str, str], group: str = GROUP) -> None:
        self._modules, self._group = modules, group
        self._actions: dict[str, Action] = {}
        self._problems: list[str] = []
        self._asked = False  # the installed packages
        self._lock = threading.RLock()

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each action of an installed package that could not be loaded."""
        self._load_plugins()
        return tuple(self._problems)

    def __getitem__(self, name: str) -> Action:
        if name not in self._actions:
            if name in self._modules:
                self._load(self._modules[name])
            else:
                self._load_plugins()
        return self._actions[name]

    def __contains__(self, name: object) -> bool:
        if name in self._modules or name in self._actions:
            return True
        self._load_plugins()
        return name in self._actions

    def __iter__(self) -> Iterator[str]:
        self._load_plugins()
        return iter((*self._modules, *(name for name in tuple(self._actions) if name not in self._modules)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __setitem__(self, name: str, action: Action) -> None:
        """Raises SettingsError where the name is taken."""
        if name in self._modules or name in self._actions:
            raise SettingsError(f"there is an action {name} already")
        self._actions[name] = action

    def __delitem__(self, name: str) -> None:
        del self._actions[name]

    def load(self) -> None:
        """Import every module of actions and ask the installed packages: a second's work, for a thread."""
        for name in tuple(self):
            self[name]

    def _load(self, module: str) -> None:
        actions: tuple[Action, ...] = importlib.import_module(f".{module}", __package__).ACTIONS
        for action in actions:
            self._actions.setdefault(action.name, action)

    def _load_plugins(self) -> None:
        with self._lock:
            if self._asked:
                return
            self._asked = True
            for point in entry_points(group=self._group):
                try:
                    self[point.name] = plugin_action(point.name, point.load())
                except (Exception, SystemExit) as error:  # whatever a package of somebody else's may raise
                    log.exception("the action %s of an installed package", point.name)
                    why = clean(str(error) or type(error).__name__, 200)
                    self._problems.append(f"the action {clean(point.name, 60)} of {_package(point)} is left out: {why}")


class _Commands(Mapping[str, CommandSpec]):
    """The actions, and the screens that a runbook may open."""

    def __getitem__(self, name: str) -> CommandSpec:
        return SCREENS[name] if name in SCREENS else ACTIONS[name]

    def __contains__(self, name: object) -> bool:
        return name in SCREENS or name in ACTIONS

    def __iter__(self) -> Iterator[str]:
        yield from ACTIONS
        yield from SCREENS

    def __len__(self) -> int:
        return len(ACTIONS) + len(SCREENS)


def _package(point: EntryPoint) -> str:
    return clean(point.dist.name if point.dist is not None else point.value, 60)


ACTIONS = ActionRegistry(MODULES)
COMMANDS: Mapping[str, CommandSpec] = _Commands()
"""What a runbook may name."""
