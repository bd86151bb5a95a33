"""Since when a figure is out of its usual range: the types that the signal `onset` publishes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..model import SignalKey, Value
from .row_outcomes import RowOutcomes

FELT = frozenset({"failure_rate", "attempts", "latency_p95_s", "purchases_waiting", "customers_refused"})
ABOUT_THEN = timedelta(seconds=90)
BEFORE_FELT = timedelta(minutes=15)  # so long before customers feel it, another figure may show it


@dataclass(frozen=True, kw_only=True)
class Onset:
    """A figure that is out of its usual range now.

    `figure` is a metric of a signal ("failure_rate"), `subject` whose it is ("smsbower", "" for all). `at` (UTC) is
    when it left its range, give or take `within_s`; None: before `known_from`, where the history begins. `before` is
    the usual value (None where no history shows one), `after` the one since. `worse`: whether that is the bad way.
    `source` is where the history came from: "prometheus", "record", "postgres", or "this console" for
    what it has read itself.
    """

    figure: str
    subject: str = ""
    at: datetime | None
    known_from: datetime
    before: float | None
    after: float
    worse: bool = True
    within_s: float = 0.0
    source: str = ""

    @property
    def since(self) -> datetime:
        """When it left its range; where that is not known, when the history begins."""
        return self.at or self.known_from


@dataclass(frozen=True, kw_only=True)
class Onsets(Value):
    """`found`: the figures that are out of range, the earliest first. `watched`: the figures that had a history.
    `outcomes`: how each provider's purchases ended, by the rows."""

    found: tuple[Onset, ...] = ()
    watched: tuple[str, ...] = ()
    outcomes: tuple[RowOutcomes, ...] = ()

    def of(self, figure: str, subject: str = "") -> Onset | None:
        return next((each for each in self.found if (each.figure, each.subject) == (figure, subject)), None)

    @property
    def first(self) -> Onset | None:
        """The earliest onset of a figure that got worse.

        Where customers feel something, what left its range long before that is another matter. Where all got worse,
        the figure of all says when: one provider's own few purchases tell it less exactly.
        """
        worse = [each for each in self.found if each.worse and not self._told_by_all(each)]
        firm = [each for each in worse if not (each.subject and each.figure == "attempts")]
        worse = firm or worse  # that fewer buy at one provider may be chance
        felt = [each for each in worse if each.figure in FELT]
        if felt:
            since = min(each.since for each in felt) - BEFORE_FELT
            worse = [each for each in worse if each.since >= since]
        return min(worse, key=lambda each: (each.at is not None, each.since), default=None)

    def _told_by_all(self, onset: Onset) -> bool:
        """Whether the same figure of all left its range at about the same time."""
        whole = self.of(onset.figure) if onset.subject else None
        if whole is None or whole.at is None or onset.at is None or not whole.worse:
            return False
        return abs(whole.at - onset.at) <= ABOUT_THEN


ONSET: SignalKey[Onsets] = SignalKey("onset")
