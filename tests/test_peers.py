"""Three consoles on one incident, two of one folder and one by Redis: what each sees of the others, and how soon."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from acting import add_provider

from nexconsole.drill.servers import embedded_redis
from nexconsole.incident.incident import fold
from nexconsole.journal import EntryKind, journal_file, read_incident, verify_incident
from nexconsole.report.render import as_html, as_json, as_markdown

SCRIPT = Path(__file__).with_name("peer_console.py")


class PeerProcess:
    """A console of its own process, what it has told of by itself and when."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.moments: dict[str, float] = {}
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            said = json.loads(line)
            if "moment" in said:
                self.moments[said["moment"]] = said["at"]
            else:
                self._answers.put_nowait(said["said"])

    def tell(self, do: str, **words: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{json.dumps({'do': do, **words})}\n".encode())

    async def answer(self) -> Any:
        return await asyncio.wait_for(self._answers.get(), 60)

    async def do(self, do: str, **words: Any) -> Any:
        self.tell(do, **words)
        return await self.answer()

    async def sees(self, moment: str, since: float, within_s: float = 20.0) -> float:
        """Wait until it has seen this since a time; how many seconds after that it did."""
        while self.moments.get(moment, 0.0) < since:
            assert time.monotonic() - since < within_s, f"{moment!r} was never seen: {list(self.moments)[-30:]}"
            assert not self._reading.done(), "the console ended"
            await asyncio.sleep(0.02)
        return self.moments[moment] - since

    async def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert await asyncio.wait_for(self.process.wait(), 30) == 0
        await self._reading


@asynccontextmanager
async def peers(redis: str, database: str, *places: tuple[str, Path]) -> AsyncIterator[list[PeerProcess]]:
    consoles = []
    for operator, folder in places:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            operator,
            str(folder),
            redis,
            database,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{SCRIPT.parent}{os.pathsep}{os.getcwd()}"},
        )
        consoles.append(PeerProcess(process))
    try:
        yield consoles
        for one in consoles:
            await one.end()
    finally:
        for one in consoles:
            if one.process.returncode is None:
                one.process.kill()
                await one.process.wait()


async def slowest(consoles: list[PeerProcess], moment: str, since: float) -> float:
    return max([await one.sees(moment, since) for one in consoles])


async def test_three_consoles_see_each_other_within_a_second_and_lose_nothing_while_redis_is_away(tmp_path, database):
    for name in ("smsbower", "5sim"):
        await add_provider(database, name)
    here, there = tmp_path / "bastion", tmp_path / "laptop"
    async with embedded_redis() as server:
        places = (("maria", here), ("piet", here), ("ana", there))
        async with peers(server.url, database.url, *places) as consoles:
            maria, piet, ana = consoles
            began = time.monotonic()
            name = await maria.do("open")
            await slowest([piet, ana], f"incident {name}", began)  # another host asks every few seconds
            await slowest(consoles, "people 3", began)
            await slowest(consoles, "reach good", 0.0)

            took: dict[str, float] = {}
            began = time.monotonic()
            await maria.do("at", step="disable it")
            took["presence"] = await slowest([piet, ana], "maria at Provider, disable it", began)
            await ana.do("begin")
            began = time.monotonic()
            await ana.do("settle", step="look")
            took["step"] = await slowest([maria, piet], "ana settled look done", began)
            began = time.monotonic()
            arguments = {"action": "provider.disable", "arguments": {"provider": "smsbower"}}
            maria.tell("perform", think_s=2.0, **arguments)
            took["preview"] = await slowest([piet, ana], "maria is previewing provider.disable smsbower", began)
            outcome = "maria: provider.disable smsbower done "
            told = await slowest([maria], outcome, began)
            took["outcome"] = await slowest([piet, ana], outcome, began) - told
            assert await maria.answer() == "done"
            assert "disabled already" in await ana.do("perform", **arguments)
            assert {what: seconds for what, seconds in took.items() if seconds > 1.0} == {}

            for one in consoles:
                one.tell("notes", count=40)
            began = time.monotonic()
            await server.stop()
            await slowest(consoles[::2], "reach bad", began)
            assert [await one.answer() for one in consoles] == [40, 40, 40]
            for one in consoles:  # and while nobody is reached
                assert await one.do("notes", count=5) == 5
            began = time.monotonic()
            await server.start()
            await slowest(consoles[::2], "reach good", began)
            files = [journal_file(folder, name) for folder in (here, there)]
            while {_notes(file) for file in files} != {135}:
                assert time.monotonic() - began < 30, [_notes(file) for file in files]
                await asyncio.sleep(0.1)
    reports = []
    for file in files:
        assert not any(verify_incident(file).values())
        incident = fold(read_incident(file).entries)
        reports.append((as_markdown(incident, name), as_json(incident, name), as_html(incident, name)))
    assert reports[0] == reports[1]


def _notes(file: Path) -> int:
    return sum(entry.kind == EntryKind.NOTE for entry in read_incident(file).entries)
