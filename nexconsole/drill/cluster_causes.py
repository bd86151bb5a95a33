"""Causes that people and the cluster bring about: configuration, replicas, containers, rows, alerts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ChangedConfig:
    """An entry of the ConfigMap, or of the Secret, is changed. Pods read it at their start.

    `breaks` is what a pod that has read it can't do: "redis" (take locks), "search" (find offers), "egress" (reach
    providers), or "" where nothing follows. `rolls`: all pods are replaced right after it. `restarts_after_s`: so long
    after it single pods are started anew, the oldest first.
    """

    begins_s: float
    key: str
    value: str
    secret: bool = False
    breaks: str = ""
    rolls: bool = False
    restarts_after_s: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """Somebody scales the deployment, and removes its autoscaler."""

    begins_s: float
    replicas: int


@dataclass(frozen=True, kw_only=True)
class CrashingPods:
    """Each container ends by itself `after_s` seconds after its start: out of memory (`oom`), or by a bug."""

    begins_s: float
    after_s: float
    oom: bool = True


@dataclass(frozen=True, kw_only=True)
class RestartedPod:
    """The oldest pod's container ends once, out of memory or by a bug, and is started anew."""

    begins_s: float
    oom: bool = True


@dataclass(frozen=True, kw_only=True)
class EditedProvider:
    """An admin changes a provider's place in the list, which nothing follows from."""

    begins_s: float
    provider: str
    priority: int


@dataclass(frozen=True, kw_only=True)
class LyingAlert:
    """Prometheus loads a rule that fires whatever happens."""

    begins_s: float
    alert: str
    summary: str
    severity: str = "critical"


ClusterCause = ChangedConfig | Scaled | CrashingPods | RestartedPod | EditedProvider | LyingAlert
