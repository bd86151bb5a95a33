"""A scenario beside the live panes: its steps, answered by readings, people or actions.

It is a fold over the journal and the readings: closing it, a crash or another console loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from ..actions.registry import COMMANDS
from ..catalogue import LOGS, by_name
from ..model import State
from ..runbook.model import Branch, Question, Scenario, Step
from ..runbook.progress import ScenarioProgress, StepState
from ..runbook.resolution import Node, bindings, resolve
from ..session.operation import StepRef
from ..text.units import clock
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, as_text, cells, column, cut, plain, wrapped
from .prompt import Prompt

if TYPE_CHECKING:
    from ..runbook.resolution import Fit
    from ..session.session import Session
    from .action_controller import ActionController
    from .dialogs import Dialogs

MARKS = {
    "pending": ("○", "text"),
    "running": ("▸", "note"),
    "done": ("●", "muted"),
    "skipped": ("–", "faint"),
    "failed": ("▲", "alarm"),
    "unknown": ("?", "warn"),
}
VERBS = {"look": "Look", "do": "DO", "ask": "Ask"}
ONE_LINE = 64  # cells from which a step and its answer share a line
STRAYED_S = 0.7  # how long nothing is done to the row that the cursor has come to by itself


@dataclass(frozen=True)
class ScenarioRow:
    """A step or branch in sight: how deep it stands, and the branches around it."""

    node: Node
    depth: int
    around: tuple[Node, ...] = ()

    @property
    def id(self) -> str:
        return self.node.step.id


class ScenarioPane(LineCanvas, can_focus=True):
    """One scenario. `actions` takes its actions, `logs` and `close` are what its keys do; `fits`: what fits by now."""

    PLACE = "in the scenario"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", id="step.down", tooltip="Next step", show=False),
        Binding("up,k", "move(-1)", "Up", id="step.up", tooltip="Previous step", show=False),
        Binding("enter", "go", "Go", id="step.go", tooltip="Record the look, answer, or open the action"),
        Binding("space", "look", "Record", id="step.look", tooltip="Record the value that a look reads"),
        Binding("x", "skip", "Skip", id="step.skip", tooltip="Skip the step, with a reason"),
        Binding("backspace", "reopen", "Reopen", id="step.reopen", tooltip="Make the step pending again"),
        Binding("escape", "leave", "Close", id="step.leave", tooltip="Close the scenario; nothing is lost"),
        Binding("c", "copy", "Copy", id="step.copy", tooltip="Copy the scenario as it stands"),
    ]

    def __init__(
        self,
        scenario: Scenario,
        session: Session,
        dialogs: Dialogs,
        actions: ActionController,
        *,
        logs: Callable[[str], None],
        close: Callable[[], None],
        fits: Callable[[], tuple[Fit, ...]],
    ) -> None:
        super().__init__(id="scenario")
        self.scenario, self._session, self._dialogs, self._actions = scenario, session, dialogs, actions
        self._logs, self._close, self._fits = logs, close, fits
        self.rows: tuple[ScenarioRow, ...] = ()
        self._walk: ScenarioProgress | None = None
        self._at = ""
        self._seen = ""  # the row that the cursor is on by what is on screen
        self._strayed_at = -STRAYED_S  # when its row was no longer there
        self._unfolded: set[str] = set()
        self._top = 0

    def on_mount(self) -> None:
        self._resolve()
        self._at = next((row.id for row in self.rows if self._waits(row)), self.rows[0].id if self.rows else "")
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.paint()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.paint()

    # --- what stands where ------------------------------------------------------------------------------------

    def _resolve(self) -> None:
        session = self._session
        self._walk = session.walk(self.scenario.id)
        answers: Mapping[str, str] = self._walk.answers if self._walk else {}
        taken: Mapping[str, Mapping[str, str]] = self._walk.taken if self._walk else {}
        readings = self._dialogs.console.readings
        nodes = resolve(self.scenario, readings, session.settings, self._dialogs.console.now, answers, taken)
        index, self.rows = self._index, tuple(self._flat(nodes, 0, ()))
        if self._at and self.rows and not any(row.id == self._at for row in self.rows):
            self._at = self.rows[min(index, len(self.rows) - 1)].id
            self._strayed_at = time.monotonic()

    def _flat(self, nodes: Sequence[Node], depth: int, around: tuple[Node, ...]) -> Iterator[ScenarioRow]:
        for node in nodes:
            yield ScenarioRow(node, depth, around)
            if isinstance(node.step, Branch) and (node.applies is not False or node.step.id in self._unfolded):
                yield from self._flat(node.nodes, depth + 1, (*around, node))

    def mark(self, id: str) -> StepState | None:
        """What became of a step; None while it is pending."""
        mark = self._walk.marks.get(id) if self._walk else None
        return mark if mark is not None and mark.state != "pending" else None

    def _waits(self, row: ScenarioRow) -> bool:
        return isinstance(row.node.step, Step) and row.node.applies is not False and self.mark(row.id) is None

    @property
    def _index(self) -> int:
        return next((n for n, row in enumerate(self.rows) if row.id == self._at), 0)

    @property
    def row(self) -> ScenarioRow | None:
        return self.rows[self._index] if self.rows else None

    def _reference(self, row: ScenarioRow, taking: bool = True) -> StepRef:
        """The step as its entry names it, with the branches around it and the names that they gave."""
        taken = {node.step.id: dict(bindings(node)) for node in row.around} if taking else {}
        if taking and (names := bindings(row.node)):
            taken[row.id] = dict(names)
        return StepRef(scenario=self.scenario.id, step=row.id, title=row.node.step.title, taken=taken)

    # --- keys -------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        if self.rows:
            self._at = self.rows[max(0, min(len(self.rows) - 1, self._index + by))].id
            self.paint()

    def _once_seen(self, then: Callable[[], object]) -> None:
        """Do this when the row under the cursor is on screen; not where the cursor came to it by itself just now."""
        at = self._at
        if time.monotonic() - self._strayed_at < STRAYED_S:
            self._dialogs.say("the step under the cursor has changed: read it, and press the key again")
        elif self._seen == at:
            then()
        else:
            self.paint()
            self.call_after_refresh(lambda: then() if self._at == at else None)

    def action_go(self) -> None:
        self._once_seen(self._go)

    def action_look(self) -> None:
        self._once_seen(self._look)

    def _gated(self, gate: Step) -> str:
        return f"answer step {self.scenario.place(gate.id)} first: {plain(gate.title, 120)}"

    def action_skip(self) -> None:
        self._once_seen(self._ask_why)

    def action_reopen(self) -> None:
        self._once_seen(self._reopen)

    def _go(self) -> None:
        row = self.row
        if row is None:
            return
        step = row.node.step
        if isinstance(step, Branch):
            self._unfolded ^= {step.id}
            self.paint()
        elif step.kind == "look":
            self._look()
        elif step.kind == "ask":
            self._dialogs.once(self._answer(row, step.question or Question()))
        else:
            self._do(row, step)

    def _look(self) -> None:
        """Record the value that the look reads now; what it can't read, a person is asked for."""
        row = self.row
        if row is None or not isinstance(row.node.step, Step) or row.node.step.kind != "look":
            return
        answer = row.node.answer
        if answer is not None and answer.known:
            late = f" ({answer.basis()})" if answer.state is not State.FRESH else ""
            self._dialogs.once(self._settle(row, "done", answer=answer.text + late))
        else:
            self._dialogs.once(self._answer(row, Question()))

    def _do(self, row: ScenarioRow, step: Step) -> None:
        mark, call = self.mark(row.id), step.call
        if call is None or call.name not in COMMANDS:
            self._dialogs.say(f"{call}: this console has no such action")
        elif row.node.gate is not None:
            self._dialogs.say(self._gated(row.node.gate))
        elif row.node.arguments is None:
            self._dialogs.say(f"not yet: {row.node.missing}")
        elif mark is not None and mark.state == "running":
            self._dialogs.say(f"{call.name} is under way: {mark.by} began it at {clock(mark.at)}")
        elif call.name == LOGS:
            of = " ".join(row.node.arguments)
            self._logs(of)
            answer = f"read the logs{f' of {of}' if of else ''}"
            self._dialogs.once(self._settle(row, "done", answer=answer))
        elif mark is not None and mark.state == "done" and row.node.again is None:
            self._dialogs.say(f"no target is left: {row.node.over}")
        else:
            words = row.node.again if mark is not None and row.node.again else row.node.arguments
            arguments = by_name(COMMANDS[call.name], words)
            self._actions.act(call.name, arguments, step=self._reference(row))

    def _ask_why(self) -> None:
        row = self.row
        if row is not None and isinstance(row.node.step, Step):
            self._dialogs.once(self._skip(row))

    async def _skip(self, row: ScenarioRow) -> None:
        title = f"why is this skipped? {row.node.step.title}"
        reason = await self.app.push_screen_wait(Prompt(title, hint="the reason is on record"))
        if reason is not None:
            await self._settle(row, "skipped", reason=reason)

    async def _answer(self, row: ScenarioRow, question: Question) -> None:
        step = row.node.step
        seen = row.node.answer.text if row.node.answer is not None else ""
        offered = question.words or self._session.known(question.kind)
        kind = {"number": "a number", "text": ""}.get(question.kind, question.kind)
        hint = seen or (kind if not question.words else "")

        def wrong(text: str) -> str:
            if question.accepts(text):
                return ""
            return f"one of {', '.join(question.words)}" if question.words else f"expected {kind or 'some words'}"

        text = await self.app.push_screen_wait(Prompt(step.title, hint=hint, offered=offered, wrong=wrong))
        if text is not None:
            await self._settle(row, "done", answer=text)

    async def _settle(self, row: ScenarioRow, state: str, *, answer: str = "", reason: str = "") -> None:
        reference = self._reference(row, taking=state == "done")
        writing = self._session.settle(reference, state, answer=answer, reason=reason)
        if await self._dialogs.recorded(writing, "") and self.is_mounted:
            self._resolve()
            if state != "pending" and self._at == row.id:
                rest = [*self.rows[self._index + 1 :], *self.rows[: self._index]]
                self._at = next((scenario_row.id for scenario_row in rest if self._waits(scenario_row)), self._at)
            self.paint()

    def _reopen(self) -> None:
        row = self.row
        if row is not None and self.mark(row.id) is not None:
            self._dialogs.once(self._settle(row, "pending"))

    def action_leave(self) -> None:
        self._close()

    def action_copy(self) -> None:
        lines = [line for row in self.rows for line in self._told(row, False, 120)]
        self.app.copy_to_clipboard(f"{self.scenario.title}\n{as_text(lines)}")
        self._dialogs.say("copied the scenario as it stands to the terminal's clipboard")

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        width, height = self.size
        if not width or not height or not self.is_mounted:
            return
        self._resolve()
        inside = max(10, width - 4)
        lines: list[Line] = []
        cursor = last = 0
        for row in self.rows:
            here = row.id == self.rows[self._index].id
            drawn = self._told(row, here, inside)
            if here:
                cursor, last = len(lines), len(lines) + len(drawn) - 1
            lines += drawn
        head = self._head(inside, height)
        picture = Panel("calm", tuple(head), Listing([str(n) for n in range(len(lines))], lines.__getitem__))
        seen = sight(picture, height)
        self._top = max(0, min(max(self._top, last - seen + 1), cursor, max(0, len(lines) - seen)))
        name = f"{self.scenario.number} " if self.scenario.number else ""
        severity = plain(self.scenario.severity, 8)
        frame = PanelFrame(
            f"Scenario {name}", ((severity, "muted"),), self.has_focus, self._top, cursor if self.has_focus else None
        )
        self.show_lines(framed(picture, frame, width, height))
        self.call_after_refresh(self._stands, self._at)

    def _stands(self, at: str) -> None:
        """It has been drawn."""
        self._seen = at

    def _head(self, width: int, height: int) -> list[Line]:
        steps = [row for row in self.rows if isinstance(row.node.step, Step) and row.node.applies is not False]
        settled = sum(self.mark(row.id) is not None for row in steps)
        lines: list[Line] = [
            ((cut(plain(self.scenario.title), width - 14), "strong"), (f"  {settled} of {len(steps)} steps", "muted"))
        ]
        if height >= 16 and self._walk is not None:
            who = f"begun {clock(self._walk.begun_at)} by {plain(self._walk.begun_by, 30)}"
            lines.append(((who, "muted"),))
            fit = next((fit for fit in self._fits() if fit.scenario.id == self.scenario.id), None)
            why = f"fits: {fit.because}" if fit else "no longer fits"
            lines += [((line, "muted"),) for line in wrapped(why, width, 2)]
            lines.append(())
        return lines

    def _told(self, row: ScenarioRow, here: bool, width: int) -> list[Line]:
        indent = "  " * row.depth
        if isinstance(row.node.step, Branch):
            return self._branch(row, indent, here, width)
        step, greyed = row.node.step, row.node.applies is False
        mark = self.mark(row.id)
        state = mark.state if mark else "pending"
        glyph, ink = MARKS[state]
        if greyed and mark is None:
            glyph, ink = "·", "faint"
        title = f"{VERBS.get(step.kind, step.kind)}: {plain(step.title)}"
        room = max(8, width - len(indent) - 2)
        words, answer_ink = self._words(row, mark)
        strong = "faint" if greyed else "strong" if here or (step.kind == "do" and mark is None) else ink
        if not here and width >= ONE_LINE and words:
            half = min(cells(title), room * 3 // 5)
            return [((f"{indent}{glyph} ", ink), (column(title, half), strong), (f"  {words}", answer_ink))]
        rows = wrapped(title, room, 3 if here else 1)
        lines: list[Line] = [
            ((f"{indent}{glyph} " if n == 0 else f"{indent}  ", ink), (text, strong)) for n, text in enumerate(rows)
        ]
        lines += [((f"{indent}  {text}", answer_ink),) for text in wrapped(words, room, 3 if here else 1)]
        if here:
            told = "" if mark is not None and mark.settled else step.detail
            lines += [((f"{indent}  {text}", "muted"),) for text in wrapped(told, room, 5)]
            lines += [((f"{indent}  {text}", "note"),) for text in wrapped(self._keys(row, step, mark), room, 2)]
        return lines

    def _branch(self, row: ScenarioRow, indent: str, here: bool, width: int) -> list[Line]:
        node = row.node
        room = max(8, width - len(indent) - 2)
        glyph, ink = {True: ("▾", "strong"), None: ("▾", "text"), False: ("▹", "faint")}[node.applies]
        because = plain(node.because or (node.truth.because if node.truth else ""))
        title = f"If {plain(node.step.title)}"
        inked = "faint" if node.applies is False else "doubt" if node.applies is None else "muted"
        verdict = {True: "yes", None: "not known", False: "no"}[node.applies]
        lines: list[Line] = [
            ((f"{indent}{glyph} ", ink), (text, "strong" if here else ink))
            for text in wrapped(title, room, 2 if here else 1)
        ]
        lines += [((f"{indent}  {text}", inked),) for text in wrapped(f"{verdict}: {because}", room, 3 if here else 1)]
        return lines

    def _words(self, row: ScenarioRow, mark: StepState | None) -> tuple[str, str]:
        """What is known of a step, and in which ink: what was recorded, else what is read now."""
        if mark is not None:
            said = plain(mark.answer or mark.reason)
            who = f"{plain(mark.by.partition('@')[0], 20)} {clock(mark.at)[:5]}"
            ink = {"failed": "alarm", "unknown": "warn", "running": "note"}.get(mark.state, "muted")
            word = {"skipped": "skipped: ", "failed": "FAILED: ", "unknown": "UNKNOWN: "}.get(mark.state, "")
            return f"{who} {word}{said or 'under way'}", ink
        node = row.node
        if node.answer is not None:
            known = "text" if node.applies is not False else "faint"
            return plain(node.answer.text), known if node.answer.known else "doubt"
        if node.gate is not None and node.applies is not False:
            return self._gated(node.gate), "doubt"
        if node.arguments is not None and isinstance(node.step, Step) and node.step.call is not None:
            return plain(" ".join((node.step.call.name, *node.arguments))), "muted"
        return plain(node.missing), "doubt"

    def _keys(self, row: ScenarioRow, step: Step, mark: StepState | None) -> str:
        if mark is not None and mark.settled:
            again = " ".join(row.node.again or ())
            more = "enter does it again" + (f": {plain(again, 60)}; " if again else "; ")
            more = more if mark.state != "done" or row.node.again is not None else "no target is left; "
            return f"{more if step.kind == 'do' else ''}down goes on; backspace makes it pending again"
        if step.kind == "look":
            known = row.node.answer is not None and row.node.answer.known
            return "space records this value; x skips" if known else "space lets you say what you see; x skips"
        if step.kind == "ask":
            words = step.question.words if step.question else ()
            return f"enter answers{': ' + ', '.join(words) if words else ''}; x skips"
        if row.node.gate is not None:
            return f"waits for the answer to step {self.scenario.place(row.node.gate.id)}; x skips"
        return "enter shows the preview; x skips"
