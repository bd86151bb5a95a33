"""Puts a group of FAILED events back in batches, watches the first one, and stops where events fail again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..signals.outbox import TABLE, error_shape
from ..text.sanitize import clean
from ..text.units import count, duration, period, several
from .action import Context
from .connections import change_rows
from .outbox_batch import STILL_S, Batch
from .outbox_group import MOMENT, batch_size, statement
from .plan import Outcome, Plan, Target, Verdict
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    import asyncpg

LOOK_EVERY_S = 1.0
STOP_EVERY_S = 0.2  # how often a stop is looked for while it waits
MOST_S = 240.0  # the whole of it; what sends for longer counts as lost
ROWS = "unnest($1::text[], $2::int[], $3::text[])"
STATES_SQL = f"SELECT id, status, left(error, 2000) AS error FROM {TABLE} WHERE id = ANY ($1::text[])"
AS_SHOWN_SQL = f"""
SELECT id, status, to_char(updated_at, '{MOMENT}') AS failed_at FROM {TABLE} WHERE id = ANY ($1::text[])
"""


@dataclass(frozen=True, kw_only=True)
class GroupOutcome(Outcome):
    """`in_doubt`: the ids of the batch whose answer was lost."""

    in_doubt: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RetriedEvents:
    """What became of events that were put back. `again`: FAILED with the error that they had, of `batch.failed`."""

    batch: Batch
    again: int
    error: str

    @property
    def total(self) -> int:
        return self.batch.waiting + self.batch.failed + self.batch.published + self.batch.dropped

    @property
    def decided(self) -> int:
        return self.total - self.batch.waiting

    @property
    def in_vain(self) -> bool:
        """Whether no fewer failed again, or were dropped, than went out."""
        lost = self.batch.failed + self.batch.dropped
        return lost > 0 and lost >= self.batch.published


class GroupRetry:
    """One group's way through its batches. `run` may be called once."""

    def __init__(self, plan: Plan, context: Context) -> None:
        self._plan, self._context = plan, context
        self._rules, self._size = context.settings.outbox, batch_size(context)
        self._touched: list[Target] = []
        self._changed = 0  # no longer as previewed, and so left alone
        self._watched = False  # the first events that were put back
        self._began = asyncio.get_running_loop().time()

    async def run(self) -> Outcome:
        chosen = self._plan.chosen
        for start in range(0, len(chosen), self._size):
            if start and (why := await self._why_stop()):
                return self._outcome(f"{why}; {count(len(chosen) - start)} stay FAILED")
            if self._context.cancelled():
                return self._outcome(f"stopped after {count(start)} of {count(len(chosen))}")
            batch = chosen[start : start + self._size]
            answer = await change_rows(self._context, partial(self._put_back, batch))
            if answer.state != "done":
                return self._broken(answer, batch)
            self._touched += answer.touched
            self._changed += len(batch) - len(answer.touched)
            self._progress(start + len(batch))
        return self._outcome()

    async def _put_back(self, batch: Sequence[Target], connection: asyncpg.Connection) -> Outcome:
        rows = await connection.fetch(
            statement(self._context, self._plan.details, ROWS),
            [target.id for target in batch],
            [target.identity["retry_count"] for target in batch],
            [target.identity["failed_at"] for target in batch],
        )
        ids = {row["id"] for row in rows}
        touched = tuple(target for target in batch if target.id in ids)
        return Outcome(state="done", answer=f"UPDATE {len(touched)}", touched=touched)

    def _progress(self, done: int, more: str = "") -> None:
        self._context.progress(f"{count(done)} of {count(len(self._plan.chosen))}{more}")

    async def _why_stop(self) -> str:
        """Why no other batch is put back; "" for none. The first one is watched until it is taken, the others for the
        pause between two.
        """
        first, self._watched = bool(self._touched) and not self._watched, bool(self._touched)
        loop = asyncio.get_running_loop()
        began = moved = loop.time()
        limit_s = max(self._rules.retry_watch_s if first else 0.0, self._rules.retry_pause_s)
        last: RetriedEvents | None = None
        ids = [target.id for target in self._touched[-2 * self._size :]]
        while True:
            if not await self._paused(self._rules.retry_pause_s if last is None else LOOK_EVERY_S):
                return "stopped"
            try:
                became = await _became(ids, self._plan, self._context)
            except SourceError as error:
                return f"what became of those put back can't be read ({error})"
            now = loop.time()
            if last is None or became.batch != last.batch:
                last, moved = became, now
            if first:
                self._progress(len(self._touched) + self._changed, f": watching the first: {became.batch}")
            still = became.decided and now - moved >= min(STILL_S, limit_s)
            if not became.batch.waiting or still or now - began >= limit_s:
                break
        if became.in_vain:
            return _in_vain(became)
        if first and not became.decided:
            return f"nobody took the first {several(len(ids), 'event')} within {period(limit_s)}"
        return f"its time of {period(MOST_S)} is up" if now - self._began >= MOST_S else ""

    async def _paused(self, seconds: float) -> bool:
        """Wait; whether nobody asked to stop meanwhile."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not self._context.cancelled():
            if (left := until - loop.time()) <= 0:
                return True
            await asyncio.sleep(min(STOP_EVERY_S, left))
        return False

    def _said(self) -> str:
        changed = f", {count(self._changed)} had changed meanwhile and were left alone" if self._changed else ""
        return f"{count(len(self._touched))} of {several(len(self._plan.chosen), 'event')} are PENDING again{changed}"

    def _outcome(self, why: str = "") -> Outcome:
        said = f"{self._said()}; {why}" if why else self._said()
        return Outcome(state="done" if self._touched else "refused", answer=said, touched=tuple(self._touched))

    def _broken(self, answer: Outcome, batch: Sequence[Target]) -> Outcome:
        """A batch that did not end well; the ones before it are done."""
        if not self._touched and answer.state != "unknown":
            return answer
        said, touched = f"{answer.answer}; {self._said()}", tuple(self._touched)
        if answer.state != "unknown":
            return replace(answer, state="failed", answer=said, touched=touched)
        in_doubt = tuple(target.id for target in batch)
        return GroupOutcome(
            state="unknown",
            answer=f"{said}; of {several(len(batch), 'more event')} it is not known",
            touched=touched,
            answered=answer.answered,
            in_doubt=in_doubt,
        )


def _in_vain(became: RetriedEvents) -> str:
    if became.again:
        return f"{count(became.again)} of {count(became.total)} FAILED again with the same error ({became.error})"
    if became.batch.failed:
        return f"{count(became.batch.failed)} of {count(became.total)} FAILED again ({became.error})"
    return f"{count(became.batch.dropped)} of {count(became.total)} were published undone ({became.error})"


async def _became(ids: Sequence[str], plan: Plan, context: Context) -> RetriedEvents:
    """Raises SourceError."""
    async with context.sources.postgres.read("the events put back") as tx:
        rows = await tx.fetch(STATES_SQL, list(ids))
    return judged_rows(rows, error_shape(plan.arguments.get("error", "")))


def judged_rows(rows: Sequence[Mapping[str, Any]], shape: str) -> RetriedEvents:
    """A row with another status than NexNum's three counts as waiting."""
    failed = [row for row in rows if row["status"] == "FAILED"]
    published = [row for row in rows if row["status"] == "PUBLISHED"]
    dropped = [row for row in published if row["error"] is not None]
    errors = Counter(clean(row["error"] or "no error was kept", 300) for row in failed or dropped)
    batch = Batch(
        waiting=len(rows) - len(failed) - len(published),
        failed=len(failed),
        published=len(published) - len(dropped),
        dropped=len(dropped),
    )
    again = sum(error_shape(row["error"] or "") == shape for row in failed)
    return RetriedEvents(batch=batch, again=again, error=errors.most_common(1)[0][0] if errors else "")


async def settle(plan: Plan, outcome: Outcome, context: Context) -> Outcome:
    """Ask for the batch in doubt alone: its rows changed together or not at all."""
    ids = set(outcome.in_doubt) if isinstance(outcome, GroupOutcome) else set()
    doubtful = [target for target in plan.chosen if target.id in ids]

    async def look() -> SettledOutcome:
        async with context.sources.postgres.read("the events in doubt") as tx:
            rows = await tx.fetch(AS_SHOWN_SQL, [target.id for target in doubtful])
        now = {row["id"]: (row["status"], row["failed_at"]) for row in rows}
        moved = tuple(
            target
            for target in doubtful
            if target.id in now and now[target.id] != ("FAILED", target.identity["failed_at"])
        )
        said = f"{count(len(moved))} of {several(len(doubtful), 'event')} in doubt were put back"
        return SettledOutcome(happened=bool(moved), said=said, touched=moved)

    return await settled(outcome, look, context, lingers=False)


async def verify(plan: Plan, outcome: Outcome, context: Context) -> Verdict:
    """Whether what was put back is PUBLISHED, or FAILED again."""
    touched = outcome.touched or (plan.chosen if outcome.state == "unknown" else ())
    if not touched:
        return Verdict(state="no effect", because="no event was put back")
    began = asyncio.get_running_loop().time()

    async def look(last: bool) -> Verdict | None:
        became = await _became([target.id for target in touched], plan, context)
        return judge(len(touched), became, asyncio.get_running_loop().time() - began, last)

    return await watch(plan.deadline_s, look, LOOK_EVERY_S)


def judge(before: int, became: RetriedEvents, waited_s: float, last: bool) -> Verdict | None:
    batch = became.batch
    if batch.waiting and not last:
        return None
    said = f"of {several(before, 'event')} put back: {batch} after {duration(waited_s)}"
    if became.error:
        said = f"{said} ({became.error})"
    if became.in_vain:
        return Verdict(state="no effect", because=said)
    if not became.decided or batch.waiting > batch.published:
        return Verdict(state="unknown", because=said)
    return Verdict(state="worked", because=said)
