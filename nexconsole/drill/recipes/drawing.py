"""What recipes draw."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..scenario_model import DrillScenario

Recipe = Callable[[random.Random], DrillScenario]
PROVIDERS = ("smsbower", "tiger-sms", "5sim", "onlinesim", "grizzlysms")
CHEAPEST = "smsbower"  # what best route takes
COUNTRIES = {"Brazil": "55", "India": "91", "United Kingdom": "44"}  # with their dialling codes


def ago(draws: random.Random, shortest_min: float, longest_min: float) -> float:
    """Drill time so many minutes before the start, in seconds."""
    return -round(draws.uniform(shortest_min, longest_min) * 60, 1)


def before(draws: random.Random, at_s: float, shortest_s: float, longest_s: float) -> float:
    """Drill time so many seconds before another."""
    return at_s - round(draws.uniform(shortest_s, longest_s), 1)


def provider(draws: random.Random, *others: str) -> str:
    """One that is none of the others."""
    return draws.choice([name for name in PROVIDERS if name not in others])


def rate(draws: random.Random, least: float, most: float) -> float:
    """Purchases a second."""
    return round(draws.uniform(least, most), 2)


def busy(draws: random.Random) -> float:
    """An ordinary day's purchases a second."""
    return rate(draws, 1.3, 2.1)


def loaded(draws: random.Random, name: str) -> dict[str, float]:
    """A share of the purchases that is large enough to be felt, for DrillScenario.weights."""
    return {name: round(draws.uniform(0.26, 0.42), 2)}
