"""The followed pods' logs for signals: whether lines arrive, how far back they reach, what is missing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NotConfigured, SourceError, TimedOut
from ..model import utc_now
from ..sources.breakers import OPEN
from ..sources.workload_runtime import NOT_CONFIGURED, runtime_of
from ..text.sanitize import clean_name
from ..text.units import clock, duration, plural

if TYPE_CHECKING:
    from ..sources import Sources
    from ..sources.logs import Logs

FIRST_LOGS_S = 1.5
LOGS = "pod logs"
READ_LATE = "late: it grows faster than it is read"
OLD_S = 4.0  # logs that nothing was heard of for longer are said to be as old as they are


@dataclass(frozen=True)
class LogCoverage:
    """The logs, where there are any. `read`: the lines of one pod at least come, or none runs. `error`: why none do."""

    logs: Logs | None
    read: bool
    age_s: float = 0.0
    notes: tuple[str, ...] = ()
    error: SourceError | None = None

    @property
    def source(self) -> str:
        """`pod logs`, or `container logs` in Docker; with its age where nothing was heard for a while."""
        name = LOGS if self.logs is None else f"{self.logs.noun} logs"
        return f"{name} of {duration(self.age_s)} ago" if self.age_s > OLD_S else name


async def follow(sources: Sources) -> LogCoverage:
    """Follow the pods' logs; the first time this waits until what is there has been read."""
    runtime = runtime_of(sources)
    if runtime is None:
        return LogCoverage(None, False, error=NotConfigured("kubernetes", NOT_CONFIGURED))
    logs, noun = runtime.logs, runtime.noun
    await logs.start(FIRST_LOGS_S)
    now = time.monotonic()
    if not logs.listed:
        return LogCoverage(None, False, error=TimedOut(runtime.name, f"the {plural(noun)} have not been listed yet"))
    alive = [logs.lost_s(pod, now) for pod in logs.followed.values() if not logs.is_lost(pod, now)]
    read = bool(alive) or (logs.error is None and not logs.pods)
    unread = None if read else TimedOut(runtime.name, f"no {noun}'s log is read")
    notes = (f"{plural(noun)} can't be listed: {logs.error}",) if logs.error else ()
    return LogCoverage(logs, read, max(alive, default=0.0), (*notes, *_notes(logs)), logs.error or unread)


def _notes(logs: Logs) -> list[str]:
    notes = (
        []
        if logs.pods or logs.error
        else ["no container of the deployment runs" if logs.noun == "pod" else "no container of NexNum runs"]
    )
    if logs.unreadable is not None:
        notes.append(str(logs.unreadable))
    if logs.pods and logs.container_why.startswith("the first of"):
        name = next((pod.container for pod in logs.followed.values()), "")
        notes.append(f"the logs are those of container {clean_name(name, 60)}: {logs.container_why}")
    if logs.pods > len(logs.followed):
        more = logs.pods - len(logs.followed)
        setting = "kubernetes.follow_pods" if logs.noun == "pod" else "docker.follow_containers"
        notes.append(f"{more} of {logs.pods} {logs.noun}s' logs are not followed ({setting})")
    failing = [(pod.name, error) for pod in logs.followed.values() if (error := pod.error or pod.unanswered)]
    if failing:
        others = f", and {len(failing) - 1} more" if len(failing) > 1 else ""
        notes.append(f"the log of {clean_name(failing[0][0], 80)}{others} can't be followed: {failing[0][1]}")
    for pod in logs.followed.values():
        if late := pod.behind_s(utc_now()):
            name = clean_name(pod.name, 80)
            notes.append(f"the log of {name} is read {duration(late)} {READ_LATE}")
        if pod.breakers.lifecycle and pod.breakers.lifecycle[0] == OPEN:
            at = f"{clock(pod.breakers.lifecycle[1])}Z"
            notes.append(
                f"the lifecycle breaker of {clean_name(pod.name, 80)}, which stops all providers, opened at {at}"
            )
    return notes
