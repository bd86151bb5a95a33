"""An entry of the journal: its fields, its kinds, and the one line of JSON that it is on disk.

A line is `{"id":"<32 hex>","at":...,"writer":{...},"seq":...,"prev":...,"after":...,"hlc":...,"kind":...,"data":...}`.
`id` is the start of the SHA-256 of the rest of the line, so that a changed line is known by itself. A signed entry ends
with `"sig":"<base64>"`, which stands outside of what is signed. Entries of earlier versions have no `hlc`, and no
`account` in their writer.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Self

import msgspec

from ..text.sanitize import clean
from .accounts import own_account
from .processes import started_at
from .shapes import shaped

MAX_LINE = 2 * 1024 * 1024  # bytes; a longer line is nobody's entry
MAX_HLC = (1 << 53) - 1  # microseconds: far beyond LATEST, and a number that JSON readers can hold
MAX_SIGNATURE = 16_000  # characters of base64; one of the largest RSA key has some 3,000
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)  # no clock shows other times
_ID_LENGTH = 32
_HEAD = b'{"id":"'
_SIG = b',"sig":"'
_HEAD_LENGTH = len(_HEAD) + _ID_LENGTH + len(b'",')


class EntryKind(StrEnum):
    """What an entry records, with the keys of its `data` that others rely on.

    Whoever reads must let other kinds pass: later versions write more of them.
    """

    OPENED = "opened"  # title, level: the declared severity or "", since: when severity was first judged, or "",
    # changes: [words], which came before it, as far as its console knew
    SEVERITY = "severity"  # level, because: [sentence]; as the rules judge it
    DECLARED = "declared"  # level, reason; as a person judges it
    ROLE = "role"  # role: commander, operator, scribe or observer; person: whose it is from now on, "" for nobody's
    SEEN = "seen"  # subject, state, text: something that changed by itself; the same state twice is one event
    # cause: its id and target in one word, state: "named" or "withdrawn", title, since: when it began or "", text: one
    # sentence, evidence: [sentence]; a likely cause, as the console ranks it
    CAUSE = "cause"
    FIGURES = "figures"  # figures: {name: number or null}; how things stood, taken once in a while
    STEP = "step"  # scenario, step, state, reason or answer
    # operator, plan: Plan.as_dict(); written before anything is sent, else with late: true. confirms: the id of the
    # agent's proposal that it confirms, proposed_by, proposed_because: in words
    INTENT = "intent"
    OUTCOME = "outcome"  # intent: that entry's id, outcome: {state, answer, touched}
    VERDICT = "verdict"  # intent: that entry's id, verdict: {state, because}
    UNDO = "undo"  # intent: the undone entry's id, by: the id of the intent that undid it
    NOTE = "note"  # text
    # operator, plan: Plan.as_dict(), until, needs: "objection", "approval" or "confirmation" (by an agent: a person
    # confirms it), agent: its name or "", reason: why an agent proposes it, fingerprint: of the agent's plan
    PROPOSED = "proposed"
    OBJECTED = "objected"  # proposal: that entry's id, reason
    APPROVED = "approved"  # proposal: that entry's id
    STOPPED = "stopped"  # proposal: that entry's id, reason: why nothing was sent
    CLOSED = "closed"  # reason
    BROKE_GLASS = "broke_glass"  # plan: Plan.as_dict(), reason: why it is done without the second person that it needs
    NOTIFIED = (
        "notified"  # message, about: ids or "", to: a service, state, reason; untold: messages, where it answers again
    )
    ACKNOWLEDGED = "acknowledged"  # page: its id at the pager, to: the pager, state, reason
    # heads: {a writer's key: {seq, digest}}; the last entry that its console has read of each other writer
    HEAD = "head"


class Proof(StrEnum):
    """What shows that the account that an entry names has written it.

    kernel: the file's owner is that account of this host; signed: that operator's SSH key; none: neither (it came from
    another host, unsigned); earlier: a file of an earlier version, which several accounts shared; unsigned: not signed,
    and the settings demand signatures; forged: the owner or the signature is another's. The last two count for nothing.
    """

    KERNEL = "kernel"
    SIGNED = "signed"
    NONE = "none"
    EARLIER = "earlier"
    UNSIGNED = "unsigned"
    FORGED = "forged"


_Name = Annotated[str, msgspec.Meta(max_length=1000)]


class Writer(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """A console: who sits there, on which host, its process and when that started (UTC), and the process's account.

    `operator` is what that person is called, and may be anything; `account` is who the person is ("" in entries of
    earlier versions, which did not say).
    """

    operator: _Name
    host: _Name
    pid: Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
    start: Annotated[datetime, msgspec.Meta(tz=True)]
    account: _Name = ""

    @classmethod
    def here(cls, operator: str) -> Self:
        """This process; asked twice it is the same writer."""
        start = started_at(os.getpid()) or _IMPORTED
        return cls(clean(operator, 100), socket.gethostname(), os.getpid(), start, own_account())

    @property
    def key(self) -> str:
        """This writer in one word, as heads name it: ACCOUNT@HOST/PID/START."""
        who = clean(f"{self.account or self.operator}@{self.host}", 200)
        return f"{who}/{self.pid}/{self.start.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"

    @property
    def person(self) -> tuple[str, str]:
        """Who wrote it: two consoles of one account are one person. Where no account is told, only the label is."""
        return (self.account, self.host) if self.account else ("", self.operator)

    @property
    def labelled(self) -> bool:
        """Whether the person is called by another name than the account's: that name proves nothing."""
        return bool(self.account) and self.operator.partition("@")[0] != self.account

    def __str__(self) -> str:
        return clean(self.operator, 100) + (f" (account {clean(self.account, 40)})" if self.labelled else "")


_IMPORTED = datetime.now(UTC)
_EPOCH, _TICK = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry as it was read. `line` is its bytes, without the line's end; everything else is in there.

    `seq` counts a writer's entries in one journal from 1 and `prev` is the SHA-256 of the one before ("" at
    first); `after` is the id of the entry, whoever's, that stood last in the file when this one was written.
    `hlc` is a hybrid logical clock, in microseconds since 1970: later than that of all that its console had read when
    it wrote this, however wrong its clock was, else the clock's own time. 0 in entries of earlier versions.
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
    hlc: int = 0
    proof: Proof = field(default=Proof.EARLIER, compare=False)  # as the reader found it; nothing in the line says so
    signer: str = field(default="", compare=False)  # the key that has signed it, such as SHA256:..., "" for none
    signed_as: str = field(default="", compare=False)  # whose key that is: the account, on a shared one the operator
    sig: str = field(default="", compare=False)  # the signature in the line (base64), whether it is right or not
    doubt: str = field(default="", compare=False)  # in words, why it is forged or not signed; "" where nothing is wrong

    @property
    def counts(self) -> bool:
        """Whether it is taken for what it says: what is forged is shown and counts for nothing."""
        return self.proof not in (Proof.FORGED, Proof.UNSIGNED)

    @property
    def order(self) -> int:
        """Where it stands among others: what was known when something was written stands before it."""
        return self.hlc or microseconds(self.at)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the line, as the writer's next entry has it in `prev`."""
        return hashlib.sha256(self.line).hexdigest()

    @cached_property
    def intact(self) -> bool:
        """Whether the line is as it was written."""
        return self.line.startswith(_HEAD) and _id(b"{" + self.line[_HEAD_LENGTH:]) == self.id


_Hash = Annotated[str, msgspec.Meta(max_length=64)]


class _Line(msgspec.Struct, kw_only=True):
    id: _Hash
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    writer: Writer
    seq: Annotated[int, msgspec.Meta(ge=1, le=MAX_HLC)]
    prev: _Hash
    after: _Hash
    kind: Annotated[str, msgspec.Meta(max_length=200)]
    data: dict[str, Any]
    hlc: Annotated[int, msgspec.Meta(ge=0, le=MAX_HLC)] = 0
    sig: Annotated[str, msgspec.Meta(max_length=MAX_SIGNATURE)] = ""


class _Named(msgspec.Struct):
    writer: Writer


_DECODER = msgspec.json.Decoder(_Line)
_NAMED = msgspec.json.Decoder(_Named)


def decode(line: bytes) -> Entry:
    """The entry that a line holds; unknown fields and kinds are kept in `line`, and its data are as `shapes` makes
    them. Raises ValueError."""
    if len(line) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE} bytes")
    try:
        read = _DECODER.decode(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError as error:  # msgspec repeats no text of the line
        raise ValueError(f"{error}{_by(line)}") from error
    at = _moment(read.at, line)
    _moment(read.writer.start, line)
    fields = {name: getattr(read, name) for name in _Line.__struct_fields__}
    return Entry(**fields | {"at": at, "data": shaped(read.kind, read.data), "line": line})


def _moment(at: datetime, line: bytes) -> datetime:
    """The time in UTC. Raises ValueError for one that no clock shows."""
    if not is_shown(at):
        raise ValueError(f"is of a time that no clock shows ({at.isoformat()[:40]}){_by(line)}")
    return at.astimezone(UTC)


def is_shown(at: datetime) -> bool:
    """Whether a time with a zone is one that a clock may show."""
    return EARLIEST <= at < LATEST


def _by(line: bytes) -> str:
    """Who is named as the writer of a line that is no entry; "" where nobody is."""
    try:
        return f"; written by {_NAMED.decode(line).writer}"
    except (ValueError, RecursionError):
        return ""


def microseconds(at: datetime) -> int:
    """Since 1970, as `hlc` counts them."""
    return (at - _EPOCH) // _TICK


def make(
    *,
    at: datetime,
    writer: Writer,
    seq: int,
    prev: str,
    after: str,
    kind: str,
    data: dict[str, Any],
    hlc: int = 0,
    sign: Callable[[bytes], str] | None = None,
) -> Entry:
    """A new entry with its line and id. `data` holds only what JSON can. `sign` gives a signature of the bytes that
    `signed_part` finds in the line, as base64; "" for none."""
    when = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    rest: dict[str, Any] = {"at": when, "writer": writer, "seq": seq, "prev": prev, "after": after}
    rest |= ({"hlc": hlc} if hlc else {}) | {"kind": kind, "data": data}
    body = msgspec.json.encode(rest)
    sig = sign(body) if sign else ""
    if sig:
        body = body[:-1] + _SIG + sig.encode() + b'"}'
    id = _id(body)
    line = _HEAD + id.encode() + b'",' + body[1:]
    fields: dict[str, Any] = {"id": id, "at": at, "writer": writer, "seq": seq, "prev": prev, "after": after}
    return Entry(**fields, kind=kind, data=data, line=line, hlc=hlc, sig=sig)


def signed_part(entry: Entry) -> bytes:
    """What the entry's signature is for: its line without id and signature. Empty where the signature does not stand at
    the line's end, as every console writes it."""
    end = _SIG + entry.sig.encode() + b'"}'
    if not entry.sig or not entry.line.startswith(_HEAD) or not entry.line.endswith(end):
        return b""
    return b"{" + entry.line[_HEAD_LENGTH : -len(end)] + b"}"


def beginning_of(id: str) -> bytes:
    """The bytes that a line with this id begins with."""
    return _HEAD + id.encode() + b'"'


def bytes_of(writer: Writer) -> bytes:
    """The bytes that every line of this writer holds."""
    return b'"writer":' + msgspec.json.encode(writer) + b","


def _id(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:_ID_LENGTH]


@dataclass(frozen=True, kw_only=True)
class JournalProblem:
    """Something wrong with a journal. `line` counts from 1; 0 is the file as a whole.

    what: torn, unreadable, edited, duplicated, reordered, missing.
    """

    line: int
    what: str
    sentence: str

    def __str__(self) -> str:
        return f"line {self.line} {clean(self.sentence)}" if self.line else clean(self.sentence)


@dataclass(frozen=True, kw_only=True)
class Entries:
    """What a journal held, in the order of the file, and what could not be read of it."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[JournalProblem, ...] = ()
