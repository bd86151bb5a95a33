"""Severity: the runbook's SEV rules as a pure function of readings and of what answers. (runbook, "Severity Levels")"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .model import LEVELS as LEVELS
from .model import Reading, SourceHealth, value_of
from .settings import Settings
from .signals import dependencies
from .signals.dependencies import NEEDS
from .signals.funnel import Funnel
from .signals.probe import unit_of
from .signals.registry import signals
from .signals.signal import Judgement, Signal
from .signals.transactions import Transactions
from .text.pod_names import in_units

SOURCES = "sources"  # the signal of a reason that is a source's own silence


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One rule that holds: the level it asks for, in words with its figures, and the reading it rests on.

    `age_s` is the reading's age; `stale` that its source has not answered since; `outlook` what is to be expected;
    `about` what it speaks of, the same whatever the figures are. `explains` names what of the other reasons follows
    from it, by what they are about; an old reading explains nothing. `step` is the next step in words, "" for none.
    """

    level: str
    text: str
    signal: str
    age_s: float | None
    stale: bool = False
    outlook: str = ""
    about: str = ""
    explains: tuple[str, ...] = ()
    step: str = ""


@dataclass(frozen=True, kw_only=True)
class Severity:
    """The highest level that any reason asks for, and the reasons: the most severe first, of equals silent sources.

    Before a reason stands what explains it, though its own level be lower: the first one need not be of `level`.
    `unknown` names the signals that have never given a value: they can raise nothing, and lower nothing. What an
    installation may well do without is not among them while it is not configured.
    `unanswered` are sentences on what purchases need and what has not answered this console, but proves no incident:
    it never has, or it answered that it won't. With one of them nobody may call it calm.
    """

    level: str
    reasons: tuple[Reason, ...] = ()
    unknown: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()


_FUNNEL = "funnel"
# By signal: what it last asked for, by which value and settings. Those are frozen: the same ask for the same.
_JUDGED: dict[str, tuple[Signal[Any], Any, Settings, tuple[Judgement, ...]]] = {}


def judge(
    readings: Mapping[str, Reading], settings: Settings, now: datetime, sources: Iterable[SourceHealth] = ()
) -> Severity:
    """Apply every rule to every reading that has a value, however old: a silent source lowers nothing."""
    health = {each.name: each for each in sources if each.name in NEEDS and each.error is not None}
    reasons = [
        Reason(
            level=NEEDS[name].level,
            text=dependencies.silence(health[name], now),
            signal=SOURCES,
            age_s=0.0,
            about=name,
            explains=NEEDS[name].explains,
        )
        for name in NEEDS
        if name in health and dependencies.silent(health[name], now)
    ]
    signals = judged(settings)
    for signal in signals:  # in this order, whichever signal answered first
        reading = readings.get(signal.name)
        if reading is not None and reading.value is not None:
            reasons += _reasons(signal, reading, readings, settings, now)
    refused = _mostly_refused(readings)
    reasons.sort(key=lambda reason: (LEVELS.index(reason.level), reason.signal != SOURCES, reason.signal != refused))
    return Severity(
        level=reasons[0].level if reasons else "none",
        reasons=causes_first(reasons, {signal.name: signal.needs for signal in signals}),
        unknown=tuple(signal.name for signal in signals if _unknown(signal, readings.get(signal.name))),
        unanswered=tuple(
            dependencies.doubt(health[name])
            for name in NEEDS
            if name in health and dependencies.doubtful(health[name], now)
        ),
    )


def causes_first(reasons: Sequence[Reason], needs: Mapping[str, tuple[str, ...]]) -> tuple[Reason, ...]:
    """The same reasons, those that explain others before them; in their order otherwise.

    `needs` are the sources of each signal: a silent one explains what is stale for want of it. Each reason keeps of
    what it explains what there is.
    """
    likely = [m for m, cause in enumerate(reasons) if cause.explains or cause.signal == SOURCES]
    causes = _causes(reasons, likely, needs)
    order: dict[int, None] = {}

    def place(n: int, under: frozenset[int]) -> None:
        for m in causes[n]:
            if m not in order and m not in under:
                place(m, under | {m})
        order[n] = None

    for n in range(len(reasons)):
        if n not in order:
            place(n, frozenset({n}))
    effects: dict[int, dict[str, None]] = {n: {} for n in likely}
    for n in order:
        for m in causes[n]:
            effects[m][reasons[n].about] = None
    return tuple(replace(reasons[n], explains=tuple(effects[n])) if n in effects else reasons[n] for n in order)


def _causes(reasons: Sequence[Reason], likely: Sequence[int], needs: Mapping[str, tuple[str, ...]]) -> list[list[int]]:
    """For each reason those of the likely ones that explain it. A thousand are not compared with a thousand."""
    of: dict[str, list[int]] = {}
    for m in likely:
        for what in reasons[m].explains:
            of.setdefault(what, []).append(m)
    silent = [m for m in likely if reasons[m].signal == SOURCES]
    found = ({*of.get(reason.about, ()), *of.get(reason.signal, ()), *silent} for reason in reasons)
    return [
        sorted(m for m in some if _explains(reasons[m], reason, needs))
        for reason, some in zip(reasons, found, strict=True)
    ]


def _explains(cause: Reason, reason: Reason, needs: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether it is known that the one follows from the other: only a fresh reading knows what causes something now."""
    if cause.stale or (cause.signal, cause.about) == (reason.signal, reason.about):
        return False
    if cause.signal == SOURCES and reason.stale and cause.about in needs.get(reason.signal, ()):
        return True
    return reason.about in cause.explains or reason.signal in cause.explains


def _mostly_refused(readings: Mapping[str, Reading]) -> str:
    """The funnel, where a larger share is refused than fails: of equal reasons that one comes first; else ""."""
    funnel, transactions = value_of(readings, _FUNNEL, Funnel), value_of(readings, "transactions", Transactions)
    if funnel is None or not funnel.decided:
        return ""
    failing = (transactions.failure_rate or 0.0) if transactions is not None else 0.0
    return _FUNNEL if funnel.without_offer / funnel.decided > failing else ""


def judged(settings: Settings) -> tuple[Signal[Any], ...]:
    """The signals that have rules; the others raise nothing, and nothing is missing where they are not read."""
    return tuple(signal for signal in signals(settings) if signal.reasons is not None)


def _reasons(
    signal: Signal[Any], reading: Reading, readings: Mapping[str, Reading], settings: Settings, now: datetime
) -> Iterator[Reason]:
    """What the signal's rules ask for, first by all readings, then by its own."""
    stale, age_s, unit = reading.state(now) != "fresh", reading.age(now), unit_of(readings)
    across = signal.reasons_across(readings, settings) if signal.reasons_across is not None else ()
    for found in (*across, *_own(signal, reading.value, settings)):
        yield Reason(
            level=found.level,
            text=in_units(found.text, unit),
            signal=signal.name,
            age_s=age_s,
            stale=stale,
            outlook="" if stale else found.outlook,
            about=found.about or signal.name,
            explains=() if stale else found.explains,
            step="" if stale else found.step,
        )


def _own(signal: Signal[Any], value: Any, settings: Settings) -> tuple[Judgement, ...]:
    """What the signal's rules ask for by its own value: judged once, for all is judged whenever anything is read."""
    last = _JUDGED.get(signal.name)
    if last is not None and last[0] is signal and last[1] is value and last[2] is settings:
        return last[3]
    found = tuple(signal.reasons(value, settings)) if signal.reasons is not None else ()
    _JUDGED[signal.name] = signal, value, settings, found
    return found


def _unknown(signal: Signal[Any], reading: Reading | None) -> bool:
    if reading is None:
        return not signal.optional
    return reading.value is None and not (reading.absent and signal.optional)
