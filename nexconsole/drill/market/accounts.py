"""Our accounts with the providers: a number sold is paid from one, and a sync copies them into `providers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

COST = Decimal("0.6")  # of what the customer pays
REFILLED_BELOW = Decimal("0.3")  # of what an account began with: somebody tops it up in time, on ordinary days
CENT = Decimal("0.01")
LEFT = Decimal("0.04")  # what an empty account holds: less than any number costs


class Accounts:
    """`empty(provider)` tells whether nobody tops this account up any more, and it has run out."""

    def __init__(self, began: Mapping[str, Decimal], empty: Callable[[str], bool]) -> None:
        self._began = dict(began)
        self._now = dict(began)
        self._empty = empty

    def balance(self, provider: str) -> Decimal:
        if self._empty(provider):
            self._now[provider] = min(self._now[provider], LEFT)
        elif self._now[provider] < REFILLED_BELOW * self._began[provider]:
            self._now[provider] = self._began[provider]
        return self._now[provider]

    def affords(self, provider: str, price: Decimal) -> bool:
        return self.balance(provider) >= price * COST

    def pay(self, provider: str, price: Decimal) -> None:
        self._now[provider] = self.balance(provider) - (price * COST).quantize(CENT)

    def balances(self) -> dict[str, Decimal]:
        """By provider, as each of them would say."""
        return {provider: self.balance(provider) for provider in self._now}
