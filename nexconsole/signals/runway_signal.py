"""The runway signal: when a known ceiling is reached, or when what is bad will have passed. It raises nothing.

It asks nobody for what other signals read: their newest values and the figures of the last hour are in memory. It asks
Redis for its memory, Prometheus for volumes, and once a minute what purchases cost.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from ..errors import NotConfigured, SourceError
from ..model import Value
from ..sources import NAMES
from ..sources.prometheus import QueryRefused
from ..text.sanitize import clean
from ..text.units import count, duration, percent
from . import runway_ceilings as ceilings
from .balances import Balances
from .database import Database
from .figure_memory import FigureMemory, figure_memory, joined
from .outbox import Outbox
from .probe import PROVIDER, Probe, ProbeResult, Read, View
from .provider_names import known_names
from .runway import RUNWAY, Ceiling, Runway
from .runway_estimate import Point, Spending
from .signal import LISTED, MOST_NAMED, ExportedMetric, LabelledSample, MetricSpec, Numbers, Signal, rounded
from .slots import Slots
from .traffic import every_state
from .transactions import Transactions

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.prometheus_json import Series

T = TypeVar("T")

EVERY_S = 15.0
HEARD_S = 2.5  # at the first reading the other signals are read at the same time
FIRST = ("transactions", "outbox", "database", "balances", "slots")
SPENDING_EVERY_S, SPENDING_S = 60.0, 900
RECORD_EVERY_S, RECORD_S = 120.0, 3600.0
VOLUMES_EVERY_S, VOLUMES_S, VOLUMES_STEP_S = 60.0, 3600.0, 60
MOST_CEILINGS, MOST_VOLUMES, MOST_PROVIDERS = 60, 5, 200
REDIS_SHARE, CONNECTED, PENDING, SLOT_WAIT = "redis_memory", "connections", "outbox_pending", "slot_wait_s"
FULL_FROM = 0.7  # a volume with more room is not looked at
# Only nearly full volumes answer, so that a large cluster's answer stays small.
VOLUMES = (
    ("persistentvolumeclaim", f"kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes > {FULL_FROM}"),
    (
        "mountpoint",
        '1 - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|squashfs|overlay"}'
        f' / node_filesystem_size_bytes{{fstype!~"tmpfs|ramfs|squashfs|overlay"}} > {FULL_FROM}',
    ),
)
COSTS_SQL = """
SELECT provider_id AS provider, count(*) AS many, sum(cost) AS total, sum(cost * cost) AS squares
FROM (SELECT provider_id, provider_cost::float8 AS cost FROM activations
      WHERE {states} AND created_at >= now() - make_interval(secs => $1) AND captured_tx_id IS NOT NULL) a
WHERE cost > 0 GROUP BY 1 LIMIT 500
"""


@dataclass
class RunwayMemory:
    """What the next reading has to know. `at`: when each was asked for, in epoch seconds."""

    at: dict[str, float] = field(default_factory=dict)
    spending: dict[str, Spending] = field(default_factory=dict)
    volumes: dict[str, list[Point]] = field(default_factory=dict)
    record: Mapping[tuple[str, str], tuple[Point, ...]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def due(self, what: str, now: float, every: float) -> bool:
        if 0 <= now - self.at.get(what, -math.inf) < every:
            return False
        self.at[what] = now
        return True

    async def tried(self, what: str, answer: Awaitable[T]) -> T | None:
        """The answer; None, and a note, where the source fails."""
        self.notes.pop(what, None)
        try:
            return await answer
        except (NotConfigured, QueryRefused):  # a server that answers its own expressions only has no volumes for us
            return None
        except SourceError as error:
            self.notes[what] = f"{what}: {error}"
            return None


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Runway:
    """Every ceiling that is known. Raises NotConfigured where nothing is configured that has one."""
    if not any(map(sources.has, NAMES)):
        raise NotConfigured(RUNWAY, "ceilings need a source that has some: set postgres.url or redis.url")
    figures, now_s = figure_memory(sources), time.time()
    if previous is None:
        await figures.heard((name for name in FIRST), HEARD_S)
    memory = _memory(sources)
    memory.spending = await _spending(sources, memory, now_s)
    memory.record = await _record(sources, memory, now_s)
    redis = await _redis(sources, memory, figures)
    memory.volumes = await _volumes(sources, memory, now_s)
    now = datetime.now(UTC)
    found = sorted(_all(figures, settings, memory, redis, now), key=ceilings.order)
    return Runway(
        source=_used(found, redis, memory),
        notes=tuple(memory.notes.values()),
        ceilings=tuple(found[:MOST_CEILINGS]),
        redis_memory=redis[0] / redis[1] if redis is not None and redis[1] else None,
    )


def _memory(sources: Sources) -> RunwayMemory:
    kept = sources.memory.get(RUNWAY)
    if not isinstance(kept, RunwayMemory):
        kept = sources.memory[RUNWAY] = RunwayMemory()
    return kept


def _used(found: list[Ceiling], redis: tuple[float, float] | None, memory: RunwayMemory) -> str:
    parts = ["this console's readings"] if found else []
    parts += ["redis"] if redis is not None else []
    parts += ["postgres"] if memory.spending else []
    return ", ".join(parts + (["prometheus"] if memory.volumes else []))


def _all(
    figures: FigureMemory, settings: Settings, memory: RunwayMemory, redis: tuple[float, float] | None, now: datetime
) -> Iterator[Ceiling]:
    def points(figure: str) -> list[Point]:
        return joined(memory.record.get((figure, ""), ()), figures.points(figure))

    some: list[Ceiling | None] = []
    if (database := figures.value("database", Database)) is not None:
        some.append(ceilings.connections(database, points(CONNECTED), now))
    if redis is not None:
        some.append(ceilings.redis_memory(*redis, points(REDIS_SHARE), now))
    if (outbox := figures.value("outbox", Outbox)) is not None:
        some.append(ceilings.outbox(outbox, points(PENDING), now))
    if (slots := figures.value("slots", Slots)) is not None:
        some.append(ceilings.slots(slots, points(SLOT_WAIT), settings.slots.late_s, now))
    if (traffic := figures.value("transactions", Transactions)) is not None:
        some.append(ceilings.window(traffic, settings, now))
    yield from (one for one in some if one is not None)
    if (money := figures.value("balances", Balances)) is not None:
        known = money.balances[:MOST_PROVIDERS]
        for one in known:
            if one.synced_at is not None:
                figures.add(ceilings.balance_name(one.name), one.synced_at.timestamp(), one.balance)
        yield from ceilings.balances(
            known, memory.spending, lambda name: figures.points(ceilings.balance_name(name)), now
        )
    for name, samples in memory.volumes.items():
        if samples:
            yield ceilings.volume(name, samples[-1][1], samples, now)


async def _redis(sources: Sources, memory: RunwayMemory, figures: FigureMemory) -> tuple[float, float] | None:
    """(used, limit) in bytes; None where it is not known or has none."""
    if not sources.has("redis"):
        return None
    info = await memory.tried("Redis' memory", sources.redis.info("memory"))
    used, limit = (_bytes((info or {}).get(name)) for name in ("used_memory", "maxmemory"))
    if not used or not limit:
        return None
    figures.add(REDIS_SHARE, time.time(), used / limit)
    return used, limit


def _bytes(text: str | None) -> float:
    try:
        number = float(text or 0)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


async def _spending(sources: Sources, memory: RunwayMemory, now: float) -> dict[str, Spending]:
    """By provider, in lower case; {} where this version keeps no costs."""
    if not sources.has("postgres") or not memory.due("spending", now, SPENDING_EVERY_S):
        return memory.spending
    spending = await memory.tried("spending", _costs(sources))
    return memory.spending if spending is None else spending


async def _costs(sources: Sources) -> dict[str, Spending]:
    columns = await sources.postgres.columns()
    if "provider_cost" not in columns.get("activations", ()):
        return {}
    states = await every_state(sources)
    async with sources.postgres.read("what purchases cost") as tx:
        rows = await tx.fetch(COSTS_SQL.format(states=states), float(SPENDING_S))
    names = known_names(sources)
    return {
        names.key(row["provider"]).casefold(): Spending(row["many"], row["total"], row["squares"], SPENDING_S)
        for row in rows
    }


async def _record(sources: Sources, memory: RunwayMemory, now: float) -> Mapping[tuple[str, str], tuple[Point, ...]]:
    if not memory.due("record", now, RECORD_EVERY_S):
        return memory.record
    try:
        record = sources.record
    except NotConfigured:
        return {}
    figures = (CONNECTED, REDIS_SHARE, PENDING, SLOT_WAIT)
    series = await memory.tried("the flight record", record.series(figures, now - RECORD_S, now))
    return memory.record if series is None else series


async def _volumes(sources: Sources, memory: RunwayMemory, now: float) -> dict[str, list[Point]]:
    """The fullest volumes' shares over the last hour, by name."""
    if not sources.has("prometheus") or not memory.due("volumes", now, VOLUMES_EVERY_S):
        return memory.volumes
    end = now // VOLUMES_STEP_S * VOLUMES_STEP_S
    found: dict[str, list[Point]] = {}
    for label, expression in VOLUMES:
        answer = sources.prometheus.query_range(expression, end - VOLUMES_S, end, VOLUMES_STEP_S)
        for one in await memory.tried("volumes", answer) or ():
            name = f"volume {_volume_name(one, label)}"
            if one.points and end - one.points[-1][0] <= 2 * VOLUMES_STEP_S:
                fullest = found.get(name)
                if fullest is None or one.points[-1][1] > fullest[-1][1]:
                    found[name] = list(one.points)
    fullest_first = sorted(found, key=lambda name: -found[name][-1][1])
    return {name: found[name] for name in fullest_first[:MOST_VOLUMES]}


def _volume_name(series: Series, label: str) -> str:
    place = series.labels.get("instance", "").partition(":")[0] if label == "mountpoint" else ""
    return clean(f"{place} {series.labels.get(label, '?')}".strip(), 80)


def _summary(value: Runway) -> str:
    dated = [one for one in value.ceilings if one.earliest is not None]
    told = "; ".join(ceilings.sentence(one) for one in dated[:MOST_NAMED])
    others = len(value.ceilings) - len(dated)
    if not value.ceilings:
        return "no ceiling is known"
    rest = f"no estimate for {count(others)} of {count(len(value.ceilings))}" if others else ""
    return "; ".join(filter(None, (told, rest)))


def _details(value: Runway) -> Iterator[str]:
    for one in value.ceilings[:LISTED]:
        yield ceilings.sentence(one)


def _numbers(value: Runway, every: float, now: datetime) -> Numbers:
    return {"redis_memory": rounded(value.redis_memory)}


def _samples(value: Runway) -> Iterator[LabelledSample]:
    for one in value.ceilings:
        if one.earliest is not None:
            yield {"ceiling": one.name, "good": "1" if one.good else "0"}, one.earliest.timestamp()


# --- probes -----------------------------------------------------------------------------------------------------------


def _left(view: View[Runway], name: str) -> ProbeResult:
    one = next((one for one in view.value.ceilings if one.name == name), None)
    if one is None:
        return ProbeResult(text=f"not known: {name} has no ceiling that is known here", value=None)
    if one.earliest is None:
        return ProbeResult(text=f"not known: {ceilings.sentence(one)}", value=None)
    left = max(0.0, (one.earliest - view.now).total_seconds())
    return ProbeResult(text=f"{ceilings.sentence(one)}: {duration(left)} are left at the least", value=left)


def _of(name: str) -> Read:
    return lambda view: _left(view, name)


def _balance(view: View[Runway]) -> ProbeResult:
    prefix = ceilings.balance_name("")
    names = (one.name.removeprefix(prefix) for one in view.value.ceilings if one.name.startswith(prefix))
    name = next((name for name in names if view.called(name)), view.argument)
    return _left(view, ceilings.balance_name(name))


def _probe(name: str, title: str, read: Read, *, provider: bool = False) -> Probe:
    argument = PROVIDER if provider else None
    return Probe(name=name, title=title, signal=RUNWAY, kind="number", unit="seconds", read=read, argument=argument)


PROBES = (
    _probe("runway.connections", "how soon no database connection is left", _of(ceilings.CONNECTIONS)),
    _probe("runway.redis", "how soon Redis is full", _of(ceilings.REDIS_MEMORY)),
    _probe("runway.outbox", "how soon the outbox' backlog is done", _of(ceilings.OUTBOX)),
    _probe("runway.window", "how soon the failure rate asks for no level any more", _of(ceilings.WINDOW)),
    _probe("runway.balance", "how soon our balance at a provider is used up", _balance, provider=True),
)
SIGNAL = Signal(
    name=RUNWAY,
    kind=Runway,
    read=read,
    summary=_summary,
    every=EVERY_S,
    unseen_every=20.0,
    timeout=9.0,
    optional=True,
    numbers=_numbers,
    metrics={"redis_memory": MetricSpec("Redis memory", percent)},
    exported=(ExportedMetric("runway_timestamp_seconds", "When a ceiling is reached, at the earliest.", _samples),),
    details=_details,
    probes=PROBES,
)
