"""The log of changes: what was found, by whom it was found, bounded; and a change set against an onset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..text.units import duration
from .change import Change, ChangeKind, ChangeLog, KnownSince
from .onset import Onset

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

WINDOW_S = 6 * 3600.0  # what is older is forgotten
MOST = 200
SAME_MOMENT_S = 5.0  # two clocks agree no better than this
SAME_DEED_S = 15.0  # an audit row and the row that it speaks of are written so close together


@dataclass
class Trail(ABC):
    """What one look at one system has found, from reading to reading.

    `found` is by identity, so that what is found again replaces itself and what proves to be nothing can be taken back.
    `read` are the kinds that the last look could read, `known_from` since when each is known, `notes` what is missing.
    """

    found: dict[str, Change] = field(default_factory=dict)
    read: frozenset[ChangeKind] = frozenset()
    known_from: dict[ChangeKind, datetime] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @abstractmethod
    async def look(self, sources: Sources, settings: Settings, now: datetime) -> None:
        """Take a look at the system, and note what changed. Raises SourceError."""

    def note(self, key: str, change: Change) -> None:
        """Keep it; what it was before, and who it was, may be seen once only, and are kept from then on."""
        known = self.found.get(key)
        if known is not None and known.before:
            change = replace(change, before=known.before, text=known.text)
        if known is not None and known.who and not change.who:
            change = replace(change, who=known.who)
        self.found[key] = change

    def lost(self) -> None:
        """The last look could not be taken: what is only seen by comparing is not known from here on."""
        self.read, self.known_from, self.notes = frozenset(), {}, ()

    def drop(self, key: str) -> None:
        self.found.pop(key, None)

    def can_read(self, kinds: Iterable[ChangeKind], since: datetime) -> None:
        """These kinds can be read. `since`: how far back they are known, unless they are for longer already."""
        kinds = frozenset(kinds)
        self.read |= kinds
        for kind in kinds:
            self.known_from[kind] = min(since, self.known_from.get(kind, since))

    def forget(self, now: datetime) -> None:
        """Let go of what is too old, and of the oldest where there is too much."""
        oldest = now - timedelta(seconds=WINDOW_S)
        kept = {key: change for key, change in self.found.items() if change.at >= oldest}
        if len(kept) > MOST:
            newest = sorted(kept, key=lambda key: kept[key].at, reverse=True)[:MOST]
            kept = {key: kept[key] for key in newest}
        self.found = kept


def log_of(trails: Iterable[Trail], notes: Iterable[str] = ()) -> ChangeLog:
    """One log of all trails, the newest first."""
    trails = tuple(trails)
    changes = sorted(
        (change for trail in trails for change in trail.found.values()),
        key=lambda change: (change.at, change.kind, change.subject, change.text),
        reverse=True,
    )[:MOST]
    read = frozenset().union(*(trail.read for trail in trails))
    known_from = {kind: at for trail in trails for kind, at in trail.known_from.items() if kind in trail.read}
    return ChangeLog(
        source="samples",
        notes=(*notes, *(note for trail in trails for note in trail.notes)),
        changes=_credited(changes),
        read=tuple(kind for kind in ChangeKind if kind in read),
        known_from=tuple(KnownSince(kind=kind, at=known_from[kind]) for kind in ChangeKind if kind in known_from),
    )


def _credited(changes: list[Change]) -> tuple[Change, ...]:
    """Who is known from the audit log is named where the row itself does not say."""
    audits = [change for change in changes if change.kind is ChangeKind.AUDIT and change.who]
    if not audits:
        return tuple(changes)
    return tuple(replace(change, who=_author(change, audits)) if _nameless(change) else change for change in changes)


def _nameless(change: Change) -> bool:
    return change.kind is ChangeKind.PROVIDER and not change.who


def _author(change: Change, audits: Collection[Change]) -> str:
    near = (
        audit
        for audit in audits
        if audit.target == change.target
        and abs((audit.at - change.at).total_seconds()) <= SAME_DEED_S + change.within_s
    )
    return next((audit.who for audit in near), "")


def newest(log: ChangeLog, kind: ChangeKind, target: str = "") -> Change | None:
    return next(
        (each for each in log.changes if each.kind is kind and target.casefold() in ("", each.target.casefold())), None
    )


def offset_s(change: Change, onset: Onset) -> float | None:
    """Seconds from the onset to the change; negative: the change came first. None where the onset has no time."""
    return None if onset.at is None else (change.at - onset.at).total_seconds()


def uncertain_s(change: Change, onset: Onset) -> float:
    return max(SAME_MOMENT_S, change.within_s + onset.within_s)


def against(change: Change, onset: Onset | None) -> str:
    """The change set against the onset: "2 min before", "4 min after the onset: not the cause".

    "" where there is no onset. Within what both are uncertain by, it is "about the same time".
    """
    if onset is None:
        return ""
    offset = offset_s(change, onset)
    if offset is None:
        late = (change.at - onset.known_from).total_seconds() > uncertain_s(change, onset)
        return "after the onset: not the cause" if late else "when it began is not known"
    unsure = uncertain_s(change, onset)
    if abs(offset) <= unsure:
        return "about the same time"
    return f"{duration(-offset)} before" if offset < 0 else f"{duration(offset)} after the onset: not the cause"


def before_onset(log: ChangeLog, onset: Onset, kind: ChangeKind, within_s: float, target: str = "") -> bool | None:
    """Whether a change of this kind came in the `within_s` before the onset, or about when it began.

    None: not known, for the kind could not be read, or is not known so far back.
    """
    if onset.at is None:
        return None
    for change in log.changes:
        if change.kind is not kind or target.casefold() not in ("", change.target.casefold()):
            continue
        unsure = uncertain_s(change, onset)
        if -within_s - unsure <= (change.at - onset.at).total_seconds() <= unsure:
            return True
    return False if known_since(log, kind, onset.at - timedelta(seconds=within_s)) else None


def known_since(log: ChangeLog, kind: ChangeKind, moment: datetime) -> bool:
    """Whether every change of this kind since `moment` would be in the log."""
    since = log.since(kind)
    return kind in log.read and since is not None and since <= moment


def with_changes(log: ChangeLog, changes: Iterable[Change]) -> ChangeLog:
    """The log with changes that somebody else knows of, such as the consoles' own actions."""
    more = tuple(changes)
    merged = sorted((*log.changes, *more), key=lambda change: change.at, reverse=True)[:MOST]
    kinds = {*log.read, *(change.kind for change in more)}
    return replace(log, changes=tuple(merged), read=tuple(kind for kind in ChangeKind if kind in kinds))
