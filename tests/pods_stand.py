"""An operator in front of the drill's cluster and real rows: what tests of actions on pods share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from acting import settings_of
from small_cluster import SmallCluster, small_cluster

from nexconsole.actions import failure_rate_change, rollouts
from nexconsole.actions.action import Context
from nexconsole.settings import Settings
from nexconsole.sources import open_sources


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[SmallCluster]:
    async with small_cluster(tmp_path) as made:
        yield made


class PodsStand:
    """An operator in front of one cluster and one database."""

    def __init__(self, small: SmallCluster, database: Any, folder: Path) -> None:
        self.small, self.database, self.readings, self.told = small, database, {}, []
        self.made: list[Any] = []

    def settings(self, role: str = "operator", **tables: Any) -> Settings:
        """Tables beside the cluster's and the database's, or in their place."""
        kubernetes = {"kubeconfig": str(self.small.write_kubeconfig(role))}
        database = {} if self.database is None else {"postgres": {"url": self.database.url}}
        actions = {"verify_s": 8.0, **tables.pop("actions", {})}
        return settings_of(**{"kubernetes": kubernetes, **database, **tables, "actions": actions})

    def context(self, role: str = "operator", **tables: Any) -> Context:
        settings = self.settings(role, **tables)
        self.made.append(open_sources(settings))
        return Context(
            settings=settings,
            sources=self.made[-1],
            readings=lambda: self.readings,
            operator="maria",
            progress=self.told.append,
        )

    def deployment(self) -> dict[str, Any]:
        return self.small.cluster.store.objects("deployments")[0]

    def names(self) -> list[str]:
        return sorted(pod.name for pod in self.small.cluster.pods)


@pytest.fixture
async def stand(small: SmallCluster, database: Any, tmp_path: Path, monkeypatch: Any) -> AsyncIterator[PodsStand]:
    monkeypatch.setattr(failure_rate_change, "CALM_S", 0.3)
    monkeypatch.setattr(rollouts, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(rollouts, "ROLLOUT_S", 10.0)
    one = PodsStand(small, database, tmp_path)
    yield one
    for sources in one.made:
        await sources.close()


async def bought(database: Any, paid: int, failed: int, age_s: float, mark: str = "b") -> None:
    for number in range(paid):
        await database.activation(f"{mark}p{number}", age_s, "ACTIVE", paid=True)
    for number in range(failed):
        await database.activation(f"{mark}f{number}", age_s, "FAILED")


def guards_of(plan: Any) -> dict[str, Any]:
    return {guard.name: guard for guard in plan.guards}
