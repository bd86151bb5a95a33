"""When it ends, or begins: the time that is left until a known ceiling is reached, with a range."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..model import SignalKey, Value


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """A figure with a known limit. `name`: "connections", "redis memory", "balance at smsbower", "outbox", "window".

    `now` and `limit` are in the figure's own unit, as `text` says them. `earliest` and `latest` (UTC) bound when the
    limit is reached at the present pace; both None: no estimate, and `text` says why not.
    """

    name: str
    now: float
    limit: float
    text: str
    earliest: datetime | None = None
    latest: datetime | None = None
    good: bool = False  # reaching it is good: a backlog is done, the five-minute window is clean


@dataclass(frozen=True, kw_only=True)
class Runway(Value):
    """`ceilings`: those that are known, the first to be reached first, those without an estimate last.

    `redis_memory` is the share of Redis' maxmemory that is used, 0..1; None where it is not known or has no limit.
    """

    ceilings: tuple[Ceiling, ...] = ()
    redis_memory: float | None = None


RUNWAY: SignalKey[Runway] = SignalKey("runway")
