"""The incidents that can be rehearsed. Times are seconds relative to the moment at which the drill starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import DrillError

HISTORY_S = 1800.0
SLOT_S = 0.1  # between two purchases' calls of a provider: closer than the real 2 s, so that a drill's customers fit
IMAGE = "ghcr.io/nexnum/nexnum-app:1.4.2"


class UpstreamAnswer(StrEnum):
    """How one request to an upstream can end: with an HTTP answer, or with a failure of the network."""

    OK = "ok"
    HTML = "html"  # 200, and a page instead of data
    RATE_LIMITED = "429"
    UNAVAILABLE = "503"
    TIMEOUT = "timeout"
    RESET = "reset"


Answers = tuple[tuple[UpstreamAnswer, float], ...]  # answers and the share of each, 0..1; the rest is OK
NO_ANSWER: Answers = (
    (UpstreamAnswer.TIMEOUT, 0.62),
    (UpstreamAnswer.RESET, 0.10),
    (UpstreamAnswer.UNAVAILABLE, 0.16),
    (UpstreamAnswer.RATE_LIMITED, 0.12),
)


def _checked(answers: Answers) -> None:
    """Raises DrillError for an answer that no upstream gives, and for shares of more than 1 together."""
    for answer, _ in answers:
        if not isinstance(answer, UpstreamAnswer):
            raise DrillError(f"No upstream answers {answer!r}; choose one of: {', '.join(UpstreamAnswer)}.")
    if sum(share for _, share in answers) > 1 + 1e-9:
        raise DrillError("The shares of an upstream's answers are more than 1 together.")


@dataclass(frozen=True, kw_only=True)
class UpstreamFault:
    """A provider's upstream misbehaves from `begins_s` on; with a period, only for its first `failing_s` seconds."""

    provider: str
    begins_s: float
    answers: Answers
    period_s: float = 0.0
    failing_s: float = 0.0

    def __post_init__(self) -> None:
        _checked(self.answers)

    def holds(self, at_s: float) -> bool:
        since = at_s - self.begins_s
        return since >= 0 and (not self.period_s or since % self.period_s < self.failing_s)


@dataclass(frozen=True, kw_only=True)
class StagedRelease:
    """A newer image that the pods run from `begins_s` on, and what its workers do wrong, whenever a pod runs it.

    `refuses` and `drops` are types of events: those it can't read (FAILED), and those it loses (published with an
    error). `slow_s` is what it takes for one event, so that a batch can't keep up. `misasks` is the share of purchases
    for which it asks the provider for something that there isn't.
    """

    image: str
    begins_s: float
    refuses: frozenset[str] = frozenset()
    drops: frozenset[str] = frozenset()
    slow_s: float = 0.0
    misasks: float = 0.0


@dataclass(frozen=True, kw_only=True)
class WalletStall:
    """From `begins_s` on a transaction that nobody ends holds the rows of this share of the wallets."""

    begins_s: float
    share: float


@dataclass(frozen=True, kw_only=True)
class LockLeak:
    """Purchases also take the old lock, SETNX and EXPIRE as two steps; for `lasts_s` this share dies between them.
    (nexnum.md#locks)"""

    begins_s: float
    lasts_s: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Polling:
    """For `lasts_s` the worker polls so many live numbers of a provider, each of which takes a slot.

    (nexnum.md#slots)
    """

    begins_s: float
    provider: str
    numbers: int
    lasts_s: float


@dataclass(frozen=True, kw_only=True)
class BestRoute:
    """This share of the customers leaves it to NexNum which provider sells. (nexnum.md#best-route)"""

    begins_s: float
    share: float


@dataclass(frozen=True, kw_only=True)
class DisabledBySql:
    """Somebody switches a provider off by SQL: its offers stay in the index. (nexnum.md#disabling)"""

    begins_s: float
    provider: str


@dataclass(frozen=True, kw_only=True)
class EmptyAccount:
    """Our balance at a provider has run out, and nobody tops it up. (nexnum.md#provider-rows)"""

    begins_s: float
    provider: str


@dataclass(frozen=True, kw_only=True)
class CutOffPod:
    """The oldest pod reaches no upstream; whatever replaces it does."""

    begins_s: float
    answers: Answers

    def __post_init__(self) -> None:
        _checked(self.answers)


@dataclass(frozen=True, kw_only=True)
class LeakedConnections:
    """A pod keeps database connections that it never uses again, until `leaves` are left for all others."""

    begins_s: float
    leaves: int


@dataclass(frozen=True, kw_only=True)
class FullMemory:
    """Redis has used up its memory and evicts nothing: it can be read, and takes no write."""

    begins_s: float


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """A server, "postgres", "redis" or "search", does not run."""

    begins_s: float
    server: str


@dataclass(frozen=True, kw_only=True)
class InCluster:
    """What the cluster is like: "strangers", "sidecar", "freeze" or "hanging"."""

    begins_s: float
    what: str


Staged = (
    Polling
    | BestRoute
    | DisabledBySql
    | EmptyAccount
    | CutOffPod
    | LeakedConnections
    | FullMemory
    | Stopped
    | InCluster
)


@dataclass(frozen=True, kw_only=True)
class DrillScenario:
    """What is staged; `expect` says what the console should show.

    `truth` are the causes that are at work, by the runbook's ids, with the target where there is one
    ("provider-unreachable smsbower"); none where nothing is wrong. `held_back`: the rules were made without it.
    """

    name: str
    title: str
    expect: str
    history_s: float = HISTORY_S
    purchases_per_s: float = 1.6
    abandoned: float = 0.002  # share of purchases whose process dies in the middle
    killed: float = 0.0  # the same, in addition, until `killed_until_s`: a spell that is over
    killed_until_s: float = 0.0
    upstream: tuple[UpstreamFault, ...] = ()
    release: StagedRelease | None = None
    outbox_stops_s: float | None = None
    reconciler_stops_s: float | None = None
    stall: WalletStall | None = None
    leak: LockLeak | None = None
    more: tuple[Staged, ...] = ()
    eras: tuple[str, ...] = ("head", "old")
    best_route: float = 0.0  # share of the customers who leave it to NexNum which provider sells
    slot_s: float = SLOT_S
    weights: dict[str, float] = field(default_factory=dict)  # a provider's share of the purchases, where it differs
    visits: dict[str, float] = field(default_factory=dict)  # and of the price checks
    truth: tuple[str, ...] = ()
    held_back: bool = False


_ALL = (
    DrillScenario(
        name="calm",
        title="An ordinary day: everything works",
        expect="About 1 % of purchases fail, at every provider alike; all circuits are closed; nothing piles up.",
    ),
    DrillScenario(
        name="provider-outage",
        title="smsbower's upstream stopped answering four minutes ago",
        truth=("provider-unreachable smsbower",),
        expect=(
            "Far more than 10 % of purchases fail, nearly all of them at smsbower; its circuits are open on every pod "
            "and in Redis; the other providers are well."
        ),
        upstream=(UpstreamFault(provider="smsbower", begins_s=-240, answers=NO_ANSWER),),
    ),
    DrillScenario(
        name="database-stall",
        title="A forgotten transaction holds most wallets: purchases of all providers fail",
        truth=("session-blocks",),
        expect=(
            "Purchases fail at all providers with lock timeouts; one session idle in transaction blocks many; "
            "pending purchase orders pile up; circuits stay closed."
        ),
        stall=WalletStall(begins_s=-100, share=0.75),
    ),
    DrillScenario(
        name="reconciler-stopped",
        title="Pods were killed in the middle of purchases, and the reconciler died: nothing frees them",
        truth=("reconciler-stopped",),
        expect="More than 50 reservations are pending, most of them stuck and the oldest very old; purchases work.",
        killed=0.05,
        killed_until_s=-330,  # by now each that it left behind is overdue
        reconciler_stops_s=-1500,
    ),
    DrillScenario(
        name="outbox-poison",
        title="A release that can't read some events: the outbox fails some, drops some and falls behind",
        truth=("release-breaks-outbox",),
        expect=(
            "A few FAILED events with one try and an error; published ones with an error; pending ones grow steadily; "
            "all since the pods' newer revision. Going back to the one before ends it; what failed is then retried."
        ),
        release=StagedRelease(
            image="ghcr.io/nexnum/nexnum-app:1.5.0",
            begins_s=-480,
            refuses=frozenset({"offer.restocked"}),
            drops=frozenset({"activation.provider_request"}),
            slow_s=0.7,
        ),
    ),
    DrillScenario(
        name="flapping-circuit",
        title="tiger-sms comes and goes: its circuit opens and closes again and again",
        truth=("provider-flaps tiger-sms",),
        expect="tiger-sms opened three times or more in ten minutes on every pod; few purchases fail overall.",
        upstream=(
            UpstreamFault(
                provider="tiger-sms",
                begins_s=-600,
                answers=((UpstreamAnswer.RESET, 0.95),),
                period_s=75.0,
                failing_s=16.0,
            ),
        ),
        weights={"tiger-sms": 0.07},
        visits={"tiger-sms": 0.7},
    ),
    DrillScenario(
        name="stale-locks",
        title="Processes died in the middle of purchases: orphaned locks keep customers out",
        truth=("orphaned-locks",),
        expect="Locks without a TTL in Redis, some old; their users get 409 and 429; fewer purchases, few failures.",
        leak=LockLeak(begins_s=-600, lasts_s=580, share=0.06),
    ),
    DrillScenario(
        name="slot-starvation",
        title="Polling took smsbower's slots for an hour and more: every purchase waits, and none fails",
        truth=("slots-taken smsbower",),
        expect=(
            "SEV-1: purchases wait at smsbower and none is decided, though nothing fails and no error is logged; the "
            "next slot there is more than an hour away. Emptying its queue ends it, or disabling it by the API: then "
            "best route goes on to the next. Restarting pods does not help."
        ),
        purchases_per_s=0.8,
        best_route=1.0,
        eras=("head",),
        more=(Polling(begins_s=-75, provider="smsbower", numbers=1000, lasts_s=60),),
    ),
    DrillScenario(
        name="best-route-blackout",
        title="Somebody disabled smsbower by SQL: best route finds nothing for anybody",
        truth=("provider-disabled smsbower",),
        expect=(
            "Most customers are refused with 404 and leave no row; those who do buy elsewhere are served, so that few "
            "purchases fail in the tables. smsbower is disabled, and its offers are still in the index. Enabling it, "
            "by the API, ends it."
        ),
        best_route=0.85,
        eras=("head",),
        more=(DisabledBySql(begins_s=-300, provider="smsbower"),),
    ),
    DrillScenario(
        name="balance-empty",
        title="Our balance at smsbower has run out: it sells us nothing",
        truth=("balance-used-up smsbower",),
        expect=(
            "More than 10 % of purchases fail, practically all of them at smsbower, which answers NO_BALANCE; its "
            "circuits stay closed; our balance there is below its limit. Topping it up ends it, or disabling it."
        ),
        more=(EmptyAccount(begins_s=-240, provider="smsbower"),),
    ),
    DrillScenario(
        name="search-down",
        title="Meilisearch went down: no offer is found, and outbox events fail",
        truth=("search-down",),
        expect=(
            "Customers are refused with 404 and leave no row; nobody buys. Offers' outbox events fail one after the "
            "other, and the rest waits. Whoever runs the search index brings it back; what failed is then retried."
        ),
        more=(Stopped(begins_s=-60, server="search"),),
    ),
    DrillScenario(
        name="one-bad-pod",
        title="One of the pods reaches no upstream: a third of the purchases fail, at every provider alike",
        truth=("pod-cut-off",),
        expect=(
            "About a third of the purchases fail, at all providers; the circuits of all providers are open on one pod "
            "and closed on the others and in Redis. Restarting that pod ends it."
        ),
        more=(CutOffPod(begins_s=-240, answers=((UpstreamAnswer.RESET, 1.0),)),),
    ),
    DrillScenario(
        name="connections-exhausted",
        title="Pods keep database connections that they never use again: hardly any is left",
        truth=("connections-used-up",),
        expect=(
            "More than 90 % of the database's connections are in use, most of them idle for long; purchases fail "
            "where a pod needs a new one. Restarting the pods frees them."
        ),
        more=(LeakedConnections(begins_s=8, leaves=3),),
    ),
    DrillScenario(
        name="redis-full",
        title="Redis has used up its memory: it can be read, and takes no write",
        truth=("redis-full",),
        expect=(
            "Every purchase ends with 500 before it has a row, because its lock can't be taken; Redis answers, and "
            "says OOM to each write. Whoever runs Redis gives it memory; nothing that the console does would help."
        ),
        more=(FullMemory(begins_s=-20),),
    ),
    DrillScenario(
        name="bad-release",
        title="Since a release most purchases fail, at every provider alike",
        truth=("bad-release",),
        expect=(
            "More than 10 % of purchases fail, at all providers and on all pods, all since the pods' newer revision; "
            "circuits stay closed. Going back to the revision before ends it."
        ),
        release=StagedRelease(image="ghcr.io/nexnum/nexnum-app:1.6.0", begins_s=-300, misasks=0.6),
    ),
)

SCENARIOS = {scenario.name: scenario for scenario in _ALL}
RELEASES = {scenario.release.image: scenario.release for scenario in _ALL if scenario.release is not None}


def scenario_named(name: str, era: str = "head") -> DrillScenario:
    """The scenario of this name. Raises DrillError listing the names, and where that version has no such trouble."""
    if name not in SCENARIOS:
        raise DrillError(f"There is no drill named {name!r}; choose one of: {', '.join(SCENARIOS)}.")
    if era not in SCENARIOS[name].eras:
        raise DrillError(f"{name} can't happen to the oldest version: leave --era out.")
    return SCENARIOS[name]
