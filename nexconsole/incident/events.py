"""What changes by itself: alerts, breakers, thresholds, rollouts, restarts. Seen in readings, and folded to events.

A subject ("alert ProviderApiErrors", "circuit smsbower") has a state; the same state once more is no event, whoever
writes it. So however many consoles watch, each change stands once in the timeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..journal import Entry, EntryKind
from ..model import Reading, State
from ..signals import waiting
from ..text.sanitize import clean
from ..text.units import duration, latency, percent

if TYPE_CHECKING:
    from ..settings import Settings
    from ..signals.alerts import Alerts
    from ..signals.balances import Balances
    from ..signals.circuits import Circuits
    from ..signals.database import Database
    from ..signals.database_cpu import DatabaseCpu
    from ..signals.findings import Kind as FindingKind
    from ..signals.funnel import Funnel
    from ..signals.integrity import Integrity
    from ..signals.locks import Locks
    from ..signals.outbox import Outbox
    from ..signals.reservations import Reservations
    from ..signals.search import Search
    from ..signals.slots import Slots
    from ..signals.transactions import Transactions
    from ..signals.workloads import Workloads

MOST_PODS = 50  # restarts of more pods than these are not told one by one


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
    """A subject's state as a reading shows it. `usual`: no event where nothing was known of the subject before.

    `brief`: told at once; any other only when it has lasted for a while.
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
    """The ids of the entries of kind SEEN and SEVERITY that tell something new."""
    ids = {id for _, id in _changes(entries)}
    level = ""
    for entry in entries:
        if entry.kind == EntryKind.SEVERITY and (new := str(entry.data.get("level"))) != level:
            level = new
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
    """The subjects' states by now, from fresh readings only. `known` holds the states that are on record."""
    found: list[Observation] = []
    for name, look in LOOKS.items():
        reading = readings.get(name)
        if reading is None or reading.value is None or reading.taken_at is None:
            continue
        if reading.state(now) is State.FRESH:
            found += [
                Observation(subject=subject, state=state, text=text, at=reading.taken_at, **how)
                for subject, state, text, how in look(reading.value, known, settings)
            ]
    return tuple(found)


Found = Iterator[tuple[str, str, str, dict[str, bool]]]


def _alerts(value: Alerts, known: Mapping[str, str], settings: Settings) -> Found:
    firing = {f"alert {clean(alert.name, 150)}": alert for alert in value.firing}
    for subject, alert in firing.items():
        level = f" ({clean(alert.severity, 40)})" if alert.severity else ""
        yield subject, "firing", f"{subject} fires{level}", {"brief": True}
    for subject, state in known.items():
        if subject.startswith("alert ") and state == "firing" and subject not in firing:
            yield subject, "ended", f"{subject} fires no more", {"brief": True}


def _circuits(value: Circuits, known: Mapping[str, str], settings: Settings) -> Found:
    for provider in value.providers:
        if provider.active is False:
            continue
        name = clean(provider.name, 100)
        if provider.state in ("open", "closed"):
            shut = provider.state == "closed"
            words = f"{name}'s circuit is closed" if shut else f"{name}'s circuit is open"
            yield f"circuit {name}", provider.state, words, {"usual": shut, "brief": True}
        settled = not provider.flapping
        words = f"{name}'s circuit flaps no more" if settled else f"{name}'s circuit flaps"
        yield f"flapping {name}", "settled" if settled else "flapping", words, {"usual": settled}


def _transactions(value: Transactions, known: Mapping[str, str], settings: Settings) -> Found:
    rules, rate = settings.severity, value.failure_rate
    if rate is not None and value.decided >= settings.transactions.few:
        over = next((limit for limit in (rules.critical_rate, rules.high_rate) if rate > limit), None)
        state = f"under {rules.high_rate * 100:g} %" if over is None else f"over {over * 100:g} %"
        yield "failure rate", state, f"{percent(rate)} of purchases fail: {state}", {"usual": over is None}
    down = waiting.blocked(value, settings.transactions)
    if down is not None:
        yield "purchases", "not decided", waiting.said(down, value), {}
    elif value.decided:
        yield "purchases", "decided", "purchases are decided again", {"usual": True}
    if value.latency_p95_s is not None:
        slow = value.latency_p95_s > rules.latency_s
        state = f"{'over' if slow else 'under'} {rules.latency_s:g} s"
        yield "latency", state, f"purchase latency p95 is {latency(value.latency_p95_s)}: {state}", {"usual": not slow}


def _funnel(value: Funnel, known: Mapping[str, str], settings: Settings) -> Found:
    rules = settings.funnel
    if value.decided >= rules.few:
        share = value.without_offer / value.decided
        over = next((limit for limit in (rules.refused_critical, rules.refused_high) if share > limit), None)
        state = f"under {percent(rules.refused_high)}" if over is None else f"over {percent(over)}"
        told = f"{value.without_offer} of {value.decided} customers are refused because nobody offers a number"
        yield "refused customers", state, f"{told}: {state}", {"usual": over is None}


def _outbox(value: Outbox, known: Mapping[str, str], settings: Settings) -> Found:
    oldest = value.oldest_pending_s or 0.0
    late = oldest > settings.outbox.stuck_after_s
    words = f"the oldest outbox event has waited {duration(oldest)}" if late else "the outbox is in time again"
    yield "outbox", "late" if late else "in time", words, {"usual": not late}
    words = f"outbox events failed: {value.failed}" if value.failed else "no failed outbox events are left"
    yield "outbox failures", "some" if value.failed else "none", words, {"usual": not value.failed}


def _reservations(value: Reservations, known: Mapping[str, str], settings: Settings) -> Found:
    rules = settings.reservations
    over = value.pending > rules.limit
    state = f"{'over' if over else 'under'} {rules.limit}"
    yield "reservations", state, f"{value.pending} reservations are pending: {state}", {"usual": not over}
    stuck = value.stuck > rules.alert_limit
    state = f"{'over' if stuck else 'not over'} {rules.alert_limit}"
    yield "stuck reservations", state, f"{value.stuck} reservations are stuck: {state}", {"usual": not stuck}


def _locks(value: Locks, known: Mapping[str, str], settings: Settings) -> Found:
    if value.abandoned:
        more = "+" if value.capped else ""
        yield "abandoned locks", "some", f"locks that nobody will release: {value.abandoned}{more}", {}
    elif value.known:
        yield "abandoned locks", "none", "no lock is left that nobody will release", {"usual": True}


def _database(value: Database, known: Mapping[str, str], settings: Settings) -> Found:
    many = value.blocked >= 5
    words = f"{value.blocked} database sessions are blocked" if many else "database sessions are no longer blocked"
    yield "blocked sessions", "many" if many else "few", words, {"usual": not many}


def _workloads(value: Workloads, known: Mapping[str, str], settings: Settings) -> Found:
    name = clean(value.deployment, 100)
    words = {"progressing": f"a rollout of {name} is under way", "complete": f"the rollout of {name} is complete",
             "stuck": f"the rollout of {name} is stuck", "paused": f"the rollout of {name} is paused"}  # fmt: skip
    if value.rollout in words:
        usual = value.rollout == "complete"
        yield f"rollout {name}", value.rollout, words[value.rollout], {"usual": usual, "brief": True}
    missing = value.ready < value.desired
    words_of_pods = f"{value.ready} of {value.desired} pods of {name} are ready"
    yield f"pods of {name}", "missing" if missing else "ready", words_of_pods, {"usual": not missing}
    for pod in value.pods[:MOST_PODS]:
        why = f" ({clean(pod.reason, 100)})" if pod.reason else ""
        subject = f"restarts of {clean(pod.name, 100)}"
        words_of_it = f"{clean(pod.name, 100)} was restarted{why}: {pod.restarts} times by now"
        yield subject, str(pod.restarts), words_of_it, {"usual": True, "brief": True}


def _slots(value: Slots, known: Mapping[str, str], settings: Settings) -> Found:
    waits = {f"turns at {clean(wait.name, 100)}": wait for wait in value.longer(settings.slots.late_s)}
    for subject, wait in list(waits.items())[:MOST_PODS]:
        yield subject, "long", f"purchases at {clean(wait.name, 100)} wait {duration(wait.wait_s)} for their turn", {}
    for subject, state in known.items():
        if subject.startswith("turns at ") and state == "long" and subject not in waits:
            yield subject, "short", f"purchases at {subject.removeprefix('turns at ')} get their turn again", {}


def _balances(value: Balances, known: Mapping[str, str], settings: Settings) -> Found:
    for balance in value.balances[:MOST_PODS]:
        if balance.active is False or balance.state == "unknown":
            continue
        name = clean(balance.name, 100)
        words = {"empty": "is used up", "low": f"is below {balance.alert or 0:g}", "enough": "is enough"}[balance.state]
        text = f"our balance at {name} {words}: {balance.balance:.2f}"
        yield f"balance at {name}", balance.state, text, {"usual": balance.state == "enough"}


def _search(value: Search, known: Mapping[str, str], settings: Settings) -> Found:
    words = "the search index answers again" if value.up else f"the search index is down: {value.why}"
    yield "search", "up" if value.up else "down", words, {"usual": value.up}


def _database_cpu(value: DatabaseCpu, known: Mapping[str, str], settings: Settings) -> Found:
    busy = value.used > 0.9
    words = f"{percent(value.used)} of the database's CPU is used"
    yield "database CPU", "busy" if busy else "free", words, {"usual": not busy}


def _integrity(value: Integrity, known: Mapping[str, str], settings: Settings) -> Found:
    if value.redis_run:
        words = "Redis was started anew: its run id is another one"
        yield "Redis' run", clean(value.redis_run, 40), words, {"usual": True, "brief": True}
    kinds: tuple[FindingKind, ...] = ("data", "security")
    for kind in kinds:
        findings = [finding for finding in value.of(kind) if finding.level != "none"]
        words = findings[0].text if findings else f"no finding about {kind} is left"
        yield (
            f"{kind} findings",
            findings[0].level if findings else "none",
            words,
            {"usual": not findings, "brief": True},
        )


LOOKS: Mapping[str, Callable[[Any, Mapping[str, str], Settings], Found]] = {
    "transactions": _transactions,
    "circuits": _circuits,
    "funnel": _funnel,
    "outbox": _outbox,
    "reservations": _reservations,
    "locks": _locks,
    "database": _database,
    "workloads": _workloads,
    "alerts": _alerts,
    "slots": _slots,
    "balances": _balances,
    "search": _search,
    "database_cpu": _database_cpu,
    "integrity": _integrity,
}
