"""Who is here: consoles of one folder and of two hosts see each other come, act, leave and die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from acting import settings_of

from nexconsole.drill.servers import embedded_redis
from nexconsole.journal import Writer
from nexconsole.journal.accounts import own_account
from nexconsole.settings import Settings
from nexconsole.sharing.presence import MAX_BYTES, Presence, decode, encoded
from nexconsole.sharing.presence_files import FOLDER, PresenceFiles
from nexconsole.sharing.presence_service import PresenceService

NOW = datetime(2026, 11, 23, 13, 42, tzinfo=UTC)
INCIDENT = "INC-20261123-1342"


def settings(folder: Path, operator: str = "maria", redis: str = "", **warroom: float) -> Settings:
    made = settings_of(journal={"folder": str(folder)}, warroom={"redis_url": redis, **warroom})
    return Settings(operator=operator, journal=made.journal, warroom=made.warroom)


@asynccontextmanager
async def here(*people: PresenceService) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.run()) for one in people]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], object], within_s: float = 5.0) -> float:
    """Wait until it holds; how many seconds that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not condition():
        assert loop.time() - began < within_s, "it never came to hold"
        await asyncio.sleep(0.01)
    return loop.time() - began


def names(people: PresenceService) -> list[str]:
    return [one.name for one in people.here]


async def test_consoles_of_one_folder_see_each_other_come_act_and_leave_within_a_second(tmp_path):
    maria, piet = PresenceService(settings(tmp_path), INCIDENT), PresenceService(settings(tmp_path, "piet"), INCIDENT)
    async with here(maria):
        assert names(maria) == ["maria"] and maria.here[0].me
        async with here(piet):
            assert await until(lambda: names(maria) == ["maria", "piet"]) < 1.0
            await until(lambda: names(piet) == ["piet", "maria"])
            piet.tell(scenario="Provider outage", step="disable it", doing="previewing pods.restart", role="commander")
            assert await until(lambda: maria.here[1].doing == "previewing pods.restart") < 1.0
            seen = maria.here[1]
            assert (seen.scenario, seen.step, seen.role) == ("Provider outage", "disable it", "commander")
            assert not seen.me and not seen.elsewhere and seen.since == piet.here[0].since
        assert await until(lambda: names(maria) == ["maria"]) < 1.0
    assert list((tmp_path / FOLDER).iterdir()) == []


async def test_consoles_of_two_hosts_see_each_other_by_redis_within_a_second(tmp_path, redis_server):
    maria = PresenceService(settings(tmp_path / "a", redis=redis_server.url), INCIDENT)
    piet = PresenceService(settings(tmp_path / "b", "piet", redis_server.url), INCIDENT)
    async with here(maria):
        await until(lambda: maria.trouble == "")
        async with here(piet):
            await until(lambda: names(maria) == ["maria", "piet"])
            await until(lambda: names(piet) == ["piet", "maria"])
            assert maria.here[1].elsewhere
            maria.tell(doing="executing provider.disable smsbower")
            assert await until(lambda: piet.here[1].doing == "executing provider.disable smsbower") < 1.0
        assert await until(lambda: names(maria) == ["maria"]) < 1.0


async def test_who_works_on_another_incident_is_not_in_this_room(tmp_path):
    maria, piet = (
        PresenceService(settings(tmp_path), INCIDENT),
        PresenceService(settings(tmp_path, "piet"), "outside-incidents"),
    )
    async with here(maria, piet):
        await asyncio.sleep(0.6)
        assert names(maria) == ["maria"]
        piet.tell(incident=INCIDENT)
        await until(lambda: names(maria) == ["maria", "piet"])


async def test_changes_are_told_once_and_what_is_the_same_is_not(tmp_path):
    calls: list[int] = []
    maria = PresenceService(settings(tmp_path), INCIDENT, changed=lambda: calls.append(1))
    piet = PresenceService(settings(tmp_path, "piet"), INCIDENT)
    async with here(maria, piet):
        await until(lambda: len(maria.here) == 2)
        await asyncio.sleep(1.0)
        assert len(calls) == 1
        maria.tell(doing="previewing x")
        maria.tell(doing="previewing x")
        assert len(calls) == 2
        with pytest.raises(TypeError, match="nobody tells alert_level"):
            maria.tell(alert_level="calm")


DYING = """
import asyncio, sys
from nexconsole.settings import JournalSettings, Settings
from nexconsole.sharing.presence_service import PresenceService
people = PresenceService(Settings(operator="ana", journal=JournalSettings(folder=sys.argv[1])), sys.argv[2])
asyncio.run(people.run())
"""


async def test_a_console_that_was_killed_is_not_here_any_more(tmp_path):
    maria = PresenceService(settings(tmp_path), INCIDENT)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", DYING, str(tmp_path), INCIDENT)
    try:
        async with here(maria):
            await until(lambda: names(maria) == ["maria", f"ana (account {own_account()})"], 10)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            assert await until(lambda: names(maria) == ["maria"]) < 3.0
        assert len(list((tmp_path / FOLDER).iterdir())) == 1
        again = PresenceService(settings(tmp_path, "piet"), INCIDENT)
        async with here(again):
            await until(lambda: not [file for file in (tmp_path / FOLDER).iterdir() if file != again._seats._own])
            assert names(again) == ["piet"]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def word(operator: str = "eve", host: str = "laptop", count: int = 1, **fields: object) -> bytes:
    presence = Presence(writer=Writer(operator, host, 7, NOW), since=NOW, incident=INCIDENT, count=count, **fields)  # type: ignore[arg-type]
    return encoded(presence)


async def test_who_was_not_heard_of_for_long_is_not_here(tmp_path):
    maria = PresenceService(settings(tmp_path, presence_s=1.0), INCIDENT)
    (tmp_path / FOLDER).mkdir()
    file = tmp_path / FOLDER / "laptop.json"
    file.write_bytes(word())
    async with here(maria):
        await until(lambda: names(maria) == ["maria", "eve"])
        assert await until(lambda: names(maria) == ["maria"]) > 0.5
        file.write_bytes(word(count=2))
        await until(lambda: names(maria) == ["maria", "eve"])
    old = datetime.now(UTC) - timedelta(minutes=5)
    os.utime(file, (old.timestamp(), old.timestamp()))
    late = PresenceService(settings(tmp_path, presence_s=1.0), INCIDENT)
    async with here(late):
        await asyncio.sleep(0.6)
        assert names(late) == ["maria"]


HOSTILE = [
    b"",
    b"{}",
    b"[1]",
    b"\xff" * 50,
    b"x" * (MAX_BYTES + 1),
    b"[" * 5000,
    word().replace(b'"count":1', b'"count":"1"'),
    word().replace(b'"incident":"INC', b'"incident":"' + b"y" * MAX_BYTES),
]


def test_what_no_console_would_say_is_not_heard():
    assert [decode(raw) for raw in HOSTILE] == [None] * len(HOSTILE)
    said = decode(word("\x1b]0;x\x07[red]eve[/]\u202e", doing="\x1b[2J" + "x" * 5000))
    assert said is not None
    assert said.presence.name == "[red]eve[/]" and len(said.presence.doing) == 160


async def test_hostile_files_and_messages_do_no_harm(tmp_path, redis_server):
    import redis.asyncio

    maria = PresenceService(settings(tmp_path / "a", redis=redis_server.url), INCIDENT)
    folder = tmp_path / "a" / FOLDER
    folder.mkdir(parents=True)
    for number, raw in enumerate(HOSTILE):
        (folder / f"{number}.json").write_bytes(raw)
    (folder / "link.json").symlink_to("/etc/passwd")
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    client = redis.asyncio.Redis.from_url(redis_server.url)
    async with here(maria):
        await until(lambda: maria.trouble == "")
        channel = maria._channel

        async def shout() -> bool:
            for raw in (*HOSTILE, *(word(f"crowd {number}") for number in range(300)), b"z" * 1_000_000):
                await client.publish(channel, raw)
            await client.publish(channel, word("last"))
            return len(maria.here) > 50

        loop = asyncio.get_running_loop()
        began = loop.time()
        while not await shout():
            assert loop.time() - began < 10
            await asyncio.sleep(0.1)
        assert len(maria.here) <= 101 and maria.trouble == ""
    await client.aclose()


async def test_a_redis_that_is_away_is_said_and_people_are_seen_again_when_it_is_back(tmp_path):
    async with embedded_redis() as server:
        maria = PresenceService(settings(tmp_path / "a", redis=server.url, presence_s=2.0), INCIDENT)
        piet = PresenceService(settings(tmp_path / "b", "piet", server.url, presence_s=2.0), INCIDENT)
        async with here(maria, piet):
            await until(lambda: len(maria.here) == len(piet.here) == 2)
            await server.stop()
            await until(lambda: names(maria) == ["maria"] and "people on other hosts can't be seen" in maria.trouble)
            await server.start()
            await until(lambda: len(maria.here) == len(piet.here) == 2, 15)
            assert maria.trouble == ""


async def test_a_folder_that_can_not_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    maria = PresenceService(settings(tmp_path / "file"), INCIDENT)
    async with here(maria):
        await until(lambda: "the consoles of this folder don't see each other" in maria.trouble)
        assert names(maria) == ["maria"]


def test_a_seat_is_the_groups_where_the_folder_is(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    before = os.umask(0o077)
    try:
        PresenceFiles(shared, Writer.here("maria")).take(word())
    finally:
        os.umask(before)
    (file,) = (shared / FOLDER).iterdir()
    assert file.stat().st_mode & 0o777 == 0o660
    assert msgspec.json.decode(file.read_bytes())["incident"] == INCIDENT
    with contextlib.suppress(FileNotFoundError):
        file.unlink()
