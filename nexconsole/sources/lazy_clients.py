"""Imports the client libraries after the first paint, in one thread, the fast ones first.

They take most of a second. On the event loop that would freeze the screen; before the first paint it would delay it.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import sys
import threading
import typing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec

from . import kubernetes_client
from .importing import COURTESY

ORDER = ("asyncpg", "redis.asyncio", "upstash_redis.asyncio", "httpx", "kubernetes_asyncio", "aiodocker")
# What a library imports by itself only at its first request, which is made on the event loop.
LATE = {"httpx": ("httpcore", "anyio._backends._asyncio")}
# What they do without where it is missing: a command line (3 MB of click, Pygments and Rich's tables), and metrics of
# the client itself, which nobody collects here.
NEVER = {"httpx": "httpx._main", "redis.asyncio": "opentelemetry"}
# What httpcore asks for at each of its locks; where it is missing, all folders are searched for it each time.
ASKED_FOR = "sniffio"


class LazyClients:
    """Imports what the configured sources need, once; sources wait for their own library only."""

    def __init__(self) -> None:
        self._done: dict[str, asyncio.Future[None]] = {}

    def start(self, modules: Iterable[str]) -> None:
        """Begin to import `modules` (a subset of ORDER) in a daemon thread. Must be called on the running loop."""
        loop = asyncio.get_running_loop()
        wanted = [name for name in ORDER if name in set(modules) and name not in self._done]
        self._done |= {name: loop.create_future() for name in wanted}
        work = partial(COURTESY.run, partial(self._import, loop, wanted))
        threading.Thread(target=work, name="imports", daemon=True).start()

    async def wait(self, module: str) -> None:
        """Return when `module` is imported; an ImportError is a broken installation and is raised as it is."""
        if module not in self._done:
            self.start([module])
        await asyncio.shield(self._done[module])

    def _import(self, loop: asyncio.AbstractEventLoop, wanted: list[str]) -> None:
        for name in wanted:
            try:
                _load(name)
                outcome = None
            except ImportError as error:
                outcome = error
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(self._settle, name, outcome)
        gc.freeze()

    def _settle(self, name: str, outcome: ImportError | None) -> None:
        if outcome is None:
            self._done[name].set_result(None)
        else:
            self._done[name].set_exception(outcome)


def _load(name: str) -> None:
    if name == kubernetes_client.PACKAGE:
        kubernetes_client.load()
    else:
        with _without(NEVER.get(name)):
            for module in (name, *LATE.get(name, ())):
                importlib.import_module(module)
        if name == "httpx" and ASKED_FOR not in sys.modules and find_spec(ASKED_FOR) is None:
            sys.modules[ASKED_FOR] = None  # type: ignore[assignment]  # as below: it is not searched for again
    typing.clear_overloads()  # 800 signatures, kept for whoever asks for them while the program runs: nobody does


@contextmanager
def _without(module: str | None) -> Iterator[None]:
    """Within, `module` can't be imported, unless it was before; afterwards everybody else can."""
    if module is None or module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # not in typeshed: None bars the import
    try:
        yield
    finally:
        del sys.modules[module]
