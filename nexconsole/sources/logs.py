"""Follows the logs of pods, or of containers: one stream per pod, resumed without gaps or duplicates.

Streams are read in intervals. In between the kernel buffers, so a pod that writes a thousand lines a second costs ten
wake-ups. A line waits for one interval at most.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..errors import Denied, SourceError, TimedOut
from ..text.units import period
from .asked_log import AskedLog
from .breakers import BreakerHistory
from .containers import log_container
from .pod_log import PodLog
from .purchases import Purchases
from .resources import PodResource

if TYPE_CHECKING:
    import aiohttp

    from .docker_frames import ContainerLogStream
    from .runtime import FollowedSource

log = logging.getLogger(__name__)

BEAT_S = 0.1
PODS_A_BEAT = 25  # of more pods than so many the beats are further apart, so that the wake-ups stay as many
LONGEST_BEAT_S = 0.2
PODS_EVERY_S = 2.0
PODS_LONGEST_S = 10.0
PODS_RETRY_S = 1.0
LONGEST_WAIT_S = 1.5  # between two tries to follow a pod
DENIED_WAIT_S = 10.0
BULKY = 1 << 14  # bytes of a chunk; of such only one is folded in a turn of the loop: at first 50 pods have many
SILENT_S = 90.0  # a stream without a byte for so long is opened anew: nobody would say that it is dead
ANSWER_S = 5.0  # an answer may begin only with the next line: after so long the kubelet is asked for the last one
ASK_EVERY_S = 10.0
ASK_TIMEOUT_S = 3.0
LOST_S = 15.0  # a log that nothing was heard of for so long, while it can't be read, says nothing of now


class Logs:
    """The followed pods of the deployment. `wake` is set when a breaker's state has changed.

    `pace` is how many times longer than usual it rests between two looks: for who is in no hurry.
    """

    def __init__(self, runtime: FollowedSource) -> None:
        self.runtime = runtime
        self.noun: str = getattr(runtime, "noun", "pod")  # what people call what is followed: or "container"
        self.breakers = BreakerHistory()
        self.purchases = Purchases()
        self.wake = asyncio.Event()
        self.followed: dict[str, PodLog] = {}  # by the pod's uid
        self.asked = AskedLog()  # one pod's log more, while somebody looks at it
        self.names: tuple[str, ...] = ()  # of all pods, running or not
        self.pods = 0  # whose container runs
        self.error: SourceError | None = None  # why the pods can't be listed
        self.unreadable: SourceError | None = None  # why a pod has no log that could be read
        self.container_why = ""
        self._failed_at: float | None = None  # since when the pods can't be listed
        self._asked_at: dict[str, float] = {}
        self._known: dict[str, PodLog] = {}
        self._above: set[str] = set()  # followed above the bound, as long as it is asked for
        self.pace = 1.0
        self.rest_s = 0.0  # the least time between two wakes; a reader that needs long for a read sets it
        self._listed = asyncio.Event()
        self._begun = False  # whoever came first has waited
        self._woken_at = 0.0
        self._later: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._bulk = asyncio.Lock()

    async def start(self, bound_s: float) -> None:
        """Begin to follow; whoever asks first waits until what is there has been read, or until `bound_s` seconds.

        Several may: none of them returns before.

        Raises what has ended the following, which is a bug and nothing else.
        """
        self._raise_bugs()
        if self._begun:
            self.settle()
            return
        await self.runtime.clients.wait(self.runtime.module)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="logs")
        try:
            async with asyncio.timeout(bound_s):
                await self._listed.wait()
                while not self.settle():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            log.info("not all logs were read within %g s", bound_s)
        self._begun = True
        self._raise_bugs()

    @property
    def _answerer(self) -> str:
        return "its kubelet" if self.runtime.name == "kubernetes" else self.runtime.name

    @property
    def _beat_s(self) -> float:
        return min(LONGEST_BEAT_S, BEAT_S * max(1.0, len(self.followed) / PODS_A_BEAT))

    @property
    def listed(self) -> bool:
        """Whether the pods have been asked for, and an answer or an error came."""
        return self._listed.is_set()

    @property
    def shown(self) -> dict[str, PodLog]:
        """What can be shown: the followed pods' logs, those of containers that have ended, and of the one asked for."""
        ended = {self.asked.key: self.asked.ended} if self.asked.ended is not None else {}
        return {**ended, **{uid: pod for uid, pod in self._known.items() if pod.recent.total}, **self.followed}

    def settle(self) -> bool:
        """Whether all that was there has been read from every followed pod."""
        lines = self.runtime.follow.log_tail_lines
        return all([pod.settle(lines) for pod in self.followed.values()])

    def lost_s(self, pod: PodLog, monotonic: float) -> float:
        """For how many seconds nothing can have been heard of it; 0 while its lines come.

        While the API server can't be asked for the pods, an open stream proves nothing by its silence.
        """
        since = [pod.lost_at] if pod.lost_at is not None else []
        if self._failed_at is not None and pod.bytes_at <= self._failed_at:
            since.append(self._failed_at)
        return max(0.0, monotonic - min(since)) if since else 0.0

    def is_lost(self, pod: PodLog, monotonic: float) -> bool:
        return not pod.answered or self.lost_s(pod, monotonic) > LOST_S

    def reach_s(self, now: datetime) -> float | None:
        """For how many seconds back every line of every followed pod is known; None where no log is followed."""
        return min((pod.reach_s(now) for pod in self.followed.values() if pod.is_followed), default=None)

    def close(self) -> None:
        if self._later is not None:
            self._later.cancel()
        for pod in self.followed.values():
            if pod.task is not None:
                pod.task.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                pods = await self.runtime.pods()
            except SourceError as error:
                self._failed_at = began if self._failed_at is None else self._failed_at
                self.error = error
                self._listed.set()
                await asyncio.sleep(PODS_RETRY_S)
                continue
            silent_since = time.monotonic() - SILENT_S if self._failed_at is None else self._failed_at
            self.error = None
            self._match(pods)
            self._listed.set()
            await self.asked.look(self.runtime, pods, self._known)
            self._restart_silent(silent_since)
            self._failed_at = None
            await self._ask_the_silent()
            await asyncio.sleep(min(PODS_EVERY_S * self.pace, PODS_LONGEST_S))

    def _match(self, pods: Sequence[PodResource]) -> None:
        """Follow the pods whose container runs, as many as the settings allow; let go of the others."""
        settings = self.runtime.follow
        running, known = {}, {}
        self.unreadable = None
        for pod in sorted(pods, key=lambda pod: pod.metadata.name):
            uid = pod.metadata.uid
            if uid in self._known:
                known[uid] = self._known[uid]
            try:
                chosen = log_container(pod, settings)
            except SourceError as error:
                self.unreadable = self.unreadable or error
                continue
            status = pod.container(chosen.name)
            if status is not None and status.state.running is not None:
                running[uid] = (pod, status)
                self.container_why = chosen.why
        self.pods = len(running)
        self.names = tuple(sorted(pod.metadata.name for pod in pods))
        asked = [uid for uid, (pod, _) in running.items() if pod.metadata.name == self.asked.name]
        # Those that are followed already come first: a pod that joins doesn't push one out.
        wanted = sorted(running, key=lambda uid: uid not in self.followed or uid in self._above)[: settings.follow_pods]
        self._above = {uid for uid in asked if uid not in wanted}
        wanted += self._above
        for uid in self.followed.keys() - set(wanted):
            self._let_go(self.followed.pop(uid))
        for uid in wanted:
            pod, status = running[uid]
            followed = known.setdefault(uid, PodLog(pod.metadata.name))
            started_at = status.state.running.started_at if status.state.running else None
            if followed.born(started_at, status.restart_count) and started_at is not None:
                self.purchases.restart(followed.purchases, started_at.timestamp())
            if uid not in self.followed:
                self.followed[uid] = followed
                followed.container = status.name
                self._follow(followed)
        self._known = known

    def _follow(self, pod: PodLog) -> None:
        if pod.task is not None:
            pod.task.cancel()
        pod.error, pod.bytes_at = None, time.monotonic()
        pod.task = asyncio.create_task(self._keep_following(pod), name=f"log of {pod.name}")

    def _let_go(self, pod: PodLog) -> None:
        if pod.task is not None:
            pod.task.cancel()
            pod.task = None
        pod.breakers.forget()
        self.purchases.restart(pod.purchases, datetime.now(UTC).timestamp())
        self._rouse()

    def _restart_silent(self, since: float) -> None:
        """Open anew the streams that have given nothing since that moment: after an outage they may hang for good."""
        for pod in self.followed.values():
            if pod.bytes_at < since and pod.error is None:
                self._follow(pod)

    async def _ask_the_silent(self) -> None:
        """Ask for the last line of each log that has not answered: a container may be silent, a kubelet may hang."""
        now = time.monotonic()
        silent = [pod for pod in self.followed.values() if pod.error is None and pod.silent_s(now) > ANSWER_S]
        due = [pod for pod in silent if now - self._asked_at.get(pod.name, 0.0) > ASK_EVERY_S]
        self._asked_at = {pod.name: self._asked_at.get(pod.name, 0.0) for pod in silent}
        self._asked_at.update((pod.name, now) for pod in due)
        if due:
            await asyncio.gather(*(self._ask(pod) for pod in due))

    async def _ask(self, pod: PodLog) -> None:
        query = {"follow": "false", "tailLines": "1", "limitBytes": "1"}
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                async with self.runtime.log(pod.name, pod.container, query) as response:
                    await response.content.read()
            pod.answered, pod.unanswered = True, None
        except (SourceError, TimeoutError) as error:
            pod.answered = False
            late = TimedOut(self.runtime.name, f"{self._answerer} does not answer within {period(ASK_TIMEOUT_S)}")
            pod.unanswered = error if isinstance(error, SourceError) else late
            log.warning("the log of pod %s is not followed: %s", pod.name, pod.unanswered)

    async def _keep_following(self, pod: PodLog) -> None:
        wait = 0.2
        while True:
            began = time.monotonic()
            try:
                await self._stream(pod)
                pod.error = None
            except SourceError as error:
                if pod.error is None:
                    log.warning("the log of pod %s can't be followed: %s", pod.name, error)
                pod.error = error
            pod.lost_at = pod.lost_at or time.monotonic()
            wait = 0.2 if time.monotonic() - began > 5 else min(2 * wait, LONGEST_WAIT_S)
            await asyncio.sleep(DENIED_WAIT_S if isinstance(pod.error, Denied) else wait)

    async def _stream(self, pod: PodLog) -> None:
        """Follow one stream to its end, which comes with the container's, or the connection's."""
        settings = self.runtime.follow
        query = pod.open(settings.log_since_s, settings.log_tail_lines, datetime.now(UTC))
        async with self.runtime.log(pod.name, pod.container, query) as response:
            pod.error, pod.answered, pod.unanswered = None, True, None
            pod.waits_since = pod.lost_at = None
            while chunk := await response.content.readany():
                if len(chunk) < BULKY:
                    changed = pod.take(chunk, self.breakers, self.purchases)
                else:
                    async with self._bulk:
                        changed = pod.take(chunk, self.breakers, self.purchases)
                        await asyncio.sleep(0)
                if changed:
                    self._rouse()
                await _rest(response, self._beat_s * (self.pace if len(chunk) < BULKY else 1.0))

    def _rouse(self) -> None:
        """Wake the reader, now or as soon as it has had its rest."""
        loop = asyncio.get_running_loop()
        wait = self._woken_at + self.rest_s - loop.time()
        if wait > 0:
            if self._later is None:
                self._later = loop.call_later(wait, self._rouse_later)
            return
        self._woken_at = loop.time()
        self.wake.set()

    def _rouse_later(self) -> None:
        self._later = None
        self._woken_at = asyncio.get_running_loop().time()
        self.wake.set()

    def _raise_bugs(self) -> None:
        tasks = [self._task, *(pod.task for pod in self.followed.values())]
        for task in tasks:
            if task is not None and task.done() and not task.cancelled():
                task.result()


async def _rest(response: aiohttp.ClientResponse | ContainerLogStream, beat_s: float) -> None:
    """Leave the stream to the kernel until the next beat, which all streams share."""
    transport = response.connection.transport if response.connection else None
    if transport is None:
        return
    # Under TLS, pausing only stops the decrypting: asyncio still wakes for each packet, at twice the cost of all else.
    # The transport below has no public name; where it can't be found, the outer one will do.
    transport = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None) or transport
    transport.pause_reading()
    try:
        await asyncio.sleep(beat_s - asyncio.get_running_loop().time() % beat_s)
    finally:
        transport.resume_reading()
