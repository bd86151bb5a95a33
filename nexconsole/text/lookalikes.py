"""Look-alike names: other case, letters of another script, invisible characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

# Letters of other scripts that are drawn like a Latin one in the fonts of terminals; after Unicode's confusables.txt.
_LETTERS = {
    # Cyrillic
    "а": "a", "в": "b", "е": "e", "ё": "e", "з": "3", "и": "u", "і": "i", "ї": "i", "ј": "j", "к": "k", "м": "m",
    "н": "h", "о": "o", "п": "n", "р": "p", "с": "c", "т": "t", "у": "y", "х": "x", "ѕ": "s", "һ": "h", "ԁ": "d",
    "ԛ": "q", "ԝ": "w", "ӏ": "l", "ь": "b", "ѵ": "v", "г": "r",
    # Greek
    "α": "a", "β": "b", "γ": "y", "ε": "e", "η": "n", "ι": "i", "κ": "k", "ν": "v", "ο": "o", "ρ": "p", "σ": "o",
    "τ": "t", "υ": "u", "χ": "x", "ω": "w",
    # Armenian, Latin beyond ASCII, figures
    "ս": "u", "օ": "o", "հ": "h", "ո": "n", "ց": "g", "ք": "f", "զ": "q", "ı": "i", "ɡ": "g", "ɑ": "a", "ʟ": "l",
    "ꜱ": "s", "ᴏ": "o", "ᴍ": "m", "ᴡ": "w", "ʀ": "r", "ɪ": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h",
    "0": "o", "1": "l", "|": "l",
}  # fmt: skip
_UNSEEN = ("Cf", "Cc", "Zs", "Mn")  # formats, controls, blanks, accents: hardly or not at all seen
_DASHES = dict.fromkeys("‐‑‒–—―−_", "-")


def skeleton(name: str) -> str:
    """What the eye keeps of a name: two names with the same skeleton can be taken for each other."""
    seen = (one for one in unicodedata.normalize("NFKD", name).casefold() if unicodedata.category(one) not in _UNSEEN)
    return "".join(_LETTERS.get(one) or _DASHES.get(one) or one for one in seen)


def look_alikes(names: Iterable[str]) -> Mapping[str, str]:
    """Each name that can be taken for another of them, with a note for it: `look-alike of smsbower: differs in case`.

    Of those that look alike the plainest is the one that the others are compared with; it is marked too.
    """
    return _look_alikes(tuple(sorted(set(names))))


@lru_cache(maxsize=64)
def _look_alikes(names: tuple[str, ...]) -> Mapping[str, str]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(skeleton(name), []).append(name)
    notes = {}
    for group in groups.values():
        if len(group) > 1:
            plainest, *others = sorted(group, key=lambda name: (_odd(name), name != name.casefold(), name))
            notes[plainest] = f"look-alike of {', '.join(map(_seen, others[:2]))}{' and more' * (len(others) > 2)}"
            notes |= {other: f"look-alike of {_seen(plainest)}: {_difference(other, plainest)}" for other in others}
    return notes


def marked(name: str, notes: Mapping[str, str]) -> str:
    """The name with its note: `SMSBOWER (look-alike of smsbower: differs in case)`."""
    return f"{name} ({notes[name]})" if name in notes else name


def _seen(name: str) -> str:
    return "".join(one for one in name if unicodedata.category(one) not in ("Cf", "Cc"))


def _odd(name: str) -> int:
    """How many of its characters are not the ones that they look like, whatever their case."""
    return len(_strange(name)) + sum(one in _LETTERS or one in _DASHES for one in name.casefold() if one.isascii())


def _strange(name: str) -> list[str]:
    return [one for one in name if not one.isascii() or not one.isprintable()]


def _difference(name: str, plain: str) -> str:
    strange = [fromkey for fromkey in dict.fromkeys(_strange(name)) if fromkey not in plain]
    if strange:
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        return f"contains {unicodedata.name(strange[0], f'U+{ord(strange[0]):04X}')}{more}"
    return "differs in case" if name.casefold() == plain.casefold() else "differs in characters that look alike"
