"""`nexconsole doctor`: every connection and every permission that the console needs, tried; nothing is changed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from . import cluster_checks, look_checks, paths
from .checks import Check, attempt
from .errors import JournalError, MissingSchema, SourceError
from .journal import journal_folder, try_folder
from .settings import Settings
from .signals.locks import walks, watched_families
from .sources import NAMES, Sources, open_sources

FAILED = 1
WORDS = {"ok": "works", "warn": "partly", "fail": "FAILS", "absent": "not configured"}


async def examine(settings: Settings) -> tuple[Check, ...]:
    """Try everything, source after source, so that one's trouble can't hide in another's."""
    sources = open_sources(settings)
    sources.load()
    checks = [_log_folder(), _journal(settings)]
    try:
        await sources.loaded()
        for name, examination in EXAMINATIONS.items():
            if not sources.has(name):
                said = f"{name} is not configured"
                checks.append(Check(area=name, what="settings", state="absent", said=said, advice=f"set {NAMES[name]}"))
                continue
            try:
                checks += [check async for check in examination(sources, settings)]
            except SourceError as error:
                checks.append(Check(area=name, what="connection", state="fail", said=str(error)))
    finally:
        await sources.close()
    return tuple(checks)


def exit_code(checks: Sequence[Check]) -> int:
    """0 when nothing fails (things may be absent), 1 when something does."""
    return FAILED if any(check.state == "fail" for check in checks) else 0


def as_json(checks: Sequence[Check]) -> str:
    return msgspec.json.format(msgspec.json.encode({"checks": checks}), indent=2).decode()


def as_text(checks: Sequence[Check]) -> str:
    lines = []
    for check in checks:
        lines.append(f"{WORDS[check.state]:<14} {check.area:<11} {check.what}: {check.said}")
        if check.advice:
            lines.append(f"{'':<27}-> {check.advice}")
    return "\n".join(lines)


def _log_folder() -> Check:
    folder = paths.state_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if writable:
        return _with_room(Check(area="console", what="state folder", state="ok", said=str(folder)), folder)
    advice = "make it writable, or set XDG_STATE_HOME to a folder that is"
    return Check(area="console", what="state folder", state="warn", said=f"{folder} can't be written", advice=advice)


def _journal(settings: Settings) -> Check:
    folder = journal_folder(settings)
    try:
        try_folder(folder)
    except JournalError as error:
        advice = "actions are recorded there: make it writable (a shared one: install -d -m 2770 -g GROUP FOLDER)"
        return Check(area="console", what="journal", state="fail", said=str(error), advice=advice)
    return _with_room(Check(area="console", what="journal", state="ok", said=str(folder)), folder)


def _with_room(check: Check, folder: Path) -> Check:
    """The same where the disk has room for an incident; a warning, or worse, where it soon has not."""
    found = os.statvfs(folder)
    free, files = found.f_bavail * found.f_frsize, found.f_favail if found.f_files else ENOUGH_FILES
    if free >= ENOUGH_BYTES and files >= ENOUGH_FILES:
        return check
    left = f"{free / 1e6:.0f} MB" if free < ENOUGH_BYTES else f"{files} files"
    state = "fail" if free < LEAST_BYTES or files < LEAST_FILES else "warn"
    said = f"{folder}: its disk has room for {left} only"
    return replace(check, state=state, said=said, advice="make room: journals and recordings of an incident go there")


# A journal and a recording are some 25 MB an incident at most.
ENOUGH_BYTES, LEAST_BYTES = 200_000_000, 25_000_000
ENOUGH_FILES, LEAST_FILES = 500, 50

PRIVILEGES_SQL = """
SELECT current_user AS role, current_database() AS database, current_setting('server_version') AS version,
       coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false)
         OR pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER') AS sees_all
"""
TABLES = {
    "outbox_events_v2": ("status", "created_at", "error", "retry_count", "event_type", "aggregate_type"),
    "purchase_orders": ("status", "expires_at", "created_at"),
    "activations": ("state", "created_at", "provider_id", "captured_tx_id"),
    "providers": ("id", "name", "display_name"),
}


async def _postgres(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    postgres = sources.postgres
    if origin := settings.database_origin:
        yield Check(area="postgres", what="settings", state="ok", said=f"the address is looked up: {origin}")
    async with postgres.read("the privileges query") as tx:
        who = await tx.row(PRIVILEGES_SQL)
        tables = {row["name"]: row for row in await tx.fetch(look_checks.READABLE_SQL, list(TABLES))}
    said = f"{postgres.answered} answers in {postgres.health.latency_ms:.0f} ms, version {who['version']}"
    said += f", as role {who['role']} in database {who['database']}; {postgres.encryption}"
    yield Check(area="postgres", what="connection", state="ok", said=said)
    if postgres.unknown_parameters:
        names = ", ".join(postgres.unknown_parameters)
        said = f"the address has parameters that psql refuses and this console leaves out: {names}"
        yield Check(area="postgres", what="address", state="warn", said=said, advice="remove what is misspelt")
    for table, columns in TABLES.items():
        try:
            types = await postgres.require(table, *columns)
        except MissingSchema as error:
            yield Check(area="postgres", what=table, state="fail", said=str(error))
            continue
        if not tables[table]["readable"]:
            advice = f"GRANT SELECT ON {table} TO {who['role']}"
            yield Check(area="postgres", what=table, state="fail", said="may not be read", advice=advice)
            continue
        times = types.get("created_at", "")
        yield Check(area="postgres", what=table, state="ok", said=f"readable{', ' if times else ''}{times}")
    async for check in look_checks.tables(postgres, who["role"]):
        yield check
    if who["sees_all"]:
        yield Check(area="postgres", what="other roles' sessions", state="ok", said="visible")
    else:
        yield Check(
            area="postgres",
            what="other roles' sessions",
            state="warn",
            said="their state and queries are hidden: the database pane can't tell who blocks",
            advice=f"GRANT pg_monitor TO {who['role']}",
        )


async def _redis(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    redis = sources.redis
    await redis.ping()
    yield Check(
        area="redis", what="connection", state="ok", said=f"{redis.address} answers in {redis.health.latency_ms:.0f} ms"
    )

    async def peek() -> str:
        await redis.try_reads()
        return "MGET and PTTL are allowed"

    yield await attempt("redis", "reading circuits", peek, "allow MGET and PTTL on health:* to this user (ACL SETUSER)")
    patterns = tuple(watched_families(settings.locks).values())

    async def sweep() -> str:
        for pattern in walks(patterns):
            await redis.scan(pattern, 1)
        await redis.peek([pattern.replace("*", "nexconsole-doctor") for pattern in patterns])
        return f"SCAN is allowed, and reading {', '.join(patterns) or 'no lock: locks.watch is empty'}"

    advice = f"allow SCAN, and MGET and PTTL on {' '.join(patterns)}, to this user (ACL SETUSER)"
    yield await attempt("redis", "watching locks", sweep, advice)
    async for check in look_checks.redis(redis):
        yield check


async def _prometheus(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    prometheus = sources.prometheus
    window = f"{settings.transactions.window_s}s"
    expressions = settings.prometheus.expressions
    for what, expression in (("attempts", expressions.attempts), ("p95 latency", expressions.latency_p95)):
        samples = await prometheus.query(expression.replace("{window}", window))
        latency = f"{prometheus.address} answers in {prometheus.health.latency_ms:.0f} ms"
        if samples:
            yield Check(area="prometheus", what=what, state="ok", said=f"{latency}, {len(samples)} series")
        else:
            advice = "the counters have no series here: is NexNum scraped? Postgres is used instead"
            yield Check(area="prometheus", what=what, state="warn", said=f"{latency}, no series", advice=advice)
    if expressions.database_cpu:
        yield await look_checks.cpu(sources, settings)
    rules = await prometheus.rules()
    if rules is None:
        said = "this server has no rules route: which alerts exist can't be told"
        yield Check(area="prometheus", what="alert rules", state="warn", said=said)
    else:
        yield Check(area="prometheus", what="alert rules", state="ok", said=f"{len(rules)} rules")


async def _api(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    api = sources.api
    await api.ping()
    yield Check(
        area="api", what="connection", state="ok", said=f"{api.address} answers in {api.health.latency_ms:.0f} ms"
    )

    async def reconcile() -> str:
        return "the route allows " + ", ".join(await api.methods("/api/cron/reconcile"))

    yield await attempt("api", "/api/cron/reconcile", reconcile, "this version may have no such route", worst="warn")


EXAMINATIONS = {
    "postgres": _postgres,
    "redis": _redis,
    "kubernetes": cluster_checks.examine,
    "prometheus": _prometheus,
    "api": _api,
    "search": look_checks.search,
    "status_pages": look_checks.status_pages,
}
