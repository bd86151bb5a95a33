"""A backend of Postgres: what it does, and who blocks whom, as a chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from ..lookups.registry import ROW
from ..model import SignalKey
from ..text.units import clock, count, duration, several
from ..widgets.spans import Line, Span, folded, plain, plain_query
from .changes import changes
from .section import PageContext, Section, by_urgency, fact, from_signal, own_ink, sentence

if TYPE_CHECKING:
    from ..lookups.session import SessionRow
    from ..signals.database import Database
from ..signals.database_sessions import DatabaseSession

NOUN = ""
SESSION = cast("SignalKey[SessionRow]", ROW)
DATABASE: SignalKey[Database] = SignalKey("database")
SIGNALS = frozenset[str]({DATABASE, ROW})
MOST_WAITING = 50
DEEPEST = 20


def _pid(context: PageContext) -> int:
    pid = context.subject.arguments.get("pid") or context.subject.id
    return int(pid) if pid.isdecimal() else -1


def _sessions(context: PageContext) -> Mapping[int, DatabaseSession]:
    value = DATABASE.value(context.readings)
    return {session.pid: session for session in value.sessions} if value is not None else {}


ENDED = "this session has ended"


def present(context: PageContext) -> bool | None:
    row = SESSION.value(context.readings)
    return row.found if row is not None else True if _pid(context) in _sessions(context) else None


def headline(context: PageContext) -> Span:
    pid, sessions = _pid(context), _sessions(context)
    row = SESSION.value(context.readings)
    if row is not None and not row.found:
        return ENDED, "muted"
    waiting = _waiting_for(pid, sessions)
    above = list(row.blocked_by) if row is not None else list(sessions[pid].blocked_by) if pid in sessions else []
    ink = own_ink(context.alert_levels.get(DATABASE, "calm"))
    if waiting and not above:
        return f"it blocks {several(len(waiting), 'session')}, and waits for nobody: ending it frees them", ink
    if waiting:
        return f"it blocks {several(len(waiting), 'session')}, and waits for {above[0]} itself", ink
    if above:
        return f"it waits for session {above[0]}", "text"
    return "it blocks nobody, as far as this role sees", "muted"


def sections(context: PageContext) -> tuple[Section, ...]:
    return by_urgency(
        (
            _chain(context),
            from_signal(context, "State", SESSION, lambda row: _state(row, context), least=5, gone=ENDED),
            from_signal(context, "Query", SESSION, lambda row: _query(row, context))
            if SESSION.value(context.readings) is not None
            else Section("Query", ()),
            changes(context, str(_pid(context))),
        )
    )


# --- who blocks whom --------------------------------------------------------------------------------------------------


def _waiting_for(pid: int, sessions: Mapping[int, DatabaseSession]) -> list[tuple[int, DatabaseSession]]:
    """(how deep, session) of all that wait for it, or for one of those."""
    found: dict[int, tuple[int, DatabaseSession]] = {}
    front, depth = {pid}, 0
    while front and depth < DEEPEST:
        depth += 1
        behind = [one for one in sessions.values() if not front.isdisjoint(one.blocked_by)]
        behind = [one for one in behind if one.pid not in found and one.pid != pid]
        found |= {one.pid: (depth, one) for one in behind}
        front = {one.pid for one in behind}
    return list(found.values())


def _above(pid: int, sessions: Mapping[int, DatabaseSession], first: tuple[int, ...]) -> list[int]:
    """Whom it waits for, whom that one waits for, and so on."""
    chain: list[int] = []
    nexts = first
    while nexts and nexts[0] not in chain and nexts[0] != pid and len(chain) < DEEPEST:
        chain.append(nexts[0])
        nexts = sessions[chain[-1]].blocked_by if chain[-1] in sessions else ()
    return chain


def _chain(context: PageContext) -> Section:
    pid = _pid(context)

    def draw(value: Database) -> Iterator[Line]:
        sessions = _sessions(context)
        row = SESSION.value(context.readings)
        first = row.blocked_by if row is not None else sessions[pid].blocked_by if pid in sessions else ()
        above = _above(pid, sessions, first)
        for depth, other in enumerate(reversed(above)):
            yield from _link(other, sessions.get(other), depth, "text", context)
        yield from _link(pid, sessions.get(pid), len(above), "strong", context)
        waiting = _waiting_for(pid, sessions)
        for depth, session in waiting[:MOST_WAITING]:
            yield from _link(session.pid, session, len(above) + depth, "text", context)
        if len(waiting) > MOST_WAITING:
            yield from sentence(f"and {count(len(waiting) - MOST_WAITING)} more that wait", "muted", context.width)
        if len(first) > 1:
            others = ", ".join(map(str, first[1:6]))
            yield from sentence(f"it waits for {others} too", "muted", context.width)
        if value.restricted:
            yield from sentence(
                "this role sees other roles' sessions in part: GRANT pg_monitor to it", "muted", context.width
            )

    sessions = _sessions(context)
    busy = bool(_waiting_for(pid, sessions))
    level = context.alert_levels.get(DATABASE, "minor") if busy else "calm"
    return from_signal(context, "Who blocks whom", DATABASE, draw, level=level, least=6)


def _link(pid: int, session: DatabaseSession | None, depth: int, ink: str, context: PageContext) -> tuple[Line, ...]:
    """One session of the chain, the further in the later it gets its turn."""
    indent = "  " * min(depth, 6)
    mark = f"{indent}└ " if depth else ""
    words: list[Span] = [(f"{mark}{pid}", ink)]
    if session is None:
        words.append(("in no transaction of more than 1 s, or hidden", "muted"))
    else:
        words.append((f"open {duration(session.transaction_s)}", "text"))
        words.append((plain(session.state or "state hidden", 40), "muted"))
        words.append((plain(session.application or session.user, 40), "muted"))
        words.append((plain(session.wait or "", 60), "muted"))
    return tuple(fact("waits" if depth else "first", words, context.width))


# --- what it is and does ----------------------------------------------------------------------------------------------


def _state(row: SessionRow, context: PageContext) -> Iterator[Line]:
    width = context.width
    lasting = f"for {duration(row.state_s)}" if row.state_s is not None else ""
    yield from fact("state", [(plain(row.state or "hidden from this role", 40), "strong"), (lasting, "muted")], width)
    open_for = duration(row.transaction_s) if row.transaction_s is not None else "no transaction is open"
    yield from fact(
        "transaction", (f"open for {open_for}" if row.transaction_s is not None else open_for, "text"), width
    )
    yield from fact("waits at", (plain(row.wait, 80) or "nothing", "text" if row.wait else "muted"), width)
    for lock in row.wants:
        of = f" on {plain(lock.of, 80)}" if lock.of else ""
        yield from fact("wants", (f"{plain(lock.mode, 40)}, {plain(lock.kind, 40)}{of}", "text"), width)
    yield from fact("application", (plain(row.application, 60) or "not named", "text"), width)
    yield from fact("user", (plain(row.user, 60) or "hidden from this role", "text"), width)
    yield from fact("since", (clock(row.started_at) if row.started_at else "hidden from this role", "muted"), width)


def _query(row: SessionRow, context: PageContext) -> Iterator[Line]:
    """As the pane may show it: on a shared screen its first word."""
    if not row.query:
        yield from sentence("none is shown to this role", "muted", context.width)
        return
    for line in folded(plain_query(row.query, 4000), context.width):
        yield ((line, "text"),)
    if row.query_cut:
        yield from sentence("the rest of the query was not read", "muted", context.width)
    ended = "ended" if row.state.startswith("idle") else "runs"
    yield from sentence(
        f"it {ended} since it was begun {duration(row.query_s)} ago"
        if ended == "runs"
        else f"its last query, begun {duration(row.query_s)} ago",
        "muted",
        context.width,
    )
