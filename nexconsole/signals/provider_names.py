"""Resolves a label to a provider: rows and metrics use its name, display name or id. (nexnum.md#provider-rows,
#best-route)
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ..errors import SourceError
from ..text.sanitize import clean_name

if TYPE_CHECKING:
    from ..sources import Sources
    from ..sources.postgres import PostgresSource

NAMES_EVERY_S = 12.0
MOST_PROVIDERS = 5_000
NAMES_SQL = f"SELECT id::text AS id, name, {{display}} AS display_name FROM providers LIMIT {MOST_PROVIDERS}"


@dataclass(frozen=True, kw_only=True)
class NamedProvider:
    """A row of the providers table. `key` is the one name under which its purchases are counted."""

    key: str
    id: str
    name: str
    display_name: str


class ProviderNames:
    """The providers of an installation, found by whatever names them.

    A key is the name in lower case; where two providers' names differ in case only, each has its own spelling.
    """

    def __init__(self, rows: Iterable[tuple[str, str, str]] = ()) -> None:
        """`rows`: (id, name, display name), as they stand in the database."""
        rows = list(rows)
        shown = [clean_name(name) for _, name, _ in rows]
        folded = Counter(map(str.lower, shown))
        spelled = Counter(shown)
        self.providers = tuple(
            NamedProvider(
                key=_key(name, id, folded[name.lower()] > 1, spelled[name] > 1),
                id=clean_name(id),
                name=raw,
                display_name=display,
            )
            for (id, raw, display), name in zip(rows, shown, strict=True)
        )
        self._exact = {provider.name: provider for provider in self.providers}
        self._folded = _unambiguous((provider.name.lower(), provider) for provider in self.providers)
        self._displayed = _unambiguous((provider.display_name.lower(), provider) for provider in self.providers)
        self._ids = {provider.id: provider for provider in self.providers}

    def find(self, label: str) -> NamedProvider | None:
        """By name, exact before any case; else by display name or id. None where nobody or several are meant."""
        folded = label.lower()
        return self._exact.get(label) or self._folded.get(folded) or self._displayed.get(folded) or self._ids.get(label)

    def key(self, label: str | None) -> str:
        """The key of the provider that a label means; of an unknown one the label in lower case."""
        if label is None:
            return "(none)"
        provider = self.find(label)
        return provider.key if provider is not None else clean_name(label.lower())

    def id(self, key: str) -> str:
        """The row's id by its key; "" where there is none."""
        provider = self.find(key)
        return provider.id if provider is not None else ""


def _key(name: str, id: str, same_folded: bool, same_spelled: bool) -> str:
    if same_spelled:  # they differ in characters that can't be shown
        return f"{name} (id {clean_name(id)})"
    return name if same_folded else name.lower()


def _unambiguous(pairs: Iterable[tuple[str, NamedProvider]]) -> dict[str, NamedProvider]:
    found: dict[str, NamedProvider] = {}
    several = set()
    for text, provider in pairs:
        if text in found:
            several.add(text)
        found[text] = provider
    return {text: provider for text, provider in found.items() if text and text not in several}


_KNOWN: WeakKeyDictionary[PostgresSource, tuple[float, ProviderNames]] = WeakKeyDictionary()


def known_names(sources: Sources) -> ProviderNames:
    """The providers as they were last read; nobody is asked."""
    return _KNOWN.get(sources.postgres, (0.0, ProviderNames()))[1] if sources.has("postgres") else ProviderNames()


async def provider_names(sources: Sources) -> ProviderNames:
    """The providers by now, read again after a while; older ones, or none, where they can't be read."""
    if not sources.has("postgres"):
        return ProviderNames()
    postgres = sources.postgres
    at, known = _KNOWN.get(postgres, (-math.inf, ProviderNames()))
    if time.monotonic() - at < NAMES_EVERY_S:
        return known
    try:
        columns = await postgres.require("providers", "id", "name")
        display = "display_name" if "display_name" in columns else "''"
        async with postgres.read("the providers' names") as tx:
            rows = await tx.fetch(NAMES_SQL.format(display=display))
    except SourceError:
        return known  # the labels are then all that is known
    known = ProviderNames((row["id"], row["name"], row["display_name"] or "") for row in rows)
    _KNOWN[postgres] = time.monotonic(), known
    return known
