"""A cause as its chapter declares it, as it stands on the readings of now, and the ranking of all. Immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..runbook.model import Call, Condition
from ..signals.onset import Onset
from ..signals.probe import ProbeAnswer


class Side(StrEnum):
    """What a line of evidence is for: without a NEEDED one the cause can't be; a TELLING one speaks strongly for it."""

    NEEDED = "needed"
    TELLING = "telling"
    FOR = "for"
    AGAINST = "against"


@dataclass(frozen=True, kw_only=True)
class EvidenceRule:
    """A line of evidence as the chapter says it: a sentence and its condition. `line` counts from 1."""

    side: Side
    title: str
    condition: Condition
    line: int


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A chapter. `id` is its anchor ("provider-unreachable"); `kind` of its target ("provider"; "": none).

    `title` is a short clause with the target in braces: "{provider} does not answer". `explains` are subjects of
    reasons of the severity ("purchases at {provider}"), `causes` ids of the causes that follow from it. `decides` are
    looks that would settle it. `remedy` is an action, a screen, or None; `scenario` the id of the runbook's chapter to
    open. `origin` is the file, "" for ours.
    """

    id: str
    title: str
    kind: str = ""
    prose: str = ""
    explains: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    evidence: tuple[EvidenceRule, ...] = ()
    decides: tuple[Call, ...] = ()
    remedy: Call | None = None
    remedy_text: str = ""
    scenario: str = ""
    origin: str = ""
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A line of evidence on the readings of now. `holds` None: not known. `text` is one sentence with its figures.

    `answers` are the probes' answers that it rests on, each with its signal, age and state.
    """

    side: Side
    title: str
    text: str
    holds: bool | None
    answers: tuple[ProbeAnswer, ...] = ()


class Standing(StrEnum):
    """LIKELY: above the bar, and named. POSSIBLE: something speaks for it. RULED_OUT: it can't be, and why is said."""

    LIKELY = "likely"
    POSSIBLE = "possible"
    RULED_OUT = "ruled out"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A cause with its target, as it stands now. `score` is 0..1 and only orders; `explains` are subjects of reasons
    that hold now and follow from it; `since` the earliest onset of what it explains."""

    cause: Cause
    title: str
    target: Mapping[str, str] = field(default_factory=dict)
    standing: Standing
    score: float
    evidence: tuple[Evidence, ...] = ()
    explains: tuple[str, ...] = ()
    since: Onset | None = None

    @property
    def key(self) -> str:
        """The cause and its target in one word: "provider-unreachable smsbower"."""
        return " ".join((self.cause.id, *self.target.values()))


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The ranking. `candidates`: what is LIKELY or POSSIBLE, the best first; `named`: the LIKELY ones.

    Where nothing is named and something is wrong, the answer is "not known", and `next_look` is the look that would
    tell most. `unexplained` are subjects of reasons that no named cause explains. `ruled_out` are those that can't be.
    """

    candidates: tuple[Candidate, ...] = ()
    ruled_out: tuple[Candidate, ...] = ()
    unexplained: tuple[str, ...] = ()
    next_look: Call | None = None

    @property
    def named(self) -> tuple[Candidate, ...]:
        return tuple(each for each in self.candidates if each.standing is Standing.LIKELY)
