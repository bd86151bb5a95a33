"""Questions over the console, each asked once at a time, and what is said of their answers."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from types import CoroutineType
from typing import Any

from textual.app import App

from ..errors import JournalError
from .console import NOTICE_S, ConsoleScreen


class Dialogs:
    """What the controllers share: the application's workers and screens, and the console's notices."""

    def __init__(self, app: App[None], console: ConsoleScreen) -> None:
        self.app, self.console = app, console
        self._open: set[str] = set()

    def say(self, text: str, seconds: float = NOTICE_S) -> None:
        """A notice for a moment."""
        self.console.say(text, seconds)

    def once(self, work: Coroutine[Any, Any, object]) -> None:
        """Do this in a worker of the app, unless it is being done: a key that is held down asks one question."""
        assert isinstance(work, CoroutineType)
        name = work.__qualname__
        if name in self._open:
            work.close()
            return
        self._open.add(name)
        self.app.run_worker(self._once(name, work), group="dialogs")

    async def _once(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        finally:
            self._open.discard(name)

    async def recorded(self, writing: Awaitable[object], said: str) -> bool:
        """Await a record; say that it is done, or why it can't be."""
        try:
            await writing
        except JournalError as error:
            self.say(f"not recorded: {error}", 10.0)
            return False
        if said:
            self.say(said)
        return True
