"""An action of somebody else's package: it empties a part of a cache in Redis. One module, and no more."""

from __future__ import annotations

import os
from collections.abc import Mapping

import redis.asyncio

from nexconsole.actions.action import Context, Suggestion, make_plan
from nexconsole.actions.by_hand import CommandContext, CommandStep, EmergencyCommand
from nexconsole.actions.plan import Confirmation, Guard, Outcome, Plan, Target, Verdict
from nexconsole.catalogue import Argument
from nexconsole.errors import ActionError
from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.sources import Sources


class FlushCache:
    """`cache.flush offers` deletes the keys cache:offers:*."""

    name = "cache.flush"
    title = "Empty a part of the cache"
    synonyms = ("stale offers",)
    arguments = (Argument(name="part", kind="text", help="such as offers"),)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        return (Suggestion(title="Empty the cache of offers", arguments={"part": "offers"}, weight=0.1),)

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return None if settings.redis.url else "redis is not configured"

    async def permitted(self, context: Context) -> Guard:
        return Guard(name="permission", level="ok", reason="may delete keys")

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        part = arguments["part"]
        keys = await self._keys(context, part)
        if not keys:
            raise ActionError(f"the cache of {part} is empty")
        return make_plan(
            context,
            action=self.name,
            arguments=dict(arguments),
            targets=tuple(Target(kind="key", id=key) for key in keys),
            effect=f"Empties the cache of {part}: {len(keys)} keys",
            command=f"redis-cli UNLINK {' '.join(keys)}",
            guards=(await self.permitted(context),),
            confirm=Confirmation(kind="letter", text="f"),
            watch="no key comes back",
            deadline_s=1.0,
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        async with self._client(context) as client:
            await client.unlink(*(target.id for target in plan.targets))
        return Outcome(state="done", answer="deleted", touched=plan.targets)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        left = await self._keys(context, plan.arguments["part"])
        return Verdict(state="no effect" if left else "worked", because=f"{len(left)} keys are left")

    def emergency(self, context: CommandContext) -> EmergencyCommand:
        return EmergencyCommand("Empty the cache", steps=(CommandStep("its keys", context.redis("KEYS", "cache:*")),))

    def _client(self, context: Context) -> redis.asyncio.Redis:
        return redis.asyncio.from_url(context.settings.redis.url, decode_responses=True)

    async def _keys(self, context: Context, part: str) -> list[str]:
        async with self._client(context) as client:
            return sorted(await client.keys(f"cache:{part}:*"))


class BrokenCache(FlushCache):
    """Fails wherever it can."""

    name = "cache.break"
    title = "Break the cache"

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        raise LookupError("no such part")

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        raise LookupError("no such part")

    def emergency(self, context: CommandContext) -> EmergencyCommand:
        raise LookupError("no such part")


FLUSH = FlushCache()
BREAK = BrokenCache()
NOTHING = object()
if os.environ.get("CACHE_IS_BROKEN"):
    raise ImportError("the cache's library is missing")
