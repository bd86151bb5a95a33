"""Since when a figure is out of its usual range: the types that the signal `onset` publishes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..model import SignalKey, Value


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


@dataclass(frozen=True, kw_only=True)
class Onsets(Value):
    """`found`: the figures that are out of range, the earliest first. `watched`: the figures that had a history."""

    found: tuple[Onset, ...] = ()
    watched: tuple[str, ...] = ()

    def of(self, figure: str, subject: str = "") -> Onset | None:
        return next((each for each in self.found if (each.figure, each.subject) == (figure, subject)), None)

    @property
    def first(self) -> Onset | None:
        """The earliest onset of a figure that got worse."""
        return next((each for each in self.found if each.worse), None)


ONSET: SignalKey[Onsets] = SignalKey("onset")
