"""slots.clear: empties a provider's queue of slots, so that new purchases go out at once. (nexnum.md#slots)
slot_undo.py undoes it.

The key holds the time of the next free slot. Every purchase and every poll of a live number moves it later. So the
delete compares that it is no earlier than shown, and respects a console that cleared it meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ActionError, SourceError
from ..model import Reading, value_of
from ..signals import traffic
from ..signals.slots import Slots
from ..sources.redis_clients import RedisClient
from ..text.sanitize import clean
from ..text.units import duration
from . import shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import redis_client, redis_error
from .guards import fresh
from .lock_keys import now_ms
from .locks import may_delete
from .plan import Confirmation, Guard, Outcome, Plan, Target, Undo, Verdict
from .provider_rows import ProviderRow, find, live_numbers, read_table
from .settlement import SettledOutcome, settled
from .slot_undo import GRACE_MS, RESTORE, RESTORE_SCRIPT, SHORTEST_MS, key_of, lost, slot_time
from .verdicts import watch

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

SHORT_S = 3.0  # turns are 2 s apart: who waits for less waits for nobody
ENOUGH = 3  # purchases decided at the provider that tell something
MANY_LIVE = 200  # live numbers whose polling alone may fill the queue again
AGAIN = 0.5  # of the wait that was cleared: then the queue is as good as back
DEADLINE_S = 60.0
LOOK_EVERY_S = 2.0
GONE, NEARER = -3, -4
# Deletes the key in one step that nothing can come between, if its time lies no nearer than what was shown.
CLEAR_SCRIPT = (
    f"local v = redis.call('GET', KEYS[1]) if not v then return {{{GONE}, ''}} end "
    f"if (tonumber(v) or 0) < tonumber(ARGV[1]) then return {{{NEARER}, v}} end "
    "redis.call('UNLINK', KEYS[1]) return {0, v}"
)
SINCE_SQL = f"""
SELECT count(*) AS attempts, count(*) FILTER (WHERE captured_tx_id IS NOT NULL) AS sold,
       count(*) FILTER (WHERE {traffic.FAILED}) AS failed
FROM activations
WHERE {{states}} AND lower(provider_id) = lower($1) AND created_at >= now() - make_interval(secs => $2)
"""
WAITING_SQL = """
SELECT count(*) AS n FROM activations
WHERE state::text = 'RESERVED' AND lower(provider_id) = lower($1) AND created_at >= now() - interval '2 hours'
"""


@dataclass(frozen=True, kw_only=True)
class SlotQueue:
    """A provider's next free slot: `at_ms` as it is in Redis, `wait_s` from now on, by Redis' own clock."""

    key: str
    at_ms: int
    wait_s: float
    pttl_ms: int


async def _queue(client: RedisClient, context: Context, row: ProviderRow) -> SlotQueue:
    """Raises ActionError where there is no queue, or nothing that can be one."""
    key = key_of(row.id)
    [value], [ttl] = await client.values([key]), await client.ttls([key])
    if value is None:
        raise ActionError(f"nobody waits for a slot at {row}: there is no key {key}")
    if not str(value).isdigit() or len(str(value)) > 16:
        raise ActionError(f"{key} holds {clean(value, 40)}, which is no time: look at it by redis-cli")
    wait_s = (int(value) - await now_ms(client, context)) / 1000
    return SlotQueue(key=key, at_ms=int(value), wait_s=wait_s, pttl_ms=int(ttl))


def _wait_by_ttl(pttl_ms: int) -> float:
    """The wait in seconds by the TTL, which needs no clock; 0 where it says nothing."""
    return (pttl_ms - GRACE_MS) / 1000 if pttl_ms > SHORTEST_MS else 0.0


class ClearSlots:
    """Deletes one provider's queue."""

    name = "slots.clear"
    title = "Empty a provider's queue of slots"
    synonyms = ("clear slots", "rate limit", "purchases wait", "purchases hang", "ratelimit provider", "free queue")
    arguments = (Argument(name="provider", kind="provider", help="the provider's name, display name or id"),)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        value = value_of(readings, "slots", Slots)
        waits = value.longer(SHORT_S) if value is not None else ()
        return tuple(
            Suggestion(
                title=f"Empty the queue of {wait.name} - a purchase there waits {duration(wait.wait_s)}",
                arguments={"provider": wait.name},
                weight=0.8 if wait.wait_s >= settings.slots.stalled_s else 0.3,
            )
            for wait in waits
        )

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        if not sources.has("redis"):
            return "the queues can't be reached: set redis.url (REDIS_URL)"
        return None if sources.has("postgres") else "the providers can't be read: set postgres.url (DATABASE_URL)"

    async def permitted(self, context: Context) -> Guard:
        try:
            async with redis_client(context) as client:
                return await may_delete(client, context, key_of("*"))
        except Exception as error:
            return Guard(name="may delete", level="warn", reason=f"could not be asked: {redis_error(context, error)}")

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        row = find(await read_table(context), arguments.get("provider", ""))
        try:
            async with redis_client(context) as client:
                queue = await _queue(client, context, row)
                guards = [await may_delete(client, context, key_of("*"))]
        except ActionError:
            raise
        except Exception as error:
            raise redis_error(context, error) from error
        guards += [_long(queue), await _waiting(context, row), await _refills(context, row)]
        guards.append(fresh(context, "transactions"))
        words = ("EVAL", RESTORE_SCRIPT, "1", queue.key, str(queue.at_ms), str(max(SHORTEST_MS, queue.pttl_ms)))
        return make_plan(
            context,
            action=self.name,
            arguments=dict(arguments),
            targets=(_target(row, queue),),
            effect=f"Deletes the queue of {row}: its next slot is {duration(queue.wait_s)} away; new purchases there go"
            " out at once, at the pace that NexNum keeps",
            command=shell_commands.redis_cli(context.settings, "EVAL", CLEAR_SCRIPT, "1", queue.key, str(queue.at_ms)),
            guards=tuple(guards),
            confirm=Confirmation(kind="letter", text="c"),
            undo=Undo(
                action=RESTORE.name,
                arguments={"provider": row.id, "until": str(queue.at_ms)},
                command=shell_commands.redis_cli(context.settings, *words),
            ),
            watch="purchases at the provider are decided again, and the queue stays short",
            deadline_s=min(DEADLINE_S, context.settings.actions.verify_s),
            one_by_one=True,  # the time moves with every purchase: it is compared as it is deleted
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        [target] = plan.chosen
        shown, sent = str(target.shown["slot_ms"]), False
        try:
            async with redis_client(context) as client:
                await client.text("PING")  # so that a Redis that can't be reached is known before anything is sent
                if context.cancelled():
                    return Outcome(state="refused", answer="cancelled: nothing was sent")
                sent = True
                [answer] = await client.keyed([("EVAL", CLEAR_SCRIPT, "1", target.id, shown)])
        except Exception as error:
            return lost(redis_error(context, error), sent)
        if isinstance(answer, Exception):
            return Outcome(state="refused", answer=str(redis_error(context, answer)))
        state, value = int(answer[0]), clean(answer[1], 40)
        if state == GONE:
            return Outcome(state="refused", answer="the queue was empty already: nothing was deleted")
        if state == NEARER:
            return Outcome(state="refused", answer="the queue is shorter than shown: somebody emptied it meanwhile")
        shown_now = {**target.shown, "slot_ms": value}
        gone = Target(kind="key", id=target.id, identity=target.identity, shown=shown_now)
        return Outcome(state="done", answer="the queue was deleted", touched=(gone,))

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        """A queue's time only grows, so one that is gone or lies nearer than shown was deleted."""
        [target] = plan.chosen
        provider, shown_ms = target.identity["provider"], int(str(target.shown["slot_ms"]))

        async def look() -> SettledOutcome:
            [(value, _)] = await context.sources.redis.peek([target.id])
            if value is None:
                return SettledOutcome(happened=True, said=f"the queue of {provider} is gone", touched=(target,))
            if slot_time(value) < shown_ms:
                said = f"the queue of {provider} began anew"
                return SettledOutcome(happened=True, said=said, touched=(target,))
            return SettledOutcome(happened=False, said=f"the queue of {provider} is as long as shown, or longer")

        return await settled(outcome, look, context, lingers=False)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        [target] = plan.chosen
        provider, cleared_s = str(target.identity["provider"]), float(str(target.shown["wait_s"]))
        began = context.clock()

        async def check(last: bool) -> Verdict | None:
            elapsed = (context.clock() - began).total_seconds()
            [(value, ttl)] = await context.sources.redis.peek([target.id])
            wait_s = 0.0 if value is None else _wait_by_ttl(ttl)
            return _judged(provider, cleared_s, wait_s, await _since(context, provider, elapsed + 1), last)

        return await watch(plan.deadline_s, check, LOOK_EVERY_S)


def _target(row: ProviderRow, queue: SlotQueue) -> Target:
    shown = {"slot_ms": queue.at_ms, "wait_s": round(queue.wait_s, 1), "pttl_ms": queue.pttl_ms}
    return Target(kind="key", id=queue.key, identity={"provider": row.name}, shown=shown)


def _long(queue: SlotQueue) -> Guard:
    if queue.wait_s < SHORT_S:
        reason = f"the next slot is {duration(max(0.0, queue.wait_s))} away: nobody waits, so there is nothing to empty"
        return Guard(name="queue", level="block", reason=reason)
    return Guard(name="queue", level="ok", reason=f"a purchase there waits for {duration(queue.wait_s)} now")


async def _waiting(context: Context, row: ProviderRow) -> Guard:
    """Purchases with a slot keep it: they are not sent any earlier."""
    name = "purchases in flight"
    try:
        async with context.sources.postgres.read("the waiting purchases query") as tx:
            waiting = (await tx.row(WAITING_SQL, row.name))["n"]
    except SourceError as error:
        return Guard(name=name, level="warn", reason=f"could not be counted: {error}")
    if not waiting:
        return Guard(name=name, level="ok", reason="none is under way there")
    reason = f"{waiting} purchases there have their slot already and go on waiting for it; reconcile frees their money"
    return Guard(name=name, level="warn", reason=reason)


async def _refills(context: Context, row: ProviderRow) -> Guard:
    """What filled the queue: every live number is polled through it."""
    name = "live numbers"
    try:
        live = await live_numbers(context, row.name)
    except SourceError as error:
        return Guard(name=name, level="warn", reason=f"could not be counted: {error}")
    if live < MANY_LIVE:
        return Guard(name=name, level="ok", reason=f"{live} live numbers are polled through the same queue")
    reason = f"{live} live numbers are polled through the same queue: it may fill again, and then disable the provider"
    return Guard(name=name, level="warn", reason=reason)


async def _since(context: Context, provider: str, seconds: float) -> Mapping[str, int]:
    """The purchases begun there since, and their results. Raises SourceError."""
    states = await traffic.every_state(context.sources)
    async with context.sources.postgres.read("the purchases query") as tx:
        return await tx.row(SINCE_SQL.format(states=states), provider, seconds)


def _judged(provider: str, cleared_s: float, wait_s: float, since: Mapping[str, int], last: bool) -> Verdict | None:
    sold, failed = since["sold"], since["failed"]
    decided = sold + failed
    now = f"a purchase there waits for {duration(wait_s)}"
    if wait_s >= max(SHORT_S, AGAIN * cleared_s):
        because = f"the queue is as long again: {now}. Live numbers fill it; disable the provider by the API instead"
        return Verdict(state="no effect", because=because)
    if decided >= ENOUGH and sold >= failed:
        return Verdict(state="worked", because=f"{sold} sold at {provider} since, {failed} failed; {now}")
    if not last:
        return None
    if decided >= ENOUGH:
        because = f"purchases are decided at {provider} again, but {failed} of {decided} fail: that is another trouble"
        return Verdict(state="no effect", because=because)
    if sold:
        return Verdict(state="worked", because=f"{sold} sold at {provider} since, {failed} failed; {now}")
    said = f"{since['attempts']} purchases began at {provider} since, and none was decided yet; {now}"
    return Verdict(state="unknown", because=said)


ACTIONS: tuple[Action, ...] = (ClearSlots(),)
