"""A provider: purchases and what fails, its breakers, slot and balance, its status page, and what was changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from ..lookups.registry import LINES, ROW
from ..model import SignalKey
from ..panes.circuits import SHAPES
from ..signals.log_reach import LINES_S, within
from ..text.units import ago, clock, count, duration, moment, money, percent, several, since
from ..widgets.spans import Line, Span, cells, column, cut_front, plain
from .changes import changes
from .lines import log_lines
from .section import PageContext, Section, by_urgency, fact, from_signal, sentence, wrapped_spans

if TYPE_CHECKING:
    from ..lookups.provider import ProviderDetails
    from ..signals.attribution import ProviderTraffic
    from ..signals.balances import Balance, Balances
    from ..signals.breaker_views import Holder
    from ..signals.circuits import Circuits, ProviderCircuit
    from ..signals.funnel import Funnel
    from ..signals.slots import Slots
    from ..signals.status_pages import StatusPages
    from ..signals.transactions import Transactions

NOUN = "Provider"
MOST_REASONS = 8
CIRCUITS: SignalKey[Circuits] = SignalKey("circuits")
TRANSACTIONS: SignalKey[Transactions] = SignalKey("transactions")
FUNNEL: SignalKey[Funnel] = SignalKey("funnel")
SLOTS: SignalKey[Slots] = SignalKey("slots")
BALANCES: SignalKey[Balances] = SignalKey("balances")
STATUS_PAGES: SignalKey[StatusPages] = SignalKey("status_pages")
PROVIDER_ROW = cast("SignalKey[ProviderDetails]", ROW)
SIGNALS = frozenset[str]({CIRCUITS, TRANSACTIONS, FUNNEL, SLOTS, BALANCES, STATUS_PAGES, ROW, LINES})


def name_of(context: PageContext) -> str:
    return context.subject.arguments.get("provider") or context.subject.id


def circuit_of(context: PageContext, value: Circuits | None = None) -> ProviderCircuit | None:
    """Its breakers: by its very name before any case."""
    value = value or CIRCUITS.value(context.readings)
    name = name_of(context)
    providers = value.providers if value is not None else ()
    exact = next((provider for provider in providers if provider.name == name), None)
    return exact or next((one for one in providers if one.name.casefold() == name.casefold()), None)


def _names(context: PageContext) -> set[str]:
    """Whatever names it in a signal's value, in lower case."""
    circuit = circuit_of(context)
    row = PROVIDER_ROW.value(context.readings)
    names = [name_of(context), *((circuit.id, circuit.display_name) if circuit is not None else ())]
    names += [row.id, row.name, row.display_name] if row is not None else []
    return {name.casefold() for name in names if name}


def present(context: PageContext) -> bool | None:
    """Whether any row or log line has it."""
    row, value = PROVIDER_ROW.value(context.readings), CIRCUITS.value(context.readings)
    if row is not None and row.found:
        return True
    return None if value is None else circuit_of(context) is not None


def headline(context: PageContext) -> Span:
    """The worst of it in one sentence."""
    circuit, traffic = circuit_of(context), _traffic(context)
    off = circuit is not None and circuit.active is False
    said: list[str] = ["disabled: nothing is bought there"] if off else []
    ink = "text" if off else "muted"
    if traffic is not None and traffic.failures:
        said.append(f"{percent(traffic.failure_rate)} of its purchases fail")
        ink = _louder(ink, context.ink(TRANSACTIONS))
    if circuit is not None and circuit.state in ("open", "half-open") and not off:
        said.append(f"breaker {circuit.state.upper()}")
        ink = _louder(ink, context.ink(CIRCUITS))
    return (", ".join(said) or "nothing is wrong here, as far as is known", ink)


def _louder(ink: str, other: str) -> str:
    return max(ink, other, key=("muted", "text", "warn", "alarm").index)


def sections(context: PageContext) -> tuple[Section, ...]:
    return by_urgency(
        (
            _purchases(context),
            _breaker(context),
            _funnel(context),
            _money(context),
            _row(context),
            log_lines(context, "no breaker line, warning or error names it", named=True),
            changes(context, name_of(context), _id(context)),
        )
    )


def _id(context: PageContext) -> str:
    circuit = circuit_of(context)
    return (circuit.id or "") if circuit is not None else ""


def _row(context: PageContext) -> Section:
    """Our row of it: a change that nobody recorded here shows in its time."""

    def draw(row: ProviderDetails) -> Iterator[Line]:
        width = context.width
        state = {True: "active", False: "disabled", None: "not known in this version"}[row.active]
        rivals = row.rivals
        turn = "" if rivals is None else f"{several(rivals, 'active one')} before it" if rivals else "asked first"
        priority = "-" if row.priority is None else f"priority {row.priority}"
        yield from fact("in our rows", [(state, "strong"), (priority, "text"), (turn, "muted")], width)
        at = row.updated_at
        changed: Span = (f"{moment(at)}, {ago(since(at, context.now))}", "text") if at else ("not known", "muted")
        yield from fact("changed", changed, width)
        sync = [(plain(row.sync_status, 40), "text"), (ago(since(row.synced_at, context.now)), "muted")]
        yield from fact("sync", sync if row.sync_status else ("not known", "muted"), width)
        yield from fact("called", (f"{plain(row.display_name, 120)}  {plain(row.id, 80)}".strip(), "muted"), width)

    return from_signal(context, "Our row", PROVIDER_ROW, draw, gone="no row of the providers table has this name")


# --- purchases --------------------------------------------------------------------------------------------------------


def _traffic(context: PageContext, value: Transactions | None = None) -> ProviderTraffic | None:
    value = value or TRANSACTIONS.value(context.readings)
    names = _names(context)
    rows = value.providers if value is not None else ()
    return next((row for row in rows if row.name.casefold() in names), None)


def _purchases(context: PageContext) -> Section:
    def draw(value: Transactions) -> Iterator[Line]:
        window = f"in {duration(value.window_s)}"
        row = _traffic(context, value)
        if not value.measured:
            yield from sentence("not known: nothing counts the purchases here", "doubt", context.width)
        elif row is None:
            yield from sentence(f"no purchase was decided {window}", "muted", context.width)
        else:
            rate = f"{percent(row.failure_rate)} failed" if row.failures else "none failed"
            of = f"{count(row.failures)} of {several(row.attempts, 'purchase')} {window}"
            yield from fact("failed", [(rate, "strong" if row.failures else "text"), (of, "text")], context.width)
            if value.failures:
                share = f"{percent(row.failures / value.failures)} of all failures are its own"
                yield from fact("share", (share, "text"), context.width)

    failing = bool((row := _traffic(context)) and row.failures)
    level = context.alert_levels.get(TRANSACTIONS, "calm") if failing else "calm"
    return from_signal(context, "Purchases", TRANSACTIONS, draw, level=level)


def _funnel(context: PageContext) -> Section:
    def draw(value: Funnel) -> Iterator[Line]:
        if value.unknown:
            yield from sentence(f"not known: {value.unknown}", "muted", context.width)
            return
        names = _names(context)
        row = next((row for row in value.providers if row.name.casefold() in names), None)
        if row is None:
            more = " among the providers that are listed" if value.more_providers else ""
            yield from sentence(f"no purchase of it{more} in {duration(value.rests_on_s)}", "muted", context.width)
            return
        words: list[Span] = [(f"{count(row.attempts)} asked", "text"), (f"{count(row.sold)} bought", "text")]
        words += [(f"{count(row.refused)} refused", "text" if row.refused else "muted")]
        words += [(f"{count(row.failed)} failed", "text" if row.failed else "muted")]
        words += [(f"{count(row.waiting)} wait", "text")] if row.waiting else []
        yield from fact("customers", [*words, (f"in {duration(value.rests_on_s)}", "muted")], context.width)
        reasons: list[Span] = [(f"{count(many)} {plain(reason, 60)}", "text") for reason, many in row.reasons.items()]
        if reasons:
            yield from fact("because", reasons[:MOST_REASONS], context.width)

    return from_signal(context, "Funnel", FUNNEL, draw)


# --- breakers ---------------------------------------------------------------------------------------------------------


def _breaker(context: PageContext) -> Section:
    def draw(value: Circuits) -> Iterator[Line]:
        circuit = circuit_of(context, value)
        if circuit is None:
            yield from sentence("no row and no log line has this provider", "muted", context.width)
            return
        window = within(LINES_S, value.reach_s)
        words: list[Span] = [(_state(circuit.state), _state_ink(circuit.state, context))]
        if circuit.flapping:
            words.append(("FLAPPING", _state_ink("open", context)))
        words.append((f"opened {several(circuit.opened, 'time')} in {window}", "text" if circuit.opened else "muted"))
        yield from fact("state", words, context.width)
        seen = [f"{count(many)} times {what}" for what, many in (("429", circuit.seen_429), ("5xx", circuit.seen_5xx))]
        if circuit.seen_429 or circuit.seen_5xx:
            yield from fact("answers", (f"{', '.join(seen)} in {window}", "text"), context.width)
        for holder in sorted(circuit.holders, key=lambda one: (one.kind != "shared", one.state == "closed", one.where)):
            yield from _holder(holder, context)
        if circuit.last_traffic:
            age = ago(since(circuit.last_traffic, context.now))
            yield from fact("last request", (f"{clock(circuit.last_traffic)}, {age}", "muted"), context.width)

    circuit = circuit_of(context)
    wrong = circuit is not None and circuit.active is not False and circuit.state in ("open", "half-open")
    level = context.alert_levels.get(CIRCUITS, "minor") if wrong else "calm"
    return from_signal(context, "Breaker", CIRCUITS, draw, level=level, least=4)


def _state(state: str) -> str:
    return f"{SHAPES.get(state, '?')} {state.upper() if state in ('open', 'half-open') else plain(state, 20)}"


def _state_ink(state: str, context: PageContext) -> str:
    ink = context.ink(CIRCUITS)
    return ("warn" if ink == "text" else ink) if state in ("open", "half-open") else "muted"


def _holder(holder: Holder, context: PageContext) -> Iterator[Line]:
    where = "shared, in Redis" if holder.kind == "shared" else plain(holder.where, 80)
    wide = min(36, max(6, context.width // 3))
    words = [_state(holder.state)]
    if holder.since:
        words.append(f"since {clock(holder.since)}")
    if holder.state == "open" and holder.closes_in_s is not None:
        reading = context.readings.get(CIRCUITS)
        left = max(0.0, holder.closes_in_s - ((reading.age(context.now) if reading else 0.0) or 0.0))
        words.append(f"may close in {duration(left)}" if left > 0 else "its cool-down is over")
    elif holder.state == "half-open":
        words.append("the next request decides")
    elif holder.state == "unknown":
        words.append("no line of it was seen" if holder.kind == "pod" else "Redis can't be read")
    wrong = holder.state in ("open", "half-open")
    parts = [(word, "text" if wrong else "muted") for word in words]
    head = f"  {column(cut_front(where, wide), wide)}  "
    for n, line in enumerate(wrapped_spans(parts, max(1, context.width - cells(head)))):
        yield ((head if n == 0 else " " * cells(head), "muted"), *line)


# --- slot, money, status page -----------------------------------------------------------------------------------------


def _money(context: PageContext) -> Section:
    def draw(value: Balances) -> Iterator[Line]:
        balance = _balance(context, value)
        if balance is None:
            yield from sentence("no row of the providers table has this name", "muted", context.width)
            return
        ink = "muted" if balance.state == "enough" or balance.active is False else "warn"
        word = {"empty": "USED UP", "low": "low", "unknown": "not known", "enough": "enough"}[balance.state]
        amount = money(None if balance.state == "unknown" else balance.balance)
        words: list[Span] = [(amount, "strong"), (word, ink)]
        words.append((f"alert below {money(balance.alert)}" if balance.alert is not None else "", "muted"))
        words.append((f"read {ago(balance.age_s)}", "doubt" if balance.old else "muted"))
        yield from fact("balance", words, context.width)

    balance = _balance(context)
    wrong = balance is not None and balance.active is not False and balance.state in ("empty", "low")
    section = from_signal(context, "Slot, balance and status page", BALANCES, draw, level="minor" if wrong else "calm")
    lines = (*section.lines, *_slot(context), *_status_page(context))
    return Section(section.title, lines, section.level, section.provenance, 4)


def _balance(context: PageContext, value: Balances | None = None) -> Balance | None:
    value = value or BALANCES.value(context.readings)
    names = _names(context)
    return next((one for one in (value.balances if value else ()) if one.name.casefold() in names), None)


def _slot(context: PageContext) -> tuple[Line, ...]:
    value = SLOTS.value(context.readings)
    if value is None:
        reading = context.readings.get(SLOTS)
        return fact(
            "slot",
            (f"not known: {plain((reading.error if reading else '') or 'not read yet')}", "muted"),
            context.width,
        )
    wait = next((wait for wait in value.waits if wait.name.casefold() in _names(context)), None)
    if wait is None:
        return fact("slot", ("a purchase goes out at once", "muted"), context.width)
    late = wait.wait_s >= context.settings.slots.late_s
    return fact("slot", (f"a purchase waits {duration(wait.wait_s)}", "warn" if late else "text"), context.width)


def _status_page(context: PageContext) -> tuple[Line, ...]:
    value = STATUS_PAGES.value(context.readings)
    pages = value.pages if value is not None else ()
    page = next((page for page in pages if page.provider.casefold() in _names(context)), None)
    if page is None:
        return fact("status page", ("none is set (providers.status_pages)", "muted"), context.width)
    if page.read_at is None:
        return fact("status page", (f"not known: {plain(page.error)}", "doubt"), context.width)
    words: list[Span] = [(plain(page.said, 300), "text"), (ago(since(page.read_at, context.now)), "muted")]
    words += [(f"! {plain(page.error)}", "doubt")] if page.error else []
    return fact("status page", words, context.width)
