"""What doctor says of working together: a folder for several accounts, and a Redis between hosts."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis.asyncio
from acting import settings_of

from nexconsole.doctor.check import Check
from nexconsole.drill.servers import embedded_redis
from nexconsole.journal import EntryKind, Journal, Scrubber, Writer
from nexconsole.settings import Settings
from nexconsole.sharing import doctor
from nexconsole.sharing.doctor import examine
from nexconsole.sharing.redis_link import RULES

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to other groups")


def settings(folder: Path, url: str = "", **tables: object) -> Settings:
    return settings_of(journal={"folder": str(folder)}, warroom={"redis_url": url}, **tables)  # type: ignore[arg-type]


async def checks(folder: Path, url: str = "", **tables: object) -> dict[str, list[Check]]:
    found: dict[str, list[Check]] = {}
    for check in await examine(settings(folder, url, **tables)):
        found.setdefault(check.what, []).append(check)
    return found


def states(found: dict[str, list[Check]]) -> dict[str, str]:
    return {what: " ".join(check.state for check in all_of) for what, all_of in found.items()}


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    folder.chmod(0o3770)
    return folder


async def test_a_folder_of_one_account_is_not_shared_and_it_is_said_how_it_would_be(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir(0o700)
    found = await checks(folder)
    assert states(found) == {"incident folder": "absent", "locks": "ok", "redis": "absent", "strange files": "ok"}
    assert f"install -d -m 3770 -g GROUP {folder}" in found["incident folder"][0].advice
    assert list(folder.iterdir()) == []
    assert states(await checks(tmp_path / "nowhere"))["incident folder"] == "fail"


async def test_a_shared_folder_in_order_is_said_to_be_and_is_left_as_it_was(shared):
    Journal(shared / "INC-1.jsonl", Writer.here("maria"), Scrubber()).append(EntryKind.NOTE, {})
    before = sorted(file.name for file in shared.iterdir())
    found = await checks(shared)
    expected = {"incident folder": "ok", "files": "ok", "locks": "ok", "redis": "absent", "strange files": "ok"}
    assert states(found) == expected
    assert "2 files and folders" in found["files"][0].said
    assert sorted(file.name for file in shared.iterdir()) == before


@pytest.mark.parametrize(
    ("mode", "state", "advice"),
    [
        (0o2770, "warn ok", "chmod +t"),
        (0o1770, "fail", "chmod g+s"),
        (0o3750, "fail", "chmod g+rwx"),
        (0o3777, "warn ok", "chmod o-rwx"),
    ],
)
async def test_a_folders_wrong_mode_comes_with_the_command_that_rights_it(shared, mode, state, advice):
    shared.chmod(mode)
    found = (await checks(shared))["incident folder"]
    assert " ".join(check.state for check in found) == state
    assert found[0].advice == f"{advice} {shared}"


@root_only
async def test_files_that_shut_others_out_are_named(shared):
    for number in range(8):
        Journal(shared / f"INC-{number}.jsonl", Writer.here("maria"), Scrubber()).append(EntryKind.NOTE, {})
    (shared / "INC-1.jsonl").chmod(0o600)
    os.chown(shared / "INC-2.jsonl", 0, 4242)
    (shared / ".leases").mkdir(0o700)
    (shared / "notes of somebody").touch(0o600)
    (check,) = (await checks(shared))["files"]
    assert check.state == "fail" and "chgrp -R" in check.advice
    assert {name in check.said for name in ("INC-1.jsonl", "INC-2.jsonl", ".leases")} == {True}
    assert "INC-3" not in check.said and "somebody" not in check.said


AS_NOBODY = """
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
from nexconsole.settings import JournalSettings, Settings
from nexconsole.sharing import doctor
from nexconsole.sharing.doctor import examine
groups = [int(group) for group in sys.argv[2:]]
os.setgroups(groups)
os.setgid(65534)
os.setuid(65534)
for check in asyncio.run(examine(Settings(journal=JournalSettings(folder=sys.argv[1])))):
    print(check.state, check.what, check.said, check.advice)
"""


@pytest.fixture
def reachable() -> Iterator[Path]:
    made = Path(subprocess.run(["mktemp", "-d", "/tmp/nexconsole-XXXXXX"], capture_output=True, text=True).stdout[:-1])
    made.chmod(0o755)
    yield made
    subprocess.run(["rm", "-rf", str(made)], check=True)


@root_only
def test_who_is_no_member_of_the_folders_group_is_told_how_to_become_one(reachable):
    folder = reachable / "room"
    folder.mkdir()
    os.chown(folder, 0, 4242)
    folder.chmod(0o2775)

    def as_nobody(*groups: int) -> str:
        command = [sys.executable, "-c", AS_NOBODY, str(folder), *map(str, groups)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert not done.stderr
        return done.stdout

    said = as_nobody()
    assert "is no member of its group 4242 usermod -aG 4242" in said
    assert "fail locks can't be tried: no permission" in said
    said = as_nobody(4242)
    assert "no member" not in said and "ok incident folder" in said and "ok locks" in said


async def test_a_redis_that_allows_everything_is_left_as_it_was(shared):
    async with embedded_redis() as server:
        found = await checks(shared, server.url, redis={"url": "redis://elsewhere"})
        assert {name: found[name][0].state for name in ("redis", "entries", "leases", "presence")} == {
            "redis": "ok",
            "entries": "ok",
            "leases": "ok",
            "presence": "ok",
        }
        client = redis.asyncio.Redis.from_url(server.url)
        assert await client.dbsize() == 0
        await client.aclose()
        same = await checks(shared, server.url, redis={"url": server.url})
        assert states(same)["redis"] == "ok warn" and "the Redis that NexNum itself depends on" in same["redis"][1].said


async def test_each_right_that_a_redis_refuses_is_said_with_the_rule_that_grants_it(shared):
    async with embedded_redis() as server:
        client = redis.asyncio.Redis.from_url(server.url)
        rules = ["~nexconsole:*", "resetchannels", "+@all", "-@scripting", "-xadd"]
        await client.execute_command("ACL", "SETUSER", "room", "on", ">passes", *rules)
        found = await checks(shared, f"redis://room:passes@127.0.0.1:{server.port}")
        assert states(found) | {"files": ""} == {
            "incident folder": "ok",
            "files": "",
            "locks": "ok",
            "strange files": "ok",
            "clock": "ok",
            "redis": "ok",
            "entries": "fail",
            "leases": "fail",
            "presence": "fail",
        }
        assert "~nexconsole:*" in found["entries"][0].advice and "&nexconsole:*" in found["presence"][0].advice
        await client.execute_command("ACL", "SETUSER", "room", "reset", "on", ">passes", *RULES.split())
        assert "fail" not in states(await checks(shared, f"redis://room:passes@127.0.0.1:{server.port}")).values()
        await client.aclose()


async def test_a_redis_that_is_away_hangs_or_refuses_is_said_in_time(shared):
    found = await checks(shared, "redis://127.0.0.1:1")
    assert found["redis"][0].state == "fail" and "refused" in found["redis"][0].said
    async with embedded_redis() as server:
        wrong = await checks(shared, server.url.replace(server.password, "wrong-password"))
        assert "refused the password: check warroom.redis_url" in wrong["redis"][0].said
        server.freeze()
        try:
            async with asyncio.timeout(20):
                assert "did not answer in time" in (await checks(shared, server.url))["redis"][0].said
        finally:
            server.freeze(False)


async def test_what_lies_in_a_journals_place_and_is_none_is_named(shared):
    Journal(shared / "INC-1.jsonl", Writer.here("maria"), Scrubber()).append(EntryKind.NOTE, {})
    (shared / "INC-2.jsonl").mkdir()
    os.mkfifo(shared / "INC-3.jsonl.elsewhere")
    (shared / "INC-4.jsonl").symlink_to("/dev/zero")
    with (shared / "INC-5.jsonl").open("wb") as out:
        out.truncate(100 << 20)
    [check] = (await checks(shared))["strange files"]
    assert check.state == "warn" and "INC-1" not in check.said
    for said in (
        "INC-2.jsonl is a folder",
        "INC-3.jsonl.elsewhere is a pipe",
        "INC-4.jsonl is a symbolic link",
        "INC-5.jsonl has 100 MiB, more than any journal",
    ):
        assert said in check.said, check.said


async def test_a_redis_whose_clock_this_hosts_is_not_is_told(shared, monkeypatch):
    ahead = datetime.now(UTC) + timedelta(minutes=14)
    monkeypatch.setattr(doctor, "utc_now", lambda: ahead)
    async with embedded_redis() as server:
        [check] = (await checks(shared, server.url))["clock"]
        assert check.state == "warn" and "this host's clock is 1" in check.said and "min ahead of" in check.said
        client = redis.asyncio.Redis.from_url(server.url)
        await client.execute_command("ACL", "SETUSER", "room", "on", ">passes", *RULES.replace(" +time", "").split())
        found = await checks(shared, f"redis://room:passes@127.0.0.1:{server.port}")
        assert states(found)["clock"] == "absent" and "fail" not in states(found).values()
        await client.aclose()
