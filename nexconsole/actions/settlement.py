"""Settles an unknown outcome by asking the changed system: done, not done, or still unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from ..errors import SourceError
from ..text.units import duration
from .action import Context
from .http_replies import MAYBE
from .plan import Outcome, Plan, Target

WAIT_S = 30.0  # what a gateway gave up on may still come
LOOK_EVERY_S = 1.0


@runtime_checkable
class Settling(Protocol):
    """An action that can ask the system whether it was done."""

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        """The outcome now; `outcome` is the unknown one. Only bugs raise."""


@dataclass(frozen=True, kw_only=True)
class SettledOutcome:
    """The system's answer. `touched` is what was changed, where it was."""

    happened: bool
    said: str
    touched: tuple[Target, ...] = ()


def _known(answer: str) -> str:
    """The answer without the doubt that is settled."""
    return answer.removesuffix(MAYBE).rstrip(" :;,")


async def settled(
    outcome: Outcome, look: Callable[[], Awaitable[SettledOutcome]], context: Context, *, lingers: bool = True
) -> Outcome:
    """Poll until it was done, or until a late effect is no longer possible.

    "Not done" is final where an answer came, or where the request can't still be running (`lingers` is False).
    """
    loop = asyncio.get_running_loop()
    wait_s = min(WAIT_S, context.settings.actions.verify_s)
    began = loop.time()
    context.progress("the answer proves nothing: asking the system itself")
    while True:
        trouble, settled_outcome = "", None
        try:
            settled_outcome = await look()
        except SourceError as error:
            trouble = str(error)
        if settled_outcome is not None and settled_outcome.happened:
            touched = (*outcome.touched, *settled_outcome.touched)
            return Outcome(
                state="done", answer=f"it was done: {settled_outcome.said}; {_known(outcome.answer)}", touched=touched
            )
        waited = loop.time() - began
        if waited >= wait_s or (settled_outcome is not None and outcome.answered):
            break
        await asyncio.sleep(max(0.0, min(LOOK_EVERY_S, wait_s - waited)))
    if settled_outcome is None:
        return replace(outcome, answer=f"{outcome.answer}; and it could not be checked: {trouble}")
    if outcome.answered or not lingers:
        said = f"not done: {settled_outcome.said}; {_known(outcome.answer)}"
        return Outcome(state="failed", answer=said, touched=outcome.touched)
    late = f"not done so far: {settled_outcome.said}, {duration(waited)} after it was sent, which may still be at work"
    return replace(outcome, answer=f"{late}; {outcome.answer}")
