"""Reads whom it hurts. Failing and waiting customers are rows; who was refused left none, and is in the logs only.

(nexnum.md#purchase-rows, #refused, #wallets)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import NotConfigured, SourceError, TimedOut
from ..model import Value, utc_now
from ..text.sanitize import clean_name
from ..text.units import period
from .customers import Customers
from .out_of_line import Part, countries, out_of_line
from .pod_logs import follow
from .provider_names import ProviderNames, provider_names
from .traffic import FAILED, UNDECIDED, UNDECIDED_STATES, every_state, state_in

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.postgres import Read

T = TypeVar("T")

SOURCE_TIMEOUT_S = 5.0
MOST_ROWS = 20_000  # purchases of the window
MOST_PARTS = 2_000  # groups of provider, country and service
MOST_HOLDS = 5_000
MOST_ENDED = 500  # customers whose wallets are compared with what they have under way
SETTLED_S = 30  # a hold is released a moment after the purchase's row says that it ended
COLUMNS = ("user_id", "state", "created_at", "updated_at", "price", "captured_tx_id", "provider_id", "service_name")


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Customers:
    """Rows and logs at once; what one of them can't tell is None, with a note.

    Raises SourceError where neither can be read, NotConfigured where neither is there.
    """
    rows, logs = await asyncio.gather(_or_error(_rows(sources, settings)), _or_error(_refused(sources, settings)))
    if isinstance(rows, SourceError) and isinstance(logs, SourceError):
        if isinstance(rows, NotConfigured) and not isinstance(logs, NotConfigured):
            raise logs
        raise rows
    notes: list[str] = []
    figures: dict[str, Any] = {}
    used = []
    if isinstance(rows, SourceError):
        notes.append(f"who fails or waits is not known: {rows}")
    else:
        used.append("postgres")
        found, said = rows
        figures |= found
        notes += said
    if isinstance(logs, SourceError):
        notes.append(f"who is refused is not known: {logs}")
    else:
        by, refused = logs
        used.append(by)
        figures |= refused
    return Customers(source=", ".join(used), notes=tuple(notes), window_s=settings.transactions.window_s, **figures)


async def _or_error(answer: Awaitable[T]) -> T | SourceError:
    """The answer, or the failure as a value: the other source may still answer."""
    try:
        async with asyncio.timeout(SOURCE_TIMEOUT_S):
            return await answer
    except SourceError as error:
        return error
    except TimeoutError:
        return TimedOut("customers", f"no answer within {period(SOURCE_TIMEOUT_S)}")


async def _refused(sources: Sources, settings: Settings) -> tuple[str, dict[str, Any]]:
    """Distinct customers whom nobody offered what they asked for, and the logs that say so."""
    following = await follow(sources)
    if following.logs is None or not following.read:
        raise following.error or SourceError("kubernetes", "no pod's log is read")
    now = utc_now()
    span = min(float(settings.transactions.window_s), following.logs.reach_s(now) or 0.0)
    if not span:
        raise SourceError("kubernetes", "older log lines are still being read")
    window = following.logs.purchases.window(now.timestamp(), span)
    if not window.users and window.ended:
        raise SourceError("kubernetes", "this version's log lines name no customer")
    return f"{following.logs.noun} logs", {"refused": window.refused_users, "refused_s": span}


async def _rows(sources: Sources, settings: Settings) -> tuple[dict[str, Any], list[str]]:
    """The figures that rows tell, in one transaction, and what is missing."""
    postgres, rules = sources.postgres, settings.transactions
    columns = await postgres.require("activations", *COLUMNS)
    states, undecided = await every_state(sources), state_in(columns["state"], UNDECIDED_STATES)
    country = " , ".join(name for name in ("country_name", "country_code") if name in columns)
    names = {"country": f"coalesce({country}, '')" if country else "''", "states": states, "undecided": undecided}
    tables, providers = await postgres.columns(), await provider_names(sources)
    window = float(rules.window_s)
    async with postgres.read("the customers' query") as tx:
        whole = await tx.row(WHOLE_SQL.format(**names), window)
        parts = await tx.fetch(PARTS_SQL.format(**names), window) if whole["failed"] else ()
        late = (float(max(rules.trend_s, rules.window_s)), float(rules.overdue_s))
        waiting = await tx.row(WAITING_SQL.format(**names), *late)
        holds = await _holds(tx, settings, tables, names)
    notes = [] if country else ["countries are not known: activations have no column for them"]
    if isinstance(holds, str):
        notes.append(holds)
    minutes, rows = window / 60, [_part(row, providers) for row in parts]
    return {
        "failing": whole["failing"],
        "waiting": waiting["waiting"],
        "failing_per_min": whole["failed"] / minutes,
        "money_per_min": float(whole["money"]) / minutes,
        "decided": whole["decided"],
        "capped": whole["looked"] > MOST_ROWS,
        "out_of_line": out_of_line(rows),
        "countries": countries(rows) if country else (),
    } | ({} if isinstance(holds, str) else holds), notes


def _part(row: Mapping[str, Any], providers: ProviderNames) -> Part:
    names = {key: clean_name(str(row[key] or "")) for key in ("country", "service")}
    return Part(**names, provider=providers.key(row["provider"]), decided=row["decided"], failed=row["failed"])


async def _holds(
    tx: Read, settings: Settings, tables: Mapping[str, Mapping[str, str]], names: Mapping[str, str]
) -> dict[str, Any] | str:
    """The holds that should be gone, or why that is not known."""
    overdue = await tx.row(OVERDUE_SQL.format(**names), float(settings.reservations.stuck_after_s))
    missing = {"user_id", "reserved"} - set(tables.get("wallets", {}))
    if missing:
        return f"holds are not known: wallets have no {', '.join(sorted(missing))}"
    if overdue["holds"] > MOST_HOLDS:
        return f"holds are not known: more than {MOST_HOLDS} purchases are overdue"
    span = float(max(settings.transactions.trend_s, settings.transactions.window_s))
    ended = await tx.row(ENDED_SQL.format(**names), span, float(SETTLED_S))
    if ended["pending"] > MOST_HOLDS:
        return f"holds are not known: more than {MOST_HOLDS} purchases are under way"
    return {"holds": overdue["holds"] + ended["holds"], "held": float(overdue["held"] + ended["held"])}


# All of it is served by the index (state, created_at): no table has one by created_at alone. (nexnum.md#queries)
_WINDOW = f"""
    SELECT user_id, price, provider_id, service_name, {{country}} AS country, {FAILED} AS failed,
           {UNDECIDED} AS undecided
    FROM activations WHERE {{states}} AND created_at >= now() - make_interval(secs => $1) LIMIT {MOST_ROWS + 1}
"""
WHOLE_SQL = f"""
SELECT count(*) AS looked, count(*) FILTER (WHERE NOT undecided) AS decided, count(*) FILTER (WHERE failed) AS failed,
       count(DISTINCT user_id) FILTER (WHERE failed) AS failing,
       coalesce(sum(price) FILTER (WHERE failed), 0)::numeric AS money
FROM ({_WINDOW}) w
"""
PARTS_SQL = f"""
SELECT provider_id AS provider, country, service_name AS service, count(*) AS decided,
       count(*) FILTER (WHERE failed) AS failed
FROM ({_WINDOW}) w WHERE NOT undecided GROUP BY 1, 2, 3 LIMIT {MOST_PARTS}
"""
WAITING_SQL = f"""
SELECT count(DISTINCT user_id) AS waiting FROM (
    SELECT user_id FROM activations
    WHERE {{undecided}} AND captured_tx_id IS NULL AND created_at >= now() - make_interval(secs => $1)
      AND created_at < now() - make_interval(secs => $2) LIMIT {MOST_ROWS}
) w
"""
OVERDUE_SQL = f"""
SELECT count(*) AS holds, coalesce(sum(price), 0)::numeric AS held FROM (
    SELECT price FROM activations
    WHERE {{undecided}} AND state::text = 'RESERVED' AND captured_tx_id IS NULL
      AND created_at < now() - make_interval(secs => $1) LIMIT {MOST_HOLDS + 1}
) h
"""
# Whose purchase failed, whose rows have been at rest for a while, and whose wallet still holds more than what they have
# under way.
ENDED_SQL = f"""
WITH pending AS (SELECT user_id, price FROM activations
                 WHERE {{undecided}} AND captured_tx_id IS NULL LIMIT {MOST_HOLDS + 1}),
     ended AS (SELECT user_id FROM (
                   SELECT user_id, updated_at, {FAILED} AS failed FROM activations
                   WHERE {{states}} AND created_at >= now() - make_interval(secs => $1) LIMIT {MOST_ROWS}) a
               GROUP BY user_id HAVING bool_or(failed) AND max(updated_at) < now() - make_interval(secs => $2)
               LIMIT {MOST_ENDED}),
     mine AS (SELECT user_id, sum(price) AS price FROM pending GROUP BY user_id)
SELECT (SELECT count(*) FROM pending) AS pending, count(*) FILTER (WHERE over > 0.005) AS holds,
       coalesce(sum(over) FILTER (WHERE over > 0.005), 0)::numeric AS held
FROM (SELECT w.reserved - coalesce(mine.price, 0) AS over
      FROM ended JOIN wallets w USING (user_id) LEFT JOIN mine USING (user_id)) o
"""
