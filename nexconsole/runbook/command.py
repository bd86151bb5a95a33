"""`nexconsole runbook check` and `nexconsole runbook audit`: the command line's side of the runbook."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import SettingsError

if TYPE_CHECKING:  # every start of the console asks for the parsers: nothing more is imported for that
    from ..model import Reading
    from ..settings import Settings
    from ..sources import Sources
    from .audit import AuditAction
    from .model import Problem, Runbook

USAGE = 2
CODES = {
    "check": "exit code: 0 no problems, 1 problems, 2 usage",
    "audit": "exit code: 0 nothing is wrong, 1 something is, 2 usage. A warning leaves it at 0: an alert that can't"
    " fire here, of a scenario that another trigger opens all the same, or a look at what is not configured here.",
}
SETTLE_S = 9.0  # the outbox's rates are known after 8 s
# Makes what can prepare actions on these sources; closes nothing.
Actions = Callable[["Sources", "Settings", "Mapping[str, Reading]"], "AuditAction"]


def add_parsers(commands: argparse._SubParsersAction, flags: argparse.ArgumentParser) -> None:
    """Add `runbook check [FILE]`, `audit [FILE] [--json]` and `words`; `flags` are the settings' own."""
    runbook = commands.add_parser("runbook", help="check a runbook, or hold it against the living systems")
    verbs = runbook.add_subparsers(dest="verb", metavar="check|audit|words", required=True)
    meaning = "list the probes and actions that a runbook may name"
    verbs.add_parser("words", parents=[flags], help=meaning, description=meaning)
    for verb, meaning in (
        ("check", "say, with line numbers, what in a runbook can't be understood"),
        ("audit", "hold a runbook against the living systems, changing nothing"),
    ):
        parser = verbs.add_parser(verb, parents=[flags], help=meaning, description=meaning, epilog=CODES[verb])
        parser.add_argument("file", nargs="?", metavar="FILE", help="a Markdown file (else the runbook in force)")
        parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace, settings: Settings, actions: Actions | None = None) -> int:
    """Run the verb; returns the exit code: 0 good (an audit's warnings are), 1 something wrong, 2 usage.

    Without `actions` no action can be audited, and each says so as a thing that is wrong.
    """
    try:
        if options.verb == "words":
            print("\n".join(words()))
            return 0
        if options.verb == "check":
            return _check(options, settings)
        return asyncio.run(_audit(options, settings, actions))
    except SettingsError as error:
        print(f"nexconsole: {error}", file=sys.stderr)
        return USAGE


def words() -> list[str]:
    """A line for every probe, with what it can be compared with, and for every action, with its arguments."""
    from .catalogue import ACTIONS, Argument
    from .probes import PROBES

    def called(name: str, arguments: tuple[Argument, ...]) -> str:
        return " ".join((name, *(f"{{{each.name}}}" if each.required else f"[{each.name}]" for each in arguments)))

    lines = ["Look and If:"]
    for probe in PROBES.values():
        unit = {"ratio": "a share, such as 10 %", "seconds": "a time, such as 5 min"}.get(probe.unit, "a number")
        kinds = {"number": unit, "flag": "yes or no", "text": "text"}
        kind = kinds.get(probe.kind) or " or ".join(probe.words)
        gives = f"; gives {', '.join(f'{{{name}}}' for name in probe.gives)}" if probe.gives else ""
        name = called(probe.name, (probe.argument,) if probe.argument else ())
        lines.append(f"  {name:<34} {probe.title}: {kind}{gives}")
    lines.append("Do:")
    lines += [f"  {called(action.name, action.arguments):<34} {action.title}" for action in ACTIONS.values()]
    return lines


def _check(options: argparse.Namespace, settings: Settings) -> int:
    from .audit import BAD, GOOD
    from .library import SHIPPED, library, read
    from .problems import check

    found: list[tuple[str, Problem]]
    if options.file:
        found = [(options.file, problem) for problem in check(read(Path(options.file)))]
    else:
        found = [(str(SHIPPED), problem) for problem in check(read(SHIPPED))]
        found += library(settings).problems
    if options.json:
        rows = [{"file": file, "line": problem.line, "text": problem.text} for file, problem in found]
        print(msgspec.json.format(msgspec.json.encode({"problems": rows}), indent=2).decode())
    else:
        for file, problem in found:
            print(f"{file}:{problem.line}: {problem.text}")
        if not found:
            print(f"{options.file or 'the runbook in force'}: no problems")
    return BAD if found else GOOD


async def _audit(options: argparse.Namespace, settings: Settings, actions: Actions | None) -> int:
    from ..model import utc_now
    from ..sources import open_sources
    from . import audit

    book = _book(options.file, settings)
    asked = with_alerts(settings, book)
    sources = open_sources(asked)
    try:
        sources.load()
        await sources.loaded()
        readings = await take(sources, asked, SETTLE_S)
        lines = await audit.audit(
            book,
            readings,
            asked,
            utc_now(),
            actions(sources, asked, readings) if actions else audit.nobody,
            sources.api.methods if sources.has("api") else audit.no_routes,
        )
    finally:
        await sources.close()
    print(audit.as_json(lines, utc_now()) if options.json else audit.as_text(lines))
    return audit.exit_code(lines)


def _book(file: str | None, settings: Settings) -> Runbook:
    """The runbook to hold: a file's, or the one in force. Raises SettingsError where it can't be understood."""
    from .library import library, read
    from .parser import parse
    from .problems import problems

    if file is None:
        return library(settings).runbook
    parsed = parse(read(Path(file)), file)
    found = problems(parsed)
    if found:
        more = f" (and {len(found) - 1} more: nexconsole runbook check)" if len(found) > 1 else ""
        raise SettingsError(f"{file}:{found[0].line}: {found[0].text}{more}")
    return parsed.runbook


def with_alerts(settings: Settings, book: Runbook) -> Settings:
    """The settings with every alert that the runbook names among those whose rules are looked up."""
    names = tuple(dict.fromkeys((*settings.severity.runbook_alerts, *book.alerts())))
    return msgspec.structs.replace(settings, severity=msgspec.structs.replace(settings.severity, runbook_alerts=names))


async def take(sources: Sources, settings: Settings, settle_s: float) -> dict[str, Reading]:
    """A reading of every signal that a probe may rest on, the outbox's worst events too.

    Everything is read twice, `settle_s` seconds apart: rates take two readings, and followed logs some time.
    """
    from ..signals import outbox
    from ..signals.readings import read_once
    from ..signals.registry import SIGNALS

    signals = (*SIGNALS, outbox.EVENTS)
    first = await asyncio.gather(*(read_once(signal, sources, settings) for signal in signals))
    await asyncio.sleep(settle_s)
    pairs = zip(signals, first, strict=True)
    taken = await asyncio.gather(*(read_once(signal, sources, settings, last) for signal, last in pairs))
    return {reading.signal: reading for reading in taken}
