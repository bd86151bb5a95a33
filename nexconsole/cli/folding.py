"""Prose for a terminal: lines that are wider than it are broken between words, not within them."""

from __future__ import annotations

import shutil
import sys
import textwrap

LEAST = 20  # columns for words: in fewer a line is left as it is


def folded(line: str, width: int, hang: int | None = None) -> str:
    """The line in lines of `width` at most; those after the first begin below `hang`, else below a list's second
    column, else below its first word."""
    inside = len(line) - len(line.lstrip())
    column = line.rfind("  ") + 2 if "  " in line.strip() else inside
    below = column if hang is None else hang
    if len(line) <= width or width - below < LEAST:
        return line
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * below,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def for_terminal(line: str, hang: int | None = None, *, errors: bool = False) -> str:
    """The line as it is printed to standard output (`errors`: to standard error): folded on a terminal, whole in a file
    or a pipe."""
    if not (sys.stderr if errors else sys.stdout).isatty():
        return line
    return folded(line, shutil.get_terminal_size().columns, hang)
