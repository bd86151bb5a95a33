"""`nexconsole overview`: every profile of the settings at a glance, with `status`'s exit codes."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from ..errors import NexConsoleError, SettingsError
from .options import given, load_profile, profile_names, start_log

if TYPE_CHECKING:
    from datetime import datetime

    from ..session.overview import ProfileOverview
    from .parsing import Parser

VERSION = 1  # of the JSON
NOT_KNOWN = 3
NONE = "there are no profiles in the settings: write a table [profiles.NAME] for each NexNum (nexconsole docs readme)"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="the same as JSON")


def run(options: Namespace) -> int:
    """Print a line for each profile; the exit code is the worst of theirs, NOT_KNOWN where there are none."""
    from ..model import utc_now
    from ..session.overview import read_profiles, worst_code
    from ..settings import Settings

    try:
        names = profile_names(options)
        if not names:
            raise SettingsError(NONE)
        for name in names[:1]:  # a flag that leads elsewhere is refused before anything is read
            _refuse(options, name)
        start_log(Settings())
        found = asyncio.run(read_profiles(names, lambda name: load_profile(options, name)))
    except NexConsoleError as error:
        print(f"nexconsole: {error}", file=sys.stderr)
        return NOT_KNOWN
    code, now = worst_code(found), utc_now()
    print(as_json(found, now, code) if options.json else as_text(found, now))
    return code


def _refuse(options: Namespace, name: str) -> None:
    from ..settings.profiles import refuse_addresses

    refuse_addresses(name, given(options))


def as_text(found: list[ProfileOverview], now: datetime) -> str:
    """A line for each: profile, environment, level, since when, incident, and what it is."""
    from ..session.overview import level_words, since_words

    rows = [
        (
            each.profile,
            f"{each.environment.upper() or '?'} {each.name if each.name != each.profile else ''}".strip(),
            level_words(each),
            since_words(each, now),
            {"": "no incident", None: "incident ?"}.get(each.incident, each.incident or ""),
            each.sentence,
        )
        for each in found
    ]
    wide = [max(len(row[n]) for row in rows) for n in range(5)]
    return "\n".join("  ".join((*(row[n].ljust(wide[n]) for n in range(5)), row[5])).rstrip() for row in rows)


def as_json(found: list[ProfileOverview], now: datetime, code: int) -> str:
    """`profiles` by name, each with level ("none" is calm, "not known"), sentence, since, incident, read_at, error."""
    import json

    def plain(each: ProfileOverview) -> dict[str, Any]:
        return {
            "environment": each.environment,
            "name": each.name,
            "level": each.level,
            "sentence": each.sentence,
            "since": each.since.isoformat() if each.since else None,
            "since_seen": each.since_seen,
            "incident": each.incident,
            "read_at": each.read_at.isoformat() if each.read_at else None,
            "error": each.error or None,
            "exit_code": each.exit_code,
        }

    document = {"version": VERSION, "at": now.isoformat(), "profiles": {each.profile: plain(each) for each in found}}
    return json.dumps(document | {"exit_code": code}, indent=2, ensure_ascii=False)
