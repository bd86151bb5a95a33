"""The tables that the server prints for `kubectl get`, with the columns of the real API server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from .store import Object, moment

Column = tuple[str, str, int]  # name, type, priority: 0 always shown, 1 with -o wide


def age(stamp: str | None, now: datetime) -> str:
    """How long ago, in kubectl's own short form."""
    if not stamp:
        return "<unknown>"
    seconds = int((now - moment(stamp)).total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 0:
        return "0s" if seconds >= -2 else "<invalid>"
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 2920 else f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def pod_status(pod: Object) -> str:
    """The STATUS column: the first reason that says more than the phase."""
    status = pod["status"]
    reason = status.get("reason") or status["phase"]
    for container in status.get("containerStatuses", []):
        state = container.get("state", {})
        detail = state.get("waiting") or state.get("terminated") or {}
        reason = detail.get("reason") or reason
    return "Terminating" if pod["metadata"].get("deletionTimestamp") else reason


def _pod(pod: Object, now: datetime) -> list[Any]:
    containers = pod["status"].get("containerStatuses", [])
    ready = sum(container["ready"] for container in containers)
    restarts = sum(container["restartCount"] for container in containers)
    ended = [c["lastState"]["terminated"]["finishedAt"] for c in containers if c.get("lastState", {}).get("terminated")]
    told = f"{restarts} ({age(max(ended), now)} ago)" if restarts and ended else str(restarts)
    where = [pod["status"].get("podIP", "<none>"), pod["spec"].get("nodeName", "<none>"), "<none>", "<none>"]
    return [f"{ready}/{len(pod['spec']['containers'])}", pod_status(pod), told, _age(pod, now), *where]


def _deployment(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status", {})
    figures = [f"{status.get('readyReplicas', 0)}/{obj['spec']['replicas']}", status.get("updatedReplicas", 0)]
    return [*figures, status.get("availableReplicas", 0), _age(obj, now), *_template(obj)]


def _replicaset(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status", {})
    figures = [obj["spec"]["replicas"], status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [*figures, _age(obj, now), *_template(obj)]


def _template(obj: Object) -> list[str]:
    containers = obj["spec"]["template"]["spec"]["containers"]
    labels = obj["spec"]["selector"]["matchLabels"]
    names = ",".join(container["name"] for container in containers)
    images = ",".join(container.get("image", "") for container in containers)
    return [names, images, ",".join(f"{key}={value}" for key, value in sorted(labels.items()))]


def _autoscaler(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    current = {m["resource"]["name"]: m["resource"]["current"] for m in status.get("currentMetrics") or []}
    targets = []
    for metric in spec["metrics"]:
        name = metric["resource"]["name"]
        used = current.get(name, {}).get("averageUtilization")
        shown = "<unknown>" if used is None else f"{used}%"
        targets.append(f"{name}: {shown}/{metric['resource']['target']['averageUtilization']}%")
    reference = f"{spec['scaleTargetRef']['kind']}/{spec['scaleTargetRef']['name']}"
    limits = [str(spec["minReplicas"]), spec["maxReplicas"], status.get("currentReplicas", 0)]
    return [reference, ", ".join(targets), *limits, _age(obj, now)]


def _event(obj: Object, now: datetime) -> list[Any]:
    about = obj["involvedObject"]
    return [
        age(obj["lastTimestamp"], now),
        obj["type"],
        obj["reason"],
        f"{about['kind'].lower()}/{about['name']}",
        obj["message"],
    ]


def _service(obj: Object, now: datetime) -> list[Any]:
    ports = ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in obj["spec"]["ports"])
    selector = ",".join(f"{key}={value}" for key, value in obj["spec"]["selector"].items())
    return [obj["spec"]["type"], obj["spec"]["clusterIP"], "<none>", ports, _age(obj, now), selector]


def _age(obj: Object, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


NAME: Column = ("Name", "string", 0)
AGE: Column = ("Age", "string", 0)
TEMPLATE: tuple[Column, ...] = (("Containers", "string", 1), ("Images", "string", 1), ("Selector", "string", 1))
TABLES: dict[str, tuple[tuple[Column, ...], Callable[[Object, datetime], list[Any]]]] = {
    "pods": (
        (
            *(NAME, ("Ready", "string", 0), ("Status", "string", 0), ("Restarts", "string", 0), AGE),
            *(("IP", "string", 1), ("Node", "string", 1), ("Nominated Node", "string", 1)),
            ("Readiness Gates", "string", 1),
        ),
        _pod,
    ),
    "deployments": (
        (NAME, ("Ready", "string", 0), ("Up-to-date", "integer", 0), ("Available", "integer", 0), AGE, *TEMPLATE),
        _deployment,
    ),
    "replicasets": (
        (NAME, ("Desired", "integer", 0), ("Current", "integer", 0), ("Ready", "integer", 0), AGE, *TEMPLATE),
        _replicaset,
    ),
    "horizontalpodautoscalers": (
        (
            *(NAME, ("Reference", "string", 0), ("Targets", "string", 0), ("MinPods", "string", 0)),
            *(("MaxPods", "integer", 0), ("Replicas", "integer", 0), AGE),
        ),
        _autoscaler,
    ),
    "events": (
        (
            *(("Last Seen", "string", 0), ("Type", "string", 0), ("Reason", "string", 0), ("Object", "string", 0)),
            *(("Message", "string", 0), ("Name", "string", 1)),
        ),
        lambda obj, now: [*_event(obj, now), obj["metadata"]["name"]],
    ),
    "services": (
        (
            *(NAME, ("Type", "string", 0), ("Cluster-IP", "string", 0), ("External-IP", "string", 0)),
            *(("Port(s)", "string", 0), AGE, ("Selector", "string", 1)),
        ),
        _service,
    ),
    "configmaps": (
        (NAME, ("Data", "integer", 0), AGE),
        lambda obj, now: [len(obj.get("data", {})), _age(obj, now)],
    ),
    "secrets": (
        (NAME, ("Type", "string", 0), ("Data", "integer", 0), AGE),
        lambda obj, now: [obj["type"], len(obj["data"]), _age(obj, now)],
    ),
    "namespaces": (
        (NAME, ("Status", "string", 0), AGE),
        lambda obj, now: [obj["status"]["phase"], _age(obj, now)],
    ),
}


def table(plural: str, objects: list[Object], version: str, include: str = "Metadata") -> Object:
    """A meta.k8s.io/v1 Table; `include` (None, Metadata, Object) says how much of each object its row carries."""
    columns, cells = TABLES[plural]
    now = datetime.now(UTC)
    rows = []
    for obj in objects:
        values = cells(obj, now)
        named = values if columns[0] != NAME else [obj["metadata"]["name"], *values]
        rows.append({"cells": named, "object": _included(obj, include)})
    definitions = [
        {
            "name": name,
            "type": kind,
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": priority,
        }
        for name, kind, priority in columns
    ]
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version}}
    return {**head, "columnDefinitions": definitions, "rows": rows}


def _included(obj: Object, include: str) -> Object | None:
    if include == "Object":
        return obj
    if include == "None":
        return None
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
