"""The log of one pod that somebody asked for: it is followed above the bound; of an ended container it is read once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..errors import SourceError, TimedOut
from ..text.units import period
from .containers import log_container
from .log_entry import order
from .log_lines import LineCutter
from .pod_log import PodLog
from .resources import ContainerStatus, PodResource

if TYPE_CHECKING:
    from .runtime import LogSource

READ_LINES = 500  # the newest of a container that has ended
READ_BYTES = 256 * 1024
READ_WITHIN_S = 4.0


class AskedLog:
    """`name` is the pod's; "" where none is asked for. `ended`: the end of the log of its container before this one.

    `key` tells one ended container from another. `why`: why its log is not followed; "" where it is, or where that is
    not known yet.
    """

    def __init__(self) -> None:
        self.name = ""
        self.why = ""
        self.key = ""
        self.ended: PodLog | None = None
        self._read: tuple[str, int] | None = None  # of which pod, after how many restarts

    def ask(self, name: str) -> None:
        if name != self.name:
            self.name, self.why, self.ended, self._read = name, "", None, None

    async def look(self, reader: LogSource, pods: Iterable[PodResource], known: Mapping[str, PodLog]) -> None:
        """See what became of the pod, and read the end of its last container's log, once a restart.

        `known` are the logs that were followed, by the pods' uids: what they hold is not taken twice.
        """
        if not self.name:
            return
        pod = next((pod for pod in pods if pod.metadata.name == self.name), None)
        if pod is None:
            self.why = (
                "the deployment has no such pod now"
                if reader.name == "kubernetes"
                else "there is no such container now"
            )
            return
        try:
            container = log_container(pod, reader.follow).name
        except SourceError as error:
            self.why = str(error)
            return
        status = pod.container(container)
        self.why = _state(status)
        seen = (pod.metadata.uid, status.restart_count if status is not None else 0)
        if seen != self._read and status is not None and (self.why or status.restart_count):
            self._read = seen
            query = {"previous": "true"} if not self.why else {}
            await self._read_end(reader, status.name, query, known.get(pod.metadata.uid))

    async def _read_end(
        self, reader: LogSource, container: str, query: Mapping[str, str], known: PodLog | None
    ) -> None:
        query = {"follow": "false", "tailLines": str(READ_LINES), "limitBytes": str(READ_BYTES), **query}
        name = self.name
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                async with reader.log(name, container, query) as response:
                    text = await response.content.read(READ_BYTES)
        except (SourceError, TimeoutError) as error:
            late = TimedOut(reader.name, f"its log does not come within {period(READ_WITHIN_S)}")
            self.why = self.why and f"{self.why}; {error if isinstance(error, SourceError) else late}"
            return
        if self.name == name:
            self.ended, self.key = PodLog(name), f"{name} before restart {self._read[1] if self._read else 0}"
            self.ended.recent.add(_unknown(LineCutter().cut(text), known), len(text))


def _unknown(lines: list[bytes], known: PodLog | None) -> list[bytes]:
    """Those of the lines that the followed log does not hold."""
    held = [at for line in known.recent.since(0)[0] if (at := order(line))] if known is not None else []
    return [line for line in lines if not held or not min(held) <= order(line) <= max(held)]


def _state(status: ContainerStatus | None) -> str:
    """Why a container's log does not grow; "" for one that runs."""
    if status is None:
        return "its container has not been made yet"
    if status.state.running is not None:
        return ""
    waiting, terminated = status.state.waiting, status.state.terminated
    reason = waiting.reason if waiting is not None else terminated.reason if terminated is not None else ""
    return f"its container does not run{f': {reason}' if reason else ''}"
