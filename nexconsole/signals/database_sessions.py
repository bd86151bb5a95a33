"""A database session, and who blocked others a moment ago: where few buy, at most moments nobody waits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

LATELY_S, MOST_LATELY = 60.0, 5


@dataclass(frozen=True, kw_only=True)
class DatabaseSession:
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
    started_at: datetime | None = None  # of the session: its pid is another's some day


@dataclass(frozen=True, kw_only=True)
class SeenBlocker:
    """A session that is still in its transaction, and for which so many waited at `at`, the most in the last minute."""

    pid: int
    blocked: int
    at: datetime


def seen_lately(
    sessions: Sequence[DatabaseSession], before: Iterable[SeenBlocker], now: datetime
) -> tuple[SeenBlocker, ...]:
    """Those that block others now, and those that did a while ago and are in their transaction still."""
    blocked = sum(1 for session in sessions if session.blocked_by)
    seen = [
        SeenBlocker(pid=session.pid, blocked=blocked, at=now)
        for session in sessions
        if session.blocks and not session.blocked_by
    ]
    known = {one.pid for one in seen}
    there = {session.pid for session in sessions}
    kept = [one for one in before if one.pid in there - known and (now - one.at).total_seconds() <= LATELY_S]
    return (*seen, *kept)[:MOST_LATELY]
