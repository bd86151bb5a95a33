"""What people change at the drill's database and its Redis, really: rows, restarts, settings."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg

from .servers import EmbeddedPostgres, EmbeddedRedis

if TYPE_CHECKING:
    import redis.asyncio

COLUMNS = frozenset({"is_active", "priority", "display_name", "low_balance_alert"})


async def edit_provider(
    postgres: EmbeddedPostgres, provider: str, *, at: datetime | None = None, stamped: bool = True, **columns: object
) -> None:
    """Change columns of a provider's row: `priority=3`, `is_active=False`. `stamped`: its `updated_at` says when, as
    the admin API does it and raw SQL does not. Raises ValueError for a column that nobody edits."""
    if odd := columns.keys() - COLUMNS:
        raise ValueError(f"nobody edits {', '.join(sorted(odd))}")
    values = list(columns.values())
    sets = [f"{name} = ${place}" for place, name in enumerate(columns, start=2)]
    connection = await asyncpg.connect(postgres.url)
    try:
        if stamped:
            values.append(await _stamp(connection, "providers", "updated_at", at))
            sets.append(f"updated_at = ${len(values) + 1}")
        await connection.execute(f"UPDATE providers SET {', '.join(sets)} WHERE name = $1", provider, *values)
    finally:
        await connection.close()


async def audit(
    postgres: EmbeddedPostgres,
    action: str,
    resource_type: str,
    resource_id: str,
    *,
    user_id: str | None = None,
    at: datetime | None = None,
) -> None:
    """Write a row of NexNum's audit log; by an admin where `user_id` is None."""
    connection = await asyncpg.connect(postgres.url)
    try:
        who = user_id or await connection.fetchval("SELECT id FROM users WHERE role = 'ADMIN' ORDER BY id LIMIT 1")
        stamp = await _stamp(connection, "audit_logs", "created_at", at)
        await connection.execute(
            "INSERT INTO audit_logs (id, user_id, action, resource_type, resource_id, created_at)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            *(str(uuid.uuid4()), who, action, resource_type, resource_id, stamp),
        )
    finally:
        await connection.close()


async def reload_postgres(postgres: EmbeddedPostgres, **settings: str) -> None:
    """Change settings of the server and let it read them anew, as `ALTER SYSTEM` and a reload do."""
    connection = await asyncpg.connect(postgres.admin_url)
    try:
        for name, value in settings.items():
            quoted = value.replace("'", "''")
            await connection.execute(f"ALTER SYSTEM SET {name} = '{quoted}'")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


async def restart_postgres(postgres: EmbeddedPostgres) -> None:
    """Restart the server: every session ends, the data stays."""
    await postgres.restart()


async def restart_redis(server: EmbeddedRedis, keys: redis.asyncio.Redis, *, keeps_data: bool) -> None:
    """Restart the server, which comes back with what it held, or empty."""
    if keeps_data:
        await keys.execute_command("SAVE")
    await server.restart()
    await keys.connection_pool.disconnect()
    server.forget()


async def flush_redis(keys: redis.asyncio.Redis) -> None:
    """Empty Redis, as somebody does by FLUSHALL."""
    await keys.flushall()


async def _stamp(connection: asyncpg.Connection, table: str, column: str, at: datetime | None) -> datetime:
    """A time as the column has it: with a time zone, or in UTC without one."""
    kind = await connection.fetchval(
        "SELECT data_type FROM information_schema.columns WHERE table_name = $1 AND column_name = $2", table, column
    )
    moment = at or datetime.now(UTC)
    return moment if kind == "timestamp with time zone" else moment.astimezone(UTC).replace(tzinfo=None)
