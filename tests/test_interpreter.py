"""Python that is started once more imports nothing from the folder that somebody stands in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nexconsole.drill import Stage
from nexconsole.interpreter import module_command, module_environment

TRAP = "import os, pathlib\npathlib.Path(os.environ['TRAP']).write_text(__name__)\nraise SystemExit(7)\n"
TRAPS = ("redis", "msgspec", "asyncpg", "aiohttp", "textual", "json", "nexconsole_trap")


@pytest.fixture
def trapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder whose modules have the names of those that we import; the file that they write when run."""
    folder, sprung = tmp_path / "here", tmp_path / "sprung"
    folder.mkdir()
    for name in TRAPS:
        (folder / f"{name}.py").write_text(TRAP)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TRAP", str(sprung))
    return sprung


@pytest.mark.parametrize("path", ["", ":", ".", f"{os.pathsep}/nowhere", "here"])
def test_a_child_imports_nothing_from_the_current_folder_whatever_the_environment_says(
    trapped: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", path)
    done = subprocess.run(
        [*module_command("nexconsole"), "--version"],
        env=module_environment(os.environ),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert re.match(r"\d+\.\d+", done.stdout) and not trapped.exists()


def test_what_a_child_starts_is_as_careful(trapped: Path) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import nexconsole_trap'])"
    subprocess.run([sys.executable, "-c", script], env=module_environment(os.environ), timeout=30, capture_output=True)
    assert not trapped.exists()


def test_absolute_entries_of_the_path_are_kept() -> None:
    found = module_environment({"PYTHONPATH": f"/one{os.pathsep}{os.pathsep}two{os.pathsep}/three", "HOME": "/h"})
    entries = found["PYTHONPATH"].split(os.pathsep)
    assert entries[:2] == ["/one", "/three"] and all(map(os.path.isabs, entries))
    assert (found["HOME"], found["PYTHONSAFEPATH"]) == ("/h", "1")


def test_the_drill_runs_nothing_of_the_current_folder(trapped: Path) -> None:
    with Stage("calm") as stage:
        assert list(stage.progress()) and stage.environment
    assert not trapped.exists()


def test_a_watchers_console_is_started_without_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    from nexconsole.cli import web_server
    from nexconsole.cli.main import run

    started: list[list[str]] = []

    class Kept(web_server.WebServer):
        def __init__(self, words: list[str], variables: dict[str, str], *more: object) -> None:
            started.append(words)
            assert variables["PYTHONSAFEPATH"] == "1"
            super().__init__(words, variables, *more)

        async def listen(self) -> None:
            return

    monkeypatch.setattr(web_server, "WebServer", Kept)
    assert run(["serve", "--token", "a-token-of-some-length", "--port", "0"]) == 0
    assert json.dumps(started[0][:4]) == json.dumps([sys.executable, "-P", "-m", "nexconsole"])
