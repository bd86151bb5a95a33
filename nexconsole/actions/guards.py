"""Interlocks that several actions share: is what justifies it fresh, and may this role do it at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..text.sanitize import clean
from ..text.units import duration
from .action import Context
from .plan import Guard

if TYPE_CHECKING:
    from ..sources.postgres import Read


def fresh(context: Context, signal: str) -> Guard:
    """Whether the reading that the operator judges by is young enough; a warning where not."""
    reading, limit = context.readings().get(signal), context.settings.actions.reading_limit_s
    name = f"{signal} read"
    if reading is None or reading.value is None:
        why = f": {reading.error}" if reading is not None and reading.error else ""
        return Guard(name=name, level="warn", reason=f"{signal} have not been read{why}: you act without figures")
    age = reading.age(context.clock()) or 0.0
    if age > limit:
        why = f" ({reading.error})" if reading.error else ""
        return Guard(
            name=name, level="warn", reason=f"{signal} were last read {duration(age)} ago{why}: that may have changed"
        )
    return Guard(name=name, level="ok", reason=f"{signal} were read {duration(age)} ago")


UPDATE_SQL = """
SELECT current_user AS role, pg_is_in_recovery() AS replica,
       current_setting('default_transaction_read_only') = 'on' AS read_only,
       coalesce((SELECT has_table_privilege(c.oid, 'UPDATE') OR
                        (SELECT bool_and(has_column_privilege(c.oid, a.attname, 'UPDATE')) FROM pg_attribute a
                         WHERE a.attrelid = c.oid AND a.attname = ANY ($2::text[]))
                 FROM pg_class c WHERE c.relname = $1 AND pg_table_is_visible(c.oid)), false) AS granted
"""


async def may_update(tx: Read, table: str, columns: Sequence[str]) -> Guard:
    """Whether this role may write these columns; asked of the catalogue, nothing is written."""
    row = await tx.row(UPDATE_SQL, table, list(columns))
    role, name = clean(row["role"], 60), "role may write"
    if row["replica"]:
        return Guard(name=name, level="block", reason="this Postgres is a read-only replica: set the primary's address")
    if row["read_only"]:
        reason = f"role {role} is read-only by its settings (default_transaction_read_only): this console can't act"
        return Guard(name=name, level="block", reason=reason)
    if not row["granted"]:
        grant = f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO {role}"
        reason = f"role {role} may only read {table}: this console can't act on it before {grant}"
        return Guard(name=name, level="block", reason=reason)
    return Guard(name=name, level="ok", reason=f"role {role} may update {table}")


async def asked(context: Context, table: str, columns: Sequence[str]) -> Guard:
    """`may_update` in a transaction of its own, with trouble in the source as a guard."""
    try:
        async with context.sources.postgres.read("the privileges query") as tx:
            return await may_update(tx, table, columns)
    except SourceError as error:
        return Guard(name="role may write", level="warn", reason=f"could not be asked: {error}")
