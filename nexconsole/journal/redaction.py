"""Makes data fit for the journal: no secrets, only JSON, bounded in size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from ..settings import SECRETS, URLS, Settings
from ..settings.notify import secrets_in
from ..text.named_values import is_secret_name
from ..text.redaction import redact

MAX_DATA = 1024 * 1024  # bytes of JSON
SHORTEST_SECRET = 4  # characters; a shorter one would blank half of every text
_DEPTH = 24
_SHORT = 1_000  # characters of a text that may be remembered
# Characters of a text and members of a list or table: what does not fit at one size is cut to the next.
_SIZES = ((16_000, 10_000), (4_000, 2_000), (1_000, 400), (200, 50))
_OPEN_PARAMETERS = frozenset({"schema", "sslmode", "pgbouncer", "connection_limit", "application_name"})


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Every secret value in the settings, longest first: passwords as they are and percent-escaped, tokens.

    A password that is also the user's, host's or database's name is no secret that could be kept: those words
    stand everywhere.
    """
    document = msgspec.to_builtins(settings)
    found: set[str] = set()
    for key in SECRETS | URLS:
        table, _, name = key.partition(".")
        value = document[table][name]
        if isinstance(value, dict):
            found.update(value.values())
        elif key in URLS:
            found.update(_url_secrets(value))
        else:
            found.add(value)
    found |= secrets_in(settings.notify)
    return tuple(sorted((word for word in found if len(word) >= SHORTEST_SECRET), key=lambda word: (-len(word), word)))


def _url_secrets(url: str) -> set[str]:
    login = url.partition("://")[2].rpartition("@")[0]
    # Twice: a password that was pasted unescaped may hold "@", ":" and "/", and a parameter may hold "@".
    found = {login.partition(":")[2], login.partition("/")[0].rpartition("@")[0].partition(":")[2]}
    try:
        parts = urlsplit(url)
        found |= {parts.password or ""} | {v for name, v in parse_qsl(parts.query) if name not in _OPEN_PARAMETERS}
        names = {parts.username or "", unquote(parts.username or ""), parts.hostname or "", parts.path.strip("/")}
    except ValueError:  # half an address: nothing in it is known to be harmless
        return found | {url}
    return (found | {unquote(word) for word in found}) - names


class Scrubber:
    """Makes data fit for the journal; a call returns a copy. `secrets` are replaced everywhere. `remembered` texts are
    kept with their redacted form, where the same ones recur.
    """

    def __init__(self, secrets: Iterable[str] = (), remembered: int = 0) -> None:
        words = [re.escape(word) for word in secrets if word]
        self._secrets = re.compile("|".join(words)) if words else None
        self._known: Callable[[str], str] = lru_cache(remembered)(self._harmless) if remembered else self._harmless

    @classmethod
    def of(cls, settings: Settings, remembered: int = 0) -> Scrubber:
        return cls(secrets_of(settings), remembered)

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`data` without secrets and at most MAX_DATA bytes long; what was left out is said under `cut`."""
        plain = msgspec.to_builtins(data, str_keys=True, enc_hook=str)
        for length, members in _SIZES:
            try:
                return self._cut(plain, length, members)
            except _TooMuch:
                continue
        short = {key: value for key, value in plain.items() if not isinstance(value, dict | list | tuple)}
        kept = self._cut(dict(list(short.items())[:40]), 200, 40)
        return kept | {"cut": [*kept.get("cut", ()), "there was too much: only what is short is kept"]}

    def _cut(self, plain: dict[str, Any], length: int, members: int) -> dict[str, Any]:
        cutting = _Cutting(self._text, length, members)
        scrubbed = cutting.table(plain, "", 0)
        if cutting.cut:
            more = len(cutting.cut) - 20
            scrubbed["cut"] = cutting.cut[:20] + [f"and {more} more"] * (more > 0)
        if len(msgspec.json.encode(scrubbed)) > MAX_DATA:
            raise _TooMuch
        return scrubbed

    def _text(self, text: str, length: int) -> str:
        # Far more than is kept is looked at, so that a secret at the cut is still seen whole.
        text = text[: 4 * length]
        return self._known(text) if len(text) <= _SHORT else self._harmless(text)

    def _harmless(self, text: str) -> str:
        text = redact(text.encode("utf-8", "backslashreplace").decode())
        return self._secrets.sub("***", text) if self._secrets else text


class _TooMuch(Exception):
    """More than MAX_DATA at this size."""


class _Cutting:
    """One walk through data at one size. `cut` says in sentences what was left out, by path."""

    def __init__(self, scrub: Callable[[str, int], str], length: int, members: int) -> None:
        self._scrub = scrub
        self._room = MAX_DATA
        self._length = length
        self._members = members
        self.cut: list[str] = []

    def value(self, value: Any, path: str, depth: int) -> Any:
        self._take(1)
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, tuple):  # as dataclasses have them
            value = list(value)
        if isinstance(value, dict | list) and depth >= _DEPTH:
            self.cut.append(f"{path}: nested too deeply")
            return None
        if isinstance(value, dict):
            return self.table(value, path, depth)
        if isinstance(value, list):
            kept = self._kept(value, path)
            return [self.value(item, f"{path}[{place}]", depth + 1) for place, item in enumerate(kept)]
        return str(value) if isinstance(value, int) and abs(value) >= 1 << 63 else value

    def table(self, value: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for key in self._kept(list(value), path):
            name = self._text(key, path)
            place = f"{path}.{name[:60]}".lstrip(".")
            hidden = isinstance(value[key], str) and value[key] and is_secret_name(key)
            table[name] = "***" if hidden else self.value(value[key], place, depth + 1)
        return table

    def _text(self, text: str, path: str) -> str:
        scrubbed = self._scrub(text, self._length)
        self._take(min(len(scrubbed), self._length))
        if len(scrubbed) <= self._length and len(text) <= 4 * self._length:
            return scrubbed
        self.cut.append(f"{path}: {self._length} of {len(text)} characters kept")
        return scrubbed[: self._length] + "…"

    def _kept(self, members: list[Any], path: str) -> list[Any]:
        if len(members) > self._members:
            self.cut.append(f"{path}: {self._members} of {len(members)} kept")
        return members[: self._members]

    def _take(self, length: int) -> None:
        """Stop walking as soon as it is clear that this won't fit."""
        self._room -= length
        if self._room < 0:
            raise _TooMuch
