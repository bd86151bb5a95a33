"""The styles of spans: names for a theme's colours, some with background and weight.

They come from the theme's variables directly; as component classes of every widget they cost 140 ms at start.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style

# ink: the theme's variables for its colour and its background ("background": the screen's), and whether it is bold
STYLES: dict[str, tuple[str, str, bool]] = {
    "text": ("ink-text", "background", False),
    "strong": ("ink-strong", "background", True),
    "figure": ("ink-figure", "background", False),
    "chart": ("ink-chart", "background", False),
    "muted": ("ink-muted", "background", False),
    "faint": ("ink-faint", "background", False),
    "stale": ("ink-stale", "background", False),
    "doubt": ("ink-warn", "background", False),
    "warn": ("ink-warn", "background", True),
    "alarm": ("ink-alarm", "background", True),
    "note": ("ink-note", "background", False),
    "key": ("ink-note", "background", True),
    "cursor": ("ink-strong", "ink-cursor", True),
    "frame": ("ink-frame", "background", False),
    "frame-focus": ("ink-note", "background", False),
    "frame-warn": ("ink-warn", "background", False),
    "frame-alarm": ("ink-alarm", "background", False),
    "block-alarm": ("ink-on-block", "ink-block-alarm", True),
    "block-warn": ("ink-on-block", "ink-block-warn", True),
    "block-calm": ("ink-on-calm", "ink-block-calm", False),
    "block-frozen": ("ink-on-block", "ink-block-frozen", True),
    "block-production": ("ink-on-production", "ink-production", True),
    "block-drill": ("ink-on-drill", "ink-drill", True),
    "block-other": ("ink-text", "ink-block-calm", True),
    "tape": ("ink-on-drill", "ink-drill", True),
}


def styles(variables: Mapping[str, str]) -> dict[str, Style]:
    """The style of each ink, from a theme's variables (`App.theme_variables`)."""
    return {
        ink: Style(color=variables[colour], bgcolor=variables[background], bold=bold)
        for ink, (colour, background, bold) in STYLES.items()
    }
