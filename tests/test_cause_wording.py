"""What is said of a cause in one line: beside the level, since when, and when it is not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sample_causes as causes
from sample_readings import NOW, incident

import nexconsole.screens.command_app  # noqa: F401  it declares the key that the line names
from nexconsole.causes.model import Explanation
from nexconsole.causes.scenarios import caused, caused_first, target_for
from nexconsole.causes.wording import headlines, since_words
from nexconsole.runbook.library import shipped
from nexconsole.runbook.model import Call, Scenario, Step
from nexconsole.runbook.resolution import fitting, resolve
from nexconsole.session.monitor import CALM_S, EXPLAINED_S, Monitor
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.widgets import banner


def line(explanation: Explanation, width: int, steps: tuple[str, ...] = ()) -> str:
    readings = incident()
    severity = judge(readings, Settings(), NOW, ())
    words = headlines(explanation, NOW, Settings(), severity.level)
    drawn = banner.verdict(severity, readings, NOW, width, steps=steps, cause=words, named=bool(explanation.named))
    assert sum(len(text) for text, _ in drawn) <= width
    return "".join(text for text, _ in drawn).rstrip()


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (20, " SEV-1  smsbower do…"),
        (40, " SEV-1  smsbower does not answer  why: w"),
        (56, " SEV-1  smsbower does not answer, since 13:55  why: w"),
    ],
)
def test_the_level_stands_first_and_then_the_cause(width: int, said: str) -> None:
    assert line(causes.ONE, width) == said


def test_where_there_is_room_the_reason_stands_behind_the_cause_and_the_next_step_behind_it() -> None:
    said = line(causes.ONE, 200, ("restart the worker",))
    cause, reason, step, more = said.split("  ")[1:]
    assert cause == "smsbower does not answer, since 13:55"
    assert reason.startswith("17.8 % of purchases fail")
    assert step == "next: restart the worker"
    assert more == "14 reasons: w"


def test_two_causes_are_both_named_and_of_more_it_is_said_how_many() -> None:
    assert line(causes.TWO, 100).startswith(
        " SEV-1  smsbower does not answer, since 13:55; the outbox worker stopped, since 14:03"
    )
    assert line(causes.TWO, 48) == " SEV-1  smsbower does not answer; +1  why: w"
    three = replace(causes.TWO, candidates=(*causes.TWO.candidates, causes.OUTBOX))
    assert "the outbox worker stopped, since 14:03; 1 more cause" in line(three, 120)


def test_where_nothing_is_named_it_is_said_what_to_look_at() -> None:
    said = line(causes.UNKNOWN, 200)
    assert said.index("17.8 % of purchases fail") < said.index("cause not known; look next: whether one provider's")
    assert "cause not known" in line(causes.UNKNOWN, 80)
    assert "cause" not in line(causes.UNKNOWN, 40)


def test_in_calm_nothing_is_said_of_causes() -> None:
    assert headlines(causes.CALM, NOW, Settings(), "none") == ()
    assert headlines(None, NOW, Settings(), "SEV-1") == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "since 13:55"),
        ({"within_s": 300.0}, "since about 13:55"),
        ({"at": None}, "since before 08:07"),
        ({"at": NOW - timedelta(days=1)}, "since 2026-01-22 14:07"),
    ],
)
def test_since_when_is_no_more_certain_than_the_history(changed: dict[str, object], words: str) -> None:
    assert since_words(replace(causes.onset(), **changed), NOW) == words


def test_it_is_explained_when_something_was_read_and_not_too_often() -> None:
    ticks, asked = [100.0], []

    def explain(*given: object) -> Explanation:
        asked.append(given)
        return causes.ONE

    monitor = Monitor(Settings(), clock=lambda: NOW, monotonic=lambda: ticks[0])
    monitor.explain_with(explain)
    readings = list(incident().values())
    for reading in readings:
        monitor.take(reading)
    assert monitor.explanation is causes.ONE
    assert len(asked) == 1
    ticks[0] += EXPLAINED_S
    monitor.judge()
    assert len(asked) == 2  # what came after the first
    ticks[0] += CALM_S
    monitor.judge()
    assert len(asked) == 2  # nothing came since


def test_causes_that_cannot_be_ranked_take_neither_readings_nor_severity_away() -> None:
    def explain(*given: object) -> Explanation:
        raise ValueError("a chapter of the team's")

    monitor = Monitor(Settings(), clock=lambda: NOW)
    monitor.explain_with(explain)
    for reading in incident().values():
        monitor.take(reading)
    assert monitor.severity is not None and monitor.severity.level == "SEV-1"
    assert monitor.explanation is None
    assert monitor.unexplained == "the causes can't be ranked: ValueError: a chapter of the team's"


def test_the_scenario_of_the_named_cause_comes_first_with_its_target() -> None:
    book = shipped()
    fits = fitting(book, incident(), Settings(), NOW)
    last = fits[-1].scenario
    for_last = replace(causes.UNREACHABLE, scenario=last.id)
    explanation = Explanation(candidates=(replace(causes.SMSBOWER, cause=for_last), causes.OUTBOX))
    first = caused(book, explanation)
    assert first == (last,)  # the other one's is in no runbook
    assert caused_first(fits, first) == (fits[-1], *fits[:-1])
    assert target_for(last.id, explanation) == {"provider": "smsbower"}
    assert target_for(fits[0].scenario.id, explanation) == target_for(last.id, None) == {}


def test_a_step_takes_the_target_of_the_cause_where_no_look_says_which() -> None:
    step = Step(kind="do", id="x", title="disable it", line=1, call=Call(name="p", arguments=("{provider}",)))
    scenario = Scenario(id="x", title="x", line=1, steps=(step,))
    assert resolve(scenario, {}, Settings(), NOW)[0].arguments is None
    given = {"provider": "smsbower"}
    assert resolve(scenario, {}, Settings(), NOW, given=given)[0].arguments == ("smsbower",)


def test_a_pod_has_its_whole_name_where_there_is_room_and_else_the_end_of_it() -> None:
    title = "pod nexnum-app-7w76kdhcjq-q6k4s reaches no provider"
    cut_off = replace(causes.ONE.candidates[0], title=title, target={"pod": "nexnum-app-7w76kdhcjq-q6k4s"})
    one = replace(causes.ONE, candidates=(cut_off,))
    assert line(one, 120).startswith(f" SEV-1  {title}, since 13:55")
    assert line(one, 60) == " SEV-1  pod …q6k4s reaches no provider, since 13:55  why: w"


def test_a_beginning_that_nobody_could_have_seen_earlier_is_not_told() -> None:
    def since(known: timedelta) -> str:
        return since_words(causes.onset(at=None, known_from=NOW - known), NOW)

    assert since(timedelta(seconds=30)) == ""
    assert since(timedelta(hours=1)).startswith("since before ")
