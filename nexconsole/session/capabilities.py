"""What a front end may do. Given when its session is made; nothing above the session asks the settings for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..model import Reading
from ..settings import Settings

WATCHES = "this console only watches"
OBSERVES = "this console only observes: it was started with --observe (actions.observe)"
READ_ONLY_ROLE = "this console only observes: its database role may not change anything (a read-only role)"


class Capability(StrEnum):
    """look: see what is read and recorded; join: be seen by others, keep the sheet and the recording; note: write
    entries; propose: ask the people in the room for an action; act: execute actions; approve: give a second person's
    approval; command: declare the severity, give roles, open and close an incident."""

    LOOK = "look"
    JOIN = "join"
    NOTE = "note"
    PROPOSE = "propose"
    ACT = "act"
    APPROVE = "approve"
    COMMAND = "command"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """`because`: the sentence why what is not granted is not. `silent`: there is no key for it that would say so."""

    granted: frozenset[Capability]
    because: str = ""
    silent: bool = False

    def __contains__(self, capability: Capability) -> bool:
        return capability in self.granted

    def why_not(self, capability: Capability) -> str | None:
        """None where it is granted."""
        return None if capability in self.granted else self.because


ALL = Capabilities(granted=frozenset(Capability))
WATCHER = Capabilities(granted=frozenset({Capability.LOOK}), because=WATCHES, silent=True)
OBSERVER = Capabilities(granted=frozenset({Capability.LOOK, Capability.JOIN}), because=OBSERVES)


def capabilities_of(settings: Settings) -> Capabilities:
    """What the settings leave to a console: all, or only to look."""
    if settings.journal.read_only:
        return WATCHER
    return OBSERVER if settings.actions.observe else ALL


def role_refusal(readings: Mapping[str, Reading]) -> str | None:
    """Why nobody can act with this database role; None where it may write, or was not asked yet."""
    database = readings.get("database")
    if database is not None and getattr(database.value, "read_only_role", False):
        return READ_ONLY_ROLE
    return None
