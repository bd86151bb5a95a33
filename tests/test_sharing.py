"""Consoles on two hosts: an incident opened on one is joined on the other, and nothing is lost while Redis is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sample_readings as sample
from controller import fresh, seeing, settings, until

from nexconsole.incident.incident import fold
from nexconsole.journal import EntryKind, journal_file, read_incident, verify_incident
from nexconsole.report.render import as_html, as_json, as_markdown
from nexconsole.session import host_sync
from nexconsole.session.session import Session
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients


@asynccontextmanager
async def host(folder: Path, redis_url: str, operator: str) -> AsyncIterator[Session]:
    """A console on a host of its own: its own folder, and Redis between it and the others."""
    readings = fresh(sample.incident())
    chosen = settings(folder, operator=operator, warroom={"redis_url": redis_url})
    one = Session(chosen, Sources(LazyClients(), {}), monitor=seeing(readings))
    one.start()
    try:
        yield one
    finally:
        await one.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_sync, "ASK_S", 0.3)
    monkeypatch.setattr(host_sync, "EVERY_S", 0.1)


@pytest.fixture
async def own_redis(redis_server: Any) -> AsyncIterator[str]:
    import redis.asyncio

    client = redis.asyncio.from_url(redis_server.url)
    await client.flushall()
    yield redis_server.url
    await client.flushall()
    await client.aclose()


def texts(one: Session) -> list[str]:
    return [entry.data["text"] for entry in one.entries if entry.kind == EntryKind.NOTE]


async def test_an_incident_of_one_host_is_joined_on_the_other_and_closed_for_both(
    tmp_path: Path, own_redis: str
) -> None:
    async with host(tmp_path / "a", own_redis, "maria") as one, host(tmp_path / "b", own_redis, "piet") as other:
        name = await one.open_incident("smsbower fails", "SEV-1")
        await until(lambda: other.incident_store.current == name)
        assert other.incident.commander == "maria"
        await other.note("from the laptop")
        await until(lambda: texts(one) == ["from the laptop"], 2.0)
        await one.note("from the bastion")
        await until(lambda: texts(other) == ["from the laptop", "from the bastion"], 2.0)
        await other.close_incident("over")
        await until(lambda: one.incident_store.current is None and other.incident_store.current is None)
        await asyncio.sleep(1.0)  # and it is not joined again
        assert other.incident_store.current is None


async def test_the_reports_of_both_hosts_are_the_same_bytes(tmp_path: Path, own_redis: str) -> None:
    async with host(tmp_path / "a", own_redis, "maria") as one, host(tmp_path / "b", own_redis, "piet") as other:
        name = await one.open_incident("smsbower fails", "SEV-1")
        await until(lambda: other.incident_store.current == name)
        for turn in range(20):
            await (one, other)[turn % 2].note(f"turn {turn}")
        await until(lambda: len(texts(one)) == len(texts(other)) == 20)
        files = [journal_file(tmp_path / folder, name) for folder in "ab"]
        reports = []
        for file in files:
            incident = fold(read_incident(file).entries)
            reports.append((as_markdown(incident, name), as_json(incident, name), as_html(incident, name)))
            assert not any(verify_incident(file).values())
        assert reports[0] == reports[1]


async def test_where_redis_does_not_answer_a_console_works_alone_and_says_so(tmp_path: Path) -> None:
    async with host(tmp_path, "redis://127.0.0.1:1", "maria") as one:
        await one.open_incident("t", "")
        await one.note("still written")
        await until(lambda: "refused" in one.peers.reach)
        assert texts(one) == ["still written"]


async def test_without_a_redis_in_the_settings_nobody_is_missed(tmp_path: Path) -> None:
    async with host(tmp_path, "", "maria") as one:
        await one.open_incident("t", "")
        assert one.peers.reach == "" and not one.peers.sharing.configured
