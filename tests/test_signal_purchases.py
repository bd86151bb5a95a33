"""Purchases under way, who sold them, and the last minute beside the five.

(nexnum.md#purchase-rows, #best-route, #slots)
"""

from __future__ import annotations

import pytest
from metrics_side import MetricsSide, metrics_side

from nexconsole.settings import Expressions, PostgresSettings, PrometheusSettings, Settings, TransactionRules
from nexconsole.signals import transactions
from nexconsole.signals.transactions import Transactions
from nexconsole.sources import Sources
from nexconsole.sources.postgres import PostgresSource, Read
from nexconsole.sources.prometheus import PrometheusSource

EXPRESSIONS = Expressions(
    attempts="a[{window}]", failures="f[{window}]", latency_p95="l[{window}]", trend_attempts="ta", trend_failures="tf"
)
SETTINGS = Settings(prometheus=PrometheusSettings(expressions=EXPRESSIONS))


@pytest.fixture
async def metrics():
    async with metrics_side() as side:
        yield side


@pytest.fixture
async def both(clients, database, metrics: MetricsSide):
    given = PrometheusSettings(url=metrics.url, timeout_s=1.0, expressions=EXPRESSIONS)
    sources = Sources(
        clients,
        {
            "prometheus": PrometheusSource(clients, given),
            "postgres": PostgresSource(clients, PostgresSettings(url=database.url)),
        },
    )
    yield sources
    await sources.close()


@pytest.fixture
def rows(database, sources_on) -> Sources:
    return sources_on(database.url)


def by_name(value: Transactions) -> dict[str, tuple[int, int, int]]:
    return {one.name: (one.decided, one.failures, one.in_flight) for one in value.providers}


@pytest.mark.parametrize("timestamptz", [False, True])
async def test_purchases_that_hang_are_no_rate_of_zero(database, rows, timestamptz):
    await database.create(timestamptz=timestamptz)
    for n in range(24):
        await database.activation(f"w{n}", 10 * n + 1, "RESERVED" if n else "INIT", "smsbower")
    value = await transactions.read(rows, SETTINGS, None)
    assert (value.attempts, value.decided, value.in_flight, value.failures) == (24, 0, 24, 0)
    assert value.failure_rate is None
    assert (value.oldest_s, value.newest_s) == (pytest.approx(231, abs=8), pytest.approx(1, abs=8))
    assert (value.overdue, value.silent_s) == (21, None)  # of those that began more than 30 s ago
    assert by_name(value) == {"smsbower": (0, 0, 24)}
    assert value.minute == transactions.LastMinute(decided=0, failures=0, failure_rate=None)


async def test_a_purchase_that_hangs_longer_than_the_window_is_still_under_way(database, rows):
    await database.activation("old", 400, "RESERVED")
    await database.activation("stuck for hours", 4000, "RESERVED")
    value = await transactions.read(rows, SETTINGS, None)
    assert (value.in_flight, value.overdue, value.oldest_s) == (1, 0, pytest.approx(400, abs=12))


async def test_a_purchase_whose_money_was_taken_is_decided_whatever_its_state(database, rows):
    await database.activation("paid", 20, "RESERVED", paid=True)
    value = await transactions.read(rows, SETTINGS, None)
    assert (value.decided, value.in_flight) == (1, 0)


async def test_the_last_decision_is_found_where_the_window_holds_none(database, rows):
    await database.activation("before", 400, "ACTIVE", paid=True, took_s=40)
    await database.activation("hangs", 60, "RESERVED")
    value = await transactions.read(rows, SETTINGS, None)
    assert value.silent_s == pytest.approx(360, abs=12)


async def test_the_last_decision_is_when_it_fell_and_not_when_the_purchase_began(database, rows):
    await database.activation("slow", 200, "ACTIVE", paid=True, took_s=190)
    value = await transactions.read(rows, SETTINGS, None)
    assert value.silent_s == pytest.approx(10, abs=12)
    assert value.providers[0].silent_s == pytest.approx(10, abs=12)


async def test_what_a_purchase_usually_takes_is_measured_by_its_numbers(database, rows):
    for n in range(20):
        await database.sale(f"s{n}", 400 + n, "5sim", f"5sim:{n}", "5sim", took_s=8.0 if n == 19 else 2.0)
    first = await transactions.read(rows, SETTINGS, None)
    assert (first.usual_s, first.usual_p95_s) == (pytest.approx(2.0), pytest.approx(2.3, abs=0.1))
    assert first.overdue_after_s == 30.0
    await database.execute("UPDATE numbers SET created_at = created_at + interval '18 s'")
    again = await transactions.read(rows, SETTINGS, None)
    assert again.usual_s == pytest.approx(20.0)
    assert (await transactions.read(rows, SETTINGS, again)).overdue_after_s == pytest.approx(60.9, abs=1)


async def test_too_few_sales_say_nothing_of_what_is_usual_and_what_was_known_stays(database, rows):
    for n in range(4):
        await database.sale(f"s{n}", 40, "5sim", f"5sim:{n}", "5sim")
    value = await transactions.read(rows, SETTINGS, None)
    assert value.usual_s is None
    before = Transactions(failure_rate=None, attempts=0, failures=0, window_s=300, usual_s=2.0, usual_p95_s=4.0)
    assert (await transactions.read(rows, SETTINGS, before)).usual_s == 2.0


async def test_both_sources_are_compared_over_the_purchases_that_both_can_know(database, both, metrics):
    for n in range(11):
        await database.activation(f"bad{n}", 60, "FAILED", "a")
    for n in range(10):
        await database.activation(f"ok{n}", 60, "ACTIVE", "a", paid=True)
    for n in range(12):
        await database.activation(f"w{n}", 60, "RESERVED", "a")
    metrics.vectors = {"a[300s]": [({"provider": "a"}, 21.0)], "f[300s]": [({"provider": "a"}, 11.0)]}
    value = await transactions.read(both, SETTINGS, None)
    assert (value.source, value.disagreement) == ("prometheus", None)
    assert (value.decided, value.in_flight, value.attempts) == (21, 12, 33)
    assert value.failure_rate == pytest.approx(11 / 21)
    assert by_name(value) == {"a": (21, 11, 12)}


async def test_a_best_route_sale_belongs_to_who_sold_it(database, rows):
    await database.provider("p1", "smsbower", "SMS Bower")
    await database.provider("p2", "5sim", "5SIM")
    await database.provider("p3", "tiger-sms", "Tiger")
    for n in range(15):
        await database.sale(f"best{n}", 60, "smsbower", f"5sim:{n}", "5SIM")
    await database.sale("by display name", 60, "smsbower", "2119", "Tiger")
    await database.sale("by nobody", 60, "smsbower", "2119", "Closed Shop")
    await database.activation("failed", 60, "FAILED", "smsbower")
    value = await transactions.read(rows, SETTINGS, None)
    assert by_name(value) == {"5sim": (15, 0, 0), "tiger-sms": (1, 0, 0), "smsbower": (2, 1, 0)}
    assert {one.name: one.id for one in value.providers}["5sim"] == "p2"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP TABLE numbers", "numbers has no id, activation_id, created_at"),
        ("ALTER TABLE numbers DROP COLUMN activation_id", "numbers has no activation_id"),
        ("ALTER TABLE activations DROP COLUMN number_id", "activations has no number_id"),
    ],
)
async def test_without_numbers_a_sale_stays_with_who_was_asked_and_a_note_says_so(database, rows, sql, said):
    await database.sale("one", 60, "smsbower", "5sim:1", "5SIM")
    await database.execute(sql)
    value = await transactions.read(rows, SETTINGS, None)
    assert by_name(value) == {"smsbower": (1, 0, 0)}
    assert any(said in note for note in value.notes)


async def test_two_providers_whose_names_differ_in_case_only_are_two(database, both, metrics):
    await database.provider("p1", "smsbower", "SMS Bower")
    await database.provider("p2", "SMSBOWER", "SMS Bower")
    await database.activation("a", 60, "FAILED", "smsbower")
    await database.sale("b", 60, "SMSBOWER", "SMSBOWER:1", "SMSBOWER")
    metrics.vectors = {"a[300s]": [({"provider": "SMSBOWER"}, 5.0), ({"provider": "smsbower"}, 3.0)]}
    value = await transactions.read(both, SETTINGS, None)
    assert by_name(value) == {"SMSBOWER": (5, 0, 0), "smsbower": (3, 0, 0)}
    assert {one.name: one.id for one in value.providers} == {"smsbower": "p1", "SMSBOWER": "p2"}


async def test_the_last_minute_stands_beside_the_window_and_says_when_it_will_be_clean(database, rows):
    for n in range(20):
        await database.activation(f"bad{n}", 110 + n, "FAILED", "a")
        await database.activation(f"ok{n}", 15, "ACTIVE", "a", paid=True)
    value = await transactions.read(rows, SETTINGS, None)
    assert value.failure_rate == 0.5
    assert value.minute == transactions.LastMinute(decided=20, failures=0, failure_rate=0.0)
    assert value.clean_in_s == pytest.approx(190, abs=12)
    await database.activation("again", 5, "CANCELLED", "a")
    value = await transactions.read(rows, SETTINGS, None)
    assert (value.minute.failures, value.clean_in_s) == (1, pytest.approx(295, abs=12))


async def test_without_failures_there_is_nothing_to_wait_for(database, rows):
    await database.activation("ok", 20, "ACTIVE", "a", paid=True)
    assert (await transactions.read(rows, SETTINGS, None)).clean_in_s is None


async def test_without_rows_the_trend_says_how_the_last_minute_was(clients, metrics):
    sources = Sources(
        clients,
        {
            "prometheus": PrometheusSource(
                clients, PrometheusSettings(url=metrics.url, timeout_s=1.0, expressions=EXPRESSIONS)
            )
        },
    )
    metrics.vectors = {"a[300s]": [({"provider": "a"}, 100.0)], "f[300s]": [({"provider": "a"}, 50.0)]}
    metrics.ranges = {"ta": [({}, 20.0)], "tf": [({}, 5.0)]}
    value = await transactions.read(sources, SETTINGS, None)
    assert value.minute == transactions.LastMinute(decided=20, failures=5, failure_rate=0.25)
    assert 200 < value.clean_in_s <= 300
    await sources.close()


async def test_every_query_of_purchases_is_served_by_an_index(database, rows, monkeypatch):
    """Without the condition on every state they would read the whole table (nexnum.md#queries)."""
    user = await database.customer()
    times = "now() AT TIME ZONE 'UTC' - n * interval '10 s'"
    await database.execute(
        "INSERT INTO numbers (id, phone_number, country_code, service_name, price, activation_id, created_at,"
        f" updated_at) SELECT 'n' || n, '31', 'nl', 'wa', 1, 'a:' || n, {times}, now() FROM"
        " generate_series(1, 20000) n"
    )
    await database.execute(
        "INSERT INTO activations (id, user_id, state, price, provider_id, service_name, country_code, created_at,"
        " updated_at, idempotency_key, number_id) SELECT n, $1,"
        " (CASE WHEN n < 40 THEN 'RESERVED' ELSE 'ACTIVE' END)::\"ActivationState\", 1, 'a', 'wa', 'nl',"
        f" {times}, now(), n, 'n' || n FROM generate_series(1, 20000) n",
        user,
    )
    await database.execute("ANALYZE activations; ANALYZE numbers")
    plans: list[str] = []
    fetch = Read.fetch

    async def explained(self, sql, *args):
        if "FROM activations" in sql:
            plans.append("\n".join(row[0] for row in await fetch(self, f"EXPLAIN {sql}", *args)))
        return await fetch(self, sql, *args)

    monkeypatch.setattr(Read, "fetch", explained)
    await transactions.read(rows, Settings(transactions=TransactionRules(window_s=300)), None)
    assert len(plans) == 5  # decided, in flight, usual, trend, the last decision
    for plan in plans:
        assert "activations_state_created_at_idx" in plan and "Seq Scan" not in plan, plan
