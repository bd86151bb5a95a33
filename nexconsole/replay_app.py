"""The replay application: the console on a recording, without sources or actions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.screen import Screen

from .app import NexConsole
from .catalogue import Subject
from .errors import SettingsError
from .recording.player import MOMENTS, Player, moment_of
from .recording.replay import Replay, sealed
from .screens.replay import ReplayScreen
from .session.replay import PLAYER, REPLAY, ReplaySession
from .settings import Settings
from .text.units import moment
from .widgets.banner import bound_keys, titled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .journal import Entry
    from .screens.controller import Controller
    from .screens.palette import PaletteCommand

# How the names of commands begin that do no harm.
ALLOWED = (
    "console.",
    "scenario.",
    "journal.show",
    "incident.show",
    "report.line",
    "operation.dismiss",
)  # how names begin
REFUSED = ("scenario.begin",)
NOT_HERE = (
    "note",
    "object",
    "approve",
    "open_proposal",
    "logs",
    "export",
    "sheet",
    "undo",
    "stop",
    "turn('logs')",
    "turn('sheet')",
)


class ReplayApp(NexConsole):
    """Plays one incident. The screen's clock is the player's."""

    console_screen: ReplayScreen

    def __init__(self, settings: Settings, of: Replay, player: Player) -> None:
        self.of, self.player = of, player
        super().__init__(
            sealed(settings, of),
            clock=lambda: player.now,
            warning="; ".join(of.problems) or None,
            screen=partial(ReplayScreen, of=of, player=player),
            capabilities=PLAYER,
        )

    async def _start_polling(self) -> None:
        """Nothing is polled: the screen plays."""
        await self._watch_more()
        await self._make_controller()
        self.console_screen.told = self._tell
        self.console_screen.tell(anew=True)

    async def _record_incident(self) -> None:
        """A replay is not recorded."""

    def _tell(self, entries: Sequence[Entry]) -> None:
        session = self.controller.session
        assert isinstance(session, ReplaySession)
        session.incident_store.tell(self.of.name, entries)
        self.controller.tick()

    @cached_property
    def controller(self) -> Controller:
        from .screens.controller import Controller

        make_session = partial(ReplaySession, self.of.entries)
        return Controller(
            self,
            self.console_screen,
            self.settings,
            None,
            self._clock_of_readings,
            capabilities=self.capabilities,
            make_session=make_session,
        )

    async def on_unmount(self) -> None:  # beside the console's own, which Textual calls too
        self.of.recording.close()

    # --- what can't be done -----------------------------------------------------------------------------------

    def palette_commands(self, subject: Subject | None = None) -> list[PaletteCommand]:
        return [_possible(command) for command in super().palette_commands(subject)]

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        console = self.console_screen
        bound = bound_keys(type(self), type(console))
        yield SystemCommand(
            titled("Play or pause", bound, "replay.pause"), "Stop the replay, or go on", console.action_pause
        )
        yield SystemCommand(
            titled("Next event", bound, "replay.next"),
            "On to the next event of the journal",
            partial(console.action_event, 1),
        )
        yield SystemCommand(
            titled("Previous event", bound, "replay.previous"),
            "Back to the event before",
            partial(console.action_event, -1),
        )
        yield SystemCommand("Go to a time", "Such as 14:07, or +12:30 from the beginning", self._go)
        yield from (
            command for command in super().get_system_commands(screen) if not command.title.startswith("Freeze")
        )

    def _go(self) -> None:
        self.run_worker(self._ask_where(), group="dialogs")

    async def _ask_where(self) -> None:
        from .screens.prompt import Prompt

        def wrong(text: str) -> str:
            try:
                moment_of(text, self.of.begin, self.of.opened)
            except SettingsError:
                return MOMENTS
            return ""

        hint = f"the replay is from {moment(self.of.begin)} to {moment(self.of.end)}"
        text = await self.push_screen_wait(Prompt(f"go where? {MOMENTS}", hint=hint, wrong=wrong))
        if text is not None:
            self.player.go(moment_of(text, self.of.begin, self.of.opened))
            self.console_screen.turn()

    def _refuse(self) -> None:
        self.console_screen.say(REPLAY)

    def offered(self, action: str) -> bool:
        """Actions are not listed in a replay; their keys say that it is a replay."""
        return action not in NOT_HERE and super().offered(action)

    def action_incident(self) -> None:
        if self.controller.session.incident is None:
            self.console_screen.say(f"no incident was open by then: {REPLAY}")
        else:
            super().action_incident()

    def action_logs(self) -> None:
        self._refuse()


def _possible(command: PaletteCommand) -> PaletteCommand:
    possible = command.name.startswith(ALLOWED) and command.name not in REFUSED
    return command if possible else replace(command, why_not=REPLAY)
