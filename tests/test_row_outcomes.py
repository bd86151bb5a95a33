"""What the rows tell of a provider where no log can be read, and what fails without a row."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import pytest
import sample_readings as sample
from cause_readings import failing
from sample_readings import NOW, reading

from nexconsole.errors import SourceError
from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.signals import onset_histories
from nexconsole.signals.funnel import Funnel, ProviderFunnel
from nexconsole.signals.funnel_parts import between, relapses
from nexconsole.signals.onset import Onsets
from nexconsole.signals.onset_histories import memory_of
from nexconsole.signals.onset_signal import read as read_onsets
from nexconsole.signals.pod_logs import READ_LATE
from nexconsole.signals.probe import answer
from nexconsole.signals.purchase_steps import PurchaseSteps, StepCounts, read_steps
from nexconsole.signals.registry import probes
from nexconsole.signals.row_outcomes import RowOutcomes, row_outcomes
from nexconsole.signals.transactions import read as read_transactions
from nexconsole.signals.unrecorded import reasons

SETTINGS = Settings()
BEGIN = 1_000_000
WELL, BAD, MIXED = StepCounts(5, 0, 0, 5, 2.5), StepCounts(5, 5), StepCounts(5, 2, 0, 3, 1.5)
NO_LOGS = Funnel(window_s=300, rests_on_s=300, answers={}, pods_followed=0)


def rows(*steps: StepCounts) -> RowOutcomes:
    """Of a provider whose purchases of each ten seconds ended so, the newest last."""
    known = PurchaseSteps(since=BEGIN, read_to=BEGIN + 10.0 * len(steps))
    known.steps = {BEGIN + 10 * n: {"smsbower": step} for n, step in enumerate(steps)}
    (one,) = row_outcomes(known)
    return one


def in_bursts(bursts: int, after: Sequence[StepCounts] = ()) -> RowOutcomes:
    """It fails for half a minute, again and again, and is well for nearly a minute in between."""
    return rows(*chain.from_iterable([[BAD, BAD, MIXED, *[WELL] * 5] for _ in range(bursts)]), *after)


def test_bursts_are_told_from_a_part_that_always_fails():
    assert in_bursts(4).relapses == 4
    assert in_bursts(4, [BAD]).relapses == 4, "the last burst is not over"
    always = rows(*[MIXED] * 40)
    assert (always.relapses, always.between) == (0, 0.4)
    assert rows(*[WELL] * 20, *[BAD] * 20).relapses == 0
    assert rows(*[WELL] * 40).relapses == 0


def test_what_sales_take_is_told_of_the_newest_and_of_five_minutes_before():
    slow = StepCounts(5, 0, 0, 5, 30.0)
    assert rows(*[WELL] * 40, *[slow] * 12).took_s == 6.0
    assert rows(*[WELL] * 40, *[slow] * 12).before_s == 0.5
    gone = rows(*[WELL] * 40, *[slow] * 12, *[BAD] * 6)
    assert (gone.took_s, gone.before_s, gone.sold_s) == (6.0, 0.5, 70.0)
    hardly = rows(*[WELL] * 40, *[StepCounts(5, 4, 0, 1, 6.0)] * 3, *[BAD] * 10, *[StepCounts(5, 4, 0, 1, 6.0)] * 2)
    assert (hardly.took_s, hardly.before_s) == (6.0, 0.5), "its last five sales, however long ago"
    long_gone = rows(*[WELL] * 4, *[BAD] * 40)
    assert (long_gone.took_s, long_gone.before_s) == (None, None)


async def test_a_sale_took_as_long_as_until_its_number_was_there(database, sources_on):
    for n in range(6):
        await database.sale(f"s{n}", 20 + n, "smsbower", f"smsbower:{n}", "smsbower", took_s=4.0)
    await database.activation("failed", 15, "FAILED", "smsbower", took_s=9.0)
    known = PurchaseSteps()
    await read_steps(sources_on(database.url), known)
    (one,) = row_outcomes(known)
    assert one.took_s == pytest.approx(4.0, abs=0.05)
    assert (one.name, one.relapses) == ("smsbower", 0)


async def test_where_no_counter_has_a_latency_the_window_s_sales_tell_it(database, sources_on):
    for n in range(12):
        await database.sale(f"old{n}", 500 + n, "smsbower", f"smsbower:o{n}", "smsbower", took_s=1.0)
    for n in range(8):
        await database.sale(f"new{n}", 30 + n, "smsbower", f"smsbower:n{n}", "smsbower", took_s=20.0)
    await database.activation("no number", 20, "ACTIVE", "smsbower", paid=True, took_s=90.0)
    found = await read_transactions(sources_on(database.url), SETTINGS, None)
    assert found.latency_p95_s == pytest.approx(20.0, abs=0.1) and found.latency_at is None
    assert "p95 is of the sales' rows" in found.notes
    again = await read_transactions(sources_on(database.url), SETTINGS, found)
    assert again.latency_p95_s == found.latency_p95_s


async def test_rows_that_can_t_be_read_any_more_tell_nothing_of_now(database, sources_on, monkeypatch):
    for n in range(6):
        await database.sale(f"s{n}", 20 + n, "smsbower", f"smsbower:{n}", "smsbower")
    sources = sources_on(database.url)
    first = await read_onsets(sources, SETTINGS, Onsets())
    assert [one.name for one in first.outcomes] == ["smsbower"]

    async def lost(sources, known):
        raise SourceError("postgres", "postgres at h: the connection broke")

    monkeypatch.setattr(onset_histories, "read_steps", lost)
    memory_of(sources).record = {("failure_rate", ""): ((1.0, 0.0), (2.0, 0.0))}  # another history still answers
    assert (await read_onsets(sources, SETTINGS, first)).outcomes == ()


def test_a_log_that_is_read_late_names_nothing_that_it_may_deny_in_a_moment():
    late = replace(sample.calm()["funnel"].value, notes=(f"the log of a is {READ_LATE}",))
    found = answer(probes()["pods.failing"], {"funnel": reading("funnel", late)}, SETTINGS, NOW)
    assert (found.value, found.soon) == (None, True)
    well = answer(probes()["pods.failing"], {"funnel": reading("funnel", NO_LOGS)}, SETTINGS, NOW)
    assert (well.value, well.soon) == (None, False), "nobody reads it"


def asked(probe: str, funnel: Funnel, *outcomes: RowOutcomes, age_s: float = 1.0) -> tuple[object, str]:
    readings = {"funnel": reading("funnel", funnel), "onset": reading("onset", Onsets(outcomes=outcomes), age_s)}
    found = answer(probes()[probe], readings, SETTINGS, NOW, "" if probe == "providers.slower" else "smsbower")
    return found.value, found.text


def test_where_no_log_is_read_the_rows_answer_and_say_so():
    slow = RowOutcomes(name="smsbower", took_s=6.0, before_s=0.5, sold_s=40.0, relapses=3, between=0.1)
    assert asked("provider.slower", NO_LOGS, slow) == (
        12.0,
        "a sale at smsbower takes 6.0 s, before 500 ms, by the rows",
    )
    assert asked("provider.relapses", NO_LOGS, slow)[0] == 3.0
    assert asked("provider.sold-ago", NO_LOGS, slow)[0] == 40.0
    assert asked("provider.in-between", NO_LOGS, slow)[0] == 0.1
    assert asked("providers.slower", NO_LOGS, slow)[0] == 1.0
    assert asked("provider.slower", NO_LOGS)[0] is None
    assert asked("provider.slower", NO_LOGS, slow, age_s=600.0)[0] is None, "old rows tell nothing of now"
    logs = replace(NO_LOGS, pods_followed=2, providers=(ProviderFunnel(name="smsbower", attempts=9, took_s=1.0),))
    assert asked("provider.takes", logs, slow)[0] == 1.0, "the logs are asked first"
    assert asked("provider.slower", logs, slow) == (2.0, "a sale at smsbower takes 1.0 s, before 500 ms")
    unseen = replace(logs, providers=(ProviderFunnel(name="smsbower", attempts=9),))
    assert asked("provider.takes", unseen, slow)[0] == 6.0, "they have seen too few sales"


def test_pods_whose_breakers_open_at_different_moments_are_one_burst():
    """While one pod sells again, another's breaker still rejects: few fail in a row, and many are sold after them."""
    told = "ss" + ("ffsffsffsffsff" + "s" * 30) * 3
    outcomes = [(float(n), sign == "f") for n, sign in enumerate(told)]
    rejected = [at for at, fails in outcomes if fails][2::3]
    assert relapses(outcomes, 200.0, rejected) == 3
    part = [(float(n), n % 3 == 0) for n in range(90)]
    assert relapses(part, 100.0) == 0 and (between(part, 100.0) or 0.0) > 0.3
    assert (between(outcomes, 200.0, rejected) or 0.0) < (between(outcomes, 200.0) or 0.0)


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8, 0.9])
def test_a_part_that_fails_by_chance_hardly_ever_looks_like_a_provider_that_comes_and_goes(share):
    found = 0
    for seed in range(40):
        draws = random.Random(seed)
        outcomes = [(n * 3.0, draws.random() < (0.01 if n < 100 else share)) for n in range(180)]
        found += relapses(outcomes, 545.0) >= 2
    assert found <= 4


def test_three_of_five_that_fail_alike_are_told_from_all_of_them():
    def shared(failing: int) -> tuple[object, str]:
        providers = tuple(
            ProviderFunnel(name=name, attempts=20, sold=2, failed=18, reasons={"5xx": 18})
            if n < failing
            else ProviderFunnel(name=name, attempts=20, sold=20)
            for n, name in enumerate(("smsbower", "5sim", "tiger-sms", "onlinesim", "grizzlysms"))
        )
        logs = replace(NO_LOGS, pods_followed=3, failures={"5xx": 18 * failing}, providers=providers)
        return asked("errors.shared", logs)

    assert shared(3) == (0.5, "2 of 4 other providers end with 5xx as often: 5sim, tiger-sms")
    assert (shared(1)[0], shared(5)[0]) == (0.0, 1.0)


# --- without a row ----------------------------------------------------------------------------------------------------


def level(funnel: Funnel, rate: float | None) -> list[tuple[str, str]]:
    readings: dict[str, Reading] = {"funnel": reading("funnel", funnel)}
    if rate is not None:
        readings["transactions"] = reading("transactions", failing(rate))
    return [(found.level, found.text) for found in reasons(readings, SETTINGS)]


def test_purchases_that_end_in_an_error_before_they_have_a_row_raise_the_level():
    answers = replace(NO_LOGS, attempts=358, sold=190, failed=168, answers={"200": 190, "500": 168})
    assert level(answers, 0.01) == [
        ("SEV-1", "46.9 % of 358 purchases end in an error, most without a row, in 5 min"),
    ]
    assert level(answers, 0.45) == [], "the rows tell as much"
    assert level(answers, None) == [], "nobody knows what has a row"
    assert level(replace(answers, failed=4), 0.0) == []
    assert level(replace(answers, sold=0), 0.0) == [], "that nobody is sold a number has a rule of its own"


def test_the_share_without_a_row_is_what_the_rows_do_not_know():
    answers = replace(NO_LOGS, attempts=200, sold=100, failed=100)
    readings = {"funnel": reading("funnel", answers), "transactions": reading("transactions", failing(0.1))}
    found = answer(probes()["funnel.without-row"], readings, SETTINGS, NOW)
    assert found.value == pytest.approx(0.4)
    assert found.text == "100 of 200 purchases end in an error, in 5 min; by the rows 10 % fail"
    alone = answer(probes()["funnel.without-row"], {"funnel": reading("funnel", answers)}, SETTINGS, NOW)
    assert alone.value is None
    assert sample.calm()["transactions"].value.failure_rate is not None
