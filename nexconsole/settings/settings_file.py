"""The settings file: where it lies, and what stands in it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import SettingsError, in_words


def read(named: str | None) -> tuple[Path | None, dict[str, Any]]:
    """The file that is named, else the one in the XDG place, which may be absent, and its tables.

    None for an account without a home. Raises SettingsError.
    """
    file = Path(named) if named else _config_file()
    return file, _read_toml(file) if file is not None and (named or _stands(file)) else {}


def _config_file() -> Path | None:
    """Where the settings lie by default; None for an account without a home: then there are none."""
    try:
        return paths.config_file()
    except SettingsError:
        return None


def _stands(file: Path) -> bool:
    """Whether there is such a file. Raises SettingsError where this account may not know, as with another's HOME."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise SettingsError(
            f"{file}: can't be read: {in_words(error)}: set HOME or XDG_CONFIG_HOME to this account's"
        ) from error
    return True


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: can't be read: {in_words(error)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: is not TOML: {error}") from error
