"""Probes of what the looks found about the servers: Redis full or emptied, a database that takes no writes."""

from __future__ import annotations

from typing import Any

from .probe import Probe, ProbeResult, Read, View

HARM = ("SEV-1", "SEV-2")


def _found(look: str, about: str, nothing: str) -> Read:
    """Whether the look found something about this that harms; not known where it can't be taken."""

    def read(view: View[Any]) -> ProbeResult:
        check = next((each for each in view.value.checks if each.name == look), None)
        found = next((each for each in check.findings if each.about == about), None) if check is not None else None
        if check is None or check.at is None or check.error:
            why = (check.error if check is not None else "") or "it was not looked at yet"
            return ProbeResult(text=f"not known: {why}", value=None)
        if found is None or found.level not in HARM:
            return ProbeResult(text=nothing if found is None else found.text, value=False)
        return ProbeResult(text=found.text, value=True)

    return read


def _probe(name: str, title: str, read: Read) -> Probe:
    return Probe(name=name, title=title, signal="integrity", kind="flag", read=read)


PROBES = (
    _probe(
        "redis.full",
        "whether Redis is full and refuses writes",
        _found("redis", "Redis' memory", "Redis has room"),
    ),
    _probe(
        "redis.emptied",
        "whether Redis lost its data",
        _found("redis", "Redis' data", "no loss of Redis' data was seen"),
    ),
    _probe(
        "database.read-only",
        "whether the database became a read-only replica",
        _found("postgres", "read-only", "the database takes writes"),
    ),
    _probe(
        "database.recovery",
        "whether the database is in recovery and follows no primary",
        _found("postgres", "recovery", "the database is no replica without a primary"),
    ),
)
