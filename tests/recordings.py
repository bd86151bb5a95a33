"""Recordings for tests and benchmarks: an incident as it develops, its readings varied as real ones vary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import sample_readings as sample

from nexconsole.model import Reading, Value
from nexconsole.recording.recorder import Recorder
from nexconsole.recording.recording_file import RecordingFile
from nexconsole.settings import Settings

BEGIN = sample.NOW
SMALL = 10  # counts below it stay, or pods would come and go in a calm


class HandClock:
    """A clock that is set by hand."""

    def __init__(self, now: datetime = BEGIN) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def readings(seconds: int, every: float = 1.0, seed: int = 1) -> Iterator[tuple[datetime, Reading]]:
    """Every signal, calm for a tenth of the time, then the incident; every figure moves from one to the next."""
    chances: dict[str, Random] = {}  # one each: another signal changes nothing for the others
    calm = {name: one.value for name, one in sample.calm().items()}
    broken = {name: one.value for name, one in sample.incident().items()}
    for turn in range(int(seconds / every)):
        now = at(turn * every)
        values = calm if turn * every < seconds / 10 else broken
        for name, value in values.items():
            chance = chances.setdefault(name, Random(f"{name} {seed}"))
            yield (
                now,
                Reading(signal=name, every=every, value=moved(value, now, chance), taken_at=now, attempted_at=now),
            )


def moved(value: Any, now: datetime, chance: Random) -> Value:
    """The value a moment later: every figure a little different, times as they pass, texts as they were."""
    changed: dict[str, Any] = {}
    for name, part in vars(value).items():
        if hasattr(part, "__dataclass_fields__"):
            changed[name] = moved(part, now, chance)
        elif isinstance(part, tuple) and part and hasattr(part[0], "__dataclass_fields__"):
            changed[name] = tuple(moved(one, now, chance) for one in part)
        elif name in ("pid", "blocked_by", "max_connections", "window_s", "exists", "can_fire", "decided"):
            continue
        elif isinstance(part, float):
            changed[name] = part * chance.uniform(0.9, 1.1)
        elif isinstance(part, int) and not isinstance(part, bool) and part >= SMALL:
            changed[name] = part + chance.randint(-2, 2)
        elif isinstance(part, datetime):
            changed[name] = part + timedelta(seconds=chance.random())
    return replace(value, **changed)


async def record(
    file: Path, told: Iterable[tuple[datetime, Reading]], settings: Settings, flush_s: float = 4.0
) -> HandClock:
    """Record these readings as a console would have, in a moment; the clock as it stands at their end."""
    clock = HandClock()
    recorder = Recorder(settings, file, clock)
    written = None
    for when, reading in told:
        if written is None or (when - written).total_seconds() >= flush_s:
            recorder._turn()
            written = when
        clock.now = when
        recorder.take(reading)
    recorder._turn()
    await recorder.close()
    assert not recorder.trouble
    return clock


def settings(every_s: float = 1.0, limit_mb: float = 20.0, **tables: object) -> Settings:
    return msgspec.convert({"recording": {"every_s": every_s, "limit_mb": limit_mb}, **tables}, Settings)


@cache
def calm_outbox() -> Any:
    return sample.calm()["outbox"].value


def outbox(seconds: float, pending: int = 4, error: str | None = None, taken: float | None = None) -> Reading:
    value = replace(calm_outbox(), pending=pending)
    when = at(seconds if taken is None else taken)
    return Reading(signal="outbox", every=2.0, value=value, taken_at=when, attempted_at=at(seconds), error=error)


async def recorded(file: Path, told: list[Reading], chosen: Settings | None = None) -> RecordingFile:
    """A recording of these readings, each at the time of its try."""
    timed = [(reading.attempted_at or BEGIN, reading) for reading in told]
    await record(file, timed, chosen or settings())
    return RecordingFile.open(file)
