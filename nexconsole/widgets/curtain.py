"""The curtain before customer data while a screen is shared: everything that this console draws passes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..sources.masking import mask, mask_command, mask_figures, mask_query


class Curtain:
    """One for the process, as there is one screen. `drawn`: whether others are watching."""

    def __init__(self) -> None:
        self.drawn = False
        self._secrets: re.Pattern[str] | None = None

    def draw(self, secrets: Iterable[str] = ()) -> None:
        """Hide customer data from now on, and these words wherever they stand."""
        words = "|".join(re.escape(word) for word in secrets if word)
        self._secrets = re.compile(words) if words else None
        self.drawn = True

    def lift(self) -> None:
        self.drawn, self._secrets = False, None

    def over(self, text: str) -> str:
        """A text from outside as watchers may see it."""
        return self._covered(text, mask)

    def over_command(self, text: str) -> str:
        """A literal command of our own: its statement stays to be read before it is confirmed."""
        return self._covered(text, mask_command)

    def over_query(self, text: str) -> str:
        """Somebody else's query: its first word."""
        return self._covered(text, mask_query)

    def over_figures(self, text: str) -> str:
        """A line that holds our own figures too: what can't be one of them, the line's width kept."""
        return self._covered(text, mask_figures)

    def _covered(self, text: str, hide: Callable[[str], str]) -> str:
        if not self.drawn:
            return text
        if self._secrets is not None:
            text = self._secrets.sub(lambda found: "*" * len(found[0]), text)
        return hide(text)


CURTAIN = Curtain()
