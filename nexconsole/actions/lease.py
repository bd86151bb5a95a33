"""Leases: a plan's targets are reserved while it executes."""

from __future__ import annotations

from typing import Protocol, Self

from .plan import Plan


class Lease(Protocol):
    """A lease on a plan's targets, held until the context is left. Each text is one sentence or "".

    `held`: no lease, because another console executes on a target; who, and since when. `changed`: no lease, because
    something was executed on a target since it was last read. `doubt`: the lease is held, but not every console could
    be asked.
    """

    held: str
    changed: str
    doubt: str

    async def lost(self) -> str:
        """Who took over the targets. Only possible where this console hung for too long."""

    def sending(self) -> None:
        """Mark the targets as changed: what other consoles have read of them is out of date."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *args: object) -> None: ...


class Leases(Protocol):
    """Keeps two consoles from executing on one target at once, and from acting on a preview that is out of date."""

    async def seen(self, plan: Plan) -> object:
        """The last execution on the plan's targets; asked right after `prepare`. Raises nothing."""

    async def take(self, plan: Plan, seen: object) -> Lease:
        """Reserve the plan's targets, unless something was executed on them since `seen`. Raises nothing."""


class NoLeases:
    """The lease of a console that works alone."""

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
