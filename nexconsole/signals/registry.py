"""All signals, in the order in which the console shows them."""

from . import (
    alerts,
    balances,
    circuits,
    database,
    database_cpu,
    funnel,
    integrity,
    locks,
    outbox,
    reservations,
    search,
    slots,
    status_pages,
    transactions,
    workloads,
)

SIGNALS = (
    transactions.SIGNAL,
    circuits.SIGNAL,
    funnel.SIGNAL,
    outbox.SIGNAL,
    reservations.SIGNAL,
    locks.SIGNAL,
    database.SIGNAL,
    workloads.SIGNAL,
    alerts.SIGNAL,
    slots.SIGNAL,
    balances.SIGNAL,
    search.SIGNAL,
    status_pages.SIGNAL,
    database_cpu.SIGNAL,
    integrity.SIGNAL,
)
EXTRA = frozenset({"search", "status_pages", "database_cpu"})  # an installation may well do without: no gap is there
