"""Asks whether to act though the journal can't be written; and the Cancel button of such questions."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..widgets.banner import key_of
from ..widgets.canvas import LineCanvas
from ..widgets.key_map import bindings_of
from ..widgets.spans import Line, fit, wrapped
from .dialog import GuardedDialog


class Cancel(LineCanvas, can_focus=True):
    """The Cancel button, which has the focus."""

    @property
    def _key(self) -> str:
        kind = type(self.screen)
        return key_of(next(binding.id or "" for binding in bindings_of(kind) if binding.action == "cancel"), kind)

    def paint(self) -> None:
        mark, ink = ("> ", "cursor") if self.has_focus else ("  ", "text")
        self.show_lines((((f"{mark}Cancel ", ink), (f" {self._key}", "key"), (" changes nothing", "muted")),))

    def on_resize(self) -> None:
        self.paint()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.paint()

    def on_click(self) -> None:
        self.call_later(self.run_action, "screen.cancel")


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


__all__ = ["Cancel", "Unrecorded"]
