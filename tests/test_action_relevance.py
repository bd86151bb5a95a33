"""What the palette offers by what is on screen: no harm first, and what would not help says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_readings as sample
from acting import acting, add_provider, settings_of
from controller import controller, settings
from sample_readings import NOW

from nexconsole.actions.providers import DISABLE
from nexconsole.actions.registry import ACTIONS
from nexconsole.actions.relevance import OnScreen, misfit, prepared
from nexconsole.model import Reading, SourceHealth
from nexconsole.screens.palette_commands import commands
from nexconsole.settings import Settings
from nexconsole.signals.attribution import ProviderTraffic, Scope
from nexconsole.signals.releases import Release
from nexconsole.signals.search import Search

SETTINGS = Settings()


def with_(name: str, **fields: Any) -> dict[str, Reading]:
    """The readings of the incident, with one value otherwise; its blocking session is gone."""
    readings = sample.incident()
    database = replace(readings["database"].value, sessions=(), blocked=0)
    readings["database"] = replace(readings["database"], value=database)
    readings["search"] = sample.calm()["search"]
    if name:
        readings[name] = replace(readings[name], value=replace(readings[name].value, **fields))
    return readings


def all_fail() -> dict[str, Reading]:
    rows = tuple(ProviderTraffic(name=n, attempts=100, failures=60, failure_rate=0.6) for n in sample.NAMES)
    return with_("transactions", scope=Scope(verdict="all", because="all five fail"), providers=rows)


def blocked() -> dict[str, Reading]:
    readings = all_fail()
    return {**readings, "database": sample.incident()["database"]}


def release(hours: float) -> dict[str, Reading]:
    since = NOW - timedelta(hours=hours)
    return with_("workloads", release=Release(revision="7", read_at=NOW, images="app:2", before="app:1", since=since))


def search_down() -> dict[str, Reading]:
    return {**with_(""), "search": sample.reading("search", Search(source="meilisearch", up=False, why="refused"))}


def connections() -> dict[str, Reading]:
    return with_("database", connections=97, max_connections=100)


def all_ready() -> dict[str, Reading]:
    return with_("workloads", ready=3, desired=3)


def silent(name: str) -> SourceHealth:
    return SourceHealth(name=name, ok_at=NOW - timedelta(seconds=40), error="refused", kind="unreachable")


SMSBOWER, FIVE = {"provider": "smsbower"}, {"provider": "5sim"}


@pytest.mark.parametrize(
    ("action", "arguments", "readings", "dead", "said"),
    [
        ("provider.disable", SMSBOWER, with_(""), "", ""),
        ("provider.disable", SMSBOWER, sample.incident(), "", ""),
        ("provider.disable", SMSBOWER, all_fail(), "", "all providers fail: look for what they share"),
        ("provider.disable", FIVE, with_(""), "", "5sim is healthy: 4 of 150 failed"),
        ("provider.disable", SMSBOWER, with_(""), "postgres", "PostgreSQL has not answered for 40 s"),
        ("circuit.open", SMSBOWER, all_fail(), "", "all providers fail"),
        ("circuit.close", SMSBOWER, with_(""), "", "smsbower still fails: 66 of 120"),
        ("circuit.close", FIVE, with_(""), "", ""),
        ("pods.restart", {}, with_(""), "postgres", "PostgreSQL has not answered for 40 s"),
        ("pods.restart", {}, with_(""), "redis", "Redis has not answered for 40 s"),
        ("pods.restart", {}, blocked(), "", "14 sessions wait for session 4312: end that first"),
        ("pods.restart", {}, all_ready(), "", "smsbower alone fails, and all pods are ready"),
        ("pods.restart", {"pod": "x"}, all_ready(), "", ""),
        ("deployment.scale", {"replicas": "5"}, connections(), "", "97 % of the database's connections are used"),
        ("rollout.undo", {}, release(72), "", "what runs was released 3 d ago"),
        ("rollout.undo", {}, release(0.5), "", ""),
        ("reconcile.run", {}, blocked(), "", "14 sessions wait for session 4312: end that first"),
        ("reconcile.run", {}, with_(""), "", ""),
        ("outbox.process", {}, search_down(), "", "the search index is down: what is taken now fails for good"),
        ("outbox.retry", {"event": "e"}, search_down(), "", "the search index is down"),
        ("outbox.process", {}, with_(""), "", ""),
        ("locks.flush", {"family": "purchase"}, with_(""), "redis", "Redis has not answered for 40 s"),
        ("backend.terminate", {"pid": "4312"}, blocked(), "", ""),
    ],
)
def test_what_would_not_help_says_why(
    action: str, arguments: Mapping[str, str], readings: Mapping[str, Reading], dead: str, said: str
) -> None:
    health = [silent(dead)] if dead else []
    why = misfit(action, arguments, OnScreen(readings=readings, health=health, settings=SETTINGS, now=NOW))
    assert action in ACTIONS and (why.startswith(said) if said else not why), why


@pytest.mark.parametrize(
    ("readings", "first", "last"),
    [
        (with_(""), "provider.disable", "circuit.close"),
        (blocked(), "backend.terminate", "provider.disable"),
        (all_fail(), "reconcile.run", "provider.disable"),
    ],
)
async def test_the_palette_offers_no_harm_first(
    tmp_path: Path, readings: Mapping[str, Reading], first: str, last: str
) -> None:
    async with controller(settings(tmp_path), world=None) as (app, _):
        for one in readings.values():
            app.monitor.take(one)
        found = [one for one in commands(app.controller, ()) if one.name in ACTIONS]
        assert found[0].name == first, [one.title for one in found[:4]]
        told = [one for one in found if one.name == last and one.detail.startswith("will not help: ")]
        assert told and all(one.weight < 0 for one in told)
        assert not [one for one in found if one.name == last and one.weight >= 0.5]


async def test_a_plan_that_would_not_help_warns_and_can_still_be_confirmed(database: Any) -> None:
    for name in ("smsbower", "5sim"):
        await add_provider(database, name)
    readings = all_fail()
    async with acting(settings_of(postgres={"url": database.url}), readings) as context:
        plan = await prepared(DISABLE, {"provider": "smsbower"}, context)
    guard = next(guard for guard in plan.guards if guard.name == "will it help")
    assert (guard.level, guard.reason) == (
        "warn",
        "this will hardly help: all providers fail: look for what they share",
    )
    assert not plan.blocked
