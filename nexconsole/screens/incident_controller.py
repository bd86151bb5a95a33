"""What the keys of the incident set going: open, join, roles, severity, objecting, closing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..catalogue import Subject
from ..incident.incident import OBSERVER, ROLES
from ..session.capabilities import Capability
from ..severity import LEVELS
from ..widgets.banner import key_of
from ..widgets.spans import plain
from .dialogs import Dialogs
from .prompt import Prompt
from .proposal_bar import KEYS_OF, NEEDS, spoken_of

if TYPE_CHECKING:
    from ..incident.proposals import Proposal
    from ..session.session import Session

GRAVE = ("SEV-1", "SEV-2")
LEAVE = "leave:"
SEEN_S = 0.6  # how long a proposal must have stood beside a key before that key speaks of it


class IncidentController:
    """Asks what opening, leading and closing an incident takes, and records the answers."""

    def __init__(
        self,
        dialogs: Dialogs,
        session: Session,
        clock: Callable[[], datetime],
        step_words: Callable[[str, str], str],
        open_page: Callable[[Subject], None],
        hand_over: Callable[[], None] = lambda: None,
        confirm: Callable[[Proposal], None] = lambda proposal: None,
    ) -> None:
        self._open_page, self.hand_over, self._confirm = open_page, hand_over, confirm
        self._dialogs, self._app, self._session = dialogs, dialogs.app, session
        self._clock, self._step_words = clock, step_words
        self._opening = False  # whether an incident is being recorded that was asked for here
        self._spoken_of = dict.fromkeys(KEYS_OF, ("", 0.0))  # by key: the proposal's id, and since when it is seen

    def offered(self) -> bool:
        """Whether it is time to open an incident: none is open, and the severity is SEV-1 or SEV-2."""
        severity = self._session.monitor.severity
        return self._session.incident_store.current is None and severity is not None and severity.level in GRAVE

    def show(self) -> None:
        """Open the incident's screen; where there is no incident, ask for a title and open one."""
        if self._session.incident_store.current is None:
            if self._opening:
                self._dialogs.say("the incident is being recorded: press the key again in a moment")
            if not self._refused(Capability.NOTE):
                self._dialogs.once(self._open())
            return
        from .incident import IncidentScreen

        self._app.push_screen(IncidentScreen(self._session, self, self._clock, self._step_words, self._open_page))

    async def _open(self) -> None:
        severity = self._session.monitor.severity
        level = severity.level if severity is not None and severity.level != "none" else ""
        reasons = severity.reasons[:1] if severity is not None else ()
        explanation = self._session.monitor.explanation
        named = explanation.named[:1] if explanation is not None else ()
        offered = tuple(plain(text, 200) for text in (*(one.title for one in named), *(one.text for one in reasons)))
        others = [incident for incident in self._session.incident_store.incidents.values() if incident.open]
        hint = (
            f"others are open: {', '.join(other.id for other in others)}"
            if others
            else "you are the commander until you hand over"
        )
        title = f"open an incident{f', {level}' if level else ''}: what is happening?"
        text = await self._app.push_screen_wait(Prompt(title, hint=hint, offered=offered))
        if text is None:
            return
        self._opening = True
        try:
            await self._told(
                self._session.open_incident(text, level), f"opened: {key_of('incident.show')} shows the incident"
            )
        finally:
            self._opening = False

    def _refused(self, capability: Capability) -> bool:
        """Whether this may not be done here; says who may."""
        if (why_not := self._session.capabilities.why_not(capability)) is None:
            return False
        self._app.notify(why_not, markup=False)
        return True

    def join(self, id: str) -> None:
        """Work on this open incident from now on."""
        if self._refused(Capability.JOIN):
            return
        self._session.incident_store.join(id)
        self._dialogs.say(f"joined {id}: {key_of('incident.show')} shows the incident")

    async def _told(self, writing: Awaitable[object], said: str) -> None:
        await self._dialogs.recorded(writing, said)

    # --- from the incident's screen ---------------------------------------------------------------------------

    def role(self) -> None:
        if not self._refused(Capability.NOTE):
            self._dialogs.once(self._role())

    async def _role(self) -> None:
        here = self._people()
        hint = "a role is yours, or of the person you name; nobody releases it"
        title = "which role, and whose? ROLE [PERSON]"
        prompt = Prompt(title, hint=hint, offered=(*ROLES, *here, "nobody"), words=True, wrong=_wrong_role)
        text = await self._app.push_screen_wait(prompt)
        if text is None:
            return
        role, _, person = text.partition(" ")
        person = person.strip() or str(self._session.journal.writer)
        person = "" if person == "nobody" else person
        await self._told(self._session.take_role(role, person), f"{person or 'nobody'}: {role}")

    def _people(self) -> tuple[str, ...]:
        incident = self._session.incident
        return tuple(person.name for person in incident.people) if incident is not None else ()

    def declare(self) -> None:
        if not self._refused(Capability.COMMAND):
            self._dialogs.once(self._declare())

    async def _declare(self) -> None:
        title = "declare a severity, and say why: SEV-1, SEV-2, SEV-3 or none"
        prompt = Prompt(title, offered=LEVELS, words=True, wrong=_wrong_level)
        text = await self._app.push_screen_wait(prompt)
        if text is not None:
            level, _, reason = text.partition(" ")
            await self._told(self._session.declare(_level(level), reason.strip()), f"declared {_level(level)}")

    def declare_grave(self, what: str) -> None:
        """Declare SEV-1 for "data loss" or "security breach", which no figure may show."""
        if not self._refused(Capability.COMMAND):
            self._dialogs.once(self._declare_grave(what))

    async def _declare_grave(self, what: str) -> None:
        title = f"declare {LEVELS[0]}, {what}: enter declares it; what was seen, and by whom?"
        prompt = Prompt(title, hint="it stands until another severity is declared", wrong=lambda text: "")
        text = await self._app.push_screen_wait(prompt)
        if text is not None:
            reason = f"{what}: {text}" if text else what
            await self._told(self._session.declare(LEVELS[0], reason), f"declared {LEVELS[0]}, {what}")

    def close(self) -> None:
        if not self._refused(Capability.COMMAND):
            self._dialogs.once(self._close())

    async def _close(self) -> None:
        incident = self._session.incident
        if incident is None:
            return
        left = len(incident.standing)

        def wrong(text: str) -> str:
            if left and not (text.startswith(LEAVE) and text.removeprefix(LEAVE).strip()):
                return f"something is still in force: begin with `{LEAVE}` and say who ends it, and when"
            return "" if text else "say what it was"

        title = f"close it though {left} still in force (listed above)? `{LEAVE}` who ends it, and when"
        title = title if left else "close the incident: what was it, in a sentence?"
        offered = (f"{LEAVE} ",) if left else ()
        text = await self._app.push_screen_wait(Prompt(title, offered=offered, wrong=wrong, told=self._owed))
        if text is not None:
            await self._told(self._session.close_incident(text), "closed")

    async def _owed(self) -> Sequence[str]:
        """What customers are owed of this incident, in sentences that name nobody."""
        from ..session.owed import owed_words  # with the database's queries behind it

        session, incident = self._session, self._session.incident
        if incident is None:
            return ()
        name = session.incident_store.current or ""
        return await owed_words(session.sources, session.settings, incident, name, self._clock())

    # --- what others mean to do -------------------------------------------------------------------------------

    def waiting(self) -> tuple[Proposal, ...]:
        """What others propose, in the incident or outside of any, and may still be spoken to."""
        return tuple(proposal for proposal, _ in self._session.waiting)

    def painted(self, waiting: Sequence[Proposal]) -> None:
        """These stand on screen from now on; the keys speak of the first of them, whatever else is proposed."""
        for key in KEYS_OF:
            proposal = spoken_of(waiting, key)
            if self._spoken_of[key][0] != (proposal.id if proposal else ""):
                self._spoken_of[key] = (proposal.id if proposal else "", time.monotonic())

    def object(self) -> None:
        """Stop what is proposed, at once: there are only seconds. A note can say why."""
        self._speak("o", "nothing to object to")

    def approve(self) -> None:
        self._speak("a", "nothing waits for approval")

    def open_proposal(self) -> None:
        """Open the plan of what an agent proposes, prepared anew: a person confirms it there, or not."""
        self._speak("A", "no agent proposes anything")

    def _speak(self, key: str, nothing: str) -> None:
        """Say the word to the proposal beside which the key stood when it was pressed."""
        id, since = self._spoken_of[key]
        if not id:
            self._dialogs.say(nothing)
        elif time.monotonic() - since < SEEN_S:
            self._dialogs.say(f"the proposal beside {key} is new: read it, and press the key again")
        else:
            self.speak(key, id)

    def speak(self, key: str, id: str) -> None:
        """Say the word to this proposal, and to no other."""
        proposal = next((proposal for proposal in self.waiting() if proposal.id == id), None)
        if (why_not := self._session.capabilities.why_not(NEEDS[key])) is not None:
            self._dialogs.say(why_not)
        elif proposal is None:
            self._dialogs.say("that proposal has ended: your answer went to no other")
        elif key == "A":
            self._confirm(proposal)
        elif proposal.agent:
            self._dialogs.once(self._refuse(proposal))
        else:
            writing = self._session.object(proposal.id) if key == "o" else self._session.approve(proposal.id)
            said = f"{'objected to' if key == 'o' else 'approved'} {proposal.name} of {proposal.by}"
            self._app.run_worker(self._told(writing, said), group="dialogs")

    async def _refuse(self, proposal: Proposal) -> None:
        """Nothing goes ahead by itself, so there is time to say why."""
        title = f"refuse {plain(proposal.name, 80)} of {plain(proposal.by, 60)}: why? The agent reads it"
        text = await self._app.push_screen_wait(Prompt(title, hint="everybody here can read it", own_words=True))
        if text is not None:
            await self._told(self._session.object(proposal.id, text), f"refused {proposal.name}")


def _wrong_role(text: str) -> str:
    role, _, person = text.partition(" ")
    if role not in ROLES:
        return f"the roles are {', '.join(ROLES)}"
    if role == OBSERVER and person.strip() == "nobody":
        return "an observer takes another role to act again"
    return ""


def _level(word: str) -> str:
    return "none" if word.casefold() == "none" else word.upper()


def _wrong_level(text: str) -> str:
    level, _, reason = text.partition(" ")
    if _level(level) not in LEVELS:
        return f"begin with one of {', '.join(LEVELS)}"
    return "" if reason.strip() else "say why: the report quotes it"
