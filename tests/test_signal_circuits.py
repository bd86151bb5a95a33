"""Circuits: every holder of every provider's breaker, joined by name and uuid; what is missing is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from remote_console import tcp_server
from small_cluster import SmallCluster, kubernetes_on_port, small_cluster, until

from nexconsole.errors import Unreachable
from nexconsole.model import State, utc_now
from nexconsole.settings import CircuitRules, PostgresSettings, RedisSettings, Settings
from nexconsole.signals.breaker_views import outlasting
from nexconsole.signals.circuits import Circuits, Holder, Parts, ProviderCircuit, ProviderNameRow, build
from nexconsole.signals.circuits_signal import SIGNAL
from nexconsole.signals.readings import read_once
from nexconsole.sources import Sources
from nexconsole.sources.breaker_lines import BreakerEvent
from nexconsole.sources.lazy_clients import LazyClients
from nexconsole.sources.logs import Logs
from nexconsole.sources.pod_log import PodLog
from nexconsole.sources.postgres import PostgresSource
from nexconsole.sources.redis import RedisSource

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
UUID = "3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f"


class CircuitStory:
    """Pods' breakers as lines would have left them; times are seconds before NOW."""

    def __init__(self, pods: int = 3, covered: bool = True) -> None:
        self.logs = Logs(None)  # type: ignore[arg-type]
        self.logs.pods = pods
        for number in range(pods):
            pod = self.logs.followed[f"u{number}"] = PodLog(f"pod-{number}")
            pod.breakers.covered = covered
            pod.answered = pod.caught_up = True

    def tell(self, pod: int, ago: float, kind: str, name: str = "smsbower", **more: object) -> CircuitStory:
        followed = self.logs.followed[f"u{pod}"]
        self.logs.breakers.fold(followed.breakers, NOW - timedelta(seconds=ago), BreakerEvent(kind, name, **more))
        return self

    async def read(self, *named: ProviderNameRow, shared: Holder | None = None, **rules: object) -> Circuits:
        rows = named or (ProviderNameRow(name="smsbower", id=UUID, active=True, display_name=None),)
        parts = Parts(named=rows, logs=self.logs, sources=["pod logs"], shared={UUID: shared} if shared else {})
        return await build(parts, CircuitRules(**rules), NOW, time.monotonic())

    async def provider(self, **options: object) -> ProviderCircuit:
        (provider,) = (await self.read(**options)).providers  # type: ignore[arg-type]
        return provider


def shape(provider: ProviderCircuit) -> list[tuple[str, str, float | None]]:
    return [(holder.where, holder.state, holder.closes_in_s) for holder in provider.holders]


async def test_each_pod_is_a_holder_of_its_own_and_the_worst_one_decides() -> None:
    provider = await CircuitStory().tell(0, 10, "open").tell(1, 5, "closed").provider()
    assert shape(provider) == [("pod-0", "open", 20.0), ("pod-1", "closed", None), ("pod-2", "closed", None)]
    assert (provider.state, provider.opened, provider.holders[0].since) == ("open", 1, NOW - timedelta(seconds=10))


async def test_a_pod_whose_silence_proves_nothing_is_unknown_not_closed() -> None:
    provider = await CircuitStory(covered=False).tell(0, 10, "closed").provider()
    assert [state for _, state, _ in shape(provider)] == ["closed", "unknown", "unknown"]
    assert provider.state == "unknown"


async def test_half_open_tells_since_when_it_waits_and_the_last_traffic() -> None:
    story = CircuitStory().tell(0, 300, "open").tell(0, 300, "request").tell(0, 270, "half-open")
    provider = await story.provider()
    assert (provider.state, provider.holders[0].since) == ("half-open", NOW - timedelta(seconds=270))
    assert provider.holders[0].closes_in_s is None
    assert provider.last_traffic == NOW - timedelta(seconds=300)


async def test_a_cool_down_that_is_over_without_half_open_is_not_made_up() -> None:
    assert shape(await CircuitStory().tell(0, 33, "open").provider())[0] == ("pod-0", "open", 0.0)
    assert shape(await CircuitStory().tell(0, 90, "open").provider())[0] == ("pod-0", "open", None)
    assert shape(await CircuitStory().tell(0, 10, "open").provider(cooldown_s=15.0))[0] == ("pod-0", "open", 5.0)
    assert shape(await CircuitStory().tell(0, -60, "open").provider())[0] == ("pod-0", "open", 30.0)  # the node's clock
    assert shape(await CircuitStory().tell(0, 10, "rejected").provider())[0] == ("pod-0", "open", None)


async def test_what_a_lost_log_can_no_longer_prove_becomes_unknown() -> None:
    story = (
        CircuitStory()
        .tell(0, 40, "open", "over")
        .tell(0, 10, "open")
        .tell(0, 40, "closed", "c")
        .tell(0, 9, "open", "later")
    )
    story.logs.followed["u0"].lost_at = time.monotonic() - 5
    assert {one.name: one.holders[0].state for one in (await story.read()).providers}["c"] == "closed"
    story.logs.followed["u0"].lost_at = time.monotonic() - 60
    states = {one.name: one.holders[0].state for one in (await story.read()).providers}
    assert states == {"over": "unknown", "smsbower": "open", "c": "unknown", "later": "open"}
    story.logs.followed["u0"].lost_at = None
    assert {one.name: one.holders[0].state for one in (await story.read()).providers}["c"] == "closed"


async def test_pods_that_were_not_listed_yet_are_not_taken_for_none(tmp_path: Path) -> None:
    async with tcp_server(None) as port:
        kubernetes = kubernetes_on_port(tmp_path, port, timeout_s=5.0)
        reading = await read_once(SIGNAL, Sources(kubernetes.clients, {"kubernetes": kubernetes}), Settings())
        assert reading.value is None
        assert "not been listed yet" in reading.error
        await kubernetes.close()


async def test_three_openings_of_one_pod_flap_one_of_each_of_three_does_not() -> None:
    story = CircuitStory()
    for pod in range(3):
        story.tell(pod, 10 + pod, "open")
    provider = await story.provider()
    assert (provider.opened, provider.flapping) == (3, False)
    story.tell(1, 5, "open").tell(1, 4, "open")
    assert (await story.provider()).flapping
    assert not (await story.provider(flapping=4)).flapping
    assert not (await story.provider(flapping_window_s=4)).flapping


async def test_breakers_that_close_again_are_counted_beside_those_that_open() -> None:
    story = CircuitStory()
    for ago in (300, 200, 100):
        story.tell(0, ago, "open").tell(0, ago - 40, "half-open").tell(0, ago - 41, "closed")
    provider = await story.provider()
    assert (provider.opened, provider.closed, provider.flapping) == (3, 3, True)
    assert (
        await CircuitStory().tell(0, 50, "open").tell(0, 20, "half-open").tell(0, 19, "open").provider()
    ).closed == 0


async def test_a_container_started_anew_flaps_once_its_own_breaker_opens() -> None:
    story = CircuitStory()
    story.tell(1, 50, "open").tell(1, 40, "open").tell(1, 30, "open")
    assert (await story.provider()).flapping
    story.logs.followed["u1"].born(NOW - timedelta(seconds=300))
    story.logs.followed["u1"].born(NOW - timedelta(seconds=20), 1)
    provider = await story.provider()
    assert (provider.opened, provider.flapping) == (3, False)
    story.tell(1, 5, "open")
    assert (await story.provider()).flapping


async def test_429s_and_5xx_are_counted_and_trip_nothing() -> None:
    story = (
        CircuitStory()
        .tell(0, 9, "retry", status=429)
        .tell(1, 9, "failed", status=503)
        .tell(2, 800, "failed", status=503)
    )
    provider = await story.provider()
    assert (provider.state, provider.seen_429, provider.seen_5xx) == ("closed", 1, 1)


async def test_the_shared_holder_is_open_since_the_line_that_says_so() -> None:
    story = CircuitStory().tell(0, 100, "shared", UUID.upper(), open_s=300.0)
    shared = Holder(kind="shared", where="redis", state="open", closes_in_s=200.0)
    provider = await story.provider(shared=shared)
    assert (provider.state, provider.holders[-1].since) == ("open", NOW - timedelta(seconds=100))
    assert (provider.holders[-1].kind, provider.holders[-1].closes_in_s) == ("shared", 200.0)


async def test_names_join_without_regard_to_case_and_others_than_sms_providers_are_left_out() -> None:
    story = (
        CircuitStory().tell(0, 9, "open", "SMSBower").tell(0, 9, "open", "GeminiPool").tell(0, 9, "closed", "[red]x")
    )
    value = await story.read()
    assert [(one.name, one.id) for one in value.providers] == [("smsbower", UUID), ("[red]x", None)]
    assert value.providers[0].state == "open"


async def test_the_most_urgent_come_first_and_the_disabled_last() -> None:
    story = CircuitStory(1)
    for name, kinds in {"calm": [], "half": ["half-open"], "flaps": ["open"] * 3 + ["closed"], "off": ["open"]}.items():
        for kind in kinds:
            story.tell(0, 5, kind, name)
    story.tell(0, 5, "open", "open")
    rows = [
        ProviderNameRow(name=n, id=n, active=n != "off", display_name=None)
        for n in ("calm", "flaps", "half", "off", "open")
    ]
    assert [one.name for one in (await story.read(*rows)).providers] == ["open", "half", "flaps", "calm", "off"]


async def test_a_thousand_providers_in_fifty_pods_are_read_in_moments() -> None:
    story = CircuitStory(50)
    rows = [
        ProviderNameRow(name=f"p{number}", id=f"p{number}", active=True, display_name=None) for number in range(1000)
    ]
    for pod in range(50):
        for row in rows[::10]:
            story.tell(pod, 5, "closed", row.name)
    await story.read(*rows)
    began = time.process_time()
    value = await story.read(*rows)
    assert time.process_time() - began < 0.25
    assert (len(value.providers), len(value.providers[0].holders)) == (1000, 50)


# --- through the sources


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[SmallCluster]:
    async with small_cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
async def world(small: SmallCluster, database, redis_server) -> AsyncIterator[Callable[..., Sources]]:
    """Sources on the cluster and on a real Postgres and Redis, with two providers in them."""
    for name, uuid, active in (("smsbower", UUID, True), ("onlinesim", "id-2", False)):
        await database.execute(
            "INSERT INTO providers (id, name, display_name, is_active, updated_at) VALUES ($1, $2, $3, $4, now())",
            uuid,
            name,
            name.title(),
            active,
        )
    await write(redis_server, "DEL", f"health:{UUID}:circuit")
    made: list[Sources] = []

    def make(role: str = "operator", postgres: str = "", redis: str = "") -> Sources:
        kubernetes = small.source(role)
        clients = kubernetes.clients
        opened = {
            "kubernetes": kubernetes,
            "postgres": PostgresSource(clients, PostgresSettings(url=postgres or database.url)),
            "redis": RedisSource(clients, RedisSettings(url=redis or redis_server.url)),
        }
        made.append(Sources(clients, opened))
        return made[-1]

    yield make
    for sources in made:
        await sources.close()


async def write(redis_server, *command: object) -> None:
    import redis.asyncio

    async with redis.asyncio.from_url(redis_server.url) as client:
        await client.execute_command(*command)


async def test_one_read_is_right_already(world: Callable[..., Sources], small: SmallCluster, redis_server) -> None:
    small.processes()[1].log.append("[DynamicProvider:SmsBower] Circuit OPEN - Failing fast")
    await write(redis_server, "SET", f"health:{UUID}:circuit", "open", "PX", 250_000)
    reading = await read_once(SIGNAL, world(), Settings())
    value = reading.value
    assert (value.notes, value.source, value.pods_followed, value.pods) == ((), "pod logs, redis, postgres", 3, 3)
    first, second = value.providers
    assert (first.name, first.id, first.active, first.display_name) == ("smsbower", UUID, True, "Smsbower")
    assert [holder.state for holder in first.holders] == ["closed", "open", "closed", "open"]
    assert 200 < first.holders[3].closes_in_s <= 250
    assert 25 < first.holders[1].closes_in_s <= 30
    assert (second.name, second.active, second.state) == ("onlinesim", False, "closed")


async def test_half_open_in_redis_and_nonsense_there_are_what_they_are(
    world: Callable[..., Sources], redis_server
) -> None:
    sources = world()
    for value, state in (("half-open", "half-open"), ("banana", "unknown")):
        await write(redis_server, "SET", f"health:{UUID}:circuit", value)
        providers = (await read_once(SIGNAL, sources, Settings())).value.providers
        holder = next(one for one in providers if one.id == UUID).holders[-1]
        assert (holder.kind, holder.state, holder.closes_in_s) == ("shared", state, None)


async def test_a_column_named_isactive_is_read_too(world: Callable[..., Sources], database) -> None:
    await database.execute('ALTER TABLE providers RENAME COLUMN is_active TO "isActive"')
    providers = (await read_once(SIGNAL, world(), Settings())).value.providers
    assert {one.name: one.active for one in providers} == {"smsbower": True, "onlinesim": False}


@pytest.mark.parametrize("missing", ["postgres", "redis", "kubernetes"])
async def test_without_one_of_its_sources_the_value_stands_with_a_note(
    world: Callable[..., Sources], small: SmallCluster, missing: str
) -> None:
    small.processes()[1].log.append("[DynamicProvider:smsbower] Circuit OPEN - Failing fast")
    sources = world(
        role="nobody" if missing == "kubernetes" else "operator",
        postgres="postgresql://u:p@127.0.0.1:1/x" if missing == "postgres" else "",
        redis="redis://127.0.0.1:1" if missing == "redis" else "",
    )
    reading = await read_once(SIGNAL, sources, Settings())
    assert reading.error is None
    assert any(missing in note or "may not" in note for note in reading.value.notes)
    provider = next(one for one in reading.value.providers if one.name == "smsbower")
    assert provider.state == ("open" if missing != "kubernetes" else "unknown")
    assert (provider.id is None) is (missing == "postgres")


async def test_names_once_read_outlive_the_database(world: Callable[..., Sources], monkeypatch) -> None:
    sources = world()
    before = await read_once(SIGNAL, sources, Settings())

    async def broken(*_: object) -> None:
        raise Unreachable("postgres", "postgres is gone")

    monkeypatch.setattr(sources.postgres, "require", broken)
    monkeypatch.setattr("nexconsole.signals.circuits.NAMES_EVERY_S", 0.0)
    after = await read_once(SIGNAL, sources, Settings(), before)
    assert [one.id for one in after.value.providers] == [one.id for one in before.value.providers]
    assert "provider names: postgres is gone" in after.value.notes


async def test_a_hanging_redis_and_postgres_hold_a_breaker_s_line_up_for_no_more_than_their_share(
    world: Callable[..., Sources], small: SmallCluster
) -> None:
    before = await read_once(SIGNAL, world(), Settings())
    async with tcp_server(None) as port:
        sources = world(postgres=f"postgresql://u:p@127.0.0.1:{port}/x", redis=f"redis://127.0.0.1:{port}")
        await sources.kubernetes.logs.start(5.0)
        small.processes()[0].log.append("[DynamicProvider:smsbower] Circuit OPEN - Failing fast")
        await until(sources.kubernetes.logs.wake.is_set)
        began = asyncio.get_running_loop().time()
        reading = await read_once(SIGNAL, sources, Settings(), before)
        assert asyncio.get_running_loop().time() - began < 2.5
        assert reading.value.providers[0].state == "open"


async def test_when_nothing_can_be_read_the_reading_has_the_error(world: Callable[..., Sources]) -> None:
    sources = world("nobody", postgres="postgresql://u:p@127.0.0.1:1/x", redis="redis://127.0.0.1:1")
    reading = await read_once(SIGNAL, sources, Settings())
    assert reading.state(NOW) is State.ERROR
    assert reading.value is None


async def test_when_nothing_is_configured_the_signal_is_absent_and_redis_alone_says_what_it_needs(
    redis_server,
) -> None:
    clients = LazyClients()
    assert (await read_once(SIGNAL, Sources(clients, {}), Settings())).absent
    alone = Sources(clients, {"redis": RedisSource(clients, RedisSettings(url=redis_server.url))})
    reading = await read_once(SIGNAL, alone, Settings())
    assert reading.absent
    assert "set postgres.url" in reading.error
    await alone.close()


async def test_a_missing_right_to_logs_is_one_note_with_the_number_of_pods(world: Callable[..., Sources]) -> None:
    value = (await read_once(SIGNAL, world("viewer"), Settings())).value
    (note,) = value.notes
    assert note.startswith("the log of nexnum-app-")
    assert "and 2 more can't be followed" in note
    assert "grant get on pods/log" in note
    assert (value.pods_followed, value.pods, value.providers[0].holders[0].state) == (0, 3, "unknown")


async def test_an_open_lifecycle_breaker_is_a_note_and_no_provider(
    world: Callable[..., Sources], small: SmallCluster
) -> None:
    small.processes()[0].log.append('{"level":"warn","msg":"[Lifecycle] Circuit breaker OPENED - provider failing"}')
    value = (await read_once(SIGNAL, world(), Settings())).value
    (note,) = value.notes
    assert "lifecycle breaker" in note
    assert len(value.providers) == 2


def test_a_shared_breaker_stays_open_for_its_cool_down_while_redis_says_nothing() -> None:
    was = Holder(kind="shared", where="redis", state="open", closes_in_s=100.0)
    later = outlasting(was, NOW, NOW, NOW + timedelta(seconds=30))
    assert (later.state, later.closes_in_s) == ("open", 70.0)
    assert outlasting(later, NOW + timedelta(seconds=30), NOW, NOW + timedelta(seconds=101)).state == "unknown"


def test_a_shared_breaker_that_was_closed_is_unknown_soon_after_redis_went() -> None:
    was = Holder(kind="shared", where="redis", state="closed")
    assert outlasting(was, NOW, NOW, NOW + timedelta(seconds=10)).state == "closed"
    assert outlasting(was, NOW, NOW, NOW + timedelta(seconds=20)).state == "unknown"


async def test_a_redis_that_hangs_is_ill_in_the_header_too_and_takes_no_holder_away(database, clients) -> None:
    await database.execute(
        "INSERT INTO providers (id, name, display_name, is_active, updated_at)"
        " VALUES ($1, 'smsbower', 'S', true, now())",
        UUID,
    )
    async with tcp_server(None) as port:
        postgres = PostgresSource(clients, PostgresSettings(url=database.url))
        redis = RedisSource(clients, RedisSettings(url=f"redis://127.0.0.1:{port}"))
        sources = Sources(clients, {"postgres": postgres, "redis": redis})
        first = await read_once(SIGNAL, sources, Settings())
        again = await read_once(SIGNAL, sources, Settings(), first)
        assert [holder.state for holder in again.value.providers[0].holders] == ["unknown"]
        assert redis.health.kind == "timed out"
        await sources.close()


async def test_a_storm_of_lines_asks_redis_no_more_often_than_the_clock_would(
    world: Callable[..., Sources], database, redis_server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, asked = world(), []
    peek = sources.redis.peek

    async def counted(keys):
        asked.append(len(keys))
        return await peek(keys)

    monkeypatch.setattr(sources.redis, "peek", counted)
    await write(redis_server, "SET", f"health:{UUID}:circuit", "open", "PX", 250_000)
    reading = await read_once(SIGNAL, sources, Settings())
    first = reading.value.providers[0].holders[-1].closes_in_s
    for _ in range(4):
        reading = await read_once(SIGNAL, sources, Settings(), reading)
    shared = reading.value.providers[0].holders[-1]
    assert (asked, shared.state, "redis" in reading.value.source) == ([2], "open", True)
    assert 0 < first - shared.closes_in_s < 5  # its time goes on all the same
    monkeypatch.setattr("nexconsole.signals.circuits.NAMES_EVERY_S", 0.0)
    await database.execute(
        "INSERT INTO providers (id, name, display_name, is_active, updated_at) VALUES ('id-3', 'new', 'N', true, now())"
    )
    reading = await read_once(SIGNAL, sources, Settings(), reading)
    assert asked == [2, 3]  # a provider that was not asked for yet
    monkeypatch.setattr("nexconsole.signals.circuits.SHARED_EVERY_S", 0.0)
    await read_once(SIGNAL, sources, Settings(), reading)
    assert asked == [2, 3, 3]


async def test_circuits_of_streams_that_are_not_read_are_unknown_and_never_closed(
    world: Callable[..., Sources], small: SmallCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexconsole.sources.logs.LOST_S", 0.2)
    monkeypatch.setattr("nexconsole.sources.logs.PODS_EVERY_S", 0.05)
    monkeypatch.setattr("nexconsole.sources.logs.PODS_RETRY_S", 0.05)
    sources = world()
    small.processes()[0].log.append("[DynamicProvider:smsbower] Circuit CLOSED - Recovered")
    before = await read_once(SIGNAL, sources, Settings())
    assert before.value.providers[0].state == "closed"

    async def stopped(*_: object) -> None:
        raise Unreachable("kubernetes", "the API server does not answer")

    monkeypatch.setattr(sources.kubernetes, "pods", stopped)
    logs = sources.kubernetes.logs
    await until(lambda: all(logs.is_lost(pod, time.monotonic()) for pod in logs.followed.values()))
    value = (await read_once(SIGNAL, sources, Settings(), before)).value
    assert {one.state for one in value.providers} == {"unknown"}
    assert {holder.state for holder in value.providers[0].holders if holder.kind == "pod"} == {"unknown"}
    assert value.source == "redis, postgres"  # and not the logs
    assert any(note.startswith("pods can't be listed: ") for note in value.notes)


async def test_while_older_lines_are_read_nothing_old_is_said_of_now() -> None:
    story = CircuitStory().tell(0, 500, "open").tell(1, 400, "closed")
    for pod in story.logs.followed.values():
        pod.caught_up = False
    value = await story.read()
    assert value.catching_up == 3
    assert [state for _, state, _ in shape(value.providers[0])] == ["unknown"] * 3
    assert value.providers[0].opened == 1  # that it opened is a fact
    for pod in story.logs.followed.values():
        pod.caught_up = True
    assert (await story.read()).catching_up == 0


async def test_a_pod_that_does_not_answer_is_not_counted_as_followed_and_is_named(
    world: Callable[..., Sources], small: SmallCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = world()
    await read_once(SIGNAL, sources, Settings())
    pod = sorted(sources.kubernetes.logs.followed.values(), key=lambda pod: pod.name)[1]
    pod.answered, pod.unanswered = False, Unreachable("kubernetes", "its kubelet does not answer within 3 s")
    value = (await read_once(SIGNAL, sources, Settings())).value
    assert (value.pods_followed, value.pods) == (2, 3)
    assert f"the log of {pod.name} can't be followed: its kubelet does not answer within 3 s" in value.notes


async def test_how_far_back_the_lines_reach_is_part_of_the_value(
    world: Callable[..., Sources], small: SmallCluster
) -> None:
    sources = world()
    value = (await read_once(SIGNAL, sources, Settings())).value
    assert value.reach_s == 3600.0  # these pods have said nothing before
    pod = next(iter(sources.kubernetes.logs.followed.values()))
    pod._restarts, pod._reaches = 1, utc_now() - timedelta(seconds=245)
    assert (await read_once(SIGNAL, sources, Settings())).value.reach_s == pytest.approx(245, abs=3)
