"""A real drill in a pseudo terminal, brought back to calm by its scenario: what the screen showed after each key."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.walks.console import WalkedConsole, walked_console
from tests.walks.operator import ALARM, CALM, WalkingOperator

from .cells import Row, rows_of

START_S = 120.0
CALM_S = 480.0
FADES = r"1 min: 0 %"


@dataclass(frozen=True, slots=True)
class Frame:
    """What was seen after the key; `says` is its caption, `seconds` how long it stands."""

    rows: tuple[Row, ...]
    key: str
    says: str
    seconds: float


@dataclass
class Film:
    console: WalkedConsole
    frames: list[Frame] = field(default_factory=list)

    async def shoot(self, key: str, says: str, seconds: float = 2.2) -> None:
        await self.console.drawn()
        self.frames.append(Frame(rows_of(self.console._screen), key, says, seconds))

    async def after(self, key: str, seen: str, says: str, seconds: float = 2.2) -> None:
        """Press the key, wait for what it shows, and keep that."""
        await self.console.press(key)
        await self.console.see(seen)
        await self.shoot(key, says, seconds)


async def recorded(command: list[str], columns: int, rows: int) -> list[Frame]:
    """Raises NotSeenError where the drill goes another way than told here."""
    with tempfile.TemporaryDirectory(prefix="nexconsole-animation-") as folder:
        places = {variable: str(Path(folder)) for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME")}
        argv = [*command, "drill", "provider-outage"]
        async with walked_console(argv, places, columns, rows) as console:
            film = Film(console)
            await _to_calm(film)
            return film.frames


async def _to_calm(film: Film) -> None:
    console = film.console
    operator = WalkingOperator(console)
    await console.see(ALARM, START_S)
    await console.see("ONE PROVIDER: smsbower")
    await console.see("fits: s opens")
    await film.shoot("", "An alert fires. The first line says what fails, and where.", 3.0)
    await film.after("2", "acts|verbs|space", "The provider's circuits: open on the pods, flapping.")
    await console.press("esc")
    await film.after("s", r"┃> ", "The scenario of the runbook that fits; readings answer its looks.", 2.6)
    await film.after("r", "recorded", "What was looked at goes on record.")
    await film.after("enter", "d does it", "What it will do, and what speaks against it. Nothing is sent yet.", 3.2)
    await film.after("d", r"[,;] \d+ (s|min).* left", "Done. Now the console watches whether it helps.")
    await operator.verdict("provider.disable")
    await film.shoot("", "It worked: measured, and on record. u would undo it.", 2.6)
    await console.press("esc")
    await console.miss("┃> ")
    await film.shoot("esc", "The failures leave the last five minutes.")
    await console.see(FADES, CALM_S)
    await film.shoot("", "Nothing failed in the last minute.")
    await console.see(CALM, CALM_S)
    await film.shoot("", "Calm again. What was changed and still stands stays in sight.", 4.0)
