"""The cross-examination: which sources tell the same of the purchases, which saw less, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sample_readings as sample

from nexconsole.model import Value
from nexconsole.signals.funnel import Funnel
from nexconsole.signals.source_agreement import SourceAgreement, examine
from nexconsole.signals.transactions import Transactions


def purchases(**counted: tuple[int, int]) -> Transactions:
    return Transactions(failure_rate=0.1, attempts=100, failures=10, window_s=300, counted_by=counted)


def logs(sold: int, failed: int = 0, refused: int = 0, **more) -> Funnel:
    return Funnel(
        **{
            "window_s": 300,
            "rests_on_s": 300,
            "sold": sold,
            "failed": failed,
            "refused": {"no offer": refused} if refused else {},
            "pods_followed": 3,
            **more,
        }
    )


def examined(**values: Value) -> SourceAgreement | None:
    return examine({name: sample.reading(name, value) for name, value in values.items()}, sample.NOW)


def test_four_sources_that_tell_the_same_agree() -> None:
    found = examined(
        transactions=purchases(postgres=(100, 10), prometheus=(98, 10)),
        funnel=logs(91, 10, answers={"200": 90, "503": 10}),
    )
    assert found.agree == ("postgres", "prometheus", "pod logs", "HTTP answers")
    assert found.less == {}
    assert found.said == ("postgres, prometheus, pod logs and HTTP answers agree: 101 purchases decided, 10 failed")


def test_refused_customers_are_known_to_the_logs_and_the_answers_alone() -> None:
    found = examined(
        transactions=purchases(postgres=(11, 3), prometheus=(11, 3)),
        funnel=logs(8, 3, refused=41, answers={"200": 8, "503": 3, "404": 41}),
    )
    assert (found.refused, found.less) == (41, {})
    assert found.said.endswith(
        "11 purchases decided, 3 failed; 41 customers refused besides, known to pod logs and HTTP answers alone"
    )


def test_counters_that_saw_less_are_young() -> None:
    found = examined(transactions=purchases(postgres=(100, 10), prometheus=(40, 4)), funnel=logs(90, 10))
    assert found.agree == ("postgres", "pod logs")
    assert found.less == {"prometheus": "its counters are young, or miss the first of each series"}
    assert "; prometheus saw 40 (its counters are young" in found.said


def test_rows_that_saw_less_were_not_stored_and_a_different_number_of_failures_is_said() -> None:
    found = examined(transactions=purchases(postgres=(20, 2), prometheus=(100, 10)), funnel=logs(90, 10))
    assert found.less == {"postgres": "rows that were not stored"}
    found = examined(transactions=purchases(postgres=(100, 40), prometheus=(99, 10)), funnel=logs(90, 10))
    assert found.agree == ("postgres",)
    assert found.less == {"prometheus": "counts 10 failed, not 40", "pod logs": "counts 10 failed, not 40"}
    assert found.said.startswith("postgres alone counts 100 purchases decided, 40 failed")


def test_logs_that_reach_less_far_saw_less_for_that_reason() -> None:
    found = examined(
        transactions=purchases(postgres=(100, 10), prometheus=(100, 10)), funnel=logs(20, 2, rests_on_s=66.0)
    )
    assert found.less == {"pod logs": "its lines reach back 66 s"}
    assert found.agree == ("postgres", "prometheus")
    found = examined(transactions=purchases(postgres=(100, 10), prometheus=(100, 10)), funnel=logs(60, 6, pods=5))
    assert found.less == {"pod logs": "3 of 5 pods followed"}
    found = examined(transactions=purchases(postgres=(100, 10), prometheus=(100, 10)), funnel=logs(60, 6))
    assert found.less == {"pod logs": "lines that were not written"}


@pytest.mark.parametrize(("other", "agree"), [(117, True), (118, False), (85, True), (84, False)])
def test_some_more_or_less_is_the_same(other: int, agree: bool) -> None:
    found = examined(transactions=purchases(postgres=(100, 10), prometheus=(other, 10)))
    assert (len(found.agree) == 2) is agree


def test_a_few_more_or_less_are_the_same_however_few_there_are() -> None:
    assert len(examined(transactions=purchases(postgres=(7, 0), prometheus=(2, 0))).agree) == 2
    assert len(examined(transactions=purchases(postgres=(8, 0), prometheus=(2, 0))).agree) == 1


def test_one_source_alone_nothing_at_all_and_stale_readings_are_no_examination() -> None:
    assert examined(transactions=purchases(postgres=(100, 10))) is None
    assert examined(transactions=purchases(postgres=(0, 0), prometheus=(0, 0))) is None
    assert examine({}, sample.NOW) is None
    assert examined(transactions=purchases(postgres=(9, 0)), funnel=logs(9, pods_followed=0)) is None
    assert examined(transactions=purchases(postgres=(9, 0)), funnel=logs(9, catching_up=1)) is None
    old = sample.reading("funnel", logs(9), age=60)
    assert (
        examine({"transactions": sample.reading("transactions", purchases(postgres=(9, 0))), "funnel": old}, sample.NOW)
        is None
    )
    assert examine({"funnel": replace(old, taken_at=sample.ago(1), value=logs(9, answers={"200": 9}))}, sample.NOW)
