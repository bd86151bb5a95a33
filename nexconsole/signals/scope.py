"""The runbook's first question, one provider or all?, answered from counts alone. (facts 2.5)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..text.units import duration, percent

if TYPE_CHECKING:
    from ..settings import TransactionRules

CHANCE = 2  # so many failures at one provider may be chance, whatever their rate
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, kw_only=True)
class ProviderTraffic:
    """One provider's attempts in the window. `failure_rate` is 0..1, None where nothing was attempted."""

    name: str
    attempts: int
    failures: int
    failure_rate: float | None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The runbook's first question. verdict: one, some, all, none or unknown ("too few to say").

    `provider` is set when the verdict is "one"; `because` states the numbers that it rests on.
    """

    verdict: str = "unknown"
    provider: str | None = None
    because: str = ""


def judge(providers: Sequence[ProviderTraffic], rules: TransactionRules, high_rate: float) -> Scope:
    """Who fails, by the settings' rules.

    A provider fails from `rules.provider_failing` on; where the whole is at `high_rate` or above and no
    provider reaches that, the bar falls to `high_rate`, so that "none" is never said of a bad whole.
    Where several fail, one that fails half as often as the whole is not spared: chance alone puts it below the bar.
    A provider that has the only traffic is compared with nothing, so its failing is neither one nor all.
    """
    attempts, failures = sum(p.attempts for p in providers), sum(p.failures for p in providers)
    if attempts < rules.few:
        few = f"{attempts} attempts in {duration(rules.window_s)} are too few to say: {rules.few} are needed"
        return Scope(because=few if attempts else f"nothing was attempted in {duration(rules.window_s)}")
    judged = [p for p in providers if p.attempts >= rules.provider_few]
    bar = rules.provider_failing
    if failures / attempts >= high_rate and not any(_fails(p, bar) for p in judged):
        bar = min(bar, high_rate)
    failing = sorted((p for p in judged if _fails(p, bar)), key=lambda p: (-p.failures, p.name))
    if not failing:
        return _nobody(attempts, failures, high_rate)
    if len(failing) > 1:
        bar = min(bar, max(high_rate, failures / attempts / 2))
        failing = sorted((p for p in judged if _fails(p, bar)), key=lambda p: (-p.failures, p.name))
    others = [p for p in providers if p not in failing]
    if len(failing) == len(judged):
        return _everybody(failing, others)
    worst = failing[0]
    if len(failing) == 1 and worst.failures >= rules.one_share * failures:
        said = f"{worst.failures} of {failures} failures at {worst.name} ({_of_its(worst)}); {_rest(others)}"
        return Scope(verdict="one", provider=worst.name, because=said)
    if len(failing) == 1:
        said = f"{worst.name} fails {_of_its(worst)}, but has only {worst.failures} of {failures} failures"
        return Scope(verdict="some", because=f"{said}; {_rest(others)}")
    names = ", ".join(f"{p.name} {percent(p.failures / p.attempts)}" for p in failing[:3])
    more = f" and {_number(len(failing) - 3)} more" if len(failing) > 3 else ""
    said = f"{_number(len(failing))} of {_number(len(judged))} providers fail ({names}{more}); {_rest(others)}"
    return Scope(verdict="some", because=said)


def _fails(provider: ProviderTraffic, bar: float) -> bool:
    return provider.failures > CHANCE and provider.failures >= bar * provider.attempts


def _nobody(attempts: int, failures: int, high_rate: float) -> Scope:
    whole = f"{failures} of {attempts} fail ({percent(failures / attempts)})"
    if failures / attempts < high_rate:
        return Scope(verdict="none", because=f"{whole}; no provider stands out")
    return Scope(because=f"{whole}, but at no one provider there are enough to say where")


def _everybody(failing: Sequence[ProviderTraffic], others: Sequence[ProviderTraffic]) -> Scope:
    if len(failing) == 1:
        worst = failing[0]
        known = f"{_rest(others)}, too few to compare" if others else "there is no other to compare with"
        return Scope(because=f"{worst.name} fails {_of_its(worst)}; {known}")
    rates = sorted(p.failures / p.attempts for p in failing)
    spread = f"{percent(rates[0])} to {percent(rates[-1])}"
    who = "both" if len(failing) == 2 else f"all {_number(len(failing))}"
    return Scope(verdict="all", because=f"{who} providers with enough attempts fail ({spread})")


def _rest(others: Sequence[ProviderTraffic]) -> str:
    attempts, failures = sum(p.attempts for p in others), sum(p.failures for p in others)
    if not attempts:
        return "the others have no attempts"
    if len(others) == 1:
        return f"the other one, {others[0].name}, fails {percent(failures / attempts)} of {attempts}"
    return f"the other {_number(len(others))} fail {percent(failures / attempts)} of {attempts}"


def _of_its(provider: ProviderTraffic) -> str:
    return f"{percent(provider.failures / provider.attempts)} of its {provider.attempts}"


def _number(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else str(count)
