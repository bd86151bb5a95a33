"""Sanitizes and shortens external text once, at the edge of every source.

The result holds no control characters, escape sequences, direction marks or credentials. It may hold brackets and other
markup: who draws it must not parse it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .redaction import redact

MAX_LENGTH = 2_000
NAME_LENGTH = 120
NAMES_CACHED = 10_000

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC with their strings
    r"|\x9b[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, C1
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # marks, isolates, tags
    "\ud800-\udfff]"  # half characters, which no terminal can be sent
)
_SPACES = re.compile(r"[ \t\n]+")


def strip_controls(text: str) -> str:
    """Without escape sequences, control characters and direction marks; tabs and line feeds stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def clean(text: object, limit: int = MAX_LENGTH) -> str:
    """One harmless line of at most `limit` characters, made from anything that came from outside."""
    raw = str(text)
    # A little more than the limit is looked at, so that what is cut away costs nothing, however long it is.
    line = _SPACES.sub(" ", redact(strip_controls(raw[: 4 * limit]))).strip()
    return line if len(line) <= limit and len(raw) <= 4 * limit else line[: limit - 1] + "…"


def clean_name(name: str, limit: int = NAME_LENGTH) -> str:
    """A short text such as a provider's name: the same thousands come again with each reading and each log line."""
    return _known(name, limit) if len(name) <= NAME_LENGTH else clean(name, limit)


@lru_cache(maxsize=NAMES_CACHED)
def _known(name: str, limit: int) -> str:
    return clean(name, limit)
