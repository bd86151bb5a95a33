"""The causes that a drill is made of.

Times are seconds relative to the moment at which the drill starts; the past is negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..errors import DrillError
from .cluster_causes import ClusterCause

IMAGE = "ghcr.io/nexnum/nexnum-app:1.4.2"


class UpstreamAnswer(StrEnum):
    """How one request to an upstream can end: with an HTTP answer, or with a failure of the network."""

    OK = "ok"
    HTML = "html"  # 200, and a page instead of data
    RATE_LIMITED = "429"
    UNAVAILABLE = "503"
    NO_NUMBERS = "NO_NUMBERS"  # 200, and none to sell; only a purchase is answered so
    BAD_KEY = "BAD_KEY"  # 200, and our key is refused
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
    """A provider's upstream misbehaves from `begins_s` on; with a period, only for its first `failing_s` seconds.

    `provider` "": each of them. `countries` are dialling codes; none: all. With `ramp_s` the shares grow from 0 for so
    long.
    """

    provider: str
    begins_s: float
    answers: Answers
    period_s: float = 0.0
    failing_s: float = 0.0
    countries: tuple[str, ...] = ()
    ramp_s: float = 0.0

    def __post_init__(self) -> None:
        _checked(self.answers)

    def holds(self, at_s: float) -> bool:
        since = at_s - self.begins_s
        return since >= 0 and (not self.period_s or since % self.period_s < self.failing_s)

    def concerns(self, provider: str, country: str) -> bool:
        return self.provider in ("", provider) and (not self.countries or country in self.countries)

    def answers_at(self, at_s: float) -> Answers:
        grown = grown_at(self, at_s)
        return self.answers if grown == 1 else tuple((answer, share * grown) for answer, share in self.answers)


@dataclass(frozen=True, kw_only=True)
class SlowUpstream:
    """A provider ("": each) takes `factor` times as long; with `ramp_s` that grows for so long, and with `period_s`
    it falls back and grows anew at each."""

    begins_s: float
    provider: str
    factor: float
    ramp_s: float = 0.0
    period_s: float = 0.0

    def factor_at(self, at_s: float) -> float:
        return 1 + (self.factor - 1) * grown_at(self, at_s)


def grown_at(cause: UpstreamFault | SlowUpstream | Surge, at_s: float) -> float:
    """How much of a cause is there by now, 0..1."""
    since = max(0.0, at_s - cause.begins_s)
    if isinstance(cause, SlowUpstream) and cause.period_s:
        since %= cause.period_s
    return min(1.0, since / cause.ramp_s) if cause.ramp_s else 1.0


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
class EgressDown:
    """No process reaches any upstream."""

    begins_s: float
    answers: Answers

    def __post_init__(self) -> None:
        _checked(self.answers)


@dataclass(frozen=True, kw_only=True)
class Surge:
    """`factor` times as many customers and visitors come; with `ramp_s` that grows for so long."""

    begins_s: float
    factor: float
    ramp_s: float = 0.0

    def factor_at(self, at_s: float) -> float:
        return 1 + (self.factor - 1) * grown_at(self, at_s)


@dataclass(frozen=True, kw_only=True)
class LeakedConnections:
    """Pods keep database connections that they never use again, until `leaves` are left for all others; with `over_s`
    that takes so long."""

    begins_s: float
    leaves: int
    over_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SlowDatabase:
    """Each statement takes `wait_s` longer, for heavy reports of others run at the same time."""

    begins_s: float
    wait_s: float
    reports: int


@dataclass(frozen=True, kw_only=True)
class ReadOnlyDatabase:
    """After a failover the address leads to a replica: it can be read, and takes no write."""

    begins_s: float


@dataclass(frozen=True, kw_only=True)
class FillingMemory:
    """Somebody's keys fill Redis for `lasts_s`, until it is full."""

    begins_s: float
    lasts_s: float


@dataclass(frozen=True, kw_only=True)
class EmptiedRedis:
    """Somebody empties Redis (FLUSHALL), once."""

    begins_s: float


@dataclass(frozen=True, kw_only=True)
class PoisonEvents:
    """Something writes an event that nobody can process into the outbox every `every_s` seconds."""

    begins_s: float
    event_type: str
    every_s: float


@dataclass(frozen=True, kw_only=True)
class FullMemory:
    """Redis has used up its memory and evicts nothing: it can be read, and takes no write."""

    begins_s: float


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """A server, "postgres", "redis" or "search", does not run; where `back_s` is given, only for so long."""

    begins_s: float
    server: str
    back_s: float | None = None


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
    | SlowUpstream
    | EgressDown
    | Surge
    | SlowDatabase
    | ReadOnlyDatabase
    | FillingMemory
    | EmptiedRedis
    | PoisonEvents
    | ClusterCause
)
Cause = UpstreamFault | StagedRelease | WalletStall | LockLeak | Stop | Kill | Crowd | Staged
