"""An action of an installed package. It takes the same path, and a fault in it becomes a sentence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, cast

from ..catalogue import KINDS, Argument
from ..errors import ActionError, NexConsoleError, SettingsError
from ..text.sanitize import clean
from ..text.units import period
from .action import Action, Context, Suggestion
from .by_hand import EmergencyCommand
from .plan import Guard, Outcome, Plan, Verdict

log = logging.getLogger(__name__)

PREPARE_LIMIT_S = 30.0
METHODS = ("suggestions", "unavailable", "permitted", "prepare", "execute", "verify")
T = TypeVar("T")


class PluginAction:
    """Calls the package's action. Any exception or invalid answer becomes an ActionError."""

    def __init__(self, action: Action) -> None:
        self._action = action
        self.name, self.title, self.synonyms, self.arguments = (
            action.name,
            action.title,
            action.synonyms,
            action.arguments,
        )
        for fact in ("routes", "rights", "about"):
            if hasattr(action, fact):
                setattr(self, fact, getattr(action, fact))
        if callable(settle := getattr(action, "settle", None)):
            self.settle = self._awaited(settle, Outcome)
        if callable(emergency := getattr(action, "emergency", None)):
            self.emergency = lambda context: self._by_hand(emergency, context)
        self.execute = self._awaited(action.execute, Outcome)
        self.verify = self._awaited(action.verify, Verdict)

    def suggestions(self, *given: Any) -> tuple[Suggestion, ...]:
        try:
            found = tuple(self._action.suggestions(*given))
            return found if all(isinstance(suggestion, Suggestion) for suggestion in found) else ()
        except Exception:
            log.exception("the suggestions of %s", self.name)
            return ()

    def unavailable(self, *given: Any) -> str | None:
        try:
            why_not = self._action.unavailable(*given)
        except Exception as error:
            return str(self._broken(error))
        return None if why_not is None else clean(why_not, 200)

    async def permitted(self, context: Context) -> Guard:
        try:
            return await self._within(lambda: self._action.permitted(context), Guard)
        except NexConsoleError as error:
            return Guard(name="permission", level="block", reason=str(error))

    async def prepare(self, *given: Any) -> Plan:
        plan = await self._within(lambda: self._action.prepare(*given), Plan)
        if plan.action != self.name:
            raise ActionError(f"{self.name}: its plan is of another action")
        return plan

    def _awaited(self, method: Callable[..., Awaitable[T]], kind: type[T]) -> Callable[..., Coroutine[Any, Any, T]]:
        async def call(*given: Any) -> T:
            return await self._within(lambda: method(*given), kind, limit_s=None)

        return call

    async def _within(
        self, call: Callable[[], Awaitable[T]], kind: type[T], limit_s: float | None = PREPARE_LIMIT_S
    ) -> T:
        try:
            async with asyncio.timeout(limit_s) as limit:
                answer = await call()
        except NexConsoleError:
            raise
        except TimeoutError as error:
            if limit_s is None or not limit.expired():
                raise self._broken(error) from error
            raise ActionError(f"{self.name} did not answer within {period(limit_s)}") from None
        except Exception as error:
            raise self._broken(error) from error
        if not isinstance(answer, kind):
            raise ActionError(f"{self.name} is broken: it answered with no {kind.__name__}")
        return answer

    def _by_hand(self, emergency: Callable[..., Any], context: object) -> EmergencyCommand:
        try:
            command = emergency(context)
            if isinstance(command, EmergencyCommand):
                return command
            said = f"{self.name} is broken: it answered with no EmergencyCommand"
        except Exception as error:
            said = str(self._broken(error))
        return EmergencyCommand(title=self.title, notes=(said,))

    def _broken(self, error: Exception) -> ActionError:
        log.error("%s raised", self.name, exc_info=error)
        return ActionError(f"{self.name} is broken: {clean(str(error) or type(error).__name__, 200)}")


def plugin_action(name: str, action: object) -> Action:
    """The wrapped action. Raises SettingsError where the object is no action of this name."""
    if getattr(action, "name", None) != name:
        raise SettingsError(f"its object is no action named {name}")
    if missing := [method for method in METHODS if not callable(getattr(action, method, None))]:
        raise SettingsError(f"it has no {' and no '.join(missing)}")
    about = getattr(action, "about", ())
    if not isinstance(about, tuple) or not all(isinstance(kind, str) for kind in about):
        raise SettingsError("what it is about is no tuple of kinds of subjects")
    if not isinstance(getattr(action, "title", None), str) or not isinstance(getattr(action, "synonyms", None), tuple):
        raise SettingsError("it has no title, or no tuple of synonyms")
    arguments = getattr(action, "arguments", None)
    if not isinstance(arguments, tuple) or not all(isinstance(argument, Argument) for argument in arguments):
        raise SettingsError("it has no tuple of arguments")
    if unknown := [argument.kind for argument in arguments if argument.kind not in KINDS]:
        raise SettingsError(f"there is no kind of argument {unknown[0]}")
    return PluginAction(cast(Action, action))
