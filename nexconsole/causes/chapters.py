"""Markdown -> causes. Beneath the heading "Causes" each chapter is one; these words are found, the rest is prose:

    ### {provider} does not answer `#provider-unreachable`     a name in braces is the kind of its target
    #### Explains     a list: what a reason is about, such as `purchases at {provider}`; `circuit *` is any circuit's
    #### Leads to     a list: the `#id` of a cause that follows from this one
    #### Evidence     a list of Needed:, Telling:, For: and Against:, each with a condition
    #### Decides      a list of Look:, each with a probe
    #### Remedy       Do: an action, Call: who must act, Open: the `#id` of the scenario

What can't be understood is a problem with its line; nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..catalogue import KINDS, Catalogue
from ..errors import SettingsError
from ..runbook import expression, library, markdown
from ..runbook.expression import Misread
from ..runbook.model import Call, RunbookProblem
from ..runbook.parser import CAUSES, MAX_CHARACTERS, slug
from ..runbook.problems import NameChecker, NameScope
from ..signals.probe import Probe
from ..signals.registry import probes as known_probes
from ..text.suggestions import did_you_mean
from .model import Cause, EvidenceRule, Side

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

    from ..runbook.markdown import MarkdownSection
    from ..settings import Settings

SHIPPED = Path(library.__file__).with_name("causes.md")
TARGETS = ("provider", "pod", "pid", "country", "alert")
MOST_LINES = 24  # of evidence in a chapter
PARTS = ("explains", "leads to", "evidence", "decides", "remedy")
_SIDE = re.compile(r"(Needed|Telling|For|Against): *(.*)")
_LINE = re.compile(r"(Look|Do|Call|Open): *(.*)")
_ID = re.compile(r"#[a-z0-9][a-z0-9-]{0,79}")
_BRACES = re.compile(r"\{([^{}]*)\}")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ParsedCauses:
    """The chapters as far as they could be understood. `last_lines`: where each ends, in their order."""

    causes: tuple[Cause, ...] = ()
    problems: tuple[RunbookProblem, ...] = ()
    last_lines: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CauseLibrary:
    """The causes in force, and what could not be taken: (file, problem) pairs.

    A chapter of the team's with a problem in it is not taken; ours, if there is one of that id, stays. `unknown` are
    causes and scenarios that a chapter names and that there are not: it is taken all the same.
    """

    causes: tuple[Cause, ...] = ()
    problems: tuple[tuple[str, RunbookProblem], ...] = ()
    unknown: tuple[tuple[str, RunbookProblem], ...] = ()

    def cause(self, id: str) -> Cause | None:
        return next((each for each in self.causes if each.id == id), None)


def load(
    settings: Settings,
    catalogue: Catalogue,
    probes: Mapping[str, Probe] | None = None,
    scenarios: Iterable[str] | None = None,
) -> CauseLibrary:
    """Our causes with the team's over them, in the order of the files' names. `catalogue`: what a remedy may name.

    `scenarios` are the ids of the scenarios in force; None: they are not checked. Raises SettingsError when the folder
    can't be read.
    """
    probes = known_probes(settings) if probes is None else probes
    causes = {each.id: each for each in shipped().causes}
    wrong: list[tuple[str, RunbookProblem]] = []
    taken: dict[str, str] = {}
    for file in library.team_files(settings.runbooks):
        try:
            parsed = parse(library.read(file), str(file))
        except SettingsError:
            continue  # the library of scenarios says so
        found = problems(parsed, catalogue, probes)
        wrong += [(str(file), problem) for problem in found]
        for cause in _sound(parsed, found):
            if cause.id in taken:
                again = RunbookProblem(line=cause.line, text=f"{cause.id} is already in {taken[cause.id]}")
                wrong.append((str(file), again))
                continue
            taken[cause.id] = str(file)
            causes[cause.id] = cause
    in_force = tuple(causes.values())
    known = None if scenarios is None else frozenset(scenarios)
    unknown = [
        (cause.origin or str(SHIPPED), problem) for cause in in_force for problem in unknown_names(cause, causes, known)
    ]
    return CauseLibrary(causes=in_force, problems=tuple(wrong), unknown=tuple(unknown))


@cache
def shipped() -> ParsedCauses:
    """The chapters that come with the console; read once."""
    return parse(library.read(SHIPPED))


def parse(text: str, origin: str = "") -> ParsedCauses:
    """Read the causes of a runbook's Markdown. `origin` is the file's name, kept in each cause."""
    if len(text) > MAX_CHARACTERS:
        return ParsedCauses(problems=(RunbookProblem(line=1, text=f"over {MAX_CHARACTERS:,} characters long"),))
    reader = _CauseReader(origin)
    with markdown.sections(text) as document:
        reader.document(document)
    return ParsedCauses(
        causes=tuple(reader.causes),
        problems=tuple(sorted(set(reader.problems))),
        last_lines=tuple(reader.last_lines),
    )


def check(
    text: str, catalogue: Catalogue, probes: Mapping[str, Probe] | None = None, scenarios: Iterable[str] | None = None
) -> tuple[RunbookProblem, ...]:
    """Everything in the causes of a runbook's Markdown that can't be understood, by line. `scenarios`: ids in force."""
    parsed = parse(text)
    ids = [each.id for each in (*shipped().causes, *parsed.causes)]
    known = None if scenarios is None else frozenset(scenarios)
    unknown = (problem for cause in parsed.causes for problem in unknown_names(cause, ids, known))
    found = problems(parsed, catalogue, known_probes() if probes is None else probes)
    return tuple(sorted({*found, *unknown}))


def problems(parsed: ParsedCauses, catalogue: Catalogue, probes: Mapping[str, Probe]) -> tuple[RunbookProblem, ...]:
    """The notation's problems and the names', by line."""
    checker = NameChecker(catalogue, probes)
    for cause in parsed.causes:
        scope = NameScope({cause.kind: cause.kind} if cause.kind else {})
        for rule in cause.evidence:
            checker.condition(rule.condition, rule.line, scope.inner())
        for call in cause.decides:
            checker.look(call, cause.line, scope.inner())
        if cause.remedy is not None:
            checker.do(cause.remedy, cause.line, scope.inner())
    return tuple(sorted({*parsed.problems, *checker.problems}))


def unknown_names(cause: Cause, causes: Iterable[str], scenarios: frozenset[str] | None) -> tuple[RunbookProblem, ...]:
    """What the cause names although there is no cause, or no scenario, of that id."""
    known = set(causes)
    found = [
        RunbookProblem(line=cause.line, text=f"there is no cause #{other}{did_you_mean(other, known)}")
        for other in cause.causes
        if other not in known
    ]
    if cause.scenario and scenarios is not None and cause.scenario not in scenarios:
        text = f"there is no scenario #{cause.scenario}{did_you_mean(cause.scenario, scenarios)}"
        found.append(RunbookProblem(line=cause.line, text=text))
    return tuple(found)


def _sound(parsed: ParsedCauses, found: Iterable[RunbookProblem]) -> tuple[Cause, ...]:
    """The causes without a problem between their first line and their last."""
    lines = [problem.line for problem in found]
    pairs = zip(parsed.causes, parsed.last_lines, strict=True)
    return tuple(cause for cause, last in pairs if not any(cause.line <= line <= last for line in lines))


@dataclass
class _Draft:
    """What the lists of a chapter gave so far."""

    explains: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    evidence: list[EvidenceRule] = field(default_factory=list)
    decides: list[Call] = field(default_factory=list)
    remedy: Call | None = None
    remedy_text: str = ""
    scenario: str = ""


class _CauseReader:
    """One pass over a document's sections."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.problems: list[RunbookProblem] = []
        self.causes: list[Cause] = []
        self.last_lines: list[int] = []
        self.lines: dict[str, int] = {}

    def document(self, section: MarkdownSection) -> None:
        for part in section.sections:
            if part.title.casefold() == CAUSES:
                for chapter in part.sections:
                    self._chapter(chapter)
            else:
                self.document(part)

    def _wrong(self, line: int, text: str) -> None:
        self.problems.append(RunbookProblem(line=line, text=text))

    def _chapter(self, section: MarkdownSection) -> None:
        kind = self._kind(section)
        name = self._id_of(section.codes, section.line) or slug(section.title)
        if not name:
            self._wrong(section.line, "the heading holds no word that could name it: add `#a-name`")
        elif self.lines.setdefault(name, section.line) != section.line:
            self._wrong(section.line, f"{name} is already the id of line {self.lines[name]}: add `#another-name`")
        draft = _Draft()
        for part in section.sections:
            self._part(part, draft, kind)
        if not draft.explains:
            self._wrong(section.line, f"{section.title!r} explains nothing: it would never be named")
        if not draft.evidence:
            self._wrong(section.line, f"{section.title!r} has no evidence: nothing would ever speak for it")
        if len(draft.evidence) > MOST_LINES:
            self._wrong(section.line, f"{section.title!r} has more than {MOST_LINES} lines of evidence")
        self.last_lines.append(section.last_line)
        self.causes.append(
            Cause(
                id=name,
                title=section.title,
                kind=kind,
                prose=" ".join(markdown.prose(section.blocks)),
                explains=tuple(draft.explains),
                causes=tuple(draft.causes),
                evidence=tuple(draft.evidence[:MOST_LINES]),
                decides=tuple(draft.decides),
                remedy=draft.remedy,
                remedy_text=draft.remedy_text,
                scenario=draft.scenario,
                origin=self.origin,
                line=section.line,
            )
        )

    def _kind(self, section: MarkdownSection) -> str:
        """The kind of the target that the title names in braces; "" for none."""
        names = list(dict.fromkeys(_BRACES.findall(section.title)))
        for name in names:
            if name not in TARGETS or name not in KINDS:
                self._wrong(section.line, f"{{{name}}} is no kind of target; there are {', '.join(TARGETS)}")
        if len(names) > 1:
            self._wrong(section.line, f"a cause has one target, not {' and '.join(names)}")
        return names[0] if len(names) == 1 and names[0] in TARGETS else ""

    def _part(self, part: MarkdownSection, draft: _Draft, kind: str) -> None:
        title = part.title.casefold()
        if title not in PARTS:
            if close := did_you_mean(title, PARTS):
                self._wrong(part.line, f"{part.title} is prose here{close}")
            return
        for child in part.sections:
            self._wrong(child.line, f"nothing beneath {part.title} is read past this heading")
        for block in part.blocks:
            if block.type == "blockquote" or (block.type == "paragraph" and title == "evidence" and _marked(block)):
                self._wrong(markdown.line_of(block), "this is no item of a list, so it is not read")
        for item in markdown.items(part.blocks):
            line, words, codes = _head(item)
            if title == "explains":
                draft.explains += self._explained(line, words, codes, kind)
            elif title == "leads to":
                draft.causes += [named] if (named := self._reference(codes, line)) else []
            elif title == "evidence":
                self._evidence(line, words, codes, draft)
            else:
                self._do(line, words, codes, draft, title)

    def _explained(self, line: int, words: str, codes: tuple[tuple[str, int], ...], kind: str) -> list[str]:
        found = [code for code, _ in codes]
        if not found:
            self._wrong(line, "it says between backticks what the reason is about, such as `purchases`")
        for subject in found:
            for name in _BRACES.findall(subject):
                if name != kind:
                    self._wrong(line, f"`{subject}`: the title does not name {{{name}}}")
            if "*" in subject[:-1]:
                self._wrong(line, f"`{subject}`: a * stands only at the end")
        return found

    def _evidence(self, line: int, words: str, codes: tuple[tuple[str, int], ...], draft: _Draft) -> None:
        match = _SIDE.fullmatch(words)
        if match is None:
            self._wrong(line, "evidence begins with Needed:, Telling:, For: or Against:")
            return
        title = match[2].strip(" ,:")
        if not title:
            self._wrong(line, f"{match[1]} says nothing to a person: put words before the backticks")
        if len(codes) != 1:
            self._wrong(line, f"{match[1]}: holds exactly one condition between backticks, here are {len(codes)}")
            return
        condition = self._tried(codes[0], expression.condition)
        if condition is not None:
            draft.evidence.append(
                EvidenceRule(side=Side(match[1].lower()), title=title, condition=condition, line=line)
            )

    def _do(self, line: int, words: str, codes: tuple[tuple[str, int], ...], draft: _Draft, title: str) -> None:
        match = _LINE.fullmatch(words)
        wanted = ("Look",) if title == "decides" else ("Do", "Call", "Open")
        if match is None or match[1] not in wanted:
            self._wrong(line, f"this begins with {' or '.join(f'{word}:' for word in wanted)}")
            return
        if match[1] == "Open":
            draft.scenario = self._reference(codes, line)
            return
        if match[1] == "Call":
            draft.remedy_text = draft.remedy_text or match[2].strip(" ,:")
            return
        if len(codes) != 1:
            self._wrong(line, f"{match[1]}: holds exactly one call between backticks, here are {len(codes)}")
            return
        call = self._tried(codes[0], expression.call)
        if call is None:
            return
        if match[1] == "Look":
            draft.decides.append(call)
        elif draft.remedy is not None:
            self._wrong(line, "a cause has one remedy: the scenario that it opens holds the others")
        else:
            draft.remedy, draft.remedy_text = call, match[2].strip(" ,:")

    def _reference(self, codes: tuple[tuple[str, int], ...], line: int) -> str:
        name = self._id_of(codes, line)
        if not name:
            self._wrong(line, "it holds an `#id` between backticks")
        return name

    def _id_of(self, codes: Iterable[tuple[str, int]], line: int) -> str:
        """The id that `#...` gives, "" where there is none."""
        marks = [(code, at) for code, at in codes if code.startswith("#")]
        for code, at in marks[1:]:
            self._wrong(at or line, f"`{code}` is a second id")
        if not marks:
            return ""
        if not _ID.fullmatch(marks[0][0]):
            text = f"`{marks[0][0]}` is no id: write `#`, then small letters, digits and hyphens"
            self._wrong(marks[0][1] or line, text)
            return ""
        return marks[0][0][1:]

    def _tried(self, code: tuple[str, int], read: Callable[[str], T]) -> T | None:
        try:
            return read(code[0])
        except Misread as error:
            self._wrong(code[1], str(error))
            return None


def _head(item: SyntaxTreeNode) -> tuple[int, str, tuple[tuple[str, int], ...]]:
    """The line, words and code spans of an item's first paragraph."""
    first = item.children[0] if item.children else None
    if first is None or first.type != "paragraph":
        return markdown.line_of(item), "", ()
    return (markdown.line_of(first), *markdown.spoken(first))


def _marked(block: SyntaxTreeNode) -> bool:
    return _SIDE.fullmatch(markdown.spoken(block)[0]) is not None
