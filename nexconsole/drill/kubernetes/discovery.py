"""What the drill's cluster serves, and how it says so: discovery (plain and aggregated), version, OpenAPI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VERSION = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.4+drill",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2025-04-22T16:03:58Z",
    "goVersion": "go1.23.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
READ = ("get", "list", "watch")


@dataclass(frozen=True)
class Subresource:
    """`verbs` as RBAC names them; `group`, `version` and `kind` are those of the body."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@dataclass(frozen=True)
class ApiResource:
    group: str
    version: str
    plural: str
    singular: str
    kind: str
    verbs: tuple[str, ...]
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[Subresource, ...] = ()
    fields: tuple[str, ...] = ()  # what field selectors may name, beside the metadata

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The resource's name in error messages: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def subresource(self, name: str) -> Subresource | None:
        return next((sub for sub in self.subresources if sub.name == name), None)


EVENT_FIELDS = (
    *(f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")),
    "involvedObject.resourceVersion",
    "reason",
    "reportingComponent",
    "source",
    "type",
)
RESOURCES = (
    ApiResource("", "v1", "namespaces", "namespace", "Namespace", READ, ("ns",), namespaced=False),
    ApiResource("", "v1", "events", "event", "Event", READ, ("ev",), fields=EVENT_FIELDS),
    ApiResource("", "v1", "configmaps", "configmap", "ConfigMap", (*READ, "patch", "update"), ("cm",)),
    ApiResource("", "v1", "secrets", "secret", "Secret", READ, fields=("type",)),
    ApiResource("", "v1", "services", "service", "Service", READ, ("svc",), ("all",)),
    ApiResource(
        *("", "v1", "pods", "pod", "Pod", (*READ, "delete"), ("po",), ("all",)),
        subresources=(Subresource("log", "Pod", ("get",)),),
        fields=("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP"),
    ),
    ApiResource(
        *("apps", "v1", "deployments", "deployment", "Deployment", (*READ, "patch", "update"), ("deploy",), ("all",)),
        subresources=(Subresource("scale", "Scale", ("get", "patch", "update"), "autoscaling", "v1"),),
    ),
    ApiResource("apps", "v1", "replicasets", "replicaset", "ReplicaSet", READ, ("rs",), ("all",)),
    ApiResource(
        *("autoscaling", "v2", "horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler"),
        *(READ, ("hpa",), ("all",)),
    ),
    ApiResource(
        *("authentication.k8s.io", "v1", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", ("create",)),
        namespaced=False,
    ),
    *(
        ApiResource("authorization.k8s.io", "v1", kind.lower() + "s", kind.lower(), kind, ("create",), namespaced=False)
        for kind in ("SelfSubjectAccessReview", "SelfSubjectRulesReview")
    ),
)


def groups() -> dict[str, str]:
    """The API groups with the one version of each; the core group is ""."""
    return {resource.group: resource.version for resource in RESOURCES}


def find(group: str, version: str, plural: str) -> ApiResource | None:
    return next((r for r in RESOURCES if (r.group, r.version, r.plural) == (group, version, plural)), None)


def document(path: str, aggregated: bool) -> dict[str, Any] | None:
    """The discovery document at a path; None where there is none. `aggregated` is honoured for /api and /apis."""
    if path in ("/api", "/apis") and aggregated:
        return _aggregated([group for group in groups() if (group == "") == (path == "/api")])
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        named = [_group(group, version) for group, version in groups().items() if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}
    parts = path.strip("/").split("/")
    if parts == ["api", "v1"]:
        return _resources("", "v1")
    version = groups().get(parts[1]) if parts[0] == "apis" and len(parts) in (2, 3) else None
    if version is not None and parts[2:] in ([], [version]):
        if len(parts) == 2:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1], version)}
        return _resources(parts[1], version)
    return OPENAPI.get(path)


OPENAPI: dict[str, dict[str, Any]] = {
    "/openapi/v3": {"paths": {}},
    "/openapi/v2": {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": {},
        "definitions": {},
    },
}


def _group(group: str, version: str) -> dict[str, Any]:
    served = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [served], "preferredVersion": served}


def _resources(group: str, version: str) -> dict[str, Any]:
    entries: list[dict[str, Any]] = []
    for r in (r for r in RESOURCES if r.group == group):
        entry = {"name": r.plural, "singularName": r.singular, "namespaced": r.namespaced, "kind": r.kind}
        entry |= {"verbs": list(r.verbs)}
        entry |= {"shortNames": list(r.short)} if r.short else {}
        entry |= {"categories": list(r.categories)} if r.categories else {}
        entries.append(entry)
        for sub in r.subresources:
            name = {"name": f"{r.plural}/{sub.name}", "singularName": "", "namespaced": r.namespaced}
            body = {"group": sub.group, "version": sub.version} if sub.group else {}
            entries.append({**name, **body, "kind": sub.kind, "verbs": list(sub.verbs)})
    served = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": served, "resources": entries}


def _aggregated(names: list[str]) -> dict[str, Any]:
    items = []
    for name in names:
        resources = [_aggregated_resource(resource) for resource in RESOURCES if resource.group == name]
        version = {"version": groups()[name], "resources": resources, "freshness": "Current"}
        items.append({"metadata": {"name": name, "creationTimestamp": None}, "versions": [version]})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_resource(r: ApiResource) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "resource": r.plural,
        "responseKind": {"group": r.group, "version": r.version, "kind": r.kind},
        "scope": "Namespaced" if r.namespaced else "Cluster",
        "singularResource": r.singular,
        "verbs": list(r.verbs),
        "shortNames": list(r.short),
        "categories": list(r.categories),
    }
    entry["subresources"] = [
        {
            "subresource": sub.name,
            "responseKind": {"group": sub.group or r.group, "version": sub.version or r.version, "kind": sub.kind},
            "verbs": list(sub.verbs),
        }
        for sub in r.subresources
    ]
    return entry
