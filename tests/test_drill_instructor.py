"""An instructor and a running drill: faults begin and end as causes, time runs faster, and a seed keeps its promise."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import redis.asyncio
import redis.exceptions
from quick_commands import nexconsole

from nexconsole.drill import running
from nexconsole.drill.control import Control
from nexconsole.drill.drill_clock import DrillClock
from nexconsole.drill.effects import BLOCKER
from nexconsole.drill.fault_kinds import KINDS, injected
from nexconsole.drill.faults import staged
from nexconsole.drill.instructor import Request
from nexconsole.drill.market import pods
from nexconsole.drill.market.clock import Clock
from nexconsole.drill.market.market import Market
from nexconsole.drill.scenarios import SCENARIOS, CutOffPod, UpstreamAnswer, UpstreamFault
from nexconsole.drill.schema import Era
from nexconsole.drill.world import DrillWorld
from nexconsole.errors import DrillError

EPOCH = 1786164801.0


def calm_market(seed: int = 7) -> Market:
    market = Market(replace(SCENARIOS["calm"], history_s=60.0), seed, EPOCH)
    market.play(EPOCH)
    return market


def failures(market: Market, since: float = EPOCH) -> Counter[str]:
    rows = market.past.rows("activations")
    return Counter(row["provider_id"] for row in rows if row["state"] == "FAILED" and row["created_at"] > since)


def inject(market: Market, name: str, **more: Any) -> None:
    market.troubles.add(injected(name, begins_s=market.drill_clock.now(), seed=more.pop("seed", market.seed), **more))


# --- drill time ---


def test_drill_time_runs_as_fast_as_it_is_told_and_the_clock_stays_real():
    clock = Clock(EPOCH - 100)
    drill_clock = DrillClock(clock, EPOCH)
    assert drill_clock.now() == -100
    clock.run_until(EPOCH + 10)
    drill_clock.set(4)
    clock.run_until(EPOCH + 20)
    assert (drill_clock.now(), clock.now()) == (50, EPOCH + 20)
    drill_clock.set(0.5)
    clock.run_until(EPOCH + 40)
    assert drill_clock.now() == 60
    assert [drill_clock.clock_at(at) - EPOCH for at in (-30, 10, 30, 50, 60, 70)] == [-30, 10, 15, 20, 40, 60]


def test_what_sleeps_feels_a_change_of_speed_within_a_second():
    clock = Clock(EPOCH)
    drill_clock = DrillClock(clock, EPOCH)
    woken: list[float] = []

    async def sleeper() -> None:
        await drill_clock.sleep(60)
        woken.append(clock.now() - EPOCH)

    clock.spawn(sleeper())
    clock.run_until(EPOCH + 10.5)
    drill_clock.set(10)
    clock.run_until(EPOCH + 100)
    assert 15.4 <= woken[0] <= 16.5


def test_ten_times_the_speed_brings_ten_times_the_customers():
    market = calm_market()
    market.drill_clock.set(10)
    market.play(EPOCH + 60)
    orders = [row for row in market.past.rows("purchase_orders") if row["created_at"] > EPOCH]
    market.clock.close()
    assert len(orders) > 60 * market.scenario.purchases_per_s * 5
    assert all(row["expires_at"] == row["created_at"] + 300 for row in orders)


# --- causes ---


def test_every_scenario_with_a_fault_can_be_injected_and_cleared_under_its_own_name():
    for scenario in SCENARIOS.values():
        own = staged(scenario, 0)
        assert bool(own) == (scenario.name != "calm")
        assert {fault.name for fault in own} <= set(KINDS)


def test_an_outage_begins_and_ends_at_its_drill_time_and_hits_its_provider_alone():
    market = calm_market()
    inject(market, "provider-outage", provider="5sim", ends_s=120.0)
    market.play(EPOCH + 120)
    failed = failures(market)
    assert failed["5sim"] > 10
    assert failed["5sim"] / failed.total() > 0.8
    market.play(EPOCH + 520)  # the shared breaker stays open for up to 300 s, as a real one would
    market.clock.close()
    assert failures(market, EPOCH + 440)["5sim"] <= 2


@pytest.mark.parametrize("era", ["old", "head"])
def test_a_provider_that_answers_with_a_page_sells_nothing_and_opens_no_circuit_of_a_pod(era: Era) -> None:
    market = Market(replace(SCENARIOS["calm"], history_s=60.0), 7, EPOCH, era=era)
    market.play(EPOCH)
    inject(market, "html-answers", provider="5sim")
    market.play(EPOCH + 120)
    market.clock.close()
    failed = failures(market)
    assert failed["5sim"] > 10 and failed["5sim"] / failed.total() > 0.8
    texts = [text for pod in market.pods.values() for _, text in pod.log.lines]
    assert any("Failed to parse number response" in text and "We will be back soon" in text for text in texts)
    assert not any("5sim] Circuit OPEN" in text for text in texts)
    if era == "head":  # each page is a 200 to who fetched it
        assert any("api_key" in text and '"status":200' in text and "DynamicProvider:5sim" in text for text in texts)


@pytest.mark.parametrize("cause", [partial(UpstreamFault, provider="5sim"), CutOffPod])
def test_an_answer_that_no_upstream_gives_fails_where_the_cause_is_defined(cause: Any) -> None:
    with pytest.raises(DrillError, match="No upstream answers 'teapot'; choose one of: ok, html, 429, 503, NO_NUMBERS"):
        cause(begins_s=0, answers=(("teapot", 0.5),))
    with pytest.raises(DrillError, match="more than 1 together"):
        cause(begins_s=0, answers=((UpstreamAnswer.HTML, 0.6), (UpstreamAnswer.RESET, 0.6)))


def test_an_injected_flapping_provider_opens_its_circuit_again_and_again_while_few_purchases_fail():
    market = calm_market()
    inject(market, "flapping-circuit", provider="onlinesim")
    market.play(EPOCH + 480)
    market.clock.close()
    for pod in market.pods.values():
        opened = [text for _, text in pod.log.lines if "onlinesim] Circuit OPEN" in text]
        assert len(opened) >= 3
    orders = [row for row in market.past.rows("purchase_orders") if row["created_at"] > EPOCH]
    assert failures(market).total() / len(orders) < 0.1


def test_a_stopped_reconciler_lets_killed_purchases_pile_up_and_leaked_locks_have_no_end():
    market = calm_market()
    inject(market, "reconciler-stopped")
    inject(market, "stale-locks")
    market.play(EPOCH + 400)
    market.clock.close()
    pending = [row for row in market.past.rows("purchase_orders") if row["status"] == "PENDING"]
    assert len(pending) > 50
    leaked = [key for key, entry in market.past_keys.entries.items() if key.startswith("lock:") and not entry.expires]
    assert len(leaked) > 10


def test_a_stopped_outbox_publishes_nothing_until_its_fault_ends():
    market = calm_market()
    inject(market, "outbox-stopped", ends_s=60.0)
    market.play(EPOCH + 55)
    events = list(market.past.rows("outbox_events_v2"))
    assert not [row for row in events if row["status"] == "PUBLISHED" and row["updated_at"] > EPOCH + 5]
    market.play(EPOCH + 70)
    assert [row for row in events if row["status"] == "PUBLISHED" and row["updated_at"] > EPOCH + 60]
    market.clock.close()


# --- what a seed promises ---


def story(seed: int, *faults: str, fault_seed: int | None = None) -> Market:
    market = calm_market(seed)
    for name in faults:
        inject(market, name, **({} if fault_seed is None else {"seed": fault_seed}))
    market.play(EPOCH + 120)
    market.clock.close()
    return market


def test_the_same_seed_and_the_same_injections_give_the_same_incident():
    first, second = (story(3, "provider-outage", "stale-locks") for _ in range(2))
    assert first.past.tables == second.past.tables
    assert first.past_keys.entries == second.past_keys.entries
    assert first.past.tables != story(4, "provider-outage", "stale-locks").past.tables
    assert first.past.tables != story(3, "provider-outage", "stale-locks", fault_seed=9).past.tables


def test_an_injected_fault_changes_no_customers_wish():
    def wishes(*faults: str) -> list[tuple[str, str, str]]:
        market = calm_market()
        wished = []
        buy = market.checkout.buy

        async def noted(pod, wish):
            wished.append((wish.user_id, wish.upstream.name, str(wish.price)))
            await buy(pod, wish)

        market.checkout.buy = noted
        for name in faults:
            inject(market, name)
        market.play(EPOCH + 60)
        market.clock.close()
        return wished

    assert wishes() == wishes("provider-outage", "reconciler-stopped", "outbox-stopped")


def test_a_seed_promises_the_same_customers_whenever_the_drill_is_started():
    def orders(epoch: float) -> list[tuple[str, str, str]]:
        market = Market(replace(SCENARIOS["calm"], history_s=60.0), 5, epoch)
        market.play(epoch + 60)
        market.clock.close()
        found = sorted(market.past.rows("purchase_orders"), key=lambda row: row["created_at"])
        return [(row["user_id"], row["service_name"], str(row["amount"])) for row in found]

    assert orders(EPOCH) == orders(EPOCH + 86_400.25)


def test_the_same_users_are_stalled_whenever_the_fault_is_injected():
    early, late = calm_market(), calm_market()
    late.play(EPOCH + 30)
    held = [
        market.users_stalled_by(injected("database-stall", begins_s=market.drill_clock.now(), seed=5))
        for market in (early, late)
    ]
    for market in (early, late):
        market.clock.close()
    assert held[0] == held[1]
    assert 0.5 < len(held[0]) / len(early.users) < 0.95


# --- a world, and its socket ---


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(autouse=True)
def private_folders(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("XDG_STATE_HOME", str(runtime / "state"))


@pytest.fixture(scope="module")
async def world(runtime: Path) -> AsyncIterator[DrillWorld]:
    world = DrillWorld("calm", seed=1)
    await world.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        patch.setenv("XDG_STATE_HOME", str(runtime / "state"))  # other drills of this account are no concern
        control = Control(world.instruction)
        await control.start()
        yield world
        await control.close()
        assert running.running() == []
    await world.close()


@pytest.fixture
async def database(world: DrillWorld) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(world.postgres.url)
    yield connection
    await connection.close()


async def ask(**request: Any) -> dict[str, Any]:
    return await asyncio.to_thread(lambda: running.ask(running.the_one(), **request))


async def refusal(**request: Any) -> str:
    with pytest.raises(DrillError) as refused:
        await ask(**request)
    return str(refused.value)


async def test_an_injected_outage_is_in_the_database_within_seconds_and_gone_when_cleared(
    world: DrillWorld, database: asyncpg.Connection
) -> None:
    said = await ask(verb="inject", fault="provider-outage", provider="5sim")
    assert (said["injected"]["state"], said["pid"]) == ("on", os.getpid())
    assert "is on already" in await refusal(verb="inject", fault="provider-outage", provider="5sim")
    await ask(verb="speed", speed=10)
    since = await database.fetchval("SELECT now() AT TIME ZONE 'UTC'")
    failed = "SELECT count(*) FROM activations WHERE provider_id = '5sim' AND state = 'FAILED' AND created_at >= $1"
    async with asyncio.timeout(60):
        while await database.fetchval(failed, since) < 5:
            await asyncio.sleep(0.1)
    assert (await ask(verb="clear", fault="provider-outage"))["cleared"] == ["provider-outage at 5sim"]
    said = await ask(verb="speed", speed=1)
    assert [fault["state"] for fault in said["faults"]] == ["over"]
    assert "is not on" in await refusal(verb="clear", fault="provider-outage")
    assert world.market.troubles.answers("5sim", "91") is None


BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
HOLDERS = (
    f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{BLOCKER}' AND state = 'idle in transaction'"
)


async def until(database: asyncpg.Connection, query: str, wanted: bool) -> None:
    async with asyncio.timeout(60):
        while bool(await database.fetchval(query)) is not wanted:
            await asyncio.sleep(0.1)


async def test_a_stall_holds_real_locks_until_it_is_cleared_or_somebody_ends_its_session(
    world: DrillWorld, database: asyncpg.Connection
) -> None:
    await ask(verb="inject", fault="database-stall", after_s=0.5)
    await until(database, BLOCKED, True)
    async with asyncio.timeout(60):
        while not (fault := json.loads((world.temp_tree.folder / "drill.json").read_text())["faults"][-1])["target"]:
            await asyncio.sleep(0.05)
    assert fault["helps"] == [f"backend.terminate {int(fault['target'])}"]
    await ask(verb="clear")
    await until(database, BLOCKED, False)
    said = await ask(verb="inject", fault="database-stall")
    await until(database, BLOCKED, True)
    async with asyncio.timeout(60):
        while not (pid := (await ask(verb="running"))["faults"][-1]["target"]):
            await asyncio.sleep(0.05)
    assert await database.fetchval("SELECT pg_terminate_backend($1)", int(pid))
    async with asyncio.timeout(60):
        while (said := await ask(verb="running"))["faults"][-1]["state"] != "over":
            await asyncio.sleep(0.1)
    assert "not on" in await refusal(verb="clear", fault=said["faults"][-1]["name"])
    await ask(verb="inject", fault="database-stall", for_s=1.0)
    await until(database, HOLDERS, True)
    await until(database, HOLDERS, False)


# The oldest event of the outbox, which the bad release can't read; without it, the first of them waits for its turn.
UNREADABLE = (
    "INSERT INTO outbox_events_v2 (id, aggregate_id, aggregate_type, event_type, payload, created_at, updated_at)"
    """ VALUES ('restocked', 'a', 'offer', 'offer.restocked', '{"version": 1, "provider": "5sim"}',"""
    " '2020-01-01', '2020-01-01')"
)


async def test_a_bad_release_is_rolled_out_and_whoever_goes_back_ends_it(
    world: DrillWorld, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods, "BOOT_S", 0.2)
    monkeypatch.setattr(world.cluster._kubelet, "_pace", 0.05)  # the autoscaler keeps its own
    cluster, good = world.cluster, world.cluster.image
    assert (await ask(verb="inject", fault="outbox-poison"))["injected"]["state"] == "on"
    await ask(verb="speed", speed=10)
    async with asyncio.timeout(60):
        while cluster.image == good or {pod.image for pod in world.market.pods.values()} != {cluster.image}:
            await asyncio.sleep(0.05)
    await database.execute(UNREADABLE)
    await until(database, "SELECT count(*) FROM outbox_events_v2 WHERE error LIKE '%expected version 2%'", True)
    cluster.release(good)
    async with asyncio.timeout(60):
        while (await ask(verb="running"))["faults"][-1]["state"] != "over":
            await asyncio.sleep(0.1)
    assert "not on" in await refusal(verb="clear", fault="outbox-poison")
    await ask(verb="inject", fault="outbox-poison", for_s=5.0)
    async with asyncio.timeout(60):
        while cluster.image == good:
            await asyncio.sleep(0.05)
        while cluster.image != good:
            await asyncio.sleep(0.05)
        while len(cluster.store.objects("pods")) != 3 or {pod.image for pod in world.market.pods.values()} != {good}:
            await asyncio.sleep(0.05)
    await ask(verb="speed", speed=1)


async def test_a_server_that_is_down_stays_down_until_it_is_cleared_and_the_world_lives(world: DrillWorld) -> None:
    crashed = world.market.clock.crashed
    assert crashed is not None
    await ask(verb="inject", fault="redis-down", for_s=3.0)
    await ask(verb="inject", fault="database-down")
    async with asyncio.timeout(60):
        while not await fails(world):
            await asyncio.sleep(0.1)
        while (await ask(verb="running"))["faults"][-2]["state"] != "over":
            await asyncio.sleep(0.1)
    assert await fails(world)
    await ask(verb="clear", fault="database-down")
    async with asyncio.timeout(60):
        while await fails(world):
            await asyncio.sleep(0.1)
        again = await asyncpg.connect(world.postgres.url)
        since = await again.fetchval("SELECT now() AT TIME ZONE 'UTC'")
        while not await again.fetchval("SELECT count(*) FROM activations WHERE created_at > $1", since):
            await asyncio.sleep(0.2)
        await again.close()
    assert not crashed.done()


async def fails(world: DrillWorld) -> bool:
    try:
        connection = await asyncpg.connect(world.postgres.url, timeout=2)
    except (OSError, asyncpg.PostgresError):
        return True
    await connection.close()
    return False


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"verb": "inject", "fault": "flood"}, "no fault named 'flood'; choose one of: provider-outage"),
        ({"verb": "inject", "fault": "provider-outage", "provider": "[red]"}, "no provider named '[red]'"),
        ({"verb": "inject", "fault": "stale-locks", "provider": "5sim"}, "leave --provider out"),
        ({"verb": "inject", "fault": "stale-locks", "at_s": 0.0}, "nothing can begin at 0 s any more"),
        ({"verb": "clear"}, "nothing to clear"),
        ({"verb": "clear", "fault": "flood"}, "no fault named"),
        ({"verb": "speed", "speed": 11}, "between 0.25 and 10"),
        ({"verb": "speed"}, "between 0.25 and 10"),
        ({"verb": "stop"}, "can't be read"),
        ({"verb": "inject", "fault": "stale-locks", "more": 1}, "can't be read"),
        ({"verb": "inject", "fault": "stale-locks", "for_s": -1}, "can't be read"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_sentence(world: DrillWorld, request_, sentence) -> None:
    assert sentence in await refusal(**request_)


async def test_garbage_floods_and_silence_harm_nothing(world: DrillWorld) -> None:
    (drill,) = await asyncio.to_thread(running.running)

    def say(text: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(drill.socket))
            connection.settimeout(5)
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(10_000)

    for text in (b"\xff\xfe\n", b"[]\n", b"[" * 3000 + b"\n", b'{"verb":"running"', b"{}\n"):
        assert b'"error"' in await asyncio.to_thread(say, text)
    assert b"longer than 4096 bytes" in await asyncio.to_thread(say, b"x" * 5000 + b"\n")
    silent = [socket.socket(socket.AF_UNIX) for _ in range(9)]
    for one in silent:
        one.connect(str(drill.socket))
    assert (await ask(verb="running"))["scenario"] == "calm"
    for one in silent:
        one.close()


async def test_only_this_account_can_enter_where_the_socket_lies(world: DrillWorld, runtime: Path) -> None:
    (drill,) = await asyncio.to_thread(running.running)
    assert drill.socket.parent.stat().st_mode & 0o777 == 0o700
    assert drill.socket.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_others_can_enter_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "nexconsole" / "drills").mkdir(parents=True)
    (tmp_path / "nexconsole" / "drills").chmod(0o755)
    with pytest.raises(DrillError, match="this account alone"):
        running.folder()


def test_sockets_of_killed_drills_are_removed_and_which_drill_is_meant_must_be_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with pytest.raises(DrillError, match="No drill runs"):
        running.the_one()
    place = running.folder()
    (place / "note.txt").write_text("no socket")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place / "11.sock"))
    listening = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for pid, one in zip((12, 13), listening, strict=True):
        one.bind(str(place / f"{pid}.sock"))
        one.listen()
    assert [drill.pid for drill in running.running()] == [12, 13]
    assert not (place / "11.sock").exists()
    with pytest.raises(DrillError, match=r"2 drills run: say which by --drill PID, one of: 12, 13"):
        running.the_one()
    with pytest.raises(DrillError, match="No drill runs with the pid 11"):
        running.the_one(11)
    with pytest.raises(DrillError, match=r"12 gave no answer within 0.2 s"):
        running.ask(running.the_one(12), timeout=0.2, verb="running")
    for one in listening:
        one.close()


# --- the process, and the command line ---


def test_a_second_terminal_instructs_a_drill_and_a_killed_one_leaves_no_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("long" * 25)  # longer than a socket's path may be
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    argv = [sys.executable, "-m", "nexconsole.drill", "provider-outage", "--seed", "2"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("NEXCONSOLE_CONFIG"):
            continue
        done = nexconsole("drill", "inject", "flapping-circuit", "--at", "+90s", "--for", "5m", "--seed", "8")
        assert done.returncode == 0, done.stderr
        assert "injected: flapping-circuit at tiger-sms: waits, begins" in done.stdout
        listed = json.loads(nexconsole("drill", "running", "--json").stdout)
        assert [(one["scenario"], one["seed"], one["pid"]) for one in listed] == [("provider-outage", 2, process.pid)]
        assert [fault["seed"] for fault in listed[0]["faults"]] == [2, 8]
        assert "cleared: provider-outage at smsbower" in nexconsole("drill", "clear", "provider-outage").stdout
        assert "speed 2.5" in nexconsole("drill", "speed", "2.5").stdout
        assert nexconsole("drill", "speed", "nan").returncode == 1
        wrong = nexconsole("drill", "inject", "stale-locks", "--for", "soon")
        assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while list(deep.glob("nexconsole/drills/*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert nexconsole("drill", "clear").stderr.startswith("nexconsole: No drill runs on this account")


def test_the_faults_and_what_a_seed_and_speed_mean_are_told():
    listed = nexconsole("drill", "inject", "--list").stdout.splitlines()
    assert sorted(line.split()[0] for line in listed) == sorted(KINDS)
    assert "same customers with the same wishes" in " ".join(nexconsole("drill", "inject", "--help").stdout.split())
    assert "breakers' cool-downs" in " ".join(nexconsole("drill", "speed", "--help").stdout.split())
    assert "nexconsole drill inject FAULT" in nexconsole("drill", "--help").stdout


# --- what was seen on the running application (nexnum.md#slots): each begins, and ends with what ends it ---


async def fault_state(name: str) -> str:
    faults = (await ask(verb="running"))["faults"]
    return next(fault["state"] for fault in reversed(faults) if fault["name"] == name)


async def becomes(name: str, state: str, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while await fault_state(name) != state:
            await asyncio.sleep(0.1)


async def test_slots_that_polling_took_are_free_again_when_somebody_deletes_the_key(world: DrillWorld) -> None:
    key = f"ratelimit:provider:{world.market.provider_ids['5sim']}"
    await ask(verb="speed", speed=10)
    said = await ask(verb="inject", fault="slot-starvation", provider="5sim")
    assert said["injected"]["helps"] == ["slots.clear 5sim", "provider.disable 5sim"]
    async with redis.asyncio.Redis.from_url(world.redis.url, decode_responses=True) as client:
        async with asyncio.timeout(60):
            while int(await client.get(key) or 0) / 1000 - time.time() < 1500:
                await asyncio.sleep(0.1)
        await ask(verb="speed", speed=1)
        async with asyncio.timeout(60):  # the polling has an end of its own
            while world.market.drill_clock.now() < world.market.troubles.faults[-1].begins_s + 60:
                await ask(verb="speed", speed=10)
                await asyncio.sleep(0.2)
        await ask(verb="speed", speed=1)
        await client.delete(key)
        await becomes("slot-starvation", "over")


async def test_a_provider_that_was_disabled_by_sql_is_no_fault_any_more_when_somebody_enables_it(
    world: DrillWorld, database: asyncpg.Connection
) -> None:
    active = "SELECT is_active FROM providers WHERE name = 'onlinesim'"
    await ask(verb="inject", fault="best-route-blackout", provider="onlinesim")
    await until(database, active, False)
    assert await fault_state("best-route-blackout") == "on"
    await database.execute("UPDATE providers SET is_active = true WHERE name = 'onlinesim'")
    await becomes("best-route-blackout", "over")
    await ask(verb="inject", fault="best-route-blackout", provider="onlinesim")
    await until(database, active, False)
    await ask(verb="clear")
    await until(database, active, True)


async def test_a_full_redis_takes_no_write_and_is_read_until_somebody_gives_it_memory(world: DrillWorld) -> None:
    async with redis.asyncio.Redis.from_url(world.redis.url) as client:
        await ask(verb="inject", fault="redis-full")
        async with asyncio.timeout(60):
            while await taken(client):
                await asyncio.sleep(0.05)
        assert await client.ping()
        await client.config_set("maxmemory", "0")
        assert await taken(client)
        await becomes("redis-full", "over")
    assert world.market.clock.crashed is not None and not world.market.clock.crashed.done()


async def taken(client: redis.asyncio.Redis) -> bool:
    try:
        return bool(await client.set("probe", "x"))
    except redis.exceptions.OutOfMemoryError:
        return False


async def test_the_search_index_refuses_connections_until_whoever_was_asked_brings_it_back(
    world: DrillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexconsole.drill.outsiders.PREPARE_S", 0.1)
    url = world.environment()["MEILISEARCH_HOST"] + "/health"
    assert await answers(url) == {"status": "available"}
    await ask(verb="inject", fault="search-down")
    async with asyncio.timeout(60):
        while await answers(url) is not None:
            await asyncio.sleep(0.05)
    journal = world.temp_tree.folder / "journal" / "INC-1.jsonl"
    await asyncio.to_thread(journal.parent.mkdir, exist_ok=True)
    step = {"scenario": "customers-are-refused", "state": "done", "answer": "piet"}
    lines = [
        "no entry",
        json.dumps({"kind": "step", "data": {**step, "step": "customers-are-refused/if-x/bystander"}}),
        json.dumps({"kind": "note", "data": {**step, "step": "x/index-owner"}}),
    ]
    await asyncio.to_thread(journal.write_text, "\n".join(lines) + "\n")
    await asyncio.sleep(1.0)
    assert await fault_state("search-down") == "on"
    lines.append(
        json.dumps({"kind": "step", "data": {**step, "step": "customers-are-refused/if-search.up/index-owner"}})
    )
    await asyncio.to_thread(journal.write_text, "\n".join(lines) + "\n")
    await becomes("search-down", "over")
    async with asyncio.timeout(60):
        while await answers(url) is None:
            await asyncio.sleep(0.05)


async def answers(url: str) -> Any:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.json()
    except aiohttp.ClientError:
        return None


async def test_an_empty_account_is_topped_up_when_the_fault_is_cleared(
    world: DrillWorld, database: asyncpg.Connection
) -> None:
    low = "SELECT balance < low_balance_alert FROM providers WHERE name = 'grizzlysms'"
    await ask(verb="inject", fault="balance-empty", provider="grizzlysms")
    await ask(verb="speed", speed=10)
    await until(database, low, True)
    await ask(verb="clear")
    await until(database, low, False)
    await ask(verb="speed", speed=1)


async def test_leaked_connections_end_with_the_pods_that_keep_them(
    world: DrillWorld, database: asyncpg.Connection
) -> None:
    used = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nexnum-app'"
    await ask(verb="inject", fault="connections-exhausted", after_s=0.0)
    async with asyncio.timeout(60):
        while await database.fetchval(used) < 35:
            await asyncio.sleep(0.2)
    for pod in list(world.market.pods.values()):
        image = pod.image
        await world.market.stop(pod.name)
        await world.market.start(pod.name, image)
    await becomes("connections-exhausted", "over")
    assert await database.fetchval(used) < 30


async def test_a_pod_that_is_cut_off_is_named_and_whatever_ends_it_ends_the_fault(world: DrillWorld) -> None:
    await ask(verb="inject", fault="one-bad-pod")
    async with asyncio.timeout(60):
        while not (fault := (await ask(verb="running"))["faults"][-1])["target"]:
            await asyncio.sleep(0.1)
    assert fault["helps"][0] == f"pods.restart {fault['target']}"
    pod = world.market.pods[fault["target"]]
    await world.market.stop(pod.name)
    await world.market.start(pod.name, pod.image)
    await becomes("one-bad-pod", "over")
    assert not any(pod.cut_off for pod in world.market.pods.values())


async def test_a_change_freeze_and_a_hanging_kubelet_are_on_until_they_are_cleared(world: DrillWorld) -> None:
    for fault in ("change-freeze", "hanging-kubelet", "foreign-pods"):
        await ask(verb="inject", fault=fault)
    troubles = world.cluster.troubles
    async with asyncio.timeout(60):
        while not (troubles.freeze and troubles.hanging and len(world.cluster.store.objects("pods")) == 8):
            await asyncio.sleep(0.05)
    await ask(verb="clear")
    async with asyncio.timeout(60):
        while troubles.freeze or troubles.hanging or len(world.cluster.store.objects("pods")) != 3:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", ["slot-starvation", "best-route-blackout"])
def test_what_the_oldest_version_can_not_do_is_refused_there(name: str) -> None:
    with pytest.raises(DrillError, match=f"{name} can't happen to the oldest version: leave --era out"):
        DrillWorld(name, era="old")


@pytest.mark.parametrize("name", ["slot-starvation", "best-route-blackout", "best-route"])
def test_nor_can_it_be_injected_there(name: str, world: DrillWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.market, "era", "old")
    with pytest.raises(DrillError, match=f"{name} can't happen to the oldest version"):
        world.instruction.handle(Request(verb="inject", fault=name))


def test_every_new_fault_is_listed_and_names_chapters_of_the_runbook() -> None:
    from nexconsole.runbook.library import shipped

    chapters = {chapter.id: chapter for chapter in shipped().chapters()}
    steps = {step.id.rpartition("/")[2] for chapter in chapters.values() for step in chapter.walk()}
    for kind in KINDS.values():
        assert set(kind.scenarios) <= set(chapters), kind.name
        assert set(kind.asks) <= steps, kind.name


async def test_the_newest_outbox_routes_answer_before_the_indexs_part_has_begun(
    world: DrillWorld, database: asyncpg.Connection
) -> None:
    await ask(verb="inject", fault="outbox-stopped")  # nobody else takes them
    insert = (
        "INSERT INTO outbox_events_v2 (id, aggregate_id, aggregate_type, event_type, payload, created_at, updated_at)"
        " VALUES ($1, 'a', 'offer', 'offer.updated', '[1]', '2020-01-01', '2020-01-01')"
    )
    state = "SELECT status FROM outbox_events_v2 WHERE id = $1"
    url, environment = world.environment()["API_URL"], world.environment()
    async with aiohttp.ClientSession() as session:
        await database.execute(insert, "background-1")
        login = {"Authorization": f"Bearer {environment['CRON_SECRET']}"}
        async with session.get(f"{url}/api/cron/worker", headers=login) as answer:
            data = (await answer.json())["data"]
        assert data["outbox"]["failed"] == 0 and data["searchSync"] is None
        await until(database, "SELECT status = 'FAILED' FROM outbox_events_v2 WHERE id = 'background-1'", True)
        await database.execute(insert, "background-2")
        admin = {"Authorization": f"Bearer {environment['NEXNUM_ADMIN_TOKEN']}"}
        async with session.post(f"{url}/api/admin/outbox", headers=admin, json={"action": "process"}) as answer:
            said = await answer.json()
        assert said["success"] is True and re.fullmatch(r"Processed [1-9]\d* events", said["message"])
        async with session.post(f"{url}/api/admin/outbox", headers=admin, json={"action": "dance"}) as answer:
            assert answer.status == 400
        async with session.post(f"{url}/api/admin/outbox", json={"action": "process"}) as answer:
            assert answer.status == 401
    await until(database, "SELECT status = 'FAILED' FROM outbox_events_v2 WHERE id = 'background-2'", True)
    assert await database.fetchval(state, "background-2") == "FAILED"
    await ask(verb="clear", fault="outbox-stopped")
