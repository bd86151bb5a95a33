"""Splits a log stream into lines and times, and knows where to resume it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

LONGEST_LINE = 16_384  # the rest of a longer one is skipped

Place = tuple[bytes, bytes]  # a line's second and the nanoseconds in it
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|[+-]\d\d:\d\d)(?: |$)")


class LineCutter:
    """Chunks to lines, holding no more than LONGEST_LINE of an unfinished one."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete now, each cut to LONGEST_LINE bytes."""
        size = len(self._rest) + len(chunk)
        lines = (self._rest + chunk).split(b"\n")
        # A rest that has reached the limit is already cut: whatever is appended to it is cut away again.
        self._rest = lines.pop()[:LONGEST_LINE]
        return lines if size <= LONGEST_LINE else [line[:LONGEST_LINE] for line in lines]


def moment(line: bytes) -> datetime | None:
    """The kubelet's time at the beginning of a line, in UTC; None where there is none."""
    stamp = line[:30] if line[29:31] == b"Z " else line.partition(b" ")[0]
    if not 20 <= len(stamp) <= 36 or stamp[4:5] != b"-":
        return None
    try:
        at = datetime.fromisoformat(stamp.decode("ascii"))
        if at.tzinfo is UTC:
            return at
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):  # no time, or one that no calendar has
        return None


def _place(line: bytes) -> Place | None:
    """Where a line stands in its log; None for one without a time."""
    if line[29:31] == b"Z " and line[19:20] == b"." and line[20:29].isdigit() and line[:4].isdigit():
        return line[:19], line[20:29]  # as kubelets write it
    found = _STAMP.match(line)
    return (found[1], (found[2] or b"").ljust(9, b"0")) if found else None


class Reader:
    """How far one container's log has been read, so that the next stream goes on exactly there."""

    def __init__(self) -> None:
        self.last_at: datetime | None = None
        self._last: Place | None = None
        self._same = 0  # lines with the time of the last one: a burst may share it
        self._skip: int | None = None

    def since(self, seconds: int, lines: int) -> dict[str, str]:
        """The query for the next stream. The API counts whole seconds, so some lines come again."""
        query = {"tailLines": str(lines)}
        if self.last_at is None:
            return query | {"sinceSeconds": str(seconds)}
        return query | {"sinceTime": self.last_at.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def reopen(self) -> None:
        """A new stream begins."""
        self._skip = None if self._last is None else self._same

    def fresh(self, lines: list[bytes]) -> tuple[list[bytes], bool]:
        """The lines that had not been read before, and whether some may be missing in front of them."""
        gap = False
        if self._skip is not None:
            lines, gap = self._skipped(lines)
        self._note(lines)
        return lines, gap

    def _skipped(self, lines: list[bytes]) -> tuple[list[bytes], bool]:
        """The last line read must come again, or what lay between is lost: rotated away, or cut by tailLines."""
        for index, line in enumerate(lines):
            place = _place(line)
            if place is None or self._last is None or place < self._last:
                continue
            if place == self._last and self._skip:
                self._skip -= 1
                continue
            gap = self._skip == self._same and place > self._last
            self._skip = None
            return lines[index:], gap
        return [], False

    def _note(self, lines: list[bytes]) -> None:
        stamped = next((line for line in reversed(lines) if _place(line)), None)
        if stamped is None:
            return
        newest = _place(stamped)
        if newest != self._last:
            self._last, self._same, self.last_at = newest, 0, moment(stamped)
        for line in reversed(lines):
            place = _place(line)
            if place not in (newest, None):
                break
            self._same += place is not None
