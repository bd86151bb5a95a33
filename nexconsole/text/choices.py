"""The words that a question offers, each with the letters that choose it."""

from __future__ import annotations

from collections.abc import Sequence


def letters(words: Sequence[str]) -> dict[str, str]:
    """For each word the fewest first letters by which no other one begins; the whole word where another begins with
    all of it."""
    return {word: next((word[:n] for n in range(1, len(word)) if meant(word[:n], words) == word), word)
            for word in words}  # fmt: skip


def meant(typed: str, words: Sequence[str]) -> str:
    """The word that was typed, or the only one that begins so; "" where there is none or more than one."""
    if not typed:
        return ""
    if typed in words:
        return typed
    found = [word for word in words if word.casefold().startswith(typed.casefold())]
    return found[0] if len(found) == 1 else ""


def at_once(typed: str, words: Sequence[str]) -> str:
    """The word that these letters choose without Enter: as few as choose it, and no part of another word."""
    word = meant(typed, words)
    begun = any(other != word and other.casefold().startswith(typed.casefold()) for other in words)
    return word if word and not begun and len(typed) == len(letters(words)[word]) else ""
