"""Slots: how long a purchase waits for its slot at each provider. (nexnum.md#slots)

`ratelimit:provider:{uuid}` holds the time of the next free slot, in ms since 1970, by the clock of the pod that took
the last one. Its TTL was that wait plus ten seconds, sixty at least, and Redis counts it down. So the TTL gives the
wait without a pod's clock, and both together give the pods' skew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..model import Reading, Value, utc_now, value_of
from ..text.sanitize import clean, clean_name
from ..text.units import duration, percent, period, several
from .probe import PROVIDER, Probe, ProbeResult, View
from .signal import (
    IN_FLIGHT,
    LATENCY,
    MOST_NAMED,
    MOST_SUBJECTS,
    ExportedMetric,
    Judgement,
    LabelledSample,
    MetricSpec,
    Numbers,
    Signal,
    SubjectState,
    in_flight_at,
)
from .transactions import Transactions
from .waiting import blocked as blocked_purchases

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.postgres import PostgresSource

KEY = "ratelimit:provider:{}"
MOST_PROVIDERS = 5_000
MOST_TTLS = 20  # of the latest slots: with each of them goes one more command
NAMES_EVERY_S = 10.0
SPARE_S = 10.0  # a TTL is so much longer than the wait ...
LEAST_TTL_S = 60.0  # ... and never shorter than this when it is set
TURN_S = 3.0  # a shorter wait is nobody's trouble: turns are 2 s apart
TURNS = "waits for a slot"
WAITING = (IN_FLIGHT, LATENCY, "reservations")  # what follows where most purchases wait for a slot
SKEW_S = 2.0  # clocks that differ by less agree


@dataclass(frozen=True, kw_only=True)
class SlotProvider:
    """A row of the providers table: whose slots may be asked for."""

    id: str
    name: str
    active: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A purchase at this provider waits for `wait_s` seconds, rounded to whole ones, before its call goes out."""

    name: str
    id: str
    active: bool | None
    wait_s: float


@dataclass(frozen=True, kw_only=True)
class Slots(Value):
    """`waits` of 3 s and more, the longest first; `taken` of the `providers` have a slot in Redis at all.

    `skew_s` is how far a pod's clock is ahead of Redis', where a TTL tells; negative where it is behind.
    `providers` were read at `names_at` (UTC).
    """

    waits: tuple[Wait, ...] = ()
    taken: int = 0
    providers: tuple[SlotProvider, ...] = ()
    names_at: datetime | None = None
    skew_s: float | None = None

    @property
    def worst(self) -> Wait | None:
        """The longest wait at a provider that is in use."""
        return next((wait for wait in self.waits if wait.active is not False), None)

    def longer(self, seconds: float) -> tuple[Wait, ...]:
        """The waits of at least so long, at providers that are in use."""
        return tuple(wait for wait in self.waits if wait.active is not False and wait.wait_s >= seconds)


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Slots:
    """Ask for the slots of all known providers, by name of key: nothing is scanned."""
    redis = sources.redis  # NotConfigured is said of what holds the slots
    before = previous if isinstance(previous, Slots) else None
    providers, names_at, notes = await _providers(sources, before)
    keys = [KEY.format(provider.id) for provider in providers]
    values = await redis.values(keys)
    now, clock_note = await _now(sources)
    notes += clock_note
    slots = {n: slot for n, value in enumerate(values) if (slot := _slot(value)) is not None}
    if odd := sum(value is not None for value in values) - len(slots):
        notes.append(f"{odd} slots hold something that is no time")
    latest = sorted(slots, key=lambda n: -slots[n])[:MOST_TTLS]
    ttls = dict(zip(latest, await redis.peek([keys[n] for n in latest]), strict=True))
    waits, skews = [], []
    for n, slot in slots.items():
        ttl = ttls[n][1] / 1000 if n in ttls and ttls[n][1] >= 0 else None
        wait, skew = waiting(slot - now, ttl)
        skews += [skew] if skew is not None else []
        if wait >= TURN_S:
            provider = providers[n]
            waits.append(Wait(name=provider.name, id=provider.id, active=provider.active, wait_s=float(round(wait))))
    skew = max(skews, key=abs, default=None)
    notes += _skew_note(skew)
    return Slots(
        source="redis",
        notes=tuple(notes),
        waits=tuple(sorted(waits, key=lambda wait: (-wait.wait_s, wait.name))),
        taken=len(slots),
        providers=providers,
        names_at=names_at,
        skew_s=None if skew is None else float(round(skew)),
    )


def waiting(by_clock: float, ttl: float | None) -> tuple[float, float | None]:
    """(the wait in seconds, the pod's skew in seconds or None), from the slot's distance by our clock and its TTL.

    A TTL above 60 s was set to the wait and 10 s; below that it only says that the wait is no longer than it less 10 s.
    """
    if ttl is None:
        return max(0.0, by_clock), None
    by_ttl = ttl - SPARE_S
    if ttl > LEAST_TTL_S:
        return by_ttl, by_clock - by_ttl
    most = max(0.0, by_ttl)
    return min(max(0.0, by_clock), most), (by_clock - most if by_clock > most + SKEW_S else None)


def _slot(value: str | None) -> float | None:
    """The slot's time in seconds since 1970; None for what is no such time."""
    try:
        time_ms = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return time_ms / 1000 if 0 < time_ms < 1e14 else None


async def _now(sources: Sources) -> tuple[float, list[str]]:
    """The time by Redis' clock; by ours, and a note, where Redis doesn't tell."""
    try:
        return await sources.redis.time(), []
    except SourceError as error:
        return utc_now().timestamp(), [f"the waits are by this console's clock: {error}"]


def _skew_note(skew: float | None) -> list[str]:
    if skew is None or abs(skew) <= SKEW_S:
        return []
    how = "ahead of" if skew > 0 else "behind"
    return [f"a pod's clock is {duration(abs(skew))} {how} Redis': waits are taken from the keys' TTL"]


async def _providers(
    sources: Sources, before: Slots | None
) -> tuple[tuple[SlotProvider, ...], datetime | None, list[str]]:
    """The known providers; those of before, and a note, while Postgres doesn't give them."""
    now = utc_now()
    known, at = (before.providers, before.names_at) if before else ((), None)
    if at is not None and timedelta(0) <= now - at < timedelta(seconds=NAMES_EVERY_S):
        return known, at, []
    try:
        return tuple(await _rows(sources.postgres)), now, []
    except SourceError as error:
        if at is None:
            raise
        return known, at, [f"providers as of {duration((now - at).total_seconds())} ago: {error}"]


async def _rows(postgres: PostgresSource) -> Sequence[SlotProvider]:
    """The providers table, whose flag is "isActive" on some versions. (nexnum.md#schema)"""
    columns = await postgres.require("providers", "id", "name")
    active = next((f'"{column}"' for column in ("is_active", "isActive") if column in columns), "NULL::boolean")
    async with postgres.read("the providers query") as tx:
        rows = await tx.fetch(
            f"SELECT id::text AS id, name, {active} AS active FROM providers ORDER BY name LIMIT {MOST_PROVIDERS}"
        )
    return [SlotProvider(id=row["id"], name=clean_name(row["name"] or ""), active=row["active"]) for row in rows]


def _reasons(value: Slots, settings: Settings) -> Iterator[Judgement]:
    rules = settings.slots
    stalled = value.longer(rules.stalled_s)
    if stalled:
        yield Judgement("SEV-2", _turns(stalled), about=TURNS, explains=_waiting_at(stalled), step=_emptied(stalled))
    if late := tuple(wait for wait in value.longer(rules.late_s) if wait not in stalled):
        yield Judgement("SEV-3", _turns(late), about=TURNS, step=_emptied(late))


def _summary(value: Slots) -> str:
    if not value.waits:
        return f"no purchase waits for a slot at {several(len(value.providers), 'provider')}"
    return ", ".join(f"{wait.name} {duration(wait.wait_s)}" for wait in value.waits[:MOST_NAMED])


def _numbers(value: Slots, every: float, now: datetime) -> Numbers:
    worst = value.worst
    return {"slot_wait_s": worst.wait_s if worst else 0}


def _states(value: Slots, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    waits = {f"turns at {clean(wait.name, 100)}": wait for wait in value.longer(settings.slots.late_s)}
    for subject, wait in list(waits.items())[:MOST_SUBJECTS]:
        yield SubjectState(
            subject, "long", f"purchases at {clean(wait.name, 100)} wait {duration(wait.wait_s)} for a slot"
        )
    for subject, state in known.items():
        if subject.startswith("turns at ") and state == "long" and subject not in waits:
            yield SubjectState(
                subject, "short", f"purchases at {subject.removeprefix('turns at ')} get a slot at once again"
            )


def _turns(waits: Sequence[Wait]) -> str:
    first = f"purchases at {waits[0].name} wait {duration(waits[0].wait_s)} for a slot"
    return first + (f", and at {several(len(waits) - 1, 'other provider')} too" if len(waits) > 1 else "")


def _reasons_across(readings: Mapping[str, Reading], settings: Settings) -> Iterator[Judgement]:
    """Long waits for a slot at most providers are nobody's own trouble: purchasing as a whole is slow or down."""
    value = value_of(readings, "slots", Slots)
    if value is None:
        return
    stalled = value.longer(settings.slots.stalled_s)
    if not stalled:
        return
    active = sum(provider.active is not False for provider in value.providers)
    if len(stalled) == active:
        where = f"{'all' if active > 1 else 'the'} {several(active, 'active provider')}"
        yield Judgement(
            "SEV-1",
            f"purchasing is down: at {where} {_long(stalled)}",
            about=TURNS,
            explains=(*_waiting_at(stalled), *WAITING),
            step=_emptied(stalled),
        )
        return
    traffic = value_of(readings, "transactions", Transactions)
    if traffic is None:
        return
    names, ids = {wait.name.casefold() for wait in stalled}, {wait.id for wait in stalled}
    whole = sum(provider.attempts for provider in traffic.providers)
    there = sum(
        provider.attempts
        for provider in traffic.providers
        if provider.id in ids or (not provider.id and provider.name.casefold() in names)
    )
    most = whole >= settings.transactions.few and there > settings.slots.most * whole
    blocked = blocked_purchases(traffic, settings.transactions)
    if most or (blocked is not None and blocked.provider.casefold() in names):
        yield Judgement(
            "SEV-1",
            f"{percent(there / whole)} of purchases go to {_named(stalled)}, where {_long(stalled)}",
            about=TURNS,
            explains=(*_waiting_at(stalled), *WAITING),
            step=_emptied(stalled),
        )


def _waiting_at(stalled: Sequence[Wait]) -> tuple[str, ...]:
    """What follows where purchases wait for a slot: at each of these providers they stay in flight."""
    return tuple(in_flight_at(wait.name) for wait in stalled)


def _emptied(waits: Sequence[Wait]) -> str:
    return f"empty the queue of {waits[0].name}"


def _named(waits: Sequence[Wait]) -> str:
    return waits[0].name if len(waits) == 1 else several(len(waits), "provider")


def _long(stalled: Sequence[Wait]) -> str:
    longest, shortest = stalled[0].wait_s, stalled[-1].wait_s
    return f"the wait for a slot is {duration(shortest)}{' and more' if shortest != longest else ''}"


def _waits(value: Slots) -> Iterator[LabelledSample]:
    waits = {wait.id: wait.wait_s for wait in value.waits}
    for provider in value.providers:
        yield {"provider": provider.name, "id": provider.id}, waits.get(provider.id, 0.0)


def _wait(view: View[Slots]) -> ProbeResult:
    value = view.value
    provider = view.first(value.providers, "name", "id")
    if provider is None:
        return ProbeResult(text=f"not known: no provider named {view.argument} was seen", value=None)
    wait = next((wait.wait_s for wait in value.waits if wait.id == provider.id), 0.0)
    if not wait:
        return ProbeResult(text=f"a purchase at {provider.name} goes out within {period(TURN_S)}", value=0.0)
    return ProbeResult(text=f"a purchase at {provider.name} waits {duration(wait)} for a slot", value=wait)


def _worst(view: View[Slots]) -> ProbeResult:
    value = view.value
    worst = value.worst
    if worst is None:
        return ProbeResult(text=f"no purchase waits longer than {period(TURN_S)} for a slot", value=0.0)
    others = len(value.longer(TURN_S)) - 1
    more = f", and at {several(others, 'other provider')} too" if others else ""
    text = f"a purchase at {worst.name} waits {duration(worst.wait_s)} for a slot{more}"
    return ProbeResult(text=text, value=worst.wait_s, gives={"provider": worst.name})


def _reach(view: View[Slots]) -> ProbeResult:
    """Whose trouble the waits are: everybody's, some customers', or nobody's."""
    judgement = next(_reasons_across(view.readings, view.settings), None)
    if judgement is not None:
        return ProbeResult(text=judgement.text, value="most")
    stalled = view.value.longer(view.settings.slots.stalled_s)
    limit = duration(view.settings.slots.stalled_s)
    where = f"at {several(len(stalled), 'active provider')} the wait for a slot is {limit} or longer"
    return ProbeResult(text=where, value="some" if stalled else "none")


_GIVES = {"provider": "provider"}


PROBES = (
    Probe(
        name="slots.wait",
        title="how long a purchase waits for a slot at a provider",
        signal="slots",
        kind="number",
        unit="seconds",
        read=_wait,
        argument=PROVIDER,
    ),
    Probe(
        name="slots.worst",
        title="the longest wait for a slot",
        signal="slots",
        kind="number",
        unit="seconds",
        read=_worst,
        gives=_GIVES,
    ),
    Probe(
        name="slots.reach",
        title="whether most purchases wait too long for a slot",
        signal="slots",
        kind="word",
        words=("most", "some", "none"),
        read=_reach,
    ),
)
SIGNAL = Signal(
    name="slots",
    kind=Slots,
    read=read,
    summary=_summary,
    timeout=5.0,
    needs=("redis",),
    reasons=_reasons,
    reasons_across=_reasons_across,
    numbers=_numbers,
    metrics={
        "slot_wait_s": MetricSpec("longest wait for a slot", duration),
    },
    exported=(
        ExportedMetric("provider_slot_wait_seconds", "How long a purchase waits for a slot, from 3 s on.", _waits),
    ),
    observe=_states,
    probes=PROBES,
)
