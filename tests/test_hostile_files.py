"""What may lie in a shared folder in a journal's place: each bad file is a sentence, and the rest is read."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import run_with
from controller import settings, until
from disasters import root_only
from hostile import LINES
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st
from journals import own_file, written

from nexconsole.break_glass.store import kept
from nexconsole.drill.score.debriefing import entries_in
from nexconsole.errors import FileError, JournalError
from nexconsole.journal import (
    OUTSIDE,
    EntryKind,
    Journal,
    Scrubber,
    Tail,
    Writer,
    import_entries,
    journal_files,
    journal_folder,
    look_over,
    open_journal,
    read,
    read_incident,
    remote_file,
    verify_incident,
)
from nexconsole.journal import files as journal_module
from nexconsole.journal import tail as tail_module
from nexconsole.journal.accounts import own_account
from nexconsole.recording.replay import open_recording
from nexconsole.session.session import Session
from nexconsole.sharing.lease_files import Execution, Reserved, decoded, tokens
from nexconsole.sharing.presence import decode, encoded
from nexconsole.sharing.presence_files import FOLDER, PresenceFiles
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

GOOD, BAD = "INC-20261123-1342", "INC-20261123-1500"
LATER = datetime(2020, 1, 1, tzinfo=UTC)


@contextmanager
def in_time(seconds: float = 3.0, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    began = clock()
    yield
    assert clock() - began < seconds


def a_folder(file: Path) -> None:
    file.mkdir()


def a_pipe(file: Path) -> None:
    os.mkfifo(file)


def a_socket(file: Path) -> None:
    short = Path(f"/tmp/s{os.getpid()}")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short))
        os.rename(short, file)


def a_device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def a_dangling_link(file: Path) -> None:
    file.symlink_to(file.parent / "nowhere")


def a_link_to_a_journal(file: Path) -> None:
    file.symlink_to(file.parent / f"{GOOD}.jsonl")


NO_FILES = (a_folder, a_pipe, a_socket, a_device, a_dangling_link, a_link_to_a_journal)
Making = Callable[[Path], None]


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A folder in which one incident is open, and something was done outside of it."""
    journal = open_journal(settings(tmp_path), "piet", GOOD)
    journal.append(EntryKind.OPENED, {"title": "smsbower fails"})
    journal.append(EntryKind.NOTE, {"text": "called them"})
    open_journal(settings(tmp_path), "piet", OUTSIDE).append(EntryKind.NOTE, {"text": "before"})
    return tmp_path


@contextmanager
def console(folder: Path) -> Iterator[Session]:
    yield Session(settings(folder), Sources(LazyClients(), {}))


@pytest.mark.parametrize("make", NO_FILES, ids=lambda make: make.__name__)
async def test_what_is_no_file_is_a_sentence_and_the_incident_is_joined(room: Path, make: Making) -> None:
    make(room / f"{BAD}.jsonl")
    make(room / f"{BAD}-2.jsonl.elsewhere")
    make(room / f"{GOOD}.jsonl.elsewhere")
    with console(room) as one, in_time():
        await one.incident_store.look()
        await one.incident_store.look()
        assert one.incident_store.current == GOOD and [e.kind for e in one.incident_store.of(GOOD)] == [
            EntryKind.OPENED,
            EntryKind.NOTE,
        ]
        said = [sentence for sentence in one.incident_store.lost if BAD in sentence]
        assert len(said) == 2 and all("plain file" in one or "symbolic link" in one for one in said), said
        await one.note("still written")


@pytest.mark.parametrize("make", NO_FILES, ids=lambda make: make.__name__)
async def test_commands_tell_of_what_is_no_file_and_go_on(room: Path, make: Making, capsys) -> None:
    make(room / f"{BAD}.jsonl")
    with in_time():
        for words in (["list"], ["verify"], ["show", GOOD], ["export", GOOD]):
            code = run_with(settings(room), "journal", *words)
            out = capsys.readouterr().out
            assert code == (words == ["verify"]) and (GOOD in out or "called them" in out)
        assert run_with(settings(room), "journal", "show", BAD) == 1
        assert re.search(r"plain file|symbolic link", capsys.readouterr().err)
        assert len(entries_in(room)) == 3
        assert [file.stem for file in journal_files(room)] == [GOOD, BAD, OUTSIDE]


@pytest.mark.parametrize("at", [-1e9, 3e11, 2.0**33 * 40])
def test_a_file_of_a_time_that_no_calendar_has_is_read(room: Path, at: float) -> None:
    os.utime(own_file(room, GOOD, "piet"), (at, at))
    os.utime(room / GOOD, (at, at))
    found = look_over(room, LATER)
    assert found.refused == () and bool(found.files) is (at > 0)


async def test_a_file_that_may_not_be_read_is_said_once(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = open_journal(settings(room), "piet", BAD)
    bad.append(EntryKind.NOTE, {"text": "x"})
    real = journal_module.open_plain

    def refusing(file: Path, flags: int) -> int:
        if file == bad.file:
            raise PermissionError(13, "Permission denied")
        return real(file, flags)

    monkeypatch.setattr(tail_module, "open_plain", refusing)  # root may read every file
    with console(room) as one:
        for _ in range(3):
            await one.incident_store.look()
        assert one.incident_store.current == GOOD
        assert [one for one in one.incident_store.lost if BAD in one and "no permission" in one] == list(
            one.incident_store.lost
        )


def test_a_link_is_not_followed_when_something_is_written_either(room: Path) -> None:
    target = room / "precious"
    target.write_text("precious")
    (room / BAD).mkdir()
    own_file(room, BAD).symlink_to(target)
    (room / GOOD / f"{own_account()}.elsewhere").symlink_to(target)
    with pytest.raises(JournalError, match="symbolic link"):
        open_journal(settings(room), "maria", BAD).append(EntryKind.NOTE, {"text": "x"})
    line = written(room)[0].line
    with pytest.raises(JournalError, match="symbolic link"):
        import_entries(room / f"{GOOD}.jsonl", [line])
    assert target.read_text() == "precious"


def test_a_line_of_100_mb_is_passed_over_by_who_follows_and_never_held(room: Path) -> None:
    file = own_file(room, GOOD, "piet")
    tail = Tail(file)
    assert len(tail.poll().entries) == 2
    with file.open("ab") as out:
        for _ in range(100):
            out.write(b"x" * 1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = tail.poll()
    assert [problem.sentence for problem in found.problems if "longer than" in problem.sentence]
    assert tail.poll() == tail.poll()
    with pytest.raises(JournalError, match="more than the 64 of any journal: move it away"):
        open_journal(settings(room), "piet", GOOD).append(EntryKind.NOTE, {"text": "x"})
    assert len(read(file).entries) == 2
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400_000, f"{grown} kB"


def test_what_comes_after_a_line_that_was_passed_over_is_read(room: Path) -> None:
    file = own_file(room, GOOD, "piet")
    tail = Tail(file)
    tail.poll()
    with file.open("ab") as out:
        out.write(b"x" * 3_000_000)
    assert [problem.line for problem in tail.poll().problems] == [3]
    with file.open("ab") as out:
        out.write(b"y" * 1000 + b"\n")
    open_journal(settings(room), "piet", GOOD).append(EntryKind.NOTE, {"text": "after"})
    found = tail.poll()
    assert [entry.data["text"] for entry in found.entries] == ["after"] and found.problems == ()


def test_a_file_of_nothing_but_lines_is_told_in_a_few_sentences(room: Path) -> None:
    file = room / f"{BAD}.jsonl"
    file.write_bytes(b"x\n" * 300_000)
    with in_time(10, time.process_time):
        assert len(read(file).problems) == 101
        assert read(file).problems[-1].sentence == "and 299900 lines before it are no entries"
        assert len(Tail(file).poll().problems) == 101


def test_a_file_that_is_mostly_a_hole_costs_no_more_than_any_other(room: Path) -> None:
    file = room / f"{BAD}.jsonl"
    with file.open("wb") as out:
        out.truncate(1 << 40)
    with in_time(10, time.process_time):
        assert any("is not read: move it away" in one.sentence for one in read(file).problems)
        tail = Tail(file)
        assert tail.poll().entries == () and tail.poll() == tail.poll()


def test_a_file_cut_off_in_the_middle_of_a_line_is_read_up_to_there(room: Path) -> None:
    file = own_file(room, GOOD, "piet")
    os.truncate(file, file.stat().st_size - 20)
    found = read_incident(room / f"{GOOD}.jsonl")
    assert [entry.kind for entry in found.entries] == [EntryKind.OPENED]
    assert [problem.what for problem in found.problems] == ["torn"]


def test_what_came_from_elsewhere_is_read_though_the_journal_can_not_be(room: Path) -> None:
    here, other = room / f"{BAD}.jsonl", open_journal(settings(room / "other"), "ana", BAD)
    entry = other.append(EntryKind.NOTE, {"text": "from the laptop"})
    import_entries(here, [entry.line])
    os.mkfifo(here)
    found = read_incident(here)
    assert [one.data["text"] for one in found.entries] == ["from the laptop"]
    assert [str(problem) for problem in found.problems] == [
        f"{here}: is a pipe, and is not a plain file, which a journal must be"
    ]
    assert [one.what for one in verify_incident(here)[here]] == ["unreadable"]
    assert verify_incident(here)[remote_file(here)] == ()


@pytest.mark.parametrize("make", [one for one in NO_FILES if one is not a_link_to_a_journal])
async def test_the_journal_of_this_console_itself_is_trouble(tmp_path: Path, make: Making) -> None:
    (tmp_path / OUTSIDE).mkdir()
    make(own_file(tmp_path))
    with console(tmp_path) as one, in_time(10, time.process_time):
        await one.incident_store.look()
        assert "plain file" in one.trouble or "symbolic link" in one.trouble
        with pytest.raises(JournalError):
            await one.note("x")


@root_only
@pytest.mark.parametrize("name", [f"{OUTSIDE}.jsonl", f"{GOOD}/eve.jsonl", f"{GOOD}/eve.elsewhere"])
async def test_what_another_account_puts_there_keeps_nobody_from_acting(room: Path, name: str) -> None:
    (room / GOOD).mkdir(exist_ok=True)
    a_dangling_link(room / name)
    os.chown(room / name, 54321, 54321, follow_symlinks=False)
    with console(room) as one:
        await one.incident_store.look()
        await one.incident_store.look()
        assert one.incident_store.current == GOOD and one.incident_store.unread == "" == one.trouble
        assert [Path(name).name in sentence for sentence in one.incident_store.lost] == [True]


@pytest.mark.parametrize("make", [one for one in NO_FILES if one is not a_link_to_a_journal])
def test_leases_presence_recordings_and_the_sheet_open_nothing_but_plain_files(tmp_path: Path, make: Making) -> None:
    with in_time(15, time.process_time):
        for name in ("x.readings", "x.recording"):
            make(tmp_path / name)
            with pytest.raises(JournalError):
                open_recording(tmp_path / name)
        make(tmp_path / "sheet.txt")
        with pytest.raises(FileError):
            kept(tmp_path / "sheet.txt")
        leases = tmp_path / ".leases"
        leases.mkdir()
        make(leases / "abc")
        with pytest.raises((OSError, JournalError)):
            tokens(leases, ("abc",))
        with pytest.raises((OSError, JournalError)):
            Reserved().take(leases, ("abc",), {"abc": ""}, 5.0)
        seats = PresenceFiles(tmp_path, Writer.here("maria"))
        seats.take(b"{}")
        make(tmp_path / FOLDER / "x.json")
        assert seats.look().new == ()


async def test_200_junk_files_hide_nobody(tmp_path: Path) -> None:
    seats, other = PresenceFiles(tmp_path, Writer.here("maria")), PresenceFiles(tmp_path, Writer.here("piet"))
    seats.take(b"{}")
    for number in range(400):
        (tmp_path / FOLDER / f"{number}.json").mkdir()
    other.take(b"here")
    assert [word for word, _ in seats.look().new] == [b"here"]


@checked(max_examples=60, deadline=None)
@given(lines=st.lists(LINES, max_size=6), cut=st.integers(0, 500), tear=st.booleans())
def test_whoever_follows_a_file_finds_what_whoever_reads_it_finds(tmp_path_factory, lines, cut, tear) -> None:
    file = tmp_path_factory.mktemp("fuzz") / f"{GOOD}.jsonl"
    text = b"".join(line + b"\n" for line in lines)
    file.write_bytes(text[:cut])
    tail = Tail(file)
    entries = list(tail.poll().entries)
    file.write_bytes(text[: -1 if tear and text else None])
    os.truncate(file, len(text) - (tear and bool(text)))
    entries += tail.poll().entries
    whole = [one for one in read(file).entries]
    seen = {one.line for one in entries}
    expected = [one for one in whole[: -1 if tear and whole and text.endswith(whole[-1].line + b"\n") else None]]
    assert {one.line for one in expected} <= seen | {one.line for one in whole if one.id in tail.given}
    verify_incident(file)
    journal = Journal(file, Writer.here("maria"), Scrubber())
    appended = journal.append(EntryKind.NOTE, {"text": "goes on"})
    assert appended in read(file).entries


@checked(max_examples=150, deadline=None)
@given(raw=LINES | st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_what_nobody_would_say_is_nobodys_presence_or_lease(raw) -> None:
    decode(raw)
    decoded(raw)


def test_a_presence_of_a_time_that_no_clock_shows_is_nobodys() -> None:
    from nexconsole.sharing.presence import Presence

    now = datetime.now(UTC)
    good = Presence(writer=Writer.here("maria"), since=now)
    assert decode(encoded(good, at=now)).at == now
    for at in (datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert decode(encoded(Presence(writer=good.writer, since=at))) is None
        assert decode(encoded(good, at=at)) is None
        late = Writer("maria", "here", 1, at)
        assert decode(encoded(Presence(writer=late, since=now))) is None
    assert decoded(b"[" * 3000) is None
    assert decoded(Execution.__name__.encode()) is None


async def test_each_start_after_hostile_entries_works(room: Path) -> None:
    with (room / f"{GOOD}.jsonl").open("ab") as out:
        for line in (b"\x00" * 50, b"\xff\xfe", b"[" * 5000, b'{"id":"' + b"0" * 32):
            out.write(line + b"\n")
    for _ in range(2):
        one = Session(settings(room), Sources(LazyClients(), {}))
        one.start()
        await until(lambda one=one: one.incident_store.current == GOOD)
        await one.note("x")
        assert one.incident is not None and one.waiting == ()
        await one.close()
    assert journal_folder(settings(room)) == room
    assert timedelta() <= one.incident.lasted
    await asyncio.sleep(0)
