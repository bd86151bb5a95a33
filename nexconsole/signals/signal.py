"""What a signal is: one declaration that says how it is read and what every consumer takes from its value.

A signal's module ends in such a declaration, `registry` lists it, and nothing else names it: severity, status, the
exposition, the timeline, reports, recordings, the break-glass sheet, runbooks and actions iterate over the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from ..model import V

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable
    from datetime import datetime

    from ..model import Reading, Value
    from ..settings import Settings
    from ..sources import Sources
    from .probe import Probe

Number = int | float
Numbers = dict[str, Number | None]  # by metric; None: not known
LISTED = 8  # providers, sessions, pods: lines of the sheet
MOST_NAMED = 5  # in one line
MOST_SUBJECTS = 50  # of a kind; what is beyond them is not told one by one
LabelledSample = tuple[Mapping[str, str], Number | None]  # labels, value; None is left out, for it is not zero


class Judgement(NamedTuple):
    """A rule that holds: the level it asks for ("SEV-1".."SEV-3"), a sentence with its figures, what is to be expected.

    `outlook` is "" where nothing can be said of the time to come. `about` names what the rule speaks of ("purchases",
    "purchases at smsbower"), the same whatever the figures are; "": the signal. `explains` names what follows from it,
    each by what it is about or by its signal: such reasons come after this one. `step` is the next step in words, where
    one follows from the reading alone ("terminate session 4711").
    """

    level: str
    text: str
    outlook: str = ""
    about: str = ""
    explains: tuple[str, ...] = ()
    step: str = ""


PURCHASES = "purchases"  # of all providers, that fail
IN_FLIGHT = "purchases in flight"  # that are not decided
LATENCY = "latency"
REFUSED = "refused customers"
EVERY_PURCHASE = (PURCHASES, IN_FLIGHT, LATENCY)


def purchases_at(provider: str) -> str:
    """What a reason is about that speaks of one provider's purchases."""
    return f"purchases at {provider}"


def in_flight_at(provider: str) -> str:
    """What a reason is about that speaks of one provider's purchases in flight."""
    return f"purchases in flight at {provider}"


def circuit_of(provider: str) -> str:
    """What a reason is about that speaks of one provider's circuit."""
    return f"circuit {provider}"


class SubjectState(NamedTuple):
    """A subject of the timeline ("circuit smsbower") and its state as a value shows it, in words.

    `usual`: no event where nothing was known of the subject before. `brief`: an event at once; any other only when it
    has lasted for a while.
    """

    subject: str
    state: str
    text: str
    usual: bool = False
    brief: bool = False


@dataclass(frozen=True)
class MetricSpec:
    """A metric of reports in words: its title, how its number is said; `less`: it is the worse the less it is.

    `drawn`: charts plot it. `told_above`: the one-line report tells it where its worst was above that; None: never.
    """

    title: str
    say: Callable[[Number], str]
    less: bool = False
    drawn: bool = False
    told_above: Number | None = None


class ExportedMetric(NamedTuple):
    """A gauge of `status --format prometheus`: its name without prefix, its help, its samples of a value."""

    name: str
    help: str
    read: Callable[[Any], Iterable[LabelledSample]]


@dataclass(frozen=True, kw_only=True)
class Signal(Generic[V]):
    """One thing that the console watches, and all that is told of it.

    `read(sources, settings, previous)` returns a new frozen value of type `kind`; `previous` is the last good one, for
    rates and histories. It raises SourceError. `every` and `timeout` are seconds. `wake`, where set, returns an event
    of the sources that ends the wait early. `unseen_every` is how often it is read where nobody looks, by who only
    records. `needs` names the sources without which it has no value.

    `optional`: an installation may well do without it, and then nothing is missing. `on_demand`: it is read while
    somebody looks at it, and at no other time.

    What consumers take, each from a good value: `summary` one line (status, sheet); `reasons` the rules that hold
    (severity), `reasons_across` those that rest on other readings too; `numbers(value, every, now)` the metrics of
    reports and recordings, which `metrics` describes; `subject_numbers` some of them by whose they are (a provider's
    name), for the flight record; `exported` the gauges; `observe(value, known, settings)` the
    subjects' states (timeline), where `known` holds the states on record by subject; `probes` what runbooks may ask;
    `arguments` the known words by kind of argument; `details` further lines of the sheet. `pane` is the module that
    draws it; "": a built-in pane does, or else a line with its summary. `title` heads it there.
    """

    name: str
    kind: type[V]
    read: Callable[[Sources, Settings, Value | None], Awaitable[V]]
    summary: Callable[[V], str]
    title: str = ""
    every: float = 2.0
    unseen_every: float = 10.0
    timeout: float = 4.0
    wake: Callable[[Sources], asyncio.Event | None] | None = None
    needs: tuple[str, ...] = ()
    optional: bool = False
    on_demand: bool = False
    reasons: Callable[[V, Settings], Iterable[Judgement]] | None = None
    reasons_across: Callable[[Mapping[str, Reading], Settings], Iterable[Judgement]] | None = None
    numbers: Callable[[V, float, datetime], Numbers] | None = None
    subject_numbers: Callable[[V], Iterable[tuple[str, str, Number | None]]] | None = None
    metrics: Mapping[str, MetricSpec] = field(default_factory=dict)
    exported: tuple[ExportedMetric, ...] = ()
    observe: Callable[[V, Mapping[str, str], Settings], Iterable[SubjectState]] | None = None
    probes: tuple[Probe, ...] = ()
    arguments: Mapping[str, Callable[[V], Iterable[str]]] = field(default_factory=dict)
    details: Callable[[V], Iterable[str]] | None = None
    pane: str = ""


def rounded(number: float | None, digits: int = 4) -> float | None:
    """A number as it is kept on record; None stays None."""
    return None if number is None else round(number, digits)


def gauge(name: str, text: str, attribute: str) -> ExportedMetric:
    """One sample without labels, of an attribute of the value."""
    return ExportedMetric(name, text, lambda value: [({}, getattr(value, attribute))])


def provider_gauge(name: str, text: str, attribute: str) -> ExportedMetric:
    """One sample a provider, of an attribute of `value.providers`; a provider that no row knows has no id."""
    return ExportedMetric(
        name,
        text,
        lambda value: [
            ({"provider": provider.name, "id": provider.id or ""}, getattr(provider, attribute))
            for provider in value.providers
        ],
    )
