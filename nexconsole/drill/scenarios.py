"""The incidents that can be rehearsed, by name, and drawn from a seed."""

from __future__ import annotations

import random

from ..errors import DrillError
from .documented import DOCUMENTED
from .scenario_model import (
    IMAGE,
    Answers,
    BestRoute,
    Cause,
    Crowd,
    CutOffPod,
    DisabledBySql,
    DrillScenario,
    EmptyAccount,
    FullMemory,
    InCluster,
    Kill,
    LeakedConnections,
    LockLeak,
    Polling,
    StagedFault,
    StagedRelease,
    Stop,
    Stopped,
    UpstreamAnswer,
    UpstreamFault,
    WalletStall,
)
from .scenario_times import onset_s, shifted, staged_after, varied

__all__ = [
    "IMAGE",
    "RELEASES",
    "SCENARIOS",
    "Answers",
    "BestRoute",
    "Cause",
    "Crowd",
    "CutOffPod",
    "DisabledBySql",
    "DrillScenario",
    "EmptyAccount",
    "FullMemory",
    "InCluster",
    "Kill",
    "LeakedConnections",
    "LockLeak",
    "Polling",
    "StagedFault",
    "StagedRelease",
    "Stop",
    "Stopped",
    "UpstreamAnswer",
    "UpstreamFault",
    "WalletStall",
    "onset_s",
    "scenario_named",
    "shifted",
    "staged_after",
]
SCENARIOS = {scenario.name: scenario for scenario in DOCUMENTED}
RELEASES = {scenario.release.image: scenario.release for scenario in DOCUMENTED if scenario.release is not None}


def scenario_named(name: str, era: str = "head", seed: int = 0) -> DrillScenario:
    """The scenario of this name, with its times and figures drawn from the seed; those of SCENARIOS are of seed 0.

    Raises DrillError listing the names, and where that version has no such trouble.
    """
    if name not in SCENARIOS:
        raise DrillError(f"There is no drill named {name!r}; choose one of: {', '.join(SCENARIOS)}.")
    if era not in SCENARIOS[name].eras:
        raise DrillError(f"{name} can't happen to the oldest version: leave --era out.")
    return varied(SCENARIOS[name], random.Random(f"{seed}/{name}")) if seed else SCENARIOS[name]
