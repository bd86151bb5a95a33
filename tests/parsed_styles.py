"""Textual parses an app's styles anew for each app; the tests start hundreds, with the same few styles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.css import stylesheet

_parse = stylesheet.parse
_parsed: dict[object, list[Any]] = {}


def _parse_once(scope: str, css: str, read_from: object, *, variable_tokens: Mapping[str, Any], **flags: Any) -> Any:
    variables = tuple((name, tuple(tokens)) for name, tokens in variable_tokens.items())
    key = (scope, css, read_from, variables, tuple(flags.items()))
    if key not in _parsed:
        _parsed[key] = list(_parse(scope, css, read_from, variable_tokens=variable_tokens, **flags))
    return _parsed[key]


def keep_parsed_styles() -> None:
    stylesheet.parse = _parse_once  # type: ignore[assignment]
