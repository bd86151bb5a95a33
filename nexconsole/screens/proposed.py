"""What others mean to do, above the keys while they may still be spoken to: who, what, how long, and the key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..widgets.cells import Line, fit, length, plain, spread

if TYPE_CHECKING:
    from ..warroom.proposals import Proposal


def lines(waiting: Sequence[Proposal], now: datetime, width: int) -> tuple[Line, ...]:
    """A line for each; the keys and the time that is left stand at its right, whatever else has to be cut."""
    return tuple(_line(one, now, width) for one in waiting)


def _line(one: Proposal, now: datetime, width: int) -> Line:
    left = max(0, int((one.until - now).total_seconds()))
    keys: Line = (("o", "key"), (" objects ", "muted"))
    keys = (*keys, ("a", "key"), (" approves ", "muted")) if one.needs == "approval" else keys
    right: Line = ((f"  {left} s  ", "alarm"), *keys)
    told: Line = ((" ▲ ", "alarm"), (f"{plain(one.by, 30)} is about to: {plain(one.name, 80)}", "strong"),
                  (f"  {plain(one.effect)}", "muted"))  # fmt: skip
    return spread(told, right, width) if length(right) < width else fit(right, width)
