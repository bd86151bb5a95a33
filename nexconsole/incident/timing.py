"""Times to detect, engage, mitigate and recover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .incident import CALM, Incident


@dataclass(frozen=True, kw_only=True)
class IncidentTiming:
    """Times since the incident's `since`; None where no entry tells."""

    detect: timedelta | None
    engage: timedelta | None
    mitigate: timedelta | None
    recover: timedelta | None


ENGAGED = ("step", "intent", "proposed")


def timing_of(incident: Incident) -> IncidentTiming:
    """Detect: opened, or the first severity. Engage: the first step or action. Mitigate: the first that worked.
    Recover: the severity back to none, where it stayed there. What was done before it began took no time."""
    seen = [level.at for level in (*incident.levels, *incident.declared) if level.level != CALM]
    seen += [line.at for line in incident.timeline if line.kind == "opened"]
    worked = [action.verdict_at for action in incident.actions if action.verdict == "worked" and action.verdict_at]
    return IncidentTiming(
        detect=_after(incident, seen),
        engage=_after(incident, [line.at for line in incident.timeline if line.kind in ENGAGED]),
        mitigate=_after(incident, worked),
        recover=_after(incident, [at for at in (recovered(incident),) if at]),
    )


def _after(incident: Incident, moments: Sequence[datetime]) -> timedelta | None:
    return max(timedelta(), min(moments) - incident.since) if moments and incident.since else None


def calm_spells(incident: Incident) -> list[tuple[datetime, datetime | None]]:
    """The periods in which the severity was none again; None where it stayed so."""
    levels = incident.levels
    spells = []
    for number, level in enumerate(levels):
        if level.level == CALM and number and levels[number - 1].level != CALM:
            rises = (later.at for later in levels[number + 1 :] if later.level != CALM)
            spells.append((level.at, next(rises, None)))
    return spells


def recovered(incident: Incident) -> datetime | None:
    """When the severity went back to none for good; None where it did not, or never rose."""
    levels = incident.levels
    return levels[-1].at if len(levels) > 1 and levels[-1].level == CALM else None
