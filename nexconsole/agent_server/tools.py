"""What an agent may ask: each a dictionary of JSON's types. Nothing here waits for a source, but `plan` and `propose`,
whose reads have a time limit; nothing but `propose` writes.

No answer holds a plan's confirmation, nor a command that would do the same by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from ..actions.plan import Plan, Target
from ..actions.registry import ACTIONS, COMMANDS
from ..causes.published import published
from ..errors import ActionError, NexConsoleError
from ..incident.incident import Incident, fold
from ..incident.proposals import Proposal, proposals_in
from ..journal import Entry
from ..model import Reading
from ..runbook.library import library
from ..runbook.model import Branch, Scenario, Step
from ..session.offers import action_offers
from ..session.proposing import PREPARE_S, prepared_plan, propose
from ..session.session import Session
from ..signals.registry import signals
from ..status import Status, status_of
from ..text.suggestions import did_you_mean
from .outside import Outside, Told, bounded

TIMELINE, MOST_TIMELINE = 50, 200  # entries
MOST_OFFERS = 8  # likely uses of an action
WAITS = "waits for a person"
EXPIRED = "expired: nothing was sent"
Answer = TypeVar("Answer")
HOW = "a person confirms or refuses it in a console; `proposals` says what became of it; nothing is sent by itself"


class AgentTools:
    """The answers, from what a session that only looks and proposes knows by now."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._out = Outside(session.settings)
        self._preparing = asyncio.Lock()  # one plan at a time, however many are asked for: each reads the systems
        self._outside: tuple[tuple[Entry, ...], Incident] = ((), Incident(others={}))

    # --- how it stands ----------------------------------------------------------------------------------------

    def status(self) -> Told:
        """The level with its reasons, each signal in a line, what can't be read, who is here, what is proposed."""
        session, out = self._session, self._out
        known = self._status()
        incident = session.incident
        if known is None:
            return bounded({"at": session.clock().isoformat(), "level": "not known yet: nothing has been read"})
        reasons = [
            {"level": reason.level, "signal": reason.signal, "stale": reason.stale, "said": out.text(reason.text)}
            for reason in known.severity.reasons
        ]
        return bounded(
            {
                "at": known.at.isoformat(),
                "environment": out.text(f"{session.settings.environment} {session.settings.name}".strip()),
                "level": known.severity.level if reasons or not known.unread else "not known",
                "reasons": reasons,
                "likely_causes": out.texts(cause.title for cause in known.likely),
                "not_known": out.texts((*known.severity.unanswered, *known.unread)),
                "signals": {name: self._line(name) for name in sorted(session.readings)},
                "sources": {
                    source.name: {
                        "state": source.state.value,
                        "error": out.text(source.error) if source.error else None,
                    }
                    for source in known.sources
                    if source.configured
                },
                "incident": self._incident(incident),
                "journal_trouble": out.text(session.trouble) if session.trouble else None,
                "open_proposals": [self._proposal(one) for one in self._proposals() if self._state(one) == WAITS],
            }
        )

    def _status(self) -> Status | None:
        session, monitor = self._session, self._session.monitor
        monitor.judge()  # readings get old by nothing happening
        if monitor.severity is None:
            return None
        readings, health = dict(session.readings), session.sources.health()
        return status_of(readings, monitor.severity, health, session.clock(), monitor.explanation)

    def _incident(self, incident: Incident | None) -> Told | None:
        if incident is None:
            return None
        roles = {role: self._out.text(who) for role, who in incident.roles.items()}
        return {
            "id": self._session.incident_store.current,
            "title": self._out.text(incident.title),
            "level": self._out.masked(incident.level, 20),
            "since": incident.since.isoformat() if incident.since else None,
            "roles": roles,
        }

    def _age(self, name: str, reading: Reading) -> Told:
        now = self._session.clock()
        age = reading.age(now)
        return {
            "signal": name,
            "state": reading.state(now).value,
            "age_s": None if age is None else round(age, 1),
            "error": self._out.text(reading.error) if reading.error else None,
        }

    def _line(self, name: str) -> Told:
        reading = self._session.readings[name]
        told = self._age(name, reading)
        declared = next((one for one in signals(self._session.settings) if one.name == name), None)
        if declared is not None and reading.value is not None:
            told["summary"] = self._out.text(declared.summary(reading.value))
        return told

    def signal(self, name: str) -> Told:
        """All that one signal has, with its age. Raises ActionError for one that there is not."""
        known = sorted({one.name for one in signals(self._session.settings)})
        if name not in known:
            raise ActionError(f"there is no signal {self._out.masked(name, 60)}: there are {', '.join(known)}")
        reading = self._session.readings.get(name)
        if reading is None:
            return {"signal": name, "state": "waiting", "age_s": None, "error": None, "value": None}
        return bounded({**self._line(name), "value": self._out.data(reading.value)})

    def causes(self) -> Told:
        """The causes that are likely or possible, with the evidence of each; what is ruled out, and what is left."""
        monitor = self._session.monitor
        ranked = published(monitor.explanation)
        if ranked is None:
            why = monitor.unexplained or "nothing has been read yet"
            return {"candidates": [], "why_none": self._out.text(why)}
        return bounded(
            {
                "candidates": [self._out.data(cause) for cause in ranked.candidates],
                "ruled_out": [self._out.data(cause) for cause in ranked.ruled_out],
                "unexplained": self._out.texts(ranked.unexplained),
                "next_look": ranked.next_look,
            }
        )

    # --- what is on record ------------------------------------------------------------------------------------

    def timeline(self, last: int = TIMELINE) -> Told:
        """The newest entries of the incident, or of what was done outside of any; its actions with their verdicts."""
        incident, out = self._record(), self._out
        entries = incident.timeline[-max(1, min(last, MOST_TIMELINE)) :]
        return bounded(
            {
                "incident": self._incident(self._session.incident),
                "left_out": len(incident.timeline) - len(entries),
                "entries": [
                    {"at": one.at.isoformat(), "kind": out.masked(one.kind, 40), "by": out.text(one.by),
                     "said": out.text(one.text)}
                    for one in reversed(entries)
                ],
                "actions": [
                    {
                        "action": out.text(one.name), "at": one.at.isoformat(), "by": out.text(one.by),
                        "proposed_by": out.text(one.proposed_by) if one.proposed_by else None,
                        "outcome": one.outcome, "answer": out.text(one.answer),
                        "verdict": out.masked(one.verdict, 20) or None,
                        "because": out.text(one.because) if one.because else None,
                        "taken_back": one.undone_at is not None,
                    }
                    for one in reversed(incident.actions)
                ],
                "in_force": out.texts(one.what for one in incident.standing),
                "proposals": [self._proposal(one) for one in self._proposals()],
            }
        )  # fmt: skip

    def _record(self) -> Incident:
        """The incident; outside of any, what was done there, in the same form."""
        store = self._session.incident_store
        if (incident := store.incident) is not None:
            return incident
        if self._outside[0] is not store.on_record:
            self._outside = (store.on_record, fold(store.on_record, judge=store.judge))
        return self._outside[1]

    def proposals(self) -> Told:
        """The agents' proposals and what became of each, the newest first."""
        return bounded({"proposals": [self._proposal(one) for one in self._proposals()]})

    def _proposals(self) -> list[Proposal]:
        return [one for one in reversed(proposals_in(self._session.entries)) if one.agent]

    def _state(self, proposal: Proposal) -> str:
        match proposal.ended:
            case "sent":
                return "confirmed"
            case "objected":
                return "refused"
            case "stopped":
                return "stopped"
            case _:
                waiting = {one.id for one, _ in self._session.incident_store.waiting()}
                return WAITS if proposal.id in waiting else EXPIRED

    def _proposal(self, proposal: Proposal) -> Told:
        out = self._out
        done = next((one for one in self._record().actions if one.confirms == proposal.id), None)
        return {
            "id": proposal.id,
            "action": out.text(proposal.name),
            "by": out.text(proposal.by),
            "reason": out.text(proposal.because),
            "at": proposal.at.isoformat(),
            "state": self._state(proposal),
            "ended_by": out.text(proposal.ended_by) if proposal.ended_by else None,
            "why": out.text(proposal.reason) if proposal.reason else None,
            "outcome": done.outcome if done is not None else None,
            "verdict": out.masked(done.verdict, 20) if done is not None and done.verdict else None,
            "because": out.text(done.because) if done is not None and done.because else None,
        }

    # --- the runbook ------------------------------------------------------------------------------------------

    async def runbook(self, scenario: str = "") -> Told:
        """The chapters; with a name, that chapter's steps. Raises ActionError for one that there is not."""
        book = (await asyncio.to_thread(library, self._session.settings, COMMANDS)).runbook
        if not scenario:
            return bounded({"scenarios": [self._chapter(one) for one in book.chapters()]})
        chapter = book.chapter(scenario) or next((one for one in book.chapters() if one.number == scenario), None)
        if chapter is None:
            near = did_you_mean(self._out.masked(scenario, 60), [one.id for one in book.chapters()])
            raise ActionError(
                f"the runbook has no scenario {self._out.masked(scenario, 60)}{near or ': without one it lists them'}"
            )
        return bounded(
            {
                **self._chapter(chapter),
                "triggers": [self._printed(chapter, one.condition.text) for one in chapter.triggers],
                "steps": [self._step(chapter, one) for one in chapter.walk()],
            }
        )

    def _chapter(self, chapter: Scenario) -> Told:
        words = {"id": chapter.id, "number": chapter.number, "severity": chapter.severity, "title": chapter.title}
        return {name: self._printed(chapter, text) for name, text in words.items()}

    def _step(self, chapter: Scenario, step: Step | Branch) -> Told:
        told: Told = {"place": chapter.place(step.id), "title": self._printed(chapter, step.title)}
        if isinstance(step, Branch):
            return {**told, "kind": "branch", "if": self._printed(chapter, step.condition.text)}
        call = self._printed(chapter, step.call) if step.call is not None else None
        return {**told, "kind": step.kind, "call": call}

    def _printed(self, chapter: Scenario, text: object) -> str | Told:
        """Words of a chapter: ours where we ship it, others' in the team's own."""
        return self._out.text(text) if chapter.origin else self._out.masked(text)

    # --- actions ----------------------------------------------------------------------------------------------

    def actions(self) -> Told:
        """Every action with its arguments, and what it would likely be used for now."""
        offers = action_offers(self._session)
        return bounded(
            {
                "actions": [
                    {
                        "action": name,
                        "title": self._out.masked(action.title),
                        "arguments": [
                            {"name": one.name, "kind": one.kind, "required": one.required, "help": one.help}
                            for one in action.arguments
                        ],
                        "unavailable": self._unavailable(name),
                        "likely": [
                            {"arguments": self._out.data(offer.arguments), "title": self._out.text(offer.title)}
                            for offer in offers
                            if offer.action == name and offer.arguments and offer.weight > 0
                        ][:MOST_OFFERS],
                    }
                    for name, action in sorted(ACTIONS.items())
                ]
            }
        )

    def _unavailable(self, name: str) -> Told | None:
        why = ACTIONS[name].unavailable(self._session.settings, self._session.sources)
        return self._out.text(why) if why else None

    async def plan(self, action: str, arguments: Mapping[str, str]) -> Told:
        """What an action would do now, and what speaks against it. Nothing is changed, nothing is recorded."""
        async with self._turn():
            plan = await self._answered(prepared_plan(self._session, action, arguments))
        return bounded(self._plan(plan))

    async def propose(self, agent: str, action: str, arguments: Mapping[str, str], reason: str) -> Told:
        """Put an agent's action to the people in the room. Raises ActionError with the sentence why it can't be."""
        async with self._turn():
            made = await self._answered(propose(self._session, agent, action, arguments, reason))
        until = made.lasts_s
        return bounded({"id": made.id, "state": WAITS, "for_s": until, "next": HOW, "plan": self._plan(made.plan)})

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """When no other plan is being prepared. Raises ActionError where that takes too long."""
        try:
            async with asyncio.timeout(PREPARE_S):
                await self._preparing.acquire()
        except TimeoutError as error:
            raise ActionError("other plans are being prepared, and a system does not answer: ask again") from error
        try:
            yield
        finally:
            self._preparing.release()

    def _plan(self, plan: Plan) -> Told:
        """Without its confirmation and its command: a person has both in the console."""
        out = self._out
        return {
            "action": plan.action,
            "arguments": {name: out.text(value) for name, value in plan.arguments.items()},
            "effect": out.text(plan.effect, 2000),
            "targets": [self._target(target) for target in plan.targets],
            "guards": [
                {"name": guard.name, "level": guard.level, "reason": out.text(guard.reason)} for guard in plan.guards
            ],
            "blocked": bool(plan.blocked),
            "undo": {
                "action": plan.undo.action,
                "arguments": {name: out.text(value) for name, value in plan.undo.arguments.items()},
            }
            if plan.undo is not None
            else None,
            "watches": out.text(plan.watch) if plan.watch else None,
            "watches_for_s": plan.deadline_s,
            "taken_at": plan.taken_at.isoformat(),
        }

    def _target(self, target: Target) -> Told:
        facts = {**target.identity, **target.shown}
        return {
            "kind": target.kind,
            "id": self._out.text(target.id),
            "chosen": target.chosen,
            "facts": {name: self._fact(value) for name, value in facts.items()},
        }

    def _fact(self, value: object) -> object:
        return self._out.text(value) if isinstance(value, str) else value

    async def _answered(self, work: Awaitable[Answer]) -> Answer:
        """Its answer. Raises ActionError: what other errors say is masked too."""
        try:
            return await work
        except NexConsoleError as error:
            raise ActionError(self._out.masked(error)) from error
