"""What a question decides: a preview of the action that goes by its answer, for whoever is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from ..actions.registry import ACTIONS
from ..catalogue import by_name
from ..runbook.model import Step
from ..widgets.spans import plain

if TYPE_CHECKING:
    from ..session.session import Session
    from .scenario_rows import ScenarioRow

Told = Callable[[], Awaitable[Sequence[str]]]


def preview_of(rows: Sequence[ScenarioRow], asked: ScenarioRow, session: Session) -> Told | None:
    """Reads what the action would do that waits for this question, as sentences; None where it isn't one action."""
    waiting = [row for row in rows if row.node.gate is not None and row.node.gate.id == asked.id]
    calls = {
        (step.call.name, row.node.arguments)
        for row in waiting
        if isinstance(step := row.node.step, Step) and step.call is not None and step.call.name in ACTIONS
    }
    if len(calls) != 1:
        return None
    name, words = calls.pop()
    if words is None:
        return None
    arguments = by_name(ACTIONS[name], words)

    async def told() -> Sequence[str]:
        result = await session.preview(name, arguments)
        called = " ".join((name, *words))
        if result.plan is None:
            return (f"{called}: no preview: {plain(result.stopped or '')}",)
        guards = [guard for guard in result.plan.guards if guard.level != "ok"]
        warnings = tuple(f"{'it would not be sent' if guard.level == 'block' else 'warning'}: {plain(guard.reason)}"
                         for guard in guards)  # fmt: skip
        return (f"{called} would: {plain(result.plan.effect)}", *warnings)

    return told
