"""Whether purchases fail less than before: what a verdict on the pods rests on besides the pods. (facts 1.5, 2.5)

A purchase that hangs is undecided for up to 45 s, so what is open counts as failed where help is to be proven,
and as nothing where harm is.
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
from .action import Context
from .plan import Verdict

SURE = 3.0  # standard errors between two rates that are called different
MANY = 2  # times as many purchases as are judged by prove help: it is looked at often, and chance has as many tries
HALF = 0.5
ALIKE = 0.75  # a rate that is still so much of what it was has not fallen
SCRAPES_S = 60.0  # shorter windows hold too few of Prometheus' scrapes
CALM_S = 15.0  # so long a calm system is watched after the pods are ready
SINCE_SQL = f"""
SELECT count(*) AS attempts, count(*) FILTER (WHERE {traffic.FAILED}) AS failures,
       count(*) FILTER (WHERE captured_tx_id IS NULL AND state::text IN ('INIT', 'RESERVED')) AS open
FROM activations WHERE {{states}} AND created_at >= now() - make_interval(secs => $1)
"""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Purchases in some seconds: tried, failed, and not decided yet. `source` counted them."""

    source: str
    attempts: int
    failures: int
    open: int = 0

    @property
    def share(self) -> float:
        """Of what is decided, the part that failed; 0 where nothing is."""
        return self.failures / self.decided if self.decided else 0.0

    @property
    def decided(self) -> int:
        return self.attempts - self.open

    @property
    def worst(self) -> float:
        """The part that failed, if all that is open fails too."""
        return (self.failures + self.open) / self.attempts if self.attempts else 0.0

    def __str__(self) -> str:
        more = f", {self.open} open" if self.open else ""
        return f"{100 * self.share:.0f} % ({self.failures} of {self.decided}{more})"


async def measure(context: Context, seconds: float, source: str) -> Rate | None:
    """The last `seconds`; None where that is too short for what Prometheus has scraped. Raises SourceError."""
    if source == "prometheus":
        return await _counted(context, seconds) if seconds >= SCRAPES_S else None
    states = await traffic.every_state(context.sources)
    async with context.sources.postgres.read("the purchases query") as tx:
        row = await tx.row(SINCE_SQL.format(states=states), float(seconds))
    return Rate(source="postgres", attempts=row["attempts"], failures=row["failures"], open=row["open"])


async def _counted(context: Context, seconds: float) -> Rate:
    rules = msgspec.structs.replace(context.settings.transactions, window_s=round(seconds))
    settings = msgspec.structs.replace(context.settings, transactions=rules)
    counted = await counters.from_prometheus(context.sources, settings)
    if counted is None:
        raise SourceError("prometheus", "prometheus has no series of purchases")
    return Rate(source="prometheus", attempts=counted.attempts, failures=counted.failures)


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


def judge(then: Rate, now: Rate, context: Context, waited_s: float, last: bool) -> Verdict | None:
    """What the rates say; None while that is not clear and there is time to wait."""
    few, high = context.settings.transactions.few, context.settings.severity.high_rate
    if then.open > then.decided:
        # Where most purchases hang, hanging is what is wrong.
        then = replace(then, failures=then.failures + then.open, open=0)
    if calm(then, context):
        return _after_calm(then, now, few, high, waited_s, last)
    if now.attempts < few:
        because = f"{then} failed before, and {now.attempts} purchases since are too few to tell"
        return Verdict(state="unknown", because=because) if last else None
    said = f"{then} failed before, {now} since"
    if now.attempts >= MANY * few and now.worst < HALF * then.share and _apart(then, now.worst, now.attempts):
        still = f", which is still above {100 * high:.0f} %" if now.worst >= high else ""
        return Verdict(state="worked", because=said + still)
    if now.decided >= few and now.share > then.share and _apart(then, now.share, now.decided):
        return Verdict(state="worse", because=said)
    if now.decided >= few and now.share >= ALIKE * then.share and now.open <= now.decided:
        return Verdict(state="no effect", because=said)
    if not last:
        return None
    if now.worst >= HALF * then.share and now.share >= high:
        return Verdict(state="no effect", because=f"{said}: it has not fallen by half")
    return Verdict(state="unknown", because=f"{said}: too early to tell")


def calm(then: Rate, context: Context) -> bool:
    """Whether purchases were not what was wrong."""
    return then.decided < context.settings.transactions.few or then.share < context.settings.severity.high_rate


def _after_calm(then: Rate, now: Rate, few: int, high: float, waited_s: float, last: bool) -> Verdict | None:
    said = f"{now} of the purchases fail since" if now.decided else "nobody has bought since"
    if now.decided >= few and now.share >= high and _apart(then, now.share, now.decided):
        return Verdict(state="worse", because=f"{said}, {then} before")
    if waited_s < CALM_S and not last:
        return None
    return Verdict(state="worked", because=f"{said}; before it was calm, too")


def _apart(then: Rate, share: float, count: int) -> bool:
    """Whether chance hardly explains that the two differ."""
    both = (then.failures + share * count) / (then.decided + count)
    error = math.sqrt(both * (1 - both) * (1 / max(1, then.decided) + 1 / count))
    return error > 0 and abs(then.share - share) >= SURE * error
