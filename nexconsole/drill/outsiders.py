"""The people outside the console: they do what a runbook step asked them to do.

They read the journal of the drill's consoles: an answered step is a line of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

LOOK_EVERY_S = 0.5
PREPARE_S = 8.0  # between being asked and having done it
MOST_READ = 4 * 1024 * 1024  # bytes of a file at a time


class Outsiders:
    """`asked` is told the name of each step that somebody has answered in words, after a while."""

    def __init__(self, folder: Path, asked: Callable[[str], None]) -> None:
        self._folder = folder
        self._asked = asked
        self._read: dict[Path, int] = {}

    async def work(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            for step in self.answered():
                loop.call_later(PREPARE_S, self._asked, step)
            await asyncio.sleep(LOOK_EVERY_S)

    def answered(self) -> list[str]:
        """The steps that were answered since this was asked last."""
        try:
            files = sorted(self._folder.glob("*.jsonl"))
        except OSError:
            return []
        return [step for file in files for step in self._answered_in(file)]

    def _answered_in(self, file: Path) -> list[str]:
        begun = self._read.get(file, 0)
        try:
            with file.open("rb") as journal:
                journal.seek(begun)
                text = journal.read(MOST_READ)
        except OSError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._read[file] = begun + len(whole)
        return [step for line in whole.splitlines() if (step := _answered(line))]


def _answered(line: bytes) -> str:
    """The step's own name, the last part of its id, where the line is its answer, else ""."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    data = entry.get("data") if isinstance(entry, dict) and entry.get("kind") == "step" else None
    if not isinstance(data, dict) or not data.get("answer") or data.get("state") == "pending":
        return ""
    return data["step"].rpartition("/")[2] if isinstance(data.get("step"), str) else ""
