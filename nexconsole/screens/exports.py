"""Text that leaves the console: the break-glass sheet, the report, the status line."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual.app import App

from .. import paths
from ..break_glass.sheet import SheetContext, SheetRow, rows
from ..break_glass.store import SheetStore, keep_report, sheet_file
from ..errors import FileError
from ..incident.incident import Incident, fold
from ..incident.metrics import metric_specs, sample_of
from ..incident.prelude import prelude_of
from ..journal import OUTSIDE
from ..report.masked import masked
from ..widgets.privacy import MASKER

if TYPE_CHECKING:
    from ..report.handover import HandoverPage
    from ..session.session import Session
    from .console import ConsoleScreen

SHOWN_S = 12.0
CLOSE_S = 1.0  # how long leaving may wait for a disk


class Exports:
    """Nothing is written to disk by itself before `start`."""

    def __init__(self, app: App[None], console: ConsoleScreen, session: Session) -> None:
        self._app, self._console, self._session = app, console, session
        self._keeper: SheetStore | None = None

    # --- the sheet --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Keep the sheet on disk from now on."""
        file = sheet_file(self._session.settings)
        self._keeper = SheetStore(file, lambda text: self._console.say(text, SHOWN_S))

    def tick(self) -> None:
        """Once a second."""
        if self._keeper is not None and self._keeper.due:
            self._keeper.offer(self.rows())

    async def close(self) -> None:
        """Keep the sheet's last state, where the disk takes it in time."""
        if self._keeper is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._keeper.close(self.rows())

    def rows(self, shown: bool = False) -> tuple[SheetRow, ...]:
        """The present sheet, to store or (`shown`) to display."""
        side = self._session
        here = side.sources.has("postgres")
        known = SheetContext(
            health=side.sources.health(),
            tables=side.sources.postgres.known_tables if here else {},
            schema=side.sources.postgres.schema if here else "public",
            incident=side.incident_store.current or "",
        )
        # What is kept is for whoever must type it; what watchers see is masked before it is broken into lines.
        readings, severity, incident = self._console.readings, self._console.severity, side.incident
        if shown and MASKER.enabled:
            readings, severity, incident = masked(readings), masked(severity), masked(incident)
        return rows(readings, severity, incident, side.settings, side.clock(), known)

    def show(self) -> None:
        from .sheet import SheetScreen

        self._app.push_screen(
            SheetScreen(partial(self.rows, shown=True), str(self._keeper.file) if self._keeper else "")
        )

    # --- the report -------------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return self._session.incident_store.current or OUTSIDE

    def export(self) -> None:
        self._app.run_worker(self._export(), group="export", exclusive=True)

    async def _export(self) -> None:
        name, settings = self._name, self._session.settings
        store = self._session.incident_store
        entries, outside = store.record_of(name), store.record_of(OUTSIDE)
        try:
            markdown, html = await asyncio.to_thread(
                lambda: keep_report(fold(entries, prelude_of(entries, outside), store.judge), name, settings)
            )
        except FileError as error:
            self._console.say(f"the report was not written: {error}", SHOWN_S)
            return
        place = str(markdown).replace(str(paths.home()), "~", 1)
        self._console.say(f"report written: {place} and {html.suffix}", SHOWN_S)

    # --- the handover -----------------------------------------------------------------------------------------

    def hand_over(self) -> None:
        """Show the page for whoever takes over."""
        from .handover import HandoverScreen

        self._app.push_screen(HandoverScreen(self._page, self._store))

    def _page(self) -> HandoverPage:
        from ..report.handover import handover
        from ..session.handover import context_of

        readings, severity, _ = self._console.pictured
        return handover(context_of(self._session, readings, severity, self._console.explanation))

    async def _store(self, page: HandoverPage) -> str:
        from ..break_glass.store import keep_handover

        try:
            text, markdown = await asyncio.to_thread(keep_handover, page, self._session.settings)
        except FileError as error:
            return f"the handover was not written: {error}"
        return f"handover written: {str(text).replace(str(paths.home()), '~', 1)} and {markdown.suffix}"

    def line(self) -> None:
        """Copy the state of the incident in one line, and show it."""
        from ..report.render import as_line
        from .clipboard_notice import ClipboardNotice

        side = self._session
        incident: Incident = side.incident or fold(
            side.incident_store.record_of(OUTSIDE), judge=side.incident_store.judge
        )
        now = side.clock()
        incident = replace(incident, metrics=metric_specs(side.settings))
        text = as_line(incident, now, sample_of(self._console.readings, now, side.settings))
        self._app.copy_to_clipboard(text)
        self._app.push_screen(ClipboardNotice("copied to the terminal's clipboard, for the chat channel", text))
