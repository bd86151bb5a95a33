"""Source agreement: which sources count the same purchases, which saw less, and why. (nexnum.md#samples, #refused)

Rows have the purchases that reached a provider, not the refusals before. Counters miss each series' first increment.
Logs reach back a limited time. A pure function of readings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ..model import Reading, State
from ..text.pod_names import in_units
from ..text.units import count, duration, plural, several
from .funnel import Funnel
from .probe import unit_of
from .transactions import Transactions

NEAR = 0.15  # counts that differ by no more than this share ...
NEAR_LEAST = 5  # ... or by so many are the same: sources are scraped and read at different moments
ROWS, COUNTERS, LOGS, ANSWERS = "postgres", "prometheus", "pod logs", "HTTP answers"


@dataclass(frozen=True, kw_only=True)
class SourceAccount:
    """What one source counted in the window: decided by a provider, failed ones among them, refused before.

    `refused` is None where the source can't see them. `reach_s`: it tells of no more than so many seconds.
    `missing`: what of it is not read.
    """

    name: str
    decided: int
    failed: int
    refused: int | None = None
    reach_s: float | None = None
    missing: str = ""


@dataclass(frozen=True, kw_only=True)
class SourceAgreement:
    """`agree` are the sources that tell the same; `less` says of each that saw less why; `said` is one sentence."""

    said: str
    agree: tuple[str, ...] = ()
    less: Mapping[str, str] | None = None
    refused: int | None = None


def examine(readings: Mapping[str, Reading], now: datetime) -> SourceAgreement | None:
    """Compare the fresh readings' sources; None where fewer than two have seen anything."""
    accounts = list(_witnesses(readings, now))
    whole = [account for account in accounts if account.reach_s is None]
    if len(accounts) < 2 or not any(account.decided or account.refused for account in accounts):
        return None
    most = max(whole or accounts, key=lambda one: one.decided)
    agree = [
        account for account in accounts if _near(account.decided, most.decided) and _near(account.failed, most.failed)
    ]
    less = {account.name: _why(account, most) for account in accounts if account not in agree}
    refused = max((account.refused for account in accounts if account.refused is not None), default=None)
    return SourceAgreement(
        said=_sentence(most, agree, less, refused, accounts),
        agree=tuple(account.name for account in agree),
        less=less,
        refused=refused,
    )


def _witnesses(readings: Mapping[str, Reading], now: datetime) -> Iterator[SourceAccount]:
    value = _fresh(readings, "transactions", now)
    if isinstance(value, Transactions):
        for name, (decided, failed) in value.counted_by.items():
            yield SourceAccount(name=name, decided=decided, failed=failed)
    funnel = _fresh(readings, "funnel", now)
    if not isinstance(funnel, Funnel):
        return
    if funnel.pods_followed and not funnel.catching_up:
        unit = unit_of(readings)
        short = funnel.rests_on_s if funnel.rests_on_s < funnel.window_s else None
        decided = funnel.sold + funnel.failed
        unread = (
            ""
            if funnel.pods_followed >= funnel.pods
            else f"{funnel.pods_followed} of {funnel.pods} {plural(unit)} followed"
        )
        yield SourceAccount(
            name=in_units(LOGS, unit),
            decided=decided,
            failed=funnel.failed,
            refused=funnel.turned_away,
            reach_s=short,
            missing=unread,
        )
    if funnel.answers:
        by = {kind: sum(n for status, n in funnel.answers.items() if status[0] == kind) for kind in "245"}
        yield SourceAccount(name=ANSWERS, decided=by["2"] + by["5"], failed=by["5"], refused=by["4"])


def _fresh(readings: Mapping[str, Reading], name: str, now: datetime) -> object:
    reading = readings.get(name)
    return reading.value if reading is not None and reading.state(now) is State.FRESH else None


def _near(one: int, other: int) -> bool:
    return abs(one - other) <= max(NEAR_LEAST, NEAR * max(one, other))


def _why(account: SourceAccount, most: SourceAccount) -> str:
    """Why a source says something else than the one that saw most."""
    if account.reach_s is not None:
        return f"its lines reach back {duration(account.reach_s)}"
    if _near(account.decided, most.decided):
        return f"counts {count(account.failed)} failed, not {count(most.failed)}"
    if account.name in (COUNTERS, ANSWERS):
        return "its counters are young, or miss the first of each series"
    return "rows that were not stored" if account.name == ROWS else account.missing or "lines that were not written"


def _sentence(
    most: SourceAccount,
    agree: list[SourceAccount],
    less: Mapping[str, str],
    refused: int | None,
    accounts: list[SourceAccount],
) -> str:
    names = _listed([account.name for account in agree])
    told = f"{several(most.decided, 'purchase')} decided, {count(most.failed)} failed"
    said = f"{names} agree: {told}" if len(agree) > 1 else f"{names} alone counts {told}"
    by_name = {account.name: account for account in accounts}
    for name, why in less.items():
        said += f"; {name} saw {by_name[name].decided} ({why})"
    if refused:
        knows = _listed([account.name for account in accounts if account.refused])
        said += f"; {several(refused, 'customer')} refused besides, known to {knows} alone"
    return said


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
