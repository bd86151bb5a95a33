"""A one-line prompt below the panes: a note, an answer, a reason, an action's arguments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.timer import Timer
from textual.widgets import Input

from .. import paths
from ..text.choices import at_once, letters, meant
from ..widgets.canvas import LineCanvas
from ..widgets.key_guard import KeyGuard, together
from ..widgets.masked_input import MaskedInput
from ..widgets.spans import Line, cells, cut, fit, plain, wrapped
from .dialog import Dialog, DialogMessage

LONGEST = 500
MOST_LINES = 3  # of the question
MOST_TOLD = 8  # of what is read for whoever is asked
TAKEN_S = 0.5  # after a letter that chooses a word: who types the whole word is quicker


class Prompt(Dialog[str | None]):
    """Returns what was typed, or None. `wrong` says why an answer won't do; "" where it will.

    `offered` is what Tab takes, one after the other, first of all what goes on with what was typed: as the whole
    answer, or with `words` as its last word. `own_words`: what is typed is only written down, so that Enter may come
    in one burst with it, as over a slow link. `told` reads sentences that stand between question and answer. `value`
    stands in the line at first; `typed` hears of every change. `chosen`: nothing but what is offered will do, so that
    the first letters choose it: with Enter, or when nothing else is typed for a moment (`by_letter` says so then).
    `suggested` stands in the line until something is typed.
    """

    CSS_PATH = paths.STYLES / "prompt.tcss"
    AUTO_FOCUS = "#line"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="prompt.cancel", tooltip="Type nothing"),
    ]

    def __init__(
        self,
        title: str,
        *,
        hint: str = "",
        offered: Sequence[str] = (),
        words: bool = False,
        wrong: Callable[[str], str] = lambda text: "" if text else "it is empty: type something, or esc",
        own_words: bool = False,
        told: Callable[[], Awaitable[Sequence[str]]] | None = None,
        value: str = "",
        typed: Callable[[str], None] | None = None,
        chosen: bool = False,
        suggested: str = "",
    ) -> None:
        super().__init__()
        self._choices = tuple(offered) if chosen else ()
        self._suggested = suggested
        self._taking: Timer | None = None
        self.by_letter = False
        self._title, self._hint, self._offered, self._wrong = title, hint, tuple(offered), wrong
        self._words, self._own_words = words, own_words
        self._read = told
        self._told: tuple[str, ...] = ("a moment: this is being read",) if told is not None else ()
        self._value, self._typed = value or suggested, typed
        self._said = DialogMessage()
        self._stem: str | None = None
        self._turn = -1
        self._guard = KeyGuard()

    def compose(self) -> ComposeResult:
        with Container(id="prompt"):
            yield LineCanvas(id="asked")
            if self._read is not None:
                yield LineCanvas(id="told")
            line = MaskedInput(id="line", compact=True, max_length=LONGEST)
            line.cursor_blink, line.own_words = False, self._own_words
            line.value, line.select_on_focus = self._value, bool(self._suggested)
            yield line
            yield LineCanvas(id="hint")

    def on_mount(self) -> None:
        self._guard = self.new_guard()
        self.call_after_refresh(self.paint)
        if self._read is not None:
            self.run_worker(self._tell(self._read), group="told")

    async def _tell(self, read: Callable[[], Awaitable[Sequence[str]]]) -> None:
        self._told = tuple(await read())
        self.paint()

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    def paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        asked, hint = self.query_one("#asked", LineCanvas), self.query_one("#hint", LineCanvas)
        lines = wrapped(self._title, asked.size.width, MOST_LINES) or [""]
        asked.styles.height = len(lines)
        asked.show_lines(tuple(fit(((line, "strong"),), asked.size.width) for line in lines))
        for told in self.query("#told").results(LineCanvas):
            rows = [row for sentence in self._told for row in wrapped(sentence, told.size.width, 3)][:MOST_TOLD]
            told.styles.height = len(rows)
            told.show_lines(tuple(fit(((row, "text"),), told.size.width) for row in rows))
        hint.show_lines((fit(self._below(hint.size.width), hint.size.width),))

    def _below(self, width: int) -> Line:
        if self._said.text:
            return ((plain(self._said.text), "warn"),)
        keys: Line = (("enter", "key"), (" takes it   ", "muted"), ("esc", "key"), (" leaves   ", "muted"))
        if self._choices:
            return self._chosen()
        if not self._offered:
            return (*keys, (plain(self._hint), "muted"))
        words: list[tuple[str, str]] = [("tab", "key"), (" ", "muted")]
        room = width - sum(cells(text) for text, _ in (*keys, *words))
        for word in self._fitting(self._stem if self._stem is not None else self.query_one(Input).value):
            shown = plain(word, 60)
            if cells(shown) + 2 > room:
                if len(words) > 2:
                    break
                shown = cut(shown, max(1, room - 2))
            words.append((f"{shown}  ", "text"))
            room -= cells(shown) + 2
        return (*keys, *words)

    def _chosen(self) -> Line:
        """The words, each behind the letters that choose it; or the one that is chosen by what stands in the line."""
        if word := meant(self.query_one(Input).value.strip(), self._choices):
            return (("enter", "key"), (" takes ", "muted"), (plain(word, 60), "strong"), ("   esc", "key"),
                    (" leaves", "muted"))  # fmt: skip
        words = [part for word, key in letters(self._choices).items()
                 for part in ((plain(key, 60), "key"), (f" {plain(word, 60)}   ", "text"))]  # fmt: skip
        return (*words, ("esc", "key"), (" leaves", "muted"))

    def _fitting(self, stem: str) -> list[str]:
        typed = (stem.rpartition(" ")[2] if self._words else stem).casefold()
        return [word for word in self._offered if word.casefold().startswith(typed)] or list(self._offered)

    def on_key(self, event: events.Key) -> None:
        if event.key in ("tab", "shift+tab"):
            event.stop()
            event.prevent_default()
            self._complete(1 if event.key == "tab" else -1)
        elif event.key != "enter" and self._guard.listening:
            self._stem, self._turn = None, -1

    def _complete(self, by: int) -> None:
        line = self.query_one(Input)
        if self._stem is None:
            self._stem = line.value
        words = self._fitting(self._stem)
        if not words:
            return
        self._turn = (self._turn + by) % len(words) if self._turn >= 0 else (0 if by > 0 else len(words) - 1)
        before = self._stem.rpartition(" ")[0] if self._words else ""
        line.value = f"{before} {words[self._turn]}".strip()
        line.cursor_position = len(line.value)

    def on_input_changed(self) -> None:
        self._said.unsay()
        line = self.query_one(MaskedInput)
        if self._typed is not None:
            self._typed(line.value)
        self._take_by_letter(line)
        self.paint()

    def _take_by_letter(self, line: MaskedInput) -> None:
        """A letter that was pressed alone, once this was seen, chooses its word when nothing else is typed."""
        if self._taking is not None:
            self._taking.stop()
        value, key = line.value, line.pressed
        if key is None or key.character is None or not value.endswith(key.character) or together(key) > 1:
            return
        if self._guard.listening and (word := at_once(value, self._choices)):
            self._taking = self.set_timer(TAKEN_S, lambda: self._take_word(value, word))

    def _take_word(self, value: str, word: str) -> None:
        if self.is_current and self.query_one(Input).value == value:
            self.by_letter = True
            self.dismiss(word)

    def say(self, text: str) -> None:
        self._said.say(text)
        self.paint()

    def on_masked_input_entered(self, event: MaskedInput.Entered) -> None:
        event.stop()
        if self._guard.refuses():  # an Enter that is still held down from the list that opened this
            return
        text = event.value.strip()
        text = meant(text, self._choices) or text
        if wrong := self._wrong(text):
            self.say(wrong)
        else:
            self.dismiss(text)

    def action_cancel(self) -> None:
        self.dismiss(None)
