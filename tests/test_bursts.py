"""Bytes that come at once, in a real terminal: what is pasted, held down or typed ahead does nothing to a real row."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from acting import add_provider

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.benchmarks.terminal import BenchmarkTerminal

NAMES = ("smsbower", "grizzlysms", "tiger-sms", "5sim")


@pytest.fixture
async def providers(database: Any) -> Any:
    for name in NAMES:
        await add_provider(database, name)
    return database


async def active(database: Any) -> list[str]:
    rows = await database.connection.fetch("SELECT name FROM providers WHERE is_active")
    return sorted(row["name"] for row in rows)


@contextmanager
def console(folder: Path, url: str) -> Iterator[BenchmarkTerminal]:
    """The console on this database, which has shown the providers."""
    (folder / "settings.toml").write_text(
        f'name = "nexnum-eu"\noperator = "maria"\n[postgres]\nurl = "{url}"\n[journal]\nfolder = "{folder}/journal"\n'
    )
    argv = [sys.executable, "-m", "nexconsole", "--config", str(folder / "settings.toml")]
    with BenchmarkTerminal(argv, {"XDG_STATE_HOME": str(folder), "NO_COLOR": "1"}) as terminal:
        terminal.until(lambda screen: "smsbower" in screen.text)
        yield terminal


def shows(words: str) -> Any:
    return lambda screen: words in " ".join(screen.text.split())


def in_a_terminal(folder: Path, url: str) -> None:
    with console(folder, url) as terminal:
        terminal.press("disable 5sim\rd")  # over the panes
        terminal.until(shows("as if pasted"))
        terminal.press("\x10")
        terminal.until(shows("what to do:"))
        terminal.press("disable grizzlysms\rx")
        terminal.until(shows("enter came together with other keys"))
        terminal.rest(0.5)
        assert "changes 1 " not in terminal.screen.text
        terminal.press("\x7f")
        terminal.until(lambda screen: "grizzlysmsx" not in screen.text)
        time.sleep(0.05)
        terminal.press("\r")
        terminal.until(shows("provider.disable grizzlysms"))
        terminal.until(shows("d does it"))
        for keys in ("dddddd", "d\r", "\r\rd", "xdx"):
            terminal.press(keys)
            terminal.rest(1.0)
            assert "changes 1 " in terminal.screen.text, keys
        terminal.rest(0.8)
        for _ in range(40):  # held down: one after the other, as a keyboard repeats
            terminal.press("d")
            terminal.rest(0.03)
        assert "changes 1 " in terminal.screen.text
        terminal.rest(0.8)
        terminal.press("d")
        terminal.until(shows("● done provider.disable grizzlysms"), 20.0)
        assert terminal.leave("q") if "watching" not in terminal.screen.text else True


async def test_a_burst_in_a_real_terminal_changes_no_row_and_a_single_key_changes_the_one_on_screen(
    tmp_path: Path, providers: Any
) -> None:
    await asyncio.to_thread(in_a_terminal, tmp_path, providers.url)
    assert await active(providers) == ["5sim", "smsbower", "tiger-sms"]
