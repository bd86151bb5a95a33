"""As much of PromQL as the settings, the alert rules and the alerts signal use, out of promql-parser's trees.

The parser's sentences are nearly Prometheus' own; they name no place in the text, which the real server puts first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import promql_parser
from promql_parser import MatchOp

FUNCTIONS = ("rate", "increase", "histogram_quantile")
AGGREGATIONS = ("sum", "count")
COMPARISONS = (">", "<", ">=", "<=", "==", "!=")
OPERATORS = (*COMPARISONS, "+", "-", "*", "/")


class ParseError(Exception):
    """The text is not an expression that is understood here."""

    def __init__(self, sentence: str) -> None:
        super().__init__(f"parse error: {sentence}")


@dataclass(frozen=True)
class Matcher:
    """`op` is one of = != =~ !~."""

    label: str
    op: str
    value: str

    def matches(self, value: str) -> bool:
        if self.op in ("=", "!="):
            return (value == self.value) is (self.op == "=")
        return (re.fullmatch(self.value, value) is not None) is (self.op == "=~")


@dataclass(frozen=True)
class Selector:
    """`window` is in seconds; None for an instant vector. The name is one of the matchers."""

    matchers: frozenset[Matcher]
    window: float | None = None

    @property
    def name(self) -> str | None:
        return next((m.value for m in self.matchers if (m.label, m.op) == ("__name__", "=")), None)


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class FunctionCall:
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Aggregation:
    op: str
    by: frozenset[str]
    over: Expression


@dataclass(frozen=True)
class Binary:
    op: str
    left: Expression
    right: Expression


Expression = Selector | Number | FunctionCall | Aggregation | Binary


def duration(text: str) -> float:
    """Seconds of `1m30s`; ValueError where it is no duration."""
    return promql_parser.parse_duration(text).total_seconds()


def parse(text: str) -> Expression:
    """The expression that a text says; ParseError where it is none, or one that is beyond this module."""
    try:
        tree = promql_parser.parse(text)
    except ValueError as error:
        raise ParseError(str(error)) from error
    return _expression(tree)


def _expression(tree: promql_parser.Expr) -> Expression:
    match tree:
        case promql_parser.ParenExpr():
            return _expression(tree.expr)
        case promql_parser.NumberLiteral():
            return Number(tree.val)
        case promql_parser.VectorSelector():
            return _selector(tree)
        case promql_parser.MatrixSelector():
            return _selector(tree.vector_selector, tree.range.total_seconds())
        case promql_parser.Call() if tree.func.name in FUNCTIONS:
            return FunctionCall(tree.func.name, tuple(_expression(argument) for argument in tree.args))
        case promql_parser.AggregateExpr() if str(tree.op) in AGGREGATIONS:
            return Aggregation(str(tree.op), _labels(tree), _expression(tree.expr))
        case promql_parser.BinaryExpr() if str(tree.op) in OPERATORS and tree.modifier is None:
            return Binary(str(tree.op), _expression(tree.lhs), _expression(tree.rhs))
    raise _beyond(tree)


def _labels(tree: promql_parser.AggregateExpr) -> frozenset[str]:
    if tree.modifier is None:
        return frozenset()
    if tree.modifier.type != promql_parser.AggModifierType.By:
        raise _beyond(tree)
    return frozenset(tree.modifier.labels)


def _selector(tree: promql_parser.VectorSelector, window: float | None = None) -> Selector:
    if tree.offset is not None or tree.at is not None or tree.matchers.or_matchers:
        raise _beyond(tree)
    named = [Matcher("__name__", "=", tree.name)] if tree.name else []
    return Selector(frozenset([*named, *_matchers(tree.matchers.matchers)]), window)


def _matchers(trees: Sequence[promql_parser.Matcher]) -> list[Matcher]:
    signs = ((MatchOp.Equal, "="), (MatchOp.NotEqual, "!="), (MatchOp.Re, "=~"), (MatchOp.NotRe, "!~"))
    matchers = []
    for tree in trees:
        sign = next(sign for op, sign in signs if tree.op == op)
        try:
            re.compile(tree.value if sign in ("=~", "!~") else "")
        except re.error as error:
            raise ParseError(f"error parsing regexp: {error}") from error
        matchers.append(Matcher(tree.name, sign, tree.value))
    return matchers


def _beyond(tree: promql_parser.Expr) -> ParseError:
    return ParseError(f"the drill can't evaluate {' '.join(tree.prettify().split())}")
