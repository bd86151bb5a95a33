"""What changed in NexNum's own tables: providers' rows, audit rows, and scheduled work that stopped.
(nexnum.md#provider-rows, #tables)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..errors import MissingSchema
from ..text.sanitize import clean, clean_name
from ..text.units import duration
from .change import RECONCILER, STOPPED, Change, ChangeKind
from .change_log import WINDOW_S, Trail
from .changes_rollouts import between

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.postgres import Read

PROVIDERS_EVERY_S = 5.0
AUDIT_EVERY_S = 15.0
WORK_EVERY_S = 10.0
MOST_PROVIDERS = 2_000
LATEST_S = 7_258_118_400.0  # the year 2200
SYNC_S = 5.0  # a sync writes its own stamps and the row's so close together
BUSY_AFTER = 3  # writes of which nothing is seen: then its stamp says nothing
MOST_AUDITS = 60
MOST_ROWS = 240  # of the audit log, most of which are customers'
AUDIT_BLOCKS = 64  # of a partition, from its end: rows are only ever appended
MOST_PARTITIONS = 12
NO_NEWS = ("login", "logout", "session", "refresh", "view", "read", "purchase", "order", "sms")  # what customers do
SOURCE = "postgres"


@dataclass(frozen=True)
class SeenProvider:
    """What is compared of a provider's row. Times are seconds since 1970; None where this version has none."""

    name: str
    active: bool | None
    priority: int | None
    updated_s: float | None
    created_s: float | None = None
    syncs_s: tuple[float, ...] = ()

    @property
    def synced(self) -> bool:
        """Whether what wrote it last was NexNum's own sync."""
        return any(self.updated_s is not None and abs(self.updated_s - at) <= SYNC_S for at in self.syncs_s)

    @property
    def born(self) -> bool:
        """Whether nobody has written it since it was made."""
        return self.updated_s is not None and self.created_s is not None and self.updated_s - self.created_s <= SYNC_S


@dataclass
class ProvidersTrail(Trail):
    looked_at: datetime | None = None
    rows: dict[str, SeenProvider] = field(default_factory=dict)  # by id
    unseen: dict[str, int] = field(default_factory=dict)  # writes of which nothing was seen, by id
    first_at: datetime | None = None

    async def look(self, sources: Sources, settings: Settings, now: datetime) -> None:
        """Raises SourceError."""
        columns = await sources.postgres.require("providers", "id", "name")
        async with sources.postgres.read("the query of the providers' changes") as tx:
            rows = await tx.fetch(providers_sql(columns))
        stamped = "updated_at" in columns
        self.notes = () if stamped else ("when a provider's row was changed is not known in this version",)
        self.can_read((ChangeKind.PROVIDER,), now)  # raw SQL stamps nothing: earlier changes may be unseen
        self.compare({row["id"]: provider_row(row) for row in rows}, now)

    def compare(self, rows: Mapping[str, SeenProvider], now: datetime) -> None:
        before = self.rows
        for id, row in rows.items():
            known = before.get(id)
            if known is None and self.looked_at is None:
                self._first(id, row, now)
            elif known is None:
                self._note(id, "new", row, now, f"{row.name} was added", "", "")
            elif (known.active, known.priority) != (row.active, row.priority):
                self._edited(id, known, row, now)
            elif known.updated_s != row.updated_s and not row.synced:
                self._written(id, row, now)
        if self.looked_at is not None:
            for id in before.keys() - rows.keys():
                self._note(id, "gone", before[id], now, f"{before[id].name}'s row was deleted", "", "")
        self.rows, self.looked_at = dict(rows), now

    def _first(self, id: str, row: SeenProvider, now: datetime) -> None:
        """At the first look only the row's own stamp tells of what was before."""
        if row.updated_s is None or row.synced or row.born:
            return
        state = "" if row.active is None else f"; it is {'active' if row.active else 'disabled'}"
        self._note(id, "written", row, now, f"{row.name}'s row was written{state}", "", "", stamped=True)

    def _written(self, id: str, row: SeenProvider, now: datetime) -> None:
        """Something was written of which nothing is seen. Where that happens all the time it is no change."""
        self.unseen[id] = self.unseen.get(id, 0) + 1
        if self.unseen[id] >= BUSY_AFTER:
            for key in [key for key in self.found if key.startswith(f"{id} written ")]:
                self.drop(key)
            return
        text = f"{row.name}'s row was written: its key, its address or another column"
        self._note(id, "written", row, now, text, "", "", stamped=True)

    def _edited(self, id: str, known: SeenProvider, row: SeenProvider, now: datetime) -> None:
        told, before, after = [], [], []
        if known.active != row.active:
            told.append("enabled" if row.active else "disabled")
            before.append(_activity(known.active))
            after.append(_activity(row.active))
        if known.priority != row.priority:
            told.append(f"given priority {row.priority}")
            before.append(f"priority {known.priority}")
            after.append(f"priority {row.priority}")
        stamped = known.updated_s != row.updated_s and row.updated_s is not None
        text = f"{row.name} was {' and '.join(told)}"
        self._note(id, "edited", row, now, text, ", ".join(before), ", ".join(after), stamped=stamped)

    def _note(
        self,
        id: str,
        what: str,
        row: SeenProvider,
        now: datetime,
        text: str,
        before: str,
        after: str,
        *,
        stamped: bool = False,
    ) -> None:
        at, within_s = between(self.looked_at, now)
        if stamped and row.updated_s is not None:
            at, within_s = datetime.fromtimestamp(round(row.updated_s, 3), UTC), 0.0
        change = Change(
            at=at,
            kind=ChangeKind.PROVIDER,
            subject=f"provider {row.name}",
            target=row.name,
            text=clean(text, 200),
            before=before,
            after=after,
            within_s=within_s,
            source=SOURCE,
        )
        self.note(f"{id} {what} {at.isoformat()}", change)


def _activity(active: bool | None) -> str:
    return "not known" if active is None else "active" if active else "disabled"


def providers_sql(columns: Mapping[str, str]) -> str:
    """The flag is "isActive" on some versions, and a column may be missing. (nexnum.md#schema)"""
    active = next((f'"{column}"' for column in ("is_active", "isActive") if column in columns), "NULL::boolean")
    priority = "priority" if "priority" in columns else "NULL::integer"

    def seconds(column: str) -> str:
        return f"extract(epoch FROM {column})::float8" if column in columns else "NULL::float8"

    stamps = ("updated_at", "created_at", "last_balance_sync", "last_sync_at")
    times = ", ".join(f"{seconds(column)} AS {column}" for column in stamps)
    return (
        f"SELECT id, name, {active} AS active, {priority} AS priority, {times} FROM providers"
        f" ORDER BY name LIMIT {MOST_PROVIDERS}"
    )


def provider_row(row: Mapping[str, Any]) -> SeenProvider:
    return SeenProvider(
        name=clean_name(row["name"] or ""),
        active=row["active"],
        priority=row["priority"],
        updated_s=_finite(row["updated_at"]),
        created_s=_finite(row["created_at"]),
        syncs_s=tuple(at for at in map(_finite, (row["last_balance_sync"], row["last_sync_at"])) if at is not None),
    )


def _finite(seconds: float | None) -> float | None:
    """A time of this era; None for none, and for one such as PostgreSQL's infinity."""
    return seconds if seconds is not None and 0 <= seconds < LATEST_S else None


PARTITIONS_SQL = """
SELECT c.oid::regclass::text AS name, pg_relation_size(c.oid) / current_setting('block_size')::int AS blocks
FROM pg_partition_tree('audit_logs') t JOIN pg_class c ON c.oid = t.relid
WHERE t.isleaf ORDER BY c.relname DESC LIMIT $1
"""
PLAIN_SQL = """
SELECT 'audit_logs' AS name, pg_relation_size('audit_logs'::regclass) / current_setting('block_size')::int AS blocks
WHERE $1 > 0
"""
# The newest rows are in the last blocks: a scan by ctid reads no more than these. (nexnum.md#queries: no index by time)
AUDITS_SQL = """
SELECT id, user_id, action, resource_type, resource_id, extract(epoch FROM created_at)::float8 AS at_s FROM {table}
WHERE ctid >= '({block},0)'::tid AND created_at >= now() - make_interval(secs => $1)
"""


@dataclass
class AuditTrail(Trail):
    async def look(self, sources: Sources, settings: Settings, now: datetime) -> None:
        """Raises SourceError, MissingSchema where this version has no audit log."""
        postgres = sources.postgres
        await postgres.require("audit_logs", "id", "user_id", "action", "resource_type", "resource_id", "created_at")
        async with postgres.read("the query of the audit log") as tx:
            tables = await tx.fetch(PARTITIONS_SQL, MOST_PARTITIONS) or await tx.fetch(PLAIN_SQL, 1)
            rows = await self._newest(tx, tables)
            whole = len(rows) < MOST_ROWS and all(table["blocks"] <= AUDIT_BLOCKS for table in tables)
            names = {row["id"]: row["name"] for row in await tx.fetch(NAMES_SQL, MOST_PROVIDERS)}
        oldest = min((row["at_s"] for row in rows), default=now.timestamp())
        since = now - timedelta(seconds=WINDOW_S) if whole else datetime.fromtimestamp(oldest, UTC)
        self.can_read((ChangeKind.AUDIT,), since)
        self.take(rows, names)

    async def _newest(self, tx: Read, tables: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        filled = [table for table in tables if table["blocks"]]
        if not filled:
            return []
        parts = [
            AUDITS_SQL.format(table=table["name"], block=max(0, table["blocks"] - AUDIT_BLOCKS)) for table in filled
        ]
        sql = f"SELECT * FROM ({' UNION ALL '.join(parts)}) newest ORDER BY at_s DESC LIMIT {MOST_ROWS}"
        return list(await tx.fetch(sql, WINDOW_S))

    def take(self, rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> None:
        """Note what people did; a provider is told by its name. `metadata` is never read: it may hold keys."""
        told = [row for row in rows if not any(word in (row["action"] or "").lower() for word in NO_NEWS)]
        for row in told[:MOST_AUDITS]:
            resource, id = clean(row["resource_type"] or "", 40), clean(row["resource_id"] or "", 80)
            target = clean_name(names.get(row["resource_id"] or "", "")) or id
            action = clean(row["action"] or "", 80)
            change = Change(
                at=datetime.fromtimestamp(round(row["at_s"], 3), UTC),
                kind=ChangeKind.AUDIT,
                subject=f"{resource} {target}".strip(),
                target=target,
                text=f"NexNum's audit log: {action} of {resource} {target}".strip(),
                who=f"user {clean(row['user_id'], 80)}" if row["user_id"] else "",
                source=SOURCE,
            )
            self.note(f"audit {row['id']}", change)


NAMES_SQL = "SELECT id, name FROM providers LIMIT $1"

# Both branches are served by the index (status, created_at): the newest that were published, and the oldest that waits.
OUTBOX_SQL = """
SELECT (SELECT extract(epoch FROM now() - max(updated_at))::float8 FROM (
          SELECT updated_at FROM outbox_events_v2 WHERE status = 'PUBLISHED' ORDER BY created_at DESC LIMIT 200) p)
       AS worked_s,
       (SELECT extract(epoch FROM now() - created_at)::float8 FROM outbox_events_v2
        WHERE status = 'PENDING' ORDER BY created_at LIMIT 1) AS waits_s
"""
ORDERS_SQL = """
SELECT extract(epoch FROM now() - expires_at)::float8 AS overdue_s FROM purchase_orders
WHERE status = 'PENDING' AND expires_at < now() ORDER BY expires_at LIMIT 1
"""
ORDERS_S = 300.0  # an order expires so long after it was made, and a purchase that is left behind is rare


@dataclass
class WorkTrail(Trail):
    """Scheduled work, told by what it leaves undone: nothing else says whether it runs. (nexnum.md#outbox)"""

    looked_at: datetime | None = None
    stopped: dict[str, bool] = field(default_factory=dict)

    async def look(self, sources: Sources, settings: Settings, now: datetime) -> None:
        """Raises SourceError where neither table can be read."""
        postgres = sources.postgres
        outbox = orders = None
        try:
            await postgres.require("outbox_events_v2", "status", "created_at", "updated_at")
            await postgres.require("purchase_orders", "status", "expires_at")
        except MissingSchema as error:
            self.notes = (f"scheduled work: {error}",)
            raise
        async with postgres.read("the query of scheduled work") as tx:
            outbox = await tx.row(OUTBOX_SQL)
            orders = next(iter(await tx.fetch(ORDERS_SQL)), None)
        self.can_read((ChangeKind.SCHEDULER,), now - timedelta(seconds=WINDOW_S))
        late_s = settings.outbox.stuck_after_s
        self.outbox(outbox["waits_s"], outbox["worked_s"], late_s, now)
        self.reconciler(orders["overdue_s"] if orders is not None else None, settings.reservations.stuck_after_s, now)
        self.looked_at = now

    def outbox(self, waits_s: float | None, worked_s: float | None, late_s: float, now: datetime) -> None:
        """It has stopped where an event waits for too long and nothing was published meanwhile."""
        idle_s = min(worked_s if worked_s is not None else WINDOW_S, WINDOW_S)
        stopped = waits_s is not None and waits_s > late_s and idle_s > late_s
        at = now - timedelta(seconds=idle_s)
        text = f"the outbox worker stopped: nothing was published for {duration(idle_s)}"
        self._state("outbox worker", stopped, at, 60.0, text, "the outbox worker runs again", now)

    def reconciler(self, overdue_s: float | None, late_s: float, now: datetime) -> None:
        """It has stopped where an expired order is left as it is for longer than it runs apart."""
        stopped = overdue_s is not None and overdue_s > late_s
        at = now - timedelta(seconds=overdue_s or 0.0)
        text = "the reconciler stopped: expired orders are left as they are"
        self._state(RECONCILER, stopped, at, ORDERS_S, text, "the reconciler runs again", now)

    def _state(
        self, what: str, stopped: bool, at: datetime, within_s: float, text: str, again: str, now: datetime
    ) -> None:
        before = self.stopped.get(what, False)
        self.stopped[what] = stopped
        if stopped and not before:
            self._note(what, at, within_s, text, "ran", STOPPED)
        elif before and not stopped:
            at, within_s = between(self.looked_at, now)
            self._note(what, at, within_s, again, STOPPED, "runs")

    def _note(self, what: str, at: datetime, within_s: float, text: str, before: str, after: str) -> None:
        change = Change(
            at=at,
            kind=ChangeKind.SCHEDULER,
            subject=what,
            target=what,
            text=text,
            before=before,
            after=after,
            within_s=within_s,
            source=SOURCE,
        )
        self.note(f"{what} {after} {at.isoformat()}", change)
