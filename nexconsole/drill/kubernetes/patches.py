"""The three ways to patch an object: merge (RFC 7386), strategic merge, and JSON Patch (RFC 6902)."""

from __future__ import annotations

import copy
from typing import Any

# Lists whose items have a name of their own, and are merged by it (the patchMergeKey of the API's types).
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "conditions": "type",
    "ownerReferences": "uid",
}
MERGED_VALUES = frozenset({"finalizers"})  # lists of plain values that are united rather than replaced


class PatchError(Exception):
    """The patch cannot be applied. `code` is the HTTP status: 400 malformed, 422 not possible here."""

    def __init__(self, sentence: str, code: int = 400) -> None:
        super().__init__(sentence)
        self.code = code


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def strategic(target: Any, patch: Any) -> Any:
    """A merge in which the lists of `MERGE_KEYS` are merged item by item, with the `$` directives."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    merged = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        merged = {key: value for key, value in merged.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.split("/", 1)[1]
            merged[name] = [item for item in merged.get(name, []) if item not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            merged.pop(key, None)
        elif isinstance(value, list):
            merged[key] = _list(key, merged.get(key) or [], value)
        else:
            merged[key] = strategic(merged.get(key), value)
    return merged


def _list(name: str, target: list[Any], patch: list[Any]) -> list[Any]:
    if name in MERGED_VALUES:
        return target + [item for item in patch if item not in target]
    key = MERGE_KEYS.get(name)
    if key is None or not all(isinstance(item, dict) for item in patch):
        return copy.deepcopy(patch)
    if {"$patch": "replace"} in patch:
        return [copy.deepcopy(item) for item in patch if item != {"$patch": "replace"}]
    merged = list(target)
    for item in patch:
        if key not in item:
            raise PatchError(f"map: {item} does not contain declared merge key: {key}")
        place = next((i for i, old in enumerate(merged) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if place is not None:
                del merged[place]
        elif place is None:
            merged.append(strategic({}, item))
        else:
            merged[place] = strategic(merged[place], item)
    return merged


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902: all of the operations, or a PatchError and nothing."""
    if not isinstance(operations, list):
        raise PatchError("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document = {"": copy.deepcopy(target)}
    for step in operations:
        if not isinstance(step, dict) or not isinstance(step.get("path"), str):
            raise PatchError("error decoding patch: each operation needs an op and a path")
        try:
            _operate(document, step)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            sentence = f"the server rejected our request due to an error in our request: {step['path']}: {error}"
            raise PatchError(sentence, 422) from error
    return document[""]


def _operate(document: Any, step: dict[str, Any]) -> None:
    op, path = step.get("op"), step["path"]
    if op == "add":
        _add(document, path, copy.deepcopy(step["value"]))
    elif op == "remove":
        _remove(document, path)
    elif op == "replace":
        holder, key = _place(document, path)
        _item(holder, key)
        holder[key] = copy.deepcopy(step["value"])
    elif op == "move":
        _add(document, path, _remove(document, step["from"]))
    elif op == "copy":
        _add(document, path, copy.deepcopy(_item(*_place(document, step["from"]))))
    elif op == "test":
        if _item(*_place(document, path)) != step.get("value"):
            raise ValueError("testing value failed")
    else:
        raise ValueError(f"unexpected kind: {op}")


def _place(document: Any, path: str) -> tuple[Any, Any]:
    """The container that a JSON pointer ends in, and the key or index inside it."""
    if path and not path.startswith("/"):
        raise ValueError("a JSON pointer starts with /")
    holder = document
    keys = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]
    for key in keys[:-1]:
        holder = _item(holder, int(key) if isinstance(holder, list) else key)
    last = keys[-1]
    if isinstance(holder, list):
        return holder, len(holder) if last == "-" else int(last)
    return holder, last


def _item(holder: Any, key: Any) -> Any:
    if isinstance(holder, list) and not 0 <= key < len(holder):
        raise IndexError("index out of bounds")
    return holder[key]


def _add(document: Any, path: str, value: Any) -> None:
    holder, key = _place(document, path)
    if isinstance(holder, list):
        if not 0 <= key <= len(holder):
            raise IndexError("index out of bounds")
        holder.insert(key, value)
    else:
        holder[key] = value


def _remove(document: Any, path: str) -> Any:
    holder, key = _place(document, path)
    value = _item(holder, key)
    del holder[key]
    return value
