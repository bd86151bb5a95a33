"""The confirmation dialog: effect, guards, undo, and how to confirm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..actions.perform import ConfirmationReply
from ..text.units import remaining
from ..widgets import banner
from ..widgets.banner import key_of
from ..widgets.canvas import LineCanvas
from ..widgets.privacy import MASKER
from ..widgets.spans import BLANK, Line, cells, fit, length, plain, spread, wrapped
from .dialog import NoticeDialog
from .plan_folds import UPPER, allot, in_sight, section_keys, shown_lines
from .plan_lines import PlanSection, plan_sections
from .typed_confirmation import CONFIRM_KEY, PASTED_WORDS, TypedText, compared, prompt
from .unrecorded import Cancel

if TYPE_CHECKING:
    from ..actions.plan import Plan
    from ..settings import Settings

CANCELLED = ConfirmationReply(text=None)
MISMATCH = "that is not"
WIDTH, EDGES, FRAME = 100, 4, 2  # cells of the box, as in its sheet; of them frame and padding; lines of the frame
SMALL, BELOW = 20, 3  # lines: a terminal below this is the dialog's alone; else so many are not its own
TOO_SMALL = "too small to confirm: esc, or make the terminal larger"
GAPS = 2  # empty lines around the keys, where nothing is folded


class ConfirmScreen(NoticeDialog[ConfirmationReply]):
    """Shows a plan and returns the operator's reply. `why_again`: why it is shown again; `before`: the plan that was
    shown then, whose differences are marked.

    Keys from before it opened, and held keys, are discarded. Enter never confirms. The keys and Cancel are in sight
    whatever the plan holds: its parts are folded above and below them.
    """

    CSS_PATH = paths.STYLES / "confirm.tcss"
    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="confirm.cancel", tooltip="Change nothing"),
        Binding("space", "unfold", "Open", id="confirm.unfold", tooltip="Open the next part that is folded"),
        *(
            Binding(key, f"open('{key}')", "Part", id=f"confirm.part{key}", tooltip="Open or fold a part", show=False)
            for key in "123456789"
        ),
        Binding("down", "move(1)", "Down", id="confirm.down", tooltip="Scroll down", show=False),
        Binding("up", "move(-1)", "Up", id="confirm.up", tooltip="Scroll up", show=False),
        Binding("pagedown", "move(8)", "Page down", id="confirm.pagedown", tooltip="Scroll a page", show=False),
        Binding("pageup", "move(-8)", "Page up", id="confirm.pageup", tooltip="Scroll a page back", show=False),
    ]

    def __init__(
        self,
        plan: Plan,
        why_again: str | None,
        settings: Settings,
        clock: Callable[[], datetime],
        *,
        drill: str | None = None,
        before: Plan | None = None,
    ) -> None:
        super().__init__()
        self.plan, self.why_again, self.settings, self._clock, self._drill = plan, why_again, settings, clock, drill
        self.before = before
        self._opened, self._top = "", 0  # the part that is opened, and its first line in sight
        self._folded: tuple[str, ...] = ()  # the parts that don't fit while none is opened
        self._sections: tuple[PlanSection, ...] = ()
        self._made_for: tuple[int, bool] | None = None
        self._cramped = False  # there is no room for what it will do and how to confirm it: nothing is confirmed then

    @property
    def typed(self) -> bool:
        return self.plan.confirm.kind == "type" and not self.plan.blocked

    @property
    def asked(self) -> str:
        """The text to type; on a shared screen its tag, without the marks."""
        return plain(self.plan.confirm.text, 60).translate({ord("‹"): "", ord("›"): ""})

    @property
    def wanted(self) -> str:
        """What the text to type is, so that it can't be read as an instruction: `the provider's name`, `the word`."""
        text = self.plan.confirm.text
        named = next((name for name, value in self.plan.arguments.items() if value == text), "")
        kind = next(
            (target.kind for target in self.plan.chosen if text in (target.identity.get("name"), target.id)), ""
        )
        if named or kind:
            return f"the {plain((named or kind).replace('_', ' '), 30)}'s name"
        return f"the {'words' if ' ' in text else 'word'}"

    @property
    def _begins(self) -> tuple[str, ...]:
        """The characters that begin the text to type: these go to the line, whatever else they would do."""
        return (self.asked[:1], self.plan.confirm.text[:1]) if self.typed else ()

    @property
    def copy_key(self) -> str:
        return "c" if "c" not in (self.plan.confirm.text, *self._begins) else "y"

    @property
    def part_keys(self) -> Mapping[str, str]:
        """The key that opens each part."""
        return section_keys(self.asked[:1] if self.typed else "")

    def compose(self) -> ComposeResult:
        with Container(id="plan"):
            yield LineCanvas(id="body")
            yield LineCanvas(id="below")
            with Container(id="answer"):
                if self.typed:
                    yield TypedText(self.asked)
                yield Cancel(id="cancel")
            yield LineCanvas(id="lower")

    def on_mount(self) -> None:  # beside the guard's, which Textual calls too
        self.set_class(bool(self.plan.blocked), "-blocked")
        self.set_interval(0.5, self.paint)
        self.paint()

    def on_resize(self) -> None:
        self.paint()

    # --- keys -------------------------------------------------------------------------------------------------

    async def on_key(self, event: events.Key) -> None:
        if self.refused(event):
            return
        typing = isinstance(self.focused, TypedText)
        if event.key == "enter":
            event.stop()
            if not typing:
                self.action_cancel()
            return
        confirm = self.plan.confirm
        if self.plan.blocked or self._cramped:
            pass
        elif confirm.kind == "letter" and event.character == confirm.text:
            event.stop()
            self.alone(event, partial(self.dismiss, ConfirmationReply(text=confirm.text)))
            return
        elif confirm.kind == "type" and event.key == CONFIRM_KEY:
            event.stop()
            self._confirm_typed(event)
            return
        if typing:
            self._edit(event)
        elif event.character in self._begins:
            event.stop()
            self._begin(event)
        elif event.character == self.copy_key:
            event.stop()
            self.app.copy_to_clipboard(self.plan.command)
            self.say("the command was copied to the terminal's clipboard")
        elif self.typed and event.character and event.character.isalpha():
            self.say(f"'{event.character}' does not begin {self.wanted} '{self.asked}'")
        elif confirm.kind == "letter" and not self.plan.blocked and event.character and event.character.isalnum():
            self.say(f"'{event.character}' does nothing: {confirm.text} does it, esc changes nothing")

    def _begin(self, event: events.Key) -> None:
        """The first character of the text: typing goes to the line without another key."""
        line = self.query_one(TypedText)
        self.set_focus(line)
        line.take(event)

    def _edit(self, event: events.Key) -> None:
        """Characters reach the line by way of the dialog, wherever they came in, so that they keep their order: some
        may be on their way to Cancel when the line gets the focus.
        """
        line = self.query_one(TypedText)
        if event.is_printable:
            event.stop()
            line.take(event)
        elif event.key == "backspace":
            event.stop()
            line.action_delete_left()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.say(PASTED_WORDS)

    def on_typed_text_pasted(self, event: TypedText.Pasted) -> None:
        event.stop()
        self.say(PASTED_WORDS)

    def on_masked_input_entered(self, event: TypedText.Entered) -> None:
        event.stop()
        self.say(f"enter does nothing here: type {self.wanted}, then ^Y")

    def on_input_changed(self) -> None:
        if self._notice.startswith(MISMATCH):
            self._notice = ""
        self.paint()

    def _confirm_typed(self, event: events.Key) -> None:
        given = self.query_one(TypedText).value
        if given == self.plan.confirm.text or (MASKER.enabled and given == self.asked):
            self.alone(event, partial(self.dismiss, ConfirmationReply(text=self.plan.confirm.text)))
        else:
            self.say(f"{MISMATCH} {self.wanted} '{self.asked}': type it exactly, then ^Y")

    def action_cancel(self) -> None:
        self.dismiss(CANCELLED)

    def action_move(self, by: int) -> None:
        """Along the part that is opened; the first folded one is opened for it."""
        if not self._opened:
            self.action_unfold()
        else:
            self._top += by
            self.paint()

    def action_unfold(self) -> None:
        """The next folded part after the one that is opened, or none after the last."""
        after = self._folded.index(self._opened) + 1 if self._opened in self._folded else 0
        self._open(self._folded[after] if after < len(self._folded) else "")

    def action_open(self, key: str) -> None:
        name = next((name for name, digit in self.part_keys.items() if digit == key), "")
        if name in self._folded:
            self._open("" if name == self._opened else name)

    def _open(self, name: str) -> None:
        self._opened, self._top = name, 0
        self.paint()

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.is_mounted:
            return
        width, most = min(WIDTH, self.app.size.width) - EDGES, self.app.size.height
        sections, title = self.sections(width), self._title(width)
        fixed = len(title) + len(self._keys(width)) + 1
        most = (most - BELOW if most >= SMALL else most - 1) - FRAME  # the panes above stay visible
        self._cramped = most < fixed + sum(section.name in ("effect", "warnings") for section in sections)
        if self._cramped:
            self.query_one("#plan").styles.height = most + FRAME
            self._show("#body", [((line, "warn"),) for line in wrapped(TOO_SMALL, width, max(1, most))])
            return self._show("#below", ())
        room = max(0, min(self._total(sections) + GAPS, most - fixed))
        self.query_one("#plan").styles.height = room + fixed + FRAME
        self._folded = self._too_long(sections, room)
        gap: tuple[Line, ...] = () if self._folded else (BLANK,) * (self._total(sections) + GAPS <= room)
        rows = allot(sections, room, self._opened)
        moves = (key_of("confirm.up", ConfirmScreen), key_of("confirm.down", ConfirmScreen))
        upper, lower = ([] if top else list(gap) for top in (True, False))
        for section in sections:
            top = self._scrolled(section, rows) if section.name == self._opened else None
            key = key_of(f"confirm.part{self.part_keys[section.name]}", ConfirmScreen)
            part = upper if section.name in UPPER else lower
            part += shown_lines(section, rows[section.name], width, key, top, moves)
        self._show("#body", (*(fit(line, width) for line in title), *upper))
        self._show("#below", (*gap, *self._keys(width)))
        self._show("#lower", lower)
        self.query_one(Cancel).paint()

    def _show(self, canvas: str, lines: Iterable[Line]) -> None:
        shown = self.query_one(canvas, LineCanvas)
        shown.styles.height = len(lines := tuple(lines))
        shown.show_lines(lines)

    def _scrolled(self, section: PlanSection, rows: Mapping[str, int]) -> int:
        self._top = max(0, min(self._top, len(section.lines) - in_sight(rows[section.name])))
        return self._top

    @staticmethod
    def _total(sections: Sequence[PlanSection]) -> int:
        return sum(len(section.lines) for section in sections)

    @staticmethod
    def _too_long(sections: Sequence[PlanSection], room: int) -> tuple[str, ...]:
        rows = allot(sections, room)
        return tuple(section.name for section in sections if len(section.lines) > rows[section.name])

    def sections(self, width: int) -> tuple[PlanSection, ...]:
        """The plan's parts in lines of at most `width` cells; made anew for another width, and when it is masked."""
        if (made_for := (width, MASKER.enabled)) != self._made_for:
            self._made_for = made_for
            self._sections = plan_sections(self.plan, self.why_again, width, self.before)
        return self._sections

    def _title(self, width: int) -> list[Line]:
        left = (plan := self.plan).expires_at - self._clock()
        seconds = left.total_seconds()
        where = banner.environment(self.settings, self._drill)
        age: Line = (
            (("expired: it will be prepared again ", "warn"),)
            if seconds <= 0
            else ((f"preview expires in {remaining(seconds)} ", "warn" if seconds < 15 else "muted"),)
        )
        if length((*where, *age)) + 1 > width:  # where it is to happen is never cut
            age = (("expired ", "warn"),) if seconds <= 0 else ((f"{remaining(seconds)} left ", age[0][1]),)
        name = " ".join((plan.action, *(plain(value, 60) for value in plan.arguments.values())))
        if length((*where, *age)) + cells(name) + 3 > width:
            return [spread(where, age, width), ((name, "strong"),)]
        return [spread((*where, (f" {name}", "strong")), age, width)]

    def _keys(self, width: int) -> tuple[Line, ...]:
        """How to confirm; a notice stands below it for a moment."""
        notice = tuple(((line, "note"),) for line in wrapped(self._notice, width, 2)) if self._notice else ()
        if not self.guard.listening and not self.typed:
            return ((("...", "muted"),), *notice)
        *above, last = self._how(width)
        return (*above, *(notice or (last,))) if self.typed else (*above, last, *notice)

    def _how(self, width: int) -> tuple[Line, ...]:
        hints = [(self.copy_key, " copies the command")]
        if self._folded:
            key = key_of("confirm.unfold", ConfirmScreen)
            hints.append((key, " folds" if self._opened == self._folded[-1] else " opens what is folded"))
        if self.plan.blocked:
            return (_hinted((("blocked: nothing can be sent", "alarm"),), hints, width),)
        if not self.typed:
            return (_hinted(((self.plan.confirm.text, "key"), (" does it", "text")), hints, width),)
        given = self.query_one(TypedText).value if self.is_mounted else ""
        wanted = (self.asked, self.plan.confirm.text) if MASKER.enabled else (self.plan.confirm.text,)
        right, said = compared(given, *wanted)
        then: Line = ((" to confirm, then ", "text"), ("^Y", "key"))
        lines = prompt(f"type {self.wanted} ", self.asked, then, right, right < len(given), width)
        return (*lines, (said,) if given else _hinted((), hints, width))


def _hinted(line: Line, hints: Sequence[tuple[str, str]], width: int) -> Line:
    """The line, and those of the keys that fit beside it."""
    for key, does in hints:
        more: Line = (("   " if line else "", "text"), (key, "key"), (does, "muted"))
        if length(line) + length(more) <= width:
            line = (*line, *more)
    return line


__all__ = ["ConfirmScreen"]
