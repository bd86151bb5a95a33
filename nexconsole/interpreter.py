"""Starts Python for our own modules, without importing from the current folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent  # the folder that holds this package
_INSTALLED = ("site-packages", "dist-packages")


def module_command(module: str) -> list[str]:
    """The command that runs a module of ours; -P keeps the current folder out of the import path."""
    return [sys.executable, "-P", "-m", module]


def module_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for it and for what it starts in its turn.

    An empty or relative entry of PYTHONPATH means the current folder, and is left out. A package that is run from a
    checkout is found there again.
    """
    entries = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    if _HOME.name not in _INSTALLED and str(_HOME) not in entries:
        entries.append(str(_HOME))
    found = {**environment, "PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(entries)}
    return found if entries else {name: value for name, value in found.items() if name != "PYTHONPATH"}
