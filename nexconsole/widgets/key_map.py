"""The keys in force: those of the bindings, and over them those of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from textual.binding import Binding

UNBOUND = "unbound"  # no terminal sends it: who has this key has none
PALETTE = "^P"  # what leads to a command that has no key


@cache  # it is asked for each key of the strip, each second
def keys_of(text: str) -> tuple[str, ...]:
    """The keys of a comma-separated list, as Textual names them; () for none."""
    words = ",".join(word for word in text.split(",") if word.strip())
    return tuple(one.key for one in Binding.make_bindings([Binding(words, "")])) if words else ()


def bindings_of(place: type) -> Iterator[Binding]:
    """The bindings with an id of a widget, screen or application, its parents' first."""
    for kind in reversed(place.__mro__):
        yield from (one for one in vars(kind).get("BINDINGS", ()) if isinstance(one, Binding) and one.id)


class KeyMap:
    """Which keys the settings give to which bindings, by the bindings' ids; there is one in a process."""

    def __init__(self) -> None:
        self._changed: dict[str, tuple[str, ...]] = {}
        self._places: tuple[type, ...] = ()

    def use(self, changed: Mapping[str, str]) -> Mapping[str, str]:
        """These keys are in force from now on; returns them as Textual's keymap."""
        self._changed = {id: keys_of(text) for id, text in changed.items()}
        return {id: ",".join(keys) or UNBOUND for id, keys in self._changed.items()}

    def declare(self, *places: type) -> None:
        """Whose bindings sentences name: the application, its first screen, what stands in it."""
        self._places += tuple(place for place in places if place not in self._places)

    def keys(self, binding: Binding) -> tuple[str, ...]:
        """The keys that this binding has; () where the settings take them all."""
        return self._changed.get(binding.id or "", keys_of(binding.key))

    def changes(self, word: str) -> bool:
        """Whether the settings change the keys of a binding whose id begins so."""
        return any(id.startswith(word) for id in self._changed)

    def key(self, id: str, *places: type) -> str:
        """The first key of a binding; "" where it has none. Without `places` it is looked up where all work."""
        for place in places or self._places:
            for binding in bindings_of(place):
                if binding.id == id:
                    return next(iter(self.keys(binding)), "")
        return ""


KEY_MAP = KeyMap()
