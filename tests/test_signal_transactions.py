"""Purchases counted by Prometheus and by Postgres, and the verdict on them. (facts 1.5, 1.9, 2.5)"""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_side import MetricsSide, metrics_side

from nexconsole.errors import MissingSchema, NotConfigured, SourceError
from nexconsole.settings import Expressions, Postgres, Prometheus, Settings, TransactionRules
from nexconsole.signals import transactions
from nexconsole.signals.attribution import ProviderTraffic, judge
from nexconsole.signals.transactions import Transactions
from nexconsole.sources import Sources
from nexconsole.sources.postgres import Postgres as PostgresSource
from nexconsole.sources.prometheus import Prometheus as PrometheusSource

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
            given = Prometheus(url=prometheus, timeout_s=1.0, expressions=EXPRESSIONS)
            opened["prometheus"] = PrometheusSource(clients, given)
        if postgres:
            opened["postgres"] = PostgresSource(clients, Postgres(url=postgres))
        made.append(Sources(clients, opened))
        return made[-1]

    yield make
    for sources in made:
        await sources.close()


SETTINGS = Settings(prometheus=Prometheus(expressions=EXPRESSIONS))


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


RULES = TransactionRules()


def traffic(**counts: tuple[int, int]) -> list[ProviderTraffic]:
    return [
        ProviderTraffic(name=name, attempts=a, failures=f, failure_rate=f / a if a else None)
        for name, (a, f) in counts.items()
    ]


@pytest.mark.parametrize(
    ("counts", "verdict", "because"),
    [
        (
            {"smsbower": (120, 66), "b": (80, 2), "c": (80, 1), "d": (60, 1), "e": (60, 1)},
            "one",
            "66 of 71 failures at smsbower (55 % of its 120); the other four fail 1.8 % of 280",
        ),
        ({"a": (100, 1), "b": (100, 0)}, "none", "1 of 200 fail (0.5 %); no provider stands out"),
        ({"a": (50, 45), "b": (50, 30)}, "all", "both providers with enough purchases fail (60 % to 90 %)"),
        (
            {"a": (100, 60), "b": (100, 40), "c": (100, 0)},
            "some",
            "two of three providers fail (a 60 %, b 40 %); the other one, c, fails 0 % of 100",
        ),
        (
            {"a": (100, 25), "b": (200, 20), "c": (200, 20)},
            "some",
            "a fails 25 % of its 100, but has only 25 of 65 failures; the other two fail 10 % of 400",
        ),
        ({"a": (12, 12)}, "unknown", "12 decided purchases in 5 min are too few to say: 20 are needed"),
        (
            {"tiger-sms": (40, 21), "a": (140, 2), "b": (150, 2), "c": (140, 2)},
            "one",
            "21 of 27 failures at tiger-sms (52.5 % of its 40); the other three fail 1.4 % of 430",
        ),
        ({"a": (100, 50), "b": (200, 10)}, "one", "50 of 60 failures at a (50 % of its 100)"),
        ({"a": (60, 15), "b": (200, 10)}, "some", "a fails 25 % of its 60, but has only 15 of 25 failures"),
        ({"a": (60, 15), "b": (200, 9)}, "one", "15 of 24 failures at a (25 % of its 60)"),
        ({"a": (19, 19)}, "unknown", "19 decided purchases in 5 min are too few to say"),
        ({"a": (20, 20)}, "unknown", "a fails 100 % of its 20; there is no other to compare with"),
        ({"a": (30, 20), "b": (0, 0)}, "unknown", "a fails 66.7 % of its 30; the others have no decided purchases"),
        ({"a": (50, 30), "b": (50, 30), "c": (50, 30)}, "all", "all three providers with enough purchases fail"),
        (
            {"a": (50, 30), "b": (50, 29), "c": (50, 28), "d": (50, 27), "e": (50, 0)},
            "some",
            "four of five providers fail (a 60 %, b 58 %, c 56 % and one more); the other one, e, fails 0 % of 50",
        ),
        ({"a": (50, 30), "b": (50, 29), "c": (50, 28), "e": (50, 0)}, "some", "(a 60 %, b 58 %, c 56 %); the other"),
        ({"a": (100, 40), "b": (100, 10)}, "one", "40 of 50 failures at a"),  # exactly the share
        ({"a": (100, 39), "b": (100, 10)}, "some", "a fails 39 % of its 100, but has only 39 of 49 failures"),
        ({"a": (100, 10), "b": (100, 0)}, "one", "10 of 10 failures at a"),  # exactly the high rate
        ({"a": (100, 9), "b": (100, 0)}, "none", "9 of 200 fail (4.5 %); no provider stands out"),
        ({}, "unknown", "no purchase was decided in 5 min"),
        ({"a": (120, 66)}, "unknown", "a fails 55 % of its 120; there is no other to compare with"),
        ({"a": (100, 15), "b": (100, 16)}, "all", "both providers with enough purchases fail (15 % to 16 %)"),
        ({str(n): (4, 4) for n in range(20)}, "unknown", "80 of 80 fail (100 %), but at no one provider"),
        ({"a": (1000, 0), "b": (5, 2)}, "none", "2 of 1 005 fail (0.2 %)"),
    ],
)
def test_the_verdict_and_the_numbers_that_it_rests_on(counts, verdict, because):
    scope = judge(traffic(**counts), RULES, 0.05)
    assert scope.verdict == verdict
    assert because in scope.because
    assert (scope.provider is not None) == (verdict == "one")


COUNTS = st.integers(0, 400).flatmap(lambda attempts: st.tuples(st.just(attempts), st.integers(0, attempts)))


@given(st.dictionaries(st.sampled_from("abcdefgh"), COUNTS))
def test_a_verdict_never_contradicts_the_counts(counts):
    providers = traffic(**counts)
    scope = judge(providers, RULES, 0.05)
    attempts, failures = sum(a for a, _ in counts.values()), sum(f for _, f in counts.values())
    assert scope == judge(list(reversed(providers)), RULES, 0.05)  # the order says nothing
    assert scope.because
    if attempts < RULES.few:
        assert scope.verdict == "unknown"
    if scope.verdict == "none":
        assert failures / attempts < 0.05
    if scope.verdict == "one":
        a, f = counts[scope.provider]
        assert f / a >= 0.05
        assert f >= RULES.one_share * failures or failures - f < 0.05 * (attempts - a)  # the others are in line
        assert any(name != scope.provider and other[0] >= RULES.provider_few for name, other in counts.items())
    if scope.verdict == "all":
        assert all(f / a >= 0.05 for a, f in counts.values() if a >= RULES.provider_few)


@given(st.dictionaries(st.sampled_from("abcdefgh"), COUNTS, min_size=2))
def test_one_more_provider_that_never_fails_never_turns_the_verdict_to_all(counts):
    before = judge(traffic(**counts), RULES, 0.05)
    after = judge(traffic(**counts, z=(100, 0)), RULES, 0.05)
    assert after.verdict != "all"
    if before.verdict == "one" and after.verdict == "one":
        assert after.provider == before.provider


def test_where_several_fail_chance_alone_spares_nobody():
    counts = {"smsbower": (183, 50), "tiger-sms": (98, 29), "5sim": (99, 26), "onlinesim": (46, 9)}
    providers = [
        ProviderTraffic(name=name, attempts=attempts, failures=failures, failure_rate=failures / attempts)
        for name, (attempts, failures) in counts.items()
    ]
    assert judge(providers, TransactionRules(), 0.05).verdict == "all"


def test_where_several_fail_one_that_hardly_does_is_spared():
    counts = {"smsbower": (183, 90), "tiger-sms": (98, 49), "5sim": (99, 5)}
    providers = [
        ProviderTraffic(name=name, attempts=attempts, failures=failures, failure_rate=failures / attempts)
        for name, (attempts, failures) in counts.items()
    ]
    assert judge(providers, TransactionRules(), 0.05).verdict == "some"
