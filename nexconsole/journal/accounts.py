"""The account of a process, as the kernel knows it. An operator's own name is only a label."""

from __future__ import annotations

import os
import pwd
from functools import cache
from pathlib import Path

_UNSET = 0xFFFFFFFF  # the login uid of a process that no login began


@cache
def own_account() -> str:
    """The name of this process's account; behind sudo, that of the account that logged in, where the kernel knows."""
    uid = os.geteuid()
    return account_of(_login_uid() or uid if uid == 0 else uid)


def account_of(uid: int) -> str:
    """The account's name; its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def _login_uid() -> int:
    """proc(5)'s loginuid, which stays what it was at login; 0 where nobody logged in, or the kernel does not say."""
    try:
        uid = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):
        return 0
    return 0 if uid == _UNSET else uid
