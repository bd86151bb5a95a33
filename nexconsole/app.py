"""The application: connects settings and sources to the console screen, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import signal as signals_of_the_system
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.screen import Screen
from textual.widgets import Input

from . import allocator, paths, terminal
from .errors import NexConsoleError
from .model import Reading, SourceHealth, utc_now
from .panes.registry import extra_view
from .panes.view import SignalView
from .screens.availability import LOOKING
from .screens.command_app import CommandApp
from .screens.console import ConsoleScreen
from .screens.dialog import Dialog, named
from .session.capabilities import Capabilities, capabilities_of
from .session.known_causes import read_shipped
from .session.monitor import Monitor
from .settings import Settings
from .sources import NAMES
from .sources.importing import COURTESY
from .widgets import textual_themes as themes
from .widgets.driver import NonBlockingDriver, non_blocking
from .widgets.glyphs import TABLES
from .widgets.key_guard import KeyGuard, may_pass
from .widgets.key_map import KEY_MAP
from .widgets.masked_input import MaskedInput
from .widgets.privacy import MASKER

if TYPE_CHECKING:
    from rich.text import Text

    from .recording.flight_recorder import FlightRecorder
    from .recording.recorder import Recorder
    from .session.known_profiles import KnownProfiles
    from .session.operation import Operation
    from .sources import Sources

PARENT_S = 2.0  # how often a served console looks whether it still is
TERMINAL_S = 1.0  # how often it is looked at whether the terminal is still there
FLIGHT_S = 5.0  # after which the flight record is kept: who only looks in shall not wait for it
SETTLED_S = 3.0  # after the last module: by then the chapters of runbooks and causes are read
# New objects to a look at the young ones, which takes a millisecond; looks to one at those that they left, 6 ms with a
# thousand providers (40 ms, were it every hundredth); and rarely at the others, among which are modules.
COLLECTED = (2_000, 10, 500)
CLOSE_S = 0.5  # how long leaving may wait for connections to say goodbye
SWITCH_S = 0.001  # a thread that imports or decodes lets the screen have its turn after so long
ENDING = (signals_of_the_system.SIGTERM, signals_of_the_system.SIGHUP, signals_of_the_system.SIGINT)
# Of our own, imported in a thread once the first frame stands; on the loop they would hold up keys for 150 ms.
BEHIND = ("signals.registry", "severity", *(f"sources.{name}" for name in NAMES), "sources.flight_record")
LAST = ("screens.controller", "screens.scenario", "screens.palette_commands")  # when these are there


class NexConsole(CommandApp):
    """The console on these sources, or on those that `opener` makes of the settings after the first paint.

    With neither, nothing is polled: readings come by `monitor.take`. `refused` is why it ended at once.
    `recorder` gets every reading, for replay.
    """

    CSS_PATH: ClassVar = [paths.STYLES / "console.tcss"]
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    ALLOW_SELECT = False
    TITLE = "NexConsole"

    def __init__(
        self,
        settings: Settings,
        sources: Sources | None = None,
        *,
        opener: Callable[[Settings], Sources] | None = None,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        drill: str | None = None,
        warning: str | None = None,
        recorder: Recorder | None = None,
        screen: Callable[..., ConsoleScreen] = ConsoleScreen,
        present: bool = False,
        capabilities: Capabilities | None = None,
        profiles: KnownProfiles | None = None,
    ) -> None:
        super().__init__(driver_class=non_blocking(self.get_driver_class()))
        self._present_at_once = present
        self.capabilities = capabilities or capabilities_of(settings)
        self.monitor = Monitor(settings, clock=clock, health=self._health)
        self.monitor.listeners.append(self._record_reading)
        if self.capabilities.silent:  # only to be looked at: a key that does something does not exist here
            self.keep_bindings(LOOKING)
        self.settings, self.sources, self._opener = settings, sources, opener
        self.set_keymap(KEY_MAP.use(settings.keys))
        self.refused: NexConsoleError | None = None
        self.monotonic = monotonic  # in seconds: how long ago a dialog opened
        if profiles is not None:
            self.profiles = profiles
        self._arrival: KeyGuard | None = None  # once it stands, where another profile stood before
        self._told_to_end = 0  # by this signal
        self.recorder = recorder
        self.flight_recorder: FlightRecorder | None = None
        self._recorded_incident: str | None = None
        self.console_screen = screen(
            settings, clock, self.monitor, capabilities=self.capabilities, drill=drill, notice=warning or ""
        )
        self.console_screen.row_wanted = self.row_wanted
        self._clock_of_readings, self._drill = clock, drill
        if not terminal.may_move(settings.motion):
            self.animation_level = "none"
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.theme = themes.PREFIX + settings.theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.DEFAULTS

    def get_default_screen(self) -> Screen[Any]:
        return self.console_screen

    def _health(self) -> tuple[SourceHealth, ...]:
        return self.sources.health() if self.sources else ()

    # --- begin and end ----------------------------------------------------------------------------------------

    async def run_async(self, *args: Any, **options: Any) -> Any:
        """As Textual's, with our signal handlers set before the terminal is, and with glyphs that it can draw."""
        if not self.is_web:
            self.sent.glyphs = TABLES[terminal.glyph_set(self.settings.glyphs)]
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            for number in ENDING:
                loop.add_signal_handler(number, self._leave, number)
        return await super().run_async(*args, **options)

    def on_mount(self) -> None:
        if self._told_to_end:
            self._leave(self._told_to_end)  # while there was nothing yet that could be left
        if self.is_web:  # whoever served it may have died
            parent = os.getppid()
            self.set_interval(PARENT_S, lambda: None if os.getppid() == parent else self.exit())
        self.call_after_refresh(self._begin)

    def _leave(self, number: int) -> None:
        """A signal asks to end: leave as `q` does, so that the terminal is restored."""
        self._told_to_end = number
        if self.is_running:
            self.exit(return_code=128 + number)

    def _begin(self) -> None:
        """After the first paint: freeze long-lived objects for the collector, and begin polling."""
        self._arrival = KeyGuard(self.monotonic)
        if self.profiles.before:
            self.console_screen.say(f"switched from {self.profiles.before} to {self.settings.profile}")
        if self._present_at_once:
            self.present(True)
        gc.freeze()
        gc.set_threshold(*COLLECTED)
        gc.enable()
        sys.setswitchinterval(SWITCH_S)
        allocator.share_heap()
        self.run_worker(self._start_polling(), name="start", group="polling")
        self.set_interval(TERMINAL_S, self._look_at_terminal)

    def _look_at_terminal(self) -> None:
        """Leave when the terminal is gone; redraw all when it accepts output again."""
        driver = self.driver
        if not isinstance(driver, NonBlockingDriver):
            return
        if driver.gone:
            self._leave(signals_of_the_system.SIGHUP)
        elif driver.caught_up:
            driver.behind = False
            self.sent.forget()
            self.screen.refresh()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Resize):
            self.sent.forget()  # a terminal that has another size, or comes back, may show anything
        elif isinstance(event, events.InputEvent):
            if not self.has_screen or self.switching_to:  # it leaves: a key that was on its way does nothing
                return
            if self.profiles.before and (self._arrival is None or self._arrival.refuses()):
                self.console_screen.say(
                    f"{self.settings.profile} by now: what was typed for {self.profiles.before} is dropped"
                )
                return
            COURTESY.key()
            if isinstance(event, events.Key) and not event.is_forwarded:
                line = self.screen.focused
                own_words = isinstance(line, MaskedInput) and line.own_words
                if not may_pass(event, typing=isinstance(line, Input), own_words=own_words):
                    self._say_burst(event)
                    return
                if self.presenting:
                    self.presentation.pressed(self.console_screen, event, line)
        await super().on_event(event)

    def _say_burst(self, event: events.Key) -> None:
        """A key came together with others and was dropped: nobody saw its effect on screen first."""
        text = f"{named(event)} came together with other keys, as if pasted: press it by itself"
        (self.screen.say if isinstance(self.screen, Dialog) else self.console_screen.say)(text)

    def sources_by_now(self) -> Sources | None:
        """The sources, opened by whoever needs them first: a key may be pressed before they are polled."""
        if self.sources is None and self._opener is not None and self.refused is None:
            try:
                self.sources = self._opener(self.settings)
            except NexConsoleError as error:
                self.refused = error
                self.exit()
        return self.sources

    async def _start_polling(self) -> None:
        if self._opener is not None:
            await asyncio.to_thread(COURTESY.run, _import_behind)
        sources = self.sources_by_now()
        if sources is None:
            return
        from .signals.registry import polled

        await self._watch_more()
        sources.load()
        self.run_worker(sources.watch(), name="api", group="polling")
        for signal in polled(self.settings):
            self.run_worker(self.monitor.poll(signal, sources), name=signal.name, group="polling")
        if self.recorder is not None:
            self.record(self.recorder)
        self.set_timer(FLIGHT_S, self._keep_flight_record)
        self.run_worker(self._make_controller(), name="controller")

    async def _watch_more(self) -> None:
        """The signals of installed packages and of the settings, and what is wrong with them."""
        from .signals.registry import problems

        await self.console_screen.watch_more(await asyncio.to_thread(_views_of_others, self.settings))
        for problem in problems(self.settings):
            self.console_screen.say(problem, 15.0)

    async def _make_controller(self) -> None:
        """Make the session last, imported beside the loop, so that panes and keys don't wait for it."""
        if self.sources is not None:
            await self.sources.loaded()
        await asyncio.to_thread(COURTESY.run, read_shipped)
        for module in LAST:  # one by one: who leaves meanwhile waits for no more than one
            await asyncio.to_thread(COURTESY.run, partial(importlib.import_module, f"{__package__}.{module}"))
        await asyncio.to_thread(COURTESY.run, _load_actions)
        self.controller.start()
        self.set_interval(1.0, self._record_incident)
        self.set_timer(SETTLED_S, self._settle)

    async def _settle(self) -> None:
        """What is there by now stays: no collector needs to look at it, and what it took to get there is free."""
        gc.freeze()
        await asyncio.to_thread(allocator.return_free_pages)

    def _keep_flight_record(self) -> None:
        self.run_worker(self._record_flight(), name="flight recorder", group="recorder")

    async def _record_flight(self) -> None:
        """Keep the flight record, incident or not, unless another console of this account does."""
        module = partial(importlib.import_module, f"{__package__}.recording.flight_recorder")
        await asyncio.to_thread(COURTESY.run, module)
        from .recording.flight_recorder import open_flight_recorder

        say = partial(self.console_screen.say, seconds=15.0)
        recorder = open_flight_recorder(self.settings, say, self._clock_of_readings)
        if recorder is None:
            return
        self.flight_recorder = recorder
        for reading in self.monitor.readings.values():
            recorder.take(reading)
        self.monitor.listeners.append(recorder.take)
        await recorder.run()

    def _record_reading(self, reading: Reading) -> None:
        if self.recorder is not None:
            self.recorder.take(reading)

    def record(self, recorder: Recorder) -> None:
        """Record every reading in this file from now on, beginning with the present ones."""
        self.recorder = recorder
        for reading in self.monitor.readings.values():
            recorder.take(reading)
        self.run_worker(self._record(recorder), name="recorder", group="recorder")

    async def _record_incident(self) -> None:
        """Record the current incident beside its journal; end the recording with another incident or none."""
        book = self.controller.session.incident_store
        if book.current == self._recorded_incident:
            return
        self._recorded_incident = book.current
        await self.stop_recording()
        if book.current is not None:
            from .recording.recorder import Recorder
            from .storage.schema import recording_file

            record = self.sources.record_file if self.sources is not None else None
            file = recording_file(book.journal.journal)
            self.record(Recorder(self.settings, file, self._clock_of_readings, record))

    async def _record(self, recorder: Recorder) -> None:
        await recorder.run()
        if recorder.trouble:
            self.console_screen.say(recorder.trouble, 15.0)

    async def stop_recording(self) -> None:
        """Flush the recording, and let another console record."""
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            await recorder.close()

    def on_console_screen_attention(self) -> None:
        """Read the outbox's worst events only while a pane or a scenario shows them."""
        if self.sources is None:
            return
        from .signals.outbox import EVENTS

        large = self.console_screen.maximized_pane
        in_pane = large is not None and getattr(large.face, "EVENTS", None) == EVENTS.name
        if in_pane or ("controller" in self.__dict__ and EVENTS.name in self.controller.scenarios.looked_at):
            if not any(worker.group == EVENTS.name and worker.is_running for worker in self.workers):
                self.run_worker(self.monitor.poll(EVENTS, self.sources), name=EVENTS.name, group=EVENTS.name)
        else:
            self.workers.cancel_group(self, EVENTS.name)

    async def on_unmount(self) -> None:
        if threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().remove_signal_handler(signals_of_the_system.SIGINT)  # now it leaves at once
        MASKER.disable()
        if "controller" in self.__dict__:
            await self.controller.close(_say_waiting)
        await self.stop_recording()
        if self.flight_recorder is not None:
            await self.flight_recorder.close()
        if self.sources is None:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.sources.close()
        except TimeoutError:
            self.log.warning("the sources did not close in time")

    def bug_report(self, error: BaseException) -> Text:
        """Report a crash without local variables, which hold addresses with passwords."""
        from rich.text import Text

        from .journal.redaction import secrets_of
        from .logging_setup import crash_report

        return Text(crash_report(error, secrets_of(self.settings)))


def _say_waiting(operation: Operation) -> None:
    """The terminal is restored, or gone."""
    with contextlib.suppress(OSError):
        print(
            f"nexconsole: waiting for the answer to {operation.name}; Ctrl+C leaves at once",
            file=sys.stderr,
            flush=True,
        )


def _views_of_others(settings: Settings) -> tuple[SignalView, ...]:
    """The views of the signals of installed packages and of the settings; imports them when first called."""
    from .signals.registry import extra

    return tuple(extra_view(signal) for signal in extra(settings))


def _import_behind() -> None:
    for module in BEHIND:
        importlib.import_module(f"{__package__}.{module}")
    from .signals.registry import extra

    extra()  # what installed packages bring is imported here too


def _load_actions() -> None:
    """All of them: the sheet on disk has every remedy."""
    from .actions.registry import ACTIONS

    ACTIONS.load()
