"""What happened to servers, rows, scheduled work and alerts; and what the whole makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from nexnum_database import NexNumDatabase

from nexconsole.drill import server_changes
from nexconsole.errors import Denied, SourceError, Unreachable
from nexconsole.model import Reading, utc_now
from nexconsole.settings import Settings
from nexconsole.signals import changes
from nexconsole.signals.change import CHANGES, Change, ChangeKind, ChangeLog, KnownSince
from nexconsole.signals.change_log import MOST, Trail, against, before_onset, log_of, with_changes
from nexconsole.signals.changes import ChangeMemory, WatchedSystem
from nexconsole.signals.changes_alerts import AlertsTrail
from nexconsole.signals.changes_rows import AuditTrail, ProvidersTrail, SeenProvider, WorkTrail
from nexconsole.signals.changes_servers import PostgresTrail, RedisState, RedisTrail, redis_state
from nexconsole.signals.onset import Onset, Onsets
from nexconsole.signals.probe import answer
from nexconsole.sources import Sources
from nexconsole.sources.prometheus_json import ActiveAlert

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=10)
LONG_AGO = NOW - timedelta(hours=12)


def minutes(number: float) -> datetime:
    return NOW - timedelta(minutes=number)


def change(at: datetime, kind: ChangeKind = ChangeKind.RELEASE, **more: Any) -> Change:
    return Change(**({"at": at, "kind": kind, "subject": "x", "target": "x", "text": "x was changed"} | more))


def onset(at: datetime | None, within_s: float = 0.0) -> Onset:
    known = minutes(60)
    return Onset(figure="failure_rate", at=at, known_from=known, before=0.01, after=0.5, within_s=within_s)


def known(number: float, *kinds: ChangeKind) -> tuple[KnownSince, ...]:
    return tuple(KnownSince(kind=kind, at=minutes(number)) for kind in kinds)


def texts(trail: Trail) -> list[str]:
    return [found.text for found in sorted(trail.found.values(), key=lambda found: found.at)]


# --- PostgreSQL and Redis ---


def server(**more: Any) -> dict[str, Any]:
    usual = {"now_s": NOW.timestamp(), "started_s": LONG_AGO.timestamp(), "loaded_s": LONG_AGO.timestamp()}
    return usual | {"standby": False, "read_only": False, "address": "10.0.0.1:5432", "version": "18.0"} | more


def test_a_start_a_reload_and_a_failover_of_the_database_are_each_told_once() -> None:
    trail = PostgresTrail()
    trail.compare(server(started_s=minutes(5).timestamp(), loaded_s=minutes(5).timestamp()), {}, None, NOW)
    trail.compare(server(started_s=minutes(5).timestamp(), loaded_s=minutes(5).timestamp()), {}, None, NOW)
    assert texts(trail) == ["PostgreSQL was started"]
    [start] = trail.found.values()
    assert start.at == minutes(5)
    moved = server(now_s=LATER.timestamp(), started_s=minutes(5).timestamp(), address="10.0.0.2:5432", standby=True)
    trail.compare({**moved, "loaded_s": minutes(5).timestamp()}, {}, None, LATER)
    assert texts(trail)[1:] == ["PostgreSQL is a standby that takes no writes", "another PostgreSQL server answers"]


def test_the_servers_clock_is_set_against_ours_and_a_start_at_the_set_up_is_no_change() -> None:
    trail = PostgresTrail()
    ahead = 3600.0
    stamps = {"now_s": NOW.timestamp() + ahead, "started_s": minutes(5).timestamp() + ahead}
    trail.compare(server(**stamps, loaded_s=stamps["started_s"]), {}, None, NOW)
    assert [found.at for found in trail.found.values()] == [minutes(5)]
    fresh = PostgresTrail()
    fresh.compare(server(started_s=minutes(5).timestamp(), loaded_s=minutes(5).timestamp()), {}, minutes(4), NOW)
    assert not fresh.found


def test_sessions_that_read_the_same_settings_later_are_one_reload() -> None:
    trail = PostgresTrail()
    trail.compare(server(), {"work_mem": "4096"}, None, minutes(1))
    loaded = server(loaded_s=NOW.timestamp() - 8)
    trail.compare(loaded, {"work_mem": "8192", "primary_conninfo": "secret"}, None, NOW)
    trail.compare(server(loaded_s=NOW.timestamp() + 9, now_s=LATER.timestamp()), {"work_mem": "8192"}, None, LATER)
    trail.forget(NOW)
    assert texts(trail) == ["PostgreSQL read its settings anew: primary_conninfo, work_mem 4096 → 8192"]


def test_redis_that_was_started_anew_comes_back_empty_or_with_its_keys() -> None:
    trail = RedisTrail()
    trail.compare(RedisState(run_id="a", uptime_s=90_000, keys=420), None, NOW)
    trail.forget(NOW)
    assert not trail.found
    trail.compare(RedisState(run_id="b", uptime_s=4, keys=0), None, LATER)
    trail.compare(RedisState(run_id="b", uptime_s=14, keys=3), None, LATER + timedelta(seconds=10))
    assert texts(trail) == ["Redis was started and came back empty"]
    refilled = RedisTrail()
    refilled.compare(RedisState(run_id="b", uptime_s=90, keys=12, loaded=0), None, NOW)
    assert texts(refilled) == ["Redis was started and came back empty"]  # it has filled again since
    assert next(iter(trail.found.values())).at == LATER - timedelta(seconds=4)


def test_redis_that_is_flushed_emptied_evicts_or_fails_over_is_told() -> None:
    def after(**more: Any) -> list[str]:
        trail = RedisTrail()
        usual = {"run_id": "a", "role": "master", "replication_id": "r", "memory": "1G noeviction", "evicted": 0}
        usual |= {"flushes": 0, "keys": 400}
        trail.compare(RedisState(**usual), None, NOW)
        trail.compare(RedisState(**(usual | more)), None, LATER)
        return texts(trail)

    assert after() == []
    assert after(flushes=1, keys=2) == ["FLUSHALL or FLUSHDB was called: 400 keys → 2"]
    assert after(keys=12) == ["Redis' keys fell from 400 to 12"]
    assert after(keys=300) == []
    assert after(evicted=9) == ["Redis began to evict keys: its memory is used up"]
    assert after(replication_id="s") == ["a failover: another Redis is the master"]
    assert after(role="slave") == ["Redis is a replica now"]
    assert after(memory="2G allkeys-lru") == ["Redis' memory limit or policy was changed"]


@pytest.mark.parametrize("text", ["keys=5,expires=2,avg_ttl=0", "{'keys': 5, 'expires': 2}"])
def test_infos_figures_are_read_as_the_server_or_the_client_writes_them(text: str) -> None:
    info = {"run_id": "a", "uptime_in_seconds": "7", "expired_keys": "0", "db0": text, "db1": text}
    state = redis_state(info, {"cmdstat_flushall": "calls=2,usec=5", "cmdstat_get": "calls=9,usec=1"})
    assert (state.keys, state.flushes, state.uptime_s, state.evicted) == (10, 2, 7.0, None)
    assert redis_state({}, {}).keys is None and redis_state({"expired_keys": "0"}, {}).keys == 0


# --- rows ---


def row(**more: Any) -> SeenProvider:
    usual = {"name": "smsbower", "active": True, "priority": 1, "updated_s": minutes(600).timestamp()}
    return SeenProvider(**(usual | {"created_s": minutes(9000).timestamp()} | more))


def test_a_providers_row_is_compared_between_looks_and_a_balance_is_no_change() -> None:
    trail = ProvidersTrail()
    trail.compare({"1": row()}, NOW)
    trail.compare({"1": row(active=False)}, LATER)  # by SQL: nothing is stamped
    [found] = [each for each in trail.found.values() if each.at > NOW]
    assert (found.text, found.before, found.after) == ("smsbower was disabled", "active", "disabled")
    assert (found.at, found.within_s) == (NOW + timedelta(seconds=5), 5.0)
    stamp = LATER.timestamp()
    synced = row(active=False, updated_s=stamp, syncs_s=(stamp - 0.2,))
    before = dict(trail.found)
    trail.compare({"1": synced}, LATER)
    assert trail.found == before


def test_a_stamp_of_before_is_told_at_the_first_look_unless_it_is_a_sync_or_the_rows_birth() -> None:
    stamp = minutes(8).timestamp()
    for given, told in (
        (row(updated_s=stamp, active=False), ["smsbower's row was written; it is disabled"]),
        (row(updated_s=stamp, syncs_s=(stamp + 1,)), []),
        (row(updated_s=stamp, created_s=stamp), []),
        (row(updated_s=None), []),
    ):
        trail = ProvidersTrail()
        trail.compare({"1": given}, NOW)
        assert texts(trail) == told


def test_a_row_that_is_written_all_the_time_is_not_changed_by_that() -> None:
    trail = ProvidersTrail()
    for number in range(6):
        at = NOW + timedelta(seconds=5 * number)
        trail.compare({"1": row(updated_s=at.timestamp())}, at)
    assert not trail.found
    trail.compare({"1": row(updated_s=LATER.timestamp(), priority=9)}, NOW + timedelta(seconds=30))
    assert texts(trail) == ["smsbower was given priority 9"]


def test_scheduled_work_that_stops_and_runs_again() -> None:
    trail = WorkTrail(looked_at=NOW)
    trail.outbox(400.0, 390.0, 180.0, LATER)
    trail.outbox(410.0, 400.0, 180.0, LATER + timedelta(seconds=10))
    [stopped] = trail.found.values()
    assert stopped.at == LATER - timedelta(seconds=390) and stopped.subject == "outbox worker"
    trail.outbox(None, 2.0, 180.0, LATER + timedelta(seconds=20))
    assert texts(trail)[-1] == "the outbox worker runs again"
    slow = WorkTrail()
    slow.outbox(900.0, 3.0, 180.0, NOW)  # it is late, and works
    slow.reconciler(None, 300.0, NOW)
    assert not slow.found
    slow.reconciler(700.0, 300.0, NOW)
    [left] = slow.found.values()
    assert left.at == NOW - timedelta(seconds=700)


async def test_providers_audit_rows_and_the_server_are_read_by_the_role_that_may_only_read(
    database: NexNumDatabase, sources_on: Callable[[str], Sources]
) -> None:
    await database.execute(
        "INSERT INTO audit_logs (id, user_id, action, resource_type, resource_id, created_at) VALUES"
        " ('a1', 'u1', 'provider.update', 'provider', 'p-x', (now() AT TIME ZONE 'UTC') - interval '5 min'),"
        " ('a2', 'u1', 'user.login', 'user', 'u1', now() AT TIME ZONE 'UTC'),"
        " ('a3', 'u1', 'provider.create', 'provider', 'p-x', (now() AT TIME ZONE 'UTC') - interval '9 hours')"
    )
    sources = sources_on(database.server.read_url)
    audit, server_trail, work, providers = AuditTrail(), PostgresTrail(), WorkTrail(), ProvidersTrail()
    for trail in (audit, server_trail, work, providers):
        await trail.look(sources, Settings(), utc_now())
    [found] = audit.found.values()
    assert found.text == "NexNum's audit log: provider.update of provider p-x" and found.who == "user u1"
    assert abs((utc_now() - found.at).total_seconds() - 300) < 30
    assert server_trail.server["address"] and server_trail.read == {ChangeKind.DATABASE}
    assert work.read == {ChangeKind.SCHEDULER} and providers.read == {ChangeKind.PROVIDER}


async def test_the_audit_log_in_partitions_by_month_is_read_from_their_ends(
    database: NexNumDatabase, sources_on: Callable[[str], Sources]
) -> None:
    await database.execute(
        "DROP TABLE audit_logs; CREATE TABLE audit_logs (id text, user_id text, action text, resource_type text,"
        " resource_id text, metadata jsonb, created_at timestamp(3) NOT NULL) PARTITION BY RANGE (created_at);"
        "CREATE TABLE audit_logs_old PARTITION OF audit_logs FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');"
        "CREATE TABLE audit_logs_rest PARTITION OF audit_logs DEFAULT;"
        "INSERT INTO audit_logs SELECT 'b' || n, 'u1', 'currency.update', 'currency', 'usd', NULL,"
        " (now() AT TIME ZONE 'UTC') - make_interval(secs => 40000 - n) FROM generate_series(1, 39000) n;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO nexnum_read"
    )
    trail = AuditTrail()
    await trail.look(sources_on(database.server.read_url), Settings(), utc_now())
    newest = max(found.at for found in trail.found.values())
    assert abs((utc_now() - newest).total_seconds() - 1000) < 30 and len(trail.found) <= MOST


# --- alerts ---


def test_alerts_begin_and_end_and_rules_are_loaded_anew() -> None:
    def alert(name: str) -> ActiveAlert:
        return ActiveAlert(labels={"alertname": name}, annotations={}, state="firing", since=minutes(4))

    trail = AlertsTrail()
    trail.compare([alert("A"), alert("B")], NOW)
    trail.compare([alert("B")], LATER)
    assert texts(trail) == ["the alert A began", "the alert B began", "the alert A ended"]
    several = AlertsTrail()
    several.compare([alert("A"), alert("A")], NOW)
    assert texts(several) == ["the alert A began"]
    trail = AlertsTrail()
    trail.server({"started": LONG_AGO, "loaded": minutes(3)}, minutes(60), NOW)
    assert texts(trail) == ["Prometheus loaded its settings and rules anew"]
    trail = AlertsTrail()
    trail.server({"started": minutes(90), "loaded": minutes(90)}, minutes(60), NOW)
    assert not trail.found


# --- the log, and what is set against the onset ---


def test_a_change_is_set_against_the_onset_with_what_both_are_uncertain_by() -> None:
    began = onset(NOW)
    assert against(change(minutes(2.2)), began) == "2 min before"
    assert against(change(NOW + timedelta(minutes=4)), began) == "4 min after the onset: not the cause"
    assert against(change(minutes(0.5), within_s=20), onset(NOW, within_s=15)) == "about the same time"
    assert against(change(minutes(2)), None) == ""
    assert against(change(minutes(2)), onset(None)) == "after the onset: not the cause"
    assert against(change(minutes(90)), onset(None)) == "when it began is not known"


def test_a_kind_that_is_not_known_so_far_back_is_not_known_to_have_had_no_change() -> None:
    read = (ChangeKind.RELEASE,)
    log = ChangeLog(changes=(change(minutes(4)),), read=read, known_from=known(300, *read))
    assert before_onset(log, onset(NOW), ChangeKind.RELEASE, 600) is True
    assert before_onset(log, onset(minutes(20)), ChangeKind.RELEASE, 600) is False
    assert before_onset(log, onset(NOW), ChangeKind.CONFIG, 600) is None
    short = ChangeLog(read=(ChangeKind.PROVIDER,), known_from=known(5, ChangeKind.PROVIDER))
    assert before_onset(short, onset(NOW), ChangeKind.PROVIDER, 600) is None
    assert before_onset(log, onset(None), ChangeKind.RELEASE, 600) is None


def test_the_log_is_bounded_forgets_and_names_who_by_the_audit_row() -> None:
    trail = Scripted()
    for number in range(MOST + 50):
        trail.note(str(number), change(NOW - timedelta(seconds=number)))
    trail.note("old", change(NOW - timedelta(hours=7)))
    trail.forget(NOW)
    assert len(trail.found) == MOST and "old" not in trail.found and "0" in trail.found
    edited = change(NOW, ChangeKind.PROVIDER, target="smsbower", within_s=2.5)
    audited = change(NOW - timedelta(seconds=3), ChangeKind.AUDIT, target="smsbower", who="user u1")
    rows = Scripted()
    rows.found |= {"e": edited, "a": audited}
    log = log_of((rows,))
    assert [each.who for each in log.changes] == ["user u1", "user u1"]
    done = change(LATER, ChangeKind.ACTION, who="ann")
    assert with_changes(log, [done]).changes[0] is done and ChangeKind.ACTION in with_changes(log, [done]).read


def test_the_probes_set_kinds_providers_and_pods_against_the_first_onset() -> None:
    edited = change(minutes(3), ChangeKind.PROVIDER, target="smsbower", text="smsbower was disabled")
    released = change(minutes(1), who="kubectl-set")
    kinds = (ChangeKind.PROVIDER, ChangeKind.RELEASE, ChangeKind.RESTART, ChangeKind.CONFIG)
    log = ChangeLog(changes=(released, edited), read=kinds, known_from=known(300, *kinds))
    taken: dict[str, Any] = {CHANGES: log, "onset": Onsets(found=(onset(minutes(2)),))}
    asked = {probe.name: probe for probe in changes.PROBES}

    def answered(name: str, argument: str, **given: Any) -> Any:
        values = taken | given
        readings = {
            signal: Reading(signal=signal, every=5.0, value=value, taken_at=NOW, attempted_at=NOW)
            for signal, value in values.items()
        }
        return answer(asked[name], readings, Settings(), NOW, argument)

    assert answered("changes.provider", "SMSBower").value is True
    assert answered("changes.provider", "5sim").value is False
    assert answered("changes.before", "provider").text == "smsbower was disabled: 60 s before"
    late = answered("changes.before", "release")
    assert late.value is False and late.text.endswith("60 s after the onset: not the cause")
    assert answered("changes.before", "config").value is False
    assert answered("changes.before", "secret").value is None
    assert answered("changes.before", "release", onset=Onsets()).value is None
    assert answered("changes.last", "release").value == 60.0
    assert answered("changes.last", "config").value == 300 * 60.0
    assert answered("changes.last", "secret").value is None
    assert answered("changes.pod", "pod-1").value is False
    assert answered("changes.before", "weather").value is None


# --- the whole ---


class Scripted(Trail):
    """A trail whose look does what a test says."""

    def __init__(self, outcome: BaseException | None = None, hangs: bool = False) -> None:
        super().__init__()
        self.outcome, self.hangs, self.looks = outcome, hangs, 0

    async def look(self, sources: Any, settings: Settings, now: datetime) -> None:
        self.looks += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.outcome is not None:
            raise self.outcome
        self.can_read((ChangeKind.RELEASE,), now)
        self.note("x", change(now))


def scripted(*trails: Scripted) -> Any:
    watched = tuple(WatchedSystem(f"s{place}", 10.0, trail) for place, trail in enumerate(trails))
    return SimpleNamespace(memory={CHANGES: ChangeMemory(watched)}, has=lambda name: True)


async def test_one_system_that_fails_or_hangs_loses_its_own_kinds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "LOOK_S", 0.05)
    good, bad, slow = Scripted(), Scripted(Denied("redis", "redis says no")), Scripted(hangs=True)
    sources = scripted(good, bad, slow)
    log = await changes.read(sources, Settings(), None)
    assert log.read == (ChangeKind.RELEASE,) and len(log.changes) == 1
    assert log.notes == ("redis says no", "s2 did not answer what changed within 0 s")
    await changes.read(sources, Settings(), log)
    assert good.looks == bad.looks == 1  # not due again


async def test_where_nothing_answers_it_is_an_error_and_what_was_found_is_kept() -> None:
    failing = Scripted()
    sources = scripted(failing)
    await changes.read(sources, Settings(), None)
    failing.outcome = Unreachable("s0", "it is gone")
    sources.memory[CHANGES].watched[0].looked_at = None
    with pytest.raises(SourceError, match="it is gone"):
        await changes.read(sources, Settings(), None)
    assert failing.found and not failing.read and not failing.known_from


async def test_an_edit_by_hand_is_seen_in_a_real_database(
    database: NexNumDatabase, sources_on: Callable[[str], Sources]
) -> None:
    await database.execute(
        "INSERT INTO providers (id, name, display_name, is_active, priority, created_at, updated_at)"
        " VALUES ('p-9', 'ninth', 'Ninth', true, 1, '2026-01-01', '2026-01-01')"
    )
    sources, trail = sources_on(database.url), ProvidersTrail()
    await trail.look(sources, Settings(), utc_now())
    await database.execute("UPDATE providers SET is_active = false WHERE id = 'p-9'")
    await trail.look(sources, Settings(), utc_now())
    assert "ninth was disabled" in texts(trail)


def test_only_columns_that_people_edit_can_be_edited() -> None:
    with pytest.raises(ValueError, match="auth_key"):
        asyncio.run(server_changes.edit_provider(SimpleNamespace(), "x", auth_key="k"))  # type: ignore[arg-type]
