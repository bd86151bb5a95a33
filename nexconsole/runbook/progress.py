"""A scenario's progress: a fold over the journal, so a crash or another console loses nothing.

A run begins with a step entry of state "begun", written before its first result; opening a scenario writes nothing.
Later step entries give the steps' results. An intent with a step's id says that its action is running until an outcome
ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..journal import Entry, EntryKind

KEPT = timedelta(hours=6)  # a walk that nobody has touched for so long is not gone on with, but begun anew
BEGUN = "begun"
IF_NONE = "if_none"  # an entry's field: the run begins only where none lasts, as two consoles may begin at once
SETTLED = ("done", "skipped", "failed", "unknown")


@dataclass(frozen=True, kw_only=True)
class StepState:
    """A step's result, by whom and when (UTC). state: pending, running, done, skipped, failed or unknown."""

    state: str
    by: str
    at: datetime
    answer: str = ""
    reason: str = ""
    title: str = ""  # of the step, as the runbook had it then

    @property
    def settled(self) -> bool:
        return self.state in SETTLED


@dataclass(frozen=True, kw_only=True)
class ScenarioProgress:
    """A scenario's present progress. `answers` and `taken` are arguments of `resolution.resolve`."""

    scenario: str
    begun_at: datetime
    begun_by: str
    touched_at: datetime
    title: str = ""
    marks: Mapping[str, StepState] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    taken: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def lasts(self, now: datetime) -> bool:
        """Whether it is continued rather than begun again."""
        return now - self.touched_at < KEPT


def begins(entry: Entry, touched: datetime | None) -> bool:
    """Whether this entry begins a run; `touched`: when the one before was, None where there is none."""
    if entry.kind != EntryKind.STEP or entry.data.get("state") != BEGUN:
        return False
    return not entry.data.get(IF_NONE) or touched is None or entry.at - touched >= KEPT


def progress_of(entries: Iterable[Entry], scenario: str) -> ScenarioProgress | None:
    """The newest walk of a scenario in a journal's entries, oldest first; None where nobody has begun one."""
    begun: Entry | None = None
    last: Entry | None = None
    marks: dict[str, StepState] = {}
    answers: dict[str, str] = {}
    taken: dict[str, dict[str, str]] = {}
    intents: dict[str, str] = {}  # intent's id -> step's id
    for entry in entries:
        data = entry.data
        if entry.kind == EntryKind.OUTCOME and str(data.get("intent")) in intents:
            _conclude(marks, intents[str(data["intent"])], entry)
            continue
        if data.get("scenario") != scenario or entry.kind not in (EntryKind.STEP, EntryKind.INTENT):
            continue
        if begins(entry, last.at if last is not None else None):
            begun, last = entry, entry
            marks, answers, taken, intents = {}, {}, {}, {}
            continue
        step = data.get("step")
        if begun is None or not isinstance(step, str):
            continue
        last = entry
        _take(taken, data.get("taken"))
        if entry.kind == EntryKind.INTENT:
            intents[entry.id] = step
            marks[step] = StepState(state="running", by=str(entry.writer), at=entry.at, title=_title(entry))
            continue
        mark = _mark(entry)
        marks[step] = mark
        answers.pop(step, None)
        if mark.state == "done":
            answers[step] = mark.answer
        if mark.state == "pending":
            taken.pop(step, None)
    if begun is None or last is None:
        return None
    return ScenarioProgress(
        scenario=scenario,
        begun_at=begun.at,
        begun_by=str(begun.writer),
        touched_at=last.at,
        title=_title(begun),
        marks=marks,
        answers=answers,
        taken=taken,
    )


def _mark(entry: Entry) -> StepState:
    data = entry.data
    state = str(data.get("state", ""))
    return StepState(
        state=state if state in SETTLED else "pending",
        by=str(entry.writer),
        at=entry.at,
        answer=str(data.get("answer") or ""),
        reason=str(data.get("reason") or ""),
        title=_title(entry),
    )


def _title(entry: Entry) -> str:
    return str(entry.data.get("title") or "")


def _conclude(marks: dict[str, StepState], step: str, entry: Entry) -> None:
    """The step's result by the action's outcome alone, where its console ended before writing the step's entry."""
    outcome: Any = entry.data.get("outcome")
    if not isinstance(outcome, dict) or marks.get(step) is None or marks[step].state not in ("running", "unknown"):
        return  # what was unknown may be settled later, by the console that looked or by a person
    state = {"done": "done", "unknown": "unknown"}.get(str(outcome.get("state")), "failed")
    words = f"{outcome.get('state')}: {outcome.get('answer')}"
    title = marks[step].title
    marks[step] = StepState(state=state, by=str(entry.writer), at=entry.at, answer=words, title=title)


def _take(taken: dict[str, dict[str, str]], given: Any) -> None:
    if isinstance(given, dict):
        for id, names in given.items():
            if isinstance(names, dict):
                taken[str(id)] = {str(name): str(value) for name, value in names.items()}
