"""How containers end by themselves: killed for their memory, by a bug, again and again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

FOREVER_S = 365 * 86_400.0


@dataclass(frozen=True)
class ContainerEnd:
    """Why a container ended, as its status has it."""

    reason: str = "Error"
    exit_code: int = 1
    message: str = ""


KILLED = ContainerEnd("Error", 137)  # liveness failed
OUT_OF_MEMORY = ContainerEnd("OOMKilled", 137)
CRASHED = ContainerEnd("Error", 1)


@dataclass(frozen=True)
class CrashLoop:
    """Each container ends `after_s` seconds after its start: of these pods by name, of all where none is named."""

    end: ContainerEnd
    after_s: float
    pods: frozenset[str] = frozenset()

    def covers(self, pod: str) -> bool:
        return not self.pods or pod in self.pods


@dataclass
class Endings:
    """What ends containers now. `loop` may be set and taken away while they run."""

    loop: CrashLoop | None = None
    _killed: dict[str, ContainerEnd] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def kill(self, pod: str, end: ContainerEnd) -> None:
        """End the container that runs in the pod of this name, once."""
        self._killed[pod] = end
        self.changed()

    def set_loop(self, loop: CrashLoop | None) -> None:
        self.loop = loop
        self.changed()

    def changed(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def ends(self, pod: str, ran_s: float, pace: float) -> ContainerEnd:
        """Return when this pod's container ends by itself; `ran_s` is for how long it has run."""
        loop = asyncio.get_running_loop()
        began = loop.time() - ran_s
        while True:
            news = self._news
            if (end := self._killed.pop(pod, None)) is not None:
                return end
            crash = self.loop if self.loop is not None and self.loop.covers(pod) else None
            left = FOREVER_S if crash is None else began + crash.after_s * pace - loop.time()
            if crash is not None and left <= 0:
                return crash.end
            try:
                async with asyncio.timeout(left):
                    await news.wait()
            except TimeoutError:
                continue
