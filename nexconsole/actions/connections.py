"""Connections that may change things: opened for one action, closed after it, never those that signals read by.

Each way of sending ends in an Outcome. What is certain is told apart: as long as the deciding bytes have not been
sent, trouble means that nothing happened; from then on a missing answer is "unknown", and nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from ..errors import NexConsoleError, SourceError
from ..sources.http_client import header_value, open_client
from ..sources.redis_address import RedisKind, parse_address
from ..sources.redis_clients import RedisClient, open_redis
from ..text.sanitize import clean
from ..text.units import period
from .action import Context
from .http_replies import NOTHING, HttpReply, judged, lost
from .plan import Outcome

if TYPE_CHECKING:
    import asyncpg

    from ..settings import Settings
    from ..sources.alertmanager import AlertmanagerSource
    from ..sources.api import ApiSource

CLOSE_TIMEOUT_S = 1.0
IN_DOUBT = frozenset({"40003", "57P01", "57P02", "57P03", "57P05"})


async def change_rows(
    context: Context,
    work: Callable[[asyncpg.Connection], Awaitable[Outcome]],
    *,
    at_once: bool = False,
    timeout_s: float | None = None,
) -> Outcome:
    """Run `work` in one transaction of a connection of its own: COMMIT where it says "done", ROLLBACK otherwise.

    Until COMMIT is on its way, a lost connection or a time-out has changed nothing and is "failed". With `at_once`
    the statements act outside of transactions (signals to backends): then it is "unknown" from the first.
    The transaction is bounded as in reading, in UTC, and as read-only as the role's own settings make it.
    """
    source, limit = context.sources.postgres, timeout_s or context.settings.actions.timeout_s
    at, sent, connection = f"postgres at {source.address}", False, None
    try:
        await context.sources.clients.wait(source.module)
        async with asyncio.timeout(source.settings.connect_timeout_s):
            connection = await source.connect()
        async with asyncio.timeout(limit):
            await connection.execute(_begin(source.schema, limit))
            sent = at_once
            outcome = await work(connection)
            sent = sent or outcome.state == "done"
            ended = await connection.execute("COMMIT" if outcome.state == "done" else "ROLLBACK")
            if outcome.state == "done" and ended == "ROLLBACK" and not at_once:
                return Outcome(state="failed", answer=f"{at} rolled it back at the end: {NOTHING}")
        return outcome
    except TimeoutError:
        if connection is None:
            return Outcome(state="failed", answer=f"{at} could not be connected to in time: {NOTHING}")
        return lost(f"{at} did not answer within {period(limit)}", sent)
    except NexConsoleError as error:
        return lost(str(error), sent)
    except Exception as error:
        return _refusal(error, at, sent) or lost(_explained(context, error), sent)
    finally:
        if connection is not None:
            await _let_go(connection)


def _begin(schema: str, limit_s: float) -> str:
    """The server gives up a little before we do, so that what it says is known; no `READ WRITE`: a role that is
    read-only by its settings stays so."""
    quoted = schema.replace('"', '""')
    return (
        f"BEGIN; SET LOCAL TIME ZONE 'UTC'; SET LOCAL statement_timeout = {int(limit_s * 800)}; "
        f'SET LOCAL lock_timeout = {int(limit_s * 500)}; SET LOCAL search_path TO "{quoted}"'
    )


def _refusal(error: Exception, at: str, sent: bool) -> Outcome | None:
    """What the server itself said; None where it is not the server's word, or where it took its leave meanwhile."""
    code = getattr(error, "sqlstate", None)
    if code is None or (sent and (code in IN_DOUBT or code.startswith("08"))):
        return None
    said = clean(error, 300)
    if code == "42501":
        return Outcome(state="refused", answer=f"{at} does not let this role do it ({said}): {NOTHING}")
    if code == "25006":
        return Outcome(state="refused", answer=f"{at} is read-only for this role ({said}): {NOTHING}")
    if code == "55P03":
        return Outcome(state="failed", answer=f"{at}: somebody else holds a lock on it ({said}): {NOTHING}")
    return Outcome(state="failed", answer=f"{at}: {said}: {NOTHING}")


def _explained(context: Context, error: Exception) -> str:
    source = context.sources.postgres
    known = source.explain(error)
    if known is None and isinstance(error, OSError):
        known = source._network(error)
    if known is None:
        raise error
    return str(known)


async def _let_go(connection: asyncpg.Connection) -> None:
    """Say goodbye where that is quick; a session in the middle of something is cut off, and so rolled back."""
    try:
        if connection.is_in_transaction():
            connection.terminate()
        else:
            await connection.close(timeout=CLOSE_TIMEOUT_S)
    except Exception:
        connection.terminate()


@asynccontextmanager
async def redis_client(context: Context) -> AsyncIterator[RedisClient]:
    """A client of its own for what changes keys. Raises the client's errors: `redis_error` makes sentences of them."""
    source = context.sources.redis
    await context.sources.clients.wait(source.module)
    settings = source.settings
    limit = context.settings.actions.timeout_s
    where = parse_address(settings.url)
    client = open_redis(source, where, token=settings.token, timeout_s=limit, ca_file=settings.ca_file)
    try:
        yield client
    finally:
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await client.close()


def redis_error(context: Context, error: Exception) -> SourceError:
    """The sentence for a Redis client's error; one that is none of the expected is raised again: it is a bug."""
    source = context.sources.redis
    if isinstance(error, SourceError):
        return error
    if isinstance(error, TimeoutError):
        limit = context.settings.actions.timeout_s
        return SourceError(source.name, f"redis at {source.address} did not answer within {period(limit)}")
    known = source.explain(error)
    if known is None and isinstance(error, OSError):
        known = source._network(error)
    if known is None:
        raise error
    return known


def clustered(settings: Settings) -> bool:
    """Whether keys live on several nodes, so that one command can't name many."""
    return parse_address(settings.redis.url).kind is RedisKind.CLUSTER


async def send(
    context: Context,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: object = None,
    timeout_s: float | None = None,
    to: ApiSource | AlertmanagerSource | None = None,
    empty: bool = False,
) -> HttpReply | Outcome:
    """One request to NexNum's API, or to another, never repeated, no redirect followed (nexnum.md#nextjs).

    The Outcome is "refused" where the application itself said no, "failed" where nothing could be sent, and "unknown"
    after every answer that proves nothing (answers.py), or none. `path` begins with a slash; `body` is sent as JSON.
    With `empty` an answer without content is good, and None.
    """
    import httpx

    source = to or context.sources.api
    await context.sources.clients.wait(source.module)
    limit = timeout_s or context.settings.actions.timeout_s
    at, sent = f"{method} {path} at {source.address}", False
    settings = source.settings
    try:
        client = open_client(source, source.url, timeout_s=limit, ca_file=settings.ca_file, headers=source.headers)
        async with client, asyncio.timeout(limit + settings.timeout_s):
            request = client.build_request(
                method,
                source.url + path,
                headers=dict(headers or {}) | ({"Content-Type": "application/json"} if body is not None else {}),
                content=None if body is None else msgspec.json.encode(body),
                timeout=httpx.Timeout(limit, connect=settings.timeout_s),
            )
            sent = True
            response = await client.send(request)
            kind, location = (response.headers.get(name, "") for name in ("content-type", "location"))
            return judged(at, response.status_code, kind, response.content, empty=empty, location=location)
    except _not_sent() as error:
        return Outcome(state="failed", answer=f"{source.explain(error) or clean(error, 200)}: nothing was sent")
    except TimeoutError:
        return lost(f"{at} was not answered within {period(limit)}", sent)
    except NexConsoleError as error:
        return lost(str(error), sent)
    except httpx.HTTPError as error:
        return lost(f"{at}: {source.explain(error) or clean(error, 200)}", sent=True)


def _not_sent() -> tuple[type[Exception], ...]:
    """httpx's errors after which it is certain that the server got nothing of the request."""
    import httpx

    return (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
        httpx.InvalidURL,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
    )


def admin_headers(context: Context) -> Mapping[str, str]:
    """The admin's token as bearer and as cookie: which of them is read depends on the version.

    (nexnum.md#admin-login)
    """
    token = header_value("api.admin_token", context.settings.api.admin_token)
    return {"Authorization": f"Bearer {token}", "Cookie": f"token={token}"}
