"""What `doctor` says of Docker."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from docker_stand import docker_stand

from nexconsole.doctor import docker
from nexconsole.doctor.check import Check
from nexconsole.drill.docker.engine_api import EngineApi


@pytest.fixture
async def stand() -> Any:
    async with docker_stand() as made:
        yield made


async def checked(stand: Any, **settings: Any) -> dict[str, Check]:
    sources = stand.sources(**settings)
    return {check.what: check async for check in docker.examine(sources, stand.settings(**settings))}


async def test_a_host_that_is_well_is_told_in_six_lines(stand):
    found = await checked(stand)
    assert [check.state for check in found.values()] == ["ok"] * 6
    assert "Docker 28.2.2, API 1.50" in found["engine"].said
    assert found["containers"].said == "3 containers of nexnum-app in project nexnum, 5 others beside"


async def test_what_is_missing_is_said_with_what_to_set(stand, tmp_path):
    gone = await checked(stand, host=f"unix://{tmp_path}/none.sock")
    assert gone["engine"].state == "fail" and "docker version" in gone["engine"].advice and len(gone) == 1
    other = await checked(stand, app="shop")
    assert other["containers"].state == "fail" and "docker.app" in other["containers"].advice
    assert (await checked(stand, worker="jobs"))["worker"].state == "warn"
    assert (await checked(stand, worker=""))["worker"].state == "absent"
    stand.host.troubles.no_logs = "configured logging driver does not support reading"
    assert "does not support reading" in (await checked(stand))["logs"].said


async def test_over_tls_both_sides_prove_who_they_are(stand, tmp_path: Path):
    authority = trustme.CA()
    own = authority.issue_cert("maria@nexnum.example")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", EngineApi(stand.host).handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    host = f"tcp://127.0.0.1:{runner.addresses[0][1]}"
    try:
        found = await checked(stand, host=host, cert_path=str(tmp_path), tls_verify=True)
        assert found["engine"].state == "ok" and found["containers"].state == "ok"
        unknown = await checked(stand, host=host, tls_verify=True)
        assert unknown["engine"].state == "fail" and "certificate" in unknown["engine"].said
        (tmp_path / "key.pem").write_text("no key")
        broken = await checked(stand, host=host, cert_path=str(tmp_path), tls_verify=True)
        assert broken["engine"].state == "fail" and "docker.cert_path" in broken["engine"].said
    finally:
        await runner.cleanup()
