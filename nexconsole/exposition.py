"""The status in Prometheus' text format, for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from .causes.model import Candidate
from .model import State
from .settings import Settings
from .severity import LEVELS
from .signals.dependencies import reads
from .signals.registry import signals
from .signals.signal import LabelledSample
from .status import Status

PREFIX = "nexconsole_"
STATES = (State.FRESH, State.STALE, State.ERROR, State.ABSENT)


def exposition(status: Status, settings: Settings | None = None) -> str:
    """Every metric with help and type; an unknown value has no sample."""
    lines = []
    for name, help_text, samples in _metrics(status, settings):
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            lines += [f"# HELP {PREFIX}{name} {_help(help_text)}", f"# TYPE {PREFIX}{name} gauge"]
            lines += [f"{PREFIX}{name}{_labels(labels)} {_number(value)}" for labels, value in known]
    return "\n".join(lines) + "\n"


def _cause_labels(candidate: Candidate) -> Mapping[str, str]:
    return {"cause": candidate.cause.id, "target": " ".join(candidate.target.values())}


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _labels(labels: Mapping[str, str]) -> str:
    shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{shown}}}" if shown else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float | int) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))


def _metrics(status: Status, settings: Settings | None) -> Iterator[tuple[str, str, Iterable[LabelledSample]]]:
    level = len(LEVELS) - 1 - LEVELS.index(status.severity.level)
    yield "status_timestamp_seconds", "When this was read.", [({}, status.at.timestamp())]
    yield "severity_level", "0: no rule holds; 1: SEV-3; 2: SEV-2; 3: SEV-1.", [({}, level)]
    yield (
        "status_exit_code",
        "0: all was read and is well; 1: SEV-3; 2: SEV-1 or SEV-2; 3: not known.",
        [({}, status.exit_code)],
    )
    yield (
        "cause_likely",
        "1 for each cause that is named as likely.",
        [(_cause_labels(each), 1) for each in status.likely],
    )
    yield "status_unread", "How many things that are configured could not be read.", [({}, len(status.unread))]
    yield (
        "signal_state",
        "1 for the state in which a signal's reading is.",
        [
            ({"signal": name, "state": state.value}, int(reading.state(status.at) is state))
            for name, reading in status.readings.items()
            for state in STATES
        ],
    )
    yield (
        "signal_age_seconds",
        "How old a signal's reading is.",
        [({"signal": name}, reading.age(status.at)) for name, reading in status.readings.items()],
    )
    yield (
        "source_up",
        "Whether a configured source could be read.",
        [({"source": source.name}, int(reads(source))) for source in status.sources if source.configured],
    )
    for signal in signals(settings):
        reading = status.readings.get(signal.name)
        if reading is not None and reading.value is not None and reading.state(status.at) is State.FRESH:
            for metric in signal.exported:
                yield metric.name, metric.help, list(metric.read(reading.value))
