"""`nexconsole status`: every signal once, as text or JSON, with a monitoring plugin's exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from .model import Reading, State
from .settings import Settings
from .severity import Severity, judge
from .signals import SIGNALS
from .signals.reach import within
from .signals.readings import read_once, utc_now
from .signals.witnesses import examine
from .sources import Sources
from .text.units import duration, percent, several

EXIT_CODES = {"none": 0, "SEV-3": 1, "SEV-2": 2, "SEV-1": 2}
NOTHING_READ = 3
MOST_NAMED = 5


async def take(sources: Sources, settings: Settings) -> dict[str, Reading]:
    """One reading of every signal, all at the same time. Closes nothing."""
    sources.load()
    await sources.loaded()
    taken = await asyncio.gather(*(read_once(signal, sources, settings) for signal in SIGNALS))
    return {reading.signal: reading for reading in taken}


def exit_code(readings: Mapping[str, Reading], severity: Severity) -> int:
    """0 none, 1 SEV-3, 2 SEV-1 or SEV-2, 3 when nothing could be read."""
    if all(reading.value is None for reading in readings.values()):
        return NOTHING_READ
    return EXIT_CODES[severity.level]


def as_json(readings: Mapping[str, Reading], settings: Settings) -> str:
    """One object: each signal's state, taken_at, source, error and value by its name; the severity; and `witnesses`,
    which says what sources that count the same purchases agree on, null where fewer than two did."""
    now = utc_now()
    document: dict[str, Any] = {"environment": settings.environment, "name": settings.name, "at": now}
    for name, reading in readings.items():
        document[name] = {
            "state": reading.state(now),
            "taken_at": reading.taken_at,
            "source": reading.value.source if reading.value else None,
            "error": reading.error,
            "value": reading.value,
        }
    document["severity"] = judge(readings, settings, now)
    document["witnesses"] = examine(readings, now)
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def as_text(readings: Mapping[str, Reading], settings: Settings) -> str:
    """A line for the severity and each of its reasons, and one for every signal."""
    now = utc_now()
    severity = judge(readings, settings, now)
    where = " ".join(filter(None, (settings.environment.upper(), settings.name)))
    lines = [f"{where}  {_judged(severity, readings)}"]
    lines += [f"  {reason.level}  {reason.text}" for reason in severity.reasons]
    if severity.unknown:
        lines.append(f"  not known: {', '.join(severity.unknown)}")
    lines += [f"{name:<13} {_line(reading, now)}" for name, reading in readings.items()]
    if told := examine(readings, now):
        lines.append(f"{'witnesses':<13} {told.said}")
    return "\n".join(lines)


def _judged(severity: Severity, readings: Mapping[str, Reading]) -> str:
    """The severity in words; that there is no incident is only said where every signal could be read."""
    if severity.level != "none":
        return severity.level
    known = sum(reading.value is not None for reading in readings.values())
    if known == 0:
        return "not known: nothing could be read"
    return "no incident" if known == len(readings) else f"no incident in the {known} of {len(readings)} signals read"


def _line(reading: Reading, now: datetime) -> str:
    state = reading.state(now)
    if state in (State.ABSENT, State.ERROR):
        return f"{state.upper()}: {reading.error}"
    summary = SUMMARIES[reading.signal](reading.value)
    return "; ".join([f"{summary} ({reading.value.source})", *reading.value.notes])


def _transactions(value: Any) -> str:
    if value.failure_rate is None:
        return f"no purchase in {value.window_s} s"
    figures = f"{percent(value.failure_rate)} of {value.attempts} purchases failed in {value.window_s} s"
    return f"{figures}, {value.scope.verdict}: {value.scope.because}"


def _circuits(value: Any) -> str:
    shown = (f"{provider.name} {provider.state}{' FLAPPING' * provider.flapping}" for provider in value.providers)
    return ", ".join(shown) or "no providers"


def _funnel(value: Any) -> str:
    told = f"{value.attempts} asked, {value.sold} sold, {value.turned_away} refused, {value.failed} failed"
    waits = f", {value.waiting} wait" if value.waiting else ""
    longest = f", the oldest for {duration(value.oldest_s)}" if value.oldest_s is not None else ""
    why = ", ".join(f"{reason} {many}" for reason, many in value.refused.items())
    refused = f"; refused: {why}" if why else ""
    return f"{told}{waits}{longest} in {within(value.window_s, value.rests_on_s)}{refused}"


def _outbox(value: Any) -> str:
    more = "+" if value.capped else ""
    return f"{value.pending}{more} pending, {value.failed} failed, {value.dropped} dropped"


def _reservations(value: Any) -> str:
    return f"{value.pending}{'+' if value.capped else ''} pending, {value.stuck} stuck"


def _locks(value: Any) -> str:
    more, so_far = "+" if value.capped else "", "" if value.known else " so far"
    return f"{value.abandoned}{more} that nobody will release, of {value.locks}{so_far}"


def _database(value: Any) -> str:
    return (
        f"{value.long} long transactions, {value.blocked} blocked, "
        f"{value.connections} of {value.max_connections} connections"
    )


def _workloads(value: Any) -> str:
    return f"{value.deployment} {value.ready}/{value.desired} ready, rollout {value.rollout}"


def _alerts(value: Any) -> str:
    return ", ".join(f"{alert.name} ({alert.severity})" for alert in value.firing) or "none fires"


def _slots(value: Any) -> str:
    if not value.waits:
        return f"no purchase waits for its turn at {several(len(value.providers), 'provider')}"
    return ", ".join(f"{wait.name} {duration(wait.wait_s)}" for wait in value.waits[:MOST_NAMED])


def _balances(value: Any) -> str:
    wrong = value.of("empty", "low", "unknown")
    words = (
        f"{one.name} {'not known' if one.state == 'unknown' else f'{one.balance:.2f} {one.state}'}" for one in wrong
    )
    return ", ".join([*words][:MOST_NAMED]) or f"enough at {several(len(value.of('enough')), 'active provider')}"


def _search(value: Any) -> str:
    return "up" if value.up else f"down: {value.why}"


def _status_pages(value: Any) -> str:
    return ", ".join(f"{one.provider}: {one.said or one.error}" for one in value.pages[:MOST_NAMED])


def _database_cpu(value: Any) -> str:
    return f"{percent(value.used)} used"


def _integrity(value: Any) -> str:
    looks = several(sum(check.at is not None for check in value.checks), "look")
    return "; ".join(finding.text for finding in value.findings[:MOST_NAMED]) or f"nothing found in {looks}"


SUMMARIES = {
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
    "status_pages": _status_pages,
    "database_cpu": _database_cpu,
    "integrity": _integrity,
}
