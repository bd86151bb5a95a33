"""Attributes purchases to providers and answers the runbook's first question: does one provider fail, or do all?

(nexnum.md#one-or-all, #best-route)
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..text.units import count, duration, percent
from .likelihood import at_most

if TYPE_CHECKING:
    from ..settings import TransactionRules
    from .provider_names import ProviderNames

CHANCE = 2  # so many failures at one provider may be chance, whatever their rate
TOO_SELDOM = 0.02
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

# A best-route sale is booked to the provider that was asked first; its number's activation_id says who sold it
# (nexnum.md#best-route), as in "5sim:2119". `n` is the table numbers.
SELLER_SQL = "CASE WHEN n.activation_id LIKE '%:%' THEN split_part(n.activation_id, ':', 1) END"
# Whether one provider sold a number: $1 is its name, $2 its name and display name. Index: (provider, status).
SOLD_BY_SQL = f"n.provider = ANY ($2::text[]) AND coalesce({SELLER_SQL}, $1) = $1"


@dataclass(frozen=True, kw_only=True)
class SellerColumns:
    """How a query on activations `a` learns who sold: `number` is a column of the inner one, the rest of the outer."""

    sql: str
    number: str
    join: str
    sold_at: str
    notes: tuple[str, ...] = ()


def seller_columns(tables: Mapping[str, Container[str]]) -> SellerColumns:
    """By the tables that there are; without numbers to look at, the seller is who was asked, and a note says so."""
    numbers, activations = tables.get("numbers", ()), tables.get("activations", ())
    missing = [column for column in ("id", "activation_id", "created_at") if column not in numbers]
    if missing or "number_id" not in activations:
        lacks = f"numbers has no {', '.join(missing)}" if missing else "activations has no number_id"
        return SellerColumns(
            sql="NULL::text AS seller, NULL::text AS shop",
            number="NULL::text AS number_id",
            join="",
            sold_at="a.updated_at",
            notes=(f"sales are counted where they were asked for, which may not be who sold: {lacks}",),
        )
    shop = "n.provider" if "provider" in numbers else "NULL::text"
    columns = "activation_id, created_at" + (", provider" if "provider" in numbers else "")
    # OFFSET keeps the planner from reading all numbers at once: some thousand look-ups by key are cheaper than those.
    number = f"SELECT {columns} FROM numbers WHERE id = a.number_id OFFSET 0"
    return SellerColumns(
        sql=f"{SELLER_SQL} AS seller, {shop} AS shop",
        number="number_id",
        join=f"LEFT JOIN LATERAL ({number}) n ON true",
        sold_at="coalesce(n.created_at, a.updated_at)",
    )


def seller(prefix: str | None, shop: str | None, asked: str | None, names: ProviderNames) -> str:
    """The key of the provider that a purchase belongs to.

    By its number's prefix, else by the name in the number's row (a display name at times), else by who was asked.
    """
    for label in (prefix, shop):
        if label and (names.find(label) is not None or not names.providers):
            return names.key(label)
    return names.key(asked)


@dataclass(frozen=True, kw_only=True)
class ProviderTraffic:
    """One provider's purchases, counted as `Transactions` counts them all.

    `failure_rate` is 0..1 over `decided`, None where nothing was decided. `oldest_s` is the age of the oldest purchase
    in flight, `silent_s` the time since a purchase was last decided here; None where there is none. `id` is the
    provider's row, "" where it is not known: two providers may have names that differ in case only. `minute` purchases
    were decided in the last minute, and `minute_failures` of them failed; 0 of 0 where only counters are read.
    """

    name: str
    attempts: int
    failures: int
    failure_rate: float | None
    in_flight: int = 0
    overdue: int = 0
    oldest_s: float | None = None
    newest_s: float | None = None
    silent_s: float | None = None
    id: str = ""
    minute: int = 0
    minute_failures: int = 0
    decided: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decided", self.attempts - self.in_flight)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The runbook's first question. verdict: one, some, all, none or unknown ("too few to say").

    `provider` is set when the verdict is "one"; `because` states the numbers that it rests on.
    """

    verdict: str = "unknown"
    provider: str | None = None
    because: str = ""


def judge(providers: Sequence[ProviderTraffic], rules: TransactionRules, high_rate: float) -> Scope:
    """Who fails, by the settings' rules, over decided purchases.

    A provider fails from `rules.provider_failing` on; where the whole is at `high_rate` or above and no
    provider reaches that, the bar falls to `high_rate`, so that "none" is never said of a bad whole.
    Where several fail, one that fails half as often as the whole is not spared, nor one with so few purchases that
    chance alone may put it below the bar.
    One that fails is "one provider" where the others together stay below `high_rate`, or where it has `one_share` of
    all failures. A provider that has the only traffic is compared with nothing: its failing is neither one nor all.
    """
    decided, failures = sum(p.decided for p in providers), sum(p.failures for p in providers)
    if decided < rules.few:
        window = duration(rules.window_s)
        few = f"{count(decided)} decided purchases in {window} are too few to say: {rules.few} are needed"
        return Scope(because=few if decided else f"no purchase was decided in {window}")
    judged = [p for p in providers if p.decided >= rules.provider_few]
    bar = rules.provider_failing
    if failures / decided >= high_rate and not any(_fails(p, bar) for p in judged):
        bar = min(bar, high_rate)
    failing = _failing(judged, bar)
    if not failing:
        return _nobody(decided, failures, high_rate)
    if len(failing) > 1:
        failing = _failing(judged, min(bar, max(high_rate, failures / decided / 2)))
        alike = [p for p in judged if p not in failing and _may_fail_so(p, failures / decided, high_rate)]
        failing = sorted((*failing, *alike), key=lambda p: (-p.failures, p.name))
    others = [p for p in providers if p not in failing]
    if len(failing) == len(judged):
        return _everybody(failing, others)
    if len(failing) == 1:
        return _single(failing[0], others, failures, rules.one_share, high_rate)
    names = ", ".join(f"{p.name} {percent(p.failures / p.decided)}" for p in failing[:3])
    more = f" and {_number(len(failing) - 3)} more" if len(failing) > 3 else ""
    said = f"{_number(len(failing))} of {_number(len(judged))} providers fail ({names}{more}); {_rest(others)}"
    return Scope(verdict="some", because=said)


def _failing(judged: Sequence[ProviderTraffic], bar: float) -> list[ProviderTraffic]:
    return sorted((p for p in judged if _fails(p, bar)), key=lambda p: (-p.failures, p.name))


def _may_fail_so(provider: ProviderTraffic, rate: float, high_rate: float) -> bool:
    """Whether it fails much, and no more seldom than chance may have it where all fail at this rate."""
    fails = provider.failures > CHANCE and provider.failures >= high_rate * provider.decided
    return fails and at_most(provider.failures, provider.decided, rate) >= TOO_SELDOM


def _fails(provider: ProviderTraffic, bar: float) -> bool:
    return provider.failures > CHANCE and provider.failures >= bar * provider.decided


def _single(
    worst: ProviderTraffic, others: Sequence[ProviderTraffic], failures: int, one_share: float, high_rate: float
) -> Scope:
    """One provider fails: it is the only one out of line, unless the others fail too much to be in line."""
    elsewhere = failures - worst.failures
    in_line = elsewhere < high_rate * sum(p.decided for p in others)
    if in_line or worst.failures >= one_share * failures:
        said = (
            f"{count(worst.failures)} of {count(failures)} failures at {worst.name} ({_of_its(worst)}); {_rest(others)}"
        )
        return Scope(verdict="one", provider=worst.name, because=said)
    said = f"{worst.name} fails {_of_its(worst)}, but has only {count(worst.failures)} of {count(failures)} failures"
    return Scope(verdict="some", because=f"{said}; {_rest(others)}")


def _nobody(decided: int, failures: int, high_rate: float) -> Scope:
    whole = f"{count(failures)} of {count(decided)} fail ({percent(failures / decided)})"
    if failures / decided < high_rate:
        return Scope(verdict="none", because=f"{whole}; no provider stands out")
    return Scope(because=f"{whole}, too few at each provider")


def _everybody(failing: Sequence[ProviderTraffic], others: Sequence[ProviderTraffic]) -> Scope:
    if len(failing) == 1:
        worst = failing[0]
        known = f"{_rest(others)}, too few to compare" if others else "there is no other to compare with"
        return Scope(because=f"{worst.name} fails {_of_its(worst)}; {known}")
    rates = sorted(p.failures / p.decided for p in failing)
    spread = " to ".join(dict.fromkeys((percent(rates[0]), percent(rates[-1]))))
    who = "both" if len(failing) == 2 else f"all {_number(len(failing))}"
    return Scope(verdict="all", because=f"{spread} fail at {who} providers with enough purchases")


def _rest(others: Sequence[ProviderTraffic]) -> str:
    decided, failures = sum(p.decided for p in others), sum(p.failures for p in others)
    if not decided:
        return "the others have no decided purchases"
    if len(others) == 1:
        return f"the other one, {others[0].name}, fails {percent(failures / decided)} of {count(decided)}"
    return f"the other {_number(len(others))} fail {percent(failures / decided)} of {count(decided)}"


def _of_its(provider: ProviderTraffic) -> str:
    return f"{percent(provider.failures / provider.decided)} of its {count(provider.decided)}"


def _number(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else str(count)
