"""reconcile.run: calls the route that frees stuck purchases, and that also credits money never taken.
(nexnum.md#stuck-rows, #reconcile, #cron-routes)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..catalogue import Route
from ..errors import NexConsoleError, SourceError
from ..model import Reading, value_of
from ..signals import reservations
from ..signals.reservations import Reservations
from ..text.units import count, duration, remaining, several
from . import cron, reconcile_progress, wallet_holds
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import change_rows
from .cron import CronRoute
from .guards import fresh
from .http_replies import lost, unproven
from .plan import Confirmation, Guard, Outcome, Plan, Target, Verdict
from .refunds import PER_CALL, Refunds, money, up_to
from .refunds import guard as refund_guard
from .refunds import read as read_refunds
from .settlement import SettledOutcome, settled
from .verdicts import watch
from .wallet_holds import Holds

if TYPE_CHECKING:
    import asyncpg

    from ..settings import Settings
    from ..sources import Sources

PATH = "/api/cron/reconcile"
METHODS = ("POST", "GET")  # the runbook's first; every version known exports GET alone
LOCK = "NexNum:Lock:Reconcile"
TURN = "nexconsole reconcile"
PILES = ("purchase_orders", "activations")
UNKNOWN_REFUNDS = "refunds unknown"
LOOK_EVERY_S = 1.0
MOST_WEIGHT = 0.45  # it creates money: never offered before what only stops harm
DONE_WITHIN_S = 8.0  # what the route did is in the rows when it answers
OUTLIVES_S = 10.0  # the transaction with the turn outlives the call by it


class RunReconcile:
    """One call of the reconcile route."""

    name = "reconcile.run"
    title = "Run the reconciler once"
    synonyms = ("force run", "cron reconcile", "stuck reservations", "free stuck", "refund", "reconciliation")
    arguments: tuple[Argument, ...] = ()
    about = ("reservation",)
    routes = (Route(path=PATH, methods=METHODS),)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        value = value_of(readings, "reservations", Reservations)
        if value is None or not value.stuck:
            return ()
        title = (
            f"Run the reconciler - {count(value.stuck)} stuck, the oldest pending for {duration(value.oldest_s or 0)}"
        )
        return (
            Suggestion(title=title, arguments={}, weight=min(MOST_WEIGHT, value.stuck / settings.reservations.limit)),
        )

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return cron.missing(sources)

    async def permitted(self, context: Context) -> Guard:
        try:
            await cron.learn(context, PATH, METHODS)
        except NexConsoleError as error:
            return Guard(name="route", level="block", reason=str(error))
        return cron.secret_guard(context.settings)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        route = await cron.learn(context, PATH, METHODS)
        stuck, refunds, held = await _stuck(context), await read_refunds(context), await wallet_holds.read(context)
        guards = [
            cron.method_guard(route),
            cron.secret_guard(context.settings),
            refund_guard(refunds),
            wallet_holds.guard(held),
            await _running(context),
            _stuck_guard(stuck),
            fresh(context, "reservations"),
        ]
        bound = None if isinstance(refunds, SourceError) else refunds.bound
        return make_plan(
            context,
            action=self.name,
            arguments={},
            targets=_targets(stuck, refunds, held),
            effect=_effect(route, stuck, refunds, held),
            summary=_summary(stuck, refunds),
            command=cron.command(context.settings, route),
            guards=tuple(guards),
            confirm=_confirm(bound),
            undo=None,
            watch="fewer purchases are stuck than before",
            deadline_s=context.settings.actions.verify_s,
            details={
                "path": route.path,
                "method": route.method,
                "bound": None if bound is None else str(bound),
                "stuck": None if isinstance(stuck, SourceError) else _count(stuck),
                "capped": isinstance(stuck, Reservations) and stuck.capped,
                "rows": await reconcile_progress.rows(context),
            },
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        """The route takes no lock. So consoles take turns: two calls at once could credit a row twice."""
        answered: list[Outcome] = []
        sending = False

        async def work(connection: asyncpg.Connection) -> Outcome:
            nonlocal sending
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", TURN):
                return Outcome(state="refused", answer="another console runs the reconciler now: nothing was sent")
            sending = True
            answered.append(await self._call(plan, context))
            return answered[0]

        if not context.sources.has("postgres"):
            return await self._call(plan, context)
        outcome = await change_rows(context, work, timeout_s=cron.limit_s(context) + OUTLIVES_S)
        if answered:
            return answered[0]
        if sending:
            return lost(f"{outcome.answer}; but the route was being called", sent=True)
        # A Postgres that this console can't reach keeps nobody from calling: the refunds were confirmed unseen.
        return await self._call(plan, context) if plan.details["bound"] is None else outcome

    async def _call(self, plan: Plan, context: Context) -> Outcome:
        if why := await _more_than_confirmed(plan, context):
            return Outcome(state="refused", answer=f"{why}: nothing was sent")
        route = CronRoute(path=str(plan.details["path"]), method=str(plan.details["method"]))
        reply = await cron.call(context, route)
        if isinstance(reply, Outcome):
            return reply
        told = _told(reply.document)
        if reply.status == cron.PART:
            return unproven(f"the route answered 207, a part of it went wrong ({told})")
        said = f"the route answered {reply.status}: {told}{cron.open_to_all(context.settings)}"
        return Outcome(state="done", answer=said, touched=plan.chosen)

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        rows: Any = plan.details["rows"]
        if rows is None:
            return outcome

        async def look() -> SettledOutcome:
            return await reconcile_progress.found(rows, context)

        return await settled(outcome, look, context)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        loop = asyncio.get_running_loop()
        began, before = loop.time(), plan.details["stuck"]
        if before is None:
            return Verdict(state="unknown", because="how much was stuck before could not be read")
        if before == 0:
            return Verdict(state="no effect", because="nothing was stuck before")

        async def look(last: bool) -> Verdict | None:
            value = await reservations.read(context.sources, context.settings, None)
            last = last or (outcome.state == "done" and loop.time() - began > DONE_WITHIN_S)
            return _verdict(int(before), _count(value), bool(plan.details["capped"]) and value.capped, last)

        verdict = await watch(plan.deadline_s, look, LOOK_EVERY_S)
        return replace(verdict, because=f"{verdict.because}{await _credited(plan, context)}")


async def _credited(plan: Plan, context: Context) -> str:
    """The refunds by the rows; "" where there are none or they can't be read."""
    rows: Any = plan.details["rows"]
    with contextlib.suppress(SourceError):
        if rows is not None and (progress := await reconcile_progress.since(rows, context)).refunds:
            return f"; it {progress}"
    return ""


def _verdict(before: int, now: int, capped: bool, last: bool) -> Verdict | None:
    if now < before:
        left = "none now" if not now else f"{now} now: a call takes {PER_CALL} of each kind of row"
        return Verdict(state="worked", because=f"{several(before, 'purchase')} stuck before, {left}")
    if not last:
        return None
    if capped:
        return Verdict(state="unknown", because=f"{now} or more purchases stuck, before and after: too many to count")
    more = f", {now - before} more than before" if now > before else ""
    because = f"{several(now, 'purchase')} still stuck{more}: the cause is still there"
    return Verdict(state="no effect", because=because)


async def _stuck(context: Context) -> Reservations | SourceError:
    try:
        return await reservations.read(context.sources, context.settings, None)
    except SourceError as error:
        return error


def _count(value: Reservations) -> int:
    """The number of stuck purchases. Each is an order and an activation, and counts once."""
    return value.stuck


async def _more_than_confirmed(plan: Plan, context: Context) -> str | None:
    """Why the confirmation no longer covers the credits; None where it does."""
    if plan.details["bound"] is None:
        return None
    refunds, bound = await read_refunds(context), Decimal(str(plan.details["bound"]))
    if isinstance(refunds, SourceError):
        return f"what it would credit can't be read any more ({refunds})"
    if refunds.most > bound:
        return f"it could now create {money(refunds.most)}, and {money(bound)} was confirmed"
    return None


def _confirm(bound: Decimal | None) -> Confirmation:
    if bound is None:
        return Confirmation(kind="type", text=UNKNOWN_REFUNDS)
    return Confirmation(kind="type", text=up_to(bound)) if bound else Confirmation(kind="letter", text="r")


def _targets(
    stuck: Reservations | SourceError, refunds: Refunds | SourceError, held: Holds | SourceError
) -> tuple[Target, ...]:
    targets = []
    tables = stuck.by_table if isinstance(stuck, Reservations) else {}
    for name in PILES:
        if pile := tables.get(name):
            oldest = None if pile.oldest_s is None else round(pile.oldest_s)
            targets.append(Target(kind="table", id=name, shown={"stuck": pile.stuck, "oldest_pending_s": oldest}))
    if isinstance(refunds, Refunds):
        shown: dict[str, Any] = {"rows": refunds.all, "failed": refunds.rows, "stuck_now": refunds.stuck}
        shown |= {"sum": money(refunds.total), "at_most_now": money(refunds.most)}
        targets.append(Target(kind="refunds", id="never paid", shown=shown, chosen=refunds.all > 0))
        targets.append(Target(kind="refunds", id="paid", shown={"rows": refunds.owed}, chosen=refunds.owed > 0))
    if isinstance(held, Holds) and held.wallets:
        after = held.clamped if held.clamps else held.after
        shown = {"wallets": held.wallets, "reserved": money(held.before), "reserved_after": money(after)}
        targets.append(
            Target(kind="holds", id="wallets", shown=shown | {"below_zero": 0 if held.clamps else held.below})
        )
    return tuple(targets)


def _summary(stuck: Reservations | SourceError, refunds: Refunds | SourceError) -> str:
    """`changes 92 rows, credits 118 that never were paid for (115.54)`; "" where it can't be read."""
    if isinstance(stuck, SourceError) or isinstance(refunds, SourceError):
        return ""
    rows = sum(min(PER_CALL, stuck.by_table[name].stuck) for name in PILES if name in stuck.by_table)
    never = min(PER_CALL, refunds.all)
    paid = f", refunds {refunds.owed} that were paid for" if refunds.owed else ""
    free = f", credits {never} never paid for ({money(refunds.most)})" if never else ", refunds none"
    return f"changes {several(rows, 'row')}{paid}{free if never or not paid else ''}"


def _effect(
    route: CronRoute, stuck: Reservations | SourceError, refunds: Refunds | SourceError, held: Holds | SourceError
) -> str:
    what = "what is stuck (how much can't be read)"
    if isinstance(stuck, Reservations):
        orders, activations = (stuck.by_table[name].stuck if name in stuck.by_table else 0 for name in PILES)
        rows = f"{several(orders, 'order')} and {several(activations, 'activation')}"
        what = f"{several(stuck.stuck, 'stuck purchase')} ({rows})"
    credit = "credits every failed activation, also those never paid: how many can't be read"
    if isinstance(refunds, Refunds):
        credit = "has no money to create: no failed or stuck activation is unpaid and unrefunded"
        if refunds.all:
            credit = (
                f"credits {refunds} that were never paid, {money(refunds.total)} in all, at"
                f" most {money(refunds.most)} by this call"
            )
    money_held = f"; {held}" if isinstance(held, Holds) and held.wallets else ""
    call = f"{route.method} {route.path}"
    return f"Calls {call}: frees {what}, at most {PER_CALL} of each, and {credit}{money_held}. No undo"


async def _running(context: Context) -> Guard:
    """Blocks while the worker holds its lock. The route takes none, so both would process the same rows."""
    name = "another reconcile"
    if not context.sources.has("redis"):
        reason = "whether the worker reconciles now is not known: redis is not configured"
        return Guard(name=name, level="warn", reason=reason)
    try:
        ((value, ttl_ms),) = await context.sources.redis.peek([LOCK])
    except SourceError as error:
        reason = f"whether the worker reconciles now can't be read: {error}"
        return Guard(name=name, level="warn", reason=reason)
    if value is None:
        return Guard(name=name, level="ok", reason="no other reconcile is running")
    if ttl_ms < 0:
        return Guard(name=name, level="warn", reason=f"{LOCK} has no TTL: its worker is most likely dead")
    reason = f"the worker is reconciling ({LOCK}, {remaining(ttl_ms / 1000)} left at most): wait for it"
    return Guard(name=name, level="block", reason=reason)


def _stuck_guard(stuck: Reservations | SourceError) -> Guard:
    name = "stuck"
    if isinstance(stuck, SourceError):
        return Guard(name=name, level="warn", reason=f"what is stuck can't be read: {stuck}")
    count = _count(stuck)
    if not count:
        return Guard(name=name, level="warn", reason="nothing is stuck: there is nothing to free")
    return Guard(name=name, level="ok", reason=f"{several(count, 'purchase')} stuck")


def _told(document: object) -> str:
    """The answer's three sections in words; `success` alone does not describe them (nexnum.md#cron-routes)."""
    told = []
    for name, words in (("purchaseOrders", "orders"), ("activations", "activations"), ("refunds", "refunds")):
        part = cron.tally(document, "results", name)
        if part is not None:
            failed = f", {part['failed']} failed" if part.get("failed") else ""
            told.append(f"{words} {part.get('succeeded', 0)} of {part.get('processed', 0)}{failed}")
    return "; ".join(told) or "it does not say what it did"


RECONCILE = RunReconcile()
ACTIONS: tuple[Action, ...] = (RECONCILE,)
