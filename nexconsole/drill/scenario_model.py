"""What a drill can be made of: causes, and the scenario that is made of them.

Times are seconds relative to the moment at which the drill starts; the past is negative.
"""

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


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A worker's loop, "outbox" or "reconciler", does nothing from `begins_s` on."""

    begins_s: float
    loop: str


@dataclass(frozen=True, kw_only=True)
class Kill:
    """Processes die in the middle of this share of the purchases, for `lasts_s`."""

    begins_s: float
    share: float
    lasts_s: float


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """One provider's share of the purchases and of the price checks changes: many look, and few buy."""

    begins_s: float
    provider: str
    purchases: float
    visits: float


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
Cause = UpstreamFault | StagedRelease | WalletStall | LockLeak | Stop | Kill | Crowd | Staged


@dataclass(frozen=True, kw_only=True)
class StagedFault:
    """One fault of a scenario, with its own causes. `kind` is its name among those that can be injected (faults.KINDS).

    `shows_after_s`: how long after its first cause the first symptom can show. `herring`: it is there to mislead, and
    nothing follows from it. `ends_s`: when it is over (None: it lasts).
    """

    kind: str
    causes: tuple[Cause, ...]
    provider: str = ""
    shows_after_s: float = 0.0
    herring: bool = False
    ends_s: float | None = None

    @property
    def begins_s(self) -> float:
        return min(cause.begins_s for cause in self.causes)


@dataclass(frozen=True, kw_only=True)
class DrillScenario:
    """What is staged; `expect` says what the console should show.

    `truth` are the causes that are at work, by the runbook's ids, with the target where there is one
    ("provider-unreachable smsbower"); none where nothing is wrong. `faults` are further faults. `shows_after_s`: how
    long after the first of its other causes the first symptom can show. `missing` are sources that the console can't
    read: "prometheus", "kubernetes", "logs", "redis". `group` sorts the list. `held_back`: the rules were made without
    it.
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
    faults: tuple[StagedFault, ...] = ()
    shows_after_s: float = 0.0
    missing: tuple[str, ...] = ()
    group: str = "documented"
    held_back: bool = False
