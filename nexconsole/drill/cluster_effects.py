"""What a fault does in the drill's cluster, and to what watches it: configuration, replicas, containers, alerts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .cluster_causes import ChangedConfig, CrashingPods, LyingAlert, RestartedPod, Scaled
from .kubernetes.endings import CRASHED, OUT_OF_MEMORY
from .server_changes import edit_provider

if TYPE_CHECKING:
    from .drill_clock import DrillClock
    from .platform import DrillPlatform
    from .prometheus.alerting import AlertingRule
    from .prometheus.server import PrometheusServer
    from .servers import EmbeddedPostgres

USUAL_REPLICAS = 3


class Once:
    """An effect that is there at once, and that nobody can take back."""

    target = ""

    @property
    def over(self) -> bool:
        return False

    async def begin(self) -> None:
        return

    async def look(self) -> None:
        return

    async def end(self) -> None:
        return

    def close(self) -> None:
        return


class Configured(Once):
    """A changed entry of the ConfigMap or of the Secret, and the restarts after which pods know it."""

    def __init__(self, cluster: DrillPlatform, drill_clock: DrillClock, cause: ChangedConfig, *, past: bool) -> None:
        self._cluster = cluster
        self._drill_clock = drill_clock
        self._cause = cause
        self._past = past
        now_s = drill_clock.now()
        self._due = [at for at in (cause.begins_s + after for after in cause.restarts_after_s) if at > now_s]

    async def begin(self) -> None:
        """Where it lies in the past, the pods have been restarted then."""
        at = datetime.fromtimestamp(self._drill_clock.clock_at(self._cause.begins_s), UTC)
        self._put(self._cause.value, at)
        if self._cause.rolls and not self._past:
            self._cluster.hands.restart_rollout()

    def _put(self, value: str, at: datetime | None = None) -> None:
        change = self._cluster.hands.rekey if self._cause.secret else self._cluster.hands.configure
        change(self._cause.key, value, at=at)

    async def look(self) -> None:
        while self._due and self._due[0] <= self._drill_clock.now():
            self._due.pop(0)
            self._cluster.hands.kill(end=CRASHED)


class Rescaled(Once):
    """Fewer replicas, and no autoscaler that would mind. Who scales it up again ends it."""

    def __init__(self, cluster: DrillPlatform, cause: Scaled) -> None:
        self._cluster = cluster
        self._cause = cause
        self._began = False

    @property
    def over(self) -> bool:
        return self._began and self._cluster.replicas > self._cause.replicas

    async def begin(self) -> None:
        self._cluster.remove_autoscaler()
        if self._cluster.replicas > self._cause.replicas:
            self._cluster.hands.scale(self._cause.replicas)
        self._began = True

    async def end(self) -> None:
        self._cluster.hands.scale(USUAL_REPLICAS)


class Crashing(Once):
    """Containers that end again and again."""

    def __init__(self, cluster: DrillPlatform, cause: CrashingPods) -> None:
        self._cluster = cluster
        self._cause = cause

    async def begin(self) -> None:
        self._cluster.hands.crash(OUT_OF_MEMORY if self._cause.oom else CRASHED, self._cause.after_s)

    async def end(self) -> None:
        self._cluster.hands.crash_no_more()

    def close(self) -> None:
        self._cluster.hands.crash_no_more()


class RestartedOnce(Once):
    """One container that ended, and was started anew."""

    def __init__(self, cluster: DrillPlatform, cause: RestartedPod, *, past: bool) -> None:
        self._cluster = cluster
        self._end = OUT_OF_MEMORY if cause.oom else CRASHED
        self._past = past

    async def begin(self) -> None:
        if not self._past:
            self._cluster.hands.kill(end=self._end)


class RowEdited(Once):
    """A changed row of a provider."""

    def __init__(self, postgres: EmbeddedPostgres, provider: str, priority: int, *, past: bool) -> None:
        self._postgres = postgres
        self._provider = provider
        self._priority = priority
        self._past = past

    async def begin(self) -> None:
        """Raises one of NOT_NOW. Where it lies in the past, the row has come with it."""
        if not self._past:
            await edit_provider(self._postgres, self._provider, priority=self._priority)


class LyingRule(Once):
    """A rule that fires whatever happens."""

    def __init__(self, server: PrometheusServer | None, rule: AlertingRule, since: float) -> None:
        self._server = server
        self._rule = rule
        self._since = since

    async def begin(self) -> None:
        if self._server is not None:
            self._server.load(self._rule, self._since)

    async def end(self) -> None:
        if self._server is not None:
            self._server.unload(self._rule)


def lying_rule(cause: LyingAlert) -> AlertingRule:
    """It asks for something that always is."""
    from .prometheus.alerting import AlertingRule

    return AlertingRule(cause.alert, "sum(nexnum_lifecycle_circuit_state) >= 0", 0, cause.severity, cause.summary)
