"""What a recording takes: its size, what recording costs, and how soon it can be played."""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec

from nexconsole.recording.flight_recorder import FlightRecorder
from nexconsole.recording.recorder import FLUSH_S, Recorder
from nexconsole.recording.recording_file import RecordingFile
from nexconsole.settings import Settings
from nexconsole.sources.flight_record import FlightRecordSource

from .table import Figure, p95

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import recordings

HALF_AN_HOUR_S = 1800
SEEKS = 50


def recording() -> Iterator[Figure]:
    """Half an hour of an incident: every signal each second, every figure different from the one before."""
    told = list(recordings.readings(HALF_AN_HOUR_S))
    settings = msgspec.convert({"recording": {"every_s": 1.0}}, Settings)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "INC-1.recording"
        began = time.process_time()
        asyncio.run(recordings.record(file, told, settings, flush_s=FLUSH_S))
        spent = time.process_time() - began
        yield Figure("recording: half an hour of all signals at 1 Hz", file.stat().st_size / 1e6, "MB", limit=9.0)
        yield Figure("recording: CPU in its thread, a reading", spent / len(told) * 1e3, "ms", limit=2.0)
        yield Figure("recording: the loop's share, a reading", _taking(told, settings) * 1e6, "us", limit=50.0)
        del told
        gc.collect()  # of what has been told, which a replay's collector does not have to walk through
        began = time.perf_counter()
        opened = RecordingFile.open(file)
        opened.at(opened.span[0])
        yield Figure("replay: from nothing to the first picture's readings", _ms(began), "ms", limit=1000.0)
        yield Figure("replay: a jump anywhere (p95)", p95(_seeks(opened)), "ms", limit=100.0)
        opened.close()


def _taking(told: list, settings: Settings) -> float:
    recorder = Recorder(settings, Path("/nowhere"), recordings.HandClock())
    began = time.perf_counter()
    for _, reading in told:
        recorder.take(reading)
    return (time.perf_counter() - began) / len(told)


def _seeks(opened: RecordingFile) -> Iterator[float]:
    chance = Random(4)
    for _ in range(SEEKS):
        began = time.perf_counter()
        opened.at(recordings.at(chance.uniform(0, HALF_AN_HOUR_S - 1)))
        yield _ms(began)


def _ms(began: float) -> float:
    return (time.perf_counter() - began) * 1e3


FLIGHT_S = 2 * 3600
TURN_S = 10.0


def flight_record() -> Iterator[Figure]:
    """Two hours of the flight record at its pace, every figure different from the one before; what a reader pays."""
    told = list(recordings.readings(FLIGHT_S, every=TURN_S))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.record"
        settings = msgspec.convert({"recorder": {"file": str(file)}}, Settings)
        began = time.process_time()
        end = asyncio.run(_kept(settings, told))
        spent = time.process_time() - began
        two_days = 48 * 3600 / FLIGHT_S
        yield Figure("flight record: CPU of the recorder, of a core", spent / FLIGHT_S * 100, "%", limit=1.0)
        yield Figure("flight record: 48 h, from two of them", file.stat().st_size / 1e6 * two_days, "MB", limit=120.0)
        began = time.perf_counter()
        asyncio.run(FlightRecordSource(file).series(["failure_rate", "attempts"], end - FLIGHT_S, end))
        yield Figure("flight record: two hours of all providers' figures", _ms(began), "ms", limit=100.0)
        began = time.perf_counter()
        opened = RecordingFile.open(file)
        opened.at(recordings.at(FLIGHT_S / 2))
        yield Figure("flight record: what it looked like at a time", _ms(began), "ms", limit=500.0)
        opened.close()


async def _kept(settings: Settings, told: list) -> float:
    clock = recordings.HandClock()
    recorder = FlightRecorder(settings, clock=clock)
    for when, reading in told:
        if when != clock.now:
            recorder._turn()
        clock.now = when
        recorder.take(reading)
    await recorder.close()
    return clock.now.timestamp()
