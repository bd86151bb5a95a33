"""Whether a permission that the settings give counts: not where whoever starts a process may have written them."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from pathlib import Path

from .loading import Loaded


def permission_refused(loaded: Loaded, key: str) -> str:
    """Why a permission that the settings give (`key` is true) does not count; "" where it does.

    It counts in the account's usual file, or in one that only root can write. Whoever starts a process names any other
    file, by --config, NEXCONSOLE_CONFIG or XDG_CONFIG_HOME, and may have written it.
    """
    file = loaded.origins.get(key, "").partition(": profiles.")[0]  # a profile of the file
    usual = _usual_file()
    with contextlib.suppress(OSError):
        found = os.stat(file)
        if found.st_uid == 0 != os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return ""
        if usual is not None and os.path.samefile(file, usual):
            return ""
    return f"{key} of {file} does not count" + (f": set it in {usual}" if usual is not None else "")


def _usual_file() -> Path | None:
    """The settings file in the home folder that the account has by the system's records, whatever variables say."""
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir, ".config/nexconsole/config.toml")
    except (KeyError, OverflowError):
        return None
