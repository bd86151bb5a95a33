"""What leaves for an agent: masked as on a shared screen, bounded, and marked where it holds others' words.

A text that may hold words from outside (providers' names, log lines, alerts, SQL errors, people's notes) becomes
`{"text": ..., "from": "outside"}`; a plain string is a word of the console's own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from ..journal.redaction import secrets_of
from ..settings import Settings
from ..text.masking import mask
from ..text.sanitize import clean

LONGEST = 600  # characters of a text
MOST = (60, 20, 6, 2)  # members of a list: what is too much with one is tried with the next
LARGEST = 60_000  # bytes of JSON that an answer may have
DEEPEST = 10
SOURCE = "outside"
Told = dict[str, Any]


class Outside:
    """Makes answers of values. It hides the settings' secrets wherever they stand."""

    def __init__(self, settings: Settings) -> None:
        words = [re.escape(word) for word in secrets_of(settings)]
        self._secrets = re.compile("|".join(words)) if words else None

    def masked(self, text: object, limit: int = LONGEST) -> str:
        """One harmless line without secrets and customers' data."""
        line = str(text)[: 8 * limit]
        line = self._secrets.sub("***", line) if self._secrets else line
        return clean(mask(clean(line, 4 * limit)), limit)

    def text(self, text: object, limit: int = LONGEST) -> Told:
        """The same, marked."""
        return {"text": self.masked(text, limit), "from": SOURCE}

    def texts(self, texts: Iterable[object]) -> list[Told]:
        return [self.text(text) for text in texts]

    def data(self, value: Any, depth: int = 0) -> Any:
        """A value as JSON: fields by their names, and every string in it marked but those of a closed set of words."""
        if isinstance(value, Enum):  # a word of a closed set
            return value.value
        if isinstance(value, str):
            return self.text(value)
        if depth > DEEPEST:
            return None
        if isinstance(value, Mapping):
            return [{"name": self.data(name), "value": self.data(one, depth + 1)} for name, one in value.items()]
        if isinstance(value, Collection):
            return [self.data(one, depth + 1) for one in value]
        if is_dataclass(value) and not isinstance(value, type):
            named = {field.name: getattr(value, field.name) for field in fields(value)}
            own = own_words(type(value))
            return {name: one if name in own else self.data(one, depth + 1) for name, one in named.items()}
        if isinstance(value, msgspec.Struct):
            return {name: self.data(getattr(value, name), depth + 1) for name in value.__struct_fields__}
        return _plain(value)


def _plain(value: Any) -> Any:
    """What is no text, as JSON has it."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if isinstance(value, int) or value is None else None


def bounded(answer: Told) -> Told:
    """The answer with as many members of its lists as fit into LARGEST, and how many were left out of each."""
    for most in MOST:
        told: Told = _cut(answer, most)
        if len(msgspec.json.encode(told)) <= LARGEST:
            return told
    return {"too_much": "the answer is too large: ask for less of it"}


def _cut(value: Any, most: int) -> Any:
    if isinstance(value, dict):
        return {str(name): _cut(one, most) for name, one in value.items()}
    if isinstance(value, str):
        return str(value)  # a signal's key is more than a string
    if isinstance(value, list):
        return [_cut(one, most) for one in value[:most]] + [{"left_out": len(value) - most}] * (len(value) > most)
    return value


@cache
def own_words(kind: type) -> frozenset[str]:
    """The fields of a dataclass that can hold no word from outside: their types are closed sets of words."""
    try:
        hints = get_type_hints(kind)
    except (NameError, TypeError):  # a type that is only imported for checking: all of it is marked
        return frozenset()
    return frozenset(name for name, hint in hints.items() if get_origin(hint) is Literal and _are_words(hint))


def _are_words(hint: Any) -> bool:
    return all(isinstance(word, str) for word in get_args(hint))
