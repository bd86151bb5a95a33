"""`nexconsole handover [INCIDENT]`: one page for whoever takes over, from the journal and one read of everything."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .options import load

if TYPE_CHECKING:
    from datetime import datetime

    from ..incident.open_items import OpenItem
    from ..report.handover import HandoverContext
    from ..session.monitor import Monitor
    from ..settings import Settings
    from .incidents import NamedIncident
    from .parsing import Parser

FORMATS = ("text", "md", "json")
TIMEOUT_S = 30.0


def add_arguments(parser: Parser) -> None:
    parser.description = (
        "Print one page for whoever takes over: what stands, whom it hurts, what was tried and ruled out, what it is,"
        " what is in force, what comes next, who. Customer data is masked. Where nothing answers, it is made of the"
        " journal alone, and says so."
    )
    meaning = "an incident's id, or a journal's file; none: the newest that is open, else the newest"
    parser.add_argument("journal", metavar="INCIDENT", nargs="?", help=meaning)
    meaning = "text has at most 60 lines of 80 cells; md has all of it (default text)"
    parser.add_argument("--format", choices=FORMATS, default="text", help=meaning)
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    parser.add_argument("--output", metavar="FILE", help="write it there, for this account alone (mode 0600)")


def run(options: Namespace) -> int:
    """Print or write the page; 0. Raises JournalError where the named incident can't be read, FileError."""
    from ..break_glass.store import keep
    from ..errors import JournalError
    from ..report import handover
    from .incidents import incident_named

    settings = load(options).settings
    try:
        found = incident_named(options.journal, settings)
    except JournalError as error:
        if options.journal is not None:
            raise
        found = None
        print(f"nexconsole: {error}", file=sys.stderr)
    page = handover.handover(asyncio.run(_context(settings, found)))
    text = {"text": handover.as_text, "md": handover.as_markdown, "json": handover.as_json}[options.format](page)
    for problem in found.problems if found is not None else ():
        print(f"nexconsole: {problem}", file=sys.stderr)
    if options.output is not None:
        file = Path(options.output).expanduser()
        keep(file, text)
        print(f"nexconsole: written to {file}; customers are masked in it", file=sys.stderr)
        return 0
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
    return 0


async def _context(settings: Settings, found: NamedIncident | None) -> HandoverContext:
    """One read of every signal, bounded in time; where nothing answers, only what is on record."""
    from ..model import utc_now
    from ..report.handover import HandoverContext
    from ..session.handover import is_read
    from ..session.known_causes import know_causes
    from ..session.monitor import Monitor
    from ..sources import open_sources
    from ..status import unread

    sources = open_sources(settings)
    monitor = Monitor(settings, health=sources.health)
    why = ""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await know_causes(monitor, settings)
            await monitor.read_all(sources)
    except TimeoutError:
        why = "not all was read in time"
    finally:
        sentences = unread(monitor.readings, sources.health())
        await sources.close()
    now = utc_now()
    known = is_read(monitor.readings, settings)
    return HandoverContext(
        now=now,
        settings=settings,
        name=found.name if found is not None else "",
        incident=found.incident if found is not None else None,
        severity=monitor.severity if known else None,
        explanation=monitor.explanation if known else None,
        readings=monitor.readings,
        in_force=_in_force(settings, found, now),
        seen_before=await asyncio.to_thread(_seen_before, settings, found, monitor, now),
        unread=sentences if known else (),
        why_not_read=why or (sentences[0] if sentences else "no signal has a value"),
    )


def _in_force(settings: Settings, found: NamedIncident | None, now: datetime) -> tuple[OpenItem, ...]:
    """What this incident and what was done outside of any left in force."""
    from ..errors import JournalError
    from ..incident.actions import actions_in
    from ..incident.open_items import open_items
    from ..journal import Prover, counted, journal_file, journal_folder, merge, read_incident
    from .incidents import outside

    file = found.file if found is not None else journal_file(journal_folder(settings))
    try:
        own = read_incident(file, Prover.of(settings, journal=file)).entries
    except JournalError:  # said already, or nobody has ever acted outside of an incident
        own = ()
    items = open_items(actions_in(counted(merge(own, outside(file, settings)))), now)
    return tuple(item for item in items if item.in_force)


def _seen_before(settings: Settings, found: NamedIncident | None, monitor: Monitor, now: datetime) -> str:
    from ..errors import JournalError
    from ..incident.similar import headline, similar
    from ..session.earlier import present_traits, read_earlier

    if found is None:
        return ""
    traits = present_traits(monitor.severity, monitor.explanation, monitor.readings, settings, now, found.incident)
    try:
        return headline(similar(traits, read_earlier(settings, found.file.stem).past), now)
    except JournalError:  # the page stands without it
        return ""
