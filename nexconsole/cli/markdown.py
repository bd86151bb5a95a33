"""Markdown drawn for a terminal. Nothing is left out: a word that is too long for its column is broken."""

from __future__ import annotations

import io

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, TableElement
from rich.table import Table
from rich.theme import Theme

# The terminal's own colours, so that it can be read on a dark and on a light ground.
STYLES = Theme(
    {
        "markdown.h1": "bold underline",
        "markdown.h2": "bold underline",
        "markdown.h3": "bold",
        "markdown.h4": "italic",
        "markdown.code": "bold",
        "markdown.code_block": "none",
        "markdown.link": "underline",
        "markdown.link_url": "dim",
        "markdown.item.bullet": "none",
        "markdown.item.number": "none",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
    }
)


class _WholeTable(TableElement):
    """A table whose long words are folded. Rich would cut them."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                for column in part.columns:
                    column.overflow = "fold"
            yield part


class _Page(Markdown):
    elements = {**Markdown.elements, "table_open": _WholeTable}  # noqa: RUF012


def drawn(text: str, width: int, colour: bool) -> str:
    """`text` in lines of at most `width` cells, with escapes for emphasis; `colour`: those of colours too."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=True,
        color_system="standard" if colour else None,
        no_color=not colour,
        theme=STYLES,
        legacy_windows=False,
    )
    console.print(_Page(_without_pictures(text), hyperlinks=False, code_theme="bw"))
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


def _without_pictures(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.startswith("!["))
