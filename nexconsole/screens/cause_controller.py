"""What a cause leads to: the scenario for it, and its remedy down the usual path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..actions.registry import ACTIONS, COMMANDS
from ..catalogue import LOGS, by_name
from ..causes.wording import filled_call
from ..session.known_causes import know_causes
from ..session.session import Session
from ..widgets.spans import plain
from .action_controller import ActionController
from .dialogs import Dialogs
from .scenario_controller import ScenarioController

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..causes.model import Candidate


class CauseController:
    """`logs` opens the pods' logs."""

    def __init__(
        self,
        dialogs: Dialogs,
        session: Session,
        actions: ActionController,
        scenarios: ScenarioController,
        logs: Callable[[str], None],
    ) -> None:
        self._dialogs, self._session, self._actions = dialogs, session, actions
        self._scenarios, self._logs = scenarios, logs

    async def load(self) -> None:
        """Read the causes beside the loop; from then on they are ranked. What of the team's can't be taken is said."""
        problems = await know_causes(self._session.monitor, self._session.settings)
        if problems:
            self._dialogs.say(f"a cause was not taken: {plain(problems[0])}: see `nexconsole runbook check`", 15.0)

    def scenario(self, candidate: Candidate) -> None:
        """Open the steps for it."""
        self._scenarios.open(candidate.cause.scenario, candidate.target)

    def remedy(self, candidate: Candidate) -> None:
        """Begin what it asks for: prepared, shown and confirmed as from anywhere else."""
        if candidate.cause.remedy is None:
            return
        call = filled_call(candidate.cause.remedy, candidate.target)
        if call.name == LOGS:
            self._logs(" ".join(call.arguments))
            return
        if call.name not in ACTIONS:
            self._dialogs.say(f"{plain(call, 80)}: this console has no such action")
            return
        why_not = self._session.unavailable(call.name)
        if why_not is not None:
            self._dialogs.say(f"{plain(call, 80)}: {why_not}")
            return
        given = by_name(COMMANDS[call.name], tuple(word for word in call.arguments if "{" not in word))
        if any(argument.required and argument.name not in given for argument in ACTIONS[call.name].arguments):
            self._actions.ask_arguments(call.name, given)
        else:
            self._actions.act(call.name, given)

    def scenario_title(self, id: str) -> str:
        """As the runbook calls it; "" where it has no such chapter, or was not read yet."""
        book = self._scenarios.runbook
        chapter = book.chapter(id) if book is not None else None
        if chapter is None:
            return ""
        return f"scenario {chapter.number}: {chapter.title}" if chapter.number else chapter.title

    @staticmethod
    def action_title(name: str) -> str:
        command = COMMANDS.get(name)
        return command.title if command is not None else ""
