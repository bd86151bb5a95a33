"""A console of its own process for the leases' tests: `python lease_console.py NAME FOLDER REDIS LEASE_S DONE`.

It reads a target's name from each line of its input, prepares an action on it and says "asked", executes it when the
next line comes (appending the target's name to the file DONE) and says what became of it. A target that begins with
"hang" is executed on for ever.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from accounts import accounts_by_name
from acting import settings_of

from nexconsole.actions.action import Context, make_plan
from nexconsole.actions.perform import ActionHost, ConfirmationReply, perform
from nexconsole.actions.plan import Confirmation, Outcome, Plan, Target, Verdict
from nexconsole.settings import Settings
from nexconsole.sharing.leases import LeaseService, SeenTokens
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients


class Mark:
    """Appends a line to a file, which shows each execution; what has been done already does not stop it."""

    name = "mark"
    title = "Mark it"
    synonyms = arguments = ()

    def __init__(self, done: Path) -> None:
        self.done = done

    async def prepare(self, arguments: Any, context: Context) -> Plan:
        return make_plan(
            context,
            action=self.name,
            arguments=dict(arguments),
            targets=(Target(kind="mark", id=arguments["target"]),),
            effect="Marks it",
            command="mark",
            confirm=Confirmation(kind="letter", text="m"),
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        say("executing")
        while plan.arguments["target"].startswith("hang"):
            await asyncio.sleep(1)
        with self.done.open("a") as file:
            file.write(f"{plan.arguments['target']}\n")
        return Outcome(state="refused", answer="so that it is not verified")

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        raise AssertionError


class WatchedLease(LeaseService):
    """Lets the test know when the last executions have been read, so that both consoles have before either acts."""

    read = asyncio.Event()

    async def seen(self, plan: Plan) -> SeenTokens:
        found = await super().seen(plan)
        self.read.set()
        return found


def say(word: str) -> None:
    print(word, flush=True)


async def line() -> str:
    return (await asyncio.to_thread(sys.stdin.readline)).strip()


async def main() -> None:
    accounts_by_name()
    name, folder, redis, lease_s, done = sys.argv[1:]
    settings: Settings = settings_of(
        journal={"folder": folder}, warroom={"redis_url": redis, "lease_s": float(lease_s)}
    )
    context = Context(settings=settings, sources=Sources(LazyClients(), {}), readings=dict, operator=name)
    leases = WatchedLease(Settings(operator=name, journal=settings.journal, warroom=settings.warroom))

    async def ask(plan: Plan, why_again: str | None) -> ConfirmationReply:
        if why_again is not None:
            say(f"again: {why_again}")
            return ConfirmationReply(text=None)
        await leases.read.wait()
        say("asked")
        await line()
        return ConfirmationReply(text="m")

    async def record(kind: str, data: Any) -> str:
        return "1"

    async def unrecorded(sentence: str) -> bool:
        return False

    console = ActionHost(ask=ask, record=record, ask_unrecorded=unrecorded, leases=leases)
    while target := await line():
        leases.read.clear()
        performance = await perform(Mark(Path(done)), {"target": target}, context, console)
        say(f"{performance.stopped or 'done'} {performance.doubt}".strip())
    await leases.close()


if __name__ == "__main__":
    asyncio.run(main())
