"""Leases between hosts: per target, one Redis key that expires and one that names the last execution.

One step of the server checks and sets both, so no clocks are compared and there is no race.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from .lease_files import BUSY, Changed, Execution, TargetBusy, decoded
from .redis_link import honour_cancel

if TYPE_CHECKING:
    from .redis_link import RedisLink

TIMEOUT_S = 2.0
FENCE_MS = 600_000  # how long it is remembered what was last executed; a preview lasts for less

# Keys: lease and fence of each target. The lease holds the execution as its holder wrote it, token and all.
TAKE = """
for i = 1, #KEYS, 2 do
  local holder = redis.call('GET', KEYS[i])
  if holder then return {'held', holder} end
end
for i = 2, #KEYS, 2 do
  local last = redis.call('GET', KEYS[i]) or ''
  if last ~= ARGV[3 + i / 2] then return {'changed', last} end
end
for i = 1, #KEYS, 2 do
  redis.call('SET', KEYS[i], ARGV[1], 'PX', ARGV[2])
  redis.call('SET', KEYS[i + 1], ARGV[1], 'PX', ARGV[3])
end
return {'had', ''}
"""
# A server that lost its data, or took too long, has forgotten us: then it is told again, unless another was quicker.
RENEW = """
for i = 1, #KEYS do
  local holder = redis.call('GET', KEYS[i])
  if holder and holder ~= ARGV[1] then return holder end
end
for i = 1, #KEYS do redis.call('SET', KEYS[i], ARGV[1], 'PX', ARGV[2]) end
return ''
"""
RELEASE = """
for i = 1, #KEYS, 2 do
  local ours = redis.call('GET', KEYS[i]) == ARGV[1]
  if ours then redis.call('DEL', KEYS[i]) end
  local last = ARGV[2 + (i + 1) / 2]
  if last ~= '' then redis.call('SET', KEYS[i + 1], last, 'PX', ARGV[2])
  elseif ours then redis.call('DEL', KEYS[i + 1]) end
end
"""


class Unanswered(Exception):
    """The war room's Redis could not be asked; the text is the sentence why."""


class LeaseKeys:
    """The lease and fence keys of a plan's targets. Every call raises Unanswered where Redis doesn't answer in time."""

    def __init__(self, link: RedisLink, names: Sequence[str], lease_s: float) -> None:
        self._link, self._names, self._lease_ms = link, names, max(1, int(lease_s * 1000))
        self._keys = [link.key(kind, name) for name in names for kind in ("lease", "fence")]
        self._seen: Mapping[str, bytes] = {}

    async def tokens(self) -> dict[str, bytes]:
        """What was last executed on each; BUSY where somebody is at it this moment."""
        found: Sequence[bytes | None] = await self._ask("MGET", *self._keys)
        pairs = zip(self._names, found[::2], found[1::2], strict=True)
        return {name: BUSY.encode() if lease is not None else fence or b"" for name, lease, fence in pairs}

    async def take(self, execution: Execution, seen: Mapping[str, bytes]) -> None:
        """All or none. Raises Busy and Changed."""
        self._seen = seen
        last = [seen[name] for name in self._names]
        word, other = await self._run(TAKE, self._keys, _encoded(execution), self._lease_ms, FENCE_MS, *last)
        if word == b"held":
            raise TargetBusy(decoded(other))
        if word == b"changed":
            raise Changed(decoded(other))

    async def renew(self, execution: Execution) -> Execution | None:
        """Hold on for another while; whose it is meanwhile, where another console was quicker."""
        other = await self._run(RENEW, self._keys[::2], _encoded(execution), self._lease_ms)
        return (decoded(other) or execution) if other else None

    async def release(self, execution: Execution, ended: Execution | None) -> None:
        """Let go; `ended` is what was executed, None where nothing was."""
        last = [_encoded(ended) if ended else self._seen[name] for name in self._names]
        await self._run(RELEASE, self._keys, _encoded(execution), FENCE_MS, *last)

    async def _run(self, script: str, keys: Sequence[str], *arguments: bytes | int) -> Any:
        return await self._ask("EVAL", script, len(keys), *keys, *arguments)

    async def _ask(self, *command: str | bytes | int) -> Any:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                client = await self._link.client(TIMEOUT_S)
                answer = await client.execute_command(*command)
                honour_cancel()
                return answer
        except Exception as error:
            raise Unanswered(self._link.explain(error)) from error


def _encoded(execution: Execution) -> bytes:
    return msgspec.json.encode(execution)
