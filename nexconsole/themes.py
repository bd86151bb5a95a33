"""The themes, as plain data: an entry in `THEMES` is a theme everywhere, in settings, help, palette and on the screen.

State is told by shape and word as well; colour only repeats it. (`widgets/textual_themes.py` makes Textual's of them.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Theme(NamedTuple):
    """`inks` are the colours of `widgets/styles.py`, as `#rrggbb`, by name; every theme has them all."""

    name: str
    dark: bool
    background: str
    inks: Mapping[str, str]


DARK = {
    "figure": "#a3adb8", "chart": "#67727e",
    "text": "#c9d1d9", "strong": "#f5f7fa", "muted": "#8f98a3", "faint": "#747d88", "stale": "#76808c",
    "good": "#6fb98f", "warn": "#e8b23f", "alarm": "#ff6259", "note": "#6cb6ff", "frame": "#58626e",
    "raised": "#1b2129", "cursor": "#2d4f73", "on-block": "#0d1117",
    "block-alarm": "#ff6259", "block-warn": "#e8b23f", "block-calm": "#2a323c", "block-frozen": "#6cb6ff",
    "production": "#8b3fd9", "on-production": "#ffffff", "drill": "#17a398", "on-drill": "#06201e",
    "on-calm": "#c9d1d9",
}  # fmt: skip
LIGHT = {
    "figure": "#57606a", "chart": "#808993",
    "text": "#24292f", "strong": "#000000", "muted": "#59636e", "faint": "#69737e", "stale": "#67717c",
    "good": "#1a7f45", "warn": "#8a5300", "alarm": "#c4131d", "note": "#0757b8", "frame": "#868f98",
    "raised": "#ecebe6", "cursor": "#c4dcf8", "on-block": "#ffffff",
    "block-alarm": "#c4131d", "block-warn": "#8a5300", "block-calm": "#dcdbd5", "block-frozen": "#0757b8",
    "production": "#6f2bb8", "on-production": "#ffffff", "drill": "#0b7a72", "on-drill": "#ffffff",
    "on-calm": "#24292f",
}  # fmt: skip
HIGH_CONTRAST = {
    "figure": "#ffffff", "chart": "#c0c0c0",
    "text": "#ffffff", "strong": "#ffffff", "muted": "#d4d4d4", "faint": "#9a9a9a", "stale": "#b0b0b0",
    "good": "#7dff9b", "warn": "#ffd400", "alarm": "#ff8080", "note": "#7fd4ff", "frame": "#9a9a9a",
    "raised": "#1a1a1a", "cursor": "#0044aa", "on-block": "#000000",
    "block-alarm": "#ff8080", "block-warn": "#ffd400", "block-calm": "#404040", "block-frozen": "#7fd4ff",
    "production": "#e08cff", "on-production": "#000000", "drill": "#4dffea", "on-drill": "#000000",
    "on-calm": "#ffffff",
}  # fmt: skip
# Okabe and Ito's colours; vermillion and yellow differ in lightness too, for eyes that see neither red nor green.
COLOUR_BLIND = DARK | {
    "good": "#56b4e9", "warn": "#f0e442", "alarm": "#f2711c", "note": "#56b4e9", "block-alarm": "#f2711c",
    "block-warn": "#f0e442", "block-frozen": "#56b4e9", "production": "#cc79a7", "on-production": "#14060d",
    "drill": "#009e73", "on-drill": "#00150f", "cursor": "#0f4c75",
}  # fmt: skip

THEMES = (
    Theme("dark", True, "#0d1117", DARK),
    Theme("light", False, "#fbfaf6", LIGHT),
    Theme("high-contrast", True, "#000000", HIGH_CONTRAST),
    Theme("colour-blind", True, "#0d1117", COLOUR_BLIND),
)


def names() -> tuple[str, ...]:
    return tuple(theme.name for theme in THEMES)
