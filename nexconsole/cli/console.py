"""`nexconsole`: the console on the systems that the settings name."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import TYPE_CHECKING

from .. import settings, terminal
from ..errors import TerminalError
from .options import load_for_screens, start_log

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from .parsing import Parser


def add_arguments(parser: Parser) -> None:
    from .parsing import add_at

    add_view(parser)
    add_at(parser)


def add_view(parser: Parser) -> None:
    """Display options, for every command that opens the console."""
    parser.add_argument("--present", action="store_true", help="as a shared screen: large, customer data masked")
    meaning = "read-only: no actions, no journal entries"
    parser.add_argument("--watch", dest="journal.read_only", action="store_const", const=True, help=meaning)


def run(options: Namespace) -> int:
    if options.at is not None:
        return _open_past(settings.named(load_for_screens(options).settings), options.at)
    return open_console(load_for_screens(options).settings, options.present)


def _open_past(chosen: Settings, text: str) -> int:
    """The replay application on the flight record, paused at this time; returns the exit code."""
    from ..model import utc_now
    from ..recording.past import replay_at, time_of
    from ..recording.player import Player

    at = time_of(text, utc_now())
    of = replay_at(chosen, at)
    need_terminal()
    from ..replay_app import ReplayApp

    player = Player(of.begin, of.end, [entry.at for entry in of.events], at=at)
    player.toggle()
    app = ReplayApp(chosen, of, player)
    app.run(mouse=chosen.mouse)
    return app.return_code or 0


def need_terminal() -> None:
    """Raises TerminalError where the console can't be shown, before anything is drawn."""
    if os.environ.get("TEXTUAL_DRIVER"):  # `serve` has a browser for it
        return
    if refused := terminal.why_not():
        raise TerminalError(refused)
    if not os.isatty(2):
        os.dup2(1, 2)  # Textual draws on the standard error


def open_console(chosen: Settings, present: bool = False) -> int:
    """Run the console; returns the exit code. `present`: begin with the shared screen."""
    need_terminal()
    if os.environ.get("TEXTUAL_DRIVER") and settings.may_act(chosen) and not terminal.attended():
        raise TerminalError("without a terminal the console only watches: give --watch, or leave TEXTUAL_DRIVER unset")
    from ..app import NexConsole

    unlogged = start_log(chosen)
    drill = chosen.name if chosen.environment == "drill" else None
    chosen = settings.console_settings(chosen)
    app = NexConsole(chosen, opener=_open_sources, drill=drill, warning=unlogged, present=present)
    app.run(mouse=chosen.mouse)
    if app.refused is not None:
        raise app.refused
    return app.return_code or 0


def _open_sources(chosen: Settings) -> Sources:
    """Imported only when the first frame stands."""
    from ..sources import open_sources

    return open_sources(chosen)
