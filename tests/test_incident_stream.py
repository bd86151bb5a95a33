"""One incident in several folders, joined by a Redis that dies, forgets, hangs, and is written to by strangers."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import redis.asyncio
from acting import settings_of

from nexconsole.drill.servers import EmbeddedRedis, embedded_redis
from nexconsole.incident.incident import fold
from nexconsole.journal import (
    EntryKind,
    Journal,
    Scrubber,
    Writer,
    import_entries,
    journal_file,
    merge,
    open_journal,
    read_incident,
    remote_file,
    verify_incident,
)
from nexconsole.journal.entries import MAX_LINE, make
from nexconsole.report import render
from nexconsole.settings import Settings
from nexconsole.sharing.announcement import announce, announced, withdraw
from nexconsole.sharing.stream import IncidentStream

SCRIPT = Path(__file__).with_name("room_console.py")
INCIDENT = "INC-20261123-1342"
START = datetime(2026, 11, 23, 13, 42, tzinfo=UTC)


def settings(folder: Path, url: str, **warroom: object) -> Settings:
    return settings_of(journal={"folder": str(folder)}, warroom={"redis_url": url, **warroom})


def console(folder: Path, url: str, operator: str, **warroom: object) -> tuple[Journal, IncidentStream]:
    chosen = settings(folder, url, **warroom)
    journal = open_journal(chosen, operator, INCIDENT)
    return journal, IncidentStream(chosen, journal)


@asynccontextmanager
async def sharing(*streams: IncidentStream) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(stream.run()) for stream in streams]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], object], within_s: float = 10.0) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not condition():
        assert loop.time() - began < within_s, "it never came to hold"
        await asyncio.sleep(0.02)
    return loop.time() - began


def ids(folder: Path) -> list[str]:
    """The ids of an incident's entries as a folder has them, one for each line."""
    file = journal_file(folder, INCIDENT)
    return [entry.id for entry in read_incident(file).entries] if _there(file) else []


def _there(file: Path) -> bool:
    return file.exists() or remote_file(file).exists()


def reports(folder: Path) -> list[str]:
    incident = fold(read_incident(journal_file(folder, INCIDENT)).entries)
    return [write(incident, INCIDENT) for write in (render.as_markdown, render.as_json, render.as_html)]


def assert_same(folders: Sequence[Path], expected: Sequence[str]) -> None:
    for folder in folders:
        assert sorted(ids(folder)) == sorted(expected)
        assert not any(verify_incident(journal_file(folder, INCIDENT)).values())
    assert all(reports(folder) == reports(folders[0]) for folder in folders)


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedRedis]:
    async with embedded_redis() as running:
        yield running


@pytest.fixture
async def client(server: EmbeddedRedis) -> AsyncIterator[redis.asyncio.Redis]:
    opened = redis.asyncio.Redis.from_url(server.url)
    yield opened
    await opened.aclose()


async def test_what_one_host_writes_another_has_within_a_second(tmp_path, server):
    folders = tmp_path / "a", tmp_path / "b"
    (maria, one), (piet, other) = (
        console(folder, server.url, name) for folder, name in zip(folders, "mp", strict=True)
    )
    early = maria.append(EntryKind.OPENED, {"title": "smsbower fails"})
    async with sharing(one, other):
        await until(lambda: one.reached and other.reached and ids(folders[1]) == [early.id])
        for writer, stream, folder in ((piet, other, folders[0]), (maria, one, folders[1])):
            entry = writer.append(EntryKind.NOTE, {"text": "now"})
            stream.nudge()
            assert await until(lambda folder=folder, entry=entry: entry.id in ids(folder)) < 1.0
        unannounced = piet.append(EntryKind.NOTE, {"text": "without a nudge"})
        assert await until(lambda: unannounced.id in ids(folders[0])) < 1.0
    assert_same(folders, ids(folders[0]))


async def test_what_dead_consoles_of_a_folder_wrote_is_shared_by_those_that_live(tmp_path, server):
    dead = Journal(journal_file(tmp_path / "a", INCIDENT), Writer("ana", "bastion", 2**22 + 1, START), Scrubber())
    written = [dead.append(EntryKind.NOTE, {"text": str(number)}).id for number in range(3)]
    (_, one), (_, other) = (console(tmp_path / name, server.url, name) for name in "ab")
    async with sharing(one, other):
        await until(lambda: ids(tmp_path / "b") == written)


async def test_several_consoles_of_one_folder_double_nothing(tmp_path, server, client):
    folder = tmp_path / "a"
    pairs = [console(folder, server.url, name) for name in ("m", "p", "a")]
    far, stream = console(tmp_path / "b", server.url, "far")
    async with sharing(stream, *(one for _, one in pairs)):
        await until(lambda: all(one.reached for _, one in pairs))
        written = [journal.append(EntryKind.NOTE, {}).id for journal, _ in pairs for _ in range(10)]
        written += [far.append(EntryKind.NOTE, {}).id for _ in range(30)]
        await until(lambda: len(ids(folder)) == len(ids(tmp_path / "b")) == 60)
        await asyncio.sleep(2.5)  # the neighbours' patience
    assert_same((folder, tmp_path / "b"), written)
    assert await client.xlen(stream._key) == 60


async def test_a_redis_that_lost_its_data_is_filled_again_without_doubling_anything(tmp_path, server, client):
    folders = tmp_path / "a", tmp_path / "b"
    (maria, one), (piet, other) = (
        console(folder, server.url, name) for folder, name in zip(folders, "mp", strict=True)
    )
    async with sharing(one, other):
        written = [journal.append(EntryKind.NOTE, {}).id for journal in (maria, piet) for _ in range(5)]
        await until(lambda: len(ids(folders[0])) == len(ids(folders[1])) == 10)
        await server.stop()
        await until(lambda: "other hosts can't be reached" in one.trouble and not other.reached)
        written += [journal.append(EntryKind.NOTE, {}).id for journal in (maria, piet) for _ in range(5)]
        await server.start()
        await until(lambda: one.reached and other.reached and one.trouble == "")
        await until(lambda: len(ids(folders[0])) == len(ids(folders[1])) == 20)
        await until(lambda: len(one._there) == len(other._there) == 20)
        await client.delete(one._key)  # and without a word
        _, late = console(tmp_path / "c", server.url, "c")
        async with sharing(late):
            await until(lambda: len(ids(tmp_path / "c")) == 20, 20)
    assert_same((*folders, tmp_path / "c"), written)


async def test_what_only_other_hosts_wrote_outlives_them_and_their_redis(tmp_path, server, client):
    gone = [make(at=START, writer=Writer("ana", "far", 7, START), seq=1, prev="", after="", kind="note", data={})]
    import_entries(journal_file(tmp_path / "a", INCIDENT), [entry.line for entry in gone])
    (_, one), (_, other) = (console(tmp_path / name, server.url, name) for name in "ab")
    async with sharing(one, other):
        await until(lambda: ids(tmp_path / "b") == [gone[0].id], 45)


async def test_what_strangers_put_into_the_stream_is_refused_and_counted(tmp_path, server, client):
    (_, one), (piet, other) = (console(tmp_path / name, server.url, name) for name in "ab")
    honest = make(at=START, writer=Writer("ana", "far", 7, START), seq=1, prev="", after="", kind="note", data={}).line
    hostile = [
        b"",
        b"x",
        b"[" * 100_000,
        b'{"id":"' + b"0" * 32 + b'","at":' + b"9" * 500 + b"}",
        honest.replace(b'"seq":1', b'"seq":2'),
        honest.replace(b",", b",\n", 1),
        b"\x1b[2J\xff\xfe",
        b"z" * (MAX_LINE + 1),
        honest.replace(b'"at":"2026', b'"at":"0001').replace(b"Z", b"+23:00", 1),
    ]
    for raw in hostile:
        await client.xadd(one._key, {"entry": raw})
    await client.xadd(one._key, {"other": "field"})
    await client.xadd(one._key, {"entry": honest})
    await client.xadd(one._key, {"entry": honest})
    async with sharing(one, other):
        piet.append(EntryKind.NOTE, {"text": "real"})
        await until(lambda: len(ids(tmp_path / "a")) == len(ids(tmp_path / "b")) == 2)
        assert (one.refused, one.trouble) == (len(hostile) + 1, "")
    assert_same((tmp_path / "a", tmp_path / "b"), ids(tmp_path / "a"))


async def test_a_key_that_is_no_stream_is_trouble_and_no_crash(tmp_path, server, client):
    _, one = console(tmp_path, server.url, "m")
    await client.set(one._key, "x")
    async with sharing(one):
        await until(lambda: "WRONGTYPE" in one.trouble)
        await client.delete(one._key)
        await until(lambda: one.reached)


async def test_a_redis_that_hangs_is_trouble_in_time_and_none_when_it_goes_on(tmp_path, server):
    maria, one = console(tmp_path, server.url, "m")
    async with sharing(one):
        await until(lambda: one.reached)
        server.freeze()
        try:
            maria.append(EntryKind.NOTE, {})
            await until(lambda: "did not answer in time" in one.trouble, 12)
        finally:
            server.freeze(False)
        await until(lambda: one.reached and one.trouble == "", 15)
        await until(lambda: len(one._there) == 1)


async def test_a_wrong_password_and_missing_rights_are_said_with_what_to_do(tmp_path, server, client):
    wrong = server.url.replace(server.password, "wrong-password")
    _, one = console(tmp_path / "a", wrong, "m")
    async with sharing(one):
        await until(lambda: "warroom.redis_url" in one.trouble)
        assert "wrong-password" not in one.trouble
    await client.execute_command("ACL", "SETUSER", "reader", "on", ">reading", "~*", "+@read")
    journal, other = console(tmp_path / "b", f"redis://reader:reading@127.0.0.1:{server.port}", "p")
    journal.append(EntryKind.NOTE, {})
    async with sharing(other):
        await until(lambda: "does not let this user do what a war room needs: allow ~nexconsole:*" in other.trouble)


async def test_a_stream_keeps_no_more_than_its_limit_and_expires(tmp_path, server, client):
    maria, one = console(tmp_path / "a", server.url, "m", stream_entries=100, stream_days=3)
    for _ in range(500):
        maria.append(EntryKind.NOTE, {"text": "x"})
    async with sharing(one):
        await until(lambda: one.reached and not one._waiting)
        await until(lambda: len(one._there) >= 500)
        _, other = console(tmp_path / "b", server.url, "p", stream_entries=100)
        async with sharing(other):
            await until(lambda: other.reached and not other._waiting)
            newest = maria.append(EntryKind.NOTE, {})
            one.nudge()
            await until(lambda: newest.id in ids(tmp_path / "b"))
        assert 100 <= await client.xlen(one._key) <= 210  # whole nodes are trimmed
        assert 2 * 86_400 < await client.ttl(one._key) <= 3 * 86_400


async def test_a_disk_that_can_not_be_written_is_trouble_and_what_came_is_kept_once_it_can(tmp_path, server):
    (maria, one), (_, other) = (console(tmp_path / name, server.url, name) for name in "ab")
    (tmp_path / "b").touch()
    entry = maria.append(EntryKind.NOTE, {})
    async with sharing(one, other):
        await until(lambda: "can't be kept" in other.trouble)
        (tmp_path / "b").unlink()
        await until(lambda: ids(tmp_path / "b") == [entry.id])
        await until(lambda: other.trouble == "")


async def test_without_a_redis_there_is_no_trouble_and_nothing_to_do(tmp_path):
    _, one = console(tmp_path, "", "m")
    await asyncio.wait_for(one.run(), 20)
    assert (one.reached, one.trouble) == (False, "")


async def test_a_console_on_another_host_is_told_which_incident_is_open(tmp_path, server, client):
    here, there = settings(tmp_path / "a", server.url), settings(tmp_path / "b", server.url)
    assert await announced(there) is None
    assert await announce(here, INCIDENT) == ""
    assert await announced(there) == INCIDENT
    assert await announced(msgspec.structs.replace(there, name="another")) is None
    await withdraw(here, "INC-20200101-0000")
    assert await announced(there) == INCIDENT
    assert await withdraw(here, INCIDENT) == ""
    assert await announced(there) is None
    _, one = console(tmp_path / "a", server.url, "m")
    async with sharing(one):
        while await announced(there) != INCIDENT:
            await asyncio.sleep(0.02)
    for bad in (b"../../etc/passwd", b"\xff", b"x" * 100_000):
        await client.set(one._link.key("open", "incident"), bad)
        assert await announced(there) is None
    nowhere = settings(tmp_path, "redis://127.0.0.1:1")
    assert await announced(nowhere) is None and "can't be reached" in await announce(nowhere, INCIDENT)


# --- consoles of their own processes ---


class StreamProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.written: list[str] = []
        self.reached = False
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode().strip():
            if line in ("reached", "cut off"):
                self.reached = line == "reached"
            else:
                self.written.append(line)

    def write(self, notes: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{notes}\n".encode())

    async def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert await asyncio.wait_for(self.process.wait(), 60) == 0
        await self._reading


async def started(operator: str, folder: Path, url: str) -> StreamProcess:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        operator,
        str(folder),
        url,
        INCIDENT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{SCRIPT.parent}:{os.getcwd()}"},
    )
    return StreamProcess(process)


async def test_three_consoles_of_two_hosts_lose_and_double_nothing_while_their_redis_dies_and_forgets(tmp_path):
    folders = tmp_path / "bastion", tmp_path / "laptop"
    async with embedded_redis() as server:
        places = (("maria", folders[0]), ("piet", folders[0]), ("ana", folders[1]))
        consoles = [await started(name, folder, server.url) for name, folder in places]
        await until(lambda: all(one.reached for one in consoles))
        for one in consoles:
            one.write(300)
        await until(lambda: all(len(one.written) > 50 for one in consoles), 30)
        await server.stop()  # killed, its data lost, while all three write on
        await until(lambda: not any(one.reached for one in consoles))
        await asyncio.sleep(1.0)
        await server.start()
        await until(lambda: all(len(one.written) == 300 for one in consoles), 60)
        written = [id for one in consoles for id in one.written]
        await until(lambda: all(len(ids(folder)) == 900 for folder in folders), 60)
        for one in consoles:
            await one.end()
    assert_same(folders, written)
    assert [entry.id for entry in merge(read_incident(journal_file(folders[0], INCIDENT)).entries)] == [
        entry.id for entry in merge(read_incident(journal_file(folders[1], INCIDENT)).entries)
    ]
