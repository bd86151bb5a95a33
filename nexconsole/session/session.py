"""The headless session: readings, severity, the incident, who is here, what is being done, and what may be done.

Console, shared screen, replay, `run` and `status` are front ends of it: no widget is known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from ..actions.perform import ActionResult, Ask, AskUnrecorded
from ..errors import JournalError
from ..incident.incident import Incident
from ..incident.open_items import OpenItem
from ..incident.permissions import another
from ..incident.proposals import Proposal
from ..journal import Entry, EntryKind, Journal
from ..journal.accounts import own_account
from ..model import Reading, utc_now, value_of
from ..runbook.progress import BEGUN, ScenarioProgress
from ..settings import Settings, named
from ..sharing.leases import LeaseService
from ..signals.circuits import Circuits
from .approvals import AskBreakGlass, unbroken
from .argument_values import argument_values
from .auto_record import AutoRecord
from .capabilities import Capabilities, Capability, capabilities_of, own_person, role_refusal
from .cause_record import CauseRecord
from .earlier import SeenBefore, changes_before, present_traits
from .head_record import HeadRecord
from .incident_store import IncidentStore
from .monitor import Monitor
from .notices import Notices
from .operation import Operation, StepRef
from .peers import Peers
from .performer import LEAVE_S, Performer
from .remote_operations import MATTERS, own_before, remote_operations
from .steps import lasting, settle
from .tasks import BackgroundTasks

if TYPE_CHECKING:
    from ..incident.traits import IncidentTraits
    from ..sources import Sources

LIVES_EVERY = 5  # ticks between two looks whether other consoles still live

own_account()  # once, and here: this is imported beside the loop, and a directory service may take its time


class Session:
    """What front ends share: readings and severity (`monitor`), the incident, who is here, and what is being done.

    `capabilities` is what its front end may do. `changed` is called, on the loop, whenever something that may be shown
    is different, `heard` with each entry that another console writes. Nothing is read or written before `start`.
    """

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        monitor: Monitor | None = None,
        *,
        capabilities: Capabilities | None = None,
        clock: Callable[[], datetime] = utc_now,
        changed: Callable[[], None] = lambda: None,
        heard: Callable[[Entry], None] = lambda entry: None,
        incident_store: IncidentStore | None = None,
    ) -> None:
        self.settings = settings if settings.operator else named(settings)
        self.capabilities = capabilities or capabilities_of(settings)
        self.sources, self.clock, self._told = sources, clock, changed
        self._tasks = BackgroundTasks()
        self._spawn = self._tasks.spawn
        self.monitor = monitor or Monitor(settings, clock=clock, health=sources.health)
        self.incident_store = incident_store or IncidentStore(self.settings, clock, capabilities=self.capabilities)
        self.incident_store.follow(self._recorded, heard)
        self.watching = AutoRecord(self.incident_store, self.settings, clock, self._spawn)
        self.cause_record = CauseRecord(self.incident_store, clock, self._spawn)
        self.head_record = HeadRecord(self.incident_store, self._spawn)
        self.notices = Notices(self.settings, self.incident_store, self._changed, self.capabilities)
        self.peers = Peers(self.settings, self.incident_store, clock, self._spawn, changed, self.capabilities)
        self.performer = Performer(
            settings=self.settings,
            sources=sources,
            monitor=self.monitor,
            clock=clock,
            incident_store=self.incident_store,
            peers=self.peers,
            leases=LeaseService(self.settings, clock=clock),
            why_not=lambda: self.why_not(Capability.ACT),
            changed=self._changed,
            spawn=self._spawn,
        )
        self.began_at = clock()
        self.seen_before = SeenBefore(self.settings, self._spawn, self._changed)
        self._there: dict[str, Operation] = {}  # by the intent's id
        self._before: Operation | None = None  # this operator's last at another console, if it can be taken back
        self._dismissed: set[str] = set()
        self._ticks = 0

    @property
    def begins(self) -> bool:
        """Whether some of the signals have neither been read nor failed yet."""
        from ..signals.registry import polled

        return any(signal.name not in self.readings for signal in polled(self.settings))

    @property
    def readings(self) -> Mapping[str, Reading]:
        """The newest of every signal."""
        return self.monitor.readings

    def why_not(self, capability: Capability) -> str | None:
        """Why this cannot be done here now: not granted, or not by this role; None where it may."""
        why_not = self.capabilities.why_not(capability)
        if why_not is None and capability in (Capability.ACT, Capability.APPROVE):  # the incident's role of an observer
            why_not = self.incident_store.observing
        if why_not is None and capability is Capability.ACT:
            why_not = role_refusal(self.readings)
        return why_not

    def follow(self, changed: Callable[[], None]) -> None:
        """Call this, on the loop, whenever something that may be shown is different."""
        self._told = changed

    # --- the journal ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Follow the journals from now on; what other consoles write is seen within a second."""
        self._spawn(self.incident_store.run())
        if Capability.JOIN in self.capabilities:
            self.peers.start()
        elif Capability.PROPOSE in self.capabilities:
            self._spawn(self.peers.sharing.run())  # what is proposed here reaches other hosts

    def tick(self) -> None:
        """Once a second: what changes by itself enters the record, and the others are looked for."""
        if Capability.NOTE in self.capabilities:
            self._watch()
        self.performer.forget_cancelled()
        self.seen_before.look(self.incident_store.current, self._present_traits)
        self.notices.tick(self.lost)
        self._ticks += 1
        if self._ticks % LIVES_EVERY == 0:
            self.look_again()

    def _present_traits(self) -> IncidentTraits:
        """By what this incident is compared with earlier ones: what is read now, and what is on record."""
        monitor = self.monitor
        return present_traits(
            monitor.severity, monitor.explanation, self.readings, self.settings, self.clock(), self.incident
        )

    def _watch(self) -> None:
        severity = self.monitor.severity
        calm = severity is not None and severity.level == "none"
        # Nothing is calm as long as a signal's silence makes it a question.
        if severity is not None and not severity.unknown and not (calm and severity.unanswered):
            self.judged(severity.level, [reason.text for reason in severity.reasons])
        self.watch()

    async def close(
        self, waiting: Callable[[Operation], None] = lambda operation: None, leave_s: float = LEAVE_S
    ) -> None:
        """End everything. What is being sent is waited for, `leave_s` seconds at most, so that its outcome is on
        record: `waiting` is called for each."""
        await self.performer.close(waiting, leave_s)
        await self.notices.close()
        await self._tasks.close()

    @property
    def journal(self) -> Journal:
        """Where the next entry goes."""
        return self.incident_store.journal

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What counts of what is on record, in order: of the current incident and of what is done outside of any."""
        return self.incident_store.entries

    @property
    def trouble(self) -> str:
        """Why the journal can't be read or written, at the last try; "" where it can."""
        return self.incident_store.trouble

    @property
    def incident(self) -> Incident | None:
        """The current incident by now; None outside of any."""
        return self.incident_store.incident

    def at(self, scenario: str, step: str) -> None:
        """Where this operator is in the runbook; "" for nowhere."""
        self.peers.people.tell(scenario=scenario, step=step)

    def _recorded(self) -> None:
        """Something came to the journals, or from them."""
        book = self.incident_store
        self._there = remote_operations(
            self.entries, book.journal.writer, self.began_at, self.clock(), came_at=book.came_at
        )
        before = own_before(self.entries, book.journal.writer, self.clock() - MATTERS)
        if before is not None and (there := self._there.get(before.intent or "")) is not None:
            there.way_back = before.way_back  # it is shown: the key stands beside it
            before = there if there.undo is not None else before
        self._before = before
        self._changed()

    async def record(self, kind: str, data: Mapping[str, Any]) -> str:
        """Write an entry durably; its id. Raises JournalError."""
        return (await self.incident_store.record(kind, data)).id

    def look_again(self) -> None:
        """Whether the consoles still live whose actions are under way, and whether the journal's trouble is over;
        called every few seconds."""
        if any(operation.phase != "ended" for operation in self._there.values()):
            self._recorded()
        if self.trouble:
            self._spawn(self.incident_store.try_again())

    async def note(self, text: str) -> None:
        """Raises JournalError."""
        await self.record(EntryKind.NOTE, {"text": text})

    def judged(self, level: str, because: Sequence[str]) -> None:
        """The severity by now."""
        if Capability.NOTE in self.capabilities:
            self.watching.judged(level, because)

    def watch(self) -> None:
        """What changes by itself enters the incident's record."""
        if Capability.NOTE in self.capabilities:
            self.watching.look(self.readings)
            self.cause_record.look(self.monitor.explanation, self.monitor.severity)
            self.head_record.look()

    # --- the incident -----------------------------------------------------------------------------------------

    async def open_incident(self, title: str, level: str) -> str:
        """Open an incident, led by this operator until it is handed over; its id. Raises JournalError.

        `level` is the declared severity, "" to leave it to the rules, as where this operator may not command.
        """
        level = level if self.why_not(Capability.COMMAND) is None else ""
        since = self.watching.risen_at
        data: dict[str, Any] = {"title": title, "level": level, "since": since.isoformat() if since else ""}
        if changes := changes_before(self.readings, self.clock()):
            data["changes"] = list(changes)
        name = await self.incident_store.open(data)
        await self.take_role("commander", str(self.journal.writer))
        return name

    async def take_role(self, role: str, person: str) -> None:
        """From now on this role is this person's; "" for nobody's. A role for oneself needs no right to command.
        Raises JournalError."""
        if person != str(self.journal.writer):
            self._need(Capability.COMMAND)
        await self.record(EntryKind.ROLE, {"role": role, "person": person})

    def _need(self, capability: Capability) -> None:
        """Raises JournalError where this cannot be done here."""
        if (why_not := self.why_not(capability)) is not None:
            raise JournalError(why_not)

    async def declare(self, level: str, reason: str) -> None:
        """Raises JournalError, also where this operator may not command."""
        self._need(Capability.COMMAND)
        await self.record(EntryKind.DECLARED, {"level": level, "reason": reason})

    async def close_incident(self, reason: str) -> None:
        """Raises JournalError, also where this operator may not command."""
        self._need(Capability.COMMAND)
        await self.record(EntryKind.CLOSED, {"reason": reason})

    async def object(self, proposal: str, reason: str = "") -> None:
        """Stop what somebody proposes: whoever may write may. Raises JournalError."""
        await self.record(EntryKind.OBJECTED, {"proposal": proposal, "reason": reason})

    async def approve(self, proposal: str) -> None:
        """Give a second person's approval. Raises JournalError, also where this operator is none, or only observes."""
        self._need(Capability.APPROVE)
        found = next((one for one in self.incident_store.proposals if one.id == proposal), None)
        me = own_person(self.settings)
        if found is not None and me.account and not another(me, found.person):
            by = f"from this account ({me.account})" if found.account == me.account else f"with this key ({me.key})"
            raise JournalError(f"{found.by} proposed it {by}: another must approve it")
        await self.record(EntryKind.APPROVED, {"proposal": proposal})

    @property
    def waiting(self) -> tuple[tuple[Proposal, float], ...]:
        """What others propose and may still be spoken to, with the seconds that are left."""
        mine = self.peers.approvals.mine
        return tuple((proposal, left) for proposal, left in self.incident_store.waiting() if proposal.id not in mine)

    @property
    def in_force(self) -> tuple[OpenItem, ...]:
        """What was done lately and still has an effect; a provider that is active by what is read now has none."""
        reading = self.readings.get("circuits")
        circuits = value_of(self.readings, "circuits", Circuits)
        known = circuits.providers if circuits is not None and reading is not None and not reading.error else ()
        active = {provider.name.casefold() for provider in known if provider.active}
        return tuple(
            item
            for item in self.incident_store.in_force
            if item.kind != "provider" or item.subject.casefold() not in active
        )

    # --- scenarios --------------------------------------------------------------------------------------------

    def walk(self, scenario: str) -> ScenarioProgress | None:
        """How far this scenario has been walked; None where a walk would begin anew."""
        return lasting(self.incident_store, scenario, self.clock())

    async def begin(self, scenario: str, title: str = "") -> None:
        """Begin it anew: all its steps are pending. The first result begins it by itself. Raises JournalError."""
        await self.record(EntryKind.STEP, {"scenario": scenario, "title": title, "state": BEGUN})

    async def settle(self, step: StepRef, state: str, *, answer: str = "", reason: str = "") -> None:
        """Record what became of a step. Raises JournalError."""
        await settle(self.incident_store, step, state, self.clock(), answer=answer, reason=reason)

    # --- actions ----------------------------------------------------------------------------------------------

    def unavailable(self, action: str) -> str | None:
        """Why this action can't be taken here now; None when it may be tried."""
        return self.performer.unavailable(action)

    async def preview(self, action: str, arguments: Mapping[str, str]) -> ActionResult:
        """The plan alone; `stopped` is why it could not be executed here."""
        return await self.performer.preview(action, arguments)

    async def perform(
        self,
        action: str,
        arguments: Mapping[str, str],
        ask: Ask,
        ask_unrecorded: AskUnrecorded,
        *,
        step: StepRef | None = None,
        undoes: Operation | None = None,
        break_glass: AskBreakGlass = unbroken,
        confirms: Proposal | None = None,
    ) -> Operation:
        """Take an action down the one path, with its phases in `shown` meanwhile."""
        return await self.performer.perform(
            action,
            arguments,
            ask,
            ask_unrecorded,
            step=step,
            undoes=undoes,
            break_glass=break_glass,
            confirms=confirms,
        )

    def _changed(self) -> None:
        """Something that a screen may show is different."""
        watches = self.why_not(Capability.ACT) is not None and self.why_not(Capability.APPROVE) is not None
        self.peers.tell(self.performer.operations, watches)
        self._told()

    # --- what is shown ----------------------------------------------------------------------------------------

    @property
    def shown(self) -> tuple[Operation, ...]:
        """What is under way or has ended and was not dismissed, here and elsewhere, in order of beginning."""
        there = (operation for intent, operation in self._there.items() if intent not in self._dismissed)
        return tuple(sorted((*self.performer.operations, *there), key=lambda operation: operation.began_at))

    @property
    def under_way(self) -> tuple[Operation, ...]:
        """The actions of this console that have been sent, or may have been, and whose verdict is not in."""
        return tuple(operation for operation in self.performer.operations if operation.phase in ("sending", "watching"))

    @property
    def undoable(self) -> Operation | None:
        """The newest action of this operator that can be taken back, whichever console of this host it was taken at."""
        own = reversed(self.performer.operations)
        here = next((operation for operation in own if operation.undo is not None), None)
        before = self._before
        if before is None or before.undo is None or (here is not None and here.began_at >= before.began_at):
            return here
        return before

    def dismiss(self) -> int:
        """No longer show what has ended; how many that were."""
        ended = [operation for operation in self.shown if operation.phase == "ended"]
        self.performer.dismiss()
        self._dismissed.update(operation.intent for operation in ended if operation.intent)
        self._changed()
        return len(ended)

    def stop(self) -> bool:
        """Ask what is being sent to stop before its next target, what still waits to stop at once; whether there is
        such a thing."""
        stopped = self.performer.stop()
        self._changed()
        return stopped

    @property
    def lost(self) -> Mapping[str, Operation]:
        """What somebody must look at because its console has ended, by its intent, dismissed or not."""
        return {intent: operation for intent, operation in self._there.items() if operation.lost}

    async def found(self, intent: str, state: Literal["done", "failed"], words: str) -> None:
        """A person has looked what became of an unfinished intent. Raises JournalError."""
        answer = f"looked at by {self.journal.writer}: {words}"
        await self.record(EntryKind.OUTCOME, {"intent": intent, "outcome": {"state": state, "answer": answer}})

    async def seen(self, intent: str, state: Literal["worked", "no effect", "worse"], words: str) -> None:
        """A person has looked whether an action helped that nobody has judged. Raises JournalError."""
        because = f"looked at by {self.journal.writer}: {words}"
        await self.record(EntryKind.VERDICT, {"intent": intent, "verdict": {"state": state, "because": because}})

    def known(self, kind: str) -> tuple[str, ...]:
        """What may stand as an argument of this kind, as far as readings and settings tell."""
        return argument_values(kind, self.readings, self.settings)
