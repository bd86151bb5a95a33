"""What a flush of locks plans, says and makes of each key's answer, on a Redis that a test holds in its hand.

That a real Redis answers so is tested elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import pytest
import redis.asyncio

from nexconsole.actions import locks
from nexconsole.actions.action import Context
from nexconsole.actions.locks import CHANGED, FLUSH, GONE, OTHER_TYPE, PROBE, SCRIPT, commands
from nexconsole.actions.plan import Confirmation, Guard, Outcome, Plan
from nexconsole.errors import ActionError, SourceError
from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.signals.locks import Family, Locks
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

NOW = datetime(2026, 1, 23, 14, 7, 31, tzinfo=UTC)
OK = [
    Guard(name="may delete", level="ok", reason="EVAL and UNLINK are allowed"),
    Guard(name="reconcile", level="ok", reason="no reconcile is running"),
]


def ago(seconds: float) -> str:
    """A lock's value: when it was taken."""
    return str(int((NOW - timedelta(seconds=seconds)).timestamp() * 1000))


class KeyspaceHand:
    """A Redis of a few keys. `refuses` and `breaks` say what goes wrong with a script, `before` what happens then."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str | None, int]] = {}
        self.refuses: dict[str, Exception] = {}
        self.breaks: Exception | None = None
        self.down: Exception | None = None
        self.before: Callable[[], object] = lambda: None
        self.batches: list[int] = []

    async def scan(self, cursor: Any, pattern: str, count: int) -> tuple[None, list[str]]:
        return None, [key for key in self.keys if fnmatchcase(key, pattern)]

    async def values(self, keys: Sequence[str]) -> list[str | None]:
        return [self.keys.get(key, (None, -2))[0] for key in keys]

    async def ttls(self, keys: Sequence[str]) -> list[int]:
        return [self.keys.get(key, (None, -2))[1] for key in keys]

    async def text(self, *command: str) -> Any:
        if self.down is not None:
            raise self.down
        return ["1700000000", "250999"] if command == ("TIME",) else "PONG"

    async def keyed(self, asked: Sequence[Sequence[str]]) -> list[Any]:
        [(name, script, number, *words)] = asked
        assert name == "EVAL"
        if script in self.refuses:
            return [self.refuses[script]]
        if script == PROBE:
            assert (number, len(words)) == ("1", 1)
            return [0]
        self.before()
        if self.breaks is not None:
            raise self.breaks
        many = int(number)
        self.batches.append(many)
        return [[self._delete(key, value) for key, value in zip(words[:many], words[many:], strict=True)]]

    def _delete(self, key: str, value: str) -> int:
        held, ttl = self.keys.get(key, (None, -2))
        if ttl == -2:
            return GONE
        if held is None:
            return OTHER_TYPE
        if held != value:
            return CHANGED
        del self.keys[key]
        return ttl


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> KeyspaceHand:
    hand = KeyspaceHand()

    @contextlib.asynccontextmanager
    async def client(context: Context) -> AsyncIterator[KeyspaceHand]:
        yield hand

    async def peek(context: Context, keys: Sequence[str]) -> dict[str, tuple[str | None, int]]:
        return {key: hand.keys.get(key, (None, -2)) for key in keys}

    monkeypatch.setattr(locks, "redis_client", client)
    monkeypatch.setattr(locks, "peek", peek)
    monkeypatch.setattr(locks, "redis_error", lambda context, error: SourceError("redis", f"redis: {error}"))
    monkeypatch.setattr(locks, "LOOK_EVERY_S", 0.01)
    return hand


def context_of(**tables: Any) -> Context:
    settings = msgspec.convert({"redis": {"url": "redis://127.0.0.1:1"}, **tables}, Settings)
    return Context(
        settings=settings, sources=Sources(LazyClients(), {}), readings=dict, operator="maria", clock=lambda: NOW
    )


async def planned(context: Context | None = None, **arguments: str) -> Plan:
    return await FLUSH.prepare({"family": "purchase"} | arguments, context or context_of())


def chosen(plan: Plan) -> list[str]:
    return [target.id.removeprefix("lock:purchase:") for target in plan.chosen]


@pytest.fixture
def three(hand: KeyspaceHand) -> KeyspaceHand:
    """An abandoned lock, an old one and a living one."""
    hand.keys = {
        "lock:purchase:living": ("token", 30_000),
        "lock:purchase:old": (ago(301), 9_000),
        "lock:purchase:abandoned": (ago(60), -1),
    }
    return hand


async def test_a_plan_says_what_it_deletes_and_how_it_is_put_back(three):
    context = context_of()
    plan = await planned(context, which=" suspicious ")
    assert chosen(plan) == ["abandoned", "old"]
    assert [target.id for target in plan.targets[2:]] == ["lock:purchase:living"]
    assert plan.effect == (
        "Deletes 2 of 3 keys of lock:purchase:*, 1 of them without TTL, each only while it still holds the value shown;"
        " customers who waited for them can buy at once"
    )
    assert plan.watch == "the keys are gone, and none comes back without a TTL"
    assert (plan.action, plan.confirm, plan.deadline_s) == ("locks.flush", Confirmation(kind="letter", text="f"), 4.0)
    assert list(plan.guards) == OK and not plan.one_by_one
    pairs = [("lock:purchase:abandoned", ago(60)), ("lock:purchase:old", ago(301))]
    assert plan.command == "\n".join(commands(context.settings, pairs))
    assert plan.undo is not None and plan.undo.action == "locks.restore"
    assert len(plan.undo.arguments["flush"]) == 12
    first, second = plan.undo.command.split("\n")
    assert "lock:purchase:abandoned" in first and "PX" not in first
    assert "lock:purchase:old" in second and "PX 9000" in second


async def test_a_ttl_of_a_millisecond_is_put_back_too(hand):
    hand.keys = {"lock:purchase:a": (ago(301), 1)}
    undo = (await planned()).undo
    assert undo is not None and "PX 1 " in undo.command + " "


async def test_a_verdict_is_not_awaited_for_longer_than_the_settings_say(three):
    assert (await planned(context_of(actions={"verify_s": 2.0}))).deadline_s == 2.0


async def test_all_must_be_typed_is_held_key_by_key_and_warns_of_who_may_be_at_work(three):
    plan = await planned(which="all")
    assert chosen(plan) == ["abandoned", "old", "living"]
    assert (plan.confirm, plan.one_by_one) == (Confirmation(kind="type", text="purchase"), True)
    reason = "1 of them are held by purchases that may still run, and could then buy twice"
    assert list(plan.guards) == [*OK, Guard(name="living locks", level="warn", reason=reason)]


@pytest.mark.parametrize(("many", "kind"), [(20, "letter"), (21, "type")])
async def test_more_than_20_are_typed_and_are_not_held_one_by_one(hand, many, kind):
    hand.keys = {f"lock:purchase:{number}": (ago(60), -1) for number in range(many)}
    plan = await planned()
    assert (plan.confirm.kind, plan.one_by_one) == (kind, False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"family": ""},
            "there is no family of locks (no name given): there are purchase, number, candidate,"
            " rebalance, reconcile, poll",
        ),
        (
            {"family": "x"},
            "there is no family of locks x: there are purchase, number, candidate, rebalance, reconcile, poll",
        ),
        ({"which": "some"}, "which is suspicious or all, not some"),
    ],
)
async def test_arguments_that_make_no_sense_are_said(three, arguments, said):
    with pytest.raises(ActionError) as error:
        await planned(**arguments)
    assert str(error.value) == said


async def test_keys_that_are_named_are_chosen_alone_and_each_other_one_blocks_with_its_reason(three):
    three.keys["lock:purchase:list"] = (None, 5_000)
    plan = await planned(keys="lock:purchase:living\n\nlock:purchase:gone\nlock:purchase:list")
    assert chosen(plan) == ["living"]
    assert [(guard.level, guard.reason) for guard in plan.guards if guard.name == "keys"] == [
        ("block", "lock:purchase:gone: it does not exist, or is of another family"),
        ("block", "lock:purchase:list: it holds no text: that is no lock"),
    ]


@pytest.mark.parametrize(
    ("keys", "which", "reason"),
    [
        (
            {"a": ("token", 30_000), "b": ("token", 61_000)},
            "suspicious",
            "nothing is chosen: all 2 have a TTL and expire within 61 s; which=all takes them all the same",
        ),
        (
            {"a": (ago(2), -1), "b": ("token", 30_000)},
            "suspicious",
            "nothing is chosen: all 2 are young, and those without a TTL may still get one; which=all takes them all"
            " the same",
        ),
        (
            {"a": (None, 30_000), "b": (None, 9)},
            "suspicious",
            "nothing is chosen: 2 keys are there, and each is left alone (it holds no text: that is no lock)",
        ),
        (
            {"a": (None, 30_000)},
            "all",
            "nothing is chosen: 1 keys are there, and each is left alone (it holds no text: that is no lock)",
        ),
    ],
)
async def test_where_nothing_is_chosen_it_is_blocked_and_said_why(hand, keys, which, reason):
    hand.keys = {f"lock:purchase:{key}": held for key, held in keys.items()}
    plan = await planned(which=which)
    assert plan.chosen == ()
    assert [guard.reason for guard in plan.blocked] == [reason]


async def test_of_nothing_that_was_asked_for_by_name_all_is_no_way_out(three):
    plan = await planned(which="all", keys="lock:purchase:gone")
    assert plan.blocked[-1].reason == "nothing is chosen: all 3 are young, and those without a TTL may still get one"


@pytest.mark.parametrize(("many", "warned"), [(2_000, False), (2_001, True)])
async def test_no_more_are_deleted_at_a_time_than_the_journal_can_hold(hand, many, warned):
    hand.keys = {f"lock:purchase:{number}": (ago(60), -1) for number in range(many)}
    plan = await planned()
    assert len(plan.chosen) == 2_000 and len(plan.targets) == many
    reasons = [(guard.level, guard.reason) for guard in plan.guards if guard.name == "many"]
    assert reasons == ([("warn", "2000 of 2001 are deleted at a time: do it again for the rest")] if warned else [])


async def test_what_is_never_to_be_touched_blocks_whatever_a_family_says(hand):
    hand.keys = {"idem:a": (ago(60), -1)}
    plan = await planned(context_of(locks={"families": {"purchase": "idem:*"}}))
    assert next(guard.reason for guard in plan.blocked) == (
        "idem:* is never to be touched (locks.never has idem:*): a top-up could then be booked twice"
    )


async def test_a_walk_that_ended_early_is_said(three, monkeypatch):
    async def walk(client: KeyspaceHand, pattern: str, context: Context) -> tuple[list[str], bool]:
        return list(three.keys), False

    monkeypatch.setattr(locks, "walk", walk)
    guard = (await planned()).guards[-1]
    assert guard == Guard(name="all keys seen", level="warn", reason="the scan stopped at 3 keys: there may be more")


async def test_a_preview_that_was_cancelled_sends_nothing(three):
    context = context_of()
    context.cancelled = lambda: True
    with pytest.raises(ActionError, match=r"^cancelled while the keys were looked for: nothing was sent$"):
        await planned(context)


async def test_a_family_of_one_key_is_that_key(hand):
    hand.keys = {"lock:rebalance:active-numbers": (ago(60), -1), "other": (ago(60), -1)}
    assert [target.id for target in (await planned(family="rebalance")).targets] == ["lock:rebalance:active-numbers"]


@pytest.mark.parametrize(
    ("others", "there"),
    [
        ({}, "other families have no keys either"),
        (
            {"lock:number:a": ("t", 9), "lock:number:b": ("t", 9), "NexNum:Lock:Reconcile": ("t", 9)},
            "keys of other families: number 2, reconcile 1",
        ),
    ],
)
async def test_where_nothing_matches_the_other_families_are_counted(hand, others, there):
    hand.keys = dict(others)
    with pytest.raises(ActionError) as error:
        await planned()
    assert str(error.value) == f"no key matches lock:purchase:*, so there is nothing to delete; {there}"


async def test_a_redis_that_can_not_be_read_is_one_sentence(three, monkeypatch):
    async def walk(*given: Any) -> Any:
        raise OSError("it is away")

    monkeypatch.setattr(locks, "walk", walk)
    with pytest.raises(SourceError, match=r"^redis: it is away$"):
        await planned()


# --- interlocks ---


@pytest.mark.parametrize(
    ("family", "ttl", "level", "reason"),
    [
        ("purchase", 42_400, "warn", "a reconcile is running: NexNum:Lock:Reconcile is held for 43 s more"),
        ("purchase", -1, "warn", "NexNum:Lock:Reconcile is held without a TTL: a reconcile runs, or died"),
        ("reconcile", -1, "warn", "NexNum:Lock:Reconcile is held without a TTL: a reconcile runs, or died"),
        (
            "reconcile",
            42_400,
            "block",
            "a reconcile is running: NexNum:Lock:Reconcile is held for 43 s more; "
            "a second one beside it would pay refunds twice",
        ),
    ],
)
async def test_a_reconcile_at_work_is_warned_of_and_its_own_lock_stays(three, family, ttl, level, reason):
    three.keys["NexNum:Lock:Reconcile"] = (ago(60), ttl)
    plan = await planned(family=family)
    assert plan.guards[1] == Guard(name="reconcile", level=level, reason=reason)


async def test_a_reconciles_key_that_is_a_pattern_tells_nothing(three):
    plan = await planned(context_of(locks={"families": {"purchase": "lock:purchase:*", "reconcile": "r:*"}}))
    assert list(plan.guards) == OK[:1]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("READONLY You can't write against a replica.", "this Redis is a replica that can't be written to"),
        ("script tried to write: this is a read only replica", "this Redis is a replica that can't be written to"),
        (
            "NOPERM no",
            "this user may not compare and delete in one step (NOPERM no): allow it +eval +get +pttl +unlink"
            " +exists on ~lock:purchase:*. Without EVAL a new lock could be deleted, so nothing is",
        ),
    ],
)
async def test_who_may_not_compare_and_delete_is_told_what_is_missing(three, error, reason):
    three.refuses[PROBE] = RuntimeError(error)
    expected = Guard(name="may delete", level="block", reason=reason)
    assert (await planned()).guards[0] == expected
    assert await FLUSH.permitted(context_of()) == expected


async def test_whether_it_is_permitted_is_asked_of_the_first_family_and_trouble_is_said(three, monkeypatch):
    assert await FLUSH.permitted(context_of()) == OK[0]

    @contextlib.asynccontextmanager
    async def away(context: Context) -> AsyncIterator[KeyspaceHand]:
        raise OSError("it is away")
        yield three

    monkeypatch.setattr(locks, "redis_client", away)
    assert await FLUSH.permitted(context_of()) == Guard(
        name="may delete", level="warn", reason="could not be asked: redis: it is away"
    )


def test_without_a_redis_it_is_said_what_to_set():
    context = context_of()
    assert FLUSH.unavailable(context.settings, context.sources) == "locks can't be reached: set redis.url (REDIS_URL)"
    context.sources.has = lambda name: name == "redis"  # type: ignore[method-assign]
    assert FLUSH.unavailable(context.settings, context.sources) is None


def test_families_are_suggested_those_with_abandoned_locks_first_and_with_their_number():
    value = Locks(
        locks=9,
        abandoned=3,
        oldest_s=9.0,
        families={"purchase": Family(pattern="lock:purchase:*", locks=9, abandoned=3)},
    )
    settings = context_of(locks={"families": {"purchase": "lock:purchase:*", "number": "lock:number:*"}}).settings
    readings = {"locks": Reading(signal="locks", every=2.0, value=value)}
    assert [(one.title, dict(one.arguments), one.weight) for one in FLUSH.suggestions(readings, settings)] == [
        ("Delete orphaned locks: purchase - 3 orphaned", {"family": "purchase"}, 0.6),
        ("Delete orphaned locks: number (lock:number:*)", {"family": "number"}, 0.0),
    ]
    assert [one.weight for one in FLUSH.suggestions({}, settings)] == [0.0, 0.0]


# --- what became of each key ---


async def executed(hand: KeyspaceHand, plan: Plan, context: Context | None = None) -> Outcome:
    return await FLUSH.execute(plan, context or context_of())


async def test_each_key_that_was_deleted_is_on_record_with_its_ttl_and_the_servers_time(three):
    outcome = await executed(three, await planned())
    assert (outcome.state, outcome.answer) == ("done", "2 of 2 keys were deleted")
    assert [(one.id, dict(one.shown)) for one in outcome.touched] == [
        ("lock:purchase:abandoned", {"pttl_ms": -1, "at_ms": 1_700_000_000_250}),
        ("lock:purchase:old", {"pttl_ms": 9_000, "at_ms": 1_700_000_000_250}),
    ]
    assert outcome.touched[0].identity == {"value": ago(60)}
    assert list(three.keys) == ["lock:purchase:living"]


async def test_what_was_gone_or_holds_another_value_by_then_is_counted_and_left_alone(three):
    plan = await planned(which="all")
    del three.keys["lock:purchase:abandoned"]
    three.keys["lock:purchase:old"] = ("somebody else's", 9_000)
    outcome = await executed(three, plan)
    assert (outcome.state, outcome.answer) == (
        "done",
        "1 of 3 keys were deleted, 1 were gone already, 1 hold another value now",
    )
    three.keys["lock:purchase:old"] = (None, 9_000)  # another type
    outcome = await executed(three, plan)
    assert (outcome.state, outcome.answer) == (
        "refused",
        "0 of 3 keys were deleted, 2 were gone already, 1 hold another value now",
    )


@pytest.mark.parametrize(
    ("tables", "batches", "progress"),
    [
        ({"locks": {"batch": 2}}, [2, 1], ["2 of 3: 2 deleted", "3 of 3: 3 deleted"]),
        ({"locks": {"batch": 0}}, [1, 1, 1], ["1 of 3: 1 deleted", "2 of 3: 2 deleted", "3 of 3: 3 deleted"]),
        ({"redis": {"url": "redis+cluster://127.0.0.1:1"}}, [1, 1, 1], None),
        ({}, [3], ["3 of 3: 3 deleted"]),
    ],
)
async def test_many_are_deleted_in_batches_and_one_by_one_in_a_cluster(three, tables, batches, progress):
    context, said = context_of(**tables), []
    context.progress = said.append
    await executed(three, await planned(which="all"), context)
    assert three.batches == batches
    assert progress is None or said == progress
    pairs = [(key, "held-by") for key in "abc"]
    assert [line.count(" held-by") for line in commands(context.settings, pairs)] == batches


async def test_cancelling_stops_between_two_batches(three):
    context, plan = context_of(locks={"batch": 1}), await planned(which="all")
    context.cancelled = lambda: len(three.batches) == 2
    outcome = await executed(three, plan, context)
    assert (outcome.state, outcome.answer) == ("done", "cancelled after 2 of 3: 2 of 3 keys were deleted")


async def test_a_script_that_is_refused_has_changed_nothing_but_what_went_before(three):
    context, plan = context_of(locks={"batch": 1}), await planned(which="all")
    three.refuses[SCRIPT] = RuntimeError("NOPERM")
    outcome = await executed(three, plan, context)
    assert (outcome.state, outcome.answer) == ("refused", "redis: NOPERM: 0 of 3 keys were deleted")
    three.refuses.clear()

    def refuse() -> None:
        three.refuses[SCRIPT] = RuntimeError("NOPERM")

    three.before = refuse
    outcome = await executed(three, plan, context)
    assert (outcome.state, outcome.answer) == ("failed", "redis: NOPERM: 1 of 3 keys were deleted")
    assert [one.id for one in outcome.touched] == ["lock:purchase:abandoned"]


async def test_a_redis_that_is_away_before_anything_was_sent_is_a_failure(three):
    plan = await planned()
    three.down = OSError("it is away")
    outcome = await executed(three, plan)
    assert (outcome.state, outcome.answer) == ("failed", "redis: it is away: nothing was sent")


async def test_a_redis_that_breaks_in_the_middle_leaves_in_doubt_what_was_not_answered(three):
    context, plan = context_of(locks={"batch": 1}), await planned(which="all")
    del three.keys["lock:purchase:abandoned"]

    def last() -> None:
        three.breaks = OSError("it broke") if len(three.batches) == 2 else None

    three.before = last
    outcome = await executed(three, plan, context)
    assert (outcome.state, outcome.answer) == (
        "unknown",
        "redis: it broke: 1 of 3 keys were deleted, 1 were gone already; of 1 it isn't known, or they were not reached",
    )
    assert [one.id for one in outcome.touched] == ["lock:purchase:old"]


async def test_what_does_not_hold_its_value_any_more_was_deleted_by_us(three):
    plan = await planned(which="all")
    abandoned, old, living = plan.chosen
    touched = (replace(abandoned, shown={"pttl_ms": -1, "at_ms": 5}),)
    del three.keys["lock:purchase:old"]
    unknown = Outcome(state="unknown", answer="it broke", touched=touched)
    settled = await FLUSH.settle(plan, unknown, context_of())
    assert (settled.state, settled.answer) == (
        "done",
        "it was done: 1 of 2 keys in doubt still hold the value shown; it broke",
    )
    shown = {"pttl_ms": 9_000, "at_ms": int(NOW.timestamp() * 1000)}
    assert settled.touched == (*touched, replace(old, shown=shown))
    three.keys["lock:purchase:old"] = (str(old.identity["value"]), 9_000)
    settled = await FLUSH.settle(plan, replace(unknown, answered=False), context_of(actions={"verify_s": 0.0}))
    assert (settled.state, settled.answer) == (
        "failed",
        "not done: 2 of 2 keys in doubt still hold the value shown; it broke",
    )
    assert living.id in three.keys


# --- the verdict ---


async def judged(
    hand: KeyspaceHand, outcome: Outcome | None = None, after: Callable[[], object] = lambda: None
) -> tuple[str, str]:
    plan = replace(await planned(which="all"), deadline_s=0.05)
    outcome = outcome or await executed(hand, plan)
    after()
    verdict = await FLUSH.verify(plan, outcome, context_of())
    return verdict.state, verdict.because


async def test_keys_that_stay_away_are_worked(three):
    assert await judged(three) == ("worked", "3 keys are gone, and none is back")


async def test_nothing_deleted_is_no_effect(three):
    assert await judged(three, Outcome(state="refused", answer="no")) == ("no effect", "no key was deleted")


async def test_keys_taken_anew_with_a_ttl_are_worked(three):
    after = lambda: three.keys.update({"lock:purchase:old": ("new", 30_000)})  # noqa: E731
    assert await judged(three, after=after) == ("worked", "3 keys are gone, 1 of them taken anew, with a TTL")


async def test_keys_that_are_back_without_a_ttl_are_no_effect(three):
    after = lambda: three.keys.update({"lock:purchase:old": ("new", -1), "lock:purchase:living": ("new", 9)})  # noqa: E731
    assert await judged(three, after=after) == (
        "no effect",
        "1 of 3 keys are back without a TTL: what takes them leaves them behind",
    )


async def test_of_an_outcome_that_is_unknown_the_keys_that_hold_their_value_are_counted(three):
    unknown = Outcome(state="unknown", answer="it broke")
    assert await judged(three, unknown, lambda: three.keys.pop("lock:purchase:living")) == (
        "unknown",
        "2 of 3 keys still hold the value shown",
    )
    assert await judged(three, unknown, three.keys.clear) == ("worked", "2 keys are gone, and none is back")


async def test_a_key_without_a_ttl_for_one_look_only_was_on_its_way(three, monkeypatch):
    looks = []

    async def peek(context: Context, keys: Sequence[str]) -> dict[str, tuple[str | None, int]]:
        looks.append(keys)
        return {key: ("new", -1 if len(looks) % 2 else 30_000) for key in keys}

    monkeypatch.setattr(locks, "peek", peek)
    state, because = await judged(three)
    assert (state, because) == ("worked", "3 keys are gone, 3 of them taken anew, with a TTL")
    assert len(looks) > 1


async def test_a_real_redis_answers_the_scripts_as_this_one_does(redis_server):
    client = redis.asyncio.from_url(redis_server.url, decode_responses=True)
    try:
        await client.flushall()
        await client.set("without ttl", "v")
        await client.set("with ttl", "v", px=50_000)
        await client.set("changed", "another's")
        await client.rpush("list", "v")
        keys = ("without ttl", "with ttl", "changed", "list", "gone")
        assert await client.eval(PROBE, 1, "list") == 0 == await client.eval(PROBE, 1, "gone")
        no_ttl, ttl, *left = await client.eval(SCRIPT, len(keys), *keys, *["v"] * len(keys))
        assert (no_ttl, left) == (-1, [-4, -5, -3]) and 40_000 < ttl <= 50_000
        assert sorted(await client.keys("*")) == ["changed", "list"]
        assert [CHANGED, OTHER_TYPE, GONE] == left
    finally:
        await client.flushall()
        await client.aclose()
