"""Verdict on disabling or enabling a provider: later attempts there, and customers' results.

(nexnum.md#disabling, #best-route, #refused) No attempts at the provider prove nothing while customers are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..signals import attribution, traffic
from ..signals.provider_names import provider_names
from ..text.units import count, duration, several
from . import control, failure_rate_change
from .action import Context
from .failure_rate_change import Rate
from .plan import Plan, Verdict, VerdictState
from .provider_plans import ENOUGH, QUIET_LEAST_S

OTHERS_FEW = 4.0  # so many purchases elsewhere must have been due before their absence says something
SINCE_SQL = f"""
SELECT a.provider_id AS provider, {{seller}}, count(*) AS attempts, count(*) FILTER (WHERE a.failed) AS failures,
       count(*) FILTER (WHERE a.paid) AS paid, count(*) FILTER (WHERE a.open) AS open,
       count(*) FILTER (WHERE a.created_at >= now() - make_interval(secs => $2)) AS late,
       extract(epoch FROM now() - max(a.created_at))::float8 AS silent_s
FROM (SELECT provider_id, created_at, {{number}}, {traffic.FAILED} AS failed, captured_tx_id IS NOT NULL AS paid,
             captured_tx_id IS NULL AND state::text IN ('INIT', 'RESERVED') AS open
      FROM activations WHERE {{states}} AND created_at >= now() - make_interval(secs => $1)) a
{{join}} GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, kw_only=True)
class SinceSwitch:
    """Purchases since the change: at the provider and `elsewhere`. `late`: after the pods' caches expired."""

    attempts: int = 0
    failures: int = 0
    paid: int = 0
    late: int = 0
    silent_s: float | None = None
    elsewhere: int = 0
    others: Rate | None = None


@dataclass(frozen=True, kw_only=True)
class BeforeSwitch:
    """The state before: purchases a second at the provider and elsewhere, and customers' results."""

    name: str
    rate: float
    elsewhere: float
    customers: Rate | None
    others: object = None
    minute: object = None

    @classmethod
    def of(cls, plan: Plan, context: Context) -> BeforeSwitch:
        window = context.settings.transactions.window_s
        details: Mapping[str, Any] = plan.details
        return cls(
            name=str(plan.targets[0].identity["name"]),
            rate=float(details["attempts"] or 0) / window,
            elsewhere=float(details["others"] or 0) / window,
            customers=failure_rate_change.restored(details["before"]),
            others=details.get("rest"),
            minute=details.get("minute"),
        )

    def held(self, verdict: Verdict | None, now: SinceSwitch, context: Context) -> Verdict | None:
        """The verdict, held against what was not touched and against the minute before."""
        if verdict is None:
            return None
        verdict = control.as_the_others(verdict, self.others, now.others, context)
        return control.recovered_before(verdict, self.customers, self.minute, context)


async def since(context: Context, name: str, elapsed: float) -> SinceSwitch:
    """Raises SourceError."""
    cache = context.settings.actions.provider_cache_s
    states = await traffic.every_state(context.sources)
    sold_by = attribution.seller_columns(await context.sources.postgres.columns())
    names = await provider_names(context.sources)
    sql = SINCE_SQL.format(states=states, seller=sold_by.sql, number=sold_by.number, join=sold_by.join)
    async with context.sources.postgres.read("the attempts query") as tx:
        rows = await tx.fetch(sql, elapsed, max(0.0, elapsed - cache))
    key = names.key(name)
    own = [row for row in rows if attribution.seller(row["seller"], row["shop"], row["provider"], names) == key]
    figures = {column: sum(row[column] for row in own) for column in ("attempts", "failures", "paid", "late")}
    silent = min((row["silent_s"] for row in own), default=None)
    others = Rate(
        source="postgres",
        attempts=sum(row["attempts"] for row in rows) - figures["attempts"],
        failures=sum(row["failures"] for row in rows) - figures["failures"],
        open=sum(row["open"] for row in rows) - sum(row["open"] for row in own),
        seconds=elapsed,
    )
    return SinceSwitch(**figures, silent_s=silent, elsewhere=others.attempts, others=others)


async def customers(context: Context, before: BeforeSwitch, elapsed: float) -> Rate | None:
    """Customers' results since; None where they were not known before. Raises SourceError."""
    if before.customers is None:
        return None
    return await failure_rate_change.measure(context, elapsed, before.customers.source)


def disabled(
    before: BeforeSwitch, now: SinceSwitch, fared: Rate | None, context: Context, elapsed: float, last: bool
) -> Verdict | None:
    """Worked where the silence is too long for chance and customers are served; None while unclear."""
    silent = min(elapsed, now.silent_s) if now.silent_s is not None else elapsed
    if (verdict := _harmed(before, fared, context)) is not None:
        return verdict
    if before.elsewhere * elapsed >= OTHERS_FEW and now.elsewhere < before.elsewhere * elapsed / 2:
        due = f"{several(now.elsewhere, 'purchase')} elsewhere in {duration(elapsed)}"
        said = f"almost nobody could buy anywhere ({due}, {before.elsewhere * elapsed:.0f} expected)"
        because = f"{said}: the silence at {before.name} proves nothing{_told(fared)}"
        return Verdict(state="unknown", because=because) if last else None
    expected = before.rate * silent
    if before.rate > 0 and silent >= max(QUIET_LEAST_S, ENOUGH / before.rate):
        said = f"no attempts at {before.name} for {duration(silent)} ({expected:.0f} expected)"
        if (why := _unserved(fared, context)) is None:
            return Verdict(state="worked", because=f"{said}{_told(fared)}")
        return Verdict(state="unknown", because=f"{said}, but {why}{_told(fared)}") if last else None
    return _not_silent(before, now, context, elapsed, expected) if last else None


def _harmed(before: BeforeSwitch, fared: Rate | None, context: Context) -> Verdict | None:
    then = before.customers
    if then is None or fared is None or not failure_rate_change.worse(then, fared, context):
        return None
    then, fared = failure_rate_change.comparable(then, fared)
    because = f"{fared} of the customers got nothing since, {then} before: {fared.customers}"
    return Verdict(state="worse", because=because)


def _unserved(fared: Rate | None, context: Context) -> str | None:
    """Why silence is no success: customers are refused, or nobody buys."""
    if fared is None:
        return None
    if fared.refused and fared.refused >= context.settings.severity.high_rate * fared.tried:
        return "customers are refused"
    return None if fared.sold else "nobody has bought since"


def _told(fared: Rate | None) -> str:
    return "" if fared is None else f"; since: {fared.customers}"


def _not_silent(before: BeforeSwitch, now: SinceSwitch, context: Context, elapsed: float, expected: float) -> Verdict:
    cache, silent = context.settings.actions.provider_cache_s, min(elapsed, now.silent_s or elapsed)
    if now.late and elapsed > cache:
        late = f"{several(now.late, 'attempt')} at {before.name} in the {duration(elapsed - cache)}"
        return Verdict(state="no effect", because=f"{late} after its caches' time: its offers are still on sale")
    few = f"{expected:.1f} expected" if before.rate else "none before"
    because = f"no attempts at {before.name} for {duration(silent)} ({few}): too few to tell"
    return Verdict(state="unknown", because=because)


def enabled(
    before: BeforeSwitch, now: SinceSwitch, fared: Rate | None, context: Context, elapsed: float, last: bool
) -> Verdict | None:
    """Worked as soon as somebody buys there, unless more fail there than succeed."""
    if (verdict := _harmed(before, fared, context)) is not None:
        return verdict
    said = (
        f"{several(now.attempts, 'attempt')} at {before.name} since: sold"
        f" {count(now.paid)}, failed {count(now.failures)}"
    )
    if now.paid > now.failures:
        return Verdict(state="worked", because=said)
    if not last:
        return None
    if now.attempts:
        ill = now.failures >= context.settings.transactions.provider_failing * (now.paid + now.failures)
        state: VerdictState = "worked" if now.paid and not ill else "no effect" if now.failures else "unknown"
        return Verdict(state=state, because=f"{said}, in {duration(elapsed)}")
    return Verdict(state="unknown", because=f"nobody tried to buy at {before.name} within {duration(elapsed)}")
