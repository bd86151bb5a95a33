"""The runbook audit: evaluates a runbook on the live systems ahead of an incident. Nothing is changed.

One line per severity rule, trigger, condition and step. The caller passes readings, the methods of routes, and what
actions report: this module reads nothing and imports no action.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

import msgspec

from ..catalogue import Catalogue, Route, Routed
from ..errors import NexConsoleError
from ..model import Reading, value_of
from ..settings import Settings
from ..signals.circuits import Circuits
from ..signals.probe import ProbeAnswer
from ..signals.registry import signals
from ..signals.transactions import Transactions
from ..text.units import several
from .expression import placeholder
from .model import Branch, Call, Condition, Question, Runbook, Scenario, SeverityLevel, Step, Trigger
from .resolution import ReadingsContext

OK, WARN, WRONG = "ok", "warn", "wrong"
ALERT = "alerts.firing"
GOOD, BAD = 0, 1
WARNINGS = (  # of triggers or not, and what a warning means there
    (True, "this alert will never open its scenario here; another trigger of the scenario does"),
    (False, "this look needs something that an installation may do without"),
)


@dataclass(frozen=True, kw_only=True)
class AuditFinding:
    """An action's audit: whether it can be prepared, whether this role has the permission, and advice."""

    ok: bool
    said: str
    advice: str = ""


# (action's name, its arguments by name; None for "any likely target of that kind") -> what was found.
AuditAction = Callable[[str, Mapping[str, str | None]], Awaitable[AuditFinding]]
# A route's path -> the methods that it exports; raises a NexConsoleError. sources.api.methods is one.
Methods = Callable[[str], Awaitable[tuple[str, ...]]]


@dataclass(frozen=True, kw_only=True)
class AuditLine:
    """The result for one line. kind: level, trigger, condition, look, do, route or ask. state: ok, warn or wrong.

    warn: an alert that opens nothing here although another trigger does, or a look that an installation may lack.
    """

    chapter: str
    line: int
    kind: str
    text: str
    state: str
    said: str
    advice: str = ""
    step: str = ""
    origin: str = ""


class _Where(TypedDict):
    chapter: str
    origin: str


class _Of(TypedDict):
    """What an AuditLine says of a step."""

    line: int
    kind: str
    text: str
    step: str


async def nobody(name: str, arguments: Mapping[str, str | None]) -> AuditFinding:
    """The AuditAction where no action can be prepared; that is not "ok"."""
    return AuditFinding(ok=False, said="this console has nothing that could prepare the action")


async def no_routes(path: str) -> tuple[str, ...]:
    raise NexConsoleError("api is not configured: set api.url or API_URL")


async def audit(
    runbook: Runbook,
    readings: Mapping[str, Reading],
    settings: Settings,
    now: datetime,
    catalogue: Catalogue,
    audit_action: AuditAction = nobody,
    methods: Methods = no_routes,
) -> tuple[AuditLine, ...]:
    """Every line of every chapter, in the order of the runbook. Raises nothing that the callables may raise."""
    auditor = _Auditor(ReadingsContext(readings, settings, now), audit_action, methods, catalogue)
    lines = [line for level in runbook.levels for line in auditor.level(level, settings)]
    for chapter in runbook.chapters():
        lines += [line async for line in auditor.chapter(chapter)]
    return tuple(lines)


def exit_code(lines: tuple[AuditLine, ...]) -> int:
    """0 when nothing is wrong, be there warnings or not; 1 when something is, or when there was nothing to hold."""
    return GOOD if lines and not _count(lines, WRONG) else BAD


def as_json(lines: tuple[AuditLine, ...], now: datetime) -> str:
    """{"at", "ok", "wrong": count, "warnings": count,
    "lines": [{chapter, line, kind, text, state, said, advice, step, origin}]}; `ok` is exit code 0."""
    counts = {"wrong": _count(lines, WRONG), "warnings": _count(lines, WARN)}
    document = {"at": now, "ok": exit_code(lines) == GOOD, **counts, "lines": lines}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def as_text(lines: tuple[AuditLine, ...]) -> str:
    """One line each, its advice below, and a count at the end."""
    told: list[str] = []
    chapter = None
    for line in lines:
        if line.chapter != chapter:
            chapter = line.chapter
            told.append(f"{chapter}{f' ({line.origin})' if line.origin else ''}")
        told.append(f"  {line.state if line.state == OK else line.state.upper():<6}{line.line:>4}  ")
        told[-1] += f"{line.kind:<9} {line.text}: {line.said}"
        if line.advice:
            told.append(f"{'':<24}-> {line.advice}")
    wrong, warnings = _count(lines, WRONG), _count(lines, WARN)
    counts = [f"{wrong} wrong"] * bool(wrong) + [several(warnings, "warning")] * bool(warnings)
    told.append(f"{len(lines)} lines, {', '.join(counts) or 'all good'}")
    told += [
        f"WARN: {sentence}"
        for kinds, sentence in WARNINGS
        if any(line.state == WARN and (line.kind == "trigger") is kinds for line in lines)
    ]
    return "\n".join(told)


def _count(lines: tuple[AuditLine, ...], state: str) -> int:
    return sum(line.state == state for line in lines)


class _Auditor:
    def __init__(
        self, world: ReadingsContext, audit_action: AuditAction, methods: Methods, catalogue: Catalogue
    ) -> None:
        self.world, self.audit_action, self.methods, self.catalogue = world, audit_action, methods, catalogue
        self.allowed: dict[str, tuple[tuple[str, ...], str]] = {}

    def level(self, level: SeverityLevel, settings: Settings) -> Iterator[AuditLine]:
        where = {"chapter": "Severity levels", "kind": "level"}
        for rule in level.rules:
            text = f"{level.name}, {rule.title}"
            if rule.condition is None:
                yield AuditLine(**where, line=rule.line, text=text, state=OK, said="people judge it")
                continue
            state, said, advice = self._condition(rule.condition)
            for found in _disagreements(level.name, rule.condition, settings):
                state, said = WRONG, found
                advice = "the settings decide what the console shows: make the two say the same"
            yield AuditLine(**where, line=rule.line, text=text, state=state, said=said, advice=advice)

    async def chapter(self, chapter: Scenario) -> AsyncIterator[AuditLine]:
        """The lines of a chapter: its triggers, then its steps."""
        where: _Where = {"chapter": chapter.title, "origin": chapter.origin}
        asked: frozenset[str] = frozenset()
        for trigger, (state, said, advice) in self._triggers(chapter.triggers):
            text = f"{trigger.title} `{trigger.condition.text}`".strip()
            yield AuditLine(
                **where, line=trigger.line, kind="trigger", text=text, state=state, said=said, advice=advice
            )
        for line in chapter.walk():
            if isinstance(line, Branch):
                state, said, advice = self._condition(line.condition, asked)
                text = f"If {line.title} `{line.condition.text}`".strip()
                yield AuditLine(
                    **where,
                    line=line.line,
                    kind="condition",
                    text=text,
                    state=state,
                    said=said,
                    advice=advice,
                    step=line.id,
                )
            elif line.kind == "ask":
                asked |= {(line.question or Question()).name}
                yield AuditLine(
                    **where,
                    line=line.line,
                    kind="ask",
                    text=line.title,
                    state=OK,
                    said="a person answers",
                    step=line.id,
                )
            elif line.kind == "look":
                state, said, advice = self._look(line.call or Call(name=""))
                yield AuditLine(**where, **_of(line), state=state, said=said, advice=advice)
            else:
                async for done in self._do(line, where):
                    yield done

    def _triggers(self, triggers: tuple[Trigger, ...]) -> Iterator[tuple[Trigger, tuple[str, str, str]]]:
        """An alert that can't fire is only to be warned of while another trigger opens the scenario."""
        judged = [(trigger, self._condition(trigger.condition)) for trigger in triggers]
        works = next((trigger.condition.text for trigger, (state, _, _) in judged if state == OK), "")
        for trigger, (state, said, advice) in judged:
            if state == WRONG and works and self._silent(trigger.condition):
                yield trigger, (WARN, said, f"{advice}; until then `{works}` opens the scenario")
            else:
                yield trigger, (state, said, advice)

    def _silent(self, condition: Condition) -> bool:
        """Whether nothing is wrong with a condition but alerts that are not there, or can't fire."""
        wrong = [part.call for part in condition.parts if self._look(part.call)[0] == WRONG]
        found = [self.world.look(call)[0] for call in wrong if call.name == ALERT]
        return len(found) == len(wrong) and all(
            answer is not None and answer.lacks and answer.state == "fresh" for answer in found
        )

    # --- looks and conditions ---------------------------------------------------------------------------------

    def _condition(self, condition: Condition, asked: frozenset[str] = frozenset()) -> tuple[str, str, str]:
        told = []
        for part in condition.parts:
            if part.call.name in asked:
                told.append((OK, f"{part.call.name} is what a person answers", ""))
            else:
                told.append(self._look(part.call))
        worst = next((each for each in told if each[0] == WRONG), None)
        return worst or (OK, "; ".join(said for _, said, _ in told), "")

    def _look(self, call: Call) -> tuple[str, str, str]:
        """(state, what was said, what to do about it)"""
        stood_in, unknown = self._stand_in(call)
        if unknown:
            return OK, f"nothing to look at today: {unknown}", ""
        answer, why = self.world.look(stood_in)
        if answer is None:
            return WRONG, why, ""
        return _judged(answer, self.world.settings)

    def _stand_in(self, call: Call) -> tuple[Call, str]:
        """The call with its placeholders replaced by something of their kind that is here today; or what is not."""
        probe = self.world.probes.get(call.name)
        if probe is None or probe.argument is None or not any(map(placeholder, call.arguments)):
            return call, ""
        if probe.argument.kind == "provider":
            circuits = value_of(self.world.readings, "circuits", Circuits)
            traffic = value_of(self.world.readings, "transactions", Transactions)
            names = [
                provider.name for value in (circuits, traffic) if value is not None for provider in value.providers
            ]
            if names:
                return Call(name=call.name, arguments=(names[0],)), ""
        reading = self.world.readings.get(probe.signal)
        if reading is None or reading.value is None:
            return Call(name=call.name, arguments=("any",)), ""
        return call, f"there is no {probe.argument.kind} here now"

    # --- actions ----------------------------------------------------------------------------------------------

    async def _do(self, step: Step, where: _Where) -> AsyncIterator[AuditLine]:
        call = step.call or Call(name="")
        spec = self.catalogue.get(call.name)
        if spec is None:
            yield AuditLine(**where, **_of(step), state=WRONG, said=f"there is no action {call.name}")
            return
        words = (None if placeholder(word) else word for word in call.arguments)
        arguments = {each.name: word for each, word in zip(spec.arguments, words, strict=False)}
        try:
            finding = await self.audit_action(call.name, arguments)
        except NexConsoleError as error:
            finding = AuditFinding(ok=False, said=str(error))
        state = OK if finding.ok else WRONG
        yield AuditLine(**where, **_of(step), state=state, said=finding.said, advice=finding.advice)
        if isinstance(spec, Routed):
            state, said, advice = await self._routes(spec.routes)
            yield AuditLine(**where, **_of(step, "route"), state=state, said=said, advice=advice)

    async def _routes(self, routes: tuple[Route, ...]) -> tuple[str, str, str]:
        """Good when one of the routes exports one of its methods: (state, what was said, what to do about it)"""
        told = []
        for route in routes:
            exported, why = await self._exported(route.path)
            usable = [method for method in route.methods if method in exported]
            if usable:
                return OK, f"{route.path} exports {' and '.join(usable)}", ""
            told.append(why or f"{route.path} exports {', '.join(exported) or 'nothing'}, not {route.methods[0]}")
        return WRONG, "; ".join(dict.fromkeys(told)), "this version may need another way"

    async def _exported(self, path: str) -> tuple[tuple[str, ...], str]:
        if path not in self.allowed:
            try:
                self.allowed[path] = (await self.methods(path), "")
            except NexConsoleError as error:
                self.allowed[path] = ((), str(error))
        return self.allowed[path]


def _of(step: Step, kind: str = "") -> _Of:
    return {"line": step.line, "kind": kind or step.kind, "text": f"{step.title} `{step.call}`", "step": step.id}


def _judged(answer: ProbeAnswer, settings: Settings) -> tuple[str, str, str]:
    """An answer is good when its signal was read just now, and nothing it would ever need is lacking here."""
    said = f"{answer.text} ({answer.basis()})"
    if answer.lacks:
        return WRONG, said, f"it takes {answer.lacks}"
    optional = {signal.name for signal in signals(settings) if signal.optional}
    if answer.state == "absent" and answer.signal in optional:
        return WARN, said, "set it, or people look this up"
    return (OK if answer.state == "fresh" else WRONG), said, ""


def _disagreements(level: str, condition: Condition, settings: Settings) -> Iterator[str]:
    """Where a rule's figure is not the settings', by which the console judges."""
    for part in condition.parts:
        limit = THRESHOLDS.get((level, part.call.name))
        if limit is None or not isinstance(part.value, float):
            continue
        key, value = limit[0], limit[1](settings)
        if abs(value - part.value) > 1e-9:
            yield f"the runbook says `{condition.text}`, but {key} is {value:g}"


THRESHOLDS: Mapping[tuple[str, str], tuple[str, Callable[[Settings], float]]] = {
    ("SEV-1", "transactions.rate"): ("severity.critical_rate", lambda s: s.severity.critical_rate),
    ("SEV-2", "transactions.rate"): ("severity.high_rate", lambda s: s.severity.high_rate),
    ("SEV-2", "transactions.latency"): ("severity.latency_s", lambda s: s.severity.latency_s),
    ("SEV-2", "reservations.pending"): ("reservations.limit", lambda s: s.reservations.limit),
    ("SEV-3", "reservations.stuck"): ("reservations.alert_limit", lambda s: s.reservations.alert_limit),
    ("SEV-2", "slots.worst"): ("slots.stalled_s", lambda s: s.slots.stalled_s),
    ("SEV-3", "slots.worst"): ("slots.late_s", lambda s: s.slots.late_s),
    ("SEV-3", "transactions.worst"): ("transactions.provider_failing", lambda s: s.transactions.provider_failing),
}
