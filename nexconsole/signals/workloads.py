"""Workloads: the deployment's pods, its rollout, its autoscaler. (facts 6)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..model import Value


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod. `reason` is why it is not ready, or why its container last restarted; "" when there is none."""

    name: str
    uid: str
    phase: str
    ready: bool
    restarts: int
    reason: str = ""
    age_s: float | None = None
    restarted_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Autoscaler:
    name: str
    minimum: int
    maximum: int
    current: int
    desired: int
    metrics: str = ""


@dataclass(frozen=True, kw_only=True)
class Workloads(Value):
    """rollout: complete, progressing, paused or stuck; `rollout_note` says it in words."""

    namespace: str
    deployment: str
    desired: int
    ready: int
    updated: int
    available: int
    rollout: str
    rollout_note: str = ""
    pods: tuple[Pod, ...] = ()
    autoscaler: Autoscaler | None = None
