"""Two consoles and one target: processes that meet at it, die at it, hang at it, and lose their Redis at it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from acting import settings_of

from nexconsole.actions.plan import Confirmation, Plan, Target
from nexconsole.drill.servers import EmbeddedRedis, embedded_redis
from nexconsole.model import utc_now
from nexconsole.settings import Settings
from nexconsole.sharing import lease_files
from nexconsole.sharing.lease import TargetLease
from nexconsole.sharing.lease_files import Execution, Reserved, TargetBusy
from nexconsole.sharing.leases import FOLDER, LeaseService, names_of

SCRIPT = Path(__file__).with_name("lease_console.py")
NOWHERE = "redis://127.0.0.1:1"


class LeaseProcess:
    """A console of its own process, told what to do line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    async def says(self) -> str:
        assert self.process.stdout is not None
        said = await asyncio.wait_for(self.process.stdout.readline(), 60)
        assert said, "the console ended"
        return said.decode().strip()

    async def becomes(self) -> str:
        """What became of the action."""
        while (said := await self.says()) in ("executing", "asked") or said.startswith("again"):
            pass
        return said


@asynccontextmanager
async def consoles(
    done: Path, *folders: Path, redis: str = "", lease_s: float = 30.0
) -> AsyncIterator[list[LeaseProcess]]:
    started = []
    for name, folder in zip(("maria", "piet", "ana"), folders, strict=False):
        arguments = [f"{name}@here", str(folder), redis, str(lease_s), str(done)]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{SCRIPT.parent}:{os.getcwd()}"},
        )
        started.append(LeaseProcess(process))
    try:
        yield started
    finally:
        for one in started:
            if one.process.returncode is None:
                one.process.kill()
            await one.process.wait()
            one.process._transport.close()  # type: ignore[attr-defined]


async def meet(both: list[LeaseProcess], target: str) -> list[str]:
    """All prepare an action on the target, and confirm it at the same moment."""
    for one in both:
        one.tell(target)
    assert [await one.says() for one in both] == ["asked"] * len(both)
    for one in both:
        one.tell("go")
    return list(await asyncio.gather(*(one.becomes() for one in both)))


@pytest.mark.parametrize("between", ["consoles of one folder", "hosts"])
async def test_of_two_who_execute_on_one_target_at_the_same_moment_one_does_200_times(tmp_path, redis_server, between):
    done = tmp_path / "done"
    folders, redis = (tmp_path / "a", tmp_path / "a"), ""
    if between == "hosts":
        folders, redis = (tmp_path / "a", tmp_path / "b"), redis_server.url
    async with consoles(done, *folders, redis=redis) as both:
        ended = [await meet(both, f"target {number}") for number in range(200)]
    assert [sum(word == "done" for word in words) for words in ended] == [1] * 200
    assert sorted(done.read_text().splitlines()) == sorted(f"target {number}" for number in range(200))
    others = {word for words in ended for word in words if word != "done"}
    assert all("is at mark" in word or word.startswith("cancelled") for word in others), others
    assert {words.index("done") for words in ended} == {0, 1}  # by turns: nobody is always the quicker one


async def test_three_consoles_of_two_folders_and_a_redis_execute_once(tmp_path, redis_server):
    done = tmp_path / "done"
    async with consoles(done, tmp_path / "a", tmp_path / "a", tmp_path / "b", redis=redis_server.url) as three:
        ended = [await meet(three, f"of three {number}") for number in range(25)]
    assert [sum(word == "done" for word in words) for words in ended] == [1] * 25
    assert len(done.read_text().splitlines()) == 25


async def test_a_console_that_dies_while_it_executes_frees_its_target_at_once_in_its_folder(tmp_path):
    async with consoles(tmp_path / "done", tmp_path, tmp_path) as (maria, piet):
        for one in (maria, piet):
            one.tell("hang")
            assert await one.says() == "asked"
        maria.tell("go")
        assert await maria.says() == "executing"
        piet.tell("go")
        assert (await piet.says()).startswith("maria@here is at mark hang since ")
        maria.process.send_signal(signal.SIGKILL)
        await maria.process.wait()
        piet.tell("hang")
        assert await piet.says() == "asked"
        piet.tell("go")
        assert "was not heard of again after it began mark hang" in await piet.says()
        assert (await piet.says()).startswith("cancelled")
        piet.tell("hang")
        await piet.says()
        piet.tell("go")
        assert await piet.says() == "executing"


async def test_a_console_of_another_host_that_dies_while_it_executes_frees_its_target_in_time(tmp_path, redis_server):
    target, patience = "hang between hosts", 20.0
    async with consoles(tmp_path / "done", tmp_path / "a", tmp_path / "b", redis=redis_server.url, lease_s=1.5) as (
        maria,
        piet,
    ):
        maria.tell(target)
        assert await maria.says() == "asked"
        maria.tell("go")
        assert await maria.says() == "executing"
        await asyncio.sleep(2.5)  # longer than the lease: it is renewed
        piet.tell(target)
        assert await piet.says() == "asked"
        maria.process.send_signal(signal.SIGSTOP)
        piet.tell("go")
        assert (await piet.says()).startswith("maria@here is at mark")
        maria.process.send_signal(signal.SIGKILL)
        deadline = asyncio.get_running_loop().time() + patience
        said = ""
        while said != "executing" and asyncio.get_running_loop().time() < deadline:
            piet.tell(target)
            assert await piet.says() == "asked"
            piet.tell("go")
            said = await piet.says()
            if said.startswith("again"):
                assert "was not heard of again" in said or "since the preview" in said
                await piet.says()
        assert said == "executing"


async def test_a_console_that_is_stopped_while_it_executes_loses_its_target_in_time_in_its_folder_too(tmp_path):
    async with consoles(tmp_path / "done", tmp_path, tmp_path, lease_s=1.5) as (maria, piet):
        maria.tell("hang")
        assert await maria.says() == "asked"
        maria.tell("go")
        assert await maria.says() == "executing"
        await asyncio.sleep(2.0)  # longer than the lease: it gives signs of life
        piet.tell("hang")
        assert await piet.says() == "asked"
        maria.process.send_signal(signal.SIGSTOP)
        piet.tell("go")
        assert (await piet.says()).startswith("maria@here is at mark hang since ")
        await asyncio.sleep(2.0)
        piet.tell("hang")
        assert await piet.says() == "asked"
        piet.tell("go")
        assert "was not heard of again after it began mark hang" in await piet.says()
        assert (await piet.says()).startswith("cancelled")
        piet.tell("hang")
        assert await piet.says() == "asked"
        piet.tell("go")
        assert await piet.says() == "executing"
        maria.process.send_signal(signal.SIGCONT)


# --- in one process ---


def settings(folder: Path, redis: str = "", operator: str = "maria@bastion", lease_s: float = 30.0) -> Settings:
    made = settings_of(journal={"folder": str(folder)}, warroom={"redis_url": redis, "lease_s": lease_s})
    return Settings(operator=operator, journal=made.journal, warroom=made.warroom)


def plan(*ids: str, action: str = "provider.disable") -> Plan:
    now = utc_now()
    return Plan(
        action=action,
        arguments={"provider": "smsbower"},
        effect="",
        command="",
        taken_at=now,
        expires_at=now,
        targets=tuple(Target(kind="provider", id=id) for id in ids),
        confirm=Confirmation(kind="letter", text="d"),
    )


async def had(leases: LeaseService, what: Plan) -> TargetLease:
    return await leases.take(what, await leases.seen(what))


@pytest.fixture
def room(tmp_path) -> LeaseService:
    return LeaseService(settings(tmp_path))


async def test_what_was_executed_since_the_preview_is_said_and_must_be_seen_first(room, tmp_path):
    other = LeaseService(settings(tmp_path, operator="piet"))
    before = await other.seen(plan("1"))
    async with await had(room, plan("1")) as lease:
        during = await other.seen(plan("1"))
        lease.sending()
    for seen in (before, during):
        late = await other.take(plan("1"), seen)
        assert late.changed.startswith(
            "maria@bastion has executed provider.disable smsbower since the preview (begun at"
        )
    now = await had(other, plan("1"))
    assert (now.held, now.changed, now.doubt) == ("", "", "")
    await now.leave()


async def test_what_was_reserved_and_not_executed_is_as_it_was(room, tmp_path):
    before = await room.seen(plan("1"))
    async with await had(LeaseService(settings(tmp_path)), plan("1")):
        pass
    lease = await room.take(plan("1"), before)
    assert not lease.held and not lease.changed
    await lease.leave()


async def test_of_several_targets_one_that_is_held_frees_the_others(room, tmp_path):
    other = LeaseService(settings(tmp_path, operator="piet@bastion"))
    held = await had(room, plan("2"))
    refused = await had(other, plan("1", "2", "3"))
    assert refused.held.startswith("maria@bastion is at provider.disable smsbower since")
    for id in ("1", "3"):
        lease = await had(room, plan(id))
        assert not lease.held
        await lease.leave()
    await held.leave()
    lease = await had(other, plan("1", "2", "3"))
    assert not lease.held
    await lease.leave()


def test_many_targets_are_reserved_as_one():
    assert len(names_of(plan(*map(str, range(20))))) == 20
    assert len(names_of(plan(*map(str, range(21))))) == 1
    assert names_of(plan(*map(str, range(21)))) == names_of(plan(*map(str, range(50))))
    assert len(names_of(plan())) == 1
    assert names_of(plan("1", action="a")) == names_of(plan("1", action="b"))


async def test_files_of_leases_are_the_groups_where_the_folder_is(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    before = os.umask(0o077)
    try:
        lease = await had(LeaseService(settings(shared)), plan("../../etc/passwd"))
        await lease.leave()
    finally:
        os.umask(before)
    (file,) = (shared / FOLDER).iterdir()
    assert file.stat().st_mode & 0o777 == 0o660 and (shared / FOLDER).stat().st_mode & 0o7777 == 0o2770


async def test_garbage_in_a_leases_file_is_asked_about_once_and_then_gone(room, tmp_path):
    (tmp_path / FOLDER).mkdir()
    for name in names_of(plan("1")):
        (tmp_path / FOLDER / name).write_bytes(b"\x1b[2J{" * 5000)
    assert "is not known" in (await had(room, plan("1"))).changed
    lease = await had(room, plan("1"))
    assert not lease.changed and not lease.held
    await lease.leave()


async def test_a_folder_that_can_not_be_written_stops_nobody_and_is_said(tmp_path):
    (tmp_path / "file").touch()
    lease = await had(LeaseService(settings(tmp_path / "file")), plan("1"))
    assert not lease.held and not lease.changed and "nobody else is kept from executing on the same" in lease.doubt
    await lease.leave()


async def test_without_redis_the_folder_alone_is_asked_and_that_is_said_in_time(tmp_path):
    leases = LeaseService(settings(tmp_path, NOWHERE))
    began = asyncio.get_running_loop().time()
    lease = await had(leases, plan("1"))
    assert asyncio.get_running_loop().time() - began < 3
    assert lease.doubt.startswith("only the consoles of this folder are kept from executing on the same: its Redis did")
    assert (await had(LeaseService(settings(tmp_path)), plan("1"))).held
    await lease.leave()
    await leases.close()


async def test_a_redis_that_hangs_costs_seconds_and_no_more(tmp_path):
    async with embedded_redis() as server:
        one, other = (LeaseService(settings(tmp_path / name, server.url)) for name in ("a", "b"))
        seen = await one.seen(plan("1"))
        server.freeze()
        try:
            began = asyncio.get_running_loop().time()
            lease = await one.take(plan("1"), seen)
            assert "did not answer" in lease.doubt
            lease.sending()
            await lease.leave()
            assert asyncio.get_running_loop().time() - began < 6
        finally:
            server.freeze(False)
        for leases in (one, other):
            await leases.close()


async def test_a_redis_that_comes_back_after_the_preview_makes_it_a_preview_of_long_ago(tmp_path):
    async with embedded_redis() as server:
        leases = LeaseService(settings(tmp_path, server.url))
        await server.stop()
        seen = await leases.seen(plan("1"))
        await server.start()
        leases._silent_until = 0.0
        assert "since the preview is not known" in (await leases.take(plan("1"), seen)).changed
        lease = await had(leases, plan("1"))
        assert not lease.changed and not lease.doubt
        await lease.leave()
        await leases.close()


async def test_a_lease_is_kept_over_a_restart_of_a_redis_that_forgets(tmp_path):
    async with embedded_redis() as server:
        one, other = (LeaseService(settings(tmp_path / name, server.url, lease_s=1.0)) for name in ("a", "b"))
        lease = await had(one, plan("1"))
        await server.restart()
        await asyncio.sleep(1.0)
        assert (await had(other, plan("1"))).held
        await lease.leave()
        for leases in (one, other):
            await leases.close()


async def test_a_console_that_hung_for_longer_than_its_lease_lasts_does_not_act(tmp_path, redis_server: EmbeddedRedis):
    one = LeaseService(settings(tmp_path / "a", redis_server.url, lease_s=0.3))
    other = LeaseService(settings(tmp_path / "b", redis_server.url, "piet@laptop"))
    lease = await had(one, plan("hung"))
    assert lease._renewing is not None
    lease._renewing.cancel()
    lease._renewed_at -= 10
    await asyncio.sleep(0.5)
    quicker = await had(other, plan("hung"))
    assert not quicker.held
    assert (await lease.lost()).endswith("piet@laptop began provider.disable smsbower: nothing was sent")
    await lease.leave()
    assert (await had(one, plan("hung"))).held.startswith("piet@laptop")
    await quicker.leave()
    for leases in (one, other):
        await leases.close()


async def test_who_hung_before_it_sent_anything_finds_that_its_file_was_taken(tmp_path):
    one = LeaseService(settings(tmp_path, lease_s=0.3))
    lease = await had(one, plan("hung"))
    assert lease._renewing is not None
    lease._renewing.cancel()
    lease._renewed_at -= 10
    await asyncio.sleep(0.6)
    others = [LeaseService(settings(tmp_path, operator=f"{name}@bastion", lease_s=0.3)) for name in ("piet", "ana")]
    asked = await asyncio.gather(*(had(other, plan("hung")) for other in others))
    assert not [one for one in asked if not one.held and not one.changed]  # both must look at it anew
    again = await asyncio.gather(*(had(other, plan("hung")) for other in others))
    (quicker,) = [one for one in again if not one.held and not one.changed]
    assert "began provider.disable smsbower: nothing was sent" in await lease.lost()
    await lease.leave()
    assert (await had(one, plan("hung"))).held.startswith(quicker.execution.who)
    await quicker.leave()


async def test_two_installations_on_one_redis_do_not_mix(tmp_path, redis_server):
    import msgspec

    one = settings(tmp_path / "a", redis_server.url)
    other = msgspec.structs.replace(settings(tmp_path / "b", redis_server.url), name="nexnum-us")
    first, second = LeaseService(one), LeaseService(other)
    leases = [await had(first, plan("same")), await had(second, plan("same"))]
    assert [lease.held for lease in leases] == ["", ""]
    for lease in leases:
        await lease.leave()
    await first.close()
    await second.close()


async def test_a_target_is_not_taken_from_whoever_lives_because_a_clock_was_set(tmp_path, monkeypatch):
    monkeypatch.setattr(lease_files, "WATCHED_S", 1.0)
    monkeypatch.setattr(lease_files, "PASSING_S", 0.3)
    maria, piet, name, folder = Reserved(), Reserved(), "0" * 32, tmp_path / ".leases"
    maria.take(folder, (name,), {name: ""}, 0.5)
    maria.begin(Execution(token="1", who="maria", what="mark 5sim", at="now"))
    os.utime(folder / name, (1, 1))  # as if the clock had been set forward by years since its last sign of life
    alive = threading.Event()

    def live() -> None:
        while not alive.wait(0.1):
            maria.renew()
            os.utime(folder / name, (time.monotonic(), time.monotonic()))  # signs of life by that old clock

    living = threading.Thread(target=live)
    living.start()
    try:
        with pytest.raises(TargetBusy) as busy:
            await asyncio.to_thread(piet.take, folder, (name,), {name: ""}, 0.5)
        assert busy.value.by.who == "maria"
    finally:
        alive.set()
        living.join()
        maria.free()
