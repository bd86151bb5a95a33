"""alert.silence and alert.unsilence, in Alertmanager. A preview lists what the silence hides; every silence expires."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import ActionError, NexConsoleError, SourceError
from ..model import Reading, value_of
from ..signals.alerts import Alerts
from ..sources.alertmanager import AlertmanagerAlert, AlertmanagerSource, AlertMatcher, Silence, as_json, equal
from ..text import units
from ..text.sanitize import clean
from . import shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import send
from .http_replies import HttpReply, unproven
from .plan import Confirmation, Guard, Outcome, Plan, Target, Undo, Verdict
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

LONGEST_S = 30 * 86400
LONG_S = 86400  # a silence that outlives the incident is typed
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
SERVER = "$ALERTMANAGER_URL"
MARK = "nexconsole"
CRITICAL = frozenset({"critical", "page", "sev-1", "sev1"})
SHOWN = 50
DEADLINE_S = 15.0
LOOK_EVERY_S = 0.5
UUID = re.compile(r"[0-9a-fA-F-]{8,64}|[0-9A-HJKMNP-TV-Z]{26}")


def seconds_of(text: str) -> int:
    """A duration as Prometheus writes it: 90s, 30m, 2h, 1d, 1h30m. Raises ActionError."""
    wanted = text.strip().lower()
    parts = re.findall(r"([0-9]{1,6})\s*(s|min|m|h|d|w)", wanted)
    if not parts or re.sub(r"[0-9]{1,6}\s*(s|min|m|h|d|w)|\s", "", wanted):
        raise ActionError(f"a silence lasts such as 30m, 2h or 1h30m, not {clean(text, 40) or 'nothing'}")
    total = sum(int(number) * UNITS[unit[0]] for number, unit in parts)
    if not 0 < total <= LONGEST_S:
        raise ActionError(f"a silence lasts from 1 s to {units.period(LONGEST_S)}, not {clean(text, 40)}")
    return total


class Silencing:
    """Suppresses one alert's notifications until a given time. The cause stays."""

    name = "alert.silence"
    title = "Silence an alert for a while"
    synonyms = ("mute", "snooze", "quiet", "stop paging", "acknowledge alert", "alertmanager")
    arguments = (
        Argument(name="alert", kind="alert", help="the alert's name"),
        Argument(name="duration", kind="duration", required=False, help="such as 30m or 2h"),
    )

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        alerts = value_of(readings, "alerts", Alerts)
        names: dict[str, int] = {}
        for alert in alerts.firing if alerts else ():
            names[alert.name] = names.get(alert.name, 0) + 1
        return tuple(
            Suggestion(title=f"Silence {name} - {count} firing", arguments={"alert": name}, weight=0.1)
            for name, count in names.items()
        )

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return _missing(settings)

    async def permitted(self, context: Context) -> Guard:
        return await _answers(context)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        name, settings = _name(arguments), context.settings
        duration = arguments.get("duration", "").strip()
        lasts_s = seconds_of(duration) if duration else settings.alertmanager.silence_s
        source, matcher = _source(context), equal("alertname", name)
        met = await source.alerts(matcher)
        known = await source.silences(matcher)
        begins = source.now(context.clock())
        ends = begins + timedelta(seconds=lasts_s)
        mark = secrets.token_hex(4)
        body = _body(context, matcher, begins, ends, mark)
        firing = [alert for alert in met if alert.status.state != "suppressed"]
        critical = any(alert.labels.get("severity", "").lower() in CRITICAL for alert in met)
        typed = critical or lasts_s > LONG_S
        undo = _end_command(matcher)
        return make_plan(
            context,
            action=self.name,
            arguments={"alert": name} | ({"duration": duration} if duration else {}),
            targets=(
                Target(kind="silence", id=str(matcher), identity={"lasts_s": lasts_s}, shown={"until": _time(ends)}),
                *(_alert_target(alert) for alert in met[:SHOWN]),
            ),
            effect=f"Nobody is notified of alerts with {matcher} until {_time(ends)} ({units.period(lasts_s)}):"
            f" {_how_many(firing, met)}. What is wrong stays wrong",
            command=_post_command(settings, body),
            guards=(*_guards(name, met, known, critical, lasts_s), *_clocks(source), *_elsewhere(context, name, met)),
            confirm=Confirmation(kind="type", text=name) if typed else Confirmation(kind="letter", text="s"),
            undo=Undo(action=UNSILENCE.name, arguments={"silence": mark}, command=undo),
            watch="the silence is active, and the alerts that it meets are suppressed",
            deadline_s=min(DEADLINE_S, context.settings.actions.verify_s),
            details={"body": body, "mark": mark, "name": name},
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        source = _source(context)
        reply = await send(
            context, "POST", "/api/v2/silences", headers=source.headers, body=plan.details["body"], to=source
        )
        if isinstance(reply, Outcome):
            return reply
        id = reply.document.get("silenceID") if isinstance(reply.document, dict) else None
        if not isinstance(id, str) or not id:
            return unproven("alertmanager accepted it without giving the silence an id")
        id = clean(id, 80)
        return Outcome(state="done", answer=f"alertmanager made silence {id}", touched=(_made(plan, id),))

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        async def look() -> SettledOutcome:
            made = await _marked(plan, context)
            if made is None:
                return SettledOutcome(happened=False, said="alertmanager has no such silence")
            return SettledOutcome(
                happened=True, said=f"alertmanager has silence {made.id}", touched=(_made(plan, made.id),)
            )

        return await settled(outcome, look, context)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        source, matcher = _source(context), equal("alertname", str(plan.details["name"]))

        async def look(last: bool) -> Verdict | None:
            silence = await _marked(plan, context)
            if silence is None:
                return Verdict(state="no effect", because="alertmanager has no such silence") if last else None
            met = await source.alerts(matcher)
            hidden = sum(silence.id in (alert.status.silenced_by or ()) for alert in met)
            return _active(silence, hidden, len(met), last)

        return await watch(plan.deadline_s, look, LOOK_EVERY_S)


class Unsilencing:
    """Expires a silence now: alerts that still fire notify again."""

    name = "alert.unsilence"
    title = "End a silence of an alert"
    synonyms = ("unmute", "expire silence", "remove silence", "undo silence")
    arguments = (Argument(name="silence", kind="text", help="its id, or the mark that its comment ends with"),)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        return ()

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return _missing(settings)

    async def permitted(self, context: Context) -> Guard:
        return await _answers(context)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        silence, source = await _find(_source(context), arguments.get("silence", "").strip()), _source(context)
        matchers = ", ".join(str(matcher) for matcher in silence.matchers)
        hidden = await _hidden_by(source, silence)
        path = f"/api/v2/silence/{quote(silence.id, safe='')}"
        shown = {"matchers": clean(matchers, 300), "by": clean(silence.created_by, 80), "until": _time(silence.ends_at)}
        return make_plan(
            context,
            action=self.name,
            arguments={"silence": silence.id},
            targets=(Target(kind="silence", id=silence.id, identity={"state": silence.status.state}, shown=shown),),
            effect=f"Ends silence {silence.id} of {clean(silence.created_by, 80)} now: {clean(matchers, 300)} notifies"
            f" again, {_plural(len(hidden), 'alert')} of it at once",
            command=shell_commands.curl("DELETE", path, headers=_login(context.settings), server=SERVER),
            guards=(_whose(silence, context),),
            confirm=Confirmation(kind="letter", text="e"),
            undo=None,
            watch="the silence is expired",
            deadline_s=min(DEADLINE_S, context.settings.actions.verify_s),
            details={"path": path},
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        source, target = _source(context), plan.targets[0]
        try:
            state = (await source.silence(target.id)).status.state
        except SourceError as error:
            return Outcome(state="failed", answer=f"{error}: nothing was changed")
        if state != target.identity["state"]:
            said = f"silence {target.id} is {clean(state, 20)} by now: nothing was changed"
            return Outcome(state="refused", answer=said)
        reply = await send(context, "DELETE", str(plan.details["path"]), headers=source.headers, to=source, empty=True)
        if isinstance(reply, HttpReply):
            return Outcome(state="done", answer=f"alertmanager ended silence {target.id}", touched=(target,))
        return reply

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        source, target = _source(context), plan.targets[0]

        async def look() -> SettledOutcome:
            state = (await source.silence(target.id)).status.state
            said = f"silence {target.id} is {clean(state, 20)}"
            return SettledOutcome(happened=state == "expired", said=said, touched=(target,))

        return await settled(outcome, look, context)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        source, id = _source(context), plan.targets[0].id

        async def look(last: bool) -> Verdict | None:
            silence = await source.silence(id)
            if silence.status.state == "expired":
                return Verdict(state="worked", because=f"silence {id} ended at {_time(silence.ends_at)}")
            state = clean(silence.status.state, 20)
            return Verdict(state="no effect", because=f"silence {id} is still {state}") if last else None

        return await watch(plan.deadline_s, look, LOOK_EVERY_S)


def _made(plan: Plan, id: str) -> Target:
    return Target(kind="silence", id=clean(id, 80), identity={"alert": str(plan.details["name"])})


async def _marked(plan: Plan, context: Context) -> Silence | None:
    """The silence whose comment has this plan's mark. Raises SourceError."""
    matcher = equal("alertname", str(plan.details["name"]))
    found = (
        silence for silence in await _source(context).silences(matcher) if str(plan.details["mark"]) in silence.comment
    )
    return next(found, None)


def _missing(settings: Settings) -> str | None:
    return None if settings.alertmanager.url else "alertmanager has no address here: set alertmanager.url"


def _source(context: Context) -> AlertmanagerSource:
    return AlertmanagerSource(context.sources.clients, context.settings.alertmanager)


async def _answers(context: Context) -> Guard:
    """Alertmanager has no roles: who can read can write, unless a proxy forbids it."""
    try:
        await _source(context).silences(equal("alertname", MARK))
    except NexConsoleError as error:
        return Guard(name="alertmanager", level="block", reason=str(error))
    return Guard(name="alertmanager", level="ok", reason="alertmanager answers; it knows no roles")


def _name(arguments: Mapping[str, str]) -> str:
    name = arguments.get("alert", "").strip()
    if not name or clean(name, 200) != name:
        raise ActionError(f"an alert's name is wanted, such as HighErrorRate, not {clean(name, 60) or 'nothing'}")
    return name


def _body(context: Context, matcher: AlertMatcher, begins: datetime, ends: datetime, mark: str) -> Mapping[str, Any]:
    return {
        "matchers": as_json([matcher]),
        "startsAt": _time(begins),
        "endsAt": _time(ends),
        "createdBy": context.operator or MARK,
        "comment": f"silenced by {context.operator or MARK} from {MARK} {mark}",
    }


def _time(at: datetime | None) -> str:
    return "?" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _how_many(firing: list[AlertmanagerAlert], met: tuple[AlertmanagerAlert, ...]) -> str:
    hidden = len(met) - len(firing)
    if not met:
        return "none fires now, so it hides what may come"
    more = f", {hidden} more are silenced or inhibited already" if hidden else ""
    verb = "fires" if len(firing) == 1 else "fire"
    return f"{_plural(len(firing), 'alert')} of that name {verb} now{more}"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _alert_target(alert: AlertmanagerAlert) -> Target:
    labels = {key: value for key, value in alert.labels.items() if key != "alertname"}
    shown = clean(", ".join(f"{key}={value}" for key, value in sorted(labels.items())), 200)
    state = clean(alert.status.state, 20)
    since = _time(alert.starts_at)
    return Target(
        kind="alert", id=clean(alert.fingerprint, 40), shown={"labels": shown, "state": state, "since": since}
    )


def _guards(
    name: str, met: tuple[AlertmanagerAlert, ...], known: tuple[Silence, ...], critical: bool, lasts_s: int
) -> list[Guard]:
    guards = []
    active = [silence for silence in known if silence.status.state == "active"]
    if active:
        until = max(_time(silence.ends_at) for silence in active)
        by = clean(active[0].created_by, 60)
        reason = f"{_plural(len(active), 'silence')} with alertname={name} already, until {until}, the first by {by}"
        guards.append(Guard(name="silenced already", level="warn", reason=reason))
    if critical:
        reason = f"{name} is critical: while it is silenced, nobody is woken by it"
        guards.append(Guard(name="critical", level="warn", reason=reason))
    if lasts_s > LONG_S:
        reason = f"{units.period(lasts_s)} outlast the incident: the next one by this alert would be silent, too"
        guards.append(Guard(name="long", level="warn", reason=reason))
    if len(met) > SHOWN:
        guards.append(Guard(name="many", level="warn", reason=f"{len(met)} alerts match, {SHOWN} of them are listed"))
    if not met:
        reason = f"alertmanager has no alert {name} now: check the name"
        guards.append(Guard(name="fires", level="warn", reason=reason))
    return guards or [Guard(name="fires", level="ok", reason=f"{_plural(len(met), 'alert')} match")]


def _clocks(source: AlertmanagerSource) -> list[Guard]:
    if not source.ahead_s:
        return []
    by = f"{units.duration(abs(source.ahead_s))} {'ahead of' if source.ahead_s > 0 else 'behind'}"
    return [Guard(name="clocks", level="warn", reason=f"alertmanager's clock is {by} this machine's: its clock counts")]


def _elsewhere(context: Context, name: str, met: tuple[AlertmanagerAlert, ...]) -> list[Guard]:
    """Warns where Prometheus has the alert firing and this Alertmanager does not: it may be the wrong one."""
    alerts = value_of(context.readings(), "alerts", Alerts)
    if met or alerts is None or not any(alert.name == name for alert in alerts.firing):
        return []
    reason = f"{name} fires in Prometheus, but this Alertmanager does not have it: is alertmanager.url the right one?"
    return [Guard(name="elsewhere", level="warn", reason=reason)]


def _active(silence: Silence, hidden: int, met: int, last: bool) -> Verdict | None:
    state = silence.status.state
    if state == "active":
        shown = f"{hidden} of {_plural(met, 'alert')} suppressed by it" if met else "no alert fires that it meets"
        # The dispatcher marks alerts as silenced a moment after the silence is there.
        if met and not hidden and not last:
            return None
        return Verdict(
            state="worked", because=f"silence {silence.id} is active until {_time(silence.ends_at)}, {shown}"
        )
    if not last:
        return None
    return Verdict(state="no effect", because=f"silence {silence.id} is {clean(state, 20)}")


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
        raise ActionError(f"silence {silence.id} is over already, since {_time(silence.ends_at)}")
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


def _login(settings: Settings) -> tuple[str, ...]:
    """The header by which the literal command logs in, as a variable."""
    if settings.alertmanager.bearer:
        return ("Authorization: Bearer $ALERTMANAGER_TOKEN",)
    if settings.alertmanager.username:
        return ("Authorization: Basic $ALERTMANAGER_BASIC",)
    return ()


def _post_command(settings: Settings, body: Mapping[str, Any]) -> str:
    return shell_commands.curl("POST", "/api/v2/silences", headers=_login(settings), body=body, server=SERVER)


def _end_command(matcher: AlertMatcher) -> str:
    """Expires the silence; its id is not known before it is created."""
    ids = shell_commands.amtool(SERVER, "silence", "query", "-q", str(matcher))
    return f"{shell_commands.amtool(SERVER, 'silence', 'expire')} $({ids})"


SILENCE = Silencing()
UNSILENCE = Unsilencing()
ACTIONS: tuple[Action, ...] = (SILENCE, UNSILENCE)
