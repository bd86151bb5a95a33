"""Onsets from rows, counters, the flight record and this console's own readings, and what is said of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import sample_readings as sample

from nexconsole.errors import BadAnswer, NotConfigured, SourceError, TimedOut
from nexconsole.model import Reading, Value
from nexconsole.settings import PostgresSettings, PrometheusSettings, Settings
from nexconsole.signals.figure_memory import KEPT_S, FigureMemory, figure_memory, joined
from nexconsole.signals.onset import Onset, Onsets
from nexconsole.signals.onset_figures import ATTEMPTS, FAILURE_RATE, LEVELS, WATCHED, rules_of
from nexconsole.signals.onset_histories import histories
from nexconsole.signals.onset_signal import SIGNAL, onset_text, read
from nexconsole.signals.outbox import SIGNAL as OUTBOX
from nexconsole.signals.outbox import Outbox
from nexconsole.signals.probe import answer
from nexconsole.signals.provider_names import ProviderNames
from nexconsole.signals.purchase_steps import MOST_ROWS, PurchaseSteps, _by_step, read_steps
from nexconsole.signals.registry import probes, signals
from nexconsole.sources import Sources
from nexconsole.sources.postgres import PostgresSource
from nexconsole.sources.prometheus_json import QueryResult
from nexconsole.sources.prometheus_json import Series as PrometheusSeries

NOW = sample.NOW
SETTINGS = Settings()
MARKET_SQL = """
INSERT INTO activations (id, user_id, state, captured_tx_id, provider_id, service_name, country_code, created_at,
  updated_at, idempotency_key, country_name, price)
SELECT 'a' || n || p, 'u1', (CASE WHEN bad THEN 'FAILED' ELSE 'ACTIVE' END)::"ActivationState",
       CASE WHEN bad THEN NULL ELSE 'tx' END, p, 'wa', 'nl', t, t, 'k' || n || p, 'Netherlands', 1
FROM (SELECT n, p, now() AT TIME ZONE 'UTC' - make_interval(secs => n) AS t,
             p = 'smsbower' AND n < $1 OR n % 50 = 0 AS bad
      FROM generate_series(3, 1500, 3) n, unnest(ARRAY['smsbower', '5sim']) p) market
"""


class FakeRecord:
    """The flight record as its interface says."""

    def __init__(self, series: Mapping[tuple[str, str], Sequence[tuple[float, float]]] | Exception) -> None:
        self.given, self.asked = series, 0

    async def series(self, figures: Sequence[str], start: float, end: float) -> Mapping[tuple[str, str], tuple]:
        self.asked += 1
        if isinstance(self.given, Exception):
            raise self.given
        return {
            key: tuple(point for point in points if start <= point[0] <= end)
            for key, points in self.given.items()
            if key[0] in figures
        }

    def close(self) -> None:
        return


class FakePrometheus:
    """Range queries answered by a function of (expression, times)."""

    def __init__(self, values) -> None:
        self.values, self.settings, self.asked = values, PrometheusSettings(), []

    async def query_range(self, expression: str, start: float, end: float, step_s: float) -> QueryResult:
        self.asked.append((expression, start, end, step_s))
        times = [start + step_s * number for number in range(int((end - start) / step_s) + 1)]
        return QueryResult(
            PrometheusSeries(labels=labels, points=tuple(points)) for labels, points in self.values(expression, times)
        )


class OnlyPrometheus(Sources):
    """Sources with a fake Prometheus and no other."""

    def __init__(self, prometheus: FakePrometheus) -> None:
        super().__init__(None, {})  # type: ignore[arg-type]
        self.fake = prometheus

    def has(self, name: str) -> bool:
        return name == "prometheus"

    @property
    def prometheus(self):
        return self.fake


def recorded(record: FakeRecord) -> Sources:
    return Sources(None, {}, record)  # type: ignore[arg-type]


def ask(value: Onsets, name: str, argument: str):
    reading = Reading(signal="onset", every=10.0, value=value, taken_at=NOW, attempted_at=NOW)
    return answer(probes()[name], {"onset": reading}, SETTINGS, NOW, argument)


# --- rows -------------------------------------------------------------------------------------------------------------


async def test_rows_tell_since_when_a_providers_purchases_fail(database, sources_on):
    await database.customer()
    await database.execute(MARKET_SQL, 60)
    value = await read(sources_on(database.url), SETTINGS, Onsets())
    assert value.source.startswith("postgres")
    there, of_all = value.of(FAILURE_RATE, "smsbower"), value.of(FAILURE_RATE)
    for onset in (there, of_all):
        assert (datetime.now(UTC) - onset.at).total_seconds() == pytest.approx(60, abs=15)
        assert onset.worse and onset.source == "postgres" and onset.within_s <= 20
    assert (there.before, there.after) == (pytest.approx(0.02, abs=0.01), pytest.approx(1.0, abs=0.1))
    assert value.of(FAILURE_RATE, "5sim") is None and value.of(ATTEMPTS) is None
    assert {"failure_rate 5sim", "attempts 5sim", "failure_rate", "attempts"} <= set(value.watched)


async def test_what_began_before_the_rows_says_so(database, sources_on):
    await database.customer()
    await database.execute(MARKET_SQL, 9_000)
    onset = (await read(sources_on(database.url), SETTINGS, Onsets())).of(FAILURE_RATE, "smsbower")
    assert (onset.at, onset.before) == (None, None)
    assert (datetime.now(UTC) - onset.known_from).total_seconds() == pytest.approx(1500, abs=30)


async def test_a_market_without_a_purchase_is_not_watched(database, sources_on):
    value = await read(sources_on(database.url), SETTINGS, Onsets())
    assert (value.found, value.watched) == ((), ())


async def test_the_newest_steps_are_read_again_and_the_older_ones_once(database, sources_on):
    await database.customer()
    await database.execute(MARKET_SQL, 0)
    sources, known = sources_on(database.url), PurchaseSteps()
    await read_steps(sources, known)
    before = sum(step.of for step in known.failures())
    assert known.complete and before == pytest.approx(2 * 500, abs=8)
    await database.activation("late", 20, "FAILED", "smsbower")
    await database.activation("long ago", 900, "FAILED", "smsbower")
    await read_steps(sources, known)
    assert sum(step.of for step in known.failures()) == before + 1


async def test_a_purchase_under_way_counts_as_not_failed_and_is_looked_at_again(database, sources_on):
    await database.customer()
    await database.activation("slow", 200, "RESERVED", "smsbower")
    sources, known = sources_on(database.url), PurchaseSteps()
    await read_steps(sources, known)
    assert [(step.amount, step.of) for step in known.failures()] == [(0, 1)]
    await database.execute("UPDATE activations SET state = 'FAILED' WHERE id = 'slow'")
    await read_steps(sources, known)
    assert [(step.amount, step.of) for step in known.failures("smsbower")] == [(1, 1)]


ROW = {
    **{"at": 0.0, "seller": None, "shop": None, "provider": "5sim"},
    **{"begun": 0, "failed": 0, "waiting": 0, "timed": 0, "sold_s": 0.0},
}


def test_steps_without_a_purchase_are_steps_but_not_before_the_first_of_all():
    known = PurchaseSteps(since=1000, read_to=1065.0)
    known.take(1000, 1065, _by_step([{**ROW, "at": 1020.0, "begun": 4, "failed": 1}], ProviderNames()))
    assert [(step.at, step.amount, step.of) for step in known.attempts("5sim")] == [
        (1020, 4, 10),
        (1030, 0, 10),
        (1040, 0, 10),
        (1050, 0, 10),
        (1060, 0, 5),
    ]
    assert [(step.at, step.amount, step.of) for step in known.failures()] == [(1020, 1, 4)]


def test_more_rows_than_can_be_compared_are_refused():
    row = {**ROW, "begun": 1}
    with pytest.raises(SourceError, match="too many to compare"):
        _by_step([row] * (MOST_ROWS + 1), ProviderNames())


# --- counters and the record ------------------------------------------------------------------------------------------


def market(began: float):
    """5sim sells; at smsbower all fails from `began` on: counters' increases in each window."""

    def values(expression: str, times: Sequence[float]):
        window = 60 if "[60s]" in expression else 30 if "[30s]" in expression else 300
        if "bucket" in expression:
            return [({}, [(at, 1.1) for at in times])]
        failing = 'status="error"' in expression
        return [
            ({"provider": "5sim"}, [(at, 0.0 if failing else 0.5 * window) for at in times]),
            (
                {"provider": "smsbower"},
                [(at, (0.5 * window if at > began else 0.01) if failing else 0.5 * window) for at in times],
            ),
        ]

    return values


async def test_counters_serve_where_no_rows_can_be_read():
    began = time.time() - 300
    prometheus = FakePrometheus(market(began))
    sources = OnlyPrometheus(prometheus)
    value = await read(sources, SETTINGS, Onsets())
    onset = value.of(FAILURE_RATE, "smsbower")
    assert onset.source == "prometheus" and onset.at.timestamp() == pytest.approx(began, abs=45)
    assert value.of(FAILURE_RATE, "5sim") is None and value.of("latency_p95_s") is None
    asked = len(prometheus.asked)
    await read(sources, SETTINGS, value)
    assert len(prometheus.asked) == asked, "not so soon again"


async def test_the_latency_is_asked_for_once_as_a_whole_and_then_only_its_newest_part():
    prometheus = FakePrometheus(market(time.time()))
    sources, now = OnlyPrometheus(prometheus), time.time()
    first = (await histories(sources, SETTINGS, now))["latency_p95_s", ""]
    again = (await histories(sources, SETTINGS, now + 45))["latency_p95_s", ""]
    spans = [end - start for expression, start, end, _ in prometheus.asked if "bucket" in expression]
    assert spans[0] == 1800 and spans[1] <= 120
    assert again.steps[-1].at > first.steps[-1].at and len({step.at for step in again.steps}) == len(again.steps)
    gaps = {b.at - a.at for a, b in pairwise(again.steps)}
    assert gaps == {15}


async def test_a_day_of_counters_is_asked_for_where_the_finer_history_has_no_beginning():
    began = time.time() - 3 * 3600
    value = await read(OnlyPrometheus(FakePrometheus(market(began))), SETTINGS, Onsets())
    onset = value.of(FAILURE_RATE, "smsbower")
    assert onset.at.timestamp() == pytest.approx(began, abs=900) and onset.before == pytest.approx(0, abs=0.01)


async def test_without_counters_and_rows_nothing_is_watched_and_nothing_is_calm():
    value = await read(OnlyPrometheus(FakePrometheus(lambda expression, times: [])), SETTINGS, Onsets())
    assert (value.found, value.watched) == ((), ()) and "not watched: purchases," in " ".join(value.notes)
    assert SIGNAL.summary(value).startswith("not known")
    assert SIGNAL.numbers(value, 10.0, NOW) == {"figures_out": None}


async def test_the_flight_record_has_the_time_before_this_console_began():
    now = time.time()
    old = [(now - 3600 + 15 * number, 8.0 + number % 3) for number in range(200)]
    backlog = [(now - 600 + 15 * number, 200.0 + number) for number in range(40)]
    sources = recorded(FakeRecord({("outbox_pending", ""): [*old, *backlog]}))
    value = await read(sources, SETTINGS, Onsets())
    onset = value.of("outbox_pending")
    assert onset.source == "record" and onset.at.timestamp() == pytest.approx(now - 600, abs=20)
    assert onset.before == pytest.approx(9, abs=1) and "outbox_pending" in value.watched


@pytest.mark.parametrize("error", [BadAnswer("record", "its file is no record"), TimedOut("record", "it hangs")])
async def test_a_record_that_fails_is_a_note(error):
    sources = recorded(FakeRecord(error))
    figure_memory(sources).add("connections", time.time(), 5.0)
    value = await read(sources, SETTINGS, Onsets())
    assert f"no history of the flight record: {error}" in value.notes and value.found == ()


async def test_where_nothing_is_recorded_that_is_no_trouble():
    sources = recorded(FakeRecord(NotConfigured("record", "off")))
    figure_memory(sources).add("connections", time.time(), 5.0)
    value = await read(sources, SETTINGS, Onsets())
    assert not any("flight record" in note for note in value.notes)


async def test_without_any_source_it_is_absent_and_with_a_broken_one_it_is_not_known(clients):
    with pytest.raises(NotConfigured, match="onsets need a history"):
        await read(recorded(FakeRecord({})), SETTINGS, Onsets())
    gone = Sources(clients, {"postgres": PostgresSource(clients, PostgresSettings(url="postgresql://u@127.0.0.1:1/x"))})
    with pytest.raises(SourceError, match=r"no history of purchases: .*refused"):
        await read(gone, SETTINGS, Onsets())


async def test_what_this_console_reads_itself_is_a_history():
    sources = recorded(FakeRecord({}))
    memory, now = figure_memory(sources), time.time()
    for number in range(100):
        memory.add("sessions_blocked", now - 500 + 5 * number, 0.0 if number < 90 else 14.0)
    onset = (await read(sources, SETTINGS, Onsets())).of("sessions_blocked")
    assert onset.source == "this console" and onset.at.timestamp() == pytest.approx(now - 50, abs=10)


# --- the memory -------------------------------------------------------------------------------------------------------


def taken(pending: int, at: datetime, error: str | None = None) -> Reading:
    value = Outbox(pending=pending, failed=0, dropped=0, oldest_pending_s=None)
    return Reading(signal="outbox", every=2.0, value=value, taken_at=at, attempted_at=at, error=error)


def test_the_memory_keeps_a_sample_of_each_figure_and_no_old_ones():
    memory = FigureMemory()
    for second in range(0, int(2 * KEPT_S), 2):
        memory.take(OUTBOX, taken(second, NOW + timedelta(seconds=second)))
    points = memory.points("outbox_pending")
    assert KEPT_S / 6 * 0.9 < len(points) < KEPT_S / 6 * 1.2
    assert points[-1][0] - points[0][0] <= KEPT_S * 1.1 + 10
    assert memory.points("outbox_oldest_pending_s") == [], "unknown is no sample"


def test_a_failed_or_repeated_reading_adds_nothing_and_its_value_is_not_of_now():
    memory = FigureMemory()
    memory.take(OUTBOX, taken(5, NOW))
    memory.take(OUTBOX, taken(5, NOW))
    memory.take(OUTBOX, taken(5, NOW + timedelta(seconds=60), error="postgres refused"))
    assert len(memory.points("outbox_pending")) == 1 and memory.value("outbox", Outbox) is None


def test_a_clock_that_is_set_back_begins_a_new_history():
    memory = FigureMemory()
    memory.add("x", 100_000.0, 1.0)
    memory.add("x", 99_999.0, 2.0)
    assert memory.points("x") == [(100_000.0, 1.0)]
    memory.add("x", 10_000.0, 3.0)
    assert memory.points("x") == [(10_000.0, 3.0)]


def test_histories_are_joined_without_telling_a_moment_twice():
    assert joined([(1.0, 5.0), (9.0, 6.0)], [(4.0, 7.0)]) == [(1.0, 5.0), (4.0, 7.0)]
    assert joined([(1.0, 5.0)], []) == [(1.0, 5.0)]


# --- what is said -----------------------------------------------------------------------------------------------------


def test_every_watched_figure_is_a_metric_of_a_signal_and_has_rules():
    metrics = {name for signal in signals() for name in signal.metrics}
    assert set(WATCHED) <= metrics
    assert all(rules_of(figure, SETTINGS).least > 0 for figure in WATCHED)
    assert set(LEVELS) < set(WATCHED)


def test_the_sentences_have_figure_place_before_and_since():
    value = sample.incident()["onset"].value
    assert [onset_text(onset) for onset in value.found] == [
        "failure rate at smsbower 55 %, before 2.1 %, since 14:02",
        "failure rate 17.8 %, before 2 %, since 14:02",
        "outbox pending 137, since before 13:47",
    ]
    assert SIGNAL.summary(sample.onsets()) == "5 figures in the usual range"


@pytest.mark.parametrize(
    "name, argument, expected, text",
    [
        ("onset.is", "failure_rate", True, "failure rate 17.8 %, before 2 %, since 14:02"),
        ("onset.is", "attempts", False, "purchases has not got worse"),
        ("onset.is", "slot_wait_s", None, "not known: longest wait for a slot has no history"),
        ("onset.ago", "failure_rate", 280.0, "failure rate 17.8 %, before 2 %, since 14:02: 4 min ago"),
        ("onset.ago", "outbox_pending", 1200.0, "outbox pending 137, since before 13:47: at least 20 min ago"),
        ("onset.ago", "attempts", None, "purchases is in its usual range"),
        ("onset.factor", "failure_rate", 8.9, "failure rate 17.8 %, before 2 %, since 14:02"),
        ("onset.factor", "attempts", 1.0, "purchases is as usual"),
        ("onset.factor", "outbox_pending", None, "not known: outbox pending 137, since before 13:47"),
        ("onset.failing", "SMSBower", True, "failure rate at smsbower 55 %, before 2.1 %, since 14:02"),
        ("onset.failing", "5sim", None, "not known: failure rate at 5sim has no history"),
        ("onset.failing_ago", "smsbower", 290.0, "failure rate at smsbower 55 %, before 2.1 %, since 14:02: 4 min ago"),
        ("onset.fewer", "smsbower", False, "purchases at smsbower has not got worse"),
    ],
)
def test_the_probes_answer_and_what_is_not_watched_is_not_known(name, argument, expected, text):
    found = ask(sample.incident()["onset"].value, name, argument)
    assert found.value == (pytest.approx(expected) if isinstance(expected, float) else expected)
    assert found.text == text


def test_a_surge_of_purchases_is_not_worse_and_has_its_factor():
    surge = Onset(figure="attempts", at=NOW, known_from=NOW, before=1.5, after=6.0, worse=False)
    value = sample.onsets(surge)
    assert ask(value, "onset.is", "attempts").value is False and ask(value, "onset.factor", "attempts").value == 4.0
    assert value.first is None and SIGNAL.numbers(value, 10.0, NOW) == {"figures_out": 0}


def test_the_timeline_has_a_figure_that_left_its_range_and_that_it_is_back():
    bad, good = sample.incident()["onset"].value, sample.onsets()
    states = list(SIGNAL.observe(bad, {}, SETTINGS))
    assert [(state.subject, state.state) for state in states] == [
        ("usual range of failure rate", "left"),
        ("usual range of outbox pending", "left"),
    ]
    known = {state.subject: state.state for state in states}
    assert [state.text for state in SIGNAL.observe(good, known, SETTINGS)] == [
        "failure rate is in its usual range again",
        "outbox pending is in its usual range again",
    ]
    assert list(SIGNAL.observe(Onsets(), known, SETTINGS)) == [], "not known is not well"


class SomeValue(Value):
    """A value of another kind."""


def test_a_value_of_another_kind_is_none():
    memory = FigureMemory()
    memory.take(OUTBOX, taken(5, NOW))
    assert memory.value("outbox", SomeValue) is None and memory.value("outbox", Outbox).pending == 5


async def test_the_moment_stays_known_when_the_history_no_longer_reaches_back_to_it():
    sources = recorded(FakeRecord({}))
    memory, now = figure_memory(sources), time.time()
    for number in range(100):
        memory.add("sessions_blocked", now - 500 + 5 * number, 14.0)
        memory.add("connections", now - 500 + 5 * number, 12.0)
    at, known = datetime.fromtimestamp(now - 7200, UTC), datetime.fromtimestamp(now - 9000, UTC)
    blocked = Onset(figure="sessions_blocked", at=at, known_from=known, before=0.0, after=9.0, source="this console")
    used = Onset(figure="connections", at=at, known_from=known, before=12.0, after=80.0, source="this console")
    value = await read(sources, SETTINGS, Onsets(found=(blocked, used)))
    assert value.of("sessions_blocked") == replace(blocked, after=14.0)
    assert value.of("connections") is None


def test_the_first_onset_is_of_what_customers_feel_or_of_what_came_shortly_before():
    def since(figure: str, age_s: float) -> Onset:
        return Onset(figure=figure, at=sample.ago(age_s), known_from=sample.ago(9000), before=1.0, after=9.0)

    locks, blocked, failing = since("locks_abandoned", 3000), since("sessions_blocked", 320), since("failure_rate", 300)
    assert Onsets(found=(locks, blocked, failing)).first == blocked
    assert Onsets(found=(locks, failing)).first == failing
    assert Onsets(found=(locks, blocked)).first == locks
    older = replace(failing, figure="attempts", at=None)
    assert Onsets(found=(older, locks, failing)).first == older
    one, fewer = replace(since("failure_rate", 340), subject="5sim"), replace(since("attempts", 700), subject="5sim")
    assert Onsets(found=(one, failing)).first == failing, "one provider's few purchases say less exactly when"
    assert Onsets(found=(fewer, failing)).first == failing, "that fewer buy at one of them may be chance"
    assert Onsets(found=(fewer,)).first == fewer
    long_before = replace(since("failure_rate", 600), subject="5sim")
    assert Onsets(found=(long_before, failing)).first == long_before
    assert Onsets().first is None
