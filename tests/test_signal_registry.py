"""Every signal is told everywhere that signals are told: no consumer misses one."""

from __future__ import annotations

import pytest
import sample_readings as sample

from nexconsole.exposition import METRICS
from nexconsole.incident.events import LOOKS
from nexconsole.incident.metrics import EXTRACTORS
from nexconsole.runbook.probes import PROBES
from nexconsole.screens.console import FACES, drawn_in
from nexconsole.severity import RULES
from nexconsole.signals.registry import EXTRA, SIGNALS
from nexconsole.status import SUMMARIES
from nexconsole.warroom.recordings.cursor import VALUES

NAMES = tuple(signal.name for signal in SIGNALS)
EVIDENCE = {"status_pages"}  # said with its age, and never judged or measured
NO_FIGURE = {"alerts", "search"}  # told by their changes in a report, not by a number


def test_names_are_unique_and_the_samples_have_them_all():
    assert len(set(NAMES)) == len(NAMES)
    assert set(NAMES) == set(sample.SIGNALS) == set(sample.calm()) == set(sample.incident())
    assert set(NAMES) >= EXTRA


@pytest.mark.parametrize("name", NAMES)
def test_each_signal_has_its_line_its_pane_its_place_in_recordings_and_its_probes(name):
    value = sample.incident()[name].value
    assert SUMMARIES[name](value) and "\n" not in SUMMARIES[name](value)
    assert type(value) is VALUES[name]
    assert any(name in drawn_in(face) for face in FACES)
    assert any(probe.signal == name for probe in PROBES.values())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in EVIDENCE])
def test_each_signal_but_evidence_is_judged_measured_and_told_when_it_changes(name):
    assert name in RULES and name in LOOKS and name in METRICS
    assert name in NO_FIGURE or name in EXTRACTORS
