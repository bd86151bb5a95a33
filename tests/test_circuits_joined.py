"""Circuits joined from what each source gave; the sources' answers are given as values here.

How the answers come about is tested with real servers elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from nexconsole.errors import Denied, NotConfigured, SourceError, TimedOut, Unreachable
from nexconsole.model import SourceHealth, Value
from nexconsole.settings import CircuitRules, Settings
from nexconsole.signals import circuits, circuits_signal
from nexconsole.signals.circuits import Circuits, Holder, Parts, ProviderCircuit, ProviderNameRow, build
from nexconsole.signals.pod_logs import LogCoverage
from nexconsole.sources import Sources
from nexconsole.sources.breaker_lines import BreakerEvent
from nexconsole.sources.logs import Logs
from nexconsole.sources.pod_log import PodLog

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)


def shared(state: str, closes_in_s: float | None = None) -> Holder:
    return Holder(kind="shared", where="redis", state=state, closes_in_s=closes_in_s)


def named(name: str, id: str | None = None, active: bool | None = True, display: str | None = None) -> ProviderNameRow:
    return ProviderNameRow(name=name, id=id or f"id-{name}", active=active, display_name=display)


def logs_of(*pods: str, covered: bool = True) -> Logs:
    logs = Logs(None)  # type: ignore[arg-type]
    logs.pods = len(pods)
    for name in pods:
        logs.followed[name] = pod = PodLog(name)
        pod.breakers.covered = covered
        pod.answered = pod.caught_up = True
    return logs


def tell(logs: Logs, pod: str, ago_s: float, kind: str, name: str, **more: Any) -> None:
    logs.breakers.fold(logs.followed[pod].breakers, NOW - timedelta(seconds=ago_s), BreakerEvent(kind, name, **more))


async def joined(parts: Parts, **rules: Any) -> Circuits:
    return await build(parts, CircuitRules(**rules), NOW, time.monotonic())


async def test_the_most_urgent_provider_comes_first_and_a_disabled_one_last():
    names = ("closed-b", "closed-a", "unknown", "flaps", "half", "open-b", "open-a", "busy", "opened", "disabled")
    logs = logs_of("pod")
    for ago_s in (300, 200, 100):
        tell(logs, "pod", ago_s, "open", "flaps")
        tell(logs, "pod", ago_s - 50, "closed", "flaps")
    tell(logs, "pod", 400, "open", "opened")
    tell(logs, "pod", 350, "closed", "opened")
    tell(logs, "pod", 10, "failed", "busy", status=503)
    states = {name: shared("closed") for name in names} | {
        "unknown": shared("unknown"),
        "half": shared("half-open"),
        "open-a": shared("open"),
        "open-b": shared("open"),
        "disabled": shared("open"),
    }
    rows = [named(name, name, active=name != "disabled") for name in names]
    value = await joined(Parts(named=rows, shared=states, logs=logs))
    assert [one.name for one in value.providers] == [
        "open-a",
        "open-b",
        "half",
        "flaps",
        "unknown",
        "opened",
        "busy",
        "closed-a",
        "closed-b",
        "disabled",
    ]


async def test_many_answers_that_limit_us_and_many_that_fail_weigh_the_same():
    logs = logs_of("pod")
    for name, kinds in {"a": ["failed 503"], "b": ["retry 429", "failed 503"], "c": ["retry 429"] * 3}.items():
        for kind, _, status in (kind.partition(" ") for kind in kinds):
            tell(logs, "pod", 10, kind, name, status=int(status))
    value = await joined(Parts(named=[named(name) for name in "abc"], logs=logs))
    assert [(one.name, one.seen_429, one.seen_5xx) for one in value.providers] == [
        ("c", 3, 0),
        ("b", 1, 1),
        ("a", 0, 1),
    ]


async def test_a_provider_is_all_that_its_row_and_the_logs_say():
    logs = logs_of("pod")
    tell(logs, "pod", 7, "request", "smsbower")
    value = await joined(Parts(named=[named("SMSBower", "u1", active=None, display="The Bower")], logs=logs))
    (one,) = value.providers
    assert (one.name, one.id, one.active, one.display_name) == ("SMSBower", "u1", None, "The Bower")
    assert (one.state, one.last_traffic, one.opened) == ("closed", NOW - timedelta(seconds=7), 0)


async def test_a_provider_of_whom_nobody_says_anything_is_unknown():
    (one,) = (await joined(Parts(named=[named("a")]))).providers
    assert (one.state, one.holders, one.last_traffic) == ("unknown", (), None)
    assert (one.opened, one.seen_429, one.seen_5xx, one.flapping) == (0, 0, 0, False)


@pytest.mark.parametrize(("state", "shown"), [("closed", "unknown"), ("open", "open"), ("half-open", "half-open")])
async def test_while_a_source_tells_nothing_no_circuit_is_called_closed(state, shown):
    parts = Parts(named=[named("a", "u1")], shared={"u1": shared(state)})
    assert (await joined(parts)).providers[0].state == state
    parts.blind = True
    assert (await joined(parts)).providers[0].state == shown


async def test_what_is_no_sms_provider_is_left_out_whatever_its_case():
    logs = logs_of("pod")
    tell(logs, "pod", 7, "request", "geminipool")
    value = await joined(Parts(named=[named("a"), named("OTHER")], logs=logs), ignore=("GeminiPool", "other"))
    assert [one.name for one in value.providers] == ["a"]


async def test_names_that_the_logs_can_not_tell_apart_are_said():
    logs = logs_of("pod")
    for name in ("twin", "pair"):
        tell(logs, "pod", 7, "request", name)
    rows = [named(name, name) for name in ("Twin", "TWIN", "single", "PAIR", "pair", "Quiet", "QUIET")]
    value = await joined(Parts(named=rows, logs=logs, notes=["later than that", "all notes in one order"]))
    assert value.notes == (
        "all notes in one order",
        "later than that",
        "the logs do not tell apart the providers whose names are pair but for case",
        "the logs do not tell apart the providers whose names are twin but for case",
    )
    assert sorted(one.name for one in value.providers) == ["PAIR", "QUIET", "Quiet", "TWIN", "Twin", "pair", "single"]


async def test_the_sources_are_named_in_one_order_the_logs_with_their_age():
    parts = Parts(sources=["postgres", "redis", "pod logs"], logs_source="pod logs of 9 s ago")
    assert (await joined(parts)).source == "pod logs of 9 s ago, redis, postgres"


async def test_the_value_says_what_it_rests_on():
    logs = logs_of("one", "two", "old")
    logs.pods = 5
    logs.breakers.dropped = 7
    old = logs.followed["old"]
    old.caught_up = False
    parts = Parts(logs=logs, names_at=NOW - timedelta(seconds=3), shared_at=NOW - timedelta(seconds=2))
    value = await joined(parts)
    assert (value.pods, value.lines_dropped, value.at) == (5, 7, NOW)
    assert (value.names_at, value.shared_at) == (NOW - timedelta(seconds=3), NOW - timedelta(seconds=2))
    assert value.pods_followed == sum(pod.is_followed for pod in logs.followed.values()) > 0
    assert value.catching_up == int(old.is_followed and old.reads_backlog)
    assert parts.busy_s > 0
    without = await joined(Parts())
    assert (without.pods, without.pods_followed, without.reach_s, without.catching_up) == (0, 0, None, 0)


@pytest.mark.parametrize(
    ("openings", "rules", "flaps"),
    [
        ((30, 20, 10), {}, True),
        ((30, 20), {}, False),
        ((30, 20), {"flapping": 2}, True),
        ((1200, 30, 20), {}, False),  # the first is before the window
        ((1200, 30, 20), {"flapping_window_s": 1200}, True),  # a window that reaches further than the count
    ],
)
async def test_a_circuit_flaps_that_opened_three_times_within_its_window(openings, rules, flaps):
    logs = logs_of("pod")
    for ago_s in openings:
        tell(logs, "pod", ago_s, "open", "a")
    (one,) = (await joined(Parts(named=[named("a")], logs=logs), **rules)).providers
    assert one.flapping == flaps


class Other(Value):
    """Some other signal's value."""


class JoinedSide:
    """The far side of every source, and the clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        self.rows: Any = [{"id": "u1", "name": "SMSBower", "display_name": None, "active": True}]
        self.columns: Any = ("id", "name", "is_active", "display_name")
        self.keys: Any = {}
        self.following = LogCoverage(None, False, error=NotConfigured("kubernetes", "kubernetes is not configured"))
        self.asked: list[str] = []
        self.sql = ""
        monkeypatch.setattr(circuits, "utc_now", lambda: self.now)
        monkeypatch.setattr(circuits, "follow", self._follow)

    async def _follow(self, sources: Sources) -> LogCoverage:
        return self.following

    async def require(self, table: str, *columns: str) -> Any:
        assert (table, columns) == ("providers", ("id", "name"))
        self.asked.append("names")
        return await self._answer(self.columns)

    @contextlib.asynccontextmanager
    async def read(self, what: str) -> AsyncIterator[JoinedSide]:
        yield self

    async def fetch(self, sql: str) -> Any:
        self.sql = sql
        return await self._answer(self.rows)

    async def peek(self, keys: Sequence[str]) -> list[tuple[str | None, int]]:
        self.asked.append("shared")
        answers = await self._answer(self.keys)
        return [answers.get(key, (None, -2)) for key in keys]

    async def ping(self) -> None:
        self.asked.append("ping")
        await self._answer(self.keys)

    async def _answer(self, answer: Any) -> Any:
        if answer == "never":
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def circuits(self, *names: str, before: Circuits | None = None) -> Circuits:
        side = SimpleNamespace(
            require=self.require, read=self.read, peek=self.peek, ping=self.ping, logs=self.following.logs
        )
        opened = {name: SimpleNamespace(health=SourceHealth(name=name), **vars(side)) for name in names}
        self.asked.clear()
        return await circuits.read(Sources(None, opened), Settings(), before)  # type: ignore[arg-type]


@pytest.fixture
def side(monkeypatch) -> JoinedSide:
    return JoinedSide(monkeypatch)


NO_LOGS = "the pods' own breakers are not read: neither kubernetes nor docker is configured"
NO_REDIS = "the shared breakers are not read: redis is not configured"
NO_POSTGRES = "providers are named by the pods' logs alone: postgres is not configured"
NEEDS_IDS = "shared breakers: their keys hold the providers' ids, and those are in postgres"


async def test_without_any_source_it_is_said_what_to_set(side):
    with pytest.raises(NotConfigured) as error:
        await side.circuits()
    assert str(error.value) == (
        "circuits need kubernetes, docker, redis or postgres: set kubernetes.kubeconfig (KUBECONFIG) or docker.host"
        " (DOCKER_HOST)"
    )
    assert error.value.source == "kubernetes"


async def test_what_is_not_configured_is_a_note(side):
    value = await side.circuits("postgres", "redis")
    assert (value.source, value.notes) == ("redis, postgres", (NO_LOGS,))
    value = await side.circuits("postgres")
    assert (value.source, value.notes) == ("postgres", (NO_LOGS, NO_REDIS))


async def test_redis_alone_can_not_be_asked_for_breakers_and_says_what_it_needs(side):
    with pytest.raises(NotConfigured) as error:
        await side.circuits("redis")
    assert str(error.value) == f"{NEEDS_IDS.partition(': ')[2]}: set postgres.url"
    assert side.asked == ["ping"]  # whether it is well is known all the same


@pytest.mark.parametrize(
    ("value", "left_ms", "state", "closes_in_s"),
    [
        (None, -2, "closed", None),
        ("open", 12_500, "open", 12.5),
        ("open", 1, "open", 0.001),
        ("open", 0, "open", None),
        ("open", -1, "open", None),
        ("half-open", 9_000, "half-open", None),
        ("nonsense", 9_000, "unknown", None),
    ],
)
async def test_a_key_in_redis_is_a_shared_breaker_open_for_as_long_as_it_lives(
    side, value, left_ms, state, closes_in_s
):
    side.keys = {"health:u1:circuit": (value, left_ms)}
    found = await side.circuits("postgres", "redis")
    assert found.providers[0].holders == (shared(state, closes_in_s),)
    assert found.shared_at == NOW


@pytest.mark.parametrize(
    ("columns", "active", "display"),
    [
        (("id", "name", "is_active", "display_name"), '"is_active" AS active', "display_name AS display_name"),
        (("id", "name", "isActive"), '"isActive" AS active', "NULL::text AS display_name"),
        (("id", "name", "is_active", "isActive"), '"is_active" AS active', "NULL::text AS display_name"),
        (("id", "name"), "NULL::boolean AS active", "NULL::text AS display_name"),
    ],
)
async def test_the_providers_are_asked_for_by_the_columns_that_there_are(side, columns, active, display):
    side.columns = columns
    await side.circuits("postgres")
    assert side.sql == f"SELECT id::text AS id, name, {display}, {active} FROM providers ORDER BY name LIMIT 5000"


async def test_texts_of_the_providers_table_are_data(side):
    side.rows = [
        {"id": "u\x1b[2J1", "name": "sms\x07bower", "display_name": "The \x1b]0;x\x07Bower", "active": False},
        {"id": "u2", "name": "plain", "display_name": "", "active": None},
    ]
    value = await side.circuits("postgres")
    shown = {one.active: (one.name, one.id, one.display_name) for one in value.providers}
    assert not any(character in "".join(map(str, shown[False])) for character in "\x1b\x07")
    assert shown[None] == ("plain", "u2", None)


def earlier(age_s: float = 2.0, state: str = "closed", shared_age_s: float | None = None, **more: Any) -> Circuits:
    at = NOW - timedelta(seconds=age_s)
    shared_at = at if shared_age_s is None else NOW - timedelta(seconds=shared_age_s)
    known = ProviderCircuit(
        name="SMSBower",
        id="u1",
        active=False,
        state=state,
        display_name="B",
        holders=(shared(state, more.pop("closes_in_s", None)), Holder(kind="pod", where="pod", state="half-open")),
    )
    by_log = ProviderCircuit(name="log", id=None, active=None, state="closed")
    return replace(Circuits(providers=(known, by_log), names_at=at, shared_at=shared_at, at=at), **more)


@pytest.mark.parametrize(("age_s", "asked"), [(0.0, False), (3.9, False), (4.0, True), (-0.1, True)])
async def test_names_are_read_again_after_four_seconds_or_where_a_clock_was_set_back(side, age_s, asked):
    value = await side.circuits("postgres", before=earlier(age_s))
    assert ("names" in side.asked) == asked
    assert value.names_at == (NOW if asked else NOW - timedelta(seconds=age_s))
    assert [(one.name, one.active) for one in value.providers] == [("SMSBower", asked)]


@pytest.mark.parametrize(("age_s", "asked"), [(0.0, False), (1.4, False), (1.5, True), (-0.1, True)])
async def test_a_storm_of_lines_asks_redis_only_every_one_and_a_half_seconds(side, age_s, asked):
    before = earlier(1.0, "open", shared_age_s=age_s, closes_in_s=9.0)
    value = await side.circuits("postgres", "redis", before=before)
    assert ("shared" in side.asked) == asked
    assert value.source == "redis, postgres"
    assert value.providers[0].holders == (shared("closed") if asked else shared("open", 8.0),)
    assert value.shared_at == (NOW if asked else before.shared_at)


async def test_redis_is_not_asked_again_for_the_providers_it_was_asked_for(side):
    before = earlier(0.5)
    await side.circuits("postgres", "redis", before=replace(before, providers=before.providers[:1]))
    assert "shared" not in side.asked


async def test_a_value_of_another_signal_is_no_earlier_one(side):
    value = await side.circuits("postgres", "redis", before=Other())  # type: ignore[arg-type]
    assert value.names_at == value.shared_at == NOW


async def test_a_breakers_line_wakes_whoever_reads_where_there_are_logs(side):
    logs = logs_of("pod")
    cluster = SimpleNamespace(health=SourceHealth(name="kubernetes"), logs=logs)
    assert circuits_signal.SIGNAL.wake(Sources(None, {"kubernetes": cluster})) is logs.wake  # type: ignore[arg-type]
    assert circuits_signal.SIGNAL.wake(Sources(None, {})) is None  # type: ignore[arg-type]


async def test_redis_is_asked_at_once_for_a_provider_that_is_new_or_that_it_was_never_asked_for(side):
    side.rows = [*side.rows, {"id": "u2", "name": "new", "display_name": None, "active": True}]
    await side.circuits("postgres", "redis", before=replace(earlier(0.5), names_at=None))
    assert "shared" in side.asked
    await side.circuits("postgres", "redis", before=replace(earlier(0.5), shared_at=None))
    assert "shared" in side.asked


@pytest.mark.parametrize("answer", [Unreachable("redis", "redis is away"), "never"])
async def test_while_redis_says_nothing_a_shared_breaker_is_what_it_was_for_as_long_as_that_can_be_said(
    side, monkeypatch, answer
):
    monkeypatch.setattr(circuits, "PATIENCE_S", 0.05)
    side.keys = answer
    said = "redis is away" if answer != "never" else "redis did not give the health keys within 0.05 s"
    value = await side.circuits("postgres", "redis", before=earlier(2.0, "open", closes_in_s=9.0))
    assert value.providers[0].holders == (shared("open", 7.0),)
    assert value.notes == (f"shared breakers: {said}", NO_LOGS)
    assert (value.source, value.shared_at) == ("postgres", NOW - timedelta(seconds=2))
    gone = await side.circuits("postgres", "redis", before=earlier(20.0, "closed"))
    assert gone.providers[0].holders == (shared("unknown"),)


async def test_a_provider_whose_shared_breaker_was_never_read_is_unknown_there(side, monkeypatch):
    monkeypatch.setattr(circuits, "FIRST_PATIENCE_S", 0.05)
    side.keys = Unreachable("redis", "redis is away")
    value = await side.circuits("postgres", "redis")
    assert value.providers[0].holders == (shared("unknown"),)
    assert value.shared_at is None


@pytest.mark.parametrize("answer", [Denied("postgres", "postgres says no"), "never"])
async def test_names_once_read_outlive_a_database_that_does_not_answer(side, monkeypatch, answer):
    monkeypatch.setattr(circuits, "PATIENCE_S", 0.05)
    side.rows = answer
    said = "postgres says no" if answer != "never" else "postgres did not answer the providers query within 0.05 s"
    value = await side.circuits("postgres", "redis", before=earlier(10.0))
    assert [(one.name, one.id, one.active, one.display_name) for one in value.providers] == [
        ("SMSBower", "u1", False, "B")
    ]
    assert (value.source, value.notes) == ("redis", (f"provider names: {said}", NO_LOGS))
    assert value.names_at == NOW - timedelta(seconds=10)


async def test_for_the_first_names_it_is_waited_longer(side, monkeypatch):
    monkeypatch.setattr(circuits, "PATIENCE_S", 0.0)
    monkeypatch.setattr(circuits, "FIRST_PATIENCE_S", 0.05)
    side.rows = side.keys = "never"
    with pytest.raises(TimedOut) as error:
        await side.circuits("postgres", "redis")
    assert str(error.value) == "postgres did not answer the providers query within 0.05 s"
    assert error.value.source == "postgres"


async def test_without_names_redis_is_only_asked_whether_it_is_well(side):
    side.rows = Unreachable("postgres", "postgres is away")
    with pytest.raises(Unreachable, match="postgres is away"):  # the true reason before what is not configured
        await side.circuits("postgres", "redis")
    assert side.asked == ["names", "ping"]


async def test_an_empty_providers_table_asks_redis_for_nothing_and_is_no_trouble(side):
    side.rows = []
    value = await side.circuits("postgres", "redis")
    assert (value.providers, value.source, value.notes) == ((), "postgres", (NO_LOGS,))


@pytest.mark.parametrize(
    ("names", "todo"),
    [(("kubernetes", "redis", "postgres"), "which can't be read now"), (("kubernetes", "redis"), "set postgres.url")],
)
async def test_by_the_logs_alone_providers_are_known_and_closed_ones_only_where_nothing_is_hidden(side, names, todo):
    logs = logs_of("pod")
    tell(logs, "pod", 7, "request", "smsbower")
    side.following = LogCoverage(logs, True)
    side.rows = Unreachable("postgres", "postgres is away")
    value = await side.circuits(*names)
    hidden = "postgres" in names
    assert [(one.name, one.id, one.state) for one in value.providers] == [
        ("smsbower", None, "unknown" if hidden else "closed")
    ]
    about_names = "provider names: postgres is away" if hidden else NO_POSTGRES
    assert value.notes == (about_names, f"{NEEDS_IDS}: {todo}")
    assert value.source == "pod logs"


async def test_logs_that_are_read_are_a_source_with_their_notes(side):
    side.following = LogCoverage(logs_of("pod"), True, age_s=9.0, notes=("one pod is late",))
    value = await side.circuits("kubernetes", "postgres")
    assert (value.source, value.notes) == ("pod logs of 9 s ago, postgres", ("one pod is late", NO_REDIS))
    assert 0 < side.following.logs.rest_s <= 1.0


async def test_logs_that_are_not_read_hide_what_is_closed_and_are_an_error_of_their_own(side):
    hidden = Unreachable("kubernetes", "the cluster is away")
    side.following = LogCoverage(None, False, error=hidden)
    value = await side.circuits("kubernetes", "redis", "postgres")
    assert (value.source, value.notes) == ("redis, postgres", ("pod logs: the cluster is away",))
    assert [one.state for one in value.providers] == ["unknown"]
    side.following = LogCoverage(logs_of("pod"), False, error=hidden, notes=("pods can't be listed",))
    value = await side.circuits("kubernetes", "redis", "postgres")
    assert (value.source, value.notes) == ("redis, postgres", ("pods can't be listed",))
    with pytest.raises(SourceError, match="the cluster is away"):
        await side.circuits("kubernetes")


async def test_lines_of_a_log_that_is_read_wait_for_a_multiple_of_what_joining_them_takes(side, monkeypatch):
    side.following = LogCoverage(logs_of("pod"), True)

    async def slow(parts: Parts, *rest: Any) -> Circuits:
        parts.busy_s = 0.01
        return Circuits()

    monkeypatch.setattr(circuits, "build", slow)
    await side.circuits("kubernetes")
    assert side.following.logs.rest_s == pytest.approx(0.08)

    async def slower(parts: Parts, *rest: Any) -> Circuits:
        parts.busy_s = 0.2
        return Circuits()

    monkeypatch.setattr(circuits, "build", slower)
    await side.circuits("kubernetes")
    assert side.following.logs.rest_s == 1.0


def test_of_circuits_that_nobody_speaks_of_nothing_is_counted():
    value, one = Circuits(), ProviderCircuit(name="a", id=None, active=None, state="unknown")
    assert (value.pods_followed, value.pods, value.catching_up, value.lines_dropped) == (0, 0, 0, 0)
    assert (one.opened, one.seen_429, one.seen_5xx, one.flapping) == (0, 0, 0, False)
    assert circuits_signal.SIGNAL.name == "circuits"


async def test_a_pods_own_breaker_is_no_shared_one_while_redis_says_nothing(side):
    side.keys = Unreachable("redis", "redis is away")
    value = await side.circuits("postgres", "redis", before=earlier(2.0, "closed"))
    assert value.providers[0].holders == (shared("closed"),)


def test_a_pod_is_named_with_how_many_of_the_active_providers_circuits_it_holds_open():
    def at(where: str, state: str, kind: str = "pod") -> Holder:
        return Holder(kind=kind, where=where, state=state)

    rows = (
        ("a", True, (at("one", "open"), at("two", "closed"), at("redis", "open", "shared"))),
        ("b", None, (at("one", "half-open"), at("two", "unknown"), at("redis", "closed", "shared"))),
        ("c", True, (at("three", "open"),)),
        ("disabled", False, (at("one", "open"), at("four", "open"))),
    )
    found = tuple(
        ProviderCircuit(name=name, id=name, active=active, state="open", holders=holders)
        for name, active, holders in rows
    )
    assert Circuits(providers=found).opened_in == {"one": 2, "three": 1}


async def test_no_ids_to_ask_redis_for_is_the_databases_trouble(side):
    side.following = LogCoverage(logs_of("pod"), True)
    await side.circuits("kubernetes", "redis")
    with pytest.raises(NotConfigured) as error:
        side.following = LogCoverage(None, False, error=NotConfigured("kubernetes", "kubernetes is not configured"))
        await side.circuits("redis")
    assert error.value.source == "postgres"
