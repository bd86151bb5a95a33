"""Readings of a cause and of what follows from it: a session before a queue, purchases that fail."""

from __future__ import annotations

from nexconsole.signals.database import Database
from nexconsole.signals.database_sessions import DatabaseSession
from nexconsole.signals.transactions import Scope, Transactions


def session(pid: int, *blocked_by: int, blocks: int = 0, state: str = "active") -> DatabaseSession:
    return DatabaseSession(
        pid=pid,
        user="nexnum",
        application="psql",
        state=state,
        transaction_s=252.0,
        query_s=252.0,
        wait=None,
        blocked_by=blocked_by,
        blocks=blocks,
        query="UPDATE wallets",
    )


def stalled(waiting: int = 12) -> Database:
    """One idle session before a queue, in which each waits for the one before it."""
    root = session(4711, blocks=1, state="idle in transaction")
    behind = tuple(session(5000 + n, 4711 if n == 0 else 4999 + n, blocks=1) for n in range(waiting))
    return Database(source="postgres", sessions=(root, *behind), blocked=waiting, connections=40, max_connections=100)


def failing(rate: float, verdict: str = "all", **more) -> Transactions:
    scope = Scope(verdict=verdict, provider="smsbower" if verdict == "one" else None, because="…")
    fields = {"failure_rate": rate, "attempts": 1000, "failures": round(1000 * rate), "window_s": 300, "scope": scope}
    return Transactions(**(fields | more))
