"""Postgres, read-only: two connections at most, read-only transactions, no session state.

Prepared statements, SET and advisory locks are avoided: a pooler in transaction mode may give each transaction another
server session (nexnum.md#database-url, #pooler).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..errors import BadAnswer, Denied, MissingSchema, SettingsError, SourceError, TimedOut, Unreachable
from ..text.sanitize import clean
from ..text.units import period
from .lazy_clients import LazyClients
from .postgres_address import Host, PostgresAddress, parse_address
from .postgres_tls import encryption, tls
from .source import Source

if TYPE_CHECKING:
    import asyncpg

    from .. import settings

CONNECTIONS = 2


class Read:
    """One read-only transaction. `fetch` gives rows that can be asked by column name."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *args: Any) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = await self._connection.fetch(sql, *args)
        return rows

    async def row(self, sql: str, *args: Any) -> Mapping[str, Any]:
        """The one row of a query that always has one."""
        return (await self.fetch(sql, *args))[0]


class PostgresSource(Source):
    """NexNum's database.

    Where the settings have no address, `lookup` is asked for one (it raises SourceErrors), and asked again after a
    refused login: passwords are rotated. `origin` says where an address comes from, for people.
    """

    name = "postgres"
    module = "asyncpg"

    def __init__(
        self,
        clients: LazyClients,
        settings: settings.PostgresSettings,
        *,
        lookup: Callable[[], Awaitable[str]] | None = None,
        origin: str = "postgres.url",
    ) -> None:
        self._known = parse_address(settings.url, ca_file=settings.ca_file) if settings.url else None
        super().__init__(clients, str(self._known or origin))
        self.answered = self.encryption = ""  # which host the newest connection leads to, and how it is secured
        self.settings = settings
        self.origin = origin
        self._lookup = lookup
        self._asking = asyncio.Lock()
        self._idle: list[asyncpg.Connection] = []
        self._open: set[asyncpg.Connection] = set()
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._tables: dict[str, dict[str, str]] | None = None

    @asynccontextmanager
    async def read(self, what: str = "a query") -> AsyncIterator[Read]:
        """A transaction that can only read, in UTC, bounded in time; `what` names it in errors.

        With the time zone UTC, now() compares right with `timestamp` and `timestamptz` columns alike
        (nexnum.md#pooler).
        """
        try:
            await self._located()
        except SourceError as error:
            raise self._failed(error, error) from error.__cause__
        async with self.exchange(self.settings.connect_timeout_s, what), self._places:
            connection = await self._connected()
            try:
                await connection.execute(self._begin())
                yield Read(connection)
                await connection.execute("COMMIT")
            except BaseException as error:
                if getattr(error, "sqlstate", None) is None:
                    # Not the server's own word on one query: its state is not worth a round trip that may hang.
                    self._open.discard(connection)
                    connection.terminate()
                    raise
                await connection.execute("ROLLBACK")
                self._idle.append(connection)
                raise
            self._idle.append(connection)

    async def columns(self) -> Mapping[str, Mapping[str, str]]:
        """Table -> column -> type, of NexNum's schema; looked up once, again after a table was missing."""
        if self._tables is None:
            async with self.read("the schema query") as tx:
                rows = await tx.fetch(COLUMNS_SQL, self.schema)
            tables: dict[str, dict[str, str]] = {}
            for row in rows:
                tables.setdefault(row["table"], {})[row["column"]] = row["type"]
            self._tables = tables
        return self._tables

    @property
    def known_tables(self) -> Mapping[str, Mapping[str, str]]:
        """What `columns` has found; nothing where it was never asked."""
        return self._tables or {}

    async def require(self, table: str, *names: str) -> Mapping[str, str]:
        """The table's columns with their types; raises MissingSchema saying which of `names` are not there."""
        tables = await self.columns()
        if table not in tables:
            problem = f"table {table} is missing in schema {self.schema} of {self.address}"
        elif missing := [name for name in names if name not in tables[table]]:
            problem = f"table {table} at {self.address} has no column {', '.join(missing)}"
        else:
            return tables[table]
        self._tables = None
        raise MissingSchema(self.name, f"{problem}: is this NexNum's database, and which version?")

    def explain(self, error: Exception) -> SourceError | None:
        import asyncpg

        said = clean(error, 300)
        at = f"postgres at {self.address}"
        match error:
            case asyncpg.InvalidAuthorizationSpecificationError():
                if self._lookup is not None:
                    self._known = None
                return Denied(self.name, f"{at} refused the login: {said}. Check user and password in {self.origin}")
            case asyncpg.InsufficientPrivilegeError():
                return Denied(self.name, f"{at}: {said}. Ask for GRANT SELECT to this role")
            case asyncpg.InvalidCatalogNameError():
                return Unreachable(self.name, f"{at}: {said}. Check the name at the end of {self.origin}")
            case asyncpg.UndefinedTableError() | asyncpg.UndefinedColumnError() | asyncpg.UndefinedFunctionError():
                self._tables = None
                return MissingSchema(self.name, f"{at}: {said}")
            case asyncpg.QueryCanceledError():
                limit = self.settings.statement_timeout_s
                return TimedOut(self.name, f"{at} cancelled a query after {period(limit)}: {said}")
            case asyncpg.LockNotAvailableError():
                return TimedOut(self.name, f"{at}: a table is locked by somebody else: {said}")
            case asyncpg.TooManyConnectionsError():
                return Unreachable(self.name, f"{at} has no connection left: {said}")
            case asyncpg.CannotConnectNowError() | asyncpg.OperatorInterventionError():
                return Unreachable(self.name, f"{at} is starting or stopping: {said}")
            case asyncpg.PostgresConnectionError() | asyncpg.InterfaceError():
                return Unreachable(self.name, f"{at}: the connection broke: {said or type(error).__name__}")
            case asyncpg.PostgresError():
                return SourceError(self.name, f"{at}: {said}")
            case ConnectionError() if "SSL upgrade" in said:
                return Unreachable(self.name, f"{at} does not offer TLS: check sslmode, or is it not Postgres' port?")
            case asyncpg.TargetServerAttributeNotMatched():
                asked = f"target_session_attrs={self._known.sessions}" if self._known else "target_session_attrs"
                return Unreachable(self.name, f"{at} is not what {asked} asks for")
            case asyncpg.InternalClientError() | BufferError() | UnicodeError():
                return BadAnswer(self.name, f"{at} does not speak Postgres' protocol: {said}. Check host and port")
        return None

    @property
    def unknown_parameters(self) -> tuple[str, ...]:
        """The address' parameters that nobody knows."""
        return self._known.unknown if self._known else ()

    @property
    def schema(self) -> str:
        """The schema that NexNum's tables lie in."""
        return self._known.schema if self._known else "public"

    @property
    def pooled(self) -> bool:
        """Whether the address is a pooler's, as far as it tells."""
        return self._known is not None and self._known.pooled

    async def _located(self) -> PostgresAddress:
        """The address; looked up where the settings have none."""
        async with self._asking:
            if self._known is None:
                assert self._lookup is not None
                try:
                    self._known = parse_address(await self._lookup(), ca_file=self.settings.ca_file)
                except SettingsError as error:
                    raise SourceError(self.name, f"{self.origin} can't be used: {error}") from error
                self.address = str(self._known)
            return self._known

    async def close(self) -> None:
        for connection in self._open:
            connection.terminate()
        self._open.clear()
        self._idle.clear()

    def _begin(self) -> str:
        milliseconds = int(self.settings.statement_timeout_s * 1000)
        schema = self.schema.replace('"', '""')
        return (
            "BEGIN READ ONLY; SET LOCAL TIME ZONE 'UTC'; "
            f"SET LOCAL statement_timeout = {milliseconds}; SET LOCAL lock_timeout = 1000; "
            f'SET LOCAL search_path TO "{schema}"'
        )

    async def _connected(self) -> asyncpg.Connection:
        """An idle connection that still stands, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._open.discard(connection)
        connection = await self.connect()
        self._open.add(connection)
        return connection

    async def connect(self) -> asyncpg.Connection:
        """A new connection that is the caller's, to close as well; raises the client's errors (see explain).

        Hosts are tried in their order, as libpq does: the next one where a host can't be reached or is not what
        `target_session_attrs` asks for; a refused login is final.
        """
        import asyncpg

        where = await self._located()
        wanted = ("standby", "any") if where.sessions == "prefer-standby" else (where.sessions,)
        hosts = [(host, session) for session in wanted for host in where.servers]
        for number, (host, session) in enumerate(hosts, 1):
            try:
                connection = await self._connect_to(where, host, session)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched):
                if number == len(hosts):
                    raise
                continue
            self.answered, self.encryption = str(host), encryption(where, host)
            return connection
        raise AssertionError("unreachable")

    async def _connect_to(self, where: PostgresAddress, host: Host, session: str) -> asyncpg.Connection:
        import asyncpg

        dsn, context = tls(where, host)
        options = {"options": where.options} if where.options else {}
        try:
            return await asyncpg.connect(
                dsn,
                host=host.place,
                port=host.port,
                user=where.user,
                password=where.password_for(host),
                database=where.database,
                ssl=context,
                statement_cache_size=0,
                target_session_attrs=session,
                server_settings={"application_name": "nexconsole"} | options,
            )
        except (AttributeError, LookupError, ValueError, struct.error) as error:
            # asyncpg's parser meets a stranger's bytes with whatever they happen to break; its words may hold anything.
            said = type(error).__name__
            raise BadAnswer(
                self.name, f"postgres at {host} does not speak Postgres' protocol ({said}): check host and port"
            ) from error


# information_schema shows only what the role may use and is slow; the catalogue is neither.
COLUMNS_SQL = """
SELECT c.relname AS "table", a.attname AS "column", format_type(a.atttypid, NULL) AS "type"
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
