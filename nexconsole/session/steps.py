"""What became of a step of a scenario, as the journal has it."""

from __future__ import annotations

from datetime import datetime

from ..journal import EntryKind
from ..runbook.progress import BEGUN, IF_NONE, ScenarioProgress, progress_of
from .incident_store import IncidentStore
from .operation import StepRef


def lasting(store: IncidentStore, scenario: str, now: datetime) -> ScenarioProgress | None:
    """How far this scenario has been walked; None where a walk would begin anew."""
    progress = progress_of(store.entries, scenario)
    return progress if progress is not None and progress.lasts(now) else None


async def ensure_begun(store: IncidentStore, step: StepRef, now: datetime) -> None:
    """Record that the step's scenario was begun, where no run of it lasts. Raises JournalError."""
    if lasting(store, step.scenario, now) is None:
        data = {"scenario": step.scenario, "title": step.chapter, "state": BEGUN, IF_NONE: True}
        await store.record(EntryKind.STEP, {name: value for name, value in data.items() if value})


async def settle(
    store: IncidentStore, step: StepRef, state: str, now: datetime, *, answer: str = "", reason: str = ""
) -> None:
    """Record what became of a step, and first that its scenario was begun. Raises JournalError."""
    await ensure_begun(store, step, now)
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
