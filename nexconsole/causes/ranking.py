"""Ranks the causes on the readings of now. Pure and deterministic; where it does not know, it names nothing.

Truth has three values. What is unknown, or rests on an old reading, speaks neither for nor against.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..model import Reading, State
from ..runbook.model import Call
from ..settings import Settings
from ..severity import Severity
from ..signals.onset import ONSET, Onset
from ..signals.probe import unit_of
from ..text.pod_names import in_units
from .evidence import Facts, filled, filled_call
from .model import Candidate, Cause, Evidence, EvidenceRule, Explanation, Side, Standing
from .subjects import UNNAMED, CauseSubjects, ExplainedSubjects, subjects_of
from .symptoms import symptoms
from .targets import Targets

BAR = 0.55  # of the score: a cause below it is not named
MARGIN = 0.1  # of the rank: by less than this none of two rivals is the better one
SPEAKS = 0.2  # of the score: below it nothing is said of the cause
MOST_POSSIBLE = 8
MOST_RULED_OUT = 40
LOOKED_AT = 4  # candidates whose unknown evidence is weighed for the next look
# What a true line leaves of the doubt, and what a false or an unknown one leaves of the score.
DOUBT = {Side.NEEDED: 0.85, Side.TELLING: 0.45, Side.FOR: 0.8}
WRONG = {Side.TELLING: 0.85, Side.FOR: 0.95}
AGAINST = 0.35
UNKNOWN_NEED = 0.6
TELLS = {Side.NEEDED: 3.0, Side.TELLING: 3.0, Side.AGAINST: 1.5, Side.FOR: 1.0}  # how much a look at it would tell


def explain(
    causes: Iterable[Cause],
    readings: Mapping[str, Reading],
    settings: Settings,
    now: datetime,
    severity: Severity | None,
) -> Explanation:
    """What explains the reasons that hold now, and the symptoms that are no reason yet: a cause may be named for them.

    Never raises; the order of `causes` does not matter.
    """
    if severity is None:
        return Explanation()
    felt = symptoms(readings, now)
    if not felt and not severity.reasons:
        return Explanation()
    facts = Facts(readings, settings, now)
    known = {cause.id: cause for cause in sorted(causes, key=lambda each: each.id)}
    reasons = subjects_of(severity.reasons, felt)
    targets = Targets(readings, settings, reasons.subjects)
    held = [each for cause in known.values() for each in _weighed(cause, targets, reasons, facts, readings)]
    judged = _contested(_absorbed(held, _Follows(known)), reasons)
    judged.sort(key=lambda each: (each.standing is not Standing.LIKELY, -each.rank, each.candidate.key))
    alive = [each for each in judged if each.standing is not Standing.RULED_OUT]
    named = [each for each in alive if each.standing is Standing.LIKELY]
    possible = [each for each in alive if each.standing is Standing.POSSIBLE and each.candidate.score >= SPEAKS]
    out = [each for each in judged if each.standing is Standing.RULED_OUT]
    explained = {subject for each in named for subject in each.candidate.explains}
    return Explanation(
        candidates=tuple(each.candidate for each in (*named, *possible[:MOST_POSSIBLE])),
        ruled_out=tuple(each.candidate for each in out[:MOST_RULED_OUT]),
        unexplained=tuple(dict.fromkeys(reason.about for reason in severity.reasons if reason.about not in explained)),
        next_look=None if named or not severity.reasons else _next_look(alive, facts),
    )


@dataclass(frozen=True)
class _Weighed:
    """A candidate with what only the ranking needs: `rank` orders, `target` is the word of its kind."""

    candidate: Candidate
    rank: float
    target: str

    @property
    def standing(self) -> Standing:
        return self.candidate.standing

    def standing_as(self, standing: Standing, *more: Evidence) -> _Weighed:
        return replace(
            self,
            candidate=replace(self.candidate, standing=standing, evidence=(*more, *self.candidate.evidence)),
        )


def _weighed(
    cause: Cause, targets: Targets, reasons: CauseSubjects, facts: Facts, readings: Mapping[str, Reading]
) -> Iterator[_Weighed]:
    """The cause at each of its targets that would explain something; each stands for itself so far."""
    for target in targets.of(cause.kind):
        names = {cause.kind: target} if cause.kind else {}
        named = not target or targets.named(target)
        explained = reasons.explained(cause, names if named else {cause.kind: UNNAMED})
        if explained.subjects and (named or _worth_a_look(cause.evidence, names, facts)):
            yield _judged(cause, names, explained, reasons, facts, readings)


def _worth_a_look(rules: Sequence[EvidenceRule], names: Mapping[str, str], facts: Facts) -> bool:
    """Whether the readings speak of a target that no reason names: all that is needed is there, or something tells."""
    known = True
    for rule in rules:
        if rule.side is Side.NEEDED and not (holds := facts.holds(rule, names)):
            if holds is False:
                return False
            known = False
    return known or any(facts.holds(rule, names) is True for rule in rules if rule.side is Side.TELLING)


def _judged(
    cause: Cause,
    names: Mapping[str, str],
    explained: ExplainedSubjects,
    reasons: CauseSubjects,
    facts: Facts,
    readings: Mapping[str, Reading],
) -> _Weighed:
    evidence, impossible = _evidence(cause.evidence, names, facts)
    score = 0.0 if impossible else _score(evidence)
    unit = unit_of(readings)
    standing = Standing.LIKELY if _stands(evidence, score) and explained.weight > 0 else Standing.POSSIBLE
    candidate = Candidate(
        cause=_worded(cause, unit),
        title=filled(in_units(cause.title, unit), names),
        target=names,
        standing=Standing.RULED_OUT if impossible else standing,
        score=round(score, 4),
        evidence=evidence,
        explains=explained.subjects,
        since=None if impossible else _since(readings, explained.figures, names.get("provider", "")),
    )
    covers = explained.weight / reasons.whole if reasons.whole else 0.0
    return _Weighed(candidate, round(score * (0.4 + 0.6 * covers), 6), next(iter(names.values()), ""))


def _worded(cause: Cause, unit: str) -> Cause:
    """The cause as people speak of it where NexNum runs."""
    if unit == "pod":
        return cause
    return replace(cause, prose=in_units(cause.prose, unit), remedy_text=in_units(cause.remedy_text, unit))


def _evidence(
    rules: Sequence[EvidenceRule], names: Mapping[str, str], facts: Facts
) -> tuple[tuple[Evidence, ...], bool]:
    """The lines on the readings of now, what is needed first; whether it is impossible, too.

    After the first that is needed and false, and after the second against it that holds, the others are not asked.
    """
    found: list[Evidence] = []
    for rule in (rule for rule in rules if rule.side is Side.NEEDED):
        line = facts.evidence(rule, names)
        if line.holds is False:
            return (line,), True
        found.append(line)
    found += [facts.evidence(rule, names) for rule in rules if rule.side is Side.TELLING]
    fits = sum(rule.side is Side.FOR for rule in rules)
    if _score(found, fits) < SPEAKS:
        return tuple(found), False  # whatever else fits, nothing would be said of it
    against: list[Evidence] = []
    for rule in (rule for rule in rules if rule.side is Side.AGAINST):
        against.append(facts.evidence(rule, names))
        if sum(line.holds is True for line in against) > 1:
            return (*found, *(line for line in against if line.holds)), True  # the others can't change it
    found += [facts.evidence(rule, names) for rule in rules if rule.side is Side.FOR]
    return (*found, *against), False


def _score(evidence: Sequence[Evidence], fits: int = 0) -> float:
    """0..1. `fits`: lines besides that would hold for it."""
    doubt, kept = DOUBT[Side.FOR] ** fits, 1.0
    told = any(line.side is Side.TELLING and line.holds for line in evidence)  # one is enough: they are alternatives
    for line in evidence:
        if line.side is Side.AGAINST:
            kept *= AGAINST if line.holds else 1.0
        elif line.holds:
            doubt *= DOUBT[line.side]
        elif line.side is Side.NEEDED:
            kept *= UNKNOWN_NEED
        elif line.holds is False and not (told and line.side is Side.TELLING):
            kept *= WRONG[line.side]
    return (1.0 - doubt) * kept


def _stands(evidence: Sequence[Evidence], score: float) -> bool:
    """Whether it may be named: all that is needed is known to hold, something tells, and nothing speaks against it.

    What was not read for the first time yet may speak against it in a moment: until then it is not named.
    """
    sides = [(line.side, line.holds) for line in evidence]
    return (
        score >= BAR
        and (Side.TELLING, True) in sides
        and (Side.AGAINST, True) not in sides
        and all(holds for side, holds in sides if side is Side.NEEDED)
        and not any(line.holds is None and line.side is Side.AGAINST and _to_come(line) for line in evidence)
    )


def _to_come(line: Evidence) -> bool:
    """Whether it rests on a reading that is being taken for the first time, or on a log that is read late."""
    return any(each.state is State.WAITING or each.soon for each in line.answers)


class _Follows:
    """What follows from a cause, directly or behind others; never itself. Looked up where it is asked for."""

    def __init__(self, known: Mapping[str, Cause]) -> None:
        self._known = known
        self._found: dict[str, frozenset[str]] = {}

    def __getitem__(self, id: str) -> frozenset[str]:
        """The ids of all of them."""
        if id not in self._found:
            seen: set[str] = set()
            reached = [id]
            while reached:
                cause = self._known.get(reached.pop())
                new = set(cause.causes) - seen if cause is not None else set()
                seen |= new
                reached += sorted(new)
            self._found[id] = frozenset(seen - {id})
        return self._found[id]


def _absorbed(held: Sequence[_Weighed], follows: _Follows) -> list[_Weighed]:
    """The same; what follows from a likely one is no cause of its own, and that one explains its reasons."""
    likely = [each for each in held if each.standing is Standing.LIKELY]
    root: dict[int, _Weighed] = {}
    for effect in held:
        if effect.standing is Standing.RULED_OUT:
            continue
        over = [cause for cause in likely if _leads(cause, effect, follows)]
        if over:
            root[id(effect)] = max(over, key=lambda each: (each.rank, each.candidate.key))
    absorbed: list[_Weighed] = []
    for each in held:
        if (cause := root.get(id(each))) is not None:
            note = Evidence(side=Side.AGAINST, title="it follows", text=f"follows: {cause.candidate.title}", holds=True)
            absorbed.append(each.standing_as(Standing.RULED_OUT, note))
            continue
        effects = [e for e in likely if id(e) in root and each.standing is Standing.LIKELY and _leads(each, e, follows)]
        more = dict.fromkeys((*each.candidate.explains, *(s for e in effects for s in e.candidate.explains)))
        absorbed.append(replace(each, candidate=replace(each.candidate, explains=tuple(more))) if effects else each)
    return absorbed


def _leads(cause: _Weighed, effect: _Weighed, follows: _Follows) -> bool:
    """Whether the one is known to follow from the other, and not the other way round as well."""
    first, second = cause.candidate.cause, effect.candidate.cause
    if second.id not in follows[first.id] or first.id in follows[second.id]:
        return False
    return first.kind != second.kind or not first.kind or cause.target.casefold() == effect.target.casefold()


def _contested(held: Sequence[_Weighed], reasons: CauseSubjects) -> list[_Weighed]:
    """The same; of two that explain the same the better one is named, and none where they are alike."""
    likely = sorted(
        (each for each in held if each.standing is Standing.LIKELY), key=lambda each: (-each.rank, each.candidate.key)
    )
    named: list[_Weighed] = []
    beaten: set[int] = set()
    for each in likely:
        mine = set(each.candidate.explains)
        rivals = [other for other in named if mine & set(other.candidate.explains)]
        if not rivals or (mine & reasons.apart) - {s for other in named for s in other.candidate.explains}:
            named.append(each)
            continue
        beaten.add(id(each))
        beaten |= {id(other) for other in rivals if other.rank - each.rank < MARGIN}
    return [each.standing_as(Standing.POSSIBLE) if id(each) in beaten else each for each in held]


def _next_look(alive: Sequence[_Weighed], facts: Facts) -> Call | None:
    """The look whose answer would move the ranking most: what is unknown of the best ones, by its weight."""
    tells: dict[str, tuple[float, Call]] = {}
    for each in alive[:LOOKED_AT]:
        for rule in each.candidate.cause.evidence:
            for part in rule.condition.parts:
                call = filled_call(part.call, each.candidate.target)
                if facts.known(call):
                    continue
                so_far = tells.get(str(call), (0.0, call))[0]
                tells[str(call)] = (so_far + each.candidate.score * TELLS[rule.side], call)
    if tells:
        return min(tells.values(), key=lambda pair: (-round(pair[0], 6), str(pair[1])))[1]
    decisive = (filled_call(call, each.candidate.target) for each in alive for call in each.candidate.cause.decides)
    return next(decisive, None)


def _since(readings: Mapping[str, Reading], figures: Collection[str], provider: str) -> Onset | None:
    """The earliest onset of a figure that what it explains is about."""
    onsets = ONSET.value(readings)
    if onsets is None:
        return None
    mine = provider.casefold()
    found = [
        each
        for each in onsets.found
        if each.worse and (each.subject.casefold() == mine if each.subject else each.figure in figures)
    ]
    return min(found, key=lambda each: (each.at is not None, each.at or each.known_from), default=None)
