"""What a page is made of: sections of lines, each with its source and age; and what a page is made from.

Pure: nothing here reads, and nothing draws to a screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from ..model import Reading, SignalKey, State, Value
from ..panes.view import provenance
from ..text.units import clock
from ..widgets.panel import INK_OF_MOOD, LOUDNESS, RenderContext
from ..widgets.spans import Line, Span, cells, cut, dimmed, folded, length, plain

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..journal import Entry
    from ..settings import Settings

V = TypeVar("V", bound=Value)

LABEL = 13  # cells of a fact's name
NARROW = 60  # cells below which a fact's name stands closer
FOLDED = 24  # cells that a long text needs at the end of a line to begin there
LEAST = 3  # lines that a section keeps where there is no room for all of it


@dataclass(frozen=True)
class Section:
    """Lines under a title. `level` is its urgency, as a pane's; `least` lines stay when the page is short of room."""

    title: str
    lines: tuple[Line, ...]
    level: str = "calm"
    provenance: Line = ()
    least: int = LEAST


@dataclass(frozen=True, kw_only=True)
class PageContext:
    """What a page is drawn from: the subject, all readings by signal, its own lookups among them, and the
    journal's entries.

    `width` is that of the lines. `alert_levels` are those of every signal that is not calm.
    """

    subject: Subject
    width: int
    now: datetime
    settings: Settings
    readings: Mapping[str, Reading] = field(default_factory=dict)
    alert_levels: Mapping[str, str] = field(default_factory=dict)
    entries: Sequence[Entry] = ()

    def space(self, signal: str = "") -> RenderContext:
        """What a pane's functions need to know."""
        level = self.alert_levels.get(signal, "calm")
        return RenderContext(self.width, 100, self.now, self.settings, self.readings, level, self.alert_levels)

    def ink(self, signal: str) -> str:
        """The ink of what is wrong by this signal: as loud as the severity rules make it."""
        return INK_OF_MOOD.get(self.alert_levels.get(signal, "calm"), "text")


class SubjectPage(Protocol):
    """A page's module. `headline` says the one thing that matters most; `present` whether the subject is still there,
    None where that is not known."""

    @property
    def NOUN(self) -> str: ...

    @property
    def SIGNALS(self) -> frozenset[str]: ...

    def headline(self, context: PageContext) -> Span: ...

    def present(self, context: PageContext) -> bool | None: ...

    def sections(self, context: PageContext) -> Iterable[Section]: ...


def by_urgency(sections: Iterable[Section]) -> tuple[Section, ...]:
    """The most urgent first, else as they came; what has no line is left out."""
    there = (section for section in sections if section.lines)
    return tuple(sorted(there, key=lambda section: -LOUDNESS.index(section.level)))


def from_signal(
    context: PageContext,
    title: str,
    signal: SignalKey[V],
    draw: Callable[[V], Iterable[Line]],
    *,
    level: str = "calm",
    least: int = LEAST,
    gone: str = "",
) -> Section:
    """A section of one signal's value. Where there is none: one sentence on why. What is stale is dimmed. Where the
    value says that the subject is not there: `gone`, or no section.
    """
    reading = context.readings.get(signal)
    space = context.space(signal)
    state = reading.state(context.now) if reading is not None else State.WAITING
    value = signal.value(context.readings)
    if reading is None or value is None:
        return Section(title, missing(reading, state, context.width), provenance=_plain_provenance(state))
    there = getattr(value, "found", True)
    lines = tuple(draw(value)) if there else sentence(gone, "muted", context.width) if gone else ()
    if lines and state is State.STALE:
        why = f"last good {clock(reading.taken_at)}: {reading.error or 'no newer value has arrived'}"
        lines = (*(dimmed(line) for line in lines), *sentence(f"! {why}", "doubt", context.width))
        level = "stale"
    return Section(title, lines, level, provenance(reading, space), least)


def missing(reading: Reading | None, state: State, width: int) -> tuple[Line, ...]:
    """One sentence in place of a value."""
    if state is State.ABSENT and reading is not None:
        return sentence(f"not known: {reading.error or 'its source is not configured'}", "muted", width)
    if reading is not None and reading.error:
        return sentence(f"! not known: {reading.error}", "doubt", width)
    return sentence("waiting for the first answer", "muted", width)


def _plain_provenance(state: State) -> Line:
    return (("NO DATA", "warn"),) if state is State.ERROR else ()


def sentence(text: object, ink: str, width: int, limit: int = 2000) -> tuple[Line, ...]:
    """A text from anywhere, in lines of this width; nothing of it is left out up to `limit` characters."""
    return tuple(((line, ink),) for line in folded(plain(text, limit), max(8, width)))


def fact(label: str, parts: Span | Iterable[Span], width: int, *, limit: int = 2000) -> tuple[Line, ...]:
    """`label   what is known of it`, wrapped below itself. A part that is text alone must be clean already."""
    spans = (
        [cast("Span", parts)]
        if isinstance(parts, tuple) and isinstance(parts[0], str)
        else cast("Iterable[Span]", parts)
    )
    wide = LABEL if width >= NARROW else max(2, min(LABEL - 2, width // 3))
    head = f"{cut(label, wide - 1):<{wide}}"
    lines = wrapped_spans(spans, max(1, width - wide), limit)
    return tuple(((head if n == 0 else " " * wide, "muted"), *line) for n, line in enumerate(lines))


def wrapped_spans(spans: Iterable[Span], width: int, limit: int = 2000) -> list[Line]:
    """Spans one after the other, two blanks between them; one that does not fit begins a new line, or is folded."""
    lines: list[Line] = []
    line: list[Span] = []
    for text, ink in spans:
        if not text:
            continue
        left = width - length(line) - 2 if line else width
        text = text[:limit]
        if line and cells(text) > left and (left < FOLDED or cells(text) <= width // 2):
            lines.append(tuple(line))
            line, left = [], width
        if cells(text) <= left:
            line += [("  ", "muted"), (text, ink)] if line else [(text, ink)]
            continue
        first = folded(text, left)[0]
        rest = folded(text[len(first) :].lstrip(" "), width)
        lines.append((*line, *((("  ", "muted"),) if line else ()), (first, ink)))
        lines += [((part, ink),) for part in rest[:-1]]
        line = [(rest[-1], ink)]
    return [*lines, tuple(line)] if line else lines


def own_ink(level: str, instead: str = "warn") -> str:
    """The ink of what is wrong with the subject, where the severity rules are silent about it."""
    ink = INK_OF_MOOD.get(level, "text")
    return instead if ink == "text" else ink
