"""What others propose, in lines: objected to or approved is what had been said when the word was typed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from ..incident.proposals import Proposal
from ..session.session import Session
from ..text.sanitize import clean
from .choices import Choice
from .input import SOONEST_S


class ProposalConsole(Protocol):
    """What it needs of the console."""

    def write(self, text: str) -> None: ...
    def offer(self, choices: Sequence[Choice]) -> None: ...
    async def recorded(self, write: Callable[[], Awaitable[object]], done: str = "") -> None: ...
    async def ask(self, question: str, before: Sequence[str] = ()) -> str | None: ...
    async def confirm_proposal(self, proposal: Proposal) -> None: ...


class Proposals:
    """`at` is the monotonic second at which a line was typed."""

    def __init__(self, session: Session, front: ProposalConsole) -> None:
        self._session, self._front = session, front
        self._said_at: dict[str, float] = {}

    def said(self) -> None:
        """All that wait have been said by now."""
        for proposal, _ in self._session.waiting:
            self._said_at.setdefault(proposal.id, time.monotonic())

    async def objected(self, at: float) -> None:
        waiting = [proposal for proposal, _ in self._session.waiting]
        choices = [
            self._refusal(one) if one.agent else self._choice(one, "object to", "objected to", self._session.object)
            for one in waiting
        ]
        await self._decide(waiting, choices, "nobody proposes anything", at)

    async def approved(self, at: float) -> None:
        waiting = [proposal for proposal, _ in self._session.waiting if proposal.needs == "approval"]
        choices = [self._choice(one, "approve", "approved", self._session.approve) for one in waiting]
        await self._decide(waiting, choices, "nothing waits for approval", at)

    async def opened(self, at: float) -> None:
        """Show what an agent proposes, prepared anew, to be confirmed or not."""
        waiting = [proposal for proposal, _ in self._session.waiting if proposal.agent]
        choices = [
            Choice(name=one.id, title=f"open {_named(one)}", run=partial(self._front.confirm_proposal, one))
            for one in waiting
        ]
        await self._decide(waiting, choices, "no agent proposes anything", at)

    def _refusal(self, proposal: Proposal) -> Choice:
        """An agent's proposal is refused with a reason, which the agent reads."""

        async def refuse() -> None:
            why = await self._front.ask(f"why is {clean(proposal.name, 80)} refused? an empty line cancels")
            if why is not None:
                refused = f"refused {clean(proposal.name, 80)}"
                await self._front.recorded(partial(self._session.object, proposal.id, clean(why, 500)), refused)

        return Choice(name=proposal.id, title=f"refuse {_named(proposal)}", run=refuse)

    def _choice(self, proposal: Proposal, verb: str, done: str, decide: Callable[[str], Awaitable[object]]) -> Choice:
        name = clean(proposal.name, 80)
        return Choice(
            name=proposal.id,
            title=f"{verb} {name}, proposed by {clean(proposal.by, 40)}",
            run=partial(self._front.recorded, partial(decide, proposal.id), f"{done} {name}"),
        )

    async def _decide(self, waiting: Sequence[Proposal], choices: Sequence[Choice], none: str, at: float) -> None:
        """The only one, if it had been said; else one is chosen by its number."""
        if not waiting:
            self._front.write(none)
        elif len(waiting) == 1 and at - self._said_at.get(waiting[0].id, at) >= SOONEST_S:
            await choices[0].run()
        else:
            self._front.write("nothing was done yet: which one is meant? its number does it")
            self._front.offer(choices)


def _named(proposal: Proposal) -> str:
    return f"{clean(proposal.name, 80)}, proposed by {clean(proposal.by, 80)}"
