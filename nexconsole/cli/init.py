"""`nexconsole init`: a settings file from the environment and from what the doctor finds. It holds no secret."""

from __future__ import annotations

import asyncio
import os
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import paths, settings
from ..errors import NexConsoleError, SourceError, in_words
from ..text.units import date
from . import printing
from .folding import for_terminal
from .options import given, hide_secrets, start_log

if TYPE_CHECKING:
    from ..doctor.check import Check
    from ..settings import Loaded, Settings
    from .parsing import Parser

STDOUT = "-"
OLDEST, NEWEST = "oldest", "newest"
# What the eras differ in (nexnum.md#versions, #breakers, #outbox, #stuck-rows, #disabling).
OF_ERA: Mapping[str, Mapping[str, Any]] = {
    OLDEST: {"circuits.cooldown_s": 15.0, "outbox.stuck_after_s": 60},
    NEWEST: {"reservations.stuck_after_s": 600, "actions.provider_cache_s": 30.0},
}
KEY_OF_AREA = {
    "postgres": "postgres.url",
    "redis": "redis.url",
    "kubernetes": "kubernetes.kubeconfig",
    "docker": "docker.host",
    "prometheus": "prometheus.url",
    "api": "api.url",
    "search": "search.url",
}


@dataclass(frozen=True)
class Connection:
    """What the doctor found of one system. state: answers, fails, missing."""

    area: str
    state: str
    text: str


def add_arguments(parser: Parser) -> None:
    meaning = f"where to write it (else NEXCONSOLE_CONFIG, else the XDG place); {STDOUT}: print it"
    parser.add_argument("--output", metavar="FILE", help=meaning)
    parser.add_argument("--force", action="store_true", help="overwrite a file that is there")


def run(options: Namespace) -> int:
    """Write the file and say what is missing; 0. Raises NexConsoleError where there is a file, or none can be made."""
    to_stdout = options.output == STDOUT
    place = Path(options.output or os.environ.get("NEXCONSOLE_CONFIG") or paths.config_file()).expanduser()
    if not to_stdout and not options.force and os.path.lexists(place):
        raise NexConsoleError(f"{place} is there already: --force overwrites it, --output FILE writes another")
    loaded = settings.load(os.devnull, given(options))  # what an older file says does not count
    hide_secrets(loaded.settings)
    start_log(loaded.settings)
    checks, era = asyncio.run(_examine(loaded.settings))
    connections = connections_of(checks)
    text = file_text(loaded, connections, era)
    if to_stdout:
        printing.as_utf8()
        print(text, end="")
        return 0
    _write(place, text, options.force)
    print(for_terminal(f"{place} is written. {summary(connections, era)}"))
    return 0


def file_text(loaded: Loaded, connections: Sequence[Connection], era: str) -> str:
    """The settings file: what is set and no secret stands in it, the rest as comments."""
    from ..model import utc_now
    from ..settings.example import example

    values: dict[str, Any] = {}
    notes: dict[str, list[str]] = {"": [f"Made by `nexconsole init` on {date(utc_now())}."]}
    masked = {key: value for key, value, _ in loaded.rows()}
    plain = _plain(loaded.settings)
    for key, origin in loaded.origins.items():
        if key in settings.SECRETS or masked.get(key) != plain[key]:
            source = "by a flag" if origin == "flag" else f"in the environment by {origin}"
            notes.setdefault(key, []).append(f"Set {source}. It may hold a secret, so this file does not repeat it.")
        elif origin == "flag" or origin in settings.ENVIRONMENT:
            values[key] = plain[key]
    for connection in connections:
        notes.setdefault(KEY_OF_AREA[connection.area], []).append(f"Doctor: {connection.text}")
    for key, value in OF_ERA.get(era, {}).items():
        values[key] = value
        notes.setdefault(key, []).append(f"For the {era} NexNum, as the database's columns show.")
    return example(values, notes)


def summary(connections: Sequence[Connection], era: str) -> str:
    """One sentence: what answers, what is missing, what to do."""
    answering = [each.area for each in connections if each.state == "answers"]
    parts = [f"{', '.join(answering) or 'Nothing'} answered" + (f" (the {era} NexNum)" if era else "")]
    parts += [f"{each.area} fails: {each.text}" for each in connections if each.state == "fails"]
    if missing := [each.text for each in connections if each.state == "missing"]:
        parts.append(f"missing: {', '.join(missing)}")
    whole = len(answering) == len(connections)
    return f"{'; '.join(parts)}; {'`nexconsole` opens the console' if whole else '`nexconsole doctor` says more'}."


def connections_of(checks: Sequence[Check]) -> list[Connection]:
    """One system after the other, as its worst check says."""
    from ..text.sanitize import clean

    connections = []
    for area in KEY_OF_AREA:
        own = [check for check in checks if check.area == area]
        missing = next((check for check in own if check.state == "absent" and check.what == "settings"), None)
        failing = next((check for check in own if check.state == "fail"), None)
        if missing is not None:
            connections.append(Connection(area, "missing", f"{area} ({clean(missing.advice)})"))
        elif failing is not None:
            connections.append(Connection(area, "fails", clean(f"{failing.what}: {failing.said}")))
        elif own:
            connections.append(Connection(area, "answers", clean(own[0].said)))
    return connections


def era_of(columns: Mapping[str, Mapping[str, str]]) -> str:
    """The oldest or the newest NexNum, by its columns (nexnum.md#tables); "" where they don't say."""
    from ..actions.era import is_newest

    if is_newest(columns):
        return NEWEST
    return OLDEST if "pricing_id" in columns.get("offer_reservations", {}) else ""


async def _examine(chosen: Settings) -> tuple[tuple[Check, ...], str]:
    """What the doctor finds, and the era."""
    from ..doctor import examination
    from ..sources import open_sources

    checks = await examination.examine(chosen)
    sources = open_sources(chosen)
    try:
        if not sources.has("postgres"):
            return checks, ""
        await sources.loaded()
        return checks, era_of(await sources.postgres.columns())
    except SourceError:  # which the checks tell
        return checks, ""
    finally:
        await sources.close()


def _plain(chosen: Settings) -> dict[str, Any]:
    """Every value by its dotted key."""
    from ..settings.example import keys

    plain: dict[str, Any] = {}
    for key in keys():
        value: Any = chosen
        for name in key.dotted.split("."):
            value = getattr(value, name)
        plain[key.dotted] = value
    return plain


def _write(place: Path, text: str, force: bool) -> None:
    """The whole file or none of it, readable by this account alone. Raises NexConsoleError."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, fresh = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)  # of mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            if force:
                os.replace(fresh, place)
            else:
                os.link(fresh, place)  # refused where a file came meanwhile
        finally:
            Path(fresh).unlink(missing_ok=True)
    except OSError as error:
        raise NexConsoleError(f"{place}: can't be written: {in_words(error)}") from error
