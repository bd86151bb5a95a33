"""Which rows of a listing are shown, and in which order: filtered by words, sorted by a column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..widgets.panel import Listing, Panel
from ..widgets.spans import as_text, cut, plain

SHOWN = 24  # cells of the filter's words in the frame


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """`words` must all be in a row. `stop` counts along the ring of orders: 0 is the view's own, the worst first;
    then each column, then each column reversed, from the last one back to the first.
    """

    words: str = ""
    stop: int = 0

    def turned(self, by: int, columns: int) -> Arrangement:
        """The next order, or the one before."""
        return replace(self, stop=(self.stop + by) % (2 * columns + 1)) if columns else self

    def column(self, columns: int) -> tuple[int, bool] | None:
        """Which column, and whether reversed; None for the view's own order."""
        if not self.stop or not columns:
            return None
        at = min(self.stop, 2 * columns)
        return (at - 1, False) if at <= columns else (2 * columns - at, True)


def arranged(drawn: Panel, wish: Arrangement) -> tuple[Panel, str]:
    """The panel with the rows as wished for, and what its frame says of that; "" while nothing is."""
    rows = drawn.rows
    if rows is None:
        return drawn, f"filter: {_shown(wish.words)}" if wish.words else ""
    said = []
    order = list(range(len(rows.keys)))
    if (column := wish.column(len(rows.columns))) is not None:
        order = _sorted(rows, *column)
        name = rows.columns[column[0]][0]
        said.append(f"by {name}, reversed" if column[1] else f"by {name}")
    if wish.words:
        of = [n for n in order if rows.subject(n) is not None]
        words = wish.words.casefold().split()
        order = [n for n in of if _has(rows, n, words)]
        said.insert(0, f"{len(order)} of {len(of)}, filter: {_shown(wish.words)}")
    if not said:
        return drawn, ""
    chosen = Listing(
        [rows.keys[n] for n in order],
        lambda n: rows.draw(order[n]),
        lambda n: rows.subject(order[n]),
        rows.columns,
    )
    return replace(drawn, rows=chosen), ", ".join(said)


def _shown(words: str) -> str:
    return cut(plain(words), SHOWN)


def _has(rows: Listing, n: int, words: list[str]) -> bool:
    """Whether each word is in the row as it is drawn, or in the whole name of what it stands for."""
    subject = rows.subject(n)
    text = f"{as_text((rows.draw(n),))} {plain(subject.title) if subject is not None else ''}".casefold()
    return all(word in text for word in words)


def _sorted(rows: Listing, column: int, reverse: bool) -> list[int]:
    """The rows that have columns in order: figures from the largest, names from A; what is not known comes last."""
    _, value = rows.columns[column]
    many = len(rows.keys) if rows.sortable is None else rows.sortable
    known: list[tuple[Any, int]] = []
    unknown = []
    for n in range(many):
        found = value(n)
        if found is None:
            unknown.append(n)
        else:
            known.append((found.casefold() if isinstance(found, str) else -found, n))
    known.sort(key=lambda pair: pair[0], reverse=reverse)
    return [*(n for _, n in known), *unknown, *range(many, len(rows.keys))]
