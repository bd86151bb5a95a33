"""The selectors of a PromQL expression, by a minimal parser."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|\#[^\n]*)
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    | (?P<number>0[xX][0-9a-fA-F]+|(?:\d+(?:ms|[smhdwy]))+|\d*\.?\d+(?:[eE][+-]?\d+)?)
    | (?P<word>[A-Za-z_:][A-Za-z0-9_:]*)
    | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){}\[\],:@.])
    """,
    re.VERBOSE,
)
_GROUPING = ("by", "without", "on", "ignoring", "group_left", "group_right")
_OPERATORS = (*_GROUPING, "and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "start", "end")
# With one of these, a selector without series may still let the expression be true.
_TOLERANT = ("or", "unless", "absent", "absent_over_time", "vector")


@dataclass(frozen=True, kw_only=True)
class SeriesMatcher:
    label: str
    operator: str
    value: str  # quoted, as written


@dataclass(frozen=True, kw_only=True)
class SeriesSelector:
    """`metric` is "" where only a matcher on __name__ says it."""

    metric: str
    matchers: tuple[SeriesMatcher, ...] = ()

    def __str__(self) -> str:
        inside = ",".join(f"{m.label}{m.operator}{m.value}" for m in self.matchers)
        return f"{self.metric}{{{inside}}}" if inside else self.metric


def tokens(expression: str) -> list[tuple[str, str]]:
    """(kind, text) of each token but white space and comments; ValueError where something is none."""
    found, position = [], 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None:
            raise ValueError(f"unexpected {expression[position : position + 10]!r}")
        if match.lastgroup != "space":
            found.append((match.lastgroup or "", match.group()))
        position = match.end()
    return found


def tolerant(expression: str) -> bool:
    """Whether an expression can be true although one of its selectors has no series."""
    return any(kind == "word" and text.lower() in _TOLERANT for kind, text in tokens(expression))


def selectors(expression: str) -> tuple[SeriesSelector, ...]:
    """Each selector once, in the order of the text; ValueError where the text is not understood."""
    rest, series_selectors = tokens(expression), []
    while rest:
        kind, text = rest.pop(0)
        following = rest[0][1] if rest else ""
        if kind == "word" and text.lower() in _GROUPING and following == "(":
            while rest and rest.pop(0)[1] != ")":
                pass
        elif kind == "word" and _is_metric(text, rest):
            series_selectors.append(SeriesSelector(metric=text, matchers=_matchers(rest) if following == "{" else ()))
        elif text == "{":
            rest.insert(0, (kind, text))
            series_selectors.append(SeriesSelector(metric="", matchers=_matchers(rest)))
        elif text == "[":
            while rest and rest.pop(0)[1] != "]":
                pass
    return tuple(dict.fromkeys(series_selectors))


def _is_metric(word: str, rest: list[tuple[str, str]]) -> bool:
    """Not an operator, and neither a function nor an aggregation: those are followed by ( or by a grouping."""
    following = rest[0][1].lower() if rest else ""
    return word.lower() not in _OPERATORS and following not in ("(", "by", "without")


def _matchers(rest: list[tuple[str, str]]) -> tuple[SeriesMatcher, ...]:
    """Take `{...}` off the front."""
    inside: list[tuple[str, str]] = []
    rest.pop(0)
    while rest and rest[0][1] != "}":
        inside.append(rest.pop(0))
    if not rest:
        raise ValueError("a { is never closed")
    rest.pop(0)
    matchers = []
    while inside:
        kind, label = inside.pop(0)
        if label == ",":
            continue
        if kind == "string" and (not inside or inside[0][1] == ","):  # {"a.metric"}, the newer way to quote a name
            matchers.append(SeriesMatcher(label="__name__", operator="=", value=label))
            continue
        if len(inside) < 2 or inside[1][0] != "string":
            raise ValueError(f"a matcher on {label} is not understood")
        matchers.append(SeriesMatcher(label=label, operator=inside.pop(0)[1], value=inside.pop(0)[1]))
    return tuple(matchers)
