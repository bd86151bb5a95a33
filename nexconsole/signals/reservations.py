"""Reservations: pending purchases by table, each purchase counted once. (nexnum.md#purchase-rows, #stuck-rows)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Unpack

from ..errors import MissingSchema
from ..model import Value
from ..text.units import count, duration
from .change import CHANGES, RECONCILER, STOPPED, ChangeKind
from .probe import Probe, ProbeOptions, ProbeResult, Read, View, oldest
from .signal import (
    Judgement,
    MetricSpec,
    Numbers,
    Signal,
    SubjectState,
    gauge,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ..settings import Settings
    from ..sources import Sources


@dataclass(frozen=True, kw_only=True)
class Pile:
    """One table's share. `stuck`: purchase orders and offers past expires_at, activations RESERVED too long."""

    pending: int
    stuck: int
    oldest_s: float | None


@dataclass(frozen=True, kw_only=True)
class Reservations(Value):
    """What is pending, each purchase once: it is one purchase order and one activation.

    `by_table` has each table's own rows ("purchase_orders", "activations", "offer_reservations"), so that their sum may
    be twice as large. `stuck` purchases are those of which either row is; `oldest_s` is the age of the oldest row.
    A table that is missing is not in `by_table` and has a note. `capped`: a count reached its bound.
    """

    pending: int
    stuck: int
    oldest_s: float | None
    by_table: dict[str, Pile] = field(default_factory=dict)
    capped: bool = False


NONE = Pile(pending=0, stuck=0, oldest_s=None)
# A pile's table, what makes its row pending, and what makes a pending row stuck. Each is served by an
# index: (status, expires_at) or (state, created_at); the oldest is the first of that index.
PILES = {
    "purchase_orders": ("status = 'PENDING'", "expires_at < now()", "expires_at"),
    "activations": ("state = 'RESERVED'", "created_at < now() - make_interval(secs => $2)", "created_at"),
    "offer_reservations": ("status = 'PENDING'", "expires_at < now()", "expires_at"),
}
PILE_SQL = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {pending} LIMIT $1) p) AS pending,
       (SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {pending} AND {stuck} LIMIT $1) s) AS stuck,
       (SELECT extract(epoch FROM now() - created_at)::float8 FROM {table}
        WHERE {pending} ORDER BY {order} LIMIT 1) AS oldest_s,
       $2::float8 AS stuck_after_s
"""


# An order and its activation have one idempotency key, but for a prefix; where another version links them otherwise,
# one customer's rows of the same minute are taken for the same purchases, as far as they go in pairs.
ONCE_SQL = """
WITH o AS (SELECT user_id, idempotency_key AS key, created_at, {orders_stuck} AS stuck FROM purchase_orders
           WHERE {orders} LIMIT $1),
     a AS (SELECT user_id, regexp_replace(idempotency_key, '^activation_', '') AS key, created_at,
                  {activations_stuck} AS stuck FROM activations
           WHERE {activations} LIMIT $1),
     both_kinds AS (SELECT coalesce(o.user_id, a.user_id) AS user_id,
                           floor(date_part('epoch', coalesce(o.created_at, a.created_at)) / 60) AS minute,
                           o.user_id IS NOT NULL AS ordered, a.user_id IS NOT NULL AS activated,
                           coalesce(o.stuck, false) OR coalesce(a.stuck, false) AS stuck
                    FROM o FULL JOIN a ON a.key = o.key AND a.user_id = o.user_id),
     one AS (SELECT count(*) FILTER (WHERE ordered AND activated) AS paired,
                    count(*) FILTER (WHERE ordered AND activated AND stuck) AS paired_stuck,
                    count(*) FILTER (WHERE NOT activated) AS orders,
                    count(*) FILTER (WHERE NOT activated AND stuck) AS orders_stuck,
                    count(*) FILTER (WHERE NOT ordered) AS activations,
                    count(*) FILTER (WHERE NOT ordered AND stuck) AS activations_stuck
             FROM both_kinds GROUP BY user_id, minute)
SELECT coalesce(sum(paired + greatest(orders, activations)), 0)::int AS pending,
       coalesce(sum(paired_stuck + greatest(orders_stuck, activations_stuck)), 0)::int AS stuck,
       $2::float8 AS stuck_after_s
FROM one
"""
PURCHASE = ("purchase_orders", "activations")


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Reservations:
    """Count each table that is there; MissingSchema only when none of the two that matter is."""
    bound = settings.outbox.count_limit + 1
    rules = settings.reservations
    piles, notes, failure = {}, [], None
    for table, (pending, stuck, order) in PILES.items():
        try:
            await sources.postgres.require(table, "created_at", pending.split()[0], order)
        except MissingSchema as error:
            failure = failure or error
            notes.append(str(error))
            continue
        sql = PILE_SQL.format(table=table, pending=pending, stuck=stuck, order=order)
        async with sources.postgres.read(f"the {table} query") as tx:
            row = await tx.row(sql, bound, float(rules.stuck_after_s))
        piles[table] = Pile(pending=row["pending"], stuck=row["stuck"], oldest_s=row["oldest_s"])
    if failure and not piles.keys() & set(PURCHASE):
        raise failure
    ages = [pile.oldest_s for pile in piles.values() if pile.oldest_s is not None]
    purchases, doubt = await _once(sources, piles, bound, float(rules.stuck_after_s))
    offers = piles.get("offer_reservations", NONE)
    return Reservations(
        source="postgres",
        notes=(*notes, *doubt),
        pending=purchases.pending + offers.pending,
        stuck=purchases.stuck + offers.stuck,
        oldest_s=max(ages, default=None),
        by_table=piles,
        capped=any(pile.pending >= bound for pile in piles.values()),
    )


async def _once(
    sources: Sources, piles: Mapping[str, Pile], bound: int, stuck_after_s: float
) -> tuple[Pile, tuple[str, ...]]:
    """Orders and activations as purchases, each once; and a note where that can't be told."""
    orders, activations = (piles.get(table, NONE) for table in PURCHASE)
    if not orders.pending or not activations.pending or max(orders.pending, activations.pending) >= bound:
        # Of one kind alone each row is a purchase; beyond the bound the larger kind is counted well enough.
        larger = max(orders, activations, key=lambda pile: pile.pending)
        return replace(larger, stuck=max(orders.stuck, activations.stuck)), ()
    try:
        for table in PURCHASE:
            await sources.postgres.require(table, "user_id", "idempotency_key")
    except MissingSchema as error:
        both = Pile(pending=orders.pending + activations.pending, stuck=orders.stuck + activations.stuck, oldest_s=None)
        return both, (f"a purchase may be counted twice, as an order and as an activation: {error}",)
    sql = ONCE_SQL.format(
        orders=PILES["purchase_orders"][0],
        orders_stuck=PILES["purchase_orders"][1],
        activations=PILES["activations"][0],
        activations_stuck=PILES["activations"][1],
    )
    async with sources.postgres.read("the purchases' query") as tx:
        row = await tx.row(sql, bound, stuck_after_s)
    return Pile(pending=row["pending"], stuck=row["stuck"], oldest_s=None), ()


def _reasons(value: Reservations, settings: Settings) -> Iterator[Judgement]:
    rules = settings.reservations
    if value.pending > rules.limit:
        yield Judgement(
            "SEV-2", f"{count(value.pending, value.capped)} reservations are pending, over the runbook's {rules.limit}"
        )
    elif value.stuck > rules.alert_limit:
        yield Judgement("SEV-3", f"{count(value.stuck)} reservations are stuck, over the alert's {rules.alert_limit}")


def _summary(value: Reservations) -> str:
    return f"{count(value.pending, value.capped)} pending, {count(value.stuck)} stuck"


def _numbers(value: Reservations, every: float, now: datetime) -> Numbers:
    return {"reservations_pending": value.pending, "reservations_stuck": value.stuck}


def _states(value: Reservations, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    rules = settings.reservations
    over = value.pending > rules.limit
    state = f"{'over' if over else 'under'} {rules.limit}"
    yield SubjectState(
        "reservations", state, f"{count(value.pending)} reservations are pending: {state}", usual=not over
    )
    stuck = value.stuck > rules.alert_limit
    state = f"{'over' if stuck else 'not over'} {rules.alert_limit}"
    yield SubjectState(
        "stuck reservations", state, f"{count(value.stuck)} reservations are stuck: {state}", usual=not stuck
    )


RECONCILE_EVERY_S = 900  # the newest worker's round; the oldest install has none at all (nexnum.md#reconcile)


def _stopped(view: View[Reservations]) -> ProbeResult:
    """Whether something is overdue by more than a round: an idle reconciler logs nothing, so only data can tell."""
    value = view.value
    limit = view.settings.reservations.stuck_after_s + RECONCILE_EVERY_S
    if not value.stuck or value.oldest_s is None:
        return ProbeResult(text="nothing is stuck: no sign that the reconciler stopped", value=False)
    if value.oldest_s > limit:
        text = f"{count(value.stuck)} stuck, the oldest {duration(value.oldest_s)} old: a running one leaves none over "
        return ProbeResult(text=text + duration(limit), value=True)
    log = CHANGES.value(view.readings)
    work = (change for change in (log.changes if log is not None else ()) if change.kind is ChangeKind.SCHEDULER)
    last = next((change for change in work if change.target == RECONCILER), None)
    if last is not None and last.after == STOPPED:
        return ProbeResult(text=f"{count(value.stuck)} stuck: {last.text}", value=True)
    return ProbeResult(
        text=f"{count(value.stuck)} stuck, none for longer than {duration(limit)}: its next round may come", value=False
    )


def _piles(attribute: str, word: str) -> Read:
    def read(view: View[Reservations]) -> ProbeResult:
        value = view.value
        number = getattr(value, attribute)
        tables = ", ".join(f"{count(getattr(pile, attribute))} {table}" for table, pile in value.by_table.items())
        more = "at least " if value.capped and number else ""
        twice = sum(getattr(pile, attribute) for pile in value.by_table.values()) > number
        once = "; a purchase is one of each and counts once" if twice else ""
        return ProbeResult(
            text=f"{more}{count(number)} {word}" + (f": {tables}{once}" if tables else ""), value=float(number)
        )

    return read


def _probe(name: str, title: str, read: Read, kind: str = "number", **options: Unpack[ProbeOptions]) -> Probe:
    return Probe(name=name, title=title, signal="reservations", kind=kind, read=read, **options)


PROBES = (
    _probe("reservations.pending", "reservations that are pending", _piles("pending", "pending")),
    _probe("reservations.stuck", "reservations that are stuck", _piles("stuck", "stuck")),
    _probe(
        "reservations.oldest",
        "age of the oldest reservation",
        oldest("none is pending", "oldest_s"),
        unit="seconds",
    ),
    _probe("reconcile.stopped", "whether the reconciler makes no progress", _stopped, "flag"),
)
SIGNAL = Signal(
    name="reservations",
    kind=Reservations,
    read=read,
    summary=_summary,
    timeout=6.0,
    needs=("postgres",),
    reasons=_reasons,
    numbers=_numbers,
    metrics={
        "reservations_pending": MetricSpec("reservations pending", count, drawn=True, told_above=50),
        "reservations_stuck": MetricSpec("reservations stuck", count),
    },
    exported=(
        gauge("reservations_pending", "Purchases that are pending, each once.", "pending"),
        gauge("reservations_stuck", "Purchases that are stuck, each once.", "stuck"),
        gauge("reservations_oldest_seconds", "Age of the oldest reservation.", "oldest_s"),
    ),
    observe=_states,
    probes=PROBES,
)
