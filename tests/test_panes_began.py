"""Since when a pane's figure is out of range stands in its frame where there is room, and in its chart as a mark."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sample_causes as causes
import sample_readings as sample
from frozen_console import console, shown

from nexconsole.panes.began import began_marks, began_words
from nexconsole.settings import Settings
from nexconsole.signals.change import ChangeKind, ChangeLog
from nexconsole.signals.onset import Onsets
from nexconsole.widgets.panel import Panel, PanelFrame, RenderContext, framed


def context(**signals) -> RenderContext:
    signals = {"onset": Onsets(), **signals}
    readings = {name: sample.reading(name, value) for name, value in signals.items()}
    return RenderContext(80, 20, sample.NOW, Settings(), sample.incident() | readings)


def test_the_earliest_figure_of_the_pane_that_got_worse_is_said_with_what_it_was() -> None:
    space = context(onset=causes.ONSETS)
    assert began_words(("transactions",), space) == ("since 13:55, was 1.1 %", "since 13:55")
    assert began_words(("outbox",), space) == ("since 14:03, was 3", "since 14:03")
    assert began_words(("database",), space) == began_words(("transactions",), context()) == ()
    better = Onsets(found=(replace(causes.onset(), worse=False), causes.onset(subject="smsbower")))
    assert began_words(("transactions",), context(onset=better)) == ()
    unknown = Onsets(found=(replace(causes.onset(), at=None, before=None),))
    assert began_words(("transactions",), context(onset=unknown)) == ("since before 08:07",)


@pytest.mark.parametrize(
    ("width", "top"),
    [
        (64, "╭─ ▲ 1 Transactions ─ since 13:55, was 1.1 % ─── postgres, now ─╮"),
        (52, "╭─ ▲ 1 Transactions ─ since 13:55 ── postgres, now ─╮"),
        (40, "╭─ ▲ 1 Transactions ──── postgres, now ─╮"),
    ],
)
def test_it_gives_way_to_the_title_and_the_source(width: int, top: str) -> None:
    frame = PanelFrame(
        "1 Transactions", (("postgres, now", "muted"),), beside=("since 13:55, was 1.1 %", "since 13:55")
    )
    line = "".join(text for text, _ in framed(Panel("minor"), frame, width, 4)[0])
    assert len(line) == width
    assert line.replace("─", "").split() == top.replace("─", "").split()


def test_the_chart_marks_when_it_began_and_what_changed_around_it() -> None:
    marks = began_marks("failure_rate", context(onset=causes.ONSETS))
    assert [(mark.letter, mark.text) for mark in marks] == [("▲", "13:55 it began")]
    near = ChangeLog(
        changes=(
            causes.change(13, ChangeKind.CONFIG, "configmap nexnum-config", "nexnum-config has a new version"),
            causes.change(14, ChangeKind.RELEASE, "deployment nexnum-app", "nexnum-app runs 2.4.2"),
            causes.change(95, ChangeKind.PROVIDER, "provider smsbower", "smsbower's priority is 2"),
        )
    )
    marks = began_marks("failure_rate", context(onset=causes.ONSETS, changes=near))
    assert [(mark.letter, mark.brief) for mark in marks] == [("C", "config nexnum-config"), ("▲", "13:55")]


@pytest.mark.parametrize("size", [(120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_panes_with_their_onsets_look_as_they_did(
    snap_compare, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setitem(sample.WORLDS, "began", lambda: sample.incident() | causes.beside())
    app = console("began")
    app.monitor.explain_with(lambda *given: causes.ONE)
    assert snap_compare(app, run_before=shown("began"), terminal_size=size)
