"""What `[signals.NAME]` may hold: one expression that only reads, limits of levels that there are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import SettingsError
from ..text.suggestions import did_you_mean
from ..text.units import period

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MOST_SIGNALS, LONGEST_NAME = 50, 30
LEAST_S, LARGEST_SQL = 1.0, 10_000
LEVELS = ("SEV-1", "SEV-2", "SEV-3")
WORSE = ("above", "below")
# Functions of PostgreSQL that only tell; of the others that begin with pg_ some end sessions or take locks.
TELLING = re.compile(
    r"pg_(stat\w*|\w*_size|size_pretty|is_in_recovery|last_\w+|current_\w+|wal_lsn_diff|postmaster_start_time|class"
    r"|locks|database|namespace|settings|tables|indexes|replication_slots|typeof|get_\w+|catalog|constraint|index"
    r"|attribute|type|roles|user|inherits|partitioned_table|sequences|views)",
    re.IGNORECASE,
)
DOING = re.compile(
    r"\b(pg_\w+|set_config|setval|nextval|dblink\w*|lo_\w+|query_to_xml\w*|cursor_to_xml\w*|database_to_xml\w*"
    r"|table_to_xml\w*|schema_to_xml\w*|txid_current|pg_notify|currtid2?)\b",
    re.IGNORECASE,
)


def check(tables: Mapping[str, Mapping[str, Any]], origin: str) -> None:
    """Raises SettingsError with the key that makes no sense."""
    if len(tables) > MOST_SIGNALS:
        raise SettingsError(f"{origin}: signals: there are {len(tables)}; at most {MOST_SIGNALS} are read")
    for name, table in tables.items():
        if problem := _problem(name, table):
            raise SettingsError(f"{origin}: signals.{name}{problem}")


def _problem(name: str, table: Mapping[str, Any]) -> str:
    """What is wrong, as it follows the signal's key; "" where nothing is."""
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        return f": a name is at most {LONGEST_NAME} small letters and digits, with single - between them"
    promql, sql = table.get("promql", "").strip(), table.get("sql", "").strip()
    if bool(promql) == bool(sql):
        return ": set either promql or sql"
    if sql and (why := _refused(sql)):
        return f".sql: {why}"
    for level in table.get("limits", {}):
        if level not in LEVELS:
            return f".limits: there is no level {level}{did_you_mean(level, LEVELS)}: {', '.join(LEVELS)}"
    if table.get("worse", "above") not in WORSE:
        return f".worse: expected above or below, got {table['worse']}"
    if not table.get("every_s", LEAST_S) >= LEAST_S:
        return f".every_s: expected at least {period(LEAST_S)}"
    return ""


def _refused(sql: str) -> str:
    """Why this SQL is not run; "" for one SELECT that only reads."""
    if len(sql) > LARGEST_SQL:
        return f"it is longer than {LARGEST_SQL} characters"
    if sql.split(None, 1)[0].lower() not in ("select", "with"):
        return "expected one SELECT"
    if ";" in sql:
        return "expected one SELECT, without ;"
    if "u&" in sql.lower():
        return "it may hold no U& escapes"
    named = (match[0] for match in DOING.finditer(sql))
    doing = next((word for word in named if not TELLING.fullmatch(word)), "")
    return f"{doing} may do more than read" if doing else ""
