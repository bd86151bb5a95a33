"""`nexconsole record`: keeps the flight record without a screen, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from argparse import Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..text.units import duration
from .options import load, start_log
from .parsing import Parser

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..session.monitor import Monitor
    from ..settings import Settings
    from ..signals.signal import Signal
    from ..sources import Sources

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OTHER = "another console records here; this one goes on when that ends"
PACE = 15.0  # times as long as a console does it rests between two looks at the pods' logs
LOOKS_S = 1.0  # how often it is looked at whether this console is the recorder


def add_arguments(parser: Parser) -> None:
    """It has none of its own."""


def run(options: Namespace) -> int:
    """Exit code 0 when told to end."""
    chosen = load(options).settings
    if not chosen.recorder.enabled:
        raise SettingsError("nothing is recorded: recorder.enabled is false")
    if unlogged := start_log(chosen):
        _say(unlogged)
    return asyncio.run(_run(chosen))


async def _run(chosen: Settings) -> int:
    from ..recording.flight_recorder import FlightRecorder
    from ..session.monitor import Monitor
    from ..settings import powerless
    from ..signals.registry import polled
    from ..sources import open_sources
    from ..sources.workload_runtime import runtime_of

    chosen = powerless(chosen)
    recorder = FlightRecorder(chosen, _say)
    sources = open_sources(chosen)
    monitor = Monitor(chosen, health=sources.health)
    monitor.listeners.append(recorder.take)
    ended = asyncio.Event()
    for number in ENDING:
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    if not any(source.configured for source in sources.health()):
        _say("nothing is configured: there is nothing to record; see `nexconsole init`")
    sources.load()
    if (runtime := runtime_of(sources)) is not None:
        runtime.logs.pace = PACE
    recording = asyncio.create_task(recorder.run())
    polling = RecordedPolls(monitor, sources, polled(chosen), chosen.recorder.every_s)
    said = None
    while not ended.is_set():
        polling.turn(recorder.records)
        if recorder.records != said and not recorder.trouble and (recorder.records or recorder.tried):
            said = recorder.records
            kept = duration(chosen.recorder.hours * 3600)
            _say(f"records the last {kept} in {recorder.file}" if said else OTHER)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOKS_S):
                await ended.wait()
    polling.turn(False)
    await recorder.close()
    await recording
    await sources.close()
    return 0


class RecordedPolls:
    """Reads the signals while it is on, no more often than they are recorded, and some more seldom: nobody looks."""

    def __init__(self, monitor: Monitor, sources: Sources, signals: Iterable[Signal[Any]], every_s: float) -> None:
        self._signals = [
            replace(signal, every=max(signal.every, signal.unseen_every, every_s), wake=None) for signal in signals
        ]
        self._monitor, self._sources = monitor, sources
        self._tasks: list[asyncio.Task[None]] = []

    def turn(self, on: bool) -> None:
        if on and not self._tasks:
            self._tasks = [asyncio.create_task(self._monitor.poll(each, self._sources)) for each in self._signals]
        elif not on:
            for task in self._tasks:
                task.cancel()
            self._tasks = []


def _say(sentence: str) -> None:
    print(f"nexconsole: {sentence}", file=sys.stderr, flush=True)
