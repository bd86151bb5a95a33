"""Normalizes an entry's `data`. Entries come from files and networks that others write: another shape, or a word of a
later version, becomes a known one that still says what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

DEEPEST = 32  # tables and lists in one another; the journal itself writes no more than 24
LONGEST_S = 10 * 365 * 86_400.0  # how long anything may last
STATES = frozenset({"done", "refused", "failed", "unknown"})
VERDICTS = frozenset({"worked", "recovered", "no effect", "worse", "unknown"})
TOO_DEEP = "… (nested too deeply)"

Data = dict[str, Any]


def shaped(kind: str, data: Data) -> Data:
    """The data as readers may rely on them; the same object where nothing had to be changed."""
    plain = _shallow(data, 0)
    shape = SHAPES.get(kind)
    return shape(plain) if shape is not None else plain


def _shallow(value: Any, depth: int) -> Any:
    """Nothing nested deeper than DEEPEST, and no number that a machine's integer can't hold."""
    if isinstance(value, dict):
        if depth >= DEEPEST:
            return TOO_DEEP
        kept = {key: _shallow(one, depth + 1) for key, one in value.items()}
        return value if all(kept[key] is one for key, one in value.items()) else kept
    if isinstance(value, list):
        if depth >= DEEPEST:
            return TOO_DEEP
        listed = [_shallow(one, depth + 1) for one in value]
        return value if all(a is b for a, b in zip(listed, value, strict=True)) else listed
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return "a number too large to be shown"
    return value


def _answered(part: str, words: frozenset[str], why: str) -> Callable[[Data], Data]:
    """A word that this version does not know is `unknown`, and stands before the sentence that goes with it."""

    def shape(data: Data) -> Data:
        said = data.get(part)
        if not isinstance(said, dict):
            return data
        state = said.get("state")
        if isinstance(state, str) and state in words:
            return data
        sentence = f"{str(state)[:40]!r}, which this version does not know: {said.get(why, '')}"
        return {**data, part: {**said, "state": "unknown", why: sentence}}

    return shape


def _planned(data: Data) -> Data:
    plan = data.get("plan")
    if not isinstance(plan, dict):
        return data
    targets = plan.get("targets")
    if not isinstance(targets, list) or all(map(_lasting, targets)):
        return data
    cut = [
        target if _lasting(target) else {key: value for key, value in target.items() if key != "lasts_s"}
        for target in targets
    ]
    return {**data, "plan": {**plan, "targets": cut}}


def _lasting(target: Any) -> bool:
    """Whether a target's `lasts_s`, where it has one, is a length of time."""
    return not isinstance(target, dict) or "lasts_s" not in target or is_length(target["lasts_s"])


def is_length(seconds: Any) -> bool:
    """Whether this is a number of seconds that something may last."""
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= LONGEST_S


SHAPES: Mapping[str, Callable[[Data], Data]] = {
    "outcome": _answered("outcome", STATES, "answer"),
    "verdict": _answered("verdict", VERDICTS, "because"),
    "intent": _planned,
    "proposed": _planned,
}
