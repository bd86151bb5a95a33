"""The likely causes on record: each once, from when it was named to when it was withdrawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ..journal import Entry, EntryKind
from ..text.sanitize import clean

WITHDRAWN = "withdrawn"
MOST_EVIDENCE = 12


@dataclass(frozen=True, kw_only=True)
class NamedCause:
    """`key` is its id and target; `named_at` (UTC) by `by`; `withdrawn_at` None while it stands. `text` has since when.

    `explains`: the subjects of reasons that followed from it then.
    """

    key: str
    text: str
    named_at: datetime
    by: str
    evidence: tuple[str, ...] = ()
    explains: tuple[str, ...] = ()
    withdrawn_at: datetime | None = None


def named_in(entries: Iterable[Entry]) -> tuple[NamedCause, ...]:
    """The causes of these entries (in merge's order) as they stand at their end, in the order of naming.

    One that was withdrawn and is named again is another one.
    """
    found: list[NamedCause] = []
    for entry, key, state in _turns(entries):
        at = entry.at.astimezone(UTC)
        if state == WITHDRAWN:
            place = next(n for n in reversed(range(len(found))) if found[n].key == key)
            found[place] = replace(found[place], withdrawn_at=at)
        else:
            data = entry.data
            text = clean(data.get("text") or data.get("title") or key, 300)
            named = NamedCause(
                key=key,
                text=text,
                named_at=at,
                by=str(entry.writer),
                evidence=_sentences(data.get("evidence")),
                explains=_sentences(data.get("explains")),
            )
            found.append(named)
    return tuple(found)


def turns_in(entries: Iterable[Entry]) -> frozenset[str]:
    """The ids of the entries that name or withdraw a cause for the first time: several consoles may write the same."""
    return frozenset(entry.id for entry, _, _ in _turns(entries))


def _turns(entries: Iterable[Entry]) -> Iterator[tuple[Entry, str, str]]:
    standing: set[str] = set()
    for entry in entries:
        if entry.kind != EntryKind.CAUSE:
            continue
        key, state = (clean(entry.data.get(name) or "", 200) for name in ("cause", "state"))
        gone = state == WITHDRAWN
        if key and gone is (key in standing):
            (standing.discard if gone else standing.add)(key)
            yield entry, key, state


def _sentences(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(clean(line, 300) for line in listed[:MOST_EVIDENCE] if line)
