"""The themes as Textual has them: each ink is a variable `ink-NAME`."""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

from .. import themes

PREFIX = "nexconsole-"  # Textual has themes of its own, of which some have such names


def _textual(theme: themes.Theme) -> Theme:
    inks = theme.inks
    return Theme(
        name=PREFIX + theme.name,
        dark=theme.dark,
        primary=inks["note"],
        warning=inks["warn"],
        error=inks["alarm"],
        success=inks["good"],
        accent=inks["note"],
        foreground=inks["text"],
        background=theme.background,
        surface=inks["raised"],
        panel=inks["raised"],
        variables=_variables(inks),
    )


def _variables(inks: Mapping[str, str]) -> dict[str, str]:
    return {f"ink-{ink}": colour for ink, colour in inks.items()}


THEMES = tuple(_textual(theme) for theme in themes.THEMES)
# Themes that are not ours have none of our variables; they get the dark theme's.
DEFAULTS = _variables(themes.DARK)
