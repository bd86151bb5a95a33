"""Evidence on the readings of now: each probe is asked once, and what rests on an old reading is not known."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from ..model import Reading, State
from ..runbook.expression import placeholder
from ..runbook.model import Call, Comparison, Condition
from ..runbook.resolution import compare
from ..settings import Settings
from ..signals.name_index import NameIndex
from ..signals.probe import Probe, ProbeAnswer, answered, freshness, seen, unit_of
from ..signals.registry import probes as known_probes
from ..text.pod_names import in_units
from .model import Evidence, EvidenceRule

log = logging.getLogger(__name__)

PATIENCE_S = 10.0  # so old may a reading be that was not renewed: one missed turn makes nothing unknown
TRIED_S = 30.0  # so long ago at most a source was tried in vain, for its silence to be of now


class Facts:
    """What the probes answer at one moment."""

    def __init__(self, readings: Mapping[str, Reading], settings: Settings, now: datetime) -> None:
        self._readings, self._settings, self._now = readings, settings, now
        self._probes: Mapping[str, Probe] = known_probes(settings)
        self._answers: dict[tuple[str, tuple[str, ...]], tuple[ProbeAnswer | None, str]] = {}
        self._freshness: dict[str, tuple[State, float | None]] = {}
        self._index = NameIndex()
        self._unit = unit_of(readings)

    def evidence(self, rule: EvidenceRule, names: Mapping[str, str]) -> Evidence:
        holds, text, answers = self._truth(rule.condition, names)
        return Evidence(
            side=rule.side,
            title=filled(in_units(rule.title, self._unit), names),
            text=text,
            holds=holds,
            answers=answers,
        )

    def holds(self, rule: EvidenceRule, names: Mapping[str, str]) -> bool | None:
        """Whether it holds, without its words; None: not known."""
        return self._truth(rule.condition, names)[0]

    def known(self, call: Call) -> bool:
        """Whether its answer is known now, and is of now."""
        found, why = self._ask(call.name, call.arguments)
        return found is not None and not why

    def _truth(
        self, condition: Condition, names: Mapping[str, str]
    ) -> tuple[bool | None, str, tuple[ProbeAnswer, ...]]:
        """Whether the condition holds, why, and the answers that it rests on."""
        if len(condition.parts) == 1:
            holds, text, only = self._part(condition.parts[0], names)
            return holds, text, () if only is None else (only,)
        decisive = condition.joined == "or"
        parts: list[tuple[bool | None, str, ProbeAnswer | None]] = []
        told = None
        for each in condition.parts:
            parts.append(part := self._part(each, names))
            if part[0] is decisive:  # the others can't change it
                told = part
                break
        if told is None:
            told = next((part for part in parts if part[0] is None), None)
        shown = [told] if told is not None else parts
        answers = tuple(found for _, _, found in parts if found is not None)
        text = "; ".join(joined(dict.fromkeys(text for _, text, _ in shown)))
        return (told[0] if told is not None else not decisive), text, answers

    def _part(self, part: Comparison, names: Mapping[str, str]) -> tuple[bool | None, str, ProbeAnswer | None]:
        found, why = self._ask(part.call.name, _arguments(part.call, names))
        if found is None or why:
            return None, why, found
        return compare(found.value, part), found.text, found

    def _ask(self, name: str, arguments: tuple[str, ...]) -> tuple[ProbeAnswer | None, str]:
        """The answer, and why it counts for nothing; "" where it counts."""
        key = name, arguments
        if key not in self._answers:
            self._answers[key] = self._asked(name, arguments)
        return self._answers[key]

    def _asked(self, name: str, arguments: tuple[str, ...]) -> tuple[ProbeAnswer | None, str]:
        probe = self._probes.get(name)
        if probe is None:
            return None, f"not known: there is no probe {name}"
        try:
            seen_by = seen(probe, self._readings, self._settings, self._now, " ".join(arguments), self._index)
        except Exception as error:  # a probe of an installed package may be wrong; the others still answer
            log.debug("the probe %s failed: %r", name, error)
            return None, f"not known: the probe {name} failed"
        if probe.signal not in self._freshness:
            self._freshness[probe.signal] = freshness(self._readings.get(probe.signal), self._now)
        found = answered(probe, seen_by, *self._freshness[probe.signal])
        if not found.known:
            return found, found.text
        if found.state is State.FRESH or self._of_now(probe, found):
            return found, ""
        return found, f"not known any more: {found.text} ({found.basis()})"

    def _of_now(self, probe: Probe, found: ProbeAnswer) -> bool:
        """Whether an answer without a fresh reading counts all the same: it is of the silence itself, or young."""
        reading = self._readings.get(probe.signal)
        if reading is None:
            return False
        if probe.always and reading.error and reading.attempted_at is not None:
            return abs((self._now - reading.attempted_at).total_seconds()) <= max(TRIED_S, 3 * reading.every)
        return found.age_s is not None and found.age_s <= PATIENCE_S


def joined(texts: Iterable[str]) -> list[str]:
    """Those that say the same of two things as one: `no change of a ConfigMap or Secret in the 10 min before`."""
    told: list[str] = []
    for text in texts:
        for at, other in enumerate(told):
            one, two = other.split(), text.split()
            differ = [n for n, (left, right) in enumerate(zip(one, two, strict=False)) if left != right]
            if text.startswith("no ") and len(one) == len(two) and len(differ) == 1:
                told[at] = " ".join((*one[: differ[0] + 1], "or", *two[differ[0] :]))
                break
        else:
            told.append(text)
    return told


def filled(text: str, names: Mapping[str, str]) -> str:
    """The text with each {name} filled in."""
    if "{" not in text:
        return text
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def filled_call(call: Call, names: Mapping[str, str]) -> Call:
    """The call with each {name} filled in."""
    return replace(call, arguments=_arguments(call, names)) if call.arguments else call


def _arguments(call: Call, names: Mapping[str, str]) -> tuple[str, ...]:
    if not call.arguments or not names:
        return call.arguments
    return tuple(names.get(placeholder(word) or "", word) for word in call.arguments)
