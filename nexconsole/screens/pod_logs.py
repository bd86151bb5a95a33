"""The live pod logs: all lines or those with one text, and how many were dropped."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..sources.log_lines import moment
from ..text.sanitize import clean
from ..text.units import clock, count, several
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed
from ..widgets.spans import Line, as_text, cells, cut, cut_front, folded, plain
from .page import PageScreen
from .prompt import Prompt

if TYPE_CHECKING:
    from ..sources.kubernetes import KubernetesSource

KEPT = 2_000  # lines that can be scrolled back to
A_LOOK = 1_000  # new lines of one pod that are looked at in one turn; the rest is counted
EVERY_S = 0.25
DRAWN_EVERY_S = 1.25  # what is new is drawn; many lines a second are many bytes on a slow link
LONGEST = 1_000  # characters of a line
POD = 14  # cells of a pod's name
INKS = {"error": "warn", "fatal": "alarm", "warn": "doubt"}
LEVELS = {"30": "info", "40": "warn", "50": "error", "60": "fatal"}  # pino's
MARKS = (("fatal", b"FATAL"), ("error", b"ERROR"), ("error", b"error"), ("warn", b"WARN"))
NOT_SHOWN = ("level", "time", "msg", "context", "env", "pid", "hostname", "v", "requestId")


class PodLogs(PageScreen[None]):
    """Shows the logs that the console already follows; nothing is read twice.

    `of`: only lines with this text. `pod`: only the lines of the pod with this name.
    """

    CSS_PATH = paths.STYLES / "journal.tcss"
    AUTO_FOCUS = ""
    PLACE = "in the logs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Back", id="logs.close", tooltip="Close the logs"),
        Binding("l", "close", "Back", id="logs.show", tooltip="Close the logs", show=False),
        Binding("slash", "filter", "Filter", id="logs.filter", tooltip="Only lines with this text; none for all"),
        Binding("p", "hold", "Hold", id="logs.hold", tooltip="Hold the lines still, or follow again"),
        Binding("c", "copy", "Copy", id="logs.copy", tooltip="Copy the lines in sight"),
        Binding("down,j", "move(1)", "Down", id="logs.down", tooltip="A line on", show=False),
        Binding("up,k", "move(-1)", "Up", id="logs.up", tooltip="A line back", show=False),
        Binding("pagedown,space", "move(20)", "Page down", id="logs.pagedown", tooltip="A page on", show=False),
        Binding("pageup", "move(-20)", "Page up", id="logs.pageup", tooltip="A page back", show=False),
        Binding("end,G", "move(1000000)", "Last", id="logs.last", tooltip="Follow again", show=False),
        Binding("home,g", "move(-1000000)", "First", id="logs.first", tooltip="Go to the oldest", show=False),
    ]

    def __init__(self, kubernetes: KubernetesSource, of: str = "", pod: str = "") -> None:
        super().__init__()
        self._logs = kubernetes.logs
        self.of, self.pod = of, pod
        self.kept: deque[tuple[str, bytes]] = deque(maxlen=KEPT)
        self.dropped = 0  # lines that came too fast to be looked at
        self._read_to: dict[str, int] = {}
        self._last: int | None = None  # the last line in sight, counted from the oldest kept; None: the newest

    def compose(self) -> ComposeResult:
        with Container(id="journal"):
            yield LineCanvas(id="entries")
            yield LineCanvas(id="journal-keys")

    def on_mount(self) -> None:
        self.set_interval(EVERY_S, self.read)
        self.set_interval(DRAWN_EVERY_S, self.paint)
        self.call_after_refresh(self._begin)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    def _begin(self) -> None:
        self.read()
        self.paint()

    # --- reading ----------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Take what is new from every pod, in the order of the kubelet's times."""
        wanted = self.of.casefold().encode()
        new: list[tuple[bytes, str, bytes]] = []
        for uid, pod in self._logs.followed.items():
            if self.pod and pod.name != self.pod:
                continue
            lines, gone = pod.recent.since(self._read_to.get(uid, 0))
            first = uid not in self._read_to
            self._read_to[uid] = pod.recent.total
            if len(lines) > A_LOOK and not first:
                gone += len(lines) - A_LOOK
                lines = lines[-A_LOOK:]
            self.dropped += 0 if first else gone
            new += [(line[:30], pod.name, line) for line in lines if not wanted or wanted in line.lower()]
        new.sort(key=lambda one: one[0])
        if self._last is not None:  # the lines in sight stay where they are, as long as they are kept
            self._last -= max(0, len(self.kept) + len(new) - KEPT)
        self.kept.extend((name, line) for _, name, line in new)

    # --- keys -------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        last = len(self.kept) - 1 if self._last is None else self._last
        last = max(self._first_page(), last + by)
        self._last = None if last >= len(self.kept) - 1 else last
        self.paint()

    def action_hold(self) -> None:
        self._last = len(self.kept) - 1 if self._last is None else None
        self.paint()

    def action_filter(self) -> None:
        self.app.run_worker(self._filter(), group="dialogs")

    async def _filter(self) -> None:
        prompt = Prompt("only lines with this text", hint="empty shows all", wrong=lambda text: "")
        text = await self.app.push_screen_wait(prompt)
        if text is not None and self.is_mounted:
            self.of = text
            self.kept.clear()
            self._read_to.clear()
            self._last = None
            self._begin()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(as_text(self.query_one("#entries", LineCanvas).lines[1:-1]))
        self.say("copied the lines in sight to the terminal's clipboard")

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.is_mounted:
            return
        shown = self.query_one("#entries", LineCanvas)
        width, height = shown.size
        if width < 12 or height < 3:
            return
        inside = width - 4
        kept = self.kept
        last = len(kept) - 1 if self._last is None else max(0, min(self._last, len(kept) - 1))
        head: tuple[Line, ...] = ()
        if not kept:
            head = (((self._why_none(), "muted"),),)
        lines = self._in_sight(last, height - 2, inside)
        picture = Panel("calm", head, Listing([str(n) for n in range(len(lines))], lines.__getitem__))
        title = f"Log of {plain(self.pod, 60)}" if self.pod else "Pods' logs"
        title += f": {plain(self.of, 40)}" if self.of else ""
        frame = PanelFrame(title, self._aside(), True)
        shown.show_lines(framed(picture, frame, width, height))
        self.query_one("#journal-keys", LineCanvas).show_lines((self.foot(width),))

    def _why_none(self) -> str:
        if self.pod and all(pod.name != self.pod for pod in self._logs.followed.values()):
            return f"the log of {plain(self.pod, 60)} is not followed"
        return f"no line with {plain(self.of, 40)} yet" if self.of else "no line yet"

    def _in_sight(self, last: int, height: int, width: int) -> list[Line]:
        """The lines up to that one, folded to this width, as many as there is room for; the oldest may be cut above."""
        lines: list[Line] = []
        while last >= 0 and len(lines) < height:
            lines = [*_drawn(*self.kept[last], width), *lines]
            last -= 1
        return lines[max(0, len(lines) - height) :]

    def _first_page(self) -> int:
        """The last line in sight when the oldest one is the first."""
        width, height = self.query_one("#entries", LineCanvas).size
        room, last = height - 2, -1
        while last + 1 < len(self.kept) and (need := len(_drawn(*self.kept[last + 1], width - 4))) <= room:
            room -= need
            last += 1
        return max(0, last)

    def _aside(self) -> Line:
        followed, pods = len(self._logs.followed), self._logs.pods
        broken = sum(pod.error is not None for pod in self._logs.followed.values())
        parts: list[tuple[str, str]] = [(f"{followed} of {several(pods, 'pod')}", "muted")]
        if broken:
            parts.append((f", {broken} not answering", "warn"))
        if self._logs.error is not None:
            parts = [(f"the pods are not known: {cut(plain(self._logs.error), 60)}", "warn")]
        if self.dropped:
            parts.append((f", {count(self.dropped)} lines dropped", "warn"))
        held = f", HELD at line {count(self._last + 1)} of {count(len(self.kept))}" if self._last is not None else ""
        return (*parts, (held, "note"))


def _drawn(pod: str, line: bytes, width: int) -> list[Line]:
    """A line cleaned only now that it is in sight: time, the end of the pod's name, and all of its text, folded."""
    at = moment(line)
    raw = line[line.find(b" ") + 1 :] if at else line
    level, text = _entry(raw)
    words = clean(text, LONGEST)
    when = f"{clock(at)} " if at else ""
    name = f"{cut_front(plain(pod, 80), POD if width >= 90 else 5)} "
    ink = INKS.get(level, "text")
    before = cells(when + name)
    first, *more = folded(plain(words, LONGEST), max(8, width - before))
    indent = " " * before
    return [((when, "muted"), (name, "faint"), (first, ink)), *(((indent, "text"), (line, ink)) for line in more)]


def _entry(raw: bytes) -> tuple[str, str]:
    """Level and text of a line: of a JSON one its message first, then what else it says. (nexnum.md#log-format)"""
    if raw[:1] == b"{":
        try:
            fields = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            fields = None
        if isinstance(fields, dict):
            level = LEVELS.get(str(fields.get("level")), str(fields.get("level", "")))
            context = fields.get("context")
            lead = f"{level.upper()} {f'[{context}] ' if context else ''}{fields.get('msg', '')}"
            rest = (f"{name}={_short(value)}" for name, value in fields.items() if name not in NOT_SHOWN)
            return level, f"{lead}  {' '.join(rest)}"
    level = next((name for name, mark in MARKS if mark in raw[:200]), "")
    return level, raw[: 4 * LONGEST].decode(errors="replace")


def _short(value: object) -> str:
    return value[:200] if isinstance(value, str) else msgspec.json.encode(value).decode()[:200]
