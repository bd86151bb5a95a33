"""One failed event put back, on a real database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sample_readings
from acting import Desk, acting, lacking, reading, settings_of, shell

from nexconsole.actions.outbox import RETRY
from nexconsole.actions.perform import perform
from nexconsole.errors import ActionError
from nexconsole.settings import Settings
from nexconsole.signals.outbox import Outbox
from nexconsole.signals.releases import Release


async def state(database, id: str = "e1") -> tuple[str, int, str | None]:
    row = await database.connection.fetchrow(
        "SELECT status, retry_count, error FROM outbox_events_v2 WHERE id = $1", id
    )
    return tuple(row)


@pytest.fixture
async def failed(database):
    """An event that failed once, and another one that did not fail."""
    await database.event("e1", 600, "FAILED", error="Meilisearch: invalid document id", retry_count=1)
    await database.event("e2", 5, "PENDING")
    return database


def on(database, **tables):
    return settings_of(postgres={"url": database.url}, **tables)


async def worker(database, id: str, **columns: object) -> None:
    """What a worker makes of the event once it is PENDING again."""
    while (await state(database, id))[0] != "PENDING":
        await asyncio.sleep(0.02)
    await database.execute(
        "UPDATE outbox_events_v2 SET status = $2, error = $3, retry_count = $4 WHERE id = $1",
        *(id, columns["status"], columns.get("error"), columns.get("retry_count", 0)),
    )


async def test_the_plan_shows_the_events_tries_and_its_error_and_never_its_payload(failed):
    async with acting(on(failed)) as context:
        plan = await RETRY.prepare({"event": "e1"}, context)
    assert plan.targets[0].identity == {"status": "FAILED", "retry_count": 1}
    assert plan.targets[0].shown["error"] == "Meilisearch: invalid document id"
    assert plan.undo is None and "No undo" in plan.effect
    assert "secret" not in str(plan.as_dict())


async def test_the_event_goes_back_with_its_error_cleared_and_its_time_set(failed):
    async with acting(on(failed)) as context:
        plan = await RETRY.prepare({"event": "e1"}, context)
        outcome = await RETRY.execute(plan, context)
    assert outcome.state == "done" and await state(failed) == ("PENDING", 0, None)
    age = "SELECT extract(epoch FROM (now() AT TIME ZONE 'UTC') - updated_at) FROM outbox_events_v2 WHERE id = 'e1'"
    assert await failed.connection.fetchval(age) < 5
    assert (await state(failed, "e2"))[0] == "PENDING"


@pytest.mark.parametrize(
    ("columns", "verdict", "said"),
    [
        ({"status": "PUBLISHED"}, "worked", "PUBLISHED without an error"),
        ({"status": "FAILED", "error": "still down", "retry_count": 1}, "no effect", "FAILED again: still down"),
        ({"status": "PUBLISHED", "error": "Breaker is open"}, "no effect", "PUBLISHED undone"),
    ],
)
async def test_the_verdict_is_what_became_of_the_event(failed, columns, verdict, said):
    async with acting(on(failed, actions={"verify_s": 5})) as context:
        working = asyncio.create_task(worker(failed, "e1", **columns))
        done = await perform(RETRY, {"event": "e1"}, context, Desk().console)
        await working
    assert done.verdict is not None and done.verdict.state == verdict and said in done.verdict.because


async def test_an_event_that_nobody_takes_leaves_the_verdict_unknown(failed):
    async with acting(on(failed)) as context:
        done = await perform(RETRY, {"event": "e1"}, context, Desk().console)
    assert done.verdict is not None and done.verdict.state == "unknown" and "still PENDING" in done.verdict.because


@pytest.mark.parametrize(
    ("event", "said"),
    [("e2", "it is PENDING"), ("dropped", "it was dropped"), ("e9", "there is no event e9"), ("", "no id given")],
)
async def test_only_failed_events_are_put_back(failed, event, said):
    await failed.event("dropped", 60, "PUBLISHED", error="Breaker is open")
    async with acting(on(failed)) as context:
        with pytest.raises(ActionError, match=said):
            await RETRY.prepare({"event": event}, context)


@pytest.mark.parametrize(
    ("since_s", "before_since_s", "pods_s", "level", "said"),
    [
        (900, 20000, 890, "warn", "app:2, released 15 min ago, ran then and still runs"),
        (20000, 900, 60, "ok", "app:1 was rolled back since, and app:2 runs"),
        (20000, 900, 890, "ok", "while that lasts, it fails again"),  # old pods are there still
        (300, 20000, 290, "ok", "while that lasts, it fails again"),  # released since
        (20000, None, 15000, "ok", "while that lasts, it fails again"),
        (None, None, 60, "ok", "while that lasts, it fails again"),
    ],
)
async def test_the_release_that_ran_when_it_failed_is_told_from_the_one_that_runs(
    failed, since_s, before_since_s, pods_s, level, said
):
    now = datetime.now(UTC)
    since, before_since = (None if s is None else now - timedelta(seconds=s) for s in (since_s, before_since_s))
    release = Release(revision="2", read_at=now, images="app:2", before="app:1", since=since, before_since=before_since)
    calm = sample_readings.calm()["workloads"].value
    pods = tuple(replace(pod, age_s=float(pods_s)) for pod in calm.pods)
    workloads = reading("workloads", replace(calm, release=release, pods=pods))
    async with acting(on(failed), {"workloads": workloads}) as context:
        plan = await RETRY.prepare({"event": "e1"}, context)
    guard = next(guard for guard in plan.guards if guard.name == "cause")
    assert guard.level == level and said in guard.reason


async def test_an_event_that_was_tried_again_meanwhile_is_refused(failed):
    async with acting(on(failed)) as context:
        plan = await RETRY.prepare({"event": "e1"}, context)
        await failed.execute("UPDATE outbox_events_v2 SET retry_count = 2 WHERE id = 'e1'")
        outcome = await RETRY.execute(plan, context)
    assert outcome.state == "refused" and "FAILED after 2 tries now: nothing was changed" in outcome.answer
    assert (await state(failed))[0] == "FAILED"


async def test_two_operators_at_once_put_it_back_once(failed):
    async with acting(on(failed)) as context, acting(on(failed)) as other:
        plan = await RETRY.prepare({"event": "e1"}, context)
        outcomes = await asyncio.gather(RETRY.execute(plan, context), RETRY.execute(plan, other))
    assert sorted(outcome.state for outcome in outcomes) == ["done", "refused"]


async def test_a_role_that_may_only_read_is_blocked_and_the_grant_named(failed):
    async with acting(settings_of(postgres={"url": failed.server.read_url})) as context:
        done = await perform(RETRY, {"event": "e1"}, context, Desk().console)
        assert (await RETRY.permitted(context)).level == "block"
    assert done.stopped is not None and "ON outbox_events_v2 TO nexnum_read" in done.stopped
    assert (await state(failed))[0] == "FAILED"


async def test_a_worker_that_stands_still_a_refused_payload_and_an_activation_are_warned_of(failed):
    columns = {"error": "Invalid payload: provider", "aggregate_type": "ACTIVATION", "retry_count": 5}
    await failed.event("a1", 60, "FAILED", **columns)
    outbox = Outbox(pending=12, failed=1, dropped=0, oldest_pending_s=900, drained_per_min=0)
    async with acting(on(failed), {"outbox": reading("outbox", outbox)}) as context:
        plan = await RETRY.prepare({"event": "a1"}, context)
    assert {guard.name for guard in plan.guards if guard.level == "warn"} == {"worker", "activation", "cause"}
    assert not plan.blocked


async def test_the_literal_command_does_the_same(failed):
    if lacking("psql"):
        pytest.skip("psql is not installed")
    async with acting(on(failed)) as context:
        plan = await RETRY.prepare({"event": "e1"}, context)
    status, printed = await shell(plan.command, DATABASE_URL=failed.url)
    assert status == 0 and "UPDATE 1" in printed and await state(failed) == ("PENDING", 0, None)


async def test_columns_with_a_time_zone_are_written_as_such(database):
    await database.create(timestamptz=True)
    await database.event("e1", 600, "FAILED", retry_count=1)
    async with acting(on(database)) as context:
        plan = await RETRY.prepare({"event": "e1"}, context)
        assert "updated_at = now()" in plan.command
        assert (await RETRY.execute(plan, context)).state == "done"


def test_the_failed_events_on_screen_are_suggested():
    readings = sample_readings.incident() | {"outbox events": sample_readings.events()}
    suggestions = RETRY.suggestions(readings, Settings())
    assert len(suggestions) == 10 and suggestions[1].arguments == {"event": "evt-0000"}
    assert all("Meilisearch: invalid document id" in one.title for one in suggestions[:2])
