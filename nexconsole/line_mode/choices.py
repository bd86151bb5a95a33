"""The palette by number: what can be done, found by words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..widgets.fuzzy import best_first

SHOWN = 9


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A numbered line. `name` is stable ("provider.disable"). `why_not`: why it can't be done now."""

    name: str
    title: str
    run: Callable[[], Awaitable[None]]
    words: tuple[str, ...] = ()
    detail: str = ""
    weight: float = 0.0
    why_not: str = ""
    targets: tuple[str, ...] = ()

    def line(self, number: int) -> str:
        """`3. Disable provider smsbower - 93 % of failures`."""
        refused = f" (not now: {self.why_not})" if self.why_not else ""
        hint = f" ({self.detail})" if self.detail.startswith("will not help") else ""
        return f"{number}. {self.title}{hint}{refused}"


def fitting(typed: str, choices: Sequence[Choice]) -> list[Choice]:
    """The choices that fit all the words, best first; the likeliest where nothing is typed."""
    return best_first(typed, choices)
