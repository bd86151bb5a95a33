"""Alertmanager for tests: the real binary where it is on PATH, else a server that speaks its v2 API alike."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from aiohttp import web

BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
CONFIG = "route:\n  receiver: nobody\n  group_wait: 1s\nreceivers:\n  - name: nobody\n"
MATCHER = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _value(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted)


class LikeAlertmanager:
    """Alerts and silences in memory, matched by equal matchers; refuses what the real one refuses."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        self.silences: dict[str, dict[str, Any]] = {}
        self.login = ""
        self.writes: list[str] = []
        self.ahead = timedelta(0)  # of the true time

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._logged_in])
        app.router.add_post("/api/v2/alerts", self._post_alerts)
        app.router.add_get("/api/v2/alerts", self._get_alerts)
        app.router.add_get("/api/v2/silences", self._get_silences)
        app.router.add_post("/api/v2/silences", self._post_silence)
        app.router.add_get("/api/v2/silence/{id}", self._get_silence)
        app.router.add_delete("/api/v2/silence/{id}", self._delete_silence)
        return app

    @web.middleware
    async def _logged_in(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.method != "GET" and request.path != "/api/v2/alerts":
            self.writes.append(f"{request.method} {request.path}")
        if self.login and request.headers.get("Authorization") != self.login:
            return web.Response(status=401, text="Unauthorized")
        answer = await handler(request)
        answer.headers["Date"] = format_datetime(self.now, usegmt=True)
        return answer

    def _state(self, silence: dict[str, Any]) -> str:
        now = self.now
        if _at(silence["endsAt"]) <= now:
            return "expired"
        return "active" if _at(silence["startsAt"]) <= now else "pending"

    def _meets(self, silence: dict[str, Any], labels: dict[str, str]) -> bool:
        return all(labels.get(matcher["name"]) == matcher["value"] for matcher in silence["matchers"])

    async def _post_alerts(self, request: web.Request) -> web.Response:
        self.alerts += await request.json()
        return web.Response()

    async def _get_alerts(self, request: web.Request) -> web.Response:
        shown = []
        for number, alert in enumerate(self.alerts):
            wanted = [MATCHER.fullmatch(text) for text in request.query.getall("filter", [])]
            if not all(found and alert["labels"].get(found[1]) == _value(found[2]) for found in wanted):
                continue
            by = [
                id
                for id, one in self.silences.items()
                if self._state(one) == "active" and self._meets(one, alert["labels"])
            ]
            status = {"state": "suppressed" if by else "active", "silencedBy": by, "inhibitedBy": []}
            shown.append({**alert, "fingerprint": f"{number:016x}", "status": status, "annotations": {}})
        return web.json_response(shown)

    def _shown(self, id: str) -> dict[str, Any]:
        return {**self.silences[id], "id": id, "status": {"state": self._state(self.silences[id])}}

    async def _get_silences(self, request: web.Request) -> web.Response:
        return web.json_response([self._shown(id) for id in self.silences])

    async def _post_silence(self, request: web.Request) -> web.Response:
        silence = await request.json()
        if _at(silence["endsAt"]) <= self.now:
            return web.json_response("end time can't be in the past", status=400)
        id = str(uuid4())
        self.silences[id] = silence
        return web.json_response({"silenceID": id})

    async def _get_silence(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        return web.json_response(self._shown(id)) if id in self.silences else web.Response(status=404)

    async def _delete_silence(self, request: web.Request) -> web.Response:
        self.silences[request.match_info["id"]]["endsAt"] = self.now.isoformat()
        return web.Response()


@asynccontextmanager
async def like_alertmanager() -> AsyncIterator[tuple[str, LikeAlertmanager]]:
    like = LikeAlertmanager()
    runner = web.AppRunner(like.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", like
    finally:
        await runner.cleanup()


@asynccontextmanager
async def real_alertmanager(folder: Path) -> AsyncIterator[str]:
    """The binary on PATH, without a cluster."""
    assert BINARY is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "alertmanager.yml").write_text(CONFIG)
    process = await asyncio.create_subprocess_exec(
        BINARY,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client:
            for _ in range(100):
                try:
                    if (await client.get(f"{url}/-/ready")).status_code == 200:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def fire(url: str, name: str, *instances: str, severity: str = "warning") -> None:
    labels = [{"alertname": name, "severity": severity, "instance": instance} for instance in instances]
    now = datetime.now(UTC).isoformat()
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/api/v2/alerts", json=[{"labels": one, "startsAt": now} for one in labels])
        answer.raise_for_status()
