"""Announces the open incident to consoles on other hosts, so that they can join it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from ..errors import JournalError
from ..journal import journal_file
from ..settings import Settings
from .redis_link import RedisLink, honour_cancel

if TYPE_CHECKING:
    import redis.asyncio

log = logging.getLogger(__name__)

TIMEOUT_S = 2.0
T = TypeVar("T")
LASTS_S = 24 * 3600  # after the last console that works on it was heard of


async def announce(settings: Settings, incident: str) -> str:
    """Tell other hosts that this incident is open; why they could not be told, "" where they were."""

    async def say(client: redis.asyncio.Redis, link: RedisLink) -> None:
        await client.set(_key(link), incident, ex=LASTS_S)

    return (await _asked(settings, say))[1]


async def announced(settings: Settings) -> str | None:
    """The incident that another console has announced; None where there is none, or nobody can be asked."""

    async def ask(client: redis.asyncio.Redis, link: RedisLink) -> bytes | None:
        # A client that does not decode its replies has no text in them.
        return cast("bytes | None", await client.get(_key(link)))

    found, _ = await _asked(settings, ask)
    try:
        name = found.decode() if found else ""
        return journal_file(Path(), name).stem if name.startswith("INC-") else None
    except (UnicodeDecodeError, JournalError):
        return None


async def withdraw(settings: Settings, incident: str) -> str:
    """This incident is closed; nothing is said of another. Why other hosts could not be told, or ""."""

    async def take_back(client: redis.asyncio.Redis, link: RedisLink) -> None:
        if await client.get(_key(link)) == incident.encode():
            await client.delete(_key(link))

    return (await _asked(settings, take_back))[1]


async def announce_again(client: redis.asyncio.Redis, link: RedisLink, incident: str) -> None:
    """It is still open, unless meanwhile another was opened. Raises the client's errors."""
    if not await client.set(_key(link), incident, ex=LASTS_S, nx=True) and (
        await client.get(_key(link)) == incident.encode()
    ):
        await client.expire(_key(link), LASTS_S)


def _key(link: RedisLink) -> str:
    return link.key("open", "incident")


async def _asked(
    settings: Settings, exchange: Callable[[redis.asyncio.Redis, RedisLink], Awaitable[T]]
) -> tuple[T | None, str]:
    link = RedisLink(settings)
    if not link.configured:
        return None, ""
    try:
        answer = await exchange(await link.open(TIMEOUT_S), link)
        honour_cancel()
        return answer, ""
    except Exception as error:
        sentence = f"other hosts can't be reached: {link.explain(error)}"
        log.warning("%s", sentence)
        return None, sentence
    finally:
        await link.close()
