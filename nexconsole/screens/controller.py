"""The operator's desk: what keys and palette set going, the dialogs that it takes, and the strip that tells of it.

It is made after the first paint, so that nothing of it delays the start.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime
from operator import itemgetter
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from textual.app import App

from .. import paths
from ..actions.action import Action
from ..actions.perform import ConfirmationReply
from ..actions.plan import Plan
from ..actions.registry import ACTIONS, COMMANDS
from ..errors import JournalError, NexConsoleError
from ..journal import Entry, EntryKind
from ..session.capabilities import Capabilities, Capability, capabilities_of
from ..session.operation import Operation, StepRef
from ..session.performer import LEAVE_S
from ..session.session import Session
from ..settings import Settings
from ..sources import Sources
from ..sources.lazy_clients import LazyClients
from ..text.units import stopwatch
from ..widgets.canvas import LineCanvas
from ..widgets.spans import plain, wrapped
from . import entry_text, operation_bar, proposal_bar
from .confirm import ConfirmScreen, Unrecorded
from .console import ConsoleScreen
from .exports import Exports
from .incident_controller import IncidentController
from .page import PageScreen
from .palette import Palette, PaletteCommand
from .prompt import Prompt

if TYPE_CHECKING:
    from ..runbook.library import Library
    from ..runbook.model import Runbook, Scenario
    from ..runbook.resolution import Fit
    from .scenario import ScenarioPane

QUIT_AGAIN_S = 8.0
SAID = (
    EntryKind.OPENED,
    EntryKind.DECLARED,
    EntryKind.ROLE,
    EntryKind.STEP,
    EntryKind.NOTE,
    EntryKind.UNDO,
    EntryKind.OBJECTED,
    EntryKind.APPROVED,
    EntryKind.CLOSED,
)
BESIDE = 120  # columns from which a scenario stands beside the panes


class Controller:
    """`commands` lists the palette's lines whenever it is opened."""

    def __init__(
        self,
        app: App[None],
        console: ConsoleScreen,
        settings: Settings,
        sources: Sources | None,
        clock: Callable[[], datetime],
        *,
        capabilities: Capabilities | None = None,
        drill: str | None = None,
        make_session: Callable[..., Session] = Session,
    ) -> None:
        self.app, self.console, self.clock, self._drill = app, console, clock, drill
        self.session = make_session(
            settings,
            sources if sources is not None else Sources(LazyClients(), {}),
            console.monitor,
            capabilities=capabilities or capabilities_of(settings),
            clock=clock,
            changed=self._changed,
            heard=self._heard,
        )
        self.incidents = IncidentController(self)
        self.paper = Exports(app, console, self.session)
        self.library: Library | None = None
        self.fits: tuple[Fit, ...] = ()
        self.looked_at: frozenset[str] = frozenset()  # signals that the open scenario asks
        self._begun: set[str] = set()  # actions that are being prepared or asked about, and dialogs that are open
        self._asked_to_quit = 0.0
        self._repaint = self._skew_said = False
        self._lost = 0  # lines of the journal that can't be read, and were said to be

    def start(self) -> None:
        """Follow the journal, watch the severity and which scenario fits."""
        self.session.start()
        if Capability.JOIN in self.session.capabilities:
            self.paper.start()
        self.app.set_interval(1.0, self.tick)
        self.app.run_worker(self.load_library(), name="runbooks", group="controller")

    async def load_library(self) -> Library:
        """The runbooks in force, read once. Those of the team that can't be understood are said."""
        if self.library is None:
            from ..runbook.library import library

            try:
                self.library = await asyncio.to_thread(library, self.session.settings, COMMANDS)
            except NexConsoleError as error:
                self.console.say(str(error), 15.0)
                bare = msgspec.structs.replace(self.session.settings, runbooks="")
                self.library = await asyncio.to_thread(library, bare, COMMANDS)
            if self.library.problems:
                first = self.library.sentences()[0]
                self.console.say(f"a runbook was not taken: {first}: see `nexconsole runbook check`", 15.0)
            for problem in await asyncio.to_thread(lambda: ACTIONS.problems):
                self.console.say(plain(problem), 15.0)
        return self.library

    def tick(self) -> None:
        """Once a second."""
        self.session.tick()
        self._say_skew()
        self.console.in_force = tuple(open_item.what for open_item in self.session.in_force)
        self._find_fits()
        self.paper.tick()
        self.paint()

    def _say_skew(self) -> None:
        """Say once that a clock is out; the incident's screen says it as long as it is."""
        skew = self.session.peers.skew
        if skew and not self._skew_said:
            self._skew_said = True
            self.console.say(f"{plain(skew[0])}: times are those of the host that wrote them", 10.0)

    async def close(self, waiting: Callable[[Operation], None]) -> None:
        """What is being sent is waited for, nothing is followed any more, and the sheet's last state is kept."""
        await self.session.close(waiting)
        await self.paper.close()

    def _find_fits(self) -> None:
        if self.library is None or not self.console.readings:
            return
        from ..runbook.resolution import fitting

        book, settings = self.library.runbook, self.session.settings
        reasons = self.console.severity.reasons if self.console.severity is not None else ()
        leading = reasons[0].signal if reasons else ""
        self.fits = fitting(book, self.console.readings, settings, self.clock(), leading)
        width = self.console.size.width
        scenario = self._hint(width >= 100)
        incident = self._offer(width >= (140 if scenario else 100))  # the sources' health needs room too
        self.console.hint = "   ".join(filter(None, (scenario, incident)))

    def _offer(self, wide: bool) -> str:
        """The incident as one glance, or the key that opens one where it is time to."""
        name, incident = self.session.incident_store.current, self.session.incident
        if incident is None or name is None:
            return ("i opens an incident" if wide else "i: incident") * self.incidents.offered()
        since = stopwatch(incident.since, self.clock())
        cut_off = " CUT OFF" if self.session.peers.reach else ""
        return f"{name} {since}{cut_off}" if wide else f"INC {since}{cut_off}"

    def _hint(self, wide: bool) -> str:
        if not self.fits or self.pane is not None:
            return ""
        scenario = self.fits[0].scenario
        name = f"scenario {scenario.number}" if scenario.number else plain(scenario.title, 30)
        return f"{name} fits: s opens it" if wide else f"s: {name}"

    # --- the strip --------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Something happened; what is drawn for it is drawn once, however much it was."""
        if len(lost := self.session.incident_store.lost) > self._lost:
            self._lost = len(lost)
            self.console.say(f"the journal, {plain(lost[-1])}", 15.0)
        if not self._repaint:
            self._repaint = True
            self.app.call_later(self.paint)

    def _heard(self, entry: Entry) -> None:
        """Another console wrote this: what people do is said, actions stand in the strip."""
        if entry.kind in SAID:
            who, kind = (
                plain(str(entry.writer).partition("@")[0], 30),
                "" if entry.kind == EntryKind.STEP else f"{entry.kind}: ",
            )
            self.console.say(f"{who}: {kind}{entry_text.words(entry, self.runbook)}", 6.0)

    @property
    def runbook(self) -> Runbook | None:
        """The runbook in force; None until it has been read."""
        return self.library.runbook if self.library else None

    def paint(self) -> None:
        """Draw the strip and the open scenario anew; what looks as before costs nothing."""
        self._repaint = False
        if not self.console.query("#panes"):  # not there yet, or being taken down, which takes its children first
            return
        self._paint_strip()
        if self.pane is not None:
            self.console.set_class(self.console.size.width >= BESIDE, "-beside")
            self.pane.paint()
            self.session.at(self.pane.scenario.id, self.pane.row.id if self.pane.row else "")

    def _paint_strip(self) -> None:
        width, most = self.console.size.width, operation_bar.MOST if self.console.size.height >= 30 else 2
        drawn = operation_bar.lines(self.session.shown, self.session.undoable, self.clock(), width, most)
        if self.console.has_class("-presenting") and not self.console.has_class("-maximized"):
            drawn = ()  # the shared screen has them among its own lines
        drawn = (*proposal_bar.previews(self.session.peers.here, width), *drawn)
        waiting = self.session.waiting
        keyed = proposal_bar.KEYS_OF if Capability.NOTE in self.session.capabilities else ()
        drawn = (*proposal_bar.lines(waiting, keyed, width), *drawn)
        self.incidents.painted([proposal for proposal, _ in waiting])
        if trouble := self.session.trouble:
            said = wrapped(plain(trouble), max(10, width - 3), 2)
            drawn = (*(((f" {mark} {line}", "alarm"),) for mark, line in zip("▲ ", said, strict=False)), *drawn)
        found = self.console.query("#operations")
        if not found and not drawn:
            return
        if found:
            bar = found.first(LineCanvas)
        else:
            self.console.mount(bar := LineCanvas(id="operations"), before=self.console.BOTTOM)
        bar.styles.height = len(drawn)
        bar.display = bool(drawn)
        self.console.make_room(len(drawn))
        bar.show_lines(drawn)

    # --- actions ----------------------------------------------------------------------------------------------

    def act(
        self,
        action: str,
        arguments: Mapping[str, str],
        *,
        step: StepRef | None = None,
        undoes: Operation | None = None,
    ) -> None:
        """Take an action down its path, in a worker of the app: no screen that is closed cuts it off.

        Nothing new begins while the same is being prepared or asked about: a key that is held down opens one dialog.
        """
        if (name := f"{action} {dict(arguments)}") not in self._begun:
            self._begun.add(name)
            self.app.run_worker(self._act(name, action, arguments, step, undoes), name=action, group="actions")

    async def _act(
        self, name: str, action: str, arguments: Mapping[str, str], step: StepRef | None, undoes: Operation | None
    ) -> None:
        async def ask(plan: Plan, why_again: str | None) -> ConfirmationReply:
            self._begun.add(name)
            try:
                return await self._ask(plan, why_again)
            finally:
                self._begun.discard(name)

        try:
            await self.session.perform(action, arguments, ask, self._ask_unrecorded, step=step, undoes=undoes)
        finally:
            self._begun.discard(name)

    def once(self, work: Coroutine[Any, Any, object]) -> None:
        """Do this in a worker of the app, unless it is being done: a key that is held down asks one question."""
        assert isinstance(work, CoroutineType)
        name = work.__qualname__
        if name in self._begun:
            work.close()
            return
        self._begun.add(name)
        self.app.run_worker(self._once(name, work), group="dialogs")

    async def _once(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        finally:
            self._begun.discard(name)

    async def _ask(self, plan: Plan, why_again: str | None) -> ConfirmationReply:
        dialog = ConfirmScreen(plan, why_again, self.session.settings, self.clock, drill=self._drill)
        return await self.app.push_screen_wait(dialog)

    async def _ask_unrecorded(self, why: str) -> bool:
        return await self.app.push_screen_wait(Unrecorded(why))

    def ask_arguments(self, action: str) -> None:
        """Ask for an action's arguments in one line, then take it."""
        self.once(self._ask_arguments(ACTIONS[action]))

    async def _ask_arguments(self, action: Action) -> None:
        words = [
            argument.name.upper() if argument.required else f"[{argument.name.upper()}]"
            for argument in action.arguments
        ]
        offered = [word for argument in action.arguments for word in self.session.known(argument.kind)]
        helps = "; ".join(f"{argument.name}: {argument.help}" for argument in action.arguments if argument.help)

        def wrong(text: str) -> str:
            try:
                _named(action, text)
            except NexConsoleError as error:
                return str(error)
            return ""

        title = f"{action.name} {' '.join(words)}: {action.title.lower()}"
        text = await self.app.push_screen_wait(Prompt(title, hint=helps, offered=offered, words=True, wrong=wrong))
        if text is not None:
            self.act(action.name, _named(action, text))

    def undo(self) -> None:
        """Take back the newest action that can be; asked about like any other."""
        operation = self.session.undoable
        if operation is None or operation.undo is None:
            self.console.say("there is nothing to undo: no action of this console has changed anything that it could")
            return
        self.act(operation.undo.action, operation.undo.arguments, undoes=operation)

    def dismiss(self) -> None:
        if not self.session.dismiss():
            self.console.say("nothing has ended that could be dismissed")

    def stop(self) -> None:
        if not self.session.stop():
            self.console.say("nothing is being sent that could be stopped")

    def may_quit(self) -> bool:
        """Whether nothing is under way or still in force, or the operator has been told so and asks again."""
        under_way = self.session.under_way
        me = str(self.session.journal.writer)
        mine = [item.what for item in self.session.in_force if item.by == me]
        stays = Capability.JOIN in self.session.capabilities
        now = asyncio.get_running_loop().time()
        if not stays or not (under_way or mine) or now - self._asked_to_quit < QUIT_AGAIN_S:
            return True
        self._asked_to_quit = now
        if not under_way:
            more = f" and {len(mine) - 1} more of what you did" if len(mine) > 1 else ""
            self.console.say(f"still in force: {plain(mine[0], 80)}{more}; q once more leaves", QUIT_AGAIN_S)
            return False
        operation = under_way[0]
        left = f"being sent; once more leaves when its answer is in, or after {LEAVE_S:g} s"
        left = (
            left if operation.phase == "sending" else "being watched; once more leaves all the same, without a verdict"
        )
        self.console.say(f"{operation.name} is still {left}", QUIT_AGAIN_S)
        return False

    # --- the journal ------------------------------------------------------------------------------------------

    def note(self) -> None:
        self.once(self._note())

    async def _note(self) -> None:
        prompt = Prompt("a note for the journal", hint="everybody here can read it", own_words=True)
        text = await self.app.push_screen_wait(prompt)
        if text is not None:
            await self.recorded(self.session.note(text), "noted")

    async def recorded(self, writing: Awaitable[object], said: str) -> bool:
        """Await a record; say that it is done, or why it can't be."""
        try:
            await writing
        except JournalError as error:
            self.console.say(f"not recorded: {error}", 10.0)
            return False
        if said:
            self.console.say(said)
        return True

    def journal(self) -> None:
        self.once(self._journal())

    async def _journal(self) -> None:
        from .journal import JournalScreen

        intent = await self.app.push_screen_wait(JournalScreen(self.session, self.runbook))
        lost = self.session.lost.get(intent or "")
        if lost is not None:
            await (self._tell_outcome if lost.outcome is None else self._tell_verdict)(str(intent))

    async def _tell_outcome(self, intent: str) -> None:
        title = f"what became of {self._name(intent)}? `done` or `not done`, then how you know"
        text = await self._told(title, ("done", "not done"))
        if text is not None:
            done = text.startswith("done")
            await self.recorded(self.session.found(intent, "done" if done else "failed", text), "recorded")

    async def _tell_verdict(self, intent: str) -> None:
        title = f"did {self._name(intent)} help? `worked`, `no effect` or `worse`, then how you know"
        words: tuple[Literal["worked", "no effect", "worse"], ...] = ("worked", "no effect", "worse")
        text = await self._told(title, words)
        if text is not None:
            state = next(word for word in words if text.startswith(word))
            await self.recorded(self.session.seen(intent, state, text), "recorded")

    def _name(self, intent: str) -> str:
        lost = self.session.lost.get(intent)
        return plain(lost.name, 80) if lost is not None else "it"

    async def _told(self, title: str, words: tuple[str, ...]) -> str | None:
        """One line that begins with one of the words; None where it is not given."""
        named = " or ".join(f"`{word}`" for word in words)

        def wrong(text: str) -> str:
            begins = any(f"{text} ".startswith((f"{word} ", f"{word}:", f"{word},")) for word in words)
            return "" if begins else f"begin with {named}"

        return await self.app.push_screen_wait(Prompt(title, offered=[f"{word}: " for word in words], wrong=wrong))

    # --- scenarios --------------------------------------------------------------------------------------------

    @property
    def pane(self) -> ScenarioPane | None:
        from .scenario import ScenarioPane

        return next(iter(self.console.query(ScenarioPane)), None)

    def toggle_scenario(self) -> None:
        """Open the scenario that fits, or close the one that is open."""
        if self.pane is not None:
            self.close_scenario()
        else:
            self.once(self._open_fitting())

    async def _open_fitting(self) -> None:
        library = await self.load_library()
        self._find_fits()
        if self.fits:
            await self._open(self.fits[0].scenario)
            return
        chapters = library.runbook.chapters()
        begun = [
            (walk.touched_at, chapter) for chapter in chapters if (walk := self.session.walk(chapter.id)) is not None
        ]
        if begun:
            await self._open(max(begun, key=itemgetter(0))[1])
        else:
            self.console.say("no scenario fits what is read: ^P opens any of them by name")

    def open_scenario(self, id: str) -> None:
        """Open this scenario, whatever is read."""
        self.once(self._open_by_id(id))

    async def _open_by_id(self, id: str) -> None:
        scenario = (await self.load_library()).runbook.chapter(id)
        if scenario is not None:
            await self._open(scenario)

    async def _open(self, scenario: Scenario) -> None:
        from .scenario import ScenarioPane

        sheet = paths.STYLES / "scenario.tcss"
        if not self.app.stylesheet.has_source(str(sheet), ""):
            self.app.stylesheet.read(sheet)
            self.app.stylesheet.reparse()
        if self.pane is not None:
            await self.pane.remove()
        if self.session.walk(scenario.id) is None:
            await self.recorded(self.session.begin(scenario.id, scenario.title), f"{plain(scenario.title, 60)}: begun")
        self.console.add_class("-scenario")
        self.console.set_class(self.console.size.width >= BESIDE, "-beside")
        pane = ScenarioPane(self, scenario)
        await self.console.query_one("#panes").mount(pane)
        self.app.stylesheet.update(self.console)
        pane.focus()
        self.console.hint = ""
        self._look_at(scenario)

    def step_words(self, scenario: str, step: str) -> str:
        """Where somebody is in the runbook, in its own titles; "" for nowhere."""
        chapter = self.runbook.chapter(scenario) if self.runbook is not None and scenario else None
        if chapter is None:
            return scenario
        title = next((one.title for one in chapter.walk() if one.id == step), "")
        name = f"scenario {chapter.number}" if chapter.number else chapter.title
        return f"{name}: {title}" if title else name

    def close_scenario(self) -> None:
        self.session.at("", "")
        if self.pane is not None:
            self.pane.remove()
            self.console.remove_class("-scenario")
            self._look_at(None)

    def _look_at(self, scenario: Scenario | None) -> None:
        from ..signals.registry import probes

        asked = scenario.calls() if scenario is not None else ()
        known = probes(self.session.settings)
        self.looked_at = frozenset(known[call.name].signal for call in asked if call.name in known)
        self.console.post_message(ConsoleScreen.Attention())

    def begin_anew(self) -> None:
        """Make every step of the open scenario pending again."""
        if self.pane is not None:
            writing = self.session.begin(self.pane.scenario.id, self.pane.scenario.title)
            self.app.run_worker(self.recorded(writing, "begun anew"), group="dialogs")

    # --- the palette and the logs -----------------------------------------------------------------------------

    async def palette(self, commands: Callable[[], list[PaletteCommand]]) -> None:
        """Open the palette, which has no worker: what it takes begins when it has closed."""
        await self.load_library()
        self.app.push_screen(Palette(commands()), self._run)

    def _run(self, chosen: PaletteCommand | None) -> None:
        """Do what was taken; what is about the panes is seen only without a page over them."""
        if chosen is None:
            return
        if isinstance(self.app.screen, PageScreen) and chosen.name.startswith(("console.", "scenario.")):
            self.app.screen.dismiss(None)
            self.app.call_later(chosen.run)
        else:
            chosen.run()

    def logs(self, of: str = "") -> None:
        """The pods' logs, only the lines that speak of something if `of` says of what."""
        from .pod_logs import PodLogs

        if not self.session.sources.has("kubernetes"):
            self.console.say("no logs: kubernetes is not configured: set kubernetes.kubeconfig or KUBECONFIG")
            return
        self.app.push_screen(PodLogs(self.session.sources.kubernetes, of))


def _named(action: Action, text: str) -> dict[str, str]:
    """A line's words as the action's arguments. Raises SettingsError."""
    from ..actions.action import named_arguments
    from ..errors import SettingsError

    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SettingsError(f"{error}: quote it as in a shell") from error
    return named_arguments(action, words)
