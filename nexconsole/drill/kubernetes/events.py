"""The cluster's events: what its controllers and its kubelet say they did."""

from __future__ import annotations

from datetime import UTC, datetime

from .store import Object, Store, timestamp

KEPT = 500
KEPT_S = 3600.0


class EventRecorder:
    """Records events; the same words about the same object count up instead of repeating."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def normal(self, about: Object, component: str, reason: str, message: str) -> None:
        self._record("Normal", about, component, reason, message)

    def warning(self, about: Object, component: str, reason: str, message: str) -> None:
        self._record("Warning", about, component, reason, message)

    def _record(self, kind: str, about: Object, component: str, reason: str, message: str) -> None:
        past = self._store.past
        if past is not None and (datetime.now(UTC) - past).total_seconds() > KEPT_S:
            return  # it has been forgotten
        meta = about["metadata"]
        namespace = meta.get("namespace", "")
        for event in self._store.objects("events", namespace):
            same = event["involvedObject"]["uid"] == meta["uid"] and event["type"] == kind
            if same and (event["reason"], event["message"]) == (reason, message):
                again = {**event, "count": event["count"] + 1, "lastTimestamp": timestamp(past)}
                self._store.update("events", again)
                return
        involved = {"kind": about["kind"], "namespace": namespace, "name": meta["name"], "uid": meta["uid"]}
        involved |= {"apiVersion": about["apiVersion"], "resourceVersion": meta["resourceVersion"]}
        name = f"{meta['name']}.{self._store.seed.getrandbits(60):015x}"
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": {"component": component},
            "firstTimestamp": timestamp(past),
            "lastTimestamp": timestamp(past),
            "count": 1,
            "type": kind,
            "eventTime": None,
            "reportingComponent": component,
            "reportingInstance": "",
        }
        self._store.create("events", event)
        self._forget(namespace)

    def _forget(self, namespace: str) -> None:
        events = self._store.objects("events", namespace)
        if len(events) > KEPT:
            self._store.delete("events", min(events, key=lambda event: event["lastTimestamp"]))
