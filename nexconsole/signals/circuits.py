"""Circuits: every SMS provider's breakers, in each pod and in Redis.

(nexnum.md#breakers, #breaker-keys, #breaker-rules, #breaker-lines)
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import NotConfigured, SourceError, TimedOut
from ..model import Value, utc_now
from ..sources.breakers import CLOSED, HALF_OPEN, OPEN, UNKNOWN, WINDOW_S, BreakerHistory, BreakerTraffic
from ..sources.workload_runtime import HOW, NOT_CONFIGURED, runtime_of
from ..text.sanitize import clean_name
from ..text.units import period
from .breaker_views import Holder, PodView, flaps, outlasting, with_history
from .pod_logs import LOGS, follow

if TYPE_CHECKING:
    from ..settings import CircuitRules, Settings
    from ..sources import Sources
    from ..sources.logs import Logs
    from ..sources.postgres import PostgresSource

SEVERAL = 2  # providers at least, for it to be the pod: the breaker of one is that provider's affair


@dataclass(frozen=True, kw_only=True)
class ProviderCircuit:
    """One provider. `state` is the worst of its holders: open, then half-open, unknown, closed; never closed while
    a source that there is tells nothing of its breakers.

    `opened` counts OPEN transitions in the last 10 minutes over all pods' logs (the most of any one pod decides
    `flapping`, at 3), `closed` those to CLOSED. `seen_429` and `seen_5xx` count log lines in the same 10 minutes; a
    5xx never trips the pods' breaker (nexnum.md#breaker-rules). `last_traffic` is the newest log line of a request to
    this provider.
    """

    name: str
    id: str | None
    active: bool | None
    state: str
    holders: tuple[Holder, ...] = ()
    flapping: bool = False
    opened: int = 0
    closed: int = 0
    seen_429: int = 0
    seen_5xx: int = 0
    last_traffic: datetime | None = None
    display_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Circuits(Value):
    """All SMS providers, the most urgent first; how many pods' logs were followed, of how many.

    `names_at` is when the providers table was read, `shared_at` when Redis was, `at` when this value was put
    together. While Redis gives nothing, the shared holders are what they were as far as that can be said, and then
    unknown; `lines_dropped` counts log lines of more providers than any
    installation has, which were not taken in.
    `reach_s`: for so many seconds back every line of the followed pods is known, at most an hour; None where no log is
    followed. Counts of log lines rest on no more than that. `catching_up` pods' older lines are still being read.
    """

    providers: tuple[ProviderCircuit, ...] = ()
    pods_followed: int = 0
    pods: int = 0
    unit: str = "pod"  # or "container"
    reach_s: float | None = None
    catching_up: int = 0
    lines_dropped: int = 0
    names_at: datetime | None = None
    shared_at: datetime | None = None
    at: datetime | None = None

    @cached_property
    def opened_in(self) -> Mapping[str, int]:
        """The pods with breakers that are open or half-open, and for how many active providers each."""
        counts: Counter[str] = Counter()
        for provider in self.providers:
            if provider.active is not False:
                counts.update(h.where for h in provider.holders if h.kind == "pod" and h.state in (OPEN, HALF_OPEN))
        return dict(counts)

    @property
    def ill_pod(self) -> str:
        """The pod whose breakers alone are open, for half of the active providers or more; "" for none."""
        opened = self.opened_in
        if self.pods_followed < 2 or len(opened) != 1:
            return ""
        [(pod, providers)] = opened.items()
        active = sum(provider.active is not False for provider in self.providers)
        return pod if providers >= max(SEVERAL, active / 2) else ""


@dataclass(frozen=True, kw_only=True)
class ProviderNameRow:
    """A row of the providers table."""

    name: str
    id: str | None
    active: bool | None
    display_name: str | None


@dataclass
class Parts:
    """What the sources gave, and a note for each that gave nothing. `busy_s` is what building the value took.

    `blind`: a source that there is tells nothing of its breakers, which may be in any state.
    """

    named: Sequence[ProviderNameRow] = ()
    names_at: datetime | None = None
    shared: dict[str, Holder] = field(default_factory=dict)
    shared_at: datetime | None = None
    logs: Logs | None = None
    logs_source: str = LOGS
    blind: bool = False
    sources: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)
    busy_s: float = 0.0

    def miss(self, what: str, error: SourceError) -> None:
        self.notes.append(f"{what}: {error}")
        self.errors.append(error)


PATIENCE_S = 1.0  # for names and shared states, where older ones are known: a breaker's line must not wait for them
FIRST_PATIENCE_S = 3.0
NAMES_EVERY_S = 4.0
SHARED_EVERY_S = 1.5  # less than from one reading to the next where no line wakes it
MOST_PROVIDERS = 5_000
RESTS = 8  # times as long as building the value takes; then come the next lines: a storm of them must not fill a core
LONGEST_REST_S = 1.0
AT_ONCE = 25  # providers: with 50 pods they take some 2 ms, and a key must not wait for many
ORDER = (LOGS, "redis", "postgres")
URGENCY = {OPEN: 0, HALF_OPEN: 1, UNKNOWN: 3, CLOSED: 4}
FLAPPING_URGENCY = 2


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Circuits:
    """Every provider's holders, from whichever sources answer.

    Raises the first SourceError when none does, NotConfigured when there is none to ask.
    """
    if runtime_of(sources) is None and not any(sources.has(name) for name in ("redis", "postgres")):
        raise NotConfigured("kubernetes", f"circuits need kubernetes, docker, redis or postgres: {HOW}")
    before = previous if isinstance(previous, Circuits) else None
    parts = Parts()
    await asyncio.gather(_follow(parts, sources), _ask(parts, sources, before))
    if not parts.sources:
        raise min(parts.errors, key=lambda error: isinstance(error, NotConfigured))
    circuits = await build(parts, settings.circuits, utc_now(), time.monotonic())
    if parts.logs is not None:
        parts.logs.rest_s = min(RESTS * parts.busy_s, LONGEST_REST_S)
    return circuits


async def _follow(parts: Parts, sources: Sources) -> None:
    """The pods' logs: what was seen in them counts while they can't be read, too; what it proves of now does not."""
    following = await follow(sources)
    parts.logs = following.logs
    parts.notes += following.notes
    if runtime_of(sources) is None:
        parts.notes.append(f"the pods' own breakers are not read: {NOT_CONFIGURED}")
    elif following.read:
        parts.sources.append(LOGS)
        parts.logs_source = following.source
    else:
        parts.blind = True
    if following.error is None or runtime_of(sources) is None:
        return
    if following.logs is None:
        parts.miss(following.source, following.error)
    elif not following.read:
        parts.errors.append(following.error)


async def _ask(parts: Parts, sources: Sources, before: Circuits | None) -> None:
    """The providers' names from Postgres, then the shared breakers of their ids from Redis."""
    if before is not None:
        parts.names_at = before.names_at
        parts.named = [
            ProviderNameRow(
                name=provider.name, id=provider.id, active=provider.active, display_name=provider.display_name
            )
            for provider in before.providers
            if provider.id is not None
        ]
    patience = PATIENCE_S if parts.named else FIRST_PATIENCE_S
    try:
        async with asyncio.timeout(patience):
            await _name(parts, sources)
    except TimeoutError:
        parts.miss(
            "provider names",
            TimedOut("postgres", f"postgres did not answer the providers query within {period(patience)}"),
        )
    except SourceError as error:
        parts.miss("provider names", error)
    if before is not None and _shared_is_young(parts, before):
        _remember(parts, before, utc_now())
        parts.sources.append("redis")
        return
    try:
        async with asyncio.timeout(patience):
            await _share(parts, sources)
    except TimeoutError:
        parts.miss(
            "shared breakers",
            TimedOut("redis", f"redis did not give the health keys within {period(patience)}"),
        )
        _remember(parts, before, utc_now())
    except SourceError as error:
        parts.miss("shared breakers", error)
        _remember(parts, before, utc_now())


def _shared_is_young(parts: Parts, before: Circuits) -> bool:
    """Whether Redis need not be asked again: a storm of log lines makes many readings, and Redis is not its cause."""
    if before.shared_at is None or not 0 <= (utc_now() - before.shared_at).total_seconds() < SHARED_EVERY_S:
        return False
    return {provider_name_row.id for provider_name_row in parts.named} <= {provider.id for provider in before.providers}


def _remember(parts: Parts, before: Circuits | None, now: datetime) -> None:
    """What the shared breakers are while Redis says nothing: as last seen, as far as that can be said."""
    if before is not None:
        parts.shared_at = before.shared_at
        for provider in before.providers:
            for holder in provider.holders:
                if holder.kind == "shared" and provider.id is not None:
                    parts.shared[provider.id] = outlasting(holder, before.at, before.shared_at, now)
    for named in parts.named:
        if named.id is not None:
            parts.shared.setdefault(named.id, Holder(kind="shared", where="redis", state=UNKNOWN))


async def _name(parts: Parts, sources: Sources) -> None:
    now = utc_now()
    if not sources.has("postgres"):
        parts.notes.append("providers are named by the pods' logs alone: postgres is not configured")
        return
    if parts.names_at is None or not timedelta(0) <= now - parts.names_at < timedelta(seconds=NAMES_EVERY_S):
        parts.named, parts.names_at = await _providers(sources.postgres), now
    parts.sources.append("postgres")


async def _providers(postgres: PostgresSource) -> list[ProviderNameRow]:
    """The providers table, whose flag is "isActive" on some versions. (nexnum.md#schema)"""
    columns = await postgres.require("providers", "id", "name")
    active = next((f'"{column}"' for column in ("is_active", "isActive") if column in columns), "NULL::boolean")
    display = "display_name" if "display_name" in columns else "NULL::text"
    async with postgres.read("the providers query") as tx:
        rows = await tx.fetch(
            f"SELECT id::text AS id, name, {display} AS display_name, {active} AS active "
            f"FROM providers ORDER BY name LIMIT {MOST_PROVIDERS}"
        )
    return [
        ProviderNameRow(
            name=clean_name(row["name"]),
            id=clean_name(row["id"]),
            active=row["active"],
            display_name=clean_name(row["display_name"]) if row["display_name"] else None,
        )
        for row in rows
    ]


async def _share(parts: Parts, sources: Sources) -> None:
    if not sources.has("redis"):
        parts.notes.append("the shared breakers are not read: redis is not configured")
        return
    ids = [provider_name_row.id for provider_name_row in parts.named if provider_name_row.id is not None]
    if not ids:
        await sources.redis.ping()  # nothing to ask it for: whether it is well is worth knowing all the same
        if "postgres" not in parts.sources:
            parts.blind = parts.blind or sources.has("postgres")
            todo = "which can't be read now" if sources.has("postgres") else "set postgres.url"
            missing = f"their keys hold the providers' ids, and those are in postgres: {todo}"
            parts.miss("shared breakers", NotConfigured("postgres", missing))
        return
    answers = await sources.redis.peek([f"health:{uuid}:circuit" for uuid in ids])
    for uuid, (value, left_ms) in zip(ids, answers, strict=True):
        state = {None: CLOSED, OPEN: OPEN, HALF_OPEN: HALF_OPEN}.get(value, UNKNOWN)
        closes = left_ms / 1000 if state == OPEN and left_ms > 0 else None
        parts.shared[uuid] = Holder(kind="shared", where="redis", state=state, closes_in_s=closes)
    parts.shared_at = utc_now()
    parts.sources.append("redis")


async def build(parts: Parts, rules: CircuitRules, now: datetime, monotonic: float) -> Circuits:
    """Join what the sources gave, by lower-case names. Gives way to the loop now and then: there may be thousands."""
    began = time.perf_counter()
    history = parts.logs.breakers if parts.logs else BreakerHistory()
    pods = sorted(parts.logs.followed.values(), key=lambda pod: pod.name) if parts.logs else []
    lost = [pod.reads_backlog or parts.logs.is_lost(pod, monotonic) for pod in pods] if parts.logs else []
    views = [PodView(pod, rules, now, gone) for pod, gone in zip(pods, lost, strict=True)]
    ignored = {name.lower() for name in rules.ignore}
    named = [
        (provider_name_row.name.lower(), provider_name_row) for provider_name_row in parts.named
    ]  # two rows whose names differ in case only are two
    known = Counter(key for key, _ in named)
    for key, traffic in history.traffic.items():
        if key not in known:
            named.append((key, ProviderNameRow(name=traffic.name, id=None, active=None, display_name=None)))
    alike = [key for key, times in known.items() if times > 1 and key in history.traffic]
    notes = [f"the logs do not tell apart the providers whose names are {key} but for case" for key in sorted(alike)]
    providers = []
    for number, (key, provider_name_row) in enumerate(named):
        if key not in ignored:
            shared = with_history(parts.shared.get(provider_name_row.id or ""), provider_name_row.id, history, now)
            provider = _provider(key, provider_name_row, shared, views, history.traffic.get(key), rules, now)
            if parts.blind and provider.state == CLOSED:
                provider = replace(provider, state=UNKNOWN)
            providers.append(provider)
        if number % AT_ONCE == AT_ONCE - 1:
            parts.busy_s += time.perf_counter() - began
            await asyncio.sleep(0)
            began = time.perf_counter()
    circuits = Circuits(
        source=", ".join(
            parts.logs_source if name == LOGS else name for name in sorted(parts.sources, key=ORDER.index)
        ),
        notes=tuple(sorted((*parts.notes, *notes))),  # they come in the order of the answers, which nobody should see
        providers=tuple(sorted(providers, key=_urgency)),
        pods_followed=sum(pod.is_followed for pod in pods),
        pods=parts.logs.pods if parts.logs else 0,
        unit=parts.logs.noun if parts.logs else "pod",
        reach_s=parts.logs.reach_s(now) if parts.logs else None,
        catching_up=sum(pod.is_followed and pod.reads_backlog for pod in pods),
        lines_dropped=history.dropped,
        names_at=parts.names_at,
        shared_at=parts.shared_at,
        at=now,
    )
    parts.busy_s += time.perf_counter() - began
    return circuits


def _provider(
    key: str,
    provider_name_row: ProviderNameRow,
    shared: Holder | None,
    views: Sequence[PodView],
    traffic: BreakerTraffic | None,
    rules: CircuitRules,
    now: datetime,
) -> ProviderCircuit:
    # With 50 pods and 1,000 providers this is the console's busiest line: what has not changed is taken as it was.
    holders: list[Holder] = [
        view.silent
        if (breaker := view.known.get(key)) is None and not view.lost
        else shown
        if breaker is not None and (shown := breaker.shown) is not None
        else view.holder(key)
        for view in views
    ]
    if shared is not None:
        holders.append(shared)
    opened = 0 if traffic is None else traffic.opened(now)
    return ProviderCircuit(
        name=provider_name_row.name,
        id=provider_name_row.id,
        active=provider_name_row.active,
        display_name=provider_name_row.display_name,
        state=min({holder.state for holder in holders}, key=URGENCY.__getitem__, default=UNKNOWN),
        holders=tuple(holders),
        opened=opened,
        closed=0 if traffic is None else traffic.closed(now),
        seen_429=0 if traffic is None else traffic.seen_429(now),
        seen_5xx=0 if traffic is None else traffic.seen_5xx(now),
        last_traffic=None if traffic is None else traffic.last,
        # What one pod did is no more than what all did: most providers need no look at each pod.
        flapping=(opened >= rules.flapping or rules.flapping_window_s > WINDOW_S) and flaps(key, views, rules, now),
    )


def _urgency(circuit: ProviderCircuit) -> tuple[bool, int, int, int, str]:
    rank = URGENCY[circuit.state]
    if circuit.flapping:
        rank = min(rank, FLAPPING_URGENCY)
    return circuit.active is False, rank, -circuit.opened, -circuit.seen_429 - circuit.seen_5xx, circuit.name


def _wake(sources: Sources) -> asyncio.Event | None:
    runtime = runtime_of(sources)
    return runtime.logs.wake if runtime is not None else None
