"""Every sentence of a cause leads to a reading, and every reading to a place that shows it."""

from __future__ import annotations

import pytest

from nexconsole.causes.chapters import shipped
from nexconsole.causes.model import Cause
from nexconsole.panes.registry import PANES, drawn_in
from nexconsole.signals.change import CHANGES
from nexconsole.signals.registry import BUILT_IN, probes

SHOWN = {signal for view in PANES for signal in drawn_in(view)} | {CHANGES}  # changes have a page of their own


@pytest.mark.parametrize("cause", shipped().causes, ids=lambda cause: cause.id)
def test_each_line_of_evidence_rests_on_readings_that_a_place_shows(cause: Cause) -> None:
    known, signals = probes(), {signal.name for signal in BUILT_IN}
    assert cause.evidence
    for rule in cause.evidence:
        read = {known[part.call.name].signal for part in rule.condition.parts}
        assert read and read <= signals, rule.title
        assert read <= SHOWN, f"{rule.title}: Enter leads nowhere from {', '.join(sorted(read - SHOWN))}"


def test_each_look_that_would_decide_leads_somewhere_too() -> None:
    known = probes()
    looks = [(cause.id, look.name) for cause in shipped().causes for look in cause.decides]
    assert looks and [look for look in looks if known[look[1]].signal not in SHOWN] == []
