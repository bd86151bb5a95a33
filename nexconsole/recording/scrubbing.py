"""Values as JSON without secrets. A value that differs from a harmless one in numbers and times alone is harmless too.

Scrubbing is most of what recording a reading costs, and most readings repeat the texts of the one before.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..journal import Scrubber
from ..model import Value
from ..settings import Settings
from .values import NO_VALUE

REMEMBERED = 5_000  # texts
MOST_BYTES, MOST_COMMAS = 200_000, 5_000  # what has more may have to be cut, whatever its texts are
_TIME = re.compile(rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)"')
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*":?')  # of a key with its colon: a secret is told by its key


class ValueScrubber:
    """`texts` are all texts of each signal's last value that had nothing to hide and nothing to cut."""

    def __init__(self, settings: Settings) -> None:
        self._scrub = Scrubber.of(settings, remembered=REMEMBERED)
        self._texts: dict[str, bytes] = {}

    def sentence(self, sentence: str) -> str:
        """A sentence without secrets."""
        return str(self._scrub({"sentence": sentence})["sentence"])

    def value(self, signal: str, value: Value) -> msgspec.Raw:
        """The value's JSON; what was left out of it is said in its notes. NO_VALUE where it was too large."""
        raw = _encoded(value)
        texts = _texts(raw)
        if texts is not None and texts == self._texts.get(signal):
            return msgspec.Raw(raw)
        scrubbed = self._scrub({"value": value})
        plain: Any = scrubbed.get("value")
        if plain is None:
            return NO_VALUE
        if left_out := scrubbed.get("cut"):
            plain["notes"] = [*plain.get("notes", ()), *(f"not recorded: {sentence}" for sentence in left_out)]
        harmless = msgspec.json.encode(plain)
        if texts is not None and harmless == raw:
            self._texts[signal] = texts
        return msgspec.Raw(harmless)


def _encoded(value: Value) -> bytes:
    """The value's JSON as it is; empty where it has none without scrubbing."""
    try:
        return msgspec.json.encode(value, enc_hook=str)
    except (TypeError, ValueError, RecursionError):  # such as half a character
        return b""


def _texts(raw: bytes) -> bytes | None:
    """All keys and texts, in order, but times; None where the value must be scrubbed in any case."""
    if not raw or len(raw) > MOST_BYTES or raw.count(b",") > MOST_COMMAS:
        return None
    return b"".join(_TEXT.findall(_TIME.sub(b'""', raw)))
