"""The drill's lines read by what reads NexNum's: the funnel says what the drill's customers were answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from recorded_purchases import Told, follow

from nexconsole.drill.market.market import Market
from nexconsole.drill.scenarios import SCENARIOS
from nexconsole.sources.pod_log import PodLog

EPOCH = 1786164801.0


def told_of(market: Market) -> tuple[Told, Counter[str]]:
    """What the funnel makes of all pods' lines, and how the purchases ended by the rows and the route's counter."""
    told = Told()
    for pod in market.pods.values():
        lines = [(at.timestamp(), text) for at, text in pod.log.lines]
        follow(lines, told, PodLog(pod.name))
    return told, Counter(outcome for _, _, outcome, _ in told.ends)


def played(name: str, era: str = "head", **changes) -> Market:
    market = Market(replace(SCENARIOS[name], history_s=400.0, **changes), 5, EPOCH, era=era)
    market.play(EPOCH)
    market.clock.close()
    return market


def rows(market: Market, state: str) -> int:
    return sum(row["state"] == state for row in market.past.rows("activations"))


@pytest.mark.parametrize("era", ["head", "old"])
@pytest.mark.parametrize("name", ["calm", "provider-outage", "balance-empty", "one-bad-pod"])
def test_the_funnel_counts_what_was_sold_and_what_failed_to_the_last_customer(name: str, era: str) -> None:
    market = played(name, era)
    told, ended = told_of(market)
    assert (ended["sold"], ended["failed"]) == (rows(market, "ACTIVE"), rows(market, "FAILED"))
    sellers = Counter(row["activation_id"].partition(":")[0] for row in market.past.rows("numbers"))
    assert Counter(provider for _, provider, outcome, _ in told.ends if outcome == "sold") == sellers


def test_a_best_route_sale_is_the_sellers_in_the_funnel_though_the_rows_say_another() -> None:
    market = played("provider-outage", best_route=1.0)
    told, ended = told_of(market)
    sellers = Counter(row["activation_id"].partition(":")[0] for row in market.past.rows("numbers"))
    assert ended["sold"] == sellers.total() > 100 and len(sellers) > 1
    assert Counter(provider for _, provider, outcome, _ in told.ends if outcome == "sold") == sellers


@pytest.mark.parametrize(("name", "reason"), [("best-route-blackout", "no route"), ("search-down", "no offer")])
def test_customers_who_leave_no_row_are_refused_in_the_funnel(name: str, reason: str) -> None:
    told, ended = told_of(played(name))
    reasons = Counter(why for _, _, outcome, why in told.ends if outcome == "refused")
    assert ended["refused"] > 60 and reasons[reason] > 0.7 * ended["refused"]


def test_purchases_that_wait_for_their_slot_wait_in_the_funnel() -> None:
    market = played("slot-starvation")
    told, _ = told_of(market)
    assert len(told.open) == rows(market, "RESERVED") > 25


@pytest.mark.parametrize("era", ["head", "old"])
def test_locks_and_empty_wallets_are_reasons_of_their_own(era: str) -> None:
    told, _ = told_of(played("stale-locks", era))
    reasons = Counter(why for _, _, outcome, why in told.ends if outcome != "sold")
    assert reasons["lock"] > 10 or era == "old"  # the oldest version says nothing of them
