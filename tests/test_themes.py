"""A theme is one entry: nobody else names them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nexconsole import themes
from nexconsole.widgets.styles import STYLES

# A program in which a theme is added first; it prints where that appears.
ADDED = """
import asyncio, sys
from nexconsole import themes
themes.THEMES += (themes.Theme("sepia", False, "#f4ecd8", themes.LIGHT),)
from nexconsole import settings
from nexconsole.settings.loading import CHOICES
print(CHOICES["theme"][-1], settings.load(None, {"theme": "sepia"}, {}).settings.theme, "textual" in sys.modules)
from nexconsole.__main__ import main
sys.argv[1:] = ["--help"]
try:
    main()
except SystemExit:
    pass
sys.path.insert(0, "tests")
from frozen_console import console
async def offered():
    app = console("calm", "sepia")
    async with app.run_test() as pilot:
        print("running", app.theme, app.current_theme.background)
        print(*(command.title for command in app.get_system_commands(app.screen) if "Theme" in command.title), sep="|")
asyncio.run(offered())
"""


def test_a_theme_that_is_added_is_in_settings_help_palette_and_on_the_screen() -> None:
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", ADDED], capture_output=True, text=True, timeout=60, cwd=root)
    first, *_, running, offered = done.stdout.splitlines()
    assert first == "sepia sepia False", done.stderr
    assert "dark, light, high-contrast, colour-blind or sepia" in re.sub(r"\s+", " ", done.stdout)
    assert running == "running nexconsole-sepia #f4ecd8"
    assert offered.split("|")[-1] == "Theme: sepia"


def test_every_theme_has_every_ink() -> None:
    assert {frozenset(theme.inks) for theme in themes.THEMES} == {frozenset(themes.DARK)}


# The least contrast by WCAG: of text (AA, and AAA in the theme for it), of what is drawn (frames, bars, large figures).
TEXT, MORE, DRAWN = 4.5, 7.0, 3.0
DRAWN_INKS = {"figure", "chart", "frame", "frame-focus", "frame-warn", "frame-alarm"}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", themes.THEMES, ids=lambda theme: theme.name)
def test_every_ink_can_be_read_on_its_ground(theme: themes.Theme) -> None:
    def colour(name: str) -> str:
        return theme.background if name == "background" else theme.inks[name.removeprefix("ink-")]

    found = {ink: contrast(colour(own), colour(ground)) for ink, (own, ground, _) in STYLES.items()}
    found |= {f"{ink} in a line to type in": contrast(colour(ink), colour("raised")) for ink in ("text", "strong")}
    text = MORE if theme.name == "high-contrast" else TEXT
    weak = {ink: round(got, 2) for ink, got in found.items() if got < (DRAWN if ink in DRAWN_INKS else text)}
    assert weak == {}


@pytest.mark.parametrize("theme", themes.THEMES, ids=lambda theme: theme.name)
def test_what_matters_less_is_fainter(theme: themes.Theme) -> None:
    by_weight = [contrast(theme.inks[ink], theme.background) for ink in ("frame", "faint", "muted", "text", "strong")]
    assert by_weight == sorted(by_weight)
