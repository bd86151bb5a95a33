"""What causes do once, in the played past: releases, restarts, changed rows, emptied keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..cluster_causes import ChangedConfig, CrashingPods, EditedProvider, RestartedPod, Scaled
from ..staged_causes import Cause, DisabledBySql, EmptiedRedis, StagedRelease
from .active_faults import ActiveFaults
from .clock import Clock, Job
from .keyspace import RememberedKeys
from .lines import LogLines
from .memory import RememberedLedger
from .pods import NexNumPod

ROLL_EVERY_S = 6.0  # between two pods of a release
BACKOFF_S = (0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)  # as the kubelet waits before each further start
OOM, BUG = "OOMKilled", "Error"
HEALTH_EVERY_S = 3.0


@dataclass
class PlayedPast:
    """`pods` are those that run, `waiting` those that the cluster will adopt, in their order; `make(name, booted,
    image)` makes one. `epoch` is when the drill starts."""

    clock: Clock
    epoch: float
    ledger: RememberedLedger
    keys: RememberedKeys
    troubles: ActiveFaults
    lines: LogLines
    pods: dict[str, NexNumPod]
    waiting: deque[NexNumPod]
    make: Callable[[str, float, str], NexNumPod]
    _made: int = field(default=0, init=False)

    def begin(self) -> list[Job]:
        """Spawn what the causes do that begin in the past."""
        causes = [cause for fault in self.troubles.faults for cause in fault.causes if cause.begins_s <= 0]
        self._made = len(self.pods)
        return [self.clock.spawn(self._work(cause)) for cause in causes]

    def settle(self) -> None:
        """The past is over: whose container is down gets another one now."""
        for number, pod in enumerate(self.waiting):
            if not pod.running:
                self.waiting[number] = self._again(pod, pod.ended)

    async def _work(self, cause: Cause) -> None:
        await self.clock.sleep(self.epoch + cause.begins_s - self.clock.now())
        match cause:
            case StagedRelease():
                await self._replace_all(cause.image)
            case DisabledBySql():
                await self.ledger.set_active(cause.provider, False)
            case EmptiedRedis():
                self.keys.entries.clear()
            case EditedProvider():
                self.ledger.edit_provider(cause.provider, priority=cause.priority)
            case ChangedConfig():
                await self._reconfigure(cause)
            case RestartedPod():
                await self._restart(self._oldest(), OOM if cause.oom else BUG, 0.0)
            case Scaled():
                self._scale(cause.replicas)
            case CrashingPods():
                for pod in list(self.waiting):
                    self.clock.spawn(self._crash(pod, cause))

    async def _replace_all(self, image: str) -> None:
        """Replace the pods one after the other, as the cluster would."""
        for old in list(self.pods.values()):
            if self.clock.live:
                return
            new = self._new(f"pod-{self._made}", image)
            self._made += 1
            self.waiting.append(new)
            await self.clock.sleep(ROLL_EVERY_S)
            if old in self.waiting:
                self.waiting.remove(old)
            self.pods.pop(old.name, None)  # it gets no more requests, and ends when it has answered those that it has
            await self.clock.sleep(ROLL_EVERY_S)
            old.kill()

    async def _reconfigure(self, cause: ChangedConfig) -> None:
        if cause.rolls:
            await self._replace_all(self._oldest().image)
        begun = self.clock.now()
        for after_s in cause.restarts_after_s:
            await self.clock.sleep(begun + after_s - self.clock.now())
            await self._restart(self._oldest(), BUG, 0.0)

    def _scale(self, replicas: int) -> None:
        while len(self.waiting) > replicas:
            pod = self.waiting.pop()
            self.pods.pop(pod.name, None)
            pod.kill()

    async def _crash(self, pod: NexNumPod, cause: CrashingPods) -> None:
        """A container that ends and is started anew, again and again."""
        for backoff_s in (*BACKOFF_S, *BACKOFF_S[-1:] * 99):
            await self.clock.sleep(cause.after_s - max(0.0, self.clock.now() - pod.started_at.timestamp()))
            if self.clock.live or pod not in self.waiting:
                return
            pod = await self._restart(pod, OOM if cause.oom else BUG, backoff_s)

    async def _restart(self, pod: NexNumPod, ended: str, backoff_s: float) -> NexNumPod:
        if self.clock.live or pod not in self.waiting:
            return pod
        pod.ended = ended
        pod.kill()
        self.pods.pop(pod.name, None)
        await self.clock.sleep(backoff_s)
        if self.clock.live or pod not in self.waiting:
            return pod
        new = self._again(pod, ended)
        self.waiting[self.waiting.index(pod)] = new
        return new

    def _again(self, pod: NexNumPod, ended: str) -> NexNumPod:
        new = self._new(pod.name, pod.image)
        new.restarts, new.ended = pod.restarts + 1, ended
        return new

    def _new(self, name: str, image: str) -> NexNumPod:
        new = self.make(name, self.clock.now(), image)
        new.write(self.lines.started())
        self.pods[new.name] = new
        return new

    def _oldest(self) -> NexNumPod:
        return min(self.waiting, key=lambda pod: pod.started_at)
