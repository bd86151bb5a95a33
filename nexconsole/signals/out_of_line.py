"""Which countries and services fail more than the rest, by a test that few purchases never pass.

A country that is bought at one provider only fails with that provider, and is not out of line by it. So each provider's
purchases are compared with those of the same provider, and then added up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .customers import OutOfLine, ProviderCountry

FEWEST_DECIDED = 8  # purchases of the part
FEWEST_FAILED = 4
FEWEST_OTHERS = 8  # purchases that it can be compared with
EXCESS = 0.2  # by how much of its purchases more must fail than elsewhere at the same providers
BY_CHANCE = 0.001  # how often one of all the parts would be called out of line by chance
MOST = 5  # of each kind
MOST_PROVIDERS = 100


@dataclass(frozen=True, kw_only=True)
class Part:
    """The decided purchases of one provider, country and service in the window, and how many of them failed."""

    provider: str
    country: str
    service: str
    decided: int
    failed: int


def out_of_line(parts: Iterable[Part]) -> tuple[OutOfLine, ...]:
    """The countries and services whose purchases fail more than the others of the same providers, the worst first."""
    parts = tuple(parts)
    found: list[tuple[float, OutOfLine]] = []
    for kind in ("country", "service"):
        found += sorted(_of_kind(kind, parts), key=lambda each: (-each[0], each[1].name))[:MOST]
    return tuple(each for _, each in sorted(found, key=lambda each: (-each[0], each[1].kind, each[1].name)))


def _of_kind(kind: str, parts: tuple[Part, ...]) -> list[tuple[float, OutOfLine]]:
    """Those of a kind that are out of line, each with -ln of the chance that it is chance."""
    whole: dict[str, tuple[int, int]] = {}
    by_name: dict[str, dict[str, tuple[int, int]]] = {}
    for part in parts:
        name = part.country if kind == "country" else part.service
        _count(whole, part.provider, part)
        _count(by_name.setdefault(name, {}), part.provider, part)
    names = [name for name in by_name if name]
    found = []
    for name in names:
        failed = sum(failed for _, failed in by_name[name].values())
        decided = sum(decided for decided, _ in by_name[name].values())
        if failed < FEWEST_FAILED or decided < FEWEST_DECIDED:
            continue
        surprise = _surprise(by_name[name], whole)
        if surprise is not None and surprise > math.log(len(names) / BY_CHANCE):
            row = OutOfLine(kind=kind, name=name, failed=failed, decided=decided, share=failed / decided)
            found.append((surprise, row))
    return found


def _count(counts: dict[str, tuple[int, int]], provider: str, part: Part) -> None:
    decided, failed = counts.get(provider, (0, 0))
    counts[provider] = decided + part.decided, failed + part.failed


def _surprise(own: Mapping[str, tuple[int, int]], whole: Mapping[str, tuple[int, int]]) -> float | None:
    """How unlikely it is that so many fail, if they fail as all of the same providers do: -ln of the chance, at least
    (Hoeffding's bound). None where hardly more fail, or where too little is there to compare it with."""
    shared = {name: counts for name, counts in own.items() if whole[name][0] > counts[0]}
    decided = sum(count for count, _ in shared.values())
    failed = sum(count for _, count in shared.values())
    others = sum(whole[name][0] - shared[name][0] for name in shared)
    if others < FEWEST_OTHERS or decided < FEWEST_DECIDED or failed < FEWEST_FAILED:
        return None
    elsewhere = sum(
        count * (whole[name][1] - lost) / (whole[name][0] - count) for name, (count, lost) in shared.items()
    )
    if failed - elsewhere < EXCESS * decided:
        return None
    expected = sum(count * whole[name][1] / whole[name][0] for name, (count, _) in shared.items()) / decided
    share = failed / decided
    return decided * (_term(share, expected) + _term(1 - share, 1 - expected))


def _term(share: float, expected: float) -> float:
    return share * math.log(share / expected) if share > 0 else 0.0


def countries(parts: Iterable[Part]) -> tuple[ProviderCountry, ...]:
    """Of each provider that fails the country where it fails most, those that fail most first. Bounded."""
    by_provider: dict[str, dict[str, tuple[int, int]]] = {}
    for part in parts:
        if part.country:
            of = by_provider.setdefault(part.provider, {})
            decided, failed = of.get(part.country, (0, 0))
            of[part.country] = decided + part.decided, failed + part.failed
    found = []
    for provider, of in by_provider.items():
        country, (decided, there) = max(of.items(), key=lambda item: (item[1][1], item[0]))
        whole, failed = (sum(each) for each in zip(*of.values(), strict=True))
        if failed:
            row = ProviderCountry(
                provider=provider, country=country, failed_there=there, failed=failed, share=decided / whole
            )
            found.append(row)
    return tuple(sorted(found, key=lambda row: (-row.failed, row.provider))[:MOST_PROVIDERS])
