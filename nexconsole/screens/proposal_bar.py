"""Others' proposals above the keys, each with its key and seconds left; and whose dialog is open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..session.capabilities import Capability
from ..session.operation import DOING
from ..text.units import clock, remaining
from ..widgets.banner import key_of
from ..widgets.spans import Line, cells, fit, length, plain, spread

if TYPE_CHECKING:
    from ..incident.incident import Incident
    from ..incident.proposals import Proposal
    from ..sharing.presence import Presence


KEYS_OF = {
    "o": ("proposal.object", "objects"),
    "a": ("proposal.approve", "approves"),
    "A": ("proposal.open", "opens it"),
}
NEEDS = {"o": Capability.NOTE, "a": Capability.APPROVE, "A": Capability.ACT}  # what each of the keys takes
MOST_OF_AGENTS = 3  # whose proposals have lines
OBJECTS = KEYS_OF["o"][0]
REFUSES = "refuses"  # what the key that objects does to an agent's proposal


def spoken_of(waiting: Sequence[Proposal], key: str) -> Proposal | None:
    """The proposal that this key speaks of: the oldest one that may hear it, so that a new one changes nothing; what
    goes ahead by itself comes before what an agent proposes."""
    if key == "o":
        return next(iter(sorted(waiting, key=lambda proposal: bool(proposal.agent))), None)
    needs = "approval" if key == "a" else "confirmation"
    return next((proposal for proposal in waiting if proposal.needs == needs), None)


def lines(waiting: Sequence[tuple[Proposal, float]], keys: Iterable[str], width: int) -> tuple[Line, ...]:
    """A line for each; the seconds that are left stand at its right, and each key beside the one that it speaks of.
    Why an agent proposes what is opened next has a line of its own."""
    keyed = {key: spoken_of([proposal for proposal, _ in waiting], key) for key in keys}
    opened = spoken_of([proposal for proposal, _ in waiting], "A")
    drawn: list[Line] = []
    agents = [proposal for proposal, _ in waiting if proposal.agent]
    for proposal, left in waiting:
        if proposal in agents[MOST_OF_AGENTS:]:
            continue
        drawn.append(_line(proposal, [key for key, of in keyed.items() if of is proposal], left, width))
        if proposal is opened:
            drawn.append(fit(((f"   because: {plain(proposal.because)}", "muted"),), width))
    if more := len(agents) - MOST_OF_AGENTS:
        drawn += [((f"   and {more} more of agents", "muted"),)] * (more > 0)
    return tuple(drawn)


def previews(here: Sequence[Presence], width: int) -> tuple[Line, ...]:
    """Others who have an action's dialog open, on one line."""
    presences = [presence for presence in here if not presence.me and presence.doing.startswith(DOING["asking"])]
    if not presences:
        return ()
    told = ";  ".join(f"{plain(presence.name, 30)} is {plain(presence.doing, 80)}" for presence in presences)
    return (fit(((" ○ ", "muted"), (told, "muted")), width),)


def broken_glass(incident: Incident | None, width: int) -> tuple[Line, ...]:
    """What was sent last without the second person that it needs, for as long as the incident is open."""
    if incident is None or not incident.broken_glass:
        return ()
    last, more = incident.broken_glass[-1], len(incident.broken_glass) - 1
    others = f" (and {more} more)" if more else ""
    told = f" GLASS BROKEN{others} {clock(last.at)[:5]} by {plain(last.by, 30)}"
    return (fit(((told, "block-alarm"), (f" {plain(last.brief, 300)}", "alarm")), width),)


def _line(proposal: Proposal, keyed: Sequence[str], left: float, width: int) -> Line:
    keys: Line = tuple(
        run
        for id, does in map(KEYS_OF.__getitem__, keyed)
        for run in ((key_of(id), "key"), (f" {REFUSES if proposal.agent and id == OBJECTS else does} ", "muted"))
    )
    urgent = "note" if proposal.agent else "alarm"  # nothing happens by itself
    right: Line = ((f"  {remaining(left)}  ", urgent), *keys)
    who = _who_means_what(proposal, width - length(right) - 3)
    effect = _whole_words(plain(proposal.effect), width - length(right) - 1 - cells(f" ▲ {who}  "))
    told: Line = ((" ▲ ", urgent), (who, "strong"), (f"  {effect}" if effect else "", "muted"))
    return spread(told, right, width) if length(right) < width else fit(right, width)


def _whole_words(text: str, room: int) -> str:
    """In at most `room` cells: words that don't fit are left out, and no word is cut."""
    if cells(text) <= room:
        return text
    kept = ""
    for word in text.split():
        longer = f"{kept} {word}" if kept else word
        if cells(longer) + 2 > room:
            break
        kept = longer
    return f"{kept} …" if kept else ""


def _who_means_what(proposal: Proposal, room: int) -> str:
    """In at most `room` cells, if it can be: what is proposed goes before for whom."""
    what = plain(proposal.name, 80)
    if not proposal.agent:
        return f"{plain(proposal.by, 30)} is about to: {what}"
    whole = f"{plain(proposal.by, 60)} proposes: {what}"
    return whole if cells(whole) <= room else f"agent {plain(proposal.agent, 40)}: {what}"
