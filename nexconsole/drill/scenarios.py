"""The incidents that can be rehearsed, by name, and drawn from a seed."""

from __future__ import annotations

import random

from ..errors import DrillError
from .documented import DOCUMENTED
from .held_back import RECIPES as HELD_BACK
from .held_back_servers import RECIPES as HELD_BACK_SERVERS
from .recipes import (
    beside,
    blinded,
    compound,
    half_seen,
    healthy,
    infrastructure,
    misleading,
    mixed,
    near_changes,
    upstreams,
)
from .recipes.drawing import Recipe
from .scenario_model import DrillScenario, StagedFault
from .scenario_times import onset_s, shifted, staged_after, varied
from .staged_causes import IMAGE, CutOffPod, UpstreamAnswer, UpstreamFault

__all__ = [
    "IMAGE",
    "SCENARIOS",
    "CutOffPod",
    "DrillScenario",
    "StagedFault",
    "UpstreamAnswer",
    "UpstreamFault",
    "onset_s",
    "scenario_named",
    "shifted",
    "staged_after",
]


def _drawn(recipe: Recipe, seed: int) -> DrillScenario:
    return recipe(random.Random(f"{seed}/{recipe.__name__}"))


_ALL = (
    *upstreams.RECIPES,
    *infrastructure.RECIPES,
    *healthy.RECIPES,
    *misleading.RECIPES,
    *compound.RECIPES,
    *mixed.RECIPES,
    *beside.RECIPES,
    *near_changes.RECIPES,
    *blinded.RECIPES,
    *half_seen.RECIPES,
    *HELD_BACK,
    *HELD_BACK_SERVERS,
)
_RECIPES = {_drawn(recipe, 0).name: recipe for recipe in _ALL}
SCENARIOS = {scenario.name: scenario for scenario in DOCUMENTED}
SCENARIOS |= {name: _drawn(recipe, 0) for name, recipe in _RECIPES.items()}


def scenario_named(name: str, era: str = "head", seed: int = 0) -> DrillScenario:
    """The scenario of this name, with its times and figures drawn from the seed; those of SCENARIOS are of seed 0.

    Raises DrillError listing the names, and where that version has no such trouble.
    """
    if name not in SCENARIOS:
        raise DrillError(f"There is no drill named {name!r}; choose one of: {', '.join(SCENARIOS)}.")
    if era not in SCENARIOS[name].eras:
        raise DrillError(f"{name} can't happen to the oldest version: leave --era out.")
    if name in _RECIPES:
        return _drawn(_RECIPES[name], seed)
    return varied(SCENARIOS[name], random.Random(f"{seed}/{name}")) if seed else SCENARIOS[name]
