"""Durability: whether the data in Postgres and Redis would survive, and whether any was lost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..text.sanitize import clean
from ..text.units import count, duration, percent, several
from .findings import CheckResult, Finding, KeyspaceState, Memory
from .signal import EVERY_PURCHASE

if TYPE_CHECKING:
    from ..settings import IntegrityRules, Settings
    from ..sources import Sources

ARCHIVE_LATE_S = 900.0  # archiving that fails for so long is more than a hiccup
REPLICA_BYTES = 1e9
UNSAVED_S = 7200.0  # the usual rules save one change within an hour
FEW_KEYS = 20  # a Redis with fewer keys has nothing to lose that could be told from expiry
LOST_S = 1800.0  # how long a loss is told
FULL = 0.995

STATE_SQL = """
SELECT pg_is_in_recovery() AS recovery, current_setting('archive_mode') AS archive_mode,
       (SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()) AS broken_pages,
       a.failed_count AS failed, extract(epoch FROM now() - a.last_archived_time)::float8 AS archived_s,
       extract(epoch FROM now() - a.last_failed_time)::float8 AS failed_s,
       coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false)
         OR pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER') AS sees_all,
       CASE WHEN pg_is_in_recovery() THEN (SELECT count(*) FROM pg_stat_wal_receiver) END AS receivers
FROM pg_stat_archiver a
"""
REPLICAS_SQL = """
SELECT coalesce(nullif(application_name, ''), client_addr::text, 'without a name') AS name,
       extract(epoch FROM replay_lag)::float8 AS late_s,
       pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 AS late_bytes
FROM pg_stat_replication LIMIT 50
"""


async def postgres(sources: Sources, settings: Settings, memory: Memory, now: datetime) -> CheckResult:
    """Postgres in recovery, failing archiving, broken pages, replicas far behind."""
    async with sources.postgres.read("the durability query") as tx:
        state = await tx.row(STATE_SQL)
        replicas = await tx.fetch(REPLICAS_SQL) if not state["recovery"] else []
    hidden = 0 if state["sees_all"] else len(replicas)
    said = ["in recovery" if state["recovery"] else "a primary", f"archive_mode {clean(state['archive_mode'], 20)}"]
    if replicas:
        said.append(several(len(replicas), "replica") + (" (GRANT pg_monitor to see how late)" if hidden else ""))
    findings = [*_recovery(state, memory), *_archive(state), *_pages(state), *_replicas(replicas, settings.integrity)]
    primary = memory.primary if state["recovery"] and memory.primary else not state["recovery"]
    return CheckResult(said=", ".join(said), findings=tuple(findings), memory=replace(memory, primary=primary))


def _recovery(state: Mapping[str, Any], memory: Memory) -> Iterable[Finding]:
    if not state["recovery"]:
        return
    if memory.primary:
        text = "the database has become a read-only replica since this console began: nothing can be written here"
        advice = "a failover, or a pooler that points at the wrong server: find the primary, and what it did not get"
        follows = (*EVERY_PURCHASE, "outbox", "reservations")
        yield Finding(kind="data", level="SEV-1", text=text, advice=advice, about="read-only", explains=follows)
    elif not state["receivers"]:
        text = "the database is in recovery and follows no primary: is it being restored from a backup?"
        yield Finding(kind="data", level="SEV-2", text=text, about="recovery")
    else:
        text = "this console reads a replica: what it sees may be late, and the primary is not looked at"
        yield Finding(kind="data", level="none", text=text)


def _archive(state: Mapping[str, Any]) -> Iterable[Finding]:
    if state["archive_mode"] == "off" or not state["failed"] or state["failed_s"] is None:
        return
    last = state["archived_s"]
    if last is not None and last <= state["failed_s"]:
        return  # it worked again since
    since = "it never worked" if last is None else f"the last success was {duration(last)} ago"
    level = "SEV-2" if last is None or last > ARCHIVE_LATE_S else "SEV-3"
    text = f"archiving of the database's log fails, {since}: a restore would lose what came after"
    yield Finding(kind="data", level=level, text=text, advice="see pg_stat_archiver, and the disk that it writes to")


def _pages(state: Mapping[str, Any]) -> Iterable[Finding]:
    if broken := state["broken_pages"]:
        text = f"{several(broken, 'page')} of the database failed the checksum: the disk loses data"
        yield Finding(kind="data", level="SEV-1", text=text, advice="stop what writes, and check the newest backup")


def _replicas(rows: Iterable[Mapping[str, Any]], rules: IntegrityRules) -> Iterable[Finding]:
    for row in rows:
        late = row["late_s"] is not None and row["late_s"] > rules.replica_late_s
        if late or (row["late_bytes"] or 0) > REPLICA_BYTES:
            how = duration(row["late_s"]) if late else f"{row['late_bytes'] / 1e9:.1f} GB"
            text = f"the replica {clean(row['name'], 60)} is {how} behind: a failover to it would lose as much"
            yield Finding(kind="data", level="SEV-3", text=text)


async def redis(sources: Sources, settings: Settings, memory: Memory, now: datetime) -> CheckResult:
    """Redis that lost its data, keeps none, throws some away, or is full: from INFO, as far as it has it."""
    info = await sources.redis.info()
    rules, seen = settings.integrity, _seen(info, await _flushes(sources))
    before = memory.redis
    lost = _loss(before, seen, info, now)
    findings = [*_lost(lost, now), *_persistence(info, rules, now), *_room(info, before, rules)]
    said = f"{several(seen.keys, 'key')}" if "run_id" in info else "this service does not tell its run id"
    if "rdb_last_bgsave_status" not in info:
        said += ", it does not tell how it saves"
    return CheckResult(said=said, findings=tuple(findings), memory=replace(memory, redis=lost))


async def _flushes(sources: Sources) -> int:
    """How often FLUSHALL and FLUSHDB were sent, as far as this Redis counts its commands."""
    try:
        stats = await sources.redis.info("commandstats")
    except SourceError:
        return 0  # a service without that section: then only a new run id tells
    return sum(_figure(stats.get(f"cmdstat_{name}", ""), "calls") for name in ("flushall", "flushdb"))


def _seen(info: Mapping[str, str], flushes: int) -> KeyspaceState:
    keys = 0
    for name, value in info.items():
        if name.startswith("db") and name[2:].isdigit():
            keys += _figure(value, "keys")
    run_id = "" if info.get("cluster_enabled") == "1" else info.get("run_id", "")  # a cluster's nodes answer by turns
    return KeyspaceState(run_id=run_id, keys=keys, flushes=flushes, evicted=_number(info.get("evicted_keys")))


def _loss(before: KeyspaceState | None, seen: KeyspaceState, info: Mapping[str, str], now: datetime) -> KeyspaceState:
    """What was seen now, with the loss that it shows, or one that was seen before and is still to be told."""
    if before is None or not (before.run_id and seen.run_id):
        return seen
    gone = before.keys >= FEW_KEYS and seen.keys < before.keys / 10
    keys = f"{count(before.keys)} keys before, {count(seen.keys)} now"
    if before.run_id != seen.run_id and gone:
        up = duration(_number(info.get("uptime_in_seconds")))
        return replace(seen, lost_at=now, lost=f"Redis was restarted {up} ago and lost its data: {keys}")
    if before.run_id == seen.run_id and seen.flushes > before.flushes:
        return replace(seen, lost_at=now, lost=f"somebody emptied Redis (FLUSHALL or FLUSHDB): {keys}")
    if before.lost_at is not None and (now - before.lost_at).total_seconds() < LOST_S:
        return replace(seen, lost_at=before.lost_at, lost=before.lost)
    return seen


def _lost(seen: KeyspaceState, now: datetime) -> Iterable[Finding]:
    if seen.lost_at is not None:
        ago = duration((now - seen.lost_at).total_seconds())
        yield Finding(
            kind="data",
            level="SEV-1",
            text=f"{seen.lost}; seen {ago} ago",
            advice="gone with it: keys against double top-ups, locks, and in the oldest version all settings",
            about="Redis' data",
        )


def _persistence(info: Mapping[str, str], rules: IntegrityRules, now: datetime) -> Iterable[Finding]:
    for name, what in (("rdb_last_bgsave_status", "its last snapshot"), ("aof_last_write_status", "its log of writes")):
        used = name.startswith("rdb") or info.get("aof_enabled") == "1"
        if used and info.get(name, "ok") != "ok":
            text = f"Redis can't save: {what} failed ({clean(info[name], 40)}); a restart would lose what came after"
            yield Finding(
                kind="data", level="SEV-2", text=text, advice="look at its disk, and at its memory for the fork"
            )
    unsaved, saved = _number(info.get("rdb_changes_since_last_save")), _number(info.get("rdb_last_save_time"))
    old = now.timestamp() - saved
    if rules.redis_keeps and info.get("aof_enabled") == "0" and unsaved and saved and old > UNSAVED_S:
        text = f"Redis keeps nothing on disk: {several(unsaved, 'change')} in {duration(old)} and no snapshot"
        yield Finding(kind="data", level="SEV-3", text=text, advice="meant so? Then set integrity.redis_keeps = false")


def _room(info: Mapping[str, str], before: KeyspaceState | None, rules: IntegrityRules) -> Iterable[Finding]:
    used, most = _number(info.get("used_memory")), _number(info.get("maxmemory"))
    policy = clean(info.get("maxmemory_policy", ""), 40)
    if most and used >= rules.redis_memory * most and policy == "noeviction":
        full = used >= FULL * most
        text = (
            "Redis is full: it refuses what is written" if full else f"Redis uses {percent(used / most)} of its memory"
        )
        yield Finding(
            kind="data",
            level="SEV-2" if full else "SEV-3",
            text=f"{text} ({policy})",
            about="Redis' memory",
            explains=(*EVERY_PURCHASE, "locks") if full else (),
        )
    evicted = _number(info.get("evicted_keys")) - (before.evicted if before else 0)
    if before and before.run_id == info.get("run_id") and evicted > 0:
        text = f"Redis throws keys away to have room ({policy}): {several(evicted, 'key')} since the last look"
        advice = "keys against double top-ups and locks may be among them: give it more memory"
        yield Finding(kind="data", level="SEV-2", text=text, advice=advice)


def _figure(text: str, name: str) -> int:
    """A figure out of INFO's compound values: "keys=12,expires=3", or the same as a library takes it apart."""
    found = re.search(rf"\b{name}'?\s*[=:]\s*(\d{{1,18}})", text)
    return int(found[1]) if found else 0


def _number(text: str | None) -> int:
    try:
        return int(float(text or 0))
    except (ValueError, OverflowError):
        return 0
