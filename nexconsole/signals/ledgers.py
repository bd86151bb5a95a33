"""Ledgers: whether wallets match their transactions, in samples. (nexnum.md#wallets)

Every query is bounded. Wallets have no index on their money, so random pages of the table are read, and a wallet with
more than a few thousand transactions is skipped. Findings are read again by key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..text import units
from ..text.units import count, duration, several
from .findings import CheckResult, Drift, Finding, Memory

if TYPE_CHECKING:
    from ..settings import IntegrityRules, Settings
    from ..sources import Sources
    from ..sources.postgres import Read

PAGES = 250  # of 8 kB: some 25 000 wallets
MOST_WALLETS = 25_000
MOST_BAD = 50  # wallets that are remembered one by one
SUMMED = 20  # wallets of each kind whose transactions are summed: some that just bought, some at random
MOST_SUMMED = 60  # with those that were summed before
MOST_ROWS = 2_000  # transactions of one wallet
MOST_REFUNDS = 1_000
CENT = 0.01
FEW = 5  # wallets with transactions; fewer tell nothing of how this installation keeps its ledger

SIZE_SQL = """
SELECT pg_relation_size(c.oid)::float8 / 8192 AS pages, greatest(c.reltuples, 0)::float8 AS rows,
       c.relkind::text AS kind
FROM pg_class c WHERE c.relname = 'wallets' AND pg_table_is_visible(c.oid)
"""
BAD = "(reserved < 0 OR balance < 0 OR reserved > balance)"
SAMPLE_SQL = """
SELECT count(*) AS looked, (array_agg(id::text) FILTER (WHERE {bad}))[1:{most}] AS bad
FROM (SELECT id, balance, reserved FROM wallets {sample} LIMIT {limit}) w
"""
ROWS_SQL = f"""
SELECT id::text AS id, balance::float8 AS balance, reserved::float8 AS reserved
FROM wallets WHERE id = ANY($1::text[]) AND {BAD}
"""
RANDOM_SQL = """
SELECT id::text AS id FROM (SELECT id FROM wallets {sample} LIMIT {limit}) w ORDER BY random() LIMIT {some}
"""
BUYERS_SQL = f"""
SELECT w.id::text AS id FROM (
    SELECT DISTINCT user_id FROM (
        SELECT user_id FROM activations
        WHERE state = ANY (enum_range(NULL::"ActivationState")) AND created_at >= now() - interval '10 minutes'
        LIMIT 200
    ) a LIMIT {SUMMED}
) b JOIN wallets w ON w.user_id = b.user_id
"""
SUMS_SQL = f"""
SELECT w.id::text AS id, w.balance::float8 AS balance, t.rows, t.whole::float8 AS whole, t.moved::float8 AS moved
FROM wallets w CROSS JOIN LATERAL (
    SELECT count(*) AS rows, coalesce(sum(amount), 0) AS whole,
           coalesce(sum(amount) FILTER (WHERE type NOT IN ('reservation', 'rollback')), 0) AS moved
    FROM (SELECT amount, type FROM wallet_transactions x WHERE x.wallet_id = w.id LIMIT {MOST_ROWS + 1}) r
) t WHERE w.id = ANY($1::text[])
"""
REFUNDS_SQL = f"""
SELECT count(*) AS refunds, coalesce(sum(price), 0)::float8 AS money FROM (
    SELECT price FROM activations
    WHERE state = 'REFUNDED' AND created_at >= now() - make_interval(secs => $1)
      AND captured_tx_id IS NULL AND refund_tx_id IS NOT NULL LIMIT {MOST_REFUNDS + 1}
) r
"""


async def wallets(sources: Sources, settings: Settings, memory: Memory, now: datetime) -> CheckResult:
    """Wallets whose hold is below zero or above their balance, and overdrawn ones, in a sample of the table."""
    await sources.postgres.require("wallets", "id", "balance", "reserved")
    async with sources.postgres.read("the wallets' sample") as tx:
        sample, rows = await _sample(tx)
        sql = SAMPLE_SQL.format(bad=BAD, most=MOST_BAD, sample=sample, limit=MOST_WALLETS)
        row = await tx.row(sql)
        asked = list(dict.fromkeys((*(row["bad"] or ()), *memory.bad)))[: 2 * MOST_BAD]
        bad = await tx.fetch(ROWS_SQL, asked) if asked else []
    said = several(row["looked"], "wallet")
    if rows > row["looked"] * 1.2:
        said = f"a sample of {count(row['looked'])} of about {count(rows)} wallets"
    kept = tuple(each["id"] for each in bad[:MOST_BAD])
    return CheckResult(said=said, findings=tuple(_unsound(bad, settings.integrity)), memory=replace(memory, bad=kept))


async def _sample(tx: Read) -> tuple[str, float]:
    """The words that pick whole pages of the wallets at random, and about how many wallets there are."""
    found = await tx.fetch(SIZE_SQL)
    if not found:
        return "", 0.0  # the query that follows says what is missing
    size = found[0]
    if size["kind"] not in ("r", "m", "p") or size["pages"] <= PAGES:
        return "", size["rows"]
    return f"TABLESAMPLE SYSTEM ({100 * PAGES / size['pages']:.6f})", size["rows"]


def _unsound(rows: Iterable[Mapping[str, Any]], rules: IntegrityRules) -> Iterable[Finding]:
    rows = list(rows)
    below = [-row["reserved"] for row in rows if row["reserved"] < 0]
    over = [row["reserved"] - row["balance"] for row in rows if row["reserved"] > max(row["balance"], 0)]
    drawn = [-row["balance"] for row in rows if row["balance"] < 0]
    if drawn:
        yield Finding(
            kind="data",
            level=_level("SEV-1", sum(drawn), rules, small="SEV-3"),
            text=f"{_wallets(drawn, 'is', 'are')} overdrawn, by {units.money(sum(drawn))} in all",
            advice="compare them with their transactions; was a backup restored, or a row edited?",
        )
    if over:
        yield Finding(
            kind="data",
            level=_level("SEV-2", sum(over), rules, small="none"),
            text=f"{_wallets(over, 'holds', 'hold')} more than the balance, by {units.money(sum(over))} in all",
        )
    if below:
        yield Finding(
            kind="data",
            level="SEV-3" if sum(below) > rules.tolerated_holds else "none",
            text=f"{_wallets(below, 'has', 'have')} a hold below zero, by"
            f" {units.money(sum(below))} in all: released twice",
            advice="the oldest versions' reconcile releases a hold twice; such a customer can spend more than he has",
        )


def _wallets(rows: list[float], one: str, many: str) -> str:
    capped = len(rows) >= MOST_BAD
    return f"at least {len(rows)} wallets {many}" if capped else several(len(rows), f"wallet {one}", f"wallets {many}")


def _level(level: str, money: float, rules: IntegrityRules, small: str) -> str:
    return level if money > rules.tolerated else small


async def transactions(sources: Sources, settings: Settings, memory: Memory, now: datetime) -> CheckResult:
    """Balances beside the sums of their transactions: those of some wallets now, and whether they stay together.

    The oldest version writes no row for a hold or its release; the newest writes both, and neither moves the balance.
    An installation that began with balances and no rows is known by that most of its wallets differ: there only
    changes tell. A change counts when it is still there at the next look: the two are not always written at once.
    """
    postgres = sources.postgres
    await postgres.require("wallet_transactions", "wallet_id", "amount", "type")
    await postgres.require("wallets", "id", "user_id", "balance")
    async with postgres.read("the wallets' sums") as tx:
        sample, _ = await _sample(tx)
        some = await tx.fetch(RANDOM_SQL.format(sample=sample, limit=MOST_WALLETS, some=SUMMED))
        buyers = await tx.fetch(BUYERS_SQL) if "activations" in await postgres.columns() else []
        ids = list(dict.fromkeys(row["id"] for row in (*buyers, *some)))
        ids = list(dict.fromkeys((*memory.moved, *ids, *memory.drifts)))[:MOST_SUMMED]
        sums = [row for row in await tx.fetch(SUMS_SQL, ids) if row["rows"] <= MOST_ROWS]
    drifts, moved = _watched(sums, memory)
    findings = [*_changed(moved, settings.integrity), *_differing(sums, settings.integrity)]
    held = [row for row in sums if row["rows"]]
    said = f"{several(len(held), 'wallet')} beside their transactions"
    return CheckResult(said=said, findings=tuple(findings), memory=replace(memory, drifts=drifts, moved=moved))


def _watched(sums: Iterable[Mapping[str, Any]], memory: Memory) -> tuple[dict[str, Drift], dict[str, float]]:
    """How the wallets stand, as at their first look; and those whose money changed without a transaction."""
    drifts: dict[str, Drift] = {}
    moved = dict(memory.moved)
    for row in sums:
        whole, other = row["balance"] - row["whole"], row["balance"] - row["moved"]
        first = memory.drifts.get(row["id"])
        if first is None:
            drifts[row["id"]] = Drift(whole=whole, moved=other)
            continue
        change = min(whole - first.whole, other - first.moved, key=abs)
        off = abs(change) > CENT
        if off and first.off:
            moved[row["id"]] = change
        elif not off:
            moved.pop(row["id"], None)
        drifts[row["id"]] = replace(first, off=off)
    return drifts, moved


def _changed(moved: Mapping[str, float], rules: IntegrityRules) -> Iterable[Finding]:
    if not moved:
        return
    money = sum(abs(change) for change in moved.values())
    yield Finding(
        kind="data",
        level=_level("SEV-1", money, rules, small="SEV-2"),
        text=f"the money of {several(len(moved), 'wallet')} changed by {units.money(money)} without a transaction,"
        " since this console looks",
        advice="who or what writes to wallets besides NexNum? A restored backup looks like this too",
    )


def _differing(sums: Iterable[Mapping[str, Any]], rules: IntegrityRules) -> Iterable[Finding]:
    held = [row for row in sums if row["rows"]]
    apart = [
        difference
        for row in held
        if (difference := min(abs(row["balance"] - row["whole"]), abs(row["balance"] - row["moved"]))) > CENT
    ]
    if len(held) < FEW or not apart:
        return
    if 2 * len(apart) > len(held):
        text = (
            f"{len(apart)} of {several(len(held), 'wallet')} never followed from transactions: only changes tell here"
        )
        yield Finding(kind="data", level="none", text=text)
        return
    yield Finding(
        kind="data",
        level=_level("SEV-1", sum(apart), rules, small="SEV-3"),
        text=f"{len(apart)} of {several(len(held), 'wallet')} in a sample differ from the sum of their transactions,"
        f" by {units.money(sum(apart))} in all",
        advice="rows or money are missing: compare with the newest backup before anything is repaired",
    )


async def refunds(sources: Sources, settings: Settings, memory: Memory, now: datetime) -> CheckResult:
    """Refunds of purchases for which no money was ever taken: what the reconcile route gives away.

    (nexnum.md#reconcile)
    """
    rules = settings.integrity
    await sources.postgres.require("activations", "state", "created_at", "captured_tx_id", "refund_tx_id", "price")
    async with sources.postgres.read("the refunds query") as tx:
        row = await tx.row(REFUNDS_SQL, float(rules.refund_window_s))
    findings: tuple[Finding, ...] = ()
    if row["refunds"]:
        more = "+" if row["refunds"] > MOST_REFUNDS else ""
        purchases = f"{several(min(row['refunds'], MOST_REFUNDS), 'purchase')}{more}"
        text = f"{purchases} of the last {duration(rules.refund_window_s)} refunded though nothing was taken"
        findings = (
            Finding(
                kind="data",
                level=_level("SEV-2", row["money"], rules, small="none"),
                text=f"{text}: {units.money(row['money'])} in all",
                advice="the reconcile route does this; who decided that it may?",
            ),
        )
    return CheckResult(said="refunds beside what was taken", findings=findings, memory=memory)
