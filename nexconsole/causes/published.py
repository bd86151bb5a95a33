"""An explanation as `status --json` publishes it: causes by their ids, each line of evidence with its readings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..model import State
from ..signals.onset import Onset
from .model import Candidate, Evidence, Explanation, Side, Standing
from .wording import filled_call


@dataclass(frozen=True, kw_only=True)
class EvidenceReading:
    """A probe's answer and the reading behind it. `age_s` in seconds, None where nothing was read."""

    probe: str
    text: str
    signal: str
    state: State
    age_s: float | None


@dataclass(frozen=True, kw_only=True)
class EvidenceLine:
    """`holds` null: not known."""

    side: Side
    text: str
    holds: bool | None
    readings: tuple[EvidenceReading, ...]


@dataclass(frozen=True, kw_only=True)
class RankedCause:
    """`id` is the chapter's anchor, `remedy` an action with its arguments or "", `scenario` a chapter's id or ""."""

    id: str
    title: str
    target: Mapping[str, str]
    standing: Standing
    score: float
    since: Onset | None
    explains: tuple[str, ...]
    evidence: tuple[EvidenceLine, ...]
    remedy: str
    scenario: str


@dataclass(frozen=True, kw_only=True)
class RankedCauses:
    """`candidates`: likely or possible, the best first; the `likely` ones are named. `next_look` is a probe, or ""."""

    candidates: tuple[RankedCause, ...]
    ruled_out: tuple[RankedCause, ...]
    unexplained: tuple[str, ...]
    next_look: str


def published(explanation: Explanation | None) -> RankedCauses | None:
    """None where the causes could not be ranked."""
    if explanation is None:
        return None
    return RankedCauses(
        candidates=tuple(map(_cause, explanation.candidates)),
        ruled_out=tuple(map(_cause, explanation.ruled_out)),
        unexplained=explanation.unexplained,
        next_look=str(explanation.next_look or ""),
    )


def _cause(candidate: Candidate) -> RankedCause:
    cause = candidate.cause
    return RankedCause(
        id=cause.id,
        title=candidate.title,
        target=dict(candidate.target),
        standing=candidate.standing,
        score=round(candidate.score, 4),
        since=candidate.since,
        explains=candidate.explains,
        evidence=tuple(map(_line, candidate.evidence)),
        remedy=remedy_words(candidate),
        scenario=cause.scenario,
    )


def remedy_words(candidate: Candidate) -> str:
    """The remedy with the target in it: "provider.disable smsbower"; "" where the chapter names none."""
    call = candidate.cause.remedy
    return str(filled_call(call, candidate.target)) if call is not None else ""


def _line(evidence: Evidence) -> EvidenceLine:
    readings = tuple(
        EvidenceReading(probe=each.probe, text=each.text, signal=str(each.signal), state=each.state, age_s=each.age_s)
        for each in evidence.answers
    )
    return EvidenceLine(side=evidence.side, text=evidence.text, holds=evidence.holds, readings=readings)
