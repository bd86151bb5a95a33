"""Whether an action helped, or what was left alone recovered too: a verdict of "worked" needs a difference.

Two controls: the last minute before the action, for what had recovered by then needed no help; and the purchases at the
providers that were not touched.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any

from ..errors import SourceError
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


def as_the_others(verdict: Verdict, then: object, now: Rate | None, context: Context) -> Verdict:
    """A verdict that something worked at one provider, held against all others before (`then`, plain data) and `now`.

    Where they failed too and recovered, it is "recovered"; where they fail as before, one provider was not the trouble.
    """
    others = failure_rate_change.restored(then)
    if verdict.state != "worked" or others is None or now is None or failure_rate_change.calm(others, context):
        return verdict
    others, now = failure_rate_change.comparable(others, now)
    said = f"at the other providers {others} failed before, {now} since"
    if _healed(others, now, context):
        return Verdict(state="recovered", because=f"{verdict.because}; {said}: it recovered as the others did")
    few = context.settings.transactions.few
    if now.decided >= few and now.share >= ALIKE * others.share:
        return Verdict(state="no effect", because=f"{verdict.because}; {said}: the trouble is not at one provider")
    return verdict


def _healed(then: Rate, now: Rate, context: Context) -> bool:
    """Whether clearly fewer fail now, though all that is open failed too."""
    few = context.settings.transactions.few
    return now.tried >= few and now.worst < HALF * then.share and failure_rate_change.apart(then, now.worst, now.tried)
