"""Markdown -> Runbook. A person reads prose; what the console runs is found by these words, and by no others:

    ## Severity levels        ### SEV-1: Critical      a list; a rule may hold a condition
    ### 1. Title (SEV-2)      a scenario               `#id` in the heading, or the title, names it
    #### Trigger              a list, each with a condition
    #### Explains             a list: the `#id` of a scenario that comes after this one, and when
    #### Steps                a list of Look:, Do:, Ask: and If, steps nested beneath an If
    ## Emergency commands     ### Title                #### Steps
                              ### Title (SEV-3)        the same with a #### Trigger, which opens it like a scenario
    ## Causes                 ### Title                what `causes/chapters.py` reads

What a look before an Ask finds under the same name stands in the line when it is asked.
Everything else is prose. What can't be understood is a Problem with its line; nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from . import expression, markdown
from .expression import Misread
from .model import (
    Branch,
    Call,
    Explained,
    Parsed,
    Question,
    Runbook,
    RunbookProblem,
    Scenario,
    SeverityLevel,
    SeverityRule,
    Step,
    Trigger,
)

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

    from .markdown import MarkdownSection

MAX_CHARACTERS = 500_000
MAX_DEPTH = 6
CAUSES = "causes"  # the heading, small, beneath which chapters of causes stand
SEVERITIES = ("SEV-1", "SEV-2", "SEV-3")
_SCENARIO = re.compile(r"(?:(\d{1,4})\. *)?(.*?) *\((SEV-[^)]*)\)")
_LEVEL = re.compile(r"(SEV-\d+): *(.+)")
_STEP = re.compile(r"(?:(Look|Do|Ask):|(If)\b) *(.*)")
_ID = re.compile(r"#[a-z0-9][a-z0-9-]{0,79}")
T = TypeVar("T")


def parse(text: str, origin: str = "") -> Parsed:
    """Read a runbook as far as it can be understood. `origin` is the file's name, kept in each scenario."""
    if len(text) > MAX_CHARACTERS:
        return Parsed(
            runbook=Runbook(), problems=(RunbookProblem(line=1, text=f"over {MAX_CHARACTERS:,} characters long"),)
        )
    reader = _Reader(origin)
    with markdown.sections(text) as document:
        reader.document(document)
    problems = tuple(sorted(set(reader.problems)))
    book = Runbook(levels=tuple(reader.levels), scenarios=tuple(reader.scenarios), commands=tuple(reader.commands))
    return Parsed(runbook=book, problems=problems, lines=reader.lines, has_causes=reader.has_causes)


@dataclass(frozen=True)
class _Place:
    """Where a step stands: its scenario's id, the id of what it is nested in, and how deep."""

    scenario: str
    path: str
    depth: int


@dataclass(frozen=True, kw_only=True)
class _HeadingLine:
    """A step's first paragraph taken apart, and the text of the others. `marked` is the explicit id."""

    line: int
    title: str
    marked: str
    codes: tuple[tuple[str, int], ...]
    detail: str


class _Reader:
    """One pass over a document's sections."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.problems: list[RunbookProblem] = []
        self.levels: list[SeverityLevel] = []
        self.scenarios: list[Scenario] = []
        self.commands: list[Scenario] = []
        self.lines: dict[str, int] = {}
        self.has_causes = False

    def document(self, section: MarkdownSection) -> None:
        for part in section.sections:
            title = part.title.casefold()
            if title == "severity levels":
                named = (child for child in part.sections if child.title.upper().startswith("SEV"))
                self.levels += filter(None, map(self._level, named))
            elif title == "emergency commands":
                self.commands += [self._command(command) for command in part.sections]
            elif title == CAUSES:
                self.has_causes = True
            elif _SCENARIO.fullmatch(part.title):
                self._scenario(part)
            else:
                for child in part.sections if title == "scenarios" else ():
                    if not _SCENARIO.fullmatch(child.title):
                        self._wrong(child.line, "a scenario's heading ends with its severity, such as (SEV-2)")
                self.document(part)

    def _wrong(self, line: int, text: str) -> None:
        self.problems.append(RunbookProblem(line=line, text=text))

    def _tried(self, line: int, read: Callable[[str], T], text: str) -> T | None:
        try:
            return read(text)
        except Misread as error:
            self._wrong(line, str(error))
            return None

    # --- severity levels --------------------------------------------------------------------------------------

    def _level(self, section: MarkdownSection) -> SeverityLevel | None:
        match = _LEVEL.fullmatch(section.title)
        if match is None or match[1] not in SEVERITIES:
            self._wrong(section.line, "a severity level's heading reads like SEV-1: Critical, for SEV-1 to SEV-3")
            return None
        rules = []
        for item in markdown.items(section.blocks):
            line, title, codes = self._head(item)
            if len(codes) > 1:
                self._wrong(codes[1][1], "a rule holds at most one condition between backticks")
            read = self._tried(codes[0][1], expression.condition, codes[0][0]) if codes else None
            if read is not None or not codes:
                rules.append(SeverityRule(title=title, line=line, condition=read))
        if not rules:
            self._wrong(section.line, f"{match[1]} has no rule: list what makes it one")
        return SeverityLevel(name=match[1], title=match[2], line=section.line, rules=tuple(rules))

    # --- scenarios --------------------------------------------------------------------------------------------

    def _scenario(self, section: MarkdownSection) -> None:
        match = _SCENARIO.fullmatch(section.title)
        assert match is not None
        severity = match[3]
        if severity not in SEVERITIES:
            self._wrong(section.line, f"there is no severity {severity}; there are {', '.join(SEVERITIES)}")
        chapter = self._chapter(section, match[1] or "", match[2], severity)
        self.scenarios += [chapter] if severity in SEVERITIES else []

    def _command(self, section: MarkdownSection) -> Scenario:
        """An emergency command; what opens it by itself needs a severity, to stand among the scenarios that fit."""
        match = _SCENARIO.fullmatch(section.title)
        if match is not None and match[3] in SEVERITIES:
            return self._chapter(section, match[1] or "", match[2], match[3])
        chapter = self._chapter(section, "", section.title, "")
        if chapter.triggers:
            self._wrong(section.line, "a command with a trigger says its severity in the heading, such as (SEV-3)")
        return replace(chapter, triggers=())

    def _chapter(self, section: MarkdownSection, number: str, title: str, severity: str) -> Scenario:
        name = self._explicit(section.codes, section.line) or slug(title)
        if not name:
            self._wrong(section.line, "the heading holds no word that could name it: add `#a-name`")
        elif self.lines.setdefault(name, section.line) != section.line:
            self._wrong(section.line, f"{name} is already the id of line {self.lines[name]}: add `#another-name`")
        triggers: list[Trigger] = []
        explains: list[Explained] = []
        steps: list[Step | Branch] = []
        for part in section.sections:
            if part.title.casefold() in ("trigger", "triggers", "explains", "steps"):
                self._only_lists(part)
            if part.title.casefold() in ("trigger", "triggers"):
                triggers += filter(None, map(self._trigger, markdown.items(part.blocks)))
            elif part.title.casefold() == "explains":
                explains += filter(None, map(self._explained, markdown.items(part.blocks)))
            elif part.title.casefold() == "steps":
                steps += self._steps(markdown.items(part.blocks), _Place(name, name, 1))
        if severity and not triggers:
            self._wrong(section.line, f"the scenario {title!r} has no trigger: nothing would ever open it")
        if not steps:
            self._wrong(section.line, f"{title!r} has no steps")
        return Scenario(
            id=name,
            number=number,
            title=title,
            severity=severity,
            triggers=tuple(triggers),
            explains=tuple(explains),
            steps=tuple(steps),
            line=section.line,
            last_line=section.last_line,
            prose=markdown.prose(section.blocks),
            origin=self.origin,
        )

    def _only_lists(self, section: MarkdownSection) -> None:
        """Complain about what looks as if it were run and is not."""
        for block in section.blocks:
            line = markdown.line_of(block)
            if block.type == "blockquote":
                self._wrong(line, "what is quoted is not run: write it as a list")
            elif block.type == "paragraph" and _STEP.fullmatch(markdown.spoken(block)[0]):
                self._wrong(line, "this is no item of a list, so it is not run: put a `-` or a number before it")
        for child in section.sections:
            self._wrong(child.line, f"nothing beneath {section.title} is run past this heading")

    def _explicit(self, codes: Iterable[tuple[str, int]], line: int) -> str:
        """The id that `#...` gives, "" where there is none."""
        marks = [(code, at) for code, at in codes if code.startswith("#")]
        for code, at in marks[1:]:
            self._wrong(at, f"`{code}` is a second id")
        if not marks:
            return ""
        code, at = marks[0]
        if not _ID.fullmatch(code):
            self._wrong(at or line, f"`{code}` is no id: write `#`, then small letters, digits and hyphens")
        return code[1:] if _ID.fullmatch(code) else ""

    def _trigger(self, item: SyntaxTreeNode) -> Trigger | None:
        line, title, codes = self._head(item)
        if len(codes) != 1:
            self._wrong(line, "a trigger holds exactly one condition between backticks")
            return None
        read = self._tried(codes[0][1], expression.condition, codes[0][0])
        return Trigger(title=title, line=line, condition=read) if read else None

    def _explained(self, item: SyntaxTreeNode) -> Explained | None:
        line, title, codes = self._head(item)
        name = self._explicit(codes, line)
        conditions = [code for code in codes if not code[0].startswith("#")]
        if not name or len(conditions) > 1:
            self._wrong(line, "it holds the `#id` of a scenario, and at most one condition, between backticks")
            return None
        read = self._tried(conditions[0][1], expression.condition, conditions[0][0]) if conditions else None
        return None if conditions and read is None else Explained(scenario=name, title=title, line=line, condition=read)

    # --- steps ------------------------------------------------------------------------------------------------

    def _steps(self, items: Iterable[SyntaxTreeNode], place: _Place) -> list[Step | Branch]:
        return [read for item in items if (read := self._step(item, place))]

    def _step(self, item: SyntaxTreeNode, place: _Place) -> Step | Branch | None:
        line, words, codes = self._head(item)
        match = _STEP.fullmatch(words)
        if match is None:
            self._wrong(line, "this is neither look nor do nor ask: begin with Look:, Do:, Ask: or If")
            return None
        kind, title = (match[1] or match[2]).lower(), match[3].strip(" ,:")
        if not title:
            self._wrong(line, f"{match[1] or match[2]} says nothing to a person: put words before the backticks")
        head = _HeadingLine(
            line=line,
            title=title,
            marked=self._explicit(codes, line),
            codes=tuple(code for code in codes if not code[0].startswith("#")),
            detail=" ".join(markdown.prose(item.children[1:])),
        )
        nested = list(markdown.items(item.children[1:]))
        if kind == "if":
            return self._branch(head, nested, place)
        if nested:
            self._wrong(markdown.line_of(nested[0]), f"only an If has steps beneath it, not {match[1]}:")
        read = self._content(kind, head)
        if read is None:
            return None
        key = (read.name or title) if isinstance(read, Question) else " ".join(_words(read))
        step = Step(kind=kind, id=self._id(head, place, key), title=title, line=line, detail=head.detail)
        return replace(step, question=read) if isinstance(read, Question) else replace(step, call=read)

    def _content(self, kind: str, head: _HeadingLine) -> Call | Question | None:
        """The Call of a look or a do, the Question of an ask; None where that is not clear."""
        if kind == "ask" and not head.codes:
            return Question()
        if len(head.codes) != 1:
            wanted = {"look": "probe", "do": "action"}.get(kind, "answer's name")
            found = f"between backticks, here are {len(head.codes)}"
            self._wrong(head.line, f"{kind.title()}: holds exactly one {wanted} {found}")
            return None
        code, line = head.codes[0]
        if kind == "ask":
            return self._tried(line, expression.question, code)
        return self._tried(line, expression.call, code)

    def _branch(self, head: _HeadingLine, nested: list[SyntaxTreeNode], place: _Place) -> Branch | None:
        if len(head.codes) != 1:
            self._wrong(head.line, f"If holds exactly one condition between backticks, here are {len(head.codes)}")
            return None
        if place.depth > MAX_DEPTH:
            self._wrong(head.line, f"conditions are nested deeper than {MAX_DEPTH}: make it a scenario of its own")
            return None
        if not nested:
            self._wrong(head.line, "nothing stands beneath this If: nest the steps that it is for")
        read = self._tried(head.codes[0][1], expression.condition, head.codes[0][0])
        if read is None:
            return None
        name = self._id(head, place, _spelled(read.text))
        steps = self._steps(nested, _Place(place.scenario, name, place.depth + 1))
        return Branch(id=name, title=head.title, line=head.line, condition=read, detail=head.detail, steps=tuple(steps))

    def _id(self, head: _HeadingLine, place: _Place, key: str) -> str:
        name = f"{place.scenario}/{head.marked}" if head.marked else f"{place.path}/{slug(key, '.')}"
        if self.lines.setdefault(name, head.line) != head.line:
            again = f"line {self.lines[name]} has the same id, {name}: add `#a-name` to one of them"
            self._wrong(head.line, again)
        return name

    def _head(self, item: SyntaxTreeNode) -> tuple[int, str, tuple[tuple[str, int], ...]]:
        """The line, words and code spans of an item's first paragraph."""
        first = item.children[0] if item.children else None
        if first is None or first.type != "paragraph":
            return markdown.line_of(item), "", ()
        return (markdown.line_of(first), *markdown.spoken(first))


def _words(call: Call) -> list[str]:
    """A call's name and plain arguments, for an id: which provider is meant changes from night to night."""
    return [call.name, *(word for word in call.arguments if expression.placeholder(word) is None)]


def _spelled(condition: str) -> str:
    """A condition for an id: signs as words, so that > and < make two, and never a look's."""
    signs = {">=": "at-least", "<=": "at-most", ">": "over", "<": "under"}
    return " ".join(("if", *(signs.get(word, word) for word in condition.split())))


def slug(text: str, keep: str = "") -> str:
    """Small letters and digits joined by hyphens; of the signs only those in `keep` stay."""
    return re.sub(rf"[^\w{re.escape(keep)}]+", "-", text.casefold().replace("_", "-")).strip("-")[:120].strip("-")
