"""The results as a table in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .walk import WalkResult

HEAD = ("walk", "keys to the verdict", "seconds", "keys to calm", "seconds", "the keys")


def lines(results: Iterable[WalkResult]) -> Iterator[str]:
    yield _row(HEAD)
    yield _row(["---"] * len(HEAD))
    for result in results:
        marks = [figure for name in ("verdict", "calm") for figure in _figures(result, name)]
        yield _row([result.name, *marks, "FAILED" if result.failed else f"`{' '.join(result.keys)}`"])


def _figures(result: WalkResult, name: str) -> tuple[str, str]:
    if name not in result.marks:
        return "", ""
    keys, seconds = result.marks[name]
    return str(keys), f"{seconds:.0f}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
