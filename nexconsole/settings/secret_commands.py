"""Secrets in the settings file that a command prints: `{ command = ["pass", "show", "nexnum/db"] }`."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import SettingsError, in_words
from ..text.units import period

SECRET_COMMAND_TIMEOUT_S = 30.0


def run(document: dict[str, Any], secrets: Iterable[str], file: Path) -> None:
    """Replace `{ command = [...] }` at a secret's place by the first line that the command prints.

    Raises SettingsError also where somebody else could have written the command.
    """
    for key in secrets:
        table, _, name = key.partition(".")
        section = document.get(table)
        if not isinstance(section, dict):
            continue
        given = section.get(name)
        if isinstance(given, dict) and set(given) == {"command"}:
            _refuse_foreign(file, key)
            section[name] = _output(given["command"], f"{file}: {key}")
        elif isinstance(given, dict):  # headers: each value may be one
            for header, value in given.items():
                if isinstance(value, dict) and set(value) == {"command"}:
                    _refuse_foreign(file, f"{key}.{header}")
                    given[header] = _output(value["command"], f"{file}: {key}.{header}")


def _refuse_foreign(file: Path, key: str) -> None:
    """Run nothing that another account could have put there: in the file, or in a folder on the way to it."""
    try:
        place = file.resolve(strict=True)
        for one in (place, *place.parents):
            found = one.stat()
            others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
            if found.st_uid not in (0, os.geteuid()):
                why = f"{one} belongs to another account"
            elif others and not sticky:
                why = f"others can write {one}: chmod go-w {shlex.quote(str(one))}"
            else:
                continue
            raise SettingsError(f"{file}: {key}: its command is not run, since {why}")
    except OSError as error:
        raise SettingsError(f"{file}: {key}: its command is not run: {in_words(error)}") from error


def _output(command: Any, where: str) -> str:
    if not (isinstance(command, list) and command and all(isinstance(word, str) for word in command)):
        raise SettingsError(f'{where}: command must be a list of words, such as ["pass", "show", "nexnum/db"]')
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECRET_COMMAND_TIMEOUT_S
        )
    except OSError as error:
        raise SettingsError(f"{where}: the command {command[0]} can't be run: {in_words(error)}") from error
    except subprocess.TimeoutExpired as error:
        raise SettingsError(
            f"{where}: the command {command[0]} took over {period(SECRET_COMMAND_TIMEOUT_S)}"
        ) from error
    lines = done.stdout.splitlines()
    if done.returncode or not lines or not lines[0].strip():
        said = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise SettingsError(f"{where}: the command {command[0]} failed with {done.returncode}: {said}")
    return lines[0].strip()


def run_of_services(document: dict[str, Any], file: Path) -> None:
    """The same for the addresses of `[notify]`: of its services, and those in the list `urls`."""
    table = document.get("notify")
    if not isinstance(table, dict):
        return
    if isinstance(urls := table.get("urls"), list):
        table["urls"] = [_printed(url, f"notify.urls[{place}]", file) for place, url in enumerate(urls)]
    services = table.get("services")
    for name, service in services.items() if isinstance(services, dict) else ():
        if isinstance(service, dict) and "url" in service:
            service["url"] = _printed(service["url"], f"notify.services.{name}.url", file)


def _printed(given: Any, key: str, file: Path) -> Any:
    """What its command prints, where it is one; else the value."""
    if not (isinstance(given, dict) and set(given) == {"command"}):
        return given
    _refuse_foreign(file, key)
    return _output(given["command"], f"{file}: {key}")
