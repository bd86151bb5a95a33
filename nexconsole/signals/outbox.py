"""Outbox: events waiting, dead and silently dropped, and how fast the worker drains them. (facts 1.4)"""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Value


@dataclass(frozen=True, kw_only=True)
class Outbox(Value):
    """Counts of `outbox_events_v2`. `capped`: a count reached the bound and is a "no fewer than".

    `dropped`: PUBLISHED with an error in the last 24 h. Rates are events a minute over the last minute,
    None until two readings span enough time. `empty_in_s`: None where it isn't shrinking.
    """

    pending: int
    failed: int
    dropped: int
    oldest_pending_s: float | None
    capped: bool = False
    oldest_failed_s: float | None = None
    arrived_per_min: float | None = None
    drained_per_min: float | None = None
    empty_in_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """One troubled event, its payload never read. `age_s` since it was created."""

    id: str
    event_type: str
    aggregate_type: str
    status: str
    retries: int
    age_s: float
    error: str


@dataclass(frozen=True, kw_only=True)
class Events(Value):
    """The worst events, asked for on demand: FAILED first, then dropped, then the oldest PENDING."""

    events: tuple[Event, ...] = ()
