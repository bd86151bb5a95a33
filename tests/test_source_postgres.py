"""The Postgres source: connection strings as NexNum has them, and every way to fail.

(nexnum.md#database-url, #pooler)
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path

import asyncpg
import pytest
from remote_console import GARBAGE, HTML, tcp_server

from nexconsole.drill.temp_tree import free_port
from nexconsole.errors import BadAnswer, Denied, SettingsError, SourceError, TimedOut, Unreachable
from nexconsole.model import State
from nexconsole.settings import PostgresSettings, Settings
from nexconsole.signals import database as database_signal
from nexconsole.signals import outbox, reservations
from nexconsole.sources.postgres import CONNECTIONS, PostgresSource
from nexconsole.sources.postgres_address import parse_address


def test_the_pooler_address_of_the_samples_is_understood():
    address = parse_address(
        "postgresql://postgres.abcd:p%40ss%2Fw@aws-0-eu.pooler.supabase.com:6543/postgres?pgbouncer=true"
        "&connection_limit=5&sslmode=require&schema=shop"
    )
    assert (address.user, address.password) == ("postgres.abcd", "p@ss/w")
    assert (address.hosts, address.ports) == (("aws-0-eu.pooler.supabase.com",), (6543,))
    assert (address.database, address.sslmode, address.schema) == ("postgres", "require", "shop")


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://u:p@ss@h:5433/d", "h:5433"),
        ("postgres://u@[::1]:5434/d", "[::1]:5434"),
        ("postgresql://u:p@a,b:6000/d", "a:5432,b:6000"),
        ("postgresql:///d?host=/run/pg", "/run/pg:5432"),
    ],
)
def test_hosts_and_ports_are_found_whatever_the_password(url, where):
    assert str(parse_address(url)) == where


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "postgresql://u:sec/ret@h:x/d", "postgresql://h/d?sslmode=on"])
def test_what_is_no_connection_string_is_refused_without_repeating_it(url):
    with pytest.raises(SettingsError) as caught:
        parse_address(url)
    assert "sec" not in str(caught.value)


async def read_one(sources) -> int:
    async with sources.postgres.read("the test query") as tx:
        return (await tx.row("SELECT 1 AS one"))["one"]


async def test_prismas_parameters_do_not_reach_the_server(database, sources_on):
    assert await read_one(sources_on(database.url + "?schema=public&pgbouncer=true&connection_limit=5")) == 1


async def test_the_schema_parameter_chooses_the_tables(database, sources_on):
    await database.execute("CREATE SCHEMA shop AUTHORIZATION nexnum; GRANT ALL ON SCHEMA shop TO nexnum")
    await database.execute("SET ROLE nexnum; ALTER TABLE outbox_events_v2 SET SCHEMA shop; RESET ROLE")
    try:
        value = await outbox.read(sources_on(database.url + "?schema=shop"), Settings(), None)
        assert value.pending == 0
    finally:
        await database.execute("DROP SCHEMA shop CASCADE")


async def test_a_wrong_password_is_denied_and_says_what_to_check(database, sources_on):
    wrong = database.url.replace(database.server.password, "wrong")
    sources = sources_on(wrong)
    with pytest.raises(Denied, match="Check user and password"):
        await read_one(sources)
    assert sources.postgres.health.state is State.ERROR


async def test_a_database_that_is_not_there_is_said(database, sources_on):
    with pytest.raises(Unreachable, match="nowhere"):
        await read_one(sources_on(database.url.rpartition("/")[0] + "/nowhere"))


async def test_a_refused_connection_names_the_address(sources_on):
    port = free_port()
    with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port}: the connection was refused"):
        await read_one(sources_on(f"postgresql://u:p@127.0.0.1:{port}/d"))


async def test_a_host_that_does_not_resolve_is_said(sources_on):
    with pytest.raises(Unreachable, match="does not resolve"):
        await read_one(sources_on("postgresql://u:p@nowhere.invalid/d"))


async def test_tls_that_the_server_does_not_speak_is_said(database, sources_on):
    with pytest.raises(Unreachable, match=r"(?i)ssl"):
        await read_one(sources_on(database.url + "?sslmode=require"))


FOREIGN = {
    "garbage": GARBAGE,
    "html": HTML,
    "nothing": b"",
    "half a login": b"R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I" + GARBAGE,
}


@pytest.mark.parametrize("answer", FOREIGN.values(), ids=FOREIGN)
async def test_a_server_that_speaks_something_else_is_an_error_and_no_crash(sources_on, answer):
    async with tcp_server(answer) as port:
        with pytest.raises((Unreachable, BadAnswer)):
            await read_one(sources_on(f"postgresql://u:p@127.0.0.1:{port}/d?sslmode=disable"))


async def test_a_server_that_hangs_costs_no_more_than_the_time_limit(database, sources_on):
    sources = sources_on(database.url)
    await read_one(sources)
    database.server.freeze()
    try:
        began = time.monotonic()
        with pytest.raises(TimedOut, match="did not answer"):
            await read_one(sources)
        assert time.monotonic() - began < 4
    finally:
        database.server.freeze(False)
    assert await read_one(sources) == 1


async def test_a_query_that_takes_too_long_is_cancelled_by_the_server(database, sources_on):
    sources = sources_on(database.url)
    with pytest.raises(TimedOut, match="cancelled a query"):
        async with sources.postgres.read("a slow query") as tx:
            await tx.fetch("SELECT pg_sleep(20)")


async def test_a_lock_held_by_somebody_else_is_not_waited_for(database, sources_on):
    await database.execute("BEGIN; LOCK TABLE outbox_events_v2")
    try:
        with pytest.raises(TimedOut, match="locked by somebody else"):
            await outbox.read(sources_on(database.url), Settings(), None)
    finally:
        await database.execute("ROLLBACK")


async def test_it_is_back_by_itself_after_a_restart(database, sources_on):
    sources = sources_on(database.url)
    await read_one(sources)
    await database.server.stop()
    with pytest.raises(SourceError):
        await read_one(sources)
    await database.server.start()
    assert await read_one(sources) == 1
    assert sources.postgres.health.error is None


async def test_it_never_takes_more_than_two_connections(database, sources_on):
    sources = sources_on(database.url)
    await asyncio.gather(*(read_one(sources) for _ in range(12)))
    open_now = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nexconsole'"
    assert await database.connection.fetchval(open_now) <= CONNECTIONS


def _start_pgbouncer(program: str, folder: Path, port: int, to_port: int, password: str) -> subprocess.Popen[bytes]:
    (folder / "users.txt").write_text(f'"nexnum" "{password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\nnexnum = host=127.0.0.1 port={to_port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = plain\n"
        f"auth_file = {folder}/users.txt\npool_mode = transaction\ndefault_pool_size = 3\nunix_socket_dir =\n"
    )
    folder.chmod(0o755)
    user = ["--user=nobody"] if os.geteuid() == 0 else []
    return subprocess.Popen([program, "-q", *user, str(folder / "pgbouncer.ini")], stderr=subprocess.DEVNULL)


@pytest.fixture
async def pgbouncer(database, tmp_path: Path):
    """A pgbouncer in transaction mode before the database; gives its address."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed here; CI installs it")
    port, server = free_port(), database.server
    process = _start_pgbouncer(program, tmp_path, port, server.port, server.password)
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                break
        yield f"postgresql://nexnum:{server.password}@127.0.0.1:{port}/nexnum?pgbouncer=true"
    finally:
        process.terminate()
        process.wait(5)


async def test_numbers_are_right_through_a_pooler_in_transaction_mode(database, sources_on, pgbouncer):
    await database.event("old", 600)
    await database.order("expired", 900)
    sources, settings = sources_on(pgbouncer), Settings()
    for _ in range(3):
        values = await asyncio.gather(
            outbox.read(sources, settings, None),
            reservations.read(sources, settings, None),
            database_signal.read(sources, settings, None),
        )
    assert values[0].oldest_pending_s == pytest.approx(600, abs=10)
    assert values[1].stuck == 1


async def test_closing_does_not_wait_for_a_hanging_server(database, sources_on):
    sources = sources_on(database.url)
    await read_one(sources)
    database.server.freeze()
    try:
        began = time.monotonic()
        await sources.close()
        assert time.monotonic() - began < 0.2
    finally:
        database.server.freeze(False)


def test_an_address_never_shows_the_password(clients):
    from nexconsole.settings import PostgresSettings

    source = PostgresSource(clients, PostgresSettings(url="postgresql://u:topsecret@h:1/d"))
    assert "topsecret" not in source.address + repr(source.health)


async def test_an_address_from_a_secret_is_looked_up_and_looked_up_again_after_a_refused_login(database, clients):
    answers = [database.url.replace("nexnum:", "nexnum:old-"), database.server.url]

    async def lookup() -> str:
        return answers.pop(0) + "?schema=public"

    postgres = PostgresSource(clients, PostgresSettings(), lookup=lookup, origin="DATABASE_URL of the Secret ns/s")
    try:
        with pytest.raises(Denied, match="DATABASE_URL of the Secret ns/s"):
            async with postgres.read():
                pass
        async with postgres.read() as tx:
            assert (await tx.row("SELECT 1 AS one"))["one"] == 1
        assert postgres.health.error is None
    finally:
        await postgres.close()


async def test_a_secret_that_holds_no_address_is_an_error_that_does_not_repeat_it(clients):
    async def lookup() -> str:
        return "a-secret-that-is-no-address"

    postgres = PostgresSource(clients, PostgresSettings(), lookup=lookup, origin="DATABASE_URL of the Secret ns/s")
    with pytest.raises(SourceError, match="the Secret ns/s can't be used") as caught:
        async with postgres.read():
            pass
    assert "a-secret" not in str(caught.value)


async def test_what_breaks_in_the_client_is_named_without_its_words(clients, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, password: str, **__: object) -> None:
        raise KeyError("odd", password)

    monkeypatch.setattr(asyncpg, "connect", broken)
    source = PostgresSource(clients, PostgresSettings(url="postgresql://u:Zq7xWv93LmKp@127.0.0.1:1/d"))
    with pytest.raises(SourceError, match=r"\(KeyError\): check host and port") as raised:
        async with source.read():
            pytest.fail("nobody may enter")
    assert "Zq7xWv93LmKp" not in f"{raised.value}{source.health.error}"
    await source.close()
