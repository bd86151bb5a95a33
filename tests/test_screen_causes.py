"""The page of why with causes: the answer first, every sentence leads to a reading, keys lead to steps and remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sample_causes as causes
import sample_readings as sample
from controller import text_of
from frozen_console import console, shown

from nexconsole.app import NexConsole
from nexconsole.causes.model import Explanation
from nexconsole.screens.cause_controller import CauseController
from nexconsole.screens.why import WhyScreen

KNOWN = {"one": causes.ONE, "two": causes.TWO, "unknown": causes.UNKNOWN}


def world() -> dict[str, sample.Reading]:
    return sample.incident() | causes.beside()


@pytest.fixture(autouse=True)
def _worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sample.WORLDS, "caused", world)


def caused(explanation: Explanation) -> NexConsole:
    app = console("caused")
    app.monitor.explain_with(lambda *given: explanation)
    return app


async def test_the_answer_stands_first_with_its_evidence_and_the_readings_behind_it() -> None:
    app = caused(causes.ONE)
    async with app.run_test(size=(110, 90)) as pilot:
        await shown("caused", "w")(pilot)
        said = text_of(app)
        order = [
            "smsbower does not answer, since 13:55",
            "provider.disable smsbower",
            "+  its purchases fail: 55 % of purchases at smsbower fail",
            "?  its status page says so: its status page is not read",
            "1 line more, none of them against it",
            "what would settle it:",
            "what changed; it began at 13:55",
            "whom it hurts",
            "when it ends or begins",
            "the release breaks purchases",
            "reasons of the level",
            "PostgreSQL does not answer: PostgreSQL answers in 2 ms",
        ]
        places = [said.index(words) for words in order]
        assert places == sorted(places)
        assert "transactions, 2 s ago" in said
        assert "for: a release just before: a release came 2 min before it began" in said
        assert "2 min before: nexnum-app runs 2.4.2" in said
        assert "4 min after, not the cause: nexnum-app has 4 replicas, was 3, ci-bot" in said
        assert "52 customers failing, 8 customers refused" in said and "country NG: 90.9 % fail" in said
        assert "connections: 83 of 100 in use; reached between 14:16 and 14:23" in said


async def test_a_line_of_evidence_leads_to_the_pane_of_its_reading() -> None:
    app = caused(causes.ONE)
    async with app.run_test(size=(100, 40)) as pilot:
        await shown("caused", "w")(pilot)
        await pilot.press("down", "down", "down", "down", "enter")
        await pilot.pause()
        assert app.console_screen.maximized_pane.face.SIGNAL == "circuits"


async def test_what_no_pane_draws_leads_nowhere_and_says_so() -> None:
    app = caused(causes.ONE)
    async with app.run_test(size=(110, 40)) as pilot:
        await shown("caused", "w")(pilot)
        app.screen.narrow("83 of 100 in use")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, WhyScreen)
        assert "runway has no pane: what is known of it stands here" in text_of(app)


async def test_what_is_not_known_is_said_first_and_leads_to_the_look_that_tells_most() -> None:
    app = caused(causes.UNKNOWN)
    async with app.run_test(size=(100, 40)) as pilot:
        await shown("caused", "w")(pilot)
        said = text_of(app).partition("Why SEV-1")[2]
        first = said.index("cause not known; look next: whether one provider's purchases fail")
        assert first < said.index("may be")
        await pilot.press("enter")
        await pilot.pause()
        assert app.console_screen.maximized_pane.face.SIGNAL == "transactions"


async def test_the_filter_leaves_the_lines_with_its_words_of_all_that_there_are() -> None:
    app = caused(causes.ONE)
    async with app.run_test(size=(110, 90)) as pilot:
        await shown("caused", "w")(pilot)
        assert "nexnum-app-7d9f was restarted" not in text_of(app)  # folded
        app.screen.narrow("restarted")
        await pilot.pause()
        assert "nexnum-app-7d9f was restarted" in text_of(app)
        assert "its circuit is open" not in text_of(app)
        await pilot.press("escape")
        assert isinstance(app.screen, WhyScreen) and "its circuit is open" in text_of(app)


@pytest.mark.parametrize(("keys", "begun"), [(("enter",), "scenario"), (("s",), "scenario"), (("r",), "remedy")])
async def test_keys_lead_to_the_steps_and_to_the_remedy_of_the_cause(
    monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...], begun: str
) -> None:
    asked: list[Any] = []
    for name in ("scenario", "remedy"):
        monkeypatch.setattr(CauseController, name, lambda self, of, name=name: asked.append((name, of.key)))
    app = caused(causes.ONE)
    async with app.run_test(size=(100, 40)) as pilot:
        await shown("caused", "w", *keys)(pilot)
        await pilot.pause()
        assert asked == [(begun, "provider-unreachable smsbower")]
        assert app.screen is app.console_screen


async def test_the_row_of_a_cause_is_its_target() -> None:
    app = caused(causes.ONE)
    async with app.run_test(size=(100, 40)) as pilot:
        await shown("caused", "w", "down")(pilot)
        assert app.subject is not None
        assert (app.subject.kind, app.subject.arguments) == ("provider", {"provider": "smsbower"})


async def test_a_frozen_picture_has_the_causes_of_its_moment() -> None:
    app = caused(causes.ONE)
    async with app.run_test(size=(100, 40)) as pilot:
        await shown("caused", "p")(pilot)
        app.monitor.explain_with(lambda *given: replace(causes.TWO, candidates=(causes.OUTBOX,)))
        await pilot.press("w")
        assert "smsbower does not answer" in text_of(app)
        assert "the outbox worker stopped" not in text_of(app)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("known", ["one", "unknown"])
def test_the_page_of_causes_looks_as_it_did(snap_compare, known: str, size: tuple[int, int]) -> None:
    assert snap_compare(caused(KNOWN[known]), run_before=shown("caused", "w"), terminal_size=size)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_first_line_with_two_causes_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    assert snap_compare(caused(causes.TWO), run_before=shown("caused"), terminal_size=size)
