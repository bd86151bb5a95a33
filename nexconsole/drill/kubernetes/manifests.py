"""NexNum as it is deployed on Kubernetes: the objects that the drill's cluster starts with. (nexnum.md#deployment)"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .store import Object

SECRET = "nexnum-secrets"
CONFIG = "nexnum-config"
AUTOSCALER = "nexnum-hpa"
SERVICE = "nexnum-service"
PORT = 3000


@dataclass(frozen=True)
class ContainerProbe:
    """A container's probe, times in seconds."""

    delay_s: float
    period_s: float
    failures: int = 3

    def manifest(self) -> Object:
        return {
            "httpGet": {"path": "/api/health", "port": PORT, "scheme": "HTTP"},
            "initialDelaySeconds": self.delay_s,
            "periodSeconds": self.period_s,
            "timeoutSeconds": 1,
            "successThreshold": 1,
            "failureThreshold": self.failures,
        }


READINESS = ContainerProbe(5, 10)
LIVENESS = ContainerProbe(15, 20)


DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
SIDECAR = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.22.3"}


def main_container(template: Object) -> Object:
    """The container of a pod, or of a template, that is the application: the annotated one, else the first."""
    containers = template["spec"]["containers"]
    named = (template["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    return next((container for container in containers if container["name"] == named), containers[0])


def namespace(name: str) -> Object:
    labels = {"kubernetes.io/metadata.name": name}
    head: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    return {**head, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def secret(space: str, data: Mapping[str, str]) -> Object:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    meta = {"name": SECRET, "namespace": space}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": encoded}


def config(space: str) -> Object:
    data = {"LOG_LEVEL": "info", "PROVIDER_TIMEOUT_MS": "8000", "OUTBOX_BATCH": "20"}
    meta = {"name": CONFIG, "namespace": space}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def service(space: str, app: str) -> Object:
    ports = [{"protocol": "TCP", "port": 80, "targetPort": PORT}]
    spec = {"selector": {"app": app}, "ports": ports, "type": "ClusterIP", "clusterIP": "10.96.12.7"}
    spec |= {"clusterIPs": ["10.96.12.7"], "sessionAffinity": "None"}
    meta = {"name": SERVICE, "namespace": space}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec, "status": {"loadBalancer": {}}}


def deployment(
    space: str, app: str, replicas: int, image: str, readiness: ContainerProbe, liveness: ContainerProbe
) -> Object:
    container: dict[str, Any] = {
        "name": app,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "envFrom": [{"configMapRef": {"name": CONFIG}}, {"secretRef": {"name": SECRET}}],
        "resources": {
            "requests": {"cpu": "250m", "memory": "256Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        },
        "readinessProbe": readiness.manifest(),
        "livenessProbe": liveness.manifest(),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    pod = {
        "containers": [container],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": app}},
        "template": {"metadata": {"labels": {"app": app}}, "spec": pod},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }
    meta = {"name": app, "namespace": space, "labels": {"app": app}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec, "status": {}}


def autoscaler(space: str, app: str, minimum: int, maximum: int) -> Object:
    metrics = [
        {
            "type": "Resource",
            "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": percent}},
        }
        for name, percent in (("cpu", 70), ("memory", 80))
    ]
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app},
        "minReplicas": minimum,
        "maxReplicas": maximum,
        "metrics": metrics,
    }
    meta = {"name": AUTOSCALER, "namespace": space}
    head: Object = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta}
    return {**head, "spec": spec, "status": {"currentReplicas": 0, "desiredReplicas": 0, "conditions": []}}
