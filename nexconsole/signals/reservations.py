"""Reservations: what the runbook calls pending, in every table that can mean it. (facts 1.5)"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..model import Value


@dataclass(frozen=True, kw_only=True)
class Pile:
    """One table's share. `stuck`: purchase orders and offers past expires_at, activations RESERVED too long."""

    pending: int
    stuck: int
    oldest_s: float | None


@dataclass(frozen=True, kw_only=True)
class Reservations(Value):
    """Sums over `by_table` ("purchase_orders", "activations", "offer_reservations"); `oldest_s` of all pending.

    A table that is missing is not in `by_table` and has a note. `capped`: a count reached its bound.
    """

    pending: int
    stuck: int
    oldest_s: float | None
    by_table: dict[str, Pile] = field(default_factory=dict)
    capped: bool = False
