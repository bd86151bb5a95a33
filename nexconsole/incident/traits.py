"""By what an incident is compared with others: causes, reasons, states, changes, providers. Pure, bounded."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..model import LEVELS
from ..text.sanitize import clean
from .events import StateChange
from .incident import Incident

MOST = 200  # traits of a kind that are compared
LONGEST = 200
MOST_PROVIDERS = 200
_NUMBER = re.compile(r"(?<![\w{])\d[\d ., ]*(?:\s?(?:%|ms|min|s|h|d)\b)?")
_REPEATED = re.compile(r"#(?:\s*#)+")
_CIRCUIT, _PROVIDER = "circuit ", "provider "


class TraitKind(StrEnum):
    """The kinds, the most telling first."""

    CAUSE = "cause"
    CAUSE_KIND = "kind of cause"
    REASON = "reason"
    STATE = "state"
    CHANGE = "change"
    PROVIDER = "provider"
    LEVEL = "level"


@dataclass(frozen=True, kw_only=True)
class IncidentTraits:
    """`traits`: by kind and key, how a person says it. A reason's key is its sentence without figures and providers,
    so that "17.8 % of purchases fail" and "31 % of purchases fail" are the same."""

    traits: Mapping[tuple[TraitKind, str], str] = field(default_factory=dict)

    def of(self, kind: TraitKind) -> tuple[str, ...]:
        return tuple(words for (of, _), words in self.traits.items() if of is kind)


def traits_of(incident: Incident, providers: Collection[str] = ()) -> IncidentTraits:
    """Those of a folded incident; `providers` are names that are known besides the incident's own."""
    reasons = [sentence for level in incident.levels for sentence in level.because]
    worst = min((level for level in (*incident.levels, *incident.declared)), key=lambda level: level.rank, default=None)
    return made(
        causes=[cause.key for cause in incident.causes],
        reasons=reasons,
        states=[(change.subject, change.state) for change in incident.changes],
        changes=incident.changed,
        level=worst.level if worst is not None else "",
        providers=(*providers, *providers_in(incident)),
    )


def providers_in(incident: Incident) -> tuple[str, ...]:
    """The providers that an incident speaks of, by its circuits, actions, causes and what changed before it."""
    circuits = (_circuit(change) for change in incident.changes)
    acted = (action.subject for action in incident.actions if action.action.startswith("provider."))
    named = (cause.key.partition(" ")[2] for cause in incident.causes if cause.key.startswith("provider-"))
    changed = (change.removeprefix(_PROVIDER) for change in incident.changed if change.startswith(_PROVIDER))
    found = dict.fromkeys(name for name in (*circuits, *acted, *named, *changed) if len(name) > 1)
    return tuple(found)[:MOST_PROVIDERS]


def _circuit(change: StateChange) -> str:
    return change.subject.removeprefix(_CIRCUIT) if change.subject.startswith(_CIRCUIT) else ""


def made(
    *,
    causes: Iterable[str] = (),
    reasons: Iterable[str] = (),
    states: Iterable[tuple[str, str]] = (),
    changes: Iterable[str] = (),
    level: str = "",
    providers: Iterable[str] = (),
) -> IncidentTraits:
    """The traits of these: causes by key, reasons as sentences, states of subjects, changes as "release nexnum-app"."""
    known = sorted(dict.fromkeys(providers), key=len, reverse=True)[:MOST_PROVIDERS]
    found: dict[tuple[TraitKind, str], str] = {}
    texts: list[str] = []
    for kind, pairs in (
        (TraitKind.CAUSE, _causes(causes)),
        (TraitKind.REASON, ((skeleton(each, known), each) for each in reasons)),
        (
            TraitKind.STATE,
            ((skeleton(f"{subject}: {state}", known), f"{subject} {state}") for subject, state in states),
        ),
        (TraitKind.CHANGE, ((each, each) for each in changes)),
    ):
        for number, (key, words) in enumerate(pairs):
            if number >= MOST:
                break
            found.setdefault((kind, clean(key, LONGEST)), clean(words, LONGEST))
            texts.append(words.casefold())
    for kind, key in list(found):
        if kind is TraitKind.CAUSE:
            found.setdefault((TraitKind.CAUSE_KIND, key.partition(" ")[0]), key.partition(" ")[0])
    named = (name for name in known if any(_says(text, name.casefold()) for text in texts))
    found |= {(TraitKind.PROVIDER, name.casefold()): name for name in named}
    if level in LEVELS[:-1]:
        found[(TraitKind.LEVEL, level)] = level
    return IncidentTraits(traits=found)


def _causes(keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((key, key) for key in keys)


def skeleton(sentence: str, providers: Iterable[str]) -> str:
    """The sentence without what differs each time: figures, and which provider it is."""
    text = clean(sentence, LONGEST).casefold()
    for name in providers:
        if (folded := name.casefold()) in text:
            text = re.sub(rf"(?<![\w.-]){re.escape(folded)}(?![\w-])", "{provider}", text)
    return _REPEATED.sub("#", _NUMBER.sub("#", text)).strip()


def _says(text: str, name: str) -> bool:
    return name in text and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None
