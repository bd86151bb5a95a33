"""Markdown as sections with blocks, by markdown-it-py. The parser interprets them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..text.sanitize import strip_controls

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

MAX_NESTING = 100  # markdown-it drops silently what is nested deeper; the parser complains long before
MAX_TITLE = 400


@dataclass
class MarkdownSection:
    """A heading with the blocks up to the next one, and the deeper headings beneath it. Lines count from 1."""

    level: int
    title: str
    line: int
    codes: tuple[tuple[str, int], ...] = ()
    blocks: list[SyntaxTreeNode] = field(default_factory=list)
    sections: list[MarkdownSection] = field(default_factory=list)
    last_line: int = 0


@contextmanager
def sections(text: str) -> Iterator[MarkdownSection]:
    """The whole document as one section of level 0, whose blocks are gone afterwards.

    Their nodes point at each other: without this they would stay until garbage is collected, or for good where what
    there is by then is never looked at again. A runbook's are some megabytes.
    """
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    parser = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING})
    last = text.count("\n") + 1
    root = MarkdownSection(0, "", 1, last_line=last)
    path = [root]
    tree = SyntaxTreeNode(parser.parse(text))
    for node in tree.children:
        if node.type != "heading":
            path[-1].blocks.append(node)
            continue
        line = line_of(node)
        level = int(node.tag[1:])
        while path[-1].level >= level:
            path.pop().last_line = line - 1
        title, codes = spoken(node)
        section = MarkdownSection(level, title, line, codes, last_line=last)
        path[-1].sections.append(section)
        path.append(section)
    try:
        yield root
    finally:
        _part(tree)


def _part(tree: SyntaxTreeNode) -> None:
    """No node of it points at another one any more."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        waiting += node.children
        node.children, node.parent = [], None


def line_of(node: SyntaxTreeNode) -> int:
    return node.map[0] + 1 if node.map else 0


def items(blocks: list[SyntaxTreeNode]) -> Iterator[SyntaxTreeNode]:
    """The items of every list among these blocks."""
    for block in blocks:
        if block.type in ("bullet_list", "ordered_list"):
            yield from block.children


def spoken(node: SyntaxTreeNode) -> tuple[str, tuple[tuple[str, int], ...]]:
    """A paragraph's or heading's words without its code spans, and each code span with its line."""
    words: list[str] = []
    codes: list[tuple[str, int]] = []
    line = line_of(node)
    for leaf in _leaves(node):
        if leaf.type in ("softbreak", "hardbreak"):
            line += 1
            words.append(" ")
        elif leaf.type == "code_inline":
            codes.append((_plain(leaf.content), line))
            words.append(" ")
        elif leaf.type in ("text", "html_inline"):
            words.append(leaf.content)
    return _plain("".join(words)), tuple(codes)


def prose(blocks: list[SyntaxTreeNode]) -> tuple[str, ...]:
    """The paragraphs among these blocks as plain text, their code spans in place."""
    paragraphs = (block for block in blocks if block.type == "paragraph")
    return tuple(filter(None, (_plain("".join(_text(leaf) for leaf in _leaves(each))) for each in paragraphs)))


def _text(leaf: SyntaxTreeNode) -> str:
    return " " if leaf.type in ("softbreak", "hardbreak") else leaf.content


def _leaves(node: SyntaxTreeNode) -> Iterator[SyntaxTreeNode]:
    if not node.children:
        yield node
    for child in node.children:
        yield from _leaves(child)


def _plain(text: str) -> str:
    """One line without control characters, escape sequences and direction marks."""
    return " ".join(strip_controls(text).split())[:MAX_TITLE]
