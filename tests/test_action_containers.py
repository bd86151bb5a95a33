"""pods.restart in Docker: of the very run that was shown, one after the other, verified; and what Compose lacks."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from typing import Any

import pytest
from docker_stand import DOCKER, DockerStand, docker_stand

from nexconsole.actions import containers, failure_rate_change, rollouts
from nexconsole.actions.action import Context
from nexconsole.actions.registry import ACTIONS
from nexconsole.errors import ActionError
from nexconsole.settings import ActionsSettings, DockerSettings, Settings

RESTART = ACTIONS["pods.restart"]


class Operator:
    """An operator in front of one Docker host."""

    def __init__(self, stand: DockerStand) -> None:
        self.stand, self.told = stand, []
        settings = Settings(docker=DockerSettings(host=stand.address), actions=ActionsSettings(verify_s=5.0))
        self.context = Context(
            settings=settings,
            sources=stand.sources(),
            readings=dict,
            operator="maria",
            progress=self.told.append,
        )

    async def plan(self, **arguments: str) -> Any:
        return await RESTART.prepare(arguments, self.context)


@pytest.fixture
async def operator(monkeypatch: Any) -> Any:
    monkeypatch.setattr(failure_rate_change, "CALM_S", 0.3)
    monkeypatch.setattr(rollouts, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(rollouts, "ROLLOUT_S", 5.0)
    monkeypatch.setattr(containers, "LOOK_EVERY_S", 0.05)
    async with docker_stand() as stand:
        yield Operator(stand)


async def test_one_container_is_restarted_by_its_identity_and_seen_to_be_well(operator):
    plan = await operator.plan(pod="nexnum-app-2")
    container = operator.stand.host.find("nexnum-app-2")
    [target] = plan.targets
    assert (target.kind, target.id, target.identity["id"]) == ("container", "nexnum-app-2", container.id[:12])
    assert plan.command == f"DOCKER_HOST={operator.stand.address} docker restart nexnum-app-2"
    assert plan.confirm.text == "r" and not plan.blocked and plan.undo is None
    outcome = await RESTART.execute(plan, operator.context)
    assert (outcome.state, [each.id for each in outcome.touched]) == ("done", ["nexnum-app-2"])
    assert operator.stand.processes.begun.count("nexnum-app-2") == 2
    verdict = await RESTART.verify(plan, outcome, operator.context)
    assert verdict.because.startswith("1 of 1 container restarted and well")


async def test_all_are_restarted_one_after_the_other_and_never_the_worker(operator):
    plan = await operator.plan()
    assert [target.id for target in plan.targets] == ["nexnum-app-1", "nexnum-app-2", "nexnum-app-3"]
    outcome = await RESTART.execute(plan, operator.context)
    assert outcome.state == "done" and len(outcome.touched) == 3
    assert operator.stand.processes.begun[-3:] == ["nexnum-app-1", "nexnum-app-2", "nexnum-app-3"]
    assert operator.stand.processes.begun.count("nexnum-worker") == 1
    assert [said for said in operator.told if "waiting until it is well" in said]


async def test_where_one_does_not_get_well_the_rest_is_left_alone(operator, monkeypatch):
    monkeypatch.setattr(containers, "WELL_S", 0.5)
    plan = await operator.plan()
    operator.stand.processes.ill.add("nexnum-app-1")
    outcome = await RESTART.execute(plan, operator.context)
    assert outcome.state == "failed" and [each.id for each in outcome.touched] == ["nexnum-app-1"]
    assert "not well" in outcome.answer and "2 containers are as before" in outcome.answer
    assert operator.stand.processes.begun.count("nexnum-app-2") == 1


async def test_a_container_that_was_started_again_or_made_anew_is_left_alone(operator):
    plan = await operator.plan(pod="nexnum-app-1")
    await operator.stand.host.restart(operator.stand.host.find("nexnum-app-1"))
    outcome = await RESTART.execute(plan, operator.context)
    assert outcome.state == "refused" and "was started again since the preview" in outcome.answer
    fresh = await operator.plan(pod="nexnum-app-1")
    assert fresh.fingerprint != plan.fingerprint
    operator.stand.host.recreate()
    async with asyncio.timeout(10.0):
        while operator.stand.host.find("nexnum-app-1") is None or fresh.details["containers"][0]["id"] in (
            each.id for each in operator.stand.host.containers.values()
        ):
            await asyncio.sleep(0.02)
    outcome = await RESTART.execute(fresh, operator.context)
    assert outcome.state == "refused" and "is gone since the preview" in outcome.answer


async def test_a_proxy_that_lets_nobody_write_refuses_and_a_hanging_engine_leaves_it_unknown(operator):
    plan = await operator.plan(pod="nexnum-worker")
    operator.stand.host.troubles.refuses = "this proxy answers GET alone"
    outcome = await RESTART.execute(plan, operator.context)
    assert outcome.state == "refused" and "GET alone" in outcome.answer and "nothing was changed" in outcome.answer
    assert operator.stand.processes.begun.count("nexnum-worker") == 1


async def test_an_order_without_an_answer_is_settled_by_what_the_engine_says_later(operator, monkeypatch):
    plan = await operator.plan(pod="nexnum-app-3")
    restart = operator.stand.host.restart

    async def slow(container: Any) -> None:
        await restart(container)
        await asyncio.sleep(30.0)

    monkeypatch.setattr(operator.stand.host, "restart", slow)
    settings = operator.context.settings
    quick = Settings(
        docker=DockerSettings(host=settings.docker.host, stop_s=0), actions=ActionsSettings(timeout_s=0.5, verify_s=5.0)
    )
    context = Context(
        settings=quick, sources=operator.context.sources, readings=dict, operator="maria", progress=operator.told.append
    )
    outcome = await RESTART.execute(plan, context)
    assert outcome.state == "unknown" and not outcome.answered
    settled = await RESTART.settle(plan, outcome, context)
    assert settled.state == "done" and [each.id for each in settled.touched] == ["nexnum-app-3"]


async def test_a_container_that_is_not_nexnums_is_never_a_target(operator):
    for name in ("nexnum-redis", "nexnum-app-9", "x\x1b[31m"):
        with pytest.raises(ActionError, match="has no container"):
            await operator.plan(pod=name)


@pytest.mark.parametrize(("name", "words"), [("rollout.undo", "keeps no revisions"), ("deployment.scale", "--scale")])
async def test_what_compose_lacks_is_one_sentence(operator, name, words):
    said = ACTIONS[name].unavailable(operator.context.settings, operator.context.sources)
    assert said and words in said and "Docker Compose" in said


async def test_the_printed_command_does_the_same_where_docker_is_there(operator):
    plan = await operator.plan(pod="nexnum-app-1")
    if DOCKER is None:
        assert shlex.split(plan.command)[1:] == ["docker", "restart", "nexnum-app-1"]
        return
    done = await asyncio.to_thread(subprocess.run, plan.command, shell=True, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "nexnum-app-1\n"), done.stderr
    assert operator.stand.processes.begun.count("nexnum-app-1") == 2
