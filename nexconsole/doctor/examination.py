"""Runs all checks, source by source, and prints them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from ..errors import SourceError
from ..settings import Settings
from ..sources import NAMES, Sources, open_sources, other_platform
from . import api, console, docker, identity, kubernetes, postgres, prometheus, redis, search, status_pages
from .check import Check

FAILED = 1
WORDS = {"ok": "works", "warn": "partly", "fail": "FAILS", "absent": "not configured"}


EXAMINATIONS: dict[str, Callable[[Sources, Settings], AsyncIterator[Check]]] = {
    "postgres": postgres.examine,
    "redis": redis.examine,
    "kubernetes": kubernetes.examine,
    "docker": docker.examine,
    "prometheus": prometheus.examine,
    "api": api.examine,
    "search": search.examine,
    "status_pages": status_pages.examine,
}


async def examine(settings: Settings) -> tuple[Check, ...]:
    """Run all checks one source at a time, so that one source's trouble can't hide another's."""
    sources = open_sources(settings)
    sources.load()
    checks = console.examine(settings)
    try:
        checks.append(await console.flight_record(sources))
        checks += await asyncio.to_thread(identity.examine, settings)
        await sources.loaded()
        left_out = other_platform(frozenset(filter(sources.has, EXAMINATIONS)))
        for name, examination in EXAMINATIONS.items():
            if not sources.has(name):
                if name not in left_out:
                    checks.append(_absent(name))
                continue
            try:
                checks += [check async for check in examination(sources, settings)]
            except SourceError as error:
                checks.append(Check(area=name, what="connection", state="fail", said=str(error)))
    finally:
        await sources.close()
    return tuple(checks)


def _absent(name: str) -> Check:
    advice = f"set {NAMES[name]}"
    return Check(area=name, what="settings", state="absent", said=f"{name} is not configured", advice=advice)


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
