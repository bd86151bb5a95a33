"""Changes in words, set against when it began. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ..model import SignalKey
from ..text.units import ago, clock_minute, duration

if TYPE_CHECKING:
    from ..model import Reading
    from ..signals.change import Change, ChangeLog
    from ..signals.onset import Onset, Onsets
    from .model import Explanation

CHANGES: SignalKey[ChangeLog] = SignalKey("changes")
ONSET: SignalKey[Onsets] = SignalKey("onset")
BEFORE_S = 600.0  # a change so long before it began may be its cause
AFTER = "not the cause"


def onset_of(explanation: Explanation | None, readings: Mapping[str, Reading]) -> Onset | None:
    """When it began: the first named cause's onset, else the earliest of a figure that got worse."""
    named = explanation.named if explanation is not None else ()
    of_cause = next((each.since for each in named if each.since is not None), None)
    onsets = ONSET.value(readings)
    return of_cause or (onsets.first if onsets is not None else None)


def heading(onset: Onset | None) -> str:
    """`what changed; it began at 13:55`."""
    return f"what changed; it began at {clock_minute(onset.at)}" if onset is not None and onset.at else "what changed"


def change_id(change: Change) -> str:
    """The same for the same change in every reading."""
    return f"{change.at.isoformat()} {change.kind} {change.subject} {change.after}".rstrip()


def nearness(change: Change, onset: Onset | None) -> tuple[float, float]:
    """The smallest first: what may be the cause, the nearest to the onset; without an onset the newest."""
    at = change.at.timestamp()
    if onset is None or onset.at is None:
        return 0.0, -at
    gap = onset.at.timestamp() - at
    return (0.0, gap) if -change.within_s <= gap <= BEFORE_S else (1.0, abs(gap))


def against_onset(change: Change, onset: Onset | None, now: datetime) -> tuple[str, str]:
    """`2 min before`, `4 min after, not the cause`, `as it began`; without an onset how long ago. With its ink."""
    if onset is None or onset.at is None:
        return ago((now - change.at).total_seconds()), "text"
    gap = (onset.at - change.at).total_seconds()
    doubt = change.within_s + onset.within_s
    if abs(gap) <= doubt:
        return "as it began", "warn"
    if gap < 0:
        return f"{duration(-gap)} after, {AFTER}", "muted"
    return f"{duration(gap)} before", "warn" if gap <= BEFORE_S else "text"


def said(change: Change) -> str:
    """The change in one sentence, with what it was and is where that may be shown and is not said already."""
    words = change.text or change.subject
    if change.before and change.after and change.after != change.before and change.after not in words:
        return f"{words}: {change.before} -> {change.after}"
    return words
