"""Completion: the shells' scripts are sound, and know the commands, flags and names of this version."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from nexconsole.actions.registry import ACTIONS
from nexconsole.cli.completion import SHELLS
from nexconsole.cli.main import run
from nexconsole.cli.registry import listed
from nexconsole.docs import TOPICS
from nexconsole.drill import SCENARIOS

NEEDS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


def script(capsys: pytest.CaptureFixture[str], shell: str) -> str:
    assert run(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_knows_every_command_scenario_action_page_and_theme(capsys, shell):
    text = script(capsys, shell)
    names = [*(command.name for command in listed()), *SCENARIOS, *ACTIONS, *TOPICS, "inject", "colour-blind"]
    assert [name for name in names if name not in text] == []
    assert "instruct" not in text.replace("instructs", "").split()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_can_be_read_by_its_shell(capsys, tmp_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    file = tmp_path / "script"
    file.write_text(script(capsys, shell))
    done = subprocess.run([*NEEDS[shell], str(file)], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["nexconsole", "dri"], {"drill"}),
        (["nexconsole", "run", "provider.dis"], {"provider.disable"}),
        (["nexconsole", "drill", "provider-out"], {"provider-outage"}),
        (["nexconsole", "drill", "inj"], {"inject"}),
        (["nexconsole", "docs", "nexn"], {"nexnum"}),
        (["nexconsole", "settings", "--exa"], {"--example"}),
        (["nexconsole", "journal", "ver"], {"verify"}),
        (["nexconsole", "--theme", "col"], {"colour-blind"}),
        (["nexconsole", "status", "--theme", "col"], {"colour-blind"}),
    ],
    ids=" ".join,
)
def test_bash_completes(capsys, tmp_path, words, wanted):
    file = tmp_path / "script"
    file.write_text(script(capsys, "bash"))
    ask = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_nexconsole; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", ask, "bash", str(file), *words], capture_output=True, text=True, timeout=30)
    assert (set(done.stdout.split()), done.stderr) == (wanted, "")
