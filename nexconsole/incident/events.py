"""Changes that nobody made here: alerts, breakers, thresholds, rollouts, restarts. Seen in readings, folded to events.

A subject ("alert ProviderApiErrors", "circuit smsbower") has a state. The same state again is no event, whoever writes
it. So each change appears once in the timeline, however many consoles watch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..journal import Entry, EntryKind
from ..model import Reading, State
from ..signals.registry import signals
from ..text.sanitize import clean

if TYPE_CHECKING:
    from ..settings import Settings


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """A subject's state since `at` (UTC), in words."""

    subject: str
    state: str
    text: str
    at: datetime
    by: str = ""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A subject's state in a reading. `usual`: no event where the subject was unknown before. `brief`: an event at
    once; any other only after it has lasted for a while.
    """

    subject: str
    state: str
    text: str
    at: datetime
    usual: bool = False
    brief: bool = False


def changes_in(entries: Iterable[Entry]) -> tuple[StateChange, ...]:
    """Every change in these entries (in merge's order), each once."""
    return tuple(change for change, _ in _changes(entries))


def told_once(entries: Iterable[Entry]) -> frozenset[str]:
    """The ids of the SEEN and SEVERITY entries that add something new."""
    ids = {id for _, id in _changes(entries)}
    level = ""
    for entry in entries:
        if entry.kind == EntryKind.SEVERITY and (new := str(entry.data.get("level"))) != level:
            level = new
            ids.add(entry.id)
    return frozenset(ids)


def service_turns(entries: Iterable[Entry]) -> frozenset[str]:
    """The ids of the NOTIFIED entries that tell people something: a service begins to fail, answers again, or is spared
    messages. That it was told is as it should be."""
    ids: set[str] = set()
    failing: set[str] = set()
    for entry in entries:
        if entry.kind != EntryKind.NOTIFIED:
            continue
        to, state = clean(entry.data.get("to") or "", 40), entry.data.get("state")
        if state in ("failed", "unknown"):
            if to not in failing:
                ids.add(entry.id)
            failing.add(to)
        elif state == "sent":
            if to in failing or "untold" in entry.data:
                ids.add(entry.id)
            failing.discard(to)
        else:
            ids.add(entry.id)
    return frozenset(ids)


def _changes(entries: Iterable[Entry]) -> Iterator[tuple[StateChange, str]]:
    states: dict[str, str] = {}
    for entry in entries:
        if entry.kind != EntryKind.SEEN:
            continue
        subject, state = (clean(entry.data.get(name) or "", 200) for name in ("subject", "state"))
        if not subject or not state or states.get(subject) == state:
            continue
        states[subject] = state
        text = clean(entry.data.get("text") or f"{subject}: {state}", 500)
        change = StateChange(subject=subject, state=state, text=text, at=entry.at.astimezone(UTC), by=str(entry.writer))
        yield change, entry.id


def observations(
    readings: Mapping[str, Reading], known: Mapping[str, str], settings: Settings, now: datetime
) -> tuple[Observation, ...]:
    """The subjects' states now, from fresh readings only. `known` holds the states on record."""
    seen: list[Observation] = []
    for signal in signals(settings):
        reading = readings.get(signal.name)
        if signal.observe is None or reading is None or reading.value is None or reading.taken_at is None:
            continue
        if reading.state(now) is State.FRESH:
            states = signal.observe(reading.value, known, settings)
            seen += [Observation(**state._asdict(), at=reading.taken_at) for state in states]
    return tuple(seen)
