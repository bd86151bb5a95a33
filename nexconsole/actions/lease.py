"""Reserving a plan's targets while they are executed on, as the one path asks for it."""

from __future__ import annotations

from typing import Protocol, Self

from .plan import Plan


class Lease(Protocol):
    """A plan's targets, reserved until it is left; each of the texts is one sentence or "".

    `held`: it isn't had, who is executing on one of them, since when. `changed`: it isn't had, what was executed on
    one of them since they were last looked at. `doubt`: it is had, but not every console could be asked.
    """

    held: str
    changed: str
    doubt: str

    async def lost(self) -> str:
        """Who has taken the targets meanwhile, where that can happen at all: a console that hung for too long."""

    def sending(self) -> None:
        """From here on the targets may not be any more what others have seen of them."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *args: object) -> None: ...


class Leases(Protocol):
    """Keep two consoles from executing on one target at once, and anybody from executing on what he last saw before
    another console executed on it."""

    async def seen(self, plan: Plan) -> object:
        """What was last executed on the plan's targets; asked for right after it was prepared. Raises nothing."""

    async def take(self, plan: Plan, seen: object) -> Lease:
        """Reserve the plan's targets, unless something was executed on them since `seen`. Raises nothing."""


class NoLeases:
    """The lease of a console that shares its targets with nobody."""

    held = changed = doubt = ""

    async def seen(self, plan: Plan) -> object:
        return None

    async def take(self, plan: Plan, seen: object) -> Lease:
        return self

    async def lost(self) -> str:
        return ""

    def sending(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *args: object) -> None:
        pass
