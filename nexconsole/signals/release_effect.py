"""Whether purchases fail since a release: low before it, high soon after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from ..model import Reading, SignalKey
from ..text.sanitize import clean
from ..text.units import clock_minute
from .releases import Release
from .signal import PURCHASES, Judgement
from .transactions import Transactions

if TYPE_CHECKING:
    from ..settings import Settings

WORKLOADS = "workloads"  # its value has the release; its module imports this one
TRANSACTIONS: SignalKey[Transactions] = SignalKey("transactions")
BEFORE = 3  # steps of the trend with purchases before the release, so that it is known how it was
BY_CHANCE = 0.1  # so many of them may be bad: few purchases are decided in some
SOON_S = 600.0  # from the release to the first step that is bad: a rollout takes its time
ROLLED_BACK = "roll back"


def released(readings: Mapping[str, Reading], settings: Settings) -> Iterator[Judgement]:
    """The running release, where the failures began with it. No level that the failure rate does not ask for itself."""
    release = getattr(readings[WORKLOADS].value, "release", None) if WORKLOADS in readings else None
    traffic, rules = TRANSACTIONS.value(readings), settings.severity
    if not isinstance(release, Release) or traffic is None or readings[TRANSACTIONS].error is not None:
        return
    rate = traffic.failure_rate
    if release.since is None or release.gone_back or rate is None or traffic.decided < settings.transactions.few:
        return
    if rate <= rules.high_rate or traffic.scope.verdict in ("one", "some"):
        return
    if not _began_with(release.since.timestamp(), traffic, rules.high_rate):
        return
    what = clean(release.images, 60) or f"revision {release.revision}"
    yield Judgement(
        "SEV-1" if rate > rules.critical_rate else "SEV-2",
        f"purchases fail since release {what} ({clock_minute(release.since)}Z)",
        about="release",
        explains=(PURCHASES,),
        step=ROLLED_BACK,
    )


def _began_with(at: float, traffic: Transactions, high: float) -> bool:
    """Whether the trend was good before that moment, a lone bad step of chance aside, and bad soon after it."""
    steps = [step for step in traffic.trend if step.failure_rate is not None]
    length = min((later.at - step.at for step, later in pairwise(steps)), default=0.0)
    before = [(step.failure_rate or 0.0) > high for step in steps if step.at + length <= at]
    bad = [step.at for step in steps if step.at + length > at and (step.failure_rate or 0.0) > high]
    well = len(before) >= BEFORE and not any(before[-BEFORE:]) and sum(before) <= BY_CHANCE * len(before)
    return well and bool(bad) and bad[0] <= at + SOON_S
