"""Purchases counted by Prometheus and by Postgres, and the verdict on them.

(nexnum.md#purchase-rows, #queries, #one-or-all)
"""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from metrics_side import MetricsSide, metrics_side

from nexconsole.errors import MissingSchema, NotConfigured, SourceError
from nexconsole.settings import Expressions, PostgresSettings, PrometheusSettings, Settings
from nexconsole.signals import transactions
from nexconsole.signals.transactions import Transactions
from nexconsole.sources import Sources
from nexconsole.sources.postgres import PostgresSource
from nexconsole.sources.prometheus import PrometheusSource

ATTEMPTS, FAILURES, P95, TREND_ATTEMPTS, TREND_FAILURES = "a[300s]", "f[300s]", "l[300s]", "ta", "tf"
EXPRESSIONS = Expressions(
    attempts="a[{window}]",
    failures="f[{window}]",
    latency_p95="l[{window}]",
    trend_attempts=TREND_ATTEMPTS,
    trend_failures=TREND_FAILURES,
)


@pytest.fixture
async def metrics() -> AsyncIterator[MetricsSide]:
    async with metrics_side() as side:
        yield side


@pytest.fixture
async def both(clients, database, metrics):
    """Sources with the test's Prometheus and Postgres, either left out where asked for."""
    made: list[Sources] = []

    def make(prometheus: str | None = metrics.url, postgres: str | None = database.url) -> Sources:
        opened = {}
        if prometheus:
            given = PrometheusSettings(url=prometheus, timeout_s=1.0, expressions=EXPRESSIONS)
            opened["prometheus"] = PrometheusSource(clients, given)
        if postgres:
            opened["postgres"] = PostgresSource(clients, PostgresSettings(url=postgres))
        made.append(Sources(clients, opened))
        return made[-1]

    yield make
    for sources in made:
        await sources.close()


SETTINGS = Settings(prometheus=PrometheusSettings(expressions=EXPRESSIONS))


async def seed(database, provider: str, ok: int, failed: int, age_s: float = 60) -> None:
    for n in range(ok):
        await database.activation(f"{provider}-ok-{n}-{age_s}", age_s, "ACTIVE", provider, paid=True)
    for n in range(failed):
        state = ("FAILED", "REFUNDED", "CANCELLED")[n % 3]
        await database.activation(f"{provider}-bad-{n}-{age_s}", age_s, state, provider)


def rates(value: Transactions) -> dict[str, tuple[int, int]]:
    return {provider.name: (provider.attempts, provider.failures) for provider in value.providers}


@pytest.mark.parametrize("timestamptz", [False, True])
async def test_rows_are_counted_right_far_from_utc_whatever_their_columns_type(database, both, timestamptz):
    await database.create(timestamptz=timestamptz)
    await seed(database, "SmsBower", ok=9, failed=11)
    await seed(database, "5sim", ok=10, failed=0)
    await seed(database, "5sim", ok=0, failed=5, age_s=400)  # before the window
    await database.activation("hold", 90, "RESERVED", "5sim")
    await database.activation("refunded after it was paid", 30, "REFUNDED", "5sim", paid=True)
    value = await transactions.read(both(prometheus=None), SETTINGS, None)
    assert rates(value) == {"smsbower": (20, 11), "5sim": (12, 0)}
    assert (value.attempts, value.failures, value.in_flight, value.source) == (32, 11, 1, "postgres")
    assert (value.decided, value.failure_rate) == (31, pytest.approx(11 / 31))  # what is under way is not decided
    assert (value.scope.verdict, value.scope.provider) == ("one", "smsbower")
    assert "11 of 11 failures at smsbower (55 % of its 20)" in value.scope.because
    assert (value.overdue, value.oldest_s) == (1, pytest.approx(90, abs=5))
    assert value.latency_p95_s is None


async def test_the_rows_trend_is_in_buckets_with_gaps_where_nothing_was_attempted(database, both):
    await seed(database, "5sim", ok=3, failed=1, age_s=100)
    await seed(database, "5sim", ok=0, failed=2, age_s=1000)
    value = await transactions.read(both(prometheus=None), SETTINGS, None)
    filled = [point for point in value.trend if point.attempts]
    assert [round(point.attempts / 2) for point in filled] == [2, 4]
    assert [point.failure_rate for point in filled] == [1.0, 0.25]
    assert filled[0].at == pytest.approx(time.time() - 1000, abs=35)
    assert 58 <= len(value.trend) <= 62
    assert {point.failure_rate for point in value.trend if not point.attempts} == {None}


async def test_metrics_are_summed_by_provider_in_lower_case_and_rounded(metrics, both):
    metrics.vectors = {
        ATTEMPTS: [({"provider": "SMSBower"}, 60.4), ({"provider": "smsbower"}, 60.0), ({"provider": "5sim"}, 201.2)],
        FAILURES: [({"provider": "SMSBower"}, 66.3)],
        P95: [({}, 2.1)],
    }
    value = await transactions.read(both(postgres=None), SETTINGS, None)
    assert rates(value) == {"smsbower": (120, 66), "5sim": (201, 0)}
    assert (value.latency_p95_s, value.latency_saturated, value.source) == (2.1, False, "prometheus")
    assert (value.scope.verdict, value.scope.provider, value.disagreement) == ("one", "smsbower", None)


async def test_a_latency_stands_for_a_window_while_prometheus_is_gone(metrics, both, database):
    await seed(database, "smsbower", ok=20, failed=0)
    metrics.vectors = {ATTEMPTS: [({"provider": "smsbower"}, 20.0)], P95: [({}, 6.5)]}
    before = await transactions.read(both(), SETTINGS, None)
    after = await transactions.read(both(prometheus="http://127.0.0.1:1"), SETTINGS, before)
    assert (after.latency_p95_s, after.latency_at, after.source) == (6.5, before.latency_at, "postgres")
    assert f"p95 is of {before.latency_at:%H:%M:%S}Z" in after.notes
    old = replace(before, latency_at=before.latency_at - timedelta(seconds=SETTINGS.transactions.window_s + 1))
    later = await transactions.read(both(prometheus="http://127.0.0.1:1"), SETTINGS, old)
    assert later.latency_p95_s is None


@pytest.mark.parametrize(
    ("p95", "expected"), [(10.0, (10.0, True)), (float("inf"), (10.0, True)), (float("nan"), (None, False))]
)
async def test_a_latency_in_the_top_bucket_is_at_least_and_one_of_no_purchase_is_none(metrics, both, p95, expected):
    metrics.vectors = {ATTEMPTS: [({"provider": "a"}, 1.0)], P95: [({}, p95)]}
    value = await transactions.read(both(postgres=None), SETTINGS, None)
    assert (value.latency_p95_s, value.latency_saturated) == expected


async def test_no_series_is_nothing_measured_and_not_zero(metrics, both):
    value = await transactions.read(both(postgres=None), SETTINGS, None)
    assert (value.attempts, value.failure_rate, value.providers, value.trend) == (0, None, (), ())
    assert "nothing was measured" in value.notes[0]
    metrics.vectors = {ATTEMPTS: [({"provider": "a"}, float("nan"))]}
    assert (await transactions.read(both(postgres=None), SETTINGS, None)).failure_rate is None
    metrics.vectors = {ATTEMPTS: [({"provider": "a"}, 0.0)]}
    value = await transactions.read(both(postgres=None), SETTINGS, None)
    assert (value.failure_rate, value.providers[0].failure_rate, value.scope.verdict) == (None, None, "unknown")


async def test_rows_stand_in_where_prometheus_has_no_series_or_does_not_answer(database, metrics, both):
    await seed(database, "5sim", ok=20, failed=5)
    value = await transactions.read(both(), SETTINGS, None)
    assert (value.source, value.attempts, value.failures) == ("postgres", 25, 5)
    assert any("no series" in note for note in value.notes)
    value = await transactions.read(both(prometheus="http://127.0.0.1:1"), SETTINGS, None)
    assert (value.source, value.attempts) == ("postgres", 25)
    assert any("refused" in note for note in value.notes)
    metrics.refused = {ATTEMPTS}
    value = await transactions.read(both(), SETTINGS, None)
    assert (value.source, value.attempts) == ("postgres", 25)


async def test_metrics_stand_alone_where_the_database_is_away_and_say_so(metrics, both):
    metrics.vectors = {ATTEMPTS: [({"provider": "a"}, 40.0)], FAILURES: [({"provider": "a"}, 4.0)]}
    value = await transactions.read(both(postgres="postgresql://x@127.0.0.1:1/x"), SETTINGS, None)
    assert (value.source, value.attempts, value.failures) == ("prometheus", 40, 4)
    assert any("not compared" in note and "refused" in note for note in value.notes)


async def test_a_disagreement_beyond_the_margin_is_said_with_both_numbers(database, metrics, both):
    await seed(database, "a", ok=30, failed=10)
    metrics.vectors = {ATTEMPTS: [({"provider": "a"}, 50.0)], FAILURES: [({"provider": "a"}, 30.0)]}
    value = await transactions.read(both(), SETTINGS, None)
    assert value.source == "prometheus"
    assert value.disagreement == "prometheus counts 30 of 50 failed (60 %), postgres has 10 of 40 (25 %)"
    metrics.vectors[FAILURES] = [({"provider": "a"}, 15.0)]
    assert (await transactions.read(both(), SETTINGS, None)).disagreement is None


async def test_counters_that_missed_their_first_increments_do_not_hide_the_rows_failures(database, metrics, both):
    await seed(database, "a", ok=10, failed=20)
    metrics.vectors = {ATTEMPTS: [({"provider": "a"}, 30.0)], FAILURES: [({"provider": "a"}, 0.0)], P95: [({}, 1.5)]}
    value = await transactions.read(both(), SETTINGS, None)
    assert (value.source, value.failures, value.latency_p95_s) == ("postgres, prometheus", 20, 1.5)
    assert any("saw 0 of the 20 failures" in note for note in value.notes)
    assert value.disagreement is not None


async def test_a_label_with_a_display_name_is_mapped_to_the_providers_own_name(database, metrics, both):
    now = "now() AT TIME ZONE 'UTC'"
    await database.execute(
        "INSERT INTO providers (id, name, display_name, api_base_url, provider_type, endpoints, mappings, updated_at)"
        f" VALUES ('p1', 'smsbower', 'SMS Bower', 'x', 'rest', '{{}}', '{{}}', {now})"
    )
    metrics.vectors = {ATTEMPTS: [({"provider": "SMS Bower"}, 10.0), ({"provider": "smsbower"}, 5.0)]}
    assert rates(await transactions.read(both(), SETTINGS, None)) == {"smsbower": (15, 0)}


async def test_the_trend_is_asked_for_seldom_and_kept_between(metrics, both):
    metrics.vectors = {ATTEMPTS: [({"provider": "a"}, 40.0)]}
    metrics.ranges = {TREND_ATTEMPTS: [({}, 20.0)], TREND_FAILURES: [({}, 5.0)]}
    sources = both(postgres=None)
    first = await transactions.read(sources, SETTINGS, None)
    assert len(first.trend) == 61
    assert {(point.attempts, point.failure_rate) for point in first.trend} == {(20.0, 0.25)}
    second = await transactions.read(sources, SETTINGS, first)
    assert second.trend is first.trend
    assert metrics.asked.count(TREND_ATTEMPTS) == 1


async def test_a_missing_column_is_named_and_an_enum_that_is_text_is_read_all_the_same(database, both):
    await database.execute("ALTER TABLE activations ALTER COLUMN state DROP DEFAULT, ALTER COLUMN state TYPE text")
    await seed_text(database)
    value = await transactions.read(both(prometheus=None), SETTINGS, None)
    assert (value.attempts, value.failures) == (1, 1)
    await database.execute("ALTER TABLE activations DROP COLUMN captured_tx_id")
    with pytest.raises(MissingSchema, match=r"activations .* has no column captured_tx_id"):
        await transactions.read(both(prometheus=None), SETTINGS, None)
    await database.execute("DROP TABLE activations CASCADE")
    with pytest.raises(MissingSchema, match="table activations is missing"):
        await transactions.read(both(prometheus=None), SETTINGS, None)


async def seed_text(database) -> None:
    user = await database.customer()
    await database.execute(
        "INSERT INTO activations (id, user_id, state, price, provider_id, service_name, country_code, updated_at,"
        " created_at, idempotency_key) SELECT 'x', $1, 'FAILED', 1, 'a', 'wa', 'nl', t, t, 'x'"
        " FROM (SELECT now() AT TIME ZONE 'UTC' AS t) x",
        user,
    )


async def test_neither_source_is_not_configured_and_both_away_is_one_sentence(both):
    with pytest.raises(NotConfigured, match=r"PROMETHEUS_URL.*DATABASE_URL"):
        await transactions.read(both(prometheus=None, postgres=None), SETTINGS, None)
    with pytest.raises(SourceError, match=r"prometheus at .*refused.*postgres at .*refused"):
        sources = both(prometheus="http://127.0.0.1:1", postgres="postgresql://x@127.0.0.1:1/x")
        await transactions.read(sources, SETTINGS, None)
