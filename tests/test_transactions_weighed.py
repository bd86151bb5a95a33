"""What is made of the answers of two sources: which counts are believed, and what is said of the others.

The sources' answers are given as values here; how they come about is tested with real servers elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from nexconsole.errors import NotConfigured, SourceError, TimedOut
from nexconsole.settings import PostgresSettings, PrometheusSettings, Settings
from nexconsole.signals import counters, traffic, transactions, transactions_signal
from nexconsole.signals.counters import Counted, Latency
from nexconsole.signals.counts import NOTHING, Counts, Point, SourceCounts, together
from nexconsole.signals.provider_names import ProviderNames
from nexconsole.signals.traffic import Usual
from nexconsole.signals.transactions import LastMinute, Transactions
from nexconsole.sources import Sources
from nexconsole.sources.postgres import PostgresSource
from nexconsole.sources.prometheus import PrometheusSource

NOW = datetime(2026, 11, 23, 14, 7, 31, tzinfo=UTC)
ABSENT = {name: NotConfigured(name, f"{name} is not configured") for name in ("prometheus", "postgres")}
DOWN = {
    "prometheus": TimedOut("prometheus", "prometheus hangs"),
    "postgres": SourceError("postgres", "postgres is away"),
}
EMPTY = "prometheus has no series for prometheus.expressions.attempts: nothing was measured there"
NO_LATENCY = Latency(p95_s=None, saturated=False)


def rows(notes: tuple[str, ...] = (), names: ProviderNames | None = None, **providers: Counts) -> SourceCounts:
    return SourceCounts(source="postgres", providers=providers, notes=notes, names=names or ProviderNames())


def bought(decided: int, failures: int = 0, **more: Any) -> Counts:
    waiting = more.get("in_flight", 0)
    return Counts(attempts=decided + waiting, failures=failures, **more)


def counted(notes: tuple[str, ...] = (), **providers: tuple[int, int]) -> Counted:
    return Counted(
        tried={name: tried for name, (tried, _) in providers.items()},
        failed={name: failed for name, (_, failed) in providers.items()},
        notes=notes,
    )


class FakeAnswers:
    """What each question is answered, an error raised; `asked` says what was asked, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, sources: Sources) -> None:
        self.sources = sources
        self.monkeypatch = monkeypatch
        self.asked: list[str] = []
        self.given: dict[str, tuple[Any, ...]] = {}
        self.now = NOW
        self.clock(NOW.timestamp())
        monkeypatch.setattr(transactions, "utc_now", lambda: self.now)
        self.set(counters, "counted", None)
        self.set(counters, "latency", NO_LATENCY)
        self.set(counters, "trend_from_prometheus", ())
        self.set(traffic, "from_postgres", rows())
        self.set(traffic, "silent_since", None)
        self.set(traffic, "usual", Usual())
        self.set(traffic, "trend_from_postgres", ())

    def set(self, module: Any, name: str, answer: Any) -> None:
        async def answered(*given: Any) -> Any:
            self.asked.append(name)
            self.given[name] = given
            if isinstance(answer, Exception):
                raise answer
            if answer == "never":
                await asyncio.Event().wait()
            return answer

        self.monkeypatch.setattr(module, name, answered)

    def clock(self, seconds: float) -> None:
        self.monkeypatch.setattr(transactions, "time", SimpleNamespace(time=lambda: seconds))

    async def read(self, before: Transactions | None = None, **answers: Any) -> Transactions:
        for name, answer in answers.items():
            self.set(counters if hasattr(counters, name) and name != "from_postgres" else traffic, name, answer)
        self.asked.clear()
        return await transactions.read(self.sources, Settings(), before)


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, clients) -> Callable[..., FakeAnswers]:
    """Answers of these sources; nobody connects to them."""

    def made(*names: str) -> FakeAnswers:
        opened = {
            "prometheus": PrometheusSource(clients, PrometheusSettings(url="http://127.0.0.1:1")),
            "postgres": PostgresSource(clients, PostgresSettings(url="postgresql://x@127.0.0.1:1/x")),
        }
        return FakeAnswers(monkeypatch, Sources(clients, {name: opened[name] for name in names}))

    return made


@pytest.fixture
def both(make) -> FakeAnswers:
    return make("prometheus", "postgres")


async def test_without_either_source_it_is_said_what_to_set(make):
    with pytest.raises(NotConfigured) as error:
        await make().read()
    assert str(error.value) == (
        "transactions need metrics or rows: set prometheus.url (PROMETHEUS_URL) or postgres.url (DATABASE_URL)"
    )
    assert error.value.source == "transactions"


@pytest.mark.parametrize("name", ["prometheus", "postgres"])
async def test_one_source_is_enough(make, name):
    other = {"prometheus": "from_postgres", "postgres": "counted"}[name]
    missing = {"prometheus": "postgres", "postgres": "prometheus"}[name]
    given = {"counted": counted(a=(30, 3)), "from_postgres": rows(a=bought(30, 3)), other: ABSENT[missing]}
    value = await make(name).read(**given)
    assert (value.source, value.decided, value.failures, value.notes) == (name, 30, 3, ())
    assert value.counted_by == {name: (30, 3)}


async def test_where_both_saw_the_window_whole_the_counters_are_shown_with_all_notes(both):
    value = await both.read(
        counted=counted(("of the counters",), a=(30, 3)), from_postgres=rows(("of the rows",), a=bought(29, 2))
    )
    assert (value.source, value.attempts, value.failures, value.window_s) == ("prometheus", 30, 3, 300)
    assert value.notes == ("of the counters", "of the rows")
    assert value.counted_by == {"postgres": (29, 2), "prometheus": (30, 3)}
    assert value.failure_rate == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("seen", "stored", "source", "missed"),
    [
        ((5, 0), (10, 0), "prometheus", ""),
        ((4, 0), (10, 0), "postgres", "4 of the 10 purchases"),
        ((1, 0), (4, 0), "prometheus", ""),  # too few to say that any were missed
        ((2, 0), (5, 0), "postgres", "2 of the 5 purchases"),
        ((10, 2), (10, 4), "prometheus", ""),
        ((10, 2), (10, 5), "postgres", "2 of the 5 failures"),
        ((10, 3), (10, 6), "prometheus", ""),
    ],
)
async def test_counters_that_saw_less_than_half_of_what_was_stored_are_not_believed(both, seen, stored, source, missed):
    value = await both.read(counted=counted(("c",), a=seen), from_postgres=rows(("r",), a=bought(*stored)))
    said = f"prometheus saw {missed} that postgres has: its counters are young, or partial"
    assert value.source == source
    assert value.notes == (("r", "c", said) if missed else ("c", "r"))


@pytest.mark.parametrize(
    ("seen", "stored", "source", "notes"),
    [
        (
            counted(("c",), a=(9, 1)),
            DOWN["postgres"],
            "prometheus",
            ("c", "not compared with the rows: postgres is away"),
        ),
        (counted(("c",), a=(9, 1)), ABSENT["postgres"], "prometheus", ("c",)),
        (None, rows(("r",), a=bought(9)), "postgres", ("r", EMPTY)),
        (DOWN["prometheus"], rows(("r",), a=bought(9)), "postgres", ("r", "prometheus hangs")),
        (ABSENT["prometheus"], rows(("r",), a=bought(9)), "postgres", ("r",)),
        (None, ABSENT["postgres"], "prometheus", (EMPTY,)),
    ],
)
async def test_one_answer_stands_alone_and_says_what_the_other_was(both, seen, stored, source, notes):
    value = await both.read(counted=seen, from_postgres=stored)
    assert (value.source, value.notes) == (source, notes)
    assert value.measured == (notes != (EMPTY,))


@pytest.mark.parametrize(
    ("seen", "stored", "sentence"),
    [
        (DOWN["prometheus"], ABSENT["postgres"], "prometheus hangs"),
        (ABSENT["prometheus"], DOWN["postgres"], "postgres is away"),
        (DOWN["prometheus"], DOWN["postgres"], "prometheus hangs; postgres is away"),
        (None, DOWN["postgres"], f"{EMPTY}; postgres is away"),
    ],
)
async def test_where_neither_can_answer_the_sentence_holds_all_that_is_known(both, seen, stored, sentence):
    with pytest.raises(SourceError) as error:
        await both.read(counted=seen, from_postgres=stored)
    assert str(error.value) == sentence


async def test_a_source_that_hangs_does_not_cost_the_others_answer(both, monkeypatch):
    monkeypatch.setattr(transactions, "SOURCE_TIMEOUT_S", 0.05)
    value = await both.read(counted="never", from_postgres=rows(a=bought(9)))
    assert (value.source, value.notes) == ("postgres", ("no answer within 0.05 s",))


@pytest.mark.parametrize(
    ("seen", "stored", "said"),
    [
        ((100, 10), (100, 20), None),
        ((100, 9), (100, 20), "prometheus counts 9 of 100 failed (9 %), postgres has 20 of 100 (20 %)"),
        ((100, 31), (100, 20), "prometheus counts 31 of 100 failed (31 %), postgres has 20 of 100 (20 %)"),
        ((1000, 0), (1500, 300), "prometheus counts 0 of 1 000 failed (0 %), postgres has 300 of 1 500 (20 %)"),
        ((19, 0), (20, 10), None),  # too few
        ((20, 0), (19, 10), None),
        ((20, 0), (20, 10), "prometheus counts 0 of 20 failed (0 %), postgres has 10 of 20 (50 %)"),
    ],
)
async def test_a_difference_above_the_margin_is_said_with_both_counts(both, seen, stored, said):
    value = await both.read(counted=counted(a=seen), from_postgres=rows(a=bought(*stored)))
    assert value.disagreement == said


async def test_with_one_source_nothing_disagrees(both):
    value = await both.read(counted=counted(a=(100, 90)), from_postgres=DOWN["postgres"])
    assert value.disagreement is None


async def test_what_is_under_way_is_added_to_the_counters_by_provider(both):
    stored = rows(
        a=bought(29, 2, in_flight=4, overdue=2, oldest_s=50.0, newest_s=3.0, silent_s=1.0, minute=9, minute_failures=2),
        hanging=bought(0, in_flight=5, oldest_s=90.0, newest_s=2.0),
        quiet=bought(0),
    )
    value = await both.read(counted=counted(a=(30, 3), only_counted=(7, 0)), from_postgres=stored)
    assert (value.attempts, value.decided, value.in_flight, value.failures) == (46, 37, 9, 3)
    assert (value.overdue, value.oldest_s, value.newest_s, value.silent_s) == (2, 90.0, 2.0, 1.0)
    assert {one.name: (one.attempts, one.decided, one.failures, one.failure_rate) for one in value.providers} == {
        "a": (34, 30, 3, pytest.approx(0.1)),
        "only_counted": (7, 7, 0, 0.0),
        "hanging": (5, 0, 0, None),
    }
    assert value.minute == LastMinute(
        decided=9, failures=2, failure_rate=pytest.approx(2 / 9)
    )  # by the rows all the same


async def test_the_worst_provider_comes_first_then_the_busiest_then_by_name(both):
    names = ProviderNames([("id-1", "D", ""), ("id-2", "B", "")])
    stored = rows(
        names=names, c=bought(5), d=bought(9), b=bought(5), a=bought(4, 1), e=bought(2, in_flight=9), f=bought(7, 3)
    )
    value = await both.read(counted=ABSENT["prometheus"], from_postgres=stored)
    assert [one.name for one in value.providers] == ["f", "a", "e", "d", "b", "c"]
    assert {one.name: one.id for one in value.providers if one.id} == {"d": "id-1", "b": "id-2"}


@pytest.mark.parametrize(
    ("waiting", "silent_s", "found", "expected", "looked"),
    [
        (4, 7.0, 400.0, 7.0, False),
        (4, None, 400.0, 400.0, True),
        (4, None, DOWN["postgres"], None, True),
        (0, None, 400.0, None, False),
    ],
)
async def test_the_last_decision_is_looked_for_further_back_only_where_purchases_wait(
    both, waiting, silent_s, found, expected, looked
):
    stored = rows(a=bought(0, in_flight=waiting, silent_s=silent_s))
    value = await both.read(counted=ABSENT["prometheus"], from_postgres=stored, silent_since=found)
    assert value.silent_s == expected
    assert ("silent_since" in both.asked) == looked


@pytest.mark.parametrize(
    ("failed_s", "clean"), [(100.0, 200.0), (299.0, 1.0), (300.0, None), (301.0, None), (None, None)]
)
async def test_the_window_is_clean_when_its_newest_failure_has_left_it(both, failed_s, clean):
    value = await both.read(counted=ABSENT["prometheus"], from_postgres=rows(a=bought(9, 1, failed_s=failed_s)))
    assert value.clean_in_s == clean


def steps(*rates: tuple[float, float, float | None]) -> tuple[Point, ...]:
    """(seconds ago, purchases a minute, rate)."""
    return tuple(Point(at=NOW.timestamp() - ago, attempts=many, failure_rate=rate) for ago, many, rate in rates)


@pytest.mark.parametrize(
    ("trend", "minute", "clean"),
    [
        (
            steps((120, 9, 0.5), (60, 10.2, 0.25), (30, 19.6, 0.0)),
            LastMinute(decided=20, failures=0, failure_rate=0.0),
            240,
        ),
        (steps((90, 10, 0.25)), LastMinute(decided=10, failures=2, failure_rate=0.2), 210),
        (steps((91, 10, 0.25)), None, 209),
        (steps((30, 0, None)), LastMinute(decided=0, failures=0, failure_rate=None), None),
        (steps((30, 1.4, 1.0)), LastMinute(decided=1, failures=1, failure_rate=1.0), 270),
        (steps((299, 9, 1.0), (20, 9, None)), LastMinute(decided=9, failures=0, failure_rate=0.0), 1),
        (steps((300, 9, 1.0)), None, None),
        ((), None, None),
    ],
)
async def test_without_rows_the_trend_says_how_the_last_minute_was_and_when_it_is_clean(make, trend, minute, clean):
    value = await make("prometheus").read(
        counted=counted(a=(30, 3)), from_postgres=ABSENT["postgres"], trend_from_prometheus=trend
    )
    assert value.minute == minute
    assert value.clean_in_s == (pytest.approx(clean) if clean is not None else None)


async def test_a_latency_is_shown_with_when_it_was_measured_and_who_measured_it(both):
    p95 = Latency(p95_s=2.5, saturated=True)
    value = await both.read(counted=counted(a=(30, 3)), latency=p95)
    assert (value.latency_p95_s, value.latency_saturated, value.latency_at) == (2.5, True, NOW)
    assert value.source == "prometheus"
    rows_shown = await both.read(counted=None, from_postgres=rows(a=bought(9)), latency=p95)
    assert rows_shown.source == "postgres, prometheus"
    unmeasured = await both.read(counted=None, from_postgres=rows(a=bought(9)), latency=NO_LATENCY)
    assert unmeasured.source == "postgres"


MEASURED = Transactions(
    failure_rate=None, attempts=0, failures=0, window_s=300, latency_p95_s=6.5, latency_saturated=True, latency_at=NOW
)


@pytest.mark.parametrize(("age_s", "kept"), [(0, True), (300, True), (301, False)])
async def test_a_latency_that_can_not_be_read_stands_for_a_window(both, age_s, kept):
    both.now = NOW + timedelta(seconds=age_s)
    value = await both.read(MEASURED, counted=DOWN["prometheus"], latency=DOWN["prometheus"])
    notes = ("prometheus hangs", "p95 is of 14:07:31Z") if kept else ("prometheus hangs",)
    assert value.notes == notes
    assert (value.latency_p95_s, value.latency_saturated, value.latency_at) == (
        (6.5, True, NOW) if kept else (None, False, None)
    )


@pytest.mark.parametrize(
    ("before", "error"),
    [
        (MEASURED, ABSENT["prometheus"]),
        (None, DOWN["prometheus"]),
        (replace(MEASURED, latency_at=None), DOWN["prometheus"]),
    ],
)
async def test_no_latency_is_remembered_that_was_not_measured_or_whose_source_is_not_there(both, before, error):
    value = await both.read(before, counted=error, latency=error)
    assert (value.latency_p95_s, value.latency_saturated, value.latency_at) == (None, False, None)


async def test_counters_without_a_latency_say_why(both):
    value = await both.read(counted=counted(a=(30, 3)), latency=DOWN["prometheus"])
    assert value.notes == ("no latency: prometheus hangs",)


STUCK = Counts(
    attempts=24, failures=0, in_flight=24, overdue=20, oldest_s=240.0, newest_s=2.0, silent_s=200.0, minute=0
)


async def seen_then_lost(both: FakeAnswers, age_s: float) -> Transactions:
    """24 purchases in flight at smsbower; after that only Prometheus answers."""
    before = await both.read(counted=counted(a=(30, 0)), from_postgres=rows(smsbower=STUCK, a=bought(30)))
    assert before.waiting_at == NOW
    both.now = NOW + timedelta(seconds=age_s)
    return await both.read(before, counted=counted(a=(60, 0)), from_postgres=DOWN["postgres"])


def levels(value: Transactions) -> list[str]:
    assert transactions_signal.SIGNAL.reasons is not None
    return [judgement.level for judgement in transactions_signal.SIGNAL.reasons(value, Settings())]


@pytest.mark.parametrize("age_s", [2, 300])
async def test_who_waited_when_the_rows_were_last_read_stands_for_a_window_and_lowers_nothing(both, age_s):
    value = await seen_then_lost(both, age_s)
    assert (value.in_flight, value.overdue, value.oldest_s, value.newest_s) == (24, 20, 240.0, 2.0)
    assert (value.decided, value.attempts, value.silent_s, value.waiting_at) == (60, 84, 200.0, NOW)
    assert {one.name: one.in_flight for one in value.providers} == {"smsbower": 24, "a": 0}
    assert levels(value) == ["SEV-1"] and value.notes[-1] == "purchases in flight are as of 14:07:31Z"
    [reason] = transactions_signal.SIGNAL.reasons(value, Settings())
    assert reason.text == ("purchasing is down: 24 in flight at smsbower, none decided for 3 min, as of 14:07:31Z")
    again = await both.read(value, counted=counted(a=(61, 0)), from_postgres=DOWN["postgres"])
    assert (again.in_flight, again.silent_s, again.waiting_at) == (24, 200.0, NOW)


async def test_after_a_window_without_rows_nobody_says_who_waits_and_nobody_says_that_none_does(both):
    value = await seen_then_lost(both, 301)
    assert (value.in_flight, value.waiting_at, levels(value)) == (0, None, [])
    signal, view = transactions_signal.SIGNAL, SimpleNamespace(value=value, settings=Settings())
    for name in ("transactions.blocked", "transactions.overdue", "transactions.waiting"):
        [probe] = [probe for probe in signal.probes if probe.name == name]
        told = probe.read(view)
        assert (
            told.value is None
            and told.text == "not known: only the rows have purchases in flight, and they can't be read"
        )
    assert "purchases" not in {state.subject for state in signal.observe(value, {}, Settings())}
    assert signal.numbers(value, 2.0, both.now)["purchases_waiting"] is None


async def test_what_waits_is_counted_anew_as_soon_as_the_rows_answer(both):
    value = await seen_then_lost(both, 30)
    both.now = NOW + timedelta(seconds=32)
    after = await both.read(value, counted=counted(a=(60, 0)), from_postgres=rows(a=bought(60)))
    assert (after.in_flight, after.waiting_at, levels(after)) == (0, both.now, [])
    assert {state.state for state in transactions_signal.SIGNAL.observe(after, {}, Settings())} >= {"decided"}


@pytest.mark.parametrize(("age_s", "known"), [(15, 20), (16, None)])
async def test_an_old_count_of_who_waits_is_no_figure_of_this_moment(both, age_s, known):
    value = await seen_then_lost(both, age_s)
    assert transactions_signal.SIGNAL.numbers(value, 2.0, both.now)["purchases_waiting"] == known


@pytest.mark.parametrize("error", ["down", "absent"])
async def test_nobody_waits_by_what_was_never_counted_or_is_not_configured(both, error):
    if error == "absent":
        before = await both.read(from_postgres=rows(smsbower=STUCK))
        value = await both.read(before, counted=counted(a=(9, 0)), from_postgres=ABSENT["postgres"])
    else:
        value = await both.read(None, counted=counted(a=(9, 0)), from_postgres=DOWN["postgres"])
    assert (value.in_flight, value.waiting_at) == (0, None)


OLD = steps((60, 1, 0.0))
NEW = steps((0, 2, 0.0))
EARLIER = Transactions(failure_rate=None, attempts=0, failures=0, window_s=300, trend=OLD, usual_s=2.0, usual_p95_s=9.0)


@pytest.mark.parametrize(("age_s", "asked"), [(-1, True), (0, False), (11.9, False), (12, True)])
async def test_the_trend_and_the_usual_duration_are_asked_for_every_twelve_seconds(both, age_s, asked):
    before = replace(EARLIER, trend_at=NOW.timestamp() - age_s)
    value = await both.read(
        before, counted=counted(a=(30, 3)), trend_from_prometheus=NEW, usual=Usual(p50_s=3.0, p95_s=8.0)
    )
    assert value.trend == (NEW if asked else OLD)
    assert value.trend_at == (NOW.timestamp() if asked else before.trend_at)
    assert (value.usual_s, value.usual_p95_s) == ((3.0, 8.0) if asked else (2.0, 9.0))


async def test_the_trend_is_the_shown_sources_else_the_others_else_what_it_was(both):
    before = replace(EARLIER, trend_at=NOW.timestamp() - 60)
    seen = {"counted": counted(a=(30, 3)), "from_postgres": rows(a=bought(30, 3))}
    first = await both.read(before, **seen, trend_from_prometheus=NEW, trend_from_postgres=OLD)
    assert (first.trend, "trend_from_postgres" in both.asked) == (NEW, False)
    second = await both.read(before, **seen, trend_from_prometheus=(), trend_from_postgres=NEW)
    assert second.trend == NEW
    neither = await both.read(
        before, **seen, trend_from_prometheus=DOWN["prometheus"], trend_from_postgres=DOWN["postgres"]
    )
    assert (neither.trend, neither.trend_at) == (OLD, NOW.timestamp())
    nothing = await both.read(**seen)
    assert nothing.trend == ()


async def test_where_the_rows_are_shown_their_trend_is_asked_for_first(both):
    await both.read(counted=None, from_postgres=rows(a=bought(9)), trend_from_postgres=NEW)
    assert "trend_from_prometheus" not in both.asked


async def test_a_source_that_did_not_answer_is_not_asked_for_a_trend(both):
    await both.read(counted=DOWN["prometheus"], from_postgres=rows(a=bought(9)))
    assert "trend_from_prometheus" not in both.asked
    await both.read(counted=counted(a=(9, 0)), from_postgres=DOWN["postgres"])
    assert {"trend_from_postgres", "usual"}.isdisjoint(both.asked)


@pytest.mark.parametrize("answer", [Usual(), DOWN["postgres"]])
async def test_a_usual_duration_that_nobody_can_tell_now_stays_as_it_was(both, answer):
    value = await both.read(replace(EARLIER, trend_at=NOW.timestamp() - 60), usual=answer)
    assert (value.usual_s, value.usual_p95_s) == (2.0, 9.0)
    assert (await both.read(None, usual=answer)).usual_s is None


@pytest.mark.parametrize(("usual_p95_s", "overdue_s"), [(None, 30.0), (10.0, 30.0), (20.0, 60.0), (60.0, 120.0)])
async def test_a_purchase_is_overdue_after_three_times_the_usual_where_that_is_longer(both, usual_p95_s, overdue_s):
    value = await both.read(replace(EARLIER, usual_p95_s=usual_p95_s, trend_at=time.time()))
    assert value.overdue_after_s == overdue_s
    assert both.given["from_postgres"][2] == overdue_s


def test_of_purchases_that_nobody_speaks_of_none_is_under_way_or_late():
    value = Transactions(failure_rate=0.1, attempts=10, failures=1, window_s=300)
    assert (value.decided, value.in_flight, value.overdue, value.trend_at, value.measured) == (10, 0, 0, 0.0, True)
    assert (value.latency_p95_s, value.latency_saturated, value.overdue_after_s) == (None, False, 30.0)


def test_the_signal_is_asked_every_two_seconds_and_given_ten_for_two_sources_one_after_the_other():
    signal = transactions_signal.SIGNAL
    assert (signal.name, signal.every) == ("transactions", 2.0)
    assert signal.timeout > 2 * transactions.SOURCE_TIMEOUT_S


def test_counts_together_keep_the_oldest_that_waits_and_the_newest_of_every_other_age() -> None:
    sold = Counts(attempts=4, failures=1, minute=2, minute_failures=1, silent_s=7.0, failed_s=9.0)
    waiting = Counts(attempts=2, failures=0, in_flight=2, overdue=1, oldest_s=50.0, newest_s=3.0)
    others = Counts(attempts=3, failures=2, in_flight=1, oldest_s=60.0, newest_s=0.0, silent_s=8.0, failed_s=5.0)
    expected = Counts(
        attempts=9,
        failures=3,
        in_flight=3,
        overdue=1,
        minute=2,
        minute_failures=1,
        oldest_s=60.0,
        newest_s=0.0,
        silent_s=7.0,
        failed_s=5.0,
    )
    assert together([sold, waiting, others]) == together([others, sold, waiting]) == expected
    assert together([sold]) == sold
    assert together([]) == NOTHING
