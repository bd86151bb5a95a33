"""The funnel as a signal: from followed pods, from the counter of HTTP answers, and from what is left of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from metrics_side import MetricsSide, metrics_side
from small_cluster import SmallCluster, small_cluster

from nexconsole.model import State, utc_now
from nexconsole.settings import PrometheusSettings, Settings
from nexconsole.severity import judge
from nexconsole.signals import funnel
from nexconsole.signals.funnel import Funnel
from nexconsole.signals.funnel_signal import SIGNAL
from nexconsole.signals.readings import read_once
from nexconsole.sources import Sources
from nexconsole.sources.prometheus import PrometheusSource

ANSWERS = Settings().prometheus.expressions.answers.replace("{window}", "300s")


def line(kind: str, at: datetime, purchase: str, **meta: object) -> str:
    entry = {
        "level": "info",
        "time": int(at.timestamp() * 1000),
        "requestId": f"req_{purchase}",
        "context": "PURCHASE",
        "correlationId": f"purchase_{int(at.timestamp() * 1000)}_{purchase}",
        "userId": f"user-{purchase}",
        **meta,
        "msg": f"[PURCHASE_{kind}] x",
    }
    return json.dumps(entry, separators=(",", ":"))


def tell(small: SmallCluster, pod: int, ago: float, purchase: str, *kinds: str, **meta: object) -> None:
    at = utc_now() - timedelta(seconds=ago)
    for kind in kinds:
        small.processes()[pod].log.append(line(kind, at, purchase, **meta), at)


BOUGHT = ("INIT", "OFFER_RESOLVED", "RESERVE_SUCCESS", "PROVIDER_CALL_START", "PROVIDER_CALL_SUCCESS", "COMPLETE")


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[SmallCluster]:
    async with small_cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
async def metrics() -> AsyncIterator[MetricsSide]:
    async with metrics_side() as side:
        yield side


def with_prometheus(sources: Sources, metrics: MetricsSide) -> Sources:
    source = PrometheusSource(sources.clients, PrometheusSettings(url=metrics.url, timeout_s=1.0))
    return Sources(sources.clients, {**sources._opened, "prometheus": source})


async def value_of(sources: Sources, before=None) -> Funnel:
    reading = await read_once(SIGNAL, sources, Settings(), before)
    assert reading.error is None, reading.error
    return reading.value


async def test_forty_one_refused_customers_of_fifty_two_in_three_pods_are_seen_and_judged(small: SmallCluster) -> None:
    for number in range(41):
        tell(small, number % 3, 30, f"r{number}", "INIT", "OFFER_NOT_FOUND", resolvedProvider="smsbower")
    for number in range(8):
        tell(small, number % 3, 40, f"s{number}", *BOUGHT, providerName="5sim")
    for number in range(3):
        tell(
            small,
            0,
            40,
            f"f{number}",
            *BOUGHT[:4],
            "PROVIDER_CALL_FAIL",
            providerName="5sim",
            error="API Request Failed (503 Service Unavailable)",
        )
    sources = small.sources()
    reading = await read_once(SIGNAL, sources, Settings())
    value = reading.value
    assert (value.attempts, value.sold, value.failed, value.refused) == (52, 8, 3, {"no offer": 41})
    assert (value.offered, value.reserved, value.called, value.waiting) == (11, 11, 11, 0)
    assert [(one.name, one.attempts, one.refused) for one in value.providers] == [("smsbower", 41, 41), ("5sim", 11, 0)]
    assert (value.users, value.users_refused) == (52, 41)
    assert (value.pods_followed, value.pods, value.source, value.rests_on_s) == (3, 3, "pod logs", 300)
    severity = judge({"funnel": reading}, Settings(), utc_now())
    assert (severity.level, severity.reasons[0].text) == (
        "SEV-1",
        "41 of 52 customers refused: no offer, in 5 min",
    )
    assert "user-r1" not in repr(value)
    await sources.close()


async def test_purchases_that_wait_are_counted_with_the_oldest_s_age_and_judged(small: SmallCluster) -> None:
    for number in range(24):
        tell(small, number % 3, 100 - number, f"w{number}", *BOUGHT[:4], providerName="smsbower")
    sources = small.sources()
    reading = await read_once(SIGNAL, sources, Settings())
    value = reading.value
    assert (value.attempts, value.waiting, value.waiting_new, value.decided) == (24, 24, 24, 0)
    assert 99 <= value.oldest_s < 110 and 99 <= value.undecided_s < 110
    assert (value.providers[0].waiting, value.oldest_at_least) == (24, False)
    assert judge({"funnel": reading}, Settings(), utc_now()).level == "SEV-1"
    await sources.close()


async def test_the_counter_of_answers_is_read_beside_the_logs_and_not_with_every_reading(
    small: SmallCluster, metrics: MetricsSide
) -> None:
    tell(small, 0, 20, "a", *BOUGHT, providerName="5sim")
    metrics.vectors[ANSWERS] = [({"status_code": "200"}, 1.02), ({"status_code": "404"}, 41.2), ({"x": "y"}, 3)]
    sources = with_prometheus(small.sources(), metrics)
    first = await read_once(SIGNAL, sources, Settings())
    assert (first.value.sold, first.value.answers) == (1, {"200": 1, "404": 41})
    for _ in range(3):
        assert (await value_of(sources, first)).answers == {"200": 1, "404": 41}
    assert metrics.asked.count(ANSWERS) == 1
    await sources.close()


async def test_without_a_cluster_the_answers_alone_tell_of_the_refused(clients, metrics: MetricsSide) -> None:
    sources = with_prometheus(Sources(clients, {}), metrics)
    metrics.vectors[ANSWERS] = [
        ({"status_code": code}, many) for code, many in (("200", 8.0), ("404", 41.0), ("503", 3.0), ("429", 2.0))
    ]
    value = await value_of(sources)
    assert (value.attempts, value.sold, value.failed) == (54, 8, 3)
    assert value.refused == {"no offer": 41, "lock or limit": 2}
    assert (value.source, value.pods_followed, value.users) == ("prometheus", 0, None)
    assert "the pods' logs are not read" in value.notes[-1]
    assert judge({"funnel": sample_reading(value)}, Settings(), utc_now()).level == "SEV-1"
    await sources.close()


def sample_reading(value: Funnel):
    from nexconsole.model import Reading

    return Reading(signal="funnel", every=2.0, value=value, taken_at=utc_now(), attempted_at=utc_now())


async def test_absent_series_are_no_witness_and_no_zero(clients, metrics: MetricsSide, small: SmallCluster) -> None:
    alone = await value_of(with_prometheus(Sources(clients, {}), metrics))
    assert (alone.attempts, alone.answers) == (0, None)
    assert "no series for prometheus.expressions.answers" in alone.notes[0]
    sources = with_prometheus(small.sources(), metrics)
    assert (await value_of(sources)).answers is None
    await sources.close()


async def test_where_neither_can_be_read_the_reading_has_the_error(small: SmallCluster, clients) -> None:
    assert (await read_once(SIGNAL, Sources(clients, {}), Settings())).absent
    sources = small.sources("nobody")
    reading = await read_once(SIGNAL, sources, Settings())
    assert (reading.value, reading.state(utc_now())) == (None, State.ERROR)
    assert "may not get deployments" in reading.error
    await sources.close()


async def test_a_prometheus_that_refuses_leaves_the_logs_figures_and_a_note(
    small: SmallCluster, metrics: MetricsSide
) -> None:
    metrics.refused.add(ANSWERS)
    tell(small, 0, 20, "a", *BOUGHT, providerName="5sim")
    sources = with_prometheus(small.sources(), metrics)
    value = await value_of(sources)
    assert value.sold == 1
    assert any(note.startswith("no HTTP answers: ") for note in value.notes)
    await sources.close()


async def test_figures_rest_on_no_more_than_the_lines_that_are_there(small: SmallCluster) -> None:
    for number in range(40):
        tell(small, 0, 200 - 5 * number, f"a{number}", "INIT", "OFFER_NOT_FOUND")
    sources = small.sources(log_tail_lines=20)
    await sources.kubernetes.logs.start(5.0)
    for pod in sources.kubernetes.logs.followed.values():
        pod._restarts = 1
    value = await value_of(sources)
    assert value.rests_on_s < 60
    assert value.attempts == pytest.approx(9, abs=1)  # the last twenty lines are ten customers
    assert value.reach_s == value.rests_on_s
    await sources.close()


async def test_each_minute_that_is_known_whole_is_there(small: SmallCluster) -> None:
    tell(small, 0, 130, "a", *BOUGHT, providerName="5sim")
    tell(small, 0, 130, "b", "INIT", "NO_ROUTE")
    sources = small.sources()
    minutes = {one.at: one for one in (await value_of(sources)).minutes}
    (one,) = [one for one in minutes.values() if one.attempts]
    assert (one.attempts, one.sold, one.refused, one.failed) == (2, 1, 1, 0)
    assert one.at % 60 == 0
    await sources.close()


async def test_a_slow_prometheus_does_not_hold_the_logs_figures_up(
    small: SmallCluster, metrics: MetricsSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(funnel, "ANSWERS_TIMEOUT_S", 0.2)
    sources = with_prometheus(small.sources(), metrics)

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(sources.prometheus, "query", hang)
    value = await value_of(sources)
    assert "prometheus did not answer within" in value.notes[-1]
    assert replace(value, notes=()).pods_followed == 3
    await sources.close()
