"""The systems that every purchase needs, and the level when one does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..model import SourceHealth
from ..text.units import duration
from .signal import EVERY_PURCHASE

SILENT = ("unreachable", "timed out")  # the kinds of failure that are no answer; a refusal is one


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """A source that every purchase needs: its name for people, and the level that its silence asks for.

    `quiet_s`: a try that fails is no silence while another was answered so many seconds ago. `explains` names what of
    the other reasons follows from its silence, by what they are about.
    """

    name: str
    level: str
    quiet_s: float
    why: str
    explains: tuple[str, ...] = ()


NEEDS = {
    "postgres": Dependency(
        name="PostgreSQL", level="SEV-1", quiet_s=3.0, why="purchases need it", explains=EVERY_PURCHASE
    ),
    "redis": Dependency(
        name="Redis",
        level="SEV-1",
        quiet_s=5.0,
        why="each purchase takes its lock there",
        explains=EVERY_PURCHASE,
    ),
    "api": Dependency(name="the API", level="SEV-2", quiet_s=12.0, why="customers buy through it"),
}


def reads(source: SourceHealth) -> bool:
    """Whether it can be read: one that answered something has done so, whatever single right it lacks."""
    return source.error is None or (source.ok_at is not None and source.kind not in SILENT)


def quiet_for(source: SourceHealth, now: datetime) -> float | None:
    """Seconds since the last good exchange; None where there never was one."""
    return None if source.ok_at is None else max(0.0, (now - source.ok_at).total_seconds())


def silent(source: SourceHealth, now: datetime) -> bool:
    """Whether it has answered before and by now answers nothing at all."""
    return source.kind in SILENT and source.ok_at is not None and _quiet(source, now)


def doubtful(source: SourceHealth, now: datetime) -> bool:
    """Whether it fails, but is not proven silent: it never answered, refuses, or has just been lost.

    One that answered something else a moment ago only lacks a right, or was slow once.
    """
    return not silent(source, now) and (source.kind == "unreachable" or _quiet(source, now))


def _quiet(source: SourceHealth, now: datetime) -> bool:
    quiet = quiet_for(source, now)
    return quiet is None or quiet > NEEDS[source.name].quiet_s


def silence(source: SourceHealth, now: datetime) -> str:
    """`PostgreSQL has not answered for 12 s (unreachable): purchases need it`."""
    need = NEEDS[source.name]
    return f"{need.name} has not answered for {duration(quiet_for(source, now))} ({source.kind}): {need.why}"


def doubt(source: SourceHealth) -> str:
    """What is said of one that fails and is not proven silent: it never answered, or it refused."""
    need = NEEDS[source.name]
    if source.kind not in SILENT:
        return f"{need.name} can't be read ({source.kind}): {need.why}"
    ever = "has not answered yet" if source.ok_at is None else "did not answer the last question"
    return f"{need.name} {ever} ({source.kind}): {need.why}"
