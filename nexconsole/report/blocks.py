"""The blocks of a report, which Markdown and HTML both render."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    text: str
    strong: bool = False


@dataclass(frozen=True)
class Bullets:
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    text: str


@dataclass(frozen=True)
class ReportTable:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """The place of the chart of figures and severity."""


@dataclass(frozen=True)
class Heading:
    text: str


Block = Text | Bullets | Code | ReportTable | Chart | Heading


@dataclass(frozen=True)
class ReportSection:
    title: str
    blocks: tuple[Block, ...]
