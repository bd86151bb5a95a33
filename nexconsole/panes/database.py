"""Database: long transactions, who blocks whom, connections used. (nexnum.md#sessions)"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..model import SignalKey, State
from ..text.units import count, duration, percent, several
from ..widgets import charts
from ..widgets.panel import INK_OF_MOOD, Listing, Panel, RenderContext
from ..widgets.spans import Line, Span, column, phrases, plain, plain_query
from . import subjects

if TYPE_CHECKING:
    from ..signals.database import Database
    from ..signals.database_cpu import DatabaseCpu
    from ..signals.database_sessions import DatabaseSession

NUMBER, SIGNAL, TITLE = 5, "database", "Database"
CPU: SignalKey[DatabaseCpu] = SignalKey("database_cpu")
BESIDE = (CPU,)

ROOM = 4  # lines of a small pane from which a calm CPU has one
CONNECTIONS_BUSY = 0.9  # of the database's connections: from here on they are nearly used up
LONG_S = 30.0  # a transaction as old as this is worth an eye even while it blocks nobody


def small(value: Database, space: RenderContext) -> Panel:
    head = [phrases(_words(value, space), space.width, ("  ", "muted"))]
    if space.height >= 4 and value.max_connections:
        head.append(_connections(value, space))
    sessions = _sessions(value)
    rows = _listing(sessions, lambda session: _short(session, space))
    return Panel(_alert_level(value, space), tuple(head), rows)


def detail(value: Database, space: RenderContext) -> Panel:
    sessions = _sessions(value)
    role = "a role that can only read" if value.read_only_role else "a role that may write"
    version: list[Span] = [(f"PostgreSQL {plain(value.server_version, 30)}", "muted")] if value.server_version else []
    version.append((role, "muted"))
    if value.restricted:
        hidden = several(value.hidden, "session") if value.hidden else "no session"
        version.append((f"not a member of pg_monitor: {hidden} hidden now", "warn" if value.hidden else "muted"))
    title = f"  {'pid':>7} {'open':>9} {'blocks':>9}  {'state':<20} {'application':<14} {'wait':<20} query"
    head = (
        phrases(_words(value, space), space.width, ("  ", "muted")),
        _connections(value, space),
        phrases(version, space.width, ("  ", "muted")),
        (),
        ((title if sessions else "  no session has been in a transaction for longer than 1 s", "muted"),),
    )
    rows = _listing(sessions, lambda session: _long(session, space))
    return Panel(_alert_level(value, space), head, rows)


def brief(value: Database, space: RenderContext) -> Line:
    return phrases([*_words(value, space), (_used(value), "muted")], space.width, ("  ", "muted"))


def beside(space: RenderContext, large: bool) -> Panel:
    """The database's CPU, where the settings have an expression for it."""
    reading = space.readings.get(CPU)
    state = reading.state(space.now) if reading else State.WAITING
    if reading is None or state in (State.WAITING, State.ABSENT):
        return Panel("off")
    alert_level = space.alert_level_of(CPU)
    if not large and alert_level == "calm" and space.height < ROOM:
        return Panel(alert_level)
    value = CPU.value(space.readings)
    if value is None:
        parts: list[Span] = [("CPU not known", "doubt"), (plain(reading.error or ""), "muted")]
        return Panel(alert_level, foot=(phrases(parts, space.width, ("  ", "muted")),))
    late = f" {duration(reading.age(space.now))} ago" if state is State.STALE else ""
    ink = INK_OF_MOOD.get(alert_level, "text")
    label = f"CPU {percent(value.used)}{late}  "
    room = max(0, min(40, space.width - len(label)))
    bar = charts.bar(value.used, room, "muted" if ink == "text" else ink)
    return Panel(alert_level, foot=(((label, "doubt" if late else ink), *bar),))


def beside_brief(space: RenderContext) -> tuple[Span, ...]:
    """The CPU where it is exhausted; else nothing."""
    value = CPU.value(space.readings)
    if value is None or space.alert_level_of(CPU) == "calm":
        return ()
    return ((f"CPU {percent(value.used)}", INK_OF_MOOD.get(space.alert_level_of(CPU), "text")),)


def _alert_level(value: Database, space: RenderContext) -> str:
    return space.mood_or(value.blocked > 0 or _oldest(value) >= LONG_S)


def _sessions(value: Database) -> list[DatabaseSession]:
    return sorted(value.sessions, key=lambda s: (-s.blocks, bool(s.blocked_by), -(s.transaction_s or 0), s.pid))


def _listing(sessions: list[DatabaseSession], draw: Callable[[DatabaseSession], Line]) -> Listing | None:
    if not sessions:
        return None
    return Listing(
        [str(session.pid) for session in sessions],
        lambda n: draw(sessions[n]),
        lambda n: subjects.session(sessions[n].pid, sessions[n].application or sessions[n].user),
        (
            ("open", lambda n: sessions[n].transaction_s),
            ("blocks", lambda n: sessions[n].blocks),
            ("state", lambda n: sessions[n].state),
            ("application", lambda n: sessions[n].application or sessions[n].user),
            ("pid", lambda n: sessions[n].pid),
        ),
    )


def _oldest(value: Database) -> float:
    return max((s.transaction_s or 0.0 for s in value.sessions), default=0.0)


def _ink(space: RenderContext) -> str:
    return space.ink if space.ink != "text" else "warn"


def _used(value: Database) -> str:
    return f"{count(value.connections)} of {count(value.max_connections)} connections" if value.max_connections else ""


def _words(value: Database, space: RenderContext) -> list[Span]:
    parts: list[Span] = []
    worst = max(value.sessions, key=lambda s: s.blocks, default=None)
    if worst and worst.blocks:
        parts.append((f"1 blocks {worst.blocks}, {duration(worst.transaction_s)}", _ink(space)))
        if value.blocked > worst.blocks:
            parts.append((f"{count(value.blocked)} blocked in all", _ink(space)))
    elif value.blocked:
        parts.append((f"{count(value.blocked)} blocked", _ink(space)))
    if value.long:
        oldest = _oldest(value)
        ink = _ink(space) if oldest >= LONG_S and not parts else "text"
        parts.append((f"{several(value.long, 'long transaction')}, oldest {duration(oldest)}", ink))
    if value.idle_in_transaction:
        parts.append((f"{value.idle_in_transaction} idle in transaction", "text"))
    if value.restricted and value.hidden:
        parts.append((f"{count(value.hidden)} hidden from this role", "muted"))
    if not parts and value.max_connections and value.connections >= CONNECTIONS_BUSY * value.max_connections:
        parts.append(("its connections are nearly used up", _ink(space)))
    return parts or [("nobody waits, no long transactions", "muted")]


def _connections(value: Database, space: RenderContext) -> Line:
    if not value.max_connections:
        return (("the connections can't be counted by this role", "muted"),)
    full = value.connections / value.max_connections
    ink = _ink(space) if full >= CONNECTIONS_BUSY else "muted"
    label = _used(value)
    room = max(0, min(40, space.width - len(label) - 2))
    return ((f"{label}  ", ink if full >= CONNECTIONS_BUSY else "text"), *charts.bar(full, room, ink))


def _relation(session: DatabaseSession) -> Span:
    if session.blocks:
        return (f"blocks {session.blocks}", "warn")
    if session.blocked_by:
        return (f"waits for {session.blocked_by[0]}", "text")
    return (plain(session.state or "state hidden", 30), "muted")


def _short(session: DatabaseSession, space: RenderContext) -> Line:
    text, ink = _relation(session)
    ink = _ink(space) if ink == "warn" else ink
    parts: list[Span] = [(duration(session.transaction_s), "text"), (text, ink)]
    parts.append((plain(session.application or session.user, 30), "muted"))
    parts.append((plain_query(session.query, 120), "muted"))
    return ((f"{session.pid:>7}  ", "text"), *phrases(parts, max(0, space.width - 9), ("  ", "muted")))


def _long(session: DatabaseSession, space: RenderContext) -> Line:
    blocked = f"by {session.blocked_by[0]}" if session.blocked_by else ""
    blocks = count(session.blocks) if session.blocks else blocked or "-"
    ink = _ink(space) if session.blocks else "text" if session.blocked_by else "muted"
    return (
        (f"  {session.pid:>7} {duration(session.transaction_s):>9} ", "text"),
        (f"{blocks:>9}  ", ink),
        (column(plain(session.state or "hidden", 40), 20) + " ", "text"),
        (column(plain(session.application or session.user, 40), 14) + " ", "muted"),
        (column(plain(session.wait or "", 40), 20) + " ", "muted"),
        (plain_query(session.query) or "-", "text"),
    )
