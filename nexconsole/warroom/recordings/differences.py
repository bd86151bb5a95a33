"""What is different between two plain values, as plain data: a reading is mostly what the one before it was."""

from __future__ import annotations

from typing import Any


def difference(old: Any, new: Any) -> list[Any] | dict[str, Any]:
    """What makes `new` of `old`: `[new]` as a whole; of a table or a list `{key or index: difference}`, where `[]`
    takes a key away. Nothing but tables, lists and what JSON has besides may be in them."""
    if isinstance(old, dict) and isinstance(new, dict):
        changed = {key: difference(old[key], new[key]) for key in new if key in old and _differ(old[key], new[key])}
        return changed | {key: [new[key]] for key in new if key not in old} | {key: [] for key in old if key not in new}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        changed = {str(place): difference(was, now) for place, (was, now) in pairs if _differ(was, now)}
        if 2 * len(changed) < len(new) or any(isinstance(one, dict) for one in new):
            return changed
    return [new]


def applied(old: Any, change: Any) -> Any:
    """What `difference` made the change for; `old` stays as it is. Raises ValueError where it does not fit."""
    try:
        return _applied(old, change)
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"a change that does not fit: {error}") from error


def _differ(old: Any, new: Any) -> bool:
    return old is not new and (type(old) is not type(new) or old != new)


def _applied(old: Any, change: Any) -> Any:
    if isinstance(change, list):
        return change[0]
    new = old.copy()  # of a table or a list, and quick: most of it stays
    if isinstance(new, dict):
        for key, part in change.items():
            if part == []:
                new.pop(key, None)
            else:
                new[key] = _applied(old.get(key), part)
    else:
        for place, part in change.items():
            new[int(place)] = _applied(old[int(place)], part)
    return new
