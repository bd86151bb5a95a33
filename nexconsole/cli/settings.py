"""`nexconsole settings`: the effective settings with their origins, or an example file of all that can be set."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from . import printing
from .options import load_for_screens

if TYPE_CHECKING:
    from ..settings import Loaded
    from .parsing import Parser

WIDEST_VALUE = 60  # cells; a longer one moves its origin to the right
JSON_VERSION = 1


def add_arguments(parser: Parser) -> None:
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="the same as JSON; secrets are masked there too")
    meaning = "print a settings file with every key as a comment: its meaning, unit and default"
    forms.add_argument("--example", action="store_true", help=meaning)


def run(options: Namespace) -> int:
    """Print what was asked for; 0. The example needs no settings: it is also printed where those are refused."""
    if options.example:
        from ..screens import key_check
        from ..settings.example import example

        printing.as_utf8()  # TOML is UTF-8
        print(example() + key_check.example(), end="")
        return 0
    loaded = load_for_screens(options, strangers=True)
    print(_as_json(loaded) if options.json else _as_text(loaded))
    return 0


def _as_text(loaded: Loaded) -> str:
    rows = loaded.lines()
    keys, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{key:<{keys}}  {value:<{min(values, WIDEST_VALUE)}}  {origin}" for key, value, origin in rows)


def _as_json(loaded: Loaded) -> str:
    import json

    settings = {key: {"value": value, "origin": origin} for key, value, origin in loaded.rows()}
    return json.dumps({"version": JSON_VERSION, "settings": settings}, indent=2, ensure_ascii=False)
