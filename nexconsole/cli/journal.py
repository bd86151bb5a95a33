"""`nexconsole journal list|show|verify|export`: journals for people and scripts."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import JournalError
from ..journal import (
    Entries,
    Entry,
    JournalProblem,
    Prover,
    journal_files,
    journal_folder,
    merge,
    read_incident,
    unfinished,
    unjudged,
    verify_incident,
)
from ..journal.sentences import sentence, unknown
from ..settings import Settings
from ..text.masking import mask
from ..text.sanitize import clean
from ..text.units import clock, date, moment
from .incidents import INCIDENT, file_of, incident_named
from .options import load
from .parsing import Parser, add_verbs

if TYPE_CHECKING:
    from ..incident.similar import SimilarIncident

PROBLEMS = 1
VERBS = (
    ("list", "every journal: when, how many entries, who"),
    ("show", "an incident's timeline"),
    ("verify", "find what was edited, is missing or out of order; 1 if any"),
    ("export", "print a journal for others"),
    ("similar", "earlier incidents that are like one, and what helped then"),
)
_MARKDOWN = re.compile(r"([\\`*_\[\]<|~&])")  # what means something in the middle of a line


def add_arguments(parser: Parser) -> None:
    verbs = add_verbs(parser, VERBS)
    for verb in ("list", "show", "verify", "similar"):
        verbs[verb].add_argument("--json", action="store_true", help="print JSON")
    for verb in ("show", "export"):
        verbs[verb].add_argument("journal", metavar="ID", help="an incident's id, or a journal's file")
    meaning = "an incident's id, or a journal's file; none: the newest incident"
    verbs["similar"].add_argument("journal", metavar="ID", nargs="?", help=meaning)
    meaning = "incidents' ids or files; none: all in the folder"
    verbs["verify"].add_argument("journal", metavar="ID", nargs="*", help=meaning)
    meaning = "md: a timeline with customer data masked; jsonl: the entries as they were written, nothing masked"
    verbs["export"].add_argument("--format", choices=("md", "jsonl"), default="md", help=meaning)


def run(options: Namespace) -> int:
    """Run the command; 0, or 1 where verify found problems. Raises JournalError."""
    return _RUN[options.verb](options, load(options).settings)


def _list(options: Namespace, settings: Settings) -> int:
    folder = journal_folder(settings)
    rows = [_summary(file, settings) for file in journal_files(folder)]
    if options.json:
        _print_json(rows)
    elif not rows:
        print(f"no journals in {folder}")
    for row in rows if not options.json else ():
        times = f"{moment(row['first'])}  {moment(row['last'])}" if row["entries"] else f"{'no entries':<42}"
        problems = f"  PROBLEMS: {row['problems']}" if row["problems"] else ""
        print(f"{row['id']:<20}  {times}  {row['entries']:>6} entries  {', '.join(row['who'])}{problems}")
    return 0


def _summary(file: Path, settings: Settings) -> dict[str, Any]:
    """A journal's summary for `list`. For an unreadable one, the reason is among its problems."""
    try:
        journal = read_incident(file, Prover.of(settings, journal=file))
        problems = sum(map(len, verify_incident(file, Prover.of(settings, journal=file)).values()))
    except JournalError as error:
        print(f"nexconsole: {error}", file=sys.stderr)
        journal, problems = Entries(), 1
    entries = merge(journal.entries)
    return {
        "id": file.stem,
        "first": entries[0].at if entries else None,
        "last": entries[-1].at if entries else None,
        "entries": len(entries),
        "who": sorted({str(entry.writer) for entry in entries}),
        "problems": problems,
    }


def _show(options: Namespace, settings: Settings) -> int:
    from ..incident.judgement import Judge

    file = file_of(options.journal, settings)
    journal = read_incident(file, Prover.of(settings, journal=file))
    entries = merge(journal.entries)
    if options.json:
        _print_json([msgspec.Raw(entry.line) for entry in entries])
    else:
        width, judge = max((len(str(entry.writer)) for entry in entries), default=0), Judge(settings.roles)
        for entry in entries:
            words = judge.marked(entry, sentence(entry))
            print(f"{moment(entry.at)}  {entry.writer!s:<{width}}  {clean(entry.kind, 20):<8}  {words}")
        for intent in (*unfinished(entries), *unjudged(entries)):
            print(f"{'':<20}  {unknown(intent)}")
    for problem in journal.problems:
        print(f"nexconsole: {problem}", file=sys.stderr)
    return 0


def _verify(options: Namespace, settings: Settings) -> int:
    folder = journal_folder(settings)
    files = [file_of(named, settings) for named in options.journal] or list(journal_files(folder))
    found: dict[Path, tuple[JournalProblem, ...]] = {}
    names: dict[Path, str] = {}
    for journal in files:
        parts = verify_incident(journal, Prover.of(settings, journal=journal))
        found |= parts
        names |= dict.fromkeys(parts, journal.name.partition(".jsonl")[0])
    if options.json:
        _print_json([{"id": names[file], "file": str(file), "problems": problems} for file, problems in found.items()])
        return PROBLEMS if any(found.values()) else 0
    for file, problems in found.items():
        print(f"{file}: {f'PROBLEMS: {len(problems)}' if problems else 'as it was written'}")
        for problem in problems:
            where = f"line {problem.line}: " if problem.line else ""
            print(f"  {where}{problem.what}: {clean(problem.sentence)}")
    if not files:
        print(f"no journals in {folder}")
    return PROBLEMS if any(found.values()) else 0


def _export(options: Namespace, settings: Settings) -> int:
    file = file_of(options.journal, settings)
    journal = read_incident(file, Prover.of(settings, journal=file))
    entries = merge(journal.entries)
    if options.format == "jsonl":
        sys.stdout.flush()
        sys.stdout.buffer.write(b"".join(entry.line + b"\n" for entry in entries))
        sys.stdout.buffer.flush()
    else:
        print("\n".join(as_markdown(file.stem, entries)))
    for problem in journal.problems:
        print(f"nexconsole: {problem}", file=sys.stderr)
    return 0


def _similar(options: Namespace, settings: Settings) -> int:
    """Compare one incident with the earlier ones, by what is on record of each. Customer data is masked."""
    from ..incident.similar import seen_before, similar
    from ..incident.traits import traits_of
    from ..model import utc_now
    from ..report.masked import masked
    from ..session.earlier import read_earlier
    from ..text.units import several

    named, now = incident_named(options.journal, settings), utc_now()
    earlier = read_earlier(settings, named.file.stem)
    begun = named.incident.begin
    past = [one for one in earlier.past if begun is None or one.at <= begun]
    found = masked(similar(traits_of(named.incident), past))
    if options.json:
        _print_json([_as_table(one) for one in found])
    elif not found:
        many = several(len(past), "earlier incident")
        among = f"nothing like {named.name} among {many}" if past else "no earlier incident is on record"
        print(f"{among} in {journal_folder(settings)}")
    else:
        print(f"{named.name} was seen before:")
    for line in seen_before(found, now) if not options.json else ():
        print(f"  {line}" if not line.startswith(INCIDENT) else line)
    for problem in (*earlier.left_out, *named.problems):
        print(f"nexconsole: {problem}", file=sys.stderr)
    return 0


def _as_table(one: SimilarIncident) -> dict[str, Any]:
    past = one.past
    return {
        "id": past.id,
        "title": past.title,
        "at": past.at,
        "level": past.level,
        "lasted_s": past.lasted_s,
        "closed": past.closed,
        "very_alike": one.very,
        "alike": one.alike,
        "differs": one.differs,
        "tried": [
            {"action": tried.name, "verdict": tried.verdict, "because": tried.because, "undone": tried.undone}
            for tried in past.tried
        ],
    }


def as_markdown(title: str, entries: Iterable[Entry]) -> list[str]:
    """A timeline in Markdown, customer data masked; texts in it can't break the markup."""
    entries = tuple(entries)
    lines = [f"# {_escaped(mask(title))}", ""]
    if entries:
        who = sorted({str(entry.writer) for entry in entries})
        lines += [f"{moment(entries[0].at)} to {moment(entries[-1].at)}, {_escaped(mask(', '.join(who)))}", ""]
    day = ""
    for entry in entries:
        if date(entry.at) != day:
            lines += [*([""] if day else []), f"## {date(entry.at)} (UTC)", ""]
            day = date(entry.at)
        writer, kind = _escaped(mask(str(entry.writer))), _escaped(clean(entry.kind, 20))
        lines.append(f"- {clock(entry.at)} **{kind}** {_escaped(mask(sentence(entry)))} ({writer})")
    return lines + [f"- **{_escaped(mask(unknown(intent)))}**" for intent in (*unfinished(entries), *unjudged(entries))]


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _print_json(document: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


_RUN = {"list": _list, "show": _show, "verify": _verify, "export": _export, "similar": _similar}
