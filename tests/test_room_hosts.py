"""Two hosts and one Redis: whoever is counted as another can object, and nobody's clock is believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_readings as sample
from acting import add_provider
from consenting import active, ask, unrecorded
from controller import fresh, seeing, settings, until
from incident_story import START

from nexconsole.drill.servers import embedded_redis
from nexconsole.incident.incident import fold
from nexconsole.journal import EntryKind, Writer, merge
from nexconsole.journal.entries import make
from nexconsole.session import approvals, host_sync
from nexconsole.session.remote_operations import remote_operations
from nexconsole.session.session import Session
from nexconsole.sharing.clocks import Clocks
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

NOTHING = Sources(LazyClients(), {})


@asynccontextmanager
async def host(
    folder: Path,
    redis_url: str,
    operator: str,
    *,
    ahead: timedelta = timedelta(),
    sources: Sources = NOTHING,
    **tables: Any,
) -> AsyncIterator[Session]:
    """A console on a host of its own, whose clock is that much ahead."""
    readings = fresh(sample.incident())
    warroom = {"redis_url": redis_url, **tables.pop("warroom", {})}
    chosen = settings(folder, operator=operator, warroom=warroom, **tables)
    one = Session(chosen, sources, monitor=seeing(readings), clock=lambda: datetime.now(UTC) + ahead)
    for journal in one.incident_store._journals.values():
        journal._now = one.clock
    made = one.incident_store.journal_of

    def journal_of(name: str) -> Any:
        journal = made(name)
        journal._now = one.clock
        return journal

    one.incident_store.journal_of = journal_of  # type: ignore[method-assign]
    one.start()
    try:
        yield one
    finally:
        await one.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_sync, "ASK_S", 0.3)
    monkeypatch.setattr(host_sync, "EVERY_S", 0.1)
    monkeypatch.setattr(approvals, "GRACE_S", 1.0)


@pytest.fixture
async def own_redis(redis_server: Any) -> AsyncIterator[str]:
    import redis.asyncio

    client = redis.asyncio.from_url(redis_server.url)
    await client.flushall()
    yield redis_server.url
    await client.flushall()
    await client.aclose()


def disabling(one: Session) -> asyncio.Task:
    return asyncio.create_task(one.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded))


@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(minutes=-14)])
async def test_what_is_proposed_outside_of_any_incident_is_seen_and_stopped_on_another_host(
    tmp_path: Path, own_redis: str, database: Any, sources_on: Any, ahead: timedelta
) -> None:
    await add_provider(database, "smsbower")
    await add_provider(database, "5sim")
    acting = {"sources": sources_on(database.url), "postgres": {"url": database.url}, "warroom": {"objection_s": 6.0}}
    async with (
        host(tmp_path / "a", own_redis, "maria", ahead=ahead, **acting) as one,
        host(tmp_path / "b", own_redis, "piet") as other,
    ):
        await until(lambda: len(one.peers.here) == len(other.peers.here) == 2)
        doing = disabling(one)
        [(proposal, left)] = await until(lambda: other.waiting)
        assert one.incident_store.current is None and (proposal.name, proposal.by) == (
            "provider.disable smsbower",
            "maria",
        )
        assert 3.0 < left <= 6.0
        await other.object(proposal.id, "5sim is down too")
        done = await asyncio.wait_for(doing, 20)
        assert done.outcome is None and "piet objected: 5sim is down too: nothing was sent" in (done.stopped or "")
        assert await active(database)
        await until(lambda: not other.waiting)


async def test_a_redis_that_can_not_be_asked_makes_nobody_alone(
    tmp_path: Path, database: Any, sources_on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "KNOWN_S", 2.0)
    await add_provider(database, "smsbower")
    await add_provider(database, "5sim")
    acting = {"sources": sources_on(database.url), "postgres": {"url": database.url}}
    async with host(tmp_path, "redis://127.0.0.1:1", "maria", **acting) as one:
        done = await disabling(one)
        assert done.outcome is None
        assert "nothing was sent: who else is here is not known, so nobody was asked: " in (done.stopped or "")
        assert "Who is on call alone can start without warroom.redis_url" in (done.stopped or "")
        assert "refused" in (done.stopped or "") and "nothing was sent" in (done.stopped or "")
        assert await active(database)


async def test_a_redis_that_dies_within_the_window_stops_the_action(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    await add_provider(database, "smsbower")
    await add_provider(database, "5sim")
    acting = {"sources": sources_on(database.url), "postgres": {"url": database.url}, "warroom": {"objection_s": 20.0}}
    async with embedded_redis() as server:
        async with (
            host(tmp_path / "a", server.url, "maria", **acting) as one,
            host(tmp_path / "b", server.url, "piet") as other,
        ):
            doing = disabling(one)
            await until(lambda: other.waiting)
            await server.stop()
            done = await asyncio.wait_for(doing, 60)
            assert done.outcome is None and "the connection to the others was lost within the window" in (
                done.stopped or ""
            )
            assert await active(database)


async def test_the_later_declaration_counts_and_closing_closes_whatever_the_clocks_say(
    tmp_path: Path, own_redis: str
) -> None:
    async with (
        host(tmp_path / "a", own_redis, "maria", ahead=timedelta(hours=2)) as one,
        host(tmp_path / "b", own_redis, "piet", ahead=timedelta(minutes=-14)) as other,
    ):
        name = await one.open_incident("smsbower fails", "SEV-1")
        await until(lambda: other.incident_store.current == name)
        await other.declare("SEV-3", "only one provider")
        await until(lambda: one.incident is not None and one.incident.level == "SEV-3")
        await one.declare("SEV-2", "two by now")
        await until(lambda: other.incident is not None and other.incident.level == "SEV-2")
        await other.take_role("commander", "piet")
        await until(lambda: one.incident is not None and one.incident.commander == "piet")
        said = await until(lambda: one.peers.skew and other.peers.skew and (one.peers.skew, other.peers.skew))
        assert any("this host's clock is 2 h ahead of that of the war room's Redis" in each for each in said[0])
        assert any("this host's clock is 14 min behind that of the war room's Redis" in each for each in said[1])
        await other.close_incident("over")
        assert other.incident_store.current is None
        await until(lambda: one.incident_store.current is None)


async def test_what_another_host_does_is_under_way_here_whatever_its_clock_says(tmp_path: Path, own_redis: str) -> None:
    async with (
        host(tmp_path / "a", own_redis, "maria", ahead=timedelta(minutes=-30)) as one,
        host(tmp_path / "b", own_redis, "piet") as other,
    ):
        name = await one.open_incident("t", "")
        await until(lambda: other.incident_store.current == name)
        await one.record(EntryKind.INTENT, {"plan": {"action": "pods.restart", "arguments": {}}})
        shown = await until(lambda: other.shown)
        assert [(each.name, each.phase, each.lost) for each in shown] == [("pods.restart", "sending", False)]


def entry(writer: Writer, minute: float, kind: str, data: dict[str, Any], seq: int = 1, hlc: int = 0) -> Any:
    at = START + timedelta(minutes=minute)
    return make(at=at, writer=writer, seq=seq, prev="", after="", kind=kind, data=data, hlc=hlc)


def test_entries_of_earlier_versions_stand_by_their_time_among_those_that_say_their_order():
    old, new = Writer("maria", "old", 1, START), Writer("piet", "new", 2, START, "piet")
    first = entry(old, 0, "opened", {"title": "t"})
    second = entry(new, 1, "declared", {"level": "SEV-1"}, hlc=first.order + 1)
    third = entry(old, 2, "declared", {"level": "SEV-2"}, 2)
    assert merge([third, second, first]) == (first, second, third)
    late = entry(new, -90, "closed", {"reason": "over"}, 2, hlc=third.order + 1)  # its clock is 92 minutes behind
    assert merge([late, third, second, first])[-1] == late
    assert fold([late, first, second, third]).closed == "over"


def test_a_console_on_another_host_that_says_nothing_is_given_up_by_this_hosts_clock():
    stranger = Writer("ana", "far", 3, START, "ana")
    intent = entry(stranger, 0, "intent", {"plan": {"action": "pods.restart", "arguments": {}}})
    me, now = Writer("maria", "here", 1, START, "maria"), START + timedelta(hours=2)
    [by_its_clock] = remote_operations([intent], me, now, now).values()
    [by_ours] = remote_operations([intent], me, now, now, came_at=lambda entry: now - timedelta(seconds=3)).values()
    assert by_its_clock.lost and not by_ours.lost


def test_a_clock_that_is_out_is_said_by_how_much_and_one_that_is_not_is_not():
    clocks, now = Clocks(), START
    clocks.heard("laptop", now + timedelta(minutes=14), now)
    clocks.heard("bastion", now - timedelta(seconds=1), now)
    clocks.heard("old", now - timedelta(seconds=15), now)
    clocks.server_s = 0.4
    assert clocks.skew == ("laptop's clock is 14 min ahead of this host's", "old's clock is 15 s behind this host's")


async def test_what_was_done_before_an_incident_is_its_prelude_though_another_hosts_clock_is_ahead(
    tmp_path: Path, own_redis: str
) -> None:
    async with (
        host(tmp_path / "a", own_redis, "maria", ahead=timedelta(hours=2)) as one,
        host(tmp_path / "b", own_redis, "piet") as other,
    ):
        plan = {"action": "provider.disable", "arguments": {"provider": "smsbower"}}
        intent = await one.record(EntryKind.INTENT, {"plan": plan})
        await one.record(EntryKind.OUTCOME, {"intent": intent, "outcome": {"state": "done", "answer": "UPDATE 1"}})
        await until(lambda: len(other.entries) == 2)
        name = await other.open_incident("smsbower fails", "SEV-1")
        assert other.incident is not None and [each.name for each in other.incident.actions] == [
            "provider.disable smsbower"
        ]
        await until(lambda: one.incident_store.current == name)
        await until(lambda: one.incident is not None and len(one.incident.actions) == 1)
