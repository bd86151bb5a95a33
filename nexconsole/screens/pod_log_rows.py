"""The pods' logs as rows: time, pod, level, message, then the other fields; wrapped, or one row a line."""

from __future__ import annotations

from collections.abc import Iterable

from ..sources.log_entry import LogEntry
from ..sources.log_lines import LONGEST_LINE
from ..sources.log_view import short_names
from ..text.sanitize import clean
from ..text.units import clock, moment
from ..widgets.privacy import MASKER
from ..widgets.spans import Line, cells, column, folded, length, plain

STYLES = {"trace": "muted", "debug": "muted", "warn": "doubt", "error": "warn", "fatal": "alarm"}
TIME = 8  # cells
LEVEL = 6
NARROW = 70  # cells of a row in which a level is one letter
LONGEST_NAME, LONGEST_NARROW = 20, 12
CACHED = 500
STEP = 1_000  # characters that are looked at together, of a line that is shown from its middle on


class LogRows:
    """Rows are made only of what is in sight, and once."""

    def __init__(self) -> None:
        self.wrap = True
        self.left = 0  # cells that are off to the left, where nothing wraps
        self._width = 0
        self._names: dict[str, str] = {}
        self._name = 0  # cells of the longest
        self._made: dict[int, tuple[LogEntry, int, list[Line]]] = {}
        self._made_for: object = None

    def prepare(self, width: int, names: Iterable[str]) -> None:
        """The width that there is now, and the pods that must be told apart."""
        known = self._names.keys()
        if not known >= (found := set(names)):
            self._names = dict.fromkeys(known | found, "")
        made_for = (width, self.wrap, self.left, MASKER.enabled, len(self._names))
        if made_for != self._made_for:
            self._made_for, self._width = made_for, width
            self._made.clear()
            most = LONGEST_NARROW if width < NARROW else LONGEST_NAME
            self._names = short_names(self._names, most)
            self._name = max((cells(plain(name)) for name in self._names.values()), default=0)

    def short(self, pod: str) -> str:
        """A pod's name as short as its rows have it."""
        return plain(self._names.get(pod, pod), LONGEST_NAME)

    def height(self, entry: LogEntry) -> int:
        return len(self.rows(entry)) if self.wrap else 1 + len(entry.more)

    def rows(self, entry: LogEntry) -> list[Line]:
        made = self._made.get(id(entry))
        if made is None or made[0] is not entry or made[1] != len(entry.more):
            if len(self._made) >= CACHED:
                self._made.clear()
            rows = self._wrapped(entry) if self.wrap else self._sideways(entry)
            made = self._made[id(entry)] = (entry, len(entry.more), rows)
        return made[2]

    def room(self) -> int:
        """Cells for a row's words."""
        return max(8, self._width - TIME - self._name - 2 - (3 if self._width < NARROW else LEVEL + 1))

    def widest(self, entries: Iterable[LogEntry]) -> int:
        """Cells of the longest line of these."""
        widths = [0]
        for entry in entries:
            said = entry.words
            widths += [len(said.message) + len(said.fields) + 2, *(len(line) + 2 for line in said.more)]
        return max(widths)

    def whole(self, entry: LogEntry) -> str:
        """All of an entry as text, with its date and its pod's whole name."""
        said, at = entry.words, entry.at
        level = f"{entry.level}?" if entry.guessed else entry.level.upper()
        first = (moment(at) if at is not None else "no time", plain(entry.pod, 80), level, harmless(said.message))
        lines = [" ".join(filter(None, (*first, harmless(said.fields))))]
        return "\n".join([*lines, *(f"  {line}" for line in map(harmless, said.more) if line)])

    def _head(self, entry: LogEntry) -> Line:
        when = column(clock(entry.at) if entry.at is not None else "no time", TIME)
        level = f"{entry.level}?" if entry.guessed else entry.level.upper()
        level = "" if entry.mark else level
        if self._width < NARROW:
            level = level[:1] + "?" * entry.guessed
        wide = 2 if self._width < NARROW else LEVEL
        name = column(self.short(entry.pod), self._name)
        return ((f"{when} {name} ", "muted"), (f"{column(level, wide)} ", _style(entry)))  # a style less: fewer bytes

    def _wrapped(self, entry: LogEntry) -> list[Line]:
        said, head, room, style = entry.words, self._head(entry), self.room(), _style(entry)
        message, fields = harmless(said.message), harmless(said.fields)
        first, *rest = _two_styles(folded(f"{message}  {fields}" if fields else message, room), message, style)
        indent = " " * length(head)
        rows = [(*head, *first), *(((indent, "text"), *line) for line in rest)]
        for line in filter(None, map(harmless, said.more)):
            rows += [((f"{indent}  ", "text"), (part, "muted")) for part in folded(line, max(8, room - 2))]
        return rows

    def _sideways(self, entry: LogEntry) -> list[Line]:
        said, head, room = entry.words, self._head(entry), self.room()
        limit = (self.left + 2 * room) // STEP * STEP + STEP
        message, fields = harmless(said.message, limit), harmless(said.fields, limit)
        text = f"{message}  {fields}" if fields else message
        rows: list[Line] = [(*head, *_window_of(text, len(message), self.left, room, _style(entry)))]
        indent = " " * length(head)
        for line in said.more:
            rows.append(((indent, "text"), (_window(f"  {harmless(line, limit)}", self.left, room), "muted")))
        return rows


def _style(entry: LogEntry) -> str:
    return "note" if entry.mark else STYLES.get(entry.level, "text")


def harmless(text: str, limit: int = LONGEST_LINE) -> str:
    """A part of a line as it is shown."""
    return plain(clean(text, limit), limit)


def _two_styles(lines: list[str], message: str, style: str) -> list[Line]:
    """The message in its style and what follows it muted, in lines that were broken at blanks."""
    left = len(message) - message.count(" ")
    out: list[Line] = []
    for line in lines:
        end = 0
        while left and end < len(line):
            left -= line[end] != " "
            end += 1
        out.append(tuple(span for span in ((line[:end], style), (line[end:], "muted")) if span[0]))
    return out


def _window_of(text: str, message: int, left: int, width: int, style: str) -> Line:
    shown = _window(text, left, width)
    end = max(0, min(len(shown), message - left)) if text.isascii() else len(shown)
    return tuple(span for span in ((shown[:end], style), (shown[end:], "muted")) if span[0])


def _window(text: str, left: int, width: int) -> str:
    """`width` cells of a text from the cell `left` on, with an ellipsis at an end that goes on."""
    if text.isascii():
        shown, more = text[left : left + width], len(text) > left + width
    else:
        shown, at = "", 0
        for character in text:
            wide = cells(character)
            if at >= left and cells(shown) + wide <= width:
                shown += character
            at += wide
            if at > left + width:
                break
        more = at > left + width
    if left and text:
        shown = "…" + shown[1:]
    return shown[:-1] + "…" if more and shown else shown
