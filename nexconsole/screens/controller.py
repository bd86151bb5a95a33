"""What keys and palette set going, put together: actions, scenarios, the incident, the journal, and the operation bar.

It is made after the first paint, so that nothing of it delays the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from textual.app import App

from ..catalogue import Subject
from ..errors import JournalError
from ..incident.role_problems import approval_problems
from ..journal import Entry, EntryKind
from ..session import in_force
from ..session.capabilities import Capabilities, Capability, capabilities_of
from ..session.operation import Operation
from ..session.session import Session
from ..settings import Settings
from ..signals.provider_names import known_names
from ..sources import Sources
from ..sources.lazy_clients import LazyClients
from ..sources.workload_runtime import HOW, NOT_CONFIGURED, runtime_of
from ..text.units import stopwatch
from ..widgets.banner import key_of
from ..widgets.canvas import LineCanvas
from ..widgets.spans import plain, wrapped
from . import entry_text, operation_bar, proposal_bar
from .action_controller import ActionController
from .action_marks import action_marks
from .cause_controller import CauseController
from .console import ConsoleScreen
from .dialogs import Dialogs
from .exports import Exports
from .incident_controller import IncidentController
from .page import PageScreen
from .palette import Palette, PaletteCommand
from .prompt import Prompt
from .rise_notice import ring
from .scenario_controller import ScenarioController

SAID = (
    EntryKind.OPENED,
    EntryKind.DECLARED,
    EntryKind.ROLE,
    EntryKind.STEP,
    EntryKind.NOTE,
    EntryKind.UNDO,
    EntryKind.OBJECTED,
    EntryKind.APPROVED,
    EntryKind.BROKE_GLASS,
    EntryKind.CLOSED,
)
PROBLEM_S = 15.0  # how long what is wrong with the settings of approvals is said


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
        self.app, self.console, self.clock = app, console, clock
        self.session = make_session(
            settings,
            sources if sources is not None else Sources(LazyClients(), {}),
            console.monitor,
            capabilities=capabilities or capabilities_of(settings),
            clock=clock,
            changed=self._changed,
            heard=self._heard,
        )
        self.dialogs = Dialogs(app, console)
        self.actions = ActionController(self.dialogs, self.session, clock, drill)
        self.scenarios = ScenarioController(
            self.dialogs, self.session, self.actions, clock, self.logs, lambda: self.incidents.close()
        )
        self.causes = CauseController(
            self.dialogs, self.session, self.actions, self.scenarios, lambda of: self.logs(of)
        )
        self.incidents = IncidentController(
            self.dialogs,
            self.session,
            clock,
            self.scenarios.step_words,
            self.open,
            lambda: self.paper.hand_over(),
            self.actions.confirm,
        )
        self.paper = Exports(app, console, self.session)
        self._repaint = self._skew_said = False
        self._marked: tuple[Entry, ...] = ()  # the entries that the charts' marks are of
        self._lost = 0  # lines of the journal that can't be read, and were said to be

    def start(self) -> None:
        """Follow the journal, watch the severity and which scenario fits."""
        self.session.start()
        if Capability.JOIN in self.session.capabilities:
            self.paper.start()
        self.app.set_interval(1.0, self.tick)
        self.app.run_worker(self.scenarios.load_library(), name="runbooks", group="controller")
        self.app.run_worker(self.causes.load(), name="causes", group="controller")
        if problems := approval_problems(self.session.settings):
            self.console.say(problems[0], PROBLEM_S)

    def tick(self) -> None:
        """Once a second."""
        self.session.tick()
        ring(self.app, self.session, time.monotonic(), self.console.has_class("-presenting"))
        self._say_skew()
        self.console.in_force = tuple(in_force.words(self.session, key_of("operation.undo")))
        self.console.seen_before = self._seen_before()
        self.scenarios.find_fits()
        self._hint()
        self.console.steps = self._steps()
        self._mark()
        self.paper.tick()
        self.paint()

    def _seen_before(self) -> tuple[tuple[str, ...], ...]:
        if not (found := self.session.seen_before.found):
            return ()
        from ..incident.similar import lines_of  # nothing that the first paint waits for

        now = self.clock()
        return tuple(lines_of(one, now) for one in found)

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

    def _hint(self) -> None:
        """What fits and what is open, as one line of the console."""
        if self.scenarios.library is None or not self.console.readings:
            return
        width = self.console.size.width
        scenario = self.scenarios.hint(width >= 100)
        incident = self._offer(width >= (140 if scenario else 100))  # the sources' health needs room too
        self.console.hint = "   ".join(filter(None, (scenario, incident)))

    def _mark(self) -> None:
        """The actions of this and of other consoles as marks for charts; computed when something was recorded."""
        entries = self.session.entries
        if self._marked is not entries:
            self._marked = entries
            self.console.marks = action_marks(entries)

    def _steps(self) -> tuple[str, ...]:
        """The next step in words, the longest first: what the cause itself asks for, else the scenario that fits."""
        severity = self.console.severity
        if severity is None or not severity.reasons or self.session.capabilities.silent:
            return ()
        if (step := severity.reasons[0].step) and self.session.why_not(Capability.ACT) is None:
            return (f"{key_of('app.palette')} {step}",)
        if not self.scenarios.fits or self.scenarios.pane is not None:
            return ()
        scenario, key = self.scenarios.fits[0].scenario, key_of("scenario.open")
        if not scenario.number:
            return (f"{key} opens {scenario.title.lower()}",)
        short = f"{key} opens scenario {scenario.number}"
        return (f"{short}, {scenario.title.lower()}", short)

    def _offer(self, wide: bool) -> str:
        """The incident as one glance, or the key that opens one where it is time to."""
        name, incident = self.session.incident_store.current, self.session.incident
        if incident is None or name is None:
            key = key_of("incident.show")
            return (f"{key} opens an incident" if wide else f"{key}: incident") * self.incidents.offered()
        since = stopwatch(incident.since, self.clock())
        cut_off = " CUT OFF" if self.session.peers.reach else ""
        return f"{name} {since}{cut_off}" if wide else f"INC {since}{cut_off}"

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
            self.console.say(f"{who}: {kind}{entry_text.words(entry, self.scenarios.runbook)}", 6.0)

    def paint(self) -> None:
        """Draw the strip and the open scenario anew; what looks as before costs nothing."""
        self._repaint = False
        if not self.console.query("#panes"):  # not there yet, or being taken down, which takes its children first
            return
        self._paint_strip()
        self.scenarios.paint()

    def _paint_strip(self) -> None:
        width, most = self.console.size.width, operation_bar.MOST if self.console.size.height >= 30 else 2
        drawn = operation_bar.lines(self.session.shown, self.session.undoable, self.clock(), width, most)
        if self.console.has_class("-presenting") and not self.console.has_class("-maximized"):
            drawn = ()  # the shared screen has them among its own lines
        if not self.console.has_class("-presenting"):  # the shared screen says it in its head
            drawn = (*proposal_bar.broken_glass(self.session.incident, width), *drawn)
        drawn = (*proposal_bar.previews(self.session.peers.here, width), *drawn)
        waiting = self.session.waiting
        keyed = [key for key, needed in proposal_bar.NEEDS.items() if needed in self.session.capabilities]
        drawn = (*proposal_bar.lines(waiting, keyed, width), *drawn)
        self.incidents.painted([proposal for proposal, _ in waiting])
        for trouble in filter(None, (self.session.notices.trouble, self.session.trouble)):
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

    # --- the journal ------------------------------------------------------------------------------------------

    def note(self) -> None:
        if (why_not := self.session.why_not(Capability.NOTE)) is not None:
            self.dialogs.say(why_not)
        else:
            self.dialogs.once(self._note())

    async def _note(self) -> None:
        prompt = Prompt("a note for the journal", hint="everybody here can read it", own_words=True)
        text = await self.app.push_screen_wait(prompt)
        if text is not None:
            await self.dialogs.recorded(self.session.note(text), "noted")

    def acknowledge_page(self) -> None:
        self.dialogs.once(self._acknowledge_page())

    async def _acknowledge_page(self) -> None:
        try:
            self.console.say(plain(await self.session.notices.acknowledge()), 10.0)
        except JournalError as error:
            self.console.say(f"not recorded: {plain(error)}", 10.0)

    def journal(self) -> None:
        self.dialogs.once(self._journal())

    async def _journal(self) -> None:
        from .journal import JournalScreen

        intent = await self.app.push_screen_wait(JournalScreen(self.session, self.scenarios.runbook, self.open))
        lost = self.session.lost.get(intent or "")
        if lost is not None:
            await (self._tell_outcome if lost.outcome is None else self._tell_verdict)(str(intent))

    async def _tell_outcome(self, intent: str) -> None:
        title = f"what became of {self._name(intent)}? `done` or `not done`, then how you know"
        text = await self._told(title, ("done", "not done"))
        if text is not None:
            done = text.startswith("done")
            await self.dialogs.recorded(self.session.found(intent, "done" if done else "failed", text), "recorded")

    async def _tell_verdict(self, intent: str) -> None:
        title = f"did {self._name(intent)} help? `worked`, `no effect` or `worse`, then how you know"
        words: tuple[Literal["worked", "no effect", "worse"], ...] = ("worked", "no effect", "worse")
        text = await self._told(title, words)
        if text is not None:
            state = next(word for word in words if text.startswith(word))
            await self.dialogs.recorded(self.session.seen(intent, state, text), "recorded")

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

    # --- the palette and the logs -----------------------------------------------------------------------------

    async def palette(self, commands: Callable[[], list[PaletteCommand]]) -> None:
        """Open the palette, which has no worker: what it takes begins when it has closed."""
        await self.scenarios.load_library()
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

    def open(self, subject: Subject) -> None:
        """The page of what a row stands for, over what is shown now; Esc goes back there."""
        from .subject_page import SubjectScreen

        self.app.push_screen(SubjectScreen(subject, self.session, self.console, self.logs))

    def logs(self, of: str = "", pod: str = "") -> None:
        """The pods' logs: only lines that speak of `of`, only those of the pod with that name, if they are given."""
        from .pod_logs import PodLogs

        if (runtime := runtime_of(self.session.sources)) is None:
            self.console.say(f"no logs: {NOT_CONFIGURED}: {HOW}")
            return
        self.app.push_screen(PodLogs(runtime, of, pod, self._provider_names))

    def _provider_names(self) -> dict[str, tuple[str, ...]]:
        """The known providers, each with all its names. (nexnum.md#provider-rows)"""
        names = known_names(self.session.sources)
        known = {provider.key: (provider.name, provider.display_name, provider.id) for provider in names.providers}
        return known | {name: () for name in self.session.known("provider") if name not in known}
