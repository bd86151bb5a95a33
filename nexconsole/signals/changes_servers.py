"""What happened to PostgreSQL and to Redis themselves: restarts, reloads, failovers, settings, emptied keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..text.sanitize import clean
from ..text.units import count, several
from .change import Change, ChangeKind
from .change_log import WINDOW_S, Trail
from .changes_rollouts import between

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

POSTGRES_EVERY_S = 5.0
REDIS_EVERY_S = 10.0
AT_START_S = 5.0  # a server that starts reads its settings, too
ONE_RELOAD_S = 60.0  # sessions read new settings within it
COLLAPSED, WORTH_TELLING = 0.2, 50  # keys that fall to this share, where there were so many
FEW_KEYS = 20  # a Redis that was emptied at some time and holds fewer has hardly been filled again
MOST_SETTINGS = 6  # named in one line
HIDDEN = ("password", "conninfo", "command", "secret", "key")  # settings that may hold what nobody should see
STARTED = "PostgreSQL was started"
FLUSHED = "FLUSHALL or FLUSHDB was called"
FELL = "Redis' keys fell"
SERVER_SQL = """
SELECT extract(epoch FROM now())::float8 AS now_s,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started_s,
       extract(epoch FROM pg_conf_load_time())::float8 AS loaded_s,
       pg_is_in_recovery() AS standby,
       current_setting('default_transaction_read_only') = 'on' AS read_only,
       coalesce(host(inet_server_addr()), '') || ':' || coalesce(inet_server_port()::text, '') AS address,
       current_setting('server_version') AS version
"""
SETTINGS_SQL = """
SELECT name, left(setting, 100) AS setting FROM pg_settings
WHERE source IN ('configuration file', 'command line', 'environment variable', 'database', 'user') 
ORDER BY name LIMIT 500
"""


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 1), UTC)


@dataclass
class PostgresTrail(Trail):
    """The server as of the last look, and its settings as of when it last read them."""

    looked_at: datetime | None = None
    server: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    async def look(self, sources: Sources, settings: Settings, now: datetime) -> None:
        """Raises SourceError."""
        async with sources.postgres.read("the query of the server's start") as tx:
            server = dict(await tx.row(SERVER_SQL))
            stamps = (server["started_s"], server["loaded_s"])
            known = self.settings
            if stamps != (self.server.get("started_s"), self.server.get("loaded_s")):
                known = {row["name"]: clean(row["setting"], 100) for row in await tx.fetch(SETTINGS_SQL)}
        self.can_read((ChangeKind.DATABASE,), now - timedelta(seconds=WINDOW_S))
        self.compare(server, known, settings.changes.set_up, now)

    def compare(
        self, server: Mapping[str, Any], known: Mapping[str, str], set_up_at: datetime | None, now: datetime
    ) -> None:
        """Note what the server's own stamps and the last look tell. Its clock is set against ours by its own now."""
        skew = now - moment(server["now_s"])
        started, loaded = moment(server["started_s"]) + skew, moment(server["loaded_s"]) + skew
        unsure = min(abs(skew.total_seconds()), 1.0)
        before = self.server
        changed = settings_changed(self.settings, known) if self.settings else ""
        if new_since(started, set_up_at):
            text = STARTED + (f"; {changed}" if changed else "")
            self._note("start", server["started_s"], started, text, "", server["version"], unsure)
        if new_since(loaded, set_up_at) and server["loaded_s"] - server["started_s"] > AT_START_S:
            self._note_reload(loaded, changed, unsure)
        if before:
            self._note_differences(before, server, now)
        self.server, self.settings, self.looked_at = server, known, now

    def _note_reload(self, loaded: datetime, changed: str, unsure: float) -> None:
        """Each session says when it read them itself, which an idle one does at its next query only."""
        for key, change in self.found.items():
            if key.startswith("reload ") and abs((change.at - loaded).total_seconds()) <= ONE_RELOAD_S:
                return
        since = (loaded - self.looked_at).total_seconds() if self.looked_at is not None else 0.0
        half = max(0.0, since) / 2
        text = "PostgreSQL read its settings anew" + (f": {changed}" if changed else "")
        at = loaded - timedelta(seconds=half)
        self._note("reload", loaded.isoformat(), at, text, "", changed, max(unsure, half))

    def _note_differences(self, before: Mapping[str, Any], server: Mapping[str, Any], now: datetime) -> None:
        at, within_s = between(self.looked_at, now)
        words = {
            "standby": ("a standby that takes no writes", "the primary"),
            "read_only": ("read-only by default", "writable again"),
        }
        for name, (on, off) in words.items():
            if before[name] != server[name]:
                text = f"PostgreSQL is {on if server[name] else off}"
                self._note(name, now.isoformat(), at, text, "", "", within_s)
        if before["address"] != server["address"]:
            text = "another PostgreSQL server answers"
            self._note("address", now.isoformat(), at, text, before["address"], server["address"], within_s)

    def _note(self, what: str, key: object, at: datetime, text: str, before: str, after: str, within_s: float) -> None:
        change = Change(
            at=at,
            kind=ChangeKind.DATABASE,
            subject="PostgreSQL",
            target="postgres",
            text=clean(text, 300),
            before=clean(before, 100),
            after=clean(after, 200),
            within_s=within_s,
            source="postgres",
        )
        kept = self.found.get(f"{what} {key}")
        self.note(f"{what} {key}", change if kept is None else kept)


def is_start(change: Change) -> bool:
    """Whether PostgreSQL itself was started then, and did not only read its settings."""
    return change.kind is ChangeKind.DATABASE and change.text.startswith(STARTED)


def is_loss(change: Change) -> bool:
    """Whether Redis lost its keys then."""
    return change.kind is ChangeKind.REDIS and (change.after == "empty" or change.text.startswith((FLUSHED, FELL)))


def new_since(at: datetime, set_up_at: datetime | None) -> bool:
    """Whether a start at that time is news: not the one by which the systems were set up."""
    return set_up_at is None or at > set_up_at


def settings_changed(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Which settings differ: "work_mem 4096 → 8192"; "" for none."""
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    told = []
    for name in names[:MOST_SETTINGS]:
        hidden = any(word in name for word in HIDDEN)
        values = "" if hidden else f" {before.get(name, 'default')} → {after.get(name, 'default')}"
        told.append(f"{clean(name, 60)}{values}")
    more = f" and {len(names) - MOST_SETTINGS} more" if len(names) > MOST_SETTINGS else ""
    return ", ".join(told) + more


@dataclass(frozen=True)
class RedisState:
    """What a look at Redis needs of INFO. Numbers are None where this server does not say them."""

    run_id: str = ""
    uptime_s: float | None = None
    role: str = ""
    replication_id: str = ""
    version: str = ""
    memory: str = ""  # maxmemory and its policy
    evicted: int | None = None
    flushes: int | None = None
    keys: int | None = None
    loaded: int | None = None  # keys that it had from its disk when it started


@dataclass
class RedisTrail(Trail):
    looked_at: datetime | None = None
    state: RedisState | None = None
    evicting: bool = False

    async def look(self, sources: Sources, settings: Settings, now: datetime) -> None:
        """Raises SourceError."""
        info = await sources.redis.info(wanted=wanted)
        try:
            commands = await sources.redis.info("commandstats", COMMANDS.__contains__)
        except SourceError:  # a hosted Redis has no such section
            commands = None
        self.can_read((ChangeKind.REDIS,), now - timedelta(seconds=WINDOW_S))
        self.compare(redis_state(info, commands), settings.changes.set_up, now)

    def compare(self, state: RedisState, set_up_at: datetime | None, now: datetime) -> None:
        before, self.state = self.state, state
        at, within_s = between(self.looked_at, now)
        self.looked_at = now
        restarted = before is not None and before.run_id != state.run_id
        if state.uptime_s is not None:
            started = now - timedelta(seconds=state.uptime_s)
            if new_since(started - timedelta(seconds=1), set_up_at) and not self._knows(state.run_id):
                self._note_start(state, before, started)
        elif restarted:
            self._note(f"start {state.run_id}", at, "another Redis process answers", within_s=within_s)
        if before is not None:
            self._note_differences(before, state, at, within_s, restarted)
        elif state.flushes and state.keys is not None and state.keys < FEW_KEYS:
            held = f": {several(state.keys, 'key')} by now; when is not known"
            self._note(f"flush {state.run_id}", now, FLUSHED + held, within_s=state.uptime_s or 0.0)

    def _knows(self, run_id: str) -> bool:
        return f"start {run_id}" in self.found

    def _note_start(self, state: RedisState, before: RedisState | None, started: datetime) -> None:
        had = "" if before is None or before.keys is None else several(before.keys, "key")
        has = "" if state.keys is None else several(state.keys, "key")
        empty = state.loaded == 0 if state.loaded is not None else state.keys == 0
        back = " and came back empty" if empty else f" and came back with {has}" if has and had else ""
        self._note(f"start {state.run_id}", started, f"Redis was started{back}", had, "empty" if empty else has, 1.0)

    def _note_differences(
        self, before: RedisState, state: RedisState, at: datetime, within_s: float, restarted: bool
    ) -> None:
        key = at.isoformat()
        if before.role and state.role and before.role != state.role:
            text = f"Redis is {'the master' if state.role == 'master' else 'a replica'} now"
            self._note(f"role {key}", at, text, before.role, state.role, within_s)
        elif before.replication_id != state.replication_id and not restarted and before.replication_id:
            self._note(f"failover {key}", at, "a failover: another Redis is the master", within_s=within_s)
        if before.memory != state.memory and before.memory:
            text = "Redis' memory limit or policy was changed"
            self._note(f"memory {key}", at, text, before.memory, state.memory, within_s)
        if restarted:
            self.evicting = False
            return
        if (flushed := _grown(before.flushes, state.flushes)) is not None:
            held = ""
            if before.keys is not None and state.keys is not None:
                held = f": {count(before.keys)} keys → {count(state.keys)}"
            calls = FLUSHED + (f" {flushed} times" if flushed > 1 else "")
            self._note(f"flush {key}", at, calls + held, within_s=within_s)
        elif before.keys is not None and state.keys is not None and before.keys >= WORTH_TELLING:
            if state.keys <= before.keys * COLLAPSED:
                text = f"{FELL} from {count(before.keys)} to {count(state.keys)}"
                self._note(f"keys {key}", at, text, str(before.keys), str(state.keys), within_s)
        evicts = _grown(before.evicted, state.evicted) is not None
        if evicts and not self.evicting:
            self._note(f"evicts {key}", at, "Redis began to evict keys: its memory is used up", within_s=within_s)
        self.evicting = evicts

    def _note(
        self, key: str, at: datetime, text: str, before: str = "", after: str = "", within_s: float = 0.0
    ) -> None:
        change = Change(
            at=at,
            kind=ChangeKind.REDIS,
            subject="Redis",
            target="redis",
            text=clean(text, 200),
            before=clean(before, 100),
            after=clean(after, 100),
            within_s=within_s,
            source="redis",
        )
        self.note(key, change)


def _grown(before: int | None, after: int | None) -> int | None:
    """By how much a counter has grown; None where it has not, or is not known."""
    return after - before if before is not None and after is not None and after > before else None


def wanted(name: str) -> bool:
    """Whether a figure of INFO's is one that is compared."""
    return name in FIGURES or (name.startswith("db") and name[2:].isdigit())


def redis_state(info: Mapping[str, str], commands: Mapping[str, str] | None) -> RedisState:
    """INFO's figures; what is not said is not known. Databases are counted together. `commands`: how often each was
    called, None where the server does not say."""
    counts = [_figure(text, "keys") for name, text in info.items() if name.startswith("db") and name[2:].isdigit()]
    flushes = [_figure(commands[name], "calls") for name in COMMANDS if name in commands] if commands else []
    known = any(name.startswith("db") and name[2:].isdigit() for name in info) or "expired_keys" in info
    return RedisState(
        run_id=clean(info.get("run_id", ""), 60),
        uptime_s=_number(info.get("uptime_in_seconds", "")),
        role=clean(info.get("role", ""), 20),
        replication_id=clean(info.get("master_replid", ""), 60),
        version=clean(info.get("redis_version", ""), 40),
        memory=" ".join(filter(None, (info.get("maxmemory_human", ""), info.get("maxmemory_policy", "")))),
        evicted=_whole(info.get("evicted_keys", "")),
        flushes=sum(flushes) if commands is not None else None,
        keys=sum(counts) if known else None,
        loaded=_whole(info.get("rdb_last_load_keys_loaded", "")) if info.get("aof_enabled") == "0" else None,
    )


COMMANDS = frozenset({"cmdstat_flushall", "cmdstat_flushdb"})
FIGURES = frozenset(
    {
        *("run_id", "uptime_in_seconds", "role", "master_replid", "redis_version", "maxmemory_human"),
        *("maxmemory_policy", "evicted_keys", "expired_keys", "aof_enabled", "rdb_last_load_keys_loaded"),
    }
)


def _figure(text: str, name: str) -> int:
    """One of "keys=5,expires=2", or of the same as the client has read it; 0 where it is not there."""
    found = re.search(rf"\b{name}'?[=:]\s*(\d{{1,18}})", text)
    return int(found[1]) if found is not None else 0


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _number(text: str) -> float | None:
    whole = _whole(text)
    return None if whole is None else float(whole)
