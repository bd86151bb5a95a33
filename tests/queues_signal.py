"""A signal as a team would bring it in a package of its own: two queues, by name. Its values are set by tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nexconsole.catalogue import Argument
from nexconsole.model import Value
from nexconsole.settings import Settings
from nexconsole.signals.probe import Probe, ProbeResult, View
from nexconsole.signals.signal import Judgement, MetricSpec, Signal, SubjectState, gauge
from nexconsole.sources import Sources
from nexconsole.text.units import count, duration

LIMIT = 100


@dataclass(frozen=True, kw_only=True)
class Queues(Value):
    """`depth` jobs wait, the oldest for `oldest_s` seconds; `names` are the queues."""

    depth: int
    oldest_s: float
    names: tuple[str, ...] = ("mail", "webhook")


NOW = Queues(source="bullmq", depth=240, oldest_s=95.0)


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Queues:
    return NOW


def reasons(value: Queues, settings: Settings) -> Iterator[Judgement]:
    if value.depth > LIMIT:
        yield Judgement("SEV-2", f"{count(value.depth)} jobs wait in queues", "workers are being added")


def states(value: Queues, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    deep = value.depth > LIMIT
    yield SubjectState("queues", "deep" if deep else "short", f"queues hold {value.depth} jobs", usual=not deep)


def depth(view: View[Queues]) -> ProbeResult:
    return ProbeResult(text=f"{view.value.depth} jobs wait", value=float(view.value.depth), gives={"queue": "mail"})


SIGNAL = Signal(
    name="queues",
    title="Queues",
    kind=Queues,
    read=read,
    summary=lambda value: f"{value.depth} jobs wait, the oldest for {duration(value.oldest_s)}",
    reasons=reasons,
    numbers=lambda value, every, now: {"queue_depth": value.depth},
    metrics={"queue_depth": MetricSpec("jobs in queues", count, drawn=True, told_above=100)},
    exported=(gauge("queue_depth", "Jobs that wait.", "depth"),),
    observe=states,
    probes=(
        Probe(
            name="queues.depth",
            title="jobs that wait",
            signal="queues",
            kind="number",
            read=depth,
            argument=Argument(name="queue", kind="text", required=False),
        ),
    ),
    arguments={"text": lambda value: value.names},
    details=lambda value: (f"queue {name}" for name in value.names),
    pane="queues_pane",
)
