"""The helper process as the console has it: requests and answers, a time limit, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from ..text.units import period

log = logging.getLogger(__name__)

WORKER = Path(__file__).with_name("worker.py")
LIMIT_S = 20.0  # for one request, once the process is ready
AGAIN_S = 60.0  # after which a process that ended by itself is started ahead of need again
START_S = 90.0  # for its start: it imports some 120 modules, and a busy machine takes its time
READY = 0  # the id of its first line
IDLE_S = 300.0  # after which the process is ended: it holds some 60 MB
MOST_STUCK = 4  # requests without an answer, after which it is started anew
LONGEST_LINE = 1 << 20
MISSING = "notifications need Apprise: pip install 'nexconsole[notify]'"
Answer = dict[str, Any]


class NotifyHelper:
    """Started by the first request, or by `warm`. Belongs to one loop."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._numbers = itertools.count(1)
        self._starting = asyncio.Lock()
        self._ready: asyncio.Future[Answer] | None = None
        self._stuck = 0
        self._used_at = self._warm_again_at = 0.0

    @staticmethod
    def missing() -> str:
        """Why nothing can be sent; "" where Apprise is installed."""
        return "" if importlib.util.find_spec("apprise") is not None else MISSING

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def ask(self, request: Answer) -> Answer:
        """The answer: `ok`, and `why` not. Never raises for trouble with the process or the service."""
        if missing := self.missing():
            return {"ok": False, "why": missing}
        loop, number = asyncio.get_running_loop(), next(self._numbers)
        answer: asyncio.Future[Answer] = loop.create_future()
        try:
            process = await self._started()
        except (TimeoutError, OSError) as error:  # nothing was sent
            return {"ok": False, "why": f"the process that sends does not start: {str(error) or 'it takes too long'}"}
        try:
            async with asyncio.timeout(self._limit_s):
                self._waiting[number] = answer
                self._write(process, json.dumps({"id": number, **request}).encode() + b"\n")
                return await answer
        except TimeoutError:
            self._stuck += 1
            if self._stuck >= MOST_STUCK:
                self._kill()
            return {"ok": False, "why": f"no answer in {period(self._limit_s)}", "doubt": True}
        except OSError as error:
            self._kill()
            return {"ok": False, "why": f"the process that sends: {error}"}
        finally:
            self._waiting.pop(number, None)
            self._used_at = loop.time()

    async def warm(self) -> None:
        """Have the process run, so that what is sent next goes at once."""
        now = asyncio.get_running_loop().time()
        if not self.missing() and now >= self._warm_again_at:
            self._warm_again_at = now + AGAIN_S
            with contextlib.suppress(TimeoutError, OSError):
                await self._started()
                self._used_at = asyncio.get_running_loop().time()

    def rest(self) -> None:
        """End a process that nobody has used for long."""
        busy = self._waiting or self._starting.locked()
        if self.runs and not busy and asyncio.get_running_loop().time() - self._used_at > IDLE_S:
            self.close()

    def close(self) -> None:
        """Leave the process: what it is sending it may finish by itself, some seconds long."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()

    async def _started(self) -> subprocess.Popen[bytes]:
        """The process, ready to send. Raises TimeoutError and OSError."""
        async with self._starting, asyncio.timeout(START_S):
            if self._process is None or self._process.poll() is not None:
                loop = asyncio.get_running_loop()
                self._stuck, self._used_at = 0, loop.time()
                self._ready = loop.create_future()
                self._process = process = await asyncio.to_thread(_start)
                reading = (process, loop)
                threading.Thread(target=self._read, args=reading, name="notify", daemon=True).start()
            assert self._ready is not None
            ready = await asyncio.shield(self._ready)
            if self._process is None or not ready["ok"]:
                raise OSError(str(ready["why"]))
            return self._process

    def _write(self, process: subprocess.Popen[bytes], line: bytes) -> None:
        """Never waits: a process that takes nothing is of no use. Raises OSError."""
        assert process.stdin is not None
        if os.write(process.stdin.fileno(), line) < len(line):
            raise BlockingIOError("it takes nothing more")

    def _read(self, process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop) -> None:
        """In a thread, until the process has ended."""
        assert process.stdout is not None
        with process.stdout, contextlib.suppress(RuntimeError):  # the loop may be closed
            while line := process.stdout.readline(LONGEST_LINE):
                loop.call_soon_threadsafe(self._take, line)
            loop.call_soon_threadsafe(self._ended, process)
        process.wait()

    def _take(self, line: bytes) -> None:
        try:
            answer: Answer = json.loads(line)
            number = answer.pop("id")
            waiting = self._ready if number == READY else self._waiting.pop(number, None)
        except (ValueError, KeyError, AttributeError) as error:
            log.warning("the process that sends answers nonsense: %s", error)
            return
        if waiting is None:
            self._stuck = max(0, self._stuck - 1)  # late, but there
        elif not waiting.done():
            waiting.set_result(answer)

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        if process is self._process:
            self._kill()

    def _kill(self) -> None:
        """End it at once; whoever waits for an answer is told."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
        waiting, self._waiting = [*self._waiting.values(), *filter(None, [self._ready])], {}
        for answer in waiting:
            if not answer.done():
                answer.set_result({"ok": False, "why": "the process that sends has ended", "doubt": True})


def _start() -> subprocess.Popen[bytes]:
    """In a thread. Raises OSError."""
    process = subprocess.Popen(
        [sys.executable, "-P", str(WORKER)],  # -P: nothing is imported from the folder where the console was started
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=-1,
        start_new_session=True,  # Ctrl+C in the console's terminal is not for it
    )
    assert process.stdin is not None
    os.set_blocking(process.stdin.fileno(), False)
    return process
