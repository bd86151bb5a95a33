"""How a scenario's rows are drawn: an action and a question stand out from what readings answer, by word, mark and
weight, so that they do without colour too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..runbook.model import Step
from ..runbook.progress import StepState
from ..text.choices import letters
from ..text.units import clock_minute, several
from ..widgets.banner import key_of
from ..widgets.spans import Line, cells, column, plain, wrapped
from .scenario_rows import ScenarioRow, ScenarioRows, answers_itself

MARKS = {
    "running": ("▸", "note"),
    "done": ("●", "muted"),
    "skipped": ("–", "faint"),
    "failed": ("▲", "alarm"),
    "unknown": ("▲", "warn"),
}
WAITING = {"look": ("○", "muted"), "do": ("►", "key"), "ask": ("?", "key")}
VERBS = {"look": "Look:", "do": "DO", "ask": "ASK"}
ONE_LINE = 64  # cells from which a step and its answer share a line
LOW = 16  # lines of the pane below which a step's detail is cut short


@dataclass(frozen=True)
class StepLines:
    """Draws rows of `steps` at this width; `closing` makes the lines of the last one. `roomy`: titles and answers that
    are longer than a line are wrapped, not only under the cursor; not of what does not apply."""

    steps: ScenarioRows
    width: int
    tall: bool
    closing: Callable[[int], list[Line]]
    roomy: bool = False

    def of(self, row: ScenarioRow, here: bool) -> list[Line]:
        step = row.node.step
        if not isinstance(step, Step):
            return self._branch(row, here)
        if step.kind not in VERBS:
            return self.closing(self.width)
        return self._step(row, step, here)

    def _step(self, row: ScenarioRow, step: Step, here: bool) -> list[Line]:
        indent, greyed = "  " * row.depth, row.node.applies is False
        mark = self.steps.mark(row.id)
        glyph, ink = MARKS[mark.state] if mark else ("·", "faint") if greyed else WAITING[step.kind]
        stands_out = step.kind != "look" and mark is None
        title_ink = "faint" if greyed else "strong" if here or stands_out else "text" if mark is None else ink
        title, words_of = titled(row, step), self._words(row, mark)
        words, words_ink = words_of
        room = max(8, self.width - len(indent) - 2)
        roomy = self.roomy and not greyed
        fits = cells(title) + 2 + cells(words) <= room
        if not here and self.width >= ONE_LINE and words and (fits or not roomy):
            half = cells(title) if fits else min(cells(title), room * 3 // 5)
            return [((f"{indent}{glyph} ", ink), (column(title, half), title_ink), (f"  {words}", words_ink))]
        most = 3 if here or roomy else 1
        head = wrapped(title, room, most)
        lines: list[Line] = [
            ((f"{indent}{glyph} " if n == 0 else f"{indent}  ", ink), (text, title_ink)) for n, text in enumerate(head)
        ]
        lines += [((f"{indent}  {text}", words_ink),) for text in wrapped(words, room, most)]
        if here:
            detail = "" if mark is not None and mark.settled else step.detail
            lines += [((f"{indent}  {text}", "note"),) for text in wrapped(self._keys(row, step, mark), room, 2)]
            lines += [((f"{indent}  {text}", "muted"),) for text in wrapped(detail, room, 5 if self.tall else 2)]
        return lines

    def _branch(self, row: ScenarioRow, here: bool) -> list[Line]:
        node, indent = row.node, "  " * row.depth
        room = max(8, self.width - len(indent) - 2)
        glyph, ink = {True: ("▾", "text"), None: ("▾", "muted"), False: ("▹", "faint")}[node.applies]
        because = plain(node.because or (node.truth.because if node.truth else ""))
        verdict = {True: "yes: ", None: "" if "not known" in because else "not known: ", False: "no: "}[node.applies]
        because_ink = {True: "muted", None: "doubt", False: "faint"}[node.applies]
        title = f"If {plain(node.step.title)}"
        roomy = self.roomy and node.applies is not False
        fits = cells(title) + 2 + cells(verdict + because) <= room
        if self.width >= ONE_LINE and not here and (fits or not roomy):
            half = cells(title) if fits else min(cells(title), room * 3 // 5)
            return [((f"{indent}{glyph} ", ink), (column(title, half), ink), (f"  {verdict}{because}", because_ink))]
        most = 3 if roomy else 1
        lines: list[Line] = [
            ((f"{indent}{glyph if n == 0 else ' '} ", ink), (text, ink))
            for n, text in enumerate(wrapped(title, room, most))
        ]
        lines += [((f"{indent}  {text}", because_ink),) for text in wrapped(f"{verdict}{because}", room, most)]
        return lines

    def _words(self, row: ScenarioRow, mark: StepState | None) -> tuple[str, str]:
        """What is known of a step, and in which ink: what was recorded, else what is read now."""
        if mark is not None:
            said = plain(mark.answer or mark.reason)
            who = f"{plain(mark.by.partition('@')[0], 20)} {clock_minute(mark.at)}"
            ink = {"failed": "alarm", "unknown": "warn", "running": "note"}.get(mark.state, "muted")
            word = {"skipped": "skipped: ", "failed": "FAILED: ", "unknown": "UNKNOWN: "}.get(mark.state, "")
            return f"{who} {word}{said or 'under way'}", ink
        node = row.node
        if node.answer is not None:
            known = "text" if node.applies is not False else "faint"
            return plain(node.answer.text), known if node.answer.known else "doubt"
        if row.kind == "do" and node.applies is not False:
            return self.waiting_for(row), "doubt"
        return plain(node.missing), "doubt"

    def waiting_for(self, row: ScenarioRow) -> str:
        """What an action waits for; "" where it can be begun."""
        if (gate := row.node.gate) is not None:
            return f"answer step {self.steps.scenario.place(gate.id)} first: {plain(gate.title, 120)}"
        return f"not yet: {plain(row.node.missing)}" if row.node.arguments is None else ""

    def _keys(self, row: ScenarioRow, step: Step, mark: StepState | None) -> str:
        go, skip, down = (key_of(f"step.{name}") for name in ("go", "skip", "down"))
        if mark is not None and mark.settled:
            again = " ".join(row.node.again or ())
            more = f"{go} does it again" + (f": {plain(again, 60)}; " if again else "; ")
            more = more if mark.state != "done" or row.node.again is not None else "no target is left; "
            return f"{more if step.kind == 'do' else ''}{down} goes on; {key_of('step.reopen')} makes it pending again"
        if mark is not None:
            return f"its effect is watched; {down} goes on, {key_of('step.do')} goes to the next action"
        above = len(self.steps.looks(row.id)[0])
        looks = f"{key_of('step.record')} records {several(above, 'look')}; " if above else ""
        if step.kind == "look" and answers_itself(row):
            return f"{key_of('step.record')} records this and the looks above; {skip} skips"
        if step.kind == "look":
            return f"{go}: say what you see; {looks}{skip} skips"
        if step.kind == "ask":
            words = letters(step.question.words) if step.question else {}
            told = ", ".join(f"{plain(key, 20)} {plain(word, 20)}" for word, key in words.items())
            told = f": {told}" if told else f": {plain(row.node.suggested, 40)}?" if row.node.suggested else ""
            return f"{go} answers{told}; {looks}{skip} skips"
        if (gate := row.node.gate) is not None:
            return f"waits for the answer to step {self.steps.scenario.place(gate.id)}; {skip} skips"
        return f"{f'{go} shows the preview; ' if row.node.arguments is not None else ''}{looks}{skip} skips"


def titled(row: ScenarioRow, step: Step) -> str:
    """What the step is; an action says exactly what it would do, as far as the readings tell."""
    title, verb = plain(step.title), VERBS.get(step.kind, step.kind)
    if step.kind != "do" or step.call is None:
        return f"{verb} {title}"
    words = step.call.arguments if row.node.arguments is None else row.node.arguments
    return f"{verb} {plain(' '.join((step.call.name, *words)))}: {title}"
