"""`nexconsole watch`: the console that only watches; with `--lines` the console in plain sentences, one a line."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import textwrap
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import settings, terminal
from ..settings import Settings
from ..text.units import period
from . import printing
from .options import load, load_for_screens, start_log
from .parsing import Parser

if TYPE_CHECKING:
    from ..session.session import Session

LAST_LINES_S = 1.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: Parser) -> None:
    meaning = "plain sentences, one a line, and what can be done by number: for screen readers, pipes and logs"
    parser.add_argument("--lines", action="store_true", help=meaning)


def run(options: Namespace) -> int:
    """Exit code 0 when left, 128 and its number after a signal."""
    if not options.lines:
        from .console import open_console

        setattr(options, "journal.read_only", True)
        return open_console(load_for_screens(options).settings)
    chosen = settings.console_settings(load(options).settings)
    unlogged = start_log(chosen)
    from ..incident.role_problems import approval_problems

    for problem in filter(None, (unlogged, *approval_problems(chosen))):
        print(f"nexconsole: {problem}", file=sys.stderr)
    return asyncio.run(_run(chosen))


async def _run(chosen: Settings) -> int:
    from ..line_mode.console import NO_TERMINAL, LineConsole
    from ..line_mode.input import LineInput
    from ..line_mode.output import LineOutput
    from ..recording.flight_recorder import open_flight_recorder
    from ..session.performer import LEAVE_S
    from ..session.session import Session
    from ..signals.registry import polled
    from ..sources import open_sources
    from ..widgets.glyphs import drawn

    code = 0
    sources = open_sources(chosen)
    session = Session(chosen, sources, heard=lambda entry: console.heard(entry))
    typed = LineInput(sys.stdin) if sys.stdin is not None and sys.stdin.isatty() else None

    glyphs, at_terminal = terminal.glyph_set(chosen.glyphs), sys.stdout is not None and sys.stdout.isatty()

    def lost(error: OSError) -> None:
        printing.lose(error)
        console.ended.set()

    output = LineOutput(sys.stdout, lost)

    def write(text: str) -> None:
        text = drawn(text, glyphs)
        for line in _wrapped(text) if at_terminal else (text,):
            output.write(line)

    console = LineConsole(session, write, typed, session.clock, output.written)

    def leave(number: int) -> None:
        nonlocal code
        code = 128 + number
        console.ended.set()

    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, leave, number)
    where = chosen.place
    console.say(f"{where}: reading; " + ("type help for what can be done" if typed else NO_TERMINAL))
    if typed is not None:
        typed.start()
    sources.load()
    tasks = [asyncio.create_task(sources.watch())]
    tasks.append(asyncio.create_task(_tell(session, console.say)))
    tasks += [asyncio.create_task(session.monitor.poll(each, sources)) for each in polled(chosen)]
    recorder = open_flight_recorder(chosen, console.say)
    if recorder is not None:
        session.monitor.listeners.append(recorder.take)
        tasks.append(asyncio.create_task(recorder.run()))
    session.start()
    try:
        await console.run()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if recorder is not None:
            await recorder.close()
        await session.close(
            lambda operation: console.say(f"waiting for the answer to {operation.name}, {period(LEAVE_S)} at most")
        )
        await sources.close()
        output.close(LAST_LINES_S)
    return code


async def _tell(session: Session, say: Callable[[str], None]) -> None:
    """Say who outside could not be told of something; never ends."""
    said = ""
    while True:
        await asyncio.sleep(1.0)
        if said != (said := session.notices.trouble) and said:
            say(said)


def _wrapped(text: str) -> list[str]:
    """A sentence in lines of the terminal's width, broken at blanks; what follows the first line is indented."""
    columns = max(20, shutil.get_terminal_size().columns)
    lines = textwrap.wrap(text, columns, subsequent_indent="  ", break_on_hyphens=False, replace_whitespace=False)
    return lines or [""]
