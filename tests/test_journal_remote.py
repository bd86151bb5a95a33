"""What other hosts wrote, beside the journal: kept once, durably, for the group, and read and verified with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexconsole.errors import JournalError
from nexconsole.journal import (
    Entry,
    EntryKind,
    Journal,
    Life,
    Scrubber,
    Writer,
    follow_incident,
    import_entries,
    journal_files,
    merge,
    read,
    read_incident,
    remote_file,
    unfinished,
    verify_incident,
)
from nexconsole.journal.accounts import own_account
from nexconsole.journal.entries import make

START = datetime(2026, 11, 23, 13, 42, tzinfo=UTC)
ANA = Writer("ana", "laptop", 7, START)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "INC-20261123-1342.jsonl"


def chain(count: int, writer: Writer = ANA, kind: str = "note") -> list[Entry]:
    """Entries of another host's console, as its own journal has them."""
    entries: list[Entry] = []
    for number in range(count):
        prev = entries[-1].digest if entries else ""
        at = START + timedelta(seconds=number)
        entries.append(
            make(at=at, writer=writer, seq=number + 1, prev=prev, after="f" * 32, kind=kind, data={"text": str(number)})
        )
    return entries


def lines(entries: list[Entry]) -> list[bytes]:
    return [entry.line for entry in entries]


def what(file: Path) -> list[str]:
    return [problem.what for problems in verify_incident(file).values() for problem in problems]


def test_what_came_is_kept_once_in_whatever_order_and_however_often(file):
    there = chain(5)
    shuffled = random.Random(1).sample(there, 5)
    assert import_entries(file, lines(shuffled[:3] + shuffled[:2])) == tuple(shuffled[:3])
    assert merge(import_entries(file, lines(there))) == merge(shuffled[3:])
    assert import_entries(file, lines(there)) == ()
    assert len(remote_file(file).read_bytes().splitlines()) == 5
    assert merge(read_incident(file).entries) == tuple(there)
    assert what(file) == [] and not file.exists()
    assert journal_files(file.parent) == (file,)


def test_what_this_folder_wrote_itself_is_not_kept_twice(file):
    entry = Journal(file, Writer.here("maria"), Scrubber()).append(EntryKind.NOTE, {})
    assert import_entries(file, [entry.line, *lines(chain(1))]) == tuple(chain(1))
    assert {found.id for found in read_incident(file).entries} == {entry.id, chain(1)[0].id}
    assert what(file) == []


def test_what_no_console_wrote_is_left_out(file):
    (good,) = chain(1)
    bad = [b"", b"x", good.line.replace(b'"0"', b'"1"'), good.line.replace(b",", b",\n", 1), good.line + b"\n"]
    assert import_entries(file, bad) == () and not remote_file(file).exists()
    assert import_entries(file, [*bad, good.line]) == (good,)


def test_a_torn_line_does_not_swallow_the_next(file):
    there = chain(3)
    import_entries(file, lines(there[:1]))
    with remote_file(file).open("ab") as opened:
        opened.write(there[1].line[:-1])  # it ends as a line does, and is none
    assert import_entries(file, lines(there)) == tuple(there[1:])
    journal = read_incident(file)
    assert merge(journal.entries) == tuple(there)
    assert journal.problems[0].sentence.startswith("is not an entry")


def test_verification_finds_what_was_edited_doubled_or_is_missing_elsewhere(file):
    there = chain(4)
    import_entries(file, lines(there))
    forged = make(at=START, writer=ANA, seq=3, prev="", after="", kind="note", data={"text": "another third"})
    cases = {
        "edited": [lines(there)[0].replace(b'"0"', b'"9"')],
        "duplicated": [*lines(there), there[1].line],
        "missing": lines([there[0], *there[2:]]),
    }
    for expected, written in cases.items():
        remote_file(file).write_bytes(b"\n".join(written) + b"\n")
        assert what(file) == [expected]
    remote_file(file).write_bytes(b"\n".join([*lines(there), forged.line]) + b"\n")
    assert what(file) == ["edited"]
    remote_file(file).write_bytes(b"\n".join(reversed(lines(there))) + b"\n")
    assert what(file) == []  # they come as they come
    file.write_bytes(there[0].line + b"\n")
    assert "duplicated" in what(file)


def test_neither_file_is_no_journal(file):
    for ask in (read_incident, verify_incident):
        with pytest.raises(JournalError, match="there is no such journal"):
            ask(file)


def test_an_intent_on_another_host_counts_as_unfinished_until_its_outcome_comes(file):
    (intent,) = chain(1, kind=EntryKind.INTENT)
    import_entries(file, [intent.line])
    (found,) = unfinished(read_incident(file).entries)
    assert (found.entry, found.life) == (intent, Life.UNKNOWN)
    Journal(file, Writer.here("maria"), Scrubber()).append(EntryKind.OUTCOME, {"intent": intent.id})
    assert unfinished(read_incident(file).entries) == ()


def test_a_file_of_other_hosts_is_the_groups_where_the_folder_is(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    before = os.umask(0o077)
    try:
        import_entries(shared / "x.jsonl", lines(chain(1)))
    finally:
        os.umask(before)
    there = (shared / "x", *(shared / "x").iterdir())
    assert {one.name: oct(one.stat().st_mode & 0o7777) for one in there} == {
        "x": "0o3770",
        f"{own_account()}.elsewhere": "0o640",
        f".{own_account()}.elsewhere.lock": "0o600",
    }


def test_a_folder_that_can_not_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="can't be written"):
        import_entries(tmp_path / "file" / "x.jsonl", lines(chain(1)))


ABSORBING = """
import sys
from pathlib import Path
from nexconsole.journal import import_entries
lines = Path(sys.argv[2]).read_bytes().splitlines()
for start in range(0, len(lines), 5):
    import_entries(Path(sys.argv[1]), lines[start : start + 9], 30.0)
"""


def test_consoles_that_keep_the_same_entries_at_the_same_time_double_none(file, tmp_path):
    there = chain(200)
    (tmp_path / "lines").write_bytes(b"\n".join(lines(there)))
    command = [sys.executable, "-c", ABSORBING, str(file), str(tmp_path / "lines")]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert len(remote_file(file).read_bytes().splitlines()) == 200
    assert merge(read_incident(file).entries) == tuple(there) and what(file) == []


async def test_an_incident_is_followed_in_both_files(file):
    maria = Journal(file, Writer.here("maria"), Scrubber())
    first = [maria.append(EntryKind.NOTE, {}), *import_entries(file, lines(chain(1)))]
    following = follow_incident(file, every=0.01)
    found = await asyncio.wait_for(anext(following), 20)
    assert found.entries == tuple(first)  # what was there before comes at once, from both
    import_entries(file, lines(chain(3)))
    assert (await asyncio.wait_for(anext(following), 20)).entries == tuple(chain(3)[1:])
    maria.append(EntryKind.NOTE, {})
    assert len((await asyncio.wait_for(anext(following), 20)).entries) == 1
    with contextlib.suppress(RuntimeError):
        await following.aclose()


@settings(deadline=None)
@given(st.permutations(list(range(6))), st.integers(0, 6), st.randoms())
def test_two_folders_that_give_each_other_what_they_have_end_with_the_same(order, cut, chance):
    import tempfile

    entries = chain(3) + chain(3, Writer("piet", "bastion", 8, START))
    with tempfile.TemporaryDirectory() as folder:
        here, there = Path(folder, "a.jsonl"), Path(folder, "b.jsonl")
        shuffled = lines([entries[place] for place in order])
        import_entries(here, shuffled[:cut])
        import_entries(there, shuffled[cut:] + shuffled[: cut // 2])
        for one, other in ((here, there), (there, here)):
            if remote_file(other).exists():
                given_again = lines(list(read(remote_file(other)).entries))
                chance.shuffle(given_again)
                import_entries(one, given_again)
        assert merge(read_incident(here).entries) == merge(read_incident(there).entries) == merge(entries)
        assert what(here) == what(there) == []
