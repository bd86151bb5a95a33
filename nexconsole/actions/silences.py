"""alert.silence, in Alertmanager: a preview lists what it hides, and every silence expires. silence_undo.py ends it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..errors import ActionError
from ..model import Reading, value_of
from ..signals.alerts import Alerts
from ..sources.alertmanager import AlertmanagerAlert, AlertmanagerSource, AlertMatcher, Silence, as_json, equal
from ..text import units
from ..text.sanitize import clean
from . import shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import send
from .http_replies import unproven
from .plan import Confirmation, Guard, Outcome, Plan, Target, Undo, Verdict
from .settlement import SettledOutcome, settled
from .silence_undo import (
    DEADLINE_S,
    LOOK_EVERY_S,
    MARK,
    SERVER,
    UNSILENCE,
    answers,
    login,
    missing,
    plural,
    server,
    stamp,
)
from .verdicts import watch

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

LONGEST_S = 30 * 86400
LONG_S = 86400  # a silence that outlives the incident is typed
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
CRITICAL = frozenset({"critical", "page", "sev-1", "sev1"})
SHOWN = 50


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
        return missing(settings)

    async def permitted(self, context: Context) -> Guard:
        return await answers(context)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        name, settings = _name(arguments), context.settings
        duration = arguments.get("duration", "").strip()
        lasts_s = seconds_of(duration) if duration else settings.alertmanager.silence_s
        source, matcher = server(context), equal("alertname", name)
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
                Target(kind="silence", id=str(matcher), identity={"lasts_s": lasts_s}, shown={"until": stamp(ends)}),
                *(_alert_target(alert) for alert in met[:SHOWN]),
            ),
            effect=f"Nobody is notified of alerts with {matcher} until {stamp(ends)} ({units.period(lasts_s)}):"
            f" {_how_many(firing, met)}. The cause stays",
            command=_post_command(settings, body),
            guards=(*_guards(name, met, known, critical, lasts_s), *_clocks(source), *_elsewhere(context, name, met)),
            confirm=Confirmation(kind="type", text=name) if typed else Confirmation(kind="letter", text="s"),
            undo=Undo(action=UNSILENCE.name, arguments={"silence": mark}, command=undo),
            watch="the silence is active, and the alerts that it matches are suppressed",
            deadline_s=min(DEADLINE_S, context.settings.actions.verify_s),
            details={"body": body, "mark": mark, "name": name},
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        source = server(context)
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
        source, matcher = server(context), equal("alertname", str(plan.details["name"]))

        async def look(last: bool) -> Verdict | None:
            silence = await _marked(plan, context)
            if silence is None:
                return Verdict(state="no effect", because="alertmanager has no such silence") if last else None
            met = await source.alerts(matcher)
            hidden = sum(silence.id in (alert.status.silenced_by or ()) for alert in met)
            return _active(silence, hidden, len(met), last)

        return await watch(plan.deadline_s, look, LOOK_EVERY_S)


def _made(plan: Plan, id: str) -> Target:
    return Target(kind="silence", id=clean(id, 80), identity={"alert": str(plan.details["name"])})


async def _marked(plan: Plan, context: Context) -> Silence | None:
    """The silence whose comment has this plan's mark. Raises SourceError."""
    matcher = equal("alertname", str(plan.details["name"]))
    found = (
        silence for silence in await server(context).silences(matcher) if str(plan.details["mark"]) in silence.comment
    )
    return next(found, None)


def _name(arguments: Mapping[str, str]) -> str:
    name = arguments.get("alert", "").strip()
    if not name or clean(name, 200) != name:
        raise ActionError(f"an alert's name is wanted, such as HighErrorRate, not {clean(name, 60) or 'nothing'}")
    return name


def _body(context: Context, matcher: AlertMatcher, begins: datetime, ends: datetime, mark: str) -> Mapping[str, Any]:
    return {
        "matchers": as_json([matcher]),
        "startsAt": stamp(begins),
        "endsAt": stamp(ends),
        "createdBy": context.operator or MARK,
        "comment": f"silenced by {context.operator or MARK} from {MARK} {mark}",
    }


def _how_many(firing: list[AlertmanagerAlert], met: tuple[AlertmanagerAlert, ...]) -> str:
    hidden = len(met) - len(firing)
    if not met:
        return "no alert fires now: it hides future ones"
    more = f", {hidden} more are silenced or inhibited already" if hidden else ""
    verb = "fires" if len(firing) == 1 else "fire"
    return f"{plural(len(firing), 'alert')} of that name {verb} now{more}"


def _alert_target(alert: AlertmanagerAlert) -> Target:
    labels = {key: value for key, value in alert.labels.items() if key != "alertname"}
    shown = clean(", ".join(f"{key}={value}" for key, value in sorted(labels.items())), 200)
    state = clean(alert.status.state, 20)
    since = stamp(alert.starts_at)
    return Target(
        kind="alert", id=clean(alert.fingerprint, 40), shown={"labels": shown, "state": state, "since": since}
    )


def _guards(
    name: str, met: tuple[AlertmanagerAlert, ...], known: tuple[Silence, ...], critical: bool, lasts_s: int
) -> list[Guard]:
    guards = []
    active = [silence for silence in known if silence.status.state == "active"]
    if active:
        until = max(stamp(silence.ends_at) for silence in active)
        by = clean(active[0].created_by, 60)
        reason = f"{plural(len(active), 'silence')} with alertname={name} already, until {until}, the first by {by}"
        guards.append(Guard(name="silenced already", level="warn", reason=reason))
    if critical:
        reason = f"{name} is critical: while it is silenced, nobody is woken by it"
        guards.append(Guard(name="critical", level="warn", reason=reason))
    if lasts_s > LONG_S:
        reason = f"{units.period(lasts_s)} may outlast the incident: the next one would be silent, too"
        guards.append(Guard(name="long", level="warn", reason=reason))
    if len(met) > SHOWN:
        guards.append(Guard(name="many", level="warn", reason=f"{len(met)} alerts match, {SHOWN} of them are listed"))
    if not met:
        reason = f"alertmanager has no alert {name} now: check the name"
        guards.append(Guard(name="fires", level="warn", reason=reason))
    return guards or [Guard(name="fires", level="ok", reason=f"{plural(len(met), 'alert')} match")]


def _clocks(source: AlertmanagerSource) -> list[Guard]:
    if not source.ahead_s:
        return []
    by = f"{units.duration(abs(source.ahead_s))} {'ahead of' if source.ahead_s > 0 else 'behind'}"
    return [
        Guard(
            name="clocks",
            level="warn",
            reason=f"alertmanager's clock is {by} this machine's: the server's clock counts",
        )
    ]


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
        shown = f"{hidden} of {plural(met, 'alert')} suppressed by it" if met else "no alert fires that it matches"
        # The dispatcher marks alerts as silenced a moment after the silence is there.
        if met and not hidden and not last:
            return None
        return Verdict(
            state="worked", because=f"silence {silence.id} is active until {stamp(silence.ends_at)}, {shown}"
        )
    if not last:
        return None
    return Verdict(state="no effect", because=f"silence {silence.id} is {clean(state, 20)}")


def _post_command(settings: Settings, body: Mapping[str, Any]) -> str:
    return shell_commands.curl("POST", "/api/v2/silences", headers=login(settings), body=body, server=SERVER)


def _end_command(matcher: AlertMatcher) -> str:
    """Expires the silence; its id is not known before it is created."""
    ids = shell_commands.amtool(SERVER, "silence", "query", "-q", str(matcher))
    return f"{shell_commands.amtool(SERVER, 'silence', 'expire')} $({ids})"


SILENCE = Silencing()
ACTIONS: tuple[Action, ...] = (SILENCE,)
