"""Figures and how they are printed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table. `limit` and `measured` are in `unit`; `reference` is the same of the reference.

    Where there is a reference, the limit may be a ratio to it: `most_ratio`.
    """

    name: str
    measured: float
    unit: str
    limit: float | None = None
    reference: float | None = None
    most_ratio: float | None = None
    ratio: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """None where nothing is asked of it."""
        asked = [
            value <= most
            for value, most in ((self.measured, self.limit), (self.ratio, self.most_ratio))
            if value is not None and most is not None
        ]
        return all(asked) if asked else None


def p95(values: Iterable[float]) -> float:
    """The value that 95 of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-95 * len(ordered) // 100) - 1)]


def paired(mine: Sequence[float], reference: Sequence[float]) -> float:
    """The median of the ratios within each round: what slows a machine down slows both."""
    return statistics.median(one / other for one, other in zip(mine, reference, strict=True))


def against(
    name: str,
    unit: str,
    mine: Sequence[float],
    reference: Sequence[float],
    most_ratio: float | None,
    limit: float | None = None,
    note: str = "",
) -> Figure:
    """A figure with its reference, each the median of its rounds."""
    return Figure(
        name=name,
        unit=unit,
        measured=statistics.median(mine),
        reference=statistics.median(reference),
        ratio=paired(mine, reference),
        most_ratio=most_ratio,
        limit=limit,
        note=note,
    )


HEADINGS = ("figure", "limit", "measured", "reference", "ratio", "")


def lines(figures: Iterable[Figure]) -> list[str]:
    """The figures as an aligned table; MISS where a limit is not met."""
    rows = [HEADINGS, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    out = []
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(text.rjust(width) for text, width in zip(row[1:5], widths[1:5], strict=True)),
        ]
        out.append("  ".join([*cells, row[5]]).rstrip())
    return [out[0], "-" * max(map(len, out)), *out[1:]]


def _row(figure: Figure) -> tuple[str, str, str, str, str, str]:
    limits = [f"{figure.most_ratio:g} x"] if figure.most_ratio is not None else []
    limits += [f"{figure.limit:g} {figure.unit}"] if figure.limit is not None else []
    verdict = {True: "ok", False: "MISS", None: ""}[figure.met]
    return (
        figure.name,
        ", ".join(limits),
        f"{_figure(figure.measured)} {figure.unit}",
        f"{_figure(figure.reference)} {figure.unit}" if figure.reference is not None else "",
        f"{figure.ratio:.3f} x" if figure.ratio is not None else "",
        f"{verdict:4} {figure.note}".strip() if figure.note else verdict,
    )


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
