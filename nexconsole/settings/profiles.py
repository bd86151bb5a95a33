"""Profiles: each `[profiles.NAME]` is one NexNum, whose keys lie over those of the file.

What a profile does not keep by itself has a place of its own, so that two of them share no incident, recording or
sheet. Reads no file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import SettingsError
from ..text.suggestions import did_you_mean

VARIABLE = "NEXCONSOLE_PROFILE"
NO_PROFILE = "none"  # what --profile may be where the file names one by default
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MOST, LONGEST = 12, 20
# Where another account of the same host reads and writes too: what two profiles may not share.
PLACES = ("journal.folder", "recorder.file", "break_glass.file")
STATE = {"journal.folder": "journal", "recorder.file": "flight.record", "break_glass.file": "break-glass.txt"}
# Tables whose keys say where a NexNum is: with a profile, no flag and no variable says that.
ADDRESSES = ("postgres", "redis", "prometheus", "api", "kubernetes", "docker", "search", "alertmanager", "warroom")

Document = dict[str, Any]


def taken_out(document: Document, file: Path) -> dict[str, Document]:
    """The profiles by name, which the document has no more. Raises SettingsError."""
    found = document.pop("profiles", {})
    if not isinstance(found, dict):
        raise SettingsError(f"{file}: profiles: expected tables such as [profiles.eu]")
    if len(found) > MOST:
        raise SettingsError(f"{file}: profiles: there are {len(found)}; at most {MOST} can be told apart")
    for name, table in found.items():
        if name == NO_PROFILE or len(name) > LONGEST or not NAME.fullmatch(name):
            known = f": a name is at most {LONGEST} small letters and digits, with single - between them, and not none"
            raise SettingsError(f"{file}: profiles.{name}{known}")
        if not isinstance(table, dict):
            raise SettingsError(f"{file}: profiles.{name}: expected a table: [profiles.{name}]")
        if inner := {"profile", "profiles"}.intersection(table):
            raise SettingsError(f"{file}: profiles.{name}.{min(inner)}: a profile holds no other")
    return found


def chosen(asked: str | None, environ: Mapping[str, str], default: Any, known: Mapping[str, Any], file: object) -> str:
    """The profile that is asked for: by the flag, else by the variable, else by the file; "" for none.

    Raises SettingsError where there is no such profile.
    """
    for name, origin in (
        (asked, "--profile"),
        (environ.get(VARIABLE), VARIABLE),
        (default, f"{file}: profile"),
    ):
        if name == NO_PROFILE:
            return ""
        if name:
            if name not in known:
                listed = f": there are {', '.join(known)}" if known else f": {file or 'the settings'} has no [profiles]"
                near = did_you_mean(str(name), known) if known else ""
                raise SettingsError(f"{origin}: there is no profile {name}{near or listed}")
            return str(name)
    return ""


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any], whole: frozenset[str], prefix: str = "") -> Document:
    """The base with the other's keys over it. A key of `whole`, such as headers, is replaced and not mixed."""
    made = dict(base)
    for name, value in over.items():
        key, below = prefix + name, made.get(name)
        if isinstance(value, dict) and isinstance(below, dict) and key not in whole:
            made[name] = overlaid(below, value, whole, f"{key}.")
        else:
            made[name] = value
    return made


def without_commands(document: Any) -> Any:
    """The same with "" for each value that a command would print."""
    if isinstance(document, list):
        return [without_commands(each) for each in document]
    if not isinstance(document, dict):
        return document
    if set(document) == {"command"} and isinstance(document["command"], list):
        return ""
    return {name: without_commands(value) for name, value in document.items()}


def own_values(name: str, own: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, str]:
    """What a profile has by itself, by dotted key, unless it says otherwise: its name, and places of its own.

    `own` are the profile's keys and `base` the file's, flat.
    """
    values = {"profile": name} | ({} if "name" in own else {"name": name})
    for key in PLACES:
        if own.get(key):
            continue
        if given := base.get(key):
            values[key] = _beside(str(given), name, folder=key == "journal.folder")
        elif (state := _state(name)) is not None:
            values[key] = str(state / STATE[key])
    return values


def check_apart(profiles: Mapping[str, Mapping[str, Any]], base: Mapping[str, Any], file: Path) -> None:
    """Raises SettingsError where two profiles would write the same incident or file. All are flat."""
    seen: dict[tuple[str, ...], str] = {}
    for name, own in profiles.items():
        for key, mark in _marks(name, {**base, **own_values(name, own, base), **own}):
            if (other := seen.setdefault(mark, name)) != name:
                raise SettingsError(
                    f"{file}: profiles.{name}.{key}: it is that of the profile {other} too, and their incidents would"
                    " mix: give each its own"
                )


def _marks(name: str, values: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "name", ("name", str(values.get("environment", "production")), str(values["name"]))
    for key in PLACES:
        if place := values.get(key):
            yield key, (key, os.path.normpath(os.path.expanduser(str(place))))


def refuse_addresses(name: str, flags: Mapping[str, Any]) -> None:
    """Raises SettingsError for a flag that leads elsewhere than the profile whose name the screen shows."""
    for key, value in flags.items():
        if value is not None and (key == "environment" or key.partition(".")[0] in ADDRESSES):
            raise SettingsError(
                f"flag: {key}: the profile {name} says where to go: leave the flag out, or give --profile {NO_PROFILE}"
            )


def _beside(place: str, name: str, *, folder: bool) -> str:
    """The profile's own place for the file's: a folder in that folder, or a file beside that file."""
    if folder:
        return os.path.join(place, name)
    stem, suffix = os.path.splitext(place)
    return f"{stem}-{name}{suffix}"


def _state(name: str) -> Path | None:
    """The profile's folder of state; None for an account without a home, which is said where it is needed."""
    try:
        return paths.profile_state(name)
    except SettingsError:
        return None
