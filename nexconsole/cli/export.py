"""`nexconsole export JOURNAL`: an incident's report for people, scripts, paper or the chat channel."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .options import load

if TYPE_CHECKING:
    from ..journal import Entry
    from .parsing import Parser

FORMATS = ("md", "json", "html", "line")


def add_arguments(parser: Parser) -> None:
    parser.description = (
        "Print the report of an incident, from its journal. Customer data in it is masked; the journal itself stays as"
        " it was written."
    )
    parser.add_argument("journal", metavar="JOURNAL", help="an incident's id, or a journal's file")
    meaning = "line: the present state, for a chat channel (default md)"
    parser.add_argument("--format", choices=FORMATS, default="md", help=meaning)


def run(options: Namespace) -> int:
    """Print the report in UTF-8 whatever the locale; 0. Raises JournalError where there is no such journal."""
    from ..incident.incident import fold
    from ..incident.metrics import metric_specs
    from ..incident.prelude import prelude_of
    from ..journal import read_incident
    from ..model import utc_now
    from ..report import render
    from ..text.sanitize import clean
    from .journal import file_of

    forms = {"md": render.as_markdown, "json": render.as_json, "html": render.as_html}
    settings = load(options).settings
    file = file_of(options.journal, settings)
    journal = read_incident(file)
    incident = fold(journal.entries, prelude_of(journal.entries, _outside(file)))
    incident = replace(incident, metrics=metric_specs(settings))
    if options.format == "line":
        text = f"{render.as_line(incident, utc_now())}\n"
    else:
        text = forms[options.format](incident, clean(file.stem, 100))
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
    for problem in journal.problems:
        print(f"nexconsole: {problem}", file=sys.stderr)
    return 0


def _outside(journal: Path) -> tuple[Entry, ...]:
    """Entries outside of any incident, in the same folder; () where they can't be read."""
    from ..errors import JournalError
    from ..journal import OUTSIDE, journal_file, read_incident

    try:
        return read_incident(journal_file(journal.parent, OUTSIDE)).entries
    except JournalError:  # nobody has, or `journal verify` says what is wrong with it
        return ()
