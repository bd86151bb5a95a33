"""`nexconsole replay [INC]`: plays a recorded incident in the console's panes."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from .. import settings
from ..errors import SettingsError
from .console import need_terminal
from .options import load_for_screens

if TYPE_CHECKING:
    from .parsing import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("incident", nargs="?", metavar="INC", help="its id or recording; none: list what was recorded")
    parser.add_argument("--speed", type=float, default=1.0, metavar="N", help="0.5 to 64 times as fast (default 1)")
    meaning = "begin there: 14:07, a date and time, or +MM:SS from its beginning"
    parser.add_argument("--at", metavar="TIME", help=meaning)


def run(options: Namespace) -> int:
    from ..journal import journal_folder
    from ..recording import player, replay

    chosen = settings.named(load_for_screens(options).settings)
    if options.incident is None:
        print("\n".join(replay.listed(chosen)) or f"nothing was recorded in {journal_folder(chosen)}")
        return 0
    if not player.SLOWEST <= options.speed <= player.FASTEST:
        raise SettingsError(f"--speed {options.speed:g}: give {player.SLOWEST:g} to {player.FASTEST:g}")
    of = replay.open_replay(options.incident, chosen)
    begin = player.moment_of(options.at, of.begin, of.opened) if options.at else of.start
    need_terminal()
    from ..replay_app import ReplayApp

    marks = [entry.at for entry in of.events]
    app = ReplayApp(chosen, of, player.Player(of.begin, of.end, marks, speed=options.speed, at=begin))
    app.run(mouse=chosen.mouse)
    return app.return_code or 0
