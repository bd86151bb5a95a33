"""One provider is in trouble, or all of them look like it."""

from __future__ import annotations

import random

from ..scenario_model import DrillScenario, StagedFault
from ..staged_causes import EgressDown, SlowUpstream, UpstreamAnswer, UpstreamFault
from .drawing import COUNTRIES, Recipe, ago, busy, loaded, provider
from .faults_drawn import answering

GROUP = "providers"


def provider_errors(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    share = round(draws.uniform(0.85, 0.99), 3)
    return DrillScenario(
        name="provider-errors",
        title="A provider answers nearly every request with 503",
        expect=f"Purchases fail at {name}, with 503 in the log lines; its circuits stay closed, for 503 is an answer.",
        truth=(f"provider-unreachable {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(answering("provider-errors", name, ago(draws, 2, 9), (UpstreamAnswer.UNAVAILABLE, share)),),
    )


def pages_instead_of_data(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    share = round(draws.uniform(0.8, 0.98), 3)
    return DrillScenario(
        name="pages-instead-of-data",
        title="A provider answers with a page instead of data",
        expect=f"Purchases fail at {name}: its answers can't be read. No circuit of a pod opens; the others are well.",
        truth=(f"provider-answers-nonsense {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(answering("html-answers", name, ago(draws, 2, 9), (UpstreamAnswer.HTML, share)),),
    )


def rate_limited(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    share = round(draws.uniform(0.85, 0.99), 3)
    return DrillScenario(
        name="rate-limited",
        title="A provider refuses what is too much for it: 429",
        expect=(
            f"Purchases fail at {name}, each after three tries and several seconds; the lines say 429. The shared "
            "circuit opens, those of the pods do not."
        ),
        truth=(f"provider-limits-rate {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(answering("rate-limited", name, ago(draws, 2, 9), (UpstreamAnswer.RATE_LIMITED, share)),),
    )


def slow_provider(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    factor, ramp_s = round(draws.uniform(14, 22), 1), round(draws.uniform(120, 360), 0)
    cause = SlowUpstream(provider=name, begins_s=ago(draws, 5, 10), factor=factor, ramp_s=ramp_s)
    return DrillScenario(
        name="slow-provider",
        title="A provider gets slower and slower, until its answers time out",
        expect=f"The latency at {name} climbs and nothing fails; then purchases there time out and circuits open.",
        truth=(f"provider-slow {name}",),
        partly=(f"provider-unreachable {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(StagedFault(kind="slow-provider", causes=(cause,), provider=name, shows_after_s=ramp_s / 4),),
    )


def key_refused(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    return DrillScenario(
        name="key-refused",
        title="A provider refuses our key",
        expect=f"Each purchase at {name} fails within a second; it answers BAD_KEY. Our balance there is as it was.",
        truth=(f"provider-key-refused {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(answering("key-refused", name, ago(draws, 2, 9), (UpstreamAnswer.BAD_KEY, 1.0)),),
    )


def out_of_stock(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    share = round(draws.uniform(0.88, 0.99), 3)
    return DrillScenario(
        name="out-of-stock",
        title="A provider has no numbers to sell: a healthy answer",
        expect=f"Purchases fail at {name}, in every country; it answers NO_NUMBERS at once. Prices can be had there.",
        truth=(f"out-of-stock {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(answering("out-of-stock", name, ago(draws, 3, 10), (UpstreamAnswer.NO_NUMBERS, share)),),
    )


def country_out(draws: random.Random) -> DrillScenario:
    country = draws.choice(list(COUNTRIES))
    share = round(draws.uniform(0.9, 1.0), 3)
    cause = UpstreamFault(
        provider="",
        begins_s=ago(draws, 3, 10),
        answers=((UpstreamAnswer.NO_NUMBERS, share),),
        countries=(COUNTRIES[country],),
    )
    return DrillScenario(
        name="country-out",
        title="No provider has numbers of one country",
        expect=f"About a third of the purchases fail, at all providers alike, and all of them of {country}.",
        truth=(f"country-out {country}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(StagedFault(kind="country-out", causes=(cause,)),),
    )


def egress_down(draws: random.Random) -> DrillScenario:
    timeouts = round(draws.uniform(0.4, 0.9), 3)
    answers = ((UpstreamAnswer.TIMEOUT, timeouts), (UpstreamAnswer.RESET, round(1 - timeouts, 3)))
    return DrillScenario(
        name="egress-down",
        title="No pod reaches any provider",
        expect="Nearly every purchase fails, at all providers and on all pods, and all circuits open at once.",
        truth=("egress-down",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(StagedFault(kind="egress-down", causes=(EgressDown(begins_s=ago(draws, 2, 8), answers=answers),)),),
    )


RECIPES: tuple[Recipe, ...] = (
    provider_errors,
    pages_instead_of_data,
    rate_limited,
    slow_provider,
    key_refused,
    out_of_stock,
    country_out,
    egress_down,
)
