"""Many failed events put back at once, on a real database: which, how many, and what stops it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import sample_readings
from acting import Desk, acting, lacking, reading, settings_of, shell

from nexconsole.actions import outbox_group_retry
from nexconsole.actions.outbox import RETRY
from nexconsole.actions.outbox_group_retry import GroupOutcome, judge, judged_rows
from nexconsole.actions.perform import perform
from nexconsole.errors import ActionError, SourceError
from nexconsole.settings import Settings
from nexconsole.signals.outbox import OutboxEvent, OutboxEvents, error_shape
from nexconsole.text.units import several

DOWN = "Meilisearch: connect ECONNREFUSED 10.0.0.7:7700"
OTHER = "Unexpected token < in JSON"
QUICK = {"retry_batch": 4, "retry_pause_s": 0.05, "retry_watch_s": 1.0}


def on(database: Any, **tables: Any) -> Settings:
    return settings_of(postgres={"url": database.url}, **({"outbox": QUICK} | tables))


@pytest.fixture
async def failed(database: Any) -> Any:
    """Ten events that failed alike, each with a port of its own; two others; an activation."""
    for n in range(10):
        await database.event(f"e{n}", 600 - n, "FAILED", error=DOWN.replace("7700", str(7700 + n)), retry_count=1)
    await database.event("other", 900, "FAILED", error=OTHER, retry_count=1)
    await database.event("silent", 900, "FAILED", retry_count=1)
    await database.event("a1", 300, "FAILED", error=DOWN, aggregate_type="activation", retry_count=5)
    return database


async def states(database: Any) -> dict[str, str]:
    rows = await database.connection.fetch("SELECT id, status FROM outbox_events_v2 ORDER BY id")
    return {row["id"]: row["status"] for row in rows}


async def pending(database: Any) -> list[str]:
    return [id for id, status in (await states(database)).items() if status == "PENDING"]


@contextlib.asynccontextmanager
async def worker(database: Any, status: str = "PUBLISHED", error: str | None = None, tries: int = 1) -> Any:
    """Takes what is PENDING, every 20 ms, by a connection of its own."""
    import asyncpg

    connection = await asyncpg.connect(database.url)

    async def work() -> None:
        while True:
            await connection.execute(
                "UPDATE outbox_events_v2 SET status = $1, error = $2, retry_count = $3,"
                " updated_at = now() AT TIME ZONE 'UTC' WHERE status = 'PENDING'",
                *(status, error, tries),
            )
            await asyncio.sleep(0.02)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await connection.close()


def told() -> tuple[list[str], Callable[[str], None]]:
    said: list[str] = []
    return said, said.append


@pytest.mark.parametrize("text", ["HTTP {} from upstream", "Request failed with status code {}", "search: {} Not so"])
async def test_what_an_upstream_answered_tells_errors_apart_and_other_numbers_do_not(database: Any, text: str) -> None:
    for n in range(10):
        await database.event(f"e{n}", 600 - n, "FAILED", error=f"{text.format(404 + 99 * (n % 2))} after {n} ms")
    async with acting(on(database)) as context:
        plan = await RETRY.prepare({"event": "all", "error": f"{text.format(503)} after 3 ms"}, context)
    assert [target.id for target in plan.chosen] == [f"e{n}" for n in range(1, 10, 2)]
    assert f"({text.format(503)} after 1 ms, and 4 more that differ in numbers alone)" in plan.effect


# --- the preview -----------------------------------------------------------------------------------------------------


async def test_the_preview_counts_the_events_of_one_error_and_says_which_are_left_alone(failed: Any) -> None:
    async with acting(on(failed)) as context:
        plan = await RETRY.prepare({"event": "all", "error": DOWN}, context)
    assert [target.id for target in plan.chosen] == [f"e{n}" for n in range(10)]
    assert [target.id for target in plan.targets if not target.chosen] == ["a1"]
    for words in (
        "10 FAILED events (offer.updated)",
        "10 min old",
        "ECONNREFUSED",
        "3 batches of up to 4",
        "e0, e1, e2",
    ):
        assert words in plan.effect, words
    reasons = {guard.name: (guard.level, guard.reason) for guard in plan.guards}
    assert reasons["activations"][0] == "warn" and "publishes it undone" in reasons["activations"][1]
    assert reasons["others"] == ("ok", "2 FAILED events of another error or type left alone")
    assert (plan.confirm.kind, plan.undo, plan.command.count("UPDATE")) == ("letter", None, 3)
    assert "secret" not in str(plan.as_dict())


async def test_more_than_the_limit_are_put_back_in_parts_and_above_the_blast_radius_it_is_typed(failed: Any) -> None:
    rules = {"outbox": QUICK | {"retry_limit": 6}, "actions": {"typed_above": 5}}
    async with acting(on(failed, **rules)) as context:
        plan = await RETRY.prepare({"event": "all", "error": DOWN}, context)
    assert len(plan.chosen) == 6 and (plan.confirm.kind, plan.confirm.text) == ("type", "all")
    assert "6 of 10 are put back at a time: do it again for the rest" in [guard.reason for guard in plan.guards]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "say which error is meant: 11 events: Meilisearch"),
        ({}, "1 event without an error: put these back one at a time"),
        ({"error": "Breaker is open"}, "no event is FAILED with Breaker is open: 11 events"),
        ({"type": "nothing.like.it"}, "no event of type nothing.like.it is FAILED"),
        ({"event": "e1", "error": DOWN}, "error may only be given with `all`"),
    ],
)
async def test_it_must_be_clear_which_error_is_meant(failed: Any, arguments: dict[str, str], said: str) -> None:
    async with acting(on(failed)) as context:
        with pytest.raises(ActionError) as raised:
            await RETRY.prepare({"event": "all"} | arguments, context)
    assert said in str(raised.value)


async def test_where_there_is_one_error_it_need_not_be_named_and_activations_alone_are_refused(failed: Any) -> None:
    await failed.execute("DELETE FROM outbox_events_v2 WHERE id IN ('other', 'silent')")
    async with acting(on(failed)) as context:
        plan = await RETRY.prepare({"event": "all"}, context)
        assert plan.arguments == {"event": "all", "error": DOWN} and len(plan.chosen) == 10
        await failed.execute("DELETE FROM outbox_events_v2 WHERE id LIKE 'e%'")
        with pytest.raises(ActionError, match="none of 1 event is put back: of an activation"):
            await RETRY.prepare({"event": "all"}, context)
        await failed.execute("DELETE FROM outbox_events_v2")
        with pytest.raises(ActionError, match="no event is FAILED"):
            await RETRY.prepare({"event": "all"}, context)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (DOWN, DOWN.replace("7700", "7701"), True),
        ("no 3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f", "no 9b1c0c1e-0a35-4b0a-9a58-6d7a1c1d2e40", True),
        ("took 12 s", "took 7 s", True),
        ("index down", "index gone", False),
    ],
)
def test_errors_are_one_where_they_differ_by_ids_and_numbers_alone(one: str, other: str, alike: bool) -> None:
    assert (error_shape(one) == error_shape(other)) is alike


# --- putting back ----------------------------------------------------------------------------------------------------


async def test_a_group_goes_back_in_batches_and_the_verdict_counts_what_was_published(failed: Any) -> None:
    said, progress = told()
    desk = Desk()
    async with acting(on(failed, actions={"verify_s": 5}), progress=progress) as context, worker(failed, tries=0):
        done = await perform(RETRY, {"event": "all", "error": DOWN}, context, desk.console)
    assert done.outcome is not None and done.verdict is not None
    assert done.outcome.answer == "10 of 10 events are PENDING again" and len(done.outcome.touched) == 10
    assert (done.verdict.state, "10 published" in done.verdict.because) == ("worked", True)
    assert {"4 of 10", "8 of 10", "10 of 10"} <= set(said)
    now = await states(failed)
    assert {now[f"e{n}"] for n in range(10)} == {"PUBLISHED"}
    assert {now[id] for id in ("other", "silent", "a1")} == {"FAILED"}
    assert desk.story == ["ask", "intent", "outcome", "verdict"]


async def test_events_that_changed_since_the_preview_are_left_alone_and_not_counted(failed: Any) -> None:
    async with acting(on(failed)) as context:
        plan = await RETRY.prepare({"event": "all", "error": DOWN}, context)
        await failed.execute("UPDATE outbox_events_v2 SET status = 'PUBLISHED', error = NULL WHERE id IN ('e0', 'e1')")
        await failed.execute("UPDATE outbox_events_v2 SET retry_count = 2 WHERE id = 'e4'")
        await failed.execute("DELETE FROM outbox_events_v2 WHERE id = 'e5'")
        # Put back, and failed again: as many tries, but another time.
        await failed.execute("UPDATE outbox_events_v2 SET updated_at = now() AT TIME ZONE 'UTC' WHERE id = 'e8'")
        async with worker(failed, tries=0):
            outcome = await RETRY.execute(plan, context)
    assert outcome.state == "done"
    assert sorted(target.id for target in outcome.touched) == ["e2", "e3", "e6", "e7", "e9"]
    assert outcome.answer == "5 of 10 events are PENDING again, 5 had changed meanwhile and were left alone"
    assert (await states(failed))["e4"] == (await states(failed))["e8"] == "FAILED"


async def test_where_the_whole_group_changed_it_is_refused(failed: Any) -> None:
    async with acting(on(failed)) as context:
        plan = await RETRY.prepare({"event": "all", "error": DOWN}, context)
        await failed.execute("UPDATE outbox_events_v2 SET retry_count = 3")
        outcome = await RETRY.execute(plan, context)
    assert outcome.state == "refused" and "0 of 10 events" in outcome.answer and await pending(failed) == []


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        ("FAILED", DOWN, "4 of 4 FAILED again with the same error (Meilisearch"),
        ("FAILED", OTHER, f"4 of 4 FAILED again ({OTHER})"),
        ("PUBLISHED", "Breaker is open", "4 of 4 were published undone (Breaker is open)"),
    ],
)
async def test_where_the_first_batch_fails_again_the_rest_stays_failed(
    failed: Any, status: str, error: str, said: str
) -> None:
    async with acting(on(failed, actions={"verify_s": 5})) as context, worker(failed, status, error):
        done = await perform(RETRY, {"event": "all", "error": DOWN}, context, Desk().console)
    assert done.outcome is not None and done.verdict is not None
    assert said in done.outcome.answer and "6 stay FAILED" in done.outcome.answer
    assert len(done.outcome.touched) == 4 and done.verdict.state == "no effect"
    rows = await failed.connection.fetch("SELECT id FROM outbox_events_v2 WHERE error LIKE 'Meilisearch: connect%:77%'")
    assert {f"e{n}" for n in range(4, 10)} <= {row["id"] for row in rows}


async def test_where_nobody_takes_the_first_batch_the_rest_stays_failed(failed: Any) -> None:
    async with acting(on(failed, outbox=QUICK | {"retry_watch_s": 0.3})) as context:
        plan = await RETRY.prepare({"event": "all", "error": DOWN}, context)
        outcome = await RETRY.execute(plan, context)
        verdict = await RETRY.verify(plan, outcome, context)
    assert "nobody took the first 4 events within" in outcome.answer and await pending(failed) == [
        "e0",
        "e1",
        "e2",
        "e3",
    ]
    assert verdict.state == "unknown" and "4 still waiting" in verdict.because


async def test_it_stops_between_two_batches_and_says_after_how_many(failed: Any) -> None:
    said, progress = told()
    async with acting(on(failed), progress=progress, cancelled=lambda: "8 of 10" in said) as context:
        plan = await RETRY.prepare({"event": "all", "error": DOWN}, context)
        async with worker(failed, tries=0):
            outcome = await RETRY.execute(plan, context)
    assert outcome.state == "done" and len(outcome.touched) == 8
    assert outcome.answer == "8 of 10 events are PENDING again; stopped; 2 stay FAILED"
    assert {(await states(failed))[id] for id in ("e8", "e9")} == {"FAILED"}


async def test_a_stop_before_the_first_batch_changes_nothing(failed: Any) -> None:
    async with acting(on(failed), cancelled=lambda: True) as context:
        plan = await RETRY.prepare({"event": "all", "error": DOWN}, context)
        outcome = await RETRY.execute(plan, context)
    assert outcome.state == "refused" and "stopped after 0 of 10" in outcome.answer and await pending(failed) == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_connection_lost_in_a_batch_is_unknown_for_that_batch_alone_and_is_settled(
    failed: Any, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """`when`: whether the second batch's COMMIT had reached the server."""
    change, calls = outbox_group_retry.change_rows, []

    async def losing(context: Any, work: Any) -> Any:
        calls.append(work)
        if len(calls) != 2:
            return await change(context, work)
        outcome = await change(context, work) if when == "after" else None
        assert outcome is None or len(outcome.touched) == 4
        return outbox_group_retry.Outcome(state="unknown", answer="postgres closed the connection", answered=False)

    monkeypatch.setattr(outbox_group_retry, "change_rows", losing)
    desk = Desk()
    async with acting(on(failed, actions={"verify_s": 5})) as context, worker(failed, tries=0):
        done = await perform(RETRY, {"event": "all", "error": DOWN}, context, desk.console)
    outcomes = [entry["data"]["outcome"] for entry in desk.entries if entry["kind"] == "outcome"]
    assert outcomes[0]["state"] == "unknown" and len(outcomes[0]["touched"]) == 4
    assert list(outcomes[0]["in_doubt"]) == ["e4", "e5", "e6", "e7"]
    assert done.outcome is not None
    assert (done.outcome.state, len(done.outcome.touched)) == (("done", 8) if when == "after" else ("failed", 4))
    assert {(await states(failed))[id] for id in ("e8", "e9")} == {"FAILED"} and len(calls) == 2


async def test_a_real_session_cut_off_in_the_second_batch_changes_nothing_of_it(
    failed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_back = outbox_group_retry.GroupRetry._put_back
    batches: list[int] = []

    async def cut_off(self: Any, batch: Any, connection: Any) -> Any:
        batches.append(len(batch))
        answer = await put_back(self, batch, connection)
        if len(batches) == 2:
            await failed.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        return answer

    monkeypatch.setattr(outbox_group_retry.GroupRetry, "_put_back", cut_off)
    async with acting(on(failed, actions={"verify_s": 3})) as context, worker(failed, tries=0):
        done = await perform(RETRY, {"event": "all", "error": DOWN}, context, Desk().console)
    assert done.outcome is not None and done.outcome.state == "failed"
    assert len(done.outcome.touched) == 4 and len(batches) == 2
    assert list((await states(failed)).values()).count("PUBLISHED") == 4


async def test_what_can_not_be_read_between_two_batches_stops_it(failed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*args: Any) -> Any:
        raise SourceError("postgres", "postgres does not answer")

    async with acting(on(failed)) as context:
        plan = await RETRY.prepare({"event": "all", "error": DOWN}, context)
        monkeypatch.setattr(outbox_group_retry, "_became", silent)
        outcome = await RETRY.execute(plan, context)
    assert "can't be read (postgres does not answer); 6 stay FAILED" in outcome.answer and len(outcome.touched) == 4


@pytest.mark.parametrize("zoned", [False, True])
async def test_times_with_and_without_a_zone_are_compared_right_by_us_and_by_the_literal_command(
    database: Any, zoned: bool
) -> None:
    await database.create(timestamptz=zoned)
    for n in range(6):
        await database.event(f"e{n}", 600 - n, "FAILED", error=DOWN, retry_count=1)
    async with acting(on(database)) as context:
        plan = await RETRY.prepare({"event": "all"}, context)
        first = await RETRY.execute(plan, context)
    assert len(first.touched) == 4  # nobody takes them
    if lacking("psql"):
        pytest.skip("psql is not installed")
    status, printed = await shell(f"PGTZ=America/New_York; export PGTZ; {plan.command}", DATABASE_URL=database.url)
    assert status == 0 and "UPDATE 2" in printed and len(await pending(database)) == 6


async def test_a_table_of_another_era_is_refused_in_one_sentence(failed: Any) -> None:
    await failed.execute('ALTER TABLE outbox_events_v2 RENAME retry_count TO "retryCount"')
    async with acting(on(failed)) as context:
        done = await perform(RETRY, {"event": "all", "error": DOWN}, context, Desk().console)
    assert done.stopped is not None and "retry_count" in done.stopped and await pending(failed) == []


async def test_two_operators_at_once_put_each_event_back_once(failed: Any) -> None:
    async with acting(on(failed)) as context, acting(on(failed)) as other, worker(failed, tries=0):
        plan = await RETRY.prepare({"event": "all", "error": DOWN}, context)
        one, two = await asyncio.gather(RETRY.execute(plan, context), RETRY.execute(plan, other))
    ids = [target.id for outcome in (one, two) for target in outcome.touched]
    assert sorted(ids) == [f"e{n}" for n in range(10)]


async def test_the_intent_of_the_most_events_fits_into_one_entry_of_the_journal(database: Any) -> None:
    await database.execute(
        "INSERT INTO outbox_events_v2 (id, aggregate_id, aggregate_type, event_type, payload, status, created_at,"
        " updated_at, error, retry_count) SELECT gen_random_uuid()::text, 'a', 'offer', 'offer.updated', '{}',"
        " 'FAILED', now(), now(), $1, 1 FROM generate_series(1, 3000)",
        DOWN,
    )
    async with acting(on(database, outbox={"retry_limit": 9_999, "retry_batch": 200})) as context:
        plan = await RETRY.prepare({"event": "all"}, context)
    assert len(plan.chosen) == 2000
    assert len(msgspec.json.encode({"operator": "maria", "plan": plan.as_dict()})) < 1_000_000


# --- what is said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "last", "state"),
    [
        ([("PUBLISHED", None)] * 4, False, "worked"),
        ([("PUBLISHED", None)] * 3 + [("FAILED", DOWN)], False, "worked"),
        ([("PUBLISHED", None), ("FAILED", DOWN)], False, "no effect"),
        ([("PUBLISHED", OTHER)] * 4, False, "no effect"),
        ([("PENDING", None)] * 4, False, None),
        ([("PENDING", None)] * 4, True, "unknown"),
        ([("PUBLISHED", None)] * 3 + [("PENDING", None)], True, "worked"),
    ],
)
def test_the_verdict_says_how_many_went_out(rows: list[tuple[str, str | None]], last: bool, state: str | None) -> None:
    became = judged_rows([{"status": status, "error": error} for status, error in rows], error_shape(DOWN))
    verdict = judge(len(rows), became, 12.0, last)
    assert (verdict.state if verdict else None) == state
    assert verdict is None or f"of {several(len(rows), 'event')} put back" in verdict.because


def test_several_events_that_failed_alike_are_suggested_together_and_activations_are_not() -> None:
    def event(id: str, error: str, aggregate: str = "offer") -> OutboxEvent:
        return OutboxEvent(
            id=id, event_type="t", aggregate_type=aggregate, status="FAILED", retries=1, age_s=60.0, error=error
        )

    seen = (event("e1", DOWN), event("e2", DOWN.replace("7700", "1")), event("e3", OTHER))
    seen += (event("a1", "gone", "Activation"), event("a2", "gone", "Activation"), event("n1", ""), event("n2", ""))
    readings = sample_readings.incident() | {"outbox events": reading("outbox events", OutboxEvents(events=seen))}
    suggestions = RETRY.suggestions(readings, Settings())
    groups = [one for one in suggestions if one.arguments["event"] == "all"]
    assert [one.arguments for one in groups] == [{"event": "all", "error": DOWN, "type": "t"}]
    assert groups[0] is suggestions[0] and "2 of those on screen" in groups[0].title
    assert len(suggestions) == 1 + len(seen)


def test_an_outcome_in_doubt_is_written_with_the_ids_that_are() -> None:
    outcome = GroupOutcome(state="unknown", answer="lost", in_doubt=("e1",))
    assert msgspec.to_builtins(outcome)["in_doubt"] == ("e1",)
