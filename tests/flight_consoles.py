"""Consoles that keep a flight record, with a clock and turns that are set by hand."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recordings import HandClock, at, outbox

from nexconsole.recording import flight_writer
from nexconsole.recording.database import open_for_writing
from nexconsole.recording.flight_recorder import FlightRecorder
from nexconsole.settings import Settings


def settings(file: Path, **rules: object) -> Settings:
    return msgspec.convert({"recorder": {"file": str(file), **rules}}, Settings)


class FlightConsole:
    """A console's flight recorder whose clock and turns are set by hand. `said` is what it has told people."""

    def __init__(self, file: Path, begin: float = 0, **rules: object) -> None:
        self.clock, self.said = HandClock(at(begin)), []
        self.recorder = FlightRecorder(settings(file, **rules), self.said.append, self.clock)

    def turn(self, seconds: float, pending: int = 4) -> bool:
        """A reading and a turn so many seconds after the beginning of time."""
        self.clock.now = at(seconds)
        self.recorder.take(outbox(seconds, pending))
        return self.recorder._turn()

    def turns(self, begin: int, end: int, every: int = 10) -> None:
        for seconds in range(begin, end, every):
            self.turn(seconds, pending=seconds // 10)

    async def close(self) -> None:
        await self.recorder.close()


def without_syncing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is synced to the disk: hours are recorded in a moment."""

    def opened(*arguments: Any) -> sqlite3.Connection:
        connection = open_for_writing(*arguments)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    monkeypatch.setattr(flight_writer, "open_for_writing", opened)
