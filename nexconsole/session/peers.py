"""The others: who is here, what goes between hosts, and what they must have a say in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any

from ..incident.incident import OBSERVER
from ..incident.permissions import WriterIdentity, another, author_of
from ..settings import Settings
from ..sharing.presence import Presence
from ..sharing.presence_service import PresenceService
from .approvals import ApprovalChannel, ApprovalGate
from .capabilities import Capabilities, Capability, capabilities_of, own_person
from .host_sync import HostSync
from .incident_store import IncidentStore
from .operation import Operation, doing

ALONE = "Who is on call alone can start without warroom.redis_url"
TOLD_S = 2.0  # how long what was written may take to reach other hosts before a console leaves


class Peers:
    """`spawn` runs a coroutine until the console ends; `changed` is called when somebody comes, goes or does something
    else, or can't be reached any more."""

    def __init__(
        self,
        settings: Settings,
        incident_store: IncidentStore,
        clock: Callable[[], datetime],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        changed: Callable[[], None] = lambda: None,
        capabilities: Capabilities | None = None,
    ) -> None:
        capabilities = capabilities or capabilities_of(settings)
        announces = Capability.NOTE in capabilities
        self._settings, self._incident_store, self._spawn = settings, incident_store, spawn
        key = own_person(settings).key
        self.people = PresenceService(
            settings, "", clock=clock, changed=changed, looks_only=Capability.NOTE not in capabilities, key=key
        )
        self.sharing = HostSync(settings, incident_store, spawn, changed, announces)
        self.approvals = ApprovalGate(incident_store, settings, clock, self.others, self.unknown, self.sharing.has_told)

    def start(self) -> None:
        """Only for a console that joins: what comes from other hosts is written down, and who is here has a say."""
        self._spawn(self.sharing.run())
        self._spawn(self.people.run())

    @property
    def here(self) -> tuple[Presence, ...]:
        """Who is at a console of this incident, this operator first."""
        return self.people.here

    @property
    def reach(self) -> str:
        """Why others can't be reached; "" where they can, or where none are expected."""
        return self.sharing.trouble or self.people.trouble

    @property
    def skew(self) -> tuple[str, ...]:
        """Which clocks are out, a sentence each."""
        return self.people.clocks.skew

    def unknown(self) -> str:
        """Why it is not known who else is here, or they could not be told; "" where it is and they can."""
        if self.sharing.trouble:
            return f"{self.sharing.trouble}. {ALONE}"
        return self.people.unknown

    def others(self) -> ApprovalChannel:
        """Who else is here and could have a say: whoever may only look could not."""
        me, permissions = self.people.here[0], self._incident_store.judge.permissions
        there = [presence for presence in self.people.here if not presence.me and not presence.looks_only]
        speakers = [presence for presence in there if permissions.allows(Capability.NOTE, self._person(presence))]
        apart = {
            (presence.writer.account, presence.key)
            for presence in speakers
            if not presence.observing
            and another(self._person(presence), self._person(me))
            and permissions.allows(Capability.APPROVE, self._person(presence))
        }
        mine = (me.writer.person, me.writer.operator)
        here = {(presence.writer.person, presence.writer.operator) for presence in speakers} - {mine}
        return ApprovalChannel(here=len(here), apart=len(apart))

    def _person(self, presence: Presence) -> WriterIdentity:
        return author_of(presence.writer, presence.key, self._settings.identity.shared_accounts)

    def tell(self, operations: Iterable[Operation], observing: bool) -> None:
        """Say what this console is at, where that is different; and what was written here."""
        self.sharing.nudge()
        incident, mine = self._incident_store.incident, self._incident_store.names
        role = next((role for role, who in incident.roles.items() if who in mine), "") if incident else ""
        if incident is not None and mine & {*incident.observers}:
            role = OBSERVER
        self.people.tell(
            incident=self._incident_store.current or "",
            role=role,
            driving=role == "operator",
            observing=observing,
            doing=doing(operations),
        )

    async def told(self) -> None:
        """Wait until what was written here has reached other hosts, but not for long."""
        deadline = time.monotonic() + TOLD_S
        while self.sharing.owes and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
