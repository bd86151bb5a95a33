"""An explanation in words: the line beside the level, since when, and what to look at. Pure; the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..runbook.model import Call
from ..text.pod_names import brief_pods
from ..text.units import clock_minute, date, several
from .model import Candidate, Evidence, Explanation, Side

if TYPE_CHECKING:
    from ..settings import Settings
    from ..signals.onset import Onset

NEAR = timedelta(hours=12)  # a time that is further away has its date
LATELY = timedelta(minutes=2)
TOLD = 2  # causes that the headline names
ABOUT_S = 90.0  # an onset that is less certain than this is "about" a time
NOT_KNOWN = "cause not known"


def time_of(at: datetime, now: datetime) -> str:
    """`03:12` (UTC); with its date where it is not of these hours."""
    return clock_minute(at) if abs(now - at) <= NEAR else f"{date(at)} {clock_minute(at)}"


def since_words(onset: Onset | None, now: datetime) -> str:
    """`since 03:12`, `since about 03:12`, `since before 01:00` where the history is no older; "" where it is of now."""
    if onset is None:
        return ""
    if onset.at is None and now - onset.known_from < LATELY:
        return ""  # nobody knew of it before a moment ago: that tells nothing
    if onset.at is None:
        return f"since before {time_of(onset.known_from, now)}"
    return f"since {'about ' * (onset.within_s >= ABOUT_S)}{time_of(onset.at, now)}"


def named_words(candidate: Candidate, now: datetime) -> str:
    """`smsbower does not answer, since 03:12`."""
    return ", ".join(filter(None, (candidate.title, since_words(candidate.since, now))))


def filled_call(call: Call, target: Mapping[str, str]) -> Call:
    """The call with the target in the place of its {name}."""
    return replace(call, arguments=tuple(target.get(word.strip("{}"), word) for word in call.arguments))


def speaks(evidence: Evidence) -> bool:
    """Whether a line tells something by itself: it holds, is not known, or is needed and false."""
    return evidence.holds is not False or evidence.side is Side.NEEDED


def evidence_mark(evidence: Evidence) -> tuple[str, str]:
    """`+` speaks for it, `-` against it, `?` is not known, `·` does not hold and speaks for neither; with its ink."""
    if evidence.holds is None:
        return "?", "doubt"
    if evidence.side is Side.AGAINST:
        return ("-", "warn") if evidence.holds else ("+", "text")
    if evidence.holds:
        return "+", "text"
    return ("-", "warn") if evidence.side is Side.NEEDED else ("·", "muted")


def evidence_words(evidence: Evidence) -> str:
    """The chapter's sentence, and what the reading says to it; pods by the end of their names."""
    title = evidence.title.rstrip(". ")
    negated = f"not so: {title}" if evidence.holds is False else title
    return brief_pods(f"{negated}: {evidence.text}" if evidence.text and evidence.text != title else negated)


def look_words(look: Call, settings: Settings) -> str:
    """What a look reads, as its probe is titled: "purchases that fail at one provider, smsbower"."""
    from ..signals.registry import probes  # with all signals behind it

    probe = probes(settings).get(look.name)
    title = probe.title if probe is not None else look.name
    given = ", ".join(word for word in look.arguments if not word.startswith("{"))
    return f"{title}, {given}" if given else title


def headlines(explanation: Explanation | None, now: datetime, settings: Settings, level: str) -> tuple[str, ...]:
    """What the first line says of the cause, the longest wording first; () where there is nothing to say.

    A pod has its whole name, and where that is too long the end of it. Nothing is said in calm. `level` is the
    severity's.
    """
    if explanation is None:
        return ()
    if named := explanation.named:
        words = tuple(_named(named, now))
        return tuple(dict.fromkeys(each for one in words for each in (one, brief_pods(one))))
    if level == "none":
        return ()
    look = explanation.next_look
    return (f"{NOT_KNOWN}; look next: {look_words(look, settings)}", NOT_KNOWN) if look is not None else (NOT_KNOWN,)


def _named(named: Sequence[Candidate], now: datetime) -> Iterator[str]:
    """Of several the first ones, with how many more there are."""
    told, more = named[:TOLD], len(named) - TOLD
    tail = f"; {several(more, 'more cause')}" if more > 0 else ""
    yield "; ".join(named_words(each, now) for each in told) + tail
    yield "; ".join(each.title for each in told) + tail
    first, others = named[0], len(named) - 1
    if others:
        yield f"{named_words(first, now)}; {several(others, 'more cause')}"
        yield f"{first.title}; +{several(others, 'cause')}"
        yield f"{first.title}; +{others}"
    yield named_words(first, now) if not others else first.title
    yield first.title
