"""Finds among many items those of a name, whatever its case: each list is looked through once, however often asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from .circuits import ProviderCircuit

T = TypeVar("T")
OWN = ("name", "display_name", "id")  # what a provider is called; (nexnum.md#provider-rows)


class Meant(NamedTuple):
    """The names of what is asked for. `exact`: their case counts; else `names` are without case."""

    names: frozenset[str]
    exact: bool = False

    def among(self, names: Iterable[str | None]) -> bool:
        if self.exact:
            return any(name in self.names for name in names)
        return any(name and (name in self.names or name.casefold() in self.names) for name in names)


class NameIndex:
    """What has been looked up among readings that do not change; views of the same readings share one."""

    def __init__(self) -> None:
        self._lists: dict[tuple[int, tuple[str, ...]], tuple[Sequence[Any], dict[str, list[int]]]] = {}
        self._meant: dict[str, Meant] = {}
        self._firsts: dict[tuple[int, tuple[str, ...], Meant], Any] = {}

    def meant(self, argument: str, providers: Sequence[ProviderCircuit]) -> Meant:
        """What a provider is called that somebody calls so; only that, where no provider is known by it.

        Where providers' names differ in case only, the exact one is meant. `providers` are the same each time.
        """
        if argument not in self._meant:
            self._meant[argument] = self._looked_up(argument, providers)
        return self._meant[argument]

    def _looked_up(self, argument: str, providers: Sequence[ProviderCircuit]) -> Meant:
        wanted = argument.casefold()
        found = self._at(providers, OWN).get(wanted, ())
        alike = [providers[at] for at in sorted({*found}) if providers[at].name.casefold() == wanted]
        if len(alike) > 1 and (only := next((each for each in alike if each.name == argument), None)):
            return Meant(frozenset(name for name in (only.name, only.id) if name is not None), exact=True)
        own = (getattr(providers[min(found)], field) for field in OWN) if found else ()
        return Meant(frozenset(name.casefold() for name in (wanted, *own) if name))

    def first(self, items: Sequence[T], fields: tuple[str, ...], meant: Meant) -> T | None:
        """The first of the items of which one of these fields is among the names."""
        if not meant.names:
            return None
        key = id(items), fields, meant
        if key not in self._firsts:
            self._firsts[key] = self._first(items, fields, meant)
        found: T | None = self._firsts[key]
        return found

    def _first(self, items: Sequence[T], fields: tuple[str, ...], meant: Meant) -> T | None:
        by_name = self._at(items, fields)
        places = sorted({at for name in meant.names for at in by_name.get(name.casefold(), ())})
        return next((items[at] for at in places if meant.among(getattr(items[at], field) for field in fields)), None)

    def _at(self, items: Sequence[Any], fields: tuple[str, ...]) -> dict[str, list[int]]:
        """Where in the items each name is, without case. The items are kept: no other list takes their identity."""
        key = id(items), fields
        if key not in self._lists:
            places: dict[str, list[int]] = {}
            for field in fields:
                for at, item in enumerate(items):
                    if name := getattr(item, field):
                        places.setdefault(name.casefold(), []).append(at)
            self._lists[key] = items, places
        return self._lists[key][1]
