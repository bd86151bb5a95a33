"""A real Prometheus, where it is installed, scraping the market's pods."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import aiohttp
from aiohttp import web

from ...errors import DrillError
from ...text.units import period
from ..temp_tree import TempTree, free_port, tail
from .alerting import INTERVAL_S, rule_file
from .evaluation import JOB, Labels, instance

SCRAPE_S = 2
PATIENCE_S = 20.0
BACKFILL_PATIENCE_S = 20.0

Samples = deque[tuple[float, dict[tuple[str, str, Labels], float]]]


class RealPrometheus:
    """`await start()` gives the address; `await close()` ends it. It and its storage end with the temporary tree.

    `metrics(pod)` is a pod's registry as text (KeyError where there is no such pod); `pods()` names those
    that run. `samples`, where given and where promtool is installed, become its past. Raises DrillError
    where there is no prometheus on PATH, or where it doesn't get ready.
    """

    def __init__(
        self,
        temp_tree: TempTree,
        metrics: Callable[[str], str],
        pods: Callable[[], Iterable[str]],
        samples: Samples | None = None,
        *,
        scrape_s: int = SCRAPE_S,
    ) -> None:
        self._temp_tree = temp_tree
        self._metrics = metrics
        self._pods = pods
        self._samples = samples
        self._scrape_s = scrape_s
        self._runner: web.AppRunner | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> str:
        binary = shutil.which("prometheus")
        if binary is None:
            raise DrillError("There is no prometheus on PATH; install it, or leave out --prometheus real.")
        folder = self._temp_tree.folder / "prometheus"
        folder.mkdir()
        targets = await self._serve()
        port = free_port()
        (folder / "rules.yml").write_text(json.dumps(rule_file()))
        (folder / "prometheus.yml").write_text(json.dumps(self._config(targets)))
        await self._backfill(folder)
        argv = [
            binary,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        log = folder / "prometheus.log"
        self._process = self._temp_tree.spawn(argv, log=log)
        url = f"http://127.0.0.1:{port}"
        try:
            await self._ready(url, log)
        except BaseException:
            await self.close()
            raise
        return url

    async def close(self) -> None:
        if self._process is not None:
            await self._temp_tree.finish(self._process, number=signal.SIGTERM)
        if self._runner is not None:
            await self._runner.cleanup()

    def _config(self, targets: str) -> dict[str, Any]:
        pace = {"scrape_interval": f"{self._scrape_s}s", "scrape_timeout": f"{self._scrape_s}s"}
        pace |= {"evaluation_interval": f"{INTERVAL_S:g}s"}
        discovery = {"url": f"http://{targets}/targets", "refresh_interval": "2s"}
        job = {"job_name": JOB, "http_sd_configs": [discovery]}
        return {"global": pace, "rule_files": ["rules.yml"], "scrape_configs": [job]}

    async def _serve(self) -> str:
        """Serve the pods' metrics, and the list of where they are; host and port."""
        app = web.Application()
        app.router.add_get("/targets", self._targets)
        app.router.add_get("/pods/{pod}/metrics", self._scrape)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"127.0.0.1:{self._runner.addresses[0][1]}"

    async def _targets(self, request: web.Request) -> web.Response:
        groups = [
            {"targets": [request.host], "labels": {**instance(pod), "__metrics_path__": f"/pods/{pod}/metrics"}}
            for pod in self._pods()
        ]
        return web.json_response(groups)

    async def _scrape(self, request: web.Request) -> web.Response:
        try:
            text = self._metrics(request.match_info["pod"])
        except KeyError:
            return web.Response(status=404, text="no such pod\n")
        return web.Response(body=text.encode(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _backfill(self, folder: Path) -> None:
        """Turn the market's past into blocks, where promtool is there to do it."""
        promtool = shutil.which("promtool")
        if promtool is None or not self._samples:
            return
        past = folder / "past.txt"
        with past.open("w") as text:
            _open_metrics(list(self._samples), text)
        argv: list[str | Path] = [promtool, "tsdb", "create-blocks-from", "openmetrics", past, folder / "data"]
        log = folder / "promtool.log"
        code = await self._temp_tree.finish(self._temp_tree.spawn(argv, log=log), timeout=BACKFILL_PATIENCE_S)
        past.unlink()
        if code != 0:
            raise DrillError(f"promtool did not take in the market's past: {tail(log)}.")

    async def _ready(self, url: str, log: Path) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while True:
                if self._process is None or self._process.poll() is not None:
                    raise DrillError(f"The real Prometheus ended while it started: {tail(log)}.")
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):  # not listening yet
                    async with session.get(f"{url}/-/ready") as answer:
                        if answer.status == 200:
                            return
                if loop.time() > deadline:
                    raise DrillError(f"The real Prometheus was not ready within {period(PATIENCE_S)}: {tail(log)}.")
                await asyncio.sleep(0.05)


def _open_metrics(samples: list[tuple[float, dict[tuple[str, str, Labels], float]]], text: TextIO) -> None:
    """Write snapshots as OpenMetrics, every series' samples together and in order."""
    series: dict[tuple[str, str, Labels], list[tuple[float, float]]] = {}
    for at, values in samples:
        for key, value in values.items():
            series.setdefault(key, []).append((at, value))
    for pod, name, labels in sorted(series, key=lambda key: (key[1], key[0], key[2])):
        full = sorted({**instance(pod), **dict(labels)}.items())
        pairs = ",".join(f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in full)
        for at, value in series[pod, name, labels]:
            text.write(f"{name}{{{pairs}}} {value!r} {at:.3f}\n")
    text.write("# EOF\n")
