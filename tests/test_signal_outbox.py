"""The outbox as Postgres holds it. (nexnum.md#outbox)"""

import asyncio
from dataclasses import replace

import pytest

from nexconsole.errors import MissingSchema
from nexconsole.settings import OutboxRules, Settings
from nexconsole.signals import outbox


@pytest.mark.parametrize("timestamptz", [False, True])
async def test_counts_and_ages_are_right_far_from_utc(database, sources_on, timestamptz):
    await database.create(timestamptz=timestamptz)
    await database.event("new", 5)
    await database.event("old", 600)
    await database.event("dead", 3600, "FAILED", error="Meilisearch is down", retry_count=1)
    await database.event("lost", 1800, "PUBLISHED", error="no handler")
    await database.event("lost long ago", 2 * 86400, "PUBLISHED", error="no handler")
    await database.event("done", 60, "PUBLISHED")
    value = await outbox.read(sources_on(database.url), Settings(), None)
    assert (value.pending, value.failed, value.dropped, value.capped) == (2, 1, 1, False)
    assert value.oldest_pending_s == pytest.approx(600, abs=5)
    assert value.oldest_failed_s == pytest.approx(3600, abs=5)
    assert value.oldest_dropped_s == pytest.approx(1800, abs=5)


async def test_an_empty_outbox_has_no_oldest_event_rather_than_one_of_zero_seconds(database, sources_on):
    value = await outbox.read(sources_on(database.url), Settings(), None)
    assert (value.pending, value.oldest_pending_s, value.drained_per_min) == (0, None, None)


async def test_counts_stop_at_the_limit_and_say_so(database, sources_on):
    await database.execute(
        "INSERT INTO outbox_events_v2 (id, aggregate_id, aggregate_type, event_type, payload, updated_at)"
        " SELECT n, 'a', 'offer', 'offer.updated', '{}', now() FROM generate_series(1, 30) n"
    )
    value = await outbox.read(sources_on(database.url), Settings(outbox=OutboxRules(count_limit=20)), None)
    assert (value.pending, value.capped) == (20, True)


async def test_the_drain_rate_counts_what_left_even_while_more_arrives(database, sources_on, monkeypatch):
    monkeypatch.setattr(outbox, "HISTORY_LEAST_S", 0.1)
    sources, settings = sources_on(database.url), Settings()
    for n in range(4):
        await database.event(f"e{n}", 100)
    first = await outbox.read(sources, settings, None)
    await asyncio.sleep(0.12)
    await database.event("another", 0)
    await database.execute("UPDATE outbox_events_v2 SET status = 'PUBLISHED' WHERE id IN ('e0', 'e1', 'e2')")
    second = await outbox.read(sources, settings, first)
    minutes = (second.history[-1][0] - first.history[0][0]) / 60
    assert second.drained_per_min * minutes == pytest.approx(3)
    assert second.arrived_per_min * minutes == pytest.approx(1)
    assert second.empty_in_s == pytest.approx(2 / 2 * minutes * 60)


async def test_an_outbox_stands_when_nothing_was_published_for_more_than_a_round(database, sources_on):
    sources, settings = sources_on(database.url), Settings()
    await database.event("waits", 400)
    assert (await outbox.read(sources, settings, None)).published_s is None
    await database.event("done", 500, "PUBLISHED")
    await database.execute("UPDATE outbox_events_v2 SET updated_at = now() AT TIME ZONE 'UTC' WHERE id = 'done'")
    slow = await outbox.read(sources, settings, None)
    assert slow.published_s == pytest.approx(0, abs=2) and outbox.stands(slow) is False
    assert outbox.stands(replace(slow, published_s=90.0)) is True
    assert outbox.stands(replace(slow, published_s=90.0, oldest_pending_s=20.0)) is False, "nothing waits for long"
    assert outbox.stands(replace(slow, published_s=None)) is None


async def test_the_worst_events_come_failed_first_and_without_payload(database, sources_on):
    await database.event("waits", 700)
    await database.event("lost", 60, "PUBLISHED", error="no handler")
    await database.event("dead", 60, "FAILED", error="bad \x1b[31mpayload api_key=abc", retry_count=1)
    events = (await outbox.read_events(sources_on(database.url), Settings(), None)).events
    assert [event.id for event in events] == ["dead", "lost", "waits"]
    assert events[0].error == "bad payload api_key=***"
    assert "secret" not in repr(events)


async def test_a_missing_table_is_named_and_found_again_when_it_appears(database, sources_on):
    sources = sources_on(database.url)
    await database.execute("ALTER TABLE outbox_events_v2 RENAME TO elsewhere")
    with pytest.raises(MissingSchema, match="table outbox_events_v2 is missing"):
        await outbox.read(sources, Settings(), None)
    await database.execute("ALTER TABLE elsewhere RENAME TO outbox_events_v2")
    assert (await outbox.read(sources, Settings(), None)).pending == 0


async def test_a_missing_column_is_named(database, sources_on):
    await database.execute("ALTER TABLE outbox_events_v2 DROP COLUMN retry_count")
    with pytest.raises(MissingSchema, match="retry_count"):
        await outbox.read(sources_on(database.url), Settings(), None)
