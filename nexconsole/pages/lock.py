"""A lock, or a family of locks: who holds it, since when, and what speaks for deleting it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from ..lookups.registry import ROW
from ..model import SignalKey
from ..signals.lock_keys import NO_TTL, owner
from ..text.units import clock, count, duration
from ..widgets.spans import Line, Span, plain
from .changes import changes
from .section import PageContext, Section, by_urgency, fact, from_signal, own_ink, sentence

if TYPE_CHECKING:
    from ..lookups.lock import LockKey
    from ..signals.lock_keys import Lock
    from ..signals.locks import Family, Locks

NOUN = ""
KEY = cast("SignalKey[LockKey]", ROW)
LOCKS: SignalKey[Locks] = SignalKey("locks")
SIGNALS = frozenset[str]({LOCKS, ROW})


def _one(context: PageContext) -> bool:
    """Whether it is one key, and no family."""
    return "lock" in context.subject.arguments


def _family(context: PageContext) -> Family | None:
    value = LOCKS.value(context.readings)
    return value.families.get(context.subject.arguments.get("family", "")) if value is not None else None


def _lock(context: PageContext) -> Lock | None:
    row = KEY.value(context.readings)
    if row is not None:
        return row.lock
    family = _family(context)
    key = context.subject.arguments.get("lock")
    return next((lock for lock in family.worst if lock.key == key), None) if family is not None else None


GONE = "the key is not there any more"


def present(context: PageContext) -> bool | None:
    row = KEY.value(context.readings)
    if _one(context):
        return row.found if row is not None else True if _lock(context) is not None else None
    return True if _family(context) is not None else None


def headline(context: PageContext) -> Span:
    ink = own_ink(context.alert_levels.get(LOCKS, "calm"))
    if _one(context):
        lock = _lock(context)
        if lock is None:
            return "not known yet" if present(context) is None else "the key is not there", "muted"
        return (
            (f"orphaned: {plain(lock.suspicious, 200)}", ink)
            if lock.suspicious
            else ("nothing speaks against it", "muted")
        )
    family = _family(context)
    if family is None:
        return "not known yet", "muted"
    if family.abandoned:
        return f"{count(family.abandoned)} orphaned, the oldest {duration(family.oldest_s)} old", ink
    return f"{count(family.locks)} locks, none orphaned", "muted"


def sections(context: PageContext) -> tuple[Section, ...]:
    family = from_signal(context, "Its family", LOCKS, lambda value: _about_family(value, context))
    names = (context.subject.id, context.subject.arguments.get("lock", ""))
    if not _one(context):
        return by_urgency((family, _worst(context), changes(context, *names)))
    own = from_signal(context, "The key", KEY, lambda value: _key(value, context), least=6, gone=GONE)
    return by_urgency((own, family, changes(context, *names)))


def _key(value: LockKey, context: PageContext) -> Iterator[Line]:
    width, lock = context.width, value.lock
    if lock is None:
        return
    yield from fact("key", (plain(lock.key, 500), "strong"), width)
    yield from fact("of", (plain(owner(lock.key), 80), "text"), width)
    yield from fact("value", (plain(lock.value if lock.value is not None else "no text", 500), "text"), width)
    age = duration(lock.age_s) if lock.age_s is not None else "not known: its value does not tell"
    yield from fact("age", (age, "text"), width)
    never: Span = ("never: it has no TTL", "strong")
    ends: Span = never if lock.pttl == NO_TTL else (f"in {duration(lock.pttl / 1000)}", "text")
    yield from fact("ends", ends, width)
    yield from fact("orphaned", (plain(lock.suspicious, 300) or "no sign of it", "text"), width)
    if lock.why_not:
        yield from fact("left alone", (plain(lock.why_not, 300), "text"), width)


def _about_family(value: Locks, context: PageContext) -> Iterator[Line]:
    family = value.families.get(context.subject.arguments.get("family", ""))
    if family is None:
        yield from sentence("this family is not watched (locks.watch)", "muted", context.width)
        return
    words: list[Span] = [(f"{count(family.locks)} locks", "text")]
    words.append((f"{count(family.abandoned)} orphaned", "strong" if family.abandoned else "muted"))
    words += [(f"oldest {duration(family.oldest_s)}", "text")] if family.oldest_s is not None else []
    yield from fact("locks", words, context.width)
    yield from fact("keys like", (plain(family.pattern, 120), "text"), context.width)
    swept = f"all keys at {clock(value.swept_at)}" if value.swept_at else f"{count(value.looked)} keys so far"
    yield from fact("looked at", (swept, "muted"), context.width)


def _worst(context: PageContext) -> Section:
    def draw(value: Locks) -> Iterator[Line]:
        family = _family(context)
        for lock in family.worst if family is not None else ():
            ends = "no end" if lock.pttl < 0 else f"ends in {duration(lock.pttl / 1000)}"
            yield from fact(duration(lock.age_s), [(ends, "muted"), (plain(lock.key, 500), "text")], context.width)

    family = _family(context)
    if family is None or not family.worst:
        return Section("", ())
    level = context.alert_levels.get(LOCKS, "minor")
    return from_signal(context, "Orphaned", LOCKS, draw, level=level, least=6)
