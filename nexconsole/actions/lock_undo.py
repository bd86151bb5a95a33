"""locks.restore undoes locks.flush: it restores deleted locks whose keys are free. (nexnum.md#locks)

The journal says what was deleted, so the undo outlives the console that flushed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ActionError
from ..model import Reading
from ..signals.lock_keys import LONGEST, NO_TTL, forbidden, showable
from ..text.sanitize import clean
from . import shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import redis_client, redis_error
from .lock_keys import now_ms, peek
from .plan import Confirmation, Guard, Outcome, OutcomeState, Plan, Target, Verdict
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

DEADLINE_S = 4.0
LOOK_EVERY_S = 0.5


class RestoreLocks:
    """The undo of a flush: restores what it deleted where the key is free, with the expiry it had."""

    name = "locks.restore"
    title = "Put flushed locks back"
    synonyms = ("undo flush", "restore locks")
    arguments = (Argument(name="flush", kind="text", help="the flush's own mark, as its plan in the journal has it"),)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        return ()

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return None if sources.has("redis") else "locks can't be reached: set redis.url (REDIS_URL)"

    async def permitted(self, context: Context) -> Guard:
        reason = "SET is not tested beforehand, as it would write. A refusal changes nothing"
        return Guard(name="may write", level="ok", reason=reason)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        touched, recorded = _recorded(await context.entries(), arguments.get("flush", "").strip())
        try:
            async with redis_client(context) as client:
                values = await client.ttls([target.id for target in touched])
                now = await now_ms(client, context)
        except Exception as error:
            raise redis_error(context, error) from error
        targets = [_restorable(target, int(ttl), now, context) for target, ttl in zip(touched, values, strict=True)]
        targets.sort(key=lambda target: not target.chosen)
        free = [target for target in targets if target.chosen]
        guards = [_journaled(recorded)]
        if not free:
            reason = "nothing to put back: " + "; ".join(sorted({str(target.shown["because"]) for target in targets}))
            guards.append(Guard(name="chosen", level="block", reason=reason))
        typed = len(free) > context.settings.actions.typed_above
        return make_plan(
            context,
            action=self.name,
            arguments=dict(arguments),
            targets=tuple(targets),
            effect=f"Puts back {len(free)} of {len(targets)} deleted locks with their values, to end when they would"
            " have ended, and only where nobody has taken them since: those users must wait again",
            command="\n".join(
                set_command(context, target.id, str(target.identity["value"]), _left_ms(target, now)) for target in free
            ),
            guards=tuple(guards),
            confirm=Confirmation(kind="type", text="restore") if typed else Confirmation(kind="letter", text="r"),
            undo=None,
            watch="the keys hold their values again",
            deadline_s=min(DEADLINE_S, context.settings.actions.verify_s),
            one_by_one=True,
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        size = max(1, context.settings.locks.batch)
        done: list[Target] = []
        sent = False
        try:
            async with redis_client(context) as client:
                now = await now_ms(client, context)
                for start in range(0, len(plan.chosen), size):
                    if context.cancelled():
                        break
                    batch = [t for t in plan.chosen[start : start + size] if _left_ms(t, now) != 0]
                    sent = True
                    answers = await client.keyed(
                        [_set(t.id, str(t.identity["value"]), _left_ms(t, now)) for t in batch]
                    )
                    for target, answer in zip(batch, answers, strict=True):
                        if isinstance(answer, Exception):
                            said = f"{redis_error(context, answer)}; {len(done)} locks were put back"
                            return Outcome(state="failed", answer=said, touched=tuple(done))
                        if answer:
                            done.append(target)
                    context.progress(f"{start + len(batch)} of {len(plan.chosen)}: {len(done)} put back")
        except Exception as error:
            known = redis_error(context, error)
            state: OutcomeState = "unknown" if sent else "failed"
            rest = "the rest is unknown" if sent else "nothing was sent"
            return Outcome(state=state, answer=f"{known}: {len(done)} put back, {rest}", touched=tuple(done))
        said = f"{len(done)} of {len(plan.chosen)} locks were put back"
        return Outcome(
            state="done" if done else "refused", answer=f"{said}, the others were taken", touched=tuple(done)
        )

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        known = {target.id for target in outcome.touched}
        doubtful = [target for target in plan.chosen if target.id not in known]

        async def look() -> SettledOutcome:
            peeked = await peek(context, [target.id for target in doubtful])
            held = tuple(target for target in doubtful if peeked[target.id][0] == target.identity["value"])
            said = f"{len(held)} of {len(doubtful)} keys in doubt hold their values again"
            return SettledOutcome(happened=bool(held), said=said, touched=held)

        return await settled(outcome, look, context, lingers=False)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        put = {t.id: str(t.identity["value"]) for t in (plan.chosen if outcome.state == "unknown" else outcome.touched)}

        async def check(last: bool) -> Verdict | None:
            peeked = await peek(context, list(put))
            held = sum(peeked[key][0] == value for key, value in put.items())
            if held == len(put):
                return Verdict(state="worked", because=f"all {held} keys hold their values again")
            if held or outcome.state == "done":
                return Verdict(state="worked", because=f"{held} of {len(put)} keys hold their values, the rest ended")
            return Verdict(state="no effect", because="none of the keys holds its value")

        return await watch(plan.deadline_s, check, LOOK_EVERY_S)


def _recorded(entries: Sequence[Mapping[str, Any]], flush: str) -> tuple[list[Target], bool]:
    """What a flush deleted, by its outcome in the journal; without an outcome, what its plan chose."""
    for entry in reversed(entries):
        plan = entry["data"].get("plan") if entry["kind"] == "intent" else None
        if not isinstance(plan, Mapping):
            continue
        undo = plan.get("undo")
        if not undo or undo.get("action") != RESTORE.name or undo.get("arguments", {}).get("flush") != flush:
            continue
        outcomes = [
            e["data"]["outcome"] for e in entries if e["kind"] == "outcome" and e["data"].get("intent") == entry["id"]
        ]
        touched = outcomes[-1].get("touched", ()) if outcomes else []
        targets = [_from_outcome(one) for one in touched] if outcomes else _from_plan(plan, entry)
        if not targets:
            raise ActionError("this flush deleted nothing: there is nothing to put back")
        return [target for target in targets if "***" not in str(target.identity["value"])], bool(outcomes)
    raise ActionError(f"the journal of this incident holds no flush {clean(flush, 40)}: nothing can be put back")


def _from_outcome(one: Mapping[str, Any]) -> Target:
    return Target(kind="key", id=one["id"], identity=one["identity"], shown=one["shown"])


def _from_plan(plan: Mapping[str, Any], entry: Mapping[str, Any]) -> list[Target]:
    at = entry["at"]
    at_ms = int(at.timestamp() * 1000)
    return [
        Target(
            kind="key",
            id=one["id"],
            identity={"value": one["value"]},
            shown={"pttl_ms": one["pttl_ms"], "at_ms": at_ms},
        )
        for one in plan["targets"]
        if one.get("chosen")
    ]


def _restorable(target: Target, ttl: int, now: int, context: Context) -> Target:
    """The target, with its expiry (ms of the server's clock) as part of its identity. Chosen where the key is free."""
    pttl, at = int(target.shown["pttl_ms"] or 0), int(target.shown["at_ms"] or 0)
    ends = None if pttl == NO_TTL else at + pttl
    because = ""
    if ttl != -2:
        because = "it is taken again"
    elif ends is not None and ends <= now:
        because = "it would have expired by now"
    elif forbidden(target.id, context.settings.locks) or not showable(target.id):
        because = "never to be touched"
    return Target(
        kind="key",
        id=target.id[:LONGEST],
        identity={"value": target.identity["value"], "ends_at_ms": ends},
        shown={"because": because or "it is free"},
        chosen=not because,
    )


def _left_ms(target: Target, now: int) -> int | None:
    """The remaining TTL in ms; None: it had none; 0: expired."""
    ends = target.identity["ends_at_ms"]
    return None if ends is None else max(0, int(ends) - now)


def _journaled(recorded: bool) -> Guard:
    name = "outcome recorded"
    if recorded:
        return Guard(name=name, level="ok", reason="the journal says which keys were really deleted")
    reason = "that flush's outcome was never recorded: locks that expired since would come back as well"
    return Guard(name=name, level="warn", reason=reason)


def _set(key: str, value: str, left_ms: int | None) -> tuple[str, ...]:
    return ("SET", key, value, "NX", *(() if left_ms is None else ("PX", str(left_ms))))


def set_command(context: Context, key: str, value: str, left_ms: int | None) -> str:
    """The shell command that restores one lock; `left_ms` None: without a TTL."""
    return shell_commands.redis_cli(context.settings, *_set(key, value, left_ms))


RESTORE = RestoreLocks()
ACTIONS: tuple[Action, ...] = (RESTORE,)
