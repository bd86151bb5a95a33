"""A line of input that shows dots for what watchers of a shared screen must not see."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Input

from .curtain import CURTAIN


class Field(Input):
    """Textual's, and nothing in it is seen by others that the panes would not show them."""

    @property
    def _value(self) -> Text:
        shown = super()._value
        if CURTAIN.drawn and CURTAIN.over(self.value) != self.value:
            return Text("•" * len(self.value), no_wrap=True, overflow="ignore", end="")
        return shown
