"""What others mean to do, above the keys: what may still be spoken to, with the key; and what they look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..session.operation import DOING
from ..widgets.spans import Line, fit, length, plain, spread

if TYPE_CHECKING:
    from ..incident.proposals import Proposal
    from ..sharing.presence import Presence


KEYS_OF = {"o": "objects", "a": "approves"}


def spoken_of(waiting: Sequence[Proposal], key: str) -> Proposal | None:
    """The proposal that this key speaks of: the oldest one that may hear it, so that a new one changes nothing."""
    return next((one for one in waiting if key == "o" or one.needs == "approval"), None)


def lines(waiting: Sequence[tuple[Proposal, float]], keys: Iterable[str], width: int) -> tuple[Line, ...]:
    """A line for each; the seconds that are left stand at its right, and each key beside the one that it speaks of."""
    keyed = {key: spoken_of([one for one, _ in waiting], key) for key in keys}
    return tuple(_line(one, [key for key, of in keyed.items() if of is one], left, width) for one, left in waiting)


def previews(here: Sequence[Presence], width: int) -> tuple[Line, ...]:
    """Who else has an action's dialog open: one line for all, before anything of it is on record."""
    found = [one for one in here if not one.me and one.doing.startswith(DOING["asking"])]
    if not found:
        return ()
    told = ";  ".join(f"{plain(one.name, 30)} is {plain(one.doing, 80)}" for one in found)
    return (fit(((" ○ ", "muted"), (told, "muted")), width),)


def _line(one: Proposal, keyed: Sequence[str], left: float, width: int) -> Line:
    keys: Line = tuple(run for key in keyed for run in ((key, "key"), (f" {KEYS_OF[key]} ", "muted")))
    right: Line = ((f"  {int(left)} s  ", "alarm"), *keys)
    told: Line = ((" ▲ ", "alarm"), (f"{plain(one.by, 30)} is about to: {plain(one.name, 80)}", "strong"),
                  (f"  {plain(one.effect)}", "muted"))  # fmt: skip
    return spread(told, right, width) if length(right) < width else fit(right, width)
