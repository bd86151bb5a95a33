"""The manual page: made from the declarations, shipped as made, sound as roff. Every flag has a meaning."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexconsole.cli import man
from nexconsole.cli.main import run
from nexconsole.cli.registry import COMMANDS

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "nexconsole" / "docs" / "nexconsole.1"


def arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb_parser in action.choices.values():
                yield from arguments(verb_parser)
        else:
            yield action


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_and_argument_has_a_meaning_and_is_in_the_page(name: str):
    own = list(arguments(COMMANDS[name].parser()))
    assert [action.option_strings or action.dest for action in own if not action.help] == []
    page = man.page().replace("\\-", "-")
    flags = [flag for action in own for flag in action.option_strings if action.dest != "help"]
    assert [flag for flag in flags if flag not in page] == []


def test_the_shipped_page_is_the_one_that_the_declarations_make(capsys):
    assert run(["help", "--man"]) == 0
    text = capsys.readouterr().out
    remedy = "run: .venv/bin/python -m nexconsole help --man > nexconsole/docs/nexconsole.1"
    assert SHIPPED.read_text(encoding="utf-8") == text == man.page(), remedy


def test_the_wheel_puts_the_page_where_man_looks():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["shared-data"]["nexconsole/docs/nexconsole.1"] == "share/man/man1/nexconsole.1"


def test_words_are_never_taken_for_roff():
    assert man._text(".env \\ a-b\n c") == "\\&.env \\e a\\-b c"
    assert man._text("'quoted'") == "\\&'quoted'"


def test_groff_reads_the_page_without_a_warning():
    if shutil.which("groff") is None:
        pytest.skip("there is no groff here")
    done = subprocess.run(["groff", "-man", "-Tascii", "-ww", SHIPPED], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
