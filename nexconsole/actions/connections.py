"""Connections that may change things: opened for one action, closed after it, never those that signals read by.

Each way of sending ends in an Outcome. What is certain is told apart: as long as the deciding bytes have not been
sent, trouble means that nothing happened; from then on a missing answer is "unknown", and nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import BadAnswer, NexConsoleError, SourceError
from ..sources.redis_address import Kind, parse_address
from ..sources.redis_clients import Client, open_redis
from ..sources.text import clean
from ..sources.webclient import header_value, open_client, refuse_redirect
from .action import Context
from .plan import Outcome

if TYPE_CHECKING:
    import asyncpg

    from ..settings import Settings
    from ..sources.alertmanager import Alertmanager
    from ..sources.api import Api
    from ..sources.source import Source

CLOSE_TIMEOUT_S = 1.0
NOTHING = "nothing was changed"
MAYBE = "it may have happened or not"
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
            await connection.execute("COMMIT" if outcome.state == "done" else "ROLLBACK")
        return outcome
    except TimeoutError:
        if connection is None:
            return Outcome(state="failed", answer=f"{at} could not be connected to in time: {NOTHING}")
        return _lost(f"{at} did not answer within {limit:g} s", sent)
    except NexConsoleError as error:
        return _lost(str(error), sent)
    except Exception as error:
        return _refusal(error, at, sent) or _lost(_explained(context, error), sent)
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


def _lost(sentence: str, sent: bool) -> Outcome:
    return Outcome(state="unknown" if sent else "failed", answer=f"{sentence}: {MAYBE if sent else NOTHING}")


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
async def redis_client(context: Context) -> AsyncIterator[Client]:
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
        return SourceError(source.name, f"redis at {source.address} did not answer within {limit:g} s")
    known = source.explain(error)
    if known is None and isinstance(error, OSError):
        known = source._network(error)
    if known is None:
        raise error
    return known


def clustered(settings: Settings) -> bool:
    """Whether keys live on several nodes, so that one command can't name many."""
    return parse_address(settings.redis.url).kind is Kind.CLUSTER


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A 2xx answer that is JSON, decoded. `document` is data from outside: clean() what is shown of it."""

    status: int
    document: Any


async def send(
    context: Context,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: object = None,
    timeout_s: float | None = None,
    to: Api | Alertmanager | None = None,
    empty: bool = False,
) -> Reply | Outcome:
    """One request to NexNum's API, or to another, never repeated, redirects refused, JSON required (facts 5.1, 8.10).

    The Outcome is "failed" where the API said no (4xx, 5xx, a redirect, HTML, nothing at all) or nothing could be
    sent, "unknown" where it was sent and no answer came, or only that of a gateway that got none. `path` begins with a
    slash; `body` is sent as JSON. With `empty` an answer without content is good, and None.
    """
    import httpx

    source = to or context.sources.api
    await context.sources.clients.wait(source.module)
    limit = timeout_s or context.settings.actions.timeout_s
    at, sent = f"{method} {path} at {source.address}", False
    settings = source.settings
    try:
        client = open_client(source, source.url, timeout_s=limit, ca_file=settings.ca_file)
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
            return _reply(source, at, response, empty)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.InvalidURL) as error:
        return Outcome(state="failed", answer=f"{source.explain(error) or clean(error, 200)}: nothing was sent")
    except BadAnswer as error:
        return Outcome(state="failed", answer=str(error))
    except TimeoutError:
        return Outcome(state="unknown", answer=f"{at} was not answered within {limit:g} s: {MAYBE}")
    except NexConsoleError as error:
        return _lost(str(error), sent)
    except httpx.HTTPError as error:
        return Outcome(state="unknown", answer=f"{at}: {source.explain(error) or clean(error, 200)}: {MAYBE}")


def _reply(source: Source, at: str, response: Any, empty: bool) -> Reply | Outcome:
    refuse_redirect(source, response)
    kind = clean(response.headers.get("content-type", ""), 80).partition(";")[0].lower()
    document, said = None, ""
    if kind == "application/json" or kind.endswith("+json"):
        with contextlib.suppress(msgspec.DecodeError):
            document = msgspec.json.decode(response.content)
            said = problem_of(document)
    if response.status_code in GATEWAYS:
        said = f"{at} was not answered: a gateway before it gave up ({response.status_code}): {MAYBE}"
        return Outcome(state="unknown", answer=said)
    if response.status_code >= 400:
        hint = HINTS.get(response.status_code, "")
        shown = f" ({said})" if said else ""
        return Outcome(state="failed", answer=f"{at} answered {response.status_code}{shown}{hint}")
    if document is None and not (empty and not response.content):
        what = f"{kind or 'nothing'}, not JSON" if response.content else "nothing"
        whose = "NexNum's" if source.name == "api" else f"{source.name.capitalize()}'s"
        return Outcome(
            state="failed", answer=f"{at} answered {response.status_code} with {what}: that is not {whose} answer"
        )
    return Reply(status=response.status_code, document=document)


GATEWAYS = (502, 504)  # what stands before the API says that it got no answer
HINTS = {
    401: ": check the token or secret in the settings",
    403: ": this account may not do it",
    404: ": there is no such thing, or no such route in this version",
    405: ": the route does not export this method",
    429: ": our requests are limited, wait a minute",
}


def problem_of(document: object) -> str:
    """What a JSON answer says about its error; empty where it says nothing of the kind."""
    if isinstance(document, dict):
        for name in ("error", "message"):
            if isinstance(document.get(name), str):
                return clean(document[name], 200)
    return ""


def admin_headers(context: Context) -> Mapping[str, str]:
    """The admin's token as bearer and as cookie: which of them is read depends on the version (facts 5.2)."""
    token = header_value("api.admin_token", context.settings.api.admin_token)
    return {"Authorization": f"Bearer {token}", "Cookie": f"token={token}"}
