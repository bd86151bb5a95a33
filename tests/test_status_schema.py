"""What `status --json` prints fits the schema that ships with the package, and the schema is that of the types."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import msgspec
import pytest
import sample_causes as causes
import sample_readings as sample

from nexconsole.cli.status import take
from nexconsole.model import Reading, SourceHealth
from nexconsole.session.monitor import Monitor
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.sources import open_sources
from nexconsole.status import Status, as_json
from nexconsole.status_schema import status_schema

jsonschema = pytest.importorskip("jsonschema")
FILE = files("nexconsole") / "schemas/status.schema.json"
SETTINGS = Settings(name="nexnum-eu")


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def document(readings: dict[str, Reading]) -> dict[str, Any]:
    health = (SourceHealth(name="postgres", latency_ms=1.5, ok_at=sample.NOW), SourceHealth(name="redis"))
    severity = judge(readings, SETTINGS, sample.NOW, health)
    status = Status(
        at=sample.NOW,
        readings=readings,
        sources=health,
        severity=severity,
        unread=("redis: refused",),
        explanation=causes.TWO if severity.reasons else None,
    )
    return msgspec.json.decode(as_json(status, SETTINGS))


def test_the_file_is_made_of_the_types_as_they_are():
    assert json.loads(FILE.read_text()) == status_schema(), (
        "python -m nexconsole.status_schema > nexconsole/schemas/status.schema.json"
    )


@pytest.mark.parametrize("world", sorted(sample.WORLDS))
def test_every_sample_fits(validator, world):
    validator.validate(document(sample.WORLDS[world]()))


async def test_what_a_console_without_any_source_prints_fits(validator):
    sources = open_sources(SETTINGS)
    try:
        status = await take(Monitor(SETTINGS, health=sources.health), sources)
    finally:
        await sources.close()
    validator.validate(msgspec.json.decode(as_json(status, SETTINGS)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("outbox", "value", "pending"), "many"),
        (("outbox", "state"), "unknown"),
        (("circuits", "value", "providers", 0, "name"), None),
        (("severity", "reasons"), None),
        (("exit_code",), 9),
    ],
)
def test_what_does_not_fit_is_refused(validator, path, value):
    wrong = document(sample.incident())
    place = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(wrong)


def test_a_signal_of_a_package_or_of_the_settings_may_have_any_value(validator):
    other = document(sample.calm())
    reading = {"state": "fresh", "taken_at": None, "source": "bullmq", "error": None, "value": {"depth": 3}}
    validator.validate(other | {"queues": reading})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(other | {"queues": reading | {"state": "odd"}})
