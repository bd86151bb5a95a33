"""When the severity rises, as a terminal tells it: not at the start, and once for each rise."""

from __future__ import annotations

from ..severity import LEVELS, Severity

LOWER_S = 30.0  # a level that is lower for less is no fall: what flaps does not ring each time


class Rises:
    """Looked at about once a second."""

    def __init__(self) -> None:
        self._level: str | None = None  # up to which it was told
        self._lower: tuple[str, float] | None = None  # a lower level, and since when

    def look(self, severity: Severity | None, begins: bool, now: float) -> str:
        """The level where it has just risen, "" else. `begins`: not everything was read once. `now`: in seconds, of a
        clock that is never set."""
        if severity is None or begins:
            return ""
        level, before = severity.level, self._level
        if before is None or LEVELS.index(level) < LEVELS.index(before):
            self._level, self._lower = level, None
            return level if before is not None else ""
        if level == before:
            self._lower = None
        elif self._lower is None or self._lower[0] != level:
            self._lower = (level, now)
        elif now - self._lower[1] >= LOWER_S:
            self._level, self._lower = level, None
        return ""
