"""The bars above and below the panes, as lines: environment, severity and reason, sources, keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from textual.binding import Binding

from ..model import Reading, SignalKey, SourceHealth, State
from ..text.units import clock, duration, milliseconds, several, since
from .key_map import KEY_MAP, PALETTE, bindings_of
from .spans import Line, Span, cells, cut, fit, length, plain, spread

if TYPE_CHECKING:
    from ..settings import Settings
    from ..severity import Reason, Severity
    from ..signals.circuits import Circuits
    from ..signals.outbox import Outbox

CIRCUITS: SignalKey[Circuits] = SignalKey("circuits")
OUTBOX: SignalKey[Outbox] = SignalKey("outbox")
TAPE = "╱"
REEL = "◂◂"
UNSET = " no signal is configured"
SHORT = {"postgres": "pg", "kubernetes": "k8s", "docker": "docker", "prometheus": "prom"}
ALWAYS = ("?", "q", "esc")  # the keys that a line of keys never leaves out: what there is, and the way out
KEY_NAMES = {
    "question_mark": "?",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "comma": ",",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "slash": "/",
    "left": "←",
    "right": "→",
    "shift+left": "shift+←",
    "shift+right": "shift+→",
}
FIGURE = 12  # the same where the cause stands before it
CLAUSES = (" (", "; ", ", ")  # what may be left out of a sentence that is too long, from its end on
SPARE = " of them"  # is left out first
WHY = "why.show"  # the binding that lists all reasons
POINT = 30  # cells that hold a sentence's point: what stands there is never left out
BLOCKS = {"SEV-1": "block-alarm", "SEV-2": "block-alarm", "SEV-3": "block-warn"}


def environment(settings: Settings, drill: str | None, replay: str | None = None, *, short: bool = False) -> Line:
    """The block that says where we are, in an ink of its own for production, for a drill and for a replay; with the
    profile's name, where there are several.
    """
    of = f" {plain(settings.profile, 20)}" if settings.profile else ""
    if replay is not None:
        return ((f" REPLAY{of} " if short else f" {REEL} REPLAY{of} {REEL} ", "block-frozen"),)
    if drill is not None or settings.environment == "drill":
        return ((f" DRILL{of} " if short else f" {TAPE}{TAPE} DRILL{of} {TAPE}{TAPE} ", "block-drill"),)
    name = plain(settings.environment, 10 if short else 24).upper()
    return ((f" {name}{of} ", "block-production" if "PROD" in name else "block-other"),)


def verdict(
    severity: Severity | None,
    readings: Mapping[str, Reading],
    now: datetime,
    width: int,
    standing: Sequence[str] = (),
    expected: Sequence[str] = (),
    steps: Sequence[str] = (),
    cause: Sequence[str] = (),
    named: bool = False,
) -> Line:
    """The severity's chip and why, in `width` cells; a signal without data is named, never taken for a good one.

    `standing` is what is still in force of what was done here, which is said in calm too. Of the signals that are
    `expected` every one must have been read, or have failed, before anything is called calm. `steps` is the next step,
    the longest wording first: the first one that fits stands behind the reason. `cause` is what it is, the longest
    wording first too: where it is `named` it stands before the reason, else "not known" behind it, as there is room.
    """
    seen = sum(reading.value is not None for reading in readings.values())
    absent = {name for name, reading in readings.items() if reading.absent}
    silent = [name for name in severity.unknown if name not in absent] if severity else []
    missing = f"no data from {', '.join(silent)}" if silent else ""
    if severity is None or (not seen and severity.level == "none"):
        failing = any(reading.error and not reading.absent for reading in readings.values())
        words = " nothing can be read" if failing else " no reading yet" if silent or not readings else UNSET
        return fit(((" ? ", "block-calm"), (words, "muted")), width)
    if severity.level == "none" and severity.unanswered:
        words = "; ".join(filter(None, (*map(plain, severity.unanswered), missing)))
        return fit(((" NOT KNOWN ", "block-warn"), (f" {words}", "strong")), width)
    if severity.level == "none" and (awaited := [name for name in expected if name not in readings]):
        words = f" reading…  {len(expected) - len(awaited)} of {several(len(expected), 'signal')} by now"
        return fit(((" ? ", "block-calm"), (words, "muted")), width)
    if severity.level == "none" and named:
        return fit(((" CALM? ", "block-calm"), (f" {_first_fitting(cause, width - 8)}", "warn")), width)
    if severity.level == "none":
        return fit(_calm(readings, now, missing, standing, width), width)
    first = severity.reasons[0]
    old = f" (seen {duration(first.age_s)} ago)" if first.stale else ""
    chip: Span = (f" {severity.level} ", BLOCKS.get(severity.level, "block-warn"))
    more = len(severity.reasons) - 1
    opens = f": {key}" if (key := key_of(WHY)) else ""
    tail = (f"  +{more} more{opens}" if more else "") + (f"  {missing}" if missing else "")
    room = width - cells(chip[0]) - 1
    if named:
        return _explained(chip, first, old, cause, steps, (more, opens, missing), room)
    why = plain(first.text)
    if cells(why + old + tail) > room:
        why = _shorter(why, room - cells(old))
        tails = (f"  +{more} more{opens}", f"  +{more}{opens}", f"  +{more}") if more else ()
        tail = next((tail for tail in tails if cells(why + old + tail) <= room), "")
    why = _outlooking(why, first.outlook, room - cells(old + tail))
    why, step = _stepping(why, steps, room - cells(old + tail))
    why, doubt = _doubting(why, cause, room - cells(old + step + tail))
    return (
        chip,
        (" " + cut(why + old, room - cells(doubt + step + tail)), "strong"),
        (doubt, "doubt"),
        (step, "note"),
        (tail, "muted"),
    )


def _first_fitting(words: Sequence[str], room: int) -> str:
    """The longest wording that fits; the shortest one, cut, where none does."""
    whole = [plain(each) for each in words]
    return next((each for each in whole if cells(each) <= room), cut(whole[-1], max(0, room)) if whole else "")


def _explained(
    chip: Span,
    first: Reason,
    old: str,
    cause: Sequence[str],
    steps: Sequence[str],
    rest: tuple[int, str, str],
    room: int,
) -> Line:
    """The cause beside the level; behind it the first reason, the next step, how many reasons and its key, as fits."""
    more, opens, missing = rest
    why = f"  why{opens}" if opens else ""
    shortest = cells(plain(cause[-1]))
    lead = _first_fitting(cause, room - cells(why) if shortest + cells(why) <= room else room)
    many = f"  {several(more + 1, 'reason')}{opens}"
    tails = [f"{many}  {missing}"] * bool(missing) + [many, why]
    tail = next((tail for tail in tails if cells(lead + tail) <= room), "")
    left = room - cells(lead + tail)
    said = _shorter(plain(first.text), left - cells(old) - 2, FIGURE)
    said = f"  {said}{old}" if cells(said + old) + 2 <= left else ""
    step = next((f"  next: {plain(step)}" for step in steps if cells(f"  next: {step}") <= left - cells(said)), "")
    return (chip, (f" {lead}", "strong"), (said, "text"), (step, "note"), (tail, "muted"))


def _doubting(why: str, cause: Sequence[str], room: int) -> tuple[str, str]:
    """The reason, and behind it that its cause is not known, as far as there is room."""
    for said in (why, _shorter(why, room - cells(cause[-1]) - 2, FIGURE)) if cause else ():
        for words in cause:
            if cells(f"{said}  {plain(words)}") <= room:
                return said, f"  {plain(words)}"
    return why, ""


def _stepping(why: str, steps: Sequence[str], room: int) -> tuple[str, str]:
    """The cause and the next step behind it, as far as there is room: what stands in brackets goes before the step."""
    for said in (why, why.partition(" (")[0]):
        for step in steps:
            if cells(f"{said}  next: {plain(step)}") <= room:
                return said, f"  next: {plain(step)}"
    return why, ""


def _outlooking(why: str, outlook: str, room: int) -> str:
    """The reason and when it will be over, or of both what matters most, where there is room for it."""
    for said in (outlook, outlook.rpartition("; ")[2]) if outlook else ():
        both = f"{_shorter(why, room - cells(said) - 2)}; {said}"
        if cells(both) <= room:
            return both
    return why


def _shorter(text: str, room: int, point: int = POINT) -> str:
    """The sentence without what it says last, at the mark of a clause, so that it ends whole; the sentence as it is,
    where that would take its point away."""
    whole = text
    if cells(text) > room:
        text = text.replace(SPARE, "")
    for mark in CLAUSES:
        while cells(text) > room and (end := text.rfind(mark)) >= point:
            text = text[:end]
    return text if cells(text) <= room else whole


def _calm(readings: Mapping[str, Reading], now: datetime, missing: str, standing: Sequence[str], width: int) -> Line:
    """Calm only as far as anybody can see: what is old or missing makes a question of it."""
    fresh = sum(reading.state(now) is State.FRESH for reading in readings.values())
    stale = [name for name, reading in readings.items() if reading.state(now) is State.STALE]
    circuits = CIRCUITS.value(readings)
    providers = circuits.providers if circuits is not None else ()
    unknown = sum(provider.state == "unknown" and provider.active is not False for provider in providers)
    doubts = [
        missing,
        f"stale: {', '.join(stale)}" if stale else "",
        f"{several(unknown, 'circuit')} unknown" if unknown else "",
    ]
    doubt = "".join(f"; {words}" for words in doubts if words)
    words = f" nothing is wrong in {several(fresh, 'signal')}"
    outbox = OUTBOX.value(readings)
    more = f" and {len(standing) - 1} more" if len(standing) > 1 else ""
    force = f"; still in force: {plain(standing[0], 120)}{more}" if standing else ""
    if outbox is not None and outbox.dropped:
        force += f"; {several(outbox.dropped, 'outbox event')} {'was' if outbox.dropped == 1 else 'were'} dropped"
    chip = " CALM? " if doubt else " CALM "
    if standing and cells(chip + words + doubt + force) > width:
        words, force = "", force if doubt else force.removeprefix(";")
    return ((chip, "block-calm"), (words, "muted"), (doubt, "doubt"), (force, "warn"))


def frozen(at: datetime, newer: str | None) -> Line:
    """`FROZEN since 14:07:31`, and the severity by now if it is another than the frozen one."""
    return ((f" FROZEN since {clock(at)} ", "block-frozen"), (f" now {newer} " if newer else "", "warn"))


def health(sources: Iterable[SourceHealth], now: datetime, width: int) -> Line:
    """Each source's latency, or since when it fails, and where in it we are; those in trouble keep their words when
    there is little room, and where we are is told at the last in the workloads pane alone."""
    sources = tuple(sources)
    for short, placed in ((False, True), (True, True), (True, False)):
        parts = [_source(source, now, short, placed) for source in sources]
        if sum(length(part) for part in parts) <= width:
            return fit(tuple(run for part in parts for run in part), width)
    return fit(_whole(parts, width - 1), width)


def _whole(parts: Sequence[tuple[Span, ...]], width: int) -> Line:
    """As many as there is room for, none of them cut; those in trouble first of all."""
    kept: set[int] = set()
    for n in sorted(range(len(parts)), key=lambda n: parts[n][0][1] != "warn"):
        if sum(length(parts[k]) for k in kept) + length(parts[n]) <= width:
            kept.add(n)
    if not kept:
        return tuple(run for part in parts for run in part)
    return (*(run for n in sorted(kept) for run in parts[n]), ("…", "muted"))


def second(
    settings: Settings,
    sources: Iterable[SourceHealth],
    now: datetime,
    width: int,
    hint: str,
    where: Line = (),
    instead: Line | None = None,
) -> Line:
    """The second line: `where`, the installation's name and the sources; at its right the hint and the operator, or
    what stands there `instead`."""
    name, operator = plain(settings.name, 30), plain(settings.operator, 24)
    right: Line = ((f"{operator} ", "muted"),) if operator and width >= (100 if hint else 60) else ()
    right = ((f"{hint}  ", "note"), *right) if hint and width >= 60 else right
    right = right if instead is None else instead
    left: Line = (*where, (f" {name}   ", "strong")) if name else (*where, (" ", "muted"))
    line = (*left, *health(sources, now, max(0, width - length(left) - length(right) - 1)))
    return spread(line, right, width) if right else fit(line, width)


def _source(source: SourceHealth, now: datetime, short: bool, placed: bool) -> tuple[Span, ...]:
    name = SHORT.get(source.name, source.name) if short else source.name
    name += f" {plain(source.place, 60)}" if placed and source.place else ""
    gap: Span = ("  " if short else "   ", "muted")
    if source.state is State.ABSENT:
        return ((f"○ {name}" if short else f"○ {name} not configured", "faint"), gap)
    if source.state is State.WAITING:
        return ((f"{name} ...", "muted"), gap)
    if source.state is State.ERROR:
        age = since(source.ok_at, now)  # the last failed try is always a moment ago: since when, is what counts
        when = "" if age is None else f" {duration(age)}" if short else f" for {duration(age)}"
        return ((f"▲ {name} {plain(source.kind or 'failed', 20)}{when}", "warn"), gap)
    return ((f"{name} {milliseconds(source.latency_ms)}" if source.latency_ms is not None else name, "muted"), gap)


def keys(
    shown: Iterable[tuple[str, str]], width: int, drill: str | None, notice: str = "", replay: str | None = None
) -> Line:
    """The keys as (key, word), or a notice for a moment; in a drill or replay the tape runs along the right end."""
    word, ink, mark = ("DRILL", "tape", TAPE * 3) if replay is None else ("REPLAY", "block-frozen", REEL)
    of = drill if replay is None else replay
    tape: Line = ((f" {mark} {word} {plain(of, 30)} {mark} ".replace("  ", " "), ink),) if of is not None else ()
    if width < length(tape) + (24 if replay is None else 60):
        tape = ((f" {word} ", ink),) if tape and width >= 20 else ()
    room = width - length(tape)
    if notice:
        return (
            spread(((f" {plain(notice)}", "note"),), tape, width)
            if tape
            else fit(((f" {plain(notice)}", "note"),), width)
        )
    return (*key_line(shown, room), *tape)


def key_name(key: str) -> str:
    """A key as people call it: `^P`, `esc`, `?`."""
    if key in KEY_NAMES:
        return KEY_NAMES[key]
    return f"^{key[5:].upper()}" if key.startswith("ctrl+") else key


def bound_keys(*places: type) -> dict[str, tuple[str, str]]:
    """The key in force of each binding as people call it, and its word, by the binding's id; none for those without.

    `places` are classes with BINDINGS. Of several keys the first is shown; a subclass's binding hides its parent's.
    """
    return {
        id: (key_name(keys[0]), binding.description.lower())
        for id, binding in _bindings(*places).items()
        if (keys := KEY_MAP.keys(binding))
    }


@cache
def _bindings(*places: type) -> dict[str, Binding]:
    return {binding.id or "": binding for place in places for binding in bindings_of(place)}


def key_of(id: str, *places: type) -> str:
    """The key in force as people call it, for a sentence that names it; the palette's where it has none."""
    return key_name(KEY_MAP.key(id, *places)) or PALETTE


def titled(title: str, bound: Mapping[str, tuple[str, str]], id: str) -> str:
    """The title of a command with its key: `Freeze (p)`; without one where nothing is bound."""
    return f"{title} ({bound[id][0]})" if id in bound else title


def outdated(shown: str | tuple[str, str]) -> bool:
    """Whether several keys shown as one are no longer those that are bound."""
    if isinstance(shown, str):
        return False
    ids = {"0-9": "pane.", "←→": "replay.", "[ ]": "replay.", ", .": "replay.", "+-": "replay."}
    return KEY_MAP.changes(ids.get(shown[0], "\0"))


def key_at(line: Line, x: int) -> str:
    """The key of a line of keys, as it is shown, on whose name or word this cell is; "" where there is none."""
    key = ""
    for text, ink in line:
        key = text if ink == "key" else key if ink == "muted" else ""
        if x < cells(text):
            return key.strip()
        x -= cells(text)
        key = key if ink == "key" else ""
    return ""


def key_line(shown: Iterable[tuple[str, str]], width: int) -> Line:
    """As many keys with their words as fit, in their order: first of all those that are always there."""
    pairs = [(key_name(key), word) for key, word in shown]
    always = [pair for pair in pairs if pair[0] in ALWAYS]
    for gap, worded in ((3, True), (2, True), (1, False)):
        need = {pair: cells(pair[0]) + gap + (1 + cells(pair[1]) if worded else 0) for pair in pairs}
        room = width - 1 - sum(need[pair] for pair in always)
        if room >= -gap:
            break
    taken = list(always)
    for pair in pairs:
        if pair not in always:
            if need[pair] - gap > room:
                break
            taken.append(pair)
            room -= need[pair]
    line: list[Span] = [(" ", "muted")]
    for key, word in sorted(taken, key=pairs.index):
        line += [(key, "key"), (f" {word}{' ' * gap}" if worded else " " * gap, "muted")]
    return fit(tuple(line), width)
