"""pods.restart on the drill's cluster, with real rows behind the verdict."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from acting import Desk, lacking, reading, settings_of, shell
from metrics_side import metrics_side
from pods_stand import PodsStand, bought, guards_of, small, stand
from small_cluster import until

from nexconsole.actions import failure_rate_change, rollouts
from nexconsole.actions.action import ActionError
from nexconsole.actions.cluster import open_cluster
from nexconsole.actions.failure_rate_change import Rate
from nexconsole.actions.perform import perform
from nexconsole.actions.plan import Outcome
from nexconsole.actions.pods import RESTART, _roll
from nexconsole.drill.kubernetes.apiserver import ApiServer
from nexconsole.signals.circuits import Circuits, Holder, ProviderCircuit
from nexconsole.signals.reservations import Pile, Reservations
from nexconsole.sources import open_sources

__all__ = ["small", "stand"]


async def test_on_a_calm_system_a_rolling_restart_brings_new_pods_and_worked(stand: PodsStand) -> None:
    await bought(stand.database, 30, 1, 100)
    before = stand.names()
    performance = await perform(RESTART, {}, stand.context(), Desk().console)
    assert performance.outcome and performance.outcome.state == "done", performance
    assert performance.verdict and performance.verdict.state == "worked", performance.verdict
    assert "3 of 3 new pods ready" in performance.verdict.because
    assert not set(before) & set(stand.names())
    assert stand.told[0] == "0 of 3 new pods ready" and "1 of 3 new pods ready" in stand.told


async def test_the_restart_is_stamped_as_kubectl_stamps_it(stand: PodsStand) -> None:
    context = stand.context()
    plan = await RESTART.prepare({}, context)
    assert await RESTART.execute(plan, context)
    annotations = stand.deployment()["spec"]["template"]["metadata"]["annotations"]
    assert list(annotations) == ["kubectl.kubernetes.io/restartedAt"]
    assert datetime.fromisoformat(annotations["kubectl.kubernetes.io/restartedAt"].replace("Z", "+00:00")).tzinfo


async def test_preparing_a_restart_changes_nothing(stand: PodsStand) -> None:
    version, context = stand.deployment()["metadata"]["generation"], stand.context()
    pods = stand.names()
    plan = await RESTART.prepare({}, context)
    one = await RESTART.prepare({"pod": pods[0]}, context)
    assert guards_of(plan)["dry run"].level == guards_of(one)["dry run"].level == "ok"
    assert stand.deployment()["metadata"]["generation"] == version and stand.names() == pods
    assert not any(pod["metadata"].get("deletionTimestamp") for pod in stand.small.cluster.store.objects("pods"))


async def test_failures_that_go_on_make_the_verdict_no_effect(stand: PodsStand) -> None:
    await bought(stand.database, 20, 12, 100)

    async def go_on() -> None:
        for number in range(1000):
            await bought(stand.database, int(number % 8 > 2), int(number % 8 <= 2), 0, f"later{number}")
            await asyncio.sleep(0.02)

    market = asyncio.create_task(go_on())
    performance = await perform(RESTART, {}, stand.context(), Desk().console)
    market.cancel()
    await asyncio.gather(market, return_exceptions=True)
    assert performance.verdict and performance.verdict.state == "no effect", performance.verdict
    assert "failed before" in performance.verdict.because


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (Rate(source="postgres", attempts=100, failures=32), "no effect"),
        (Rate(source="postgres", attempts=100, failures=60), "worse"),
        (Rate(source="postgres", attempts=200, failures=2), "worked"),
        (Rate(source="postgres", attempts=100, failures=0, open=30), None),
        (Rate(source="postgres", attempts=10, failures=0), None),
    ],
)
async def test_a_high_failure_rate_decides_the_verdict(stand: PodsStand, now: Rate, state: str | None) -> None:
    then = Rate(source="postgres", attempts=200, failures=60)
    verdict = failure_rate_change.judge(then, now, stand.context(), 20.0, last=False)
    assert (verdict.state if verdict else None) == state


async def test_purchases_that_are_still_open_prove_no_help_when_time_is_up(stand: PodsStand) -> None:
    then = Rate(source="postgres", attempts=200, failures=60)
    now = Rate(source="postgres", attempts=100, failures=0, open=30)
    verdict = failure_rate_change.judge(then, now, stand.context(), 90.0, last=True)
    assert verdict is not None and verdict.state == "unknown" and "too early" in verdict.because


async def test_where_most_purchases_hang_it_is_not_calm(stand: PodsStand) -> None:
    then = Rate(source="postgres", attempts=100, failures=0, open=80)
    still = Rate(source="postgres", attempts=60, failures=0, open=50)
    verdict = failure_rate_change.judge(then, still, stand.context(), 90.0, last=True)
    assert verdict is not None and verdict.state == "unknown"
    fine = Rate(source="postgres", attempts=60, failures=0, open=1)
    verdict = failure_rate_change.judge(then, fine, stand.context(), 30.0, last=False)
    assert verdict is not None and verdict.state == "worked"


async def test_without_rows_the_counters_of_prometheus_are_compared(stand: PodsStand, monkeypatch: Any) -> None:
    monkeypatch.setattr(failure_rate_change, "SCRAPES_S", 1.0)
    async with metrics_side() as side:
        tables = {"prometheus": {"url": side.url}, "postgres": {"url": "postgresql://u@127.0.0.1:1/x"}}
        context = stand.context(**tables)
        expressions = context.settings.prometheus.expressions
        for window, (tried, failed) in {"300s": (200.0, 80.0), "1s": (90.0, 1.0), "2s": (90.0, 1.0)}.items():
            side.vectors[expressions.attempts.replace("{window}", window)] = [({"provider": "a"}, tried)]
            side.vectors[expressions.failures.replace("{window}", window)] = [({"provider": "a"}, failed)]
        performance = await perform(RESTART, {}, context, Desk().console)
    assert performance.verdict and performance.verdict.state == "worked", performance.verdict
    assert "40 % (80 of 200) failed before" in performance.verdict.because


async def test_a_calm_system_that_fails_afterwards_is_worse(stand: PodsStand) -> None:
    then = Rate(source="postgres", attempts=200, failures=2)
    now = Rate(source="postgres", attempts=60, failures=20)
    verdict = failure_rate_change.judge(then, now, stand.context(), 5.0, last=False)
    assert verdict is not None and verdict.state == "worse"


async def test_without_a_failure_rate_the_verdict_is_unknown(stand: PodsStand) -> None:
    stand.database = None
    performance = await perform(RESTART, {}, stand.context(), Desk().console)
    assert performance.verdict and performance.verdict.state == "unknown"
    assert "3 of 3 new pods ready" in performance.verdict.because


async def test_new_pods_that_never_become_ready_are_said_so(stand: PodsStand, monkeypatch: Any) -> None:
    context = stand.context()
    plan = await RESTART.prepare({}, context)
    machine = stand.small.machine
    start = machine.start

    async def sick(name: str, image: str) -> Any:
        process = await start(name, image)
        process.serving = False
        return process

    monkeypatch.setattr(machine, "start", sick)
    outcome = await RESTART.execute(plan, context)
    verdict = await RESTART.verify(replace(plan, deadline_s=1.5), outcome, context)
    assert verdict.state == "unknown" and "0 of 3 new pods ready" in verdict.because


async def test_one_pod_is_deleted_by_its_uid_and_another_takes_its_place(stand: PodsStand) -> None:
    await bought(stand.database, 30, 0, 100)
    name = stand.names()[0]
    performance = await perform(RESTART, {"pod": name}, stand.context(), Desk().console)
    assert performance.outcome and performance.outcome.state == "done"
    assert performance.verdict and performance.verdict.state == "worked", performance.verdict
    assert name not in stand.names() and len(stand.names()) == 3


async def test_a_pod_that_was_replaced_since_the_preview_is_refused(stand: PodsStand) -> None:
    context = stand.context()
    name = stand.names()[0]
    plan = await RESTART.prepare({"pod": name}, context)
    other = replace(plan, details={**plan.details, "uid": "00000000-another"})
    outcome = await RESTART.execute(other, context)
    assert outcome.state == "refused" and "nothing was changed" in outcome.answer
    assert name in stand.names()


async def test_a_deployment_that_was_changed_since_the_preview_is_refused(stand: PodsStand) -> None:
    context = stand.context()
    plan = await RESTART.prepare({}, context)
    store = stand.small.cluster.store
    store.change("deployments", stand.deployment(), lambda one: one["metadata"].update(generation=99))
    outcome = await RESTART.execute(plan, context)
    assert outcome.state == "refused" and "somebody changed" in outcome.answer


async def test_a_version_that_is_older_than_the_deployment_is_refused(stand: PodsStand) -> None:
    context = stand.context()
    plan = await RESTART.prepare({}, context)
    async with open_cluster(context) as cluster:
        answer = await cluster.send(_roll(cluster, plan.details, version="1"))
    assert isinstance(answer, Outcome) and answer.state == "refused" and "409" in answer.answer
    assert "annotations" not in stand.deployment()["spec"]["template"]["metadata"]


async def test_a_pod_that_is_not_there_is_named_with_those_that_are(stand: PodsStand) -> None:
    with pytest.raises(ActionError, match=f"there are .*{stand.names()[0]}"):
        await RESTART.prepare({"pod": "nexnum-app-\x1b[31mnobody"}, stand.context())


async def test_a_role_that_may_only_read_is_blocked_with_the_rule_it_lacks(stand: PodsStand) -> None:
    context = stand.context("reader")
    plan = await RESTART.prepare({}, context)
    (blocked,) = plan.blocked
    assert 'resources: ["deployments"], verbs: ["patch"]' in blocked.reason
    one = await RESTART.prepare({"pod": stand.names()[0]}, context)
    assert 'apiGroups: [""], resources: ["pods"], verbs: ["delete"]' in one.blocked[0].reason
    assert (await RESTART.permitted(context)).level == "block"
    assert (await RESTART.permitted(stand.context())).level == "ok"
    outcome = await RESTART.execute(plan, context)
    assert outcome.state == "refused" and "may not patch deployments.apps" in outcome.answer
    assert "annotations" not in stand.deployment()["spec"]["template"]["metadata"]


async def test_a_rollout_that_still_runs_blocks_another(stand: PodsStand) -> None:
    context = stand.context()
    for process in stand.small.processes():
        process.serving = False
    await RESTART.execute(await RESTART.prepare({}, context), context)
    await until(lambda: len(stand.small.cluster.pods) > 3)
    plan = await RESTART.prepare({}, context)
    assert [guard.name for guard in plan.blocked] == ["rollout"] and "still running" in plan.blocked[0].reason


async def test_a_paused_deployment_is_not_restarted(stand: PodsStand) -> None:
    store = stand.small.cluster.store
    store.change("deployments", stand.deployment(), lambda one: one["spec"].update(paused=True))
    plan = await RESTART.prepare({}, stand.context())
    assert "resume it first" in plan.blocked[0].reason


async def test_what_a_restart_wipes_and_orphans_is_warned_of(stand: PodsStand) -> None:
    names = stand.names()
    holders = tuple(Holder(kind="pod", where=name, state="open") for name in names[:2])
    circuit = ProviderCircuit(name="smsbower", id="1", active=True, state="open", holders=holders)
    stand.readings = {
        "circuits": reading("circuits", Circuits(providers=(circuit,), pods=3, pods_followed=3)),
        "reservations": reading(
            "reservations",
            Reservations(
                pending=9, stuck=2, oldest_s=5.0, by_table={"activations": Pile(pending=9, stuck=2, oldest_s=5.0)}
            ),
        ),
    }
    plan = await RESTART.prepare({}, stand.context())
    guards = guards_of(plan)
    assert guards["wiped"].level == "warn" and "smsbower on 2 of 3" in guards["wiped"].reason
    assert guards["in flight"].level == "warn" and guards["in flight"].reason.startswith("7 purchases")
    one = guards_of(await RESTART.prepare({"pod": names[2]}, stand.context()))
    assert one["wiped"].level == "ok"


async def test_pods_that_the_kubelet_restarts_already_are_warned_of(stand: PodsStand) -> None:
    store = stand.small.cluster.store
    for process in stand.small.processes():
        process.dead = True
    await until(
        lambda: all(
            (pod["status"].get("containerStatuses") or [{}])[0].get("restartCount", 0) for pod in store.objects("pods")
        )
    )
    guard = guards_of(await RESTART.prepare({}, stand.context()))["restarts"]
    assert guard.level == "warn" and "restarts all pods already" in guard.reason


async def test_the_only_ready_pod_is_confirmed_by_its_name(stand: PodsStand) -> None:
    names = stand.names()
    for name in names[1:]:
        stand.small.machine.running[name].serving = False
    await until(lambda: stand.deployment()["status"].get("readyReplicas") == 1)
    plan = await RESTART.prepare({"pod": names[0]}, stand.context())
    assert (plan.confirm.kind, plan.confirm.text) == ("type", names[0])
    assert guards_of(plan)["last ready"].level == "warn"


async def test_an_api_server_that_does_not_answer_leaves_it_unknown(stand: PodsStand, monkeypatch: Any) -> None:
    context = stand.context(actions={"timeout_s": 0.6})
    plan = await RESTART.prepare({}, context)

    async def slow(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(5)

    monkeypatch.setattr(ApiServer, "_write", slow)
    outcome = await RESTART.execute(plan, context)
    assert outcome.state == "unknown" and "it may have happened or not" in outcome.answer
    verdict = await RESTART.verify(replace(plan, deadline_s=0.5), outcome, context)
    assert verdict.state == "no effect" and "never reached" in verdict.because


@pytest.mark.skipif(lacking("kubectl"), reason="kubectl is not on PATH")
async def test_the_literal_commands_do_the_same(stand: PodsStand) -> None:
    context = stand.context()
    plan = await RESTART.prepare({}, context)
    status, printed = await shell(plan.command, HOME="/tmp")
    assert status == 0, printed
    assert "kubectl.kubernetes.io/restartedAt" in json.dumps(stand.deployment()["spec"]["template"])
    await until(lambda: stand.small.ready() and not {t.id for t in plan.targets} & set(stand.names()))
    name = stand.names()[0]
    plan = await RESTART.prepare({"pod": name}, context)
    status, printed = await shell(plan.command, HOME="/tmp")
    assert status == 0, printed
    await until(lambda: name not in stand.names())


def test_without_a_cluster_it_is_unavailable() -> None:
    settings = settings_of()
    assert "KUBECONFIG" in (RESTART.unavailable(settings, open_sources(settings)) or "")


@pytest.mark.parametrize(
    ("waited", "later", "last", "state"),
    [
        (6.0, 7, False, None),  # it is too early to tell
        (25.0, 0, False, "worked"),  # what failed, failed in the first seconds
        (25.0, 7, False, "worse"),
        (6.0, 7, True, "worse"),  # time is up, and nothing else is known
    ],
)
async def test_what_fails_while_new_pods_settle_is_no_harm_that_lasts(
    stand: PodsStand, monkeypatch: Any, waited: float, later: int, last: bool, state: str | None
) -> None:
    async def measured(context: Any, seconds: float, source: str) -> Rate:
        return Rate(source=source, attempts=22, failures=7 if seconds == waited else later)

    monkeypatch.setattr(failure_rate_change, "measure", measured)
    then = Rate(source="postgres", attempts=484, failures=2)
    verdict = await rollouts._judged(stand.context(), then, waited, last)
    assert (verdict.state if verdict else None) == state
