"""`nexconsole drill`: stage a world in a process of its own, rehearse on it, and tell at its end how it went."""

from __future__ import annotations

import argparse
import importlib
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from . import drill
from .drill.command import EPILOG
from .errors import NexConsoleError
from .journal import journal_folder
from .model import utc_now
from .settings import Settings
from .warroom.scoring import debriefing

SettingsOn = Callable[[Mapping[str, str]], Settings]  # the console's, on the world with these variables


def add_parser(commands: Any, parents: Sequence[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command `drill` to argparse's subparsers; `run` does what it asks."""
    parser = commands.add_parser(
        "drill", parents=parents, help="rehearse an incident on a world of our own", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("scenario", nargs="?", default="provider-outage", help="which incident (see --list)")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument("--world", action="store_true", help="stage the world without a console, until stopped")
    parser.add_argument("--env-file", metavar="FILE", help="write the world's addresses there as environment lines")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same incident (see below)")
    parser.add_argument("--json-score", metavar="FILE", help="write the score there as JSON at the end")
    parser.add_argument("--keep-journal", metavar="FOLDER", help="copy the journals to this empty folder at the end")
    parser.add_argument(
        "--prometheus", choices=("ours", "real"), default="ours", help="real: the prometheus on PATH scrapes the market"
    )
    parser.add_argument(
        "--era", choices=("head", "old"), default="head", help="which NexNum: the newest, or the oldest (default head)"
    )
    return parser


def run(options: argparse.Namespace, settings_on: SettingsOn, open_console: Callable[[Settings], int]) -> int:
    """Do what was asked; the exit code. The world ends with the console, or with this process."""
    if options.list:
        width = max(map(len, drill.SCENARIOS))
        for name, title in drill.SCENARIOS.items():
            print(f"{name:<{width}}  {title}")
        return 0
    _check_places(options)
    stage = drill.Stage(
        options.scenario,
        seed=options.seed,
        prometheus=options.prometheus,
        era=options.era,
        env_file=options.env_file,
    )
    warm = threading.Thread(target=importlib.import_module, args=("nexconsole.app",), daemon=True)
    if not options.world:
        warm.start()  # Textual is imported while the world is staged
    try:
        with _ended_by_signals():
            for line in stage.progress():
                print(f"drill: {line}", file=sys.stderr, flush=True)
            with _debriefed(stage, options, settings_on):
                if options.world:
                    return _keep_world(stage.environment, options)
                return open_console(settings_on(stage.environment))
    finally:
        stage.stop()


def _check_places(options: argparse.Namespace) -> None:
    """Whether what is to be kept can be kept is found out before the rehearsal."""
    if options.keep_journal:
        debriefing.check_kept(Path(options.keep_journal))
    if options.json_score and not Path(options.json_score).absolute().parent.is_dir():
        raise NexConsoleError(f"{options.json_score}: its folder is not there")


@contextmanager
def _debriefed(stage: drill.Stage, options: argparse.Namespace, settings_on: SettingsOn) -> Iterator[None]:
    """The score at the end, however the rehearsal ends; where the console never opened there was none."""
    opened_at = utc_now()
    try:
        yield
    except NexConsoleError:
        raise
    except BaseException:  # told to end by Ctrl+C or a signal
        _debrief(stage, options, settings_on, opened_at)
        raise
    _debrief(stage, options, settings_on, opened_at)


def _debrief(stage: drill.Stage, options: argparse.Namespace, settings_on: SettingsOn, opened_at: datetime) -> None:
    """Print the score before the world and its journals are gone. Trouble with it is said, and hides nothing else."""
    folder = journal_folder(settings_on(stage.environment))
    try:
        record, entries = stage.record(), debriefing.entries_in(folder)
        if options.keep_journal:
            debriefing.keep(folder, Path(options.keep_journal))
        found = debriefing.debrief(record, entries, None if options.world else opened_at, utc_now())
        if options.json_score:
            Path(options.json_score).write_text(debriefing.as_json(found, record), encoding="utf-8")
        if entries or not options.world:
            columns = shutil.get_terminal_size().columns
            print(f"\n{debriefing.as_text(found, record, columns)}", end="", flush=True)
    except (NexConsoleError, OSError) as error:  # OSError also where the terminal itself is gone
        with suppress(OSError):
            print(f"nexconsole: no score: {error}", file=sys.stderr)


def _keep_world(environment: Mapping[str, str], options: argparse.Namespace) -> int:
    """Say where the world's addresses are and keep it until a signal ends this process.

    They hold passwords: what is written to a file of this account's is not shown on the terminal too.
    """
    if options.env_file and sys.stdout.isatty():
        print(f"drill: the world is ready; in another terminal: set -a; . {shlex.quote(options.env_file)}; set +a",
              file=sys.stderr, flush=True)  # fmt: skip
    else:
        sys.stdout.write("".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items()))
        sys.stdout.flush()
    signal.pause()
    return 0


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the drill as Ctrl+C does: through every `finally`."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, end) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
