"""What the looks need: our balances, ledgers, turns, Redis' own words, search, status pages and the database's CPU.

None of it is needed by the rest: what is missing leaves something unknown, and is a warning.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from .checks import Check, attempt
from .errors import MissingSchema
from .settings import Settings
from .signals import database_cpu, slots
from .text.units import percent

if TYPE_CHECKING:
    from .sources import Sources
    from .sources.postgres import Postgres
    from .sources.redis import Redis

READABLE_SQL = """
SELECT c.relname AS name, has_table_privilege(c.oid, 'SELECT') AS readable,
       has_table_privilege(c.oid, 'UPDATE') AS writable
FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = ANY($1) AND pg_table_is_visible(c.oid)
"""
LOOKED_AT = {
    "providers": ("our balances", ("balance", "low_balance_alert", "last_balance_sync")),
    "wallets": ("wallets", ("id", "user_id", "balance", "reserved")),
    "wallet_transactions": ("what moves in wallets", ("wallet_id", "amount", "type")),
}


async def tables(postgres: Postgres, role: str) -> AsyncIterator[Check]:
    """What only a look at our balances or at the ledgers needs: without it something is not known."""
    async with postgres.read("the privileges query") as tx:
        readable = {row["name"]: row["readable"] for row in await tx.fetch(READABLE_SQL, list(LOOKED_AT))}
    for table, (what, columns) in LOOKED_AT.items():
        try:
            await postgres.require(table, *columns)
        except MissingSchema as error:
            yield Check(area="postgres", what=what, state="warn", said=str(error))
            continue
        if readable.get(table):
            yield Check(area="postgres", what=what, state="ok", said=f"{table} is readable")
        else:
            advice = f"GRANT SELECT ON {table} TO {role}"
            yield Check(area="postgres", what=what, state="warn", said=f"{table} may not be read", advice=advice)


async def redis(redis: Redis) -> AsyncIterator[Check]:
    async def turns() -> str:
        await redis.time()
        await redis.peek([slots.KEY.format("nexconsole-doctor")])
        return "TIME is allowed, and reading ratelimit:provider:*"

    advice = "allow TIME, and MGET and PTTL on ratelimit:provider:*, to this user (ACL SETUSER)"
    yield await attempt("redis", "watching turns", turns, advice, worst="warn")

    async def info() -> str:
        told = await redis.info()
        return "INFO tells " + ("its run id" if told.get("run_id") else "no run id: a restart can't be told")

    advice = "allow INFO to this user: without it nobody sees that Redis lost its data"
    yield await attempt("redis", "watching its data", info, advice, worst="warn")


async def search(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    index = sources.search

    async def health() -> str:
        return f"{index.address} says it is {await index.health_status()}"

    yield await attempt("search", "/health", health, "is Meilisearch running, and reachable from here?", worst="warn")


async def status_pages(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    pages = sources.status_pages
    for provider in pages.providers:

        async def page(provider: str = provider) -> str:
            return f"says: {(await pages.fetch(provider)).text}"

        advice = f"check providers.status_pages.{provider}"
        yield await attempt("status_pages", provider, page, advice, worst="warn")


async def cpu(sources: Sources, settings: Settings) -> Check:
    async def cpu() -> str:
        return f"{percent((await database_cpu.read(sources, settings, None)).used)} used"

    advice = f"check {database_cpu.KEY}: a share, 0..1"
    return await attempt("prometheus", "database CPU", cpu, advice, worst="warn")
