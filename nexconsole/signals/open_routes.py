"""Routes that may answer without a secret, by OPTIONS and settings, never by calling one. (nexnum.md#nextjs,
#cron-routes)

Next.js answers OPTIONS without the route's handler. That can't show whether a cron route checks its secret. It does
show the version, and docs/nexnum.md says what that version does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..errors import NoRoute, NotConfigured, SourceError
from .findings import CheckResult, Finding, Memory

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

EVERY = timedelta(minutes=10)  # the oldest version counts every call of all callers together (nexnum.md#rate-limits)
CRON = "/api/cron/reconcile"
OLDEST = "/api/cron/process-outbox"  # only the oldest version has it
METRICS = "/api/metrics"
BUYING = "/api/admin/providers/debug-purchase"
SECRET = "CRON_SECRET"


async def routes(sources: Sources, settings: Settings, memory: Memory, now: datetime) -> CheckResult | None:
    """Which of the routes are there, and what follows from it; None while it is too soon to ask again."""
    if not sources.has("api"):
        raise NotConfigured("api", "api is not configured: set api.url or API_URL")
    if memory.routes_at is not None and timedelta(0) <= now - memory.routes_at < EVERY:
        return None
    found = {path: await _methods(sources, path) for path in (CRON, OLDEST, METRICS, BUYING)}
    secret = await _secret(sources, settings) if found[CRON] else None
    findings = tuple(_findings(found, secret))
    there = sum(bool(methods) for methods in found.values())
    said = f"{there} of {len(found)} routes are there; "
    said += _SECRET_SAID[secret]
    return CheckResult(said=said, findings=findings, memory=replace(memory, routes_at=now))


async def _methods(sources: Sources, path: str) -> tuple[str, ...]:
    try:
        return await sources.api.methods(path)
    except NoRoute:
        return ()


_SECRET_SAID = {
    True: "the Secret has CRON_SECRET",
    False: "the Secret has no CRON_SECRET",
    None: "whether the cron routes ask for a secret is not known",
}


async def _secret(sources: Sources, settings: Settings) -> bool | None:
    """Whether the cluster's Secret has a cron secret; None where this console was not told to read it, or may not."""
    if not (sources.has("kubernetes") and settings.kubernetes.database_from_secret):
        return None
    try:
        return bool((await sources.kubernetes.secret(settings.kubernetes.secret)).get(SECRET))
    except SourceError:
        return None


def _findings(found: Mapping[str, tuple[str, ...]], secret: bool | None) -> Iterable[Finding]:
    if "GET" in found[CRON] and secret is False:
        yield Finding(
            kind="security",
            level="SEV-2",
            text=f"the cron routes answer anybody: the Secret has no {SECRET}",
            advice=f"set {SECRET}: without it {CRON} credits money to whoever calls it often enough",
        )
    if "GET" in found[METRICS] and found[OLDEST]:
        yield Finding(
            kind="security",
            level="none",
            text=f"{METRICS} asks for no secret in this version",
            advice="let the ingress refuse it to everybody but Prometheus",
        )
    if "GET" in found[BUYING]:
        yield Finding(
            kind="security",
            level="none",
            text=f"{BUYING} is there: it asks nobody who he is, and can buy",
            advice="let the ingress refuse it to everybody",
        )
