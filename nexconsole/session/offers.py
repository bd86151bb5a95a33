"""Every action that can be begun now, with its likely targets, or why not now: what a palette lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..actions.action import Action, Suggestion
from ..actions.registry import ACTIONS
from ..actions.relevance import OnScreen, misfit
from .capabilities import Capability
from .session import Session

UNSENT = "nothing is sent before you have seen the preview"
HINDERED = -0.3  # after everything that may help, before targets that nothing speaks for
MOST_TARGETS = 200  # of one kind; more are found by typing them where the action asks for its arguments


@dataclass(frozen=True, kw_only=True)
class ActionOffer:
    """An action as it may be begun. `arguments`: None where they must be asked for.

    `words` are found but not shown. `weight` orders offers, the likeliest first. `why_not`: why it can't be begun now.
    """

    action: str
    title: str
    arguments: Mapping[str, str] | None
    words: tuple[str, ...] = ()
    detail: str = ""
    weight: float = 0.0
    why_not: str = ""


def action_offers(session: Session) -> list[ActionOffer]:
    """Each action by name: with each likely target, with every other known target, and once asking for its target."""
    refused = session.why_not(Capability.ACT)
    seen = OnScreen(
        readings=session.readings, health=session.sources.health(), settings=session.settings, now=session.clock()
    )
    return [offer for name in sorted(ACTIONS) for offer in _offers(session, ACTIONS[name], seen, refused)]


def _offers(session: Session, action: Action, seen: OnScreen, refused: str | None) -> Iterator[ActionOffer]:
    why_not = refused or action.unavailable(session.settings, session.sources) or ""
    suggestions = action.suggestions(session.readings, session.settings)
    yield from (_suggested(action, suggestion, seen, why_not) for suggestion in suggestions)
    if not action.arguments and suggestions:
        return
    taken = {tuple(suggestion.arguments.values()) for suggestion in suggestions}
    yield from _others(session, action, taken, seen, why_not)
    required = [argument.name for argument in action.arguments if argument.required]
    given = " ".join(argument.name.upper() for argument in action.arguments)
    yield ActionOffer(
        action=action.name,
        title=f"{action.title} ..." if required else action.title,
        arguments=None if action.arguments else {},
        words=(*action.synonyms, given),
        detail=f"asks for {given}" if given else UNSENT,
        weight=0.1,
        why_not=why_not,
    )


def _suggested(action: Action, suggestion: Suggestion, seen: OnScreen, why_not: str) -> ActionOffer:
    """A likely target; what would not help by what is on screen comes last, and says why."""
    hindered = misfit(action.name, suggestion.arguments, seen)
    return ActionOffer(
        action=action.name,
        title=suggestion.title,
        arguments=dict(suggestion.arguments),
        words=(*action.synonyms, action.title, *suggestion.arguments.values()),
        detail=f"will not help: {hindered}" if hindered else f"{action.title}; {UNSENT}",
        weight=HINDERED if hindered else 0.5 + suggestion.weight,
        why_not=why_not,
    )


def _others(
    session: Session, action: Action, taken: set[tuple[str, ...]], seen: OnScreen, why_not: str
) -> Iterator[ActionOffer]:
    """The action with every other target that the readings know, for whoever types its name."""
    required = [argument for argument in action.arguments if argument.required]
    if len(required) != 1:
        return
    for word in session.known(required[0].kind)[:MOST_TARGETS]:
        if (word,) in taken:
            continue
        arguments = {required[0].name: word}
        hindered = misfit(action.name, arguments, seen)
        yield ActionOffer(
            action=action.name,
            title=f"{action.title}: {word}",
            arguments=arguments,
            words=action.synonyms,
            detail=f"will not help: {hindered}" if hindered else UNSENT,
            weight=-0.5,
            why_not=why_not,
        )
