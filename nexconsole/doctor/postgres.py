"""Postgres: our role, and whether the tables and columns of the signals are readable."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..errors import MissingSchema
from ..text.units import milliseconds
from .check import Check

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.postgres import PostgresSource

AREA = "postgres"
PRIVILEGES_SQL = """
SELECT current_user AS role, current_database() AS database, current_setting('server_version') AS version,
       coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false)
         OR pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER') AS sees_all
"""
TABLES = {
    "outbox_events_v2": ("status", "created_at", "error", "retry_count", "event_type", "aggregate_type"),
    "purchase_orders": ("status", "expires_at", "created_at"),
    "activations": ("state", "created_at", "provider_id", "captured_tx_id"),
    "providers": ("id", "name", "display_name"),
}
READABLE_SQL = """
SELECT c.relname AS name, has_table_privilege(c.oid, 'SELECT') AS readable
FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = ANY($1) AND pg_table_is_visible(c.oid)
"""
LOOKED_AT = {
    "providers": ("our balances", ("balance", "low_balance_alert", "last_balance_sync")),
    "wallets": ("wallets", ("id", "user_id", "balance", "reserved")),
    "wallet_transactions": ("what moves in wallets", ("wallet_id", "amount", "type")),
}


async def examine(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    postgres = sources.postgres
    if origin := settings.database_origin:
        yield Check(area=AREA, what="settings", state="ok", said=f"the address is looked up: {origin}")
    async with postgres.read("the privileges query") as tx:
        who = await tx.row(PRIVILEGES_SQL)
        readable = {row["name"]: row["readable"] for row in await tx.fetch(READABLE_SQL, list(TABLES))}
    role = str(who["role"])
    text = f"{postgres.answered} answers in {milliseconds(postgres.health.latency_ms)}, version {who['version']}"
    text += f", as role {role} in database {who['database']}; {postgres.encryption}"
    yield Check(area=AREA, what="connection", state="ok", said=text)
    if postgres.unknown_parameters:
        names = ", ".join(postgres.unknown_parameters)
        text = f"the address has parameters that psql refuses and this console leaves out: {names}"
        yield Check(area=AREA, what="address", state="warn", said=text, advice="remove what is misspelt")
    for table in TABLES:
        yield await _table(postgres, table, bool(readable.get(table)), role)
    async for check in ledger_tables(postgres, role):
        yield check
    yield _other_sessions(bool(who["sees_all"]), role)


async def _table(postgres: PostgresSource, table: str, readable: bool, role: str) -> Check:
    """A table that a signal requires."""
    try:
        types = await postgres.require(table, *TABLES[table])
    except MissingSchema as error:
        return Check(area=AREA, what=table, state="fail", said=str(error))
    if not readable:
        advice = f"GRANT SELECT ON {table} TO {role}"
        return Check(area=AREA, what=table, state="fail", said="may not be read", advice=advice)
    created = types.get("created_at", "")
    return Check(area=AREA, what=table, state="ok", said=f"readable{', ' if created else ''}{created}")


def _other_sessions(sees_all: bool, role: str) -> Check:
    what = "other roles' sessions"
    if sees_all:
        return Check(area=AREA, what=what, state="ok", said="visible")
    text = "their state and queries are hidden: the database pane can't tell who blocks"
    return Check(area=AREA, what=what, state="warn", said=text, advice=f"GRANT pg_monitor TO {role}")


async def ledger_tables(postgres: PostgresSource, role: str) -> AsyncIterator[Check]:
    """Tables for balances and ledgers only; without them something is unknown."""
    async with postgres.read("the privileges query") as tx:
        readable = {row["name"]: row["readable"] for row in await tx.fetch(READABLE_SQL, list(LOOKED_AT))}
    for table, (what, columns) in LOOKED_AT.items():
        try:
            await postgres.require(table, *columns)
        except MissingSchema as error:
            yield Check(area=AREA, what=what, state="warn", said=str(error))
            continue
        if readable.get(table):
            yield Check(area=AREA, what=what, state="ok", said=f"{table} is readable")
        else:
            advice = f"GRANT SELECT ON {table} TO {role}"
            yield Check(area=AREA, what=what, state="warn", said=f"{table} may not be read", advice=advice)
