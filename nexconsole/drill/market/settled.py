"""What was there before: the rows of customers, wallets and providers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal

from .accounts import Accounts
from .ledger import wallet_id
from .memory import RememberedLedger
from .purchase import new_id
from .upstream import UPSTREAMS

LOW_BALANCE = Decimal(10)


def settle_customers(past: RememberedLedger, draws: random.Random, users: Sequence[str], since: float) -> None:
    """The rows of users and wallets, all of `since` (epoch seconds), and an admin's."""
    times = {"created_at": since, "updated_at": since}
    for number, user in enumerate(users):
        name = f"customer{number:03d}"
        past.add("users", id=user, name=name, email=f"{name}@example.com", role="USER", **times)
        balance = Decimal(draws.randrange(4000, 90000)) / 100 if number % 50 else Decimal("0.05")
        money = {"balance": balance, "reserved": Decimal(0)}
        past.add("wallets", id=wallet_id(user), user_id=user, **money, created_at=since)
        paid_in = {"wallet_id": wallet_id(user), "amount": balance, "type": "topup", "description": "Top-up"}
        past.add("wallet_transactions", id=new_id(draws), **paid_in, created_at=since)
    past.add("users", id=new_id(draws), name="admin", email="admin@example.com", role="ADMIN", **times)


def settle_providers(
    past: RememberedLedger,
    ids: Mapping[str, str],
    keys: Mapping[str, str],
    accounts: Accounts,
    since: float,
    epoch: float,
) -> None:
    """The rows of the providers; `epoch` is when the drill starts."""
    for priority, upstream in enumerate(UPSTREAMS, start=1):
        row = {"id": ids[upstream.name], "name": upstream.name, "display_name": upstream.display}
        balance = accounts.balance(upstream.name)
        more = {"is_active": True, "priority": priority, "api_base_url": upstream.url, "balance": balance}
        more |= {"low_balance_alert": LOW_BALANCE}
        auth = {"auth_key": keys[upstream.name], "auth_query_param": "api_key"}
        seen = {"last_balance_sync": epoch - 1500, "last_sync_at": epoch - 3000}
        times = {"created_at": since, "updated_at": since}
        past.add("providers", **row, **more, **auth, **seen, sync_status="success", **times)
