"""The words between backticks: calls, conditions, and what a person is to answer.

call       transactions.attempts {provider}
condition  transactions.rate > 10 % and circuits.state {provider} is not open
question   healthy is yes or no          pod is a pod
"""

from __future__ import annotations

import re
from functools import lru_cache

from .model import Call, Comparison, Condition, Question

# What may follow a number: its dimension, and the factor to that dimension's own unit.
UNITS = {"%": ("ratio", 0.01), "s": ("seconds", 1.0), "min": ("seconds", 60.0), "h": ("seconds", 3600.0)}
OPERATORS = ("is", "is not", ">", "<", ">=", "<=")
_WORD = re.compile(r'"[^"]*"|\S+')
_NAME = re.compile(r"[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*")
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*)\}")
_NUMBER = re.compile(r"(-?\d{1,15}(?:\.\d{1,9})?) ?(%|[a-z]+)?")
MAX_LENGTH = 400


class Misread(ValueError):
    """The expression is invalid; the text says why."""


def call(text: str) -> Call:
    """A probe's or an action's name and its arguments. Raises Misread."""
    words = _words(text)
    for word in words[1:]:
        if word in ("and", "or", *OPERATORS):
            raise Misread(f"`{text}` compares; here only a name and its arguments may stand")
    return _call(words, text)


def condition(text: str) -> Condition:
    """Comparisons joined by `and` or by `or`. Raises Misread."""
    words = _words(text)
    joints = {word for word in words if word in ("and", "or")}
    if len(joints) > 1:
        raise Misread(f"`{text}` mixes and with or: nest one condition in the other instead")
    parts: list[list[str]] = [[]]
    for word in words:
        if word in joints:
            parts.append([])
        else:
            parts[-1].append(word)
    return Condition(text=text, parts=tuple(_comparison(part, text) for part in parts), joined="".join(joints) or "and")


def question(text: str) -> Question:
    """`NAME is WORD or WORD ...`, or `NAME is a KIND`. Raises Misread."""
    words = _words(text)
    if len(words) < 3 or words[1] != "is" or not _NAME.fullmatch(words[0]):
        raise Misread(f"`{text}` does not say what is asked: write `name is yes or no`, or `name is a number`")
    if words[2] in ("a", "an"):
        if len(words) != 4:
            raise Misread(f"`{text}` does not say of which kind the answer is: write `name is a number`")
        return Question(name=words[0], kind=words[3])
    choices, joints = words[2::2], words[3::2]
    if len(choices) < 2 or len(choices) != len(joints) + 1 or set(joints) != {"or"}:
        raise Misread(f"`{text}` does not list the answers: write `name is yes or no`")
    return Question(name=words[0], kind="word", words=tuple(_bare(word) for word in choices))


@lru_cache(maxsize=1024)
def placeholder(argument: str) -> str | None:
    """The name in "{name}"; None for a plain word."""
    match = _PLACEHOLDER.fullmatch(argument)
    return match[1] if match else None


def _words(text: str) -> list[str]:
    if len(text) > MAX_LENGTH:
        raise Misread(f"there are more than {MAX_LENGTH} characters between the backticks")
    words = _WORD.findall(text)
    if not words:
        raise Misread("there is nothing between the backticks")
    return words


def _call(words: list[str], text: str) -> Call:
    if not words or not _NAME.fullmatch(words[0]):
        raise Misread(f"`{text}` does not begin with a name such as transactions.rate")
    for word in words[1:]:
        if ("{" in word or "}" in word) and not _PLACEHOLDER.fullmatch(word):
            raise Misread(f"`{text}`: {word} is neither a word nor a name in braces such as {{provider}}")
    return Call(name=words[0], arguments=tuple(_bare(word) for word in words[1:]))


def _comparison(words: list[str], text: str) -> Comparison:
    place = next((n for n, word in enumerate(words) if word in OPERATORS), len(words))
    called = _call(words[:place], text)
    if place == len(words):
        return Comparison(call=called)
    operator, rest = words[place], words[place + 1 :]
    if operator == "is" and rest[:1] == ["not"]:
        operator, rest = "is not", rest[1:]
    if not rest:
        raise Misread(f"`{text}`: nothing stands after {operator}")
    value, unit = _value(" ".join(rest), text)
    if isinstance(value, str) and operator not in ("is", "is not"):
        raise Misread(f"`{text}`: {value} is no number, so nothing can be {operator} it")
    return Comparison(call=called, operator=operator, value=value, unit=unit)


def _value(words: str, text: str) -> tuple[str | float, str]:
    """The value and its dimension."""
    match = _NUMBER.fullmatch(words)
    if match is None or (match[2] and match[2] not in UNITS and " " not in words):
        if not _WORD.fullmatch(words):
            raise Misread(f"`{text}`: expected one word or one number, not {words}")
        return _bare(words), ""
    if not match[2]:
        return float(match[1]), ""
    if match[2] not in UNITS:
        raise Misread(f"`{text}`: {match[2]} is no unit; there are {', '.join(UNITS)}")
    dimension, factor = UNITS[match[2]]
    return float(match[1]) * factor, dimension


def _bare(word: str) -> str:
    return word[1:-1] if len(word) >= 2 and word[0] == word[-1] == '"' else word
