"""The list of who is owed, as CSV that a spreadsheet takes for data and never for a formula."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

from ..lookups.owed import Owed
from ..text.sanitize import strip_controls
from ..text.units import moment

HEAD = (
    "customer",
    "purchase",
    "begun",
    "service",
    "country",
    "provider",
    "state",
    "what",
    "amount",
    "currency",
    "refund",
    "why",
)
# What makes a spreadsheet take a cell for a formula, in its own script's width or another's.
FORMULA = frozenset("=+-@＝＋－＠|%")
LONGEST = 500  # characters of a cell


def as_csv(owed: Owed) -> str:
    """The claims, a line each, with their columns' names; the lines end as RFC 4180 has it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEAD)
    for claim in owed.claims:
        refund = "under way" if claim.under_way else "none"
        writer.writerow(
            [
                *map(cell, (claim.customer, claim.purchase, moment(claim.at), claim.service, claim.country)),
                *map(cell, (claim.provider, claim.state, claim.kind)),
                exact(claim.amount),
                "USD",
                refund,
                cell(claim.why),
            ]
        )
    return out.getvalue()


def cell(text: str) -> str:
    """The text without line breaks and control characters, and with an apostrophe before what begins a formula."""
    line = " ".join(strip_controls(str(text)[: 2 * LONGEST]).split())[:LONGEST]
    return f"'{line}" if line[:1] in FORMULA else line


def exact(amount: Decimal) -> str:
    """`102.75`, `0.0325`: two decimals at least, and as many as there are."""
    places = -int(amount.normalize().as_tuple().exponent)
    return f"{amount:.{max(2, places)}f}"
