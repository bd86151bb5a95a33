"""A signal's reading as versioned JSON, and the reading that such JSON describes."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ..model import Reading
from ..signals.registry import value_type
from ..text.sanitize import clean

VERSION = 1  # of RecordedReading
NO_VALUE = msgspec.Raw(b"null")
_MICROSECOND = timedelta(microseconds=1)


class RecordedReading(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A reading as its row holds it. `taken` and `attempted` are microseconds from the row's time."""

    version: int
    every: float = 0.0  # seconds
    taken: int | None = None
    attempted: int | None = None
    error: str | None = None
    absent: bool = False
    denied: bool = False
    value: msgspec.Raw = NO_VALUE


_DECODER = msgspec.json.Decoder(RecordedReading)


def encode(reading: Reading, at: datetime, every: float, error: str | None, value: msgspec.Raw) -> bytes:
    """The JSON of this reading in a row of the time `at`, with this cadence, sentence and value."""
    return msgspec.json.encode(
        RecordedReading(
            version=VERSION,
            every=every,
            taken=_from(at, reading.taken_at),
            attempted=_from(at, reading.attempted_at),
            error=error,
            absent=reading.absent,
            denied=reading.denied,
            value=value,
        )
    )


def decode(text: bytes, signal: str, at: datetime, skipped: Counter[str]) -> Reading | None:
    """The reading of a row; None where this version can make nothing of it, which is counted in `skipped`.

    Raises ValueError where the text is no reading.
    """
    recorded = _DECODER.decode(text)
    if recorded.version > VERSION:
        skipped[f"a reading of {clean(signal, 40)} in version {recorded.version}"] += 1
        return None
    try:
        taken, attempted = _after(at, recorded.taken), _after(at, recorded.attempted)
    except OverflowError as error:
        raise ValueError(f"its times are out of range: {error}") from error
    plain = msgspec.json.decode(recorded.value)
    bare = Reading(
        signal=signal,
        every=recorded.every,
        taken_at=taken,
        attempted_at=attempted,
        error=recorded.error,
        absent=recorded.absent,
        denied=recorded.denied,
    )
    return with_value(bare, plain, skipped)


def with_value(bare: Reading, plain: Any, skipped: Counter[str]) -> Reading | None:
    """The reading with its value made of plain data; None where that can't be, which is counted in `skipped`."""
    signal = clean(bare.signal, 40)
    kind = value_type(bare.signal, plain if isinstance(plain, dict) else ())
    if kind is None:
        skipped[f"the signal {signal}"] += 1
        return None
    if plain is None:
        return bare
    unknown = plain.keys() - {field.name for field in fields(kind)} if isinstance(plain, dict) else ()
    for name in unknown:
        skipped[f"the field {clean(name, 40)} of {signal}"] += 1
    try:
        value = msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        skipped[f"a value of {signal} ({clean(error, 100)})"] += 1
        return None
    return Reading(
        signal=bare.signal,
        every=bare.every,
        value=value,
        taken_at=bare.taken_at,
        attempted_at=bare.attempted_at,
        error=bare.error,
        absent=bare.absent,
        denied=bare.denied,
    )


def _from(at: datetime, time: datetime | None) -> int | None:
    return None if time is None else (time - at) // _MICROSECOND


def _after(at: datetime, microseconds: int | None) -> datetime | None:
    return None if microseconds is None else at + timedelta(microseconds=microseconds)
