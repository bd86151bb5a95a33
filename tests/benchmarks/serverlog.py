"""What Postgres itself logs of the statements that it runs: how often, and how long at the server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

APPLICATION = "nexconsole"
# Every statement with its time and who sent it.
LOGGED = {"log_min_duration_statement": "0", "log_line_prefix": "%a|%p|"}
_TIMED = re.compile(
    r"(?P<application>[^|\n]*)\|(?P<pid>\d+)\|LOG:  duration: (?P<ms>[\d.]+) ms"
    r"  (?P<step>parse|bind|execute|statement)[^:\n]*: (?P<sql>(?:.*\n\t)*.*)"
)


@dataclass
class Statement:
    """One statement's text on one line, and the milliseconds that each of its runs took: parsed, bound, executed."""

    sql: str
    runs_ms: list[float] = field(default_factory=list)

    @property
    def worst_ms(self) -> float:
        return max(self.runs_ms)


def statements(log: str, application: str = APPLICATION) -> list[Statement]:
    """What that application ran, the slowest first."""
    found: dict[str, Statement] = {}
    for sql, took in _runs(log, application):
        found.setdefault(sql, Statement(sql)).runs_ms.append(took)
    return sorted(found.values(), key=lambda statement: -statement.worst_ms)


def _runs(log: str, application: str) -> Iterator[tuple[str, float]]:
    begun: dict[str, float] = {}
    for line in _TIMED.finditer(log):
        if line["application"] != application:
            continue
        took = float(line["ms"])
        if line["step"] in ("parse", "bind"):
            begun[line["pid"]] = begun.get(line["pid"], 0.0) + took
        else:
            yield " ".join(line["sql"].split()), took + begun.pop(line["pid"], 0.0)
