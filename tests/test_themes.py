"""A theme is one entry: nobody else names them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from nexconsole import themes

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
