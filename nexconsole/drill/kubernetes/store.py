"""The state of the drill's cluster: objects, their versions, and the history that watches are served from.

An object is a plain dict as the API shows it. What is stored is never changed in place: each write
stores a new dict, so that a watcher or a list may keep what it was given.
"""

from __future__ import annotations

import asyncio
import copy
import random
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .managed import Author, stamp

Object = dict[str, Any]

GENERATIONS = ("deployments", "replicasets")  # resources that count the changes of their spec
HISTORY = 4000  # changes kept for watches; an older resourceVersion is answered with 410 Gone


class Expired(Exception):
    """The resourceVersion that a watch starts from is older than the history, or of another cluster's future."""


@dataclass(frozen=True)
class StoreChange:
    """One write. `before` is None for an addition; for a deletion `after` is the object as it last was."""

    version: int
    kind: str  # ADDED, MODIFIED or DELETED
    plural: str
    before: Object | None
    after: Object


def timestamp(at: datetime | None = None) -> str:
    """A moment as Kubernetes writes it: UTC, whole seconds."""
    return (at or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """The moment that `timestamp`, or a client's RFC 3339, wrote; ValueError where it is neither."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class Store:
    """Objects by resource (plural), namespace and name, under one growing resourceVersion."""

    def __init__(self, seed: random.Random) -> None:
        self.seed = seed
        self.past: datetime | None = None  # while set, what is created was created then
        self.version = 1000
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        self._history: deque[StoreChange] = deque(maxlen=HISTORY)
        self._changed = asyncio.Event()

    def objects(self, plural: str, namespace: str = "") -> list[Object]:
        """The objects of a resource in the order of their names; of all namespaces where none is given."""
        objects = self._objects.get(plural, {})
        return [objects[key] for key in sorted(objects) if namespace in ("", key[0])]

    def get(self, plural: str, namespace: str, name: str) -> Object | None:
        return self._objects.get(plural, {}).get((namespace, name))

    def create(self, plural: str, obj: Object, by: Author | None = None) -> Object:
        """Store a new object; `uid`, `creationTimestamp` and `generation` are given to it."""
        obj = copy.deepcopy(obj)
        meta = obj["metadata"]
        meta.setdefault("uid", str(uuid.UUID(int=self.seed.getrandbits(128), version=4)))
        meta.setdefault("creationTimestamp", timestamp(self.past))
        if plural in GENERATIONS:
            meta.setdefault("generation", 1)
        if by is not None:
            stamp(None, obj, by, timestamp(by.at or self.past))
        return self._store("ADDED", plural, None, obj)

    def update(self, plural: str, obj: Object, by: Author | None = None) -> Object:
        """Store a new form of an object, unless it says nothing new; what is stored afterwards. `by` has written it."""
        key = _key(obj)
        before = self._objects[plural][key]
        candidate = {**obj, "metadata": {**obj["metadata"], "resourceVersion": before["metadata"]["resourceVersion"]}}
        if candidate == before:
            return before
        candidate = copy.deepcopy(candidate)
        if by is not None:
            stamp(before, candidate, by, timestamp(by.at or self.past))
        return self._store("MODIFIED", plural, before, candidate)

    def change(self, plural: str, obj: Object, edit: Callable[[Object], None], by: Author | None = None) -> Object:
        """`update` of what is stored now, as `edit` alters it; the object itself where it has gone."""
        current = self._objects.get(plural, {}).get(_key(obj))
        if current is None or current["metadata"]["uid"] != obj["metadata"]["uid"]:
            return obj
        altered = copy.deepcopy(current)
        edit(altered)
        return self.update(plural, altered, by)

    def delete(self, plural: str, obj: Object) -> None:
        before = self._objects.get(plural, {}).get(_key(obj))
        if before is None or before["metadata"]["uid"] != obj["metadata"]["uid"]:
            return
        self._store("DELETED", plural, before, copy.deepcopy(before))
        del self._objects[plural][_key(obj)]

    async def changes(self, plural: str, since: int, patience: float) -> list[StoreChange]:
        """The resource's changes after version `since`; [] when none came within `patience` seconds."""
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            changed = self._changed
            forgotten = self._history[0].version - 1 if len(self._history) == HISTORY else 0
            if not forgotten <= since <= self.version:
                raise Expired
            store_changes = [change for change in reversed(self._recent(since)) if change.plural == plural]
            left = deadline - asyncio.get_running_loop().time()
            if store_changes or left <= 0:
                return store_changes
            try:
                async with asyncio.timeout(left):
                    await changed.wait()
            except TimeoutError:
                return []

    async def moved(self, since: int, patience: float) -> None:
        """Return when anything has been written after version `since`, or after `patience` seconds."""
        changed = self._changed
        if self.version > since:
            return
        try:
            async with asyncio.timeout(patience):  # wait_for can lose a cancellation (Python 3.11)
                await changed.wait()
        except TimeoutError:
            return

    def _recent(self, since: int) -> list[StoreChange]:
        recent = []
        for change in reversed(self._history):
            if change.version <= since:
                break
            recent.append(change)
        return recent

    def _store(self, kind: str, plural: str, before: Object | None, after: Object) -> Object:
        self.version += 1
        after["metadata"]["resourceVersion"] = str(self.version)
        self._objects.setdefault(plural, {})[_key(after)] = after
        self._history.append(StoreChange(self.version, kind, plural, before, after))
        self._changed.set()
        self._changed = asyncio.Event()
        return after


def condition(
    conditions: list[Object], kind: str, status: str, reason: str = "", message: str = "", **more: str | None
) -> list[Object]:
    """The conditions with this one set; `lastTransitionTime` moves only when its status does."""
    old = next((c for c in conditions if c["type"] == kind), None)
    moved = old["lastTransitionTime"] if old and old["status"] == status else timestamp()
    new: Object = {"type": kind, "status": status, "lastTransitionTime": moved, **more}
    new |= {key: value for key, value in (("reason", reason), ("message", message)) if value}
    if old is None:
        return [*conditions, new]
    return [new if c is old else c for c in conditions]


def has_condition(obj: Object, kind: str) -> bool:
    """Whether a condition of the object's is True."""
    return any(c["type"] == kind and c["status"] == "True" for c in obj.get("status", {}).get("conditions", []))


def owner(obj: Object) -> Object:
    """The ownerReference by which `obj` controls another object."""
    reference = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": obj["metadata"]["name"]}
    return {**reference, "uid": obj["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}


def owned(obj: Object, by: Object) -> bool:
    return any(ref["uid"] == by["metadata"]["uid"] for ref in obj["metadata"].get("ownerReferences", []))


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
