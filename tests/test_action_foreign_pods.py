"""Actions on pods where the cluster is as real ones are: foreign pods, a change freeze, roles that name objects."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from acting import Desk, lacking, shell
from pods_stand import PodsStand, bought, guards_of, small, stand
from small_cluster import until

from nexconsole.actions.deployments import SCALE_ACTION
from nexconsole.actions.perform import perform
from nexconsole.actions.pods import RESTART
from nexconsole.actions.rollback import BACK
from nexconsole.drill.kubernetes import roles
from nexconsole.drill.kubernetes.apiserver import ApiServer
from nexconsole.drill.kubernetes.roles import RoleRule
from nexconsole.errors import ActionError
from nexconsole.signals.readings import read_once
from nexconsole.signals.workloads import SIGNAL

__all__ = ["small", "stand"]

FREEZE = "change freeze until Monday, ask maria"


def spec(stand: PodsStand) -> dict[str, Any]:
    return stand.deployment()["spec"]["template"]["spec"]


async def release(stand: PodsStand, image: str, pods: int = 3) -> None:
    """Roll an image out, and wait until so many pods are there."""

    def change(one: dict[str, Any]) -> None:
        one["spec"]["template"]["spec"]["containers"][0]["image"] = image
        one["metadata"]["generation"] += 1

    stand.small.cluster.store.change("deployments", stand.deployment(), change)
    await until(lambda: len(stand.names()) == pods)


async def test_foreign_pods_are_counted_nowhere_and_a_restart_ends_when_its_own_pods_are_new(stand: PodsStand) -> None:
    await bought(stand.database, 30, 0, 100)
    stand.small.cluster.strangers.come()
    context = stand.context()
    value = (await read_once(SIGNAL, context.sources, context.settings)).value
    assert (len(value.pods), value.ready, len(value.others)) == (3, 3, 5)
    assert sorted(pod.why.partition(" ")[0] for pod in value.others) == ["completed", "ending", "evicted", "has", "of"]
    done = await perform(RESTART, {}, context, Desk().console)
    assert done.plan and "Replaces the 3 pods" in done.plan.effect
    assert "5 other pods with these labels are neither changed" in guards_of(done.plan)["other pods"].reason
    assert done.verdict and done.verdict.state == "worked", done.verdict
    assert "3 of 3 new pods ready" in done.verdict.because


async def test_a_scale_is_done_when_its_own_pods_are_there(stand: PodsStand) -> None:
    await bought(stand.database, 30, 0, 100)
    stand.small.cluster.strangers.come()
    done = await perform(SCALE_ACTION, {"replicas": "4"}, stand.context(), Desk().console)
    assert done.verdict and done.verdict.state == "worked", done.verdict
    assert "4 of 4 pods ready" in done.verdict.because


async def test_a_pod_that_is_not_the_deployment_s_is_no_target(stand: PodsStand) -> None:
    stand.small.cluster.strangers.come()
    with pytest.raises(ActionError, match=r"nexnum-app-debug does not belong to nexnum-app, .*nothing starts it again"):
        await RESTART.prepare({"pod": "nexnum-app-debug"}, stand.context())
    with pytest.raises(ActionError, match="canary-6b7d9-q5w2z does not belong to nexnum-app"):
        await RESTART.prepare({"pod": "nexnum-app-canary-6b7d9-q5w2z"}, stand.context())
    stuck = next(one for one in value_names(stand) if one.endswith("-stuck"))
    with pytest.raises(ActionError, match="is ending already"):
        await RESTART.prepare({"pod": stuck}, stand.context())
    plan = await RESTART.prepare({"pod": stand.names()[0]}, stand.context())
    (owner,) = {rs["metadata"]["name"] for rs in stand.small.cluster.store.objects("replicasets")}
    assert f"ReplicaSet {owner} starts another in its place, 2 others stay ready" in plan.effect


def value_names(stand: PodsStand) -> list[str]:
    return [pod["metadata"]["name"] for pod in stand.small.cluster.store.objects("pods")]


async def test_a_change_freeze_is_shown_in_its_own_words_and_no_grant_is_advised(stand: PodsStand) -> None:
    context = stand.context()
    plan = await SCALE_ACTION.prepare({"replicas": "4"}, context)
    stand.small.cluster.troubles.freeze = FREEZE
    outcome = await SCALE_ACTION.execute(plan, context)
    assert outcome.state == "refused" and FREEZE in outcome.answer and "grant" not in outcome.answer
    done = await perform(SCALE_ACTION, {"replicas": "4"}, context, Desk().console)
    assert done.outcome is None and FREEZE in (done.stopped or "") and "grant" not in (done.stopped or "")
    plan = await RESTART.prepare({"pod": stand.names()[0]}, context)
    assert guards_of(plan)["account may delete pods"].level == "ok" and FREEZE in plan.blocked[0].reason


async def test_a_cluster_that_nobody_has_named_is_named_before_anything_is_done_to_it(
    stand: PodsStand, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    stand.small.write_kubeconfig("operator").rename(tmp_path / ".kube/config")
    context = stand.context(kubernetes={"kubeconfig": "as-kubectl"})
    for action, arguments in ((SCALE_ACTION, {"replicas": "4"}), (RESTART, {}), (RESTART, {"pod": stand.names()[0]})):
        guard = guards_of(await action.prepare(arguments, context))["cluster"]
        assert guard.level == "warn"
        assert "the settings name no cluster: this is the one that kubectl uses: context drill, cluster" in guard.reason
    assert "cluster" not in guards_of(await RESTART.prepare({}, stand.context()))


async def test_a_role_that_names_the_deployment_may_act_on_it(stand: PodsStand, monkeypatch: Any) -> None:
    named = RoleRule(("patch",), ("apps",), ("deployments", "deployments/scale"), ("nexnum-app",))
    users = stand.small.cluster._roles._users
    token = stand.small.cluster.tokens["reader"]
    monkeypatch.setitem(users, token, replace(users[token], rules=(*roles.SEE, *roles.LOGS, named)))
    context = stand.context("reader")
    for action, arguments in ((SCALE_ACTION, {"replicas": "4"}), (RESTART, {})):
        assert (await action.permitted(context)).level == "ok"
        plan = await action.prepare(arguments, context)
        assert not plan.blocked, plan.blocked
    assert (await SCALE_ACTION.execute(await SCALE_ACTION.prepare({"replicas": "4"}, context), context)).state == "done"


@pytest.mark.skipif(lacking("kubectl"), reason="kubectl is not on PATH")
@pytest.mark.parametrize("checked", [True, False])
async def test_the_printed_lines_run_with_the_rights_that_are_there(
    stand: PodsStand, monkeypatch: Any, checked: bool
) -> None:
    """Each action's own rights and no more; with those that hold the number against the one that was shown too."""
    users, token = stand.small.cluster._roles._users, stand.small.cluster.tokens["reader"]
    more = (RoleRule(("get", "update"), ("apps",), ("deployments/scale",)),) if checked else ()
    for action, arguments in ((SCALE_ACTION, {"replicas": "4"}), (RESTART, {}), (BACK, {"revision": "1"})):
        rights = [RoleRule((r.verb,), (r.resource.partition(".")[2],), (plain(r),)) for r in action.rights]
        look = (RoleRule(("list",), ("",), ("pods",)),)
        monkeypatch.setitem(users, token, replace(users[token], rules=(*rights, *look, *more)))
        context = stand.context("reader")
        plan = await action.prepare(arguments, context)
        assert not plan.blocked, plan.blocked
        assert ("--current-replicas=3" in plan.command) is (checked and action is SCALE_ACTION)
        status, printed = await shell(plan.command, HOME="/tmp")
        assert status == 0, printed
        if plan.undo and action is SCALE_ACTION:
            status, printed = await shell(plan.undo.command, HOME="/tmp")
            assert status == 0, printed


def plain(rule: Any) -> str:
    name = rule.resource.partition(".")[0]
    return f"{name}/{rule.subresource}" if rule.subresource else name


async def test_going_back_from_a_stuck_rollout_leaves_the_pods_that_run_the_old_revision(
    stand: PodsStand, monkeypatch: Any
) -> None:
    machine, start = stand.small.machine, stand.small.machine.start

    async def sick(name: str, image: str) -> Any:
        process = await start(name, image)
        process.serving = False
        return process

    monkeypatch.setattr(machine, "start", sick)
    old = stand.names()
    await release(stand, "broken:1", pods=4)
    (new,) = set(stand.names()) - set(old)
    plan = await BACK.prepare({}, stand.context())
    assert "1 pod is replaced one after the other, 3 that run revision 1 already stay" in plan.effect
    assert [target.id for target in plan.targets if target.kind == "pod"] == [new]


async def test_what_was_taken_back_is_not_released_again_unasked(stand: PodsStand) -> None:
    await bought(stand.database, 30, 0, 100)
    await release(stand, "bad:2")
    await until(stand.small.ready)
    context = stand.context()
    done = await perform(BACK, {}, context, Desk().console)
    assert done.verdict and done.verdict.state == "worked", done
    with pytest.raises(ActionError, match=r"every other revision was taken back already: 2 \(bad:2\). Name one to"):
        await BACK.prepare({}, context)
    plan = await BACK.prepare({"revision": "2"}, context)
    guard = guards_of(plan)["taken back"]
    assert guard.level == "warn" and "revision 2 (bad:2) was released and taken back already" in guard.reason
    value = (await read_once(SIGNAL, context.sources, context.settings)).value
    assert value.release.withdrawn == "bad:2 (revision 2)" and value.release.gone_back
    (suggestion,) = BACK.suggestions({"workloads": reading_of(value)}, context.settings)
    assert "bad:2 (revision 2) was taken back already and is passed over" in suggestion.title
    await release(stand, "good:4")
    await until(stand.small.ready)
    assert (await BACK.prepare({}, context)).arguments == {"revision": "3"}, "the good one, not the one before it"


def reading_of(value: Any) -> Any:
    from acting import reading

    return reading("workloads", value)


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("which", ["scale", "restart", "pod", "back"])
async def test_an_order_that_is_not_answered_is_settled_by_the_cluster(
    stand: PodsStand, monkeypatch: Any, which: str, arrives: bool
) -> None:
    if which == "back":
        await release(stand, "x:2")
        await until(stand.small.ready)
    action, arguments = {
        "scale": (SCALE_ACTION, {"replicas": "4"}),
        "restart": (RESTART, {}),
        "pod": (RESTART, {"pod": stand.names()[0]}),
        "back": (BACK, {}),
    }[which]
    context = stand.context(actions={"verify_s": 0.2})
    plan = await action.prepare(arguments, context)
    write = ApiServer._write

    async def lost(self: Any, request: Any, *args: Any) -> Any:
        if arrives:
            await write(self, request, *args)
        request.transport.abort()
        await asyncio.sleep(1)

    monkeypatch.setattr(ApiServer, "_write", lost)
    outcome = await action.execute(plan, context)
    assert outcome.state == "unknown", outcome
    monkeypatch.setattr(ApiServer, "_write", write)
    settled = await action.settle(plan, outcome, context)
    assert settled.state == ("done" if arrives else "unknown"), settled
    assert ("it was done" if arrives else "not done so far") in settled.answer
