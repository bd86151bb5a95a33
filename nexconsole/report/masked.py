"""An incident or readings with customer data masked, always to the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from ..incident.actions import ActionRecord
from ..text.kinds import tag
from ..text.masking import mask, mask_command

Told = TypeVar("Told")
KEPT = frozenset(
    {"intent", "id", "confirms"}
)  # where an entry's id may stand, by which a report's parts find each other
ENTRY = re.compile(r"[0-9a-f]{32}")
COMMANDS = frozenset({"command", "undo"})


def masked(told: Told) -> Told:
    """A copy with its texts masked."""
    masked: Told = _covered(told, "")
    return masked


def _covered(value: Any, name: str) -> Any:
    if isinstance(value, str):
        if name in KEPT and ENTRY.fullmatch(value):
            return value
        return mask_command(value) if name in COMMANDS else mask(value)
    if is_dataclass(value) and not isinstance(value, type):
        masked = replace(
            value,
            **{field.name: _covered(getattr(value, field.name), field.name) for field in fields(value) if field.init},
        )
        return (
            _with_providers(value, masked)
            if isinstance(value, ActionRecord) and isinstance(masked, ActionRecord)
            else masked
        )
    if name == "provider_ids":
        return value
    if isinstance(value, tuple | list):
        return type(value)(_covered(one, name) for one in value)
    if isinstance(value, Mapping):
        return {_covered(key, ""): _covered(one, name) for key, one in value.items()}
    return value


def _with_providers(action: ActionRecord, masked: ActionRecord) -> ActionRecord:
    """A provider's id is not customer data: it stays in commands, which must read as they were sent."""
    for id in action.provider_ids:
        masked = replace(masked, command=masked.command.replace(tag(id), id), undo=masked.undo.replace(tag(id), id))
    return masked
