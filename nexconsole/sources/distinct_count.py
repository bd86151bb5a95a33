"""How many different ones there were, in bounded memory and without keeping any of them."""

from __future__ import annotations

from collections.abc import Iterable

KEPT = 512
SPAN = 1 << 64


class Distinct:
    """Of hashes of 64 bits the smallest KEPT: exact up to so many, and beyond within about 5 %."""

    __slots__ = ("_most", "hashes")

    def __init__(self) -> None:
        self.hashes: set[int] = set()
        self._most = SPAN

    def add(self, hashed: int) -> None:
        if hashed >= self._most or hashed in self.hashes:
            return
        self.hashes.add(hashed)
        if len(self.hashes) > 2 * KEPT:
            self.hashes = set(sorted(self.hashes)[:KEPT])
            self._most = max(self.hashes)


def distinct(parts: Iterable[Distinct]) -> int:
    """How many different ones in all of them."""
    found: set[int] = set().union(*(part.hashes for part in parts))
    if len(found) <= KEPT:
        return len(found)
    smallest = sorted(found)[:KEPT]
    return max(KEPT, round((KEPT - 1) * SPAN / smallest[-1]))
