"""Every signal is told everywhere that signals are told: no consumer misses one."""

from __future__ import annotations

import pytest
import sample_readings as sample

from nexconsole.break_glass.sheet import sheet
from nexconsole.catalogue import KINDS
from nexconsole.exposition import PREFIX, exposition
from nexconsole.incident.events import observations
from nexconsole.incident.metrics import metric_specs, sample_of
from nexconsole.panes.registry import PANES, drawn_in
from nexconsole.settings import Settings
from nexconsole.severity import judge, judged
from nexconsole.signals.registry import polled, probes, signals, value_types
from nexconsole.sources import NAMES as SOURCES
from nexconsole.status import Status, as_text

SETTINGS = Settings()
ALL = {signal.name: signal for signal in signals()}
NAMES = tuple(signal.name for signal in polled())
EVIDENCE = {"status_pages"}  # said with its age, and never judged or measured
RAISES_NOTHING = {"customers", "onset", "runway", "changes"}  # measured and exported; the severity is others' word
BESIDE_FIGURES = {"onset", "runway"}  # said where the figures are, and has no pane
NO_FIGURE = {"alerts", "search", "changes"}  # told by their changes in a report, not by a number
MEASURED = [name for name in NAMES if name not in EVIDENCE]
JUDGED = [name for name in MEASURED if name not in RAISES_NOTHING]


def status() -> Status:
    readings = sample.incident()
    severity = judge(readings, SETTINGS, sample.NOW)
    return Status(at=sample.NOW, readings=readings, sources=(), severity=severity, unread=())


def test_names_are_unique_and_the_samples_have_them_all():
    assert len(ALL) == len(signals())
    assert set(NAMES) == set(sample.SIGNALS) == set(sample.calm()) == set(sample.incident())
    assert {signal.name for signal in signals() if signal.optional} == {
        "search",
        "status_pages",
        "database_cpu",
        "customers",
        "onset",
        "changes",
        "runway",
    }
    assert set(ALL) - set(NAMES) == {"outbox events"}


@pytest.mark.parametrize("name", ALL)
def test_each_signal_has_its_pane_its_probes_its_sources_and_its_place_in_recordings(name):
    signal = ALL[name]
    assert name in BESIDE_FIGURES or any(name in drawn_in(face) for face in PANES)
    assert signal.probes and all(probe.signal == name and probes()[probe.name] is probe for probe in signal.probes)
    assert set(signal.needs) <= set(SOURCES)
    assert set(signal.arguments) <= set(KINDS)
    assert value_types()[name] is signal.kind


@pytest.mark.parametrize("name", NAMES)
def test_each_signal_has_its_line_in_status(name):
    value = sample.incident()[name].value
    assert type(value) is ALL[name].kind
    assert ALL[name].summary(value) and "\n" not in ALL[name].summary(value)
    assert f"{name:<13} {ALL[name].summary(value)} (" in as_text(status(), SETTINGS)


@pytest.mark.parametrize("name", JUDGED)
def test_each_signal_but_evidence_is_judged_exported_on_the_sheet_and_told_when_it_changes(name):
    signal, readings = ALL[name], sample.incident()
    assert signal.reasons is not None and signal in judged(SETTINGS)
    assert name in judge({}, SETTINGS, sample.NOW).unknown or signal.optional
    text = exposition(status(), SETTINGS)
    assert any(f"# TYPE {PREFIX}{metric.name} gauge" in text for metric in signal.exported)
    assert f"\n{name:<13} fresh, read" in sheet(readings, None, None, SETTINGS, sample.NOW)
    assert signal.observe is not None
    states = list(signal.observe(readings[name].value, {}, SETTINGS))
    seen = observations({name: readings[name]}, {}, SETTINGS, sample.NOW)
    assert [one.subject for one in seen] == [state.subject for state in states]


@pytest.mark.parametrize("name", [name for name in MEASURED if name not in NO_FIGURE])
def test_each_number_of_a_signal_is_described_and_recorded(name):
    signal, reading = ALL[name], sample.incident()[name]
    numbers = signal.numbers(reading.value, reading.every, sample.NOW)
    assert set(numbers) == set(signal.metrics) <= set(metric_specs())
    assert numbers.items() <= sample_of(sample.incident(), sample.NOW).items()
