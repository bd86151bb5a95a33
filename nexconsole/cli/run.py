"""`nexconsole run ACTION`: one action without the screen, down the same path and into the same journal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from argparse import Namespace
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec

from .. import status
from ..actions.action import Action, Context, named_arguments
from ..actions.perform import ActionHost, ActionResult, ConfirmationReply, observing, perform
from ..actions.plan import Outcome, Plan
from ..actions.registry import ACTIONS
from ..actions.relevance import prepared
from ..errors import NexConsoleError, SettingsError
from ..journal import EntryKind
from ..model import utc_now
from ..session.incident_store import IncidentStore
from ..session.operation import Operation
from ..session.peers import Peers
from ..settings import Settings, named
from ..sharing.leases import LeaseService
from ..sources import open_sources
from ..text.suggestions import did_you_mean
from .options import load, start_log
from .parsing import Parser

WORKED, REFUSED, USAGE, FAILED, UNKNOWN = 0, 1, 2, 3, 4
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("action", metavar="ACTION", nargs="?", help="such as provider.disable; none: list them")
    parser.add_argument("arguments", metavar="ARG", nargs="*", help="in their order, or as name=value")
    parser.add_argument("--dry-run", action="store_true", help="only show the plan, as without --confirm")
    parser.add_argument("--confirm", metavar="TEXT", help="execute; TEXT is what the dialog would ask for")
    parser.add_argument("--unrecorded", action="store_true", help="act even if the journal can't be written")
    parser.add_argument("--json", action="store_true")


def run(options: Namespace) -> int:
    """Do what was asked. Exit codes: 0 worked, 1 refused or blocked, 2 usage, 3 failed, 4 unknown."""
    settings = named(load(options).settings)
    start_log(settings)
    if options.action is None or options.action not in ACTIONS:
        for problem in ACTIONS.problems:
            _say(problem)
    if options.action is None:
        for name, each in sorted(ACTIONS.items()):
            words = " ".join(argument.name.upper() for argument in each.arguments)
            print(f"{name + ' ' + words:<28} {each.title}")
        return 0
    if options.action not in ACTIONS:
        near = did_you_mean(options.action, ACTIONS) or ": `nexconsole run` lists them"
        raise SettingsError(f"there is no action {options.action}{near}")
    action = ACTIONS[options.action]
    arguments = named_arguments(action, options.arguments)
    performance = asyncio.run(_perform(action, arguments, options, settings))
    dry = options.dry_run or options.confirm is None
    print(_as_json(performance, settings) if options.json else _as_text(performance, dry, settings))
    return exit_code(performance, dry)


def exit_code(performance: ActionResult, dry: bool) -> int:
    """The code for what happened; a plan that was only shown is 0 unless it is blocked or could not be prepared."""
    outcome, verdict = performance.outcome, performance.verdict
    if outcome is None:
        ready = dry and performance.plan is not None and not performance.plan.blocked
        return WORKED if ready else REFUSED
    if outcome.state != "done":
        return {"refused": REFUSED, "failed": FAILED, "unknown": UNKNOWN}[outcome.state]
    if verdict is None:
        return UNKNOWN
    return {"worked": WORKED, "unknown": UNKNOWN}.get(verdict.state, FAILED)


class Course:
    """An action on its way, and what a signal does to it: what is being sent is finished and recorded first.

    A link that drops (SIGHUP) cuts off nothing that was sent, not even the watching.
    """

    def __init__(self) -> None:
        self.sent = self.told = False
        self._performance: ActionResult | None = None
        self._task: asyncio.Task[ActionResult] | None = None

    async def run(self, path: Coroutine[Any, Any, ActionResult]) -> ActionResult:
        """What has happened, also where a signal ended it."""
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(path)
        for number in ENDING:
            loop.add_signal_handler(number, self._signal, number)
        try:
            return await self._task
        except asyncio.CancelledError:
            if not self.told:
                raise
            return self._performance or self._cut_off()
        finally:
            for number in ENDING:
                loop.remove_signal_handler(number)

    def show(self, performance: ActionResult) -> None:
        """The outcome is on record."""
        self._performance = performance
        if self.told and self._task is not None:
            self._task.cancel()

    def _signal(self, number: int) -> None:
        if number == signal.SIGHUP and self.sent:
            return
        again, self.told = self.told, True
        if self.sent and self._performance is None and not again:
            _say("told to end: waiting for the answer to what was sent; once more leaves at once")
        elif self._task is not None:
            self._task.cancel()

    def _cut_off(self) -> ActionResult:
        if not self.sent:
            return ActionResult(plan=None, stopped="told to end by a signal: nothing was sent")
        answer = "told to end by a signal before the answer was in: it may have happened or not"
        return ActionResult(plan=None, outcome=Outcome(state="unknown", answer=answer))


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(text, file=sys.stderr, flush=True)


async def _perform(
    action: Action, arguments: Mapping[str, str], options: Namespace, settings: Settings
) -> ActionResult:
    sources = open_sources(settings)
    book = IncidentStore(settings, utc_now)
    leases, course = LeaseService(settings), Course()
    tasks: list[asyncio.Task[None]] = []
    peers = Peers(settings, book, utc_now, lambda work: tasks.append(asyncio.create_task(work)))
    try:
        await book.look()
        readings = (await status.take(sources, settings)).readings
        why_not = action.unavailable(settings, sources)
        if why_not is not None:
            return ActionResult(plan=None, stopped=why_not)
        context = Context(
            settings=settings,
            sources=sources,
            readings=lambda: readings,
            operator=settings.operator,
            cancelled=lambda: course.told,
            progress=_say,
            entries=lambda: _entries(book),
        )
        if options.dry_run or options.confirm is None:
            return await _prepared(action, arguments, context, book.observing or observing(settings, readings))

        async def ask(plan: Plan, why_again: str | None) -> ConfirmationReply:
            """The text given once, for the plan as it is first shown: what has changed since is not confirmed."""
            return ConfirmationReply(text=options.confirm if why_again is None else None)

        async def record(kind: str, data: Mapping[str, Any]) -> str:
            course.sent = course.sent or kind == EntryKind.INTENT  # from the moment on that it may be on record
            return (await book.record(kind, data)).id

        async def consult(plan: Plan, context: Context) -> tuple[str | None, str | None]:
            said = await peers.approvals.ask(plan, context.progress, context.cancelled)
            return said.proposal, said.why_not

        async def ask_unrecorded(sentence: str) -> bool:
            course.sent = bool(options.unrecorded)
            return course.sent

        console = ActionHost(
            ask=ask,
            record=record,
            ask_unrecorded=ask_unrecorded,
            show=course.show,
            observing=book.observing or observing(settings, readings),
            leases=leases,
            consult=consult,
        )
        tasks.append(asyncio.create_task(book.run()))
        peers.start()
        operation = Operation(action=action.name, arguments=arguments, began_at=utc_now(), by=settings.operator)
        peers.tell((operation,), observing=False)
        return await course.run(perform(action, arguments, context, console))
    finally:
        if tasks:
            await peers.told()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await leases.close()
        await sources.close()


async def _entries(book: IncidentStore) -> list[dict[str, Any]]:
    await book.look()
    return book.as_context()


async def _prepared(
    action: Action, arguments: Mapping[str, str], context: Context, observes: str | None
) -> ActionResult:
    """The plan alone; `observes` is why it could not be executed here."""
    try:
        return ActionResult(plan=await prepared(action, arguments, context), stopped=observes)
    except NexConsoleError as error:
        return ActionResult(plan=None, stopped=str(error))


def _as_json(performance: ActionResult, settings: Settings) -> str:
    document: dict[str, Any] = {
        "plan": performance.plan.as_dict() if performance.plan else None,
        "outcome": performance.outcome,
        "verdict": performance.verdict,
        "stopped": performance.stopped,
        "doubt": performance.doubt,
        "unrecorded": performance.unrecorded,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _as_text(performance: ActionResult, dry: bool, settings: Settings) -> str:
    lines = []
    plan = performance.plan
    if plan is not None:
        lines += [plan.effect, ""]
        lines += [f"  {_target(target.as_dict())}" for target in plan.targets]
        lines += [f"  {guard.level:<6} {guard.reason}" for guard in plan.guards]
        lines += ["", f"the command it stands for:\n{plan.command}"]
        lines.append(f"undo: {plan.undo.command}" if plan.undo else "undo: there is none")
        if dry and performance.stopped is None and not plan.blocked:
            lines.append(f"to execute it, add: --confirm {plan.confirm.text!r}")
    if performance.outcome is not None:
        lines.append(f"{performance.outcome.state}: {performance.outcome.answer}")
    if performance.verdict is not None:
        lines.append(f"verdict: {performance.verdict.state}: {performance.verdict.because}")
    if performance.unrecorded:
        lines.append(f"NOT RECORDED: {performance.unrecorded}")
    if performance.stopped is not None:
        lines.append(f"not done: {performance.stopped}")
    return "\n".join(lines)


def _target(facts: Mapping[str, object]) -> str:
    kind, id, chosen = facts["kind"], facts["id"], facts.get("chosen", True)
    rest = ", ".join(f"{name} {value}" for name, value in facts.items() if name not in ("kind", "id", "chosen"))
    return f"{'' if chosen else '(left alone) '}{kind} {id}{': ' + rest if rest else ''}"
