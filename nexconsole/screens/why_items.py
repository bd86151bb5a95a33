"""What the page of reasons lists, as data: causes with their evidence, changes, harm, what ends, reasons, doubts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ..catalogue import Subject
from ..causes.change_wording import CHANGES, against_onset, change_id, heading, nearness, onset_of, said
from ..causes.model import Candidate, Evidence, Explanation, Side, Standing
from ..causes.outlook_wording import hurt, reached
from ..causes.wording import NOT_KNOWN, evidence_mark, evidence_words, filled_call, look_words, named_words, speaks
from ..model import Reading, SignalKey, SourceHealth, State
from ..panes import subjects
from ..severity import SOURCES, Reason
from ..text.pod_names import brief_pods
from ..text.units import clock, duration, percent, several

if TYPE_CHECKING:
    from ..runbook.model import Call
    from ..session.monitor import Since
    from ..settings import Settings
    from ..severity import Severity
    from ..signals.customers import Customers
    from ..signals.runway import Runway

CUSTOMERS: SignalKey[Customers] = SignalKey("customers")
RUNWAY: SignalKey[Runway] = SignalKey("runway")
FOLDED = 3  # changes, other causes and times that are listed before the others are unfolded
MOST_EXPLAINED = 3  # subjects that a cause is said to explain

# What an item leads to: (PANE, a signal), (SCENARIO, a cause's key), (REMEDY, a cause's key), (CHANGE, its place).
PANE, JOURNAL, SCENARIO, REMEDY, CHANGE, NOWHERE = "pane", "journal", "scenario", "remedy", "change", ""
Lead = tuple[str, str]
TARGETS = {"provider": "provider", "pod": "pod", "pid": "session", "alert": "alert"}  # kinds of subjects


@dataclass(frozen=True)
class WhyItem:
    """One line of thought. `mark` stands before its sentence; `more` is said below it, dimmed.

    `lead` is where Enter goes. `inner` stands beneath the item before it; `basis` at the end of its line.
    """

    key: str
    mark: str
    ink: str
    text: str
    more: str = ""
    lead: Lead = (NOWHERE, "")
    inner: bool = False
    basis: str = ""
    subject: Subject | None = None  # what its row stands for


@dataclass(frozen=True, kw_only=True)
class WhyContext:
    """All that the page rests on, of one moment. `where(signal)` names the pane that draws it; `scenario_title(id)` and
    `action_title(name)` are "" for what is not known here; `unfolded`: every line is listed."""

    readings: Mapping[str, Reading]
    severity: Severity | None
    sources: Sequence[SourceHealth]
    explanation: Explanation | None
    now: datetime
    settings: Settings
    where: Callable[[str], str]
    since: Callable[[Reason], Since | None]
    scenario_title: Callable[[str], str] = lambda id: ""
    action_title: Callable[[str], str] = lambda name: ""
    scenario_key: str = "s"
    remedy_key: str = "r"
    in_force: Sequence[str] = ()
    seen_before: Sequence[Sequence[str]] = ()  # of each earlier incident that is like this one: its lines
    unexplained: str = ""
    unfolded: bool = False


Part = tuple[str, tuple[WhyItem, ...]]


def sections(context: WhyContext) -> Iterator[Part]:
    """The parts of the page as (heading, items), those without items too: the answer first, then what changed."""
    severity = context.severity
    reasons = severity.reasons if severity is not None else ()
    named = context.explanation is not None and context.explanation.named
    yield _answer(context, bool(reasons))
    others = "may be as well" if named else "may be", tuple(_possible(context))
    if not named:
        yield others
    heading_of_reasons = "causes first" if context.explanation is None else "reasons of the level"
    of_level = heading_of_reasons, tuple(_reasons(reasons, context))
    if context.explanation is None:
        yield of_level
    yield heading(onset_of(context.explanation, context.readings)), tuple(_changes(context))
    yield "whom it hurts", tuple(_customers(context))
    yield "when it ends or begins", tuple(_runway(context))
    if named:
        yield others
    if context.explanation is not None:
        yield of_level
    yield "seen before", tuple(_seen_before(context))
    yield "it is not", tuple(_ruled_out(context))
    yield "not known", tuple(_unknown(context))
    yield (
        "changed here, and still in force",
        tuple(WhyItem(f"force {n}", "●", "warn", text, lead=(JOURNAL, "")) for n, text in enumerate(context.in_force)),
    )


def _seen_before(context: WhyContext) -> Iterator[WhyItem]:
    """The earlier incidents: what each was, by what it is alike, and what helped; of the most alike first."""
    shown = context.seen_before if context.unfolded else context.seen_before[:1]
    for n, (first, *more) in enumerate(shown):
        yield WhyItem(f"seen {n}", "●", "note", first, "", (JOURNAL, ""))
        yield from (WhyItem(f"seen {n} {m}", "·", "muted", line, inner=True) for m, line in enumerate(more))
    yield from _folded("seen before", len(context.seen_before) - len(shown))


# --- causes -----------------------------------------------------------------------------------------------------------


def _answer(context: WhyContext, wrong: bool) -> Part:
    """The named causes; that it is not known, and what to look at, where something is wrong and none is named."""
    explanation = context.explanation
    if explanation is not None and (named := explanation.named):
        heading = "likely" if len(named) == 1 else f"likely, {several(len(named), 'cause')} at once"
        return heading, tuple(item for each in named for item in _named(each, context))
    if explanation is None and context.unexplained:
        return "likely", (WhyItem("unexplained", "?", "doubt", context.unexplained),)
    if not wrong:
        return "now", tuple(_calm(context))
    return "likely", tuple(_not_known(explanation, context)) if explanation is not None else ()


def _calm(context: WhyContext) -> Iterator[WhyItem]:
    """That nothing is wrong; nothing where that is not known."""
    severity = context.severity
    if severity is not None and severity.level == "none" and not severity.unanswered and not severity.unknown:
        yield WhyItem("calm", "·", "text", "nothing is wrong")


def _named(candidate: Candidate, context: WhyContext) -> Iterator[WhyItem]:
    cause = candidate.cause
    lead = (SCENARIO, candidate.key) if cause.scenario else (REMEDY, candidate.key) if cause.remedy else (NOWHERE, "")
    explained = f"explains {_listed(candidate.explains, MOST_EXPLAINED)}" if candidate.explains else ""
    prose = cause.prose.partition(". ")[0].rstrip(". ")
    said = "; ".join(filter(None, (prose, explained))) if context.unfolded or not prose else prose
    subject = subject_of(candidate.target)
    words = named_words(candidate, context.now)
    yield WhyItem(f"cause {candidate.key}", "▸", "alarm", words, said, lead, subject=subject)
    yield from _helps(candidate, context)
    shown = [each for each in candidate.evidence if context.unfolded or speaks(each)]
    for n, line in enumerate(shown):
        yield _evidence(line, f"{candidate.key} {n}", context)
    quiet = len(candidate.evidence) - len(shown)
    if quiet:
        words = f"{several(quiet, 'line')} more, none of them against it: tab lists all"
        yield WhyItem(f"folded {candidate.key}", "·", "muted", words, inner=True)
    yield from _decides(candidate, context)


def subject_of(target: Mapping[str, str]) -> Subject | None:
    """What a cause's target is as a row: a provider, a pod, a session or an alert."""
    for kind, name in target.items():
        if kind in TARGETS:
            return Subject(kind=TARGETS[kind], id=name, title=name, arguments={kind: name})
    return None


def _evidence(evidence: Evidence, key: str, context: WhyContext) -> WhyItem:
    mark, ink = evidence_mark(evidence)
    answer = evidence.answers[0] if evidence.answers else None
    lead = (PANE, answer.signal) if answer is not None else (NOWHERE, "")
    basis = answer.basis() if answer is not None else "no reading"
    return WhyItem(f"evidence {key}", mark, ink, evidence_words(evidence), "", lead, True, basis)


def _helps(candidate: Candidate, context: WhyContext) -> Iterator[WhyItem]:
    """What helps: a scenario and a remedy that keys lead to."""
    cause = candidate.cause
    if cause.scenario:
        title = context.scenario_title(cause.scenario) or cause.scenario
        yield WhyItem(
            f"scenario {candidate.key}",
            "○",
            "note",
            title,
            "",
            (SCENARIO, candidate.key),
            True,
            f"steps: {context.scenario_key}",
        )
    if cause.remedy is not None:
        call = filled_call(cause.remedy, candidate.target)
        said = f"{cause.remedy_text.rstrip('. ') or context.action_title(call.name)}: {call}".removeprefix(": ")
        basis = f"asks first: {context.remedy_key}"
        yield WhyItem(f"remedy {candidate.key}", "○", "note", said, "", (REMEDY, candidate.key), True, basis)


def _decides(candidate: Candidate, context: WhyContext) -> Iterator[WhyItem]:
    """What would settle it."""
    for n, look in enumerate(candidate.cause.decides):
        words = f"what would settle it: {_look(look, candidate, context)}"
        yield WhyItem(f"decides {candidate.key} {n}", "?", "muted", words, "", _pane_of(look, context), True)


def _look(look: Call, candidate: Candidate, context: WhyContext) -> str:
    return look_words(filled_call(look, candidate.target), context.settings)


def _pane_of(look: Call, context: WhyContext) -> Lead:
    from ..signals.registry import probes

    probe = probes(context.settings).get(look.name)
    return (PANE, probe.signal) if probe is not None else (NOWHERE, "")


def _not_known(explanation: Explanation, context: WhyContext) -> Iterator[WhyItem]:
    look = explanation.next_look
    if look is None:
        yield WhyItem("not known", "?", "doubt", NOT_KNOWN, "no cause in the runbook fits what is read")
        return
    words = f"{NOT_KNOWN}; look next: {look_words(look, context.settings)}"
    yield WhyItem("not known", "?", "doubt", words, "this look would tell most", _pane_of(look, context))


def _possible(context: WhyContext) -> Iterator[WhyItem]:
    """The other candidates: what speaks for each, and what against it."""
    explanation = context.explanation
    found = [
        each
        for each in (explanation.candidates if explanation is not None else ())
        if each.standing is Standing.POSSIBLE
    ]
    shown = found if context.unfolded else found[:FOLDED]
    for candidate in shown:
        lead = (SCENARIO, candidate.key) if candidate.cause.scenario else _first_pane(candidate.evidence)
        more = "" if context.unfolded else _for_and_against(candidate)
        words, subject = named_words(candidate, context.now), subject_of(candidate.target)
        yield WhyItem(f"cause {candidate.key}", "·", "muted", words, more, lead, subject=subject)
        if context.unfolded:
            for n, line in enumerate(candidate.evidence):
                yield _evidence(line, f"{candidate.key} {n}", context)
    yield from _folded("may be", len(found) - len(shown))


def _for_and_against(candidate: Candidate) -> str:
    """One line of each side, the strongest first."""
    lines: dict[str, str] = {}
    for evidence in candidate.evidence:
        mark, _ = evidence_mark(evidence)
        if mark in "+-" and not (mark == "+" and evidence.side is Side.AGAINST):
            lines.setdefault("for" if mark == "+" else "against", evidence_words(evidence))
    return "; ".join(f"{side}: {words}" for side, words in lines.items())


def _ruled_out(context: WhyContext) -> Iterator[WhyItem]:
    """What it is not, and why not; folded, each cause once, whatever its target."""
    explanation = context.explanation
    found = explanation.ruled_out if explanation is not None else ()
    alike = Counter(candidate.cause.id for candidate in found)
    each_once = tuple({candidate.cause.id: candidate for candidate in reversed(found)}.values())[::-1]
    listed = found if context.unfolded else each_once
    shown = listed if context.unfolded else listed[:FOLDED]
    for candidate in shown:
        why = next((line for line in candidate.evidence if evidence_mark(line)[0] == "-"), None)
        more = 0 if context.unfolded else alike[candidate.cause.id] - 1
        others = f" (nor at {several(more, 'other')})" if more else ""
        words = f"{brief_pods(candidate.title)}{others}"
        words += f": {brief_pods(why.text or why.title)}" if why is not None else ""
        basis = why.answers[0].basis() if why is not None and why.answers else ""
        item = WhyItem(f"cause {candidate.key}", "·", "muted", words, "", _first_pane(candidate.evidence), False, basis)
        yield item
    yield from _folded("it is not", len(listed) - len(shown))


def _first_pane(evidence: Iterable[Evidence]) -> Lead:
    return next(((PANE, line.answers[0].signal) for line in evidence if line.answers), (NOWHERE, ""))


def _folded(part: str, many: int) -> Iterator[WhyItem]:
    if many > 0:
        yield WhyItem(f"folded {part}", "", "muted", f"and {many} more: tab lists all")


def _listed(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# --- what changed, whom it hurts, when it ends ------------------------------------------------------------------------


def _changes(context: WhyContext) -> Iterator[WhyItem]:
    """Those near the onset first; without one the newest."""
    log = CHANGES.value(context.readings)
    if log is None:
        return
    onset = onset_of(context.explanation, context.readings)
    order = sorted(log.changes, key=lambda change: nearness(change, onset))
    shown = order if context.unfolded else order[:FOLDED]
    for change in sorted(shown, key=lambda change: change.at, reverse=True):
        words, ink = against_onset(change, onset, context.now)
        by = f", {change.who}" if change.who else ""
        key = f"change {change_id(change)}"
        text = f"{words}: {said(change)}{by}"
        item = WhyItem(key, clock(change.at)[:5], ink, text, "", (CHANGE, change_id(change)), False, change.source)
        yield replace(item, subject=subjects.change(change))
    if not log.changes and context.severity is not None and context.severity.reasons:
        yield WhyItem("no change", "·", "muted", "no change is known", "", (CHANGE, ""))
    yield from _folded("what changed", len(order) - len(shown))


def _customers(context: WhyContext) -> Iterator[WhyItem]:
    value = CUSTOMERS.value(context.readings)
    if value is None:
        return
    words = hurt(value)
    if not words:
        return
    basis = _basis(CUSTOMERS, context)
    calm = context.severity is not None and context.severity.level == "none"
    mark, ink = ("·", "text") if calm else ("●", "warn")  # a few always fail
    yield WhyItem("customers", mark, ink, words, "", (PANE, CUSTOMERS), False, basis)
    out = value.out_of_line if context.unfolded else value.out_of_line[:FOLDED]
    for part in out:
        said = f"{part.kind} {part.name}: {percent(part.share)} fail, {part.failed} of {part.decided}"
        yield WhyItem(f"out of line {part.kind} {part.name}", "·", "warn", said, "", (PANE, CUSTOMERS), True, basis)


def _runway(context: WhyContext) -> Iterator[WhyItem]:
    value = RUNWAY.value(context.readings)
    if value is None:
        return
    basis = _basis(RUNWAY, context)
    told = [each for each in value.ceilings if context.unfolded or each.earliest is not None or each.latest is not None]
    shown = told if context.unfolded else told[:FOLDED]
    for ceiling in shown:
        words, ink = reached(ceiling, context.now)
        yield WhyItem(
            f"ceiling {ceiling.name}", "●" if ink == "warn" else "·", ink, words, "", (PANE, "runway"), False, basis
        )
    if shown:  # a heading with nothing but what is folded says nothing
        yield from _folded("ceilings", len(value.ceilings) - len(shown))


def _basis(signal: str, context: WhyContext) -> str:
    reading = context.readings.get(signal)
    age = reading.age(context.now) if reading is not None else None
    return f"{signal}, {duration(age)} ago" if age is not None else signal


# --- reasons and doubts -----------------------------------------------------------------------------------------------


def _reasons(reasons: Iterable[Reason], context: WhyContext) -> Iterator[WhyItem]:
    """The reasons in their order; of several that are alike each has a number, so that the cursor stays on its own."""
    alike: Counter[tuple[str, str, str]] = Counter()
    for reason in reasons:
        same = reason.signal, reason.about, reason.level
        yield _reason(reason, alike[same], context)
        alike[same] += 1


def _reason(reason: Reason, number: int, context: WhyContext) -> WhyItem:
    since = context.since(reason)
    if since is not None and not since.seen and context.explanation is not None and context.explanation.named:
        since = None  # when this console began to look; the cause above says since when it is so
    parts = [
        f"since {clock(since.at)[:5]}{'' if since.seen else ' or earlier'}" if since is not None else "",
        context.where(reason.signal),
        _age(reason),
        f"explains {', '.join(reason.explains)}" if reason.explains else "",
        reason.outlook,
        f"next: {reason.step}" if reason.step else "",
    ]
    key = f"reason {reason.signal} {reason.about} {reason.level}"
    said = "; ".join(filter(None, parts))
    return WhyItem(f"{key} {number}", reason.level, "strong", reason.text, said, (PANE, reason.signal))


def _age(reason: Reason) -> str:
    if reason.signal == SOURCES or reason.age_s is None:
        return ""
    return f"read {duration(reason.age_s)} ago{', and not since' if reason.stale else ''}"


def _unknown(context: WhyContext) -> Iterator[WhyItem]:
    """Silent sources, signals that were never read, and readings that are old."""
    readings, severity = context.readings, context.severity
    for source in context.sources:
        if source.state is State.ERROR:
            quiet = f"no answer since {clock(source.ok_at)}" if source.ok_at is not None else "never answered"
            said = f"{source.name}: {source.error}"
            yield WhyItem(f"source {source.name}", "?", "doubt", said, quiet, (PANE, SOURCES))
    for sentence in severity.unanswered if severity is not None else ():
        yield WhyItem(f"unanswered {sentence}", "?", "doubt", sentence, "", (PANE, SOURCES))
    names = dict.fromkeys((*(severity.unknown if severity is not None else ()), *readings))
    for name in names:
        if (silence := _silence(readings.get(name), context.now)) is not None:
            text = f"{name}: {silence}"
            yield WhyItem(f"signal {name}", "?", "doubt", text, context.where(name), (PANE, name))


def _silence(reading: Reading | None, now: datetime) -> str | None:
    """Why a signal is not known by now; None where it is, or is not there to be read."""
    if reading is None:
        return "nothing was read yet"
    if reading.state(now) in (State.FRESH, State.ABSENT):
        return None
    why = reading.error or ("no newer value has arrived" if reading.value is not None else "nothing was read yet")
    age = reading.age(now)
    return why if age is None else f"last read {duration(age)} ago: {why}"
