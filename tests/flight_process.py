"""A console of its own process for the flight record's tests: `python flight_process.py FILE`.

It writes one turn after the other, as fast as it can, until it is killed, and prints a line once it is the recorder.
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from flight_consoles import settings
from recordings import outbox

from nexconsole.errors import JournalError
from nexconsole.recording.flight_recorder import FlightRecorder

ORIGIN = datetime(2026, 11, 1, tzinfo=UTC)  # of all processes' clocks


def record(file: Path) -> None:
    """The clock runs a hundred times as fast as it should, so that stretches begin and are dropped meanwhile."""
    recorder = FlightRecorder(
        settings(file, hours=0.5, every_s=1.0), print, lambda: ORIGIN + 100 * (datetime.now(UTC) - ORIGIN)
    )
    said, number = False, 0
    while True:
        number += 1
        recorder.take(outbox(number, pending=number))
        try:
            records = recorder._turn()
        except JournalError as error:
            print(f"trouble: {error}", flush=True)
            raise
        if records and not said:
            said = True
            print("recording", flush=True)
        time.sleep(0.001 if records else 0.02)


if __name__ == "__main__":
    record(Path(sys.argv[1]))
