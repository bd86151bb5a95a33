"""Text from outside is data: made harmless and short here, once, at the edge of every source.

What comes out holds no control characters, no escape sequences, no direction marks and no credentials.
It may still hold brackets and other markup: whoever draws it must not parse it.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_LENGTH = 2_000
NAME_LENGTH = 120
NAMES_CACHED = 10_000

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC with their strings
    r"|\x9b[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, C1
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # marks, isolates, tags
    "\ud800-\udfff]"  # half characters, which no terminal can be sent
)
_SPACES = re.compile(r"[ \t\n]+")
_SECRET_NAME = (
    r"api[_-]?key|apikey|auth[_-]?key|access[_-]?token|token|secret|passw(?:or)?d|key|sig(?:nature)?|client[_-]?secret"
)
# Each has what stands before the credential as its first group, and the credential as its second.
_SECRETS = (
    # name=value in query strings and connection strings
    re.compile(rf"(?i)((?<![\w-])(?:{_SECRET_NAME})=)([^&\s'\"\\;,)]+)"),
    # "name": "value" in JSON and inspected objects
    re.compile(rf"(?i)(['\"]?\b(?:{_SECRET_NAME})['\"]?\s*:\s*\\?['\"])((?:[^'\"\\]|\\[^'\"])+)"),
    re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?(?:bearer|basic|token)?\s*)([^\s'\",}]+)"),
    re.compile(r"(?i)(\bbearer\s+)([\w.~+/=-]{8,})"),
    # scheme://user:password@
    re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/?#@]*:)([^\s/@]+(?:@(?=[^\s/]*@)[^\s/@]*)*)(?=@)"),
)
_VARIABLE = re.compile(r"\$\{?[A-Z][A-Z0-9_]*\}?")  # "$CRON_SECRET", as literal commands have it


def redact(text: str) -> str:
    """The same text with credentials replaced by `***`; a shell variable in a credential's place stays."""
    for pattern in _SECRETS:
        text = pattern.sub(_hide, text)
    return text


def _hide(found: re.Match[str]) -> str:
    return found[0] if _VARIABLE.fullmatch(found[2]) else found[1] + "***"


def strip_controls(text: str) -> str:
    """Without escape sequences, control characters and direction marks; tabs and line feeds stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def clean(text: object, limit: int = MAX_LENGTH) -> str:
    """One harmless line of at most `limit` characters, made from anything that came from outside."""
    raw = str(text)
    # A little more than the limit is looked at, so that what is cut away costs nothing, however long it is.
    line = _SPACES.sub(" ", redact(strip_controls(raw[: 4 * limit]))).strip()
    return line if len(line) <= limit and len(raw) <= 4 * limit else line[: limit - 1] + "…"


def clean_name(name: str) -> str:
    """A short text such as a provider's name: the same thousands come again with each reading and each log line."""
    return _known(name) if len(name) <= NAME_LENGTH else clean(name, NAME_LENGTH)


@lru_cache(maxsize=NAMES_CACHED)
def _known(name: str) -> str:
    return clean(name, NAME_LENGTH)
