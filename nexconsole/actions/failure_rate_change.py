"""Whether customers fare better than before: what a verdict rests on besides what was changed.

(nexnum.md#purchase-rows, #one-or-all, #refused) A purchase that hangs is undecided for up to 45 s, so what is open
counts as failed where help is to be proven, and as nothing where harm is.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from ..errors import SourceError
from ..signals import counters, traffic
from ..text.units import count, duration, percent
from . import customer_refusals
from .action import Context
from .customer_refusals import SCRAPES_S
from .plan import Verdict

SURE = 3.0  # standard errors between two rates that are called different
MANY = 2  # times as many purchases as are judged by prove help: it is looked at often, and chance has as many tries
HALF = 0.5
ALIKE = 0.75  # a rate that is still so much of what it was has not fallen
DUE = 8.0  # so many customers were due: that none has bought is no chance
CALM_S = 15.0  # so long a calm system is watched after the pods are ready
SINCE_SQL = f"""
SELECT count(*) AS attempts, count(*) FILTER (WHERE {traffic.FAILED}) AS failures,
       count(*) FILTER (WHERE captured_tx_id IS NULL AND state::text IN ('INIT', 'RESERVED')) AS open
FROM activations WHERE {{states}} AND created_at >= now() - make_interval(secs => $1)
"""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Customers in `seconds` (0: not known): `attempts` have a row, of which some failed and some are still `open`.

    `source` counted the rows. `refused` ones have none: nobody offers what they asked for; None where nobody counts
    them, else `refused_by` did.
    """

    source: str
    attempts: int
    failures: int
    open: int = 0
    refused: int | None = None
    refused_by: str = ""
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """Customers who got nothing: failed or refused."""
        return self.failures + (self.refused or 0)

    @property
    def tried(self) -> int:
        return self.attempts + (self.refused or 0)

    @property
    def decided(self) -> int:
        return self.tried - self.open

    @property
    def sold(self) -> int:
        return self.decided - self.lost

    @property
    def share(self) -> float:
        """Of what is decided, the part that failed or was refused; 0 where nothing is."""
        return self.lost / self.decided if self.decided else 0.0

    @property
    def worst(self) -> float:
        """The same part, if all that is open fails too."""
        return (self.lost + self.open) / self.tried if self.tried else 0.0

    @property
    def customers(self) -> str:
        """`sold 12, failed 1, refused 20, waiting 2`."""
        refused = "refused not known" if self.refused is None else f"refused {count(self.refused)}"
        return f"sold {count(self.sold)}, failed {count(self.failures)}, {refused}, waiting {count(self.open)}"

    def __str__(self) -> str:
        more = f", {count(self.open)} waiting" if self.open else ""
        refused = f", {count(self.refused)} of them refused" if self.refused else ""
        return f"{percent(self.share)} ({count(self.lost)} of {count(self.decided)}{refused}{more})"


async def measure(context: Context, seconds: float, source: str) -> Rate | None:
    """The last `seconds`; None where that is too short for what Prometheus has scraped. Raises SourceError."""
    if source == "prometheus":
        return await _counted(context, seconds) if seconds >= SCRAPES_S else None
    refused = await customer_refusals.count(context, seconds)
    states = await traffic.every_state(context.sources)
    async with context.sources.postgres.read("the purchases query") as tx:
        row = await tx.row(SINCE_SQL.format(states=states), float(refused.seconds if refused else seconds))
    rate = Rate(
        source="postgres", attempts=row["attempts"], failures=row["failures"], open=row["open"], seconds=seconds
    )
    blind = refused is not None and not refused.customers and rate.attempts > 0  # its lines are not logged here
    if refused is None or blind:
        return rate
    return replace(rate, refused=refused.count, refused_by=refused.by, seconds=refused.seconds)


async def _counted(context: Context, seconds: float) -> Rate:
    rules = msgspec.structs.replace(context.settings.transactions, window_s=round(seconds))
    settings = msgspec.structs.replace(context.settings, transactions=rules)
    counted = await counters.from_prometheus(context.sources, settings)
    if counted is None:
        raise SourceError("prometheus", "prometheus has no series of purchases")
    return Rate(source="prometheus", attempts=counted.attempts, failures=counted.failures, seconds=seconds)


async def before(context: Context) -> dict[str, Any] | None:
    """The rate of the settings' window as plain data for a plan, from rows where they can be read, else from counters;
    None where nobody can tell."""
    for source in ("postgres", "prometheus"):
        if context.sources.has(source):
            with contextlib.suppress(SourceError):
                rate = await measure(context, context.settings.transactions.window_s, source)
                if rate is not None:
                    return asdict(rate)
    return None


def restored(data: object) -> Rate | None:
    return Rate(**data) if isinstance(data, Mapping) else None


def comparable(then: Rate, now: Rate) -> tuple[Rate, Rate]:
    """Both without the refused ones, unless the same source counted those both times."""
    if then.refused is not None and now.refused is not None and then.refused_by == now.refused_by:
        return then, now
    return replace(then, refused=None), replace(now, refused=None)


def worse(then: Rate, now: Rate, context: Context) -> bool:
    """Whether clearly more customers fail or are refused than before."""
    then, now = comparable(then, now)
    few, high = context.settings.transactions.few, context.settings.severity.high_rate
    above = now.share >= high or not calm(then, context)
    return now.decided >= few and above and now.share > then.share and apart(then, now.share, now.decided)


def judge(then: Rate, now: Rate, context: Context, waited_s: float, last: bool) -> Verdict | None:
    """What the rates say; None while that is not clear and there is time to wait."""
    few, high = context.settings.transactions.few, context.settings.severity.high_rate
    then, now = comparable(then, now)
    if then.open > then.decided:
        # Where most purchases hang, hanging is what is wrong.
        then = replace(then, failures=then.failures + then.open, open=0)
    if calm(then, context):
        return _after_calm(then, now, few, high, waited_s, last)
    if now.tried < few:
        because = f"{then} failed before, and {now.tried} purchases since are too few to tell"
        return Verdict(state="unknown", because=because) if last else None
    said = f"{then} failed before, {now} since"
    if now.tried >= MANY * few and now.worst < HALF * then.share and apart(then, now.worst, now.tried):
        still = f", which is still above {percent(high)}" if now.worst >= high else ""
        return Verdict(state="worked", because=said + still)
    if now.decided >= few and now.share > then.share and apart(then, now.share, now.decided):
        return Verdict(state="worse", because=said)
    if now.decided >= few and now.share >= ALIKE * then.share and now.open <= now.decided:
        return Verdict(state="no effect", because=said)
    if not last:
        return None
    if now.worst >= HALF * then.share and now.share >= high:
        return Verdict(state="no effect", because=f"{said}: it has not fallen by half")
    return Verdict(state="unknown", because=f"{said}: too early to tell")


async def seen_by_customers(
    verdict: Verdict, before: object, context: Context, waited_s: float, last: bool
) -> Verdict | None:
    """A verdict that something worked, held against the customers: where purchases hung or failed `before`, it has
    when somebody buys again. None while nobody does and there is time to wait."""
    then, now = restored(before), None
    if then is None or (calm(then, context) and then.open <= then.decided):
        return verdict
    with contextlib.suppress(SourceError):
        now = await measure(context, waited_s, then.source)
    if now is None:
        return verdict
    if now.sold or (last and expected(then, waited_s) < DUE):
        return Verdict(state=verdict.state, because=f"{verdict.because}; since: {now.customers}")
    if not last:
        return None
    due = f"{expected(then, waited_s):.0f} purchases expected"
    because = f"{verdict.because}, but nobody has bought for {duration(waited_s)} ({due}): {now.customers}"
    return Verdict(state="unknown", because=because)


def calm(then: Rate, context: Context) -> bool:
    """Whether purchases were not what was wrong."""
    return then.decided < context.settings.transactions.few or then.share < context.settings.severity.high_rate


def _after_calm(then: Rate, now: Rate, few: int, high: float, waited_s: float, last: bool) -> Verdict | None:
    said = f"{now} of the purchases fail since" if now.decided else "nobody has bought since"
    if now.decided >= few and now.share >= high and apart(then, now.share, now.decided):
        return Verdict(state="worse", because=f"{said}, {then} before")
    if waited_s < CALM_S and not last:
        return None
    if not now.sold and (due := expected(then, waited_s)) >= DUE:
        because = f"nobody has bought for {duration(waited_s)} ({due:.0f} purchases expected); it was calm before"
        return Verdict(state="worse", because=because) if last else None
    return Verdict(state="worked", because=f"{said}; it was calm before, too")


def expected(then: Rate, seconds: float) -> float:
    """The customers that would come in so many seconds, by those who came before; 0 where that is not known."""
    return then.tried / then.seconds * seconds if then.seconds else 0.0


def apart(then: Rate, share: float, count: int) -> bool:
    """Whether chance hardly explains that the two differ."""
    both = (then.lost + share * count) / (then.decided + count)
    error = math.sqrt(both * (1 - both) * (1 / max(1, then.decided) + 1 / count))
    return error > 0 and abs(then.share - share) >= SURE * error
