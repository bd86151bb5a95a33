"""locks.flush deletes lock keys that still hold the value shown; lock_undo.py undoes it. (nexnum.md#locks)

The runbook's `DEL "lock:purchase:*"` deletes nothing, because DEL does not glob.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ..errors import ActionError, SourceError
from ..model import Reading, value_of
from ..signals.lock_keys import NO_TTL, Lock
from ..signals.locks import Locks
from ..sources.redis_clients import RedisClient
from ..text.sanitize import clean
from ..text.units import remaining
from . import shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import clustered, redis_client, redis_error
from .lock_keys import as_target, look, now_ms, peek, walk
from .lock_undo import RESTORE, set_command
from .plan import Confirmation, Guard, Outcome, OutcomeState, Plan, Target, Undo, Verdict
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

MOST_CHOSEN = 2_000  # so many fit into one entry of the journal, which the undo needs
DEADLINE_S = 4.0
LOOK_EVERY_S = 0.5
GLOB = frozenset("*?[]\\")
GONE, CHANGED, OTHER_TYPE = -3, -4, -5
# Compares and deletes each key in one step that nothing can come between; answers its PTTL, or why it was left alone.
SCRIPT = (
    "local r = {} for i, k in ipairs(KEYS) do local v = redis.pcall('GET', k) "
    f"if type(v) == 'table' then r[i] = {OTHER_TYPE} elseif not v then r[i] = {GONE} "
    f"elseif v ~= ARGV[i] then r[i] = {CHANGED} "
    "else r[i] = redis.call('PTTL', k) redis.call('UNLINK', k) end end return r"
)
# Changes nothing: it only ever unlinks a key that isn't there.
PROBE = "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end return redis.call('UNLINK', KEYS[1])"


class FlushLocks:
    """Deletes orphaned locks of one family."""

    name = "locks.flush"
    title = "Delete orphaned locks of a family"
    synonyms = ("flush locks", "unlock", "release locks", "redis locks", "delete keys", "stuck lock", "please wait")
    arguments = (
        Argument(name="family", kind="family", help="a family of locks.families in the settings, such as purchase"),
        Argument(name="which", kind="text", required=False, help="suspicious (without TTL, or old), or all"),
        Argument(name="keys", kind="lock", required=False, help="these keys instead, one a line"),
    )

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        value = value_of(readings, "locks", Locks)
        seen = value.families if value is not None else {}
        return tuple(
            _suggestion(family, pattern, seen[family].abandoned if family in seen else 0)
            for family, pattern in settings.locks.families.items()
        )

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return None if sources.has("redis") else "locks can't be reached: set redis.url (REDIS_URL)"

    async def permitted(self, context: Context) -> Guard:
        pattern = next(iter(context.settings.locks.families.values()), "*")
        try:
            async with redis_client(context) as client:
                return await may_delete(client, context, pattern)
        except Exception as error:
            return Guard(name="may delete", level="warn", reason=f"could not be asked: {redis_error(context, error)}")

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        rules = context.settings.locks
        family = arguments.get("family", "").strip()
        if family not in rules.families:
            known = ", ".join(rules.families)
            raise ActionError(
                f"there is no family of locks {clean(family, 60) or '(no name given)'}: there are {known}"
            )
        which = arguments.get("which", "").strip() or "suspicious"
        if which not in ("suspicious", "all"):
            raise ActionError(f"which is suspicious or all, not {clean(which, 40)}")
        wanted = [key for key in arguments.get("keys", "").split("\n") if key]
        pattern = rules.families[family]
        try:
            async with redis_client(context) as client:
                found, complete = await _found(client, pattern, context)
                locks = await look(client, found, rules, context.clock())
                guards = [await may_delete(client, context, pattern), *await _reconciling(client, context, family)]
                if not locks:
                    raise ActionError(await _what_is_there(client, context, family))
        except ActionError:
            raise
        except Exception as error:
            raise redis_error(context, error) from error
        if context.cancelled():
            raise ActionError("cancelled while the keys were looked for: nothing was sent")
        chosen, extra = _choose(locks, which, wanted, rules.never, pattern)
        return self._plan(context, arguments, family, locks, chosen, (*guards, *extra, *_bounds(found, complete)))

    def _plan(
        self,
        context: Context,
        arguments: Mapping[str, str],
        family: str,
        locks: Sequence[Lock],
        chosen: Sequence[Lock],
        guards: tuple[Guard, ...],
    ) -> Plan:
        rules, keys = context.settings.locks, {lock.key for lock in chosen}
        living = [lock for lock in chosen if not lock.suspicious]
        if living:
            reason = f"{len(living)} of them are held by purchases that may still run, and could then buy twice"
            guards += (Guard(name="living locks", level="warn", reason=reason),)
        flush = secrets.token_hex(6)
        typed = len(chosen) > context.settings.actions.typed_above or arguments.get("which", "").strip() == "all"
        ordered = [*chosen, *(lock for lock in locks if lock.key not in keys)]
        without = sum(lock.pttl == NO_TTL for lock in chosen)
        return make_plan(
            context,
            action=self.name,
            arguments=dict(arguments),
            targets=tuple(as_target(lock, lock.key in keys) for lock in ordered),
            effect=f"Deletes {len(chosen)} of {len(locks)} keys of {rules.families[family]}, {without} of them without"
            " TTL, each only while it still holds the value shown; customers who waited for them can buy at once",
            command="\n".join(commands(context.settings, [(lock.key, lock.value or "") for lock in chosen])),
            guards=guards,
            confirm=Confirmation(kind="type", text=family) if typed else Confirmation(kind="letter", text="f"),
            undo=Undo(
                action=RESTORE.name,
                arguments={"flush": flush},
                command="\n".join(
                    set_command(context, lock.key, lock.value or "", lock.pttl if lock.pttl > 0 else None)
                    for lock in chosen
                ),
            ),
            watch="the keys are gone, and none comes back without a TTL",
            deadline_s=min(DEADLINE_S, context.settings.actions.verify_s),
            one_by_one=typed and arguments.get("which", "").strip() == "all",
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        size = 1 if clustered(context.settings) else max(1, context.settings.locks.batch)
        chosen, tally = plan.chosen, _Tally(plan.chosen)
        sent = False
        try:
            async with redis_client(context) as client:
                await client.text("PING")  # so that a Redis that can't be reached is known before anything is sent
                for start in range(0, len(chosen), size):
                    if context.cancelled():
                        return tally.outcome(f"cancelled after {start} of {len(chosen)}")
                    batch = chosen[start : start + size]
                    sent = True
                    [answer] = await client.keyed([_eval(batch)])
                    if isinstance(answer, Exception):
                        return tally.refused(redis_error(context, answer))
                    tally.add(batch, answer, await now_ms(client, context))
                    context.progress(f"{start + len(batch)} of {len(chosen)}: {len(tally.touched)} deleted")
        except Exception as error:
            return tally.lost(redis_error(context, error), sent)
        return tally.outcome()

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        """A batch is atomic: a key that no longer holds its value was deleted by it."""
        known = {target.id for target in outcome.touched}
        doubtful = [target for target in plan.chosen if target.id not in known]
        at_ms = int(plan.taken_at.timestamp() * 1000)

        async def look_again() -> SettledOutcome:
            peeked = await peek(context, [target.id for target in doubtful])
            gone = [target for target in doubtful if peeked[target.id][0] != target.identity["value"]]
            touched = tuple(
                replace(target, shown={"pttl_ms": target.shown["pttl_ms"], "at_ms": at_ms}) for target in gone
            )
            rest = f"{len(doubtful) - len(gone)} of {len(doubtful)} keys in doubt still hold the value shown"
            return SettledOutcome(happened=bool(gone), said=rest, touched=touched)

        return await settled(outcome, look_again, context, lingers=False)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        deleted = {target.id: str(target.identity["value"]) for target in outcome.touched}
        if outcome.state == "unknown":
            deleted = {target.id: str(target.identity["value"]) for target in plan.chosen}
        if not deleted:
            return Verdict(state="no effect", because="no key was deleted")
        before: set[str] = set()

        async def check(last: bool) -> Verdict | None:
            nonlocal before
            peeked = await peek(context, list(deleted))
            there = {key: (value, ttl) for key, (value, ttl) in peeked.items() if ttl != -2}
            # The oldest versions set a lock and then its TTL: only what is without one twice is without one.
            stuck = {key for key, (_, ttl) in there.items() if ttl == NO_TTL}
            lasting, before = stuck & before, stuck
            return _flushed(deleted, there, lasting, outcome.state == "unknown") if last else None

        return await watch(plan.deadline_s, check, LOOK_EVERY_S)


class _Tally:
    """Counts the result of each key during a flush."""

    def __init__(self, chosen: Sequence[Target]) -> None:
        self.chosen = chosen
        self.touched: list[Target] = []
        self.left = {GONE: 0, CHANGED: 0, OTHER_TYPE: 0}

    def add(self, batch: Sequence[Target], answers: Sequence[Any], at_ms: int) -> None:
        for target, answer in zip(batch, answers, strict=True):
            if int(answer) >= NO_TTL:
                shown = {"pttl_ms": int(answer), "at_ms": at_ms}
                self.touched.append(Target(kind="key", id=target.id, identity=target.identity, shown=shown))
            else:
                self.left[int(answer)] += 1

    def _said(self) -> str:
        gone, changed = self.left[GONE], self.left[CHANGED] + self.left[OTHER_TYPE]
        rest = [f"{gone} were gone already"] * bool(gone) + [f"{changed} hold another value now"] * bool(changed)
        return ", ".join([f"{len(self.touched)} of {len(self.chosen)} keys were deleted", *rest])

    def outcome(self, why: str = "") -> Outcome:
        state: OutcomeState = "done" if self.touched else "refused"
        return Outcome(
            state=state, answer=f"{why}: {self._said()}" if why else self._said(), touched=tuple(self.touched)
        )

    def refused(self, error: SourceError) -> Outcome:
        state: OutcomeState = "failed" if self.touched else "refused"
        return Outcome(state=state, answer=f"{error}: {self._said()}", touched=tuple(self.touched))

    def lost(self, error: SourceError, sent: bool) -> Outcome:
        if not sent:
            return Outcome(state="failed", answer=f"{error}: nothing was sent")
        rest = len(self.chosen) - len(self.touched) - sum(self.left.values())
        said = f"{error}: {self._said()}; of {rest} it isn't known, or they were not reached"
        return Outcome(state="unknown", answer=said, touched=tuple(self.touched))


def _suggestion(family: str, pattern: str, abandoned: int) -> Suggestion:
    title, weight = f"Delete orphaned locks: {family} ({pattern})", 0.0
    if abandoned:
        title, weight = f"Delete orphaned locks: {family} - {abandoned} orphaned", 0.6
    return Suggestion(title=title, arguments={"family": family}, weight=weight)


async def _found(client: RedisClient, pattern: str, context: Context) -> tuple[list[str], bool]:
    """The family's keys. A family of one exact key needs no SCAN."""
    return await walk(client, pattern, context) if GLOB & set(pattern) else ([pattern], True)


def _choose(
    locks: Sequence[Lock], which: str, wanted: Sequence[str], never: Sequence[str], pattern: str
) -> tuple[list[Lock], list[Guard]]:
    """The keys to delete, most suspicious first, and the guards that follow from them."""
    guards = []
    if matching := next((other for other in never if fnmatchcase(pattern, other)), None):
        reason = f"{pattern} is never to be touched (locks.never has {matching}): a top-up could then be booked twice"
        guards.append(Guard(name="never touched", level="block", reason=reason))
    by_key = {lock.key: lock for lock in locks}
    if wanted:
        for key in wanted:
            lock = by_key.get(key)
            if lock is None or lock.why_not:
                why = lock.why_not if lock else "it does not exist, or is of another family"
                guards.append(Guard(name="keys", level="block", reason=f"{clean(key, 80)}: {why}"))
        chosen = [lock for lock in locks if lock.key in set(wanted) and not lock.why_not]
    else:
        chosen = [lock for lock in locks if not lock.why_not and (which == "all" or lock.suspicious)]
    if not chosen:
        guards.append(Guard(name="chosen", level="block", reason=_nothing(locks, which)))
    elif len(chosen) > MOST_CHOSEN:
        reason = f"{MOST_CHOSEN} of {len(chosen)} are deleted at a time: do it again for the rest"
        guards.append(Guard(name="many", level="warn", reason=reason))
    return chosen[:MOST_CHOSEN], guards


def _nothing(locks: Sequence[Lock], which: str) -> str:
    left = [lock for lock in locks if not lock.why_not]
    if not left:
        return f"nothing is chosen: {len(locks)} keys are there, and each is left alone ({locks[0].why_not})"
    longest = max(lock.pttl for lock in left) / 1000
    more = "" if which == "all" else "; which=all takes them all the same"
    if any(lock.pttl == NO_TTL for lock in left):
        return f"nothing is chosen: all {len(left)} are young, and those without a TTL may still get one{more}"
    return f"nothing is chosen: all {len(left)} have a TTL and expire within {remaining(longest)}{more}"


def _bounds(found: Sequence[str], complete: bool) -> tuple[Guard, ...]:
    if complete:
        return ()
    return (
        Guard(name="all keys seen", level="warn", reason=f"the scan stopped at {len(found)} keys: there may be more"),
    )


async def may_delete(client: RedisClient, context: Context, pattern: str) -> Guard:
    """Whether EVAL with UNLINK is allowed and this server accepts writes. Without EVAL a delete would race."""
    name, key = "may delete", pattern.replace("*", "nexconsole-probe")
    [answer] = await client.keyed([("EVAL", PROBE, "1", key)])
    if not isinstance(answer, Exception):
        return Guard(name=name, level="ok", reason="EVAL and UNLINK are allowed")
    said = clean(answer, 200)
    if "READONLY" in said or "read only replica" in said:
        return Guard(name=name, level="block", reason="this Redis is a replica that can't be written to")
    reason = (
        f"this user may not compare and delete in one step ({said}): allow it +eval +get +pttl +unlink +exists on"
        f" ~{pattern}. Without EVAL a new lock could be deleted, so nothing is"
    )
    return Guard(name=name, level="block", reason=reason)


async def _reconciling(client: RedisClient, context: Context, family: str) -> list[Guard]:
    """Blocks while a reconcile runs: its lock must stay, and it may hold money in the middle of a step."""
    key = context.settings.locks.families.get("reconcile", "NexNum:Lock:Reconcile")
    if GLOB & set(key):
        return []
    [ttl] = await client.ttls([key])
    name = "reconcile"
    if int(ttl) == -2:
        return [Guard(name=name, level="ok", reason="no reconcile is running")]
    if int(ttl) == NO_TTL:
        return [Guard(name=name, level="warn", reason=f"{key} is held without a TTL: a reconcile runs, or died")]
    running = f"a reconcile is running: {key} is held for {remaining(int(ttl) / 1000)} more"
    if family == "reconcile":
        return [Guard(name=name, level="block", reason=f"{running}; a second one beside it would pay refunds twice")]
    return [Guard(name=name, level="warn", reason=running)]


async def _what_is_there(client: RedisClient, context: Context, family: str) -> str:
    """Says that nothing matches, and which families have keys: they depend on the version (nexnum.md#locks)."""
    families = context.settings.locks.families
    keys, _ = await walk(client, "*[lL]ock:*", context)
    tallies = {name: sum(fnmatchcase(key, pattern) for key in keys) for name, pattern in families.items()}
    others = ", ".join(f"{name} {count}" for name, count in tallies.items() if count and name != family)
    there = f"keys of other families: {others}" if others else "other families have no keys either"
    return f"no key matches {families[family]}, so there is nothing to delete; {there}"


def _eval(batch: Sequence[Target]) -> tuple[str, ...]:
    keys, values = [target.id for target in batch], [str(target.identity["value"]) for target in batch]
    return ("EVAL", SCRIPT, str(len(batch)), *keys, *values)


def commands(settings: Settings, pairs: Sequence[tuple[str, str]], script: str = SCRIPT) -> list[str]:
    """Delete each key that still holds its value. `script` is SCRIPT in any layout."""
    size = 1 if clustered(settings) else max(1, settings.locks.batch)
    lines = []
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        words = ["EVAL", script, str(len(part)), *(key for key, _ in part), *(value for _, value in part)]
        lines.append(shell_commands.redis_cli(settings, *words))
    return lines


def _flushed(
    deleted: Mapping[str, str], there: Mapping[str, tuple[str | None, int]], stuck: set[str], unknown: bool
) -> Verdict:
    same = [key for key, value in deleted.items() if key in there and there[key][0] == value]
    if unknown and same:
        return Verdict(state="unknown", because=f"{len(same)} of {len(deleted)} keys still hold the value shown")
    if stuck:
        said = f"{len(stuck)} of {len(deleted)} keys are back without a TTL: what takes them leaves them behind"
        return Verdict(state="no effect", because=said)
    again = f", {len(there)} of them taken anew, with a TTL" if there else ", and none is back"
    return Verdict(state="worked", because=f"{len(deleted)} keys are gone{again}")


FLUSH = FlushLocks()
ACTIONS: tuple[Action, ...] = (FLUSH,)
