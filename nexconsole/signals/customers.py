"""Whom it hurts: the customers that fail, are refused or wait, and the money that is behind it."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import SignalKey, Value


@dataclass(frozen=True, kw_only=True)
class OutOfLine:
    """A part of the traffic that fails more than the rest. `kind`: "service" or "country"; `share` of its decided
    purchases that fail, 0..1."""

    kind: str
    name: str
    failed: int
    decided: int
    share: float


@dataclass(frozen=True, kw_only=True)
class ProviderCountry:
    """A provider's purchases that failed: so many of the country where most of them did, and how many in all.

    `share` of its purchases are of that country, 0..1.
    """

    provider: str
    country: str
    failed_there: int
    failed: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Customers(Value):
    """Distinct customers of the last five minutes; None where it is not known.

    `failing`: whose purchase failed; `refused`: who were turned away before a purchase had a row; `waiting`: whose
    purchase is in flight for longer than usual. `failing_per_min` purchases and `money_per_min` (US dollars) that fail;
    `holds` wallets' holds that are open for purchases that ended or are overdue, `held` their sum.

    `countries`: of each provider that fails the country where it fails most. `window_s` is the window, `refused_s` how
    much of it the logs hold. `decided` are its decided purchases.
    """

    failing: int | None = None
    refused: int | None = None
    waiting: int | None = None
    failing_per_min: float | None = None
    money_per_min: float | None = None
    holds: int | None = None
    held: float | None = None
    out_of_line: tuple[OutOfLine, ...] = ()
    countries: tuple[ProviderCountry, ...] = ()
    window_s: int = 300
    refused_s: float | None = None
    decided: int | None = None
    capped: bool = False  # more purchases than are counted: the figures are lower bounds

    @property
    def hurt(self) -> int | None:
        """At least so many customers are hurt: the largest of the three, for one may be in several."""
        return max((many for many in (self.failing, self.refused, self.waiting) if many is not None), default=None)


CUSTOMERS: SignalKey[Customers] = SignalKey("customers")
