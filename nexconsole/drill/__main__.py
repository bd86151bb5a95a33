"""`python -m nexconsole.drill SCENARIO`: the drill's world process, until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import signal
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..errors import DrillError, in_words
from .scenarios import SCENARIOS

if TYPE_CHECKING:
    from .control import Control
    from .world import DrillWorld

HEAD = "# A drill's addresses, removed when it ends"


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(f"  {scenario.name:20}{scenario.title}" for scenario in SCENARIOS.values())
    parser = argparse.ArgumentParser(
        prog="python -m nexconsole.drill",
        description="Stage an incident on servers of its own, print their addresses, keep it until stopped.",
        epilog=f"scenarios:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", help="one of those below")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same incident (default 0)")
    parser.add_argument("--prometheus", choices=("ours", "real"), default="ours", help="real: the binary on PATH")
    parser.add_argument("--era", choices=("head", "old"), default="head", help="which NexNum (default head)")
    parser.add_argument("--runtime", choices=("kubernetes", "docker"), default="kubernetes", help="what NexNum runs in")
    parser.add_argument("--timezone", default="UTC", help="PostgreSQL's time zone (default UTC)")
    parser.add_argument("--timestamptz", action="store_true", help="timestamps with time zone in the tables")
    parser.add_argument("--env-file", type=Path, help="write the environment lines there too; removed at the end")
    parser.add_argument(
        "--ready-fd", type=int, help="report progress, then the environment, to this descriptor as JSON lines"
    )
    parser.add_argument("--die-with-parent", action="store_true", help="end when stdin is closed")
    return parser


def environment_lines(environment: dict[str, str]) -> str:
    """KEY=value lines that a shell can source with `set -a`."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Run a world; exit code 0 when told to end, 1 when it could not start or broke, 2 for wrong arguments."""
    options = _parser().parse_args(argv)
    try:
        return asyncio.run(_run(options))
    except DrillError as error:
        print(error, file=sys.stderr)
        return 1


async def _run(options: argparse.Namespace) -> int:
    from .world import DrillWorld

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    if options.die_with_parent:
        _watch_stdin(lambda: loop.call_soon_threadsafe(ended.set))
    control: Control | None = None
    world = DrillWorld(
        options.scenario,
        options.seed,
        prometheus=options.prometheus,
        era=options.era,
        runtime=options.runtime,
        timezone=options.timezone,
        timestamptz=options.timestamptz,
    )
    reports = sys.stderr if options.ready_fd is None else os.fdopen(options.ready_fd, "w")
    starting = asyncio.create_task(world.start(partial(_report, reports, options.ready_fd is not None)))
    ending = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return 0
        starting.result()
        control = await _listen(world)
        _announce(world, options.env_file)
        if options.ready_fd is not None:
            print(json.dumps({"environment": world.environment()}), file=reports, flush=True)
            reports.close()
        broken = asyncio.create_task(world.failed())
        await asyncio.wait((broken, ending), return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            broken.result()
        broken.cancel()
    finally:
        ending.cancel()
        if control is not None:
            await control.close()
        await world.close()
    return 0


async def _listen(world: DrillWorld) -> Control | None:
    """Let a second terminal instruct the drill; where that can't be, the drill goes on without."""
    from .control import Control

    control = Control(world.instruction)
    try:
        world.temp_tree.take_in(await control.start())
    except DrillError as error:
        print(f"No second terminal can instruct this drill: {error}", file=sys.stderr, flush=True)
        return None
    return control


def _report(reports: IO[str], as_json: bool, line: str) -> None:
    print(json.dumps({"progress": line}) if as_json else line, file=reports, flush=True)


def _announce(world: DrillWorld, env_file: Path | None) -> None:
    lines = environment_lines(world.environment())
    print(lines, end="", flush=True)
    if env_file is not None:
        try:
            _make_way(env_file)
            descriptor = os.open(env_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            world.temp_tree.take_in(env_file)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{HEAD}\n{lines}")
        except OSError as error:
            raise DrillError(f"The environment can't be written to {env_file}: {in_words(error)}.") from error


def _make_way(env_file: Path) -> None:
    """Remove an earlier drill's file, or an empty one. Raises DrillError where another's lies there."""
    if env_file.is_symlink():
        raise DrillError(f"{env_file} is a link, which is not followed: name another file for the environment.")
    try:
        descriptor = os.open(env_file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb") as file:
        ours = stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.read(len(HEAD)) in (b"", HEAD.encode())
    if not ours:
        raise DrillError(f"{env_file} is not a drill's: name another file for the environment.")
    env_file.unlink()


def _watch_stdin(closed: Callable[[], object]) -> None:
    """Call `closed` when stdin's other end is gone; the thread does not keep the process alive."""

    def wait() -> None:
        while os.read(0, 4096):
            continue
        closed()

    threading.Thread(target=wait, name="parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
