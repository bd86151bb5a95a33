"""The runbook in force: the shipped one, with the team's own scenarios over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ..catalogue import Catalogue
from ..errors import SettingsError, in_words
from ..settings import Settings
from ..signals.probe import Probe
from ..signals.registry import probes as known_probes
from .model import Parsed, Runbook, RunbookProblem, Scenario
from .parser import MAX_CHARACTERS, parse
from .problems import problems, unknown_scenarios

SHIPPED = Path(__file__).with_name("incident-response.md")


@dataclass(frozen=True, kw_only=True)
class Library:
    """The scenarios in force, and what could not be taken: (file, problem) pairs.

    A chapter of the team's with a problem in it is not taken; ours, if there is one of that id, stays. `unknown` are
    scenarios that a chapter is said to explain and that there are not: it is taken all the same.
    """

    runbook: Runbook
    problems: tuple[tuple[str, RunbookProblem], ...] = ()
    unknown: tuple[tuple[str, RunbookProblem], ...] = ()

    def sentences(self) -> tuple[str, ...]:
        return tuple(f"{file}:{problem.line}: {problem.text}" for file, problem in self.problems)


@cache
def shipped() -> Runbook:
    """The runbook that comes with the console; read once."""
    return parse(read(SHIPPED)).runbook


def library(settings: Settings, catalogue: Catalogue, probes: Mapping[str, Probe] | None = None) -> Library:
    """Our runbook with the team's files laid over it, in the order of their names. `catalogue`: what it may name.

    A file can't replace another of the same folder. Raises SettingsError when the folder can't be read.
    """
    probes = known_probes(settings) if probes is None else probes
    book, wrong = shipped(), []
    taken: dict[str, str] = {}
    for file in team_files(settings.runbooks):
        try:
            parsed = parse(read(file), str(file))
        except SettingsError as error:
            wrong.append((str(file), RunbookProblem(line=1, text=str(error))))
            continue
        runbook_problems = problems(parsed, catalogue, probes)
        wrong += [(str(file), problem) for problem in runbook_problems]
        good = _sound(parsed, runbook_problems)
        for chapter in good:
            if chapter.id in taken:
                again = RunbookProblem(line=chapter.line, text=f"{chapter.id} is already in {taken[chapter.id]}")
                wrong.append((str(file), again))
                continue
            taken[chapter.id] = str(file)
            book = _laid_over(book, chapter, chapter in parsed.runbook.commands)
    ids = [chapter.id for chapter in book.chapters()]
    unknown = ((chapter.origin or str(SHIPPED), each)
               for chapter in book.chapters() for each in unknown_scenarios([chapter], ids))  # fmt: skip
    return Library(runbook=book, problems=tuple(wrong), unknown=tuple(unknown))


def read(file: Path) -> str:
    """A runbook file's text. Raises SettingsError naming the file."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(4 * MAX_CHARACTERS + 1)
        if len(raw) > 4 * MAX_CHARACTERS:
            raise SettingsError(f"{file}: is too long for a runbook: over {MAX_CHARACTERS:,} characters")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{file}: can't be read: {in_words(error)}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is not UTF-8 text (byte {error.start})") from error


def team_files(folder: str) -> list[Path]:
    """The Markdown files of the team's folder, by name; none without a folder. Raises SettingsError."""
    if not folder:
        return []
    place = Path(folder).expanduser()
    try:
        return sorted(file for file in place.iterdir() if file.suffix == ".md" and file.is_file())
    except OSError as error:
        raise SettingsError(f"runbooks: {place} can't be read: {in_words(error)}") from error


def _sound(parsed: Parsed, runbook_problems: tuple[RunbookProblem, ...]) -> tuple[Scenario, ...]:
    """The chapters without a problem between their first line and their last."""
    lines = [problem.line for problem in runbook_problems]
    chapters = parsed.runbook.chapters()
    return tuple(c for c in chapters if not any(c.line <= line <= c.last_line for line in lines))


def _laid_over(book: Runbook, chapter: Scenario, command: bool) -> Runbook:
    """The book with the chapter in the place of the one with its id, or at the end of its kind."""
    own, other = (book.commands, book.scenarios) if command else (book.scenarios, book.commands)
    placed = tuple(chapter if each.id == chapter.id else each for each in own)
    if chapter not in placed:
        placed = (*placed, chapter)
    rest = tuple(each for each in other if each.id != chapter.id)
    commands, scenarios = (placed, rest) if command else (rest, placed)
    return replace(book, scenarios=scenarios, commands=commands)
