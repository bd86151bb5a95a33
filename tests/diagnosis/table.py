"""The scoreboard in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from nexconsole.text.units import percent

from .scoring import Play, Tally, tally

GOALS = "goals: first at least 90 %, first three at least 97 %, confidently wrong at most 1 %, median at most 30 s"


def lines(plays: Sequence[Play]) -> Iterator[str]:
    """A row a scenario, then the sums: of what the rules were made with, of what was held back, of both."""
    yield "| scenario | plays | first | first three | abstained | confidently wrong | seconds | said wrongly |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, group in groupby(sorted(plays, key=lambda play: (play.held_back, play.scenario)), _name):
        of_it = tuple(group)
        wrong = sorted({said for play in of_it for said in play.wrong} | {play.error for play in of_it if play.error})
        yield _row(name, tally(of_it), "; ".join(wrong))
    yield _row("**known scenarios**", tally(play for play in plays if not play.held_back))
    yield _row("**held back**", tally(play for play in plays if play.held_back))
    yield _row("**all**", tally(plays))
    yield ""
    yield GOALS


def _name(play: Play) -> str:
    return f"{play.scenario}{' (held back)' if play.held_back else ''}"


def _row(name: str, sums: Tally, wrong: str = "") -> str:
    shares = (sums.first, sums.top_three, sums.abstained, sums.wrong)
    cells = [name, str(sums.plays), *("-" if share is None else percent(share) for share in shares)]
    cells += ["-" if sums.median_s is None else f"{sums.median_s:.0f}", wrong]
    return f"| {' | '.join(cells)} |"
