"""What others mean to do, above the keys: what may still be spoken to, with the key; and what they look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..operations.operation import DOING
from ..widgets.cells import Line, fit, length, plain, spread

if TYPE_CHECKING:
    from ..warroom.proposals import Proposal
    from ..warroom.sharing.presence import Presence


def lines(waiting: Sequence[Proposal], now: datetime, width: int) -> tuple[Line, ...]:
    """A line for each; the keys and the time that is left stand at its right, whatever else has to be cut."""
    return tuple(_line(one, now, width) for one in waiting)


def previews(here: Sequence[Presence], width: int) -> tuple[Line, ...]:
    """Who else has an action's dialog open: one line for all, before anything of it is on record."""
    found = [one for one in here if not one.me and one.doing.startswith(DOING["asking"])]
    if not found:
        return ()
    told = ";  ".join(f"{plain(one.name, 30)} is {plain(one.doing, 80)}" for one in found)
    return (fit(((" ○ ", "muted"), (told, "muted")), width),)


def _line(one: Proposal, now: datetime, width: int) -> Line:
    left = max(0, int((one.until - now).total_seconds()))
    keys: Line = (("o", "key"), (" objects ", "muted"))
    keys = (*keys, ("a", "key"), (" approves ", "muted")) if one.needs == "approval" else keys
    right: Line = ((f"  {left} s  ", "alarm"), *keys)
    told: Line = ((" ▲ ", "alarm"), (f"{plain(one.by, 30)} is about to: {plain(one.name, 80)}", "strong"),
                  (f"  {plain(one.effect)}", "muted"))  # fmt: skip
    return spread(told, right, width) if length(right) < width else fit(right, width)
