"""Workloads: the deployment's pods, its rollout, its autoscaler. (nexnum.md#deployment)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..signals.change import CHANGES
from ..text.pod_names import brief_pods
from ..text.units import ago, count, duration, several, since
from ..widgets.panel import Listing, Panel, RenderContext
from ..widgets.spans import Line, Span, cells, column, cut_front, phrases, plain
from . import subjects

if TYPE_CHECKING:
    from ..signals.change import Change
    from ..signals.pods import OtherPod, Pod
    from ..signals.workloads_value import Workloads

NUMBER, SIGNAL, TITLE = 6, "workloads", "Workloads"
EVIDENCE = (CHANGES,)  # what changed: drawn here, and judged by nobody
CHANGES_SHOWN = 3

RECENT_S = 900.0  # a restart younger than this is worth a word
NEW_S = 3600.0  # so is a release


def small(value: Workloads, space: RenderContext) -> Panel:
    head = [phrases(_words(value, space), space.width, ("  ", "muted"))]
    fresh = _released(value, space)
    left_out = [fresh] if fresh is not None and fresh not in head[0] else []  # what began with it may be its fault
    if (value.autoscaler or left_out) and space.height >= 5:
        scaling = _scaling(value) if value.autoscaler else []
        head.append(phrases([*left_out, *scaling], space.width, ("  ", "muted")))
    return Panel(_alert_level(value, space), tuple(head), _pods(value, space))


def detail(value: Workloads, space: RenderContext) -> Panel:
    place = ((f"{plain(value.namespace, 60)}/{plain(value.deployment, 80)}", "strong"),)
    counts = f"{value.desired} wanted, {value.updated} updated, {value.ready} ready, {value.available} available"
    if value.unit != "pod":
        counts = f"{value.desired} there, {value.ready} ready, {value.updated} with the newest image"
    note = phrases([(plain(value.rollout_note), "text")], space.width) if value.rollout_note else ()
    title = f"    {plain(value.unit, 44):<44} {'phase':<10} {'restarts':>8} {'age':>10}  reason"
    head = (
        (*place, ("   ", "text"), *phrases(_words(value, space), space.width, ("  ", "muted"))),
        ((counts, "text"),),
        *((note,) if note else ()),
        phrases(_scaling(value), space.width, ("  ", "muted")),
        *(phrases(line, space.width, (", ", "muted")) for line in _about(value)),
        *(phrases([part], space.width) for part in _changes(space)),
        (),
        ((title, "muted"),),
    )
    return Panel(_alert_level(value, space), head, _pods(value, space, large=True))


def _about(value: Workloads) -> list[list[Span]]:
    """Which cluster and account, which container is read, what was taken back, how many are not counted."""
    lines: list[list[Span]] = []
    if value.where:
        lines.append([(plain(part, 200), "muted") for part in value.where.split(", ")])
    if value.container:
        lines.append([(f"container {plain(value.container, 160)}", "muted")])
    if value.release is not None and value.release.withdrawn:
        lines.append([(f"{plain(value.release.withdrawn, 120)} was taken back", "text")])
    if value.others:
        said = "counted nowhere, and no target" if value.unit == "pod" else "not watched, and no target"
        lines.append([(f"{_others(value)}: {said}", "text")])
    return lines


def _changes(space: RenderContext) -> list[Span]:
    """The newest changes of all systems, a line each."""
    log = CHANGES.value(space.readings)
    found = log.changes[:CHANGES_SHOWN] if log is not None else ()
    return [(f"{ago(since(change.at, space.now))}: {plain(change.text, 160)}{_by(change)}", "text") for change in found]


def _by(change: Change) -> str:
    return f", by {plain(change.who, 60)}" if change.who else ""


def _others(value: Workloads) -> str:
    if value.unit != "pod":
        return several(len(value.others), "other container", "other containers")
    return several(len(value.others), "other pod under its labels", "other pods under its labels")


def brief(value: Workloads, space: RenderContext) -> Line:
    return phrases(_words(value, space), space.width, ("  ", "muted"))


def _alert_level(value: Workloads, space: RenderContext) -> str:
    return space.mood_or(value.ready < value.desired or bool(value.idle_services) or value.rollout == "stuck")


def _ink(space: RenderContext) -> str:
    return space.ink if space.ink != "text" else "warn"


def _words(value: Workloads, space: RenderContext) -> list[Span]:
    short = value.ready < value.desired
    name = plain(value.deployment, 40)
    parts: list[Span] = [(f"{name} {value.ready}/{value.desired} ready", _ink(space) if short else "text")]
    if value.rollout != "complete":
        ink = _ink(space) if value.rollout == "stuck" else "text"
        word = "rollout" if value.unit == "pod" else "change of images"
        parts.append((f"{word} {plain(value.rollout, 20)}", ink))
    if (fresh := _released(value, space)) is not None:
        parts.append(fresh)
    recent = [pod for pod in value.pods if (since(pod.restarted_at, space.now) or RECENT_S) < RECENT_S]
    restarts = sum(pod.restarts for pod in value.pods)
    if recent:
        age = min(since(pod.restarted_at, space.now) or 0.0 for pod in recent)
        parts.append((f"restarted {duration(age)} ago", "text"))
    elif restarts:
        parts.append((several(restarts, "restart"), "muted"))
    if value.others and value.unit == "pod":
        parts.append((_others(value), "muted"))
    for service in value.services[1:]:
        ink = _ink(space) if service.ready < service.desired else "muted"
        parts.append((f"{plain(service.name, 40)} {service.ready}/{service.desired}", ink))
    return parts


def _released(value: Workloads, space: RenderContext) -> Span | None:
    """How long ago what runs was released, while that is news."""
    age = since(value.release.since, space.now) if value.release is not None else None
    return (f"released {duration(age)} ago", "text") if age is not None and age < NEW_S else None


def _scaling(value: Workloads) -> list[Span]:
    scaler = value.autoscaler
    if scaler is None:
        if value.unit != "pod":
            return [("Docker Compose: no autoscaler, no rollouts, no revisions to go back to", "muted")]
        return [("no autoscaler", "muted")]
    parts: list[Span] = [(f"autoscaler {scaler.minimum}-{scaler.maximum}, now {scaler.current}", "muted")]
    if scaler.desired != scaler.current:
        parts.append((f"wants {scaler.desired}", "text"))
    if scaler.current >= scaler.maximum:
        parts.append(("at its maximum", "warn"))
    if scaler.metrics:
        parts.append((plain(scaler.metrics, 60), "muted"))
    return parts


def _pods(value: Workloads, space: RenderContext, large: bool = False) -> Listing | None:
    """Its own pods; where there is room for all about them, the others after them."""
    pods = sorted(value.pods, key=lambda pod: (pod.ready, -pod.restarts, pod.name))
    others = value.others if large else ()
    draw = _long if large else _short
    keys = [*(pod.uid or pod.name for pod in pods), *(other.uid or other.name for other in others)]
    if not keys:
        return None
    return Listing(
        keys,
        lambda n: draw(pods[n], space) if n < len(pods) else _apart(others[n - len(pods)]),
        lambda n: (
            subjects.pod(pods[n].name, pods[n].uid)
            if n < len(pods)
            else subjects.foreign_pod(others[n - len(pods)].name, others[n - len(pods)].uid)
        ),
        (
            ("restarts", lambda n: pods[n].restarts),
            ("age", lambda n: pods[n].age_s),
            ("name", lambda n: pods[n].name),
        ),
        len(pods),
    )


def _apart(pod: OtherPod) -> Line:
    return (("  - ", "muted"), (column(plain(pod.name, 80), 44) + " ", "muted"), (plain(pod.why, 160), "muted"))


def _short(pod: Pod, space: RenderContext) -> Line:
    parts: list[Span] = [] if pod.ready else [("not ready", _ink(space))]
    if pod.reason:
        parts.append((plain(pod.reason, 120), "text" if pod.ready else _ink(space)))
    if pod.restarts:
        parts.append((several(pod.restarts, "restart"), "text"))
    running_s = pod.age_s if pod.restarted_at is None else since(pod.restarted_at, space.now)
    parts.append((f"up {duration(running_s)}", "muted"))
    if space.width < 50:  # the part that tells pods apart is at the end
        whole = plain(pod.name, 80)
        most = 13 if brief_pods(whole) == whole else 11  # a container's name says less by its end alone
        name = column(cut_front(whole, most), most)
    else:
        name = column(plain(pod.name, 60), min(34, space.width // 2))
    shape = ("● ", "muted") if pod.ready else ("▲ ", _ink(space))
    return (shape, (name + " ", "text"), *phrases(parts, max(0, space.width - cells(name) - 3)))


def _long(pod: Pod, space: RenderContext) -> Line:
    shape = ("  ● ", "muted") if pod.ready else ("  ▲ ", _ink(space))
    ready = "ready" if pod.ready else plain(pod.phase, 20)
    age = f"{duration(pod.age_s):>10}  "
    restarted = f", restarted {duration(since(pod.restarted_at, space.now))} ago" if pod.restarted_at else ""
    return (
        shape,
        (column(plain(pod.name, 80), 44) + " ", "text" if pod.ready else "strong"),
        (column(ready, 10) + " ", "muted" if pod.ready else _ink(space)),
        (f"{count(pod.restarts):>8} ", "text" if pod.restarts else "muted"),
        (age, "muted"),
        (plain(pod.reason) + restarted, "text" if pod.ready else _ink(space)),
    )
