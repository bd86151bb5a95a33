"""The last log lines about a subject, of the pods' logs that are followed anyway."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import NotConfigured
from ..model import Value
from ..sources.log_entry import RANK, LogEntry, order
from ..sources.workload_runtime import NOT_CONFIGURED, runtime_of
from ..text.sanitize import clean

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..settings import Settings
    from ..sources import Sources

KEPT = 40
LOOKED_AT = 3_000  # new lines of a pod that one look takes in, the newest
TEXT = 1_000  # characters of a line
_BREAKER = re.compile(rb"circuit|breaker", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class SubjectLine:
    """One line; `level` as in `log_entry.LEVELS`."""

    at: datetime | None
    pod: str
    level: str
    text: str
    order: bytes = b""


@dataclass(frozen=True, kw_only=True)
class SubjectLines(Value):
    """The newest lines, the oldest first, of `pods` logs. `read_to` is how far each has been looked through."""

    lines: tuple[SubjectLine, ...] = ()
    pods: int = 0
    read_to: Mapping[str, int] = field(default_factory=dict)


async def of_provider(sources: Sources, settings: Settings, subject: Subject, before: Value | None) -> SubjectLines:
    """Breaker lines, warnings and errors that name the provider."""
    name = subject.arguments.get("provider") or subject.id
    named = re.compile(rb"(?<![\w-])%s(?![\w-])" % re.escape(name.encode(errors="replace")), re.IGNORECASE)

    def wanted(pod: str, line: bytes) -> bool:
        if not named.search(line):
            return False
        return bool(_BREAKER.search(line)) or RANK[LogEntry(pod, line, b"").level] >= RANK["warn"]

    return await _look(sources, before, lambda uid, pod: True, wanted)


async def of_pod(sources: Sources, settings: Settings, subject: Subject, before: Value | None) -> SubjectLines:
    """The pod's last lines."""
    name = subject.arguments.get("pod") or subject.title
    return await _look(sources, before, lambda uid, pod: pod == name, lambda pod, line: True)


async def _look(
    sources: Sources, before: Value | None, followed: Callable[[str, str], bool], wanted: Callable[[str, bytes], bool]
) -> SubjectLines:
    last = before if isinstance(before, SubjectLines) else SubjectLines()
    found = list(last.lines)
    read_to: dict[str, int] = {}
    runtime = runtime_of(sources)
    if runtime is None:
        raise NotConfigured("kubernetes", NOT_CONFIGURED)
    for uid, log in list(runtime.logs.followed.items()):
        if not followed(uid, log.name):
            continue
        total = log.recent.total
        lines, _ = log.recent.since(max(last.read_to.get(uid, 0), total - LOOKED_AT))
        read_to[uid] = total
        kept: list[bytes] = []
        for line in reversed(lines):
            if len(kept) < KEPT and wanted(log.name, line):
                kept.append(line)
        found += [_line(log.name, line) for line in kept]
        await asyncio.sleep(0)  # the next pod's are looked through in another turn of the loop
    found.sort(key=lambda line: line.order)
    return SubjectLines(source=f"{runtime.noun} logs", lines=tuple(found[-KEPT:]), pods=len(read_to), read_to=read_to)


def _line(pod: str, line: bytes) -> SubjectLine:
    entry = LogEntry(pod, line, order(line))
    words = entry.words
    text = clean(f"{words.message} {words.fields}".strip(), TEXT)
    return SubjectLine(at=entry.at, pod=clean(pod, 100), level=entry.level, text=text, order=entry.order)
