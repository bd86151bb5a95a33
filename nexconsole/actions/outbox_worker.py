"""outbox.process: runs one outbox batch, by the route that this version has. (nexnum.md#outbox, #outbox-api,
#cron-routes)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..catalogue import Route
from ..errors import ActionError, BadAnswer, NexConsoleError, SourceError
from ..model import Reading, value_of
from ..signals.outbox import TABLE, Outbox
from ..text.sanitize import clean
from ..text.units import count, duration
from . import cron, outbox_batch, shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import admin_headers
from .cron import CronRoute
from .guards import fresh
from .http_replies import HttpReply, problem_of
from .plan import Confirmation, Guard, Outcome, OutcomeState, Plan, Target, Verdict
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

LOOK_EVERY_S = 1.0
ADMIN_BODY = {"action": "process"}
# What was there when the batch was called: it can only become less. Counted up to $2.
BACKLOG_SQL = f"""
SELECT (SELECT count(*) FROM (SELECT 1 FROM {TABLE} WHERE status = 'PENDING'
        AND created_at < now() - make_interval(secs => $1) LIMIT $2) p) AS pending,
       (SELECT count(*) FROM (SELECT 1 FROM {TABLE} WHERE status = 'FAILED' LIMIT $2) f) AS failed
"""


@dataclass(frozen=True, kw_only=True)
class Way:
    """A route that processes the outbox. `does` names its side effects; `reads` finds its figures in the answer."""

    path: str
    methods: tuple[str, ...]
    admin: bool
    does: str
    trap: str
    reads: Callable[[object], Mapping[str, int]]


def _of_process_outbox(document: object) -> Mapping[str, int]:
    parts = [cron.tally(document, name) or {} for name in ("legacy", "activation")]
    return {name: sum(part.get(name, 0) for part in parts) for name in ("succeeded", "failed")}


def _of_worker(document: object) -> Mapping[str, int]:
    return cron.tally(document, "data", "outbox") or {}


def _of_admin(document: object) -> Mapping[str, int]:
    return cron.tally(document, "result") or cron.tally(document, "results") or cron.tally(document) or {}


WAYS = (
    Way(
        path="/api/cron/process-outbox",
        methods=("GET", "POST"),
        admin=False,
        does="takes up to 50 events of any kind and up to 10 of activations at once, and does nothing else",
        trap="the 50 become PUBLISHED without being done: in this version only the pods' own loop updates the offers",
        reads=_of_process_outbox,
    ),
    Way(
        path="/api/cron/worker",
        methods=("GET", "POST"),
        admin=False,
        does="takes about 20 events, and runs notifications, the inbox, search and the clean-up of reservations too",
        trap="it answers early: events turn FAILED in the background, seconds later",
        reads=_of_worker,
    ),
    Way(
        path="/api/admin/outbox",
        methods=("POST",),
        admin=True,
        does="takes a batch of about 50 events, and does nothing else",
        trap="",
        reads=_of_admin,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Counts at one moment. `capped`: at least this many."""

    pending: int
    failed: int
    capped: bool


class ProcessOutbox:
    """Runs one batch now instead of at the worker's next turn."""

    name = "outbox.process"
    title = "Process the outbox once"
    synonyms = ("drain outbox", "run worker", "outbox lag", "process events", "cron worker", "process-outbox")
    arguments: tuple[Argument, ...] = ()
    about = ("event",)
    routes = tuple(Route(path=way.path, methods=way.methods) for way in WAYS)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        outbox = value_of(readings, "outbox", Outbox)
        if outbox is None or not outbox.pending:
            return ()
        late = (outbox.oldest_pending_s or 0) >= settings.outbox.stuck_after_s
        oldest = f"the oldest for {duration(outbox.oldest_pending_s or 0)}"
        title = f"Process the outbox once - {count(outbox.pending)} pending, {oldest}"
        return (Suggestion(title=title, arguments={}, weight=0.4 if late else 0.05),)

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return cron.missing(sources)

    async def permitted(self, context: Context) -> Guard:
        try:
            way, _, _ = await _way(context)
        except NexConsoleError as error:
            return Guard(name="route", level="block", reason=str(error))
        return _login_guard(context, way)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        way, route, passed = await _way(context)
        backlog = await _backlog(context, 0.0)
        shown: dict[str, Any] = {"route": f"{route.method} {route.path}"}
        if isinstance(backlog, Backlog):
            shown |= {"pending": backlog.pending, "failed": backlog.failed}
        guards = [
            Guard(name="route", level="ok", reason=f"{route.path} exports {route.method}{passed}"),
            _login_guard(context, way),
            *([Guard(name="trap", level="warn", reason=way.trap)] if way.trap else []),
            _pending_guard(backlog),
            *_poison(backlog),
            fresh(context, "outbox"),
        ]
        waiting = f"{_counted(backlog)} pending" if isinstance(backlog, Backlog) else "what is pending can't be read"
        return make_plan(
            context,
            action=self.name,
            arguments={},
            targets=(Target(kind="table", id=TABLE, identity={"route": route.path}, shown=shown),),
            effect=f"Calls {route.method} {route.path} once ({waiting}): it {way.does}. No undo: published stays so",
            command=command(context.settings, way, route),
            guards=tuple(guards),
            confirm=Confirmation(kind="letter", text="p"),
            undo=None,
            watch="the events that wait now, until none of them is taken any more: published, FAILED or still waiting",
            deadline_s=context.settings.actions.verify_s,
            details={
                "path": route.path,
                "method": route.method,
                "ids": await outbox_batch.waiting(context),
            },
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        way = next(way for way in WAYS if way.path == plan.details["path"])
        route = CronRoute(path=way.path, method=str(plan.details["method"]))
        if way.admin:
            reply = await cron.call(context, route, headers=admin_headers(context), body=ADMIN_BODY)
        else:
            reply = await cron.call(context, route)
        return reply if isinstance(reply, Outcome) else _outcome(context, plan, way, reply)

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        ids: Any = plan.details["ids"]
        if not ids:
            return outcome

        async def look() -> SettledOutcome:
            batch = await outbox_batch.now(ids, context)
            moved = batch.waiting < len(ids)
            return SettledOutcome(
                happened=moved, said=f"of the events that waited: {batch}", touched=plan.chosen if moved else ()
            )

        return await settled(outcome, look, context)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        ids: Any = plan.details["ids"]
        if ids is None:
            return Verdict(state="unknown", because="which events were pending before could not be read")
        if not ids:
            return Verdict(state="no effect", because="nothing was pending before")
        batch = outbox_batch.OutboxWatch(ids)
        return await watch(plan.deadline_s, lambda last: batch.look(context, last), LOOK_EVERY_S)


async def _way(context: Context) -> tuple[Way, CronRoute, str]:
    """The first usable route, and why the routes before it are not. Raises ActionError, SourceError.

    It sends OPTIONS only. A redirect or an HTML page counts as trouble of that route, and the next is tried.
    """
    passed: list[str] = []
    for way in WAYS:
        if way.admin and not context.settings.api.admin_token:
            passed.append(f"{way.path} wants an admin's token: set api.admin_token")
            continue
        try:
            return way, await cron.learn(context, way.path, way.methods), _passed(passed)
        except (BadAnswer, ActionError) as error:
            passed.append(str(error))
    raise ActionError(f"this version has no route that processes the outbox: {'; '.join(passed)}")


def _passed(reasons: list[str]) -> str:
    return f" ({'; '.join(reasons)})" if reasons else ""


def _login_guard(context: Context, way: Way) -> Guard:
    if not way.admin:
        return cron.secret_guard(context.settings)
    return Guard(name="token", level="ok", reason="the admin's token goes with it, from memory")


def command(settings: Settings, way: Way, route: CronRoute) -> str:
    if way.admin:
        return shell_commands.curl(route.method, route.path, headers=shell_commands.ADMIN, body=ADMIN_BODY)
    return cron.command(settings, route)


async def _backlog(context: Context, older_s: float) -> Backlog | SourceError:
    limit = context.settings.outbox.count_limit
    try:
        await context.sources.postgres.require(TABLE, "status", "created_at")
        async with context.sources.postgres.read("the outbox query") as tx:
            row = await tx.row(BACKLOG_SQL, older_s, limit)
    except SourceError as error:
        return error
    return Backlog(pending=row["pending"], failed=row["failed"], capped=row["pending"] >= limit)


def _counted(backlog: Backlog) -> str:
    return f"{count(backlog.pending)}{' or more' if backlog.capped else ''}"


def _pending_guard(backlog: Backlog | SourceError) -> Guard:
    name = "pending"
    if isinstance(backlog, SourceError):
        return Guard(name=name, level="warn", reason=f"what is pending can't be read: {backlog}")
    if not backlog.pending:
        return Guard(name=name, level="warn", reason="nothing is pending: there is nothing to process")
    return Guard(name=name, level="ok", reason=f"{_counted(backlog)} events are pending")


def _poison(backlog: Backlog | SourceError) -> tuple[Guard, ...]:
    """Warns that events which failed before may fail again, for good: nothing retries them (nexnum.md#outbox)."""
    if isinstance(backlog, SourceError) or not backlog.failed:
        return ()
    reason = (
        f"{count(backlog.failed)} events are FAILED: if their cause lasts (search down,"
        " unreadable payloads), what is taken"
        " now fails too, and nothing but outbox.retry brings it back"
    )
    return (Guard(name="failing", level="warn", reason=reason),)


def _outcome(context: Context, plan: Plan, way: Way, reply: HttpReply) -> Outcome:
    figures = way.reads(reply.document)
    told = ", ".join(f"{name} {figures[name]}" for name in ("processed", "succeeded", "failed") if name in figures)
    told = told or "it does not say what it did"
    if reply.status == cron.PART:
        errors = _errors(reply.document)
        # The worker answers so when any of its parts failed; the outbox is one of them.
        state: OutcomeState = (
            "done" if figures and not any("outbox" in error.lower() for error in errors) else "unknown"
        )
        said = "; ".join(errors[:5]) or problem_of(reply.document) or "it does not say which"
        return Outcome(
            state=state,
            answer=f"the route answered 207, a part of it went wrong ({said}); of the outbox: {told}",
            touched=plan.chosen if state == "done" else (),
        )
    opened = "" if way.admin else cron.open_to_all(context.settings)
    return Outcome(state="done", answer=f"the route answered {reply.status}: {told}{opened}", touched=plan.chosen)


def _errors(document: object) -> list[str]:
    data = document.get("data") if isinstance(document, dict) else None
    errors = data.get("errors") if isinstance(data, dict) else None
    return [clean(error, 120) for error in errors] if isinstance(errors, list) else []


PROCESS = ProcessOutbox()
ACTIONS: tuple[Action, ...] = (PROCESS,)
