"""A console of its own process for the recording's tests: `python recorder_process.py FILE`.

It records until it is killed, and prints a line once it is the recorder.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.signals.outbox import Outbox
from nexconsole.warroom.recordings import recording


async def main() -> None:
    recording.FLUSH_S = recording.TAKEOVER_S = 0.1
    recorder = recording.Recorder(Settings(), Path(sys.argv[1]))
    running = asyncio.create_task(recorder.run())
    while not running.done():
        now = datetime.now(UTC)
        value = Outbox(pending=7, failed=0, dropped=0, oldest_pending_s=1.0)
        recorder.take(Reading(signal="outbox", every=2.0, value=value, taken_at=now, attempted_at=now))
        await asyncio.sleep(0.02)
        if recorder._reel.end:
            print("recording", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
