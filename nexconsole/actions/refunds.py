"""What a reconcile would credit: money that was paid, and money that was never taken. (nexnum.md#reconcile)"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from ..errors import SourceError
from ..text.units import count
from .action import Context
from .plan import Guard

PER_CALL = 100  # rows in each of the route's three sections
STEPS = Decimal("0.5")  # a bound is rounded up to 1, 1.5, 2 ... 9.5 times a power of ten: it holds while rows come
# the route takes RESERVED ones from 300 s on (nexnum.md#stuck-rows); a little sooner, as it runs later
ROUTE_STUCK_S = 295.0
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
    """What the route's third step would credit. `rows` failed and were never paid. `stuck` ones are failed by its
    second step first. `total` is the sum of both, `most` what one call can credit of it, `owed` the rows that were
    paid for.
    """

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
        """The confirmed limit: no call may credit more."""
        return rounded_up(self.most)

    def __str__(self) -> str:
        failed, stuck = (
            f"{count(self.rows)} failed activations",
            f"{count(self.stuck)} of the stuck, which it fails first,",
        )
        return " and ".join([failed] * bool(self.rows or not self.stuck) + [stuck] * bool(self.stuck))


async def read(context: Context) -> Refunds | SourceError:
    try:
        await context.sources.postgres.require(
            "activations", "state", "price", "refund_tx_id", "captured_tx_id", "created_at"
        )
        async with context.sources.postgres.read("the refunds query") as tx:
            return Refunds(**dict(await tx.row(REFUNDS_SQL, ROUTE_STUCK_S)))
    except SourceError as error:
        return error


def guard(refunds: Refunds | SourceError) -> Guard:
    name = "refunds"
    if isinstance(refunds, SourceError):
        reason = f"what it would credit for money never taken can't be read: {refunds}"
        return Guard(name=name, level="warn", reason=reason)
    if not refunds.all:
        return Guard(name=name, level="ok", reason="no activation would be credited that was never paid")
    reason = (
        f"{refunds} were never paid: their {money(refunds.total)} would become customers' balance, {PER_CALL} rows a"
        f" call. What you confirm is a limit: should it be more than {money(refunds.bound)} when it is sent, nothing is"
        " sent"
    )
    return Guard(name=name, level="warn", reason=reason)


def rounded_up(amount: Decimal) -> Decimal:
    if amount <= 0:
        return Decimal(0)
    unit = Decimal(1).scaleb(amount.adjusted())
    steps = (amount / unit / STEPS).to_integral_value(ROUND_CEILING)
    return steps * STEPS * unit


def money(amount: Decimal) -> str:
    """Without an exponent or trailing zeros: 50, 0.4, 12.35."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def up_to(bound: Decimal) -> str:
    """The text to type: a limit in words, so that nobody takes it for a count of rows."""
    return f"up to {money(bound)}"
