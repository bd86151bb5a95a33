"""Who wrote which field of an object, and when: `metadata.managedFields`, as the real API server keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Path = tuple[str, ...]
OF_THE_SERVER = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
OF_ITS_END = ("deletionTimestamp", "deletionGracePeriodSeconds")
NOT_OWNED = frozenset({"apiVersion", "kind", *(f"metadata.{name}" for name in (*OF_THE_SERVER, *OF_ITS_END))})


@dataclass(frozen=True)
class Author:
    """Who writes: the field manager, the subresource by which, and when where that was not now."""

    manager: str
    subresource: str = ""
    at: datetime | None = None


CONTROLLER = Author("kube-controller-manager", "status")
AUTOSCALER = Author("kube-controller-manager", "scale")


def stamp(before: dict[str, Any] | None, after: dict[str, Any], by: Author, time: str) -> None:
    """Note in `after` that `by` has written what differs from `before`; whoever had these fields has them no more.

    As on the real server, the time of an entry moves only when its manager adds or changes a field.
    """
    old = dict(_leaves(before)) if before is not None else {}
    new = dict(_leaves(after))
    changed = {path for path, value in new.items() if path not in old or old[path] != value}
    kept = [] if before is None else before["metadata"].get("managedFields", [])
    entries = []
    mine: set[Path] = set()
    for entry in kept:
        own = set(_paths(entry["fieldsV1"])) & new.keys()
        if _same(entry, by):
            mine = own
        elif left := own - changed:
            entries.append({**entry, "fieldsV1": _tree(left)} if left != own else entry)
    previous = next((entry for entry in kept if _same(entry, by)), None)
    if mine | changed:
        entry = {
            "manager": by.manager,
            "operation": "Update",
            "apiVersion": after["apiVersion"],
            "time": previous["time"] if previous is not None and not changed else time,
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(mine | changed),
        }
        entries.append(entry | ({"subresource": by.subresource} if by.subresource else {}))
    if entries:
        after["metadata"]["managedFields"] = entries


def _same(entry: dict[str, Any], by: Author) -> bool:
    return (entry["manager"], entry.get("subresource", "")) == (by.manager, by.subresource)


def _leaves(value: Any, path: Path = (), plain: str = "") -> Iterator[tuple[Path, Any]]:
    """Each field that can be owned, in fieldsV1's own steps, and its value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            name = f"{plain}.{key}" if plain else key
            if name not in NOT_OWNED:
                yield from _leaves(inner, (*path, f"f:{key}"), name)
    elif isinstance(value, list) and value and all(isinstance(each, dict) and "name" in each for each in value):
        for each in value:
            yield from _leaves(each, (*path, f"k:{json.dumps({'name': each['name']}, separators=(',', ':'))}"), plain)
    else:
        yield path, value


def _tree(paths: set[Path]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        place = tree
        for step in path:
            place = place.setdefault(step, {})
    return tree


def _paths(tree: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    for step, inner in tree.items():
        if inner:
            yield from _paths(inner, (*path, step))
        else:
            yield (*path, step)
