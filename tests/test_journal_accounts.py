"""Two accounts of one host in one folder: what the kernel lets each write, and what another's name in it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts import hosts_by_name, owner_by_kernel

from nexconsole.journal import Proof, Prover, journal_file, merge, read_incident

PIET, EVE, GROUP, NAME = 54321, 54322, 4242, "INC-20261130-1200"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become other accounts")

AS = """
import os, sys
from pathlib import Path
from nexconsole.errors import JournalError
from nexconsole.journal import EntryKind, Scrubber, Writer, own_journal, journal_file
from nexconsole.journal.entries import make
from nexconsole.settings import Settings
import msgspec
uid, group = int(sys.argv[1]), int(sys.argv[2])
os.setgroups([group]); os.setgid(uid); os.setuid(uid); os.umask(0o077)
folder, name = Path(sys.argv[3]), sys.argv[4]
settings = msgspec.convert({"journal": {"folder": str(folder)}}, Settings)
journal = own_journal(journal_file(folder, name), settings, "piet")
"""


def run_as(uid: int, folder: Path, code: str) -> str:
    command = [sys.executable, "-c", AS + code, str(uid), str(GROUP), str(folder), NAME]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    made = Path(subprocess.run(["mktemp", "-d", "/tmp/nexconsole-XXXXXX"], capture_output=True, text=True).stdout[:-1])
    made.chmod(0o755)
    folder = made / "journal"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(0o3770)
    owner_by_kernel(monkeypatch.setattr)
    hosts_by_name(monkeypatch.setattr)
    yield folder
    subprocess.run(["rm", "-rf", str(made)], check=True)


NOTE = 'print("wrote", journal.append("note", {"text": "%s"}).writer.account)'


def proofs(folder: Path) -> dict[str, tuple[Proof, str]]:
    entries = merge(read_incident(journal_file(folder, NAME), Prover()).entries)
    return {entry.data["text"]: (entry.proof, entry.doubt) for entry in entries}


@root_only
def test_each_account_writes_its_own_file_whatever_it_calls_itself(shared: Path) -> None:
    assert run_as(PIET, shared, NOTE % "p") == f"wrote {PIET}\n"
    assert run_as(EVE, shared, NOTE % "e") == f"wrote {EVE}\n"
    assert oct((shared / NAME).stat().st_mode & 0o7777) == "0o3770"
    files = {
        file.name: (file.stat().st_uid, oct(file.stat().st_mode & 0o777)) for file in (shared / NAME).glob("*.jsonl")
    }
    assert files == {f"{PIET}.jsonl": (PIET, "0o640"), f"{EVE}.jsonl": (EVE, "0o640")}
    assert proofs(shared) == {"p": (Proof.KERNEL, ""), "e": (Proof.KERNEL, "")}


@root_only
def test_another_accounts_file_can_not_be_written_taken_away_or_kept_locked(shared: Path) -> None:
    run_as(PIET, shared, "Path(folder, name).parent.mkdir(exist_ok=True)\n" + NOTE % "p")
    code = f"""
import fcntl, time
file = folder / name / "{PIET}.jsonl"
for attempt in (lambda: file.open("ab"), file.unlink, lambda: file.rename(file.with_name("x")),
                lambda: Path(file.parent, f".{{file.name}}.lock").open("rb")):
    try:
        attempt(); print("DONE")
    except PermissionError:
        print("refused")
held = file.open("rb")
fcntl.flock(held, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.readline()
"""
    command = [sys.executable, "-c", AS + code, str(EVE), str(GROUP), str(shared), NAME]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as eve:
        assert eve.stdout is not None and eve.stdin is not None
        assert [eve.stdout.readline().strip() for _ in range(5)] == ["refused"] * 4 + ["locked"]
        assert run_as(PIET, shared, NOTE % "still") == f"wrote {PIET}\n"
        eve.stdin.write("\n")
        eve.stdin.flush()
    assert set(proofs(shared)) == {"p", "still"}


@root_only
def test_an_entry_in_anothers_name_is_forged_wherever_it_stands(shared: Path) -> None:
    run_as(PIET, shared, NOTE % "real")
    forging = f"""
real = (folder / name / "{PIET}.jsonl").read_bytes().splitlines()[0]
from nexconsole.journal.entries import decode
theirs = decode(real)
from datetime import UTC, datetime
forged = make(at=datetime.now(UTC), writer=theirs.writer, seq=2, prev=theirs.digest, after="", kind="note",
              data={{"text": sys.argv[5]}})
(folder / name / sys.argv[6]).write_bytes(forged.line + b"\\n")
(folder / name / sys.argv[6]).chmod(0o644)
"""
    for text, file in (("a", f"{EVE}.jsonl"), ("b", "piet.jsonl"), ("c", f"{EVE}.elsewhere")):
        command = [sys.executable, "-c", AS + forging, str(EVE), str(GROUP), str(shared), NAME, text, file]
        assert subprocess.run(command, capture_output=True, text=True, timeout=60).stderr == ""
    found = proofs(shared)
    assert found["real"] == (Proof.KERNEL, "")
    assert {found[text][0] for text in "abc"} == {Proof.FORGED}
    assert found["a"][1] == f"its file belongs to {EVE}, it names {PIET}"


@root_only
def test_a_name_that_another_account_has_taken_keeps_nobody_from_writing(shared: Path) -> None:
    run_as(EVE, shared, NOTE % "e")
    taken = f'(folder / name / "{PIET}.jsonl").touch(); (folder / name / ".{PIET}~2.jsonl.lock").touch()'
    assert run_as(EVE, shared, taken) == ""
    assert run_as(PIET, shared, NOTE % "p") == f"wrote {PIET}\n"
    assert (shared / NAME / f"{PIET}~3.jsonl").stat().st_uid == PIET
    assert proofs(shared)["p"] == (Proof.KERNEL, "")


@root_only
def test_a_file_that_others_may_write_proves_nothing(shared: Path) -> None:
    run_as(PIET, shared, NOTE % "p")
    (shared / NAME / f"{PIET}.jsonl").chmod(0o660)
    assert proofs(shared)["p"] == (Proof.NONE, "others may write its file")
    run_as(PIET, shared, NOTE % "again")  # its own console puts it right
    assert proofs(shared)["again"] == (Proof.KERNEL, "")
