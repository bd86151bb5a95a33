"""Locks: how many orphaned ones block customers; scanned in small portions. (nexnum.md#locks)

NexNum keeps much else in Redis, so SCAN walks the keyspace a little at a time, each reading from where the last one
ended. Known orphaned locks are read again each time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import TYPE_CHECKING

from ..catalogue import Argument
from ..model import Value, utc_now
from ..sources.redis import SCAN_STEP
from ..sources.redis_clients import Cursor
from ..text.units import count, duration, several
from .lock_keys import GONE, Lock, judge, showable
from .probe import Probe, ProbeResult, View, answers
from .signal import (
    Judgement,
    MetricSpec,
    Numbers,
    Signal,
    SubjectState,
    gauge,
)

if TYPE_CHECKING:
    from ..settings import LocksSettings as Rules
    from ..settings import Settings
    from ..sources import Sources

BUDGET = 10_000  # keys that one reading walks past: a million take ten minutes
PART_S = 1.2  # and neither its walk nor its questions go on after so long, however slow the server is
MOST_ASKED = 500  # keys whose value and TTL one reading asks for, of those found
AT_ONCE = 50  # of them at a time
MOST_KEPT = 500  # abandoned locks that are kept one by one
REST_S = 30.0  # a sweep begins no sooner than this after the one before began
WILD = frozenset("*?[\\")


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family's share. `locks` is of the last whole sweep, or of the first so far; `worst` are the abandoned ones,
    the most suspicious first: their keys are identities, and harmless as they are."""

    pattern: str
    locks: int = 0
    abandoned: int = 0
    oldest_s: float | None = None
    worst: tuple[Lock, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A walk through the keyspace under way. `place` is (the walk's number, the cursor in it); None: at its end.

    `waiting` were found and not asked for yet; `counts` are the locks so far by family; `hidden` keys match, but
    can't be shown as they are, and so are left out.
    """

    began_at: datetime
    place: tuple[int, Cursor | None] | None = (0, None)
    waiting: tuple[str, ...] = ()
    looked: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    hidden: int = 0

    @property
    def over(self) -> bool:
        return self.place is None and not self.waiting


@dataclass(frozen=True, kw_only=True)
class Locks(Value):
    """The families of `locks.watch`. `abandoned`: nobody will release them; the oldest of those is `oldest_s` old,
    None where no value tells. `capped`: there are more.

    `swept_at` is when the last whole sweep ended; None: only a part was looked at so far, and zero is no answer yet.
    """

    locks: int
    abandoned: int
    oldest_s: float | None
    families: dict[str, Family] = field(default_factory=dict)
    capped: bool = False
    swept_at: datetime | None = None
    looked: int = 0
    sweep: Sweep | None = None

    @property
    def worst(self) -> tuple[Lock, ...]:
        """The abandoned locks of all families, the most suspicious first."""
        return tuple(
            sorted((lock for family in self.families.values() for lock in family.worst), key=lambda one: one.order)
        )

    @property
    def known(self) -> bool:
        """Whether what was not found is not there."""
        return self.swept_at is not None


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Locks:
    """Go on with the sweep, and look again at what was found abandoned."""
    rules, now = settings.locks, utc_now()
    before = previous if isinstance(previous, Locks) else None
    watched = watched_families(rules)
    sweep = _sweep(before, now)
    ended = before.swept_at if before else None
    resting = sweep.over
    if resting and not (before and before.worst):
        await sources.redis.ping()  # a Redis that fell silent is not one without locks
    sweep = await _walked(sources, sweep, watched)
    sweep, asked, locks = await _judged(sources, sweep, rules, now)
    kept = await _still_there(sources, before.worst if before else (), asked, rules, now)
    abandoned = {lock.key: lock for lock in (*kept, *locks) if lock.suspicious}
    gone = [lock for lock in (before.worst if before else ()) if lock.key not in abandoned]
    counts = _counted(sweep.counts, locks, watched, gone if resting else ())
    sweep = replace(sweep, counts=counts)
    worst = sorted(abandoned.values(), key=lambda lock: lock.order)
    return _value(before, sweep, worst, watched, now if sweep.over and not resting else ended)


def _sweep(before: Locks | None, now: datetime) -> Sweep:
    """The sweep to go on with: a new one when the last has ended and long enough ago begun."""
    last = before.sweep if before else None
    if last is None or (last.over and (now - last.began_at).total_seconds() >= REST_S):
        return Sweep(began_at=now)
    return last


def watched_families(rules: Rules) -> dict[str, str]:
    """The patterns of the families that hold customers up, by name."""
    return {name: rules.families[name] for name in rules.watch if name in rules.families}


def family_of(key: str, families: Mapping[str, str]) -> str | None:
    """The family that a key belongs to."""
    return next((name for name, pattern in families.items() if fnmatchcase(key, pattern)), None)


def walks(patterns: Iterable[str]) -> tuple[str, ...]:
    """The patterns to SCAN for: one that has them all where they begin alike, for a walk passes every key anyway."""
    patterns = tuple(dict.fromkeys(patterns))
    fixed = [pattern[: next((n for n, c in enumerate(pattern) if c in WILD), len(pattern))] for pattern in patterns]
    alike = "".join(c[0] for c in takewhile(lambda c: len(set(c)) == 1, zip(*fixed, strict=False)))
    return (f"{alike}*",) if alike and len(patterns) > 1 else patterns


async def _walked(sources: Sources, sweep: Sweep, watched: Mapping[str, str]) -> Sweep:
    """Walk on until the portion is used up; what was found waits to be asked for."""
    patterns = walks(watched.values())
    waiting = dict.fromkeys(sweep.waiting)
    place, looked, hidden = (sweep.place if patterns else None), sweep.looked, sweep.hidden
    until = time.monotonic() + PART_S
    while place and looked - sweep.looked < BUDGET and len(waiting) < MOST_ASKED:
        number, cursor = place
        scan = await sources.redis.scan(patterns[number], SCAN_STEP, cursor)
        looked += SCAN_STEP
        for key in scan.keys:
            if family_of(key, watched) is not None:
                waiting |= {key: None} if showable(key) else {}
                hidden += not showable(key)
        following = number + 1 if scan.cursor is None else number
        place = (following, scan.cursor) if following < len(patterns) else None
        if time.monotonic() > until:
            break
    return replace(sweep, place=place, waiting=tuple(waiting), looked=looked, hidden=hidden)


async def _judged(sources: Sources, sweep: Sweep, rules: Rules, now: datetime) -> tuple[Sweep, set[str], list[Lock]]:
    """Ask for what waits, as far as this reading may; which keys were asked for, and what they are.

    Those that are gone by now, no strings, or never to be touched are left out.
    """
    asked: list[str] = []
    locks: list[Lock] = []
    until = time.monotonic() + PART_S
    for start in range(0, min(len(sweep.waiting), MOST_ASKED), AT_ONCE):
        keys = sweep.waiting[start : min(start + AT_ONCE, MOST_ASKED)]
        peeks = await sources.redis.peek(keys)
        asked += keys
        locks += [
            lock
            for key, (value, pttl) in zip(keys, peeks, strict=True)
            if pttl != GONE and not (lock := judge(key, value, pttl, rules, now)).why_not
        ]
        if time.monotonic() > until:
            break
    return replace(sweep, waiting=sweep.waiting[len(asked) :]), set(asked), locks


async def _still_there(
    sources: Sources, worst: Iterable[Lock], asked: set[str], rules: Rules, now: datetime
) -> list[Lock]:
    """Of the locks known to be abandoned those that still hold the same value: one question for all of them."""
    known = [lock for lock in worst if lock.key not in asked]
    values = await sources.redis.values([lock.key for lock in known])
    return [
        judge(lock.key, value, lock.pttl, rules, now)
        for lock, value in zip(known, values, strict=True)
        if value is not None and value == lock.value
    ]


def _counted(
    counts: Mapping[str, int], locks: Iterable[Lock], watched: Mapping[str, str], gone: Iterable[Lock]
) -> dict[str, int]:
    tally = Counter({name: counts.get(name, 0) for name in watched})
    tally.update(_families(locks, watched))
    tally.subtract(_families(gone, watched))
    return {name: max(0, tally[name]) for name in watched}


def _families(locks: Iterable[Lock], watched: Mapping[str, str]) -> Iterator[str]:
    for lock in locks:
        if (family := family_of(lock.key, watched)) is not None:
            yield family


def _value(
    before: Locks | None, sweep: Sweep, abandoned: list[Lock], watched: Mapping[str, str], swept_at: datetime | None
) -> Locks:
    families = {}
    for name, pattern in watched.items():
        own = tuple(lock for lock in abandoned[:MOST_KEPT] if family_of(lock.key, watched) == name)
        whole = before.families[name].locks if before and before.known and name in before.families else 0
        counted = sweep.counts.get(name, 0) if sweep.over or swept_at is None else whole
        families[name] = Family(
            pattern=pattern,
            locks=max(counted, len(own)),
            abandoned=len(own),
            oldest_s=max((lock.age_s for lock in own if lock.age_s is not None), default=None),
            worst=own,
        )
    ages = [family.oldest_s for family in families.values() if family.oldest_s is not None]
    return Locks(
        source="redis",
        notes=tuple(_notes(sweep, watched, swept_at)),
        locks=sum(family.locks for family in families.values()),
        abandoned=sum(family.abandoned for family in families.values()),
        oldest_s=max(ages, default=None),
        families=families,
        capped=len(abandoned) > MOST_KEPT,
        swept_at=swept_at,
        looked=sweep.looked,
        sweep=sweep,
    )


def _notes(sweep: Sweep, watched: Mapping[str, str], swept_at: datetime | None) -> Iterable[str]:
    if not watched:
        yield "no family of locks.watch stands in locks.families: no lock is watched"
    elif swept_at is None:
        yield f"about {sweep.looked:,} keys were looked at so far: there may be more locks".replace(",", " ")
    if sweep.hidden:
        yield f"{count(sweep.hidden)} keys were left out: their names can't be shown as they are"


def _reasons(value: Locks, settings: Settings) -> Iterator[Judgement]:
    if not value.abandoned:
        return
    kept = "1 orphaned lock keeps a customer out"
    if value.abandoned > 1:
        kept = f"{count(value.abandoned, value.capped)} orphaned locks keep customers out"
    oldest = "" if value.oldest_s is None else f", the oldest {duration(value.oldest_s)}"
    yield Judgement("SEV-3", kept + oldest)


def _summary(value: Locks) -> str:
    so_far = "" if value.known else " so far"
    return f"{count(value.abandoned, value.capped)} orphaned, of {count(value.locks)}{so_far}"


def _numbers(value: Locks, every: float, now: datetime) -> Numbers:
    return {"locks_abandoned": None if not value.abandoned and not value.known else value.abandoned}


def _states(value: Locks, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    if value.abandoned:
        more = "+" if value.capped else ""
        yield SubjectState("abandoned locks", "some", f"{value.abandoned}{more} orphaned locks")
    elif value.known:
        yield SubjectState("abandoned locks", "none", "no orphaned lock is left", usual=True)


def _abandoned(view: View[Locks]) -> ProbeResult:
    value = view.value
    if view.argument and view.argument not in value.families:
        known = ", ".join(value.families) or "none"
        text = f"not known: the family {view.argument} is not watched; watched are {known}"
        return ProbeResult(text=text, value=None, lacks=f"{view.argument} in locks.watch")
    families = {name: one for name, one in value.families.items() if view.argument in ("", name)}
    number = sum(family.abandoned for family in families.values())
    if not number and not value.known:
        return ProbeResult(text=f"not known: none so far, in {count(value.looked)} keys of all", value=None)
    if not number:
        locks = sum(family.locks for family in families.values())
        return ProbeResult(text=f"none of {several(locks, 'lock')}{_of(view.argument)} is orphaned", value=0.0)
    worst = max(families, key=lambda name: families[name].abandoned)
    parts = ", ".join(f"{count(one.abandoned)} {name}" for name, one in families.items() if one.abandoned)
    least = "at least " if value.capped or not value.known else ""
    text = f"{least}{several(number, 'orphaned lock')}{_of(view.argument)}"
    return ProbeResult(text=text if view.argument else f"{text}: {parts}", value=float(number), gives={"family": worst})


def _of(family: str) -> str:
    return f" of {family}" if family else ""


def _oldest(view: View[Locks]) -> ProbeResult:
    value = view.value
    if value.oldest_s is not None:
        key = next((lock.key for lock in value.worst if lock.age_s == value.oldest_s), "")
        return ProbeResult(text=f"the oldest is {duration(value.oldest_s)} old: {key}", value=value.oldest_s)
    if value.abandoned:
        return ProbeResult(text="not known: their values don't say when they were taken", value=None)
    if not value.known:
        return ProbeResult(text=f"not known: none so far, in {count(value.looked)} keys of all", value=None)
    return ProbeResult(text="none is orphaned", value=0.0)


FAMILY = Argument(name="family", kind="family", required=False)


PROBES = (
    Probe(
        name="redis.answers",
        title="whether Redis answers this console",
        signal="locks",
        kind="flag",
        read=answers,
        always=True,
    ),
    Probe(
        name="locks.abandoned",
        title="orphaned locks",
        signal="locks",
        kind="number",
        read=_abandoned,
        argument=FAMILY,
        gives={"family": "family"},
    ),
    Probe(
        name="locks.oldest",
        title="age of the oldest orphaned lock",
        signal="locks",
        kind="number",
        unit="seconds",
        read=_oldest,
    ),
)


SIGNAL = Signal(
    name="locks",
    kind=Locks,
    read=read,
    summary=_summary,
    every=5.0,
    timeout=6.0,
    needs=("redis",),
    reasons=_reasons,
    numbers=_numbers,
    metrics={
        "locks_abandoned": MetricSpec("orphaned locks", count),
    },
    exported=(gauge("locks_abandoned", "Orphaned locks: nobody will release them.", "abandoned"),),
    observe=_states,
    probes=PROBES,
)
