"""Which effect each cause has on the real servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis.asyncio as redis_client

from .cluster_causes import ChangedConfig, CrashingPods, EditedProvider, LyingAlert, RestartedPod, Scaled
from .cluster_effects import Configured, Crashing, LyingRule, Rescaled, RestartedOnce, RowEdited, lying_rule
from .effects import Down, Effect, Odd, RollOut, Stall
from .faults import Fault
from .market.market import Market
from .market_effects import CutOff, Emptied, Full, Leak, SwitchedOff
from .search import SearchServer
from .server_effects import Bounce, Filling, Flushed, Reports, Standby
from .servers import EmbeddedPostgres, EmbeddedRedis
from .staged_causes import (
    Cause,
    CutOffPod,
    DisabledBySql,
    EmptiedRedis,
    FillingMemory,
    FullMemory,
    InCluster,
    LeakedConnections,
    Polling,
    ReadOnlyDatabase,
    SlowDatabase,
    StagedRelease,
    Stopped,
    WalletStall,
)

if TYPE_CHECKING:
    from .platform import DrillPlatform
    from .prometheus.server import PrometheusServer


@dataclass(frozen=True)
class DrillServers:
    """What effects work on. `prometheus` is None where a real one judges the rules."""

    market: Market
    postgres: EmbeddedPostgres
    redis: EmbeddedRedis
    search: SearchServer
    keys: redis_client.Redis
    cluster: DrillPlatform
    prometheus: PrometheusServer | None = None


def effect_of(cause: Cause, fault: Fault, on: DrillServers) -> Effect | None:
    """The effect of one cause; None where the market's own behaviour is all."""
    return _on_servers(cause, fault, on) or _in_cluster(cause, on)


def _on_servers(cause: Cause, fault: Fault, on: DrillServers) -> Effect | None:
    market, clock = on.market, on.market.drill_clock
    match cause:
        case WalletStall():
            return Stall(on.postgres, market.users_stalled_by(fault))
        case DisabledBySql():
            return SwitchedOff(market, cause.provider)
        case Polling() if market.slots is not None:
            return Emptied(market, on.keys, cause.provider, cause.begins_s + cause.lasts_s)
        case LeakedConnections():
            return Leak(market, on.postgres, cause)
        case SlowDatabase():
            return Reports(market, on.postgres, cause)
        case ReadOnlyDatabase():
            return Standby(on.postgres)
        case FullMemory():
            return Full(on.keys)
        case FillingMemory():
            return Filling(on.keys, clock, cause)
        case EmptiedRedis():
            return Flushed(on.keys)
        case Stopped():
            servers: dict[str, EmbeddedPostgres | EmbeddedRedis | SearchServer] = {
                "postgres": on.postgres,
                "redis": on.redis,
                "search": on.search,
            }
            server = servers[cause.server]
            return Down(server) if cause.back_s is None else Bounce(server, clock, cause.begins_s + cause.back_s)
    return None


def _in_cluster(cause: Cause, on: DrillServers) -> Effect | None:
    clock = on.market.drill_clock
    past = cause.begins_s <= 0  # then the market was handed over as it was after that
    match cause:
        case StagedRelease():
            return RollOut(on.cluster, cause.image)
        case CutOffPod():
            return CutOff(on.market)
        case InCluster():
            from .kubernetes.cluster import DrillCluster

            return Odd(on.cluster, cause.what) if isinstance(on.cluster, DrillCluster) else None
        case ChangedConfig():
            return Configured(on.cluster, clock, cause, past=past)
        case Scaled():
            return Rescaled(on.cluster, cause)
        case CrashingPods():
            return Crashing(on.cluster, cause)
        case RestartedPod():
            return RestartedOnce(on.cluster, cause, past=past)
        case EditedProvider():
            return RowEdited(on.postgres, cause.provider, cause.priority, past=past)
        case LyingAlert():
            return LyingRule(on.prometheus, lying_rule(cause), clock.clock_at(cause.begins_s))
    return None
