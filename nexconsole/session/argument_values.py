"""What may stand as an argument of an action, as far as readings and settings tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..model import Reading
from ..settings import Settings
from ..signals.registry import signals
from ..signals.signal import Signal

Readings = Mapping[str, Reading]


def argument_values(kind: str, readings: Readings, settings: Settings) -> tuple[str, ...]:
    """The words that are known for this kind of argument (catalogue.KINDS), each once."""
    if kind == "family":
        return tuple(settings.locks.families)
    if kind == "duration":
        return ("30m", "1h", "4h")
    words = (word for signal in signals(settings) for word in _words(signal, kind, readings.get(signal.name)))
    return tuple(dict.fromkeys(words))


def _words(signal: Signal[Any], kind: str, reading: Reading | None) -> Iterable[str]:
    known = signal.arguments.get(kind)
    return known(reading.value) if known is not None and reading is not None and reading.value is not None else ()
