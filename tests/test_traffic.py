"""What is made of the rows that Postgres answers about purchases, and how it is asked; the rows are given as values.

That a real database answers so is tested elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from nexconsole.settings import Settings, TransactionRules
from nexconsole.signals import traffic
from nexconsole.signals.counts import Counts, Point
from nexconsole.signals.provider_names import ProviderNames
from nexconsole.signals.traffic import Usual, every_state, state_in, trend_step

TEXT, ENUM = "character varying", '"ActivationState"'
NAMES = ProviderNames([("1", "SMSBower", "The Bower"), ("2", "5sim", "")])


class Rows:
    """A Postgres that answers with what is given, query by query, and keeps what it was asked."""

    def __init__(self, *answers: Any, kind: str = TEXT) -> None:
        self.answers = list(answers)
        self.kind = kind
        self.asked: list[tuple[Any, ...]] = []
        self.required: list[tuple[str, ...]] = []
        self.titles: list[str] = []

    @property
    def postgres(self) -> Rows:
        return self

    async def require(self, *columns: str) -> dict[str, str]:
        self.required.append(columns)
        return {"state": self.kind}

    async def columns(self) -> dict[str, tuple[str, ...]]:
        return {
            "numbers": ("id", "activation_id", "created_at", "provider"),
            "activations": ("number_id",),
        }

    @contextlib.asynccontextmanager
    async def read(self, what: str) -> AsyncIterator[Rows]:
        self.titles.append(what)
        yield self

    async def fetch(self, sql: str, *given: Any) -> Any:
        self.asked.append((sql, *given))
        return self.answers.pop(0)

    row = fetch


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    async def names(sources: Any) -> ProviderNames:
        return NAMES

    monkeypatch.setattr(traffic, "provider_names", names)


def settings(**rules: Any) -> Settings:
    return Settings(transactions=TransactionRules(**rules))


def decided(provider: str, decided: int, failures: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "provider": provider,
        "seller": None,
        "shop": None,
        "decided": decided,
        "failures": failures,
        "minute": 0,
        "minute_failures": 0,
        "silent_s": 1.0,
        "failed_s": None,
    } | more


def waiting(provider: str, in_flight: int, **more: Any) -> dict[str, Any]:
    return {
        "provider": provider,
        "in_flight": in_flight,
        "overdue": 0,
        "oldest_s": 9.0,
        "newest_s": 1.0,
    } | more


async def read(*answers: Any, late_s: float | None = None, **rules: Any) -> tuple[Any, Rows]:
    rows = Rows(*answers)
    return await traffic.from_postgres(rows, settings(**rules), late_s), rows  # type: ignore[arg-type]


async def test_each_purchase_is_counted_at_who_sold_it_and_each_that_waits_at_who_was_asked():
    value, _ = await read(
        [
            decided("SMSBower", 9, 4, minute=3, minute_failures=2, silent_s=5.0, failed_s=30.0),
            decided("smsbower", 2, 1, seller="5sim", minute=1, silent_s=2.0, failed_s=50.0),
            decided("5sim", 7, 0, shop="The Bower"),
        ],
        [waiting("5sim", 3, overdue=2, oldest_s=40.0, newest_s=3.0)],
    )
    assert value.source == "postgres" and value.names is NAMES and value.notes == ()
    assert value.providers == {
        "smsbower": Counts(attempts=16, failures=4, minute=3, minute_failures=2, silent_s=1.0, failed_s=30.0),
        "5sim": Counts(
            attempts=5,
            failures=1,
            in_flight=3,
            overdue=2,
            minute=1,
            oldest_s=40.0,
            newest_s=3.0,
            silent_s=2.0,
            failed_s=50.0,
        ),
    }


async def test_ages_by_a_clock_that_goes_before_the_databases_are_zero():
    value, _ = await read(
        [decided("5sim", 1, 1, silent_s=-0.5, failed_s=-2.0)], [waiting("5sim", 1, oldest_s=-1.0, newest_s=-3.0)]
    )
    one = value.providers["5sim"]
    assert (one.silent_s, one.failed_s, one.oldest_s, one.newest_s) == (0.0, 0.0, 0.0, 0.0)
    none, _ = await read([], [waiting("5sim", 1, oldest_s=None, newest_s=None)])
    assert none.providers["5sim"].oldest_s is None


async def test_no_purchase_at_all_is_no_provider():
    value, _ = await read([], [])
    assert value.providers == {} and value.failure_rate is None


@pytest.mark.parametrize(
    ("rules", "overdue_s", "decided_of", "waiting_of"),
    [
        ({}, None, (300.0, 60.0), (1800.0, 30.0, 300.0)),
        ({}, 75.0, (300.0, 60.0), (1800.0, 75.0, 300.0)),
        ({"window_s": 3600, "overdue_s": 20.0}, None, (3600.0, 60.0), (3600.0, 20.0, 3600.0)),
    ],
)
async def test_it_is_asked_for_the_window_the_minute_and_all_that_waits_within_the_trend(
    rules, overdue_s, decided_of, waiting_of
):
    _, rows = await read([], [], late_s=overdue_s, **rules)
    first, second = rows.asked
    assert (first[1:], second[1:]) == (decided_of, waiting_of)
    assert rows.titles == ["the activations query"]
    assert rows.required[0] == ("activations", "state", "created_at", "updated_at", "provider_id", "captured_tx_id")


async def test_what_is_under_way_is_asked_for_by_its_states_and_what_is_decided_by_all():
    _, rows = await read([], [])
    first, second = (asked[0] for asked in rows.asked)
    assert "WHERE state IN ('INIT', 'RESERVED') AND" in second
    every = "'INIT', 'RESERVED', 'ACTIVE', 'RECEIVED', 'EXPIRED', 'CANCELLED', 'FAILED', 'REFUNDED'"
    assert f"WHERE state IN ({every}) AND" in first
    assert "{" not in first and "{" not in second
    assert "split_part(n.activation_id, ':', 1)" in first and "LEFT JOIN LATERAL" in first


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        ("text", "state IN ('A', 'B')"),
        ("character varying", "state IN ('A', 'B')"),
        (ENUM, f"state = ANY (ARRAY(SELECT s FROM unnest(enum_range(NULL::{ENUM})) s WHERE s::text IN ('A', 'B')))"),
    ],
)
def test_a_condition_on_the_state_is_one_that_an_index_serves(kind, condition):
    assert state_in(kind, ("A", "B")) == condition


@pytest.mark.parametrize(
    ("kind", "condition"),
    [("text", "state IN ("), ("character varying", "state IN ("), (ENUM, f"state = ANY (enum_range(NULL::{ENUM}))")],
)
async def test_every_state_of_an_enum_is_whatever_this_version_has(kind, condition):
    rows = Rows(kind=kind)
    assert (await every_state(rows)).startswith(condition)  # type: ignore[arg-type]
    assert rows.required == [("activations", "state", "created_at", "provider_id", "captured_tx_id")]


# --- the last decision, and the usual duration ---


@pytest.mark.parametrize(("found", "silent"), [(400.0, 400.0), (-1.0, 0.0), (None, None)])
async def test_the_last_decision_is_looked_for_as_far_back_as_the_trend_goes(found, silent):
    rows = Rows({"silent_s": found})
    assert await traffic.silent_since(rows, settings(trend_s=900)) == silent  # type: ignore[arg-type]
    [(sql, *given)] = rows.asked
    assert given == [900.0] and "WHERE state IN ('ACTIVE', 'FAILED') AND" in sql
    assert rows.titles == ["the last decision's query"]
    assert rows.required == [("activations", "state", "created_at", "updated_at")]


@pytest.mark.parametrize(
    ("sales", "found", "late", "expected"),
    [
        (5, [2.0, 9.0], 4, Usual(p50_s=2.0, p95_s=9.0)),
        (5, [2.0, 9.0], 5, Usual(p50_s=2.0, p95_s=9.0, sales_p95_s=22.0)),
        (4, [2.0, 9.0], 4, Usual()),
        (5, None, 0, Usual()),
        (0, None, 0, Usual()),
    ],
)
async def test_five_sales_say_how_long_one_usually_takes(sales, found, late, expected):
    rows = Rows({"sales": sales, "usual": found, "late": late, "late_p95": 22.0})
    assert await traffic.usual(rows, settings(trend_s=900)) == expected  # type: ignore[arg-type]
    [(sql, *given)] = rows.asked
    assert given == [900.0, 500, 300.0]
    assert "WHERE state IN ('ACTIVE') AND" in sql and "coalesce(n.created_at, a.updated_at)" in sql
    assert rows.titles == ["the sales' durations"]
    assert rows.required == [("activations", "state", "created_at", "updated_at")]


# --- the trend ---


@pytest.mark.parametrize(
    ("trend_s", "step"), [(1800, 30), (600, 10), (599, 10), (60, 10), (630, 10), (690, 12), (3600, 60)]
)
def test_a_trend_has_sixty_steps_of_ten_seconds_at_least(trend_s, step):
    assert trend_step(settings(trend_s=trend_s)) == step


def bucket(at: float, decided: int, failures: int = 0) -> dict[str, Any]:
    return {"at": float(at), "decided": decided, "failures": failures}


async def trend(now_s: float, *buckets: dict[str, Any], trend_s: int = 90) -> tuple[tuple[Point, ...], Rows]:
    rows = Rows(list(buckets), {"now_s": now_s})
    return await traffic.trend_from_postgres(rows, settings(trend_s=trend_s)), rows  # type: ignore[arg-type]


async def test_a_trend_is_a_rate_a_minute_in_steps_with_gaps_where_nothing_was_decided():
    points, rows = await trend(1235.0, bucket(1140, 4, 1), bucket(1200, 6, 6), bucket(1230, 1), bucket(9999, 9))
    assert [point.at for point in points] == [1140, 1150, 1160, 1170, 1180, 1190, 1200, 1210, 1220]
    assert points[0] == Point(at=1140, attempts=24.0, failure_rate=0.25)
    assert points[6] == Point(at=1200, attempts=36.0, failure_rate=1.0)
    assert {(one.attempts, one.failure_rate) for one in points if one.at not in (1140, 1200)} == {(0.0, None)}
    assert rows.asked[0][1:] == (90.0, 10.0) and "WHERE state IN (" in rows.asked[0][0]
    assert rows.asked[1] == ("SELECT extract(epoch FROM now())::float8 AS now_s",)
    assert rows.titles == ["the activations' trend"]


@pytest.mark.parametrize(("age_s", "there"), [(9.9, False), (10.0, True), (29.0, True), (0.0, False)])
async def test_the_newest_step_is_there_as_soon_as_ten_seconds_of_it_are_over(age_s, there):
    points, _ = await trend(3600.0 + age_s, bucket(3570, 3), bucket(3600, 5, 5), trend_s=1800)
    assert (points[-1].at == 3600) == there
    assert len(points) == (61 if there else 60)
    if there:  # by its own length, and not by that of a whole step
        assert points[-1].attempts == pytest.approx(5 * 60 / age_s)
        assert points[-1].failure_rate == pytest.approx(1.0)


async def test_without_any_bucket_there_is_no_trend():
    points, _ = await trend(1235.0)
    assert points == ()
