"""The console in lines: what changes is printed, what is typed is done by the session's one path."""

from __future__ import annotations

import asyncio
import math
import shlex
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..actions.action import named_arguments
from ..actions.perform import ConfirmationReply
from ..actions.plan import Plan
from ..actions.registry import ACTIONS
from ..errors import NexConsoleError, SettingsError
from ..incident.proposals import Proposal
from ..journal import Entry, EntryKind
from ..screens.entry_text import words as entry_words
from ..session import in_force
from ..session.capabilities import Capability
from ..session.confirming import heading, why_unfit
from ..session.known_causes import know_causes
from ..session.offers import ActionOffer, action_offers
from ..session.operation import Operation, StepRef
from ..session.owed import owed_words
from ..session.session import Session
from ..signals.registry import polled, signals
from ..text.sanitize import clean
from ..text.units import clock as clock_words
from . import changes, plans
from .causes import cause_lines
from .changes import Changes, Snapshot
from .choices import SHOWN, Choice, fitting
from .input import SOONEST_S, TypedLines
from .proposals import Proposals
from .scenarios import Scenarios

HELP = (
    "type words to find what can be done, then its number; an empty line lists what is likely now",
    "why: every reason of the level; now: every signal in a line; s: the scenario that fits",
    "u: take the newest action back; n TEXT: a note in the journal; stop: stop what is being sent",
    "object, approve: what others propose; open: what an agent proposes; q: leave",
)
ASK_AGAIN_S = 20.0  # a question that other lines have pushed away is said again
NO_TERMINAL = "nothing can be done from here: the input is no terminal; `nexconsole run` does one action"


async def _at_once() -> None:
    """What was written is shown."""


class LineConsole:
    """`write` prints one line. `typed`: where lines are typed; None where there is no terminal. `written`: waits until
    all that was written is shown.
    """

    def __init__(
        self,
        session: Session,
        write: Callable[[str], None],
        typed: TypedLines | None,
        clock: Callable[[], datetime],
        written: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        self._session, self.write, self._typed, self._clock, self._written = session, write, typed, clock, written
        self._changes = Changes()
        self._scenarios = Scenarios(session, self)
        self._offered: Sequence[Choice] = ()
        self._offered_at = 0.0
        self._proposals = Proposals(session, self)
        self._question, self._asked_at = "", 0.0
        self._reply: asyncio.Future[str] | None = None
        self._asking = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.ended = asyncio.Event()
        self._asked_to_quit = False
        self._bug: BaseException | None = None
        session.follow(self.tell)

    # --- what is said -----------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """One line, with the time."""
        self.write(f"{clock_words(self._clock())}Z {text}")

    def snapshot(self) -> Snapshot:
        session = self._session
        return Snapshot(
            at=self._clock(),
            severity=session.monitor.severity,
            readings=session.readings,
            expected=[signal.name for signal in polled(session.settings)],
            sources=session.sources.health(),
            operations=session.shown,
            waiting=session.waiting,
            in_force=tuple(in_force.words(session)),
            incident=session.incident_store.current,
            explanation=session.monitor.explanation,
            fit=self._scenarios.fit(),
            seen=self._seen(),
        )

    def _seen(self) -> tuple[str, str]:
        """The earlier incident that is most like this one, and the sentence on it."""
        if not (found := self._session.seen_before.found):
            return "", ""
        from ..incident.similar import headline

        return found[0].past.id, clean(headline(found, self._clock()))

    def tell(self) -> None:
        """Say what is different."""
        said = self._changes.sentences(self.snapshot())
        for sentence in said:
            self.say(sentence)
        self._proposals.said()
        if self._question and (said or time.monotonic() - self._asked_at > ASK_AGAIN_S):
            self._ask_again(bool(said))

    def _ask_again(self, pushed: bool) -> None:
        if pushed and time.monotonic() - self._asked_at > 2.0:
            self.write(f"still asked: {self._question}")

    def heard(self, entry: Entry) -> None:
        """Another console wrote this."""
        if entry.kind == EntryKind.NOTIFIED and entry.data.get("state") == "sent" and "untold" not in entry.data:
            return  # as it should be
        runbook = self._scenarios.runbook
        words = self._session.incident_store.judge.marked(entry, entry_words(entry, runbook))
        self.say(f"{clean(str(entry.writer).partition('@')[0], 40)}: {entry.kind}: {words}")

    async def run(self) -> None:
        """Say what changes and do what is typed, until somebody leaves. Raises what a bug raised."""
        self._spawn(self._tick())
        if self._typed is not None:
            self._spawn(self._follow_input())
        await self.ended.wait()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._bug is not None:
            raise self._bug

    async def _tick(self) -> None:
        await self._scenarios.load()
        await know_causes(self._session.monitor, self._session.settings)
        while True:
            self._session.tick()
            self._session.monitor.judge()
            self.tell()
            await asyncio.sleep(1.0)

    # --- what is typed ----------------------------------------------------------------------------------------

    async def _follow_input(self) -> None:
        """Each line answers the question that stands, or is a command."""
        assert self._typed is not None
        while not self.ended.is_set():
            line = await self._typed.next()
            if line.text is None:
                self.ended.set()
            elif self._reply is None:
                self._spawn(self._obey(clean(line.text), line.at))
            elif line.text.strip().casefold() == "stop":  # whatever is asked
                self._spawn(self._stop())
                self._answer("")
            elif line.at - self._asked_at < SOONEST_S:
                self.write(f"that was typed before the question stood: {self._question}")
            else:
                self._answer(line.text.strip())

    def _answer(self, text: str) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(text)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        """A bug ends the console, and is reported by whoever runs it."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self._bug is None:
            self._bug = error
            self.ended.set()

    async def _obey(self, text: str, at: float) -> None:
        """Do what was typed `at` a moment (monotonic seconds): it is about what was said by then."""
        word, _, rest = text.partition(" ")
        proposals = self._proposals
        commands: Mapping[str, Callable[[], Awaitable[None]]] = {
            "help": self._help, "?": self._help, "why": self._why, "now": self._now, "s": self._scenarios.show,
            "u": self._undo, "stop": self._stop, "object": lambda: proposals.objected(at),
            "approve": lambda: proposals.approved(at), "open": lambda: proposals.opened(at),
            "q": self._quit, "quit": self._quit, "exit": self._quit,
        }  # fmt: skip
        if word == "n" and rest:
            await self.recorded(lambda: self._session.note(rest), "noted")
        elif word.isdecimal() and not rest:
            await self._take(int(word[:9]), at)
        elif not rest and word.casefold() in commands:
            await commands[word.casefold()]()
        else:
            self._list(text)

    def _list(self, text: str) -> None:
        found = fitting(text, self._choices())
        self.offer(found[:SHOWN])
        if not found:
            self.write("nothing fits: type other words, or help")
        elif len(found) > SHOWN:
            self.write(f"and {len(found) - SHOWN} more: type more words")

    def offer(self, choices: Sequence[Choice]) -> None:
        """Number these; a number takes one of them from now on."""
        self._offered, self._offered_at = tuple(choices), time.monotonic()
        for number, choice in enumerate(choices, 1):
            self.write(clean(choice.line(number), 500))

    async def _take(self, number: int, at: float) -> None:
        if at - self._offered_at < SOONEST_S:
            self.write(f"{number} was typed before these lines were there: type it again")
            return
        if not 1 <= number <= len(self._offered):
            self.write(f"there is no line {number}: type words to find what can be done")
            return
        choice = self._offered[number - 1]
        if choice.why_not:
            self.write(f"not now: {clean(choice.why_not)}")
        else:
            await choice.run()

    def _choices(self) -> list[Choice]:
        session = self._session
        undoable = session.undoable
        own = [
            Choice(
                name="operation.undo",
                title=f"Undo {undoable.name}" if undoable else "Undo",
                run=self._undo,
                words=("revert", "back"),
                why_not="" if undoable else "nothing was done here that could be undone",
                weight=1.5 if undoable else 0.0,
            ),
            Choice(name="operation.stop", title="Stop what is being sent", run=self._stop, words=("cancel", "abort")),
            *self._scenarios.choices(),
            *self._of_incident(),
            Choice(name="console.quit", title="Leave the console", run=self._quit, words=("exit", "quit"), weight=-1.0),
        ]
        return [*own, *(self._choice(offer) for offer in action_offers(session))]

    def _choice(self, offer: ActionOffer) -> Choice:
        return Choice(
            name=offer.action,
            title=offer.title,
            run=lambda: self._begin(offer),
            words=offer.words,
            detail=offer.detail,
            weight=offer.weight,
            why_not=offer.why_not,
            targets=tuple(offer.arguments.values()) if offer.arguments else (),
        )

    def _of_incident(self) -> list[Choice]:
        current = self._session.incident_store.current
        refused = self._session.why_not(Capability.NOTE) or ""
        opened = f"the incident {current} is open" if current else ""
        return [
            Choice(
                name="incident.open", title="Open an incident ...", run=self._open_incident, why_not=refused or opened
            ),
            Choice(name="pager.acknowledge", title="Acknowledge the page", run=self._acknowledge_page, why_not=refused),
            Choice(
                name="incident.close",
                title=f"Close the incident {current} ..." if current else "Close the incident",
                run=self._close_incident,
                why_not=self._session.why_not(Capability.COMMAND) or ("" if current else "no incident is open"),
            ),
        ]

    # --- what is asked ----------------------------------------------------------------------------------------

    async def ask(self, question: str, before: Sequence[str] = ()) -> str | None:
        """One line that is typed after the question stood; None where it is empty, or nobody can type. `before`: the
        lines that it asks about; they come when no other question stands.
        """
        if self._typed is None:
            return None
        async with self._asking:
            for line in before:
                self.write(line)
            self._question, self._reply = question, asyncio.get_running_loop().create_future()
            self._asked_at = math.inf  # until somebody can have read it
            self.write(question)
            try:
                await self._written()
                self._asked_at = time.monotonic()
                return await self._reply or None
            finally:
                self._question, self._reply = "", None

    async def _begin(self, offer: ActionOffer) -> None:
        arguments = offer.arguments
        if arguments is None:
            given = await self._ask_arguments(offer.action)
            if given is None:
                return
            arguments = given
        await self.act(offer.action, arguments)

    async def _ask_arguments(self, name: str) -> Mapping[str, str] | None:
        action = ACTIONS[name]
        words = " ".join(
            argument.name.upper() if argument.required else f"[{argument.name.upper()}]"
            for argument in action.arguments
        )
        helps = "; ".join(f"{argument.name}: {argument.help}" for argument in action.arguments if argument.help)
        text = await self.ask(f"{name} {words} ({helps}); an empty line cancels" if helps else f"{name} {words}")
        if text is None:
            return None
        try:
            return named_arguments(action, shlex.split(text))
        except (SettingsError, ValueError) as error:
            self.write(f"nothing was sent: {clean(error)}")
            return None

    async def confirm_proposal(self, proposal: Proposal) -> None:
        """Show what an agent proposes as it is now, and ask."""
        if unfit := why_unfit(proposal):
            self.write(f"it can't be confirmed: {unfit}: object to it, with the reason")
        else:
            await self.act(proposal.action, proposal.arguments, confirms=proposal)

    async def act(
        self,
        action: str,
        arguments: Mapping[str, str],
        *,
        step: StepRef | None = None,
        undoes: Operation | None = None,
        confirms: Proposal | None = None,
    ) -> None:
        """Show the plan and ask; what is confirmed is sent and watched while other lines are typed."""

        async def confirm(plan: Plan, why_again: str | None) -> ConfirmationReply:
            shown = plans.plan_lines(plan, why_again)
            if confirms is not None and why_again is None:
                shown.insert(0, clean(heading(confirms, plan), 2000))
            if not plan.blocked:
                return ConfirmationReply(text=await self.ask(plans.confirmation(plan), shown))
            async with self._asking:
                for line in (*shown, plans.confirmation(plan)):
                    self.write(line)
            return ConfirmationReply(text=None)

        await self._session.perform(
            action,
            arguments,
            confirm,
            self._ask_unrecorded,
            step=step,
            undoes=undoes,
            confirms=confirms,
            break_glass=self._ask_reason,
        )

    async def _ask_reason(self, plan: Plan, why: str) -> str | None:
        return await self.ask(*plans.breaking_glass(plan, why))

    async def _ask_unrecorded(self, why: str) -> bool:
        question = f"the journal can't be written: {clean(why)}; nothing was sent; to act without a record, type 'w'"
        return await self.ask(question) == "w"

    # --- the commands -----------------------------------------------------------------------------------------

    async def _help(self) -> None:
        for line in HELP:
            self.write(line)

    async def _why(self) -> None:
        now, severity = self.snapshot(), self._session.monitor.severity
        level = severity.level if severity is not None else "none"
        for line in (*cause_lines(now.explanation, now.at, self._session.settings, level), *changes.reasons(now)):
            self.write(line)

    async def _now(self) -> None:
        now = self.snapshot()
        self.write(f"{changes.level_of(now) or 'not known yet'}: {changes.state(now)}")
        for line in changes.signal_lines(now, signals(self._session.settings)):
            self.write(line)

    async def _undo(self) -> None:
        operation = self._session.undoable
        if operation is None or operation.undo is None:
            self.write("nothing to undo: no action of this console can be undone")
            return
        await self.act(operation.undo.action, operation.undo.arguments, undoes=operation)

    async def _stop(self) -> None:
        self.write("it stops before its next target" if self._session.stop() else "nothing is being sent")

    async def _open_incident(self) -> None:
        title = await self.ask("the incident's title; an empty line cancels")
        if title is not None:
            await self.recorded(lambda: self._session.open_incident(title, ""))

    async def _acknowledge_page(self) -> None:
        try:
            self.write(clean(await self._session.notices.acknowledge()))
        except NexConsoleError as error:
            self.write(f"not recorded: {clean(error)}")

    async def _close_incident(self) -> None:
        session, incident = self._session, self._session.incident
        if incident is not None:
            name = session.incident_store.current or ""
            for sentence in await owed_words(session.sources, session.settings, incident, name, self._clock()):
                self.write(sentence)
        reason = await self.ask("why it is over, for the record; an empty line cancels")
        if reason is not None:
            await self.recorded(lambda: self._session.close_incident(reason))

    async def recorded(self, write: Callable[[], Awaitable[object]], done: str = "") -> None:
        """Write an entry, and say what came of it."""
        if (why_not := self._session.why_not(Capability.NOTE)) is not None:
            self.write(why_not)
            return
        try:
            await write()
        except NexConsoleError as error:
            self.write(f"not recorded: {clean(error)}")
        else:
            if done:
                self.write(done)

    async def _quit(self) -> None:
        """Leave; where something is under way, only when asked twice."""
        under_way = self._session.under_way
        if under_way and not self._asked_to_quit:
            self._asked_to_quit = True
            self.write(f"{clean(under_way[0].name)} is still under way; q again leaves")
            return
        self.ended.set()
