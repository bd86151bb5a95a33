"""The list of changes: each set against when it began, with its page and actions; what is not read is said."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sample_causes as causes
import sample_readings as sample
from controller import text_of
from frozen_console import console, shown

from nexconsole.causes.change_wording import against_onset, nearness
from nexconsole.screens.changes import ChangesScreen
from nexconsole.screens.subject_page import SubjectScreen
from nexconsole.signals.change import ChangeKind, ChangeLog


def world() -> dict[str, sample.Reading]:
    return sample.incident() | causes.beside()


@pytest.fixture(autouse=True)
def _worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sample.WORLDS, "changed", world)


async def test_each_change_is_set_against_when_it_began_and_opens_its_page() -> None:
    app = console("changed")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("changed", "C")(pilot)
        said = text_of(app)
        assert "it began at 13:55" in said
        lines = [line for line in said.splitlines() if "nexnum-app" in line]
        assert "4 min after, not the cause" in lines[0] and "4 replicas, was 3, ci-bot" in lines[0]
        assert "2 min before" in lines[1] and "2.4.2" in lines[1]
        await pilot.press("down", "enter")
        assert isinstance(app.screen, SubjectScreen)
        await pilot.pause()
        page = text_of(app)
        assert "2.4.1" in page and "2 min before" in page and "nobody knows" in page
        await pilot.press("escape", "escape")
        assert app.screen is app.console_screen


async def test_why_leads_to_the_change_in_the_list_and_the_filter_finds_others() -> None:
    app = console("changed")
    app.monitor.explain_with(lambda *given: causes.ONE)
    async with app.run_test(size=(120, 60)) as pilot:
        await shown("changed", "w")(pilot)
        app.screen.narrow("priority")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ChangesScreen)
        assert app.subject is not None and app.subject.arguments == {"provider": "smsbower"}
        app.screen.narrow("restart")
        assert app.subject is not None and app.subject.arguments == {"pod": "nexnum-app-7d9f"}


async def test_what_is_not_read_is_no_quiet() -> None:
    app = console("changed")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("changed")(pilot)
        app.monitor.take(sample.reading("changes", None, error="kubernetes: forbidden"))
        await pilot.press("C")
        assert "not known: kubernetes: forbidden" in text_of(app)
        app.monitor.take(sample.reading("changes", ChangeLog(notes=("audit rows can't be read",))))
        app.screen.paint()
        assert "audit rows can't be read" in text_of(app) and "no change is known" in text_of(app)


@pytest.mark.parametrize(
    ("minutes", "within_s", "words"),
    [
        (14, 0, "2 min before"),
        (8, 0, "4 min after, not the cause"),
        (12.5, 60, "as it began"),
        (47, 0, "35 min before"),
    ],
)
def test_a_change_is_before_or_after_only_as_far_as_that_is_known(minutes: float, within_s: float, words: str) -> None:
    change = causes.change(minutes, ChangeKind.CONFIG, "configmap c", "c", within_s=within_s)
    assert against_onset(change, causes.onset(), sample.NOW)[0] == words


def test_without_an_onset_a_change_has_its_age_and_the_newest_is_first() -> None:
    change, onset = causes.LOG.changes[0], replace(causes.onset(), at=None)
    assert against_onset(change, None, sample.NOW)[0] == against_onset(change, onset, sample.NOW)[0] == "8 min ago"
    assert min(causes.LOG.changes, key=lambda each: nearness(each, None)) is change
    assert min(causes.LOG.changes, key=lambda each: nearness(each, causes.onset())).kind is ChangeKind.RELEASE


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_list_of_changes_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    assert snap_compare(console("changed"), run_before=shown("changed", "C"), terminal_size=size)
