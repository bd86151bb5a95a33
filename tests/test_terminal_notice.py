"""A terminal rings, and shows a notice, once when the severity rises, and never with text that could do more."""

from __future__ import annotations

import pytest

from nexconsole.session.rises import LOWER_S, Rises
from nexconsole.severity import Severity
from nexconsole.text.terminal_notice import sequences

XTERM = {"TERM": "xterm-256color"}


def severity(level: str) -> Severity:
    return Severity(level=level, reasons=(), unknown=())


def test_a_rise_is_told_once_and_never_at_the_start() -> None:
    rises = Rises()
    assert rises.look(None, False, 0.0) == ""
    assert rises.look(severity("SEV-1"), True, 0.0) == ""  # not everything was read yet
    assert [rises.look(severity(level), False, 1.0) for level in ("SEV-2", "SEV-2", "SEV-1", "SEV-1")] == [
        "", "", "SEV-1", "",
    ]  # fmt: skip


def test_what_flaps_rings_once_and_what_was_over_rings_again() -> None:
    rises = Rises()
    looks = [("none", 0.0), ("SEV-1", 1.0), ("none", 2.0), ("SEV-1", 5.0), ("none", 6.0), ("SEV-1", 7.0)]
    assert [rises.look(severity(level), False, at) for level, at in looks] == ["", "SEV-1", "", "", "", ""]
    for at in (10.0, 20.0, 10.0 + LOWER_S):
        assert rises.look(severity("none"), False, at) == ""
    assert rises.look(severity("SEV-3"), False, 50.0) == "SEV-3"


@pytest.mark.parametrize(
    ("desktop", "environment", "shown"),
    [
        ("auto", XTERM, "\x07\x1b]9;EU: SEV-1 x\x07"),
        ("auto", {"TERM": "foot"}, "\x07\x1b]777;notify;EU;SEV-1 x\x07"),
        ("osc777", XTERM, "\x07\x1b]777;notify;EU;SEV-1 x\x07"),
        ("off", XTERM, "\x07"),
        ("auto", {"TERM": "tmux-256color", "TMUX": "/tmp/s,1,0"}, "\x07\x1bPtmux;\x1b\x1b]9;EU: SEV-1 x\x07\x1b\\"),
        ("auto", {"TERM": "linux"}, "\x07"),
        ("auto", {"TERM": "dumb"}, ""),
        ("auto", {}, ""),
    ],
)
def test_each_terminal_is_sent_what_it_knows(desktop: str, environment: dict[str, str], shown: str) -> None:
    assert sequences("EU", "SEV-1 x", bell=True, desktop=desktop, environment=environment) == shown


def test_without_a_bell_the_notice_is_shown_still() -> None:
    assert sequences("EU", "x", bell=False, desktop="osc9", environment=XTERM) == "\x1b]9;EU: x\x07"


def test_a_hostile_reason_ends_no_sequence_and_begins_none() -> None:
    hostile = "a\x07b\x1b\\c\x9cd\x1b]52;c;AAAA\x07;e\n\u202e"
    written = sequences("EU", hostile, bell=False, desktop="osc777", environment=XTERM)
    assert written.count("\x1b") == 1 and written.count("\x07") == 1 and written.endswith("\x07")
    assert written.count(";") == 3 and "\u202e" not in written and "\x9c" not in written
