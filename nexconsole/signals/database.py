"""Database: long transactions, who blocks whom, connections used. (facts 1.9, contradiction 8)"""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Value


@dataclass(frozen=True, kw_only=True)
class Session:
    """A client backend in a transaction for longer than 1 s. Ages in seconds; None where the role may not see."""

    pid: int
    user: str
    application: str
    state: str | None
    transaction_s: float | None
    query_s: float | None
    wait: str | None
    blocked_by: tuple[int, ...]
    blocks: int
    query: str


@dataclass(frozen=True, kw_only=True)
class Database(Value):
    """`hidden` sessions belong to other roles and can't be seen; `restricted` says that the role lacks pg_monitor."""

    sessions: tuple[Session, ...] = ()
    long: int = 0
    idle_in_transaction: int = 0
    blocked: int = 0
    connections: int = 0
    max_connections: int = 0
    hidden: int = 0
    restricted: bool = False
    read_only_role: bool = False
    server_version: str = ""
