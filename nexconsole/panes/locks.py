"""Orphaned locks: a line below the reservations; maximized, by family and one by one.

(nexnum.md#locks)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..catalogue import Subject
from ..model import Reading, SignalKey, State
from ..text.units import count, duration, several
from ..widgets.panel import Listing, Panel, RenderContext
from ..widgets.spans import Line, Span, column, phrases, plain
from . import subjects

if TYPE_CHECKING:
    from ..signals.lock_keys import Lock
    from ..signals.locks import Family, Locks

SIGNAL: SignalKey[Locks] = SignalKey("locks")
ROOM = 5  # lines of a small pane from which calm locks have one
NARROW = 54  # cells below which the line is said in fewer words
GAP: Span = ("  ", "muted")


def beside(space: RenderContext, large: bool) -> Panel:
    """A line at the foot, if there is room or reason for one; maximized, the families and the worst keys as well."""
    reading = space.readings.get(SIGNAL)
    state = reading.state(space.now) if reading else State.WAITING
    if reading is None or state in (State.WAITING, State.ABSENT):
        return Panel("off")
    alert_level = space.alert_level_of(SIGNAL)
    value = SIGNAL.value(space.readings)
    if large:
        foot = () if value is not None else (_line(reading, state, space),)
        rows = None if value is None else _rows(value, _line(reading, state, space), space)
        return Panel(alert_level, rows=rows, foot=foot)
    quiet = alert_level == "calm" and space.height < ROOM
    return Panel(alert_level, foot=() if quiet else (_line(reading, state, space),))


def brief(space: RenderContext) -> tuple[Span, ...]:
    """The orphaned locks in few words; nothing for none."""
    value = SIGNAL.value(space.readings)
    if value is None or not value.abandoned:
        return ()
    return ((f"{count(value.abandoned, value.capped)} orphaned locks", ink(space)),)


def ink(space: RenderContext) -> str:
    return {"minor": "warn", "warn": "warn", "alarm": "alarm"}.get(space.alert_level_of(SIGNAL), "text")


def _line(reading: Reading, state: State, space: RenderContext) -> Line:
    value = SIGNAL.value(space.readings)
    if value is None:
        return phrases([("locks not known", "doubt"), (plain(reading.error or ""), "muted")], space.width, GAP)
    late = [(f"! {duration(reading.age(space.now))} ago", "doubt")] if state is State.STALE else []
    if value.abandoned:
        locks = (
            several(value.abandoned, "orphaned lock")
            if not value.capped
            else f"{count(value.abandoned, True)} orphaned locks"
        )
        parts: list[Span] = [(f"▲ {locks}", ink(space))]
        parts += [(f"oldest {duration(value.oldest_s)}", "text")] if value.oldest_s is not None else []
    else:
        parts = [(f"{several(value.locks, 'lock')}, none orphaned", "muted")]
    if not value.known:
        parts.append((f"so far, in {count(value.looked)} keys", "doubt"))
    return phrases([*late, *parts], space.width, GAP)


def _rows(value: Locks, line: Line, space: RenderContext) -> Listing:
    """A blank line, the summary, a row for each family and one for each orphaned lock, the most suspicious first."""
    title = f"  {'family':<22}{'locks':>9}{'orphaned':>11}{'oldest':>10}   keys like"
    drawn: list[tuple[str, Subject | None, Callable[[], Line]]] = [
        ("\0blank", None, lambda: ()),
        ("\0locks", None, lambda: line),
        ("\0families", None, lambda: ((title, "muted"),)),
    ]
    drawn += [
        (f"\0family {name}", subjects.lock_family(name), partial(_family, name, family, space))
        for name, family in value.families.items()
    ]
    worst = [(name, lock) for name, family in value.families.items() for lock in family.worst]
    if worst:
        head = f"  {'age':>8}  {'ends':<8} {'family':<10} key"
        drawn += [("\0gap", None, lambda: ()), ("\0keys", None, lambda: ((head, "muted"),))]
        worst.sort(key=lambda pair: pair[1].order)
        drawn += [
            (f"\0key {lock.key}", subjects.lock(lock.key, name), partial(_key, lock, name, space))
            for name, lock in worst
        ]
    return Listing([key for key, _, _ in drawn], lambda n: drawn[n][2](), lambda n: drawn[n][1])


def _family(name: str, family: Family, space: RenderContext) -> Line:
    tail = f"{count(family.abandoned):>11}{duration(family.oldest_s):>10}   "
    return (
        ("  ", "text"),
        (column(plain(name, 60), 22), "text"),
        (f"{count(family.locks):>9}", "muted"),
        (tail, ink(space) if family.abandoned else "muted"),
        (plain(family.pattern, 80), "muted"),
    )


def _key(lock: Lock, family: str, space: RenderContext) -> Line:
    ends = "never" if lock.pttl < 0 else duration(lock.pttl / 1000)
    return (
        (f"  {duration(lock.age_s):>8}  ", "text"),
        (f"{ends:<8} ", ink(space) if lock.pttl < 0 else "muted"),
        (column(plain(family, 30), 10) + " ", "muted"),
        (plain(lock.key, 500), "strong"),
    )
