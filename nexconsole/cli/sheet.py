"""`nexconsole sheet`: prints the stored break-glass sheet. Connects to nothing."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from .options import load

if TYPE_CHECKING:
    from .parsing import Parser


def add_arguments(parser: Parser) -> None:
    """It has the global flags only."""


def run(options: Namespace) -> int:
    """Print the sheet with its age, or one with placeholders where none was kept; 0. Raises FileError."""
    from ..break_glass.sheet import WHOLE, sheet
    from ..break_glass.store import before_file, kept, sheet_file
    from ..model import utc_now
    from ..text.sanitize import strip_controls
    from ..text.units import duration

    settings = load(options).settings
    file, now = sheet_file(settings), utc_now()
    last = kept(file)
    if last is None:
        print(f"No console has kept a sheet in {file}: this one knows no targets.\n")
        text = sheet({}, None, None, settings, now)
    else:
        text, written = last
        print(f"As it was kept in {file}, {duration(now.timestamp() - written)} ago.")
        if WHOLE not in text and before_file(file).exists():
            print(f"An older one that knew everything: {before_file(file)}")
        print()
    sys.stdout.flush()
    sys.stdout.buffer.write(strip_controls(text).encode())
    sys.stdout.buffer.flush()
    return 0
