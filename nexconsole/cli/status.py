"""`nexconsole status`: reads every signal once, or repeatedly with one line a change."""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from contextlib import closing

from .. import status
from ..causes.wording import named_words
from ..errors import NexConsoleError, SettingsError
from ..exposition import exposition
from ..logging_setup import crash_report
from ..model import utc_now
from ..session.incident_store import IncidentStore
from ..session.known_causes import know_causes
from ..session.monitor import Monitor
from ..settings import Settings, named
from ..sources import Sources, open_sources
from ..status import NOT_KNOWN, Status
from ..text.units import moment
from . import printing
from .options import load, start_log
from .parsing import Parser, add_at

FORMATS = ("text", "json", "prometheus")
WATCH_S = 5.0
WATCH_LEAST_S, WATCH_MOST_S = 1.0, 3600.0


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="text", help="prometheus: for a textfile collector")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_seconds,
        const=WATCH_S,
        metavar="SECONDS",
        help=f"read again every so many seconds (default {WATCH_S:g}), and print a line when something changes",
    )
    add_at(parser)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not WATCH_LEAST_S <= seconds <= WATCH_MOST_S:
        raise ArgumentTypeError(f"{text!r}: give seconds, {WATCH_LEAST_S:g} to {WATCH_MOST_S:g}")
    return seconds


def run(options: Namespace) -> int:
    """Print the status; the exit code is the state's, NOT_KNOWN where it is unknown."""
    try:
        if options.watch is not None and options.format == "prometheus":
            raise SettingsError("--watch prints lines: give --format text or json, or no --watch")
        if options.at is not None and (options.watch is not None or options.format == "prometheus"):
            raise SettingsError("--at is of the past: give --format text or json, and no --watch")
        chosen = load(options).settings
        start_log(chosen)
        if options.at is not None:
            return asyncio.run(_past(options, chosen))
        return asyncio.run(_run(options, chosen))
    except NexConsoleError as error:
        print(f"nexconsole: {error}", file=sys.stderr)
    except BrokenPipeError:
        raise
    except Exception as error:  # a bug must not be taken for a level of severity
        print(crash_report(error), file=sys.stderr)
    return NOT_KNOWN


async def _run(options: Namespace, settings: Settings) -> int:
    sources = open_sources(settings)
    try:
        if options.watch is None:
            monitor = Monitor(settings, health=sources.health)
            await know_causes(monitor, settings)
            found = await take(monitor, sources, _journals(settings))
            print(_whole(found, settings, options.format), end="")
            return found.exit_code
        return await _watch(sources, settings, options.watch, options.format == "json")
    finally:
        await sources.close()


def _journals(settings: Settings) -> IncidentStore | None:
    """What is on record; None for an account that has no place for it."""
    try:
        return IncidentStore(named(settings), utc_now)
    except NexConsoleError:
        return None


async def take(monitor: Monitor, sources: Sources, store: IncidentStore | None = None) -> Status:
    """Every signal once, all at the same time, with what the journals have of the open incident. Closes nothing."""
    await asyncio.gather(monitor.read_all(sources), *([store.look()] if store is not None else []))
    incident = store.incident if store is not None else None
    assert monitor.severity is not None  # there is no console without signals
    return status.status_of(
        dict(monitor.readings),
        monitor.severity,
        sources.health(),
        utc_now(),
        monitor.explanation,
        await sources.record_state(),
        incident.broken_glass if incident is not None else (),
    )


async def _past(options: Namespace, settings: Settings) -> int:
    """Print the status of then, from the flight record. Raises JournalError where nothing was recorded."""
    from ..recording.past import open_flight_record, readings_at, time_of

    now = utc_now()
    at = time_of(options.at, now)
    with closing(open_flight_record(settings)) as recording:
        readings = readings_at(recording, at)
    monitor = Monitor(settings, clock=lambda: at, readings=readings)
    monitor.judge()
    await know_causes(monitor, settings)
    assert monitor.severity is not None  # there are readings
    found = status.past_status(readings, monitor.severity, at, monitor.explanation, now)
    print(_whole(found, settings, options.format), end="")
    return found.exit_code


def _whole(found: Status, settings: Settings, form: str) -> str:
    if form == "prometheus":
        return exposition(found, settings)
    return (status.as_json if form == "json" else status.as_text)(found, settings) + "\n"


async def _watch(sources: Sources, settings: Settings, every_s: float, as_json: bool) -> int:
    """Print a line at once and for each change, until SIGINT or SIGTERM; returns the last state's exit code."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    found, shown = None, None
    monitor = Monitor(settings, health=sources.health)
    await know_causes(monitor, settings)
    store = _journals(settings)
    while not ended.is_set():
        reading = asyncio.ensure_future(take(monitor, sources, store))
        await asyncio.wait([reading, stop := asyncio.ensure_future(ended.wait())], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not reading.done():
            reading.cancel()
            await asyncio.wait([reading])
            break
        found = reading.result()
        if (state := _state(found)) != shown:
            shown = state
            print(status.as_json(found, settings, indent=-1) if as_json else line(found), flush=True)
            if printing.is_lost():
                break
        try:
            async with asyncio.timeout(every_s):
                await ended.wait()
        except TimeoutError:
            continue
    return found.exit_code if found is not None else NOT_KNOWN


def _state(found: Status) -> tuple[object, ...]:
    """What counts as a change: the level, the rules that hold, what can't be read, or which causes are named."""
    rules: Sequence[tuple[str, str, bool]] = [
        (reason.level, reason.signal, reason.stale) for reason in found.severity.reasons
    ]
    states = [(name, reading.state(found.at)) for name, reading in found.readings.items()]
    likely = tuple(each.key for each in found.likely)
    return (
        found.exit_code,
        found.severity.level,
        tuple(rules),
        tuple(states),
        len(found.unread),
        likely,
        found.broken_glass,
    )


def line(found: Status) -> str:
    """`2026-11-29 14:07:31Z  SEV-1  17.8 % of purchases fail, 93 % of them at smsbower; +2 more`."""
    reasons, known = found.severity.reasons, found.severity.level != "none"
    words = [f"likely {named_words(cause, found.at)}" for cause in found.likely[:2]]
    words += [reasons[0].text + (f"; {reasons[0].outlook}" if reasons[0].outlook else "")] if reasons else []
    words += [f"+{len(reasons) - 1} more"] if len(reasons) > 1 else []
    words += [f"GLASS BROKEN: {glass.words}" for glass in found.broken_glass[-1:]]
    words += [f"not known: {sentence}" for sentence in found.unread[:1]]
    words += [f"and {len(found.unread) - 1} more"] if len(found.unread) > 1 else []
    head = found.severity.level if known else "not known" if found.unread else status.judged(found)
    return f"{moment(found.at)}  {head}" + (f"  {'; '.join(words)}" if words else "")
