"""Label and field selectors, as query parameters have them."""

from __future__ import annotations

import re
from collections.abc import Callable

from .store import Object

Match = Callable[[Object], bool]

REQUIREMENT = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<no>[^\s,!=()]+)"
    r"|(?P<key>[^\s,!=()]+)\s*(?:(?P<set>in|notin)\s*\((?P<values>[^)]*)\)|(?P<op>==|=|!=)\s*(?P<value>[^\s,()]*))?)"
    r"\s*(?:,|$)"
)


class SelectorError(ValueError):
    """The selector cannot be parsed, or names a field that cannot be selected by."""


def labels(text: str) -> Match:
    """What a labelSelector matches."""
    tests = []
    at = 0
    while at < len(text):
        found = REQUIREMENT.match(text, at)
        if not found or found.end() == at:
            raise SelectorError(f"unable to parse requirement: found '{text[at:]}', expected: identifier")
        tests.append(_label_test(found))
        at = found.end()
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def _label_test(found: re.Match[str]) -> Callable[[dict[str, str]], bool]:
    key, value = found["key"], found["value"]
    if found["absent"]:
        return lambda given: found["no"] not in given
    if found["set"]:
        values = {part.strip() for part in found["values"].split(",")}
        if found["set"] == "in":
            return lambda given: given.get(key) in values
        return lambda given: given.get(key) not in values
    if found["op"] == "!=":
        return lambda given: given.get(key) != value
    if found["op"]:
        return lambda given: given.get(key) == value
    return lambda given: key in given


def fields(text: str, allowed: tuple[str, ...]) -> Match:
    """What a fieldSelector matches; `allowed` are the resource's own fields beside its name and namespace."""
    tests: list[tuple[list[str], str, bool]] = []
    for term in filter(None, text.split(",")):
        found = re.fullmatch(r"\s*([\w.]+)\s*(==|=|!=)\s*(.*?)\s*", term)
        if not found:
            raise SelectorError(f"invalid selector: '{term}'; can't understand '{term}'")
        field, op, value = found.groups()
        if field not in ("metadata.name", "metadata.namespace", *allowed):
            raise SelectorError(f"field label not supported: {field}")
        tests.append((field.split("."), value, op != "!="))
    return lambda obj: all((_field(obj, path) == value) is equal for path, value, equal in tests)


def _field(obj: Object, path: list[str]) -> str:
    found: object = obj
    for part in path:
        found = found.get(part, "") if isinstance(found, dict) else ""
    if isinstance(found, dict):  # an event's `source` is selected by its component
        found = found.get("component", "")
    return str(found)
