"""What the palette proposes first is what the readings speak for, with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sample_readings as sample

from nexconsole.actions.action import Suggestion
from nexconsole.actions.pods import RESTART
from nexconsole.actions.rollback import BACK
from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.signals.circuits import Circuits, Holder, ProviderCircuit
from nexconsole.signals.releases import Release

NAMES = ("5sim", "smsbower", "tiger-sms")


def with_value(signal: str, **changes: Any) -> dict[str, Reading]:
    readings = sample.calm()
    return readings | {signal: replace(readings[signal], value=replace(readings[signal].value, **changes))}


def best(suggestions: tuple[Suggestion, ...]) -> Suggestion:
    return max(suggestions, key=lambda suggestion: suggestion.weight)


def circuits(open_in: Mapping[str, str]) -> dict[str, Reading]:
    """Each provider's breaker is open in the pods of these letters, and closed in the others."""

    def of(name: str) -> ProviderCircuit:
        held = tuple(
            Holder(kind="pod", where=pod, state="open" if letter in open_in.get(name, "") else "closed")
            for letter, pod in zip("abc", sample.PODS, strict=True)
        )
        return ProviderCircuit(name=name, id=None, active=True, state="closed", holders=held)

    readings = sample.calm()
    value = Circuits(providers=tuple(map(of, NAMES)), pods_followed=3, pods=3)
    return readings | {"circuits": replace(readings["circuits"], value=value)}


def test_the_pod_whose_breakers_alone_are_open_is_proposed_before_all_pods() -> None:
    found = best(RESTART.suggestions(circuits(dict.fromkeys(NAMES, "b")), Settings()))
    assert found.arguments == {"pod": sample.PODS[1]}
    assert found.title == f"Restart pod {sample.PODS[1]} - breakers of 3 providers are open in it alone"


@pytest.mark.parametrize("open_in", [{}, {"5sim": "b"}, {"5sim": "b", "smsbower": "c"}])
def test_no_pod_is_proposed_where_the_breakers_accuse_none(open_in: Mapping[str, str]) -> None:
    assert [one.arguments for one in RESTART.suggestions(circuits(open_in), Settings())] == [{}]


def test_a_restart_is_proposed_with_the_connections_that_it_gives_back() -> None:
    calm, used_up = (
        best(RESTART.suggestions(with_value("database", connections=used, max_connections=57), Settings()))
        for used in (10, 56)
    )
    assert "gives back what they hold of 56 database connections" in used_up.title
    assert "connections" not in calm.title and calm.weight < used_up.weight


def released(minutes: float, **changes: Any) -> Suggestion:
    readings = sample.calm()
    workloads = readings["workloads"].value
    release = Release(
        revision="4", read_at=sample.NOW, images="nexnum-app:1.6.0", since=sample.NOW - timedelta(minutes=minutes)
    )
    readings |= {"workloads": replace(readings["workloads"], value=replace(workloads, release=release))}
    [found] = BACK.suggestions(readings | changes, Settings())
    return found


def test_going_back_is_proposed_sooner_where_the_release_is_of_the_last_hour() -> None:
    recent, old = released(20), released(90)
    assert "what runs was released 20 min ago" in recent.title and "released" not in old.title
    assert recent.weight > old.weight


def test_going_back_is_proposed_first_where_purchases_fail_since_the_release() -> None:
    readings = sample.incident()
    traffic = readings["transactions"].value
    scope = replace(traffic.scope, verdict="all")
    since = sample.NOW.timestamp() - 300
    trend = tuple(
        replace(point, at=since + 60 * (n - 5), failure_rate=0.01 if n < 6 else 0.6)
        for n, point in enumerate(traffic.trend[:10])
    )
    failing = replace(readings["transactions"], value=replace(traffic, scope=scope, trend=trend))
    found = released(5, transactions=failing)
    assert "purchases fail since release nexnum-app:1.6.0 (14:02Z)" in found.title
    assert found.weight > released(5).weight
