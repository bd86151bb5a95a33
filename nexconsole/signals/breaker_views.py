"""Views of a breaker: its state in each pod and in Redis, at one moment. (nexnum.md#breakers, #breaker-keys)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ..sources.breakers import CLOSED, OPEN, UNKNOWN, Breaker, BreakerHistory
from ..text.sanitize import clean

if TYPE_CHECKING:
    from ..settings import CircuitRules
    from ..sources.pod_log import PodLog

LATE_S = 5.0  # HALF-OPEN is logged by a timer; later than this after the cool-down, the cool-down is another
LOST_S = 15.0  # what was last seen so long ago may be in another state by now
# an older log line is not of the shared breaker's present opening (nexnum.md#breakers: at most 300)
SHARED_OPENING_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Holder:
    """One holder of breaker state: a pod's own (kind "pod") or the one in Redis (kind "shared").

    state: open, half-open, closed or unknown (no line of it was seen and its silence proves nothing).
    `closes_in_s` is the cool-down left in seconds; for a pod it follows from the settings' cool-down,
    for the shared one from PTTL. None: no cool-down is known (a half-open one waits for traffic).
    """

    kind: str
    where: str
    state: str
    since: datetime | None = None
    closes_in_s: float | None = None


class PodView:
    """One pod's breakers as holders, at one moment."""

    def __init__(self, pod: PodLog, rules: CircuitRules, now: datetime, lost: bool) -> None:
        self.breakers = pod.breakers.breakers
        self.began_s = pod.started_at.timestamp() if pod.started_at is not None else 0.0
        self._where = clean(pod.name, 100)
        self._rules = rules
        self._now = now
        self.lost = lost  # what it said is of an earlier moment
        self.known = {} if self.lost else self.breakers  # whose `shown` may be taken
        self._unknown = Holder(kind="pod", where=self._where, state=UNKNOWN)
        self._closed = Holder(kind="pod", where=self._where, state=CLOSED)
        # In a log that is known from its first line on, silence proves that the breaker has never opened.
        self.silent = self._closed if pod.breakers.covered and not self.lost else self._unknown

    def holder(self, key: str) -> Holder:
        breaker = self.breakers.get(key)
        if breaker is None:
            return self.silent
        state = breaker.settle(self._now)
        if state == UNKNOWN:
            return self.silent
        if state == OPEN:
            return self._open(breaker)
        if self.lost:
            return self._unknown
        plain = state == CLOSED and breaker.since is None
        shown = self._closed if plain else Holder(kind="pod", where=self._where, state=state, since=breaker.since)
        breaker.shown = shown
        return shown

    def _open(self, breaker: Breaker) -> Holder:
        """Open, with what is left of the cool-down, as far as that is known."""
        left = None
        if breaker.since is not None:
            left = self._rules.cooldown_s - (self._now - breaker.since).total_seconds()
        if self.lost and (left is None or left < 0):
            return self._unknown
        if left is not None:
            left = None if left < -LATE_S else min(max(left, 0.0), self._rules.cooldown_s)
        return Holder(kind="pod", where=self._where, state=OPEN, since=breaker.since, closes_in_s=left)


def with_history(shared: Holder | None, uuid: str | None, history: BreakerHistory, now: datetime) -> Holder | None:
    """The shared holder, open since the log line that says so, where that is of its present opening."""
    opening = history.shared.get((uuid or "").lower())
    if shared is None or shared.state != OPEN or opening is None:
        return shared
    if (now - opening.at).total_seconds() > SHARED_OPENING_S:
        return shared
    return replace(shared, since=opening.at)


def outlasting(shared: Holder, at: datetime | None, read_at: datetime | None, now: datetime) -> Holder:
    """A shared holder as it was `at` an earlier moment, now that Redis can't be read: open until its cool-down is
    over, else the same for LOST_S after it was read; then nobody knows."""
    if at is None or read_at is None:
        return Holder(kind=shared.kind, where=shared.where, state=UNKNOWN)
    if shared.state == OPEN and shared.closes_in_s is not None:
        left = shared.closes_in_s - (now - at).total_seconds()
        if left > 0:
            return replace(shared, closes_in_s=left)
    elif (now - read_at).total_seconds() <= LOST_S:
        return shared
    return Holder(kind=shared.kind, where=shared.where, state=UNKNOWN)


def flaps(key: str, views: Sequence[PodView], rules: CircuitRules, now: datetime) -> bool:
    """Whether any one pod's breaker opened too often; three pods that open once each do not flap.

    Openings of the process before count once the new one's breaker has opened too: a restart that helped is calm.
    """
    for view in views:
        breaker = view.breakers.get(key)
        if breaker is None or not breaker.openings or max(breaker.openings) < view.began_s:
            continue
        if breaker.opened(now, rules.flapping_window_s) >= rules.flapping:
            return True
    return False
