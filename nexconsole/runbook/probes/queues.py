"""Probes of the outbox and of reservations, and what both tell of the workers behind them.

(nexnum.md#outbox, #stuck-rows)
"""

from __future__ import annotations

from typing import Unpack

from ...signals.outbox import Outbox, OutboxEvents
from ...signals.reservations import Reservations
from ...text.units import duration
from .probe import Probe, ProbeOptions, ProbeResult, Read, View, many

RECONCILE_EVERY_S = 900  # the newest worker's round; the oldest install has none at all (nexnum.md#reconcile)


def _count(noun: str, attribute: str) -> Read:
    def read(view: View) -> ProbeResult:
        count = getattr(view.value, attribute)
        more = "at least " if getattr(view.value, "capped", False) and count else ""
        return ProbeResult(text=f"{more}{count} {noun}", value=float(count))

    return read


def _oldest(nothing: str, attribute: str) -> Read:
    """The age of the oldest that waits; nothing waiting is a known age of 0."""

    def read(view: View[Outbox | Reservations]) -> ProbeResult:
        age = getattr(view.value, attribute)
        if age is None:
            if view.value.pending:
                return ProbeResult(text="not known: the age of what is pending was not read", value=None)
            return ProbeResult(text=nothing, value=0.0)
        return ProbeResult(text=f"the oldest has waited {duration(age)}", value=age)

    return read


def _drain(view: View[Outbox]) -> ProbeResult:
    value = view.value
    if value.drained_per_min is None:
        return ProbeResult(text="not known: it takes two readings some seconds apart", value=None)
    left = f", empty in {duration(value.empty_in_s)}" if value.empty_in_s is not None else ""
    came = f" while {value.arrived_per_min:.0f} a minute arrive" if value.arrived_per_min is not None else ""
    return ProbeResult(text=f"{value.drained_per_min:.0f} a minute leave it{came}{left}", value=value.drained_per_min)


def _late(view: View[Outbox]) -> ProbeResult:
    value = view.value
    limit = view.settings.outbox.stuck_after_s
    age = value.oldest_pending_s
    if age is None:
        return ProbeResult(text="nothing waits", value=False)
    return ProbeResult(text=f"the oldest has waited {duration(age)}, late from {duration(limit)} on", value=age > limit)


def _event(view: View[OutboxEvents]) -> ProbeResult:
    value = view.value
    failed = next((event for event in value.events if event.status == "FAILED"), None)
    if failed is None:
        return ProbeResult(text="no event is FAILED", value="none")
    tried = f"{failed.event_type}, {many(failed.retries, 'try', 'tries')}, {duration(failed.age_s)} old"
    return ProbeResult(
        text=f"{failed.id}: {tried}: {failed.error or 'no error was kept'}", value=failed.id, gives={"event": failed.id}
    )


def _stopped(view: View[Reservations]) -> ProbeResult:
    """Whether something is overdue by more than a round: an idle reconciler logs nothing, so only data can tell."""
    value = view.value
    limit = view.settings.reservations.stuck_after_s + RECONCILE_EVERY_S
    if not value.stuck or value.oldest_s is None:
        return ProbeResult(text="nothing is stuck: no sign that the reconciler stopped", value=False)
    if value.oldest_s > limit:
        text = f"{value.stuck} stuck, the oldest {duration(value.oldest_s)} old: a running one leaves none over "
        return ProbeResult(text=text + duration(limit), value=True)
    return ProbeResult(
        text=f"{value.stuck} stuck, none for longer than {duration(limit)}: its next round may come", value=False
    )


def _piles(attribute: str, word: str) -> Read:
    def read(view: View[Reservations]) -> ProbeResult:
        value = view.value
        count = getattr(value, attribute)
        tables = ", ".join(f"{getattr(pile, attribute)} {table}" for table, pile in value.by_table.items())
        more = "at least " if value.capped and count else ""
        twice = sum(getattr(pile, attribute) for pile in value.by_table.values()) > count
        once = "; a purchase is one of each and counts once" if twice else ""
        return ProbeResult(text=f"{more}{count} {word}" + (f": {tables}{once}" if tables else ""), value=float(count))

    return read


def _outbox(
    name: str,
    title: str,
    read: Read,
    kind: str = "number",
    signal: str = "outbox",
    **options: Unpack[ProbeOptions],
) -> Probe:
    return Probe(name=name, title=title, signal=signal, kind=kind, read=read, **options)


PROBES = (
    _outbox("outbox.pending", "events that wait", _count("events pending", "pending")),
    _outbox("outbox.failed", "events that failed for good", _count("events FAILED", "failed")),
    _outbox("outbox.dropped", "events marked done with an error", _count("events published with an error", "dropped")),
    _outbox(
        "outbox.oldest", "age of the oldest waiting event", _oldest("nothing waits", "oldest_pending_s"), unit="seconds"
    ),
    _outbox("outbox.late", "whether the oldest waits for too long", _late, "flag"),
    _outbox("outbox.drain", "events a minute that leave the outbox", _drain),
    _outbox(
        "outbox.event", "the oldest failed event", _event, "text", signal="outbox events", gives={"event": "event"}
    ),
    _outbox(
        "reservations.pending", "reservations that are pending", _piles("pending", "pending"), signal="reservations"
    ),
    _outbox("reservations.stuck", "reservations that are stuck", _piles("stuck", "stuck"), signal="reservations"),
    _outbox(
        "reservations.oldest",
        "age of the oldest reservation",
        _oldest("none is pending", "oldest_s"),
        signal="reservations",
        unit="seconds",
    ),
    _outbox("reconcile.stopped", "whether the reconciler makes no progress", _stopped, "flag", signal="reservations"),
)
