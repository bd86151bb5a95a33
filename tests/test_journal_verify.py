"""Whether a journal still says what was written: each kind of harm, at its line and in its sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nexconsole.errors import JournalError
from nexconsole.journal import Entry, EntryKind, Writer, verify
from nexconsole.journal.entries import make
from nexconsole.journal.files import last_file

START = datetime(2026, 11, 23, 13, 42, tzinfo=UTC)
MARIA, PIET = Writer("maria", "bastion", 10, START), Writer("piet", "laptop", 20, START)


class Wrote:
    """Entries as two consoles would have chained them, which a test then harms."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, writer: Writer, text: str = "so", **fields: object) -> Entry:
        own = [entry for entry in self.entries if entry.writer == writer]
        given = {
            "at": START + timedelta(seconds=len(self.entries)),
            "seq": len(own) + 1,
            "prev": own[-1].digest if own else "",
            "after": self.entries[-1].id if self.entries else "",
        } | fields
        entry = make(writer=writer, kind=EntryKind.NOTE, data={"text": text}, **given)
        self.entries.append(entry)
        return entry


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "INC-20261123-1342.jsonl"


def story(writers: str = "mpmp") -> list[Entry]:
    wrote = Wrote()
    for who in writers:
        wrote.add(MARIA if who == "m" else PIET)
    return wrote.entries


def found(file: Path, entries: list[Entry]) -> list[tuple[int, str, str]]:
    file.write_bytes(b"".join(entry.line + b"\n" for entry in entries))
    return [(problem.line, problem.what, problem.sentence) for problem in verify(file)]


def test_an_unharmed_journal_of_two_consoles_has_no_problem(file):
    assert found(file, story()) == []


def test_an_edited_line_is_named_and_those_after_it_are_not_blamed(file):
    entries = story()
    file.write_bytes(b"".join(entry.line + b"\n" for entry in entries).replace(b'"so"', b'"no"', 1))
    assert [(one.line, one.what, one.sentence) for one in verify(file)] == [
        (1, "edited", "this line was changed after it was written")
    ]


def test_a_line_that_stands_twice_is_duplicated_and_says_of_which(file):
    one, two, three, four = story()
    assert found(file, [one, two, three, two, four]) == [(4, "duplicated", "line 2 stands here once more")]


def test_two_lines_that_changed_places_are_reordered(file):
    one, two, three, four = story()
    assert found(file, [one, three, two, four]) == [
        (2, "reordered", "line 3 was written before this one"),
    ]


def test_an_entry_that_is_missing_is_told_by_the_entry_after_it(file):
    one, two, three, four = story()
    assert found(file, [one, three, four]) == [
        (2, "missing", f"the entry before this line ({two.id[:8]}) is missing"),
        (3, "missing", f"entry 1 of {PIET} is missing before this line"),
    ]


def test_an_entry_that_claims_a_number_that_is_taken_is_edited(file):
    wrote = Wrote()
    wrote.add(MARIA)
    second = wrote.add(MARIA)
    wrote.add(MARIA, "another", seq=2, prev=second.prev)
    assert found(file, wrote.entries) == [(3, "edited", f"entry 2 of {MARIA} already stands in line 2, and is another")]


def test_a_writers_own_entry_that_is_missing_is_named_by_its_number(file):
    wrote = Wrote()
    wrote.add(MARIA)
    wrote.add(PIET)
    wrote.add(MARIA, seq=3)
    assert found(file, wrote.entries) == [(3, "missing", f"entry 2 of {MARIA} is missing before this line")]


def test_a_first_entry_needs_none_before_it_whatever_its_chain_says(file):
    wrote = Wrote()
    wrote.add(MARIA, prev="0" * 64)
    assert found(file, wrote.entries) == []


def test_a_second_entry_alone_lacks_the_first(file):
    wrote = Wrote()
    wrote.add(MARIA, seq=2)
    assert found(file, wrote.entries) == [(1, "missing", f"entry 1 of {MARIA} is missing before this line")]


def test_a_writers_later_entry_that_stands_first_is_reordered(file):
    wrote = Wrote()
    wrote.add(MARIA, seq=2, after="")
    wrote.add(MARIA, seq=1)
    assert found(file, wrote.entries) == [(1, "reordered", "line 2 of the same console was written before this one")]


def test_an_entry_that_does_not_follow_from_its_writers_last_one_is_edited(file):
    wrote = Wrote()
    wrote.add(MARIA)
    wrote.add(PIET)
    wrote.add(MARIA, prev="0" * 64)
    assert found(file, wrote.entries) == [(3, "edited", "this line does not follow from line 1")]


def test_an_end_that_is_missing_is_told_after_the_last_line(file):
    entries = story()
    last_file(file).write_text(entries[-1].id)
    assert found(file, entries) == []
    assert found(file, entries[:-1]) == [
        (4, "missing", f"the last entry that was written here ({entries[-1].id[:8]}) is missing")
    ]


def test_without_a_remembered_end_nothing_is_said_of_it(file):
    assert not last_file(file).exists()
    assert found(file, story()[:2]) == []


def test_an_end_that_can_not_be_read_is_said_before_everything_else(file):
    one, two, three, _ = story()
    last_file(file).mkdir()
    first, second = found(file, [one, two, three, two])
    assert first[:2] == (0, "unreadable")
    assert first[2].startswith("whether its end is missing is not known: .INC-20261123-1342.jsonl.last can't be read (")
    assert second == (4, "duplicated", "line 2 stands here once more")


def test_problems_stand_in_the_order_of_the_lines(file):
    one, two, three, four = story()
    file.write_bytes(one.line + b"\nnonsense\n" + two.line + b"\n" + two.line + b"\n" + four.line + b"\nmore\n")
    last_file(file).write_text("f" * 32)
    assert [(problem.line, problem.what) for problem in verify(file)] == [
        (2, "unreadable"),
        (4, "duplicated"),
        (5, "missing"),
        (6, "unreadable"),
        (7, "missing"),
    ]
    assert three.id[:8] in verify(file)[2].sentence


def test_a_journal_that_is_not_there_is_an_error(file):
    with pytest.raises(JournalError, match="there is no such journal"):
        verify(file)
