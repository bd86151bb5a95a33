"""Providers for actions: their rows, live numbers, health, and how they can be changed here. (nexnum.md#schema,
#provider-rows, #provider-api, #disabling)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from ..errors import ActionError, MissingSchema, SourceError
from ..model import Reading, Value, value_of
from ..signals import traffic
from ..signals.attribution import SOLD_BY_SQL
from ..signals.circuits import Circuits, ProviderCircuit
from ..signals.counts import Counts, SourceCounts
from ..signals.provider_names import known_names, provider_names
from ..signals.transactions import Transactions
from ..text.lookalikes import look_alikes
from ..text.sanitize import clean
from ..text.units import count
from . import shell_commands
from .action import Context
from .plan import Guard

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

V = TypeVar("V", bound=Value)

COUNT_LIMIT = 10_000
NAMES_LISTED = 12
NO_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, kw_only=True)
class ProviderRow:
    """One row of the providers table."""

    id: str
    name: str
    display_name: str
    active: bool
    twin: str = ""  # a note where its name can be taken for another's

    def __str__(self) -> str:
        shown = clean(self.display_name, 60)
        name = self.name if shown.casefold() in ("", self.name.casefold()) else f"{self.name} ({shown})"
        return f"{name} ({self.twin})" if self.twin else name


@dataclass(frozen=True, kw_only=True)
class ProviderTable:
    """The providers table of this installation. `flag` is the column is_active, or "isActive" in some versions, quoted
    for SQL; `column` is the same without quotes. `now` is the SQL for its updated_at, with or without a time zone.
    """

    rows: Sequence[ProviderRow]
    column: str
    now: str

    @property
    def flag(self) -> str:
        return shell_commands.sql_name(self.column)


def table_of(columns: Mapping[str, str], rows: Sequence[ProviderRow] = ()) -> ProviderTable | None:
    """The table with these columns (name -> type); None where it has neither of the two flags."""
    column = next((name for name in ("is_active", "isActive") if name in columns), None)
    if column is None:
        return None
    zoned = columns.get("updated_at", "").endswith("with time zone")
    return ProviderTable(rows=rows, column=column, now="now()" if zoned else "(now() AT TIME ZONE 'UTC')")


async def read_table(context: Context) -> ProviderTable:
    """Every provider. Raises SourceError, MissingSchema where the table is another."""
    postgres = context.sources.postgres
    columns = await postgres.require("providers", "id", "name", "updated_at")
    table = table_of(columns)
    if table is None:
        raise MissingSchema("postgres", "table providers has neither is_active nor isActive: which version is this?")
    display = "display_name" if "display_name" in columns else "''"
    async with postgres.read("the providers query") as tx:
        rows = await tx.fetch(f"SELECT id::text AS id, name, {display} AS shown, {table.flag} AS active FROM providers")
    twins = look_alikes(r["name"] for r in rows)
    provider_rows = [
        ProviderRow(
            id=r["id"],
            name=r["name"],
            display_name=r["shown"] or "",
            active=bool(r["active"]),
            twin=twins.get(r["name"], ""),
        )
        for r in rows
    ]
    return replace(table, rows=provider_rows)


def find(table: ProviderTable, wanted: str) -> ProviderRow:
    """The one provider with this id or slug, else with this display name. Raises ActionError listing the names."""
    text, folded = wanted.strip(), wanted.strip().casefold()
    tests = (
        lambda row: text in (row.id, row.name),
        lambda row: row.name.casefold() == folded,
        lambda row: row.display_name.casefold() == folded,
    )
    provider_rows = next((matches for matches in ([r for r in table.rows if test(r)] for test in tests) if matches), [])
    shown = clean(text, 60) or "(no name given)"
    if len(provider_rows) > 1:
        alike = ", ".join(clean(row.name, 60) for row in provider_rows)
        raise ActionError(f"{shown} may be any of {alike}: give the name or the id")
    if not provider_rows:
        names = sorted(clean(row.name, 60) for row in table.rows)
        more = f" and {len(names) - NAMES_LISTED} more" if len(names) > NAMES_LISTED else ""
        known = ", ".join(names[:NAMES_LISTED]) + more if names else "none at all"
        raise ActionError(f"there is no provider {shown}: there are {known}")
    if clean(provider_rows[0].id) != provider_rows[0].id or clean(provider_rows[0].name) != provider_rows[0].name:
        raise ActionError(
            f"provider {clean(provider_rows[0].id, 60)} has an id or a name that can't be shown as it is: use psql"
        )
    return provider_rows[0]


def keys_of(names: Sequence[str]) -> dict[str, str]:
    """Each name's key: the name in lower case, or as it is where two differ in case only."""
    folded = Counter(name.lower() for name in set(names))
    return {name: name if folded[name.lower()] > 1 else name.lower() for name in names}


def circuit_of(readings: Mapping[str, Reading], name: str) -> ProviderCircuit | None:
    circuits = value_of(readings, "circuits", Circuits)
    provider_circuits = [
        circuit for circuit in (circuits.providers if circuits else ()) if circuit.name.lower() == name.lower()
    ]
    return next(
        (circuit for circuit in provider_circuits if circuit.name == name),
        provider_circuits[0] if provider_circuits else None,
    )


async def counts(context: Context) -> SourceCounts | None:
    """The window's purchases by provider: from the rows, else from the readings, else None."""
    try:
        return await traffic.from_postgres(context.sources, context.settings)
    except SourceError:
        value = value_of(context.readings(), "transactions", Transactions)
        if value is None:
            return None
        by_name = {
            provider.name: Counts(attempts=provider.attempts, failures=provider.failures, in_flight=provider.in_flight)
            for provider in value.providers
        }
        names = known_names(context.sources)
        return SourceCounts(source=f"the screen ({value.source})", providers=by_name, names=names)


async def live_numbers(context: Context, name: str) -> int:
    """Numbers in customers' hands that still need this provider; at most COUNT_LIMIT. Raises SourceError."""
    postgres = context.sources.postgres
    tables = await postgres.columns()
    words: tuple[object, ...] = (name,)
    if {"provider", "status", "activation_id"} <= set(tables.get("numbers", ())):
        place = f"numbers n WHERE {SOLD_BY_SQL} AND n.status = 'active'"
        if "expires_at" in tables["numbers"]:
            place += " AND (n.expires_at IS NULL OR n.expires_at > now())"
        provider = (await provider_names(context.sources)).find(name)
        words = (name, list({name, provider.display_name} - {""}) if provider is not None else [name])
    else:
        await postgres.require("activations", "provider_id", "state")
        place = "activations WHERE provider_id = $1 AND state::text = 'ACTIVE'"
    async with postgres.read("the live numbers query") as tx:
        row = await tx.row(f"SELECT count(*) AS n FROM (SELECT 1 FROM {place} LIMIT {COUNT_LIMIT}) x", *words)
        return int(row["n"])


def unhealthy(context: Context, name: str, seen: SourceCounts | None) -> str | None:
    """Why a provider looks unhealthy; None where nothing says so."""
    rules = context.settings.transactions
    counted = seen.of(name) if seen else None
    if counted is not None and counted.decided >= rules.provider_few:
        if counted.failures >= rules.provider_failing * counted.decided:
            return f"{count(counted.failures)} of its {count(counted.decided)} purchases fail"
    circuit = circuit_of(context.readings(), name)
    return "its circuit is open" if circuit is not None and circuit.state == "open" else None


def api_missing(settings: Settings, sources: Sources) -> str | None:
    """Which setting the admin API lacks; None where it may be tried."""
    if not sources.has("api"):
        return "the admin API has no address here: set api.url (API_URL)"
    return None if settings.api.admin_token else "the admin API wants an admin's token: set api.admin_token"


def api_path(provider_id: str) -> str:
    return f"/api/admin/providers/{quote(provider_id, safe='')}"


async def api_guard(context: Context, provider_id: str = NO_ID) -> Guard:
    """Whether the admin API can change a provider, by OPTIONS, which runs no handler. (nexnum.md#nextjs)"""
    name = "admin API"
    if missing := api_missing(context.settings, context.sources):
        return Guard(name=name, level="block", reason=missing)
    try:
        allowed = await context.sources.api.methods(api_path(provider_id))
    except SourceError as error:
        return Guard(name=name, level="block", reason=str(error))
    if "PATCH" not in allowed:
        return Guard(name=name, level="block", reason="the API's route for a provider does not export PATCH")
    return Guard(name=name, level="ok", reason="the API's route for a provider exports PATCH")
