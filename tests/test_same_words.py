"""One reading says its figures to the character alike on screen, in status, report, sheet and sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
import sample_readings as sample

from nexconsole.break_glass.sheet import sheet
from nexconsole.incident import metrics
from nexconsole.model import Reading
from nexconsole.panes import kpis
from nexconsole.panes import view as faces
from nexconsole.panes.registry import PANES
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.signals.outbox import Outbox
from nexconsole.signals.probe import answer
from nexconsole.signals.registry import probes
from nexconsole.signals.reservations import Reservations
from nexconsole.signals.transactions import Transactions
from nexconsole.status import as_text, status_of
from nexconsole.text import units
from nexconsole.widgets.panel import RenderContext
from nexconsole.widgets.spans import as_text as line_text

SETTINGS = Settings()
BY_SIGNAL = {face.SIGNAL: face for face in PANES}
PENDING, FAILED, LATE_S = 12_345, 1_234, 11_520.0
DECIDED, FAILURES = 12_000, 2_136
RESERVED, STUCK, OLDEST_S = 4_321, 3_210, 4_020.0
FLAT = re.compile(
    rf"(?<![\d.:,-])({'|'.join(map(str, (PENDING, FAILED, DECIDED, FAILURES, RESERVED, STUCK)))})(?![\d:-])"
)


def of(name: str, **fields: object) -> Reading:
    reading = sample.incident()[name]
    return replace(reading, value=replace(reading.value, **fields))  # type: ignore[type-var, arg-type]


def readings() -> dict[str, Reading]:
    share = FAILURES / DECIDED
    changed = {
        "transactions": of(
            "transactions",
            attempts=DECIDED,
            failures=FAILURES,
            failure_rate=share,
            in_flight=0,
            overdue=0,
            oldest_s=None,
        ),
        "outbox": of("outbox", pending=PENDING, failed=FAILED, oldest_pending_s=LATE_S),
        "reservations": of("reservations", pending=RESERVED, stuck=STUCK, oldest_s=OLDEST_S, by_table={}),
    }
    return sample.incident() | changed


def texts(known: Mapping[str, Reading], name: str) -> dict[str, str]:
    """What each place says of one signal."""
    space = RenderContext(116, 40, sample.NOW, SETTINGS, known, "alarm", {name: "alarm"})
    face, reading = BY_SIGNAL[name], known[name]
    picture = faces.picture(face, reading, space, False)
    severity = judge(known, SETTINGS, sample.NOW)
    numbers = metrics.sample_of(known, sample.NOW)
    asked = [probe for probe in probes().values() if probe.signal == name and probe.argument is None]
    status = status_of(known, severity, sample.health(), sample.NOW)
    return {
        "pane": line_text((*picture.head, *picture.foot)),
        "line of the pane": line_text((faces.brief(face, reading, space),)),
        "shared screen": " ".join(text for text, _ in kpis.kpi(name, reading, space).words),
        "status": next(line for line in as_text(status, SETTINGS).splitlines() if line.startswith(name)),
        "severity": "; ".join(reason.text for reason in severity.reasons if reason.signal == name),
        "sheet": sheet({name: reading}, severity, None, SETTINGS, sample.NOW),
        "report": " ".join(metrics.said(metric, number) for metric, number in numbers.items()),
        "runbook": " ".join(answer(probe, known, SETTINGS, sample.NOW).text for probe in asked),
    }


@pytest.mark.parametrize(
    ("name", "figure", "places"),
    [
        ("transactions", "17.8 %", ("line of the pane", "status", "severity", "sheet", "report", "runbook")),
        ("transactions", "2 136 of 12 000", ("pane", "line of the pane", "shared screen", "runbook")),
        (
            "outbox",
            "3 h 12 min",
            ("pane", "line of the pane", "shared screen", "severity", "sheet", "report", "runbook"),
        ),
        ("outbox", "12 345", ("line of the pane", "status", "sheet", "report", "runbook")),
        ("outbox", "1 234", ("pane", "line of the pane", "status", "severity", "sheet", "report", "runbook")),
        ("reservations", "67 min", ("pane", "line of the pane", "shared screen", "runbook")),
        ("reservations", "4 321", ("line of the pane", "status", "severity", "sheet", "report", "runbook")),
        (
            "reservations",
            "3 210",
            ("pane", "line of the pane", "shared screen", "status", "sheet", "report", "runbook"),
        ),
    ],
)
def test_a_figure_reads_alike_wherever_it_stands(name: str, figure: str, places: tuple[str, ...]) -> None:
    said = texts(readings(), name)
    assert {place: said[place] for place in places if figure not in said[place]} == {}


@pytest.mark.parametrize("name", ["transactions", "outbox", "reservations"])
def test_no_place_writes_a_large_count_without_its_thousands_apart(name: str) -> None:
    said = texts(readings(), name)
    assert {place: FLAT.findall(text) for place, text in said.items() if FLAT.search(text)} == {}


def test_the_figures_are_those_of_the_units() -> None:
    assert units.percent(FAILURES / DECIDED) == "17.8 %"
    assert (units.duration(LATE_S), units.duration(OLDEST_S)) == ("3 h 12 min", "67 min")
    assert (units.count(PENDING), units.count(RESERVED)) == ("12 345", "4 321")
    assert {Transactions, Outbox, Reservations} == {
        type(readings()[n].value) for n in ("transactions", "outbox", "reservations")
    }
