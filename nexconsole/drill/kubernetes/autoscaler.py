"""The drill's HorizontalPodAutoscaler controller. (nexnum.md#deployment)"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from .events import EventRecorder
from .managed import AUTOSCALER
from .replicasets import set_replicas
from .store import Object, Store, condition, timestamp

PERIOD_S = 15.0
TOLERANCE = 0.1
STABILIZATION_S = 300.0

Utilization = Callable[[], dict[str, int]]  # per resource (cpu, memory), percent of what the pods request


class AutoscalerController:
    """Follows its target as the real one does; without `utilization` (no metrics server) only the bounds hold."""

    def __init__(self, store: Store, events: EventRecorder, pace: float, utilization: Utilization | None) -> None:
        self._pace = pace
        self._clock = time.monotonic
        self._wishes: dict[str, deque[tuple[float, int]]] = {}
        self._store = store
        self._events = events
        self._utilization = utilization

    def sync(self) -> None:
        for hpa in self._store.objects("horizontalpodautoscalers"):
            name = hpa["spec"]["scaleTargetRef"]["name"]
            target = self._store.get("deployments", hpa["metadata"]["namespace"], name)
            if target is not None:
                self._autoscale(hpa, target)

    def _autoscale(self, hpa: Object, target: Object) -> None:
        spec, now = hpa["spec"], target["spec"]["replicas"]
        used = self._utilization() if self._utilization else {}
        lowest, highest = spec["minReplicas"], spec["maxReplicas"]
        wanted, reason = now, ""
        if now and used:
            wanted = max(_wanted(now, used.get(name, 0), goal) for name, goal in _goals(spec))
            wanted = self._stable(hpa["metadata"]["uid"], now, wanted)
            reason = "All metrics below target" if wanted < now else "resource utilization above target"
        bounded = min(max(wanted, lowest), highest) if now else 0
        if bounded != wanted:
            short = bounded > wanted
            reason = f"Current number of replicas {'below Spec.MinReplicas' if short else 'above Spec.MaxReplicas'}"
        if bounded != now:
            self._store.change("deployments", target, lambda obj: set_replicas(obj, bounded), AUTOSCALER)
            self._events.normal(
                *(hpa, "horizontal-pod-autoscaler", "SuccessfulRescale"), f"New size: {bounded}; reason: {reason}"
            )
        self._status(hpa, target, bounded, used, limited=bounded != wanted, moved=bounded != now)

    def _stable(self, uid: str, now: int, wanted: int) -> int:
        """A wish to shrink counts only when nothing larger was wanted within the stabilization window."""
        wishes = self._wishes.setdefault(uid, deque([(self._clock(), now)]))
        wishes.append((self._clock(), wanted))
        while wishes[0][0] < self._clock() - STABILIZATION_S * self._pace:
            wishes.popleft()
        return wanted if wanted >= now else min(now, max(wish for _, wish in wishes))

    def _status(
        self, hpa: Object, target: Object, wanted: int, used: dict[str, int], *, limited: bool, moved: bool
    ) -> None:
        goals = _goals(hpa["spec"])

        def edit(obj: Object) -> None:
            status = obj["status"]
            status |= {"currentReplicas": target["status"].get("replicas", 0), "desiredReplicas": wanted}
            status["currentMetrics"] = [
                {"type": "Resource", "resource": {"name": name, "current": {"averageUtilization": used[name]}}}
                for name, _ in goals
                if name in used
            ]
            if moved:
                status["lastScaleTime"] = timestamp()
            conditions = condition(
                *(status["conditions"], "AbleToScale", "True", "ReadyForNewScale"),
                "recommended size matches current size",
            )
            conditions = condition(conditions, "ScalingActive", *_active(bool(used), wanted))
            if limited:
                why = ("True", "TooFewReplicas", "the desired replica count is outside of the allowed range")
            else:
                why = ("False", "DesiredWithinRange", "the desired count is within the acceptable range")
            status["conditions"] = condition(conditions, "ScalingLimited", *why)

        self._store.change("horizontalpodautoscalers", hpa, edit)


def _active(measured: bool, wanted: int) -> tuple[str, str, str]:
    if not wanted:
        return "False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero"
    if measured:
        return "True", "ValidMetricFound", "the HPA was able to successfully calculate a replica count"
    return (
        *("False", "FailedGetResourceMetric"),
        "the HPA was unable to compute the replica count: failed to get cpu utilization: "
        "unable to get metrics for resource cpu: no metrics returned from resource metrics API",
    )


def _goals(spec: Object) -> list[tuple[str, int]]:
    return [(m["resource"]["name"], m["resource"]["target"]["averageUtilization"]) for m in spec["metrics"]]


def _wanted(replicas: int, used: int, goal: int) -> int:
    ratio = used / goal
    return replicas if abs(ratio - 1) <= TOLERANCE else math.ceil(replicas * ratio)
