"""The account of a process, as the kernel knows it. An operator's own name is only a label."""

from __future__ import annotations

import grp
import os
import pwd
from functools import cache, lru_cache
from pathlib import Path

_UNSET = 0xFFFFFFFF  # the login uid of a process that no login began


@cache
def own_account() -> str:
    """The name of this process's account; behind sudo, that of the account that logged in, where the kernel knows."""
    return account_of(own_uid())


@cache
def own_uid() -> int:
    """The number of that account: it owns the files that this process writes in a journal."""
    uid = os.geteuid()
    return _login_uid() or uid if uid == 0 else uid


@lru_cache(512)
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


def in_group(account: str, group: str) -> bool:
    """Whether this host counts the account to the group, which it need not have logged in with. May take a while."""
    try:
        found = grp.getgrnam(group)
    except KeyError:
        return False
    if account in found.gr_mem:
        return True
    try:
        first = pwd.getpwnam(account).pw_gid
        return found.gr_gid == first or found.gr_gid in os.getgrouplist(account, first)
    except (KeyError, OSError):  # an account of another host
        return False


def members_of(group: str) -> tuple[str, ...] | None:
    """Whom this host names as members; None where it has no such group. Those whose first group it is are missing."""
    try:
        return tuple(grp.getgrnam(group).gr_mem)
    except KeyError:
        return None


def exists(account: str) -> bool:
    """Whether this host has the account."""
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True
