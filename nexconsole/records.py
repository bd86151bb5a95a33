"""`nexconsole journal list|show|verify|export`: the journals as a person or a script reads them."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from .errors import JournalError
from .journal import (
    Entries,
    Entry,
    Kind,
    Life,
    Problem,
    Unfinished,
    journal_file,
    journal_files,
    journal_folder,
    merge,
    read_incident,
    unfinished,
    unjudged,
    verify_incident,
)
from .settings import Settings
from .sources.text import clean
from .text.masking import mask

PROBLEMS = 1
_MARKDOWN = re.compile(r"([\\`*_\[\]<|~&])")  # what means something in the middle of a line


def add_parser(commands: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the command `journal` with its own commands to argparse's subparsers; `run` does what they ask."""
    parser = commands.add_parser("journal", parents=[], help="read, verify and export what is on record")
    own = parser.add_subparsers(dest="journal_command", metavar="COMMAND", required=True)
    listing = own.add_parser("list", parents=parents, help="every journal: when, how many entries, who")
    listing.add_argument("--json", action="store_true")
    show = own.add_parser("show", parents=parents, help="an incident's timeline")
    show.add_argument("journal", metavar="ID", help="an incident's id, or a journal's file")
    show.add_argument("--json", action="store_true", help="the entries as one JSON array")
    check = own.add_parser("verify", parents=parents, help="find what was edited, is missing or out of order; 1 if any")
    check.add_argument("journal", metavar="ID", nargs="*", help="incidents' ids or files; none: all in the folder")
    check.add_argument("--json", action="store_true")
    export = own.add_parser("export", parents=parents, help="print a journal for others")
    export.add_argument("journal", metavar="ID", help="an incident's id, or a journal's file")
    export.add_argument(
        "--format", choices=("md", "jsonl"), default="md",
        help="md: a timeline with customer data masked; jsonl: the entries as they were written, nothing masked",
    )  # fmt: skip


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Do what was asked and return the exit code: 0, or 1 where verify found problems. Raises JournalError."""
    return COMMANDS[options.journal_command](options, journal_folder(settings))


def _found(named: str, folder: Path) -> Path:
    """The file that a person means by an incident's id, or by a path."""
    if os.sep in named or named.endswith(".jsonl"):
        return Path(named)
    return journal_file(folder, named)


def _list(options: argparse.Namespace, folder: Path) -> int:
    rows = [_summary(file) for file in journal_files(folder)]
    if options.json:
        _print_json(rows)
    elif not rows:
        print(f"no journals in {folder}")
    for row in rows if not options.json else ():
        times = f"{_time(row['first'])}  {_time(row['last'])}" if row["entries"] else f"{'no entries':<42}"
        problems = f"  PROBLEMS: {row['problems']}" if row["problems"] else ""
        print(f"{row['id']:<20}  {times}  {row['entries']:>6} entries  {', '.join(row['who'])}{problems}")
    return 0


def _summary(file: Path) -> dict[str, Any]:
    """A journal as `list` shows it. One that can't be read is listed with the reason among its problems."""
    try:
        journal, problems = read_incident(file), sum(map(len, verify_incident(file).values()))
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


def _show(options: argparse.Namespace, folder: Path) -> int:
    journal = read_incident(_found(options.journal, folder))
    entries = merge(journal.entries)
    if options.json:
        _print_json([msgspec.Raw(entry.line) for entry in entries])
    else:
        width = max((len(str(entry.writer)) for entry in entries), default=0)
        for entry in entries:
            print(f"{_time(entry.at)}  {entry.writer!s:<{width}}  {clean(entry.kind, 20):<8}  {sentence(entry)}")
        for intent in (*unfinished(entries), *unjudged(entries)):
            print(f"{'':<20}  {unknown(intent)}")
    for problem in journal.problems:
        print(f"nexconsole: {problem}", file=sys.stderr)
    return 0


def _verify(options: argparse.Namespace, folder: Path) -> int:
    files = [_found(named, folder) for named in options.journal] or list(journal_files(folder))
    found: dict[Path, tuple[Problem, ...]] = {}
    for file in files:
        found |= verify_incident(file)
    if options.json:
        _print_json(
            [
                {"id": file.name.partition(".jsonl")[0], "file": str(file), "problems": problems}
                for file, problems in found.items()
            ]
        )
        return PROBLEMS if any(found.values()) else 0
    for file, problems in found.items():
        print(f"{file}: {f'PROBLEMS: {len(problems)}' if problems else 'as it was written'}")
        for problem in problems:
            where = f"line {problem.line}: " if problem.line else ""
            print(f"  {where}{problem.what}: {clean(problem.sentence)}")
    if not files:
        print(f"no journals in {folder}")
    return PROBLEMS if any(found.values()) else 0


def _export(options: argparse.Namespace, folder: Path) -> int:
    file = _found(options.journal, folder)
    journal = read_incident(file)
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


def as_markdown(title: str, entries: Iterable[Entry]) -> list[str]:
    """A timeline that any Markdown viewer shows as it is meant, whatever the texts in it hold, customer data masked."""
    entries = tuple(entries)
    lines = [f"# {_escaped(mask(title))}", ""]
    if entries:
        who = sorted({str(entry.writer) for entry in entries})
        lines += [f"{_time(entries[0].at)} to {_time(entries[-1].at)}, {_escaped(mask(', '.join(who)))}", ""]
    day = ""
    for entry in entries:
        if f"{entry.at:%F}" != day:
            lines += ["" if day else None, f"## {entry.at:%F} (UTC)", ""]
            day = f"{entry.at:%F}"
        who, kind = _escaped(mask(str(entry.writer))), _escaped(clean(entry.kind, 20))
        lines.append(f"- {entry.at:%T} **{kind}** {_escaped(mask(sentence(entry)))} ({who})")
    lines += [f"- **{_escaped(mask(unknown(intent)))}**" for intent in (*unfinished(entries), *unjudged(entries))]
    return [line for line in lines if line is not None]


def unknown(intent: Unfinished) -> str:
    """What to say of an intent that has no outcome, or no verdict, and what to look at."""
    who, what = intent.entry.writer, sentence(intent.entry)
    watch = clean(_words(_part(intent.entry.data, "plan"), "watch"))
    if intent.outcome is not None:
        return _unjudged(intent, f"{who} on {clean(who.host, 100)}", f"whether {watch}" if watch else "what came of it")
    how = f": {watch}" if watch else ""
    if intent.life is Life.RUNNING:
        return f"UNDER WAY: {who}'s console has not said yet what became of: {what}"
    if intent.life is Life.GONE:
        return f"UNKNOWN: {who}'s console ended before it knew what became of: {what}. Check whether it happened{how}"
    where = clean(who.host, 100)
    return f"UNKNOWN: no outcome yet from {who} on {where} for: {what}. Ask, or check whether it happened{how}"


def _unjudged(intent: Unfinished, where: str, how: str) -> str:
    """The outcome is known, its effect is not."""
    assert intent.outcome is not None
    who, said = intent.entry.writer, f"{sentence(intent.entry)}: {sentence(intent.outcome)}"
    if intent.life is Life.RUNNING:
        return f"UNDER WAY: {who}'s console still watches {how}, after: {said}"
    if intent.life is Life.GONE:
        return f"NO VERDICT: {who}'s console ended while it watched what came of: {said}. Check {how}"
    return f"NO VERDICT yet from {where} for: {said}. Ask, or check {how}"


def sentence(entry: Entry) -> str:
    """One line on what an entry records; the data as they are, for a kind that this version doesn't know."""
    say = SENTENCES.get(entry.kind)
    said = say(entry.data) if say else "of a kind that this version does not know: "
    if not say or not said:
        said += msgspec.json.encode(entry.data).decode()
    return clean(said, 500)


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = data.get(name)
    return part if isinstance(part, dict) else data


def _words(data: Mapping[str, Any], *names: str) -> str:
    """The named values that are there, one after the other."""
    values = (data.get(name) for name in names)
    return " ".join(", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in values if value)


def _intent(data: Mapping[str, Any]) -> str:
    plan = _part(data, "plan")
    arguments = plan.get("arguments")
    given = " ".join(map(str, arguments.values())) if isinstance(arguments, dict) else ""
    late = "recorded only after it was sent" if data.get("late") else ""
    name = " ".join(filter(None, (_words(plan, "action"), given)))
    return ": ".join(filter(None, (name, late, _words(plan, "effect"))))


def _proposed(data: Mapping[str, Any]) -> str:
    wait = "waits for a second person's word" if data.get("needs") == "approval" else "others may object"
    return f"{_intent(data)} ({wait})"


def _role(data: Mapping[str, Any]) -> str:
    person = data.get("person")
    return f"{person} is {data.get('role')}" if person else f"nobody is {data.get('role')} any more"


def _figures(data: Mapping[str, Any]) -> str:
    figures = data.get("figures")
    figures = figures if isinstance(figures, dict) else {}
    return ", ".join(f"{name} {value}" for name, value in figures.items() if value is not None)


def _step(data: Mapping[str, Any]) -> str:
    """In the runbook's words where they are on record, else by its ids."""
    state = _words(data, "state")
    named = f"{data['title']}: {state}" if data.get("title") else _words(data, "scenario", "step", "state")
    return ": ".join(filter(None, (named, _words(data, "answer", "reason"))))


def _labelled(part: str, *names: str) -> Any:
    """`state: the rest` of a nested value."""

    def say(data: Mapping[str, Any]) -> str:
        value = _part(data, part)
        return ": ".join(filter(None, (_words(value, name) for name in names)))

    return say


SENTENCES = {
    Kind.OPENED: _labelled("", "level", "title"),
    Kind.SEVERITY: _labelled("", "level", "because"),
    Kind.DECLARED: _labelled("", "level", "reason"),
    Kind.ROLE: _role,
    Kind.SEEN: _labelled("", "text"),
    Kind.FIGURES: _figures,
    Kind.PROPOSED: _proposed,
    Kind.OBJECTED: lambda data: f"objects: {data.get('reason') or 'no reason given'}",
    Kind.APPROVED: lambda data: "approves",
    Kind.STOPPED: _labelled("", "reason"),
    Kind.STEP: _step,
    Kind.INTENT: _intent,
    Kind.OUTCOME: _labelled("outcome", "state", "answer"),
    Kind.VERDICT: _labelled("verdict", "state", "because"),
    Kind.UNDO: lambda data: f"of {data.get('intent')}" if data.get("intent") else "",
    Kind.NOTE: _labelled("", "text"),
    Kind.CLOSED: _labelled("", "reason"),
}  # fmt: skip
COMMANDS = {"list": _list, "show": _show, "verify": _verify, "export": _export}


def _time(at: Any) -> str:
    return f"{at:%F %T}Z"


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _print_json(document: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
