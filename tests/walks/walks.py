"""The walks: the shortest way to calm of each drill, as somebody goes it who reads the screen.

A name says the drill and the way: `:runbook` by the scenario that fits, with all looks on the way recorded; `:row` from
the row that shows the trouble; `:palette` by Ctrl+P.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from .operator import Enough, WalkingOperator

Walk = Callable[[WalkingOperator], Awaitable[None]]
WALKS: dict[str, Walk] = {}


def walk(name: str) -> Callable[[Walk], Walk]:
    def taken(function: Walk) -> Walk:
        WALKS[name] = function
        return function

    return taken


@walk("calm")
async def calm(operator: WalkingOperator) -> None:
    await operator.calm()


@walk("provider-outage:row")
async def provider_outage(operator: WalkingOperator) -> None:
    await operator.see("ONE PROVIDER: smsbower|smsbower +▆.*%")
    await operator.row("1", "smsbower", "Disable provider")
    await operator.confirm("Disables smsbower")
    await operator.verdict("provider.disable smsbower")
    await operator.calm()


@walk("provider-outage:runbook")
async def provider_outage_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("High purchase failure rate", "scenario 1")
    await operator.do("DO provider.disable smsbower", "Disables smsbower", "provider.disable smsbower")
    await operator.calm()


@walk("database-stall:row")
async def database_stall(operator: WalkingOperator) -> None:
    await operator.row("5", "idle in transaction", "End session")
    await operator.confirm("Ends")
    await operator.verdict("backend.terminate")
    await operator.calm()


@walk("database-stall:runbook")
async def database_stall_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("A session blocks others", "scenario 9")
    await operator.do("DO backend.terminate", "Ends", "backend.terminate")
    await operator.calm()


@walk("reconciler-stopped:palette")
async def reconciler_stopped(operator: WalkingOperator) -> None:
    for _ in range(5):
        await operator.command("", "(?i)reconcile")
        await operator.confirm("Calls GET")
        await operator.verdict("reconcile.run")
        if await operator.calm_soon():
            break
    await operator.calm()


@walk("reconciler-stopped:runbook")
async def reconciler_stopped_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("Stuck reservations", "scenario 2")
    await operator.do("DO reconcile.run", "Calls GET", "reconcile.run", ledger="accepted")
    for _ in range(5):
        if await operator.calm_soon(15.0):
            return
        await operator.walk_to("DO reconcile.run")
        await operator.again("Calls GET", "reconcile.run")
    await operator.calm()


@walk("outbox-poison:palette")
async def outbox_poison(operator: WalkingOperator) -> None:
    await operator.command("", "(?i)roll .* back")
    await operator.confirm("Takes nexnum-app")
    await operator.verdict("rollout.undo", within=300)
    await operator.command("", "Retry all")
    await operator.confirm("(?i)puts")
    await operator.verdict("outbox.retry all")
    await operator.calm()


@walk("outbox-poison:runbook")
async def outbox_poison_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("Outbox worker lag", "scenario 4")
    await operator.do("DO rollout.undo", "Takes nexnum-app", "rollout.undo", within=300)
    await retry_all(operator, "release")
    await operator.calm()


@walk("flapping-circuit:row")
async def flapping_circuit(operator: WalkingOperator) -> None:
    await operator.row("2", "tiger-sms", "Disable provider")
    await operator.confirm("Disables tiger-sms")
    await operator.verdict("provider.disable tiger-sms")
    await operator.calm()


@walk("flapping-circuit:runbook")
async def flapping_circuit_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("Provider circuit breaker OPEN", "scenario 3")
    await operator.do("DO provider.disable tiger-sms", "Disables tiger-sms", "provider.disable tiger-sms")
    await operator.calm()


@walk("stale-locks:palette")
async def stale_locks(operator: WalkingOperator) -> None:
    await operator.command("", "Delete orphaned locks: number")
    await operator.confirm("Deletes")
    await operator.verdict("locks.flush number")
    await operator.calm()


@walk("stale-locks:runbook")
async def stale_locks_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("Flush orphaned locks", "Flush orphaned locks")
    await operator.do("DO locks.flush number", "Deletes", "locks.flush number")
    await operator.calm()


@walk("slot-starvation:row")
async def slot_starvation(operator: WalkingOperator) -> None:
    await operator.row("9", "smsbower", "Empty the queue")
    await operator.confirm("Deletes the queue of smsbower")
    await operator.verdict("slots.clear smsbower")
    await operator.calm()


@walk("slot-starvation:runbook")
async def slot_starvation_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("Purchases wait for slots", "scenario 5")
    await operator.do("DO slots.clear smsbower", "Deletes the queue of smsbower", "slots.clear smsbower")
    if await operator.calm_soon(330.0):
        return
    await operator.do("DO reconcile.run", "Calls GET", "reconcile.run", filled="no", ledger="accepted")
    await operator.calm()


@walk("best-route-blackout:row")
async def best_route_blackout(operator: WalkingOperator) -> None:
    await operator.row("2", "smsbower", "Enable provider", last=True)
    await operator.confirm("Enables smsbower")
    await operator.verdict("provider.enable smsbower")
    await operator.calm()


@walk("best-route-blackout:runbook")
async def best_route_blackout_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("Customers are refused", "scenario 6")
    answers = {"which": "smsbower", "reason": "yes"}
    await operator.do("DO provider.enable smsbower", "Enables smsbower", "provider.enable smsbower", **answers)
    await operator.calm()


@walk("balance-empty:row")
async def balance_empty(operator: WalkingOperator) -> None:
    await operator.row("1", "smsbower", "Disable provider")
    await operator.confirm("Disables smsbower")
    await operator.verdict("provider.disable smsbower")
    await operator.calm()


@walk("balance-empty:runbook")
async def balance_empty_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("High purchase failure rate", "scenario 1")
    await operator.do("DO provider.disable smsbower", "Disables smsbower", "provider.disable smsbower")
    await operator.calm()


@walk("search-down:runbook")
async def search_down_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("Customers are refused", "scenario 6")
    await operator.walk_to("ASK who restores")
    await operator.answer("me")
    await operator.see("search (index )?is up", within=60)
    operator.mark("verdict")
    if await operator.calm_soon(100.0):
        return
    await operator.other_scenario("Outbox worker lag")
    await retry_all(operator, "index")
    await operator.calm()


async def retry_all(operator: WalkingOperator, cause: str) -> None:
    """Put back one event that failed, and then all that failed alike."""
    if await operator.calm_soon(20.0):
        return
    await operator.walk_to("ASK what made it fail")
    await operator.answer(cause)
    await operator.do(r"DO outbox.retry(?! all)", "Puts event", "outbox.retry")
    if re.search("none failed|CALM", operator.console.text):
        return
    await operator.do("DO outbox.retry all", "(?i)puts", "outbox.retry all")


@walk("one-bad-pod:row")
async def one_bad_pod(operator: WalkingOperator) -> None:
    suffix = (await operator.see(r"ONE POD alone: \S*-(\w{5})"))[1]
    await operator.row("6", suffix, "Restart pod")
    await operator.confirm("Deletes pod")
    await operator.verdict("pods.restart")
    await operator.calm()


@walk("one-bad-pod:runbook")
async def one_bad_pod_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("High purchase failure rate", "scenario 1")
    await operator.do("DO pods.restart", "Deletes pod", "pods.restart")
    await operator.calm()


@walk("connections-exhausted:palette")
async def connections_exhausted(operator: WalkingOperator) -> None:
    await operator.see("SEV-[12]", within=60)
    await operator.command("", "(?i)restart (all )?(the )?pods|Restart nexnum-app")
    await operator.confirm("Replaces the")
    await operator.verdict("pods.restart", within=300)
    await operator.calm()


@walk("connections-exhausted:runbook")
async def connections_exhausted_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.see("SEV-[12]", within=60)
    await operator.scenario("Database connections used up", "scenario 7")
    await operator.do("DO pods.restart", "Replaces the", "pods.restart", within=300, whose="pods")
    await operator.calm()


@walk("redis-full:runbook")
async def redis_full_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("Redis takes no writes", "scenario 8")
    await operator.walk_to("ASK who adds memory", maxmemory="full")
    await operator.answer("me")
    operator.mark("verdict")
    await operator.calm()


@walk("bad-release:palette")
async def bad_release(operator: WalkingOperator) -> None:
    await operator.command("", "(?i)roll .* back")
    await operator.confirm("Takes nexnum-app")
    await operator.verdict("rollout.undo", within=300)
    await operator.calm()


@walk("bad-release:runbook")
async def bad_release_by_the_runbook(operator: WalkingOperator) -> None:
    await operator.scenario("High purchase failure rate", "scenario 1")
    await operator.do("DO rollout.undo", "Takes nexnum-app", "rollout.undo", within=300)
    await operator.calm()


__all__ = ["WALKS", "Enough", "Walk"]
