"""The reference: what one would write in an evening with Textual's own widgets.

Four framed panes: a table of 30 providers, eight lines of text, two sparklines; all of it new once a second.
"""

from random import Random
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.containers import Grid, VerticalGroup
from textual.widgets import DataTable, Footer, Header, Sparkline, Static

HEADINGS = ("provider", "kind", "orders", "queued", "lag ms", "state")
TICKING = ("orders", "queued", "lag ms")
PROVIDERS = 30
PODS = 8
POINTS = 60


class ReferenceApp(App[None]):
    TITLE = "reference"
    CSS = """
    Grid { grid-size: 2 2; }
    Grid > VerticalGroup { height: 100%; border: round $primary; }
    DataTable { height: 1fr; }
    Sparkline { height: 4; }
    """
    BINDINGS: ClassVar = [("q", "quit", "Quit"), ("x", "press", "Press"), ("r", "reload", "Reload")]

    def __init__(self) -> None:
        super().__init__()
        self._random = Random(7)
        self._presses = 0

    def compose(self) -> ComposeResult:
        yield Header()
        with Grid():
            yield self._pane("Providers", DataTable(cursor_type="row"))
            yield self._pane("Pods", Static("pressed 0 times", id="presses"), Static(id="pods"))
            yield self._pane("Purchases", Static("a second"), Sparkline([0.0] * POINTS))
            yield self._pane("Latency", Static("milliseconds"), Sparkline([0.0] * POINTS))
        yield Footer()

    def _pane(self, title: str, *inside: Static | DataTable | Sparkline) -> VerticalGroup:
        pane = VerticalGroup(*inside)
        pane.border_title = title
        return pane

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        for heading in HEADINGS:
            table.add_column(heading, key=heading)
        for number in range(PROVIDERS):
            table.add_row(f"provider-{number:02}", "sms", "10", "0", "20", "ok", key=f"{number}")
        self.set_interval(1.0, self._second)

    def _second(self) -> None:
        table, chance = self.query_one(DataTable), self._random
        for number in range(PROVIDERS):
            for heading in TICKING:
                table.update_cell(f"{number}", heading, f"{chance.randint(10, 99)}")
        for chart in self.query(Sparkline):
            chart.data = [*(chart.data or ())[1:], chance.random()]
        pods = "\n".join(f"nexnum-app-{number}   load {chance.random():.2f}" for number in range(PODS))
        self.query_one("#pods", Static).update(pods)

    def action_press(self) -> None:
        self._presses += 1
        self.query_one("#presses", Static).update(f"pressed {self._presses} times")


if __name__ == "__main__":
    ReferenceApp().run()
