"""Which scenario fits, and which one is open beside the panes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from .. import paths
from ..actions.registry import ACTIONS, COMMANDS
from ..errors import NexConsoleError
from ..session.session import Session
from ..widgets.spans import plain
from .action_controller import ActionController
from .console import ConsoleScreen
from .dialogs import Dialogs

if TYPE_CHECKING:
    from ..runbook.library import Library
    from ..runbook.model import Runbook, Scenario
    from ..runbook.resolution import Fit
    from .scenario import ScenarioPane

BESIDE = 120  # columns from which a scenario stands beside the panes


class ScenarioController:
    """`logs` opens the pods' logs. `library`: the runbooks in force, None until they have been read."""

    def __init__(
        self,
        dialogs: Dialogs,
        session: Session,
        actions: ActionController,
        clock: Callable[[], datetime],
        logs: Callable[[str], None],
    ) -> None:
        self._dialogs, self._session, self._actions, self._clock, self._logs = dialogs, session, actions, clock, logs
        self._app, self._console = dialogs.app, dialogs.console
        self.library: Library | None = None
        self.fits: tuple[Fit, ...] = ()
        self.looked_at: frozenset[str] = frozenset()  # signals that the open scenario asks

    def find_fits(self) -> None:
        """Which scenarios fit what is read by now."""
        if self.library is None or not self._console.readings:
            return
        from ..runbook.resolution import fitting

        book, settings = self.library.runbook, self._session.settings
        reasons = self._console.severity.reasons if self._console.severity is not None else ()
        leading = tuple(reason.signal for reason in reasons)
        self.fits = fitting(book, self._console.readings, settings, self._clock(), leading)

    def hint(self, wide: bool) -> str:
        """Which scenario fits, and the key that opens it; "" where one is open."""
        if not self.fits or self.pane is not None:
            return ""
        scenario = self.fits[0].scenario
        name = f"scenario {scenario.number}" if scenario.number else plain(scenario.title, 30)
        return f"{name} fits: s opens it" if wide else f"s: {name}"

    def paint(self) -> None:
        """Draw the open scenario anew, and tell the others where this operator is in it."""
        if self.pane is not None:
            self._console.set_class(self._console.size.width >= BESIDE, "-beside")
            self.pane.paint()
            self._session.at(self.pane.scenario.id, self.pane.row.id if self.pane.row else "")

    async def load_library(self) -> Library:
        """The runbooks in force, read once. Those of the team that can't be understood are said."""
        if self.library is None:
            from ..runbook.library import library

            try:
                self.library = await asyncio.to_thread(library, self._session.settings, COMMANDS)
            except NexConsoleError as error:
                self._dialogs.say(str(error), 15.0)
                bare = msgspec.structs.replace(self._session.settings, runbooks="")
                self.library = await asyncio.to_thread(library, bare, COMMANDS)
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
        if self.fits:
            await self._open(self.fits[0].scenario)
            return
        chapters = library.runbook.chapters()
        begun = [
            (walk.touched_at, chapter) for chapter in chapters if (walk := self._session.walk(chapter.id)) is not None
        ]
        if begun:
            await self._open(max(begun, key=itemgetter(0))[1])
        else:
            self._dialogs.say("no scenario fits what is read: ^P opens any of them by name")

    def open(self, id: str) -> None:
        """Open this scenario, whatever is read."""
        self._dialogs.once(self._open_by_id(id))

    async def _open_by_id(self, id: str) -> None:
        scenario = (await self.load_library()).runbook.chapter(id)
        if scenario is not None:
            await self._open(scenario)

    async def _open(self, scenario: Scenario) -> None:
        from .scenario import ScenarioPane

        sheet = paths.STYLES / "scenario.tcss"
        if not self._app.stylesheet.has_source(str(sheet), ""):
            self._app.stylesheet.read(sheet)
            self._app.stylesheet.reparse()
        if self.pane is not None:
            await self.pane.remove()
        if self._session.walk(scenario.id) is None:
            await self._dialogs.recorded(
                self._session.begin(scenario.id, scenario.title), f"{plain(scenario.title, 60)}: begun"
            )
        self._console.add_class("-scenario")
        self._console.set_class(self._console.size.width >= BESIDE, "-beside")
        pane = ScenarioPane(
            scenario,
            self._session,
            self._dialogs,
            self._actions,
            logs=self._logs,
            close=self.close,
            fits=lambda: self.fits,
        )
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
        name = f"scenario {chapter.number}" if chapter.number else chapter.title
        return f"{name}: {title}" if title else name

    def close(self) -> None:
        self._session.at("", "")
        if self.pane is not None:
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
