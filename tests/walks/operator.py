"""What an operator does with a console: reads it, and presses what it says."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time

from .console import NotSeenError, WalkedConsole

ALARM = r"SEV-[123]"
CALM = r"\bCALM\b(?!\?)"
VERDICT = r"(WORKED|NO EFFECT|WORSE|UNKNOWN|FAILED|REFUSED)"
READ_S = 0.8  # nobody reads what has just appeared in less; the console drops keys that come sooner
MOST_MOVES = 40
MARKS = "○●▸–▲?·►"


class Enough(Exception):
    """The walk was to go no further than to the verdict."""


class WalkingOperator:
    """At a console in which the alarm stands. Marks are (keys pressed since the alarm, seconds since)."""

    def __init__(self, console: WalkedConsole) -> None:
        self.console = console
        self.marks: dict[str, tuple[int, float]] = {}
        self.only_verdict = False
        self._began, self._keys = time.monotonic(), len(console.keys)
        self.press, self.type, self.see, self.miss = console.press, console.type, console.see, console.miss

    @property
    def keys(self) -> list[str]:
        """Those since the alarm."""
        return self.console.keys[self._keys :]

    def mark(self, name: str) -> None:
        self.marks[name] = (len(self.keys), time.monotonic() - self._began)

    # --- the palette ------------------------------------------------------------------------------------------

    async def command(self, typed: str, wanted: str) -> None:
        """Take the command from the palette: type so much, go down to it, enter."""
        await self.see("fits: s opens|s: scenario")  # all is read by now
        await self.press("ctrl+p")
        await self.see(r"what to do")
        await self.type(typed)
        await self.down_to(wanted)
        await self.press("enter")

    async def down_to(self, wanted: str) -> None:
        """Move the cursor, which stands as `>`, down to the row with these words."""
        for _ in range(MOST_MOVES):
            await self.console.see(wanted)
            cursor = next((line for line in self.console.lines if re.search(r"[│┃] ?> ", line)), "")
            if re.search(wanted, cursor):
                return
            await self.press("down")
        raise NotSeenError(f"no way down to {wanted!r}\n{self.console.text}")

    # --- the rows ---------------------------------------------------------------------------------------------

    async def row(self, pane: str, wanted: str, verb: str, *, last: bool = False) -> None:
        """Maximize the pane by its number, go down to the row, and take the verb from its menu by its letter."""
        await self.press(pane)
        await self.console.until(lambda: self._cursor, f"expected a cursor in pane {pane}")
        if last:
            await self.press("G")
        for _ in range(MOST_MOVES):
            if re.search(wanted, before := self._cursor):
                break
            await self.press("down")
            await self.console.until(lambda before=before: self._cursor != before, f"no row follows {before!r}", 5.0)
        await self.press("space")
        entry = await self.see(rf"┃[> ](?P<letter>[a-z]) +[^┃]*{verb}")
        await self.press(entry["letter"])

    @property
    def _cursor(self) -> str:
        """The row of a pane under the cursor."""
        rows = (re.search(r"[│┃]> *(.*?)\s*[▐│┃]?$", line) for line in self.console.lines)
        return next((row[1] for row in rows if row), "")

    # --- the dialog -------------------------------------------------------------------------------------------

    async def confirm(self, effect: str) -> re.Match[str]:
        """Read the preview and confirm it as it says."""
        await self.see(r"preview expires in")
        seen = await self.see(effect)
        how = await self.see(r"type the .*?'(?P<word>[^']+)' to confirm|┃ (?P<letter>\w) does it")
        await asyncio.sleep(READ_S)
        if how["word"]:
            await self.type(how["word"])
            await self.press("ctrl+y")
        else:
            await self.press(how["letter"])
        await self.miss(r"preview expires in")
        with contextlib.suppress(NotSeenError):
            await self.see(r"▸ |watching|[,;] \d+ (s|min).* left", within=2.0)  # it is under way
        return seen

    async def verdict(self, action: str, wanted: str = "WORKED", within: float = 120.0) -> None:
        """Wait for what became of the newest operation of this action."""
        found = await self.console.until(lambda: self._ended(action), f"expected a verdict on {action}", within)
        self.marks.setdefault("verdict", (len(self.keys), time.monotonic() - self._began))
        if found != wanted:
            raise NotSeenError(f"{action}: {found}, expected {wanted}\n{self.console.text}")

    def _ended(self, action: str) -> str:
        """The verdict of the newest operation of this action; "" while there is none."""
        lines = [line for line in self.console.lines if re.match(rf" [●▲?■○▸] .*\b{re.escape(action)}", line)]
        found = re.match(rf" . {VERDICT}\b", lines[-1]) if lines else None
        return found[1] if found else ""

    async def calm_soon(self, within: float = 30.0) -> bool:
        if self.only_verdict:
            raise Enough
        with contextlib.suppress(NotSeenError):
            await self.see(CALM, within)
            self.mark("calm")
            return True
        return False

    async def calm(self, within: float = 420.0) -> None:
        if self.only_verdict:
            raise Enough
        await self.see(CALM, within)
        self.mark("calm")

    # --- the scenario -----------------------------------------------------------------------------------------

    @property
    def _row(self) -> str:
        """The row of the scenario under the cursor: its mark and the first line of its title."""
        rows = (re.search(rf"[│┃]> *([{MARKS}] .*?)\s*[▐│┃]?$", line) for line in self.console.lines)
        return next((row[1] for row in rows if row), "")

    async def scenario(self, title: str, hint: str) -> None:
        """Open the scenario that fits, once the hint names this one."""
        await self.see(rf"{hint} fits: s opens|s: {hint}", within=60)
        await self.press("s")
        await self.see(title)
        await self.console.until(lambda: self._row, "expected the scenario's cursor")

    async def other_scenario(self, title: str) -> None:
        """Open another scenario from the list of them."""
        await self.press("S")
        await self.down_to(title)
        await self.press("enter")
        await self.miss("│ > Scenario")
        await self.console.until(lambda: self._row, "expected the scenario's cursor")

    async def walk_to(self, wanted: str, **answers: str) -> None:
        """Go to the step with these words, by the shortest way; on it answer each question that `answers` names by a
        word of it."""
        for _ in range(MOST_MOVES):
            row = self._row
            if re.search(wanted, row):
                return
            answer = next((answer for word, answer in answers.items() if word in row), "")
            if row.startswith("?") and answer:
                await self.answer(answer)
            else:
                await self.press("f" if wanted.startswith("DO") else "down")
            await self.console.until(lambda before=row: self._row not in ("", before), f"nothing followed {row!r}", 5.0)
        raise NotSeenError(f"no way to {wanted!r}\n{self.console.text}")

    async def record(self) -> None:
        """Put the looks up to the cursor on record that are answered by now."""
        if offered := self._recordable:
            await self.press("r")
            await self.console.until(lambda: self._recordable != offered, "expected that looks are recorded")

    @property
    def _recordable(self) -> str:
        """What `r` would record, as the scenario says it; "" for nothing."""
        found = re.search(r"\br records ([^;┃▐]*)", self.console.text)
        return found[0] if found else ""

    async def answer(self, text: str) -> None:
        """Answer the question under the cursor: by the letters that stand before the word, by what stands in the line
        already, or by typing."""
        await self.press("enter")
        hint = (await self.see(r".*esc leaves.*"))[0]
        letters = next((key for key in re.findall(rf"(\S+) {re.escape(text)}\b", hint) if text.startswith(key)), "")
        await asyncio.sleep(READ_S)
        if letters:
            await self.type(letters)
        elif not re.search(rf"│ +{re.escape(text)} +│", self.console.text):
            await self.type(text)
            await self.press("enter")
        else:
            await self.press("enter")
        await self.miss("esc leaves")
        await asyncio.sleep(READ_S)

    async def do(self, step: str, effect: str, action: str, within: float = 120.0, **answers: str) -> None:
        """Walk to the step, do it, and wait for its verdict."""
        await self.walk_to(step, **answers)
        await self.record()
        await self.again(effect, action, within)

    async def again(self, effect: str, action: str, within: float = 120.0) -> None:
        """Do the step under the cursor, and wait for its verdict."""
        await self.press("enter")
        await self.confirm(effect)
        await self.verdict(action, within=within)
