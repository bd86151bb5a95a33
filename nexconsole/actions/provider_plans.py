"""Plans to disable or enable a provider: effect and guards. (nexnum.md#disabling)"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..signals.counts import NOTHING, Counts, SourceCounts
from ..text.sanitize import clean
from ..text.units import count, percent, period, several
from .action import Context
from .failure_rate_change import Rate
from .plan import Guard
from .provider_rows import COUNT_LIMIT, ProviderRow, ProviderTable, api_missing, circuit_of, unhealthy

if TYPE_CHECKING:
    from ..settings import Settings

ENOUGH = 8.0  # a silence in which so many attempts would have come is no chance, however often one looks
QUIET_LEAST_S = 5.0


@dataclass(frozen=True, kw_only=True)
class ProviderSituation:
    """The readings behind a plan. `way` says whether the admin API can be used, None where it is not wanted. `newest`:
    the version with best route, whose search index the admin API purges.
    """

    table: ProviderTable
    row: ProviderRow
    seen: SourceCounts | None
    live: int
    way: Guard | None
    newest: bool = False

    @property
    def by_api(self) -> bool:
        return self.way is not None and self.way.level == "ok"

    @property
    def mine(self) -> Counts:
        return self.seen.of(self.row.name) if self.seen else NOTHING

    def rest(self, window_s: float) -> dict[str, Any] | None:
        """The purchases at all other providers, as plain data of a Rate; None where nobody counts them."""
        if self.seen is None:
            return None
        whole, mine = self.seen.whole, self.mine
        return asdict(
            Rate(
                source=self.seen.source,
                attempts=whole.attempts - mine.attempts,
                failures=whole.failures - mine.failures,
                open=whole.in_flight - mine.in_flight,
                seconds=window_s,
            )
        )


def quiet_s(mine: Counts, settings: Settings) -> float:
    """How long a silence must be to prove something at this traffic, in seconds."""
    if not mine.attempts:
        return 0.0
    return max(QUIET_LEAST_S, ENOUGH * settings.transactions.window_s / mine.attempts)


def share(picture: ProviderSituation) -> float:
    """Its share of the purchases that succeed, 0..1."""
    if picture.seen is None:
        return 0.0
    total = picture.seen.decided - picture.seen.failures
    return (picture.mine.decided - picture.mine.failures) / total if total > 0 else 0.0


def last_healthy(context: Context, picture: ProviderSituation) -> Guard:
    """Warns where no other healthy active provider is left; then the name must be typed."""
    others = [row for row in picture.table.rows if row.active and row.id != picture.row.id]
    ill = {clean(row.name, 60): unhealthy(context, row.name, picture.seen) for row in others}
    well = [name for name, why in ill.items() if why is None]
    name = "healthy providers left"
    if well:
        return Guard(name=name, level="ok", reason=f"{len(well)} others are active and healthy")
    rest = "; ".join(f"{other}: {why}" for other, why in list(ill.items())[:3]) or "no other is active"
    return Guard(name=name, level="warn", reason=f"this leaves no healthy active provider ({rest})")


def live(picture: ProviderSituation) -> Guard:
    if not picture.live:
        return Guard(name="live numbers", level="ok", reason="no live number depends on it")
    reason = (
        f"{_number(picture.live)} live numbers depend on it: the oldest versions look for their codes and cancel them"
        " at active providers only, and still refund them here"
    )
    return Guard(name="live numbers", level="warn", reason=reason)


def offers(context: Context, picture: ProviderSituation) -> Guard:
    if picture.by_api:
        reason = (
            "the newest versions take its offers from the index at once, older ones leave them: buying those is 503"
        )
        return Guard(name="its offers", level="ok", reason=reason)
    if not picture.newest:
        reason = "its offers stay on sale, nothing takes them out of the search index: buying one answers 503"
        return Guard(name="its offers", level="warn", reason=reason)
    reason = (
        "SQL can't take its offers out of the search index: who asks for it is refused (404) for as long as it is"
        " disabled, and so is everybody who leaves the choice to NexNum (best route, 404 E_NO_ROUTE) wherever its offer"
        f" is the cheapest{_hit(picture)}. The admin API takes them out: {_by_api(context)}"
    )
    return Guard(name="its offers", level="warn", reason=reason)


def _by_api(context: Context) -> str:
    if api_missing(context.settings, context.sources):
        return "set api.url and api.admin_token"
    return "it can't be used now" if context.settings.actions.provider_by != "sql" else "set actions.provider_by"


def _hit(picture: ProviderSituation) -> str:
    """How many recent customers it would have hit, as far as that is known."""
    if picture.seen is None or not picture.mine.attempts:
        return ""
    return f": {count(picture.mine.attempts)} of the last {count(picture.seen.attempts)} purchases went there"


def healthy(context: Context, picture: ProviderSituation) -> Guard:
    """Warns where the provider looks healthy; then the name must be typed."""
    name, mine, rules = "it fails", picture.mine, context.settings.transactions
    circuit = circuit_of(context.readings(), picture.row.name)
    if (why := unhealthy(context, picture.row.name, picture.seen)) is not None:
        return Guard(name=name, level="ok", reason=f"{picture.row.name} is ill: {why}")
    if circuit is not None and circuit.flapping:
        return Guard(name=name, level="ok", reason=f"{picture.row.name} is ill: its circuit flaps")
    if mine.overdue:
        return Guard(name=name, level="ok", reason=f"{several(mine.overdue, 'purchase')} there are overdue")
    if picture.seen is None or mine.decided < rules.provider_few:
        reason = f"{picture.row.name} does not look ill: {several(mine.decided, 'decided purchase')} lately"
        return Guard(name=name, level="ok", reason=reason)
    part = percent(mine.attempts / picture.seen.attempts)
    reason = (
        f"{picture.row.name} is healthy: {count(mine.failures)} of {count(mine.decided)}"
        f" failed; {part} of purchases go there"
    )
    return Guard(name=name, level="warn", reason=reason)


def disabling(context: Context, picture: ProviderSituation) -> str:
    mine, seen = picture.mine, picture.seen
    part = "its share of the traffic is unknown"
    if seen is not None and seen.attempts:
        share = f"{percent(mine.attempts / seen.attempts)} of purchases"
        waits = f", {count(mine.in_flight)} in flight" if mine.in_flight else ""
        part = (
            f"it has {share} ({count(mine.attempts)} of {count(seen.attempts)}, {count(mine.failures)} failed{waits})"
        )
    elif seen is not None:
        part = "nobody has tried to buy lately"
    end = "customers who want its offers fail or are refused, not served elsewhere"
    if picture.by_api and picture.newest:
        end = "its offers leave the search index at once, so that customers are offered the others'"
    return (
        f"Disables {picture.row}: {part}, and {_number(picture.live)} live numbers; within "
        f"{period(context.settings.actions.provider_cache_s)}, when the pods' caches have expired; {end}"
    )


def enabling(context: Context, picture: ProviderSituation) -> str:
    return (
        f"Enables {picture.row}: its offers can be bought again within"
        f" {period(context.settings.actions.provider_cache_s)}, as far as they are still in the search index"
    )


def _number(count: int) -> str:
    return f"{COUNT_LIMIT}+" if count >= COUNT_LIMIT else str(count)
