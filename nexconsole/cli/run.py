"""`nexconsole run ACTION`: one action without the screen, by the same path and into the same journal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

import msgspec

from .. import terminal
from ..actions.action import Action, named_arguments
from ..actions.perform import ActionResult, ConfirmationReply
from ..actions.plan import Outcome, Plan
from ..actions.registry import ACTIONS
from ..errors import SettingsError
from ..incident.role_problems import approval_problems
from ..session.approvals import reason_of
from ..session.operation import Operation
from ..session.performer import LEAVE_S
from ..session.session import Session
from ..settings import Loaded, Settings, named, permission_refused
from ..sources import open_sources
from ..text.suggestions import did_you_mean
from .options import load, start_log
from .parsing import Parser

WORKED, REFUSED, USAGE, FAILED, UNKNOWN = 0, 1, 2, 3, 4
TELL_S = 10.0  # how long the team may be told of it, where no console is there to do it
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("action", metavar="ACTION", nargs="?", help="such as provider.disable; none: list them")
    parser.add_argument("arguments", metavar="ARG", nargs="*", help="in their order, or as name=value")
    parser.add_argument("--dry-run", action="store_true", help="show the plan only, as without --confirm")
    parser.add_argument("--confirm", metavar="TEXT", help="execute; TEXT is what the dialog asks for; needs a terminal")
    meaning = "act without the second person that it needs, where there is none; the reason is loud on record"
    parser.add_argument("--break-glass", metavar="REASON", help=meaning)
    parser.add_argument("--unrecorded", action="store_true", help="act even if the journal can't be written")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(options: Namespace) -> int:
    """Run the action. Exit codes: 0 worked, 1 refused or blocked, 2 usage, 3 failed, 4 unknown."""
    loaded = load(options)
    settings = named(loaded.settings)
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
    if options.break_glass is not None and not reason_of(options.break_glass):
        raise SettingsError("--break-glass: the reason is empty: say why it can't wait for a second person")
    action = ACTIONS[options.action]
    arguments = named_arguments(action, options.arguments)
    unattended = _unattended(loaded) if options.confirm is not None and not options.dry_run else ""
    if unattended:
        performance = ActionResult(plan=None, stopped=unattended)
        _show(performance, options, settings)
    else:
        performance = asyncio.run(_perform(action, arguments, options, settings))
    return exit_code(performance, options.dry_run or options.confirm is None)


def _show(performance: ActionResult, options: Namespace, settings: Settings) -> None:
    dry = options.dry_run or options.confirm is None
    print(_as_json(performance, settings) if options.json else _as_text(performance, dry, settings), flush=True)


def _unattended(loaded: Loaded) -> str:
    """Why nothing can be confirmed from here; "" where a person has this terminal, or the settings need none."""
    if terminal.attended():
        return ""
    if loaded.settings.actions.confirm_without_terminal:
        refused = permission_refused(loaded, "actions.confirm_without_terminal")
        return f"nothing was sent: there is no terminal, and {refused}" if refused else ""
    return (
        "nothing was sent: --confirm needs a terminal, for a person confirms (ssh -t gives one); for cron and CI set"
        " actions.confirm_without_terminal = true in the settings file"
    )


def exit_code(performance: ActionResult, dry: bool) -> int:
    """The exit code for a result. A plan that was only shown is 0, unless blocked or not preparable."""
    outcome, verdict = performance.outcome, performance.verdict
    if outcome is None:
        ready = dry and performance.plan is not None and not performance.plan.blocked
        return WORKED if ready else REFUSED
    if outcome.state != "done":
        return {"refused": REFUSED, "failed": FAILED, "unknown": UNKNOWN}[outcome.state]
    if verdict is None:
        return UNKNOWN
    return {"worked": WORKED, "recovered": UNKNOWN, "unknown": UNKNOWN}.get(verdict.state, FAILED)


class OneShot:
    """A running action and its signals: what is being sent is finished and recorded first. A lost connection (SIGHUP)
    interrupts neither the request nor the watching.
    """

    def __init__(self, session: Session, confirm: str, unrecorded: bool, reason: str | None = None) -> None:
        self._session, self._confirm, self._unrecorded, self._reason = session, confirm, unrecorded, reason
        self._told = False  # to end
        self._leaves = LEAVE_S
        self._progress = ""
        self._task: asyncio.Task[Operation] | None = None

    async def run(self, action: str, arguments: Mapping[str, str]) -> ActionResult:
        """The result, also after a signal."""
        loop = asyncio.get_running_loop()
        path = self._session.perform(action, arguments, self._ask, self._ask_unrecorded, break_glass=self._break_glass)
        self._task = loop.create_task(path)
        for number in ENDING:
            loop.add_signal_handler(number, self._signal, number)
        try:
            operation = await self._task
            assert operation.result is not None
            return operation.result
        except asyncio.CancelledError:
            if not self._told:
                raise
            return self._cut_off()
        finally:
            for number in ENDING:
                loop.remove_signal_handler(number)

    async def close(self) -> None:
        """What was written reaches the others first, but not for long."""
        await self._session.peers.told()
        self._session.notices.leave_s = TELL_S if self._leaves else 0.0
        await self._session.close(leave_s=self._leaves)

    def changed(self) -> None:
        """Say how far it is; once the outcome is on record, whoever was told to end ends."""
        operation = self._operation
        if operation is None:
            return
        if operation.progress and operation.progress != self._progress:
            _say(operation.progress)
        self._progress = operation.progress
        if self._told and operation.outcome is not None and self._task is not None:
            self._task.cancel()

    @property
    def _operation(self) -> Operation | None:
        return next(iter(self._session.performer.operations), None)

    @property
    def _sent(self) -> bool:
        """Whether it may be on its way: from the moment on that its intent may be on record."""
        return self._operation is not None and self._operation.phase in ("sending", "watching")

    async def _ask(self, plan: Plan, why_again: str | None) -> ConfirmationReply:
        """Confirms by the given text, once, the plan as first shown. A changed plan is not confirmed."""
        return ConfirmationReply(text=self._confirm if why_again is None else None)

    async def _break_glass(self, plan: Plan, why: str) -> str | None:
        """The given reason, or how to give one."""
        if self._reason is None:
            _say(f"it needs a second person's approval, and {why}: --break-glass REASON sends it without one")
        else:
            _say(f"BREAKING THE GLASS, since {why}: {self._reason}")
        return self._reason

    async def _ask_unrecorded(self, sentence: str) -> bool:
        return self._unrecorded

    def _signal(self, number: int) -> None:
        if number == signal.SIGHUP and self._sent:
            return
        again, self._told = self._told, True
        operation = self._operation
        if operation is not None:
            operation.stopping = True
        if self._sent and operation is not None and operation.outcome is None and not again:
            _say("ending: waiting for the answer to what was sent; a second signal leaves at once")
        elif self._task is not None:
            self._leaves = 0.0
            self._task.cancel()

    def _cut_off(self) -> ActionResult:
        operation = self._operation
        if operation is not None and operation.result is not None:
            return operation.result
        if not self._sent:
            return ActionResult(plan=None, stopped="ended by a signal: nothing was sent")
        answer = "ended by a signal before the answer: it may have happened or not"
        return ActionResult(plan=None, outcome=Outcome(state="unknown", answer=answer))


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(text, file=sys.stderr, flush=True)


async def _perform(
    action: Action, arguments: Mapping[str, str], options: Namespace, settings: Settings
) -> ActionResult:
    sources = open_sources(settings)
    try:
        session = Session(settings, sources)
        await session.incident_store.look()
        await session.monitor.read_all(sources)
        if options.dry_run or options.confirm is None:
            performance = await session.preview(action.name, arguments)
            _show(performance, options, settings)
            return performance
        for problem in approval_problems(settings):
            _say(f"nexconsole: {problem}")
        one_shot = OneShot(session, options.confirm, bool(options.unrecorded), options.break_glass)
        session.follow(one_shot.changed)
        session.start()
        try:
            performance = await one_shot.run(action.name, arguments)
            _show(performance, options, settings)  # before others are told, which may take its time
            return performance
        finally:
            await one_shot.close()
    finally:
        await sources.close()


def _as_json(performance: ActionResult, settings: Settings) -> str:
    document: dict[str, Any] = {
        "environment": settings.environment,
        "name": settings.name,
        "profile": settings.profile,
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
        lines += [f"in {settings.place}", plan.effect, ""]
        lines += [f"  {_target(target.as_dict())}" for target in plan.targets]
        lines += [f"  {guard.level:<6} {guard.reason}" for guard in plan.guards]
        lines += ["", f"the same by hand:\n{plan.command}"]
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
