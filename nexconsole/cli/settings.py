"""`nexconsole settings`: the effective settings, one line a key."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from .options import load

if TYPE_CHECKING:
    from .parsing import Parser

WIDEST_VALUE = 60  # cells; a longer one moves its origin to the right


def add_arguments(parser: Parser) -> None:
    """It has the global flags only."""


def run(options: Namespace) -> int:
    rows = load(options).lines()
    keys, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    for key, value, origin in rows:
        print(f"{key:<{keys}}  {value:<{min(values, WIDEST_VALUE)}}  {origin}")
    return 0
