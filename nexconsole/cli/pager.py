"""Shows long texts in the operator's pager, as git and man do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping

# less: quit if it fits the screen, keep colours, leave the text on the screen; more asks for nothing.
DEFAULTS = {"LESS": "FRX", "LV": "-c"}
# Who may only run this command must not get a shell by a pager's `!`.
SAFE = {"LESSSECURE": "1"}
KNOWN = ("less", "more")
NOT_STARTED = (126, 127)  # a shell's codes for a command that can't be run, or isn't there


def command(environment: Mapping[str, str]) -> str | None:
    """The pager as a shell's command line: PAGER, else less, else more; None where PAGER is empty or cat."""
    named = environment.get("PAGER")
    if named is None:
        return next((name for name in KNOWN if shutil.which(name, path=environment.get("PATH"))), None)
    return None if named.strip() in ("", "cat") else named


def show(text: str) -> None:
    """Write a text to standard output; through the pager where that is a terminal."""
    pager = command(os.environ) if sys.stdout.isatty() else None
    if pager is None or not _page(text, pager):
        print(text, end="")


def _page(text: str, pager: str) -> bool:
    """Whether the pager ran. The operator may leave it before its end."""
    encoded = text.encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    sys.stdout.flush()
    before = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl+C is the pager's: less stops a search by it
    try:
        process = subprocess.Popen(pager, shell=True, stdin=subprocess.PIPE, env={**DEFAULTS, **SAFE, **os.environ})
        process.communicate(encoded)
    finally:
        signal.signal(signal.SIGINT, before)
    return process.returncode not in NOT_STARTED
