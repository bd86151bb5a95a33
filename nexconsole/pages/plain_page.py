"""The page of a subject that has none of its own: what was changed about it."""

from __future__ import annotations

from ..widgets.spans import Span, plain
from .changes import changes
from .section import PageContext, Section, fact

NOUN = ""
SIGNALS = frozenset[str]()


def present(context: PageContext) -> bool | None:
    return None


def headline(context: PageContext) -> Span:
    return plain(context.subject.title, 200), "strong"


def sections(context: PageContext) -> tuple[Section, ...]:
    subject = context.subject
    lines = fact(subject.kind, (plain(subject.id, 500), "text"), context.width)
    for name, word in subject.arguments.items():
        if word != subject.id:
            lines += fact(plain(name, 20), (plain(word, 500), "text"), context.width)
    names = (subject.id, *subject.arguments.values())
    return (Section("What it is", lines), changes(context, *names))
