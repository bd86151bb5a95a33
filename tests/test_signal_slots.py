"""How long a purchase waits for a slot at a provider. (nexnum.md#slots)"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis as Hand

from nexconsole.errors import MissingSchema, NotConfigured
from nexconsole.settings import PostgresSettings, RedisSettings, Settings
from nexconsole.signals import slots
from nexconsole.sources import Sources
from nexconsole.sources.postgres import PostgresSource
from nexconsole.sources.redis import RedisSource

LUA = """
local now, interval = tonumber(ARGV[1]), tonumber(ARGV[2])
local last = tonumber(redis.call('get', KEYS[1]) or 0)
if last < now then last = now end
local next = last + interval
redis.call('set', KEYS[1], next, 'PX', math.max(next - now + 10000, 60000))
return next - now
"""


@pytest.fixture
async def hand(redis_server) -> AsyncIterator[Hand]:
    client = Hand.from_url(redis_server.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def sources(redis_server, database, clients) -> AsyncIterator[Sources]:
    opened = {
        "redis": RedisSource(clients, RedisSettings(url=redis_server.url)),
        "postgres": PostgresSource(clients, PostgresSettings(url=database.url)),
    }
    made = Sources(clients, opened)
    yield made
    await made.close()


async def provider(database, name: str, active: bool = True) -> str:
    await database.execute(
        "INSERT INTO providers (id, name, display_name, is_active, updated_at)"
        " VALUES ('id-' || $1::text, $1, upper($1), $2, now() AT TIME ZONE 'UTC')",
        name,
        active,
    )
    return f"id-{name}"


async def take(hand: Hand, provider_id: str, wait_s: float, skew_s: float = 0.0) -> None:
    """A pod whose clock goes `skew_s` before Redis' takes a slot that lies `wait_s` ahead, as NexNum's script does."""
    seconds, micros = await hand.time()
    now_ms = int((seconds + micros / 1e6 + skew_s) * 1000)
    await hand.eval(LUA, 1, f"ratelimit:provider:{provider_id}", now_ms, int(wait_s * 1000))


async def test_the_longest_wait_comes_first_and_short_ones_are_nobodys_trouble(sources, database, hand):
    for name, wait in (("smsbower", 6031), ("5sim", 25), ("tiger-sms", 2)):
        await take(hand, await provider(database, name), wait)
    await provider(database, "onlinesim")
    value = await slots.read(sources, Settings(), None)
    assert [(wait.name, wait.wait_s) for wait in value.waits] == [
        ("smsbower", pytest.approx(6031, abs=2)),
        ("5sim", pytest.approx(25, abs=2)),
    ]
    assert (value.taken, len(value.providers), value.notes) == (3, 4, ())
    assert value.worst is not None and value.worst.name == "smsbower"
    assert [wait.name for wait in value.longer(60)] == ["smsbower"]


@pytest.mark.parametrize("skew", [-4000.0, 300.0])
async def test_a_wait_over_a_minute_is_told_by_the_ttl_whatever_the_pods_clock_says(sources, database, hand, skew):
    await take(hand, await provider(database, "smsbower"), 900, skew)
    value = await slots.read(sources, Settings(), None)
    assert value.waits[0].wait_s == pytest.approx(900, abs=2)
    assert value.skew_s == pytest.approx(skew, abs=2)
    assert ("ahead of" if skew > 0 else "behind") in value.notes[0]


async def test_a_clock_that_is_ahead_does_not_make_a_short_wait_long(sources, database, hand):
    await take(hand, await provider(database, "smsbower"), 2, skew_s=3600)
    value = await slots.read(sources, Settings(), None)
    assert value.waits[0].wait_s <= 50  # the TTL of 60 s allows no more
    assert value.skew_s == pytest.approx(3552, abs=4)


async def test_a_disabled_providers_queue_is_shown_and_counts_for_nobody(sources, database, hand):
    await take(hand, await provider(database, "smsbower", active=False), 900)
    value = await slots.read(sources, Settings(), None)
    assert [wait.active for wait in value.waits] == [False]
    assert value.worst is None and value.longer(60) == ()


async def test_what_is_no_time_is_said_and_is_no_wait(sources, database, hand):
    for name, held in (("smsbower", "soon"), ("5sim", "1e400"), ("tiger-sms", "-5"), ("grizzlysms", "nan")):
        await hand.set(f"ratelimit:provider:{await provider(database, name)}", held)
    value = await slots.read(sources, Settings(), None)
    assert (value.waits, value.taken, value.notes) == ((), 0, ("4 slots hold something that is no time",))


async def test_no_slot_at_all_is_known_to_be_no_wait(sources, database, hand):
    await provider(database, "smsbower")
    value = await slots.read(sources, Settings(), None)
    assert (value.waits, value.taken, value.worst) == ((), 0, None)


async def test_nothing_is_scanned_and_the_ttls_that_are_asked_for_are_few(sources, database, hand):
    for number in range(60):
        await take(hand, await provider(database, f"p{number:02}"), 5 + number)
    await hand.config_resetstat()
    value = await slots.read(sources, Settings(), None)
    sent = {name.removeprefix("cmdstat_"): row["calls"] for name, row in (await hand.info("commandstats")).items()}
    assert len(value.waits) == 60
    assert not {"scan", "keys"} & set(sent)
    assert sent["pttl"] == slots.MOST_TTLS and sent["mget"] <= 2


async def test_the_providers_are_remembered_while_postgres_does_not_give_them(sources, database, hand, clients):
    await take(hand, await provider(database, "smsbower"), 900)
    first = await slots.read(sources, Settings(), None)
    await database.execute("ALTER TABLE providers RENAME TO gone")
    old = replace(first, names_at=first.names_at - timedelta(seconds=60))
    later = await slots.read(sources, Settings(), old)
    assert later.waits[0].name == "smsbower"
    assert "providers as of 60 s ago" in later.notes[0]
    with pytest.raises(MissingSchema):
        await slots.read(sources, Settings(), None)


async def test_a_redis_that_hides_its_clock_leaves_ours_and_says_so(redis_server, database, hand, clients):
    await hand.execute_command("ACL", "SETUSER", "blind", "on", ">x", "~*", "+@read", "+ping")
    url = redis_server.url.partition("@")[2]
    opened = {
        "redis": RedisSource(clients, RedisSettings(url=f"redis://blind:x@{url}")),
        "postgres": PostgresSource(clients, PostgresSettings(url=database.url)),
    }
    made = Sources(clients, opened)
    try:
        await take(hand, await provider(database, "smsbower"), 30)
        value = await slots.read(made, Settings(), None)
        assert value.waits[0].wait_s == pytest.approx(30, abs=3)
        assert value.notes[0].startswith("the waits are by this console's clock: redis at")
    finally:
        await made.close()
        await hand.execute_command("ACL", "DELUSER", "blind")


async def test_without_redis_it_is_not_configured(sources_on, database):
    with pytest.raises(NotConfigured):
        await slots.read(sources_on(database.url), Settings(), None)


@pytest.mark.parametrize(
    ("by_clock", "ttl", "wait", "skew"),
    [
        (100.0, 110.0, 100.0, 0.0),
        (-500.0, 110.0, 100.0, -600.0),
        (40.0, 60.0, 40.0, None),
        (40.0, None, 40.0, None),
        (-40.0, None, 0.0, None),
        (90.0, 60.0, 50.0, 40.0),
        (1.0, 4.0, 0.0, None),
    ],
)
def test_clock_and_ttl_together_give_wait_and_skew(by_clock, ttl, wait, skew):
    assert slots.waiting(by_clock, ttl) == (wait, skew)
