"""`nexconsole runbook check` and `nexconsole runbook audit`."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import SettingsError
from ..settings import Settings, named
from .options import load, start_log
from .parsing import Parser, add_verbs

if TYPE_CHECKING:
    from ..model import Reading
    from ..runbook.model import Runbook, RunbookProblem
    from ..sources import Sources

VERBS = (
    ("words", "list the probes and actions that a runbook may name"),
    ("check", "list a runbook's errors with line numbers"),
    ("audit", "audit a runbook on the live systems; changes nothing"),
)
CODES = {
    "check": "exit code: 0 no problems, 1 problems, 2 usage",
    "audit": "exit code: 0 nothing is wrong, 1 something is, 2 usage. A warning leaves it at 0: an alert that can't"
    " fire here, of a scenario that another trigger opens all the same, or a look at what is not configured here.",
}
SETTLE_S = 9.0  # the outbox's rates are known after 8 s


def add_arguments(parser: Parser) -> None:
    verbs = add_verbs(parser, VERBS)
    for verb, codes in CODES.items():
        verbs[verb].epilog = codes
        meaning = "a Markdown file (else the runbook in force)"
        verbs[verb].add_argument("file", nargs="?", metavar="FILE", help=meaning)
        verbs[verb].add_argument("--json", action="store_true", help="print it as JSON")


def run(options: Namespace) -> int:
    """0 without problems (an audit's warnings don't count), 1 with problems. Raises SettingsError."""
    settings = named(load(options).settings)
    start_log(settings)
    _say_problems(settings)
    if options.verb == "words":
        print("\n".join(words(settings)))
        return 0
    if options.verb == "check":
        return _check(options, settings)
    return asyncio.run(_audit(options, settings))


def _say_problems(settings: Settings) -> None:
    from ..actions.registry import ACTIONS
    from ..signals.registry import problems

    for problem in (*ACTIONS.problems, *problems(settings)):
        print(problem, file=sys.stderr)


def words(settings: Settings) -> list[str]:
    """One line for each probe with its comparable values, and for each action with its arguments."""
    from ..actions.registry import COMMANDS
    from ..catalogue import Argument
    from ..signals.registry import probes

    def called(name: str, arguments: tuple[Argument, ...]) -> str:
        return " ".join((name, *(f"{{{each.name}}}" if each.required else f"[{each.name}]" for each in arguments)))

    lines = ["Look and If:"]
    for probe in probes(settings).values():
        unit = {"ratio": "a share, such as 10 %", "seconds": "a time, such as 5 min"}.get(probe.unit, "a number")
        kinds = {"number": unit, "flag": "yes or no", "text": "text"}
        kind = kinds.get(probe.kind) or " or ".join(probe.words)
        gives = f"; gives {', '.join(f'{{{name}}}' for name in probe.gives)}" if probe.gives else ""
        name = called(probe.name, (probe.argument,) if probe.argument else ())
        lines.append(f"  {name:<34} {probe.title}: {kind}{gives}")
    lines.append("Do:")
    lines += [f"  {called(action.name, action.arguments):<34} {action.title}" for action in COMMANDS.values()]
    return lines


def _check(options: Namespace, settings: Settings) -> int:
    from ..actions.registry import COMMANDS
    from ..causes import chapters as causes
    from ..runbook.audit import BAD, GOOD
    from ..runbook.library import SHIPPED, library, read, shipped
    from ..runbook.parser import parse
    from ..runbook.problems import check, unknown_scenarios
    from ..signals.registry import probes

    found: list[tuple[str, RunbookProblem]]
    in_force = shipped()
    if options.file:
        with contextlib.suppress(SettingsError):  # the team's own can't be read: the file is what is asked about
            in_force = library(settings, COMMANDS).runbook
        text = read(Path(options.file))
        chapters = parse(text).runbook.chapters()
        ids = [chapter.id for chapter in (*in_force.chapters(), *chapters)]
        wrong = {*check(text, COMMANDS, probes(settings)), *unknown_scenarios(chapters, ids)}
        wrong |= {*causes.check(text, COMMANDS, probes(settings), ids)}
        found = [(options.file, problem) for problem in sorted(wrong)]
    else:
        found = [(str(SHIPPED), problem) for problem in check(read(SHIPPED), COMMANDS)]
        laid = library(settings, COMMANDS)
        named = causes.load(settings, COMMANDS, scenarios=[chapter.id for chapter in laid.runbook.chapters()])
        found += [(str(causes.SHIPPED), problem) for problem in causes.problems(causes.shipped(), COMMANDS, probes())]
        found += sorted((*laid.problems, *laid.unknown, *named.problems, *named.unknown))
    if options.json:
        rows = [{"file": file, "line": problem.line, "text": problem.text} for file, problem in found]
        print(msgspec.json.format(msgspec.json.encode({"problems": rows}), indent=2).decode())
    else:
        for file, problem in found:
            print(f"{file}:{problem.line}: {problem.text}")
        if not found:
            print(f"{options.file or 'the runbook in force'}: no problems")
    return BAD if found else GOOD


async def _audit(options: Namespace, settings: Settings) -> int:
    from ..actions.audit import auditor
    from ..actions.registry import COMMANDS
    from ..model import utc_now
    from ..runbook import audit
    from ..sources import open_sources

    book = _book(options.file, settings)
    asked = with_alerts(settings, book)
    sources = open_sources(asked)
    try:
        readings = await take(sources, asked, SETTLE_S)
        lines = await audit.audit(
            book,
            readings,
            asked,
            utc_now(),
            COMMANDS,
            auditor(sources, asked, readings),
            sources.api.methods if sources.has("api") else audit.no_routes,
        )
    finally:
        await sources.close()
    print(audit.as_json(lines, utc_now()) if options.json else audit.as_text(lines))
    return audit.exit_code(lines)


def _book(file: str | None, settings: Settings) -> Runbook:
    """The runbook to audit: the given file, else the one in force. Raises SettingsError where it is invalid."""
    from ..actions.registry import COMMANDS
    from ..runbook.library import library, read
    from ..runbook.parser import parse
    from ..runbook.problems import problems
    from ..signals.registry import probes

    if file is None:
        return library(settings, COMMANDS).runbook
    parsed = parse(read(Path(file)), file)
    runbook_problems = problems(parsed, COMMANDS, probes(settings))
    if runbook_problems:
        more = f" (and {len(runbook_problems) - 1} more: nexconsole runbook check)" if len(runbook_problems) > 1 else ""
        raise SettingsError(f"{file}:{runbook_problems[0].line}: {runbook_problems[0].text}{more}")
    return parsed.runbook


def with_alerts(settings: Settings, book: Runbook) -> Settings:
    """The settings, with the runbook's alerts added to those whose rules are read."""
    names = tuple(dict.fromkeys((*settings.severity.runbook_alerts, *book.alerts())))
    return msgspec.structs.replace(settings, severity=msgspec.structs.replace(settings.severity, runbook_alerts=names))


async def take(sources: Sources, settings: Settings, settle_s: float) -> dict[str, Reading]:
    """A reading of every signal that a probe may use, and the outbox's worst events.

    Everything is read twice, `settle_s` seconds apart: rates need two readings, followed logs need time.
    """
    from ..session.monitor import Monitor
    from ..signals.registry import signals

    monitor, declared = Monitor(settings, health=sources.health), signals(settings)
    await monitor.read_all(sources, declared)
    await asyncio.sleep(settle_s)
    await monitor.read_all(sources, declared)
    return monitor.readings
