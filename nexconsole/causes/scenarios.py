"""Which scenario is for the named cause, and with which target. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..runbook.model import Runbook, Scenario
    from ..runbook.resolution import Fit
    from .model import Explanation


def caused(runbook: Runbook, explanation: Explanation | None) -> tuple[Scenario, ...]:
    """The scenarios for the named causes that the runbook has, in their order, each once."""
    ids = dict.fromkeys(each.cause.scenario for each in (explanation.named if explanation is not None else ()))
    return tuple(chapter for id in ids if id and (chapter := runbook.chapter(id)) is not None)


def caused_first(fits: Sequence[Fit], first: Sequence[Scenario]) -> tuple[Fit, ...]:
    """The same, those of these scenarios before the others."""
    places = {scenario.id: n for n, scenario in enumerate(first)}
    return tuple(sorted(fits, key=lambda fit: places.get(fit.scenario.id, len(places))))


def target_for(scenario: str, explanation: Explanation | None) -> Mapping[str, str]:
    """What the first named cause of this scenario is about: {"provider": "smsbower"}; {} where none is."""
    named = explanation.named if explanation is not None else ()
    return next((each.target for each in named if each.cause.scenario == scenario), {})
