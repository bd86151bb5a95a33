"""Masks customer data while the screen is shared: everything that this console draws passes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import ModuleType


class Masker:
    """One for the process, as there is one screen. `drawn`: whether others are watching."""

    def __init__(self) -> None:
        self._secrets: re.Pattern[str] | None = None
        self._masking: ModuleType | None = None

    @property
    def enabled(self) -> bool:
        return self._masking is not None

    def enable(self, secrets: Iterable[str] = ()) -> None:
        """Hide customer data from now on, and these words wherever they stand."""
        from ..text import masking  # its patterns are not what the first paint should wait for

        words = "|".join(re.escape(word) for word in secrets if word)
        self._secrets = re.compile(words) if words else None
        self._masking = masking

    def disable(self) -> None:
        self._masking = self._secrets = None

    def mask(self, text: str) -> str:
        """A text from outside as watchers may see it."""
        return self._masking.mask(self._known(text)) if self._masking else text

    def mask_command(self, text: str) -> str:
        """A literal command of our own: its statement stays to be read before it is confirmed."""
        return self._masking.mask_command(self._known(text)) if self._masking else text

    def mask_query(self, text: str) -> str:
        """Somebody else's query: its first word."""
        return self._masking.mask_query(text) if self._masking else text

    def mask_figures(self, text: str) -> str:
        """A line that holds our own figures too: what can't be one of them, the line's width kept."""
        return self._masking.mask_figures(self._known(text)) if self._masking else text

    def _known(self, text: str) -> str:
        """Without the secrets that are known, every character of them a star."""
        return self._secrets.sub(lambda found: "*" * len(found[0]), text) if self._secrets else text


MASKER = Masker()
