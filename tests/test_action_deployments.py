"""deployment.scale and rollout.undo on the drill's cluster."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sample_readings
from acting import Desk, lacking, reading, shell
from pods_stand import PodsStand, bought, guards_of, small, stand
from small_cluster import until

from nexconsole.actions import outbox_progress
from nexconsole.actions.action import ActionError
from nexconsole.actions.deployments import SCALE_ACTION
from nexconsole.actions.perform import perform
from nexconsole.actions.plan import Outcome
from nexconsole.actions.pods import RESTART
from nexconsole.actions.rollback import BACK
from nexconsole.drill.kubernetes.apiserver import ApiServer
from nexconsole.signals.releases import Release

__all__ = ["small", "stand"]


async def release(stand: PodsStand, image: str) -> None:
    """A new version is rolled out."""

    def change(one: dict[str, Any]) -> None:
        one["spec"]["template"]["spec"]["containers"][0]["image"] = image
        one["metadata"]["generation"] += 1

    before = set(stand.names())
    stand.small.cluster.store.change("deployments", stand.deployment(), change)
    await until(lambda: stand.small.ready() and not before & set(stand.names()))


def image(stand: PodsStand) -> str:
    return stand.deployment()["spec"]["template"]["spec"]["containers"][0]["image"]


async def test_scaling_up_makes_as_many_pods_ready_and_can_be_undone(stand: PodsStand) -> None:
    await bought(stand.database, 30, 0, 100)
    context = stand.context()
    performance = await perform(SCALE_ACTION, {"replicas": "5"}, context, Desk().console)
    assert performance.outcome and performance.outcome.state == "done", performance
    assert performance.verdict and performance.verdict.state == "worked", performance.verdict
    assert "5 of 5 pods ready" in performance.verdict.because and "5 of 5 pods ready" in stand.told
    assert performance.plan and performance.plan.undo
    undone = await perform(SCALE_ACTION, performance.plan.undo.arguments, context, Desk().console)
    assert undone.verdict and undone.verdict.state == "worked", undone
    assert len(stand.names()) == 3


@pytest.mark.parametrize("text", ["", "-1", "three", "1e3", "99999", "٣", "3.5"])
async def test_a_number_of_pods_that_is_none_is_refused(stand: PodsStand, text: str) -> None:
    with pytest.raises(ActionError, match="replicas is a number from 0"):
        await SCALE_ACTION.prepare({"replicas": text}, stand.context())


async def test_scaling_to_what_it_is_has_nothing_to_do(stand: PodsStand) -> None:
    with pytest.raises(ActionError, match="scaled to 3 already"):
        await SCALE_ACTION.prepare({"replicas": "3"}, stand.context())


async def test_an_autoscaler_whose_bounds_forbid_it_blocks(stand: PodsStand) -> None:
    for wanted in ("1", "11"):
        plan = await SCALE_ACTION.prepare({"replicas": wanted}, stand.context())
        (guard,) = plan.blocked
        assert "keeps it between 2 and 10 and would undo this at once" in guard.reason


async def test_an_autoscaler_that_measures_is_warned_of(stand: PodsStand, monkeypatch: Any) -> None:
    def working(one: dict[str, Any]) -> None:
        for condition in one["status"]["conditions"]:
            if condition["type"] == "ScalingActive":
                condition["status"] = "True"

    await until(lambda: stand.small.cluster.store.objects("horizontalpodautoscalers")[0]["status"]["conditions"])
    monkeypatch.setattr(stand.small.cluster._autoscaler, "sync", lambda: None)  # it would measure nothing again
    store = stand.small.cluster.store
    store.change("horizontalpodautoscalers", store.objects("horizontalpodautoscalers")[0], working)
    guard = guards_of(await SCALE_ACTION.prepare({"replicas": "4"}, stand.context()))["autoscaler"]
    assert guard.level == "warn" and "it may soon undo this" in guard.reason


async def test_scaling_to_nothing_is_typed(stand: PodsStand) -> None:
    plan = await SCALE_ACTION.prepare({"replicas": "0"}, stand.context())
    assert (plan.confirm.kind, plan.confirm.text) == ("type", "nexnum-app")
    assert "nobody can buy" in plan.effect and not plan.blocked
    assert {"wiped", "in flight"} <= guards_of(plan).keys()


async def test_somebody_else_who_scaled_meanwhile_is_not_overruled(stand: PodsStand) -> None:
    context = stand.context()
    plan = await SCALE_ACTION.prepare({"replicas": "5"}, context)
    store = stand.small.cluster.store
    store.change("deployments", stand.deployment(), lambda one: one["spec"].update(replicas=4))
    outcome = await SCALE_ACTION.execute(plan, context)
    assert outcome.state == "refused" and "scaled to 4 now, not 3" in outcome.answer
    assert stand.deployment()["spec"]["replicas"] == 4


async def test_a_scale_that_is_taken_back_had_no_effect(stand: PodsStand) -> None:
    context = stand.context()
    plan = await SCALE_ACTION.prepare({"replicas": "5"}, context)
    outcome = await SCALE_ACTION.execute(plan, context)
    store = stand.small.cluster.store
    store.change("deployments", stand.deployment(), lambda one: one["spec"].update(replicas=3))
    verdict = await SCALE_ACTION.verify(plan, outcome, context)
    assert verdict.state == "no effect" and "scaled to 3 again: autoscaler nexnum-hpa" in verdict.because


async def test_a_role_without_the_right_is_told_the_rule(stand: PodsStand) -> None:
    context = stand.context("reader")
    plan = await SCALE_ACTION.prepare({"replicas": "4"}, context)
    assert 'resources: ["deployments/scale"], verbs: ["patch"]' in plan.blocked[0].reason
    assert (await SCALE_ACTION.permitted(context)).level == "block"
    assert (await BACK.permitted(context)).level == "block"
    assert (await BACK.permitted(stand.context())).level == "ok"
    outcome = await SCALE_ACTION.execute(plan, context)
    assert outcome.state == "refused" and stand.deployment()["spec"]["replicas"] == 3


async def test_a_role_that_may_not_go_back_is_told_the_rule_and_changes_nothing(stand: PodsStand) -> None:
    await release(stand, "x:2")
    context = stand.context("reader")
    done = await perform(BACK, {}, context, Desk().console)
    assert done.outcome is None and 'resources: ["deployments"], verbs: ["patch"]' in (done.stopped or "")
    outcome = await BACK.execute(await BACK.prepare({}, context), context)
    assert outcome.state == "refused" and "may not patch deployments.apps" in outcome.answer
    assert image(stand) == "x:2"


async def test_a_scale_that_is_not_answered_is_unknown_and_looked_up(stand: PodsStand, monkeypatch: Any) -> None:
    context = stand.context(actions={"timeout_s": 0.6})
    plan = await SCALE_ACTION.prepare({"replicas": "4"}, context)
    write = ApiServer._write

    async def lost(self: Any, *args: Any) -> Any:
        await write(self, *args)
        raise RuntimeError("the connection goes with it")

    monkeypatch.setattr(ApiServer, "_write", lost)
    outcome = await SCALE_ACTION.execute(plan, context)
    assert outcome.state == "unknown", outcome
    await bought(stand.database, 30, 0, 0)
    verdict = await SCALE_ACTION.verify(plan, outcome, context)
    assert "4 of 4 pods ready" in verdict.because


async def test_going_back_brings_the_template_before_and_can_be_undone(stand: PodsStand) -> None:
    await bought(stand.database, 30, 0, 100)
    good = image(stand)
    await release(stand, "ghcr.io/nexnum/nexnum-app:1.5.0")
    context = stand.context()
    performance = await perform(BACK, {}, context, Desk().console)
    assert performance.plan and performance.outcome and performance.verdict, performance
    assert f"ghcr.io/nexnum/nexnum-app:1.5.0 -> {good}" in performance.plan.effect
    assert "revision 2 back to 1" in performance.plan.effect
    assert performance.verdict.state == "worked", performance.verdict
    assert image(stand) == good
    assert performance.plan.undo and performance.plan.undo.arguments == {"revision": "2"}
    undone = await perform(BACK, performance.plan.undo.arguments, context, Desk().console)
    assert undone.verdict and undone.verdict.state == "worked", undone
    assert image(stand) == "ghcr.io/nexnum/nexnum-app:1.5.0"


async def test_preparing_to_go_back_changes_nothing(stand: PodsStand) -> None:
    await release(stand, "x:2")
    before = stand.deployment()["metadata"]["generation"]
    plan = await BACK.prepare({}, stand.context())
    assert guards_of(plan)["dry run"].level == "ok" and (plan.confirm.kind, plan.confirm.text) == ("type", "nexnum-app")
    assert stand.deployment()["metadata"]["generation"] == before and image(stand) == "x:2"


async def test_revisions_that_are_not_there_are_refused_with_those_that_are(stand: PodsStand) -> None:
    context = stand.context()
    with pytest.raises(ActionError, match="no other revision"):
        await BACK.prepare({}, context)
    await release(stand, "x:2")
    with pytest.raises(ActionError, match="runs already"):
        await BACK.prepare({"revision": "2"}, context)
    with pytest.raises(ActionError, match="there are 1"):
        await BACK.prepare({"revision": "7"}, context)
    with pytest.raises(ActionError, match="revision is a number"):
        await BACK.prepare({"revision": "one"}, context)


async def test_a_revision_that_differs_by_a_restart_only_is_said_so(stand: PodsStand) -> None:
    def restart(one: dict[str, Any]) -> None:
        one["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
        one["metadata"]["generation"] += 1

    before = set(stand.names())
    stand.small.cluster.store.change("deployments", stand.deployment(), restart)
    await until(lambda: stand.small.ready() and not before & set(stand.names()))
    guard = guards_of(await BACK.prepare({}, stand.context()))["difference"]
    assert guard.level == "warn" and "by a restart only" in guard.reason


async def test_after_a_restart_the_way_back_still_leads_to_what_ran_before_the_release(stand: PodsStand) -> None:
    good = image(stand)
    await release(stand, "x:2")

    def restart(one: dict[str, Any]) -> None:
        one["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
        one["metadata"]["generation"] += 1

    before = set(stand.names())
    stand.small.cluster.store.change("deployments", stand.deployment(), restart)
    await until(lambda: stand.small.ready() and not before & set(stand.names()))
    plan = await BACK.prepare({}, stand.context())
    assert plan.arguments == {"revision": "1"} and f"x:2 -> {good}" in plan.effect
    assert guards_of(plan)["difference"].level == "ok"


async def queued(stand: PodsStand, events: int) -> None:
    """Purchases are well, and events have waited for far too long."""
    await bought(stand.database, 30, 0, 100)
    for number in range(events):
        await stand.database.event(f"q{number}", 400 - number)


async def consumed(stand: PodsStand, image_of: str) -> None:
    """The workers of this image take what waits, little by little, once they run."""
    await until(lambda: image(stand) == image_of and stand.small.ready())
    while await stand.database.connection.fetch(
        "UPDATE outbox_events_v2 SET status = 'PUBLISHED' WHERE id IN"
        " (SELECT id FROM outbox_events_v2 WHERE status = 'PENDING' ORDER BY created_at LIMIT 2) RETURNING id"
    ):
        await asyncio.sleep(0.1)


async def test_going_back_is_judged_by_the_late_outbox_where_purchases_were_well(
    stand: PodsStand, monkeypatch: Any
) -> None:
    monkeypatch.setattr(outbox_progress, "WATCH_S", 3.0)
    await queued(stand, 40)
    good = image(stand)
    await release(stand, "x:2")
    working = asyncio.create_task(consumed(stand, good))
    performance = await perform(BACK, {}, stand.context(), Desk().console)
    await working
    assert performance.plan and "the late outbox catches up" in performance.plan.watch
    assert performance.verdict and performance.verdict.state == "worked", performance.verdict
    assert re.search(r"of the late outbox \d+ events waited then, \d+ after", performance.verdict.because)


@pytest.mark.parametrize(("age_s", "level"), [(540, "warn"), (7200, "ok"), (None, "ok")])
async def test_a_restart_is_warned_of_while_what_runs_is_a_young_release(
    stand: PodsStand, age_s: Any, level: str
) -> None:
    now = datetime.now(UTC)
    since = None if age_s is None else now - timedelta(seconds=age_s)
    young = Release(revision="2", read_at=now, images="app:2", before="app:1", since=since)
    workloads = replace(sample_readings.calm()["workloads"].value, release=young)
    stand.readings["workloads"] = reading("workloads", workloads)
    guard = guards_of(await RESTART.prepare({}, stand.context()))["release"]
    assert guard.level == level
    assert (level == "warn") is ("app:2 was released 9 min ago: if it is the cause, go back" in guard.reason)


async def test_a_restart_after_which_the_outbox_is_as_late_as_before_had_no_effect(
    stand: PodsStand, monkeypatch: Any
) -> None:
    monkeypatch.setattr(outbox_progress, "WATCH_S", 1.0)
    await queued(stand, 40)
    performance = await perform(RESTART, {}, stand.context(), Desk().console)
    assert performance.verdict and performance.verdict.state == "no effect", performance.verdict
    assert "40 events waited then, 40 after" in performance.verdict.because
    assert "it does not catch up" in performance.verdict.because


@pytest.mark.parametrize(
    ("then", "now", "waited", "last", "state"),
    [
        ((100, 2), (90, 2), 5, False, "worked"),
        ((100, 2), (97, 2), 40, False, None),
        ((100, 2), (97, 2), 90, True, "unknown"),
        ((100, 2), (100, 2), 29, False, None),
        ((100, 2), (130, 3), 30, False, "no effect"),
        ((100, 2), (50, 5), 30, False, None),  # it empties by failing
        ((100, 2), (50, 5), 90, True, "unknown"),
        ((100, 2), (91, 2), 40, False, None),
        ((1, 0), (0, 0), 1, False, "worked"),
    ],
)
def test_an_outbox_catches_up_when_clearly_less_waits_and_nothing_more_failed(then, now, waited, last, state) -> None:
    first, second = (
        outbox_progress.OutboxQueue(pending=pending, failed=failed, oldest_s=300.0) for pending, failed in (then, now)
    )
    verdict = outbox_progress.judge(first, second, waited, last)
    assert (verdict.state if verdict else None) == state
    many = replace(second, capped=True)
    assert outbox_progress.judge(first, many, waited, False) is None


async def test_a_deployment_changed_since_the_preview_is_not_taken_back(stand: PodsStand) -> None:
    await release(stand, "x:2")
    context = stand.context()
    plan = await BACK.prepare({}, context)
    await release(stand, "x:3")
    outcome = await BACK.execute(plan, context)
    assert outcome.state == "refused" and image(stand) == "x:3"


async def test_a_paused_deployment_is_not_taken_back(stand: PodsStand) -> None:
    await release(stand, "x:2")
    store = stand.small.cluster.store
    store.change("deployments", stand.deployment(), lambda one: one["spec"].update(paused=True))
    plan = await BACK.prepare({}, stand.context())
    assert "resume it first" in plan.blocked[0].reason


async def test_a_rollout_that_does_not_come_up_is_gone_back_from(stand: PodsStand, monkeypatch: Any) -> None:
    await bought(stand.database, 30, 0, 100)
    machine, start = stand.small.machine, stand.small.machine.start

    async def sick(name: str, image: str) -> Any:
        process = await start(name, image)
        process.serving = False
        return process

    monkeypatch.setattr(machine, "start", sick)

    def change(one: dict[str, Any]) -> None:
        one["spec"]["template"]["spec"]["containers"][0]["image"] = "broken:1"
        one["metadata"]["generation"] += 1

    stand.small.cluster.store.change("deployments", stand.deployment(), change)
    await until(lambda: len(stand.names()) == 4)
    monkeypatch.setattr(machine, "start", start)
    performance = await perform(BACK, {}, stand.context(), Desk().console)
    assert performance.verdict and performance.verdict.state == "worked", performance
    assert image(stand) != "broken:1"


async def test_an_unknown_order_that_never_arrived_had_no_effect(stand: PodsStand) -> None:
    await release(stand, "x:2")
    context = stand.context()
    plan = await BACK.prepare({}, context)
    lost = Outcome(state="unknown", answer="no answer")
    verdict = await BACK.verify(replace(plan, deadline_s=0.3), lost, context)
    assert verdict.state == "no effect" and "never reached" in verdict.because


@pytest.mark.skipif(lacking("kubectl"), reason="kubectl is not on PATH")
async def test_the_literal_commands_do_the_same(stand: PodsStand) -> None:
    good = image(stand)
    await release(stand, "x:2")
    context = stand.context()
    plan = await BACK.prepare({}, context)
    status, printed = await shell(plan.command, HOME="/tmp")
    assert status == 0 and image(stand) == good, printed
    assert plan.undo
    status, printed = await shell(plan.undo.command, HOME="/tmp")
    assert status == 0 and image(stand) == "x:2", printed
    await until(stand.small.ready)
    plan = await SCALE_ACTION.prepare({"replicas": "4"}, context)
    status, printed = await shell(plan.command, HOME="/tmp")
    assert status == 0 and stand.deployment()["spec"]["replicas"] == 4, printed
    status, printed = await shell(plan.command, HOME="/tmp")
    assert status != 0, "a second time it is not 3 any more"
    assert plan.undo
    status, printed = await shell(plan.undo.command, HOME="/tmp")
    assert status == 0 and stand.deployment()["spec"]["replicas"] == 3, printed
