"""`nexconsole export JOURNAL`: the report of an incident, for people, scripts, paper and the chat channel.
`nexconsole sheet`: the break-glass sheet as a console left it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import JournalError
from ..journal import OUTSIDE, Entry, journal_file, journal_folder, read_incident
from ..model import utc_now
from ..settings import Settings
from ..sources.text import clean, strip_controls
from ..text.units import duration
from .breakglass.keeping import before_file, kept, sheet_file
from .breakglass.sheet import WHOLE, sheet
from .incident import fold
from .prelude import prelude_of
from .reporting import writing

FORMATS = {"md": writing.as_markdown, "json": writing.as_json, "html": writing.as_html}


def add_parser(commands: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the commands `export` and `sheet` to argparse's subparsers; `run` and `run_sheet` do what they ask."""
    meaning = "print the report of an incident, from its journal"
    masked = f"{meaning}; customer data in it is masked, the journal itself is as it was written"
    parser = commands.add_parser("export", parents=parents, help=meaning, description=masked)
    parser.add_argument("journal", metavar="JOURNAL", help="an incident's id, or a journal's file")
    parser.add_argument(
        "--format", choices=(*FORMATS, "line"), default="md", help="line: the state by now, for a chat channel"
    )

    commands.add_parser("sheet", parents=parents, help="print the break-glass sheet; connects to nothing")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Print the report in UTF-8 whatever the locale; 0. Raises JournalError where there is no such journal."""
    file = _file(options.journal, settings)
    journal = read_incident(file)
    incident = fold(journal.entries, prelude_of(journal.entries, _outside(file)))
    name = clean(file.stem, 100)
    text = writing.as_line(incident, utc_now()) + "\n" if options.format == "line" else None
    sys.stdout.flush()
    sys.stdout.buffer.write((FORMATS[options.format](incident, name) if text is None else text).encode())
    sys.stdout.buffer.flush()
    for problem in journal.problems:
        print(f"nexconsole: {problem}", file=sys.stderr)
    return 0


def _outside(journal: Path) -> tuple[Entry, ...]:
    """What was done outside of any incident, as the same folder has it; () where it can't be read."""
    try:
        return read_incident(journal_file(journal.parent, OUTSIDE)).entries
    except JournalError:  # nobody has, or `journal verify` says what is wrong with it
        return ()


def run_sheet(settings: Settings) -> int:
    """Print the sheet as it was last kept, with its age, or one with placeholders where there is none; 0.

    Raises FileError where it can't be read.
    """
    file, now = sheet_file(settings), utc_now()
    found = kept(file)
    if found is None:
        print(f"No console has kept a sheet in {file}: this one knows no targets.\n")
        text = sheet({}, None, None, settings, now)
    else:
        text, written = found
        print(f"As it was kept in {file}, {duration(now.timestamp() - written)} ago.")
        if WHOLE not in text and before_file(file).exists():
            print(f"An older one that knew everything: {before_file(file)}")
        print()
    sys.stdout.flush()
    sys.stdout.buffer.write(strip_controls(text).encode())
    sys.stdout.buffer.flush()
    return 0


def _file(named: str, settings: Settings) -> Path:
    if os.sep in named or named.endswith(".jsonl"):
        return Path(named)
    return journal_file(journal_folder(settings), named)
