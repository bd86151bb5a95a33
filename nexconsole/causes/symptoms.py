"""What customers feel before the severity has a reason for it: figures that got worse, and servers that fell over.

A symptom raises no level. A cause may be named for it all the same, where all that the cause needs is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from ..model import Reading, State, value_of
from ..signals.change import CHANGES, ChangeLog
from ..signals.changes_servers import is_loss, is_start
from ..signals.funnel import Funnel
from ..signals.onset import ONSET, Onset, Onsets
from ..signals.outbox import Outbox, stands
from ..signals.outbox_release import loses
from ..signals.pods import crashes
from ..signals.signal import IN_FLIGHT, PURCHASES, in_flight_at, purchases_at
from ..signals.transactions import Transactions
from ..signals.workloads_value import Workloads

MOST = 40
LATE_MINUTES = 2  # of the logs: the one that runs, and the one before
FAILED_LEAST = 8  # purchases in them; fewer may fail by chance
FAILED_SHARE = 0.15  # of them
CRASHED_LEAST = 3  # restarts: fewer are no loop
PILED_LEAST = 8  # purchases in flight: fewer may be chance
PILED_TIMES = 2.0  # as many as if each took as long as the slowest usually do
YOUNG_S = 45.0  # so old may the look at all figures be
RESTARTED_S = 600.0  # so long ago at most a server fell over, for what is felt now
OF_GROWTH = frozenset({"customers_refused", "customers_waiting", "purchases_waiting"})
BEYOND_GROWTH = 1.6  # with twice the customers twice as many are refused: that is nothing
# What a figure that got worse is about, as reasons say it.
ABOUT = {
    "failure_rate": PURCHASES,
    "attempts": PURCHASES,
    "latency_p95_s": "latency",
    "purchases_waiting": "purchases in flight",
    "customers_waiting": "purchases in flight",
    "customers_refused": "refused customers",
    "outbox_failed": "failed events",
    "outbox_oldest_pending_s": "pending events",
    "reservations_stuck": "reservations",
    "sessions_blocked": "blocked sessions",
    "connections": "connections",
    "slot_wait_s": "waits for a slot",
    "locks_abandoned": "locks",
    "pods_ready": "workloads",
}
BEHIND_LEAST, BEHIND_S = 30, 120.0  # events, the oldest so old: more than two rounds of a worker that keeps up
AT_PROVIDER = {
    "failure_rate": purchases_at,
    "attempts": purchases_at,
    "latency_p95_s": in_flight_at,
    "purchases_waiting": in_flight_at,
}


def symptoms(readings: Mapping[str, Reading], now: datetime) -> tuple[str, ...]:
    """What they are about, as reasons say it, each once; the earliest first. Bounded."""
    found = (*_worse(readings, now), *_fallen(readings, now), *_standing(readings, now), *_now(readings, now))
    return tuple(dict.fromkeys(found))[:MOST]


def _fresh(reading: Reading | None, now: datetime) -> bool:
    if reading is None or reading.value is None:
        return False
    age_s = reading.age(now)
    return reading.state(now) is State.FRESH or (age_s is not None and age_s <= YOUNG_S)


def _worse(readings: Mapping[str, Reading], now: datetime) -> Iterator[str]:
    onsets = ONSET.value(readings)
    if onsets is None or not _fresh(readings.get(ONSET), now):
        return
    growth = _growth(onsets)
    for onset in onsets.found:
        if not onset.worse or (onset.figure in OF_GROWTH and _explained_by(growth, onset)):
            continue
        if not onset.subject:
            if about := ABOUT.get(onset.figure):
                yield about
        elif (at := AT_PROVIDER.get(onset.figure)) is not None:
            yield at(onset.subject)


def _growth(onsets: Onsets) -> float:
    """How many times as many purchases are tried as usual; 1 where no more are."""
    tried = onsets.of("attempts")
    return tried.after / tried.before if tried is not None and not tried.worse and tried.before else 1.0


def _explained_by(growth: float, onset: Onset) -> bool:
    """Whether no more got worse than what comes with so many more customers."""
    return growth > 1.0 and bool(onset.before) and onset.after < BEYOND_GROWTH * growth * (onset.before or 0.0)


def _fallen(readings: Mapping[str, Reading], now: datetime) -> Iterator[str]:
    """Servers that were started or emptied a moment ago."""
    log = CHANGES.value(readings)
    if not isinstance(log, ChangeLog) or not _fresh(readings.get(CHANGES), now):
        return
    for change in log.changes:
        if (now - change.at).total_seconds() > RESTARTED_S:
            return
        if is_start(change):
            yield "postgres"
        elif is_loss(change):
            yield "Redis' data"


def _standing(readings: Mapping[str, Reading], now: datetime) -> Iterator[str]:
    """An outbox that nothing leaves, or too little: it takes minutes until its events are late."""
    outbox = value_of(readings, "outbox", Outbox)
    if outbox is None or not _fresh(readings.get("outbox"), now):
        return
    behind = outbox.pending >= BEHIND_LEAST and (outbox.oldest_pending_s or 0.0) >= BEHIND_S
    if behind or stands(outbox):
        yield "pending events"
    if loses(readings, now):
        yield "dropped events"


def _piles_up(traffic: Transactions) -> bool:
    """Whether far more purchases are in flight than their pace and usual duration keep there (Little's law)."""
    minute, slowest = traffic.minute, traffic.usual_p95_s
    if minute is None or not minute.decided or slowest is None:
        return False
    under_way = traffic.in_flight - traffic.overdue  # without those that died
    return under_way >= PILED_LEAST and under_way >= PILED_TIMES * slowest * minute.decided / 60


def _now(readings: Mapping[str, Reading], now: datetime) -> Iterator[str]:
    """Failures that left no row, purchases that pile up, and pods that crash in turn and stand again in between."""
    funnel = value_of(readings, "funnel", Funnel)
    if funnel is not None and funnel.pods_followed and _fresh(readings.get("funnel"), now):
        late = funnel.minutes[-LATE_MINUTES:]
        failed, sold = sum(minute.failed for minute in late), sum(minute.sold for minute in late)
        if failed >= FAILED_LEAST and failed >= FAILED_SHARE * (failed + sold):
            yield PURCHASES
    traffic = value_of(readings, "transactions", Transactions)
    if traffic is not None and _piles_up(traffic) and _fresh(readings.get("transactions"), now):
        yield IN_FLIGHT
    workloads = value_of(readings, "workloads", Workloads)
    if workloads is not None and _fresh(readings.get("workloads"), now):
        crashing = [pod for pod in workloads.pods if crashes(pod, now)]
        if sum(pod.restarts for pod in crashing) >= CRASHED_LEAST:
            yield "workloads"
