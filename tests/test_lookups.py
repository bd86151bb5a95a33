"""What a page reads for itself, from real servers: one row, bounded, nothing of customers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio
from pod_lines import pods
from small_cluster import small_cluster

from nexconsole.catalogue import Subject
from nexconsole.errors import Denied
from nexconsole.lookups import event, lock, log_lines, pod, provider, reservation, session
from nexconsole.lookups.registry import ROW, lookups
from nexconsole.model import State, utc_now
from nexconsole.settings import RedisSettings, Settings
from nexconsole.signals.readings import read_once
from nexconsole.sources import Sources
from nexconsole.sources.redis import RedisSource

SETTINGS = Settings()


def subject(kind: str, id: str, **arguments: str) -> Subject:
    return Subject(kind=kind, id=id, title=id, arguments=arguments)


@pytest.mark.parametrize("era", ["old", "head"])
@pytest.mark.parametrize("timestamptz", [False, True])
async def test_a_providers_row_is_found_by_its_name_in_any_case(database, sources_on, era, timestamptz):
    await database.create(era=era, timestamptz=timestamptz)
    await database.provider("id-1", "smsbower", "SMS Bower", active=False)
    await database.provider("id-2", "5sim")
    await database.execute("UPDATE providers SET priority = CASE name WHEN 'smsbower' THEN 5 ELSE 1 END")
    row = await provider.read(sources_on(database.url), SETTINGS, subject("provider", "SMSBower"))
    assert (row.found, row.id, row.name, row.display_name) == (True, "id-1", "smsbower", "SMS Bower")
    assert (row.active, row.priority, row.rivals) == (False, 5, 1)
    assert abs((utc_now() - row.updated_at).total_seconds()) < 30


async def test_a_provider_without_a_row_is_not_found(database, sources_on):
    assert not (await provider.read(sources_on(database.url), SETTINGS, subject("provider", "nobody"))).found


async def test_an_event_comes_with_its_whole_error_and_how_many_failed_alike_but_no_payload(database, sources_on):
    error = "Meilisearch: " + "x" * 5000
    await database.event("e1", 600, "FAILED", error=error, retry_count=1)
    for n in range(3):
        await database.event(f"same{n}", 500, "FAILED", error=error, retry_count=1)
    await database.event("other", 500, "FAILED", error="another", retry_count=1)
    row = await event.read(sources_on(database.url), SETTINGS, subject("event", "e1"))
    assert (row.found, row.status, row.retries, row.alike, row.looked_at) == (True, "FAILED", 1, 3, 5)
    assert row.age_s == pytest.approx(600, abs=5)
    assert len(row.error) > 3_900
    assert row.error_cut
    assert "secret" not in repr(row)
    await database.execute("UPDATE outbox_events_v2 SET payload = '{\"correlationId\": \"c-1\"}' WHERE id = 'e1'")
    assert (await event.read(sources_on(database.url), SETTINGS, subject("event", "e1"))).correlation_id == "c-1"


async def test_an_event_that_was_deleted_is_not_found(database, sources_on):
    assert not (await event.read(sources_on(database.url), SETTINGS, subject("event", "none"))).found


async def test_a_session_is_told_with_the_lock_that_it_wants_and_is_gone_when_it_ends(database, sources_on):
    await database.activation("a", 5, "RESERVED")
    holder, waiter = await asyncpg.connect(database.url), await asyncpg.connect(database.url)
    sources = sources_on(database.server.admin_url)
    about = subject("session", str(waiter.get_server_pid()), pid=str(waiter.get_server_pid()))
    try:
        await holder.execute("BEGIN; UPDATE activations SET price = 2 WHERE id = 'a'")
        blocked = asyncio.create_task(waiter.execute("UPDATE activations SET price = 3 WHERE id = 'a'"))
        async with asyncio.timeout(60):
            while not (row := await session.read(sources, SETTINGS, about, None)).wants:
                await asyncio.sleep(0.05)
        assert row.blocked_by == (holder.get_server_pid(),)
        assert row.wants[0].kind == "transactionid"
        assert row.query == "UPDATE activations SET price = 3 WHERE id = 'a'"
        await holder.execute("ROLLBACK")
        await blocked
    finally:
        await holder.close()
        await waiter.close()
    async with asyncio.timeout(60):
        while (after := await session.read(sources, SETTINGS, about, row)).found:
            await asyncio.sleep(0.05)
    assert not after.found


async def test_another_session_with_the_same_pid_is_another(database, sources_on):
    other = await asyncpg.connect(database.url)
    try:
        about = subject("session", str(other.get_server_pid()))
        sources = sources_on(database.server.admin_url)
        row = await session.read(sources, SETTINGS, about, None)
        assert row.found
        earlier = session.SessionRow(found=True, started_at=row.started_at.replace(year=2001))
        assert not (await session.read(sources, SETTINGS, about, earlier)).found
    finally:
        await other.close()


@pytest.mark.parametrize("pid", ["", "x", "99999999999", "-1", "4711; DROP TABLE users"])
async def test_what_is_no_pid_is_no_session(database, sources_on, pid):
    assert not (await session.read(sources_on(database.url), SETTINGS, subject("session", pid), None)).found


@pytest.mark.parametrize("era", ["old", "head"])
async def test_the_oldest_pending_rows_come_first_and_without_their_customers(database, sources_on, era):
    await database.create(era=era)
    await database.order("young", 10)
    await database.order("old", 900)
    await database.activation("act", 700, "RESERVED", provider="5sim")
    sources = sources_on(database.url)
    orders = await reservation.read(sources, SETTINGS, subject("reservation", "purchase_orders"))
    assert [row.id for row in orders.rows] == ["old", "young"]
    assert orders.rows[0].overdue_s == pytest.approx(600, abs=5)
    assert orders.rows[1].overdue_s < 0
    activations = await reservation.read(sources, SETTINGS, subject("reservation", "activations"))
    assert [(row.id, row.provider) for row in activations.rows] == [("act", "5sim")]
    assert activations.rows[0].overdue_s == pytest.approx(700 - SETTINGS.reservations.stuck_after_s, abs=5)
    assert "u1" not in repr((orders, activations))
    offers = await reservation.read(sources, SETTINGS, subject("reservation", "offer_reservations"))
    assert offers.rows == ()


async def test_ten_thousand_pending_rows_are_read_up_to_a_bound(database, sources_on, monkeypatch):
    monkeypatch.setattr(reservation, "MOST", 3)
    for n in range(5):
        await database.order(f"o{n}", 100 + n)
    value = await reservation.read(sources_on(database.url), SETTINGS, subject("reservation", "purchase_orders"))
    assert (len(value.rows), value.more) == (3, True)


async def test_a_table_that_nobody_knows_is_never_asked_for(database, sources_on):
    value = await reservation.read(
        sources_on(database.url), SETTINGS, subject("reservation", "users; DROP TABLE users")
    )
    assert not value.found


async def test_a_lock_is_judged_as_it_is_now_and_gone_when_it_is(clients, redis_server):
    sources = Sources(clients, {"redis": RedisSource(clients, RedisSettings(url=redis_server.url))})
    client = redis.asyncio.from_url(redis_server.url, decode_responses=True)
    about = subject("lock", "lock:purchase:u1", lock="lock:purchase:u1", family="purchase")
    try:
        await client.set("lock:purchase:u1", f"{int((time.time() - 60) * 1000)}_x")
        value = await lock.read(sources, SETTINGS, about)
        assert value.lock.suspicious.startswith("it has no TTL")
        await client.delete("lock:purchase:u1")
        assert not (await lock.read(sources, SETTINGS, about)).found
    finally:
        await client.delete("lock:purchase:u1")
        await client.aclose()
        await sources.close()


async def test_a_pod_is_told_with_its_containers_and_events_and_its_successor_is_another(tmp_path: Path):
    async with small_cluster(tmp_path) as cluster:
        sources = cluster.sources("admin")
        name = sorted(cluster.machine.running)[0]
        about = subject("pod", name, pod=name)
        facts = await pod.read(sources, SETTINGS, about)
        assert (facts.found, facts.ready, facts.phase) == (True, True, "Running")
        assert facts.node
        assert facts.owner.startswith("ReplicaSet ")
        assert facts.containers[0].state == "running"
        assert facts.containers[0].image
        assert facts.events_error == "" and facts.events
        other = Subject(kind="pod", id="another-uid", title=name, arguments={"pod": name})
        assert not (await pod.read(sources, SETTINGS, other)).found
        assert not (await pod.read(sources, SETTINGS, subject("pod", "nobody"))).found


async def test_a_source_that_is_missing_is_one_sentence():
    for kind in ("provider", "pod", "event", "session"):
        for signal in lookups(subject(kind, "17")):
            reading = await read_once(signal, Sources(None, {}), SETTINGS)  # type: ignore[arg-type]
            assert reading.state(utc_now()) is State.ABSENT
            assert reading.error


async def test_lines_about_a_provider_are_its_breaker_lines_warnings_and_errors():
    logs = pods("pod-a", "pod-b")
    stamp = b"2026-01-23T14:07:%02d.000000000Z "
    told = (
        b'{"level":30,"msg":"PROVIDER smsbower purchase ok"}',
        b'{"level":50,"msg":"PROVIDER smsbower failed: 503","correlationId":"c-1"}',
        b'{"level":30,"msg":"CIRCUIT CLOSED for smsbower"}',
        b'{"level":50,"msg":"PROVIDER smsbower2 failed: 503"}',
    )
    batch = [stamp % n + line for n, line in enumerate(told)]
    logs.logs.followed["pod-a"].recent.add(batch, sum(map(len, batch)))
    about = subject("provider", "smsbower")
    value = await log_lines.of_provider(Kubernetes(logs), SETTINGS, about, None)  # type: ignore[arg-type]
    assert [line.text for line in value.lines] == [
        "PROVIDER smsbower failed: 503 correlationId=c-1",
        "CIRCUIT CLOSED for smsbower",
    ]
    assert value.pods == 2
    again = await log_lines.of_provider(Kubernetes(logs), SETTINGS, about, value)  # type: ignore[arg-type]
    assert again.lines == value.lines, "what was looked through is not taken again"


class Kubernetes:
    """Sources that have followed logs alone."""

    def __init__(self, kubernetes: object) -> None:
        self.kubernetes = kubernetes

    def has(self, name: str) -> bool:
        return name == "kubernetes"


async def test_ten_thousand_lines_are_looked_through_up_to_a_bound():
    logs = pods("pod-a")
    batch = [b"2026-01-23T14:07:01.%09dZ ERROR smsbower broke" % n for n in range(10_000)]
    for n in range(0, 10_000, 100):
        logs.logs.followed["pod-a"].recent.add(batch[n : n + 100], 100)
    value = await log_lines.of_pod(Kubernetes(logs), SETTINGS, subject("pod", "pod-a"), None)  # type: ignore[arg-type]
    assert len(value.lines) == log_lines.KEPT
    assert value.lines[-1].text.endswith("broke")
    assert value.lines[-1].order > value.lines[0].order


def test_a_family_of_locks_has_no_key_to_read():
    assert lookups(subject("lock", "number", family="number")) == ()
    assert [one.name for one in lookups(subject("lock", "k", lock="k"))] == [ROW]


async def test_the_pods_events_are_missed_in_one_sentence_where_the_role_may_not_list_them(tmp_path: Path, monkeypatch):
    async with small_cluster(tmp_path) as cluster:
        sources = cluster.sources()
        name = sorted(cluster.machine.running)[0]

        async def refused(name: str, uid: str) -> None:
            raise Denied("kubernetes", "kubernetes refuses this role: events is forbidden")

        monkeypatch.setattr(sources.kubernetes, "events_of", refused)
        facts = await pod.read(sources, SETTINGS, subject("pod", name, pod=name))
        assert facts.found
        assert facts.events_error == "kubernetes refuses this role: events is forbidden"
