"""Checks the keys that the settings change, and lists every binding with its id, default keys and meaning."""

from __future__ import annotations

import importlib
import pkgutil
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, KEY_TO_UNICODE_NAME, Keys, key_to_character
from textual.screen import Screen
from textual.widget import Widget

from .. import panes
from .. import screens as own_screens
from ..errors import SettingsError
from ..text.suggestions import did_you_mean
from ..widgets.key_guard import MOVES
from ..widgets.key_map import bindings_of, keys_of
from .command_app import CommandApp
from .console import ConsoleScreen
from .dialog import GuardedDialog
from .palette import Palette
from .prompt import Prompt
from .row_menu import RowMenu

PACKAGE = __name__.partition(".")[0]
# Whatever is set, they do what they do: what there is, every command, and the ways out.
RESERVED = frozenset("question_mark ctrl+p escape q ctrl+q ctrl+c ctrl+y".split())
ANSWERED = (GuardedDialog, Palette, Prompt, RowMenu)  # where letters confirm, choose, or are typed
SAME_AS = {
    "ctrl+i": "tab",
    "return": "enter",
    "ctrl+m": "enter",
    "ctrl+j": "enter",
    "ctrl+h": "backspace",
}  # on the wire
NAMED = frozenset(
    {key.value for key in Keys if not key.value.startswith("<")}
    | set(KEY_TO_UNICODE_NAME)
    | set(KEY_NAME_REPLACEMENTS.values())
)


@dataclass(frozen=True)
class KeyPlace:
    """Bindings that work at the same time: the widget's or screen's own, and those of what it stands in."""

    name: str
    kinds: tuple[type, ...]


@cache
def places() -> tuple[KeyPlace, ...]:
    """Every place of the console where keys work; imports all screens."""
    for package in (own_screens, panes):
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    inner: list[type] = [kind for kind in _kinds(Widget) if not issubclass(kind, Screen)]
    consoles: list[type] = [ConsoleScreen, *_kinds(ConsoleScreen)]
    answered = {each for base in ANSWERED for each in (base, *_kinds(base))}
    pages = [kind for kind in _kinds(Screen) if kind not in {*consoles, *answered}]
    return (
        *(KeyPlace(_words(console), (console, CommandApp)) for console in consoles),
        *(KeyPlace(_words(one), (one, console, CommandApp)) for console in consoles for one in inner),
        *(KeyPlace(_words(page), (page,)) for page in pages),
    )


def _kinds(base: type) -> list[type]:
    """The package's kinds of this that have bindings with an id, in the order of their names."""
    found: list[type] = []
    below: list[type] = base.__subclasses__()
    for kind in below:
        own = kind.__module__.startswith(f"{PACKAGE}.") and any(
            isinstance(one, Binding) and one.id for one in vars(kind).get("BINDINGS", ())
        )
        found += [*([kind] if own else []), *_kinds(kind)]
    return sorted({*found}, key=lambda kind: kind.__qualname__)


def _words(kind: type) -> str:
    return str(getattr(kind, "PLACE", "") or f"in the {kind.__name__.removesuffix('Screen').lower()}")


@cache
def all_bindings() -> Mapping[str, Binding]:
    """Every binding that the settings may name, by its id; of those with one id the outermost."""
    found: dict[str, Binding] = {}
    for kind in dict.fromkeys(kind for place in places() for kind in reversed(place.kinds)):
        for binding in bindings_of(kind):
            found.setdefault(binding.id or "", binding)
    return found


@cache
def fixed() -> frozenset[str]:
    """The ids whose keys can't be changed: nobody may lose the way out, the list of keys or the palette."""
    kinds = dict.fromkeys(kind for place in places() for kind in place.kinds)
    of_all = (binding for kind in kinds for binding in bindings_of(kind))
    return frozenset(binding.id or "" for binding in of_all if RESERVED & {*keys_of(binding.key)})


def check(changed: Mapping[str, str], origin: str) -> None:
    """Raises SettingsError, with file and key, for the first key that can't be as the settings have it."""
    for id, text in changed.items():
        if wrong := _wrong(id, text):
            raise SettingsError(f'{origin}: keys."{id}": {wrong}')
    for place in places():
        if clash := _clash(place, changed):
            id, key, other, meaning = clash
            raise SettingsError(f'{origin}: keys."{id}": {key} is the key of "{other}" {place.name} ({meaning})')


def _wrong(id: str, text: str) -> str:
    known = all_bindings()
    if id not in known:
        return f"there is no such binding{did_you_mean(id, [one for one in known if one not in fixed()])}"
    if id in fixed():
        return "it can't be changed: the way out, the list of keys and the palette are the same everywhere"
    for word in text.split(","):
        if text.strip() and (wrong := _wrong_key(word.strip(), known[id])):
            return wrong
    return ""


def _wrong_key(word: str, binding: Binding) -> str:
    key = next(iter(keys_of(word)), "")
    if key in SAME_AS:
        return f"{word} can't be told from {SAME_AS[key]}: a terminal sends the same for both"
    if not _is_key(key):
        letter = word.rpartition("+")[2]
        if word == f"shift+{letter}" and len(letter) == 1 and letter.isalpha():
            return f'{word} is written "{letter.upper()}"'
        return f'there is no key "{word}"{did_you_mean(word, NAMED)}'
    if key in RESERVED:
        return f"{word} can't be taken: it is the same everywhere"
    if key in MOVES and not MOVES & {*keys_of(binding.key)}:
        return f"{word} can't be taken: it moves, and is let through when keys come together"
    return ""


def _is_key(key: str) -> bool:
    if len(key) == 1:
        return _is_drawn(key)
    if key.startswith("alt+"):
        return len(key) == 5 and key[4].isalnum()
    if key in NAMED:
        return True
    character = key_to_character(key) if key and "+" not in key else None
    return character is not None and _is_drawn(character)


def _is_drawn(character: str) -> bool:
    """Whether a key shows it: `esc` and `return` are names of control characters too, and no keys."""
    return character.isprintable() and not character.isspace() and not unicodedata.combining(character)


def _clash(place: KeyPlace, changed: Mapping[str, str]) -> tuple[str, str, str, str] | None:
    """A changed binding, the key, and the other binding that has it here too, with its meaning."""
    holders: dict[str, Binding] = {}
    for binding, keys in _in(place, changed):
        for key in keys:
            other = holders.setdefault(key, binding)
            if other.id == binding.id or not {binding.id, other.id} & {*changed}:
                continue
            if {*keys_of(other.key)} & {*keys_of(binding.key)}:  # by default the inner one hides the other here
                continue
            mine, others = (binding, other) if binding.id in changed else (other, binding)
            return mine.id or "", key, others.id or "", others.tooltip.lower()
    return None


def _in(place: KeyPlace, changed: Mapping[str, str]) -> Iterator[tuple[Binding, tuple[str, ...]]]:
    """The bindings of a place with their keys, the innermost first."""
    for kind in place.kinds:
        by_key = {key: binding for binding in bindings_of(kind) for key in keys_of(binding.key)}
        for id in dict.fromkeys(binding.id or "" for binding in by_key.values()):
            binding = next(one for one in by_key.values() if one.id == id)
            default = tuple(key for key, one in by_key.items() if one.id == id)
            yield binding, keys_of(changed[id]) if id in changed else default


def example() -> str:
    """The settings' table of keys with every binding that may be changed, as comments."""
    lines = ["", '# The keys, by the bindings\' ids: several by comma, "" for none.', "[keys]"]
    for id, binding in all_bindings().items():
        if id not in fixed():
            lines.append(f'#"{id}" = "{binding.key}"  # {binding.tooltip}')
    return "\n".join(lines) + "\n"
