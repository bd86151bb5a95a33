"""What is shipped: completion that is of the installed version, and an image without root and without a simulator.

`.ci/packages.py` builds the wheel and installs it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def instructions(file: Path) -> list[tuple[str, str]]:
    """(word, arguments) of each instruction, continued lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def test_the_image_has_two_stages_no_root_no_drill_and_copies_what_is_there() -> None:
    found = instructions(ROOT / ".github/Containerfile")
    known = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "LABEL", "ENV", "USER", "VOLUME", "ENTRYPOINT"}
    assert {word for word, _ in found} <= known
    assert sum(word == "FROM" for word, _ in found) == 2
    assert [given for word, given in found if word == "USER"] == ["10001:10001"]
    assert not [given for _, given in found if "drill" in given]
    copied = [given.split()[:-1] for word, given in found if word == "COPY" and "--from" not in given]
    assert [name for names in copied for name in names if not (ROOT / name).exists()] == []
    built = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {name.split("/")[0] for name in (*built["force-include"], *built["shared-data"])}
    assert needed <= {name.split("/")[0] for names in copied for name in names}


def test_an_install_without_extras_needs_nothing_of_the_simulator() -> None:
    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^A-Za-z0-9_-]", each)[0] for each in requirements}

    extras = PROJECT["project"]["optional-dependencies"]
    assert not names(PROJECT["project"]["dependencies"]) & names(extras["drill"])
    assert all(re.search(r"[<>=]=", each) for each in PROJECT["project"]["dependencies"])


def test_what_goes_beside_the_package_is_there() -> None:
    shared = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert all((ROOT / place).is_file() for place in shared)
    assert {Path(place).suffix for place in shared} == {".1", ".bash", ".zsh", ".fish"}


def test_bash_completes_by_the_installed_file(tmp_path: Path) -> None:
    command = tmp_path / "nexconsole"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m nexconsole "$@"\n')
    command.chmod(0o755)
    file = ROOT / "nexconsole/completions/nexconsole.bash"
    ask = 'source "$1"; COMP_WORDS=(nexconsole hand); COMP_CWORD=1; _shtab_nexconsole; echo "${COMPREPLY[@]}"'
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", ask, "bash", str(file)],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.split(), done.stderr) == (["handover"], "")
