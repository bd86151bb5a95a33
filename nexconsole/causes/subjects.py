"""What a cause can explain: the reasons that hold and the symptoms beside them, prepared once for all causes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..severity import Reason
from ..signals.alert_checks import speaks_of
from ..signals.signal import IN_FLIGHT, PURCHASES, in_flight_at, purchases_at
from .evidence import filled
from .model import Cause

FELT = 0.5  # what a symptom weighs for which there is no reason
WEIGHTS = {"SEV-1": 4.0, "SEV-2": 2.0, "SEV-3": 1.0}  # of a reason
# What all providers share explains each one's own, where all are in trouble; one provider's trouble explains its own.
UNNAMED = "\0"  # in the place of a target that no reason names
ALERT = "alert "  # before its name a reason about one has this
EACH = {PURCHASES: purchases_at(""), IN_FLIGHT: in_flight_at("")}
FIGURES = {
    "purchases": "failure_rate",
    "latency": "latency_p95_s",
    "refused customers": "customers_refused",
    "purchases in flight": "purchases_waiting",
    "failed events": "outbox_failed",
    "pending events": "outbox_oldest_pending_s",
    "reservations": "reservations_pending",
    "locks": "locks_abandoned",
    "blocked sessions": "sessions_blocked",
    "circuit": "circuits_open",
    "slots": "slot_wait_s",
    "workloads": "pods_ready",
    "database_cpu": "database_cpu",
}


class ExplainedSubjects(NamedTuple):
    """The subjects that follow from a cause, what their reasons weigh, and the figures that they are about."""

    subjects: tuple[str, ...]
    weight: float
    figures: frozenset[str]


class ReasonSubject(NamedTuple):
    """What of a reason the ranking needs."""

    about: str
    weight: float
    explains: tuple[str, ...]


class CauseSubjects:
    """The reasons that hold, and what is felt beside them, prepared once.

    `subjects` are what they are about, in their order; `apart` those by which two causes can be told apart: a figure of
    all that got worse may follow from either. What each weighs, and what follows from it, is known too.
    """

    def __init__(self, reasons: Sequence[ReasonSubject], felt: Sequence[str] = ()) -> None:
        own = dict.fromkeys(reason.about for reason in reasons)
        more = [about for about in felt if about not in own]
        self.subjects = (*own, *more)
        self.apart = frozenset((*own, *(about for about in more if about.startswith(EACH[PURCHASES]))))
        self.weights: dict[str, float] = {}
        self._follow: dict[str, dict[str, None]] = {}
        for reason in reasons:
            self.weights[reason.about] = max(reason.weight, self.weights.get(reason.about, 0.0))
            self._follow.setdefault(reason.about, {}).update(dict.fromkeys(reason.explains))
        for about in more:
            self.weights[about] = FELT
            self._follow[about] = {}
        self.whole = sum(self.weights.values())
        self._exact: dict[str, list[int]] = {}  # where among the subjects it is, without case
        for place, about in enumerate(self.subjects):
            self._exact.setdefault(about.casefold(), []).append(place)
        self._starting: dict[str, list[int]] = {}
        self._figures = {about: figure for about in self.subjects if (figure := figure_of(about))}
        alerts = (about for about in self.subjects if about.startswith(ALERT))
        self._alerts = [(about, speaks) for about in alerts if (speaks := speaks_of(about.removeprefix(ALERT)))]
        self._known: dict[tuple[str, tuple[str, ...]], ExplainedSubjects] = {}

    def explained(self, cause: Cause, names: Mapping[str, str]) -> ExplainedSubjects:
        """What of them follows from the cause, and what follows from those."""
        patterns = _patterns(cause.explains, cause.kind, names.get(cause.kind, ""))
        key = "provider" if cause.kind == "provider" else "", patterns
        if key not in self._known:
            subjects = self._found(patterns, each=cause.kind != "provider")
            weight = sum(self.weights[about] for about in subjects if about in self.weights)
            figures = frozenset(map(self._figures.__getitem__, self._figures.keys() & subjects))
            self._known[key] = ExplainedSubjects(subjects, weight, figures)
        return self._known[key]

    def _found(self, patterns: Sequence[str], each: bool) -> tuple[str, ...]:
        exact = {pattern for pattern in patterns if not pattern.endswith("*")}
        starts = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
        if each:
            starts += tuple(start for about, start in EACH.items() if about in exact and about in self.weights)
        found: dict[str, None] = {}
        places = {place for pattern in exact for place in self._exact.get(pattern, ())}
        for about in (self.subjects[place] for place in sorted(places.union(*map(self._begin, starts)))):
            found[about] = None
            found |= self._follow[about]
        for about, speaks in self._alerts if found else ():
            if any(subject.startswith(speaks) for subject in found):
                found[about] = None
        return tuple(found)

    def _begin(self, start: str) -> list[int]:
        """Where the subjects are that begin so."""
        if start not in self._starting:
            found = (places for small, places in self._exact.items() if small.startswith(start))
            self._starting[start] = [place for places in found for place in places]
        return self._starting[start]


@lru_cache(maxsize=4)
def _prepared(reasons: tuple[ReasonSubject, ...], felt: tuple[str, ...]) -> CauseSubjects:
    """The same from one ranking to the next, while the same reasons hold."""
    return CauseSubjects(reasons, felt)


def subjects_of(reasons: Sequence[Reason], felt: tuple[str, ...]) -> CauseSubjects:
    """What these reasons are about, and what is felt beside them."""
    abouts = (ReasonSubject(r.about, 0.0 if r.stale else WEIGHTS.get(r.level, 1.0), r.explains) for r in reasons)
    return _prepared(tuple(abouts), felt)


@lru_cache(maxsize=2048)
def _patterns(explains: tuple[str, ...], kind: str, target: str) -> tuple[str, ...]:
    names = {kind: target} if kind else {}
    return tuple(filled(pattern, names).casefold() for pattern in explains)


def figure_of(subject: str) -> str:
    """The figure that it is about; "" for none."""
    return FIGURES.get(subject) or FIGURES.get(subject.split(" ", 1)[0], "")
