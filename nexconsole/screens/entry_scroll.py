"""Which rows of entries are in sight, and where the cursor is: each entry has as many rows as it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class EntryScroll(Generic[Entry]):
    """Without a cursor the end is in sight. Places are (entry's index, how many of its rows are above the sight).

    `near` finds an entry's index, or that of one beside it, for entries come and go.
    """

    def __init__(self, near: Callable[[Entry], int]) -> None:
        self.cursor: Entry | None = None
        self._near = near
        self._top: Entry | None = None
        self._skip = 0
        self._items: Sequence[Entry] = ()
        self._heights: Callable[[Entry], int] = lambda entry: 1
        self._room = 1

    def measure(self, items: Sequence[Entry], heights: Callable[[Entry], int], room: int) -> None:
        """What there is now, how high each entry is, and how many rows there is room for."""
        self._items, self._heights, self._room = items, heights, max(1, room)

    @property
    def index(self) -> int:
        """The cursor's; without one that of the last entry."""
        last = len(self._items) - 1
        return last if self.cursor is None else min(last, self._near(self.cursor))

    @property
    def sight(self) -> tuple[int, int]:
        """Where the sight begins."""
        if not self._items:
            return 0, 0
        end = self._ending_at(len(self._items) - 1)
        if self.cursor is None or self._top is None:
            return end
        top = min(self._near(self._top), len(self._items) - 1)
        same = self._items[top] is self._top
        return min((top, min(self._skip, self._height(top) - 1) if same else 0), end)

    # --- moving -----------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Nothing moves from now on; the cursor is on the last entry."""
        if self.cursor is None and self._items:
            self._set(len(self._items) - 1, self.sight)

    def follow(self) -> None:
        """The end is in sight again, whatever comes."""
        self.cursor = self._top = None

    def step(self, by: int) -> bool:
        """One entry on or back, one row where the entry is higher than the sight; False: there is nothing further."""
        self.hold()
        if not self._items:
            return False
        return self._down() if by > 0 else self._up()

    def page(self, by: int) -> bool:
        """A page on or back; False: there is nothing further."""
        self.hold()
        if not self._items:
            return False
        was, rows = self.sight, max(1, self._room - 1)
        top = self._advanced(was, rows) if by > 0 else self._receded(was, rows)
        if top == was:
            edge = len(self._items) - 1 if by > 0 else 0
            moved = self.index != edge
            self._set(edge, top)
            return moved
        fills = self._height(top[0]) - top[1] >= self._room
        self._set(top[0] if fills or not top[1] else min(len(self._items) - 1, top[0] + 1), top)
        return True

    def go(self, index: int) -> None:
        """The cursor on that entry, with what stands around it."""
        self.hold()
        if not self._items:
            return
        index = max(0, min(index, len(self._items) - 1))
        top = self.sight
        last = self._ending_at(index)
        if (index, 0) < top or top < last:
            top = min(self._receded((index, 0), self._room // 3), self._ending_at(len(self._items) - 1))
        self._set(index, top)

    def _down(self) -> bool:
        index, top = self.index, self.sight
        if top < self._ending_at(index):  # its last row is below the sight
            self._set(index, self._advanced(top, 1))
            return True
        if index + 1 >= len(self._items):
            return False
        needed = self._ending_at(index + 1)
        if needed[0] == index + 1:  # higher than the sight: from its beginning
            needed = (index + 1, 0)
        self._set(index + 1, max(top, needed))
        return True

    def _up(self) -> bool:
        index, top = self.index, self.sight
        if (index, 0) < top:  # its first row is above the sight
            self._set(index, self._receded(top, 1))
            return True
        if index == 0:
            return False
        above = index - 1
        self._set(above, min(top, (above, max(0, self._height(above) - self._room))))
        return True

    # --- places -----------------------------------------------------------------------------------------------

    def _set(self, index: int, top: tuple[int, int]) -> None:
        self.cursor = self._items[index]
        self._top, self._skip = self._items[top[0]], top[1]

    def _height(self, index: int) -> int:
        return max(1, self._heights(self._items[index]))

    def _ending_at(self, index: int) -> tuple[int, int]:
        """Where the sight begins for this entry's last row to be its last."""
        rows = 0
        for above in range(index, -1, -1):
            rows += self._height(above)
            if rows >= self._room:
                return above, rows - self._room
        return 0, 0

    def _advanced(self, place: tuple[int, int], rows: int) -> tuple[int, int]:
        index, skip = place
        end = self._ending_at(len(self._items) - 1)
        while rows and (index, skip) < end:
            left = self._height(index) - skip
            if rows < left:
                skip, rows = skip + rows, 0
            else:
                index, skip, rows = index + 1, 0, rows - left
        return min((index, skip), end)

    def _receded(self, place: tuple[int, int], rows: int) -> tuple[int, int]:
        index, skip = place
        while rows > skip and index > 0:
            rows -= skip
            index -= 1
            skip = self._height(index)
        return index, max(0, skip - rows)
