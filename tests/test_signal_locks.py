"""Orphaned locks, swept for on a real Redis a little at a time. (nexnum.md#locks)"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
import redis.asyncio
from acting import acting, settings_of
from redis_servers import server, upstash

from nexconsole.actions.locks import FLUSH
from nexconsole.errors import Denied, NotConfigured
from nexconsole.model import utc_now
from nexconsole.settings import LocksSettings as Rules
from nexconsole.settings import RedisSettings, Settings
from nexconsole.signals import locks
from nexconsole.sources import Sources
from nexconsole.sources.redis import RedisSource

SETTINGS = Settings()
USER = "df26f517-66fa-4989-8813-5d586a1689ad"
LEFT = f"lock:number:{USER}-whatsapp-united kingdom"


def ms_ago(seconds: float) -> str:
    return str(int((time.time() - seconds) * 1000))


@pytest.fixture
async def keys(redis_server):
    client = redis.asyncio.from_url(redis_server.url, decode_responses=True)
    await client.flushall()
    try:
        yield client
    finally:
        await client.flushall()
        await client.aclose()


@pytest.fixture
async def sources(clients, redis_server, keys):
    made = Sources(clients, {"redis": RedisSource(clients, RedisSettings(url=redis_server.url))})
    yield made
    await made.close()


@asynccontextmanager
async def counted(keys):
    """How often each command arrives meanwhile, by the server's own count; the questions' own commands left out."""
    await keys.config_resetstat()
    sent: Counter[str] = Counter()
    yield sent
    for name, figures in (await keys.info("commandstats")).items():
        if name not in ("cmdstat_config|resetstat", "cmdstat_config", "cmdstat_info"):
            sent[name.removeprefix("cmdstat_")] = figures["calls"]


async def fill(keys, number: int) -> None:
    pipe = keys.pipeline(transaction=False)
    for n in range(number):
        pipe.set(f"cache:quotes:{n}", "1", ex=600)
    await pipe.execute()


def rested(value: locks.Locks) -> locks.Locks:
    """The same value after its rest: the next reading begins another sweep."""
    return replace(value, sweep=replace(value.sweep, began_at=utc_now() - timedelta(seconds=locks.REST_S)))


async def test_only_what_nobody_will_release_counts(keys, sources):
    await keys.set(LEFT, ms_ago(550))  # its process died before EXPIRE
    await keys.set("lock:number:u2-google-india", ms_ago(2))  # may be on its way
    await keys.set("lock:number:u3-google-india", ms_ago(100), ex=200)
    await keys.set("lock:purchase:atomic:u4", "a-token", ex=30)
    await keys.set("lock:purchase:atomic:u5", "a-token")  # its value doesn't say since when
    await keys.set("lock:candidate:c1", ms_ago(900))  # of a family that keeps no customer out
    await keys.set("idem:top-up", "1")
    await keys.hset("lock:number:not-a-lock", "a", "1")
    value = await locks.read(sources, SETTINGS, None)
    assert (value.locks, value.abandoned, value.known, value.notes) == (5, 2, True, ())
    assert value.oldest_s == pytest.approx(550, abs=5)
    number, purchase = value.families["number"], value.families["purchase"]
    assert (number.locks, number.abandoned, number.worst[0].key) == (3, 1, LEFT)
    assert (purchase.locks, purchase.abandoned, purchase.oldest_s) == (2, 1, None)
    assert [lock.key for lock in value.worst] == [LEFT, "lock:purchase:atomic:u5"]


async def test_it_judges_a_lock_as_the_flush_does(keys, sources, redis_server):
    for n, (age_s, ex) in enumerate([(5, None), (20, None), (299, 50), (301, 50), (900, None)]):
        await keys.set(f"lock:number:u{n}-a-b", ms_ago(age_s), ex=ex)
    value = await locks.read(sources, SETTINGS, None)
    async with acting(settings_of(redis={"url": redis_server.url})) as context:
        plan = await FLUSH.prepare({"family": "number"}, context)
    assert [lock.key for lock in value.worst] == [target.id for target in plan.chosen]
    assert len(value.worst) == 3


async def test_a_large_keyspace_is_swept_over_many_readings_and_zero_so_far_is_said_to_be(keys, sources, monkeypatch):
    monkeypatch.setattr(locks, "BUDGET", 1_000)
    await fill(keys, 6_000)
    await keys.set(LEFT, ms_ago(550))
    value, parts = await locks.read(sources, SETTINGS, None), 1
    assert not value.known and value.looked == 1_000
    assert value.notes == ("about 1 000 keys were looked at so far: there may be more locks",)
    while not value.known:
        value, parts = await locks.read(sources, SETTINGS, value), parts + 1
        assert parts < 20
    assert (parts > 5, value.abandoned, value.notes) == (True, 1, ())


async def test_a_reading_looks_at_a_bounded_part_and_never_sends_keys(keys, sources):
    await fill(keys, 30_000)
    async with counted(keys) as sent:
        await locks.read(sources, SETTINGS, None)
    assert sent["scan"] == locks.BUDGET / 500 and "keys" not in sent


async def test_at_rest_a_reading_costs_one_command_and_sees_what_is_gone(keys, sources):
    for n in range(40):
        await keys.set(f"lock:number:u{n}-a-b", ms_ago(60 + n))
    value = await locks.read(sources, SETTINGS, None)
    assert (value.abandoned, value.locks) == (40, 40)
    async with counted(keys) as sent:
        value = await locks.read(sources, SETTINGS, value)
    assert sent == {"mget": 1} and value.abandoned == 40
    await keys.delete("lock:number:u1-a-b", "lock:number:u2-a-b")
    await keys.set("lock:number:u3-a-b", ms_ago(0), ex=300)  # taken afresh
    value = await locks.read(sources, SETTINGS, value)
    assert value.abandoned == 37
    await keys.flushall()
    value = await locks.read(sources, SETTINGS, value)
    assert (value.abandoned, value.oldest_s, value.locks) == (0, None, 0)
    async with counted(keys) as sent:
        await locks.read(sources, SETTINGS, value)
    assert sent == {"ping": 1}


async def test_the_next_sweep_finds_what_came_since(keys, sources):
    value = await locks.read(sources, SETTINGS, None)
    assert (value.abandoned, value.known) == (0, True)
    await keys.set(LEFT, ms_ago(50))
    assert (await locks.read(sources, SETTINGS, value)).abandoned == 0
    later = await locks.read(sources, SETTINGS, rested(value))
    assert (later.abandoned, later.known, later.swept_at > value.swept_at) == (1, True, True)


async def test_more_locks_than_a_reading_asks_for_are_asked_for_in_the_next(keys, sources, monkeypatch):
    monkeypatch.setattr(locks, "MOST_ASKED", 30)
    monkeypatch.setattr(locks, "MOST_KEPT", 80)
    for n in range(100):
        await keys.set(f"lock:number:u{n}-a-b", ms_ago(60))
    value = await locks.read(sources, SETTINGS, None)
    assert (value.abandoned, value.known, value.capped) == (30, False, False)
    for _ in range(3):
        value = await locks.read(sources, SETTINGS, value)
    assert (value.abandoned, value.capped, value.known, value.locks) == (80, True, True, 100)


async def test_keys_of_any_bytes_are_left_out_and_said_to_be_and_the_value_stays_json(keys, sources):
    await keys.set(b"lock:number:\xff\xfe", ms_ago(60))
    await keys.set("lock:number:\x1b[31mred", ms_ago(60))
    await keys.set(LEFT, ms_ago(60))
    value = await locks.read(sources, SETTINGS, None)
    assert value.abandoned == 1
    assert value.notes == ("2 keys were left out: their names can't be shown as they are",)
    assert msgspec.json.encode(value)


async def test_which_families_are_watched_is_a_setting(keys, sources):
    await keys.set("poll:lock:n1", ms_ago(900))
    await keys.set("job", ms_ago(900))
    rules = Rules(families={"poll": "poll:lock:*", "job": "job"}, watch=("job", "poll"))
    value = await locks.read(sources, Settings(locks=rules), None)
    assert {name: family.abandoned for name, family in value.families.items()} == {"job": 1, "poll": 1}
    nothing = await locks.read(sources, Settings(locks=Rules(watch=("nobody",))), None)
    assert nothing.notes == ("no family of locks.watch stands in locks.families: no lock is watched",)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("lock:purchase:*", "lock:number:*"), ("lock:*",)),
        (("lock:purchase:*",), ("lock:purchase:*",)),
        (("lock:*", "poll:lock:*"), ("lock:*", "poll:lock:*")),
        (("a[bc]d", "a?e"), ("a*",)),
        ((), ()),
    ],
)
def test_families_that_begin_alike_are_found_in_one_walk(patterns, expected):
    assert locks.walks(patterns) == expected


async def test_without_redis_it_is_not_configured(clients):
    with pytest.raises(NotConfigured):
        await locks.read(Sources(clients, {}), SETTINGS, None)


async def test_a_user_who_may_not_scan_is_told_which_right_it_takes(keys, clients, redis_server):
    await keys.execute_command("ACL", "SETUSER", "blind", "on", ">pass", "~*", "+ping", "+mget", "+pttl")
    place = redis_server.url.rpartition("@")[2].removeprefix("redis://")
    made = Sources(clients, {"redis": RedisSource(clients, RedisSettings(url=f"redis://blind:pass@{place}"))})
    try:
        with pytest.raises(Denied, match=r"\+@read"):
            await locks.read(made, SETTINGS, None)
    finally:
        await made.close()
        await keys.execute_command("ACL", "DELUSER", "blind")


async def test_a_sweep_that_was_interrupted_goes_on_where_it_was(keys, sources, monkeypatch):
    monkeypatch.setattr(locks, "BUDGET", 500)
    await fill(keys, 3_000)
    first = await locks.read(sources, SETTINGS, None)
    second = await locks.read(sources, SETTINGS, first)
    assert second.sweep.began_at == first.sweep.began_at and second.looked == 1_000
    assert utc_now() - second.sweep.began_at < timedelta(seconds=30)


async def test_a_server_that_is_slow_to_answer_is_asked_for_a_little_at_a_time_and_the_sweep_ends(
    keys, sources, monkeypatch
):
    monkeypatch.setattr(locks, "PART_S", 0.0)
    await fill(keys, 1_200)
    for n in range(120):
        await keys.set(f"lock:number:u{n}-a-b", ms_ago(60))
    value, readings = None, 0
    while value is None or not value.known:
        value, readings = await locks.read(sources, SETTINGS, value), readings + 1
        assert readings < 20
    assert (value.abandoned, value.locks) == (120, 120)


async def watched(clients, url: str, **settings) -> list[tuple[int, int, bool]]:
    """Two readings of a Redis at an address: its abandoned locks, all its locks, and whether they are known."""
    made = Sources(clients, {"redis": RedisSource(clients, RedisSettings(url=url, **settings))})
    try:
        first = await locks.read(made, SETTINGS, None)
        return [(v.abandoned, v.locks, v.known) for v in (first, await locks.read(made, SETTINGS, first))]
    finally:
        await made.close()


async def test_locks_are_watched_over_the_rest_service_of_the_first_installs(keys, redis_server, clients, monkeypatch):
    monkeypatch.setattr(locks, "PART_S", 60.0)  # so that a busy machine is no slow server
    for n in range(60):
        await keys.set(f"lock:number:u{n}-a-united kingdom", ms_ago(60))
    hand = redis.asyncio.from_url(redis_server.url)
    async with upstash(hand) as url:
        assert await watched(clients, url, token="t0ken") == [(60, 60, True)] * 2
    await hand.aclose()


async def test_locks_are_watched_on_every_node_of_a_cluster(tmp_path, clients):
    async with server(tmp_path, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf") as port:
        hand = redis.asyncio.Redis(port=port)
        await hand.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        while (await hand.cluster("INFO"))["cluster_state"] != "ok":
            await asyncio.sleep(0.02)
        for n in range(7):
            await hand.set(f"lock:number:u{n}-a-b", ms_ago(60))
        await hand.set("lock:purchase:atomic:u", "token", ex=30)
        assert await watched(clients, f"redis+cluster://127.0.0.1:{port}") == [(7, 8, True)] * 2
        await hand.aclose()
