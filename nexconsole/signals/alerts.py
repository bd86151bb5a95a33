"""Alerts: what fires in Prometheus now, and which of the runbook's alerts could ever fire. (facts 2.3)"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ..model import Value


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A firing alert, labels without `alertname` and `alertstate`; `since` is UTC."""

    name: str
    severity: str
    since: datetime | None
    summary: str = ""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunbookAlert:
    """One alert that the runbook names. `exists`: some rule has this name; `can_fire`: its series exist here.

    None: the server doesn't say (Thanos and Mimir may have no rules route)."""

    name: str
    exists: bool | None
    can_fire: bool | None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Alerts(Value):
    firing: tuple[Alert, ...] = ()
    pending: int = 0
    runbook: tuple[RunbookAlert, ...] = ()
