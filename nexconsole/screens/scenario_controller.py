"""Which scenario fits, and which one is open beside the panes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from .. import paths
from ..actions.registry import ACTIONS, COMMANDS
from ..errors import NexConsoleError
from ..journal import EntryKind
from ..model import LEVELS
from ..runbook.progress import ScenarioProgress, progress_of
from ..session.session import Session
from ..text.units import several
from ..widgets.banner import key_of
from ..widgets.spans import plain
from .action_controller import ActionController
from .console import ConsoleScreen
from .dialogs import Dialogs
from .scenario_rows import ScenarioRows, rows_of

if TYPE_CHECKING:
    from ..runbook.library import Library
    from ..runbook.model import Runbook, Scenario
    from ..runbook.resolution import Fit
    from ..settings import Settings
    from .scenario import ScenarioPane

BESIDE = 120  # columns from which a scenario stands beside the panes


def named(scenario: Scenario) -> str:
    """How a scenario is called where there is little room."""
    return f"scenario {scenario.number}" if scenario.number else plain(scenario.title, 30)


def _library(settings: Settings) -> Library:
    """The runbooks in force; their parser is imported by whoever reads the first: a thread."""
    from ..runbook.library import library

    return library(settings, COMMANDS)


class ScenarioController:
    """`logs` opens the pods' logs, `close_incident` asks to close it. `library`: the runbooks in force, None until they
    have been read."""

    def __init__(
        self,
        dialogs: Dialogs,
        session: Session,
        actions: ActionController,
        clock: Callable[[], datetime],
        logs: Callable[[str], None],
        close_incident: Callable[[], None],
    ) -> None:
        self._dialogs, self._session, self._actions, self._clock, self._logs = dialogs, session, actions, clock, logs
        self._close_incident = close_incident
        self._app, self._console = dialogs.app, dialogs.console
        self.library: Library | None = None
        self._folded: tuple[object, list[tuple[Scenario, ScenarioProgress]]] = (None, [])
        self.fits: tuple[Fit, ...] = ()
        self.caused: tuple[Scenario, ...] = ()  # for the named causes, whether their triggers hold or not
        self.looked_at: frozenset[str] = frozenset()  # signals that the open scenario asks

    def find_fits(self) -> None:
        """Which scenarios fit what is read by now: those for the named causes first."""
        if self.library is None or not self._console.readings:
            return
        from ..causes.scenarios import caused, caused_first
        from ..runbook.resolution import fitting

        book, settings = self.library.runbook, self._session.settings
        reasons = self._console.severity.reasons if self._console.severity is not None else ()
        leading = tuple(reason.signal for reason in reasons)
        self.caused = caused(book, self._console.monitor.explanation)
        fits = fitting(book, self._console.readings, settings, self._clock(), leading)
        self.fits = caused_first(fits, self.caused)

    def hint(self, wide: bool) -> str:
        """Which scenario `s` opens, and how far it has come; where one is open, that others fit too."""
        key, listing = key_of("scenario.open"), key_of("scenario.list")
        pane = self.pane
        if pane is not None:
            more = sum(fit.scenario.id != pane.scenario.id for fit in self.fits)
            return f"{several(more, 'more scenario fits', 'more scenarios fit')}: {listing}" * bool(more and wide)
        best = self._best()
        if best is None:
            return ""
        scenario, progress = best
        if progress is not None:
            done = f"{progress[0]} of {progress[1]} done"
            return f"{named(scenario)}: {done}, {key} continues" if wide else f"{key}: {named(scenario)}, {done}"
        more = sum(fit.scenario.id != scenario.id for fit in self.fits)
        others = f", {listing} lists {more} more" * (more > 0)
        return f"{named(scenario)} fits: {key} opens it{others}" if wide else f"{key}: {named(scenario)}"

    def _best(self) -> tuple[Scenario, tuple[int, int] | None] | None:
        """The scenario that `s` opens, and how many of its steps are settled if it goes on: one that was begun and has
        not ended, unless one that fits is worse and the begun one fits no longer."""
        begun = self._under_way()
        fits = list(dict.fromkeys((*self.caused, *(fit.scenario for fit in self.fits))))
        if begun is not None:
            scenario, progress = begun
            order = LEVELS.index
            level = order(fits[0].severity or "none") if fits else len(LEVELS)
            worse = scenario not in fits and level < order(scenario.severity or "none")
            if not worse:
                return scenario, progress
        return (fits[0], None) if fits else None

    def _under_way(self) -> tuple[Scenario, tuple[int, int]] | None:
        """The scenario that was touched last and has steps left, with how many are settled of how many."""
        walks = [(walk.touched_at, scenario, walk) for scenario, walk in self._walks() if walk.lasts(self._clock())]
        for _, scenario, walk in sorted(walks, key=itemgetter(0), reverse=True):
            from ..runbook.resolution import resolve

            readings, settings = self._console.readings, self._session.settings
            nodes = resolve(scenario, readings, settings, self._clock(), walk.answers, walk.taken)
            steps = ScenarioRows(scenario, tuple(rows_of(nodes, ())), walk)
            if steps.settled and not steps.ended:
                return scenario, (steps.settled, len(steps.steps))
        return None

    def _walks(self) -> list[tuple[Scenario, ScenarioProgress]]:
        """The runs on record, folded anew only when there is a new entry: it is asked for every second."""
        if self.library is None:
            return []
        entries = self._session.entries
        if self._folded[0] is not entries:
            known = {str(entry.data.get("scenario")) for entry in entries if entry.kind == EntryKind.STEP}
            runs = ((one, progress_of(entries, one.id)) for one in self.library.runbook.chapters() if one.id in known)
            self._folded = entries, [(one, walk) for one, walk in runs if walk is not None]
        return self._folded[1]

    def paint(self) -> None:
        """Draw the open scenario anew, and tell the others where this operator is in it."""
        if self.pane is not None:
            self._console.set_class(self._console.size.width >= BESIDE, "-beside")
            self.pane.paint()
            self._session.at(self.pane.scenario.id, self.pane.step)

    async def load_library(self) -> Library:
        """The runbooks in force, read once. Those of the team that can't be understood are said."""
        if self.library is None:
            try:
                self.library = await asyncio.to_thread(_library, self._session.settings)
            except NexConsoleError as error:
                self._dialogs.say(str(error), 15.0)
                bare = msgspec.structs.replace(self._session.settings, runbooks="")
                self.library = await asyncio.to_thread(_library, bare)
            if self.library.problems:
                first = self.library.sentences()[0]
                self._dialogs.say(f"a runbook was not taken: {first}: see `nexconsole runbook check`", 15.0)
            for problem in await asyncio.to_thread(lambda: ACTIONS.problems):
                self._dialogs.say(plain(problem), 15.0)
        return self.library

    @property
    def runbook(self) -> Runbook | None:
        """The runbook in force; None until it has been read."""
        return self.library.runbook if self.library else None

    @property
    def pane(self) -> ScenarioPane | None:
        from .scenario import ScenarioPane

        return next(iter(self._console.query(ScenarioPane)), None)

    def toggle(self) -> None:
        """Open the scenario that fits, or close the one that is open."""
        if self.pane is not None:
            self.close()
        else:
            self._dialogs.once(self._open_fitting())

    async def _open_fitting(self) -> None:
        library = await self.load_library()
        self.find_fits()
        best = self._best()
        if best is not None:
            await self._open(best[0])
            return
        begun = [
            (walk.touched_at, chapter)
            for chapter in library.runbook.chapters()
            if (walk := self._session.walk(chapter.id)) is not None
        ]
        if begun:
            await self._open(max(begun, key=itemgetter(0))[1])
        else:
            why = (
                "not all is read yet, try again in a moment"
                if self._session.begins
                else "no scenario fits what is read"
            )
            self._dialogs.say(f"{why}: {key_of('scenario.list')} lists all of them")

    def open(self, id: str, target: Mapping[str, str] | None = None) -> None:
        """Open this scenario, whatever is read; `target` as in `_open`."""
        self._dialogs.once(self._open_by_id(id, target))

    async def _open_by_id(self, id: str, target: Mapping[str, str] | None = None) -> None:
        scenario = (await self.load_library()).runbook.chapter(id)
        if scenario is not None:
            await self._open(scenario, target)
        else:
            self._dialogs.say(f"the runbook has no scenario {plain(id, 60)}")

    async def _open(self, scenario: Scenario, target: Mapping[str, str] | None = None) -> None:
        """`target` is what its cause is about, by the names of arguments; None: what the named cause of it is about."""
        from ..causes.scenarios import target_for
        from .scenario import ScenarioPane
        from .scenario_view import ScenarioLinks

        sheet = paths.STYLES / "scenario.tcss"
        if not self._app.stylesheet.has_source(str(sheet), ""):
            self._app.stylesheet.read(sheet)
            self._app.stylesheet.reparse()
        if self.pane is not None:
            await self.pane.remove()
        self._console.add_class("-scenario")
        self._console.set_class(self._console.size.width >= BESIDE, "-beside")
        links = ScenarioLinks(
            logs=self._logs,
            close=self.close,
            open=self.open,
            close_incident=self._close_incident,
            fits=lambda: self.fits,
        )
        target = target or target_for(scenario.id, self._console.monitor.explanation)
        pane = ScenarioPane(scenario, self._session, self._dialogs, self._actions, links, target)
        await self._console.query_one("#panes").mount(pane)
        self._app.stylesheet.update(self._console)
        pane.focus()
        self._console.hint = ""
        self._look_at(scenario)

    def step_words(self, scenario: str, step: str) -> str:
        """Where somebody is in the runbook, in its own titles; "" for nowhere."""
        chapter = self.runbook.chapter(scenario) if self.runbook is not None and scenario else None
        if chapter is None:
            return scenario
        title = next((one.title for one in chapter.walk() if one.id == step), "")
        return f"{named(chapter)}: {title}" if title else named(chapter)

    def close(self) -> None:
        self._session.at("", "")
        if self.pane is not None:
            if self.pane.has_focus_within:  # not to the pane that happens to come next
                self._console.set_focus(None)
            self.pane.remove()
            self._console.remove_class("-scenario")
            self._look_at(None)

    def _look_at(self, scenario: Scenario | None) -> None:
        from ..signals.registry import probes

        asked = scenario.calls() if scenario is not None else ()
        known = probes(self._session.settings)
        self.looked_at = frozenset(known[call.name].signal for call in asked if call.name in known)
        self._console.post_message(ConsoleScreen.Attention())

    def begin_anew(self) -> None:
        """Make every step of the open scenario pending again."""
        if self.pane is not None:
            writing = self._session.begin(self.pane.scenario.id, self.pane.scenario.title)
            self._app.run_worker(self._dialogs.recorded(writing, "begun anew"), group="dialogs")
