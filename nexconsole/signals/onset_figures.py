"""Which figures are watched for an onset, and what counts as out of the usual for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from .change_point import OnsetRules
from .likelihood import LEVEL, PACE, SHARE

if TYPE_CHECKING:
    from ..settings import Settings

FAILURE_RATE, ATTEMPTS, LATENCY = "failure_rate", "attempts", "latency_p95_s"
SELDOM_S = 180.0  # a provider may sell so seldom
SMEARED_S = 60.0  # a figure over minutes says so roughly when it changed


def _more(least: float, factor: float = 1.0) -> OnsetRules:
    return OnsetRules(kind=LEVEL, least=least, factor=factor)


# Levels that this console reads anyway; `least` is in the figure's unit.
LEVELS: Mapping[str, OnsetRules] = {
    LATENCY: _more(0.8, 1.6),
    "purchases_waiting": _more(4, 2),
    "customers_refused": _more(12, 2),
    "customers_waiting": _more(10, 2.5),
    "outbox_pending": _more(30, 2),
    "outbox_oldest_pending_s": _more(60, 2),
    "outbox_failed": _more(1),
    "reservations_pending": _more(15, 2),
    "reservations_stuck": _more(3, 1.5),
    "sessions_blocked": _more(2, 2),
    "connections": _more(6, 1.4),
    "slot_wait_s": _more(8, 2),
    "circuits_open": _more(1),
    "locks_abandoned": _more(3, 1.5),
    "redis_memory": _more(0.05, 1.2),
    "database_cpu": _more(0.2, 1.5),
    "pods_ready": OnsetRules(kind=LEVEL, worse=-1, least=1),
}
WATCHED = (FAILURE_RATE, ATTEMPTS, *LEVELS)
STALE_S = {"locks_abandoned": 90.0}  # a figure that is read seldom


def rules_of(figure: str, settings: Settings, subject: str = "") -> OnsetRules:
    """The rules of a figure, with the settings' limits: from them on it is bad, whatever it was before."""
    severity = settings.severity
    if figure == FAILURE_RATE:
        if subject:
            limit = settings.transactions.provider_failing
            return OnsetRules(kind=SHARE, least=0.1, factor=2.0, limit=limit, stale_s=SELDOM_S)
        return OnsetRules(kind=SHARE, least=0.03, factor=1.8, limit=severity.high_rate)
    if figure == ATTEMPTS:
        return OnsetRules(kind=PACE, worse=-1, both=True, least=0.02, factor=2.0)
    limits = {
        LATENCY: severity.latency_s,
        "outbox_oldest_pending_s": float(settings.outbox.stuck_after_s),
        "reservations_stuck": float(settings.reservations.alert_limit),
        "slot_wait_s": settings.slots.late_s,
        "redis_memory": settings.integrity.redis_memory,
    }
    return replace(LEVELS[figure], limit=limits.get(figure), stale_s=STALE_S.get(figure, 60.0))


def as_level(rules: OnsetRules, settings: Settings) -> OnsetRules:
    """The same figure where only its level over the window is on record."""
    if rules.kind == PACE:
        return replace(rules, kind=LEVEL, least=settings.transactions.few / 2)
    return replace(rules, kind=LEVEL)
