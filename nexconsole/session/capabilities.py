"""What a front end may do. Given when its session is made; nothing above the session asks the settings for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..model import Reading
from ..settings import Settings
from ..settings.roles import Capability

if TYPE_CHECKING:
    from ..incident.permissions import WriterIdentity

WATCHES = "this console only watches"
OBSERVES = "this console only observes: it was started with --observe (actions.observe)"
AGENT_PROPOSES = "an agent looks and proposes: a person confirms, notes and decides in a console"
READ_ONLY_ROLE = "this console only observes: its database role may not change anything (a read-only role)"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """`because`: the sentence why what is not granted is not; `refusals`: the same, where it is another for each.
    `silent`: there is no key for it that would say so."""

    granted: frozenset[Capability]
    because: str = ""
    silent: bool = False
    refusals: Mapping[Capability, str] = field(default_factory=dict)

    def __contains__(self, capability: Capability) -> bool:
        return capability in self.granted

    def why_not(self, capability: Capability) -> str | None:
        """None where it is granted."""
        return None if capability in self.granted else self.refusals.get(capability, self.because)


ALL = Capabilities(granted=frozenset(Capability))
WATCHER = Capabilities(granted=frozenset({Capability.LOOK}), because=WATCHES, silent=True)
OBSERVER = Capabilities(granted=frozenset({Capability.LOOK, Capability.JOIN}), because=OBSERVES)


def capabilities_of(settings: Settings, person: WriterIdentity | None = None) -> Capabilities:
    """What the settings leave to a console of this person (this account, where none is given): all, only to look, or
    what `[roles]` has for it."""
    base = WATCHER if settings.journal.read_only else OBSERVER if settings.actions.observe else ALL
    if not settings.roles.given:
        return base
    from ..incident.permissions import Permissions  # only where there are roles: the first frame waits for imports

    permissions, me = Permissions(settings.roles), person or own_person(settings)
    found = {capability: permissions.why_not(capability, me) for capability in base.granted}
    refusals = {capability: why for capability, why in found.items() if why is not None}
    if not refusals:
        return base
    return Capabilities(
        granted=base.granted - set(refusals), because=base.because, silent=base.silent, refusals=refusals
    )


def own_person(settings: Settings) -> WriterIdentity:
    """Who writes at this console: its account, and the key with which it signs ("" where it signs nothing). Asks the
    operator's SSH agent the first time, where entries are signed."""
    from ..incident.permissions import author_of
    from ..journal import Writer
    from ..journal.signing import Signer

    signer = Signer.of(settings)
    key = _key_of(settings.identity.key, signer.timeout_s) if signer is not None else ""
    return author_of(Writer.here(settings.operator), key, settings.identity.shared_accounts)


@cache
def _key_of(named: str, timeout_s: float) -> str:
    """The fingerprint of the key that the agent signs with; "" where it has none."""
    from ..journal.signatures import SigningError, chosen_key

    try:
        return chosen_key(named, timeout_s).fingerprint
    except SigningError:  # each entry says so when it is not signed
        return ""


def refuse_strangers(settings: Settings) -> None:
    """Raises SettingsError where this account may not even look."""
    if (why_not := capabilities_of(settings).why_not(Capability.LOOK)) is not None:
        raise SettingsError(why_not)


def role_refusal(readings: Mapping[str, Reading]) -> str | None:
    """Why nobody can act with this database role; None where it may write, or was not asked yet."""
    database = readings.get("database")
    if database is not None and getattr(database.value, "read_only_role", False):
        return READ_ONLY_ROLE
    return None


def agent_capabilities(settings: Settings) -> Capabilities:
    """What an agent may do at most: look, and propose where a console with these settings could."""
    person = capabilities_of(settings)
    if (why_not := person.why_not(Capability.PROPOSE)) is not None:
        return Capabilities(granted=frozenset({Capability.LOOK}), because=why_not)
    return Capabilities(granted=frozenset({Capability.LOOK, Capability.PROPOSE}), because=AGENT_PROPOSES)


__all__ = [
    "ALL",
    "OBSERVER",
    "READ_ONLY_ROLE",
    "WATCHER",
    "Capabilities",
    "Capability",
    "agent_capabilities",
    "capabilities_of",
    "own_person",
    "refuse_strangers",
    "role_refusal",
]
