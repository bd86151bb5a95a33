"""What speaks against putting failed outbox events back. (nexnum.md#outbox)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..model import value_of
from ..signals.outbox import Outbox
from ..signals.workloads_value import Workloads
from ..text.sanitize import clean
from ..text.units import count, duration
from .action import Context
from .plan import Guard

RECENT_S = 3600.0  # a release so young is worth a doubt
UNDONE = "is often taken by the generic worker, which publishes it undone"


def worker_guard(context: Context) -> tuple[Guard, ...]:
    """Warns where no worker takes events."""
    outbox = value_of(context.readings(), "outbox", Outbox)
    if outbox is not None and outbox.drained_per_min == 0 and outbox.pending:
        reason = f"the outbox does not drain ({count(outbox.pending)} pending): it will wait with the others"
        return (Guard(name="worker", level="warn", reason=reason),)
    return ()


def of_activation(row: Mapping[str, Any]) -> bool:
    return clean(row["aggregate_type"], 40).lower() == "activation"


def cause_guard(context: Context, failed_s: float, error: str) -> Guard:
    """Whether what failed `failed_s` ago is likely to fail again."""
    name = "cause"
    if not error:
        return Guard(name=name, level="warn", reason="no error was kept: why it failed is not known")
    level, by_release = _release(context, failed_s)
    if by_release:
        return Guard(name=name, level=level, reason=f"it failed with: {error}; {by_release}")
    if "payload" in error.lower():
        reason = f"its payload was refused ({error}), and has not changed: it will most likely fail again"
        return Guard(name=name, level="warn", reason=reason)
    return Guard(name=name, level="ok", reason=f"it failed with: {error}; while that lasts, it fails again")


def _release(context: Context, failed_s: float) -> tuple[Literal["ok", "warn"], str]:
    """Whether the running release is the one with which it failed; "" where that is not known."""
    workloads = value_of(context.readings(), "workloads", Workloads)
    release = workloads.release if workloads is not None else None
    if workloads is None or release is None or release.since is None:
        return "ok", ""
    if release.gone_back and all(pod.age_s is not None and pod.age_s < failed_s for pod in workloads.pods):
        return "ok", f"{release.before} was rolled back since, and {release.images} runs"
    age_s = (context.clock() - release.since).total_seconds()
    if failed_s < age_s < RECENT_S:
        return "warn", f"{release.images}, released {duration(age_s)} ago, ran then and still runs"
    return "ok", ""
