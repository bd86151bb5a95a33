"""The test's own hand in NexNum's database."""

from __future__ import annotations

import asyncpg

from nexconsole.drill.schema import ddl
from nexconsole.drill.servers import EmbeddedPostgres

# A change of the tables' shape or rights is noticed: they are made anew for the next test then, and only then.
NOTICE_CHANGES = """
CREATE SCHEMA suite;
CREATE TABLE suite.changes (tag text);
CREATE FUNCTION suite.notice() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
    AS $$ BEGIN INSERT INTO suite.changes VALUES (tg_tag); END $$;
CREATE EVENT TRIGGER suite_notice ON ddl_command_end EXECUTE FUNCTION suite.notice();
"""


class NexNumDatabase:
    """The test's own hand in the database: NexNum's empty tables, and rows put there as NexNum would."""

    def __init__(self, server: EmbeddedPostgres, connection: asyncpg.Connection) -> None:
        self.server = server
        self.connection = connection

    @property
    def url(self) -> str:
        return self.server.url

    async def prepare(self) -> None:
        """NexNum's tables, empty: made where the test before changed what they are, else only emptied."""
        if not await self.connection.fetchval("SELECT to_regclass('suite.changes') IS NOT NULL"):
            await self.execute(NOTICE_CHANGES)
            await self.create()
        elif await self.connection.fetchval("SELECT EXISTS (SELECT FROM suite.changes)"):
            await self.create()
        else:
            await self._empty()
            return
        await self.execute("DELETE FROM suite.changes")

    async def create(self, **options: object) -> None:
        """Begin anew with NexNum's tables; `options` are ddl()'s."""
        await self.execute("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public AUTHORIZATION nexnum")
        await self.execute("GRANT USAGE ON SCHEMA public TO nexnum_read")
        await self.execute(f"SET ROLE nexnum; {ddl(**options)}; RESET ROLE")  # type: ignore[arg-type]
        await self.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO nexnum_read")

    async def _empty(self) -> None:
        tables = await self.connection.fetch(
            "SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public'"
        )
        deleting = "; ".join(f"DELETE FROM {table}" for (table,) in tables)
        await self.execute(f"SET session_replication_role = replica; {deleting}; RESET session_replication_role")

    async def execute(self, sql: str, *args: object) -> str:
        return await self.connection.execute(sql, *args)

    async def event(self, id: str, age_s: float, status: str = "PENDING", **columns: object) -> None:
        """An outbox event created `age_s` seconds ago, its time written in UTC as Prisma does."""
        given = {"event_type": "offer.updated", "aggregate_type": "offer", "error": None, "retry_count": 0} | columns
        now = "now()" if await self._zoned("outbox_events_v2") else "now() AT TIME ZONE 'UTC'"
        await self.execute(
            "INSERT INTO outbox_events_v2 (id, aggregate_id, aggregate_type, event_type, payload, status, created_at,"
            " updated_at, error, retry_count) SELECT $1, 'a', $2, $3, '{\"secret\": 1}', $4, t, t, $5, $6"
            f" FROM (SELECT {now} - make_interval(secs => $7) AS t) x",
            id,
            given["aggregate_type"],
            given["event_type"],
            status,
            given["error"],
            given["retry_count"],
            float(age_s),
        )

    async def _zoned(self, table: str) -> bool:
        return await self.connection.fetchval(
            "SELECT data_type = 'timestamp with time zone' FROM information_schema.columns"
            " WHERE table_name = $1 AND column_name = 'created_at'",
            table,
        )

    async def now(self, table: str) -> str:
        """What is now in a table's columns of time."""
        return "now()" if await self._zoned(table) else "(now() AT TIME ZONE 'UTC')"

    async def customer(self, id: str = "u1") -> str:
        """A user, whom orders and activations must belong to."""
        now = "now()" if await self._zoned("users") else "now() AT TIME ZONE 'UTC'"
        await self.execute(
            "INSERT INTO users (id, name, email, updated_at)"
            f" VALUES ($1, $1, $1 || '@x', {now}) ON CONFLICT DO NOTHING",
            id,
        )
        return id

    async def order(self, id: str, age_s: float, status: str = "PENDING") -> None:
        """A purchase order created `age_s` seconds ago; it expires five minutes after (nexnum.md#stuck-rows)."""
        user = await self.customer()
        now = "now()" if await self._zoned("purchase_orders") else "now() AT TIME ZONE 'UTC'"
        await self.execute(
            "INSERT INTO purchase_orders (id, user_id, service_name, country_name, amount, status, created_at,"
            " updated_at, expires_at, idempotency_key) SELECT $1, $2, 'wa', 'NL', 1, $3, t, t,"
            f" t + interval '5 minutes', $1 FROM (SELECT {now} - make_interval(secs => $4) AS t) x",
            id,
            user,
            status,
            float(age_s),
        )

    async def activation(
        self,
        id: str,
        age_s: float,
        state: str,
        provider: str = "smsbower",
        paid: bool = False,
        took_s: float = 0.0,
        key: str = "",
        number: str | None = None,
        user: str = "u1",
        country: str | None = None,
        price: str = "1",
    ) -> None:
        """A purchase's activation at a provider (by name), paid when its money was captured, written last `took_s`
        seconds after it began; `key` is its idempotency key, its id where none is given."""
        await self.customer(user)
        now = "now()" if await self._zoned("activations") else "now() AT TIME ZONE 'UTC'"
        await self.execute(
            "INSERT INTO activations (id, user_id, state, captured_tx_id, provider_id, service_name,"
            " country_code, created_at, updated_at, idempotency_key, number_id, country_name, price) SELECT $1, $2,"
            " $3::text::\"ActivationState\", $4, $5, 'wa', 'nl', t, t + make_interval(secs => $7), $8, $9, $10,"
            " $11::text::numeric"
            f" FROM (SELECT {now} - make_interval(secs => $6) AS t) x",
            id,
            user,
            state,
            f"tx-{id}" if paid else None,
            provider,
            float(age_s),
            float(took_s),
            key or id,
            number,
            country,
            price,
        )

    async def wallet(self, user: str, balance: str = "50", reserved: str = "0") -> None:
        await self.customer(user)
        await self.execute(
            "INSERT INTO wallets (id, user_id, balance, reserved)"
            " VALUES ($1, $2, $3::text::numeric, $4::text::numeric)",
            f"wallet-{user}",
            user,
            balance,
            reserved,
        )

    async def sale(
        self, id: str, age_s: float, asked: str, upstream: str, shop: str, took_s: float = 2.0, status: str = "active"
    ) -> None:
        """A purchase that was sold: its activation is booked to who was `asked`, its number says `upstream`
        ("5sim:2119") and `shop` (nexnum.md#best-route)."""
        user = await self.customer()
        now = "now()" if await self._zoned("numbers") else "now() AT TIME ZONE 'UTC'"
        await self.execute(
            "INSERT INTO numbers (id, phone_number, country_code, service_name, price, status, owner_id, provider,"
            " activation_id, expires_at, created_at, updated_at) SELECT $1, '31', 'nl', 'wa', 1, $2, $3, $4, $5,"
            f" t + interval '20 minutes', t, t FROM (SELECT {now} - make_interval(secs => $6) AS t) x",
            f"n-{id}",
            status,
            user,
            shop,
            upstream,
            float(age_s - took_s),
        )
        await self.activation(id, age_s, "ACTIVE", asked, paid=True, took_s=took_s, number=f"n-{id}")
        await self.execute(  # exactly so long after, however long this took
            "UPDATE numbers n SET created_at = a.created_at + make_interval(secs => $2) FROM activations a"
            " WHERE a.number_id = n.id AND n.id = $1",
            f"n-{id}",
            float(took_s),
        )

    async def provider(self, id: str, name: str, display_name: str = "", active: bool = True) -> None:
        now = "now()" if await self._zoned("providers") else "now() AT TIME ZONE 'UTC'"
        await self.execute(
            f"INSERT INTO providers (id, name, display_name, is_active, updated_at) VALUES ($1, $2, $3, $4, {now})",
            id,
            name,
            display_name or name,
            active,
        )
