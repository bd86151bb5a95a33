"""One drill, one console, one walk."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .console import NotSeenError, WalkedConsole, walked_console
from .operator import ALARM, CALM, WalkingOperator
from .walks import WALKS, Enough

START_S = 120.0  # until the drill's console shows its panes


@dataclass(kw_only=True)
class WalkResult:
    """`marks`: keys and seconds from the alarm to "verdict" and "calm"."""

    name: str
    keys: list[str] = field(default_factory=list)
    marks: dict[str, tuple[int, float]] = field(default_factory=dict)
    failed: str = ""

    @property
    def sentence(self) -> str:
        if self.failed:
            return f"{self.name} FAILED: {self.failed}"
        told = ", ".join(f"{name} after {keys} keys, {seconds:.0f} s" for name, (keys, seconds) in self.marks.items())
        return f"{self.name}: {told or 'nothing to do'}: {' '.join(self.keys)}"

    def as_dict(self) -> dict[str, Any]:
        marks = {name: {"keys": keys, "seconds": round(seconds, 1)} for name, (keys, seconds) in self.marks.items()}
        return {"walk": self.name, "keys": self.keys, **marks, "failed": self.failed or None}


async def walked(name: str, command: Sequence[str], columns: int, rows: int, until: str = "calm") -> WalkResult:
    """Start the drill, wait for its alarm, and walk to the verdict or to calm."""
    scenario = name.partition(":")[0]
    result = WalkResult(name=name)
    with tempfile.TemporaryDirectory(prefix="nexconsole-walk-") as folder:
        places = {variable: str(Path(folder)) for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME")}
        async with walked_console([*command, "drill", scenario], places, columns, rows) as console:
            operator: WalkingOperator | None = None
            try:
                await _alarm(console, scenario)
                operator = WalkingOperator(console)
                operator.only_verdict = until == "verdict"
                await WALKS[name](operator)
            except Enough:
                pass
            except NotSeenError as error:
                result.failed = str(error)
            if operator is not None:
                result.keys, result.marks = operator.keys, operator.marks
    return result


async def _alarm(console: WalkedConsole, scenario: str) -> None:
    await console.see(CALM if scenario == "calm" else ALARM, START_S)
