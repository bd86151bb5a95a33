"""`nexconsole drill inject` with several faults at once: each is asked for, and all are checked before the first."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from nexconsole.cli import instruct
from nexconsole.drill import running
from nexconsole.errors import DrillError

SAID = {"pid": 7, "scenario": "calm", "seed": 0, "speed": 1.0, "since": "2026-11-30T08:00:00.000+00:00", "drill_s": 5.0}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = []

    def ask(drill: running.RunningDrill, **request: Any) -> dict[str, Any]:
        requests.append(request)
        began = {"state": "on", "began_at": SAID["since"], "ends_at": None, "seed": 0}
        return {**SAID, "injected": {"name": request["fault"], "provider": request["provider"] or "", **began}}

    monkeypatch.setattr(running, "the_one", lambda pid: running.RunningDrill(7, Path("/nowhere")))
    monkeypatch.setattr(running, "ask", ask)
    return requests


def options(*faults: str, provider: str | None = None) -> Namespace:
    more = {"provider": provider, "for_s": None, "at": ("after_s", 5.0), "seed": None, "json": False, "list": False}
    return Namespace(verb="inject", fault=list(faults), drill=None, **more)


def test_several_faults_are_injected_in_their_order_and_the_provider_is_for_those_that_have_one(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert instruct.run(options("provider-outage", "innocent-release", provider="tiger-sms")) == 0
    assert [(one["fault"], one["provider"], one["after_s"]) for one in asked] == [
        ("provider-outage", "tiger-sms", 5.0),
        ("innocent-release", None, 5.0),
    ]
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["injected", "injected", "drill 7"]
    assert "provider-outage at tiger-sms: on" in lines[0]


@pytest.mark.parametrize(
    ("words", "provider", "why"),
    [
        (("search-down", "provider-outtage"), None, "There is no fault named 'provider-outtage'"),
        (("search-down", "innocent-release"), "5sim", "is no provider's fault"),
        ((), None, "Say which fault"),
    ],
)
def test_nothing_is_injected_where_one_of_them_is_wrong(
    asked: list[dict[str, Any]], words: tuple[str, ...], provider: str | None, why: str
) -> None:
    with pytest.raises(DrillError, match=why):
        instruct.run(options(*words, provider=provider))
    assert asked == []
