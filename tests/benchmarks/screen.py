"""What a terminal would show: the characters, without their colours, of what a program writes."""

from __future__ import annotations

import codecs
import re

from rich.cells import cell_len

_TOKEN = re.compile(
    r"\x1b\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b[\]P_^X][^\x07\x1b]*(?:\x07|\x1b\\)"  # operating system commands and their like: nothing to see
    r"|\x1b[ -/]*[0-Z\\^-~]"
    r"|(?P<control>[\x00-\x1f\x7f])"
    r"|(?P<text>[^\x00-\x1f\x7f]+)"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]P_^X][^\x07\x1b]*\x1b?|[ -/]*)?\Z")


class Screen:
    """`rows` by `columns` characters; the second cell of a wide one is empty. Sequences may come in pieces."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""
        self._clear()

    @property
    def lines(self) -> list[str]:
        return ["".join(row) for row in self._cells]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def blank(self) -> bool:
        return all(cell == " " for row in self._cells for cell in row)

    def feed(self, data: bytes) -> None:
        """Take in what was written."""
        text = self._rest + self._decode(data)
        unfinished = _UNFINISHED.search(text)
        self._rest = unfinished[0] if unfinished else ""
        for token in _TOKEN.finditer(text[: len(text) - len(self._rest)]):
            if token["text"]:
                self._write(token["text"])
            elif token["control"]:
                self._control(token["control"])
            elif token["final"]:
                self._command(token["final"], token["parameters"])

    def _clear(self) -> None:
        self._cells = [[" "] * self.columns for _ in range(self.rows)]
        self._x = self._y = 0

    def _write(self, text: str) -> None:
        wide = 1 if text.isascii() else 0
        for character in text:
            width = wide or cell_len(character)
            if width == 0:
                continue
            if self._x + width > self.columns:
                self._x, self._y = 0, min(self._y + 1, self.rows - 1)
            self._cells[self._y][self._x] = character
            if width == 2:
                self._cells[self._y][self._x + 1] = ""
            self._x += width

    def _control(self, control: str) -> None:
        if control == "\r":
            self._x = 0
        elif control == "\n":
            self._y = min(self._y + 1, self.rows - 1)
        elif control == "\b":
            self._x = max(self._x - 1, 0)

    def _command(self, final: str, parameters: str) -> None:
        if parameters[:1] in "<=>?" and parameters:
            if final in "hl" and "1049" in parameters:
                self._clear()
            return
        numbers = [int(part) if part.isdigit() else 0 for part in parameters.split(";")]
        count = max(numbers[0], 1)
        if final in "Hf":
            self._y = min(count, self.rows) - 1
            self._x = min(max(numbers[1] if len(numbers) > 1 else 1, 1), self.columns) - 1
        elif final in "AB":
            self._y = min(max(self._y + (count if final == "B" else -count), 0), self.rows - 1)
        elif final in "CD":
            self._x = min(max(self._x + (count if final == "C" else -count), 0), self.columns - 1)
        elif final == "G":
            self._x = min(count, self.columns) - 1
        elif final == "J":
            self._erase_lines(numbers[0])
        elif final == "K":
            first, last = {0: (self._x, self.columns), 1: (0, self._x + 1)}.get(numbers[0], (0, self.columns))
            self._cells[self._y][first:last] = [" "] * (last - first)

    def _erase_lines(self, how: int) -> None:
        if how >= 2:
            place = self._x, self._y
            self._clear()
            self._x, self._y = place
            return
        rows = range(self._y + 1, self.rows) if how == 0 else range(self._y)
        for row in rows:
            self._cells[row] = [" "] * self.columns
        self._command("K", str(how))
