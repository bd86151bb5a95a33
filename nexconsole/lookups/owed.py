"""Who is owed money: who paid, or whose money is held, and who got nothing for it and no refund.

Three ways, by what either version's tables tell (nexnum.md#purchase-rows, #wallets, #reconcile):
taken: the money was captured, and the purchase has no number, or its number ended without an SMS;
held: the purchase has been under way for too long, and its hold stands;
kept: the purchase failed, and the wallet still holds more than what its owner has under way.

Amounts are exact (Decimal). A refund that stands in the wallet's transactions settles the oldest purchase of its
amount.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ..model import Value
from ..signals.traffic import FAILED, every_state
from ..text.kinds import tag
from ..text.sanitize import clean_name
from ..text.units import money, several

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.postgres import Read

MOST = 20_000  # purchases of the incident that are looked at
MOST_REFUNDS = 50_000
REFUNDED_BY_RECONCILE = ("EXPIRED", "FAILED", "CANCELLED")  # what the reconciler credits (nexnum.md#reconcile)
ENDED_NUMBERS = ("expired", "cancelled")  # of which none is the end of a number that got its SMS
COLUMNS = ("id", "user_id", "state", "price", "captured_tx_id", "refund_tx_id", "created_at", "service_name")


class ClaimKind(StrEnum):
    TAKEN = "taken"
    HELD = "held"
    KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One purchase that is owed, in US dollars. `at` is UTC. `purchase` is the activation's id. `under_way`: the
    reconciler refunds or releases it, if it runs."""

    kind: ClaimKind
    customer: str
    purchase: str
    at: datetime
    service: str
    country: str
    provider: str
    state: str
    amount: Decimal
    under_way: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class Owed(Value):
    """What customers are owed of the purchases begun from `since` to `until` (UTC). `capped`: there were more."""

    since: datetime
    until: datetime
    claims: tuple[Claim, ...] = ()
    capped: bool = False

    @property
    def customers(self) -> int:
        return len({claim.customer for claim in self.claims})

    @property
    def total(self) -> Decimal:
        return sum((claim.amount for claim in self.claims), Decimal(0))

    @property
    def under_way(self) -> int:
        return sum(claim.under_way for claim in self.claims)

    @property
    def sentence(self) -> str:
        """`37 customers are owed 102.75 USD, 12 refunds are under way`; nobody's name is in it."""
        if not self.claims:
            return "nobody is owed anything" + (", of the purchases that were looked at" if self.capped else "")
        least = "at least " if self.capped else ""
        are = "is" if self.customers == 1 else "are"
        said = f"{least}{several(self.customers, 'customer')} {are} owed {money(self.total)} USD"
        return f"{said}, {several(self.under_way, 'refund')} {'is' if self.under_way == 1 else 'are'} under way"


async def read(sources: Sources, settings: Settings, since: datetime, until: datetime) -> Owed:
    """The claims of this time, the oldest first. Raises SourceError, MissingSchema where a column is missing."""
    postgres = sources.postgres
    columns = await postgres.require("activations", *COLUMNS)
    tables = await postgres.columns()
    states = await every_state(sources)
    numbers = {"id", "status"} <= set(tables.get("numbers", ())) and "number_id" in columns
    names = _names(columns, states, numbers)
    span = (since.timestamp(), until.timestamp(), float(settings.reservations.stuck_after_s))
    notes: list[str] = []
    async with postgres.read("the list of who is owed") as tx:
        rows = await tx.fetch(CLAIMS_SQL.format(**names), *span)
        kept = []
        if {"user_id", "reserved"} <= set(tables.get("wallets", ())):
            kept = list(await tx.fetch(KEPT_SQL.format(**names), *span[:2]))
        else:
            notes.append("what wallets still hold is not known: wallets have no user_id, reserved")
        capped = len(rows) > MOST or len(kept) > MOST
        claims = [_claim(row) for row in rows[:MOST]]
        if {"wallet_id", "amount", "type", "created_at"} <= set(tables.get("wallet_transactions", ())):
            claims = _unsettled(claims, await _refunds(tx, claims, since))
        elif claims:
            notes.append("refunds beside the purchases are not known: wallet_transactions can't be read")
    if not numbers:
        notes.append("numbers that got no SMS are not known: there is no table of numbers that can be joined")
    claims += [_claim(row, kept=True) for row in kept[:MOST]]
    claims.sort(key=lambda claim: (claim.at, claim.purchase))
    return Owed(source="postgres", notes=tuple(notes), since=since, until=until, claims=tuple(claims), capped=capped)


def _names(columns: Mapping[str, str], states: str, numbers: bool) -> dict[str, str]:
    """The parts of the queries that depend on the version's columns."""
    country = ", ".join(f"a.{name}" for name in ("country_name", "country_code") if name in columns)
    number = "a.number_id" if "number_id" in columns else "NULL::text"
    phone = "a.phone_number" if "phone_number" in columns else "NULL::text"
    return {
        "states": states,
        "country": f"coalesce({country}, '')" if country else "''",
        "provider": "a.provider_id" if "provider_id" in columns else "''",
        "nothing": f"({number} IS NULL AND coalesce({phone}, '') = '')",
        "number": "n.status" if numbers else "NULL::text",
        "join": "LEFT JOIN numbers n ON n.id = a.number_id" if numbers else "",
    }


def _claim(row: Mapping[str, Any], kept: bool = False) -> Claim:
    state = clean_name(str(row["state"]))
    if kept:
        kind, why, under_way = ClaimKind.KEPT, "the purchase failed, and the wallet still holds its money", False
    elif not row["captured"]:
        kind, why, under_way = ClaimKind.HELD, "the purchase never ended, and its money is held", True
    else:
        kind, under_way = ClaimKind.TAKEN, state in REFUNDED_BY_RECONCILE
        nothing = "no number was given" if row["nothing"] else "the number ended without an SMS"
        why = f"the money was taken, and {nothing}"
    return Claim(
        kind=kind,
        customer=str(row["customer"]),
        purchase=str(row["purchase"]),
        at=datetime.fromtimestamp(row["at"], UTC),
        service=clean_name(str(row["service"] or "")),
        country=clean_name(str(row["country"] or "")),
        provider=clean_name(str(row["provider"] or "")),
        state=state,
        amount=Decimal(row["amount"]),
        under_way=under_way,
        why=why,
    )


async def _refunds(tx: Read, claims: Sequence[Claim], since: datetime) -> list[Mapping[str, Any]]:
    """What was credited to the wallets of those whose money was taken, the oldest first."""
    users = sorted({claim.customer for claim in claims if claim.kind is ClaimKind.TAKEN})
    return list(await tx.fetch(REFUNDS_SQL, users, since.timestamp())) if users else []


def _unsettled(claims: Iterable[Claim], refunds: Iterable[Mapping[str, Any]]) -> list[Claim]:
    """The claims without those that a refund has settled: each refund settles one of its amount that is older."""
    left = sorted(claims, key=lambda claim: claim.at)
    waiting: dict[tuple[str, Decimal], deque[Claim]] = {}
    for claim in left:
        if claim.kind is ClaimKind.TAKEN:
            waiting.setdefault((claim.customer, claim.amount), deque()).append(claim)
    settled = set()
    for refund in refunds:
        queue = waiting.get((str(refund["customer"]), Decimal(refund["amount"])))
        if queue and queue[0].at.timestamp() <= refund["at"]:
            settled.add(queue.popleft().purchase)
    return [claim for claim in left if claim.purchase not in settled or claim.kind is not ClaimKind.TAKEN]


def masked(owed: Owed) -> Owed:
    """A copy whose customers and purchases are tags: two of one customer can still be told to be so."""
    claims = (replace(claim, customer=tag(claim.customer), purchase=tag(claim.purchase)) for claim in owed.claims)
    return replace(owed, claims=tuple(claims))


# The span is bounded on (state, created_at), which is an index; created_at alone is none. (nexnum.md#queries)
_SPAN = "{states} AND a.created_at >= to_timestamp($1) AND a.created_at <= to_timestamp($2)"
_ROW = """a.user_id AS customer, a.id AS purchase, extract(epoch FROM a.created_at)::float8 AS at,
       a.service_name AS service, {country} AS country, {provider} AS provider, a.state::text AS state"""
_LISTED = ", ".join(f"'{state}'" for state in REFUNDED_BY_RECONCILE)
_ENDED = ", ".join(f"'{status}'" for status in ENDED_NUMBERS)
CLAIMS_SQL = f"""
SELECT {_ROW}, a.price::numeric AS amount, a.captured_tx_id IS NOT NULL AS captured, {{nothing}} AS nothing
FROM activations a {{join}}
WHERE {_SPAN} AND a.refund_tx_id IS NULL AND (
      (a.captured_tx_id IS NOT NULL AND ({{nothing}} OR a.state::text IN ({_LISTED}) OR {{number}} IN ({_ENDED})))
      OR (a.captured_tx_id IS NULL AND a.state::text = 'RESERVED' AND a.created_at < now() - make_interval(secs => $3))
)
ORDER BY a.created_at LIMIT {MOST + 1}
"""
# One line a wallet, for its newest failed purchase; no more than what failed, for a wallet may be wrong since long.
KEPT_SQL = f"""
WITH failed AS (SELECT {_ROW}, a.price::numeric AS amount,
                       sum(a.price) OVER (PARTITION BY a.user_id) AS lost,
                       row_number() OVER (PARTITION BY a.user_id ORDER BY a.created_at DESC) AS nth
                FROM (SELECT * FROM activations a WHERE {_SPAN} AND {FAILED} LIMIT {MOST + 1}) a),
     mine AS (SELECT user_id, sum(price) AS price FROM (
                  SELECT a.user_id, a.price FROM activations a
                  WHERE {{states}} AND a.state::text IN ('INIT', 'RESERVED') AND a.captured_tx_id IS NULL
                  LIMIT {MOST + 1}) p GROUP BY user_id)
SELECT customer, purchase, at, service, country, provider, state,
       least(w.reserved - coalesce(mine.price, 0), lost)::numeric AS amount
FROM failed JOIN wallets w ON w.user_id = failed.customer LEFT JOIN mine ON mine.user_id = failed.customer
WHERE nth = 1 AND w.reserved - coalesce(mine.price, 0) > 0.005
ORDER BY at LIMIT {MOST + 1}
"""
REFUNDS_SQL = f"""
SELECT w.user_id AS customer, t.amount::numeric AS amount, extract(epoch FROM t.created_at)::float8 AS at
FROM wallets w JOIN wallet_transactions t ON t.wallet_id = w.id
WHERE w.user_id = ANY($1::text[]) AND t.type IN ('refund', 'manual_credit') AND t.created_at >= to_timestamp($2)
ORDER BY t.created_at LIMIT {MOST_REFUNDS}
"""
