"""`nexconsole record` reads in no hurry: nobody looks, and it is never to be felt."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from nexconsole.cli.record import RecordedPolls
from nexconsole.settings import Settings
from nexconsole.signals.registry import polled
from nexconsole.sources import logs as followed
from nexconsole.sources.logs import Logs

EVERY_S = 10.0


class HeardMonitor:
    """Says how often each signal would be read."""

    def __init__(self) -> None:
        self.every: dict[str, float] = {}

    async def poll(self, signal: Any, sources: object) -> None:
        self.every[signal.name] = signal.every
        assert signal.wake is None


async def paces(every_s: float) -> dict[str, float]:
    monitor = HeardMonitor()
    polling = RecordedPolls(monitor, SimpleNamespace(), polled(Settings()), every_s)  # type: ignore[arg-type]
    polling.turn(True)
    await asyncio.sleep(0)
    polling.turn(False)
    return monitor.every


async def test_what_is_worked_out_from_other_readings_is_read_more_seldom_than_figures_are_recorded() -> None:
    every = await paces(EVERY_S)
    assert every["transactions"] == every["outbox"] == every["workloads"] == EVERY_S
    assert every["onset"] >= 60 and every["changes"] >= 30
    # All questions of a minute, whoever is asked: each costs some milliseconds.
    assert sum(60 / each for each in every.values()) < 80


async def test_a_slower_record_reads_everything_more_seldom() -> None:
    every = await paces(120.0)
    assert set(every.values()) == {120.0}


async def test_a_figure_of_the_record_is_never_stale_between_two_readings() -> None:
    """Onsets are looked for in the record's figures: a signal that has some is read in time for the next point."""
    from nexconsole.signals.onset_figures import WATCHED

    every = await paces(EVERY_S)
    watched = [signal for signal in polled(Settings()) if set(signal.metrics) & set(WATCHED)]
    assert watched and all(every[signal.name] <= max(2 * EVERY_S, signal.every) for signal in watched)


class ReadStream:
    """A pod's log that gives what it was given, and then waits."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)

    async def readany(self) -> bytes:
        return self.chunks.pop(0) if self.chunks else b""


@pytest.mark.parametrize(("pace", "size", "rests"), [(1.0, 100, 0.1), (15.0, 100, 1.5), (15.0, 1 << 14, 0.1)])
async def test_who_is_in_no_hurry_looks_at_the_logs_more_seldom_but_keeps_up(
    monkeypatch: pytest.MonkeyPatch, pace: float, size: int, rests: float
) -> None:
    rested: list[float] = []

    async def rest(response: object, beat_s: float) -> None:
        rested.append(beat_s)

    class OnePodCluster:
        follow = SimpleNamespace(log_since_s=60, log_tail_lines=10)

        def log(self, pod: str, container: str, query: object) -> Any:
            return self

        async def __aenter__(self) -> Any:
            return SimpleNamespace(content=ReadStream(b"x" * (size - 1) + b"\n"))

        async def __aexit__(self, *raised: object) -> None:
            """Nothing to close."""

    monkeypatch.setattr(followed, "_rest", rest)
    logs = Logs(OnePodCluster())  # type: ignore[arg-type]
    logs.pace = pace
    await logs._stream(followed.PodLog("nexnum-app-1"))
    assert rested == [pytest.approx(rests)]
