"""Which of NexNum's versions this is, where an action does something else there: told by the columns.

(nexnum.md#versions, #schema)
"""

from __future__ import annotations

from collections.abc import Container, Mapping

# Columns that only the newest schema has. Its code has best route, and stops holds at zero.
NEWEST = (("wallets", "ledger_checksum"), ("activations", "trace_id"))


def is_newest(tables: Mapping[str, Container[str]]) -> bool:
    """`tables` gives the columns by table, as the Postgres source knows them."""
    return any(column in tables.get(table, ()) for table, column in NEWEST)
