"""The polling path: a reading for every try, never an exception for trouble outside."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from nexconsole.errors import Denied, NotConfigured, Unreachable
from nexconsole.model import State, Value
from nexconsole.settings import Settings
from nexconsole.signals.readings import read_once, readings
from nexconsole.signals.signal import Signal
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients


@dataclass(frozen=True, kw_only=True)
class ReadingCount(Value):
    n: int


class Script:
    """A signal that does what the script says, one word a try."""

    def __init__(self, *words: str, **options: object) -> None:
        self.words = list(words)
        self.tries = 0
        self.signal = Signal(
            name="script", kind=Value, read=self.read, summary=str, **({"every": 0.01, "timeout": 0.05} | options)
        )

    async def read(self, sources, settings, previous: ReadingCount | None) -> ReadingCount:
        word = self.words[min(self.tries, len(self.words) - 1)]
        self.tries += 1
        match word:
            case "good":
                return ReadingCount(n=self.tries)
            case "hang":
                await asyncio.sleep(60)
            case "absent":
                raise NotConfigured("redis", "redis is not configured: set redis.url")
            case "bug":
                raise ZeroDivisionError
        raise Unreachable("redis", "redis at h:1: refused")


async def some(script: Script, count: int) -> list:
    found = []
    async for reading in readings(script.signal, Sources(LazyClients(), {}), Settings()):
        found.append(reading)
        if len(found) == count:
            break
    return found


async def test_a_failure_keeps_the_last_good_value_and_says_why():
    good, bad, again = await some(Script("good", "bad", "good"), 3)
    now = datetime.now(UTC)
    assert (good.state(now), bad.state(now), again.state(now)) == (State.FRESH, State.STALE, State.FRESH)
    assert (bad.value, bad.taken_at, bad.error) == (good.value, good.taken_at, "redis at h:1: refused")
    assert again.error is None


async def test_a_read_that_hangs_ends_at_its_time_limit():
    hung, good = await some(Script("hang", "good"), 2)
    assert hung.error == "script could not be read within 0.05 s"
    assert good.value == ReadingCount(n=2)


async def test_never_a_good_value_is_an_error_and_not_a_value_of_nothing():
    (reading,) = await some(Script("bad"), 1)
    assert (reading.value, reading.state(datetime.now(UTC))) == (None, State.ERROR)


@pytest.mark.parametrize(("error", "denied"), [(Denied, True), (Unreachable, False)])
async def test_a_source_that_refuses_this_account_has_answered(error, denied):
    async def read(sources, settings, previous):
        raise error("redis", "redis at h:1 said no")

    script = Script("good")
    refused = await read_once(replace(script.signal, read=read), Sources(LazyClients(), {}), Settings())
    assert refused.denied is denied and refused.error == "redis at h:1 said no"
    well = await read_once(script.signal, Sources(LazyClients(), {}), Settings(), refused)
    assert not well.denied and well.error is None


async def test_what_is_not_configured_is_said_once_and_never_tried_again():
    script = Script("absent")
    found = [reading async for reading in readings(script.signal, Sources(LazyClients(), {}), Settings())]
    assert [reading.state(datetime.now(UTC)) for reading in found] == [State.ABSENT]
    assert script.tries == 1


async def test_a_bug_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        await some(Script("bug"), 1)


async def test_a_value_that_nobody_renews_goes_stale_by_its_age_alone():
    reading = await read_once(Script("good").signal, Sources(LazyClients(), {}), Settings())
    assert reading.state(reading.taken_at + timedelta(seconds=4)) is State.FRESH
    assert reading.state(reading.taken_at + timedelta(seconds=6)) is State.STALE


async def test_an_event_of_the_source_ends_the_wait():
    event = asyncio.Event()
    script = Script("good", every=30.0, wake=lambda sources: event)
    asyncio.get_running_loop().call_later(0.02, event.set)
    async with asyncio.timeout(20):
        assert len(await some(script, 2)) == 2
