"""The measurements behind the table, of real programs in real terminals."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random

from . import worlds
from .screen import Screen
from .table import Figure, against, p95
from .terminal import BenchmarkTerminal, NeverHappened

REFERENCE = [sys.executable, str(Path(__file__).with_name("reference.py"))]
SCREEN_ONLY = [sys.executable, str(Path(__file__).with_name("screen_only.py"))]
TITLES = ("1 Transactions", "2 Circuits", "3 Outbox", "4 Reservations", "5 Database", "6 Workloads", "7 Alerts")
LOADED_S = 8.0  # by then all client libraries are imported and every signal has been read
MOVE = "j or k"
SCREENS = {"keys": "?", "palette": "\x10", "journal": "J", "a note": "n", "sheet": "B", "scenario": "s"}
STRIP = 1  # the line of the screen that tells the sources' health

Environment = Mapping[str, str]


def reference_stands(screen: Screen) -> bool:
    return all(words in screen.text for words in ("provider-00", "Purchases", "milliseconds", "Quit"))


def console_stands(screen: Screen) -> bool:
    return all(title in screen.text for title in TITLES)


# --- start and end --------------------------------------------------------------------------------------------


def starts(world: Environment, rounds: int) -> Iterator[Figure]:
    """How soon something is seen, how soon everything is, and how soon it is gone again."""
    seen: dict[str, list[tuple[float, float, float]]] = {"reference": [], "console": []}
    with worlds.console(dict(world)) as (console, environment):
        programs = [("reference", REFERENCE, reference_stands, 1.0), ("console", console, console_stands, 3.0)]
        for number in range(rounds):
            for name, argv, stands, stay_s in programs if number % 2 else programs[::-1]:
                seen[name].append(_start(argv, environment, stands, stay_s))
    mine, reference = (list(zip(*seen[name], strict=True)) for name in ("console", "reference"))
    yield against("first frame", "ms", mine[0], reference[0], 0.1)
    yield against("ready", "ms", mine[1], reference[1], 1.0)
    yield against("ready, against its first paint", "ms", mine[1], reference[0], None)
    yield against("quit", "ms", mine[2], reference[2], 1.0)


def _start(
    argv: list[str], environment: Environment, stands: Callable[[Screen], bool], stay_s: float
) -> tuple[float, float, float]:
    """(first words, all there, gone after the key), in milliseconds."""
    with BenchmarkTerminal(argv, environment) as terminal:
        words = terminal.until(lambda screen: not screen.blank)
        ready = words if stands(terminal.screen) else terminal.until(stands)
        terminal.rest(stay_s)
        return (words - terminal.began) * 1e3, (ready - terminal.began) * 1e3, terminal.leave("q") * 1e3


# --- at rest --------------------------------------------------------------------------------------------------


class Rest:
    """What a program takes while nobody touches it."""

    def __init__(self, argv: list[str], environment: Environment, warm_s: float, span_s: float) -> None:
        with BenchmarkTerminal(argv, environment) as terminal:
            terminal.rest(warm_s)
            bytes_then, cpu_then, then = terminal.bytes, terminal.cpu_s(), time.perf_counter()
            terminal.rest(span_s)
            span = time.perf_counter() - then
            if terminal.ended:
                raise NeverHappened(f"{argv} has ended:\n{terminal.screen.text}")
            self.bytes_per_s = (terminal.bytes - bytes_then) / span
            self.cpu_percent = (terminal.cpu_s() - cpu_then) / span * 100
            self.memory_mb = terminal.memory_mb()
            self.screen = terminal.screen


def rests(world: Environment, rounds: int, span_s: float) -> Iterator[Figure]:
    """The calm world: bytes, CPU and memory, each against the reference of the same round."""
    mine, drawn, reference = [], [], []
    with worlds.console(dict(world)) as (console, environment):
        for _ in range(rounds):
            reference.append(Rest(REFERENCE, environment, 2.0, span_s))
            mine.append(Rest(console, environment, LOADED_S, span_s))
            drawn.append(Rest(SCREEN_ONLY, environment, 3.0, span_s))
    others = [rest.cpu_percent for rest in reference]
    bytes_per_s = [rest.bytes_per_s for rest in mine]
    yield against("bytes at rest", "B/s", bytes_per_s, [rest.bytes_per_s for rest in reference], 0.12, 3000)
    yield against("CPU of the screen", "%", [rest.cpu_percent for rest in drawn], others, 0.4)
    yield against("CPU, polling five sources too", "%", [rest.cpu_percent for rest in mine], others, None)
    memory = [rest.memory_mb for rest in mine]
    yield against("memory, all clients", "MB", memory, [rest.memory_mb for rest in reference], 2.6, note="PSS")


def screens_at_rest(world: Environment, span_s: float) -> Iterator[Figure]:
    """Bytes while each screen lies open, against those of the panes alone in the same console."""
    with worlds.console(dict(world)) as (console, environment), BenchmarkTerminal(console, environment) as terminal:
        terminal.until(console_stands)
        terminal.rest(LOADED_S)
        panes = _bytes_per_s(terminal, span_s)
        worst, which = 0.0, ""
        for name, key in SCREENS.items():
            terminal.press(key)
            terminal.rest(1.5)
            worst, which = max((worst, which), (_bytes_per_s(terminal, span_s), name))
            terminal.press("\x1b")
            terminal.until(console_stands)
            terminal.rest(1.0)
        terminal.press("l")
        terminal.rest(1.5)
        yield Figure("bytes while the pods' logs are followed", _bytes_per_s(terminal, span_s), "B/s", 4000)
        yield Figure(
            "bytes below an open screen",
            worst,
            "B/s",
            reference=panes,
            ratio=worst / panes,
            most_ratio=2.0,
            note=f"worst of {len(SCREENS)} ({which})",
        )


def _bytes_per_s(terminal: BenchmarkTerminal, span_s: float) -> float:
    before, then = terminal.bytes, time.perf_counter()
    terminal.rest(span_s)
    return (terminal.bytes - before) / (time.perf_counter() - then)


# --- keys -----------------------------------------------------------------------------------------------------


def _focused(screen: Screen) -> tuple[int, int] | None:
    """Where the frame of the focused pane begins."""
    return next(((y, line.index("┏")) for y, line in enumerate(screen.lines) if "┏" in line), None)


def _cursor(screen: Screen) -> str | None:
    """The words of the row that the cursor is on."""
    row = next((line for line in screen.lines if "┃>" in line), None)
    return row.partition("┃>")[2][:14] if row else None


def _away(screen: Screen) -> str:
    """The key that moves the cursor: up where it is on the last row, which a row can become by itself."""
    lines = screen.lines
    below = next((lines[y + 1] for y, line in enumerate(lines) if "┃>" in line), "")
    return "j" if below[2:16].strip(" ━") else "k"


class Keys:
    """Presses keys, each of which can be told from everything else that happens on screen, and times their echoes."""

    def __init__(self, terminal: BenchmarkTerminal, rows: bool) -> None:
        self.terminal = terminal
        self.echoes: list[tuple[str, float]] = []
        keys = [("\t", self._changed(_focused)), ("p", self._frozen(True)), ("p", self._frozen(False))]
        keys += [("3", self._panes(1)), ("3", self._panes(7))]
        if rows:
            keys += [("1", self._panes(1)), *[(MOVE, self._changed(_cursor))] * 6, ("1", self._panes(7))]
        self._keys = keys
        self._next = 0

    def press(self) -> float:
        """Press the next key; milliseconds until its echo began to show."""
        key, watch = self._keys[self._next % len(self._keys)]
        self._next += 1
        key = _away(self.terminal.screen) if key == MOVE else key
        shown = watch()
        at = self.terminal.press(key)
        took = (self.terminal.until(shown, 5.0, after=at) - at) * 1e3
        self.echoes.append((key, took))
        return took

    def many(self, count: int, pace_s: float) -> None:
        """`count` of them, at this pace and a little off it, so that they fall anywhere between two ticks."""
        chance = Random(5)
        for _ in range(count):
            self.press()
            self.terminal.rest(pace_s * (0.5 + chance.random()))

    def _changed(self, seen: Callable[[Screen], object]) -> Callable[[], Callable[[Screen], bool]]:
        def watch() -> Callable[[Screen], bool]:
            before = seen(self.terminal.screen)
            return lambda screen: seen(screen) not in (None, before)

        return watch

    def _frozen(self, frozen: bool) -> Callable[[], Callable[[Screen], bool]]:
        return lambda: lambda screen: ("FROZEN" in screen.lines[0]) is frozen

    def _panes(self, many: int) -> Callable[[], Callable[[Screen], bool]]:
        return lambda: lambda screen: sum(title in screen.text for title in TITLES) == many


def echo(name: str, echoes: list[tuple[str, float]], limit: float | None = 50.0) -> Figure:
    worst_key, worst = max(echoes, key=lambda one: one[1])
    key = {"\t": "tab"}.get(worst_key, worst_key)
    return Figure(
        name, p95(took for _, took in echoes), "ms", limit, note=f"p95 of {len(echoes)}, worst {worst:.0f} ({key})"
    )


def keys_at_rest(world: Environment, count: int) -> Iterator[Figure]:
    with worlds.console(dict(world)) as (console, environment), BenchmarkTerminal(console, environment) as terminal:
        terminal.until(console_stands)
        terminal.rest(LOADED_S)
        keys = Keys(terminal, rows=True)
        keys.many(count, 0.15)
        yield echo("a key's echo", keys.echoes)


def keys_while_importing(world: Environment, rounds: int) -> Iterator[Figure]:
    """From the moment on which the screen stands until every source has answered."""
    echoes: list[tuple[str, float]] = []
    with worlds.console(dict(world)) as (console, environment):
        for _ in range(rounds):
            with BenchmarkTerminal(console, environment) as terminal:
                terminal.until(console_stands)
                keys = Keys(terminal, rows=False)
                ends = time.perf_counter() + 5
                while time.perf_counter() < ends and not _all_answered(terminal.screen):
                    keys.many(1, 0.02)
                echoes += keys.echoes
    yield echo("a key's echo while clients are imported", echoes)


def _all_answered(screen: Screen) -> bool:
    strip = screen.lines[STRIP]
    return "..." not in strip and len(re.findall(r"\d ms", strip)) >= 4


def keys_while_hanging(count: int) -> Iterator[Figure]:
    with worlds.hanging() as world, worlds.console(world) as (console, environment):
        with BenchmarkTerminal(console, environment) as terminal:
            terminal.until(console_stands)
            terminal.rest(2.0)
            keys = Keys(terminal, rows=False)
            keys.many(count, 0.15)
            yield echo("a key's echo while every source hangs", keys.echoes)
            yield Figure("quit while every source hangs", terminal.leave("q") * 1e3, "ms")


# --- the crowd ------------------------------------------------------------------------------------------------


def crowd(rounds: int, span_s: float, keys: int, lines: int) -> Iterator[Figure]:
    """1,000 providers of which 100 change a second, 50 pods, 2,000 log lines a second."""
    mine, reference = [], []
    with worlds.crowded(1000, 100, 50, 2000) as world, worlds.console(world.environment) as (console, environment):
        for _ in range(rounds):
            reference.append(Rest(REFERENCE, environment, 2.0, span_s))
            mine.append(Rest(console, environment, LOADED_S + 4, span_s))
        bytes_per_s, others = [rest.bytes_per_s for rest in mine], [rest.bytes_per_s for rest in reference]
        yield against("bytes, 1,000 providers", "B/s", bytes_per_s, others, 0.3, 8000)
        cpu, others = [rest.cpu_percent for rest in mine], [rest.cpu_percent for rest in reference]
        yield against("CPU, 1,000 providers, 50 pods, 2,000 lines/s", "%", cpu, others, None, 15)
        with BenchmarkTerminal(console, environment) as terminal:
            terminal.until(console_stands)
            terminal.rest(LOADED_S)
            pressed = Keys(terminal, rows=True)
            pressed.many(keys, 0.15)
            yield echo("a key's echo under this load", pressed.echoes)
            yield _log_line("a breaker's log line under this load", terminal, world, lines)
            yield Figure("memory under this load", terminal.memory_mb(), "MB", note="PSS")


def log_lines(lines: int) -> Iterator[Figure]:
    """A few providers and three pods: how soon the screen shows what a breaker's line says."""
    with worlds.crowded(5, 5, 3, 15) as world, worlds.console(world.environment) as (console, environment):
        with BenchmarkTerminal(console, environment) as terminal:
            terminal.until(console_stands)
            terminal.rest(LOADED_S)
            yield _log_line("a breaker's log line to the screen", terminal, world, lines)


def _log_line(name: str, terminal: BenchmarkTerminal, world: worlds.Crowded, count: int) -> Figure:
    chance, took = Random(3), []
    for number in range(count):
        provider, state = f"gw{number // 2 % 5:04}", "closed" if number % 2 else "open"
        row = re.compile(rf"{provider}\s.*OPEN 1/")
        terminal.rest(0.3 + chance.random() * 0.7)
        at = world.write(state, provider)
        shown = terminal.until(
            lambda screen, row=row, state=state: bool(row.search(screen.text)) is (state == "open"), 8
        )
        took.append((shown - at) * 1e3)
    return Figure(name, p95(took), "ms", 300, note=f"p95 of {count}, worst {max(took):.0f}")
