"""A console of its own process for the recording's tests: `python recorder_process.py FILE [torn]`.

It records until it is killed, and prints a line once it is the recorder. `torn`: it kills itself after a while, when a
part of what it commits stands in the file already.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import recordings

from nexconsole.model import Reading
from nexconsole.recording.recorder import Recorder
from nexconsole.recording.writer import RecordingWriter
from nexconsole.settings import Settings
from nexconsole.signals.outbox import Outbox


async def record(file: Path) -> None:
    recorder = Recorder(Settings(), file)
    running = asyncio.create_task(recorder.run())
    said = False
    while not running.done():
        now = datetime.now(UTC)
        value = Outbox(pending=7, failed=0, dropped=0, oldest_pending_s=1.0)
        recorder.take(Reading(signal="outbox", every=2.0, value=value, taken_at=now, attempted_at=now))
        await asyncio.sleep(0.02)
        if recorder.records and not said:
            said = True
            print("recording", flush=True)


def tear(file: Path) -> None:
    """Forty seconds are committed; of the next ones, many pages are in the file when the process ends."""
    clock = recordings.HandClock()
    recorder = Recorder(recordings.settings(), file, clock)
    for when, reading in recordings.readings(40):
        if when != clock.now:
            recorder._turn()
        clock.now = when
        recorder.take(reading)
    recorder._turn()
    for when, reading in recordings.readings(70):
        if when > recordings.at(40):
            clock.now = when
            recorder.take(reading)
    RecordingWriter._size = staticmethod(die)
    recorder._writer._connection.execute("PRAGMA cache_size = 1")
    recorder._turn()


def die(connection: sqlite3.Connection) -> int:
    assert connection.in_transaction
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


if __name__ == "__main__":
    if sys.argv[2:] == ["torn"]:
        tear(Path(sys.argv[1]))
    else:
        asyncio.run(record(Path(sys.argv[1])))
