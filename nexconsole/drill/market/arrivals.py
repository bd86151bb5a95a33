"""Customers who buy and visitors who look at prices, each with a generator of their own."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal

from ..drill_clock import DrillClock
from ..faults import generator
from ..scenario_model import DrillScenario
from ..schema import Era
from .active_faults import ActiveFaults
from .clock import Clock, Work
from .ledger import LedgerDown
from .lines import LogLines
from .orders import Wish
from .pods import NexNumPod
from .purchase import Checkout
from .upstream import UPSTREAMS, Engine, UpstreamFailed

BY_IDS = 0.05  # the share of the customers whose client names service and country by numbers (nexnum.md#disabling)
SERVICES = (("WhatsApp", "wa"), ("Telegram", "tg"), ("Google", "go"))
COUNTRIES = (("Brazil", "55"), ("India", "91"), ("United Kingdom", "44"))
PATIENCE_S = 30.0  # the ingress turns away whom a pod lets wait for so long


@dataclass
class CustomerArrivals:
    """`ready` are the pods that take requests; `withdrawn` the providers whose offers are not in the index."""

    clock: Clock
    drill_clock: DrillClock
    troubles: ActiveFaults
    checkout: Checkout
    engine: Engine
    lines: LogLines
    era: Era
    seed: int
    scenario: DrillScenario
    users: list[str]
    habits: Mapping[str, tuple[tuple[str, str], tuple[str, str]]]
    withdrawn: Set[str]
    ready: Callable[[], list[NexNumPod]]
    weights: dict[str, float] = field(init=False)  # the providers' shares of the purchases
    visits: dict[str, float] = field(init=False)  # and of the price checks

    def __post_init__(self) -> None:
        self.weights = {u.name: self.scenario.weights.get(u.name, u.weight) for u in UPSTREAMS}
        self.visits = {name: self.scenario.visits.get(name, weight) for name, weight in self.weights.items()}

    def loops(self) -> tuple[Work, ...]:
        return (
            self._come("customers", self.scenario.purchases_per_s, self._purchase),
            self._come("visitors", self.scenario.browses_per_s, self._browse),
        )

    async def _come(self, who: str, per_s: float, does: Callable[[NexNumPod, random.Random], Work]) -> None:
        """People come, each with a generator of his own: what one does draws nothing from another's."""
        arrivals = generator(self.seed, who)
        while True:
            await self.drill_clock.sleep(arrivals.expovariate(per_s * self.troubles.surge()))
            draws = random.Random(arrivals.getrandbits(64))
            if ready := self.ready():
                pod = draws.choice(ready)
                if pod.backlog_s < PATIENCE_S:
                    pod.spawn(does(pod, draws))

    async def _purchase(self, pod: NexNumPod, draws: random.Random) -> None:
        """The customer chooses among the offers in the index, or leaves it to NexNum, which takes the cheapest."""
        offered = [upstream for upstream in UPSTREAMS if upstream.name not in self.withdrawn] or [UPSTREAMS[0]]
        shares = self.troubles.shares(self.weights, "purchases")
        upstream = draws.choices(offered, [shares[u.name] for u in offered])[0]
        how = draws.random()
        best = self.era == "head" and how < self.troubles.best_route(self.scenario.best_route)
        by_ids = self.era == "head" and not best and how > 1 - BY_IDS
        user = draws.choice(self.users)
        service, country = self.habits[user]
        if draws.random() < 0.2:
            service, country = draws.choice(SERVICES), draws.choice(COUNTRIES)
        price = Decimal(draws.randrange(12, 190)) / 100
        wish = Wish(user, offered[0] if best else upstream, *service, *country, price, draws, best, by_ids)
        await pod.work()
        await self.checkout.buy(pod, wish)

    async def _browse(self, pod: NexNumPod, draws: random.Random) -> None:
        """A price check, of a provider that this pod believes to be active."""
        try:
            offered = [u for u in UPSTREAMS if u.name not in self.withdrawn and await pod.offers(u.name)]
        except LedgerDown as error:
            pod.write(self.lines.purchase_error(self.clock.now(), str(error)))
            return
        if not offered:
            return
        shares = self.troubles.shares(self.visits, "visits")
        upstream = draws.choices(offered, [shares[u.name] for u in offered])[0]
        (_, service), (_, country) = draws.choice(SERVICES), draws.choice(COUNTRIES)
        await pod.work()
        try:
            await self.engine.call(pod, upstream, "getPrices", service, country)
        except UpstreamFailed:
            return  # the visitor sees no price
