"""The line in which a confirmation is typed, compared with what is asked for. What is pasted does not count."""

from __future__ import annotations

from collections import deque

from textual import events
from textual.message import Message

from ..widgets.key_guard import PASTED, together
from ..widgets.masked_input import MaskedInput
from ..widgets.spans import Line, Span, cells
from .dialog import GuardedDialog

CONFIRM_KEY = "ctrl+y"
PASTED_WORDS = "that came all at once, as if pasted: type it"
RUN = 4  # characters that are judged together
TYPING_S = 0.035  # between two characters, on average: nobody types as fast
SMALL_WIDTH = 8  # cells below which nothing is broken any further


class TypingPace:
    """Tells a paste that a terminal hands over character by character from typing. `asked`: the text to type."""

    def __init__(self, asked: str) -> None:
        self._run = min(RUN, max(2, len(asked)))
        self._burst = min(PASTED, max(2, len(asked)))
        self._times: deque[float] = deque(maxlen=self._run)

    def pasted(self, event: events.Key) -> bool:
        """Whether this character came together with others, or after them faster than anybody types."""
        self._times.append(event.time)
        gaps = self._run - 1
        swift = len(self._times) == self._run and self._times[-1] - self._times[0] < gaps * TYPING_S
        return swift or together(event) >= self._burst


class TypedText(MaskedInput):
    """The input for a confirmation that is typed. A paste and Enter do nothing; the dialog hears of each paste."""

    class Pasted(Message):
        """What came was pasted: it was dropped."""

    def __init__(self, asked: str) -> None:
        super().__init__(id="typed", compact=True, placeholder="type it here")
        self.cursor_blink = self.select_on_focus = False
        self._pace = TypingPace(asked)

    def take(self, event: events.Key) -> None:
        """A character that was typed; the dialog hands over each, in the order in which they came."""
        if self.judge(event) and event.character:
            self.replace(event.character, *self.selection)

    def judge(self, event: events.Key) -> bool:
        """Whether a printable key was typed. If not, the line is emptied of what came before it."""
        if not event.is_printable or not self._pace.pasted(event):
            return True
        event.stop()
        event.prevent_default()
        self.value = ""
        self.post_message(self.Pasted())
        return False

    def on_key(self, event: events.Key) -> None:
        screen = self.screen
        if isinstance(screen, GuardedDialog) and screen.refused(event):
            return
        if event.is_printable:
            event.prevent_default()  # the dialog takes it

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.post_message(self.Pasted())


def compared(given: str, *wanted: str) -> tuple[int, Span]:
    """How many characters are right, and a sentence on what was typed so far; `wanted`: any of these texts will do."""
    text = max(wanted, key=lambda text: _right(given, text))
    right = _right(given, text)
    if given == text:
        return right, ("complete: ^Y does it", "strong")
    if right < len(given):
        return right, (f"differs at {right + 1}", "alarm")
    return right, (f"right so far: {right} of {len(text)}", "note") if given else ("", "muted")


def _right(given: str, wanted: str) -> int:
    pairs = zip(given, wanted, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(given), len(wanted)))


def prompt(before: str, asked: str, after: Line, right: int, wrong: bool, width: int) -> list[Line]:
    """`type the provider's name 'smsbower' to confirm`, in lines of at most `width` cells; of the word the part that
    is typed right is set off.
    """
    typed: list[Span] = [(asked[:right], "note"), (asked[right : right + wrong], "block-alarm")]
    word = (("'", "muted"), *typed, (asked[right + wrong :], "strong"), ("'", "muted"))
    whole = ((before, "text"), *word, *after)
    if sum(cells(text) for text, _ in whole) <= width:
        return [whole]
    lines: list[list[Span]] = [[]]
    used = 0
    for character, ink in ((character, ink) for text, ink in whole for character in text):
        if used + cells(character) > max(SMALL_WIDTH, width):
            rest = _word_begun(lines[-1])
            lines.append(rest)
            used = sum(cells(text) for text, _ in rest)
        lines[-1].append((character, ink))
        used += cells(character)
    return [tuple(line) for line in lines]


def _word_begun(line: list[Span]) -> list[Span]:
    """Takes the word that has begun from the line's end; nothing where it fills the line."""
    last = next((n for n in range(len(line) - 1, 0, -1) if line[n][0] == " "), len(line))
    rest = line[last + 1 :]
    del line[last:]
    return rest


__all__ = ["CONFIRM_KEY", "PASTED_WORDS", "TypedText", "compared", "prompt"]
