"""The incident screen: severity, time, people with roles, open items, timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Protocol

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..catalogue import Subject
from ..incident.incident import ROLES, Incident
from ..incident.incident import TimelineEntry as Told
from ..incident.open_items import OpenItem
from ..journal import EntryKind
from ..session.entry_subjects import entry_subject, open_item_subject
from ..text.units import clock, several, stopwatch
from ..widgets.banner import BLOCKS
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, column, fit, plain, wrapped
from .dialog import along, on_row
from .page import PageScreen

if TYPE_CHECKING:
    from ..session.session import Session

INKS: Mapping[str, str] = {
    EntryKind.INTENT: "strong",
    EntryKind.NOTE: "note",
    EntryKind.SEVERITY: "warn",
    EntryKind.CAUSE: "strong",
    EntryKind.DECLARED: "warn",
    EntryKind.SEEN: "text",
    EntryKind.OBJECTED: "warn",
    EntryKind.ROLE: "note",
    EntryKind.BROKE_GLASS: "alarm",
}
MOST_STANDING = 6
MOST_PEOPLE = 8
MOST_GLASS = 3
ROOMY = 36  # lines from which an earlier incident is told whole
MOST_SEEN = 5


class IncidentQuestions(Protocol):
    """What the screen's keys ask."""

    def role(self) -> None: ...
    def declare(self) -> None: ...
    def declare_grave(self, what: str) -> None: ...
    def close(self) -> None: ...
    def hand_over(self) -> None: ...


class IncidentScreen(PageScreen[None]):
    """Redrawn four times a second; its prompts open over it."""

    CSS_PATH = paths.STYLES / "incident.tcss"
    AUTO_FOCUS = ""
    PLACE = "on the incident"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Back", id="incident.back", tooltip="Back to the panes"),
        Binding("i", "close", "Back", id="incident.show", tooltip="Back to the panes", show=False),
        Binding("r", "role", "Role", id="incident.role", tooltip="Take a role, or hand it over"),
        Binding("v", "declare", "Severity", id="incident.severity", tooltip="Declare a severity, with the reason"),
        Binding(
            "L",
            "grave('data loss')",
            "Data loss",
            id="incident.data_loss",
            tooltip="Declare SEV-1: data is lost, or in danger",
        ),
        Binding(
            "S",
            "grave('security breach')",
            "Security breach",
            id="incident.breach",
            tooltip="Declare SEV-1: a security breach, or the suspicion of one",
        ),
        Binding("enter", "open", "Open", id="incident.open", tooltip="Open the entry: all that is on record of it"),
        Binding("x", "end", "Close", id="incident.close", tooltip="Close the incident"),
        Binding("h", "hand_over", "Hand over", id="handover.show", tooltip="One page for whoever takes over"),
        Binding("tab", "switch", "Open items", id="incident.switch", tooltip="To what is still in force, or back"),
        *along("incident"),
        *on_row("incident"),
    ]

    def __init__(
        self,
        session: Session,
        questions: IncidentQuestions,
        now: Callable[[], datetime],
        step_words: Callable[[str, str], str],
        open_page: Callable[[Subject], None] = lambda subject: None,
    ) -> None:
        super().__init__()
        self._open_page = open_page
        self._session, self._questions, self._now, self._step_words = session, questions, now, step_words
        self._from_end = 0  # how many lines of the timeline lie below the cursor
        self._top = 0
        self._open_at: int | None = None  # which of the open items has the cursor; None: the timeline has it
        self._row_at = (0, 0)

    def compose(self) -> ComposeResult:
        with Container(id="incident"):
            yield LineCanvas(id="incident-head")
            yield LineCanvas(id="incident-timeline")
            yield LineCanvas(id="incident-keys")

    def on_mount(self) -> None:
        self.set_interval(0.25, self.paint)
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    def action_role(self) -> None:
        self._questions.role()

    def action_declare(self) -> None:
        self._questions.declare()

    def action_grave(self, what: str) -> None:
        self._questions.declare_grave(what)

    def action_hand_over(self) -> None:
        self._questions.hand_over()

    def action_end(self) -> None:
        self._questions.close()

    def action_open(self) -> None:
        if (subject := self.subject) is not None:
            self._open_page(subject)

    @property
    def _standing(self) -> Sequence[OpenItem]:
        """The open items that are shown."""
        incident = self._session.incident
        return incident.standing[:MOST_STANDING] if incident is not None else ()

    @property
    def _timeline(self) -> Sequence[Told]:
        """What the filter leaves of it."""
        incident = self._session.incident
        rows = incident.timeline if incident is not None else ()
        if not self.filter:
            return rows
        return [row for row in rows if self.filtered(f"{row.by} {row.kind} {plain(row.text)}")]

    @property
    def subject(self) -> Subject | None:
        """What the open item or the timeline's entry under the cursor was about."""
        entries = self._session.incident_store.on_record
        if self._open_at is not None:
            standing = self._standing
            return open_item_subject(standing[self._open_at], entries) if self._open_at < len(standing) else None
        rows = self._timeline
        if not rows:
            return None
        told = rows[max(0, len(rows) - 1 - self._from_end)]
        entry = next((entry for entry in entries if entry.id == told.id), None)
        return entry_subject(entry, told.text, entries) if entry is not None else None

    @property
    def cursor_at(self) -> tuple[int, int]:
        return self._row_at

    def narrow(self, words: str) -> None:
        self._from_end, self._open_at = 0, None
        super().narrow(words)

    def action_switch(self) -> None:
        """The cursor goes from the timeline to the open items, or back."""
        self._open_at = 0 if self._open_at is None and self._standing else None
        self.paint()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._standing) if action == "switch" else super().check_action(action, parameters)

    def action_move(self, by: int) -> None:
        if self._open_at is not None:
            self._open_at = max(0, min(len(self._standing) - 1, self._open_at + by))
        else:
            self._from_end = max(0, min(len(self._timeline) - 1, self._from_end - by))
        self.paint()

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        session = self._session
        incident, id = session.incident, session.incident_store.current
        if incident is None or id is None:  # closed, here or elsewhere
            self.dismiss(None)
            return
        head, below = self.query_one("#incident-head", LineCanvas), self.query_one("#incident-timeline", LineCanvas)
        width = self.size.width
        lines = [fit(line, width) for line in self._head(incident, id, width)]
        head.styles.height = len(lines)
        head.show_lines(tuple(lines))
        rows = self._timeline
        listing = Listing([str(n) for n in range(len(rows))], lambda n: _row(rows[n], width - 4))
        picture = Panel("calm", (), listing if rows else None)
        height = below.size.height
        seen, index = sight(picture, height), max(0, len(rows) - 1 - self._from_end)
        self._top = max(min(self._top, index), index - seen + 1, 0)
        here = self._open_at is None
        title = f"Timeline{self.filter_words(len(rows), len(incident.timeline))}"
        many: Line = ((several(len(rows), "entry", "entries"), "muted"),)
        frame = PanelFrame(title, many, here, self._top, index if here and rows else None)
        if here:
            self._row_at = 0, len(lines) + 1 + index - self._top
        below.show_lines(framed(picture, frame, width, height))
        self.query_one("#incident-keys", LineCanvas).show_lines((self.foot(width),))

    def _head(self, incident: Incident, id: str, width: int) -> list[Line]:
        now = self._now()
        lines: list[Line] = [
            (
                (f" {id} ", "strong"),
                *severities(incident),
                (f"  {stopwatch(incident.since, now)}", "strong"),
                (f"  opened {clock(incident.begin or now)}Z by {plain(incident.opened_by, 40)}", "muted"),
            ),
            ((f" {plain(incident.title, width - 2)}", "text"),),
            _roles(incident),
            *_broken_glass(incident, width),
            (),
        ]
        lines += self._people(width)
        lines += self._seen_before(now, width)
        standing = incident.standing
        if standing:
            lines.append(((f" still in force: {len(standing)}", "warn"),))
        if self._open_at is not None:
            self._open_at = min(self._open_at, len(standing[:MOST_STANDING]) - 1) if standing else None
        for n, open_item in enumerate(standing[:MOST_STANDING]):
            told = f"{open_item.what} (since {clock(open_item.since)[:5]}, {open_item.by})"
            here = n == self._open_at
            if here:
                self._row_at = 0, len(lines)
            mark, ink = (" > ", "cursor") if here else ("   ", "text")
            lines += [((f"{mark}{text}", ink),) for text in wrapped(told, width - 4, 2)]
        if len(standing) > MOST_STANDING:
            lines.append(((f"   and {len(standing) - MOST_STANDING} more: the report lists them", "muted"),))
        return lines

    def _seen_before(self, now: datetime, width: int) -> list[Line]:
        """The earlier incidents that are like this one; the first in one sentence where there is little room."""
        if not (found := self._session.seen_before.found):
            return []
        from ..incident.similar import headline, lines_of

        if self.size.height < ROOMY:
            return [((f" {text}", "note"),) for text in wrapped(plain(headline(found, now)), width - 2, 2)]
        told, *more = [plain(line) for line in lines_of(found[0], now)]
        others = f" (and {', '.join(plain(one.past.id, 40) for one in found[1:])})" if found[1:] else ""
        first = wrapped(f"seen before: {told}{others}", width - 2, 2)
        lines: list[Line] = [((f" {text}", "note"),) for text in first]
        return lines + [((f"   {text}", "text"),) for line in more[:MOST_SEEN] for text in wrapped(line, width - 4, 2)]

    def _people(self, width: int) -> list[Line]:
        incident = self._session.incident
        assert incident is not None
        lines: list[Line] = []
        for presence in self._session.peers.here[:MOST_PEOPLE]:
            role = presence.role or ("observing" if presence.observing else "")
            who = column(plain(f"{presence.name} on {presence.writer.host}", 60), min(34, width // 3))
            step = self._step_words(presence.scenario, presence.step)
            since = f"since {clock(presence.since)[:5]}  "
            said = plain(presence.doing or step)
            lines.append(((f" ● {who} ", "text"), (column(role, 11), "note"), (since, "muted"), (said, "text")))
        reach = self._session.peers.reach
        if reach:
            lines += [((f" ▲ {text}", "warn"),) for text in wrapped(reach, width - 4, 2)]
        lines += [((f" ▲ {one}", "warn"),) for one in self._session.peers.skew[:MOST_PEOPLE]]
        return lines


def severities(incident: Incident) -> Line:
    """The declared severity as a chip, and what the rules judge where that is another."""
    judged = incident.levels[-1].level if incident.levels else ""
    declared = incident.declared[-1].level if incident.declared else ""
    level = declared or judged
    if not level:
        return (("no severity yet", "muted"),)
    chip: Line = (
        (f" {plain(level, 8)} ", BLOCKS.get(level, "block-calm")),
        (" declared" if declared else " judged", "muted"),
    )
    return (*chip, (f", judged {plain(judged, 8)}", "warn")) if declared and judged and judged != declared else chip


def _broken_glass(incident: Incident, width: int) -> Iterator[Line]:
    """What was sent without the second person that it needs, the newest last."""
    for glass in incident.broken_glass[-MOST_GLASS:]:
        said = f"GLASS BROKEN {clock(glass.at)[:5]} by {glass.by}: {glass.words}"
        yield from (
            ((f" ▲ {text}" if n == 0 else f"   {text}", "alarm"),)
            for n, text in enumerate(wrapped(plain(said), width - 4, 2))
        )


def _roles(incident: Incident) -> Line:
    words: list[tuple[str, str]] = [(" ", "muted")]
    for role in ROLES[:3]:
        who = incident.roles.get(role)
        words += [
            (f"{role} ", "muted"),
            (plain(who, 40) if who else "nobody", "strong" if who else "doubt"),
            ("   ", "muted"),
        ]
    if incident.observers:
        words += [("observers ", "muted"), (plain(", ".join(incident.observers), 80), "text")]
    return tuple(words)


def _row(line: Told, width: int) -> Line:
    ink = "warn" if line.mark else INKS.get(line.kind, "text")
    who = column(plain(line.by, 40), 10 if width < 90 else 18)
    return (
        (f"{clock(line.at)} {who} ", "muted"),
        (f"{column(line.kind, 8)} ", "muted" if ink == "text" else ink),
        (plain(line.text), ink),
    )
