"""What people change in a drill: stamped as real servers stamp it, and seen by the real kubectl."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import redis.asyncio
from small_cluster import PATIENCE_S, SmallCluster, small_cluster, until

from nexconsole.drill import server_changes
from nexconsole.drill.kubernetes.endings import CRASHED, OUT_OF_MEMORY
from nexconsole.drill.kubernetes.managed import Author, stamp
from nexconsole.drill.schema import ddl
from nexconsole.drill.servers import embedded_postgres, embedded_redis

KUBECTL = shutil.which("kubectl")
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
FIVE_MINUTES_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[SmallCluster]:
    async with small_cluster(tmp_path, age_s=86_400) as small:
        yield small


async def asked(small: SmallCluster, path: str, accept: str, role: str = "operator") -> tuple[int, Any]:
    cluster = small.cluster
    headers = {"Authorization": f"Bearer {cluster.tokens[role]}", "Accept": accept}
    context = ssl.create_default_context(cadata=cluster._authority)
    async with aiohttp.ClientSession() as session:
        async with session.get(cluster.url + path, ssl=context, headers=headers) as answer:
            return answer.status, await answer.json()


async def kubectl(small: SmallCluster, *words: str) -> str:
    env = os.environ | {"KUBECONFIG": str(small.write_kubeconfig("admin"))}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(str(KUBECTL), *words, env=env, stdout=pipe, stderr=pipe)
    out, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 0, errors.decode()
    return out.decode()


def managers(obj: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["manager"], each.get("subresource", "")): each for each in obj["metadata"]["managedFields"]}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_field_belongs_to_who_wrote_it_last_and_the_entry_keeps_its_time_until_then() -> None:
    first = {"apiVersion": "v1", "metadata": {"name": "x"}, "data": {"a": "1", "b": "1"}}
    stamp(None, first, Author("helm"), "10:00")
    second = {**first, "metadata": {**first["metadata"]}, "data": {"a": "1", "b": "2"}}
    stamp(first, second, Author("kubectl-edit"), "11:00")
    entries = managers(second)
    assert entries["helm", ""]["fieldsV1"] == {"f:data": {"f:a": {}}}
    assert entries["helm", ""]["time"] == "10:00"
    assert entries["kubectl-edit", ""]["fieldsV1"] == {"f:data": {"f:b": {}}}
    assert entries["kubectl-edit", ""]["time"] == "11:00"


async def test_configmaps_and_secrets_are_served_and_their_content_stays_where_only_metadata_is_asked(
    small: SmallCluster,
) -> None:
    space = "/api/v1/namespaces/default"
    small.cluster.hands.configure("PROVIDER_TIMEOUT_MS", "800", at=FIVE_MINUTES_AGO)
    small.cluster.hands.rekey("JWT_SECRET", "no-one-may-see-this", by="vault", at=FIVE_MINUTES_AGO)
    status, config = await asked(small, f"{space}/configmaps/nexnum-config", "application/json")
    assert status == 200 and config["data"]["PROVIDER_TIMEOUT_MS"] == "800"
    assert moment(managers(config)["kubectl-edit", ""]["time"]) == FIVE_MINUTES_AGO
    status, secret = await asked(small, f"{space}/secrets/nexnum-secrets", METADATA)
    assert status == 200 and secret.keys() == {"kind", "apiVersion", "metadata"}
    assert (secret["kind"], secret["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert moment(managers(secret)["vault", ""]["time"]) == FIVE_MINUTES_AGO
    status, found = await asked(small, f"{space}/secrets", METADATA_LIST, "admin")
    assert status == 200 and found["kind"] == "PartialObjectMetadataList"
    assert [item["metadata"]["name"] for item in found["items"]] == ["nexnum-secrets"]
    assert (await asked(small, f"{space}/secrets", METADATA_LIST))[0] == 403
    assert (await asked(small, f"{space}/secrets", METADATA, "admin"))[0] == 406


async def test_replicas_are_stamped_with_who_scaled_and_when(small: SmallCluster) -> None:
    small.cluster.hands.scale(2, at=FIVE_MINUTES_AGO)
    deployment = small.cluster.store.objects("deployments")[0]
    scaled = managers(deployment)["kubectl", "scale"]
    assert scaled["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    assert moment(scaled["time"]) == FIVE_MINUTES_AGO
    told = [event for event in small.cluster.store.objects("events") if event["reason"] == "ScalingReplicaSet"]
    assert told[-1]["message"].endswith("from 3 to 2") and moment(told[-1]["lastTimestamp"]) == FIVE_MINUTES_AGO


async def test_a_container_that_runs_out_of_memory_is_started_again_and_says_why(small: SmallCluster) -> None:
    name = small.cluster.hands.kill()

    def status() -> dict[str, Any]:
        pod = next(pod for pod in small.cluster.store.objects("pods") if pod["metadata"]["name"] == name)
        return pod["status"]["containerStatuses"][0]

    await until(lambda: status()["restartCount"] == 1 and "running" in status()["state"])
    ended = status()["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


async def test_containers_crash_again_and_again_until_they_no_longer_do(small: SmallCluster) -> None:
    small.cluster.hands.crash(CRASHED, 1.0)

    def restarts() -> list[int]:
        return [pod["status"]["containerStatuses"][0]["restartCount"] for pod in small.cluster.store.objects("pods")]

    await until(lambda: min(restarts()) >= 2)
    assert any(event["reason"] == "BackOff" for event in small.cluster.store.objects("events"))
    small.cluster.hands.crash_no_more()
    await until(small.ready)


async def test_a_restart_of_before_and_an_eviction_are_as_real_ones_are(small: SmallCluster) -> None:
    names = [pod.name for pod in small.cluster.pods]
    small.cluster.hands.restarted_before(names[0], OUT_OF_MEMORY, FIVE_MINUTES_AGO, times=3)
    await small.cluster.hands.evict(names[1])
    pods = {pod["metadata"]["name"]: pod for pod in small.cluster.store.objects("pods")}
    restarted = pods[names[0]]["status"]["containerStatuses"][0]
    assert restarted["restartCount"] == 3
    assert moment(restarted["lastState"]["terminated"]["finishedAt"]) == FIVE_MINUTES_AGO
    assert (pods[names[1]]["status"]["phase"], pods[names[1]]["status"]["reason"]) == ("Failed", "Evicted")
    await until(small.ready)


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH")
async def test_the_real_kubectl_sees_and_makes_these_changes(small: SmallCluster) -> None:
    assert "nexnum-config   3 " in await kubectl(small, "get", "configmaps", "--no-headers")
    await kubectl(small, "patch", "configmap", "nexnum-config", "-p", '{"data":{"LOG_LEVEL":"debug"}}')
    await kubectl(small, "scale", "deployment/nexnum-app", "--replicas=2")
    config = json.loads(await kubectl(small, "get", "cm", "nexnum-config", "-o", "json", "--show-managed-fields"))
    assert config["data"]["LOG_LEVEL"] == "debug"
    assert managers(config)["kubectl-patch", ""]["fieldsV1"] == {"f:data": {"f:LOG_LEVEL": {}}}
    words = ("get", "deployment", "nexnum-app", "-o", "json", "--show-managed-fields")
    deployment = json.loads(await kubectl(small, *words))
    assert managers(deployment)["kubectl", "scale"]["fieldsV1"] == {"f:spec": {"f:replicas": {}}}


async def test_rows_are_edited_with_and_without_a_stamp_and_the_servers_are_really_restarted() -> None:
    async with embedded_postgres() as postgres, embedded_redis() as server:
        connection = await asyncpg.connect(postgres.url)
        await connection.execute(ddl())
        await connection.execute(
            "INSERT INTO users (id, name, email, role, updated_at) VALUES ('u1', 'admin', 'a@x', 'ADMIN', now());"
            "INSERT INTO providers (id, name, display_name, is_active, priority, updated_at)"
            " VALUES ('p1', 'smsbower', 'SMSBower', true, 1, '2026-01-01')"
        )
        await server_changes.edit_provider(postgres, "smsbower", stamped=False, is_active=False)
        row = await connection.fetchrow("SELECT is_active, updated_at FROM providers")
        assert row["is_active"] is False and row["updated_at"].year == 2026 and row["updated_at"].month == 1
        await server_changes.edit_provider(postgres, "smsbower", at=FIVE_MINUTES_AGO, priority=9)
        row = await connection.fetchrow("SELECT priority, updated_at FROM providers")
        assert (row["priority"], row["updated_at"].replace(tzinfo=UTC)) == (9, FIVE_MINUTES_AGO)
        await server_changes.audit(postgres, "provider.update", "provider", "p1", at=FIVE_MINUTES_AGO)
        assert await connection.fetchval("SELECT user_id FROM audit_logs") == "u1"
        started, loaded = await connection.fetchrow("SELECT pg_postmaster_start_time(), pg_conf_load_time()")
        await server_changes.reload_postgres(postgres, work_mem="8MB")
        async with asyncio.timeout(PATIENCE_S):
            while await connection.fetchval("SELECT pg_conf_load_time()") == loaded:
                await asyncio.sleep(0.01)
        await server_changes.restart_postgres(postgres)
        await connection.close()
        connection = await asyncpg.connect(postgres.url)
        assert await connection.fetchval("SELECT pg_postmaster_start_time()") > started
        await connection.close()
        keys = redis.asyncio.from_url(server.url, decode_responses=True)
        await keys.set("kept", "1")
        run = (await keys.info("server"))["run_id"]
        await server_changes.restart_redis(server, keys, keeps_data=True)
        assert await keys.get("kept") == "1" and (await keys.info("server"))["run_id"] != run
        await server_changes.restart_redis(server, keys, keeps_data=False)
        assert await keys.dbsize() == 0
        await keys.aclose()
