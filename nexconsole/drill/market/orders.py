"""A purchase in the drill, from the wish to what was sold."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

from .upstream import Upstream


@dataclass(frozen=True)
class Wish:
    """What a customer wants to buy, from whom: a purchase is pinned to the offer's provider (nexnum.md#disabling).

    `best_route`: he leaves that to NexNum, and `upstream` is who has the cheapest offer in the index. `by_ids`: he
    names service and country by numbers, as older clients do. `draws` is this customer's own, so that what others do
    changes nothing for him.
    """

    user_id: str
    upstream: Upstream
    service: str
    service_code: str
    country: str
    country_code: str
    price: Decimal
    draws: random.Random
    best_route: bool = False
    by_ids: bool = False


@dataclass(frozen=True)
class Sold:
    """What the upstream gave: the seller, its own id for the number, our row's id, and the number."""

    seller: Upstream
    upstream_id: int
    number_id: str
    phone: str

    @property
    def activation(self) -> str:
        return f"{self.seller.name}:{self.upstream_id}"


@dataclass(frozen=True, slots=True)
class Order:
    """One purchase: its purchase_order and its activation, linked by user, time and idempotency key.

    `provider` is who was asked for, or has the cheapest offer where `best_route` may take anybody.
    (nexnum.md#best-route)
    """

    order_id: str
    activation_id: str
    user_id: str
    provider: str
    service: str
    country_code: str
    country: str
    price: Decimal
    key: str
    created: float
    best_route: bool = False

    def seller(self, sold: Sold) -> str:
        """What its order and its number call the seller: the display name after best route. (nexnum.md#best-route)"""
        return sold.seller.display if self.best_route else sold.seller.name
