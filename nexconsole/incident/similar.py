"""Seen before: which earlier incidents are like this one, by what, and what helped then. Pure.

A trait that most incidents have tells little; one that few have tells much. Below the bar nothing is said.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..text.units import clock_minute, date, duration, several
from .actions import ActionRecord
from .incident import Incident
from .timing import recovered
from .traits import IncidentTraits, TraitKind, traits_of

WEIGHTS = {
    TraitKind.CAUSE: 4.0,
    TraitKind.CAUSE_KIND: 3.0,
    TraitKind.REASON: 2.0,
    TraitKind.STATE: 1.0,
    TraitKind.CHANGE: 1.0,
    TraitKind.PROVIDER: 1.0,
    TraitKind.LEVEL: 0.5,
}
TELLING = frozenset({TraitKind.CAUSE, TraitKind.CAUSE_KIND, TraitKind.REASON, TraitKind.STATE})
FEWEST_TELLING = 2  # that must be shared, where no cause is
ALIKE = 0.5  # the share of this incident's weight that an earlier one must have
VERY_ALIKE = 0.8
MOST = 3
MOST_TRIED = 8  # actions of an earlier incident that are told
COMMON = 0.5  # of its weight is left to a trait that every incident has
TOLD_TRAITS = 4
WORKED = "worked"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What was done then. `verdict` is "" where there is none."""

    name: str
    verdict: str
    because: str
    undone: bool


@dataclass(frozen=True, kw_only=True)
class PastIncident:
    """What is kept of an earlier incident to compare it with. Times in UTC; `lasted_s` None where it has no end."""

    id: str
    title: str
    at: datetime
    level: str
    traits: IncidentTraits
    lasted_s: float | None = None
    closed: str | None = None
    tried: tuple[Tried, ...] = ()
    more_tried: int = 0


@dataclass(frozen=True, kw_only=True)
class SimilarIncident:
    """An earlier incident, with the traits that it shares with this one (`alike`), those of this one that it lacks
    (`differs`), as people say them, the most telling first; and of how many traits of this one it has how many."""

    past: PastIncident
    alike: tuple[str, ...]
    differs: tuple[str, ...]
    shared: int
    of: int
    very: bool

    @property
    def helped(self) -> tuple[Tried, ...]:
        return tuple(tried for tried in self.past.tried if tried.verdict == WORKED)

    @property
    def did_not(self) -> tuple[Tried, ...]:
        return tuple(tried for tried in self.past.tried if tried.verdict in ("no effect", "worse"))


def past_of(id: str, incident: Incident) -> PastIncident | None:
    """What to keep of a folded incident; None where it holds nothing to compare."""
    if incident.begin is None:
        return None
    since = incident.since or incident.begin
    ended = recovered(incident) or (incident.end if incident.closed is not None else None)
    traits = traits_of(incident)
    if not any(kind in TELLING for kind, _ in traits.traits):
        return None
    taken = [action for action in incident.actions if action.happened]
    return PastIncident(
        id=id,
        title=incident.title,
        at=since,
        level=next(iter(traits.of(TraitKind.LEVEL)), ""),
        traits=traits,
        lasted_s=max(0.0, (ended - since).total_seconds()) if ended is not None else None,
        closed=incident.closed,
        tried=tuple(_tried(action) for action in taken[:MOST_TRIED]),
        more_tried=max(0, len(taken) - MOST_TRIED),
    )


def _tried(action: ActionRecord) -> Tried:
    undone = action.undone_at is not None
    return Tried(name=action.name, verdict=action.verdict, because=action.because, undone=undone)


def similar(present: IncidentTraits, earlier: Sequence[PastIncident], most: int = MOST) -> tuple[SimilarIncident, ...]:
    """The earlier incidents that are like the present one, the most alike first, of equal ones the newest first."""
    weights = _weights(present, earlier)
    whole = sum(weights.values())
    if not whole:
        return ()
    found = []
    for past in earlier:
        shared = [trait for trait in weights if trait in past.traits.traits]
        telling = [kind for kind, _ in shared if kind in TELLING]
        named = TraitKind.CAUSE_KIND in telling or TraitKind.CAUSE in telling
        share = sum(weights[trait] for trait in shared) / whole
        if share < ALIKE or not (named or len(telling) >= FEWEST_TELLING):
            continue
        found.append((share, past, shared))
    found.sort(key=lambda one: (-round(one[0], 6), -one[1].at.timestamp(), one[1].id))
    return tuple(_similar(present, weights, *one) for one in found[:most])


def _similar(
    present: IncidentTraits,
    weights: dict[tuple[TraitKind, str], float],
    share: float,
    past: PastIncident,
    shared: Sequence[tuple[TraitKind, str]],
) -> SimilarIncident:
    order = sorted(weights, key=lambda trait: (-weights[trait], trait))
    counted = [trait for trait in order if not _implied(trait, shared, present)]
    alike = [trait for trait in counted if trait in shared]
    lacking = [trait for trait in counted if trait not in shared]
    return SimilarIncident(
        past=past,
        alike=tuple(_words(trait, present) for trait in alike),
        differs=tuple(_words(trait, present) for trait in lacking),
        shared=len(alike),
        of=len(counted),
        very=share >= VERY_ALIKE,
    )


def _implied(trait: tuple[TraitKind, str], shared: Collection[tuple[TraitKind, str]], present: IncidentTraits) -> bool:
    """Whether another trait says it: a cause and its kind are one, told by the cause where that is shared too."""
    kind, key = trait
    if kind is TraitKind.CAUSE:
        return trait not in shared and (TraitKind.CAUSE_KIND, key.partition(" ")[0]) in shared
    if kind is not TraitKind.CAUSE_KIND:
        return False
    causes = [one for one in present.traits if one[0] is TraitKind.CAUSE and one[1].partition(" ")[0] == key]
    return trait not in shared or any(cause in shared for cause in causes)


def _words(trait: tuple[TraitKind, str], present: IncidentTraits) -> str:
    kind, _ = trait
    words = present.traits[trait]
    return words if kind in (TraitKind.STATE, TraitKind.LEVEL) else f"{kind} {words}"


def _weights(present: IncidentTraits, earlier: Iterable[PastIncident]) -> dict[tuple[TraitKind, str], float]:
    """By how much each trait of the present one counts: its kind's weight, the less the more incidents have it."""
    earlier = tuple(earlier)
    seen = Counter(trait for past in earlier for trait in past.traits.traits if trait in present.traits)
    many = len(earlier) + 1
    rarity = {trait: math.log((many + 1) / (seen[trait] + 0.5)) for trait in present.traits}
    most = math.log((many + 1) / 0.5)
    return {trait: WEIGHTS[trait[0]] * max(COMMON, rarity[trait] / most) for trait in present.traits}


# --- in words ---------------------------------------------------------------------------------------------------------


def seen_before(found: Sequence[SimilarIncident], now: datetime) -> tuple[str, ...]:
    """Whole sentences on the earlier incidents; () where nothing is alike."""
    return tuple(line for one in found for line in lines_of(one, now))


def headline(found: Sequence[SimilarIncident], now: datetime) -> str:
    """One sentence on the most alike; "" where nothing is alike."""
    if not found:
        return ""
    first = found[0]
    helped = f"; {_names(first.helped)} helped" if first.helped else "; nothing is on record that helped"
    return f"seen before: {_when(first, now)}, {_alike(first)}{helped}"


def lines_of(one: SimilarIncident, now: datetime) -> tuple[str, ...]:
    """What it was, by what it is alike, what was done, and what it turned out to be."""
    past = one.past
    lasted = f", lasted {duration(past.lasted_s)}" if past.lasted_s is not None else ""
    level = f", {past.level}" if past.level else ""
    title = f": {past.title}" if past.title else ""
    lines = [f"{_when(one, now)}{level}{lasted}{title}"]
    lines.append(f"{_alike(one)}: {_listed(one.alike)}" + (f"; not {_listed(one.differs)}" if one.differs else ""))
    if one.helped:
        lines.append(f"what helped: {'; '.join(map(_told, one.helped))}")
    if one.did_not:
        lines.append(f"what did not: {'; '.join(map(_told, one.did_not))}")
    rest = [tried for tried in past.tried if tried not in one.helped and tried not in one.did_not]
    if rest:
        lines.append(f"also done: {'; '.join(map(_told, rest))}")
    if not past.tried:
        lines.append("no action is on record")
    if past.more_tried:
        lines.append(f"and {several(past.more_tried, 'more action')}")
    if past.closed:
        lines.append(f"closed: {past.closed}")
    return tuple(lines)


def _when(one: SimilarIncident, now: datetime) -> str:
    ago = duration(max(timedelta(), now - one.past.at))
    return f"{one.past.id} ({date(one.past.at)} {clock_minute(one.past.at)}Z, {ago} ago)"


def _alike(one: SimilarIncident) -> str:
    return f"{'very alike' if one.very else 'alike'} in {one.shared} of {one.of}"


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - TOLD_TRAITS} more" if len(words) > TOLD_TRAITS else ""
    return "; ".join(words[:TOLD_TRAITS]) + more


def _names(tried: Sequence[Tried]) -> str:
    return ", ".join(dict.fromkeys(one.name for one in tried))


def _told(tried: Tried) -> str:
    verdict = f" ({tried.verdict}" if tried.verdict else " (no verdict"
    because = f": {tried.because}" if tried.because and tried.verdict else ""
    return f"{tried.name}{verdict}{because}{', taken back' if tried.undone else ''})"
