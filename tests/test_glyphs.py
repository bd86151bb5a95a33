"""What is drawn where a terminal's font or charset lacks a character."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip

import nexconsole
from nexconsole.terminal import glyph_set
from nexconsole.widgets.compositor import SentFrame
from nexconsole.widgets.glyphs import TABLES, drawn
from nexconsole.widgets.textual_private import LayoutUpdate

PACKAGE = Path(nexconsole.__file__).parent
CODE_PAGE_437 = "".join(bytes([n]).decode("cp437") for n in range(128, 256)) + "•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
DRAWING = (
    "app.py",
    "replay_app.py",
    "widgets",
    "panes",
    "screens",
    "session",
    "text/units.py",
    "signals",
    "severity.py",
)
LETTERS = ("\u0301", "ſ")


def written() -> set[str]:
    """Every character beyond ASCII in a text of what draws."""
    found: set[str] = set()
    for place in DRAWING:
        files = [PACKAGE / place] if place.endswith(".py") else sorted((PACKAGE / place).rglob("*.py"))
        for file in files:
            if file.name == "glyphs.py":
                continue
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= {character for character in node.value if not character.isascii()}
    return found


def test_every_glyph_that_is_drawn_has_one_in_each_set() -> None:
    glyphs = written()
    assert {"▲", "█", "╭", "…", "‹"} <= glyphs
    without = {glyph for glyph in glyphs if drawn(glyph, "ascii") == "?"}
    assert not without, f"add to the ascii set: {without}"
    foreign = {
        glyph for glyph in glyphs if not (drawn(glyph, "console").isascii() or drawn(glyph, "console") in CODE_PAGE_437)
    }
    assert not foreign, f"add to the console set: {foreign}"


@pytest.mark.parametrize("glyphs", ["console", "ascii"])
def test_each_glyph_takes_one_cell(glyphs: str) -> None:
    for meant, shown in TABLES[glyphs].items():
        assert cell_len(meant) == cell_len(shown) == 1, (meant, shown)


def test_letters_lose_their_accents_and_other_scripts_become_question_marks() -> None:
    assert drawn("Zoë Müller 验证 é", "ascii") == "Zoe Muller ?? e"
    assert drawn("Zoë Müller 验证", "full") == "Zoë Müller 验证"


def sent(text: str, glyphs: str) -> str:
    frame = SentFrame()
    frame.glyphs = TABLES[glyphs]
    strip = Strip([Segment(text)])
    update = LayoutUpdate([[strip]], Region(0, 0, strip.cell_length, 1))
    return frame.difference(update, Console(color_system=None))


def test_what_is_sent_to_an_ascii_terminal_is_ascii_and_as_wide_as_before() -> None:
    text = "╭─ ▲ 验 e\u0301…│"
    shown = sent(text, "ascii")
    assert shown.isascii()
    assert shown.endswith("+- ! ?  e~|")
    assert sent(text, "full").endswith(text)


@pytest.mark.parametrize(
    ("environment", "glyphs"),
    [
        ({"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}, "full"),
        ({"TERM": "xterm-256color"}, "full"),
        ({"TERM": "xterm", "LANG": "C.utf8"}, "full"),
        ({"TERM": "xterm", "LANG": "C"}, "ascii"),
        ({"TERM": "xterm", "LANG": "en_US.UTF-8", "LC_ALL": "de_DE.ISO-8859-1"}, "ascii"),
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, "console"),
        ({"TERM": "screen.linux", "LANG": "en_US.UTF-8"}, "console"),
        ({"TERM": "vt220"}, "ascii"),
        ({}, "full"),
    ],
)
def test_the_set_is_found_by_terminal_and_locale(environment: dict[str, str], glyphs: str) -> None:
    assert glyph_set("auto", environment) == glyphs
    assert glyph_set("ascii", environment) == "ascii"
