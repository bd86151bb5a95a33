"""A console of its own process without a screen: `python peer_console.py OPERATOR FOLDER REDIS DATABASE`.

Each line of its input is a JSON object that says what to `do`; each line of its output is one that answers it, or, with
`moment`, tells something by itself as soon as it is seen: {"moment": what, "at": the monotonic clock of this machine}.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import sample_readings as sample
from accounts import accounts_by_name, hosts_by_folder
from controller import fresh, seeing, settings

from nexconsole.actions.perform import ConfirmationReply
from nexconsole.session.operation import StepRef
from nexconsole.session.session import Session
from nexconsole.sources import open_sources

told: set[str] = set()


def say(**words: Any) -> None:
    print(json.dumps(words | {"at": time.monotonic()}), flush=True)


def moments(console: Session) -> None:
    """What somebody at this console would see of the others by now."""
    found = {f"people {len(console.peers.here)}", f"incident {console.incident_store.current}"}
    for one in console.peers.here[1:]:
        found |= {f"{one.name} is {one.doing}", f"{one.name} at {one.scenario}, {one.step}"}
    for one in console.shown:
        verdict = one.verdict.state if one.verdict else ""
        found |= {f"{one.by}: {one.name}", f"{one.by}: {one.name} {one.outcome.state if one.outcome else ''} {verdict}"}
    if walk := console.walk("Provider"):
        found |= {f"{mark.by} settled {step} {mark.state}" for step, mark in walk.marks.items()}
    found.add(f"reach {'good' if not console.peers.reach else 'bad'}")
    for moment in sorted(found - told):
        say(moment=moment)
    told.clear()
    told.update(found)


async def do(console: Session, told: dict[str, Any]) -> Any:
    async def ask(plan: Any, why_again: str | None) -> ConfirmationReply:
        await asyncio.sleep(told.get("think_s", 0.0))
        return ConfirmationReply(text=None if why_again else plan.confirm.text)

    async def unrecorded(why: str) -> bool:
        return False

    match told["do"]:
        case "open":
            return await console.open_incident("smsbower fails", "SEV-1")
        case "at":
            return console.at("Provider", told["step"])
        case "begin":
            return await console.begin("Provider")
        case "settle":
            return await console.settle(StepRef(scenario="Provider", step=told["step"]), "done", answer="yes")
        case "notes":
            for number in range(told["count"]):
                await console.note(f"{console.settings.operator} {number}")
            return told["count"]
        case "perform":
            done = await console.perform(told["action"], told["arguments"], ask, unrecorded)
            return done.stopped or (done.outcome.state if done.outcome else "")


async def main() -> None:
    accounts_by_name()
    hosts_by_folder()
    operator, folder, redis, database = sys.argv[1:]
    tables = {"warroom": {"redis_url": redis, "objection_s": 0.0}, "postgres": {"url": database}}
    chosen = settings(Path(folder), operator=operator, **tables)
    sources, readings = open_sources(chosen), fresh(sample.incident())
    console = Session(chosen, sources, monitor=seeing(readings), changed=lambda: moments(console))
    console.start()

    async def look() -> None:
        while True:
            moments(console)
            await asyncio.sleep(0.05)

    looking = asyncio.create_task(look())
    while line := await asyncio.to_thread(sys.stdin.readline):
        told = json.loads(line)
        say(did=told["do"], said=await do(console, told))
    looking.cancel()
    await console.close()
    await sources.close()


if __name__ == "__main__":
    asyncio.run(main())
