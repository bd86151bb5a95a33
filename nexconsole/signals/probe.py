"""Probes and their answers: a value, in words, with the reading behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypedDict, TypeVar

from ..catalogue import Argument
from ..model import Reading, State, V, Value, value_of
from ..settings import Settings
from ..text.pod_names import in_units
from ..text.units import duration
from .circuits import Circuits
from .name_index import Meant, NameIndex

K = TypeVar("K", bound=Value)
T = TypeVar("T")
PROVIDER = Argument(name="provider", kind="provider")
MAYBE_PROVIDER = Argument(name="provider", kind="provider", required=False)


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What a probe saw: one sentence; the value, None where it is not known although there is a reading.

    `gives` are names for later steps ({provider}). `lacks` says what would have to change here before this
    can ever be known: a right, a rule, a series. `soon`: what is not known is being read.
    """

    text: str
    value: float | str | bool | None
    gives: Mapping[str, str] = field(default_factory=dict)
    lacks: str = ""
    soon: bool = False


@dataclass(frozen=True, kw_only=True)
class View(Generic[V]):
    """What a probe may look at. `value` is its signal's; `argument` is "" where none was given.

    Where the signal has no value, only a probe that is asked `always` is asked: it looks at the reading.
    `index` is what views of the same readings have looked up.
    """

    value: V
    reading: Reading | None
    readings: Mapping[str, Reading]
    settings: Settings
    now: datetime
    argument: str = ""
    index: NameIndex = field(default_factory=NameIndex, repr=False, compare=False)

    def other(self, signal: str, kind: type[K]) -> K | None:
        """Another signal's last value; None where there is none."""
        return value_of(self.readings, signal, kind)

    def called(self, *names: str | None) -> bool:
        """Whether one of these names is the argument's, by name, display name or id, whatever the case.

        Metrics say a provider's name or its display name, health keys its id. (nexnum.md#provider-rows)
        Where providers' names differ in case only, the exact one is meant.
        """
        return self._meant.among(names)

    def first(self, items: Sequence[T], *fields: str) -> T | None:
        """The first of the items that is called so, by one of these fields; soon, also where they are a thousand."""
        return self.index.first(items, fields, self._meant)

    @property
    def _meant(self) -> Meant:
        circuits = self.other("circuits", Circuits)
        return self.index.meant(self.argument, circuits.providers if circuits is not None else ())


Read = Callable[[View[Any]], ProbeResult]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A named pure function of readings.

    kind: "number" (of `unit` "", "ratio" 0..1 or "seconds"), "word" (one of `words`), "flag" or "text".
    `gives` maps the names that it offers to later steps to their argument kinds. `read` is asked only when
    the signal has a value, except where `always`.
    """

    name: str
    title: str
    signal: str
    kind: str
    read: Read
    unit: str = ""
    words: tuple[str, ...] = ()
    argument: Argument | None = None
    gives: Mapping[str, str] = field(default_factory=dict)
    always: bool = False


class ProbeOptions(TypedDict, total=False):
    """The fields of a probe that have a default."""

    unit: str
    words: tuple[str, ...]
    argument: Argument | None
    gives: Mapping[str, str]
    always: bool


@dataclass(frozen=True, kw_only=True)
class ProbeAnswer:
    """A probe's answer. `value` None: not known. `age_s` and `state` are the reading's."""

    probe: str
    text: str
    value: float | str | bool | None
    signal: str
    state: State
    age_s: float | None
    gives: Mapping[str, str] = field(default_factory=dict)
    lacks: str = ""
    soon: bool = False

    @property
    def known(self) -> bool:
        return self.value is not None

    @property
    def holds(self) -> bool | None:
        """A flag's value; None for what is no flag, and for what is not known."""
        return self.value if isinstance(self.value, bool) else None

    def basis(self) -> str:
        """Which reading the answer rests on: "transactions, 2 s ago"."""
        if self.age_s is None:
            return f"{self.signal}, {self.state}"
        late = ", stale" if self.state is State.STALE else ""
        return f"{self.signal}, {duration(self.age_s)} ago{late}"


def answer(
    probe: Probe,
    readings: Mapping[str, Reading],
    settings: Settings,
    now: datetime,
    argument: str = "",
    index: NameIndex | None = None,
) -> ProbeAnswer:
    """Ask a probe. Without a value of its signal it is not known, whatever the question was.

    Who asks many on the same readings has one `index` for them all.
    """
    reading = readings.get(probe.signal)
    probe_result = seen(probe, readings, settings, now, argument, index)
    return answered(probe, probe_result, *freshness(reading, now))


def freshness(reading: Reading | None, now: datetime) -> tuple[State, float | None]:
    """The reading's state and its age in seconds."""
    return (State.WAITING, None) if reading is None else (reading.state(now), reading.age(now))


def seen(
    probe: Probe,
    readings: Mapping[str, Reading],
    settings: Settings,
    now: datetime,
    argument: str,
    index: NameIndex | None,
) -> ProbeResult:
    """What the probe sees, without whose reading that is and how old."""
    reading = readings.get(probe.signal)
    if reading is None or (reading.value is None and not probe.always):
        why = (reading.error if reading else None) or "nothing was read yet"
        return ProbeResult(text=f"not known: {why}", value=None)
    view = View(
        value=Value() if reading.value is None else reading.value,
        reading=reading,
        readings=readings,
        settings=settings,
        now=now,
        argument=argument,
        index=index or NameIndex(),
    )
    result = probe.read(view)
    unit = unit_of(readings)
    if unit == "pod":
        return result
    return replace(result, text=in_units(result.text, unit), lacks=in_units(result.lacks, unit))


def unit_of(readings: Mapping[str, Reading]) -> str:
    """What a process of NexNum is called where it runs: "pod", or "container" in Docker."""
    workloads = readings.get("workloads")
    return str(getattr(workloads.value, "unit", "pod")) if workloads is not None else "pod"


def answered(probe: Probe, probe_result: ProbeResult, state: State, age_s: float | None) -> ProbeAnswer:
    """What a probe saw, with the state and the age of its reading."""
    return ProbeAnswer(
        probe=probe.name,
        text=probe_result.text,
        value=probe_result.value,
        signal=probe.signal,
        state=state,
        age_s=age_s,
        gives=probe_result.gives,
        lacks=probe_result.lacks,
        soon=probe_result.soon,
    )


def answers(view: View[Any]) -> ProbeResult:
    """Whether the signal's source answers: of all questions the one to which a failure is an answer. Asked `always`."""
    reading = view.reading
    if reading is None or reading.absent or (reading.value is None and not reading.error):
        why = (reading.error if reading else None) or "it was not tried yet"
        return ProbeResult(text=f"not known: {why}", value=None)
    if reading.error and reading.denied:
        return ProbeResult(text=f"it answers, and refuses this console: {reading.error}", value=True)
    if reading.error:
        return ProbeResult(text=f"it does not answer this console: {reading.error}", value=False)
    return ProbeResult(text="it answers this console", value=True)


def oldest(nothing: str, attribute: str) -> Read:
    """A read of the age of the oldest that waits, in seconds; nothing waiting is a known age of 0.

    The value has `pending` and, under `attribute`, the age. `nothing` is the sentence where nothing waits.
    """

    def read(view: View[Any]) -> ProbeResult:
        age = getattr(view.value, attribute)
        if age is None:
            if view.value.pending:
                return ProbeResult(text="not known: the age of what is pending was not read", value=None)
            return ProbeResult(text=nothing, value=0.0)
        return ProbeResult(text=f"the oldest has waited {duration(age)}", value=age)

    return read
