"""The one path on a real database: killed at each point of it, and walked by two at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest
from acting import Desk, acting, add_provider, settings_of

from nexconsole.actions.perform import perform
from nexconsole.actions.plan import Plan
from nexconsole.actions.providers import DISABLE
from nexconsole.journal import Journal, Scrubber, Writer, read

KILLED = """
import asyncio, os, signal, sys
sys.path[:0] = {path!r}
from accounts import account_by_name
from acting import acting, settings_of
from nexconsole.actions import connections, perform as path
from nexconsole.actions.providers import DISABLE
from nexconsole.journal import Journal, Scrubber, writer
from pathlib import Path

point, url, file = sys.argv[1:]

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    settings = settings_of(postgres={{"url": url}})
    journal = Journal(Path(file), account_by_name().__func__("maria"), Scrubber.of(settings))
    async def ask(plan, why):
        if point == "asked":
            die()
        return path.ConfirmationReply(text=plan.confirm.text)
    write = writer.write_synced
    def torn(descriptor, size, line):
        if b'"kind":"' + point.removesuffix(" torn").encode() + b'"' in line:
            os.write(descriptor, line[: len(line) // 2])
            die()
        write(descriptor, size, line)
    if point.endswith(" torn"):
        writer.write_synced = torn
    async def record(kind, data):
        entry = await asyncio.to_thread(journal.append, kind, data)
        if point == kind + " recorded":
            die()
        return entry.id
    async def unrecorded(sentence):
        return False
    if point == "committed":
        connections._let_go = die
    console = path.ActionHost(ask=ask, record=record, ask_unrecorded=unrecorded)
    async with acting(settings) as context:
        await path.perform(DISABLE, {{"provider": "smsbower"}}, context, console)

asyncio.run(main())
"""


UNKNOWN_STILL = "UNKNOWN: maria's console ended before it knew what became of: provider.disable smsbower"
NO_VERDICT = "NO VERDICT: maria's console ended while it watched what came of: provider.disable smsbower"


async def journal(command: str, file: Path) -> tuple[int, str]:
    """`nexconsole journal COMMAND FILE`: its exit code and all that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nexconsole",
        "journal",
        command,
        str(file),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, printed.decode()


@pytest.mark.parametrize(
    ("point", "kinds", "active", "said"),
    [
        ("asked", [], True, ""),
        ("intent torn", [], True, ""),
        ("intent recorded", ["intent"], True, UNKNOWN_STILL),
        ("committed", ["intent"], False, UNKNOWN_STILL),
        ("outcome torn", ["intent"], False, UNKNOWN_STILL),
        ("outcome recorded", ["intent", "outcome"], False, NO_VERDICT),
        ("verdict torn", ["intent", "outcome"], False, NO_VERDICT),
        ("verdict recorded", ["intent", "outcome", "verdict"], False, ""),
    ],
)
async def test_killed_at_any_point_the_journal_verifies_and_tells_the_story(
    database, tmp_path, point, kinds, active, said
):
    for name in ("smsbower", "5sim"):
        await add_provider(database, name)
    file = tmp_path / "INC-1.jsonl"
    script = textwrap.dedent(KILLED).format(path=[os.path.dirname(__file__), os.getcwd()])
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, point, database.url, str(file))
    status = await asyncio.wait_for(process.wait(), 30)
    assert status == -signal.SIGKILL
    assert await database.connection.fetchval("SELECT is_active FROM providers WHERE name = 'smsbower'") == active
    if point == "asked":
        assert not file.exists()
        return
    assert [entry.kind for entry in read(file).entries] == kinds
    # The next console writes on, and what it and anybody else is told is the same.
    Journal(file, Writer.here("piet"), Scrubber()).append("note", {"text": "here now"})
    code, verified = await journal("verify", file)
    _, shown = await journal("show", file)
    if point.endswith(" torn"):
        assert code == 1 and verified.count("line ") == 1 and f"line {len(kinds) + 1}: torn: " in verified
    else:
        assert code == 0 and "as it was written" in verified
    assert ("UNKNOWN" in shown or "NO VERDICT" in shown) == bool(said) and said in shown
    if said:
        assert "attempts at smsbower end within" in shown.partition(said)[2]  # how to check
    assert shown.count("here now") == 1


async def test_two_consoles_down_the_whole_path_are_one_change_and_one_refusal(database):
    for name in ("smsbower", "5sim"):
        await add_provider(database, name)
    settings = settings_of(postgres={"url": database.url})
    both = asyncio.Barrier(2)

    def controller() -> Desk:
        made = Desk()
        ask = made.console.ask

        async def together(plan: Plan, why_again: str | None):
            if why_again is None:
                await both.wait()
            return await ask(plan, why_again)

        made.console.ask = together
        return made

    async with acting(settings) as one, acting(settings) as other:
        results = await asyncio.gather(
            perform(DISABLE, {"provider": "smsbower"}, one, controller().console),
            perform(DISABLE, {"provider": "smsbower"}, other, controller().console),
        )
    changed = [result for result in results if result.outcome is not None and result.outcome.state == "done"]
    [loser] = [result for result in results if result not in changed]
    said = loser.outcome.answer if loser.outcome is not None else loser.stopped
    assert len(changed) == 1 and said is not None and "disabled already" in said
