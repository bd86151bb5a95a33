"""Data that is lost or in danger, and what stands open: found in samples, without harm.

(nexnum.md#wallets, #reconcile, #cron-routes)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import msgspec
import pytest
from aiohttp import web
from redis.asyncio import Redis as Hand
from remote_console import tcp_server

from nexconsole.drill.servers import embedded_postgres
from nexconsole.drill.temp_tree import free_port
from nexconsole.errors import NotConfigured, SourceError, TimedOut, Unreachable
from nexconsole.journal import EntryKind, journal_folder, new_incident, open_journal
from nexconsole.model import SourceHealth, utc_now
from nexconsole.settings import (
    ApiSettings,
    IntegrityRules,
    KubernetesSettings,
    PostgresSettings,
    RedisSettings,
    Settings,
)
from nexconsole.signals import durability, integrity, ledgers, open_routes
from nexconsole.signals.findings import Drift, Finding, IntegrityCheck, KeyspaceState, Memory
from nexconsole.sources import Sources
from nexconsole.sources.api import ApiSource
from nexconsole.sources.postgres import PostgresSource
from nexconsole.sources.redis import RedisSource

SETTINGS = Settings()
ERAS = [("old", False), ("head", True)]


def found(looked) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in looked.findings]


async def look(how, sources, memory: Memory | None = None, settings: Settings = SETTINGS):
    looked = await how(sources, settings, memory or Memory(), utc_now())
    assert looked is not None
    return looked


async def wallet(database, user: str, balance: float, reserved: float = 0.0, rows: tuple[tuple[str, float], ...] = ()):
    """A customer's wallet with its transactions: (type, amount)."""
    await database.customer(user)
    await database.execute(
        "INSERT INTO wallets (id, user_id, balance, reserved) VALUES ($1, $1, $2, $3)", user, balance, reserved
    )
    for number, (kind, amount) in enumerate(rows):
        await database.execute(
            "INSERT INTO wallet_transactions (id, wallet_id, amount, type) VALUES ($1, $2, $3, $4)",
            *(f"{user}-{number}", user, amount, kind),
        )


# --- wallets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("era", "timestamptz"), ERAS)
async def test_sound_wallets_are_no_finding_in_any_era(database, sources_on, era, timestamptz):
    await database.create(era=era, timestamptz=timestamptz)
    await wallet(database, "a", 10, 10)
    await wallet(database, "b", 0, 0)
    looked = await look(ledgers.wallets, sources_on(database.url))
    assert (looked.said, looked.findings) == ("2 wallets", ())


@pytest.mark.parametrize(
    ("balance", "reserved", "level", "words"),
    [
        (10, -1.5, "none", "1 wallet has a hold below zero, by 1.50 in all: released twice"),
        (10, -1000, "none", "by 1 000.00 in all: released twice"),
        (10, -1001, "SEV-3", "by 1 001.00 in all: released twice"),
        (10, 12.5, "none", "1 wallet holds more than the balance, by 2.50 in all"),
        (10, 111, "SEV-2", "by 101.00 in all"),
        (-100, 0, "SEV-3", "1 wallet is overdrawn, by 100.00 in all"),
        (-100.5, 0, "SEV-1", "1 wallet is overdrawn, by 100.50 in all"),
    ],
)
async def test_a_wallet_that_can_not_be_is_judged_by_the_money(database, sources_on, balance, reserved, level, words):
    await wallet(database, "a", balance, reserved)
    [(found_level, text)] = found(await look(ledgers.wallets, sources_on(database.url)))
    assert found_level == level and words in text


async def test_what_was_found_is_asked_for_again_by_its_key_until_it_is_mended(database, sources_on):
    sources = sources_on(database.url)
    await wallet(database, "a", -500)
    first = await look(ledgers.wallets, sources)
    assert first.memory.bad == ("a",)
    await database.execute("UPDATE wallets SET balance = 3")
    later = await look(ledgers.wallets, sources, first.memory)
    assert (later.findings, later.memory.bad) == ((), ())


async def test_many_wallets_are_looked_at_by_a_sample_of_pages_and_that_is_said(database, sources_on, monkeypatch):
    monkeypatch.setattr(ledgers, "PAGES", 4)
    await database.execute(
        "INSERT INTO users (id, name, email, updated_at) SELECT n, n, n, now() FROM generate_series(1, 9000) n;"
        "INSERT INTO wallets (id, user_id, balance) SELECT id, id, 5 FROM users; ANALYZE wallets"
    )
    await database.execute("UPDATE wallets SET balance = -1 WHERE id = '8999'")
    looked = await look(ledgers.wallets, sources_on(database.url), Memory(bad=("8999",)))
    assert looked.said.startswith("a sample of ") and looked.said.endswith(" of about 9 000 wallets")
    assert found(looked) == [("SEV-3", "1 wallet is overdrawn, by 1.00 in all")]
    plan = await database.connection.fetch(
        "EXPLAIN " + ledgers.SAMPLE_SQL.format(bad=ledgers.BAD, most=9, sample="TABLESAMPLE SYSTEM (1)", limit=99)
    )
    assert "Sample Scan" in str(plan) and "Seq Scan" not in str(plan)


# --- balances beside transactions -------------------------------------------------------------------------------------

BOUGHT = (("topup", 50.0), ("purchase", -8.0))
HELD = (*BOUGHT, ("reservation", -2.0), ("reservation", -3.0), ("rollback", 3.0))


@pytest.mark.parametrize(("era", "timestamptz"), ERAS)
async def test_a_balance_is_the_sum_of_its_rows_whether_holds_write_some_or_not(database, sources_on, era, timestamptz):
    await database.create(era=era, timestamptz=timestamptz)
    for number in range(6):
        await wallet(database, f"u{number}", 42, 2, HELD if era == "head" else BOUGHT)
    looked = await look(ledgers.transactions, sources_on(database.url))
    assert (looked.said, looked.findings) == ("6 wallets beside their transactions", ())


@pytest.mark.parametrize(("missing", "level"), [(60.0, "SEV-3"), (100.0, "SEV-3"), (100.5, "SEV-1")])
async def test_a_few_wallets_that_differ_are_a_loss(database, sources_on, missing, level):
    for number in range(8):
        await wallet(database, f"u{number}", 42, 0, BOUGHT)
    await database.execute("UPDATE wallets SET balance = 42 + $1::float8 WHERE id = 'u3'", missing)
    [(found_level, text)] = found(await look(ledgers.transactions, sources_on(database.url)))
    assert found_level == level
    assert text == f"1 of 8 wallets in a sample differ from the sum of their transactions, by {missing:.2f} in all"


async def test_where_most_wallets_never_followed_from_rows_only_a_change_that_stays_is_a_loss(database, sources_on):
    sources = sources_on(database.url)
    for number in range(8):
        await wallet(database, f"u{number}", 400, 0, BOUGHT)
    first = await look(ledgers.transactions, sources)
    note = ("none", "8 of 8 wallets never followed from transactions: only changes tell here")
    assert found(first) == [note]
    await database.execute("UPDATE wallets SET balance = balance - 150 WHERE id = 'u3'")
    second = await look(ledgers.transactions, sources, first.memory)
    assert found(second) == [note], "the row may come a moment later"
    third = await look(ledgers.transactions, sources, second.memory)
    assert found(third) == [
        ("SEV-1", "the money of 1 wallet changed by 150.00 without a transaction, since this console looks"),
        note,
    ]
    await database.execute(
        "INSERT INTO wallet_transactions (id, wallet_id, amount, type) VALUES ('late', 'u3', -150, 'manual_debit')"
    )
    assert found(await look(ledgers.transactions, sources, third.memory)) == [note]


async def test_purchases_and_holds_between_two_looks_are_no_change(database, sources_on):
    sources = sources_on(database.url)
    for number in range(6):
        await wallet(database, f"u{number}", 400, 0, BOUGHT)
    memory = (await look(ledgers.transactions, sources)).memory
    for number, (kind, amount) in enumerate((("reservation", -5), ("purchase", -5), ("topup", 20))):
        if kind != "reservation":
            await database.execute("UPDATE wallets SET balance = balance + $1 WHERE id = 'u1'", amount)
        sql = "INSERT INTO wallet_transactions (id, wallet_id, amount, type) VALUES ($1, 'u1', $2, $3)"
        await database.execute(sql, f"n{number}", amount, kind)
        memory = (await look(ledgers.transactions, sources, memory)).memory
    assert memory.moved == {}


async def test_few_wallets_with_rows_and_wallets_with_very_many_are_not_judged(database, sources_on, monkeypatch):
    monkeypatch.setattr(ledgers, "SUMS_SQL", ledgers.SUMS_SQL.replace("LIMIT 2001", "LIMIT 4"))
    monkeypatch.setattr(ledgers, "MOST_ROWS", 3)
    for number in range(4):
        await wallet(database, f"u{number}", 9, 0, BOUGHT)
    await wallet(database, "busy", 9, 0, BOUGHT * 4)
    looked = await look(ledgers.transactions, sources_on(database.url))
    assert (looked.said, looked.findings) == ("4 wallets beside their transactions", ())


async def test_the_sums_are_served_by_the_index_in_both_eras(database):
    for era in ("old", "head"):
        await database.create(era=era)
        await database.execute("SET enable_seqscan = off")
        plan = str(await database.connection.fetch("EXPLAIN " + ledgers.SUMS_SQL, ["a"]))
        assert "wallet_transactions_wallet_id" in plan
        plan = str(await database.connection.fetch("EXPLAIN " + ledgers.REFUNDS_SQL, 3600.0))
        assert "activations_state" in plan and "Seq Scan" not in plan
        await database.execute("RESET enable_seqscan")


@pytest.mark.parametrize(("number", "level"), [(1, "none"), (100, "none"), (101, "SEV-2")])
async def test_refunds_of_what_was_never_taken_are_counted(database, sources_on, number, level):
    await database.activation("paid", 60, "REFUNDED", paid=True)
    await database.activation("old", 1000, "REFUNDED")
    for n in range(number):
        await database.activation(f"free-{n}", 60, "REFUNDED")
    await database.execute("UPDATE activations SET refund_tx_id = 'r' || id")
    [(found_level, text)] = found(await look(ledgers.refunds, sources_on(database.url)))
    purchases = "1 purchase" if number == 1 else f"{number} purchases"
    assert text == f"{purchases} of the last 15 min refunded though nothing was taken: {number:.2f} in all"
    assert found_level == level


# --- Postgres ---------------------------------------------------------------------------------------------------------


async def test_a_calm_primary_is_no_finding_for_any_role(database, sources_on, postgres_server):
    for url in (postgres_server.url, postgres_server.read_url, postgres_server.admin_url):
        looked = await look(durability.postgres, sources_on(url))
        assert (looked.said, looked.findings, looked.memory.primary) == ("a primary, archive_mode off", (), True)


async def test_an_archive_command_that_fails_is_found(clients):
    options = {"wal_level": "replica", "archive_mode": "on", "archive_command": "/bin/false"}
    async with embedded_postgres(settings=options) as server:
        source = PostgresSource(clients, PostgresSettings(url=server.admin_url))
        sources = Sources(clients, {"postgres": source})
        try:
            connection = await source.connect()
            await connection.execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1); SELECT pg_switch_wal()")
            for _ in range(200):
                if await connection.fetchval("SELECT failed_count > 0 FROM pg_stat_archiver"):
                    break
                await connection.execute("SELECT pg_sleep(0.05)")
            await connection.close()
            [(level, text)] = found(await look(durability.postgres, sources))
        finally:
            await sources.close()
    assert (level, text) == (
        "SEV-2",
        "archiving of the database's log fails, it never worked: a restore would lose what came after",
    )


def state(**more):
    usual = {
        "recovery": False,
        "archive_mode": "on",
        "broken_pages": 0,
        "failed": 0,
        "archived_s": 5.0,
        "failed_s": None,
        "sees_all": True,
        "receivers": None,
    }
    return usual | more


@pytest.mark.parametrize(
    ("more", "level"),
    [
        ({"failed": 3, "failed_s": 30.0, "archived_s": 900.0}, "SEV-3"),
        ({"failed": 3, "failed_s": 30.0, "archived_s": 901.0}, "SEV-2"),
        ({"failed": 3, "failed_s": 30.0, "archived_s": 29.0}, None),
        ({"failed": 3, "failed_s": 30.0, "archived_s": None, "archive_mode": "off"}, None),
    ],
)
def test_archiving_is_judged_by_its_last_success(more, level):
    assert [finding.level for finding in durability._archive(state(**more))] == ([level] if level else [])


@pytest.mark.parametrize(
    ("before", "receivers", "level", "words"),
    [
        (True, 1, "SEV-1", "has become a read-only replica"),
        (None, 0, "SEV-2", "follows no primary"),
        (None, 1, "none", "this console reads a replica"),
        (False, 1, "none", "this console reads a replica"),
    ],
)
def test_a_server_in_recovery_is_judged_by_what_it_was(before, receivers, level, words):
    [finding] = durability._recovery(state(recovery=True, receivers=receivers), Memory(primary=before))
    assert finding.level == level and words in finding.text
    assert finding.about == {"SEV-1": "read-only", "SEV-2": "recovery"}.get(level, "")


@pytest.mark.parametrize(
    ("late_s", "late_bytes", "words"),
    [(60.0, 1e9, None), (61.0, 0.0, "61 s behind"), (None, 2.5e9, "2.5 GB behind"), (None, None, None)],
)
def test_a_replica_is_late_by_time_or_by_size(late_s, late_bytes, words):
    row = {"name": "standby\x1b[31m", "late_s": late_s, "late_bytes": late_bytes}
    texts = [finding.text for finding in durability._replicas([row], IntegrityRules())]
    assert len(texts) == (words is not None)
    assert words is None or (words in texts[0] and "\x1b" not in texts[0])


def test_broken_pages_are_a_loss():
    [finding] = durability._pages(state(broken_pages=2))
    assert (finding.level, finding.text) == (
        "SEV-1",
        "2 pages of the database failed the checksum: the disk loses data",
    )
    assert list(durability._pages(state(broken_pages=None))) == []


# --- Redis ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def hand(redis_server) -> AsyncIterator[Hand]:
    client = Hand.from_url(redis_server.url)
    await client.flushall()
    yield client
    await client.config_set("maxmemory", 0)
    await client.config_set("maxmemory-policy", "noeviction")
    await client.aclose()


@pytest.fixture
async def keyspace(redis_server, clients) -> AsyncIterator[Sources]:
    made = Sources(clients, {"redis": RedisSource(clients, RedisSettings(url=redis_server.url))})
    yield made
    await made.close()


async def test_a_calm_redis_is_no_finding_and_is_remembered(keyspace, hand):
    await hand.mset({f"k{n}": "x" for n in range(30)})
    looked = await look(durability.redis, keyspace)
    assert (looked.said, looked.findings) == ("30 keys", ())
    assert looked.memory.redis is not None and looked.memory.redis.keys == 30
    assert (await look(durability.redis, keyspace, looked.memory)).findings == ()


async def test_somebody_who_empties_redis_is_seen_and_told_for_half_an_hour(keyspace, hand):
    await hand.mset({f"k{n}": "x" for n in range(30)})
    before = (await look(durability.redis, keyspace)).memory
    await hand.flushall()
    looked = await look(durability.redis, keyspace, before)
    told = ("SEV-1", "somebody emptied Redis (FLUSHALL or FLUSHDB): 30 keys before, 0 now; seen 0 s ago")
    assert found(looked) == [told]
    later = await durability.redis(keyspace, SETTINGS, looked.memory, utc_now() + timedelta(seconds=1799))
    assert found(later)[0][1].endswith("seen 29 min ago")
    assert (
        await durability.redis(keyspace, SETTINGS, looked.memory, utc_now() + timedelta(seconds=1801))
    ).findings == ()


@pytest.mark.parametrize(
    ("run_id", "keys", "lost"), [("other", 30, True), ("other", 19, False), ("same", 30, False), ("", 30, False)]
)
async def test_a_restart_that_lost_the_data_is_told_from_one_that_kept_it(keyspace, hand, run_id, keys, lost):
    await hand.mset({"a": "1", "b": "2"})
    seen = (await look(durability.redis, keyspace)).memory.redis
    before = replace(seen, keys=keys, run_id=seen.run_id if run_id == "same" else run_id)
    levels = [level for level, text in found(await look(durability.redis, keyspace, Memory(redis=before)))]
    assert levels == (["SEV-1"] if lost else [])


async def test_a_restart_with_its_keys_is_no_loss(keyspace, hand):
    await hand.mset({f"k{n}": "x" for n in range(30)})
    before = KeyspaceState(run_id="other", keys=31, flushes=0, evicted=0)
    assert (await look(durability.redis, keyspace, Memory(redis=before))).findings == ()


async def test_a_full_redis_refuses_and_one_that_evicts_loses(keyspace, hand):
    await hand.config_set("maxmemory", 1_100_000)
    await hand.execute_command("CONFIG", "SET", "maxmemory", "1")
    [(level, text)] = found(await look(durability.redis, keyspace))
    assert (level, text) == ("SEV-2", "Redis is full: it refuses what is written (noeviction)")
    await hand.config_set("maxmemory-policy", "allkeys-lru")
    seen = (await look(durability.redis, keyspace)).memory
    assert found(await look(durability.redis, keyspace, seen)) == []
    before = replace(seen, redis=replace(seen.redis, evicted=seen.redis.evicted - 5))
    [(level, text)] = found(await look(durability.redis, keyspace, before))
    assert (level, text) == ("SEV-2", "Redis throws keys away to have room (allkeys-lru): 5 keys since the last look")


NOW = utc_now()


@pytest.mark.parametrize(
    ("info", "keeps", "level"),
    [
        ({}, True, None),
        ({"rdb_last_bgsave_status": "ok", "aof_enabled": "0"}, True, None),
        ({"rdb_last_bgsave_status": "err"}, True, "SEV-2"),
        ({"aof_enabled": "1", "aof_last_write_status": "err"}, True, "SEV-2"),
        ({"aof_enabled": "0", "aof_last_write_status": "err"}, True, None),
        ({"aof_enabled": "0", "rdb_changes_since_last_save": "5", "rdb_last_save_time": 7300}, True, "SEV-3"),
        ({"aof_enabled": "0", "rdb_changes_since_last_save": "5", "rdb_last_save_time": 7100}, True, None),
        ({"aof_enabled": "0", "rdb_changes_since_last_save": "5", "rdb_last_save_time": 7300}, False, None),
        ({"aof_enabled": "1", "rdb_changes_since_last_save": "5", "rdb_last_save_time": 7300}, True, None),
        ({"aof_enabled": "0", "rdb_changes_since_last_save": "0", "rdb_last_save_time": 7300}, True, None),
        ({"aof_enabled": "0", "rdb_changes_since_last_save": "many", "rdb_last_save_time": 7300}, True, None),
    ],
)
def test_how_redis_saves_is_judged_by_what_it_tells(info, keeps, level):
    if age := info.get("rdb_last_save_time"):
        info = info | {"rdb_last_save_time": str(int(NOW.timestamp() - age))}
    findings = durability._persistence(info, IntegrityRules(redis_keeps=keeps), NOW)
    assert [finding.level for finding in findings] == ([level] if level else [])


@pytest.mark.parametrize(("used", "level"), [("89", None), ("90", "SEV-3"), ("99", "SEV-3"), ("100", "SEV-2")])
def test_a_redis_is_nearly_full_before_it_is_full(used, level):
    info = {"used_memory": used, "maxmemory": "100", "maxmemory_policy": "noeviction"}
    assert [f.level for f in durability._room(info, None, IntegrityRules())] == ([level] if level else [])


async def test_a_service_that_tells_little_of_itself_is_said_to(monkeypatch):
    async def info(section: str = ""):
        if section:
            raise SourceError("redis", "unknown section")
        return {"redis_version": "x"}

    looked = await look(durability.redis, SimpleNamespace(redis=SimpleNamespace(info=info)))
    assert looked.said == "this service does not tell its run id, it does not tell how it saves"
    assert looked.findings == ()


# --- routes -----------------------------------------------------------------------------------------------------------

OLD = {
    "/api/cron/reconcile": "GET, HEAD, OPTIONS",
    "/api/cron/process-outbox": "GET, HEAD, OPTIONS",
    "/api/metrics": "GET, HEAD, OPTIONS",
}
HEAD = {
    "/api/cron/reconcile": "GET, HEAD, OPTIONS",
    "/api/metrics": "GET, HEAD, OPTIONS",
    "/api/admin/providers/debug-purchase": "GET, HEAD, OPTIONS",
}


class Cluster:
    """The far side of Kubernetes: one Secret."""

    health = SourceHealth(name="kubernetes")

    def __init__(self, entries: dict[str, str] | None) -> None:
        self._entries = entries

    async def secret(self, name: str) -> dict[str, str]:
        if self._entries is None:
            raise SourceError("kubernetes", "may not get secrets")
        return self._entries


@asynccontextmanager
async def application(clients, routes: dict[str, str], cluster: Cluster | None = None):
    """NexNum's routes as Next.js answers for them: (sources, the requests seen)."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(f"{request.method} {request.path}")
        if request.method != "OPTIONS" or request.path not in routes:
            return web.Response(status=404)
        return web.Response(status=204, headers={"Allow": routes[request.path]})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api = ApiSource(clients, ApiSettings(url=f"http://127.0.0.1:{runner.addresses[0][1]}"))
    sources = Sources(clients, {"api": api} | ({"kubernetes": cluster} if cluster else {}))
    try:
        yield sources, seen
    finally:
        await api.close()
        await runner.cleanup()


READS_SECRET = Settings(kubernetes=KubernetesSettings(database_from_secret=True))


@pytest.mark.parametrize(
    ("routes", "cluster", "settings", "levels", "said"),
    [
        (
            OLD,
            None,
            SETTINGS,
            ["none"],
            "3 of 4 routes are there; whether the cron routes ask for a secret is not known",
        ),
        (HEAD, None, SETTINGS, ["none"], "3 of 4 routes are there; whether the cron routes ask"),
        ({}, None, SETTINGS, [], "0 of 4 routes are there; whether"),
        (HEAD, Cluster({}), SETTINGS, ["none"], "whether the cron routes ask for a secret is not known"),
        (HEAD, Cluster({}), READS_SECRET, ["SEV-2", "none"], "the Secret has no CRON_SECRET"),
        (HEAD, Cluster({"CRON_SECRET": "s3cret"}), READS_SECRET, ["none"], "the Secret has CRON_SECRET"),
        (HEAD, Cluster({"CRON_SECRET": ""}), READS_SECRET, ["SEV-2", "none"], "no CRON_SECRET"),
        (HEAD, Cluster(None), READS_SECRET, ["none"], "is not known"),
    ],
)
async def test_open_routes_are_told_without_calling_one(clients, routes, cluster, settings, levels, said):
    async with application(clients, routes, cluster) as (sources, seen):
        looked = await look(open_routes.routes, sources, settings=settings)
        assert [finding.level for finding in looked.findings] == levels
        assert said in looked.said and "s3cret" not in str(looked)
        assert {line.split()[0] for line in seen} == {"OPTIONS"} and len(seen) == 4
        assert await open_routes.routes(sources, settings, looked.memory, utc_now()) is None, "too soon"
        assert len(seen) == 4


# --- our own journal --------------------------------------------------------------------------------------------------


def written(settings: Settings):
    folder = journal_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    name = new_incident(folder, utc_now())
    journal = open_journal(settings, "maria", name)
    for number in range(4):
        journal.append(EntryKind.NOTE, {"text": f"note {number}"})
    return journal.file


async def test_a_journal_that_says_what_was_written_is_no_finding_and_an_edited_one_is(clients):
    sources, file = Sources(clients, {}), written(SETTINGS)
    first = await look(integrity.journals, sources)
    assert (first.said, first.findings) == ("1 journal", ())
    file.write_text(file.read_text().replace("note 2", "note 9"))
    second = await look(integrity.journals, sources, first.memory)
    [(level, text)] = found(second)
    assert level == "SEV-2" and text.startswith(
        f"the journal {file.parent.name}.jsonl is not what was written: line 3: "
    )
    assert found(await look(integrity.journals, sources, second.memory)) == [(level, text)], (
        "not read again, still told"
    )


async def test_a_torn_line_is_no_breach(clients):
    file = written(SETTINGS)
    with file.open("a") as journal:
        journal.write('{"id":"torn')
    assert (await look(integrity.journals, Sources(clients, {}))).findings == ()


# --- all together -----------------------------------------------------------------------------------------------------


async def test_each_look_stands_alone_and_one_that_fails_keeps_what_it_found(database, sources_on):
    sources = sources_on(database.url)
    await wallet(database, "a", -500)
    value = await integrity.read(sources, SETTINGS, None)
    checks = {check.name: check for check in value.checks}
    assert tuple(checks) == tuple(integrity.LOOKS)
    assert [finding.level for finding in value.findings] == ["SEV-1"]
    assert checks["redis"].error == "redis is not configured: set redis.url or REDIS_URL" and checks["redis"].at is None
    assert value.notes == ("2 looks can't be taken: redis is not configured: set redis.url or REDIS_URL",)
    await database.execute("ALTER TABLE wallets RENAME TO gone")
    later = await integrity.read(sources, SETTINGS, value)
    again = {check.name: check for check in later.checks}["wallets"]
    assert again.findings == checks["wallets"].findings and again.at == checks["wallets"].at
    assert "wallets" in again.error


async def test_a_database_that_hangs_is_waited_for_once_a_reading(clients, monkeypatch):
    async with tcp_server(None) as port:
        source = PostgresSource(
            clients, PostgresSettings(url=f"postgresql://u@127.0.0.1:{port}/x", connect_timeout_s=0.3)
        )
        sources = Sources(clients, {"postgres": source})
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimedOut):
            await integrity.read(sources, SETTINGS, None)
        assert asyncio.get_running_loop().time() - began < 1.2
        await sources.close()


async def test_where_no_system_can_be_looked_at_it_is_an_error_or_not_configured(clients, sources_on):
    with pytest.raises(NotConfigured):
        await integrity.read(Sources(clients, {}), SETTINGS, None)
    with pytest.raises(Unreachable):
        await integrity.read(sources_on(f"postgresql://u@127.0.0.1:{free_port()}/x"), SETTINGS, None)


def test_findings_are_sorted_by_how_bad_they_are_and_by_kind():
    checks = (
        IntegrityCheck(
            name="a",
            findings=(Finding(kind="data", level="none", text="1"), Finding(kind="security", level="SEV-2", text="2")),
        ),
        IntegrityCheck(name="b", findings=(Finding(kind="data", level="SEV-1", text="3"),)),
    )
    value = integrity.Integrity(checks=checks)
    assert [finding.text for finding in value.findings] == ["3", "2", "1"]
    assert [finding.text for finding in value.of("data")] == ["3", "1"]
    assert Drift(whole=0.0, moved=0.0) == Drift(whole=0.0, moved=0.0, off=False)


async def test_no_wallet_is_named_in_what_is_published_and_a_change_is_seen_all_the_same(database, sources_on):
    sources = sources_on(database.url)
    for number in range(8):
        await wallet(database, f"wallet-of-{number}", 42, 0, BOUGHT)
    value = await integrity.read(sources, SETTINGS, None)
    await database.execute("UPDATE wallets SET balance = 4000 WHERE id = 'wallet-of-3'")
    for _ in range(2):
        value = await integrity.read(sources, SETTINGS, value)
    assert "1 wallet changed by 3 958.00 without a transaction" in value.findings[0].text
    assert "wallet-of" not in msgspec.json.encode(value).decode()
