"""A verdict looks at the customers: who bought, who failed, and who was refused without a row. (nexnum.md#disabling)"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from acting import acting, add_provider, settings_of
from metrics_side import metrics_side
from small_cluster import SmallCluster, small_cluster, until

from nexconsole.actions import customer_refusals, failure_rate_change
from nexconsole.actions.action import Context
from nexconsole.actions.failure_rate_change import Rate
from nexconsole.actions.plan import Verdict
from nexconsole.actions.provider_verdicts import BeforeSwitch, SinceSwitch, disabled, enabled
from nexconsole.actions.providers import DISABLE
from nexconsole.signals.pod_logs import follow


def refused(number: int) -> str:
    """A best-route customer's two lines."""
    now = int(time.time() * 1000)
    who = {"level": "warn", "time": now, "env": "production", "requestId": f"req_{number}", "context": "PURCHASE"}
    who |= {"correlationId": f"purchase_{now}_{number:08x}", "userId": f"u{number}"}
    asked = {**who, "body": {"countryCode": "22", "serviceCode": "wa", "useBestRoute": True}}
    no_route = {**who, "serviceInput": "wa", "countryInput": "22"}
    return "\n".join(
        (
            json.dumps({**asked, "msg": "[PURCHASE_INIT] Purchase request received"}),
            json.dumps({**no_route, "msg": "[PURCHASE_NO_ROUTE] No route available for best-route purchase"}),
        )
    )


@dataclass
class CustomersStand:
    small: SmallCluster
    database: Any
    context: Context

    async def turn_away(self, count: int) -> None:
        """So many customers are refused, and the console has read it."""
        logs = self.context.sources.kubernetes.logs
        wanted = self.seen(logs) + count
        for number in range(count):
            self.small.processes()[number % 2].log.append(refused(wanted + number))
        await until(lambda: self.seen(logs) == wanted)

    @staticmethod
    def seen(logs: Any) -> int:
        return sum(logs.purchases.window(time.time(), 600.0).ended.values())


@pytest.fixture
async def stand(database: Any, tmp_path: Path) -> AsyncIterator[CustomersStand]:
    async with small_cluster(tmp_path) as small:
        kubeconfig = str(small.write_kubeconfig("operator"))
        settings = settings_of(
            postgres={"url": database.url},
            kubernetes={"kubeconfig": kubeconfig, "log_since_s": 900},
            actions={"verify_s": 3.0, "provider_cache_s": 0.1, "provider_by": "sql"},
        )
        async with acting(settings) as context:
            await follow(context.sources)
            yield CustomersStand(small, database, context)


async def bought(
    database: Any, mark: str, sold: int, failed: int = 0, provider: str = "5sim", age_s: float = 0
) -> None:
    for number in range(sold + failed):
        paid = number < sold
        await database.activation(f"{mark}{number}", age_s, "ACTIVE" if paid else "FAILED", "5sim", paid=paid)


async def test_refused_customers_are_counted_from_the_logs(stand: CustomersStand) -> None:
    await stand.turn_away(12)
    found = await customer_refusals.count(stand.context, 60.0)
    assert found is not None and (found.count, found.by) == (12, "pod logs")


async def test_where_no_log_is_read_the_answers_of_the_purchase_route_count_them(monkeypatch: Any) -> None:
    async with metrics_side() as side, acting(settings_of(prometheus={"url": side.url})) as context:
        query = context.settings.prometheus.expressions.answers.replace("{window}", "60s")
        side.vectors[query] = [({"status_code": "404"}, 41.2), ({"status_code": "200"}, 11.0)]
        found = await customer_refusals.count(context, 60.0)
        assert found is not None and (found.count, found.customers, found.by) == (41, 52, "HTTP answers")
        side.vectors[query] = []
        assert await customer_refusals.count(context, 60.0) is None, "no series is not zero"
        assert await customer_refusals.count(context, 20.0) is None, "too short for what was scraped"


async def test_logs_without_a_word_of_purchases_do_not_prove_that_nobody_was_refused(stand: CustomersStand) -> None:
    await bought(stand.database, "b", 3)
    rate = await failure_rate_change.measure(stand.context, 60.0, "postgres")
    assert rate is not None and (rate.sold, rate.refused) == (3, None)
    await stand.turn_away(2)
    rate = await failure_rate_change.measure(stand.context, 60.0, "postgres")
    assert rate is not None and (rate.sold, rate.refused) == (3, 2)


async def test_without_a_clusters_logs_nobody_counts_the_refused(database: Any) -> None:
    async with acting(settings_of(postgres={"url": database.url})) as context:
        assert await customer_refusals.count(context, 60.0) is None
        before = await failure_rate_change.before(context)
        assert before is not None and before["refused"] is None


async def test_disabling_by_sql_is_worse_where_best_route_customers_are_refused(
    stand: CustomersStand, monkeypatch: Any
) -> None:
    """Nobody tries the provider any more, and all of best route is answered 404: the silence is no success."""
    monkeypatch.setattr("nexconsole.actions.provider_verdicts.QUIET_LEAST_S", 0.1)
    monkeypatch.setattr("nexconsole.actions.provider_verdicts.ENOUGH", 0.01)
    monkeypatch.setattr("nexconsole.actions.providers.LOOK_EVERY_S", 0.2)
    for name in ("smsbower", "5sim"):
        await add_provider(stand.database, name)
    await bought(stand.database, "b", 38, 2, age_s=60)
    await stand.turn_away(1)
    plan = await DISABLE.prepare({"provider": "smsbower"}, stand.context)
    outcome = await DISABLE.execute(plan, stand.context)
    verifying = asyncio.create_task(DISABLE.verify(plan, outcome, stand.context))
    await stand.turn_away(30)
    verdict = await verifying
    assert verdict.state == "worse", verdict
    assert "7.3 % (3 of 41, 1 of them refused) before: sold 0, failed 0, refused " in verdict.because


CONTEXT_RULES = settings_of()


def judged(
    then: Rate | None, now: Rate | None, since: SinceSwitch, *, rate: float = 0.5, last: bool = True
) -> Verdict | None:
    context = Context(settings=CONTEXT_RULES, sources=None, readings=dict, operator="maria")  # type: ignore[arg-type]
    before = BeforeSwitch(name="smsbower", rate=0.5, elsewhere=0.0, customers=then)
    return disabled(before, since, now, context, 20.0, last)


def rate(sold: int, failed: int = 0, refused: int | None = 0, waiting: int = 0) -> Rate:
    return Rate(
        source="postgres",
        attempts=sold + failed + waiting,
        failures=failed,
        open=waiting,
        refused=refused,
        refused_by="pod logs",
        seconds=300.0,
    )


@pytest.mark.parametrize(
    ("then", "now", "state", "said"),
    [
        (rate(80, 20), rate(19, 1), "worked", "no attempts at smsbower for 20 s (10 expected); since: sold 19"),
        (rate(80, 20), rate(5, 1, refused=4), "unknown", "customers are refused; since: sold 5, failed 1, refused 4"),
        (rate(98, 2), rate(5, 0, refused=35), "worse", "87.5 % (35 of 40, 35 of them refused) of the customers got"),
        (rate(98, 2), rate(0), "unknown", "but nobody has bought since; since: sold 0"),
        (rate(98, 2), rate(0, waiting=9), "unknown", "nobody has bought since; since: sold 0, failed 0, refused 0"),
        (rate(98, 2), rate(20, 30), "worse", "60 % (30 of 50) of the customers got nothing since, 2 %"),
        (rate(98, 2, refused=None), rate(5, 0, refused=0), "worked", "refused 0"),
        (rate(98, 2), rate(5, 0, refused=None), "worked", "refused not known"),
        (None, None, "worked", "no attempts at smsbower for 20 s (10 expected)"),
    ],
)
def test_a_silence_is_judged_by_how_the_customers_fare(then: Rate, now: Rate, state: str, said: str) -> None:
    verdict = judged(then, now, SinceSwitch())
    assert verdict is not None and verdict.state == state and said in verdict.because, verdict


def test_a_silence_with_refused_customers_is_looked_at_until_the_time_is_up() -> None:
    assert judged(rate(80, 20), rate(5, 1, refused=4), SinceSwitch(), last=False) is None


@pytest.mark.parametrize(
    ("since", "now", "state"),
    [
        (SinceSwitch(attempts=3, paid=3), rate(23), "worked"),
        (SinceSwitch(attempts=20, paid=1, failures=19), rate(41, 19), "worse"),
        (SinceSwitch(attempts=4, paid=1, failures=3), rate(9, 3), "no effect"),
        (SinceSwitch(attempts=2), rate(9, waiting=2), "unknown"),
        (SinceSwitch(), rate(9), "unknown"),
    ],
)
def test_enabling_is_judged_by_who_buys_there(since: SinceSwitch, now: Rate, state: str) -> None:
    context = Context(settings=CONTEXT_RULES, sources=None, readings=dict, operator="maria")  # type: ignore[arg-type]
    before = BeforeSwitch(name="smsbower", rate=0.0, elsewhere=0.3, customers=rate(98, 2))
    verdict = enabled(before, since, now, context, 20.0, True)
    assert verdict is not None and verdict.state == state, verdict


def test_a_calm_system_in_which_nobody_buys_any_more_is_worse() -> None:
    context = Context(settings=CONTEXT_RULES, sources=None, readings=dict, operator="maria")  # type: ignore[arg-type]
    verdict = failure_rate_change.judge(rate(98, 2), rate(0), context, 60.0, True)
    assert verdict is not None and verdict.state == "worse"
    assert verdict.because == "nobody has bought for 60 s (20 purchases expected); it was calm before"
    few = failure_rate_change.judge(rate(9), rate(0), context, 60.0, True)
    assert few is not None and few.state == "worked"


def test_refused_customers_that_were_counted_once_only_are_not_compared() -> None:
    then, now = failure_rate_change.comparable(rate(10, refused=None), rate(10, refused=5))
    assert (then.refused, now.refused) == (None, None)
    then, now = failure_rate_change.comparable(rate(10, refused=1), rate(10, refused=5))
    assert (then.refused, now.refused) == (1, 5)


@pytest.mark.parametrize(
    ("sold", "last", "state"), [(3, False, "worked"), (0, False, None), (0, True, "unknown")], ids=str
)
async def test_ending_a_session_worked_where_customers_buy_again(
    database: Any, sold: int, last: bool, state: str | None
) -> None:
    """Before it most purchases hung: that the session is gone is not all."""
    gone = Verdict(state="worked", because="session 41 is gone")
    hung = {"source": "postgres", "attempts": 200, "failures": 0, "open": 180, "seconds": 300.0}
    await bought(database, "since", sold)
    async with acting(settings_of(postgres={"url": database.url})) as context:
        seen = failure_rate_change.seen_by_customers
        verdict = await seen(gone, hung, context, 20.0, last)
        assert (verdict.state if verdict else None) == state, verdict
        assert await seen(gone, None, context, 20.0, last) == gone, "nobody knows how it was"
        well = {"source": "postgres", "attempts": 200, "failures": 2, "seconds": 300.0}
        assert await seen(gone, well, context, 20.0, last) == gone, "purchases were well before"
    if state == "unknown":
        assert (
            verdict is not None and "but nobody has bought for 20 s (13 purchases expected): sold 0" in verdict.because
        )
