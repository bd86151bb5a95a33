"""The customers signal's declaration: whom it hurts. It raises nothing: the purchases' own signals do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Unpack

from ..catalogue import Argument
from ..text.units import count, money, percent, period, several
from .customers import Customers, OutOfLine
from .customers_rows import read
from .log_reach import within
from .probe import PROVIDER, Probe, ProbeOptions, ProbeResult, Read, View
from .signal import ExportedMetric, LabelledSample, MetricSpec, Numbers, Signal, gauge, rounded

if TYPE_CHECKING:
    from datetime import datetime

ALL_OF_ONE = 0.9  # of the failures of one country: the others are those of every day
BY_CHANCE = 0.05
TOLD = 3  # countries and services in one line
PLACE = Argument(name="country", kind="country", help="a country or a service, as NexNum calls it")


def out_of_line_text(row: OutOfLine) -> str:
    """`Angola fails 92 % of 12 purchases`."""
    return f"{row.name} fails {percent(row.share)} of {several(row.decided, 'purchase')}"


def _summary(value: Customers) -> str:
    parts = [
        f"{count(many, value.capped)} {what}" if many is not None else f"{what} not known"
        for many, what in ((value.failing, "failing"), (value.refused, "refused"), (value.waiting, "waiting"))
    ]
    told = f"{', '.join(parts)} in {period(value.window_s)}"
    if value.failing_per_min:
        told += f"; {_per_minute(value.failing_per_min)} purchases and {money(value.money_per_min)} USD a minute fail"
    if value.holds is None:
        told += "; open holds not known"
    elif value.holds:
        told += f"; {several(value.holds, 'hold')} open, {money(value.held)} USD"
    told += "".join(f"; {out_of_line_text(row)}" for row in value.out_of_line[:TOLD])
    return told


def _per_minute(number: float) -> str:
    return count(number) if number >= 10 else f"{number:.1f}"


def _details(value: Customers) -> Iterator[str]:
    for row in value.out_of_line:
        yield f"{row.kind} {out_of_line_text(row)}"
    yield from value.notes


def _numbers(value: Customers, every: float, now: datetime) -> Numbers:
    return {
        "customers_failing": value.failing,
        "customers_turned_away": value.refused,
        "customers_kept_waiting": value.waiting,
        "purchases_failing_per_min": rounded(value.failing_per_min, 2),
        "money_per_min": rounded(value.money_per_min, 2),
        "holds_open": value.holds,
        "money_held": rounded(value.held, 2),
    }


def _samples(value: Customers) -> Iterable[LabelledSample]:
    for row in value.out_of_line:
        yield {"kind": row.kind, "name": row.name}, row.share


# --- probes -----------------------------------------------------------------------------------------------------------


def _unknown(value: Customers, word: str) -> ProbeResult:
    why = next((note.partition(": ")[2] for note in value.notes if word in note.partition(": ")[0]), "")
    return ProbeResult(text=f"not known: {why or 'it could not be counted'}", value=None)


def _counted(many: Callable[[Customers], int | None], what: str, word: str) -> Read:
    """A number of customers; `word` is in the note that says why it is not known."""

    def read(view: View[Customers]) -> ProbeResult:
        value, number = view.value, many(view.value)
        if number is None:
            return _unknown(value, word)
        span = value.refused_s if word == "refused" and value.refused_s is not None else value.window_s
        said = f"{several(number, 'customer')} {what} in {within(value.window_s, span)}"
        return ProbeResult(text=said, value=float(number))

    return read


def _money(view: View[Customers]) -> ProbeResult:
    value = view.value
    if value.money_per_min is None or value.failing_per_min is None:
        return _unknown(value, "fails")
    said = f"{_per_minute(value.failing_per_min)} purchases a minute fail, of {money(value.money_per_min)} USD"
    return ProbeResult(text=said, value=value.money_per_min)


def _holds(view: View[Customers]) -> ProbeResult:
    value = view.value
    if value.holds is None:
        return _unknown(value, "holds" if value.failing is not None else "fails")
    said = f"{several(value.holds, 'hold')} open for purchases that ended or are overdue, {money(value.held)} USD"
    return ProbeResult(text=said, value=float(value.holds))


def _worst(kind: str) -> Read:
    """The one of this kind that is most out of line: "none" where all are alike, None where that is not known."""

    def read(view: View[Customers]) -> ProbeResult:
        value = view.value
        if value.failing is None or (kind == "country" and any(n.startswith("countries") for n in value.notes)):
            return _unknown(value, "countries" if value.failing is not None else "fails")
        row = next((row for row in value.out_of_line if row.kind == kind), None)
        if row is None:
            return ProbeResult(text=f"no {kind} fails more than the rest", value="none")
        return ProbeResult(text=out_of_line_text(row), value=row.name, gives={kind: row.name})

    return read


def _is_out_of_line(view: View[Customers]) -> ProbeResult:
    value = view.value
    if value.failing is None:
        return _unknown(value, "fails")
    wanted = view.argument.casefold()
    row = next((row for row in value.out_of_line if row.name.casefold() == wanted), None)
    if row is None:
        return ProbeResult(text=f"{view.argument} does not fail more than the rest", value=False)
    return ProbeResult(text=out_of_line_text(row), value=True)


def _one_country(view: View[Customers]) -> ProbeResult:
    """Whether what fails at a provider is of one country, by more than chance; "few": it can't be told yet."""
    value = view.value
    if value.failing is None or any(note.startswith("countries") for note in value.notes):
        return _unknown(value, "countries" if value.failing is not None else "fails")
    row = view.first(value.countries, "provider")
    if row is None:
        return ProbeResult(text=f"not known: no purchase of a known country failed at {view.argument}", value=None)
    if row.share == 1:
        return ProbeResult(text=f"{row.provider} is bought from for {row.country} only", value="no")
    text = f"{count(row.failed_there)} of {several(row.failed, 'failure')} at {row.provider} are of {row.country}"
    if row.failed_there < ALL_OF_ONE * row.failed:
        return ProbeResult(text=text, value="no")
    by_chance = row.share ** (row.failed_there - 1)
    return ProbeResult(text=text, value="yes" if by_chance <= BY_CHANCE else "few")


def _named(kind: str) -> Callable[[Customers], Iterable[str]]:
    """Those of a kind that are out of line: a step or a cause may be about each."""
    return lambda value: (row.name for row in value.out_of_line if row.kind == kind)


def _probe(name: str, title: str, read: Read, kind: str = "number", **options: Unpack[ProbeOptions]) -> Probe:
    return Probe(name=name, title=title, signal="customers", kind=kind, read=read, **options)


PROBES = (
    _probe(
        "customers.failing",
        "customers whose purchase failed",
        _counted(lambda value: value.failing, "failed", "fails"),
    ),
    _probe(
        "customers.refused",
        "customers whom nobody offers what they want",
        _counted(lambda value: value.refused, "refused", "refused"),
    ),
    _probe(
        "customers.waiting",
        "customers who wait for longer than usual",
        _counted(lambda value: value.waiting, "waiting for longer than usual", "waits"),
    ),
    _probe("customers.money", "money a minute in purchases that fail, US dollars", _money),
    _probe("customers.holds", "wallets' holds for purchases that ended or are overdue", _holds),
    _probe(
        "customers.country",
        "the country that fails more than the rest",
        _worst("country"),
        "text",
        gives={"country": "country"},
    ),
    _probe(
        "customers.service",
        "the service that fails more than the rest",
        _worst("service"),
        "text",
        gives={"service": "service"},
    ),
    _probe(
        "customers.outofline",
        "whether a country or service fails more than the rest",
        _is_out_of_line,
        "flag",
        argument=PLACE,
    ),
)


_PROVIDERS = (
    _probe(
        "provider.one-country",
        "whether what fails at a provider is of one country",
        _one_country,
        "word",
        words=("yes", "no", "few"),
        argument=PROVIDER,
    ),
)
SIGNAL = Signal(
    name="customers",
    kind=Customers,
    read=read,
    summary=_summary,
    every=5.0,
    unseen_every=20.0,
    timeout=6.0,
    optional=True,
    numbers=_numbers,
    metrics={
        "customers_failing": MetricSpec("customers failing", count, drawn=True),
        "customers_turned_away": MetricSpec("customers whom nobody offers a number", count),
        "customers_kept_waiting": MetricSpec("customers waiting for longer than usual", count),
        "purchases_failing_per_min": MetricSpec("purchases failing a minute", _per_minute),
        "money_per_min": MetricSpec("money failing a minute", money),
        "holds_open": MetricSpec("holds open", count),
        "money_held": MetricSpec("money held", money),
    },
    exported=(
        gauge("customers_failing", "Distinct customers whose purchase failed in the window.", "failing"),
        gauge("customers_turned_away", "Distinct customers whom nobody offered what they want.", "refused"),
        gauge("customers_kept_waiting", "Distinct customers who wait for longer than usual.", "waiting"),
        gauge("purchases_failing_per_minute", "Purchases that fail, a minute.", "failing_per_min"),
        gauge("money_failing_per_minute", "US dollars in purchases that fail, a minute.", "money_per_min"),
        gauge("holds_open", "Wallets' holds for purchases that ended or are overdue.", "holds"),
        gauge("money_held", "US dollars in these holds.", "held"),
        ExportedMetric("out_of_line_ratio", "Share of failures where it is out of line with the rest.", _samples),
    ),
    arguments={"country": _named("country"), "service": _named("service")},
    details=_details,
    probes=(*PROBES, *_PROVIDERS),
)
