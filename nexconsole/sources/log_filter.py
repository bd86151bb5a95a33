"""Which entries of the pods' logs are wanted: by level, provider, pod, words, or the ids of one purchase."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from .log_entry import RANK, LineIds, LogEntry

_PIECE = re.compile(r"[^A-Za-z0-9_.-]+")
MOST_IDS = 24
TAG = "‹"  # begins what stands in the place of hidden words


def _whole_words(words: Iterable[str]) -> re.Pattern[bytes]:
    """Any of these where it stands by itself: `5sim`, and not `15sim`."""
    found = b"|".join(re.escape(word.encode(errors="replace")) for word in words if word)
    return re.compile(rb"(?<![\w-])(?:%s)(?![\w-])" % found, re.IGNORECASE)


@dataclass(frozen=True)
class LogFilter:
    """What an entry must be. `level` is the least; `labels` are all names of the provider; `words` as they were typed:
    all of them must stand in the entry, and none that begins with a minus. `cover` hides what may not be seen:
    then a word or a name is looked for in what is left, or the lines that a filter keeps would tell what is hidden.
    """

    level: str = ""
    provider: str = ""
    labels: tuple[str, ...] = ()
    pod: str = ""
    words: str = ""
    cover: Callable[[str], str] | None = None

    @property
    def empty(self) -> bool:
        return not (self.level or self.provider or self.pod or self.wanted or self.unwanted)

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        return tuple(word.casefold() for word in self.words.split() if not word.startswith("-"))

    @cached_property
    def unwanted(self) -> tuple[str, ...]:
        return tuple(word[1:].casefold() for word in self.words.split() if word.startswith("-") and word != "-")

    @cached_property
    def _provider(self) -> re.Pattern[bytes]:
        return _whole_words((self.provider, *self.labels))

    @cached_property
    def _labels(self) -> tuple[bytes, ...]:
        """What must stand in an entry's bytes for the provider to be named in it."""
        return tuple({_longest(label) for label in (self.provider, *self.labels) if label})

    @cached_property
    def _pieces(self) -> tuple[bytes, ...]:
        """What must stand in an entry's bytes for the wanted words to stand in its text."""
        return tuple(piece for word in self.wanted for piece in _pieces(word))

    def keeps(self, entry: LogEntry) -> bool:
        if self.pod and entry.pod != self.pod:
            return False
        if entry.mark:
            return True
        if self.level and RANK[entry.level] < RANK[self.level]:
            return False
        if self.cover is not None:
            return self._keeps_covered(entry, self.cover)
        if self.provider and not self._names_provider(entry.raw):
            return False
        return self._has_words(entry) if self.wanted or self.unwanted else True

    def _names_provider(self, raw: bytes) -> bool:
        low = raw.lower()
        return any(label in low for label in self._labels) and self._provider.search(raw) is not None

    def _keeps_covered(self, entry: LogEntry, cover: Callable[[str], str]) -> bool:
        """By what is seen alone. Covering a line is dear: first its bytes are asked whether the words can be there."""
        low = b" ".join((entry.raw.lower(), entry.level.encode(), entry.pod.lower().encode(errors="replace")))
        if any(piece not in low for word in self.wanted if TAG not in word for piece in _pieces(word)):
            return False
        if self.provider and not self._names_provider(entry.raw):
            return False
        doubted = [word for word in self.unwanted if TAG in word or all(piece in low for piece in _pieces(word))]
        if not (self.provider or self.wanted or doubted):
            return True
        said = entry.words
        text = " ".join((entry.pod, entry.level, *map(cover, (said.message, said.fields, *said.more))))
        if self.provider and not self._names_provider(text.encode(errors="replace")):
            return False
        seen = text.casefold()
        return all(word in seen for word in self.wanted) and not any(word in seen for word in doubted)

    def _has_words(self, entry: LogEntry) -> bool:
        """By bytes first, for decoding a line costs twenty times as much."""
        raw = entry.raw.lower()
        low = b" ".join((raw, entry.level.encode(), entry.pod.lower().encode(errors="replace")))
        if any(piece not in low for piece in self._pieces):
            return False
        shown = _surely_shown(raw)
        doubted = [word for word in self.unwanted if all(piece in low for piece in _pieces(word))]
        if any(_is_plain(word) and word.encode() in shown for word in doubted):
            return False
        open_ones = [word for word in self.wanted if not (_is_plain(word) and word.encode() in shown)]
        if not open_ones and not doubted:
            return True
        seen = entry.seen.casefold()
        return all(word in seen for word in open_ones) and not any(word in seen for word in doubted)


def _surely_shown(raw: bytes) -> bytes:
    """The part of an entry's bytes that is shown as it stands, whatever else is: a JSON line's message."""
    if raw[:1] != b"{":
        return raw if raw.isascii() and b"\x1b" not in raw else b""
    begin = raw.rfind(b'"msg":"')
    return raw[begin + 7 :] if begin >= 0 else b""


def _is_plain(word: str) -> bool:
    return word.isascii() and _PIECE.search(word) is None


def _longest(label: str) -> bytes:
    """The longest part of a name that stands in a line's bytes in lower case as it does here."""
    return max((piece.lower() for piece in _pieces(label)), key=len, default=b"")


def _pieces(word: str) -> list[bytes]:
    return [piece.encode() for piece in _PIECE.split(word) if piece]


@dataclass(frozen=True)
class PurchaseFilter:
    """Every entry that carries one of these ids. `ids`: the first one is what is said to be followed."""

    ids: tuple[str, ...]

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        return _whole_words(self.ids)

    def keeps(self, entry: LogEntry) -> bool:
        return not entry.mark and self._pattern.search(entry.raw) is not None

    def joined_by(self, entries: Iterable[LogEntry]) -> PurchaseFilter:
        """With the ids that these entries, which carry the purchase's own, add to it."""
        ids = dict.fromkeys(self.ids)
        for entry in entries:
            found = entry.ids
            if found.purchase and found.purchase in self.ids:
                ids |= dict.fromkeys(found.all)
        return self if len(ids) == len(self.ids) else PurchaseFilter(tuple(ids)[:MOST_IDS])


def purchase_filter(ids: LineIds, entries: Iterable[LogEntry]) -> PurchaseFilter | None:
    """The filter for what a line with these ids belongs to; None where it carries none.

    A line with a request's id alone belongs to the purchase that the request made, if it made one only.
    """
    purchase = ids.purchase
    if not purchase and ids.request:
        pattern = _whole_words((ids.request,))
        made = {entry.ids.purchase for entry in entries if pattern.search(entry.raw)} - {""}
        purchase = made.pop() if len(made) == 1 else ""
    known = tuple(filter(None, (purchase, ids.request or "", *(() if ids.request and not purchase else ids.others))))
    return PurchaseFilter(tuple(dict.fromkeys(known))) if known else None
