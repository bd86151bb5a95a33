"""Verdicts: poll until the effect is clear or the deadline has passed. Unreadable figures leave it unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..errors import SourceError
from .plan import Verdict

# Gets whether this is the last look, and then must answer; before that None means "not clear yet".
Look = Callable[[bool], Awaitable[Verdict | None]]


async def watch(deadline_s: float, look: Look, every_s: float = 1.0) -> Verdict:
    """The first clear verdict. A failing source is read again until the deadline; then the verdict is unknown."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_s
    while True:
        last = loop.time() >= deadline
        try:
            verdict = await look(last)
        except SourceError as error:
            verdict = Verdict(state="unknown", because=f"it could not be looked at: {error}") if last else None
        if verdict is not None:
            return verdict
        await asyncio.sleep(max(0.0, min(every_s, deadline - loop.time())))
