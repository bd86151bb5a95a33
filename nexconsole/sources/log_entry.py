"""One entry of a pod's log: time, level, words and ids of a line, with the lines that belong to it.

In every format that NexNum has used. (nexnum.md#log-format)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ..text.sanitize import strip_controls
from .log_lines import LONGEST_LINE, moment

LEVELS = ("", "trace", "debug", "info", "warn", "error", "fatal")
RANK = {level: rank for rank, level in enumerate(LEVELS)}
MOST_LINES = 200  # of one entry: what follows is an entry of its own
LONGEST_ID = 100
SHORTEST_ID = 6

_OTHER_WORDS = {"warning": "warn", "err": "error", "critical": "fatal", "crit": "fatal", "panic": "fatal"}
_OTHER_WORDS |= {"emerg": "fatal", "alert": "fatal", "success": "info", "notice": "info", "log": "info"}
_OTHER_WORDS |= {"verbose": "debug", "silly": "trace"}
_JSON_LEVEL = re.compile(rb'\{"level":(?:"(\w{1,20})"|(\d{1,9})(?=[,}]))')
_PRETTY = re.compile(r"\[\d\d:\d\d:\d\d(?:\.\d{1,9})?\]\s+([A-Z]{3,9})\b:?\s*")
_GLYPH = re.compile(r"[^\w\s\[\"'({]{1,3}\s+")
_CONTEXT = re.compile(r"\[[^\]]{1,120}\]\s+(?=[^\w\s\[\"'({]{1,3}\s)")
_META = re.compile(r" › (\{.*\})\s*$", re.DOTALL)
# What a line without a level speaks of, in lower case.
_SPOKEN = (
    ("fatal", (b"fatal", b"critical error", b"out of memory", b"panic:")),
    ("error", (b"error", b"exception", b"failed")),
    ("warn", (b"warn", b"429 retry", b"circuit open", b"breaker opened")),
)
_LABELLED = re.compile(r"\b(?:Purchase)?(?:Order|Activation|Number|process)\b[: #]+([\w:-]{6,100})(?![\w:-])")
_DIGIT = re.compile(r"\d")
_SHOWN_LAST = ("correlationId", "userId")
_NOT_SHOWN = ("level", "time", "msg", "message", "context", "env", "pid", "hostname", "v", "requestId")
_OTHER_IDS = ("purchaseOrderId", "orderId", "activationId", "numberId", "eventId")
_BEGINS_INSIDE = b" \t}])"


@dataclass(frozen=True)
class LineIds:
    """What ties an entry to others. `others`: its order, activation, number and event."""

    purchase: str = ""
    request: str = ""
    others: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.purchase, self.request, *self.others)))


@dataclass(frozen=True)
class SpokenWords:
    """An entry's words as they are shown: its message, its other fields, the lines that belong to it."""

    message: str
    fields: str = ""
    more: tuple[str, ...] = ()


class LogEntry:
    """`order` sorts entries of all pods; `number` counts them as they came. `mark`: our own words, no line's."""

    __slots__ = ("_level", "first", "mark", "more", "number", "order", "pod")

    def __init__(self, pod: str, first: bytes, order: bytes, mark: str = "") -> None:
        self.pod, self.first, self.order, self.mark = pod, first, order, mark
        self.number = 0
        self.more: list[bytes] = []
        self._level = ""

    @property
    def at(self) -> datetime | None:
        """The kubelet's time; None where the line has none."""
        return moment(self.first)

    @property
    def raw(self) -> bytes:
        """Its lines without their times."""
        return body(self.first) if not self.more else b"\n".join(map(body, (self.first, *self.more)))

    @property
    def size(self) -> int:
        return len(self.first) + sum(map(len, self.more)) if self.more else len(self.first)

    @property
    def level(self) -> str:
        """One of LEVELS."""
        return self._known_level.rstrip("?")

    @property
    def guessed(self) -> bool:
        """Whether the level is judged by the words, for the line has none."""
        return len(self._known_level) > 1 and self._known_level.endswith("?")

    @property
    def _known_level(self) -> str:
        if not self._level:
            self._level = ("info" if self.mark else _level(body(self.first))) or "?"
        return self._level

    @property
    def words(self) -> SpokenWords:
        """Its words, of a JSON line its message first; not sanitized."""
        if self.mark:
            return SpokenWords(self.mark)
        message, fields = _said(body(self.first), self.at is None)
        if len(self.first) >= LONGEST_LINE:
            fields += " … the rest of this line was not kept"
        return SpokenWords(message, fields.strip(), tuple(_decoded(body(line)) for line in self.more))

    @property
    def seen(self) -> str:
        """All that is shown of it, in one text, for a search."""
        said = self.words
        text = " ".join((self.pod, self.level, said.message, said.fields, *said.more))
        return text if text.isprintable() else strip_controls(text)

    @property
    def ids(self) -> LineIds:
        raw = body(self.first)
        if raw[:1] == b"{" and (fields := _fields(raw)) is not None:
            return _ids(fields)
        text = strip_controls(_decoded(self.raw))
        meta = _META.search(text)
        if meta and (fields := _fields(meta[1].encode())) is not None:
            return _ids(fields)
        found = dict.fromkeys(word.rstrip(":-") for word in _LABELLED.findall(text) if _DIGIT.search(word))
        return LineIds(others=tuple(found)[:4])


def body(line: bytes) -> bytes:
    """A line without the kubelet's time."""
    if line[29:31] == b"Z " and line[10:11] == b"T":
        return line[31:]
    return line.partition(b" ")[2] if moment(line) else line


def order(line: bytes) -> bytes:
    """Sorts lines by the kubelet's times, whichever zone they are in; b"" for one without."""
    if line[29:31] == b"Z " and line[10:11] == b"T" and line[:4].isdigit():
        return line[:29]
    at = moment(line)
    return b"" if at is None else at.isoformat(timespec="microseconds")[:26].encode() + b"000"


def belongs_to_last(text: bytes) -> bool:
    """Whether a line (without its time) goes on with the one before: a stack, an object, a closing bracket."""
    return text[:1] in _BEGINS_INSIDE  # an empty line too


def _level(raw: bytes) -> str:
    """A level, with `?` where it is only judged by the words; "" where nothing tells."""
    if raw[:1] == b"{":
        if found := _JSON_LEVEL.match(raw):
            return _named(found[1].decode() if found[1] else int(found[2]))
        if (fields := _fields(raw)) is not None:
            return _named(fields.get("level"))
    elif found_pretty := _PRETTY.match(strip_controls(raw[:200].decode(errors="replace")).lstrip()):
        if level := _named(found_pretty[1]):
            return level
    spoken = raw[:400].lower()
    return next((f"{level}?" for level, marks in _SPOKEN if any(mark in spoken for mark in marks)), "")


def _named(level: object) -> str:
    """A level by its word or by pino's number."""
    if isinstance(level, str):
        if level.isascii() and level.isdecimal() and len(level) <= 9:
            return _named(int(level))
        word = level[:20].casefold()
        return word if word in RANK else _OTHER_WORDS.get(word, "")
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1_000:
        return ""
    return LEVELS[max(1, min(int(level // 10), 6))]


def _fields(raw: bytes) -> dict[str, Any] | None:
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _said(raw: bytes, with_time: bool) -> tuple[str, str]:
    """Message and other fields. `with_time`: a pretty line's time of day stays, for there is no other."""
    if raw[:1] == b"{" and (fields := _fields(raw)) is not None:
        message = _word(fields.get("msg", fields.get("message", "")))
        context = _word(fields.get("context", ""))
        if context and not message.startswith(f"[{context}"):
            message = f"[{context}] {message}"
        return message, _listed(fields)
    text = _decoded(raw)
    clean = strip_controls(text).lstrip()
    start = _PRETTY.match(clean)
    if start is None or with_time:
        return text, ""
    rest = clean[start.end() :]
    context = found[0] if (found := _CONTEXT.match(rest)) else ""
    rest = rest[len(context) :]
    rest = rest[found.end() :] if (found := _GLYPH.match(rest)) else rest
    context = "" if rest.startswith(context.rstrip("] \t")) else context
    meta = _META.search(rest)
    fields = _fields(meta[1].encode()) if meta else None
    return (context + rest, "") if meta is None or fields is None else (context + rest[: meta.start()], _listed(fields))


def _listed(fields: dict[str, Any]) -> str:
    names = [name for name in fields if name not in _NOT_SHOWN]
    names.sort(key=lambda name: name in _SHOWN_LAST)
    return " ".join(f"{name}={_word(fields[name])}" for name in names)


def _word(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _decoded(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _ids(fields: dict[str, Any]) -> LineIds:
    others = dict.fromkeys(filter(None, (_id(fields.get(name)) for name in _OTHER_IDS)))
    return LineIds(_id(fields.get("correlationId")), _id(fields.get("requestId")), tuple(others))


def _id(value: object) -> str:
    return value if isinstance(value, str) and SHORTEST_ID <= len(value) <= LONGEST_ID else ""
