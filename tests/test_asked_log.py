"""One pod's log that somebody asks for: above the bound, and the end of the log of a container that has ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from small_cluster import SmallCluster, small_cluster, until

from nexconsole.drill.kubernetes import pod_logs
from nexconsole.sources import asked_log, logs
from nexconsole.sources.kubernetes import KubernetesSource
from nexconsole.sources.log_entry import body


@pytest.fixture
async def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logs, "PODS_EVERY_S", 0.05)
    async with small_cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What the API server is asked for, of logs."""
    asked: list[dict[str, str]] = []
    send = pod_logs.send

    async def noted(request: Any, *more: Any) -> Any:
        asked.append(dict(request.query) | {"pod": request.path.split("/")[-2]})
        return await send(request, *more)

    monkeypatch.setattr(pod_logs, "send", noted)
    return asked


def followed(source: KubernetesSource) -> list[str]:
    return sorted(pod.name for pod in source.logs.followed.values())


def said(source: KubernetesSource, pod: str) -> list[str]:
    """The lines that can be shown of a pod, in the order in which they are shown."""
    kept = [log for log in source.logs.shown.values() if log.name == pod]
    return [body(line).decode() for log in kept for line in log.recent.since(0)[0]]


async def test_a_pod_above_the_bound_is_followed_while_it_is_asked_for_and_pushes_nobody_out(
    small: SmallCluster,
) -> None:
    source = small.source(follow_pods=1)
    names = sorted(small.machine.running)
    await source.logs.start(5.0)
    assert followed(source) == names[:1] and source.logs.names == tuple(names)
    source.logs.asked.ask(names[2])
    await until(lambda: followed(source) == [names[0], names[2]])
    await until(lambda: any("Ready" in text for text in said(source, names[2])))
    source.logs.asked.ask(names[1])  # one at a time
    await until(lambda: followed(source) == names[:2])
    source.logs.asked.ask("")
    await until(lambda: followed(source) == names[:1])
    assert source.logs.asked.why == "" and source.logs.asked.ended is None


async def test_a_regular_pod_stays_followed_when_one_before_it_by_name_was_asked_for(
    small: SmallCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = small.source(follow_pods=2)
    names = sorted(small.machine.running)
    pods = source.pods

    async def before_the_first_came(*more: Any) -> Any:
        return tuple(pod for pod in await pods(*more) if pod.metadata.name != names[0])

    monkeypatch.setattr(source, "pods", before_the_first_came)
    await source.logs.start(5.0)
    monkeypatch.setattr(source, "pods", pods)
    await until(lambda: source.logs.names == tuple(names))
    assert followed(source) == names[1:]
    source.logs.asked.ask(names[0])
    await until(lambda: followed(source) == names)
    source.logs.asked.ask("")
    await until(lambda: len(followed(source)) == 2)
    assert followed(source) == names[1:]


async def test_the_end_of_the_log_before_a_restart_is_read_once_and_nothing_twice(
    small: SmallCluster, queries: list[dict[str, str]]
) -> None:
    name = sorted(small.machine.running)[0]
    small.machine.running[name].log.append("the last words before the crash")
    first = small.machine.running[name]
    first.dead = True
    await until(lambda: small.machine.running.get(name, first) is not first)
    await until(small.ready)
    source = small.source()
    await source.logs.start(5.0)
    assert "the last words before the crash" not in said(source, name)
    source.logs.asked.ask(name)
    await until(lambda: "the last words before the crash" in said(source, name))
    await asyncio.sleep(0.3)
    asked = [query for query in queries if "previous" in query]
    assert asked == [{**asked[0], "previous": "true", "follow": "false", "pod": name}] and "limitBytes" in asked[0]
    texts = said(source, name)
    assert texts.index("the last words before the crash") < len(texts) - 1
    assert len(texts) == len(set(texts)) + 1  # both containers say that they are ready


async def test_what_was_followed_before_the_crash_is_not_shown_twice(small: SmallCluster) -> None:
    source = small.source()
    await source.logs.start(5.0)
    name = sorted(small.machine.running)[0]
    first = small.machine.running[name]
    first.log.append("the last words before the crash")
    await until(lambda: "the last words before the crash" in said(source, name))
    first.dead = True
    await until(lambda: small.machine.running.get(name, first) is not first)
    await until(small.ready)
    source.logs.asked.ask(name)
    await until(lambda: source.logs.asked.ended is not None)
    assert said(source, name).count("the last words before the crash") == 1


async def test_a_pod_that_is_not_there_is_said(small: SmallCluster) -> None:
    source = small.source()
    await source.logs.start(5.0)
    source.logs.asked.ask("nexnum-app-gone")
    await until(lambda: source.logs.asked.why == "the deployment has no such pod now")
    source.logs.asked.ask(sorted(small.machine.running)[0])
    await asyncio.sleep(0.2)
    assert source.logs.asked.why == ""


async def test_a_kubelet_that_gives_no_old_log_holds_nothing_up(
    small: SmallCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked_log, "READ_WITHIN_S", 0.2)
    send = pod_logs.send

    async def hanging(request: Any, *more: Any) -> Any:
        if "previous" in request.query:
            await asyncio.Event().wait()
        return await send(request, *more)

    monkeypatch.setattr(pod_logs, "send", hanging)
    name = sorted(small.machine.running)[0]
    first = small.machine.running[name]
    first.dead = True
    await until(lambda: small.machine.running.get(name, first) is not first)
    await until(small.ready)
    source = small.source()
    await source.logs.start(5.0)
    source.logs.asked.ask(name)
    await asyncio.sleep(0.5)
    assert source.logs.asked.ended is None and source.logs.asked.why == ""
    small.machine.running[name].log.append("it goes on")
    await until(lambda: "it goes on" in said(source, name))


def test_why_a_log_does_not_grow_is_said_by_the_container_s_state() -> None:
    from nexconsole.sources.resources import ContainerRunning, ContainerState, ContainerStatus, ContainerWaiting

    waiting = ContainerState(waiting=ContainerWaiting(reason="CrashLoopBackOff"))
    assert asked_log._state(None) == "its container has not been made yet"
    assert asked_log._state(ContainerStatus(state=waiting)) == "its container does not run: CrashLoopBackOff"
    assert asked_log._state(ContainerStatus()) == "its container does not run"
    assert asked_log._state(ContainerStatus(state=ContainerState(running=ContainerRunning()))) == ""
