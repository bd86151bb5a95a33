"""A console of its own process for the war room's tests: `python room_console.py OPERATOR FOLDER REDIS INCIDENT`.

For each line of its input that is a number it writes so many notes, a moment apart, and says each one's id once it is
on record. Meanwhile it shares the incident; it says "reached" and "cut off" as that changes. Its input's end ends it.
"""

import asyncio
import sys

from accounts import accounts_by_name, hosts_by_folder
from acting import settings_of

from nexconsole.journal import open_journal
from nexconsole.sharing.stream import IncidentStream


async def main() -> None:
    operator, folder, redis, incident = sys.argv[1:]
    settings = settings_of(journal={"folder": folder}, warroom={"redis_url": redis})
    journal = open_journal(settings, operator, incident)
    said = False

    def changed() -> None:
        nonlocal said
        if said != stream.reached:
            said = stream.reached
            print("reached" if said else "cut off", flush=True)

    stream = IncidentStream(settings, journal, changed=changed)
    sharing = asyncio.create_task(stream.run())
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        for number in range(int(line)):
            entry = await asyncio.to_thread(journal.append, "note", {"text": f"{operator} {number}"})
            stream.nudge()
            print(entry.id, flush=True)
            await asyncio.sleep(0.01)
    sharing.cancel()
    await asyncio.gather(sharing, return_exceptions=True)


if __name__ == "__main__":
    accounts_by_name()
    hosts_by_folder()
    asyncio.run(main())
