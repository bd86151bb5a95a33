"""What fires, and which of the runbook's alerts ever could. (nexnum.md#alerts)"""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from metrics_side import MetricsSide, metrics_side

from nexconsole.errors import NotConfigured, Unreachable
from nexconsole.settings import PrometheusSettings, Settings
from nexconsole.signals import alerts
from nexconsole.signals.promql import selectors, tolerant
from nexconsole.sources import Sources
from nexconsole.sources.prometheus import PrometheusSource

SETTINGS = Settings()
FAIL = 'nexnum_wallet_transactions_total{status=~"fail.*"}'
RATE = f"sum(rate({FAIL}[5m])) / sum(rate(nexnum_wallet_transactions_total[5m])) > 0.1"
STUCK = "nexnum_reservation_stuck_count > 5"


@pytest.fixture
async def metrics() -> AsyncIterator[MetricsSide]:
    async with metrics_side() as side:
        yield side


@pytest.fixture
async def sources(clients, metrics) -> AsyncIterator[Sources]:
    opened = Sources(clients, {"prometheus": PrometheusSource(clients, PrometheusSettings(url=metrics.url))})
    yield opened
    await opened.close()


def active(name: str, severity: str, state: str = "firing", **annotations: str) -> dict:
    return {
        "labels": {"alertname": name, "severity": severity, "provider": "smsbower"},
        "annotations": annotations,
        "state": state,
        "activeAt": "2026-01-10T12:00:00.123456789Z",
        "value": "1e+00",
    }


async def test_what_fires_is_listed_by_severity_with_its_labels_since_and_summary(sources, metrics):
    metrics.alerts = [
        active("Slow", "warning", description="slow\x1b[31m"),
        active("HighPurchaseFailureRate", "critical", summary="12 % fail [/]"),
        active("Soon", "warning", "pending"),
        {**active("Odd", "page"), "activeAt": "never"},
    ]
    value = await alerts.read(sources, SETTINGS, None)
    assert [(alert.name, alert.severity) for alert in value.firing] == [
        ("HighPurchaseFailureRate", "critical"),
        ("Slow", "warning"),
        ("Odd", "page"),
    ]
    first, slow, odd = value.firing
    assert first.since == datetime(2026, 1, 10, 12, 0, 0, 123456, UTC)
    assert (first.summary, slow.summary, odd.since, value.pending) == ("12 % fail [/]", "slow", None, 1)
    assert first.labels == {"severity": "critical", "provider": "smsbower"}


async def test_where_no_rule_judges_anything_that_none_fires_is_not_known(sources, metrics):
    value = await alerts.read(sources, SETTINGS, None)
    assert value.judged is False and value.firing == ()
    assert any("no rule judges anything here" in note for note in value.notes)
    assert alerts.SIGNAL.summary(value) == "not known: no alert rules here"


async def test_alerts_that_only_the_series_know_fire_although_the_route_is_there_and_empty(sources, metrics):
    labels = {"__name__": "ALERTS", "alertname": "Slow", "severity": "warning", "alertstate": "firing"}
    metrics.vectors = {"ALERTS": [(labels, 1)]}
    value = await alerts.read(sources, SETTINGS, None)
    assert [alert.name for alert in value.firing] == ["Slow"] and value.judged is True


async def test_with_rules_loaded_none_firing_means_none_and_the_rules_are_asked_for_seldom(sources, metrics):
    metrics.rules = [{"name": "Slow", "query": "up == 0", "labels": {}}]
    value = await alerts.read(sources, SETTINGS, None)
    assert value.judged is True and "ALERTS" not in metrics.asked
    asked = metrics.asked.count("rules")
    again = await alerts.read(sources, SETTINGS, value)
    assert again.judged is True and metrics.asked.count("rules") == asked


async def test_null_is_an_empty_list(sources, metrics):
    metrics.empty = None
    value = await alerts.read(sources, SETTINGS, None)
    assert (value.firing, value.judged) == ((), False)


async def test_a_server_without_an_alerts_route_is_read_by_its_series(sources, metrics):
    labels = {"__name__": "ALERTS", "alertname": "Slow", "severity": "warning"}
    metrics.alerts = metrics.rules = None
    metrics.vectors = {
        "ALERTS": [({**labels, "alertstate": "firing"}, 1), ({**labels, "alertstate": "pending", "pod": "x"}, 1)],
        "ALERTS_FOR_STATE": [({**labels, "__name__": "ALERTS_FOR_STATE"}, 1768046400.0)],
    }
    value = await alerts.read(sources, SETTINGS, None)
    assert [(alert.name, alert.since) for alert in value.firing] == [("Slow", datetime.fromtimestamp(1768046400, UTC))]
    assert value.pending == 1
    assert "no alerts route" in value.notes[0]
    assert {(alert.exists, alert.can_fire, alert.why) for alert in value.runbook} == {
        (None, None, "this server does not show its rules")
    }


def runbook(value: alerts.Alerts) -> dict[str, tuple[bool | None, bool | None]]:
    return {alert.name: (alert.exists, alert.can_fire) for alert in value.runbook}


async def test_the_runbooks_alerts_that_can_never_fire_are_found_out_with_the_reason(sources, metrics):
    metrics.rules = [
        {"name": "HighPurchaseFailureRate", "query": RATE},
        {"name": "StuckReservations", "query": STUCK},
    ]
    metrics.vectors = {
        "count(nexnum_wallet_transactions_total)": [({}, 3)],
        "count(nexnum_reservation_stuck_count)": [({}, 3)],
        "max(max_over_time(nexnum_reservation_stuck_count[1d]))": [({}, 0)],
    }
    metrics.values = {("status", "nexnum_wallet_transactions_total"): ["success"]}
    value = await alerts.read(sources, SETTINGS, None)
    assert runbook(value) == {
        "HighPurchaseFailureRate": (True, False),
        "StuckReservations": (True, None),
        "OutboxProcessingFailed": (False, False),
    }
    rate, stuck, outbox = value.runbook
    assert rate.why == f"no series matches {FAIL}: status is only ever success"
    assert "has been 0 for all of the last day" in stuck.why
    assert outbox.why == "no rule has this name here"


async def test_a_rule_whose_series_exist_can_fire_and_one_that_fires_can(sources, metrics):
    metrics.rules = [
        {"name": "HighPurchaseFailureRate", "query": RATE},
        {"name": "StuckReservations", "query": STUCK},
        {"name": "OutboxProcessingFailed", "query": "gone_total > 1"},
    ]
    metrics.alerts = [active("OutboxProcessingFailed", "critical", "pending")]
    metrics.vectors = {
        f"count({FAIL})": [({}, 1)],
        "count(nexnum_wallet_transactions_total)": [({}, 3)],
        "count(nexnum_reservation_stuck_count)": [({}, 1)],
        "max(max_over_time(nexnum_reservation_stuck_count[1d]))": [({}, 7)],
    }
    value = await alerts.read(sources, SETTINGS, None)
    assert set(runbook(value).values()) == {(True, True)}


async def test_a_rule_whose_series_are_only_resting_can_fire(sources, metrics):
    errors = 'nexnum_provider_api_calls_total{status="error"}'
    metrics.rules = [{"name": "StuckReservations", "query": f"rate({errors}[5m]) > 0.5"}]
    metrics.values = {("__name__", errors): ["nexnum_provider_api_calls_total"]}
    value = await alerts.read(sources, SETTINGS, None)
    assert runbook(value)["StuckReservations"] == (True, True)
    assert value.runbook[1].why == f"nothing matches {errors} now, but something did"


@pytest.mark.parametrize(
    ("expression", "can_fire", "why"),
    [
        ("absent(up{job='x'})", None, "there is no series up at all"),
        ("a_total > ? 1", None, "not understood"),
        ("refused_total > 1", None, "can't be looked up"),
        ("wallet_total > 1", False, "there is no series wallet_total"),
        ("vector(1) > 0", True, ""),
    ],
)
async def test_what_is_not_known_is_not_claimed(sources, metrics, expression, can_fire, why):
    metrics.rules = [{"name": "StuckReservations", "query": expression, "lastError": ""}]
    metrics.refused = {"count(refused_total)"}
    value = await alerts.read(sources, SETTINGS, None)
    stuck = next(alert for alert in value.runbook if alert.name == "StuckReservations")
    assert (stuck.can_fire, why in stuck.why) == (can_fire, True)
    assert sources.prometheus.health.error is None  # a refused question is no fault of the source's


async def test_rules_are_looked_at_seldom_and_judged_again_only_when_their_text_changes(sources, metrics):
    metrics.rules = [{"name": "StuckReservations", "query": STUCK}]
    first = await alerts.read(sources, SETTINGS, None)
    second = await alerts.read(sources, SETTINGS, first)
    assert second.runbook is first.runbook and metrics.asked.count("rules") == 1
    old = replace(first, rules_at=time.time() - 60)
    questions = len(metrics.asked)
    await alerts.read(sources, SETTINGS, old)
    assert metrics.asked[questions:] == ["rules"]
    metrics.rules = [{"name": "StuckReservations", "query": STUCK.replace("5", "50")}]
    await alerts.read(sources, SETTINGS, old)
    assert metrics.asked[-1] == "count(nexnum_reservation_stuck_count)"


async def test_trouble_with_the_rules_leaves_what_fires_and_the_last_judgement(sources, metrics):
    metrics.rules = [{"name": "StuckReservations", "query": STUCK}]
    first = await alerts.read(sources, SETTINGS, None)
    metrics.rules, metrics.alerts = [{"odd": 1}], [active("Slow", "warning")]
    value = await alerts.read(sources, SETTINGS, replace(first, rules_at=0.0))
    assert runbook(value) == runbook(first)
    assert [alert.name for alert in value.firing] == ["Slow"]
    assert "could not be looked up" in value.notes[0]


async def test_without_prometheus_the_signal_is_absent_and_with_a_dead_one_it_fails(clients):
    with pytest.raises(NotConfigured):
        await alerts.read(Sources(clients, {}), SETTINGS, None)
    dead = PrometheusSource(clients, PrometheusSettings(url="http://127.0.0.1:1"))
    with pytest.raises(Unreachable):
        await alerts.read(Sources(clients, {"prometheus": dead}), SETTINGS, None)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (RATE, [FAIL, "nexnum_wallet_transactions_total"]),
        ('histogram_quantile(0.95, sum by (le) (rate(x_bucket{a="}"}[5m] offset -5m))) > 5', ['x_bucket{a="}"}']),
        ("sum(a) by (b) - avg without (c) (d) and count(e) > 0x1F", ["a", "d", "e"]),
        ("a * on (x) group_left (y) b{c!~'d\\'e'} # f{", ["a", "b{c!~'d\\'e'}"]),
        ("max_over_time(sum(up)[1h:5m]) == bool Inf", ["up"]),
        ('{"my.metric", a="b"} @ start()', ['{__name__="my.metric",a="b"}']),
        ("time() - a:b_timestamp > 86400", ["a:b_timestamp"]),
        ("1 > 0", []),
    ],
)
def test_the_selectors_of_an_expression_are_found(expression, found):
    assert [str(selector) for selector in selectors(expression)] == found


@pytest.mark.parametrize("text", ["a{", "a{b}", "a{b=c}", "a § b", '"never closed'])
def test_an_expression_that_is_not_understood_is_refused(text):
    with pytest.raises(ValueError):
        selectors(text)


def test_an_expression_that_may_be_true_without_its_series_is_recognised():
    assert tolerant("a or b") and tolerant("absent(a)") and tolerant("a unless b")
    assert not tolerant("a and b") and not tolerant('a{b="or"}')
