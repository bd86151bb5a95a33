"""How long it took: to detect, engage, mitigate and recover; and times as people say them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .incident import CALM, Incident


@dataclass(frozen=True, kw_only=True)
class Times:
    """Until detected, engaged, mitigated and recovered, from the incident's `since` on; None where no entry says so."""

    detect: timedelta | None
    engage: timedelta | None
    mitigate: timedelta | None
    recover: timedelta | None


ENGAGED = ("step", "intent", "proposed")


def times_of(incident: Incident) -> Times:
    """Detect: opened, or the first severity. Engage: the first step or action. Mitigate: the first that worked.
    Recover: the severity back to none, where it stayed there."""
    seen = [level.at for level in (*incident.levels, *incident.declared) if level.level != CALM]
    seen += [line.at for line in incident.timeline if line.kind == "opened"]
    worked = [action.verdict_at for action in incident.actions if action.verdict == "worked" and action.verdict_at]
    return Times(
        detect=_after(incident, seen),
        engage=_after(incident, [line.at for line in incident.timeline if line.kind in ENGAGED]),
        mitigate=_after(incident, worked),
        recover=_after(incident, [at for at in (recovered(incident),) if at]),
    )


def _after(incident: Incident, moments: Sequence[datetime]) -> timedelta | None:
    return min(moments) - incident.since if moments and incident.since else None


def recovered(incident: Incident) -> datetime | None:
    """When the severity went back to none and stayed there; None where it did not, or never rose."""
    levels = incident.levels
    return levels[-1].at if len(levels) > 1 and levels[-1].level == CALM else None


def span(length: timedelta) -> str:
    """Such as 48 s, 22 min, 1 h 05 min, 4 d 3 h: the same on every machine."""
    seconds = max(0, int(length.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 1:
        return f"{seconds} s"
    if minutes < 10:
        return f"{minutes} min {seconds % 60:02} s"
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60:02} min" if days < 1 else f"{days} d {hours % 24} h"


def moment(at: datetime) -> str:
    return f"{at.isoformat(sep=' ', timespec='seconds')[:19]}Z"


def clock(at: datetime) -> str:
    return at.isoformat(timespec="seconds")[11:19]
