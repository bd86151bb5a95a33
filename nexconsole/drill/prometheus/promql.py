"""As much of PromQL as the settings, the alert rules and the alerts signal use; errors in Prometheus' own words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<duration>(?:\d+(?:ms|[smhdwy]))+(?!\w))
    | (?P<name>[A-Za-z_:][\w:]*)
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<operator>=~|!~|!=|==|>=|<=|[-+*/<>=(){}\[\],])
    | (?P<end>$)
    )""",
    re.VERBOSE,
)
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "rate": ("range vector",),
    "increase": ("range vector",),
    "histogram_quantile": ("scalar", "instant vector"),
}
AGGREGATIONS = ("sum", "count")
COMPARISONS = (">", "<", ">=", "<=", "==", "!=")
PRECEDENCE = ({*COMPARISONS}, {"+", "-"}, {"*", "/"})


class ParseError(Exception):
    """The text is not an expression that is understood here."""

    def __init__(self, position: int, sentence: str) -> None:
        super().__init__(f"1:{position + 1}: parse error: {sentence}")


@dataclass(frozen=True)
class Matcher:
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
    kind = property(lambda self: "instant vector" if self.window is None else "range vector")

    @property
    def name(self) -> str | None:
        return next((m.value for m in self.matchers if (m.label, m.op) == ("__name__", "=")), None)


@dataclass(frozen=True)
class Number:
    value: float
    kind = "scalar"


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple[Expression, ...]
    kind = "instant vector"


@dataclass(frozen=True)
class Aggregation:
    op: str
    by: frozenset[str]
    over: Expression
    kind = "instant vector"


@dataclass(frozen=True)
class Binary:
    op: str
    left: Expression
    right: Expression

    @property
    def kind(self) -> str:
        return "scalar" if self.left.kind == self.right.kind == "scalar" else "instant vector"


Expression = Selector | Number | Call | Aggregation | Binary


def duration(text: str) -> float:
    """Seconds of `1m30s`; ValueError where it is no duration."""
    if not DURATION.fullmatch(text):
        raise ValueError(f"not a valid duration string: {text!r}")
    return sum(int(number) * SECONDS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))


def parse(text: str) -> Expression:
    """The expression that a text says; ParseError where it is none, or one that is beyond this module."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str, int]] = []
        at = 0
        while not self._tokens or self._tokens[-1][0] != "end":
            found = TOKEN.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise ParseError(at, f"unexpected character: {text[at]!r}")
            kind = found.lastgroup or "end"
            self._tokens.append((kind, found[kind], found.start(kind)))
            at = found.end()
        self._next = 0
        self._open = 0

    def whole(self) -> Expression:
        if self._peek()[0] == "end":
            raise ParseError(0, "no expression found in input")
        expression = self._binary(0)
        if self._peek()[0] != "end":
            self._unexpected()
        return expression

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._next]

    def _take(self) -> tuple[str, str, int]:
        self._next += 1
        return self._tokens[self._next - 1]

    def _accept(self, text: str) -> bool:
        if self._peek()[0] == "operator" and self._peek()[1] == text:
            self._next += 1
            return True
        return False

    def _expect(self, text: str, where: str = "") -> None:
        if not self._accept(text):
            self._unexpected(where)

    def _unexpected(self, where: str = "") -> NoReturn:
        kind, text, at = self._peek()
        if kind == "end":
            end = len(self._text)
            if self._open and not where:
                raise ParseError(end, "unclosed left parenthesis")
            raise ParseError(end, f"unexpected end of input{where}")
        names = {"name": "identifier", "operator": "", "string": "string", "duration": "duration", "number": "number"}
        told = f"{names[kind]} {text if kind == 'string' else chr(34) + text + chr(34)}".strip()
        raise ParseError(at, f"unexpected {told}{where}")

    def _binary(self, level: int) -> Expression:
        if level == len(PRECEDENCE):
            return self._atom()
        left = self._binary(level + 1)
        while self._peek()[0] == "operator" and self._peek()[1] in PRECEDENCE[level]:
            _, op, at = self._take()
            right = self._binary(level + 1)
            for side in (left, right):
                if side.kind == "range vector":
                    raise ParseError(at, "binary expression must contain only scalar and instant vector types")
            if op in COMPARISONS and left.kind == right.kind == "scalar":
                raise ParseError(at, "comparisons between scalars must use BOOL modifier")
            left = Binary(op, left, right)
        return left

    def _atom(self) -> Expression:
        kind, text, at = self._peek()
        if kind == "number":
            self._take()
            return Number(float(text))
        if self._accept("("):
            self._open += 1
            inner = self._binary(0)
            self._close()
            return inner
        if kind == "name":
            self._take()
            following = self._peek()[1]
            if text in AGGREGATIONS and (following == "(" or following == "by"):
                return self._aggregation(text)
            return self._call(text, at) if following == "(" else self._selector(text, at)
        if (kind, text) == ("operator", "{"):
            return self._selector("", at)
        self._unexpected()

    def _close(self) -> None:
        self._expect(")")
        self._open -= 1

    def _aggregation(self, op: str) -> Expression:
        by = self._by()
        self._expect("(")
        self._open += 1
        at = self._peek()[2]
        over = self._binary(0)
        self._close()
        if over.kind != "instant vector":
            raise ParseError(at, f"expected type instant vector in aggregation expression, got {over.kind}")
        return Aggregation(op, by or self._by(), over)

    def _by(self) -> frozenset[str]:
        if self._peek()[:2] != ("name", "by"):
            return frozenset()
        self._take()
        self._expect("(", " in grouping opts")
        labels: set[str] = set()
        while not self._accept(")"):
            if self._peek()[0] != "name":
                self._unexpected(" in grouping opts")
            labels.add(self._take()[1])
            if not self._accept(",") and self._peek()[1] != ")":
                self._unexpected(" in grouping opts")
        return frozenset(labels)

    def _call(self, function: str, at: int) -> Expression:
        self._expect("(")
        self._open += 1
        arguments: list[tuple[Expression, int]] = []
        while not self._accept(")"):
            arguments.append((self._binary(0), self._peek()[2]) if self._peek()[0] != "end" else self._unexpected())
            if not self._accept(",") and self._peek()[1] != ")":
                self._unexpected()
        self._open -= 1
        kinds = FUNCTIONS.get(function)
        if kinds is None:
            raise ParseError(at, f'unknown function with name "{function}"')
        if len(kinds) != len(arguments):
            told = f'expected {len(kinds)} argument(s) in call to "{function}", got {len(arguments)}'
            raise ParseError(at, told)
        for wanted, (argument, _) in zip(kinds, arguments, strict=True):
            if argument.kind != wanted:
                told = f'expected type {wanted} in call to function "{function}", got {argument.kind}'
                raise ParseError(at + len(function) + 1, told)
        return Call(function, tuple(argument for argument, _ in arguments))

    def _selector(self, name: str, at: int) -> Expression:
        matchers = {Matcher("__name__", "=", name)} if name else set()
        if self._accept("{"):
            while not self._accept("}"):
                matchers.add(self._matcher())
                if not self._accept(",") and self._peek()[1] != "}":
                    self._unexpected(" inside braces")
        if all(matcher.matches("") for matcher in matchers):
            raise ParseError(at, "vector selector must contain at least one non-empty matcher")
        if not self._accept("["):
            return Selector(frozenset(matchers))
        kind, text, place = self._take()
        if kind != "duration":
            raise ParseError(place, "missing unit character in duration" if kind == "number" else "bad duration syntax")
        self._expect("]", " in range")
        return Selector(frozenset(matchers), duration(text))

    def _matcher(self) -> Matcher:
        where = " inside braces"
        if self._peek()[0] != "name":
            self._unexpected(where)
        label = self._take()[1]
        if self._peek()[1] not in ("=", "!=", "=~", "!~"):
            self._unexpected(where)
        op = self._take()[1]
        kind, text, at = self._peek()
        if kind != "string":
            self._unexpected(where)
        self._take()
        value = re.sub(r"\\(.)", r"\1", text[1:-1])
        if op in ("=~", "!~"):
            try:
                re.compile(value)
            except re.error as error:
                raise ParseError(at, f"error parsing regexp: {error}") from error
        return Matcher(label, op, value)
