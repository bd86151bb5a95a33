"""The journal on real files: entries are chained, durable, and found changed when they were."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexconsole import settings
from nexconsole.errors import JournalError
from nexconsole.journal import (
    Entry,
    EntryKind,
    Journal,
    Life,
    Scrubber,
    Tail,
    Writer,
    follow,
    journal_file,
    journal_files,
    journal_folder,
    merge,
    open_journal,
    read,
    try_folder,
    unfinished,
    verify,
)
from nexconsole.journal.entries import MAX_LINE, decode, make
from nexconsole.journal.processes import life, started_at

START = datetime(2026, 11, 23, 13, 42, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "room" / "INC-20261123-1342.jsonl"


def console(file: Path, operator: str = "maria", **options: object) -> Journal:
    return Journal(file, Writer.here(operator), Scrubber(), **options)  # type: ignore[arg-type]


def filled(file: Path, rounds: int = 4) -> list[bytes]:
    """A journal that two consoles wrote, as its lines without their ends."""
    maria, piet = console(file), console(file, "piet")
    for number in range(rounds):
        maria.append(EntryKind.NOTE, {"text": f"seen {number}"})
        piet.append(EntryKind.STEP, {"scenario": "1", "step": str(number), "state": "done"})
        piet.append(EntryKind.SEVERITY, {"level": "SEV-1"})
    return file.read_bytes().splitlines()


def write(file: Path, lines: list[bytes]) -> None:
    file.write_bytes(b"".join(line + b"\n" for line in lines))


def found(file: Path) -> set[str]:
    return {problem.what for problem in verify(file)}


def test_an_entry_is_one_line_that_says_who_when_and_after_what(file):
    journal = console(file, now=lambda: START)
    first = journal.append(EntryKind.OPENED, {"title": "smsbower fails"})
    second = journal.append(EntryKind.NOTE, {"text": "begun"})
    line = msgspec.json.decode(file.read_bytes().splitlines()[1])
    assert list(line) == ["id", "at", "writer", "seq", "prev", "after", "hlc", "kind", "data"]
    assert line["at"] == "2026-11-23T13:42:00.000001Z"  # the clock stood still: the order is kept all the same
    assert line["writer"]["operator"] == "maria"
    assert line["writer"]["pid"] == os.getpid()
    assert (line["seq"], line["prev"], line["after"]) == (2, first.digest, first.id)
    assert read(file).entries == (first, second)
    assert verify(file) == ()


def test_a_writer_opened_twice_on_one_file_continues_its_own_chain(file):
    console(file).append(EntryKind.NOTE, {"text": '"writer":{"operator":"maria"'})
    console(file, "piet").append(EntryKind.NOTE, {"writer": msgspec.to_builtins(Writer.here("maria"))})
    assert console(file).append(EntryKind.NOTE, {}).seq == 2
    assert verify(file) == ()


def test_an_outcome_never_stands_before_its_intent_although_the_clock_was_set_back(file):
    times = iter([START, START - timedelta(hours=1), START - timedelta(minutes=59)])
    journal = console(file, now=lambda: next(times))
    written = [journal.append(EntryKind.NOTE, {"text": str(number)}) for number in range(3)]
    assert list(merge(reversed(written))) == written


def test_a_kind_and_a_field_of_a_later_version_survive(file):
    console(file).append("presence", {"here": True})
    later = file.read_bytes().replace(b'"seq":1', b'"seq":1,"lease":"x"')
    file.write_bytes(later)
    (entry,) = read(file).entries
    assert entry.kind == "presence"
    assert entry.line == later.rstrip()


@pytest.mark.parametrize("place", range(12))
def test_verify_finds_any_line_that_was_taken_away(file, place):
    lines = filled(file)
    write(file, lines[:place] + lines[place + 1 :])
    assert found(file) == {"missing"}


@pytest.mark.parametrize("place", range(12))
def test_verify_finds_any_line_that_was_edited(file, place):
    lines = filled(file)
    lines[place] = lines[place].replace(b'"data":{"', b'"data":{"x":1,"')
    write(file, lines)
    (problem,) = verify(file)
    assert (problem.line, problem.what) == (place + 1, "edited")


@pytest.mark.parametrize("place", range(12))
def test_verify_finds_any_edit_that_was_given_a_fitting_id(file, place):
    """Whoever forges a line with its hash would have to forge all later ones as well."""
    lines = filled(file)
    true = decode(lines[place])
    fields = {name: getattr(true, name) for name in ("at", "writer", "seq", "prev", "after", "kind")}
    lines[place] = make(**fields, data={"text": "never happened"}).line
    write(file, lines)
    assert found(file) & {"edited", "missing"}


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 2), (4, 5), (10, 11), (0, 11), (3, 8)])
def test_verify_finds_lines_that_changed_places(file, one, other):
    lines = filled(file)
    lines[one], lines[other] = lines[other], lines[one]
    write(file, lines)
    assert found(file) == {"reordered"}


def test_verify_finds_a_line_that_stands_twice(file):
    lines = filled(file)
    write(file, [*lines[:6], lines[2], *lines[6:]])
    (problem,) = verify(file)
    assert (problem.line, problem.what, problem.sentence) == (7, "duplicated", "line 3 stands here once more")


def test_an_entry_written_after_the_end_was_cut_off_keeps_the_proof(file):
    lines = filled(file)
    write(file, lines[:-2])
    console(file, "ana").append(EntryKind.NOTE, {"text": "nothing to see"})
    assert "missing" in found(file)


def test_a_line_of_garbage_is_reported_and_the_others_are_read(file):
    lines = filled(file)
    bad = [b"\xff\xfe", b"[1]", b"{}", b"[" * 5000, b'{"id":"' + b"x" * MAX_LINE + b'"}', b"\x1b[2J"]
    write(file, [*bad, *lines])
    journal = read(file)
    assert len(journal.entries) == 12
    assert [(problem.line, problem.what) for problem in journal.problems] == [
        (number, "unreadable") for number in range(1, 7)
    ]


@pytest.mark.parametrize("length", [1, 7, 40, 250])
def test_a_torn_last_line_is_reported_and_the_next_entry_begins_a_line_of_its_own(file, length):
    lines = filled(file)
    file.write_bytes(file.read_bytes() + lines[3][:length])
    assert [problem.line for problem in read(file).problems] == [13]
    console(file, "ana").append(EntryKind.NOTE, {"text": "back again"})
    assert [entry.writer.operator for entry in read(file).entries[12:]] == ["ana"]
    (problem,) = verify(file)
    assert (problem.line, problem.what) == (13, "torn" if length >= 7 else "unreadable")


def test_a_line_that_lacks_only_its_end_is_an_entry(file):
    filled(file)
    file.write_bytes(file.read_bytes()[:-1])
    assert len(read(file).entries) == 12
    console(file).append(EntryKind.NOTE, {})
    assert len(read(file).entries) == 13
    assert verify(file) == ()


def test_a_tail_tells_of_a_torn_line_once_and_not_while_it_may_still_be_written(file):
    console(file).append(EntryKind.NOTE, {"n": 1})
    with file.open("ab") as torn:
        torn.write(b'{"id":"0123')
    tail = Tail(file)
    assert tail.poll().problems == ()
    time.sleep(1.05)
    [problem] = tail.poll().problems
    assert (problem.line, problem.what) == (2, "torn")
    console(file, "piet").append(EntryKind.NOTE, {"n": 2})
    found = tail.poll()
    assert found.problems == () and [entry.data for entry in found.entries] == [{"n": 2}]


def test_a_journal_that_is_not_there_is_said(file):
    with pytest.raises(JournalError, match="there is no such journal"):
        read(file)


def test_a_held_lock_is_an_error_in_time(file):
    import fcntl

    filled(file)
    with open(file) as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(JournalError, match=r"another console has held it for 0\.05 s"):
            console(file, lock_timeout_s=0.05).append(EntryKind.NOTE, {})
    assert verify(file) == ()


def test_threads_may_share_a_journal(file):
    journal = console(file, lock_timeout_s=30.0)
    threads = [
        threading.Thread(target=lambda: [journal.append(EntryKind.NOTE, {}) for _ in range(20)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry.seq for entry in read(file).entries) == list(range(1, 81))
    assert verify(file) == ()


def test_a_journal_moved_away_is_begun_anew(file):
    journal = console(file)
    journal.append(EntryKind.NOTE, {"text": "old"})
    file.rename(file.with_name("old.jsonl"))
    journal.append(EntryKind.NOTE, {"text": "new"})
    assert [entry.data["text"] for entry in read(file).entries] == ["new"]


def test_a_pipe_or_a_link_in_the_journals_place_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").touch()
    with pytest.raises(JournalError, match="not a plain file"):
        console(tmp_path / "pipe.jsonl").append(EntryKind.NOTE, {})
    with pytest.raises(JournalError, match="not a plain file"):
        read(tmp_path / "pipe.jsonl")
    with pytest.raises(JournalError, match="symbolic link"):
        console(tmp_path / "link.jsonl").append(EntryKind.NOTE, {})


def test_files_are_private_and_open_to_the_group_where_the_folder_is(tmp_path):
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    shared.chmod(0o2770)
    before = os.umask(0o077)
    try:
        for folder in (shared, own):
            console(folder / "x.jsonl").append(EntryKind.NOTE, {})
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in shared.iterdir()} == {0o660}
    assert {file.stat().st_mode & 0o777 for file in own.iterdir()} == {0o600}
    assert own.stat().st_mode & 0o777 == 0o700


def test_a_tail_gives_each_entry_once_and_only_when_its_end_is_written(file):
    tail = Tail(file)
    assert tail.poll().entries == ()
    lines = filled(file)
    assert len(tail.poll().entries) == 12
    assert tail.poll().entries == ()
    whole = file.read_bytes()
    added = make(
        at=START, writer=Writer.here("ana"), seq=1, prev="", after=decode(lines[-1]).id, kind="note", data={}
    ).line
    file.write_bytes(whole + added[:50])
    assert tail.poll().entries == ()
    file.write_bytes(whole + added + b"\ngarbage\n")
    assert [entry.writer.operator for entry in tail.poll().entries] == ["ana"]
    file.unlink()
    write(file, [*lines, added, b"garbage"])
    assert tail.poll().entries == ()


async def test_another_console_sees_an_entry_within_a_second(file):
    seen: asyncio.Queue[Entry] = asyncio.Queue()

    async def watch() -> None:
        async for found in follow(file):
            for entry in found.entries:
                seen.put_nowait(entry)

    watching = asyncio.create_task(watch())
    journal = console(file)
    try:
        for _ in range(3):
            entry = await asyncio.to_thread(journal.append, EntryKind.NOTE, {"text": "hello"})
            assert await asyncio.wait_for(seen.get(), 20) == entry
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def test_following_says_trouble_once_and_goes_on(file):
    file.mkdir(parents=True)
    following = follow(file, every=0.01)
    found = await asyncio.wait_for(anext(following), 20)
    assert "not a plain file" in found.problems[0].sentence
    file.rmdir()
    console(file).append(EntryKind.NOTE, {})
    found = await asyncio.wait_for(anext(following), 20)
    assert (len(found.entries), found.problems) == (1, ())
    await following.aclose()


def entry(writer: int, seq: int, second: int) -> Entry:
    author = Writer(f"console {writer}", "host", writer, START)
    at = START + timedelta(seconds=second)
    return make(at=at, writer=author, seq=seq, prev="", after="", kind="note", data={"text": str(seq)})


ENTRIES = st.lists(st.builds(entry, st.integers(1, 3), st.integers(1, 5), st.integers(0, 3)), max_size=20)


@given(ENTRIES, st.data())
def test_merging_is_the_same_in_any_order_and_however_often(entries, data):
    expected = merge(entries)
    doubled = data.draw(st.permutations(entries + entries[: len(entries) // 2]))
    cut = data.draw(st.integers(0, len(doubled)))
    one, other = doubled[:cut], doubled[cut:]
    assert merge(one, other) == merge(other, one) == merge(merge(one), merge(other)) == expected
    assert merge(expected, expected) == expected
    assert [found.line for found in merge(other, one)] == [found.line for found in expected]


def test_of_two_lines_with_one_id_the_intact_one_is_merged():
    true = entry(1, 1, 0)
    forged = decode(true.line.replace(b'"text":"1"', b'"text":"2"'))
    assert forged.id == true.id
    for journals in ([true], [forged]), ([forged], [true]):
        assert merge(*journals)[0].data == {"text": "1"}


def test_an_intent_without_outcome_is_told_with_whether_its_console_runs(file):
    journal = console(file)
    done = journal.append(EntryKind.INTENT, {"action": "provider.disable"})
    journal.append(EntryKind.OUTCOME, {"intent": done.id, "state": "done"})
    running = journal.append(EntryKind.INTENT, {"action": "pods.restart"})
    start = journal.writer.start
    lost = [
        make(at=START, writer=writer, seq=1, prev="", after="", kind="intent", data={})
        for writer in (
            Writer("gone", journal.writer.host, 2**22 + 1, start),
            Writer("pid reused", journal.writer.host, os.getpid(), start - timedelta(hours=1)),
            Writer("elsewhere", "another-host", os.getpid(), start),
        )
    ]
    found = unfinished([*read(file).entries, *lost])
    assert [each.entry for each in found] == [running, *lost]
    assert [each.life for each in found] == [Life.RUNNING, Life.GONE, Life.GONE, Life.UNKNOWN]


def test_a_console_that_is_dead_and_not_yet_buried_is_gone(file):
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    start = started_at(child.pid)
    while "Z" not in Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[:1]:
        time.sleep(0.01)
    assert life(socket.gethostname(), child.pid, start, socket.gethostname()) is Life.GONE
    child.wait()


def test_the_folder_is_the_settings_or_the_accounts_own(tmp_path):
    assert journal_folder(settings.Settings()).parts[-2:] == ("nexconsole", "journal")
    chosen = settings.Settings(journal=settings.JournalSettings(folder=str(tmp_path / "room")))
    journal = open_journal(chosen, "maria", "INC-20261123-1342")
    assert journal_files(journal_folder(chosen)) == ()
    journal.append(EntryKind.OPENED, {"title": "x"})
    open_journal(chosen, "maria").append(EntryKind.NOTE, {"text": "outside"})
    names = [file.name for file in journal_files(tmp_path / "room")]
    assert names == ["INC-20261123-1342.jsonl", "outside-incidents.jsonl"]
    for name in ("../x", "a/b", "", ".hidden", "x\n"):
        with pytest.raises(JournalError, match="not an incident's name"):
            journal_file(tmp_path, name)


def test_a_folder_can_be_tried_and_is_left_as_it_was(tmp_path):
    try_folder(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="no journal can be written there"):
        try_folder(tmp_path / "file")
