"""alert.unsilence, the undo of a silence: it expires now. With what both need to speak to Alertmanager."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..errors import ActionError, NexConsoleError, SourceError
from ..model import Reading
from ..sources.alertmanager import AlertmanagerAlert, AlertmanagerSource, Silence, equal
from ..text.sanitize import clean
from . import shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import send
from .http_replies import HttpReply
from .plan import Confirmation, Guard, Outcome, Plan, Target, Verdict
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

SERVER = "$ALERTMANAGER_URL"
MARK = "nexconsole"
DEADLINE_S = 15.0
LOOK_EVERY_S = 0.5
UUID = re.compile(r"[0-9a-fA-F-]{8,64}|[0-9A-HJKMNP-TV-Z]{26}")


class Unsilencing:
    """Expires a silence now: alerts that still fire notify again."""

    name = "alert.unsilence"
    title = "End a silence of an alert"
    synonyms = ("unmute", "expire silence", "remove silence", "undo silence")
    arguments = (Argument(name="silence", kind="text", help="its id, or the mark that its comment ends with"),)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        return ()

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return missing(settings)

    async def permitted(self, context: Context) -> Guard:
        return await answers(context)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        silence, source = await _find(server(context), arguments.get("silence", "").strip()), server(context)
        matchers = ", ".join(str(matcher) for matcher in silence.matchers)
        hidden = await _hidden_by(source, silence)
        path = f"/api/v2/silence/{quote(silence.id, safe='')}"
        shown = {
            "matchers": clean(matchers, 300),
            "by": clean(silence.created_by, 80),
            "until": stamp(silence.ends_at),
        }
        return make_plan(
            context,
            action=self.name,
            arguments={"silence": silence.id},
            targets=(Target(kind="silence", id=silence.id, identity={"state": silence.status.state}, shown=shown),),
            effect=f"Ends silence {silence.id} of {clean(silence.created_by, 80)} now: {clean(matchers, 300)} notifies"
            f" again, {plural(len(hidden), 'alert')} of it at once",
            command=shell_commands.curl("DELETE", path, headers=login(context.settings), server=SERVER),
            guards=(_whose(silence, context),),
            confirm=Confirmation(kind="letter", text="e"),
            undo=None,
            watch="the silence is expired",
            deadline_s=min(DEADLINE_S, context.settings.actions.verify_s),
            details={"path": path},
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        source, target = server(context), plan.targets[0]
        try:
            state = (await source.silence(target.id)).status.state
        except SourceError as error:
            return Outcome(state="failed", answer=f"{error}: nothing was changed")
        if state != target.identity["state"]:
            said = f"silence {target.id} is {clean(state, 20)} now: nothing was changed"
            return Outcome(state="refused", answer=said)
        reply = await send(context, "DELETE", str(plan.details["path"]), headers=source.headers, to=source, empty=True)
        if isinstance(reply, HttpReply):
            return Outcome(state="done", answer=f"alertmanager ended silence {target.id}", touched=(target,))
        return reply

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        source, target = server(context), plan.targets[0]

        async def look() -> SettledOutcome:
            state = (await source.silence(target.id)).status.state
            said = f"silence {target.id} is {clean(state, 20)}"
            return SettledOutcome(happened=state == "expired", said=said, touched=(target,))

        return await settled(outcome, look, context)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        source, id = server(context), plan.targets[0].id

        async def look(last: bool) -> Verdict | None:
            silence = await source.silence(id)
            if silence.status.state == "expired":
                return Verdict(state="worked", because=f"silence {id} ended at {stamp(silence.ends_at)}")
            state = clean(silence.status.state, 20)
            return Verdict(state="no effect", because=f"silence {id} is still {state}") if last else None

        return await watch(plan.deadline_s, look, LOOK_EVERY_S)


def missing(settings: Settings) -> str | None:
    """What must be set before anything can be silenced; None where nothing is missing."""
    return None if settings.alertmanager.url else "alertmanager has no address here: set alertmanager.url"


def server(context: Context) -> AlertmanagerSource:
    """Alertmanager by the context's settings, asked and written to."""
    return AlertmanagerSource(context.sources.clients, context.settings.alertmanager)


async def answers(context: Context) -> Guard:
    """Alertmanager has no roles: who can read can write, unless a proxy forbids it."""
    try:
        await server(context).silences(equal("alertname", MARK))
    except NexConsoleError as error:
        return Guard(name="alertmanager", level="block", reason=str(error))
    return Guard(name="alertmanager", level="ok", reason="alertmanager answers; it knows no roles")


def stamp(at: datetime | None) -> str:
    """`2026-11-23T14:07:31Z`; "?" where it is not known."""
    return "?" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def plural(count: int, word: str) -> str:
    """`1 alert`, `2 alerts`."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def login(settings: Settings) -> tuple[str, ...]:
    """The header by which the literal command logs in, as a variable."""
    if settings.alertmanager.bearer:
        return ("Authorization: Bearer $ALERTMANAGER_TOKEN",)
    if settings.alertmanager.username:
        return ("Authorization: Basic $ALERTMANAGER_BASIC",)
    return ()


async def _find(source: AlertmanagerSource, wanted: str) -> Silence:
    """The silence by its id, or by the mark in its comment. Raises ActionError where it is not active."""
    silences = [
        silence
        for silence in await source.silences()
        if wanted and (silence.id == wanted or silence.comment.endswith(f"{MARK} {wanted}"))
    ]
    if not silences:
        raise ActionError(f"alertmanager has no silence {clean(wanted, 60) or '(no id given)'}")
    silence = silences[0]
    if silence.status.state == "expired":
        raise ActionError(f"silence {silence.id} is over already, since {stamp(silence.ends_at)}")
    if not UUID.fullmatch(silence.id):
        raise ActionError(f"silence {clean(silence.id, 60)} has an id that is none: use amtool")
    return silence


async def _hidden_by(source: AlertmanagerSource, silence: Silence) -> list[AlertmanagerAlert]:
    first = next((matcher for matcher in silence.matchers if matcher.name == "alertname"), None)
    met = await source.alerts(first) if first else ()
    return [alert for alert in met if silence.id in (alert.status.silenced_by or ())]


def _whose(silence: Silence, context: Context) -> Guard:
    by = clean(silence.created_by, 80)
    if silence.created_by == context.operator:
        return Guard(name="whose", level="ok", reason="it is your own")
    return Guard(name="whose", level="warn", reason=f"it is {by or 'somebody'}'s: {clean(silence.comment, 200)}")


UNSILENCE = Unsilencing()
ACTIONS: tuple[Action, ...] = (UNSILENCE,)
