"""What can be done to a subject: the actions that take it, or that are about its kind, the likeliest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from ..actions.action import Action, Suggestion
from ..actions.registry import ACTIONS
from ..actions.relevance import OnScreen, misfit
from ..catalogue import About, Subject
from .capabilities import Capability
from .offers import HINDERED, UNSENT
from .session import Session

RESERVED = frozenset("jkqlo")  # of a menu: it moves by j and k, closes by q, opens the log by l and the page by o
ASKING = -0.1  # after actions that take the subject as it is, before those that would not help


@dataclass(frozen=True, kw_only=True)
class Verb:
    """An action that a subject may be given to.

    `letter` depends on the subject's kind and arguments alone, never on the readings. `given`: the arguments by name.
    `asks`: further arguments are required. `why_not`: why it can't be begun now.
    """

    action: str
    title: str
    letter: str
    given: Mapping[str, str]
    asks: bool = False
    words: tuple[str, ...] = ()
    detail: str = ""
    weight: float = 0.0
    why_not: str = ""


def verbs(session: Session, subject: Subject) -> list[Verb]:
    """What this front end offers for the subject; nothing where it may never act."""
    if session.capabilities.why_not(Capability.ACT) is not None:
        return []
    seen = OnScreen(
        readings=session.readings, health=session.sources.health(), settings=session.settings, now=session.clock()
    )
    refused = session.why_not(Capability.ACT)
    fitting = [action for action in ACTIONS.values() if _takes(action, subject)]
    letters = mnemonics([action.name for action in fitting])
    found = [_verb(session, action, subject, letters[action.name], seen, refused) for action in fitting]
    return sorted(found, key=lambda verb: (bool(verb.why_not), -verb.weight))


def mnemonics(names: Sequence[str]) -> dict[str, str]:
    """A letter for each action, in this order: of its verb, of its noun, or any that is left; "" when none is."""
    letters: dict[str, str] = {}
    for name in names:
        noun, _, verb = name.casefold().partition(".")
        free = (
            letter
            for letter in f"{verb}{noun}{ascii_lowercase}"
            if letter in ascii_lowercase and letter not in RESERVED and letter not in letters.values()
        )
        letters[name] = next(free, "")
    return letters


def _takes(action: Action, subject: Subject) -> bool:
    return bool(given(action, subject)) or (isinstance(action, About) and subject.kind in action.about)


def given(action: Action, subject: Subject) -> dict[str, str]:
    """The subject's words as this action's arguments, by name."""
    return {
        argument.name: subject.arguments[argument.kind]
        for argument in action.arguments
        if argument.kind in subject.arguments
    }


def _verb(session: Session, action: Action, subject: Subject, letter: str, seen: OnScreen, refused: str | None) -> Verb:
    words = given(action, subject)
    asks = any(argument.required and argument.name not in words for argument in action.arguments)
    suggestion = _suggestion(action.suggestions(session.readings, session.settings), words)
    hindered = misfit(action.name, words, seen)
    weight = HINDERED if hindered else ASKING if asks else 0.0 if suggestion is None else 0.5 + suggestion.weight
    detail = f"will not help: {hindered}" if hindered else f"{action.title}; {UNSENT}"
    title = suggestion.title if suggestion is not None and not asks else f"{action.title} ..." if asks else action.title
    return Verb(
        action=action.name,
        title=title,
        letter=letter,
        given=words,
        asks=asks,
        words=(*action.synonyms, action.title),
        detail=detail,
        weight=weight,
        why_not=refused or action.unavailable(session.settings, session.sources) or "",
    )


def _suggestion(suggestions: Sequence[Suggestion], words: Mapping[str, str]) -> Suggestion | None:
    """The weightiest that is about just this: no fewer words than the subject gives, and the same."""
    same = (
        suggestion
        for suggestion in suggestions
        if all(suggestion.arguments.get(name, "").casefold() == word.casefold() for name, word in words.items())
    )
    return max(same, key=lambda suggestion: suggestion.weight, default=None)
