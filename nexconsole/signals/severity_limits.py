"""What turns, money, search, CPU, data and security ask for, in severity: a level and a sentence for each that does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..model import value_of
from ..text.units import duration, percent, several
from . import waiting
from .slots import Slots
from .transactions import Transactions

if TYPE_CHECKING:
    from ..model import Reading
    from ..settings import Settings
    from .balances import Balance, Balances
    from .database_cpu import DatabaseCpu
    from .integrity import Integrity
    from .search import Search
    from .slots import Wait

Held = tuple[str, str]  # level, text
BUSY = 0.9  # the share of the database's CPU above which it is the limit


def slots(value: Slots, settings: Settings) -> Iterator[Held]:
    rules = settings.slots
    stalled = value.longer(rules.stalled_s)
    if stalled:
        yield "SEV-2", _turns(stalled)
    if late := tuple(wait for wait in value.longer(rules.late_s) if wait not in stalled):
        yield "SEV-3", _turns(late)


def _turns(waits: Sequence[Wait]) -> str:
    first = f"purchases at {waits[0].name} wait {duration(waits[0].wait_s)} for their turn"
    return first + (f", and at {several(len(waits) - 1, 'other provider')} too" if len(waits) > 1 else "")


def slots_everywhere(readings: Mapping[str, Reading], settings: Settings) -> Iterator[Held]:
    """Where most purchases go to providers at which a turn takes too long, it is no single provider's trouble."""
    value = value_of(readings, "slots", Slots)
    if value is None:
        return
    stalled = value.longer(settings.slots.stalled_s)
    if not stalled:
        return
    active = sum(provider.active is not False for provider in value.providers)
    if len(stalled) == active:
        where = f"{'all' if active > 1 else 'the'} {several(active, 'active provider')}"
        yield "SEV-1", f"purchasing is down: at {where} {_long(stalled)}"
        return
    traffic = value_of(readings, "transactions", Transactions)
    if traffic is None:
        return
    names, ids = {wait.name.casefold() for wait in stalled}, {wait.id for wait in stalled}
    whole = sum(provider.attempts for provider in traffic.providers)
    there = sum(
        provider.attempts
        for provider in traffic.providers
        if provider.id in ids or (not provider.id and provider.name.casefold() in names)
    )
    most = whole >= settings.transactions.few and there > settings.slots.most * whole
    blocked = waiting.blocked(traffic, settings.transactions)
    if most or (blocked is not None and blocked.provider.casefold() in names):
        yield "SEV-1", f"{percent(there / whole)} of purchases go to {_named(stalled)}, where {_long(stalled)}"


def _named(waits: Sequence[Wait]) -> str:
    return waits[0].name if len(waits) == 1 else several(len(waits), "provider")


def _long(stalled: Sequence[Wait]) -> str:
    longest, shortest = stalled[0].wait_s, stalled[-1].wait_s
    return f"a turn takes {duration(shortest)}{' and more' if shortest != longest else ''}"


def balances(value: Balances, settings: Settings) -> Iterator[Held]:
    for balance in value.of("empty"):
        yield "SEV-3" if balance.old else "SEV-2", f"our balance at {balance.name} is used up: {_money(balance)}"
    low = value.of("low")
    if low:
        more = f", and at {several(len(low) - 1, 'other provider')} too" if len(low) > 1 else ""
        yield "SEV-3", f"our balance at {low[0].name} is below its limit: {_money(low[0])} of {low[0].alert:.2f}{more}"


def _money(balance: Balance) -> str:
    figure = f"{balance.balance:.2f}"
    return f"{figure} ({duration(balance.age_s)} ago)" if balance.old else figure


def search(value: Search, settings: Settings) -> Iterator[Held]:
    if not value.up:
        yield "SEV-3", f"the search index is down, so offers don't refresh: {value.why}"


def database_cpu(value: DatabaseCpu, settings: Settings) -> Iterator[Held]:
    if value.used > BUSY:
        yield "SEV-2", f"{percent(value.used)} of the database's CPU is used"


def integrity(value: Integrity, settings: Settings) -> Iterator[Held]:
    for finding in value.findings:
        if finding.level in ("SEV-1", "SEV-2", "SEV-3"):
            yield finding.level, finding.text
