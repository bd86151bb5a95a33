"""Whether the process that wrote an entry still runs."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

# The kernel's boot time moves by a second when the clock is adjusted.
_TOLERANCE = timedelta(seconds=2)


class Life(StrEnum):
    """What is known of a writer's process. UNKNOWN: on another host, or hidden from this account."""

    RUNNING = "running"
    GONE = "gone"
    UNKNOWN = "unknown"


def started_at(pid: int) -> datetime | None:
    """When the process started (UTC); None where there is none, or it can't be seen. One's own is remembered."""
    return _own_start(pid) if pid == os.getpid() else _start(pid)


def life(host: str, pid: int, start: datetime, here: str) -> Life:
    """Whether process `pid` of `host`, started at `start`, still runs, seen from host `here`."""
    if host != here:
        return Life.UNKNOWN
    if _stat(pid)[:1] in (["Z"], ["X"]):  # dead, and nobody has asked yet how it ended
        return Life.GONE
    started = started_at(pid)
    if started is not None:
        return Life.RUNNING if abs(started - start) <= _TOLERANCE else Life.GONE
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return Life.GONE
    except PermissionError:
        return Life.UNKNOWN
    return Life.UNKNOWN


@cache
def _own_start(pid: int) -> datetime | None:
    return _start(pid)


def _start(pid: int) -> datetime | None:
    fields = _stat(pid)
    try:
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    except OSError:
        return None
    if not fields:
        return None
    ticks = int(fields[19])  # proc(5): starttime, the 22nd field, counted in clock ticks from boot
    return datetime.fromtimestamp(int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK"), UTC)


def _stat(pid: int) -> list[str]:
    """The fields of proc(5)'s stat from the third on, the state; [] where there is no such process, or it is hidden."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
