"""Which cluster this is, on screen: in the header, and in full in the Workloads pane with what is not counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sample_readings import calm

from nexconsole.model import SourceHealth
from nexconsole.panes import workloads
from nexconsole.settings import Settings
from nexconsole.signals.pods import OtherPod
from nexconsole.signals.releases import Release
from nexconsole.signals.workloads import Workloads
from nexconsole.widgets.banner import health
from nexconsole.widgets.panel import RenderContext
from nexconsole.widgets.spans import as_text

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
WHERE = "context prod, cluster eu at https://h, namespace nexnum (of context prod), account maria, from /kc"
OTHERS = (
    OtherPod(name="nexnum-app-5d8f-evctd", uid="1", why="evicted"),
    OtherPod(name="nexnum-app-debug", uid="2", why="has no owner: nothing starts it again"),
)


def value() -> Workloads:
    found = calm()["workloads"].value
    assert isinstance(found, Workloads)
    release = Release(revision="3", read_at=NOW, images="app:1", withdrawn="app:2 (revision 2)")
    why = "app: the annotation kubectl.kubernetes.io/default-container says so"
    return replace(found, where=WHERE, container=why, others=OTHERS, release=release)


def space(width: int) -> RenderContext:
    return RenderContext(width, 24, NOW, Settings())


def test_the_pane_says_which_cluster_and_what_is_not_counted() -> None:
    picture = workloads.detail(value(), space(180))
    text = as_text(picture.head)
    assert WHERE in text
    assert "container app: the annotation" in text
    assert "app:2 (revision 2) was taken back" in text
    assert "2 other pods under its labels: counted nowhere, and no target" in text
    rows = picture.rows
    assert rows is not None
    shown = as_text([rows.draw(n) for n in range(len(rows.keys))])
    assert len(rows.keys) == len(value().pods) + 2
    assert "nexnum-app-5d8f-evctd" in shown and "nothing starts it again" in shown


def test_the_small_pane_counts_its_own_pods_and_names_that_there_are_others() -> None:
    picture = workloads.small(value(), space(70))
    assert "3/3 ready" in as_text(picture.head) and "2 other pods under its labels" in as_text(picture.head)
    assert picture.rows is not None and len(picture.rows.keys) == len(value().pods)


def test_the_header_says_which_cluster_as_long_as_there_is_room() -> None:
    sources = [
        SourceHealth(name=name, place=place, latency_ms=12.0, ok_at=NOW)
        for name, place in (("postgres", ""), ("redis", ""), ("kubernetes", "prod/nexnum"), ("prometheus", ""))
    ]
    assert "kubernetes prod/nexnum 12 ms" in as_text([health(sources, NOW, 120)])
    assert "k8s prod/nexnum 12 ms" in as_text([health(sources, NOW, 60)])
    assert "k8s 12 ms" in as_text([health(sources, NOW, 42)])
    broken = [replace(sources[2], error="x", kind="unreachable")]
    assert "kubernetes prod/nexnum unreachable" in as_text([health(broken, NOW, 80)])


def test_what_was_restarted_is_up_since_then() -> None:
    pods = list(value().pods)
    pods[0] = replace(pods[0], age_s=7 * 3600.0, restarts=1, restarted_at=NOW - timedelta(minutes=5))
    rows = workloads.small(replace(value(), pods=tuple(pods)), space(70)).rows
    assert rows is not None
    shown = [as_text([rows.draw(n)]) for n in range(len(rows.keys))]
    assert any("up 5 min" in line for line in shown)
    assert not any("up 7 h" in line for line in shown)
