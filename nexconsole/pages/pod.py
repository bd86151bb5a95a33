"""A pod: whether it is ready and why not, its containers, its events, its last log lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from ..lookups.registry import LINES, ROW
from ..model import SignalKey
from ..text.units import ago, clock, count, duration, several, since
from ..widgets.spans import Line, Span, plain
from .changes import changes
from .lines import log_lines
from .section import PageContext, Section, by_urgency, fact, from_signal, own_ink, sentence

if TYPE_CHECKING:
    from ..lookups.pod import ContainerFacts, PodEvent, PodFacts
    from ..signals.circuits import Circuits
    from ..signals.pods import OtherPod, Pod
    from ..signals.workloads_value import Workloads

NOUN = "Pod"
FACTS = cast("SignalKey[PodFacts]", ROW)
WORKLOADS: SignalKey[Workloads] = SignalKey("workloads")
CIRCUITS: SignalKey[Circuits] = SignalKey("circuits")
SIGNALS = frozenset[str]({WORKLOADS, CIRCUITS, ROW, LINES})


NO_EVENTS = {
    "pod": "none: the cluster keeps them for an hour or so",
    "container": "none that the Engine still keeps",
}


def _name(context: PageContext) -> str:
    return context.subject.arguments.get("pod") or context.subject.title


def _pod(context: PageContext) -> Pod | None:
    value = WORKLOADS.value(context.readings)
    pods = value.pods if value is not None else ()
    return next((pod for pod in pods if context.subject.id in (pod.uid, pod.name)), None)


def _other(context: PageContext) -> OtherPod | None:
    value = WORKLOADS.value(context.readings)
    others = value.others if value is not None else ()
    return next((pod for pod in others if context.subject.id in (pod.uid, pod.name)), None)


def _unit(context: PageContext) -> str:
    value = WORKLOADS.value(context.readings)
    return value.unit if value is not None else "pod"


def _gone(context: PageContext) -> str:
    if _unit(context) == "pod":
        return "the cluster has no pod of this name and identity: it was replaced, or never was"
    return "there is no container of NexNum of this name and identity: it was made anew, or never was"


def present(context: PageContext) -> bool | None:
    facts = FACTS.value(context.readings)
    if facts is not None:
        return facts.found
    return True if _pod(context) or _other(context) else None


def headline(context: PageContext) -> Span:
    pod, facts = _pod(context), FACTS.value(context.readings)
    if facts is not None and not facts.found:
        return f"no such {_unit(context)} is there", "muted"
    ready = facts.ready if facts is not None else pod.ready if pod is not None else None
    reason = plain(pod.reason, 300) if pod is not None else ""
    if ready is None:
        return "not known yet", "muted"
    if facts is not None and facts.ending:
        return "it is being ended", "text"
    if not ready:
        return f"not ready{f': {reason}' if reason else ''}", own_ink(context.alert_levels.get(WORKLOADS, "calm"))
    if pod is not None and pod.restarts:
        restarted = f", {ago(since(pod.restarted_at, context.now))}" if pod.restarted_at else ""
        said = f" ({reason})" if reason else ""
        return f"ready; it was restarted {several(pod.restarts, 'time')}{restarted}{said}", "text"
    return "ready", "muted"


def sections(context: PageContext) -> tuple[Section, ...]:
    return by_urgency(
        (
            _state(context),
            _containers(context),
            _breakers(context),
            log_lines(context, "no line of it has come yet", named=False),
            _events(context),
            changes(context, _name(context)),
        )
    )


def _state(context: PageContext) -> Section:
    def draw(facts: PodFacts) -> Iterator[Line]:
        width = context.width
        ready: Span = ("ready", "text") if facts.ready else ("not ready", "strong")
        yield from fact("phase", [(plain(facts.phase, 60), "text"), ready], width)
        for trouble in facts.trouble:
            yield from fact("", (plain(trouble, 400), "text"), width)
        age = duration(since(facts.created_at, context.now))
        yield from fact("age", [(age, "text"), (f"since {clock(facts.created_at)}", "muted")], width)
        nowhere = "none: it is not scheduled" if _unit(context) == "pod" else "not known"
        yield from fact("node", (plain(facts.node, 120) or nowhere, "text"), width)
        yield from fact("owner", (plain(facts.owner, 160) or "none", "muted"), width)
        if (other := _other(context)) is not None:
            yield from fact("counted", (f"nowhere: {plain(other.why, 200)}", "text"), width)
        yield from fact("cpu, memory", ("not read: the console asks no metrics server", "muted"), width)

    facts = FACTS.value(context.readings)
    wrong = facts is not None and facts.found and not facts.ready and _other(context) is None
    return from_signal(context, "State", FACTS, draw, level=_level(context) if wrong else "calm", gone=_gone(context))


def _level(context: PageContext) -> str:
    return context.alert_levels.get(WORKLOADS, "minor")


def _containers(context: PageContext) -> Section:
    def draw(facts: PodFacts) -> Iterator[Line]:
        for container in facts.containers:
            yield from _container(container, context)
        if not facts.containers:
            yield from sentence("no container has begun", "muted", context.width)

    facts = FACTS.value(context.readings)
    if facts is None:
        return Section("Containers", ())  # the state has said why
    broken = any(not one.ready and not one.init for one in facts.containers)
    return from_signal(context, "Containers", FACTS, draw, level=_level(context) if broken else "calm")


def _container(container: ContainerFacts, context: PageContext) -> Iterator[Line]:
    width = context.width
    done = container.init and container.state.startswith("ended")
    good = container.ready or done
    since_when = f"for {duration(since(container.since, context.now))}" if container.since else ""
    name = f"{plain(container.name, 80)}{' (init)' if container.init else ''}"
    words: list[Span] = [(name, "text"), (plain(container.state, 400), "muted" if good else "strong")]
    yield from fact("container", [*words, (since_when, "muted")], width)
    yield from fact("  image", (plain(container.image, 300) or "not known", "muted"), width)
    if container.restarts or container.last_end:
        ended = f"last ended: {plain(container.last_end, 120)}" if container.last_end else "how it ended is not known"
        when = f"at {clock(container.ended_at)}, {ago(since(container.ended_at, context.now))}"
        restarts: Span = (several(container.restarts, "restart"), "text")
        yield from fact("  restarts", [restarts, (ended, "text"), (when if container.ended_at else "", "muted")], width)


def _breakers(context: PageContext) -> Section:
    """What this pod alone knows of providers, where something is open."""
    name = _name(context)

    def draw(value: Circuits) -> Iterator[Line]:
        for provider in value.providers:
            for holder in provider.holders:
                if holder.where == name and holder.state in ("open", "half-open") and provider.active is not False:
                    when = f"since {clock(holder.since)}" if holder.since else ""
                    state: Span = (holder.state.upper(), "strong")
                    yield from fact(
                        "breaker", [(plain(provider.name, 80), "strong"), state, (when, "muted")], context.width
                    )

    if CIRCUITS.value(context.readings) is None:
        return Section("Breakers", ())
    section = from_signal(context, "Breakers", CIRCUITS, draw)
    return Section("Breakers that are open in it", section.lines, "minor", section.provenance)


def _events(context: PageContext) -> Section:
    def draw(facts: PodFacts) -> Iterator[Line]:
        if facts.events_error:
            yield from sentence(f"not known: {facts.events_error}", "muted", context.width)
        elif not facts.events:
            yield from sentence(NO_EVENTS[_unit(context)], "muted", context.width)
        for event in facts.events:
            yield from _event(event, context)

    return Section("", ()) if FACTS.value(context.readings) is None else from_signal(context, "Events", FACTS, draw)


def _event(event: PodEvent, context: PageContext) -> tuple[Line, ...]:
    ink = "warn" if event.kind == "Warning" else "text"
    times = f"{count(event.count)} times" if event.count > 1 else ""
    words: list[Span] = [(plain(event.reason, 60), ink), (times, "muted"), (plain(event.message, 500), "text")]
    return fact(clock(event.at), words, context.width)
