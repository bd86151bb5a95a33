"""How many lines each pane gets: what is wrong grows, and what is calm gives its lines for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.css.scalar import Unit

from ..panes.registry import PANES
from ..widgets.panel import LOUDNESS

if TYPE_CHECKING:
    from textual.screen import Screen

    from ..panes.pane import Pane

LEAST_PANE = 4  # lines that a framed pane keeps
MOST_PANE = 16  # lines to which a row that is wrong grows
LEAST_TALL, LEAST_SHORT = 13, 7  # lines that the first row keeps on a tall and on a short screen
USUAL = 48  # lines for all panes up to which the style sheet's heights are as they stand; more are shared out by them
URGENCY = {"warn": 1, "alarm": 2}


@dataclass(frozen=True, kw_only=True)
class PaneRow:
    """A row of the grid. `base`: its lines by the style sheet, None for the one that takes what is left.

    `wanted`: lines that its panes would fill; `urgency`: 0 for calm, more for what is more urgent.
    """

    base: int | None
    wanted: int = 0
    urgency: int = 0


def row_heights(rows: Sequence[PaneRow], total: int, taken: int, least_rest: int) -> list[int]:
    """The lines of each row with a base, in `total` lines of which a bar below has `taken`.

    The bar takes its lines from the largest rows. Rows that are wrong grow to what they want, the most urgent first:
    by lines of calm rows, then of the row that takes what is left, which keeps `least_rest`.
    """
    heights = [row.base for row in rows if row.base is not None]
    urgency = [row.urgency for row in rows if row.base is not None]
    wanted = [row.wanted for row in rows if row.base is not None]
    for _ in range(taken):
        if heights and max(heights) > LEAST_PANE:
            heights[heights.index(max(heights))] -= 1
    rest = total - sum(heights) if len(heights) < len(rows) else 0
    order = sorted((n for n, level in enumerate(urgency) if level), key=lambda n: -urgency[n])
    for n in order:
        goal = min(wanted[n], MOST_PANE)
        spare = [max(0, heights[m] - LEAST_PANE) if not urgency[m] else 0 for m in range(len(heights))]
        room = sum(spare) + max(0, rest - least_rest)
        if heights[n] < LEAST_PANE and heights[n] + room < LEAST_PANE:
            continue  # it stays a line: with fewer it would have a frame and nothing in it
        while heights[n] < goal and room > 0:
            if sum(spare):
                donor = spare.index(max(spare))
                spare[donor] -= 1
                heights[donor] -= 1
            else:
                rest -= 1
            heights[n] += 1
            room -= 1
    return heights


class PaneLayout:
    """Shares out the lines among the panes of a console; nothing moves while what is wrong stays the same."""

    def __init__(
        self, screen: Screen[None], panes: Callable[[], Mapping[str, Pane]], alert_level: Callable[[Pane], str]
    ) -> None:
        self._screen, self._panes, self._alert_level = screen, panes, alert_level
        self.bar_lines = 0  # of the operation bar, taken from the lower panes as far as they can spare them
        self._shared_for: tuple[object, ...] = ()
        self._wanted: tuple[int, ...] = ()  # lines that each row wanted then

    def share(self) -> None:
        """Show the panes for which there is room, and give each row its lines."""
        screen = self._screen
        if screen.has_class("-maximized") or not screen.query("#panes"):
            return
        shown = self._panes()
        ordered = [shown[view.SIGNAL] for view in PANES]
        self._choose(ordered)
        panes = screen.query_one("#panes")
        base = panes.styles.base.grid_rows or ()
        lines = [int(row.value) if row.unit is Unit.CELLS else None for row in base]
        if lines.count(None) != 1:  # a small screen's rows are equal
            panes.styles.clear_rule("grid_rows")  # those of a larger screen
            self._shared_for = ()
            return
        total = panes.size.height
        if total > USUAL:
            lines = [line * total // USUAL if line and line >= LEAST_PANE else line for line in lines]
        rows = self._rows(ordered, lines)
        state = (total, self.bar_lines, tuple(lines), tuple(row.urgency for row in rows))
        more = any(row.urgency and row.wanted > then for row, then in zip(rows, self._wanted, strict=False))
        if state == self._shared_for and not more:
            return
        self._shared_for, self._wanted = state, tuple(row.wanted for row in rows)
        least = LEAST_TALL if screen.has_class("-tall") else LEAST_SHORT
        heights = iter(row_heights(rows, total, self.bar_lines, least))
        shared = [str(row) if line is None else str(next(heights)) for row, line in zip(base, lines, strict=True)]
        if shared == [str(row) if row.unit is not Unit.CELLS else str(int(row.value)) for row in base]:
            panes.styles.clear_rule("grid_rows")
        else:
            panes.styles.grid_rows = " ".join(shared)

    def worst(self) -> Pane | None:
        """The first of the panes in sight that have the most urgent level."""
        panes = [pane for pane in self._panes().values() if pane.display and pane.size.height]
        return max(panes, key=lambda pane: LOUDNESS.index(self._alert_level(pane)), default=None)

    def _choose(self, ordered: Sequence[Pane]) -> None:
        """Where there are fewer lines than panes, those with something wrong are shown."""
        screen = self._screen
        flat = screen.has_class("-flat") and not screen.has_class("-scenario")
        room = max(1, screen.query_one("#panes").size.height) if flat else len(PANES)
        loudest = sorted(ordered, key=lambda pane: -LOUDNESS.index(self._alert_level(pane)))
        for n, pane in enumerate(loudest):
            pane.set_class(n >= room and not pane.has_focus, "-unseen")

    def _rows(self, ordered: Sequence[Pane], lines: Sequence[int | None]) -> list[PaneRow]:
        """The grid's rows with what their panes want, in the order of the panes."""
        panes = self._screen.query_one("#panes")
        rows: list[list[Pane]] = [[]]
        left = columns = panes.styles.grid_size_columns or 1
        for pane in ordered:
            if not pane.display:
                continue
            span = min(columns, pane.styles.column_span or 1)
            if span > left:
                rows, left = [*rows, []], columns
            rows[-1].append(pane)
            left -= span
        rows += [[] for _ in range(len(lines) - len(rows))]
        return [self._row(base, row) for base, row in zip(lines, rows, strict=False)]

    def _row(self, base: int | None, panes: Sequence[Pane]) -> PaneRow:
        urgent = {pane: URGENCY.get(self._alert_level(pane), 0) for pane in panes}
        wanted = max((pane.full_height for pane, urgency in urgent.items() if urgency), default=0)
        return PaneRow(base=base, wanted=wanted, urgency=max(urgent.values(), default=0))
