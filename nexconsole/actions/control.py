"""Whether an action helped, or what was left alone recovered too: a verdict of "worked" needs a difference.

The controls: the last minute before the action, for what had recovered by then needed no help; the purchases at the
providers that were not touched; and those on the pods that were not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import asdict
from typing import Any, Literal

from ..errors import SourceError
from ..signals.funnel_parts import by_pod
from ..signals.pod_logs import LOGS, follow
from . import failure_rate_change
from .action import Context
from .failure_rate_change import ALIKE, HALF, Rate
from .plan import Verdict

MINUTE_S = 60.0


async def last_minute(context: Context) -> dict[str, Any] | None:
    """The purchases of the minute before, as plain data for a plan; None where nobody can tell."""
    for source in ("postgres", "prometheus"):
        if context.sources.has(source):
            with contextlib.suppress(SourceError):
                rate = await failure_rate_change.measure(context, MINUTE_S, source)
                return None if rate is None else asdict(rate)
    return None


def recovered_before(verdict: Verdict, then: Rate | None, minute: object, context: Context) -> Verdict:
    """A verdict that something worked, held against the minute before it: what was over by then was not its doing.

    `then` is the rate of the whole window before; `minute` what `last_minute` gave, None in older plans.
    """
    late = failure_rate_change.restored(minute)
    if verdict.state != "worked" or then is None or late is None or failure_rate_change.calm(then, context):
        return verdict
    then, late = failure_rate_change.comparable(then, late)
    if not _healed(then, late, context):
        return verdict
    because = f"{verdict.because}; in the last minute before it only {late} failed: it had recovered already"
    return Verdict(state="recovered", because=because)


async def on_pods(context: Context, names: Collection[str], seconds: float) -> Rate | None:
    """The decided purchases that began on these pods in the last `seconds`, by their logs; None where none is read."""
    with contextlib.suppress(SourceError):
        following = await follow(context.sources)
        if following.logs is None or not following.read:
            return None
        since = context.clock().timestamp() - seconds
        pods = [pod for pod in following.logs.followed.values() if pod.name in names]
        found = by_pod(((pod.name, pod.purchases.decided) for pod in pods), since)
        decided, failed = sum(pod.decided for pod in found), sum(pod.failed for pod in found)
        return Rate(source=LOGS, attempts=decided, failures=failed, seconds=seconds) if found else None
    return None


async def other_pods(context: Context, names: Collection[str]) -> dict[str, Any]:
    """The pods that are left alone, and their purchases of the window, as plain data for a plan."""
    rate = await on_pods(context, names, context.settings.transactions.window_s)
    return {"rest_pods": sorted(names), "rest": None if rate is None else asdict(rate)}


def as_the_others(
    verdict: Verdict, then: object, now: Rate | None, context: Context, what: Literal["provider", "pod"] = "provider"
) -> Verdict:
    """A verdict that something worked at one provider (or on one pod: `what`), held against all others, before (`then`,
    plain data) and `now`.

    Where they failed too and recovered, it is "recovered"; where they fail as before, that one was not the trouble.
    """
    others = failure_rate_change.restored(then)
    if verdict.state != "worked" or others is None or now is None or failure_rate_change.calm(others, context):
        return verdict
    others, now = failure_rate_change.comparable(others, now)
    where = "on" if what == "pod" else "at"
    rest = {"pod": "on the other pods", "provider": "at the other providers"}[what]
    said = f"{rest} {others} failed before, {now} since"
    if _healed(others, now, context):
        return Verdict(state="recovered", because=f"{verdict.because}; {said}: it recovered as the others did")
    few = context.settings.transactions.few
    if now.decided >= few and now.share >= ALIKE * others.share:
        return Verdict(state="no effect", because=f"{verdict.because}; {said}: the trouble is not {where} one {what}")
    return verdict


def _healed(then: Rate, now: Rate, context: Context) -> bool:
    """Whether clearly fewer fail now, though all that is open failed too."""
    few = context.settings.transactions.few
    return now.tried >= few and now.worst < HALF * then.share and failure_rate_change.apart(then, now.worst, now.tried)
