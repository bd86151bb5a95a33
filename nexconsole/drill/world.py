"""The drill's world: servers, market, cluster, Prometheus and API of one staged incident, in one process."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..settings import Expressions, Settings
from ..text.units import duration, percent
from . import RECORD, require_extra
from .cluster_causes import ChangedConfig, Scaled
from .platform import DrillPlatform, Earlier, PlatformName, check_platform
from .scenario_model import DrillScenario
from .scenarios import scenario_named
from .schema import Era, ddl
from .search import SearchServer
from .servers import EmbeddedPostgres, EmbeddedRedis
from .staged_causes import IMAGE, StagedRelease
from .temp_tree import TempTree, free_port

if TYPE_CHECKING:
    from .docker.host import DockerHost
    from .kubernetes.cluster import DrillCluster, Rescaling
    from .market.market import Market
    from .prometheus.server import PrometheusServer

OOM = "OOMKilled"  # as the market's pods have it
ROLES_WITHOUT = {"rights": "nobody", "logs": "viewer"}  # what is missing, and the cluster's role that lacks it
NO_LOGS = "configured logging driver does not support reading"  # the Engine's words
READ_ONLY = "this proxy of the Docker socket answers GET alone"
PARTS = 4  # in which the past is played, with a word between them


class DrillWorld:
    """Stages one scenario, by its name or as it is given. `start()`, then `environment()`; `close()` leaves no process
    and no file.

    `prometheus`: "ours", or "real" for the binary on PATH. `runtime` is
    what NexNum runs in. `timezone` is PostgreSQL's; `timestamptz` makes the tables
    as app_schema.sql does; `pace` is the cluster's, 1.0 being real time. Raises DrillError where something can't be
    started.
    """

    def __init__(
        self,
        scenario: str | DrillScenario,
        seed: int = 0,
        *,
        prometheus: Literal["ours", "real"] = "ours",
        era: Era = "head",
        runtime: PlatformName = "kubernetes",
        timezone: str = "UTC",
        timestamptz: bool = False,
        pace: float = 1.0,
    ) -> None:
        self.scenario = scenario_named(scenario, era, seed) if isinstance(scenario, str) else scenario
        check_platform(runtime, era, self.scenario)
        require_extra()
        self.runtime: PlatformName = runtime
        self.docker: DockerHost | None = None
        self.seed = seed
        self.era: Era = era
        self._prometheus_kind = prometheus
        self._timestamptz = timestamptz
        self._pace = pace
        self._secrets = {name: secrets.token_hex(12) for name in ("cron", "jwt", "metrics")}
        self._closing: list[Callable[[], Awaitable[object]]] = []
        self.temp_tree = TempTree()
        self.postgres = EmbeddedPostgres(self.temp_tree, timezone=timezone)
        self.redis = EmbeddedRedis(self.temp_tree)
        self.search = SearchServer()
        self.prometheus: PrometheusServer | None = None
        self._urls: dict[str, str] = {}

    async def start(self, progress: Callable[[str], None] = lambda line: None) -> None:
        """Bring everything up; `progress` is told what is being done, a line each."""
        try:
            await self._start(progress)
        except BaseException:
            await self.close()
            raise

    async def _start(self, progress: Callable[[str], None]) -> None:
        progress(f"{self.scenario.name}: {self.scenario.title}")
        progress("step 1 of 4: starting PostgreSQL and Redis")
        files = asyncio.create_task(self.postgres.create())  # a process of its own does it, on the other core
        try:
            await self.redis.start()
            self.market = self._play(progress)
        finally:
            await files
        await self._start_postgres()
        import redis.asyncio

        self._keys = redis.asyncio.from_url(self.redis.url, decode_responses=True, socket_timeout=5)
        self._closing.append(self._keys.aclose)
        progress("step 3 of 4: handing the past over to the servers")
        self._closing.append(self.market.close)
        await self.market.go_live(self.postgres.url, self._keys)
        place = "cluster" if self.runtime == "kubernetes" else "Docker host"
        progress(f"step 4 of 4: starting the API, the {place} and Prometheus")
        await self._start_api()
        await self.search.start()
        self._closing.append(self.search.stop)
        self._urls["MEILISEARCH_HOST"] = self.search.url
        await (self._start_cluster() if self.runtime == "kubernetes" else self._start_docker())
        if self._prometheus_kind == "ours":
            from .prometheus.server import PrometheusServer

            self.prometheus = PrometheusServer(self.market.samples, Expressions())
        await self._start_prometheus()
        self._set_up_at = datetime.now(UTC)  # what faults restart from here on is news
        self._begin_instruction()
        await self.instruction.caught_up()
        self._urls["NEXCONSOLE_CONFIG"] = str(self._write_settings())

    def _play(self, progress: Callable[[str], None]) -> Market:
        from .market.market import Market

        epoch, past_s = time.time(), self.scenario.history_s
        market = Market(self.scenario, self.seed, epoch, era=self.era, timestamptz=self._timestamptz)
        for part in range(PARTS):
            progress(f"step 2 of 4: playing the last {duration(past_s)}, {percent(part / PARTS)} done")
            market.play(epoch - past_s * (PARTS - 1 - part) / PARTS)
        return market

    async def _start_postgres(self) -> None:
        import asyncpg

        await self.postgres.start()
        await self.postgres.create_roles()
        connection = await asyncpg.connect(self.postgres.url)
        try:
            await connection.execute(ddl(era=self.era, timestamptz=self._timestamptz))
        finally:
            await connection.close()

    def _begin_instruction(self) -> None:
        from .effect_choice import DrillServers
        from .instructor import Instructor
        from .outsiders import Outsiders

        self.instruction = Instructor(
            DrillServers(
                *(self.market, self.postgres, self.redis, self.search, self._keys, self.platform, self.prometheus)
            ),
            self._keep_record,
        )
        outsiders = asyncio.create_task(Outsiders(self._journal, self.instruction.answered).work())

        async def end() -> None:
            outsiders.cancel()
            self.instruction.close()

        self._closing.append(end)
        self.instruction.begin()
        self._keep_record()

    def _keep_record(self) -> None:
        """What was done to the market, for the score: a file beside the settings, replaced as a whole."""
        path = self.temp_tree.folder / RECORD
        fresh = path.with_suffix(".new")
        _write_privately(fresh, json.dumps(self.instruction.state()))
        fresh.replace(path)

    async def _start_api(self) -> None:
        from .api import NexNumApi, Secrets, admin_claims, sign_token

        api = NexNumApi(self.market, Secrets(**self._secrets))
        self._closing.append(api.close)
        self._urls["API_URL"] = await api.start()
        self._urls["CRON_SECRET"] = self._secrets["cron"]
        self._urls["NEXNUM_ADMIN_TOKEN"] = sign_token(self._secrets["jwt"], admin_claims())
        self.api = api

    async def _start_cluster(self) -> None:
        from .kubernetes.cluster import DrillCluster

        secret = {
            "DATABASE_URL": f"{self.postgres.url}?schema=public",
            "REDIS_URL": self.redis.url,
            "JWT_SECRET": self._secrets["jwt"],
            "CRON_SECRET": self._secrets["cron"],
        }
        image, earlier, scaled = self._deployed()
        cluster = DrillCluster(
            self.market,
            secret=secret,
            replicas=len(self.market.pods),
            image=image,
            earlier=earlier,
            scaled=scaled,
            utilization=self.market.utilization,
            pace=self._pace,
            age_s=time.time() - self.market.deployed_at,
            seed=self.seed,
        )
        self.platform: DrillPlatform = cluster
        self.cluster: DrillCluster = cluster
        self._closing.append(cluster.close)
        await cluster.start()
        self._note_restarts()
        path = self.temp_tree.folder / "kubeconfig"
        role = next((role for what, role in ROLES_WITHOUT.items() if what in self.scenario.missing), "operator")
        config = self.cluster.kubeconfig(self.cluster.tokens[role])
        if "kubernetes" in self.scenario.missing:
            config = config.replace(self.cluster.url, _nowhere("https"))
        _write_privately(path, config)
        self._urls["KUBECONFIG"] = str(path)

    async def _start_docker(self) -> None:
        from .docker.engine_api import EngineServer
        from .docker.hands import DockerPlatform
        from .docker.host import DockerHost
        from .docker.processes import MarketProcesses

        image, earlier, _ = self._deployed()
        self.docker = host = DockerHost(
            MarketProcesses(self.market),
            replicas=len(self.market.pods),
            image=image,
            earlier=earlier,
            pace=self._pace,
            age_s=time.time() - self.market.deployed_at,
            seed=self.seed,
        )
        self.platform = DockerPlatform(host)
        server = EngineServer(host)
        self._closing.append(server.close)
        address = await server.start(self.temp_tree.folder / "docker.sock")
        self._note_restarts()
        missing = self.scenario.missing
        host.troubles.no_logs = NO_LOGS if "logs" in missing else ""
        host.troubles.refuses = READ_ONLY if "rights" in missing else ""
        nowhere = f"unix://{self.temp_tree.folder / 'no-docker.sock'}"
        self._urls["DOCKER_HOST"] = nowhere if "kubernetes" in missing else address
        self._urls["KUBECONFIG"] = "none"

    def _deployed(self) -> tuple[str, Earlier | None, Rescaling | None]:
        """The image that runs by now, the revision before it, and whether somebody has scaled it, by what is past."""
        from .cluster_effects import USUAL_REPLICAS
        from .kubernetes.cluster import Earlier, Rescaling

        age = time.time() - self.market.epoch
        image, earlier, scaled = IMAGE, None, None
        for cause in sorted(self.market.troubles.causes(), key=lambda one: one.begins_s):
            if cause.begins_s > 0:
                break
            if isinstance(cause, StagedRelease):
                image, earlier = cause.image, Earlier(image, age - cause.begins_s)
            elif isinstance(cause, ChangedConfig) and cause.rolls:
                earlier = Earlier(image, age - cause.begins_s)
            elif isinstance(cause, Scaled):
                scaled = Rescaling(USUAL_REPLICAS, age - cause.begins_s)
        return image, earlier, scaled

    def _note_restarts(self) -> None:
        """Let the pods' status say what their containers have gone through in the past."""
        from .kubernetes.endings import CRASHED, OUT_OF_MEMORY

        for pod in self.market.pods.values():
            if pod.restarts:
                end = OUT_OF_MEMORY if pod.ended == OOM else CRASHED
                self.platform.hands.restarted_before(pod.name, end, pod.started_at, pod.restarts)

    async def _start_prometheus(self) -> None:
        if self._prometheus_kind == "real":
            from .prometheus.real import RealPrometheus

            market = self.market
            real = RealPrometheus(self.temp_tree, market.metrics, lambda: list(market.pods), market.samples)
            self._closing.append(real.close)
            self._urls["PROMETHEUS_URL"] = await real.start()
            return
        assert self.prometheus is not None
        self._closing.append(self.prometheus.close)
        url = await self.prometheus.start()
        self._urls["PROMETHEUS_URL"] = _nowhere("http") if "prometheus" in self.scenario.missing else url

    def _write_settings(self) -> Path:
        """The console's settings for this world, so that it needs no other word about it."""
        tables: dict[str, dict[str, str | float]] = {
            "postgres": {"url": self.postgres.url},
            "redis": {"url": self._redis_url},
            "prometheus": {"url": self._urls["PROMETHEUS_URL"]},
            "kubernetes": {"kubeconfig": self._urls["KUBECONFIG"]},
            "docker": {"host": self._urls.get("DOCKER_HOST", "none")},
            "api": {
                "url": self._urls["API_URL"],
                "cron_secret": self._secrets["cron"],
                "admin_token": self._urls["NEXNUM_ADMIN_TOKEN"],
            },
            "journal": {"folder": str(self._journal)},  # a rehearsal is no real incident
            "recorder": {"file": str(self.temp_tree.folder / "flight" / "drill.record")},
            "break_glass": {"file": str(self.temp_tree.folder / "break-glass.txt")},  # nor its targets real ones
        }
        lines = ['environment = "drill"', f'name = "{self.scenario.name}"']
        further: dict[str, dict[str, str | float]] = {
            "search": {"url": self.search.url},
            "integrity": {"redis_keeps": False},  # it is started empty, and meant so
            "changes": {"set_up_at": self._set_up_at.isoformat()},  # that its servers were started is no change
        }
        tables |= {name: keys for name, keys in further.items() if name in Settings.__struct_fields__}
        if self.era == "old":
            tables["circuits"] = {"cooldown_s": 15.0}
        for table, keys in tables.items():
            lines += ["", f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
        path = self.temp_tree.folder / "settings.toml"
        _write_privately(path, "\n".join(lines) + "\n")
        return path

    @property
    def _redis_url(self) -> str:
        """As the console has it: with a password that is no more, where Redis is to be missing."""
        missing = "redis" in self.scenario.missing
        return self.redis.url.replace(self.redis.password, "rotated") if missing else self.redis.url

    @property
    def _journal(self) -> Path:
        return self.temp_tree.folder / "journal"

    def environment(self) -> dict[str, str]:
        """What NexNum people would have in their shell, and the settings file that says that this is a drill."""
        return {
            "DATABASE_URL": self.postgres.url,
            "DATABASE_READ_URL": self.postgres.read_url,
            "REDIS_URL": self._redis_url,
            **self._urls,
        }

    async def failed(self) -> None:
        """Waits for the world to break by itself, and raises what broke it."""
        assert self.market.clock.crashed is not None
        await self.market.clock.crashed

    async def close(self) -> None:
        """End everything, in about a second at most."""
        while self._closing:
            await self._closing.pop()()
        await asyncio.to_thread(self.temp_tree.close)


def _nowhere(scheme: str) -> str:
    """An address at which nobody listens."""
    return f"{scheme}://127.0.0.1:{free_port()}"


def _write_privately(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
