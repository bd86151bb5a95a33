"""The embedded servers and the shelter that they live in."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from nexconsole.drill.schema import ddl
from nexconsole.drill.servers import EmbeddedPostgres, embedded_postgres, embedded_redis
from nexconsole.drill.temp_tree import TempTree
from nexconsole.errors import DrillError


async def test_postgres_keeps_port_and_data_over_a_restart_and_has_the_asked_time_zone(
    postgres_server: EmbeddedPostgres,
) -> None:
    async with embedded_postgres(timezone="America/New_York", settings={"max_connections": "17"}) as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("CREATE TABLE kept (n integer); INSERT INTO kept VALUES (7)")
        await connection.close()
        url = server.url
        await server.restart()
        assert server.url == url
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT n FROM kept") == 7
        assert await connection.fetchval("SHOW timezone") == "America/New_York"
        assert await connection.fetchval("SHOW max_connections") == "17"
        await connection.close()


@pytest.mark.parametrize("era", ["old", "head"])
@pytest.mark.parametrize("timestamptz", [False, True])
async def test_the_tables_of_every_era_can_be_made_and_read_by_the_read_only_role(era: str, timestamptz: bool) -> None:
    async with embedded_postgres() as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute(ddl(era=era, timestamptz=timestamptz))
        kind = await connection.fetchval(
            "SELECT data_type FROM information_schema.columns"
            " WHERE table_name = 'purchase_orders' AND column_name = 'expires_at'"
        )
        assert kind == ("timestamp with time zone" if timestamptz else "timestamp without time zone")
        await connection.close()
        reader = await asyncpg.connect(server.read_url)
        assert await reader.fetchval("SELECT count(*) FROM activations") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("UPDATE providers SET is_active = false")
        await reader.close()


async def test_redis_wants_its_password_and_comes_back_empty_after_a_restart() -> None:
    async with embedded_redis(password="p@ss") as server:
        stranger = redis.asyncio.Redis(port=server.port, retry=Retry(NoBackoff(), 0))
        with pytest.raises(redis.exceptions.AuthenticationError):
            await stranger.ping()
        await stranger.aclose()
        client = redis.asyncio.Redis(port=server.port, password="p@ss")
        await client.set("key", "value")
        await client.aclose()
        await server.restart()
        assert await client.get("key") is None
        await client.aclose()


async def test_a_server_that_cannot_start_says_why() -> None:
    with pytest.raises(DrillError, match="unrecognized configuration parameter"):
        async with embedded_postgres(settings={"no_such_setting": "1"}):
            pass


async def test_closing_the_shelter_ends_its_processes_and_removes_its_files(tmp_path: Path) -> None:
    outside = tmp_path / "outside.env"
    outside.touch()
    with TempTree() as temp_tree:
        temp_tree.take_in(outside)
        process = temp_tree.spawn(["sleep", "600"], log=temp_tree.folder / "log")
        assert process.poll() is None
    assert process.returncode == -signal.SIGKILL
    assert not temp_tree.folder.exists()
    assert not outside.exists()


OWNER = """
import asyncio, os, signal
from nexconsole.drill.servers import EmbeddedPostgres, EmbeddedRedis
from nexconsole.drill.temp_tree import TempTree
async def main():
    temp_tree = TempTree()
    redis = EmbeddedRedis(temp_tree)
    await redis.start()
    print(temp_tree.folder, redis._process.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_a_killed_owner_leaves_no_process_and_no_file() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder, pid = owner.stdout.readline().split()
        owner.kill()
    deadline = time.monotonic() + 20
    while Path(folder).exists() or alive(int(pid)):
        assert time.monotonic() < deadline, "the watchdog did not clean up"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that is only unburied does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.fixture
def deep(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder with a long name where every account may pass, unlike a test's own."""
    above = Path(tempfile.mkdtemp())
    above.chmod(0o755)
    deep = above / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    yield deep
    shutil.rmtree(above)


async def test_a_temporary_folder_with_a_long_name_is_as_good_as_another(deep: Path) -> None:
    async with embedded_postgres() as server:
        assert len(str(server._folder)) > 107  # the longest path that a Unix socket can have
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    assert os.listdir(deep) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another account")
async def test_a_folder_that_the_servers_account_may_not_enter_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(DrillError, match=rf"runs as nobody, who may not enter {tmp_path}: set TMPDIR"):
        async with embedded_postgres():
            raise AssertionError("it started")


@pytest.mark.parametrize(("free_mb", "fits"), [(299, False), (300, True)])
def test_a_disk_without_room_is_said_in_one_sentence_before_anything_is_started(
    free_mb: int, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    usage = shutil.disk_usage(tmp_path)._replace(free=free_mb * 2**20)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    if fits:
        TempTree().close()
    else:
        sentence = rf"needs 300 MB of disk in {tmp_path}, and 299 MB are free: make room, or set TMPDIR"
        with pytest.raises(DrillError, match=sentence):
            TempTree()
    assert list(tmp_path.iterdir()) == []
