"""`nexconsole export [JOURNAL]`: an incident's report for people, scripts, paper or the chat channel."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from .options import load

if TYPE_CHECKING:
    from .parsing import Parser

FORMATS = ("md", "json", "html", "line")


def add_arguments(parser: Parser) -> None:
    parser.description = (
        "Print the report of an incident, from its journal. Customer data in it is masked; the journal itself stays as"
        " it was written."
    )
    meaning = "an incident's id, or a journal's file; none: the newest that is open, else the newest"
    parser.add_argument("journal", metavar="JOURNAL", nargs="?", help=meaning)
    meaning = "line: the present state, for a chat channel (default md)"
    parser.add_argument("--format", choices=FORMATS, help=meaning)
    meaning = "print who paid in the incident and got nothing, as CSV, customers masked; it reads the database"
    parser.add_argument("--owed", action="store_true", help=meaning)
    meaning = "with --owed: write the list with customers' ids to this new file, mode 0600; the journal says so"
    parser.add_argument("--output", metavar="FILE", help=meaning)


def run(options: Namespace) -> int:
    """Print the report in UTF-8 whatever the locale; 0. Raises JournalError where there is no such journal."""
    from ..model import utc_now
    from ..report import render
    from . import owed
    from .incidents import incident_named
    from .parsing import UsageError

    if options.owed and options.format:
        raise UsageError("--owed prints CSV: leave --format out (`nexconsole export --help`)")
    if options.output and not options.owed:
        raise UsageError("--output goes with --owed: the report goes to standard output (`nexconsole export --help`)")
    settings = load(options).settings
    found = incident_named(options.journal, settings)
    if options.owed:
        _tell(found.problems)
        return owed.run(settings, found, options.output)
    forms = {"md": render.as_markdown, "json": render.as_json, "html": render.as_html}
    if options.format == "line":
        text = f"{render.as_line(found.incident, utc_now())}\n"
    else:
        text = forms[options.format or "md"](found.incident, found.name)
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
    _tell(found.problems)
    return 0


def _tell(problems: tuple[str, ...]) -> None:
    for problem in problems:
        print(f"nexconsole: {problem}", file=sys.stderr)
