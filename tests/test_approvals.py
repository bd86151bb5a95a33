"""The others' say before an action with a large blast radius: objections, approvals, and links that are lost."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sample_readings as sample
from acting import add_provider
from consenting import active, ask, unrecorded
from controller import fresh, seeing, settings, until
from journals import written

from nexconsole.incident.proposals import Proposal
from nexconsole.journal import EntryKind, writer
from nexconsole.journal.layout import lock_file
from nexconsole.session import approvals
from nexconsole.session.session import Session
from nexconsole.sources import Sources

GLASS_FIRST = (EntryKind.BROKE_GLASS, EntryKind.INTENT)


class Room:
    """How many others are here, and why that is not known."""

    others = 1
    apart = 1
    cut_off = ""

    def here(self) -> approvals.ApprovalChannel:
        return approvals.ApprovalChannel(here=self.others, apart=self.apart)


@asynccontextmanager
async def console(
    folder: Path, sources: Sources, url: str, operator: str = "maria", room: Room | None = None, **rules: Any
) -> AsyncIterator[Session]:
    readings = fresh(sample.incident())
    warroom = {"objection_s": 1.0, "approval_s": 2.0} | rules
    chosen = settings(folder, operator=operator, postgres={"url": url}, warroom=warroom)
    one = Session(chosen, sources, monitor=seeing(readings))
    seen = room or Room()
    one.peers.approvals = approvals.ApprovalGate(
        one.incident_store, one.settings, one.clock, seen.here, lambda: seen.cut_off
    )
    one.start()
    try:
        yield one
    finally:
        await one.close()


@pytest.fixture(autouse=True)
async def providers(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "GRACE_S", 0.5)
    for name in ("smsbower", "5sim", "tiger-sms"):
        await add_provider(database, name)


def disabling(one: Session, reason: str = "") -> asyncio.Task:
    async def broken(plan: Any, why: str) -> str | None:
        return reason or None

    path = one.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded, break_glass=broken)
    return asyncio.create_task(path)


async def proposed(other: Session) -> Proposal:
    def found() -> Proposal | None:
        return next((one for one in other.incident.proposals if not one.ended), None) if other.incident else None

    return await until(found)


def kinds(one: Session) -> list[str]:
    return [entry.kind for entry in one.entries]


async def test_an_objection_within_the_window_stops_the_action_on_record(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    sources = sources_on(database.url)
    async with console(tmp_path, sources, database.url) as one, console(tmp_path, sources, "", "piet") as other:
        await one.open_incident("t", "")
        doing = disabling(one)
        proposal = await proposed(other)
        assert (proposal.name, proposal.by, proposal.needs) == ("provider.disable smsbower", "maria", "objection")
        await until(lambda: any(op.phase == "waiting" for op in one.shown))
        await other.object(proposal.id, "5sim is down too")
        done = await doing
        assert done.outcome is None and "piet objected: 5sim is down too: nothing was sent" in done.stopped
        assert await active(database)
        assert EntryKind.INTENT not in kinds(one) and kinds(one)[-2:] == [EntryKind.OBJECTED, EntryKind.STOPPED]
        await until(lambda: other.incident.proposals[0].ended == "objected" and other.incident.proposals[0].ended_by)
        assert other.incident.proposals[0].ended_by == "piet"


async def test_where_nobody_objects_it_is_sent_when_the_window_has_ended_and_names_its_proposal(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    async with console(tmp_path, sources_on(database.url), database.url) as one:
        await one.open_incident("t", "")
        began = asyncio.get_running_loop().time()
        done = await disabling(one)
        assert done.outcome.state == "done" and asyncio.get_running_loop().time() - began >= 1.0
        assert not await active(database)
        proposal = one.incident.proposals[0]
        intent = next(entry for entry in one.entries if entry.kind == EntryKind.INTENT)
        assert intent.data["proposal"] == proposal.id and proposal.ended == "sent"


async def test_what_waits_for_a_second_person_is_sent_at_once_with_that_word_and_never_without(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    sources = sources_on(database.url)
    rules = {"approval_actions": ["provider.disable"], "approval_s": 30.0}
    async with (
        console(tmp_path, sources, database.url, **rules) as one,
        console(tmp_path, sources, "", "piet") as other,
    ):
        await one.open_incident("t", "")
        doing = disabling(one)
        proposal = await proposed(other)
        await other.approve(proposal.id)
        done = await asyncio.wait_for(doing, 20)
        assert done.outcome.state == "done" and proposal.needs == "approval"
        one.peers.approvals._rules = settings(tmp_path, warroom=rules | {"approval_s": 0.5}).warroom
        undone = await one.perform("provider.enable", {"provider": "smsbower"}, ask, unrecorded)
        assert undone.outcome.state == "done"
        again = await disabling(one)
        assert again.outcome is None and "nobody approved within 0.5 s: nothing was sent" in again.stopped


@pytest.mark.parametrize("lost", ["link", "console", "operator"])
async def test_whoever_is_cut_off_within_the_window_does_not_act(
    tmp_path: Path, database: Any, sources_on: Any, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    room = Room()
    async with console(tmp_path, sources_on(database.url), database.url, room=room, objection_s=5.0) as one:
        await one.open_incident("t", "")
        doing = disabling(one)
        await until(lambda: any(op.phase == "waiting" for op in one.shown))
        if lost == "link":
            room.cut_off = "redis does not answer"
        elif lost == "console":
            monkeypatch.setattr(approvals, "CUT_OFF_S", 0.0)  # as if it had slept in between
        else:
            assert one.stop()
        done = await asyncio.wait_for(doing, 20)
        said = {
            "link": "lost within the window: nothing was sent: redis does not answer",
            "console": "hung for",
            "operator": "stopped by its own operator",
        }[lost]
        assert done.outcome is None and said in done.stopped
        assert await active(database) and kinds(one)[-1] == EntryKind.STOPPED


async def test_alone_in_the_room_it_goes_on_and_says_so(tmp_path: Path, database: Any, sources_on: Any) -> None:
    room = Room()
    room.others = room.apart = 0
    async with console(tmp_path, sources_on(database.url), database.url, room=room, objection_s=60.0) as one:
        done = await asyncio.wait_for(disabling(one), 60)
        assert done.outcome.state == "done" and done.alone
        intent = next(entry for entry in one.entries if entry.kind == EntryKind.INTENT)
        assert intent.data["alone"] is True and EntryKind.PROPOSED not in kinds(one)


async def test_a_small_action_opens_no_window(tmp_path: Path, database: Any, sources_on: Any) -> None:
    async with console(tmp_path, sources_on(database.url), database.url, objection_actions=[]) as one:
        done = await disabling(one)
        assert done.outcome.state == "done" and not done.alone and EntryKind.PROPOSED not in kinds(one)


async def test_a_world_that_changed_while_others_could_object_is_not_acted_on(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    async with console(tmp_path, sources_on(database.url), database.url) as one:
        doing = disabling(one)
        await until(lambda: any(op.phase == "waiting" for op in one.shown))
        await database.execute("UPDATE providers SET is_active = false WHERE name = 'smsbower'")
        done = await doing
        assert done.outcome is None and ("nothing was sent" in done.stopped or "no longer holds" in done.stopped)
        assert EntryKind.INTENT not in kinds(one)


@pytest.mark.parametrize("trouble", ["held", "full", "unreadable", "unknown"])
async def test_what_can_not_be_proposed_is_not_sent(
    tmp_path: Path, database: Any, sources_on: Any, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(approvals, "KNOWN_S", 0.5)
    room, asked = Room(), []

    async def yes(why: str) -> bool:
        asked.append(why)
        return True  # whoever would act unrecorded may not act unasked

    async with console(tmp_path, sources_on(database.url), database.url, room=room, objection_s=5.0) as one:
        await until(lambda: one.incident_store._read)
        holding = None
        if trouble == "held":
            await one.note("x")
            one.journal._lock_timeout_s = 0.2
            holding = lock_file(one.journal.file).open("rb")
            fcntl.flock(holding, fcntl.LOCK_EX)
        elif trouble == "full":

            def refuse(*given: Any) -> None:
                raise OSError(errno.ENOSPC, "no space")

            monkeypatch.setattr(writer, "write_synced", refuse)
        elif trouble == "unreadable":
            os.mkfifo(tmp_path / "outside-incidents.jsonl.elsewhere")
            await until(lambda: one.trouble)
        else:
            room.cut_off = "redis does not answer"
        done = await one.perform("provider.disable", {"provider": "smsbower"}, ask, yes)
        said = {
            "held": "could not be asked: nothing was sent:",
            "full": "could not be asked: nothing was sent:",
            "unreadable": "who else is here is not known",
            "unknown": "who else is here is not known",
        }[trouble]
        assert done.outcome is None and said in done.stopped and not asked
        assert {
            "held": "held it for",
            "full": "disk is full",
            "unreadable": "pipe",
            "unknown": "redis does not answer",
        }[trouble] in done.stopped
        assert await active(database)
        if holding is not None:
            holding.close()


async def test_nobody_is_alone_whom_the_trouble_keeps_from_seeing_others(
    tmp_path: Path, database: Any, sources_on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "KNOWN_S", 0.3)
    room = Room()
    room.others = room.apart = 0
    room.cut_off = "the consoles of this folder don't see each other"
    async with console(tmp_path, sources_on(database.url), database.url, room=room) as one:
        done = await disabling(one)
        assert done.outcome is None and "don't see each other" in done.stopped and await active(database)
        room.cut_off = ""
        assert (await disabling(one)).alone


async def test_a_proposal_that_reaches_no_other_host_is_not_sent(
    tmp_path: Path, database: Any, sources_on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "TOLD_S", 0.5)
    async with console(tmp_path, sources_on(database.url), database.url, objection_s=20.0) as one:
        one.peers.approvals._told = lambda name, id: False
        done = await asyncio.wait_for(disabling(one), 60)
        assert done.outcome is None and "other hosts could not be told within 0.5 s" in done.stopped
        assert await active(database) and kinds(one)[-1] == EntryKind.STOPPED


async def test_where_nobody_may_approve_it_is_sent_only_by_breaking_glass_and_others_may_still_object(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    room = Room()
    room.apart = 0
    rules = {"approval_actions": ["provider.disable"], "approval_s": 30.0, "objection_s": 1.0}
    async with console(tmp_path, sources_on(database.url), database.url, room=room, **rules) as one:
        done = await asyncio.wait_for(disabling(one), 60)
        assert done.outcome is None and "nobody is here who may approve it" in done.stopped and await active(database)
        assert not {EntryKind.PROPOSED, EntryKind.INTENT, EntryKind.BROKE_GLASS} & {*kinds(one)}
        done = await asyncio.wait_for(disabling(one, "every purchase fails"), 60)
        assert done.outcome.state == "done" and not await active(database)
        assert [entry.data["needs"] for entry in one.entries if entry.kind == EntryKind.PROPOSED] == ["objection"]
        glass, intent = (next(n for n, kind in enumerate(kinds(one)) if kind == one_kind) for one_kind in GLASS_FIRST)
        assert glass < intent and one.entries[intent].data["broke_glass"] == one.entries[glass].id
        assert one.entries[glass].data["reason"] == "every purchase fails"


async def test_an_objection_is_heard_though_the_incident_was_closed_or_another_joined_meanwhile(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    sources = sources_on(database.url)
    async with (
        console(tmp_path, sources, database.url, objection_s=6.0) as one,
        console(tmp_path, sources, "", "piet") as other,
    ):
        name = await one.open_incident("t", "")
        doing = disabling(one)
        proposal = await proposed(other)
        await other.close_incident("over")
        await until(lambda: one.incident_store.current is None)
        await other.object(proposal.id, "not now")
        done = await asyncio.wait_for(doing, 20)
        assert done.outcome is None and "piet objected: not now" in done.stopped and await active(database)
        assert [entry.kind for entry in written(tmp_path, name)][-2:] == ["objected", "stopped"]
