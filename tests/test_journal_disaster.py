"""The journal when things fail: several processes, kill -9, a full disk, a folder that may not be written."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from disasters import root_only, small_disk

from nexconsole.errors import JournalError
from nexconsole.journal import EntryKind, Journal, Scrubber, Writer, read, verify

SCRIPT = Path(__file__).with_name("journal_writer.py")
NOBODY = 65534


def console(file: Path, operator: str = "maria") -> Journal:
    return Journal(file, Writer.here(operator), Scrubber())


def start(file: Path, operator: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), str(file), operator, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_consoles_write_at_the_same_time_and_nothing_is_lost(tmp_path):
    file = tmp_path / "x.jsonl"
    writing = [start(file, operator, 200) for operator in ("maria", "piet")]
    looks = 0
    while writing[0].poll() is None and looks < 200:  # whoever looks meanwhile sees nothing wrong either
        assert not file.exists() or verify(file) == ()
        looks += 1
    recorded = [process.communicate(timeout=120)[0].split() for process in writing]
    assert [process.returncode for process in writing] == [0, 0]
    assert verify(file) == ()
    entries = read(file).entries
    assert sorted(entry.id for entry in entries) == sorted(recorded[0] + recorded[1])
    assert len(entries) == 400
    changes = sum(one.writer != other.writer for one, other in itertools.pairwise(entries))
    assert changes > 1  # they did write by turns, not one after the other


def test_what_was_on_record_survives_kill_9_in_the_middle_of_writing(tmp_path):
    file = tmp_path / "x.jsonl"
    for round in range(3):
        process = start(file, f"console {round}", 0)
        assert process.stdout is not None
        recorded = [process.stdout.readline().strip() for _ in range(30 + 7 * round)]
        process.kill()
        recorded += process.stdout.read().split()
        process.wait()
        process.stdout.close()
        kept = {entry.id for entry in read(file).entries}
        assert kept.issuperset(id for id in recorded if len(id) == 32)
        console(file, "next").append(EntryKind.NOTE, {"text": "and on"})
        assert {problem.what for problem in verify(file)} <= {"torn"}


@root_only
def test_a_full_disk_is_said_and_leaves_a_journal_that_goes_on_when_there_is_room(tmp_path):
    folder = tmp_path / "disk"
    with small_disk(folder):
        file = folder / "x.jsonl"
        (folder / "ballast").write_bytes(b"x" * 20_000)
        journal = console(file)
        written = 0
        with pytest.raises(JournalError, match="the disk is full: free some space"):
            for _ in range(100):
                journal.append(EntryKind.NOTE, {"text": "x" * 1500})
                written += 1
        assert written > 5
        assert verify(file) == ()
        with pytest.raises(JournalError, match="the disk is full"):
            journal.try_again()
        (folder / "ballast").unlink()
        journal.try_again()
        journal.append(EntryKind.NOTE, {"text": "room again"})
        assert len(read(file).entries) == written + 1
        assert verify(file) == ()


LIMITED = """
import resource, sys
from pathlib import Path
from nexconsole.errors import JournalError
from nexconsole.journal import Journal, Scrubber, Writer
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
journal = Journal(Path(sys.argv[1]), Writer.here("maria"), Scrubber())
try:
    for number in range(100):
        journal.append("note", {"text": "x" * 900})
except JournalError as error:
    print(number, error)
try:
    journal.try_again()
except JournalError as error:
    print("still", error)
"""


def test_half_a_line_that_did_not_fit_is_taken_back(tmp_path):
    file = tmp_path / "x.jsonl"
    done = subprocess.run([sys.executable, "-c", LIMITED, str(file)], capture_output=True, text=True, timeout=60)
    written, _, said = done.stdout.partition(" ")
    assert "may not grow further" in said and "still" in said, done.stderr
    assert len(read(file).entries) == int(written)
    assert verify(file) == ()
    console(file).append(EntryKind.NOTE, {"text": "no limit here"})
    assert verify(file) == ()


AS_NOBODY = """
import os, sys
from pathlib import Path
from nexconsole.errors import JournalError
from nexconsole.journal import Journal, Scrubber, Writer, read, verify
file, groups = Path(sys.argv[1]), [int(group) for group in sys.argv[2:]]
os.setgroups(groups)
os.setgid(65534)
os.setuid(65534)
os.umask(0o077)
try:
    print("written", Journal(file, Writer.here("nobody"), Scrubber()).append("note", {"text": "x"}).seq)
except JournalError as error:
    print(error)
try:
    print("read", len(read(file).entries), len(verify(file)))
except JournalError as error:
    print(error)
"""


def as_nobody(file: Path, *groups: int) -> list[str]:
    command = [sys.executable, "-c", AS_NOBODY, str(file), *map(str, groups)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that other accounts can get to, which pytest's own are not."""
    made = Path(subprocess.run(["mktemp", "-d", "/tmp/nexconsole-XXXXXX"], capture_output=True, text=True).stdout[:-1])
    made.chmod(0o755)
    yield made
    subprocess.run(["rm", "-rf", str(made)], check=True)


@root_only
def test_a_folder_that_this_account_may_not_write_is_said_and_can_still_be_read(reachable):
    file = reachable / "x.jsonl"
    console(file).append(EntryKind.NOTE, {})
    file.chmod(0o644)
    file.with_name(".x.jsonl.last").chmod(0o644)
    said = as_nobody(file)
    assert "no permission" in said[0]
    assert said[1] == "read 1 0"
    said = as_nobody(reachable / "new.jsonl")
    assert "no permission" in said[0]


@root_only
def test_two_accounts_of_one_group_share_a_folder(reachable):
    folder = reachable / "shared"
    folder.mkdir()
    os.chown(folder, 0, 4242)
    folder.chmod(0o2770)
    file = folder / "x.jsonl"
    assert as_nobody(file, 4242) == ["written 1", "read 1 0"]
    console(file).append(EntryKind.NOTE, {"text": "the other account"})
    assert as_nobody(file, 4242) == ["written 1", "read 3 0"]
    assert "no permission" in as_nobody(file)[0]
    assert file.stat().st_gid == 4242


@root_only
def test_a_read_only_disk_is_said(tmp_path):
    folder = tmp_path / "disk"
    with small_disk(folder):
        file = folder / "x.jsonl"
        console(file).append(EntryKind.NOTE, {})
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        with pytest.raises(JournalError, match="the file system is read-only"):
            console(file).append(EntryKind.NOTE, {})
        with pytest.raises(JournalError, match="the file system is read-only"):
            console(file).try_again()
        assert len(read(file).entries) == 1
