"""slots.restore undoes slots.clear: it sets the next free slot back. (nexnum.md#slots)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import ActionError, SourceError
from ..model import Reading
from ..signals.slots import KEY
from ..text.sanitize import clean
from ..text.units import duration
from . import shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import redis_client, redis_error
from .lock_keys import now_ms
from .plan import Confirmation, Guard, Outcome, Plan, Target, Verdict
from .provider_rows import find, read_table
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

GRACE_MS, SHORTEST_MS = 10_000, 60_000  # how NexNum sets the TTL: the wait and 10 s, 60 s at least
# Puts the next free slot back to a time, unless it lies further ahead by now.
RESTORE_SCRIPT = (
    "local v = tonumber(redis.call('GET', KEYS[1]) or '0') or 0 if v >= tonumber(ARGV[1]) then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1"
)


def key_of(provider_id: str) -> str:
    return KEY.format(provider_id)


def slot_time(value: object) -> int:
    """The time that a key's value is, in ms since 1970; 0 for no value, and for one that is no time."""
    text = "" if value is None else str(value)
    return int(text) if text.isascii() and text.isdigit() else 0


def lost(error: SourceError, sent: bool) -> Outcome:
    if not sent:
        return Outcome(state="failed", answer=f"{error}: nothing was sent")
    return Outcome(state="unknown", answer=f"{error}: it may have been done or not")


class RestoreSlots:
    """The undo: sets the next free slot back, unless it is later by now."""

    name = "slots.restore"
    title = "Put a provider's queue of slots back"
    synonyms = ("undo clear slots",)
    arguments = (
        Argument(name="provider", kind="provider", help="the provider's name, display name or id"),
        Argument(name="until", kind="text", help="the time of the next free slot, in milliseconds since 1970"),
    )

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        if not sources.has("redis"):
            return "the queues can't be reached: set redis.url (REDIS_URL)"
        return None if sources.has("postgres") else "the providers can't be read: set postgres.url (DATABASE_URL)"

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        return ()

    async def permitted(self, context: Context) -> Guard:
        reason = "SET is not tested beforehand, as it would write. A refusal changes nothing"
        return Guard(name="may write", level="ok", reason=reason)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        row, until = find(await read_table(context), arguments.get("provider", "")), arguments.get("until", "").strip()
        if not until.isdigit() or len(until) > 16:
            raise ActionError(f"until is a time in milliseconds since 1970, not {clean(until, 40) or 'nothing'}")
        try:
            async with redis_client(context) as client:
                left_ms = int(until) - await now_ms(client, context)
        except Exception as error:
            raise redis_error(context, error) from error
        if left_ms <= 0:
            raise ActionError(f"the next slot at {row} is in the past: there is nothing to put back")
        ttl = str(max(left_ms + GRACE_MS, SHORTEST_MS))
        shown = {"slot_ms": int(until), "wait_s": round(left_ms / 1000, 1)}
        return make_plan(
            context,
            action=self.name,
            arguments=dict(arguments),
            targets=(Target(kind="key", id=key_of(row.id), identity={"provider": row.name}, shown=shown),),
            effect=f"Puts the queue of {row} back: its next slot is {duration(left_ms / 1000)} away, and every purchase"
            " there waits for so long",
            command=shell_commands.redis_cli(context.settings, "EVAL", RESTORE_SCRIPT, "1", key_of(row.id), until, ttl),
            confirm=Confirmation(kind="type", text="restore"),
            watch="the key holds a time that is no nearer",
            deadline_s=min(4.0, context.settings.actions.verify_s),
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        [target] = plan.chosen
        until, sent = int(str(target.shown["slot_ms"])), False
        try:
            async with redis_client(context) as client:
                ttl = max(until - await now_ms(client, context) + GRACE_MS, SHORTEST_MS)
                sent = True
                [answer] = await client.keyed([("EVAL", RESTORE_SCRIPT, "1", target.id, str(until), str(ttl))])
        except Exception as error:
            return lost(redis_error(context, error), sent)
        if isinstance(answer, Exception):
            return Outcome(state="refused", answer=str(redis_error(context, answer)))
        if not int(answer):
            return Outcome(state="refused", answer="the queue is longer now: nothing was changed")
        return Outcome(state="done", answer="the queue is back", touched=(target,))

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        [target] = plan.chosen

        async def look() -> SettledOutcome:
            if await _is_back(target, context):
                said = "the next slot is where it was, or further ahead"
                return SettledOutcome(happened=True, said=said, touched=(target,))
            return SettledOutcome(happened=False, said="the key holds a nearer time, or none")

        return await settled(outcome, look, context, lingers=False)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        [target] = plan.chosen

        async def check(last: bool) -> Verdict | None:
            if await _is_back(target, context):
                return Verdict(state="worked", because="the next slot is where it was, or further ahead")
            return Verdict(state="no effect", because="the key holds a nearer time, or none") if last else None

        return await watch(plan.deadline_s, check, 0.5)


async def _is_back(target: Target, context: Context) -> bool:
    """Whether the next slot lies no nearer than the target's. Raises SourceError."""
    [(value, _)] = await context.sources.redis.peek([target.id])
    return slot_time(value) >= int(str(target.shown["slot_ms"]))


RESTORE = RestoreSlots()
ACTIONS: tuple[Action, ...] = (RESTORE,)
