"""One module per signal; each is a pure read over the sources that returns a frozen value."""

from . import database, outbox, reservations

SIGNALS = (outbox.SIGNAL, reservations.SIGNAL, database.SIGNAL)
