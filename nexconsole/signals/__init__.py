"""One module per signal; each is a pure read over the sources that returns a frozen value."""

from . import alerts, circuits, database, locks, outbox, reservations, transactions, workloads

SIGNALS = (
    transactions.SIGNAL,
    circuits.SIGNAL,
    outbox.SIGNAL,
    reservations.SIGNAL,
    locks.SIGNAL,
    database.SIGNAL,
    workloads.SIGNAL,
    alerts.SIGNAL,
)
