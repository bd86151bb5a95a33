"""The runway signal: what it takes from memory, what it asks for itself, and what it says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sample_readings as sample

from nexconsole.errors import NotConfigured, Unreachable
from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.signals.balances import Balances
from nexconsole.signals.database import Database
from nexconsole.signals.figure_memory import figure_memory
from nexconsole.signals.probe import answer
from nexconsole.signals.registry import BUILT_IN, probes
from nexconsole.signals.runway import Runway
from nexconsole.signals.runway_signal import SIGNAL, VOLUMES, read
from nexconsole.sources import Sources
from nexconsole.sources.prometheus import QueryRefused
from nexconsole.sources.prometheus_json import QueryResult
from nexconsole.sources.prometheus_json import Series as PrometheusSeries

SETTINGS = Settings()
NOW = sample.NOW
SIGNALS = {signal.name: signal for signal in BUILT_IN}


class Stand(Sources):
    """Sources of which only what a test gives is there."""

    def __init__(self, **given: object) -> None:
        super().__init__(None, {})  # type: ignore[arg-type]
        self.given = given

    def has(self, name: str) -> bool:
        return name in self.given

    @property
    def redis(self):
        return self.given["redis"]

    @property
    def prometheus(self):
        return self.given["prometheus"]


class RedisMemory:
    """A Redis that tells its memory."""

    def __init__(self, **info: str) -> None:
        self.info_given: Mapping[str, str] | Exception = info

    async def info(self, section: str = "") -> Mapping[str, str]:
        assert section == "memory"
        if isinstance(self.info_given, Exception):
            raise self.info_given
        return self.info_given


class Volumes:
    """A Prometheus that has volumes, or refuses."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses, self.asked = refuses, 0

    async def query_range(self, expression: str, start: float, end: float, step_s: float) -> QueryResult:
        self.asked += 1
        if self.refuses:
            raise QueryRefused("prometheus", "refused")
        times = [start + step_s * n for n in range(int((end - start) / step_s) + 1)]
        labels = {"persistentvolumeclaim": "data-postgres-0"}
        if "node_filesystem" in expression:
            labels = {"instance": "10.0.0.7:9100", "mountpoint": "/var"}
        rising = tuple((at, 0.95 - (end - at) * 1e-5) for at in times)
        return QueryResult([PrometheusSeries(labels=labels, points=rising)])


def told(sources: Sources, name: str, value) -> None:
    """What another signal has read just now."""
    at = datetime.now(UTC)
    figure_memory(sources).take(
        SIGNALS[name], Reading(signal=name, every=2.0, value=value, taken_at=at, attempted_at=at)
    )


def named(value: Runway) -> dict[str, str]:
    return {one.name: one.text for one in value.ceilings}


async def test_ceilings_come_from_what_others_have_read():
    sources = Stand(redis=RedisMemory(used_memory="410", maxmemory="1000"))
    figures, now = figure_memory(sources), time.time()
    for number in range(120):
        figures.add("connections", now - 600 + 5 * number, 40.0 + number / 4)
    told(sources, "database", Database(connections=70, max_connections=97))
    told(sources, "outbox", replace(sample.incident()["outbox"].value, pending=137))
    told(sources, "transactions", sample.incident()["transactions"].value)
    value = await read(sources, SETTINGS, Runway())
    names = named(value)
    assert names["connections"] == "70 of 97, full in 9 min" and value.ceilings[0].name == "connections"
    assert names["redis memory"] == "41 %, no estimate: it does not grow"
    assert names["outbox"].startswith("137 pending, ") and "window" in names
    assert value.redis_memory == 0.41 and SIGNAL.numbers(value, 15.0, NOW) == {"redis_memory": 0.41}
    assert value.source == "this console's readings, redis"


async def test_a_reading_that_failed_since_is_no_present_value():
    sources = Stand(redis=RedisMemory())
    told(sources, "database", Database(connections=70, max_connections=97))
    figures = figure_memory(sources)
    figures.readings["database"] = replace(figures.readings["database"], error="postgres refused")
    assert (await read(sources, SETTINGS, Runway())).ceilings == ()


@pytest.mark.parametrize("info", [{}, {"used_memory": "5", "maxmemory": "0"}, {"used_memory": "x", "maxmemory": "nan"}])
async def test_a_redis_without_a_limit_has_no_ceiling(info):
    value = await read(Stand(redis=RedisMemory(**info)), SETTINGS, Runway())
    assert (value.ceilings, value.redis_memory, value.notes) == ((), None, ())
    assert SIGNAL.summary(value) == "no ceiling is known"


async def test_a_redis_that_fails_leaves_a_note():
    memory = RedisMemory()
    memory.info_given = Unreachable("redis", "redis at h:1: refused")
    value = await read(Stand(redis=memory), SETTINGS, Runway())
    assert value.notes == ("Redis' memory: redis at h:1: refused",) and value.redis_memory is None


async def test_volumes_come_from_prometheus_once_a_minute_and_a_refusal_is_no_trouble():
    prometheus = Volumes()
    sources = Stand(prometheus=prometheus)
    names = named(await read(sources, SETTINGS, Runway()))
    assert set(names) == {"volume data-postgres-0", "volume 10.0.0.7 /var"}
    assert names["volume data-postgres-0"].startswith("95 %, full in ")
    await read(sources, SETTINGS, Runway())
    assert prometheus.asked == len(VOLUMES)
    refused = await read(Stand(prometheus=Volumes(refuses=True)), SETTINGS, Runway())
    assert (refused.ceilings, refused.notes) == ((), ())


async def test_balances_last_by_what_purchases_have_cost(database, sources_on):
    await database.create(era="head")
    await database.customer()
    await database.execute("ALTER TABLE activations ADD COLUMN IF NOT EXISTS provider_cost numeric(18,8)")
    for number in range(60):
        await database.activation(f"a{number}", 10 * number, "ACTIVE", "smsbower", paid=True)
    await database.execute("UPDATE activations SET provider_cost = 0.5")
    sources = sources_on(database.url)
    synced = datetime.now(UTC) - timedelta(seconds=30)
    balance = replace(sample.incident()["balances"].value.balances[0], name="smsbower", active=True, balance=20.0)
    balance = replace(balance, state="enough", synced_at=synced, age_s=30.0, old=False)
    told(sources, "balances", Balances(balances=(balance,)))
    value = await read(sources, SETTINGS, Runway())
    assert named(value)["balance at smsbower"].startswith("20.00 left, used up in ")
    [ceiling] = [one for one in value.ceilings if one.name == "balance at smsbower"]
    expected = datetime.now(UTC) + timedelta(seconds=19 / (30 / 900))
    assert ceiling.earliest < expected < ceiling.latest


async def test_where_nothing_is_configured_nothing_is_looked_for():
    with pytest.raises(NotConfigured, match="ceilings need a source"):
        await read(Stand(), SETTINGS, Runway())


def test_the_summary_has_what_is_dated_and_counts_the_rest():
    value = sample.incident()["runway"].value
    assert SIGNAL.summary(value) == (
        "balance at smsbower: 40.00 left, used up in 12 to 20 min; outbox: 137 pending, done in 6 to 11 min;"
        " no estimate for 1 of 3"
    )
    assert list(SIGNAL.details(value))[-1] == "connections: 31 of 97, no estimate: it does not grow"


@pytest.mark.parametrize(
    "name, argument, value, text",
    [
        (
            "runway.balance",
            "SMSBower",
            720.0,
            "balance at smsbower: 40.00 left, used up in 12 to 20 min: 12 min are left",
        ),
        ("runway.balance", "5sim", None, "not known: balance at 5sim has no ceiling that is known here"),
        ("runway.outbox", "", 360.0, "outbox: 137 pending, done in 6 to 11 min: 6 min are left"),
        ("runway.connections", "", None, "not known: connections: 31 of 97, no estimate: it does not grow"),
        ("runway.redis", "", None, "not known: redis memory has no ceiling that is known here"),
        ("runway.window", "", None, "not known: window has no ceiling that is known here"),
    ],
)
def test_the_probes_say_how_soon_and_no_estimate_is_not_known(name, argument, value, text):
    reading = Reading(
        signal="runway", every=15.0, value=sample.incident()["runway"].value, taken_at=NOW, attempted_at=NOW
    )
    found = answer(probes()[name], {"runway": reading}, SETTINGS, NOW, argument)
    assert found.value == value and found.text.startswith(text)
