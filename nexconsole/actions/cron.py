"""NexNum's cron routes: their method learnt by OPTIONS, called once with the secret, believed only when they say so.

(nexnum.md#nextjs, #cron-routes) The secret goes from memory into the header, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ActionError
from ..sources.http_client import header_value
from ..text.sanitize import clean
from . import shell_commands
from .action import Context
from .connections import send
from .http_replies import HttpReply, problem_of, unproven
from .plan import Guard, Outcome

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

TIMES = 6  # a batch of up to 300 rows takes longer than one change: so many times actions.timeout_s
HEADER = "Authorization: Bearer $CRON_SECRET"
PART = 207  # Multi-Status: a part of it went wrong


@dataclass(frozen=True, kw_only=True)
class CronRoute:
    """A route of this version, and the method by which it will be called."""

    path: str
    method: str


def missing(sources: Sources) -> str | None:
    return None if sources.has("api") else "NexNum's API has no address here: set api.url (API_URL)"


async def learn(context: Context, path: str, preferred: Sequence[str]) -> CronRoute:
    """The first of the preferred methods that the route exports, asked by OPTIONS, which runs no handler.

    Raises SourceError where OPTIONS is not answered as Next.js does, ActionError where no method will do.
    """
    allowed = await context.sources.api.methods(path)
    method = next((one for one in preferred if one in allowed), None)
    if method is None:
        exported = ", ".join(clean(one, 20) for one in allowed[:8])
        raise ActionError(f"route {path} exports {exported}, neither {' nor '.join(preferred)}: it can't be run here")
    return CronRoute(path=path, method=method)


def method_guard(route: CronRoute) -> Guard:
    """Which method, and why not the runbook's: unexported, it would answer 405 and do nothing, without a word."""
    reason = f"the route exports {route.method}, learnt by OPTIONS"
    if route.method == "GET":
        reason += "; a POST would be answered by an empty 405 and do nothing"
    return Guard(name="method", level="ok", reason=reason)


def secret_guard(settings: Settings) -> Guard:
    """Whether a secret is sent. That a route is open is never tried out: the call itself would show it."""
    name = "secret"
    if settings.api.cron_secret:
        return Guard(name=name, level="ok", reason="the cron secret goes with it, from memory")
    reason = (
        "no cron secret is set here (api.cron_secret, CRON_SECRET): it is sent without. If NexNum has one it answers"
        " 401 and does nothing; if it works, the route is open to everybody who can reach it"
    )
    return Guard(name=name, level="warn", reason=reason)


def command(settings: Settings, route: CronRoute) -> str:
    return shell_commands.curl(route.method, route.path, headers=(HEADER,) if settings.api.cron_secret else ())


def limit_s(context: Context) -> float:
    return TIMES * context.settings.actions.timeout_s


async def call(
    context: Context, route: CronRoute, headers: Mapping[str, str] | None = None, body: object = None
) -> HttpReply | Outcome:
    """The route's JSON where it says `success: true` or 207; everything else is an Outcome."""
    if headers is None and context.settings.api.cron_secret:
        secret = header_value("api.cron_secret", context.settings.api.cron_secret)
        headers = {"Authorization": f"Bearer {secret}"}
    reply = await send(context, route.method, route.path, headers=headers, body=body, timeout_s=limit_s(context))
    if isinstance(reply, Outcome):
        return reply
    at = f"{route.method} {route.path} at {context.sources.api.address} answered {reply.status}"
    document = reply.document
    if not isinstance(document, dict) or not isinstance(document.get("success"), bool):
        return unproven(f"{at} with JSON that has no `success`: that is not NexNum's answer")
    if reply.status != PART and not document["success"]:
        return unproven(f"{at}, success: false: {problem_of(document) or 'no reason given'}")
    return reply


def open_to_all(settings: Settings) -> str:
    """What a success without a secret tells."""
    return "" if settings.api.cron_secret else "; it took no secret: this route is open to everybody"


def tally(document: object, *path: str) -> Mapping[str, int] | None:
    """The whole numbers of a part of an answer; None where there is no such part."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    if not isinstance(document, dict):
        return None
    return {clean(k, 30): v for k, v in document.items() if isinstance(v, int) and not isinstance(v, bool)}
