"""Asks for the reason to act without the second person that an action needs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..session.approvals import LONGEST_REASON, reason_of
from ..text.sanitize import clean
from ..widgets import banner
from ..widgets.banner import key_name
from ..widgets.canvas import LineCanvas
from ..widgets.masked_input import MaskedInput
from ..widgets.spans import Line, fit, plain, wrapped
from .dialog import GuardedDialog, NoticeDialog
from .typed_confirmation import CONFIRM_KEY
from .unrecorded import Cancel

if TYPE_CHECKING:
    from ..actions.plan import Plan
    from ..settings import Settings

HEIGHT = 13  # lines, the frame's too
LOUD = (
    "Breaking the glass sends it without one. It is loud: your name and the reason stand in the journal, on every"
    " screen while the incident is open, in the report and in each notification."
)


class ReasonLine(MaskedInput):
    """The line in which the reason is typed. The dialog hands over each character, in the order in which they came."""

    def __init__(self) -> None:
        super().__init__(id="typed", compact=True, placeholder="why it can't wait", max_length=LONGEST_REASON)
        self.cursor_blink = self.select_on_focus = False
        self.own_words = True

    def take(self, event: events.Key) -> None:
        if event.character:
            self.replace(event.character, *self.selection)

    def on_key(self, event: events.Key) -> None:
        screen = self.screen
        if isinstance(screen, GuardedDialog) and screen.refused(event):
            return
        if event.is_printable:
            event.prevent_default()  # the dialog takes it


class BreakGlassScreen(NoticeDialog[str | None]):
    """Returns the reason, or None. `why`: why there is no second person. Cancel has the focus; Enter never confirms."""

    CSS_PATH = paths.STYLES / "confirm.tcss"
    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="break-glass.cancel", tooltip="Send nothing"),
    ]

    def __init__(self, plan: Plan, why: str, settings: Settings, drill: str | None = None) -> None:
        super().__init__()
        self._plan, self._why, self._settings, self._drill = plan, why, settings, drill

    def compose(self) -> ComposeResult:
        with Container(id="plan"):
            yield LineCanvas(id="body")
            with Container(id="answer"):
                yield ReasonLine()
                yield Cancel(id="cancel")

    def on_mount(self) -> None:  # beside the guard's
        self.query_one("#plan").styles.height = HEIGHT
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    @property
    def reason(self) -> str:
        """What was typed, as it would be recorded; "" for nothing that says anything."""
        return reason_of(self.query_one(ReasonLine).value)

    # --- keys -------------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        if self.refused(event):
            return
        line = self.query_one(ReasonLine)
        typing = self.focused is line
        if event.key == "enter":
            event.stop()
            if typing:
                self.say(f"enter does nothing here: {key_name(CONFIRM_KEY)} breaks the glass, esc sends nothing")
            else:
                self.action_cancel()
        elif event.key == CONFIRM_KEY:
            event.stop()
            self._break(event)
        elif event.is_printable:
            event.stop()
            self.set_focus(line)
            line.take(event)

    def _break(self, event: events.Key) -> None:
        if self.reason:
            self.alone(event, partial(self.dismiss, self.reason))
        else:
            self.say("the reason is empty: type why it can't wait for a second person")

    def on_masked_input_entered(self, event: MaskedInput.Entered) -> None:
        event.stop()
        self.say(f"enter does nothing here: {key_name(CONFIRM_KEY)} breaks the glass, esc sends nothing")

    def on_input_changed(self) -> None:
        self._notice = ""
        self.paint()

    def action_cancel(self) -> None:
        self.dismiss(None)

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.query(LineCanvas):
            return
        body = self.query_one("#body", LineCanvas)
        width = body.size.width
        name = plain(" ".join((self._plan.action, *self._plan.arguments.values())), 120)
        lines: list[Line] = [
            (
                *banner.environment(self._settings, self._drill),
                (" NO SECOND PERSON ", "block-alarm"),
                (f" {name}", "strong"),
            )
        ]
        why = f"It needs a second person's approval, and {self._why}."
        lines += [((line, "strong"),) for line in wrapped(why, width, 2)]
        lines += [((line, "text"),) for line in wrapped(clean(self._plan.effect, 300), width, 2)]
        lines += [((line, "warn"),) for line in wrapped(LOUD, width, 3)]
        confirm: Line = ((f"type why it can't wait, at most {LONGEST_REASON} characters, then ", "text"),)
        lines.append((*confirm, (key_name(CONFIRM_KEY), "key"), (" breaks the glass", "text")))
        lines += [((line, "note"),) for line in wrapped(self._notice, width, 2)] if self._notice else []
        body.show_lines(tuple(fit(line, width) for line in lines))
        self.query_one(Cancel).paint()


__all__ = ["BreakGlassScreen"]
