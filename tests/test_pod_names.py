"""Names of pods that are short enough for one line: what tells a pod from the others stays, all else does too."""

from collections.abc import Iterator

import pytest

from nexconsole.runbook.library import shipped
from nexconsole.runbook.model import Branch, Step, worded
from nexconsole.text.pod_names import brief_pods, in_units


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pod nexnum-app-7w76kdhcjq-q6k4s reaches no provider", "pod …q6k4s reaches no provider"),
        ("app-7w76kdhcjq-7947l fails 61 of 61, app-7w76kdhcjq-q6k4s 0 of 60", "…7947l fails 61 of 61, …q6k4s 0 of 60"),
        ("nexnum-app-0 of a StatefulSet keeps its name", "nexnum-app-0 of a StatefulSet keeps its name"),
        ("nexnum-app:1.4.2 half-open best-route", "nexnum-app:1.4.2 half-open best-route"),
        ("", ""),
    ],
)
def test_of_a_deployments_pod_the_end_of_its_name_is_said(text: str, said: str) -> None:
    assert brief_pods(text) == said


def test_a_pod_is_a_container_where_people_call_it_so():
    text = "Pod {pod} reaches no provider; the other pods do: pods.restart, nexnum-pod-1"
    assert in_units(text, "pod") == text
    said = "Container {pod} reaches no provider; the other containers do: pods.restart, nexnum-pod-1"
    assert in_units(text, "container") == said


def test_so_it_is_at_the_end_of_a_sentence_and_in_the_steps_of_a_runbook():
    assert in_units("End the pods. All pods.", "container") == "End the containers. All containers."
    [scenario] = [each for each in shipped().scenarios if each.id == "high-purchase-failure-rate"]
    assert worded(scenario.steps, "pod") is scenario.steps
    told = repr([(step.title, step.detail) for step in steps_within(worded(scenario.steps, "container"))])
    assert "containers believe their cache" in told and " pods " not in told


def steps_within(steps: tuple[Step | Branch, ...]) -> Iterator[Step | Branch]:
    for step in steps:
        yield step
        if isinstance(step, Branch):
            yield from steps_within(step.steps)
