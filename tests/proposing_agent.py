"""An agent without a server: a session that may only look and propose, beside a person's console."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sample_readings as sample
from controller import fresh, seeing, settings

from nexconsole.session.capabilities import agent_capabilities
from nexconsole.session.proposing import ProposedAction, propose
from nexconsole.session.session import Session
from nexconsole.sources import Sources

REASON = "93 % of the failures are at smsbower, and its circuit flaps"


@asynccontextmanager
async def agent_session(folder: Path, sources: Sources, **tables: Mapping[str, Any]) -> AsyncIterator[Session]:
    chosen = settings(folder, **{"operator": "anna", **tables})
    session = Session(
        chosen, sources, monitor=seeing(fresh(sample.incident())), capabilities=agent_capabilities(chosen)
    )
    session.start()
    try:
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def person_session(
    folder: Path, sources: Sources, follows: bool = True, **tables: Mapping[str, Any]
) -> AsyncIterator[Session]:
    """A person's console without a screen. `follows`: it is there for others to see, and reads what they write."""
    session = Session(settings(folder, **tables), sources, monitor=seeing(fresh(sample.incident())))
    if follows:
        session.start()
    try:
        yield session
    finally:
        await session.close()


async def proposed(session: Session, agent: str = "claude", reason: str = REASON) -> ProposedAction:
    return await propose(session, agent, "provider.disable", {"provider": "smsbower"}, reason)
