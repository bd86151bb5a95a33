"""An API server that only writes down who asks for what, for our client and for the real kubectl alike."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from nexconsole.drill.kubernetes.certificates import server_tls

KUBECTL = shutil.which("kubectl")
IDENTITY = ("authorization", "impersonate-")
VERSION = {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}
DEPLOYMENT = {"metadata": {"name": "nexnum-app", "uid": "u"}, "spec": {"replicas": 1}, "status": {}}


@dataclass
class KubectlSide:
    """`answer` gives (status, body, headers) to a path; `seen` has each request's path and identity headers."""

    url: str = ""
    authority: str = ""  # PEM
    answer: Callable[[str], tuple[int, Any, dict[str, str]]] = lambda path: (200, DEPLOYMENT, {})
    posted: Callable[[Any], None] = lambda body: None
    seen: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    certificates: list[str] = field(default_factory=list)  # whose client certificate came with a request

    @property
    def who(self) -> list[tuple[str, str]]:
        """The identity of the last request, sorted."""
        return self.seen[-1][1]

    async def handle(self, request: web.Request) -> web.Response:
        names = [(name.lower(), value) for name, value in request.headers.items()]
        who = sorted((name, value) for name, value in names if name.startswith(IDENTITY))
        self.seen.append((request.path, who))
        if shown := request.get_extra_info("peercert"):
            self.certificates += [value for part in shown["subject"] for key, value in part if key == "commonName"]
        if request.method == "POST":
            self.posted(await request.json())
        if request.path == "/version":
            return web.json_response(VERSION)
        status, body, headers = self.answer(request.path)
        return web.json_response(body, status=status, headers=headers)


@asynccontextmanager
async def api_side(*, tls: bool = True, clients: str = "") -> AsyncIterator[KubectlSide]:
    """`clients` is the PEM of whoever must vouch for a client's certificate."""
    side, app = KubectlSide(), web.Application()
    context, side.authority = server_tls() if tls else (None, "")
    if clients and context is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients)
    app.router.add_route("*", "/{path:.*}", side.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    side.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield side
    finally:
        await runner.cleanup()


def kubeconfig(
    folder: Path, to: KubectlSide | str, user: dict[str, Any], name: str = "kc.yaml", **cluster: Any
) -> Path:
    """One cluster, one user, one context with a namespace of its own."""
    server = to if isinstance(to, str) else to.url
    own = {"insecure-skip-tls-verify", "certificate-authority"}
    if isinstance(to, KubectlSide) and to.authority and not own & set(cluster):
        cluster = {"certificate-authority-data": base64.b64encode(to.authority.encode()).decode(), **cluster}
    document = {
        "current-context": "prod",
        "clusters": [{"name": "eu", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "maria", "user": user}],
        "contexts": [{"name": "prod", "context": {"cluster": "eu", "user": "maria", "namespace": "nexnum"}}],
    }
    path = folder / name
    path.write_text(json.dumps(document))
    return path


async def kubectl(*words: str, home: Path, **environ: str) -> tuple[int, str, str]:
    """The real one, in an environment of its own: status, output, errors."""
    assert KUBECTL is not None
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **environ}
    process = await asyncio.create_subprocess_exec(
        KUBECTL, *words, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), 20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return process.returncode or 0, out.decode(), errors.decode()
