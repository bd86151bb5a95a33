"""What the drill's API server lets clients write: Deployments, their scale, and the end of pods."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from typing import Any

from . import patches, protobuf, refusals
from .deployments import HASH
from .discovery import ApiResource
from .managed import Author
from .replicasets import terminate
from .store import Object, Store

PATCHES = {
    "application/json-patch+json": patches.json_patch,
    "application/merge-patch+json": patches.merge,
    "application/strategic-merge-patch+json": patches.strategic,
}
PERCENT = re.compile(r"\d+%")


def parsed(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        raise refusals.bad_request(f"the object provided is unrecognized (must be of type json): {error}") from None


def reviewed(content_type: str, body: bytes) -> Object:
    """An access review's body, as JSON or as protobuf."""
    try:
        review = protobuf.review(body) if content_type == protobuf.CONTENT_TYPE else parsed(body)
    except ValueError as error:
        raise refusals.bad_request(f"the object provided is unrecognized: {error}") from error
    asked = review.get("spec") if isinstance(review, dict) else None
    if not isinstance(asked, dict) or not isinstance(asked.get("resourceAttributes", {}), dict):
        raise refusals.bad_request("the object provided is no review: spec is missing or of the wrong type")
    return review


def dry_run(value: str | None) -> bool:
    """Whether a `dryRun` parameter asks for one; anything but All is refused."""
    if value not in (None, "", "All"):
        raise refusals.bad_request(f'dryRun: Unsupported value: "{value}": supported values: "All"')
    return value == "All"


def patched(obj: Object, content_type: str, body: bytes) -> Object:
    """The object as a patch of this type would make it."""
    apply = PATCHES.get(content_type)
    if apply is None:
        raise refusals.unsupported_media(tuple(PATCHES))
    try:
        result = apply(obj, parsed(body))
    except patches.PatchError as error:
        reason = "Invalid" if error.code == 422 else "BadRequest"
        raise refusals.Refusal(error.code, reason, str(error)) from error
    if not isinstance(result, dict):
        raise refusals.bad_request("the patch does not leave an object")
    return result


def write_deployment(store: Store, resource: ApiResource, old: Object, new: Object, dry: bool, by: Author) -> Object:
    """Store `new` in the place of `old`, or only say what it would be."""
    name = old["metadata"]["name"]
    new = copy.deepcopy(new)
    meta = new.get("metadata")
    if not isinstance(meta, dict) or meta.get("name", name) != name:
        raise refusals.bad_request("the name of the object does not match the name on the URL")
    if meta.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
        raise refusals.modified(resource, name)
    if meta.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['metadata']['uid']}"
        raise refusals.conflict(resource, name, why)
    kept = ("name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion")
    new["metadata"] = {**meta, **{key: old["metadata"][key] for key in kept}}
    new["metadata"]["managedFields"] = old["metadata"].get("managedFields", [])
    new |= {"status": old["status"], "kind": old["kind"], "apiVersion": old["apiVersion"]}
    _check_deployment(resource, old, new)
    if new["spec"] != old["spec"]:
        new["metadata"]["generation"] += 1
    return new if dry else store.update("deployments", new, by)


def write_config(store: Store, resource: ApiResource, old: Object, new: Object, dry: bool, by: Author) -> Object:
    """Store a ConfigMap's new content, or only say what it would be."""
    meta, name = new.get("metadata"), old["metadata"]["name"]
    if not isinstance(meta, dict) or meta.get("name", name) != name:
        raise refusals.bad_request("the name of the object does not match the name on the URL")
    if meta.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
        raise refusals.modified(resource, name)
    data = new.get("data") or {}
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise refusals.bad_request("ConfigMap in version v1 cannot be handled: data holds something that is no string")
    changed = {**copy.deepcopy(old), "data": data}
    return changed if dry else store.update("configmaps", changed, by)


def _check_deployment(resource: ApiResource, old: Object, new: Object) -> None:
    def refuse(field: str, why: str) -> refusals.Refusal:
        return refusals.invalid(resource, "Deployment", old["metadata"]["name"], field, why)

    spec = new.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("template"), dict):
        raise refuse("spec.template", "Required value")
    spec.setdefault("replicas", 1)
    _check_replicas(spec["replicas"], refuse)
    if spec.get("selector") != old["spec"]["selector"]:
        raise refuse("spec.selector", f"Invalid value: {json.dumps(spec.get('selector'))}: field is immutable")
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if any(labels.get(key) != value for key, value in spec["selector"]["matchLabels"].items()) or HASH in labels:
        why = f"Invalid value: {json.dumps(labels)}: `selector` does not match template `labels`"
        raise refuse("spec.template.metadata.labels", why)
    containers = (spec["template"].get("spec") or {}).get("containers")
    if not isinstance(containers, list) or not containers:
        raise refuse("spec.template.spec.containers", "Required value")
    for place, container in enumerate(containers):
        for key in ("name", "image"):
            if not isinstance(container, dict) or not container.get(key):
                raise refuse(f"spec.template.spec.containers[{place}].{key}", "Required value")
    _check_strategy(spec.setdefault("strategy", {"type": "RollingUpdate"}), refuse)


def _check_strategy(strategy: Any, refuse: Any) -> None:
    kind = strategy.get("type", "RollingUpdate") if isinstance(strategy, dict) else strategy
    if kind not in ("RollingUpdate", "Recreate"):
        why = f'Unsupported value: "{kind}": supported values: "Recreate", "RollingUpdate"'
        raise refuse("spec.strategy.type", why)
    rolling = strategy.get("rollingUpdate") or {}
    if kind == "Recreate" and rolling:
        raise refuse(
            "spec.strategy.rollingUpdate", "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        )
    for key in ("maxSurge", "maxUnavailable"):
        value = rolling.get(key, 0)
        good = PERCENT.fullmatch(value) if isinstance(value, str) else isinstance(value, int) and value >= 0
        if not good:
            raise refuse(f"spec.strategy.rollingUpdate.{key}", f"Invalid value: {json.dumps(value)}")


def _check_replicas(value: Any, refuse: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise refusals.bad_request(f"cannot restore slice from map: spec.replicas: {json.dumps(value)} is no int32")
    if value < 0:
        raise refuse("spec.replicas", f"Invalid value: {value}: must be greater than or equal to 0")


def scale(deployment: Object) -> Object:
    """The Scale subresource of a Deployment."""
    meta = {key: deployment["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    meta["creationTimestamp"] = deployment["metadata"]["creationTimestamp"]
    labels = deployment["spec"]["selector"]["matchLabels"]
    status = {"replicas": deployment["status"].get("replicas", 0)}
    status |= {"selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items()))}
    spec = {"replicas": deployment["spec"]["replicas"]}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec, "status": status}


def write_scale(store: Store, resource: ApiResource, deployment: Object, new: Object, dry: bool, by: Author) -> Object:
    """Store the number of replicas that a Scale asks for; the Scale as it then is."""
    wanted = (new.get("spec") or {}).get("replicas", 0)
    version = (new.get("metadata") or {}).get("resourceVersion") or deployment["metadata"]["resourceVersion"]
    if version != deployment["metadata"]["resourceVersion"]:
        raise refusals.modified(resource, deployment["metadata"]["name"])
    scaled = copy.deepcopy(deployment)
    scaled["spec"]["replicas"] = wanted
    return scale(write_deployment(store, resource, deployment, scaled, dry, replace(by, subresource="scale")))


def delete_pod(store: Store, resource: ApiResource, pod: Object, options: Any, grace: str | None, dry: bool) -> Object:
    """Begin a pod's end, if the preconditions hold; the pod as it then is."""
    options = options if isinstance(options, dict) else {}
    name, meta = pod["metadata"]["name"], pod["metadata"]
    for key, value in (options.get("preconditions") or {}).items():
        if key in ("uid", "resourceVersion") and value != meta[key]:
            word = {"uid": "UID", "resourceVersion": "ResourceVersion"}[key]
            told = f"the {word} in the precondition ({value}) does not match the {word} in record ({meta[key]})."
            raise refusals.conflict(resource, name, f"{told} The object might have been deleted and then recreated")
    asked = options.get("gracePeriodSeconds", grace)
    try:
        seconds = None if asked in (None, "") else max(0, int(asked))
    except (TypeError, ValueError):
        raise refusals.bad_request(f"gracePeriodSeconds: {asked!r} is no number of seconds") from None
    return pod if dry or dry_run((options.get("dryRun") or [None])[0]) else terminate(store, pod, seconds)
