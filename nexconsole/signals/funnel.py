"""Funnel: results of customers' purchases, from the pods' logs. (nexnum.md#disabling, #refused, #purchase-lines,
#slots)

A refused customer leaves no row and no provider call: only logs and the HTTP counter have them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from ..errors import NotConfigured, SourceError, TimedOut
from ..model import Value, utc_now
from ..sources.purchase_tally import CALLED, FAILED, LOST, OFFERED, REFUSED, RESERVED, SOLD, WITHOUT_OFFER
from ..sources.workload_runtime import HOW, runtime_of
from ..text.units import period
from .funnel_parts import PODS_S, PodFunnel, by_pod, sold_ago
from .funnel_providers import ProviderFunnel, most_frequent, providers_of
from .pod_logs import LogCoverage, follow

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.logs import Logs
    from ..sources.purchase_tally import Purchase, PurchaseTally, Window

ANSWERS_EVERY_S = 10.0
ANSWERS_TIMEOUT_S = 3.0
# What a status of the purchase route means. (nexnum.md#answers)
REFUSED_STATUS = {
    "400": "funds or input",
    "402": "funds",
    "403": "not allowed",
    "404": "no offer",
    "409": "lock",
    "429": "lock or limit",
}


@dataclass(frozen=True, kw_only=True)
class MinuteFunnel:
    """The purchases that began in the minute at `at` (epoch seconds)."""

    at: float
    attempts: int
    sold: int = 0
    failed: int = 0
    refused: int = 0


@dataclass(frozen=True, kw_only=True)
class Funnel(Value):
    """The purchases that began in the window, and how far each has come; `waiting` counts all that are under way.

    The counts rest on `rests_on_s` seconds: the window, or as far as the logs reach back. `waiting_new` are those of
    the window that are at their provider. `oldest_s` is the longest wait, which is more where `oldest_at_least`.
    `undecided_s`: for so long no provider's answer has come, while some wait for one; `usual_s` is what they usually
    wait; the newest sale was made `sold_s` ago. Users are counted, never named: None where the logs hold none. `lost`
    ended with the process they were in.
    `answers` are Prometheus' counts of the purchase route's HTTP answers by status in the same window, asked for at
    `answers_at`; None where there are none.
    """

    window_s: int
    rests_on_s: float
    attempts: int = 0
    offered: int = 0
    reserved: int = 0
    called: int = 0
    sold: int = 0
    failed: int = 0
    lost: int = 0
    waiting: int = 0
    waiting_new: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    oldest_s: float | None = None
    oldest_at_least: bool = False
    undecided_s: float | None = None
    usual_s: float | None = None
    sold_s: float | None = None
    users: int | None = None
    users_refused: int | None = None
    users_without_funds: int | None = None
    providers: tuple[ProviderFunnel, ...] = ()
    more_providers: int = 0
    by_pod: tuple[PodFunnel, ...] = ()
    minutes: tuple[MinuteFunnel, ...] = ()
    answers: Mapping[str, int] | None = None
    answers_at: datetime | None = None
    pods_followed: int = 0
    pods: int = 0
    catching_up: int = 0
    reach_s: float | None = None
    dropped: int = 0

    @property
    def unknown(self) -> str:
        """Why there are no figures yet, in words; "" where there are."""
        if self.rests_on_s:
            return ""
        return "older log lines are still being read" if self.pods_followed else "no pod's log is followed"

    @property
    def turned_away(self) -> int:
        """Refused, whatever the reason."""
        return sum(self.refused.values())

    @property
    def without_offer(self) -> int:
        """Refused because nobody offered what they asked for."""
        return sum(self.refused.get(reason, 0) for reason in WITHOUT_OFFER)

    @property
    def decided(self) -> int:
        return self.sold + self.failed + self.turned_away


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Funnel:
    """The followed logs' figures; where there are none, those of the HTTP answers.

    Raises SourceError where neither can be read, NotConfigured where neither is there.
    """
    if runtime_of(sources) is None and not sources.has("prometheus"):
        raise NotConfigured("kubernetes", f"the funnel needs the pods' logs or metrics: {HOW}")
    before = previous if isinstance(previous, Funnel) else None
    following, answers = await asyncio.gather(follow(sources), _ask(sources, settings, before))
    counted, notes = (answers, ()) if not isinstance(answers, SourceError) else (None, (f"no HTTP answers: {answers}",))
    if isinstance(answers, NotConfigured):
        notes = ()
    if following.logs is not None and following.read:
        return build(following.logs, following, settings, utc_now(), counted, notes)
    if isinstance(answers, SourceError):
        raise following.error if isinstance(answers, NotConfigured) and following.error else answers
    why = "purchases in flight and reasons of refusals are not known: the pods' logs are not read"
    blind = "" if isinstance(following.error, NotConfigured) or following.error is None else f": {following.error}"
    return from_answers(counted, settings, utc_now(), (*notes, why + blind))


def build(
    logs: Logs,
    following: LogCoverage,
    settings: Settings,
    now: datetime,
    answers: Answers | None,
    notes: tuple[str, ...] = (),
) -> Funnel:
    """The logs' figures at `now`."""
    window_s = settings.transactions.window_s
    reach = logs.reach_s(now)
    rests_on = min(float(window_s), reach or 0.0)
    window = logs.purchases.window(now.timestamp(), rests_on)
    figures = _figures(window, logs.purchases, now.timestamp())
    pods = list(logs.followed.values())
    return Funnel(
        source=following.source,
        notes=(*following.notes, *notes),
        window_s=window_s,
        rests_on_s=rests_on,
        minutes=_minutes(logs.purchases, now.timestamp() - min(reach or 0.0, 3600.0)),
        answers=answers.by_status if answers else None,
        answers_at=answers.at if answers else None,
        pods_followed=sum(pod.is_followed for pod in pods),
        pods=logs.pods,
        catching_up=sum(pod.is_followed and pod.reads_backlog for pod in pods),
        reach_s=reach,
        dropped=logs.purchases.dropped,
        sold_s=sold_ago(logs.purchases.sales.values(), now.timestamp()),
        by_pod=by_pod(((pod.name, pod.purchases.decided) for pod in pods), now.timestamp() - min(rests_on, PODS_S)),
        **figures,
    )


class _Figures(TypedDict):
    """These fields of a Funnel."""

    attempts: int
    offered: int
    reserved: int
    called: int
    sold: int
    failed: int
    lost: int
    waiting: int
    waiting_new: int
    refused: dict[str, int]
    failures: dict[str, int]
    oldest_s: float | None
    oldest_at_least: bool
    undecided_s: float | None
    usual_s: float | None
    users: int | None
    users_refused: int | None
    users_without_funds: int | None
    providers: tuple[ProviderFunnel, ...]
    more_providers: int


def _figures(window: Window, tally: PurchaseTally, now: float) -> _Figures:
    """What the purchases of the window come to."""
    stages = {stage: sum(purchase.stage >= stage for purchase in window.begun) for stage in (OFFERED, RESERVED, CALLED)}
    outcomes = dict.fromkeys((SOLD, FAILED, LOST), 0)
    refused: dict[str, int] = {}
    failures: dict[str, int] = {}
    for key, many in window.ended.items():
        for stage in stages:
            stages[stage] += many * (key.stage >= stage)
        if key.outcome == REFUSED:
            refused[key.reason] = refused.get(key.reason, 0) + many
        else:
            outcomes[key.outcome] += many
            if key.outcome == FAILED:
                failures[key.reason] = failures.get(key.reason, 0) + many
    providers, more = providers_of(window, tally, now)
    at_provider = [purchase for purchase in window.waiting if purchase.stage >= RESERVED]
    oldest = min(window.waiting, key=lambda one: one.began, default=None)
    return {
        "attempts": sum(window.ended.values()) + len(window.begun),
        "offered": stages[OFFERED],
        "reserved": stages[RESERVED],
        "called": stages[CALLED],
        "sold": outcomes[SOLD],
        "failed": outcomes[FAILED],
        "lost": outcomes[LOST],
        "waiting": len(window.waiting),
        "waiting_new": sum(purchase.stage >= RESERVED for purchase in window.begun),
        "refused": most_frequent(refused),
        "failures": most_frequent(failures),
        "oldest_s": None if oldest is None else max(0.0, now - oldest.began),
        "oldest_at_least": any(purchase.key.startswith("#") for purchase in window.waiting),
        "undecided_s": _undecided(at_provider, tally.decided_at, now),
        "usual_s": sorted(tally.took)[len(tally.took) // 2] if tally.took else None,
        "users": window.users or None,
        "users_refused": window.refused_users if window.users else None,
        "users_without_funds": window.users_without_funds if window.users else None,
        "providers": providers,
        "more_providers": more,
    }


def _undecided(waiting: list[Purchase], decided_at: float | None, now: float) -> float | None:
    """For how long no provider has answered anybody, while some wait: not longer than they do."""
    if not waiting:
        return None
    return max(0.0, now - max(min(purchase.began for purchase in waiting), decided_at or 0.0))


def _minutes(tally: PurchaseTally, since: float) -> tuple[MinuteFunnel, ...]:
    """Each minute whose lines are all known, the oldest first."""
    return tuple(
        MinuteFunnel(
            at=60.0 * minute,
            attempts=tally_minute.attempts,
            sold=tally_minute.sold,
            failed=tally_minute.failed,
            refused=tally_minute.refused,
        )
        for minute, tally_minute in sorted(tally.minutes.items())
        if 60.0 * minute >= since
    )


# --- the HTTP answers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """How often each HTTP status was answered in the window; none is no series, which is not zero."""

    by_status: Mapping[str, int] | None
    at: datetime


async def _ask(sources: Sources, settings: Settings, before: Funnel | None) -> Answers | SourceError:
    """Prometheus' counter of answers, asked for seldom; the failure as a value: the logs may still answer."""
    now = utc_now()
    if not sources.has("prometheus"):
        return NotConfigured("prometheus", "prometheus is not configured")
    if before is not None and before.answers_at is not None:
        if 0 <= (now - before.answers_at).total_seconds() < ANSWERS_EVERY_S:
            return Answers(before.answers, before.answers_at)
    window = f"{settings.transactions.window_s}s"
    try:
        async with asyncio.timeout(ANSWERS_TIMEOUT_S):
            query = settings.prometheus.expressions.answers.replace("{window}", window)
            samples = await sources.prometheus.query(query) if query else []
    except SourceError as error:
        return error
    except TimeoutError:
        return TimedOut("prometheus", f"prometheus did not answer within {period(ANSWERS_TIMEOUT_S)}")
    counts: dict[str, int] = {}
    for sample in samples:
        status = sample.labels.get("status_code", "")
        if status.isdigit() and len(status) == 3 and math.isfinite(sample.value):
            counts[status] = counts.get(status, 0) + max(0, round(sample.value))
    return Answers(counts or None, now)


def from_answers(answers: Answers | None, settings: Settings, now: datetime, notes: tuple[str, ...]) -> Funnel:
    """What the HTTP answers alone tell."""
    counts = answers.by_status if answers and answers.by_status else {}
    if not counts:
        notes = ("prometheus has no series for prometheus.expressions.answers: nothing was counted there", *notes)
    refused: dict[str, int] = {}
    for status, many in counts.items():
        if many and status[0] == "4":
            reason = REFUSED_STATUS.get(status, "other")
            refused[reason] = refused.get(reason, 0) + many
    return Funnel(
        source="prometheus",
        notes=notes,
        window_s=settings.transactions.window_s,
        rests_on_s=float(settings.transactions.window_s),
        attempts=sum(counts.values()),
        sold=sum(many for status, many in counts.items() if status[0] == "2"),
        failed=sum(many for status, many in counts.items() if status[0] == "5"),
        refused=most_frequent(refused),
        failures={"5xx": failed} if (failed := sum(m for s, m in counts.items() if s[0] == "5")) else {},
        answers=counts or None,
        answers_at=answers.at if answers else now,
    )


__all__ = ["Answers", "Funnel", "MinuteFunnel", "ProviderFunnel", "build", "from_answers", "read"]
