"""A verdict of "worked" needs a difference: to what was left alone, and to the minute before."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, cast

import pytest

from nexconsole.actions import control
from nexconsole.actions.action import Context
from nexconsole.actions.failure_rate_change import Rate
from nexconsole.actions.plan import Verdict
from nexconsole.settings import Settings
from nexconsole.sources import Sources

WORKED = Verdict(state="worked", because="no attempts at smsbower for 30 s (12 expected)")


@pytest.fixture
def context() -> Context:
    return Context(settings=Settings(), sources=cast(Sources, None), readings=dict, operator="ada")


def rate(decided: int, failures: int, waiting: int = 0, seconds: float = 300.0) -> Rate:
    return Rate(source="postgres", attempts=decided + waiting, failures=failures, open=waiting, seconds=seconds)


def plain(rate: Rate | None) -> dict[str, Any] | None:
    return None if rate is None else asdict(rate)


@pytest.mark.parametrize(
    ("others", "since", "state"),
    [
        (rate(200, 3), rate(40, 1), "worked"),  # the others were well all the time: the difference is its own
        (rate(200, 120), rate(40, 1), "recovered"),  # they failed too, and recovered untouched
        (rate(200, 120), rate(40, 25), "no effect"),  # they fail as before: it was not this provider
        (rate(200, 120), rate(3, 0), "worked"),  # too few to tell
        (rate(200, 120), rate(2, 0, waiting=40), "worked"),  # what waits may fail yet
        (rate(200, 120), rate(60, 22), "worked"),  # neither healed nor as before
        (None, rate(40, 1), "worked"),  # an older plan, or nobody could count
        (rate(200, 120), None, "worked"),
    ],
)
def test_a_verdict_at_one_provider_is_held_against_the_others(
    context: Context, others: Rate | None, since: Rate | None, state: str
) -> None:
    verdict = control.as_the_others(WORKED, plain(others), since, context)
    assert verdict.state == state and verdict.because.startswith(WORKED.because)
    if state == "recovered":
        expected = "at the other providers 60 % (120 of 200) failed before, 2.5 % (1 of 40) since"
        assert verdict.because.endswith(f"{expected}: it recovered as the others did")


def test_one_pod_is_held_against_the_pods_that_were_left_alone(context: Context) -> None:
    verdict = control.as_the_others(WORKED, plain(rate(90, 60)), rate(60, 40), context, "pod")
    assert verdict.state == "no effect" and verdict.because.endswith("the trouble is not on one pod")
    assert control.as_the_others(WORKED, plain(rate(90, 1)), rate(60, 0), context, "pod") == WORKED


@pytest.mark.parametrize(
    ("minute", "state"),
    [
        (rate(60, 1, seconds=60.0), "recovered"),  # it was over before anything was done
        (rate(60, 24, seconds=60.0), "worked"),
        (rate(4, 0, seconds=60.0), "worked"),  # too few to tell
        (rate(10, 0, waiting=50, seconds=60.0), "worked"),  # most of them still hung
        (None, "worked"),
    ],
)
def test_what_was_over_in_the_minute_before_was_not_the_action_s_doing(
    context: Context, minute: Rate | None, state: str
) -> None:
    verdict = control.recovered_before(WORKED, rate(300, 120), plain(minute), context)
    assert verdict.state == state
    if state == "recovered":
        assert verdict.because.endswith(
            "in the last minute before it only 1.7 % (1 of 60) failed: it had recovered already"
        )


def test_nothing_recovers_where_nothing_was_wrong_before(context: Context) -> None:
    assert control.recovered_before(WORKED, rate(300, 3), plain(rate(60, 0)), context) == WORKED
    assert control.recovered_before(WORKED, None, plain(rate(60, 0)), context) == WORKED


@pytest.mark.parametrize("state", ["worse", "unknown", "no effect"])
def test_only_what_is_said_to_have_worked_is_held_against_anything(context: Context, state: Any) -> None:
    verdict = replace(WORKED, state=state)
    assert control.as_the_others(verdict, plain(rate(200, 120)), rate(40, 1), context) == verdict
    assert control.recovered_before(verdict, rate(300, 120), plain(rate(60, 1)), context) == verdict
