"""Log lines, runbooks and what stands in a stream come from outside: whatever they hold, a parser answers."""

from __future__ import annotations

import contextlib
from pathlib import Path

from hostile import LINES
from hypothesis import given, settings
from hypothesis import strategies as st

from nexconsole.journal import Entry, parse_remote_entry
from nexconsole.runbook.parser import parse as parse_runbook
from nexconsole.sources.breaker_lines import parse as parse_breaker_line
from nexconsole.sources.funnel_lines import parse as parse_funnel_line
from nexconsole.sources.log_lines import moment

BOOK = Path(__file__).parent.parent / "nexconsole" / "runbook" / "incident-response.md"
WORDS = st.sampled_from(
    [
        "Circuit breaker",
        "OPEN",
        "HALF_OPEN",
        "closed",
        "opened for",
        "smsbower",
        '{"level":"warn","msg":',
        "}",
        '"',
        "\\ud800",
        "\x1b[31m",
        "\x00",
        "2026-11-23T13:42:00.000000001Z",
        "9999-12-31T23:59:59-14:00 ",
        "0001-01-01T00:00:00+14:00 ",
        "[CircuitBreaker]",
        "failures:",
        "NaN",
        "1e999",
        "state",
        ":",
        " ",
        "\t",
        "time",
        "provider",
        "-1",
        "\u202e",
    ]
)
LOG_LINES = st.lists(WORDS, max_size=12).map("".join) | st.text(max_size=60)
MARKS = st.sampled_from(
    [
        "# ",
        "## ",
        "### ",
        "- ",
        "  - ",
        "1. ",
        "Look: ",
        "Do: ",
        "Ask: ",
        "If ",
        "`",
        "```\n",
        "(SEV-1)",
        "(SEV-9)",
        "SEV-1: x",
        "#id",
        "**",
        "[",
        "](",
        "<b>",
        "|",
        "\n",
        "\n\n",
        "provider.disable",
        "failure rate",
        " > 10 %",
        "{provider}",
        "\x00",
        "\u202e",
        "99999999999999999999",
        "1. x (SEV-1)\n",
        "triggers",
        "steps",
        "    ",
    ]
)


@settings(max_examples=300, deadline=None)
@given(line=(LOG_LINES.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=80)))
def test_any_line_of_a_pods_log_is_an_event_or_none(line: bytes) -> None:
    parse_breaker_line(line)
    parse_funnel_line(line)
    moment(line)


@settings(max_examples=120, deadline=None)
@given(text=st.lists(MARKS | st.text(max_size=8), max_size=30).map("".join))
def test_any_text_is_a_runbook_with_problems_in_sentences(text: str) -> None:
    for problem in parse_runbook(text).problems:
        assert problem.line >= 0 and problem.text


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 30_000), length=st.integers(0, 400), more=st.lists(MARKS, max_size=4).map("".join))
def test_the_runbook_with_a_piece_torn_out_is_read_as_far_as_it_can_be(place: int, length: int, more: str) -> None:
    book = BOOK.read_text()
    place %= len(book)
    parse_runbook(book[:place] + more + book[place + length :])


@settings(max_examples=200, deadline=None)
@given(payload=LINES | st.binary(max_size=200))
def test_any_payload_of_a_stream_is_an_entry_as_it_was_written_or_refused(payload: bytes) -> None:
    with contextlib.suppress(ValueError):
        entry = parse_remote_entry(payload)
        assert isinstance(entry, Entry) and entry.intact and entry.line == payload
