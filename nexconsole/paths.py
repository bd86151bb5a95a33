"""Where files live: the style sheets, and the XDG folders of the operator."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from .errors import SettingsError

_PACKAGE = Path(__file__).resolve().parent
STYLES = _PACKAGE / "styles" if (_PACKAGE / "styles").is_dir() else _PACKAGE.parent / "styles"


def _xdg(variable: str, *fallback: str) -> Path:
    """The XDG folder; a relative or empty variable is to be ignored (XDG Base Directory 0.8)."""
    named = os.environ.get(variable, "")
    if os.path.isabs(named):
        return Path(named) / "nexconsole"
    if (place := home()) is None:
        raise SettingsError(f"this account has no home folder: set HOME, or {variable}")
    return place.joinpath(*fallback) / "nexconsole"


def home() -> Path | None:
    """This account's home folder; None where it has none, as in many containers.

    HOME, unless there is no such folder (`/nonexistent` says that there is none: nothing is made there), or this is
    root with another account's: what root made there its owner could not change any more.
    """
    named = os.environ.get("HOME", "")
    if os.path.isabs(named) and _stands(named) and not (os.geteuid() == 0 and _others(named)):
        return Path(named)
    try:
        known = pwd.getpwuid(os.geteuid()).pw_dir
    except (KeyError, OverflowError):
        return None
    return Path(known) if os.path.isabs(known) and _stands(known) else None


def _stands(folder: str) -> bool:
    """Whether the folder exists; True also where this account may not know: opening it then fails with the reason."""
    try:
        return stat.S_ISDIR(os.stat(folder).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def _others(folder: str) -> bool:
    try:
        return os.stat(folder).st_uid not in (0, os.geteuid())
    except OSError:
        return False


def config_file() -> Path:
    return _xdg("XDG_CONFIG_HOME", ".config") / "config.toml"


def state_folder() -> Path:
    return _xdg("XDG_STATE_HOME", ".local", "state")


def profile_state(name: str) -> Path:
    """What a profile of the settings keeps: its journals, its flight record, its sheet and reports."""
    return state_folder() / "profiles" / name
