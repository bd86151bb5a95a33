"""reconcile.run: the route that frees what is stuck, and credits money that was never taken.

(facts 1.5, 1.7, 5.2, contradictions 5, 6 and 33)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

from ..errors import NexConsoleError, SourceError
from ..model import Reading
from ..signals import reservations
from ..signals.reservations import Reservations
from ..text.units import duration
from . import cron
from .action import Argument, Context, Suggestion, make_plan
from .connections import change_rows
from .cron import Route
from .guards import fresh
from .plan import Confirm, Guard, Outcome, Plan, Target, Verdict
from .provider_rows import value_of
from .watch import watch

if TYPE_CHECKING:
    import asyncpg

    from ..settings import Settings
    from ..sources import Sources

PATH = "/api/cron/reconcile"
METHODS = ("POST", "GET")  # the runbook's first; every version known exports GET alone
LOCK = "NexNum:Lock:Reconcile"
PER_CALL = 100  # rows in each of the route's three sections
TURN = "nexconsole reconcile"
PILES = ("purchase_orders", "activations")
UNKNOWN_REFUNDS = "refunds unknown"
LOOK_EVERY_S = 1.0
DONE_WITHIN_S = 8.0  # what the route did is in the rows when it answers
STEPS = Decimal("0.5")  # a bound is rounded up to 1, 1.5, 2 ... 9.5 times a power of ten: it holds while rows come
ROUTE_STUCK_S = 295.0  # the route takes RESERVED ones from 300 s on (facts 1.5); a little sooner, as it runs later
# Money that nobody ever paid: a provider's failure only released the hold, and the route credits it all the same.
# So it does with what it has itself just turned from stuck into FAILED: its third step comes after its second.
REFUNDS_SQL = f"""
WITH failed AS (
  SELECT price FROM activations
  WHERE state IN ('EXPIRED', 'FAILED', 'CANCELLED') AND refund_tx_id IS NULL AND captured_tx_id IS NULL
), stuck AS (
  SELECT price FROM activations
  WHERE state = 'RESERVED' AND refund_tx_id IS NULL AND captured_tx_id IS NULL
    AND created_at <= now() - make_interval(secs => $1)
), free AS (SELECT price FROM failed UNION ALL SELECT price FROM stuck)
SELECT (SELECT count(*) FROM failed) AS rows, (SELECT count(*) FROM stuck) AS stuck,
       (SELECT coalesce(sum(price), 0) FROM free)::numeric AS total,
       (SELECT coalesce(sum(price), 0) FROM (SELECT price FROM free ORDER BY price DESC LIMIT {PER_CALL}) most)::numeric
       AS most,
       (SELECT count(*) FROM activations WHERE state IN ('EXPIRED', 'FAILED', 'CANCELLED')
        AND refund_tx_id IS NULL AND captured_tx_id IS NOT NULL) AS owed
"""


@dataclass(frozen=True, kw_only=True)
class Refunds:
    """What step 3 would credit: failed `rows` never paid and `stuck` ones that step 2 fails first, the sum of both,
    the most that one call can take of it; and rows paid."""

    rows: int
    stuck: int
    total: Decimal
    most: Decimal
    owed: int

    @property
    def all(self) -> int:
        return self.rows + self.stuck

    @property
    def bound(self) -> Decimal:
        """What is confirmed: no call may create more than this."""
        return rounded_up(self.most)


def rounded_up(amount: Decimal) -> Decimal:
    if amount <= 0:
        return Decimal(0)
    unit = Decimal(1).scaleb(amount.adjusted())
    steps = (amount / unit / STEPS).to_integral_value(ROUND_CEILING)
    return steps * STEPS * unit


def money(amount: Decimal) -> str:
    """Without an exponent, and without zeros that say nothing: 50, 0.4, 12.35."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def up_to(bound: Decimal) -> str:
    """What is typed: a limit, in words that no count of rows can be taken for."""
    return f"up to {money(bound)}"


class Reconcile:
    """One call of the reconcile route."""

    name = "reconcile.run"
    title = "Run the reconciler once"
    synonyms = ("force run", "cron reconcile", "stuck reservations", "free stuck", "refund", "reconciliation")
    arguments: tuple[Argument, ...] = ()

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        value = value_of(readings, "reservations", Reservations)
        if value is None or not value.stuck:
            return ()
        title = f"Run the reconciler - {value.stuck} stuck, the oldest pending for {duration(value.oldest_s or 0)}"
        return (Suggestion(title=title, arguments={}, weight=min(0.9, value.stuck / settings.reservations.limit)),)

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
        stuck, refunds = await _stuck(context), await _refunds(context)
        guards = [
            cron.method_guard(route),
            cron.secret_guard(context.settings),
            _refund_guard(refunds),
            await _running(context),
            _stuck_guard(stuck),
            fresh(context, "reservations"),
        ]
        bound = None if isinstance(refunds, SourceError) else refunds.bound
        return make_plan(
            context,
            action=self.name,
            arguments={},
            targets=_targets(stuck, refunds),
            effect=_effect(route, stuck, refunds),
            command=cron.command(context.settings, route),
            guards=tuple(guards),
            confirm=_confirm(bound),
            undo=None,
            watch="fewer orders and activations are stuck than before",
            deadline_s=context.settings.actions.verify_s,
            details={
                "path": route.path,
                "method": route.method,
                "bound": None if bound is None else str(bound),
                "stuck": None if isinstance(stuck, SourceError) else _count(stuck),
                "capped": isinstance(stuck, Reservations) and stuck.capped,
            },
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        """The route takes no lock, so consoles take turns: two calls at once could credit a row twice."""
        answered: list[Outcome] = []
        sending = False

        async def work(connection: asyncpg.Connection) -> Outcome:
            nonlocal sending
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", TURN):
                return Outcome(
                    state="refused", answer="another console runs the reconciler at this moment: nothing was sent"
                )
            sending = True
            answered.append(await self._call(plan, context))
            return answered[0]

        if not context.sources.has("postgres"):
            return await self._call(plan, context)
        outcome = await change_rows(context, work, timeout_s=cron.limit_s(context) + 10)
        if answered:
            return answered[0]
        if sending:
            return Outcome(state="unknown", answer=f"{outcome.answer}; but the route was being called")
        # A Postgres that this console can't reach keeps nobody from calling: the refunds were confirmed unseen.
        return await self._call(plan, context) if plan.details["bound"] is None else outcome

    async def _call(self, plan: Plan, context: Context) -> Outcome:
        if why := await _more_than_confirmed(plan, context):
            return Outcome(state="refused", answer=f"{why}: nothing was sent")
        route = Route(path=str(plan.details["path"]), method=str(plan.details["method"]))
        reply = await cron.call(context, route)
        if isinstance(reply, Outcome):
            return reply
        told = _told(reply.document)
        if reply.status == cron.PART:
            return Outcome(state="failed", answer=f"the route answered 207, a part of it went wrong ({told})")
        said = f"the route answered {reply.status}: {told}{cron.open_to_all(context.settings)}"
        return Outcome(state="done", answer=said, touched=plan.chosen)

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
            return _verdict(int(before), _count(value), bool(plan.details["capped"]) and value.capped, last)  # type: ignore[call-overload]

        return await watch(plan.deadline_s, look, LOOK_EVERY_S)


def _verdict(before: int, now: int, capped: bool, last: bool) -> Verdict | None:
    if now < before:
        left = "none is left" if not now else f"{now} still are: a call takes {PER_CALL} of each"
        return Verdict(state="worked", because=f"{before} were stuck before, {left}")
    if not last:
        return None
    if capped:
        return Verdict(state="unknown", because=f"{now} or more are stuck, before and after: too many to count")
    more = f", {now - before} more than before" if now > before else " as before"
    return Verdict(state="no effect", because=f"{now} are stuck{more}: what holds them is still there")


async def _stuck(context: Context) -> Reservations | SourceError:
    try:
        return await reservations.read(context.sources, context.settings, None)
    except SourceError as error:
        return error


def _count(value: Reservations) -> int:
    return sum(value.by_table[name].stuck for name in PILES if name in value.by_table)


async def _refunds(context: Context) -> Refunds | SourceError:
    try:
        await context.sources.postgres.require(
            "activations", "state", "price", "refund_tx_id", "captured_tx_id", "created_at"
        )
        async with context.sources.postgres.read("the refunds query") as tx:
            return Refunds(**dict(await tx.row(REFUNDS_SQL, ROUTE_STUCK_S)))
    except SourceError as error:
        return error


async def _more_than_confirmed(plan: Plan, context: Context) -> str | None:
    """Why the confirmation does not cover what the route would credit by now; None when it does."""
    if plan.details["bound"] is None:
        return None
    refunds, bound = await _refunds(context), Decimal(str(plan.details["bound"]))
    if isinstance(refunds, SourceError):
        return f"what it would credit can't be read any more ({refunds})"
    if refunds.most > bound:
        return f"it could create {money(refunds.most)} by now, and {money(bound)} was confirmed"
    return None


def _confirm(bound: Decimal | None) -> Confirm:
    if bound is None:
        return Confirm(kind="type", text=UNKNOWN_REFUNDS)
    return Confirm(kind="type", text=up_to(bound)) if bound else Confirm(kind="letter", text="r")


def _targets(stuck: Reservations | SourceError, refunds: Refunds | SourceError) -> tuple[Target, ...]:
    found = []
    for name in PILES if isinstance(stuck, Reservations) else ():
        if pile := stuck.by_table.get(name):  # type: ignore[union-attr]
            oldest = None if pile.oldest_s is None else round(pile.oldest_s)
            found.append(Target(kind="table", id=name, shown={"stuck": pile.stuck, "oldest_pending_s": oldest}))
    if isinstance(refunds, Refunds):
        shown: dict[str, Any] = {"rows": refunds.all, "failed": refunds.rows, "stuck_now": refunds.stuck}
        shown |= {"sum": money(refunds.total), "at_most_now": money(refunds.most)}
        found.append(Target(kind="refunds", id="never paid", shown=shown, chosen=refunds.all > 0))
        found.append(Target(kind="refunds", id="paid", shown={"rows": refunds.owed}, chosen=refunds.owed > 0))
    return tuple(found)


def _effect(route: Route, stuck: Reservations | SourceError, refunds: Refunds | SourceError) -> str:
    what = "what is stuck (how much can't be read)"
    if isinstance(stuck, Reservations):
        orders, activations = (stuck.by_table[name].stuck if name in stuck.by_table else 0 for name in PILES)
        what = f"{orders} stuck purchase orders and {activations} stuck activations"
    credit = "credits every failed activation, also those never paid: how many can't be read"
    if isinstance(refunds, Refunds):
        credit = "has no money to create: no failed or stuck activation is unpaid and unrefunded"
        if refunds.all:
            credit = (
                f"credits {_unpaid(refunds)} that were never paid, {money(refunds.total)} in all, at"
                f" most {money(refunds.most)} by this call"
            )
    return f"Calls {route.method} {route.path}: frees {what}, at most {PER_CALL} of each, and {credit}. No undo"


def _unpaid(refunds: Refunds) -> str:
    failed, stuck = f"{refunds.rows} failed activations", f"{refunds.stuck} of the stuck, which it fails first,"
    return " and ".join([failed] * bool(refunds.rows or not refunds.stuck) + [stuck] * bool(refunds.stuck))


def _refund_guard(refunds: Refunds | SourceError) -> Guard:
    name = "refunds"
    if isinstance(refunds, SourceError):
        reason = f"what it would credit for money never taken can't be read: {refunds}"
        return Guard(name=name, level="warn", reason=reason)
    if not refunds.all:
        return Guard(name=name, level="ok", reason="no activation would be credited that was never paid")
    reason = (
        f"{_unpaid(refunds)} were never paid, and their {money(refunds.total)} would become customers'"
        f" balance: free money, {PER_CALL} rows a call. You type {up_to(refunds.bound)}: should it be more than"
        f" {money(refunds.bound)} when it is sent, nothing is sent"
    )
    return Guard(name=name, level="warn", reason=reason)


async def _running(context: Context) -> Guard:
    """The worker's own lock; the route takes none, so the two would work on the same rows."""
    name = "another reconcile"
    if not context.sources.has("redis"):
        reason = "whether the worker reconciles at this moment is not known: redis is not configured"
        return Guard(name=name, level="warn", reason=reason)
    try:
        ((value, ttl_ms),) = await context.sources.redis.peek([LOCK])
    except SourceError as error:
        reason = f"whether the worker reconciles at this moment can't be read: {error}"
        return Guard(name=name, level="warn", reason=reason)
    if value is None:
        return Guard(name=name, level="ok", reason="no other reconcile is running")
    if ttl_ms < 0:
        return Guard(name=name, level="warn", reason=f"{LOCK} is there without a TTL: its worker is most likely dead")
    reason = f"the worker is reconciling ({LOCK}, {ttl_ms / 1000:.0f} s left at most): wait for it"
    return Guard(name=name, level="block", reason=reason)


def _stuck_guard(stuck: Reservations | SourceError) -> Guard:
    name = "stuck"
    if isinstance(stuck, SourceError):
        return Guard(name=name, level="warn", reason=f"what is stuck can't be read: {stuck}")
    count = _count(stuck)
    if not count:
        return Guard(name=name, level="warn", reason="nothing is stuck: there is nothing to free")
    return Guard(name=name, level="ok", reason=f"{count} are stuck")


def _told(document: object) -> str:
    """The answer's three sections in words; `success` alone says nothing of them (facts 5.2)."""
    told = []
    for name, words in (("purchaseOrders", "orders"), ("activations", "activations"), ("refunds", "refunds")):
        part = cron.tally(document, "results", name)
        if part is not None:
            failed = f", {part['failed']} failed" if part.get("failed") else ""
            told.append(f"{words} {part.get('succeeded', 0)} of {part.get('processed', 0)}{failed}")
    return "; ".join(told) or "it says nothing of what it did"


RECONCILE = Reconcile()
ACTIONS = (RECONCILE,)
