"""Every statement and command of the console's at servers that hold much: 5 million outbox rows, a million keys."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nexconsole.drill.schema import ddl
from nexconsole.drill.servers import EmbeddedPostgres, EmbeddedRedis
from nexconsole.drill.temp_tree import TempTree

from . import serverlog, worlds
from .figures import LOADED_S, console_stands
from .table import Figure
from .terminal import BenchmarkTerminal

PROVIDERS = 200
LIMIT_MS = 50.0
# Nobody vacuums in the middle of the filling: rows that somebody else may not see yet are not marked as seen by all.
SERVER = {"shared_buffers": "128MB", "max_wal_size": "1GB", "autovacuum": "off"}
SLOWEST_SHOWN = 5

# An outbox of two months, its worker behind by 30,000 events and 8,000 failed; 20 purchases a second for six hours;
# a million purchase orders of which 20,000 are pending, half of them overdue.
FILL = """
SET TIME ZONE 'UTC'; SET synchronous_commit = off; SET maintenance_work_mem = '256MB';
ALTER TABLE outbox_events_v2 DROP CONSTRAINT outbox_events_v2_pkey;
DROP INDEX outbox_events_v2_status_created_at_idx, outbox_events_v2_aggregate_type_aggregate_id_idx;
INSERT INTO outbox_events_v2 (id, aggregate_id, aggregate_type, event_type, payload, status, error, created_at,
                              updated_at)
SELECT 'event-' || n, 'offer-' || n % 5000, 'offer', 'offer.updated', '{{"id": 1}}',
       CASE WHEN n > {rows} - 30000 THEN 'PENDING' WHEN n % 625 = 0 THEN 'FAILED' ELSE 'PUBLISHED' END,
       CASE WHEN n % 625 = 0 THEN 'Meilisearch: invalid document id' WHEN n % 9000 = 0 THEN 'dropped' END,
       now() - make_interval(secs => ({rows} - n) * 60 * 86400.0 / {rows}), now()
FROM generate_series(1, {rows}) n;
ALTER TABLE outbox_events_v2 ADD PRIMARY KEY (id);
CREATE INDEX outbox_events_v2_status_created_at_idx ON outbox_events_v2 (status, created_at);
CREATE INDEX outbox_events_v2_aggregate_type_aggregate_id_idx ON outbox_events_v2 (aggregate_type, aggregate_id);
INSERT INTO users (id, name, email, updated_at) VALUES ('u1', 'One', 'one@example.org', now());
INSERT INTO providers (id, name, display_name, is_active, updated_at)
SELECT 'id-' || n, 'gw' || n, 'Gateway ' || n, true, now() FROM generate_series(1, {providers}) n;
INSERT INTO activations (id, user_id, state, price, provider_id, service_name, country_code, captured_tx_id, created_at,
                         updated_at)
SELECT 'activation-' || n, 'u1', (CASE WHEN n % 40 = 0 THEN 'FAILED' WHEN n % 900 = 0 THEN 'RESERVED'
       ELSE 'ACTIVE' END)::"ActivationState", 0.4, 'gw' || 1 + n % {providers}, 'tg', '7',
       CASE WHEN n % 40 > 0 THEN 'tx' END, now() - make_interval(secs => n / 20.0), now()
FROM generate_series(1, 432000) n;
INSERT INTO purchase_orders (id, user_id, service_name, country_name, amount, status, expires_at, created_at,
                             updated_at)
SELECT 'order-' || n, 'u1', 'tg', 'Russia', 0.4, CASE WHEN n % 50 = 0 THEN 'PENDING' ELSE 'COMPLETED' END,
       now() + make_interval(secs => 300 - n / 20.0 % 600), now() - make_interval(secs => n / 20.0), now()
FROM generate_series(1, {orders}) n;
"""


@dataclass(frozen=True)
class Sizes:
    outbox: int = 5_000_000
    orders: int = 1_000_000
    keys: int = 1_000_000


def queries(sizes: Sizes) -> Iterator[Figure]:
    """The slowest statements and commands of a console that shows every pane, maximized ones too."""
    temp_tree = TempTree()
    try:
        postgres, redis = asyncio.run(_stage(temp_tree, sizes))
        log = temp_tree.folder / "postgres" / "log"
        offset = log.stat().st_size
        slow = _watch(postgres, redis)
        with log.open("rb") as file:
            file.seek(offset)
            ran = serverlog.statements(file.read().decode(errors="replace"))
    finally:
        temp_tree.close()
    rows = f"{sizes.outbox / 1e6:g} million outbox rows"
    for statement in ran[:SLOWEST_SHOWN]:
        usual = statistics.median(statement.runs_ms)
        note = f"worst of {len(statement.runs_ms)}, median {usual:.1f}: {statement.sql[:70]}"
        yield Figure(f"Postgres, {rows}", statement.worst_ms, "ms", LIMIT_MS, note=note)
    keys = f"{sizes.keys / 1e6:g} million keys"
    for command, worst_ms in slow[:2]:
        yield Figure(f"Redis, {keys}", worst_ms, "ms", LIMIT_MS, note=command)


async def _stage(temp_tree: TempTree, sizes: Sizes) -> tuple[EmbeddedPostgres, EmbeddedRedis]:
    import asyncpg
    from redis.asyncio import Redis as Client

    postgres = EmbeddedPostgres(temp_tree, settings=serverlog.LOGGED | SERVER)
    await postgres.create()
    await postgres.start()
    await postgres.create_roles()
    connection = await asyncpg.connect(postgres.url, timeout=60)
    await connection.execute(ddl())
    await connection.execute(FILL.format(rows=sizes.outbox, providers=PROVIDERS, orders=sizes.orders), timeout=900)
    await connection.close()
    connection = await asyncpg.connect(postgres.admin_url, timeout=60)
    # As autovacuum leaves rows in time (the first time only sees that they are committed), with nothing left to write.
    for order in ("CHECKPOINT", "VACUUM", "VACUUM (ANALYZE)", "CHECKPOINT"):
        await connection.execute(order, timeout=300)
    await connection.close()
    redis = EmbeddedRedis(temp_tree)
    await redis.start()
    client = Client.from_url(redis.url)
    await client.execute_command("DEBUG", "POPULATE", sizes.keys, "idem")
    for number in range(1, PROVIDERS + 1):
        await client.set(f"health:id-{number}:circuit", "open", px=60_000 + number * 1000)
    await client.config_set("slowlog-log-slower-than", 0)
    await client.config_set("slowlog-max-len", 100_000)
    await client.slowlog_reset()
    await client.aclose()
    return postgres, redis


def _watch(postgres: EmbeddedPostgres, redis: EmbeddedRedis) -> list[tuple[str, float]]:
    """Run the console, look at each pane, run the one-shots; what Redis had to do, the slowest first."""
    from redis import Redis as Client

    world = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
    with worlds.console(world) as (console, environment), BenchmarkTerminal(console, environment) as terminal:
        terminal.until(console_stands)
        terminal.rest(LOADED_S)
        for pane in "1234567":
            terminal.press(pane)
            terminal.rest(5.0)
        terminal.leave("q")
        for command in ("status", "doctor"):
            argv = [*console, command, "--json"]
            subprocess.run(argv, env=os.environ | environment, capture_output=True, timeout=60, check=False)
    with Client.from_url(redis.url, decode_responses=True) as client:
        entries: list[dict[str, Any]] = client.slowlog_get(100_000)
    worst: dict[str, float] = {}
    for entry in entries:
        command = entry["command"]
        name = (command.decode() if isinstance(command, bytes) else command).split()[0].upper()
        if name not in ("CONFIG", "SLOWLOG"):
            worst[name] = max(worst.get(name, 0.0), entry["duration"] / 1e3)
    return sorted(worst.items(), key=lambda one: -one[1])
