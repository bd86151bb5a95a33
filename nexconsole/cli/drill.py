"""`nexconsole drill`: starts the drill's world in its own process, opens the console on it, and scores
the rehearsal.
"""

from __future__ import annotations

import importlib
import shlex
import shutil
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from .. import drill
from ..drill.score import debriefing
from ..errors import DrillError, NexConsoleError, in_words
from ..journal import journal_folder
from ..model import utc_now
from ..settings import Settings
from ..text.suggestions import did_you_mean
from ..text.units import duration
from .console import add_view, need_terminal, open_console
from .folding import for_terminal
from .instruct import EPILOG, VERBS
from .options import load
from .parsing import HelpForm, Parser


def add_arguments(parser: Parser) -> None:
    parser.epilog, parser.formatter_class = EPILOG, HelpForm
    add_view(parser)
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
    _add_runtime(parser)


def _add_runtime(parser: Parser) -> None:
    parser.add_argument(
        "--runtime",
        choices=("kubernetes", "docker"),
        default="kubernetes",
        help="what NexNum runs in: a cluster, or Docker Compose, as the newest does (default kubernetes)",
    )


def run(options: Namespace) -> int:
    """Run the command; returns the exit code. The world ends with the console, or with this process."""
    if options.list:
        return _list()
    if options.scenario in drill.SCENARIOS and not options.world:
        need_terminal()  # before a world is staged in vain
    if near := options.scenario not in drill.SCENARIOS and did_you_mean(
        options.scenario, (*drill.SCENARIOS, *dict(VERBS))
    ):
        raise DrillError(f"there is no scenario {options.scenario}{near}")
    _check_places(options)
    stage = drill.Stage(
        options.scenario,
        seed=options.seed,
        prometheus=options.prometheus,
        era=options.era,
        runtime=options.runtime,
        env_file=options.env_file,
    )
    warm = threading.Thread(target=importlib.import_module, args=("nexconsole.app",), daemon=True)
    if not options.world:
        warm.start()  # Textual is imported while the world is staged
    try:
        with _ended_by_signals():
            began = time.monotonic()
            for line in stage.progress():
                print(for_terminal(f"drill: {line}", 7, errors=True), file=sys.stderr, flush=True)
            with _debriefed(stage, options):
                if options.world:
                    return _keep_world(stage.environment, options, time.monotonic() - began)
                return open_console(_settings_on(stage, options), options.present)
    finally:
        stage.stop()


def _settings_on(stage: drill.Stage, options: Namespace) -> Settings:
    """The console's settings on the world: its addresses, and what the flags say."""
    return load(options, stage.environment).settings


def _list() -> int:
    """On a terminal by group; in a pipe one line a scenario and nothing else."""
    width = max(map(len, drill.SCENARIOS))
    for heading, names in drill.SCENARIO_GROUPS.items():
        if names and sys.stdout.isatty():
            print(for_terminal(f"\n{heading}:"))
        for name in names:
            print(for_terminal(f"{name:<{width}}  {drill.SCENARIOS[name]}", width + 2))
    return 0


def _check_scenario(name: str) -> None:
    """Raises DrillError for a misspelt scenario or verb; the stage checks the rest."""
    words = (*drill.SCENARIOS, *(verb for verb, _ in VERBS))
    if name not in drill.SCENARIOS and (near := did_you_mean(name, words)):
        raise DrillError(f"there is no scenario {name}{near}")


def _check_places(options: Namespace) -> None:
    """Check before the rehearsal that the requested files can be written."""
    if options.keep_journal:
        debriefing.check_kept(Path(options.keep_journal))
    if options.json_score and not Path(options.json_score).absolute().parent.is_dir():
        raise NexConsoleError(f"{options.json_score}: its folder is not there")


@contextmanager
def _debriefed(stage: drill.Stage, options: Namespace) -> Iterator[None]:
    """The score, however the rehearsal ended; none where the console never opened."""
    opened_at = utc_now()
    try:
        yield
    except NexConsoleError:
        raise
    except BaseException:  # told to end by Ctrl+C or a signal
        _debrief(stage, options, opened_at)
        raise
    _debrief(stage, options, opened_at)


def _debrief(stage: drill.Stage, options: Namespace, opened_at: datetime) -> None:
    """Print the score before the world and its journals are removed. Trouble is reported, and hides no other error."""
    folder = journal_folder(_settings_on(stage, options))
    try:
        record, entries = stage.record(), debriefing.entries_in(folder)
        if options.keep_journal:
            debriefing.keep(folder, Path(options.keep_journal))
        score = debriefing.debrief(record, entries, None if options.world else opened_at, utc_now())
        if options.json_score:
            Path(options.json_score).write_text(debriefing.as_json(score, record), encoding="utf-8")
        if entries or not options.world:
            columns = shutil.get_terminal_size().columns
            print(f"\n{debriefing.as_text(score, record, columns)}", end="", flush=True)
    except (NexConsoleError, OSError) as error:  # OSError also where the terminal itself is gone
        file = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        with suppress(OSError):
            print(f"nexconsole: no score: {file}{in_words(error)}", file=sys.stderr)


def _keep_world(environment: Mapping[str, str], options: Namespace, seconds: float) -> int:
    """Say how to use the world and keep it until a signal ends this process. `seconds`: how long the start took.

    The addresses hold passwords: what is written to a file of this account's is not shown on the terminal too.
    """
    if not (options.env_file and sys.stdout.isatty()):
        sys.stdout.write("".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items()))
        sys.stdout.flush()
    print(f"drill: {_how_to_use(options.env_file, seconds)}", file=sys.stderr, flush=True)
    signal.pause()
    return 0


def _how_to_use(env_file: str | None, seconds: float) -> str:
    """What to say once the world is ready."""
    ready = f"the world is ready after {duration(seconds)}, until Ctrl+C"
    if env_file is None:
        return f"{ready}; its addresses stand above as environment lines; with --env-file FILE a file holds them"
    place = shlex.quote(str(Path(env_file).absolute()))  # with a slash: a shell looks for others on PATH
    return f"{ready}; in another terminal:\n  set -a; . {place}; set +a; nexconsole"


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
