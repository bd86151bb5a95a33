"""Providers: our balance, the wait for a slot, their own status pages; and the search index.

(nexnum.md#provider-rows, #slots)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..model import Reading, SignalKey, State
from ..text.units import ago, duration, money, several
from ..widgets.panel import INK_OF_MOOD, Listing, Panel, RenderContext, more_urgent
from ..widgets.spans import Line, Span, column, phrases, plain
from . import subjects

if TYPE_CHECKING:
    from ..signals.balances import Balance, Balances
    from ..signals.search import Search
    from ..signals.slots import Slots
    from ..signals.status_pages import StatusPages

NUMBER, SIGNAL, TITLE = 9, "balances", "Providers"
SLOTS: SignalKey[Slots] = SignalKey("slots")
SEARCH: SignalKey[Search] = SignalKey("search")
PAGES: SignalKey[StatusPages] = SignalKey("status_pages")
BESIDE = (SLOTS, SEARCH)
EVIDENCE = (PAGES,)  # drawn here, and judged by nobody
GAP: Span = ("  ", "muted")
NARROW = 50  # cells below which a wait is said in fewer words
ROOM = 3  # lines of a small pane from which what is calm has a line
WORDS = {"empty": "USED UP", "low": "low", "unknown": "not known", "enough": ""}


def small(value: Balances, space: RenderContext) -> Panel:
    wrong = [
        balance
        for balance in value.balances
        if balance.active is not False and balance.state in ("empty", "low", "unknown")
    ]
    head = (phrases(_words(value, space), space.width, GAP),)
    if space.height < ROOM or not wrong:
        return Panel(space.alert_level, head)
    return Panel(space.alert_level, head, _listing(wrong, lambda balance: _short(balance, space)))


def detail(value: Balances, space: RenderContext) -> Panel:
    title = f"  {'provider':<15}{'slot':>10}{'balance':>10}{'limit':>9}  {'':<9}{'read':>11}  status page"
    head = (phrases(_words(value, space), space.width, GAP), (), ((title, "muted"),))
    return Panel(space.alert_level, head, _listing(value.balances, lambda balance: _row(balance, space)))


def _listing(rows: Sequence[Balance], draw: Callable[[Balance], Line]) -> Listing:
    return Listing(
        [row.name for row in rows],
        lambda n: draw(rows[n]),
        lambda n: subjects.provider(rows[n].name),
        (
            ("balance", lambda n: rows[n].balance),
            ("limit", lambda n: rows[n].alert),
            ("read", lambda n: rows[n].age_s),
            ("name", lambda n: rows[n].name),
        ),
    )


def brief(value: Balances, space: RenderContext) -> Line:
    return phrases(_words(value, space), space.width, GAP)


def beside(space: RenderContext, large: bool) -> Panel:
    """Slots and search in the foot, if there is room or a reason."""
    alert_level = "calm"
    foot: list[Line] = []
    for signal, draw in ((SLOTS, _slots), (SEARCH, _search)):
        reading = space.readings.get(signal)
        state = reading.state(space.now) if reading else State.WAITING
        if reading is None or state in (State.WAITING, State.ABSENT):
            continue
        own = space.alert_level_of(signal)
        alert_level = more_urgent(alert_level, own)
        if large or own != "calm" or space.height > ROOM:
            foot.append(draw(reading, state, space))
    return Panel(alert_level, foot=tuple(foot))


def beside_brief(space: RenderContext) -> tuple[Span, ...]:
    """The longest wait, and a search index that is down; nothing where all is well."""
    words: list[Span] = []
    slots, search = SLOTS.value(space.readings), SEARCH.value(space.readings)
    if slots is not None and slots.longer(space.settings.slots.late_s):
        words += [_wait(slots, space), GAP]
    if search is not None and not search.up:
        words += [("search is down", _ink(space, SEARCH)), GAP]
    return tuple(words[:-1])


def _ink(space: RenderContext, signal: str) -> str:
    return INK_OF_MOOD.get(space.alert_level_of(signal), "text")


def _words(value: Balances, space: RenderContext) -> list[Span]:
    ink = space.ink if space.ink != "text" else "warn"
    words: list[Span] = []
    if empty := value.of("empty"):
        words.append((f"balance used up at {', '.join(plain(balance.name, 30) for balance in empty[:3])}", ink))
    if low := value.of("low"):
        words.append((f"{len(low)} low", "text" if empty else ink))
    if unknown := value.of("unknown"):
        words.append((f"{len(unknown)} not known", "doubt"))
    if not words:
        words += [("balances are enough", "muted"), (f"at {several(len(value.of('enough')), 'provider')}", "muted")]
    return words


def _wait(slots: Slots, space: RenderContext) -> Span:
    worst = slots.worst
    assert worst is not None
    return (f"{plain(worst.name, 30)} waits {duration(worst.wait_s)}", _ink(space, SLOTS))


def _slots(reading: Reading, state: State, space: RenderContext) -> Line:
    value = SLOTS.value(space.readings)
    if value is None:
        return phrases([("slots not known", "doubt"), (plain(reading.error or ""), "muted")], space.width, GAP)
    late = [(f"! {duration(reading.age(space.now))} ago", "doubt")] if state is State.STALE else []
    if value.worst is None:
        return phrases([*late, ("slots: nobody waits", "muted")], space.width, GAP)
    waits = value.longer(0)
    who = "a purchase at " if space.width >= NARROW else ""
    words: list[Span] = [(f"▲ {who}{plain(waits[0].name, 40)} waits {duration(waits[0].wait_s)}", _ink(space, SLOTS))]
    words += [(f"{plain(wait.name, 30)} {duration(wait.wait_s)}", "text") for wait in waits[1:4]]
    if len(waits) > 4:
        words.append((f"and {len(waits) - 4} more", "muted"))
    return phrases([*late, *words], space.width, GAP)


def _search(reading: Reading, state: State, space: RenderContext) -> Line:
    value = SEARCH.value(space.readings)
    if value is None:
        return phrases([("search not known", "doubt"), (plain(reading.error or ""), "muted")], space.width, GAP)
    late = [(f"! {duration(reading.age(space.now))} ago", "doubt")] if state is State.STALE else []
    if value.up:
        return phrases([*late, ("search is up", "muted")], space.width, GAP)
    return phrases([*late, ("▲ search is down", _ink(space, SEARCH)), (plain(value.why), "muted")], space.width, GAP)


def _state_ink(balance: Balance, space: RenderContext) -> str:
    if balance.active is False or balance.state == "enough":
        return "muted"
    return "doubt" if balance.state == "unknown" else (space.ink if space.ink != "text" else "warn")


def _money(balance: Balance) -> str:
    return money(None if balance.state == "unknown" else balance.balance)


def _short(balance: Balance, space: RenderContext) -> Line:
    parts: list[Span] = [(f"{_money(balance)} {WORDS.get(balance.state, '')}".strip(), _state_ink(balance, space))]
    if balance.alert is not None:
        parts.append((f"limit {money(balance.alert)}", "muted"))
    if balance.age_s is not None:
        parts.append((f"read {ago(balance.age_s)}", "doubt" if balance.old else "muted"))
    return ((column(plain(balance.name, 40), 16) + " ", "text"), *phrases(parts, max(0, space.width - 17), GAP))


def _row(balance: Balance, space: RenderContext) -> Line:
    word = "disabled" if balance.active is False else WORDS.get(balance.state, "")
    limit = money(balance.alert)
    slots = SLOTS.value(space.readings)
    wait = next((wait for wait in slots.waits if wait.name == balance.name), None) if slots is not None else None
    turn = "-" if slots is None else duration(wait.wait_s) if wait else "at once"
    said, ink = _page(balance.name, space)
    return (
        ("  ", "text"),
        (column(plain(balance.name, 60), 15), "muted" if balance.active is False else "text"),
        (f"{turn:>10}", _ink(space, SLOTS) if wait and wait.active is not False else "muted"),
        (f"{_money(balance)[:10]:>10}", _state_ink(balance, space)),
        (f"{limit[:9]:>9}  ", "muted"),
        (column(word, 9), _state_ink(balance, space)),
        (f"{ago(balance.age_s):>11}  ", "doubt" if balance.old or balance.age_s is None else "muted"),
        (said, ink),
    )


def _page(provider: str, space: RenderContext) -> Span:
    """The provider's own status page with its age; nothing where none is set."""
    pages = PAGES.value(space.readings)
    status_pages = pages.pages if pages is not None else ()
    page = next((page for page in status_pages if page.provider.casefold() == provider.casefold()), None)
    if page is None:
        return ("", "muted")
    if page.read_at is None:
        return (plain(page.error), "doubt")
    age = ago(max(0.0, (space.now - page.read_at).total_seconds()))
    return (f"{plain(page.said, 120)} ({age})", "doubt" if page.error else "text")
