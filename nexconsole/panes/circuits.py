"""Circuits: every provider's breakers in every pod and in Redis, the most urgent provider first.

(nexnum.md#breakers, #breaker-rules)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..catalogue import Subject
from ..model import SignalKey
from ..signals.log_reach import LINES_S, within
from ..text.lookalikes import look_alikes, marked
from ..text.units import clock, count, duration, plural, several, since
from ..widgets.panel import Listing, Panel, RenderContext
from ..widgets.spans import Line, Span, cells, column, cut_front, phrases, plain
from . import subjects

if TYPE_CHECKING:
    from ..signals.breaker_views import Holder
    from ..signals.circuits import Circuits, ProviderCircuit

NUMBER, TITLE = 2, "Circuits"
SIGNAL: SignalKey[Circuits] = SignalKey("circuits")

SHAPES = {"open": "▲", "half-open": "~", "closed": "●", "unknown": "?"}
EXPANDED = 60  # providers; of more than so many, the closed ones are not expanded to their holders


Entry = tuple["ProviderCircuit", "Holder | None"]


def small(value: Circuits, space: RenderContext) -> Panel:
    flapping = (provider for provider in value.providers if provider.flapping and provider.active is not False)
    foot = tuple(_flapping(provider, value.reach_s, space) for provider in flapping)
    foot = foot[: 2 if space.height >= 8 else 0]
    entries = _entries(value.providers, 0)
    if len(entries) + 1 + len(foot) > space.height:
        entries = [(provider, None) for provider in value.providers]
    return Panel(space.alert_level, (_summary(value, space),), _listing(entries, space), foot)


def detail(value: Circuits, space: RenderContext) -> Panel:
    short = value.reach_s is not None and value.reach_s < LINES_S
    basis: Line = ((f"counts of log lines are those of {within(LINES_S, value.reach_s)}", "muted"),) if short else ()
    return Panel(
        space.alert_level, (_summary(value, space), basis), _listing(_entries(value.providers, EXPANDED), space)
    )


def brief(value: Circuits, space: RenderContext) -> Line:
    wrong = [p for p in value.providers if p.active is not False and p.state in ("open", "half-open")]
    if not wrong:
        return _summary(value, space)
    names = ", ".join(f"{plain(p.name, 30)} {p.state.upper()}" for p in wrong[:5])
    return phrases([(names, space.ink if space.ink != "text" else "warn"), *_summary(value, space)[:1]], space.width)


def _listing(entries: list[Entry], space: RenderContext) -> Listing | None:
    taken = _taken(space)
    twins = look_alikes(provider.name for provider, holder in entries if holder is None)

    def draw(n: int) -> Line:
        provider, holder = entries[n]
        if holder is None:
            return _row(provider, space, taken, twins)
        return _holder(holder, space, taken, watched=provider.active is not False)

    keys = [f"{p.name}\0{h.kind}\0{h.where}" if h else p.name for p, h in entries]
    return Listing(keys, draw, lambda n: _subject(*entries[n])) if entries else None


def _subject(provider: ProviderCircuit, holder: Holder | None) -> Subject:
    """A pod's own breaker gives the pod as well."""
    if holder is None or holder.kind != "pod":
        return subjects.provider(provider.name)
    return subjects.breaker(provider.name, holder.where)


def _entries(providers: Sequence[ProviderCircuit], calm: int) -> list[Entry]:
    """Each provider, and below it its holders where its state is urgent, or there are at most `calm` providers.

    Nothing goes through the breakers of a disabled one: they are not urgent.
    """
    entries: list[Entry] = []
    for provider in providers:
        entries.append((provider, None))
        urgent = provider.state in ("open", "half-open") and provider.active is not False
        if urgent or len(providers) <= calm:
            entries += [(provider, holder) for holder in provider.holders]
    return entries


def _unit(space: RenderContext) -> str:
    """What a process is called: "pod", or "container"."""
    value = SIGNAL.value(space.readings)
    return plain(value.unit, 20) if value is not None else "pod"


def _taken(space: RenderContext) -> datetime | None:
    reading = space.readings.get(SIGNAL)
    return reading.taken_at if reading else None


def _summary(value: Circuits, space: RenderContext) -> Line:
    if not value.providers:
        return (("no SMS providers", "strong"), (" are known here", "muted"))
    watched = [p for p in value.providers if p.active is not False]
    states = {state: sum(p.state == state for p in watched) for state in SHAPES}
    disabled = len(value.providers) - len(watched)
    parts: list[Span] = []
    if states["open"]:
        parts.append((f"▲ {states['open']} of {len(watched)} open", space.ink if space.ink != "text" else "warn"))
    opened = value.opened_in
    if len(opened) == 1 and value.pods_followed > 1 and max(opened.values()) > 1:
        [pod] = opened
        whose = f"in ONE {plain(value.unit, 20).upper()} alone: {cut_front(plain(pod, 80), 8)}"
        parts.append((whose, space.ink if space.ink != "text" else "warn"))
    if states["half-open"]:
        parts.append((f"~ {states['half-open']} half-open", "warn"))
    if states["closed"]:
        parts.append((f"● {states['closed']} closed", "muted" if parts else "text"))
    if states["unknown"]:
        parts.append((f"? {states['unknown']} unknown", "muted"))
    if disabled:
        parts.append((f"○ {disabled} disabled", "muted"))
    if value.pods_followed < value.pods:
        parts.append((f"{value.pods_followed} of {several(value.pods, plain(value.unit, 20))} followed", "warn"))
    if value.catching_up:
        parts.append((f"older lines of {several(value.catching_up, plain(value.unit, 20))} are being read", "muted"))
    if value.lines_dropped:
        parts.append((f"{count(value.lines_dropped)} log lines dropped", "warn"))
    return phrases(parts, space.width, ("  ", "muted"))


def _row(provider: ProviderCircuit, space: RenderContext, taken: datetime | None, twins: Mapping[str, str]) -> Line:
    off = provider.active is False
    shape = "○" if off else SHAPES.get(provider.state, "?")
    wrong = not off and (provider.state in ("open", "half-open") or provider.flapping)
    ink = "warn" if wrong and space.ink == "text" else space.ink if wrong else "muted"
    wide = 26 if space.width >= 90 else 12 if space.width >= 50 else 11
    shown = plain(marked(provider.name, twins), 120)
    twin = provider.name in twins
    wide = max(wide, min(space.width // 2, cells(shown))) if twin else wide
    named = "warn" if twin else "strong" if wrong else "muted" if off else "text"
    head = ((f"{shape} ", ink), (f"{column(shown, wide)} ", named))
    room = space.width - wide - 3
    parts = [*_state(provider, space, taken, ink), *_answered(provider, space, windowed=True)]
    if sum(cells(text) + 2 for text, _ in parts) - 2 > room:
        parts = [*_state(provider, space, taken, ink), *_answered(provider, space, windowed=False)]
    return (*head, *phrases(parts, room))


def _state(provider: ProviderCircuit, space: RenderContext, taken: datetime | None, ink: str) -> list[Span]:
    """A provider's facts, the most important first."""
    parts: list[Span] = [("disabled", "muted")] if provider.active is False else []
    pods = [h for h in provider.holders if h.kind == "pod"]
    shared = next((h for h in provider.holders if h.kind == "shared"), None)
    for state in ("open", "half-open"):
        held = [h for h in pods if h.state == state]
        if held:
            parts.append((f"{state.upper()} {len(held)}/{len(pods)} {plural(_unit(space))}", ink))
        if shared and shared.state == state:
            parts.append((f"shared {state.upper()}" if space.width >= 50 or not parts else "+shared", ink))
        if state == provider.state:
            parts += _timing(provider, space, taken)
    if provider.state not in ("open", "half-open"):
        parts.append((plain(provider.state, 20), "muted"))
    if provider.flapping:
        parts.append((f"FLAPPING {provider.opened}x", ink))
    return parts


def _answered(provider: ProviderCircuit, space: RenderContext, *, windowed: bool) -> list[Span]:
    """How often the logs have 429 and 5xx for it, and over how many minutes where there is room."""
    counts = (("429", provider.seen_429), ("5xx", provider.seen_5xx))
    seen = [f"{what}: {count(many)}" for what, many in counts if many]
    if not windowed or not seen:
        return [(each, "text") for each in seen]
    reach = _reach(space)
    return [(f"{', '.join(seen)} in {duration(LINES_S if reach is None else min(reach, LINES_S))}", "text")]


def _reach(space: RenderContext) -> float | None:
    """How far back the logs reach, in seconds; None for the whole window."""
    value = SIGNAL.value(space.readings)
    return None if value is None else value.reach_s


def _timing(provider: ProviderCircuit, space: RenderContext, taken: datetime | None) -> list[Span]:
    left = [_left(h, space, taken) for h in provider.holders if h.state == "open" and h.closes_in_s is not None]
    if left:
        return [(f"{duration(max(left))} left" if max(left) > 0 else "cool-down is over", "text")]
    if provider.state != "half-open":
        return []
    begun = [h.since for h in provider.holders if h.state == "half-open" and h.since]
    quiet = max([*begun[:1], *([provider.last_traffic] if provider.last_traffic else [])], default=None)
    if quiet is None:
        return [("waiting for traffic", "text")]
    return [(f"no traffic for {duration(since(quiet, space.now))}", "text")]


def _left(holder: Holder, space: RenderContext, taken: datetime | None) -> float:
    return max(0.0, (holder.closes_in_s or 0.0) - (since(taken, space.now) or 0.0))


def _flapping(provider: ProviderCircuit, reach_s: float | None, space: RenderContext) -> Line:
    window = within(LINES_S, reach_s)
    name = plain(provider.name, 40)
    words = f": opened {provider.opened} times in {window}"
    if cells(name) + cells(words) + 9 > space.width:
        words = f": {provider.opened} times in {window}"
    if cells(name) + cells(words) + 9 > space.width:
        words = words.partition(" (")[0]
    ink = space.ink if space.ink != "text" else "warn"
    return (("FLAPPING ", ink), (name, "strong"), (words, "text"))


def _holder(holder: Holder, space: RenderContext, taken: datetime | None, *, watched: bool) -> Line:
    wrong = holder.state in ("open", "half-open")
    ink = "muted" if not (wrong and watched) else "warn" if space.ink == "text" else space.ink
    where = "shared, in Redis" if holder.kind == "shared" else plain(holder.where, 80)
    wide = min(44, max(12, space.width // 3))
    state = holder.state.upper() if wrong else plain(holder.state, 20)
    lasting = f" for {duration(since(holder.since, space.now))}" if holder.since else ""
    parts: list[Span] = [(state + lasting, ink)]
    if holder.state == "open" and holder.closes_in_s is not None:
        parts.append((f"{duration(_left(holder, space, taken))} left", "text"))
    if holder.state == "half-open":
        parts.append(("waits for traffic", "muted"))
    if holder.state == "unknown":
        parts.append(("no line of it was seen" if holder.kind == "pod" else "Redis can't be read", "muted"))
    if holder.since:
        parts.append((f"since {clock(holder.since)}", "muted"))
    return (
        ("    ", "text"),
        (column(cut_front(where, wide), wide) + " ", "muted"),
        *phrases(parts, space.width - wide - 5),
    )
