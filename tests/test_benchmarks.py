"""The benchmarks' own instruments: what a terminal shows, what a server's log says, what a table judges."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.benchmarks import serverlog, table
from tests.benchmarks.screen import Screen
from tests.benchmarks.terminal import BenchmarkTerminal, NeverHappened


def shown(*pieces: bytes) -> list[str]:
    screen = Screen(3, 8)
    for piece in pieces:
        screen.feed(piece)
    return [line.rstrip() for line in screen.lines]


def test_words_stand_where_the_cursor_was_put():
    assert shown(b"one\x1b[2;3Htwo\x1b[3;1H\x1b[1;31mred\x1b[0m") == ["one", "  two", "red"]


def test_a_sequence_or_a_character_may_come_in_pieces():
    assert shown(b"a\x1b[2", b";2H\xe2\x94", b"\x8fb\x1b]0;title", b"\x07c") == ["a", " ┏bc", ""]


def test_a_wide_character_takes_two_cells():
    assert shown("日x".encode()) == ["日x", "", ""]


def test_the_alternate_screen_and_erasing_begin_anew():
    assert shown(b"splash\x1b[?1049hab\x1b[1;2H\x1b[K\x1b[?2026$p\x1b[>1u") == ["a", "", ""]


def test_a_program_in_a_terminal_is_seen_timed_and_ended():
    argv = [sys.executable, "-c", "print('hello', end='', flush=True); input()"]
    with BenchmarkTerminal(argv) as terminal:
        at = terminal.until(lambda screen: "hello" in screen.text)
        assert terminal.began < at
        assert terminal.cpu_s() > 0 and terminal.memory_mb() > 1
        assert terminal.leave("\r") >= 0
        assert terminal.code == 0


def test_what_does_not_come_in_time_is_said_with_the_screen():
    argv = [sys.executable, "-c", "print('something else', flush=True); input()"]
    with BenchmarkTerminal(argv) as terminal, pytest.raises(NeverHappened, match="something else"):
        terminal.until(lambda screen: "hello" in screen.text, patience_s=1.0)


LOG = """nexconsole|12|LOG:  duration: 0.250 ms  parse <unnamed>: SELECT 1
\tFROM a
nexconsole|12|LOG:  duration: 0.500 ms  bind <unnamed>: SELECT 1
\tFROM a
nexconsole|12|LOG:  duration: 1.250 ms  execute <unnamed>: SELECT 1
\tFROM a
\tWHERE $1
nexnum-app|13|LOG:  duration: 90.000 ms  statement: DELETE FROM a
nexconsole|14|LOG:  duration: 0.100 ms  statement: COMMIT
nexconsole|14|LOG:  duration: 0.300 ms  statement: COMMIT
"""


def test_a_statement_is_parsed_bound_and_executed():
    slowest, commit = serverlog.statements(LOG)
    assert (slowest.sql, slowest.runs_ms) == ("SELECT 1 FROM a WHERE $1", [2.0])
    assert (commit.sql, commit.runs_ms) == ("COMMIT", [0.1, 0.3])


def test_a_figure_is_judged_by_its_ratio_and_by_itself():
    slow = [2.0, 3.0, 10.0]
    assert table.against("x", "s", slow, [10.0, 10.0, 10.0], most_ratio=0.3).met
    assert table.against("x", "s", slow, [10.0, 10.0, 10.0], most_ratio=0.3, limit=2.9).met is False
    assert table.against("x", "s", slow, [10.0, 10.0, 10.0], most_ratio=None).met is None
    assert "MISS" in table.lines([table.Figure("x", 4.0, "s", limit=3.0)])[-1]


def test_of_a_hundred_values_five_may_exceed_the_95th_percentile():
    assert table.p95(range(1, 101)) == 95
    assert table.p95([7.0]) == 7.0
