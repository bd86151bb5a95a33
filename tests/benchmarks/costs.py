"""What the console costs the systems that it reads, in a calm world of five providers and three pods."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from . import serverlog, worlds
from .figures import LOADED_S, console_stands
from .terminal import BenchmarkTerminal


@dataclass(frozen=True)
class Cost:
    """`what` was asked of a system so often a minute, which took it so many milliseconds a minute, where it tells."""

    system: str
    what: str
    per_minute: float
    ms_per_minute: float | None = None


def costs(span_s: float) -> list[Cost]:
    """A minute's worth, counted by the systems themselves over `span_s` seconds, all panes in sight."""
    with worlds.crowded(5, 5, 3, 15) as world, worlds.console(world.environment) as (console, environment):
        client = redis.Redis.from_url(world.environment["REDIS_URL"], decode_responses=True)
        with client, BenchmarkTerminal(console, environment) as terminal:
            terminal.until(console_stands)
            terminal.rest(LOADED_S)
            offset, before = world.postgres_log.stat().st_size, world.requests()
            client.config_resetstat()
            terminal.rest(span_s)
            with world.postgres_log.open("rb") as log:
                log.seek(offset)
                text = log.read().decode(errors="replace")
            commands, after = client.info("commandstats"), world.requests()
    minute = 60 / span_s
    return [*_postgres(text, minute), *_redis(commands, minute), *_http(before, after, minute)]


def _postgres(log: str, minute: float) -> list[Cost]:
    ran = serverlog.statements(log)
    all_runs = [took for statement in ran for took in statement.runs_ms]
    yields = [Cost("postgres", "all statements", len(all_runs) * minute, sum(all_runs) * minute)]
    ran.sort(key=lambda statement: -sum(statement.runs_ms))
    return yields + [
        Cost("postgres", statement.sql[:70], len(statement.runs_ms) * minute, sum(statement.runs_ms) * minute)
        for statement in ran
    ]


def _redis(commands: dict[str, dict[str, float]], minute: float) -> list[Cost]:
    own = {"cmdstat_info", "cmdstat_config", "cmdstat_auth", "cmdstat_client"}
    return [
        Cost("redis", name.removeprefix("cmdstat_").upper(), told["calls"] * minute, told["usec"] / 1e3 * minute)
        for name, told in sorted(commands.items())
        if name not in own
    ]


def _http(before: dict[str, dict[str, int]], after: dict[str, dict[str, int]], minute: float) -> list[Cost]:
    found = []
    for system, counts in after.items():
        asked = {what: count - before.get(system, {}).get(what, 0) for what, count in counts.items()}
        found += [Cost(system, what, count * minute) for what, count in sorted(asked.items()) if count]
    return found


def lines(found: list[Cost]) -> list[str]:
    """As an aligned table."""
    rows = [("system", "asked", "a minute", "ms a minute")]
    for cost in found:
        took = f"{cost.ms_per_minute:.1f}" if cost.ms_per_minute is not None else ""
        rows.append((cost.system, cost.what, f"{cost.per_minute:.1f}", took))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    out = [
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}".rstrip()
        for row in rows
    ]
    return [out[0], "-" * max(map(len, out)), *out[1:]]
