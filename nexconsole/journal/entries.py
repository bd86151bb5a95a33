"""An entry of the journal: its fields, its kinds, and the one line of JSON that it is on disk.

A line is `{"id":"<32 hex>","at":...,"writer":{...},"seq":...,"prev":...,"after":...,"kind":...,"data":{...}}`.
`id` is the start of the SHA-256 of the rest of the line, so that a changed line is known by itself.
"""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Self

import msgspec

from ..sources.text import clean
from .processes import started_at

MAX_LINE = 2 * 1024 * 1024  # bytes; a longer line is nobody's entry
_ID_LENGTH = 32
_HEAD = b'{"id":"'
_HEAD_LENGTH = len(_HEAD) + _ID_LENGTH + len(b'",')


class Kind(StrEnum):
    """What an entry records, with the keys of its `data` that others rely on.

    Whoever reads must let other kinds pass: later versions write more of them.
    """

    OPENED = "opened"  # title, level: the declared severity or "", since: when severity was first judged, or ""
    SEVERITY = "severity"  # level, because: [sentence]; as the rules judge it
    DECLARED = "declared"  # level, reason; as a person judges it
    ROLE = "role"  # role: commander, operator, scribe or observer; person: whose it is from now on, "" for nobody's
    SEEN = "seen"  # subject, state, text: something that changed by itself; the same state twice is one event
    FIGURES = "figures"  # figures: {name: number or null}; how things stood, taken once in a while
    STEP = "step"  # scenario, step, state, reason or answer
    INTENT = "intent"  # operator, plan: Plan.as_dict(); written before anything is sent, else with late: true
    OUTCOME = "outcome"  # intent: that entry's id, outcome: {state, answer, touched}
    VERDICT = "verdict"  # intent: that entry's id, verdict: {state, because}
    UNDO = "undo"  # intent: the undone entry's id, by: the id of the intent that undid it
    NOTE = "note"  # text
    PROPOSED = "proposed"  # operator, plan: Plan.as_dict(), until, needs: "objection" or "approval"
    OBJECTED = "objected"  # proposal: that entry's id, reason
    APPROVED = "approved"  # proposal: that entry's id
    STOPPED = "stopped"  # proposal: that entry's id, reason: why nothing was sent
    CLOSED = "closed"  # reason


class Writer(msgspec.Struct, frozen=True, order=True):
    """A console: who sits there, on which host, its process and when that started (UTC)."""

    operator: str
    host: str
    pid: int
    start: Annotated[datetime, msgspec.Meta(tz=True)]

    @classmethod
    def here(cls, operator: str) -> Self:
        """This process; asked twice it is the same writer."""
        return cls(clean(operator, 100), socket.gethostname(), os.getpid(), started_at(os.getpid()) or _IMPORTED)

    def __str__(self) -> str:
        return clean(self.operator, 100)


_IMPORTED = datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry as it was read. `line` is its bytes, without the line's end; everything else is in there.

    `seq` counts a writer's entries in one journal from 1 and `prev` is the SHA-256 of the one before ("" at
    first); `after` is the id of the entry, whoever's, that stood last in the file when this one was written.
    """

    id: str
    at: datetime
    writer: Writer
    seq: int
    prev: str
    after: str
    kind: str
    data: dict[str, Any]
    line: bytes = field(repr=False, compare=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the line, as the writer's next entry has it in `prev`."""
        return hashlib.sha256(self.line).hexdigest()

    @cached_property
    def intact(self) -> bool:
        """Whether the line is as it was written."""
        return self.line.startswith(_HEAD) and _id(b"{" + self.line[_HEAD_LENGTH:]) == self.id


class _Line(msgspec.Struct, kw_only=True):
    id: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    writer: Writer
    seq: Annotated[int, msgspec.Meta(ge=1)]
    prev: str
    after: str
    kind: str
    data: dict[str, Any]


_DECODER = msgspec.json.Decoder(_Line)


def decode(line: bytes) -> Entry:
    """The entry that a line holds; unknown fields and kinds are kept in `line`. Raises ValueError."""
    if len(line) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE} bytes")
    try:
        read = _DECODER.decode(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    fields = {name: getattr(read, name) for name in _Line.__struct_fields__}
    try:
        at = read.at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is of a time that no calendar has") from error
    return Entry(**fields | {"at": at, "line": line})


def make(*, at: datetime, writer: Writer, seq: int, prev: str, after: str, kind: str, data: dict[str, Any]) -> Entry:
    """A new entry with its line and id. `data` holds only what JSON can."""
    when = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    rest = {"at": when, "writer": writer, "seq": seq, "prev": prev, "after": after, "kind": kind, "data": data}
    body = msgspec.json.encode(rest)
    id = _id(body)
    line = _HEAD + id.encode() + b'",' + body[1:]
    return Entry(id=id, at=at, writer=writer, seq=seq, prev=prev, after=after, kind=kind, data=data, line=line)


def beginning_of(id: str) -> bytes:
    """The bytes that a line with this id begins with."""
    return _HEAD + id.encode() + b'"'


def bytes_of(writer: Writer) -> bytes:
    """The bytes that every line of this writer holds."""
    return b'"writer":' + msgspec.json.encode(writer) + b","


def _id(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:_ID_LENGTH]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with a journal. `line` counts from 1; 0 is the file as a whole.

    what: torn, unreadable, edited, duplicated, reordered, missing.
    """

    line: int
    what: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Entries:
    """What a journal held, in the order of the file, and what could not be read of it."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()
