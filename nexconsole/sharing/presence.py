"""Presence: who is here and what each is doing, by a small file in the folder and by Redis pub/sub between hosts.

Presence is not recorded. A console that leaves says so; a dead one disappears when its process is gone or after
`presence_s` without a message. Only arrivals are timed, by this console's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any

import msgspec

from ..journal import Writer
from ..journal.entries import is_shown
from ..text.sanitize import clean

MAX_BYTES = 8192  # of one console's word; longer ones are nobody's
SENTENCE, NAME = 160, 80  # characters


@dataclass(frozen=True, kw_only=True)
class Presence:
    """One console and who sits there. `since` is when it came, by its own clock.

    `doing` completes "maria is ...", such as "previewing pods.restart"; "" when nothing is being done. `scenario` and
    `step` are where it is in the runbook. `role` is one of Kind.ROLE's words or "". `me`: this console.
    """

    writer: Writer
    since: datetime
    incident: str = ""
    role: str = ""
    observing: bool = False
    driving: bool = False
    scenario: str = ""
    step: str = ""
    doing: str = ""
    looks_only: bool = False  # it can neither act nor object, approve or write anything
    key: str = ""  # with which it says that it signs what it writes, as SHA256:...
    elsewhere: bool = False  # heard by Redis alone: on another host, or in another folder
    me: bool = False
    count: int = field(default=0, compare=False)  # of its words; a later one has a higher

    @property
    def name(self) -> str:
        return str(self.writer)


class _Word(msgspec.Struct, frozen=True, kw_only=True):
    """What goes over the wire. `asks`: who hears it says where he is; `gone`: it leaves."""

    writer: Writer
    since: Annotated[datetime, msgspec.Meta(tz=True)]
    count: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
    incident: str = ""
    role: str = ""
    observing: bool = False
    driving: bool = False
    scenario: str = ""
    step: str = ""
    doing: str = ""
    looks_only: bool = False
    key: str = ""
    asks: bool = False
    gone: bool = False
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None  # its clock, when it said so


TELLABLE = frozenset({"incident", "role", "observing", "driving", "scenario", "step", "doing"})
SAID = TELLABLE | {"looks_only", "key"}
_DECODER = msgspec.json.Decoder(_Word)


@dataclass(frozen=True)
class DecodedPresence:
    """A console's word as it came, made harmless."""

    presence: Presence
    asks: bool
    gone: bool
    at: datetime | None = None  # the other console's clock, when it said so


def encoded(presence: Presence, *, asks: bool = False, gone: bool = False, at: datetime | None = None) -> bytes:
    """The word that this console says of itself, its texts as short as `heard` makes them."""
    told = _told(presence)
    return msgspec.json.encode(
        _Word(writer=presence.writer, since=presence.since, count=presence.count, asks=asks, gone=gone, at=at, **told)
    )


def decode(raw: bytes) -> DecodedPresence | None:
    """What another console says; None for what no console would."""
    if len(raw) > MAX_BYTES:
        return None
    try:
        word = _DECODER.decode(raw)
    except (ValueError, RecursionError):
        return None
    if not all(is_shown(at) for at in (word.since, word.writer.start, *(() if word.at is None else (word.at,)))):
        return None
    names = {name: clean(getattr(word.writer, name), NAME) for name in ("operator", "host", "account")}
    writer = msgspec.structs.replace(word.writer, **names)
    presence = Presence(writer=writer, since=word.since, count=word.count, **_told(word))
    return DecodedPresence(presence, word.asks, word.gone, word.at)


def _told(word: Presence | _Word) -> Mapping[str, Any]:
    """Its fields of SAID, as short as they may be."""
    fields = {name: getattr(word, name) for name in SAID}
    return {name: clean(value, SENTENCE) if isinstance(value, str) else value for name, value in fields.items()}


def after(presence: Presence, changes: Mapping[str, Any]) -> Presence:
    """The same console after some of TELLABLE changed. Raises TypeError for another word."""
    if unknown := set(changes) - TELLABLE:
        raise TypeError(f"nobody tells {', '.join(sorted(unknown))}")
    return replace(presence, count=presence.count + 1, **changes)
