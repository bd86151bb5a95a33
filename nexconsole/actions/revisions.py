"""A deployment's revisions: the pod templates in its ReplicaSets, and the rollback to one of them.

It works as `kubectl rollout undo`: the ReplicaSet's template and annotations are patched into the deployment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ..errors import ActionError, BadAnswer
from ..signals.releases import numbers, taken_back
from ..text.sanitize import clean
from .cluster import JSON_PATCH, AccessRule, ClusterWriter, Write

ROLL = AccessRule(verb="patch", resource="deployments.apps")
READ = AccessRule(verb="get", resource="deployments.apps")
HISTORY = AccessRule(verb="list", resource="replicasets.apps")
REVISION = "deployment.kubernetes.io/revision"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
TEMPLATE_HASH = "pod-template-hash"
# These stay the deployment's own, whatever revision it runs.
OWN_ANNOTATIONS = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    }
)
NUMBERS_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One ReplicaSet. `mark` is its template's hash; `annotations` are restored with it."""

    number: int
    name: str
    uid: str
    template: Mapping[str, Any]
    annotations: Mapping[str, str]

    @property
    def mark(self) -> str:
        return _mark(self.template)

    @property
    def images(self) -> tuple[str, ...]:
        containers = (self.template.get("spec") or {}).get("containers") or ()
        return tuple(clean(container.get("image", ""), 120) for container in containers)


@dataclass(frozen=True, kw_only=True)
class History:
    """The deployment's identity, its annotations, and its revisions, the newest first.

    `withdrawn` are the numbers of those that were released and taken back.
    """

    uid: str
    generation: int
    version: str
    annotations: Mapping[str, str]
    current: Revision
    revisions: tuple[Revision, ...]
    withdrawn: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Difference:
    text: str
    restart_only: bool


async def read(cluster: ClusterWriter) -> History:
    """Raises SourceError, and ActionError where the deployment has no revisions."""
    path = cluster.path("apis/apps/v1", "deployments", cluster.name)
    deployment = await cluster.get(path, READ, cluster.name)
    found = await cluster.get(cluster.path("apis/apps/v1", "replicasets"), HISTORY)
    try:
        return _history(cluster, deployment, found)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadAnswer("kubernetes", "kubernetes answered a deployment or ReplicaSets that are none") from error


def _history(cluster: ClusterWriter, deployment: Mapping[str, Any], found: Mapping[str, Any]) -> History:
    meta, spec = deployment["metadata"], deployment["spec"]
    owned = [item for item in found.get("items") or () if meta["uid"] in [o.get("uid") for o in _owners(item)]]
    revisions = tuple(sorted((_revision(item) for item in owned), key=lambda one: -one.number))
    mark = _mark(spec["template"])
    current = next((revision for revision in revisions if revision.mark == mark), None)
    if current is None:
        raise ActionError(
            f"deployment {cluster.name} has no revision of what it shall run: its controller has not taken it up yet"
        )
    return History(
        uid=meta["uid"],
        generation=meta.get("generation", 0),
        version=meta.get("resourceVersion", ""),
        annotations=meta.get("annotations") or {},
        current=current,
        revisions=revisions,
        withdrawn=taken_back(numbers(revision.annotations) for revision in revisions),
    )


def choose(history: History, number: int) -> Revision:
    """The revision of that number. For 0: the newest that differs from the current one by more than a restart and was
    not rolled back; else the newest other one. Raises ActionError. A revision that was rolled back is released again
    only by its number.
    """
    others = [revision for revision in history.revisions if revision.number != history.current.number]
    if number == 0:
        if not others:
            raise ActionError("the deployment has no other revision to go back to: its history is empty")
        differing = [other for other in others if not difference(history.current, other).restart_only]
        good = [revision for revision in differing if revision.number not in history.withdrawn]
        if differing and not good:
            named = ", ".join(
                f"{revision.number} ({', '.join(revision.images)})" for revision in differing[:NUMBERS_SHOWN]
            )
            raise ActionError(f"every other revision was taken back already: {named}. Name one to release it again")
        return (good or others)[0]
    if number == history.current.number:
        raise ActionError(f"revision {number} is what the deployment runs already")
    found = next((other for other in others if other.number == number), None)
    if found is None:
        known = ", ".join(str(other.number) for other in others[:NUMBERS_SHOWN]) or "none"
        raise ActionError(f"there is no revision {number} to go back to: there are {known}")
    return found


def write(cluster: ClusterWriter, history: History, to: Revision, uid: str, version: str = "") -> Write:
    """The patch; with a version only while the deployment still has it."""
    annotations = {key: value for key, value in history.annotations.items() if key in OWN_ANNOTATIONS}
    annotations |= {key: value for key, value in to.annotations.items() if key not in OWN_ANNOTATIONS}
    steps: list[dict[str, Any]] = [{"op": "test", "path": "/metadata/uid", "value": uid}]
    if version:
        steps.append({"op": "replace", "path": "/metadata/resourceVersion", "value": version})
    steps += [
        {"op": "replace", "path": "/spec/template", "value": to.template},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]
    path = cluster.path("apis/apps/v1", "deployments", cluster.name)
    return Write(method="PATCH", path=path, body=steps, rule=ROLL, content_type=JSON_PATCH)


def difference(now: Revision, to: Revision) -> Difference:
    """What the rollback changes, in words: images first."""
    if _mark(_without_restart(now.template)) == _mark(_without_restart(to.template)):
        return Difference(text="the same template but for a restart", restart_only=True)
    changes = [f"{old} -> {new}" for old, new in zip(now.images, to.images, strict=False) if old != new]
    if len(now.images) != len(to.images):
        changes.append(f"{len(to.images)} containers instead of {len(now.images)}")
    return Difference(text=", ".join(changes) or "the same images, other settings", restart_only=False)


def _owners(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return (item.get("metadata") or {}).get("ownerReferences") or []


def _revision(item: Mapping[str, Any]) -> Revision:
    meta, template = item["metadata"], item["spec"]["template"]
    labels = {k: v for k, v in (template.get("metadata") or {}).get("labels", {}).items() if k != TEMPLATE_HASH}
    annotations = meta.get("annotations") or {}
    number = annotations.get(REVISION, "0")
    return Revision(
        number=int(number) if number.isdigit() else 0,
        name=clean(meta.get("name", ""), 100),
        uid=clean(meta.get("uid", ""), 60),
        template={**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
        annotations=annotations,
    )


def _mark(template: Mapping[str, Any]) -> str:
    """Equal for templates of equal meaning: irrelevant metadata is left out."""
    meta = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    return hashlib.sha256(msgspec.json.encode({**template, "metadata": meta}, order="deterministic")).hexdigest()[:16]


def _without_restart(template: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = dict(template.get("metadata") or {})
    meta["annotations"] = {k: v for k, v in (meta.get("annotations") or {}).items() if k != RESTARTED_AT}
    return {**template, "metadata": meta}
