"""What keys and palette set going that changes something: actions, their confirmation, their undo."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping
from datetime import datetime

from ..actions.action import Action, named_arguments
from ..actions.perform import ConfirmationReply
from ..actions.plan import Plan
from ..actions.registry import ACTIONS
from ..errors import NexConsoleError, SettingsError
from ..incident.proposals import Proposal
from ..session.capabilities import Capability
from ..session.confirming import heading, seen_by_agent, why_unfit
from ..session.operation import Operation, StepRef
from ..session.performer import LEAVE_S
from ..session.session import Session
from ..text.units import period
from ..widgets.banner import key_of
from ..widgets.spans import plain
from .break_glass import BreakGlassScreen
from .confirm import ConfirmScreen
from .dialogs import Dialogs
from .prompt import Prompt
from .unrecorded import Unrecorded

QUIT_AGAIN_S = 8.0


class ActionController:
    """Takes actions down the session's one path, and asks what it asks."""

    def __init__(
        self, dialogs: Dialogs, session: Session, clock: Callable[[], datetime], drill: str | None = None
    ) -> None:
        self._dialogs, self._app, self._session, self._clock = dialogs, dialogs.app, session, clock
        self._drill = drill
        self._begun: set[str] = set()  # actions that are being prepared or asked about
        self._asked_to_quit = 0.0

    def act(
        self,
        action: str,
        arguments: Mapping[str, str],
        *,
        step: StepRef | None = None,
        undoes: Operation | None = None,
        confirms: Proposal | None = None,
    ) -> None:
        """Take an action down its path, in a worker of the app: no screen that is closed cuts it off.

        Nothing new begins while the same is being prepared or asked about: a key that is held down opens one dialog.
        """
        if (name := f"{action} {dict(arguments)}") not in self._begun:
            self._begun.add(name)
            self._app.run_worker(
                self._act(name, action, arguments, step, undoes, confirms), name=action, group="actions"
            )

    def confirm(self, proposal: Proposal) -> None:
        """Take what an agent proposes down the same path: prepared anew, with what differs from the agent's plan."""
        if unfit := why_unfit(proposal):
            self._dialogs.say(f"it can't be confirmed: {unfit}: object to it, with the reason")
        elif (why_not := self._session.unavailable(proposal.action)) is not None:
            self._dialogs.say(f"it can't be confirmed here: {plain(why_not)}")
        else:
            self.act(proposal.action, proposal.arguments, confirms=proposal)

    async def _act(
        self,
        name: str,
        action: str,
        arguments: Mapping[str, str],
        step: StepRef | None,
        undoes: Operation | None,
        confirms: Proposal | None,
    ) -> None:
        shown: Plan | None = None

        async def ask(plan: Plan, why_again: str | None) -> ConfirmationReply:
            nonlocal shown
            before, shown = shown, plan
            if confirms is not None and before is None:
                before, why_again = seen_by_agent(confirms, plan), heading(confirms, plan)
            self._begun.add(name)
            try:
                return await self._ask(plan, why_again, before)
            finally:
                self._begun.discard(name)

        try:
            await self._session.perform(
                action,
                arguments,
                ask,
                self._ask_unrecorded,
                step=step,
                undoes=undoes,
                confirms=confirms,
                break_glass=self._ask_reason,
            )
        finally:
            self._begun.discard(name)

    async def _ask(self, plan: Plan, why_again: str | None, before: Plan | None) -> ConfirmationReply:
        dialog = ConfirmScreen(plan, why_again, self._session.settings, self._clock, drill=self._drill, before=before)
        return await self._app.push_screen_wait(dialog)

    async def _ask_reason(self, plan: Plan, why: str) -> str | None:
        return await self._app.push_screen_wait(BreakGlassScreen(plan, why, self._session.settings, self._drill))

    async def _ask_unrecorded(self, why: str) -> bool:
        return await self._app.push_screen_wait(Unrecorded(why))

    def ask_arguments(self, action: str, given: Mapping[str, str] | None = None) -> None:
        """Ask for an action's arguments but those given, in one line, then take it."""
        self._dialogs.once(self._ask_arguments(ACTIONS[action], dict(given or {})))

    async def _ask_arguments(self, action: Action, given: Mapping[str, str]) -> None:
        asked = [argument for argument in action.arguments if argument.name not in given]
        words = [
            *(plain(word, 60) for word in given.values()),
            *(argument.name.upper() if argument.required else f"[{argument.name.upper()}]" for argument in asked),
        ]
        offered = [word for argument in asked for word in self._session.known(argument.kind)]
        helps = "; ".join(f"{argument.name}: {argument.help}" for argument in asked if argument.help)

        def wrong(text: str) -> str:
            try:
                _named(action, text, given)
            except NexConsoleError as error:
                return str(error)
            return ""

        title = f"{action.name} {' '.join(words)}: {action.title.lower()}"
        text = await self._app.push_screen_wait(Prompt(title, hint=helps, offered=offered, words=True, wrong=wrong))
        if text is not None:
            self.act(action.name, _named(action, text, given))

    def undo(self) -> None:
        """Take back the newest action that can be; asked about like any other."""
        operation = self._session.undoable
        if operation is None or operation.undo is None:
            self._dialogs.say("nothing to undo: no action of this console can be undone")
            return
        self.act(operation.undo.action, operation.undo.arguments, undoes=operation)

    def dismiss(self) -> None:
        if not self._session.dismiss():
            self._dialogs.say("nothing to dismiss: no operation has ended")

    def stop(self) -> None:
        if not self._session.stop():
            self._dialogs.say("nothing to stop: nothing is being sent")

    def may_quit(self) -> bool:
        """Whether nothing is under way or still in force, or the operator has been told so and asks again."""
        under_way = self._session.under_way
        me = str(self._session.journal.writer)
        mine = [item.what for item in self._session.in_force if item.by == me]
        stays = Capability.JOIN in self._session.capabilities
        now = asyncio.get_running_loop().time()
        if not stays or not (under_way or mine) or now - self._asked_to_quit < QUIT_AGAIN_S:
            return True
        self._asked_to_quit = now
        if not under_way:
            more = f" and {len(mine) - 1} more of what you did" if len(mine) > 1 else ""
            self._dialogs.say(
                f"still in force: {plain(mine[0], 80)}{more}; press {key_of('app.quit')} again to leave", QUIT_AGAIN_S
            )
            return False
        operation = under_way[0]
        left = f"being sent; {key_of('app.quit')} again leaves when the answer is in, or after {period(LEAVE_S)}"
        left = (
            left
            if operation.phase == "sending"
            else f"being watched; {key_of('app.quit')} again leaves without a verdict"
        )
        self._dialogs.say(f"{operation.name} is still {left}", QUIT_AGAIN_S)
        return False


def _named(action: Action, text: str, given: Mapping[str, str]) -> dict[str, str]:
    """A line's words as the action's arguments beside those given. Raises SettingsError."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SettingsError(f"{error}: quote it as in a shell") from error
    return named_arguments(action, words, given)
