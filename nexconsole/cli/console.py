"""`nexconsole`: the console on the systems that the settings name."""

from __future__ import annotations

import os
import sys
import termios
from argparse import Namespace
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from .. import settings, terminal
from ..errors import TerminalError
from ..interpreter import module_command, module_environment
from ..session.known_profiles import NO_PROFILES, KnownProfiles
from ..settings.profiles import NO_PROFILE
from .options import load_for_screens, load_profile, start_log, with_profile

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from .parsing import Parser


SWITCHED_FROM = "NEXCONSOLE_SWITCHED_FROM"  # for the console that follows: the profile before it
PRESENT = "--present"


def add_arguments(parser: Parser) -> None:
    from .parsing import add_at

    add_view(parser)
    add_at(parser)


def add_view(parser: Parser) -> None:
    """Display options, for every command that opens the console."""
    parser.add_argument(PRESENT, action="store_true", help="as a shared screen: large, customer data masked")
    meaning = "read-only: no actions, no journal entries"
    parser.add_argument("--watch", dest="journal.read_only", action="store_const", const=True, help=meaning)


def run(options: Namespace) -> int:
    if options.at is not None:
        return _open_past(settings.named(load_for_screens(options).settings), options.at)
    loaded = load_for_screens(options)
    profiles = KnownProfiles(
        names=loaded.profiles,
        load=partial(load_profile, options),
        current=loaded.settings.profile,
        before=os.environ.pop(SWITCHED_FROM, ""),
    )
    return open_console(loaded.settings, options.present, profiles)


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


def open_console(chosen: Settings, present: bool = False, profiles: KnownProfiles = NO_PROFILES) -> int:
    """Run the console; returns the exit code. `present`: begin with the shared screen; `profiles`: what may be switched
    to, which this process then begins anew with.
    """
    need_terminal()
    if os.environ.get("TEXTUAL_DRIVER") and settings.may_act(chosen) and not terminal.attended():
        raise TerminalError("without a terminal the console only watches: give --watch, or leave TEXTUAL_DRIVER unset")
    from ..app import NexConsole

    unlogged = start_log(chosen)
    drill = chosen.name if chosen.environment == "drill" else None
    chosen = settings.console_settings(chosen)
    app = NexConsole(chosen, opener=_open_sources, drill=drill, warning=unlogged, present=present, profiles=profiles)
    if profiles.before:
        _drop_typed()
    app.run(mouse=chosen.mouse)
    if app.switching_to and app.refused is None:
        _begin_anew(app.switching_to, profiles.current, app.presented)
    if app.refused is not None:
        raise app.refused
    return app.return_code or 0


def _drop_typed() -> None:
    """What was typed for the other profile, while neither console stood, does nothing in this one."""
    with suppress(termios.error, OSError):
        termios.tcflush(0, termios.TCIFLUSH)


def _begin_anew(profile: str, before: str, present: bool) -> NoReturn:
    """This process becomes the console of that profile, with the same arguments otherwise: nothing is taken along.

    A shared screen stays one.
    """
    words = [word for word in with_profile(sys.argv[1:], profile) if word != PRESENT]
    environment = module_environment(os.environ) | {SWITCHED_FROM: before or NO_PROFILE}
    sys.stdout.flush()
    os.execve(sys.executable, [*module_command("nexconsole"), *words, *[PRESENT] * present], environment)


def _open_sources(chosen: Settings) -> Sources:
    """Imported only when the first frame stands."""
    from ..sources import open_sources

    return open_sources(chosen)
