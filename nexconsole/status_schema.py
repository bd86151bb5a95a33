"""The JSON Schema of `nexconsole status --json`, made of the types; `schemas/status.schema.json` holds it.

python -m nexconsole.status_schema > nexconsole/schemas/status.schema.json
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from .causes.published import RankedCauses
from .journal.broken_glass import BrokenGlass
from .model import SourceHealth, State
from .severity import Severity
from .signals.registry import BUILT_IN
from .signals.source_agreement import SourceAgreement
from .sources.flight_record import RecordState
from .status import VERSION

STATES = [state.value for state in State if state is not State.WAITING]


def status_schema() -> dict[str, Any]:
    """The schema of the document, draft 2020-12. Signals of packages and of the settings may have any value."""
    signals = [signal for signal in BUILT_IN if not signal.on_demand]
    others = (Severity, SourceHealth, SourceAgreement, RankedCauses, RecordState, BrokenGlass)
    types = (*(signal.kind for signal in signals), *others)
    made, parts = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    *values, severity, health, agreement, causes, record, glass = made
    head: dict[str, Any] = {
        "version": {"const": VERSION},
        "environment": {"type": "string"},
        "profile": {"type": "string"},
        "name": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
    }
    foot: dict[str, Any] = {
        "sources": {"type": "object", "additionalProperties": health},
        "severity": severity,
        "causes": {"anyOf": [causes, {"type": "null"}]},
        "record": {"anyOf": [record, {"type": "null"}]},
        "past": {"type": "boolean"},
        "broken_glass": {"type": "array", "items": glass},
        "witnesses": {"anyOf": [agreement, {"type": "null"}]},
        "not_known": {"type": "array", "items": {"type": "string"}},
        "exit_code": {"enum": [0, 1, 2, 3]},
    }
    own = {signal.name: _reading(value) for signal, value in zip(signals, values, strict=True)}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nexconsole status --json",
        "type": "object",
        "properties": {**head, **own, **foot},
        "required": [*head, *own, *foot],
        "additionalProperties": _reading({"type": "object"}),
        "$defs": _without_prose(parts),
    }
    plain: dict[str, Any] = json.loads(json.dumps(schema))  # lists where the types' defaults are tuples
    return plain


def _without_prose(part: Any) -> Any:
    """The same without docstrings: the schema changes when a shape does, and not when a sentence does."""
    if isinstance(part, list):
        return [_without_prose(item) for item in part]
    if not isinstance(part, dict):
        return part
    prose = isinstance(part.get("description"), str)
    return {name: _without_prose(item) for name, item in part.items() if not (prose and name == "description")}


def _reading(value: dict[str, Any]) -> dict[str, Any]:
    """A signal's part: its state, when and from where its value was taken, why there is none."""
    properties = {
        "state": {"enum": STATES},
        "taken_at": {"type": ["string", "null"], "format": "date-time"},
        "source": {"type": ["string", "null"]},
        "error": {"type": ["string", "null"]},
        "value": {"anyOf": [value, {"type": "null"}]},
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


if __name__ == "__main__":
    print(json.dumps(status_schema(), indent=2))
