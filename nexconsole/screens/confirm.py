"""The confirmation dialog: effect, guards, undo, and how to confirm."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..actions.perform import ConfirmationReply
from ..text.units import remaining, several
from ..widgets import banner
from ..widgets.canvas import LineCanvas
from ..widgets.key_guard import PASTED, together
from ..widgets.masked_input import MaskedInput
from ..widgets.privacy import MASKER
from ..widgets.spans import Line, cells, fit, length, plain, spread, wrapped
from .dialog import GuardedDialog
from .plan_lines import plan_lines

if TYPE_CHECKING:
    from ..actions.plan import Plan
    from ..settings import Settings

CONFIRM_KEY = "ctrl+y"
CANCELLED = ConfirmationReply(text=None)
NOTICE_S = 6.0


class TypedText(MaskedInput):
    """The input for a confirmation that is typed; keys that the guard refuses, a burst and Enter do nothing."""

    @property
    def dialog(self) -> ConfirmScreen:
        assert isinstance(self.screen, ConfirmScreen)
        return self.screen

    def on_key(self, event: events.Key) -> None:
        if self.dialog.refused(event) or event.key in ("enter", "escape", "tab", "shift+tab", CONFIRM_KEY):
            return
        if event.is_printable and together(event) >= min(PASTED, max(2, len(self.dialog.asked))):
            event.stop()
            event.prevent_default()
            self.dialog.say("that came all at once, as if pasted: type it")

    def on_paste(self, event: events.Paste) -> None:
        """The confirmation text was typed."""
        event.stop()
        event.prevent_default()


class ConfirmScreen(GuardedDialog[ConfirmationReply]):
    """Shows a plan and returns the operator's reply. `why_again`: why it is shown again.

    Keys from before it opened, and held keys, are discarded. Enter never confirms.
    """

    CSS_PATH = paths.STYLES / "confirm.tcss"
    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="confirm.cancel", tooltip="Change nothing"),
        Binding("space", "unfold", "All", id="confirm.unfold", tooltip="List every target, or the first ones"),
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
    ) -> None:
        super().__init__()
        self.plan, self.why_again, self.settings, self._clock, self._drill = plan, why_again, settings, clock, drill
        self._top = 0
        self._whole = False  # all targets are listed
        self._notice = ""

    @property
    def typed(self) -> bool:
        return self.plan.confirm.kind == "type" and not self.plan.blocked

    @property
    def asked(self) -> str:
        """The text to type; on a shared screen its tag, without the marks."""
        return plain(self.plan.confirm.text, 60).translate({ord("‹"): "", ord("›"): ""})

    @property
    def wanted(self) -> str:
        """The text to type with its meaning, so that it can't be read as an instruction: the provider's name
        "smsbower".
        """
        text, quoted = self.plan.confirm.text, f'"{self.asked}"'
        named = next((name for name, value in self.plan.arguments.items() if value == text), "")
        kind = next(
            (target.kind for target in self.plan.chosen if text in (target.identity.get("name"), target.id)), ""
        )
        if named or kind:
            return f"the {plain((named or kind).replace('_', ' '), 30)}'s name {quoted}"
        return f"the {'words' if ' ' in text else 'word'} {quoted}"

    @property
    def copy_key(self) -> str:
        return "c" if self.plan.confirm.text != "c" else "y"

    def compose(self) -> ComposeResult:
        with Container(id="plan"):
            yield LineCanvas(id="body")
            yield LineCanvas(id="below")
            with Container(id="answer"):
                if self.typed:
                    given = TypedText(id="typed", compact=True, placeholder="tab goes here")
                    given.cursor_blink = False
                    yield given
                yield Cancel(id="cancel")

    def on_mount(self) -> None:  # beside the guard's, which Textual calls too
        self.set_class(bool(self.plan.blocked), "-blocked")
        self.set_interval(0.5, self.paint)
        self.call_after_refresh(self._settle)

    def _settle(self) -> None:
        """Resize to the content, so that the panes stay visible."""
        width = self.query_one("#body", LineCanvas).size.width or 76
        keys = self._how(width)
        self.query_one("#below").styles.height = len(keys)
        wanted = len(self.lines(width)) + len(keys) + 3
        self.query_one("#plan").styles.height = max(7 + len(keys), min(wanted, self.app.size.height - 3))
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self._settle)

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
        if self.plan.blocked:
            pass
        elif confirm.kind == "letter" and event.character == confirm.text:
            event.stop()
            self.alone(event, partial(self.dismiss, ConfirmationReply(text=confirm.text)))
            return
        elif confirm.kind == "type" and event.key == CONFIRM_KEY:
            event.stop()
            self._confirm_typed(event)
            return
        if event.character == self.copy_key and not typing:
            event.stop()
            self.app.copy_to_clipboard(self.plan.command)
            self.say("the command was copied to the terminal's clipboard")

    def say(self, text: str) -> None:
        self._notice = text
        self.paint()
        self.set_timer(NOTICE_S, lambda: self._unsay(text))

    def _unsay(self, text: str) -> None:
        if self._notice == text:
            self._notice = ""
            self.paint()

    def _confirm_typed(self, event: events.Key) -> None:
        given = self.query_one(TypedText).value
        if given == self.plan.confirm.text or (MASKER.enabled and given == self.asked):
            self.alone(event, partial(self.dismiss, ConfirmationReply(text=self.plan.confirm.text)))
        else:
            self.say(f"that is not {self.wanted}: type it exactly, then ^Y")

    def action_cancel(self) -> None:
        self.dismiss(CANCELLED)

    def action_move(self, by: int) -> None:
        self._top += by
        self.paint()

    def action_unfold(self) -> None:
        self._whole, self._top = not self._whole, 0
        self.paint()

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.is_mounted:
            return
        body = self.query_one("#body", LineCanvas)
        width, height = body.size
        lines = self.lines(width, height)
        self._top = max(0, min(self._top, len(lines) - height))
        more = len(lines) - self._top - height
        body.show_lines(tuple(fit(line, width) for line in lines[self._top : self._top + height]))
        *above, keys = self._keys(width)
        hidden = f"{several(more, 'more line')} below: down " if more > 0 else ""
        if length(keys) + cells(hidden) + 1 > width:
            hidden = f"+{more}, down " if more > 0 else ""
        below = self.query_one("#below", LineCanvas)
        below.styles.height = len(above) + 1
        below.show_lines((*above, spread(keys, ((hidden, "warn"),), width)))
        self.query_one(Cancel).paint()

    def lines(self, width: int, height: int | None = None) -> list[Line]:
        """The dialog's inside, as lines of at most `width` cells; with targets folded to fit into `height` lines."""
        title = self._title(width)
        room = max(1, height - len(title)) if height is not None else None
        return [*title, *plan_lines(self.plan, self.why_again, width, room, self._whole)]

    def _title(self, width: int) -> list[Line]:
        left = (plan := self.plan).expires_at - self._clock()
        seconds = left.total_seconds()
        where = banner.environment(self.settings, self._drill)
        age: Line = (
            (("expired: it will be prepared again ", "warn"),)
            if seconds <= 0
            else ((f"preview expires in {remaining(seconds)} ", "warn" if seconds < 15 else "muted"),)
        )
        name = " ".join((plan.action, *(plain(value, 60) for value in plan.arguments.values())))
        if length((*where, *age)) + cells(name) + 3 > width:
            return [spread(where, age, width), ((name, "strong"),)]
        return [spread((*where, (f" {name}", "strong")), age, width)]

    def _keys(self, width: int) -> tuple[Line, ...]:
        """How to confirm, with the keys on the last line; a notice replaces it for a moment."""
        *above, keys = self._how(width)
        if self._notice:
            return (*above, *(((line, "note"),) for line in wrapped(self._notice, width, 3)))
        return (*above, keys if self.guard.listening else (("...", "muted"),))

    def _how(self, width: int) -> tuple[Line, ...]:
        copy: Line = ((f"{self.copy_key}", "key"), (" copies the command", "muted"))
        if self.plan.blocked:
            return ((("blocked: nothing can be sent   ", "alarm"), *copy),)
        if self.typed:
            said = [((line, "text"),) for line in wrapped(f"To confirm, type {self.wanted}.", width, 9)]
            return (*said, (("tab", "key"), (" goes to the line, ", "muted"), ("^Y", "key"), (" does it", "muted")))
        return (((self.plan.confirm.text, "key"), (" does it   ", "text"), *copy),)


class Cancel(LineCanvas, can_focus=True):
    """The Cancel button, which has the focus."""

    def paint(self) -> None:
        mark, ink = ("> ", "cursor") if self.has_focus else ("  ", "text")
        self.show_lines((((f"{mark}Cancel ", ink), (" esc", "key"), (" changes nothing", "muted")),))

    def on_resize(self) -> None:
        self.paint()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.paint()

    def on_click(self) -> None:
        if isinstance(self.screen, ConfirmScreen | Unrecorded):
            self.screen.action_cancel()


class Unrecorded(GuardedDialog[bool]):
    """The journal can't be written: asks whether to act without a record."""

    CSS_PATH = paths.STYLES / "confirm.tcss"
    AUTO_FOCUS = "#cancel"
    LETTER = "w"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="unrecorded.cancel", tooltip="Change nothing"),
    ]

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self._sentence = sentence

    def compose(self) -> ComposeResult:
        with Container(id="plan"):
            yield LineCanvas(id="body")
            with Container(id="answer"):
                yield Cancel(id="cancel")

    def on_mount(self) -> None:  # beside the guard's
        self.query_one("#plan").styles.height = 11
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    def paint(self) -> None:
        if not self.query(LineCanvas):
            return
        body = self.query_one("#body", LineCanvas)
        width = body.size.width
        lines: list[Line] = [((" THE JOURNAL CAN'T BE WRITTEN ", "block-alarm"),)]
        lines += [((line, "strong"),) for line in wrapped(self._sentence, width, 3)]
        lines += [
            ((line, "text"),)
            for line in wrapped("Nothing was sent. If you act now, nobody can read about it later.", width, 2)
        ]
        lines.append(((self.LETTER, "key"), (" does it without a record", "text")))
        body.show_lines(tuple(fit(line, width) for line in lines))

    def on_key(self, event: events.Key) -> None:
        if self.refused(event):
            return
        if event.key == "enter":
            event.stop()
            self.action_cancel()
        elif event.character == self.LETTER:
            event.stop()
            self.alone(event, partial(self.dismiss, True))

    def action_cancel(self) -> None:
        self.dismiss(False)


__all__ = ["ConfirmScreen", "Unrecorded"]
