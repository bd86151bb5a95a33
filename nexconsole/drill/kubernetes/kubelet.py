"""The drill's kubelet: runs each pod's container through the Runtime, probes it, restarts it, and ends it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from ..log import ContainerLog
from .endings import KILLED, ContainerEnd, Endings
from .events import EventRecorder
from .manifests import main_container
from .store import Object, Store, condition, moment, timestamp

NODES = ("drill-node-1", "drill-node-2")
BACKOFF_S = (0, 10, 20, 40, 80, 160, 300)  # before the first, second ... restart
BACKOFF_RESET_S = 600  # a container that ran so long starts over with the first
UNHEALTHY = "HTTP probe failed with statuscode: 503"

diagnostics = logging.getLogger(__name__)


class RunningContainer(Protocol):
    """A running process. `ready` and `alive` are what its probes would answer."""

    log: ContainerLog
    started_at: datetime

    def ready(self) -> bool: ...
    def alive(self) -> bool: ...


class Runtime(Protocol):
    """What containers run in. A pod's container may be started again after it was stopped.

    A `start` that raises, or is cancelled, leaves nothing that `stop` would have to end.
    """

    async def start(self, pod_name: str, image: str) -> RunningContainer: ...
    async def stop(self, pod_name: str) -> None: ...


@dataclass(eq=False)
class KubeletPod:
    """A pod as the kubelet knows it. `previous` is the container before the last restart."""

    name: str
    uid: str
    container: RunningContainer | None = None
    previous: RunningContainer | None = None
    restarts: int = 0
    ready: bool = False
    task: asyncio.Task[None] | None = field(default=None, repr=False)
    ending: bool = False
    foreign: bool = False  # no process of ours runs in it
    beside: ContainerLog = field(default_factory=ContainerLog, repr=False)  # what a sidecar writes


class Kubelet:
    """`pace` stretches its seconds: 1.0 is real time."""

    def __init__(
        self, store: Store, runtime: Runtime, events: EventRecorder, pace: float, termination_s: float
    ) -> None:
        self.pods: dict[str, KubeletPod] = {}
        self._store = store
        self._runtime = runtime
        self._events = events
        self._pace = pace
        self._termination_s = termination_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._addresses = 9
        self.endings = Endings()

    def sync(self) -> None:
        """Begin the life of pods that are new, and the end of those that were deleted."""
        for obj in self._store.objects("pods"):
            uid, meta = obj["metadata"]["uid"], obj["metadata"]
            pod = self.pods.get(uid)
            if pod is None:
                pod = self.pods[uid] = KubeletPod(meta["name"], uid)
                pod.task = self._spawn(self._live(pod, self._schedule(obj)))
            if meta.get("deletionTimestamp") and not pod.ending:
                pod.ending = True
                self._spawn(self._end(pod, obj))

    def adopt(self, obj: Object, container: RunningContainer | None, *, ending: bool = False) -> None:
        """A pod that is as it is: nothing is started in it, and nothing ends by itself."""
        meta = obj["metadata"]
        self.pods[meta["uid"]] = KubeletPod(meta["name"], meta["uid"], container, ending=ending, foreign=True)

    def forget(self, uid: str) -> None:
        pod = self.pods.pop(uid, None)
        if pod is not None and pod.container is not None:
            pod.container.log.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pod in list(self.pods.values()):
            await self._stop(pod)
            pod.beside.close()

    def _spawn(self, life: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(life)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            diagnostics.error("a pod's life ended with a bug", exc_info=error)

    async def _live(self, pod: KubeletPod, obj: Object) -> None:
        backoff = 0
        while True:
            started = await self._start(pod, obj)
            if started:
                end = await self._supervise(pod, obj)
                ran_for = (datetime.now(UTC) - pod.container.started_at).total_seconds() if pod.container else 0.0
                backoff = 0 if ran_for > BACKOFF_RESET_S * self._pace else backoff
                await self._fall(pod, obj, end)
            await self._back_off(pod, obj, BACKOFF_S[min(backoff, len(BACKOFF_S) - 1)])
            backoff += 1

    def _schedule(self, obj: Object) -> Object:
        self._addresses += 1
        address = f"10.42.{self._addresses // 250}.{self._addresses % 250 + 1}"
        node = NODES[self._addresses % len(NODES)]

        def edit(pod: Object) -> None:
            pod["spec"]["nodeName"] = node
            status = pod["status"]
            for kind in ("PodScheduled", "Initialized"):
                status["conditions"] = condition(status.get("conditions", []), kind, "True", lastProbeTime=None)
            status |= {"phase": "Pending", "hostIP": "10.0.0.1", "podIP": address, "podIPs": [{"ip": address}]}
            status |= {"startTime": pod["metadata"]["creationTimestamp"], "qosClass": "Burstable"}
            status["containerStatuses"] = [_created(container) for container in pod["spec"]["containers"]]
            _unready(pod)

        obj = self._store.change("pods", obj, edit)
        name = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
        self._events.normal(obj, "default-scheduler", "Scheduled", f"Successfully assigned {name} to {node}")
        return obj

    async def _start(self, pod: KubeletPod, obj: Object) -> bool:
        name, image = (main_container(obj)[key] for key in ("name", "image"))
        try:
            pod.container = container = await self._runtime.start(pod.name, image)
        except Exception as error:  # whatever the runtime fails with, the kubelet shows it and tries again
            diagnostics.warning("container of %s did not start", pod.name, exc_info=error)
            waiting = {"waiting": {"reason": "CreateContainerError", "message": str(error)}}
            self._container(obj, state=waiting, ready=False, started=False)
            self._events.warning(obj, "kubelet", "Failed", f"Error: {error}")
            return False
        self._start_beside(pod, obj)
        self._events.normal(obj, "kubelet", "Started", f"Started container {name}")
        identity = f"containerd://{self._store.seed.getrandbits(256):064x}"
        running = {"running": {"startedAt": timestamp(container.started_at)}}
        made = {"containerID": identity, "imageID": f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"}
        self._container(obj, phase="Running", state=running, started=True, restartCount=pod.restarts, **made)
        return True

    def _start_beside(self, pod: KubeletPod, obj: Object) -> None:
        """The sidecars, which run as long as the pod does."""
        others = {one["name"] for one in obj["spec"]["containers"]} - {main_container(obj)["name"]}
        if not others or pod.beside.total:
            return
        pod.beside.append("info\tEnvoy proxy is ready")

        def edit(current: Object) -> None:
            for status in current["status"]["containerStatuses"]:
                if status["name"] in others:
                    status.update(ready=True, started=True, state={"running": {"startedAt": timestamp()}})

        self._store.change("pods", obj, edit)

    async def _supervise(self, pod: KubeletPod, obj: Object) -> ContainerEnd:
        """Probe until liveness has failed as often as its threshold says, or the container ends; how it ended."""
        container = pod.container
        assert container is not None
        spec = main_container(obj)
        ran_s = (datetime.now(UTC) - container.started_at).total_seconds()
        readiness = asyncio.create_task(self._readiness(pod, obj, container, spec))
        liveness = asyncio.create_task(
            self._probe(spec.get("livenessProbe"), container, lambda: self._alive(container, obj))
        )
        ends = asyncio.create_task(self.endings.ends(pod.name, ran_s, self._pace))
        tasks = (readiness, liveness, ends)
        try:
            await asyncio.wait((liveness, ends), return_when=asyncio.FIRST_COMPLETED)
            return ends.result() if ends.done() else liveness.result() or KILLED
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _readiness(self, pod: KubeletPod, obj: Object, container: RunningContainer, spec: Object) -> None:
        while True:
            await self._probe(spec.get("readinessProbe"), container, container.ready, until=True)
            pod.ready = True
            self._container(obj, ready=True)
            await self._probe(spec.get("readinessProbe"), container, container.ready)
            pod.ready = False
            self._container(obj, ready=False)
            self._events.warning(obj, "kubelet", "Unhealthy", f"Readiness probe failed: {UNHEALTHY}")

    def _alive(self, container: RunningContainer, obj: Object) -> bool:
        alive = container.alive()
        if not alive:
            self._events.warning(obj, "kubelet", "Unhealthy", f"Liveness probe failed: {UNHEALTHY}")
        return alive

    async def _probe(
        self, probe: Object | None, container: RunningContainer, answer: Callable[[], bool], until: bool = False
    ) -> None:
        """Return at the first True answer (`until`), or when as many in a row were False as its threshold says."""
        probe = probe or {"periodSeconds": 1}
        running_for = (datetime.now(UTC) - container.started_at).total_seconds()
        await asyncio.sleep(max(0.0, probe.get("initialDelaySeconds", 0) * self._pace - running_for))
        failed = 0
        while True:
            if answer():
                failed = 0
                if until:
                    return
            else:
                failed += 1
                if not until and failed >= probe.get("failureThreshold", 3):
                    return
            await asyncio.sleep(probe.get("periodSeconds", 10) * self._pace)

    async def _fall(self, pod: KubeletPod, obj: Object, end: ContainerEnd) -> None:
        """End a container whose liveness failed, or that ended by itself."""
        container = pod.container
        assert container is not None
        name = main_container(obj)["name"]
        if end is KILLED:
            self._events.normal(obj, "kubelet", "Killing", f"Container {name} failed liveness probe, will be restarted")
        pod.ready = False
        await self._stop(pod)
        pod.restarts += 1
        gone = {"terminated": ended(end, container.started_at, datetime.now(UTC))}
        self._container(obj, state=gone, lastState=gone, ready=False, started=False, restartCount=pod.restarts)

    def restarted_before(self, pod: KubeletPod, end: ContainerEnd, at: datetime, times: int) -> None:
        """Let the pod's container be one that was started anew at `at`, after the one before it had ended."""
        obj = next((each for each in self._store.objects("pods") if each["metadata"]["uid"] == pod.uid), None)
        if obj is not None:
            pod.restarts += times
            running = {"running": {"startedAt": timestamp(at)}}
            last = {"terminated": ended(end, moment(obj["metadata"]["creationTimestamp"]), at)}
            self._container(obj, state=running, lastState=last, restartCount=pod.restarts)

    async def evict(self, pod: KubeletPod, why: str) -> None:
        """Take the pod off its node for good, as where the node is short of something; its object stays, Failed."""
        obj = next((each for each in self._store.objects("pods") if each["metadata"]["uid"] == pod.uid), None)
        if obj is None or pod.ending:
            return
        pod.ending = True
        if pod.task is not None:
            pod.task.cancel()
            await asyncio.gather(pod.task, return_exceptions=True)
        await self._stop(pod)
        pod.ready = False
        failed = {"phase": "Failed", "reason": "Evicted", "message": why}
        self._container(
            obj,
            ready=False,
            started=False,
            state={"terminated": ended(KILLED, moment(obj["metadata"]["creationTimestamp"]), None)},
        )
        self._store.change("pods", obj, lambda each: each["status"].update(failed))
        self._events.warning(obj, "kubelet", "Evicted", why)

    async def _back_off(self, pod: KubeletPod, obj: Object, seconds: float) -> None:
        if not seconds:
            return
        name = main_container(obj)["name"]
        told = f"{obj['metadata']['name']}_{obj['metadata']['namespace']}({pod.uid})"
        message = f"back-off {seconds}s restarting failed container={name} pod={told}"
        self._container(obj, state={"waiting": {"reason": "CrashLoopBackOff", "message": message}})
        self._events.warning(obj, "kubelet", "BackOff", f"Back-off restarting failed container {name} in pod {told}")
        await asyncio.sleep(seconds * self._pace)

    async def _end(self, pod: KubeletPod, obj: Object) -> None:
        """Stop the container of a deleted pod; when its grace is over, the pod is gone."""
        name = main_container(obj)["name"]
        self._events.normal(obj, "kubelet", "Killing", f"Stopping container {name}")
        if pod.task is not None:
            pod.task.cancel()
            await asyncio.gather(pod.task, return_exceptions=True)
        pod.ready = False
        self._container(obj, ready=False)
        await self._stop(pod)
        pod.beside.close()
        if obj["metadata"].get("deletionGracePeriodSeconds"):
            await asyncio.sleep(self._termination_s * self._pace)
        self._store.delete("pods", obj)
        self.pods.pop(pod.uid, None)

    async def _stop(self, pod: KubeletPod) -> None:
        """Stop the pod's container, if one runs; its log is kept as the previous one's."""
        container, pod.container = pod.container, None
        if container is None:
            return
        pod.previous = container
        try:
            if not pod.foreign:
                await self._runtime.stop(pod.name)
        finally:
            container.log.close()

    def _container(self, obj: Object, phase: str = "", **status: Any) -> None:
        """Store what is new about the pod's container, and the conditions that follow from it."""

        def edit(pod: Object) -> None:
            pod["status"]["phase"] = phase or pod["status"]["phase"]
            containers = pod["status"]["containerStatuses"]
            main = main_container(pod)["name"]
            next(container for container in containers if container["name"] == main).update(status)
            if all(container["ready"] for container in containers):
                for kind in ("ContainersReady", "Ready"):
                    pod["status"]["conditions"] = condition(
                        pod["status"]["conditions"], kind, "True", lastProbeTime=None
                    )
            else:
                _unready(pod)

        self._store.change("pods", obj, edit)


def ended(end: ContainerEnd, started_at: datetime, at: datetime | None) -> Object:
    """A container's end as its status has it; now where no time is given."""
    found = {"exitCode": end.exit_code, "reason": end.reason, "startedAt": timestamp(started_at)}
    return found | {"finishedAt": timestamp(at)} | ({"message": end.message} if end.message else {})


def _created(container: Object) -> Object:
    """The status of a container that is about to start."""
    about = {"name": container["name"], "image": container["image"], "imageID": "", "ready": False, "started": False}
    return {**about, "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}, "lastState": {}}


def _unready(pod: Object) -> None:
    names = ", ".join(container["name"] for container in pod["spec"]["containers"])
    message = f"containers with unready status: [{names}]"
    for kind in ("ContainersReady", "Ready"):
        pod["status"]["conditions"] = condition(
            *(pod["status"]["conditions"], kind, "False", "ContainersNotReady", message), lastProbeTime=None
        )
