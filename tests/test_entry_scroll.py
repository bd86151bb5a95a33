"""Scrolling through entries of any height: every row can be brought into sight, and nothing moves by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nexconsole.screens.entry_scroll import EntryScroll


class ScrolledNumbers:
    """Numbers as entries, each with a height."""

    def __init__(self, heights: list[int], room: int) -> None:
        self.heights, self.room = heights, room
        self.items = list(range(len(heights)))
        self.scroll: EntryScroll[int] = EntryScroll(lambda entry: min(entry, len(self.items) - 1))
        self.measure()

    def measure(self) -> None:
        self.scroll.measure(self.items, lambda entry: self.heights[entry], self.room)

    @property
    def rows(self) -> list[tuple[int, int]]:
        """Those in sight: entry, and which of its rows."""
        index, skip = self.scroll.sight
        rows = [(entry, row) for entry in self.items[index:] for row in range(self.heights[entry])]
        return rows[skip : skip + self.room]

    @property
    def all_rows(self) -> list[tuple[int, int]]:
        return [(entry, row) for entry in self.items for row in range(self.heights[entry])]


ENTRIES = st.builds(ScrolledNumbers, st.lists(st.integers(1, 12), min_size=1, max_size=25), st.integers(1, 8))


def test_without_a_cursor_the_end_is_in_sight() -> None:
    entries = ScrolledNumbers([1, 3, 2], 4)
    assert entries.rows == [(1, 1), (1, 2), (2, 0), (2, 1)] and entries.scroll.index == 2
    assert ScrolledNumbers([1, 1], 4).rows == [(0, 0), (1, 0)]
    assert ScrolledNumbers([], 4).rows == []


def test_holding_moves_nothing_and_new_entries_stay_below() -> None:
    entries = ScrolledNumbers([1] * 10, 4)
    before = entries.rows
    entries.scroll.hold()
    entries.heights += [2] * 5
    entries.items += range(10, 15)
    assert entries.rows == before and entries.scroll.cursor == 9
    entries.scroll.follow()
    assert entries.rows == [(13, 0), (13, 1), (14, 0), (14, 1)]


def test_an_entry_higher_than_the_sight_is_scrolled_row_by_row_to_its_end() -> None:
    entries = ScrolledNumbers([1, 6, 1], 3)
    entries.scroll.go(0)
    assert entries.scroll.step(1) and entries.rows == [(1, 0), (1, 1), (1, 2)]
    for end in (3, 4, 5):
        assert entries.scroll.step(1)
        assert entries.scroll.cursor == 1 and entries.rows[-1] == (1, end)
    assert entries.scroll.step(1) and entries.scroll.cursor == 2
    assert not entries.scroll.step(1)
    assert entries.scroll.step(-1) and entries.scroll.cursor == 1


def test_going_to_an_entry_shows_what_stands_around_it() -> None:
    entries = ScrolledNumbers([1] * 30, 9)
    entries.scroll.go(10)
    assert entries.scroll.cursor == 10 and entries.rows[0] == (7, 0)
    entries.scroll.go(12)  # in sight already: nothing moves
    assert entries.scroll.cursor == 12 and entries.rows[0] == (7, 0)
    entries.scroll.go(0)
    assert entries.rows[0] == (0, 0)


def test_entries_that_have_gone_leave_the_cursor_beside_them() -> None:
    entries = ScrolledNumbers([1] * 30, 9)
    entries.scroll.go(20)
    del entries.items[10:], entries.heights[10:]
    assert entries.scroll.index == 9 and entries.rows[-1] == (9, 0)
    del entries.items[:], entries.heights[:]
    assert entries.rows == [] and not entries.scroll.step(1) and not entries.scroll.page(-1)


@given(ENTRIES, st.booleans())
def test_steps_bring_every_row_into_sight_and_the_cursor_s_entry_always_is(
    entries: ScrolledNumbers, down: bool
) -> None:
    entries.scroll.go(0) if down else entries.scroll.hold()
    seen = set(entries.rows)
    for _ in range(400):
        if not entries.scroll.step(1 if down else -1):
            break
        assert entries.scroll.cursor in {entry for entry, _ in entries.rows}
        seen |= set(entries.rows)
    else:
        raise AssertionError("it never came to an end")
    assert seen == set(entries.all_rows)


@given(ENTRIES, st.booleans())
def test_pages_bring_every_row_into_sight(entries: ScrolledNumbers, down: bool) -> None:
    entries.scroll.go(0) if down else entries.scroll.hold()
    seen = set(entries.rows)
    for _ in range(400):
        if not entries.scroll.page(1 if down else -1):
            break
        assert entries.scroll.cursor in {entry for entry, _ in entries.rows}
        seen |= set(entries.rows)
    else:
        raise AssertionError("it never came to an end")
    assert seen == set(entries.all_rows)


@given(ENTRIES, st.lists(st.sampled_from(["down", "up", "pgdn", "pgup", "go", "follow", "hold"]), max_size=30))
def test_whatever_is_pressed_the_sight_is_full_where_there_is_enough(entries: ScrolledNumbers, keys: list[str]) -> None:
    for n, key in enumerate(keys):
        match key:
            case "down" | "up":
                entries.scroll.step(1 if key == "down" else -1)
            case "pgdn" | "pgup":
                entries.scroll.page(1 if key == "pgdn" else -1)
            case "go":
                entries.scroll.go(n * 7 % len(entries.items))
            case "follow":
                entries.scroll.follow()
            case "hold":
                entries.scroll.hold()
        assert len(entries.rows) == min(entries.room, len(entries.all_rows))
