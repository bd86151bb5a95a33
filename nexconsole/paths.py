"""Where files live: the style sheets, and the XDG folders of the operator."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
STYLES = _PACKAGE / "styles" if (_PACKAGE / "styles").is_dir() else _PACKAGE.parent / "styles"


def _xdg(variable: str, *fallback: str) -> Path:
    """The XDG folder; a relative or empty variable is to be ignored (XDG Base Directory 0.8)."""
    named = os.environ.get(variable, "")
    return (Path(named) if os.path.isabs(named) else Path.home().joinpath(*fallback)) / "nexconsole"


def config_file() -> Path:
    return _xdg("XDG_CONFIG_HOME", ".config") / "config.toml"


def state_folder() -> Path:
    return _xdg("XDG_STATE_HOME", ".local", "state")
