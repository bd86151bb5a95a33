"""One play: a scenario staged so many seconds after its onset, read as a console reads it, and what is made of it.

The past is computed, not waited for: a world of half an hour is there in four seconds. A console that has just been
started reads it for a few seconds, for that is what happens at 3 a.m.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from nexconsole.causes.chapters import shipped
from nexconsole.causes.ranking import explain
from nexconsole.drill.scenario_times import onset_s, shifted
from nexconsole.drill.scenarios import DrillScenario
from nexconsole.drill.world import DrillWorld
from nexconsole.errors import NexConsoleError
from nexconsole.model import utc_now
from nexconsole.session.monitor import Monitor
from nexconsole.settings import Settings, load
from nexconsole.signals.registry import polled
from nexconsole.sources import open_sources

from . import kept
from .drawn import named
from .kept import Seen
from .scoring import Glance, Play

CAUSES = shipped().causes
LIVE_S = 12.0  # how long a console reads one world
STEP_S = 1.0  # between two looks
END_S = 1.5  # what has been told to end ends within it
MOST_WORDS = 5
WORLD_S = 90.0  # one world, from its start to its end


def play(work: tuple[str, int], offsets: tuple[float, ...], live_s: float = LIVE_S, keep: str = "") -> Play:
    """`played` of a scenario with a seed, in an event loop of its own: what a worker's process runs.

    `keep`: the folder for what was seen.
    """
    logging.disable()  # what a source does not answer is meant here
    result, seen = asyncio.run(played(*work, offsets, live_s))
    if keep:
        kept.write(Path(keep), result, seen)
    return result


async def played(
    name: str, seed: int, offsets: tuple[float, ...], live_s: float = LIVE_S
) -> tuple[Play, tuple[Seen, ...]]:
    """Stage the scenario at each offset (seconds after its onset) until it is answered right, and at the last one;
    where nothing is wrong, at each. Returns the play and what it rests on."""
    scenario = named(name, seed)
    seen: list[Seen] = []
    result = judged(scenario, seed, ())
    try:
        for offset in offsets:
            if scenario.truth and result.seconds is not None and offset != offsets[-1]:
                continue
            async with asyncio.timeout(WORLD_S):
                seen += await _read(scenario, seed, offset, live_s)
            result = judged(scenario, seed, seen)
    except (NexConsoleError, OSError, AssertionError, TimeoutError) as error:
        return replace(result, error=f"{type(error).__name__}: {error}"), tuple(seen)
    return result, tuple(seen)


def judged(scenario: DrillScenario, seed: int, seen: Sequence[Seen]) -> Play:
    """What the causes of now make of what was seen."""
    return Play(
        scenario=scenario.name,
        seed=seed,
        truth=scenario.truth,
        partly=scenario.partly,
        held_back=scenario.held_back,
        glances=tuple(map(_glance, seen)),
    )


def _glance(seen: Seen) -> Glance:
    said = explain(CAUSES, seen.readings, seen.settings, seen.now, seen.severity)
    return Glance(
        after_s=seen.after_s,
        named=tuple(candidate.key for candidate in said.named),
        ranked=tuple(candidate.key for candidate in said.candidates),
    )


async def _read(scenario: DrillScenario, seed: int, offset: float, live_s: float) -> list[Seen]:
    """One world, so far after its onset, read for `live_s`: the readings, second by second."""
    async with AsyncExitStack() as stack:
        world = DrillWorld(shifted(scenario, -offset - shows_s(scenario)), seed)
        await world.start()
        stack.push_async_callback(world.close)
        started = time.monotonic()
        settings = settings_of(world.environment(), world.temp_tree.folder)
        sources = open_sources(settings)
        stack.push_async_callback(sources.close)
        monitor = Monitor(settings, health=sources.health)
        sources.load()
        await sources.loaded()
        polls = [asyncio.create_task(monitor.poll(signal, sources), name=signal.name) for signal in polled(settings)]
        polls.append(asyncio.create_task(sources.watch(), name="api"))
        try:
            seen: list[Seen] = []
            while (lived := time.monotonic() - started) < live_s:
                await asyncio.sleep(STEP_S)
                monitor.judge()
                seen.append(Seen(offset + lived, utc_now(), settings, dict(monitor.readings), monitor.severity))
            return seen
        finally:
            await _ended(polls)


def shows_s(scenario: DrillScenario) -> float:
    """The drill time from which on the console could know: when the last of the causes shows; where nothing is wrong,
    when what looked like it is over."""
    if not scenario.truth:
        return max((fault.begins_s if fault.ends_s is None else fault.ends_s for fault in scenario.faults), default=0.0)
    if len(scenario.truth) == 1:
        return onset_s(scenario)
    later = [fault.begins_s + fault.shows_after_s for fault in scenario.faults if not fault.herring]
    return max((onset_s(scenario), *later))


async def _ended(polls: Collection[asyncio.Task[None]]) -> None:
    """End the polls; a client that is being connected may take more than one word."""
    for _ in range(MOST_WORDS):
        for poll in polls:
            poll.cancel()
        _, polls = await asyncio.wait(polls, timeout=END_S)
        if not polls:
            return
    raise TimeoutError(f"polls that do not end: {', '.join(poll.get_name() for poll in polls)}")


def settings_of(environment: Mapping[str, str], folder: Path) -> Settings:
    """The settings that a console of this world has, with nothing of this machine's own."""
    return load(None, None, {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), **environment}).settings
