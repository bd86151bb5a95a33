"""What may go wrong with every action, on its real servers: a source that dies at each step, an answer that never
comes, two operators at the same moment. Nothing unmeant is done, and nothing is said to be known that is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from acting import Desk, acting
from stages import STAGES, ActionStage, provider_by_api, staged

from nexconsole.actions import cron, failure_rate_change, reconcile, rollouts
from nexconsole.actions.perform import ConfirmationReply, perform
from nexconsole.actions.plan import Plan
from nexconsole.drill.kubernetes.apiserver import ApiServer
from nexconsole.sharing.leases import LeaseService


@pytest.fixture(params=STAGES, ids=lambda make: make.__name__)
async def stage(
    request: Any, database: Any, redis_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ActionStage]:
    monkeypatch.setattr(failure_rate_change, "CALM_S", 0.2)
    monkeypatch.setattr(rollouts, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(cron, "TIMES", 2)
    monkeypatch.setattr(reconcile, "OUTLIVES_S", 0.5)
    monkeypatch.setattr(rollouts, "ROLLOUT_S", 0.5)
    async with staged(request.param, database, redis_server, tmp_path) as made:
        yield made


class Failing(Desk):
    """Once an entry of this kind is on record (`ask`: once the plan was shown), something happens."""

    def __init__(self, when: str, then: Callable[[], None]) -> None:
        super().__init__(lambda plan: None if self.why_again[-1] else plan.confirm.text)
        self._when, self._then = when, then
        self.console.ask, self.console.record = self._asked, self._recorded

    async def _asked(self, plan: Plan, why_again: str | None) -> ConfirmationReply:
        answer = await self._ask(plan, why_again)
        if self._when == "ask":
            self._then()
        return answer

    async def _recorded(self, kind: str, data: Mapping[str, Any]) -> str:
        id = await self._record(kind, data)
        if kind == self._when:
            self._then()
        return id

    @property
    def kinds(self) -> list[str]:
        return [entry["kind"] for entry in self.entries]


def cut(stage: ActionStage) -> None:
    for wire in stage.wires:
        wire.cut()


def lose(stage: ActionStage) -> None:
    for wire in stage.wires:
        wire.lose()


async def test_sources_that_die_between_preview_and_confirmation_stop_it(stage: ActionStage) -> None:
    controller = Failing("ask", lambda: cut(stage))
    async with acting(stage.settings) as context:
        done = await perform(stage.doing, stage.arguments, context, controller.console)
    assert done.outcome is None and done.stopped, done
    assert "the plan no longer holds: " in done.stopped or "cancelled" in done.stopped  # shown again: not confirmed
    assert not await stage.changed() and controller.kinds == [] and not stage.sent


async def test_sources_that_die_before_it_is_executed_change_nothing_and_that_is_known(stage: ActionStage) -> None:
    controller = Failing("intent", lambda: cut(stage))
    async with acting(stage.settings) as context:
        done = await perform(stage.doing, stage.arguments, context, controller.console)
    assert done.outcome is not None and done.outcome.state in ("failed", "unknown"), done.outcome
    assert not await stage.changed() and not stage.sent
    assert controller.kinds == ["intent", "outcome"] if done.outcome.state == "failed" else done.verdict is not None
    if done.verdict is not None:
        assert done.verdict.state == "unknown"


# What is on its way when it is decided: before it nothing has happened, after it nobody knows without an answer.
DECIDING = (b"PATCH ", b"POST ", b"GET /api/cron", b"EVAL", b"pg_cancel_backend", b"pg_terminate_backend")


async def test_when_only_the_deciding_answer_is_lost_it_is_unknown_and_never_sent_twice(
    stage: ActionStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = ApiServer._write

    async def written(*args: Any, **options: Any) -> Any:
        answer = await write(*args, **options)
        lose(stage)
        return answer

    def armed() -> None:
        for wire in stage.wires:
            wire.watch_for(DECIDING if "api" in stage.tables else (*DECIDING, b"COMMIT"), lambda: lose(stage))
        monkeypatch.setattr(ApiServer, "_write", written)  # its connection is encrypted: the wire sees no words

    controller = Failing("intent", armed)
    async with acting(stage.settings) as context:
        done = await perform(stage.doing, stage.arguments, context, controller.console)
    assert done.outcome is not None and done.outcome.state == "unknown", done.outcome
    assert done.verdict is not None and done.verdict.state == "unknown", done.verdict
    assert len(stage.sent) <= 1 and controller.kinds == ["intent", "outcome", "verdict"]
    assert stage.action.startswith("backend.") or await stage.changed()


async def test_sources_that_fall_silent_are_only_called_a_failure_where_nothing_was_changed(stage: ActionStage) -> None:
    controller = Failing("intent", lambda: lose(stage))
    async with acting(stage.settings) as context:
        done = await perform(stage.doing, stage.arguments, context, controller.console)
    assert done.outcome is not None
    if await stage.changed():
        assert done.outcome.state == "unknown", done.outcome
    else:
        assert done.outcome.state in ("failed", "unknown"), done.outcome
    assert len(stage.sent) <= 1
    if done.outcome.state == "unknown":
        assert controller.kinds == ["intent", "outcome", "verdict"]
        assert done.verdict is not None and done.verdict.state == "unknown", done.verdict


async def test_sources_that_die_while_it_is_verified_leave_the_verdict_unknown(stage: ActionStage) -> None:
    controller = Failing("outcome", lambda: cut(stage))
    async with acting(stage.settings) as context:
        done = await perform(stage.doing, stage.arguments, context, controller.console)
    assert done.outcome is not None and done.outcome.state == "done", done.outcome
    assert done.verdict is not None and done.verdict.state == "unknown", done.verdict
    assert await stage.changed() and controller.kinds == ["intent", "outcome", "verdict"]


async def test_two_operators_at_the_same_moment_are_one_change_and_one_honest_refusal(stage: ActionStage) -> None:
    both = asyncio.Barrier(2)

    async def operator() -> Any:
        controller = Failing("", lambda: None)
        ask = controller.console.ask

        async def together(plan: Plan, why_again: str | None) -> ConfirmationReply:
            if why_again is None:
                await both.wait()
            return await ask(plan, why_again)

        controller.console.ask, controller.console.leases = together, LeaseService(stage.settings)
        async with acting(stage.settings) as context:
            try:
                return await perform(stage.doing, stage.arguments, context, controller.console)
            finally:
                await controller.console.leases.close()

    results = await asyncio.gather(operator(), operator())
    assert sum(one.outcome is not None and one.outcome.state == "done" for one in results) == 1, results
    [other] = [one for one in results if one.outcome is None or one.outcome.state != "done"]
    assert other.stopped or other.outcome.state == "refused"
    assert await stage.changed() and len(stage.sent) <= 1


async def test_an_api_that_dies_after_the_preview_is_not_replaced_by_sql_without_being_asked(
    database: Any, redis_server: Any, tmp_path: Path
) -> None:
    async with staged(provider_by_api, database, redis_server, tmp_path) as stage:
        api, _ = stage.wires
        controller = Failing("ask", api.cut)
        async with acting(stage.settings) as context:
            done = await perform(stage.doing, stage.arguments, context, controller.console)
    assert [plan.command.split()[0] for plan in controller.plans] == ["curl", "psql"]
    assert "by api -> sql" in (controller.why_again[1] or "") and "cancelled" in (done.stopped or "")
    assert not await stage.changed()
