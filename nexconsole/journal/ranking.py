"""Of several lines with one id, which counts; and which entries count at all."""

from __future__ import annotations

from collections.abc import Iterable

from .entries import Entry, Proof

_RANK = {
    proof: place
    for place, proof in enumerate((Proof.SIGNED, Proof.KERNEL, Proof.EARLIER, Proof.NONE, Proof.UNSIGNED, Proof.FORGED))
}


def merge(*journals: Iterable[Entry]) -> tuple[Entry, ...]:
    """The union by id, in the order of the entries' `order`, then of (at, writer, seq): the same in whatever order
    entries arrive, or how often, and what was read before something was written stands before it. What is forged is
    in there."""
    union: dict[str, Entry] = {}
    for entries in journals:
        for entry in entries:
            other = union.get(entry.id)
            if other is None or better(entry, other):
                union[entry.id] = entry
    return tuple(sorted(union.values(), key=lambda one: (one.order, one.at, one.writer, one.seq, one.id)))


def counted(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Those of the entries that count: what is forged, or not signed where that is demanded, is left out."""
    return tuple(entry for entry in entries if entry.counts)


def better(entry: Entry, other: Entry) -> bool:
    """Whether, of two lines with one id, this is the one that counts."""
    return _rank(entry) < _rank(other)


def _rank(entry: Entry) -> tuple[bool, int, bytes]:
    """Of two lines with one id the intact one counts, then the one that more is proved of."""
    return not entry.intact, _RANK[entry.proof], entry.line
