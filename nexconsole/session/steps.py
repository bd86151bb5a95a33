"""What became of a step of a scenario, as the journal has it."""

from __future__ import annotations

from ..journal import EntryKind
from .incident_store import IncidentStore
from .operation import StepRef


async def settle(store: IncidentStore, step: StepRef, state: str, *, answer: str = "", reason: str = "") -> None:
    """Record what became of a step. Raises JournalError."""
    data = {
        "scenario": step.scenario,
        "step": step.step,
        "title": step.title,
        "state": state,
        "answer": answer,
        "reason": reason,
    }
    taken = {id: dict(names) for id, names in step.taken.items()} if state != "pending" else {}
    await store.record(EntryKind.STEP, {name: value for name, value in (data | {"taken": taken}).items() if value})
