"""The replay's player on one line: state, speed, position and length, a bar with events, the next event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ..text.units import duration, stopwatch
from .spans import Line, cut, fit, length

if TYPE_CHECKING:
    from ..recording.player import Player

GONE, TO_COME, EVENT, SILENT, HERE = "━", "─", "┼", "┄", "●"
ROOMY = 50  # cells from which there is room to say who
SLIM, WIDE = 12, 48  # cells of the bar


class NextEvent(NamedTuple):
    """The next event: when and by whom, as words too, and what."""

    at: datetime
    who: str
    what: str


def player_line(player: Player, following: NextEvent | None, silent: Callable[[datetime], bool], width: int) -> Line:
    """State, place and length, the bar with the events on it, and what comes next and when."""
    state = f" {'PLAY' if player.playing else 'PAUSED'} {player.speed:g}x " if not player.at_end else " END "
    at, all_ = stopwatch(player.begin, player.now), stopwatch(player.begin, player.end)
    head: Line = ((state, "block-frozen"), (f" {at}", "strong"), (f" of {all_} ", "muted"))
    bar = max(SLIM, min(WIDE, width // 4)) if width >= 60 else 0
    line: Line = (*head, *_bar(player, silent, bar), (" ", "muted"))
    room = width - length(line)
    return fit((*line, *_following(player, following, room)), width)


def _following(player: Player, following: NextEvent | None, width: int) -> Line:
    if following is None:
        return ((cut(" no event follows", width), "muted"),)
    head = f" in {duration((following.at - player.now).total_seconds())}: "
    told = f"{following.who} {following.what}" if width >= ROOMY else following.what
    return ((head, "note"), (cut(told, max(0, width - len(head))), "text"))


def _bar(player: Player, silent: Callable[[datetime], bool], width: int) -> Iterator[tuple[str, str]]:
    """Every cell is a stretch of time: what is over, what is to come, with events, without a recording, and now."""
    if not width:
        return
    whole = player.end - player.begin
    here = int((player.now - player.begin) / whole * (width - 1)) if whole else 0
    marked = {int((mark - player.begin) / whole * (width - 1)) for mark in player.marks} if whole else set()
    for cell in range(width):
        over = "text" if cell < here else "faint"
        if cell == here:
            yield HERE, "key"
        elif cell in marked:
            yield EVENT, "note"
        elif silent(player.begin + whole * (cell / max(1, width - 1))):
            yield SILENT, over
        else:
            yield GONE if cell < here else TO_COME, over
