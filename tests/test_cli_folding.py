"""What commands print is folded between words on a terminal, and whole in a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from nexconsole.cli.folding import folded
from nexconsole.drill import SCENARIOS


def test_a_line_of_a_list_goes_on_below_its_second_column() -> None:
    line = "stale-locks  Processes died in the middle of purchases"
    assert folded(line, 40).splitlines() == ["stale-locks  Processes died in the", "             middle of purchases"]
    assert folded(line, 80) == line
    assert folded(line, 25) == line  # no room for words below the second column


def test_prose_goes_on_below_its_first_word() -> None:
    assert folded("  one two three four five six", 24).splitlines() == ["  one two three four", "  five six"]


def on_terminal(*words: str, columns: int) -> str:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns)}
    with subprocess.Popen([sys.executable, "-m", "nexconsole", *words], stdout=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            said += piece
            if not piece:
                break
    os.close(ours)
    assert process.returncode == 0
    return said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("words", [("drill", "--list"), ("drill", "inject", "--list"), ("drill", "--help")])
def test_nothing_is_wider_than_the_terminal(words: tuple[str, ...]) -> None:
    assert max(map(len, on_terminal(*words, columns=80).splitlines())) <= 80


def test_in_a_pipe_each_scenario_is_one_line() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "nexconsole", "drill", "--list"], capture_output=True, text=True, check=True
    ).stdout
    assert len(said.splitlines()) == len(SCENARIOS)
