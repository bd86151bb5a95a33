"""Signed entries: who signs, what a signature covers, and each way to forge one."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from accounts import hosts_by_name
from acting import settings_of
from journals import own_file
from ssh_agent import TestKey, agent_with, make_key

from nexconsole.errors import JournalError
from nexconsole.journal import (
    Entry,
    EntryKind,
    Journal,
    Proof,
    Prover,
    Writer,
    import_entries,
    journal_file,
    merge,
    open_journal,
    read_incident,
    verify_incident,
)
from nexconsole.journal import proofs as proofs_module
from nexconsole.journal.entries import decode, make
from nexconsole.journal.signatures import AllowedSigners, claimed_key, matches, read_signers
from nexconsole.settings import Settings

INCIDENT, OTHER = "INC-20261130-1200", "INC-20261130-1300"


@dataclass
class SignedRoom:
    """A folder, the keys of maria and piet, and the file that says whose they are."""

    folder: Path
    maria: TestKey
    piet: TestKey
    signers: Path
    monkeypatch: pytest.MonkeyPatch

    def settings(self, **identity: Any) -> Settings:
        chosen = {"allowed_signers": str(self.signers), **identity}
        return settings_of(journal={"folder": str(self.folder)}, identity=chosen)

    def allow(self, *lines: str) -> None:
        self.signers.write_text("".join(f"{line}\n" for line in lines))

    def journal(self, operator: str, key: TestKey, name: str = INCIDENT, **identity: Any) -> Journal:
        return open_journal(self.settings(key=str(key.public), **identity), operator, name)

    def read(self, name: str = INCIDENT, **identity: Any) -> dict[str, Entry]:
        """The entries by their text, with what proves them."""
        entries = read_incident(journal_file(self.folder, name), Prover.of(self.settings(**identity))).entries
        return {str(entry.data.get("text", entry.kind)): entry for entry in merge(entries)}

    def proofs(self, name: str = INCIDENT, **identity: Any) -> dict[str, str]:
        return {text: str(entry.proof) for text, entry in self.read(name, **identity).items()}


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignedRoom]:
    hosts_by_name(monkeypatch.setattr)
    keys = make_key(tmp_path, "maria"), make_key(tmp_path, "piet")
    with agent_with(*keys) as place:
        monkeypatch.setenv("SSH_AUTH_SOCK", place)
        found = SignedRoom(tmp_path / "journal", *keys, tmp_path / "allowed_signers", monkeypatch)
        found.allow(f"maria {keys[0].line}", f"piet@{socket.gethostname()} {keys[1].line}")
        yield found


def note(journal: Journal, text: str) -> Entry:
    return journal.append(EntryKind.NOTE, {"text": text})


def test_what_a_person_does_is_signed_and_checked_without_an_agent(room: SignedRoom) -> None:
    entry = note(room.journal("maria", room.maria), "m")
    note(room.journal("piet", room.piet), "p")
    room.monkeypatch.delenv("SSH_AUTH_SOCK")
    found = room.read()
    assert (found["m"].proof, found["m"].signer) == (Proof.SIGNED, room.maria.fingerprint)
    assert (found["p"].proof, found["p"].signer) == (Proof.SIGNED, room.piet.fingerprint)
    assert entry.line.endswith(b'"}') and b',"sig":"' in entry.line and entry.intact
    assert not any(verify_incident(journal_file(room.folder, INCIDENT), Prover.of(room.settings())).values())


def test_a_key_is_named_by_its_fingerprint_and_none_is_the_agents_first(room: SignedRoom) -> None:
    for named, signer in ((room.piet.fingerprint, room.piet), ("", room.maria)):
        journal = open_journal(room.settings(key=named), "ana", INCIDENT)
        key = claimed_key(note(journal, "x").sig)
        assert key is not None and key.fingerprint == signer.fingerprint


def test_nothing_is_signed_where_nothing_is_set(room: SignedRoom) -> None:
    entry = note(open_journal(settings_of(journal={"folder": str(room.folder)}), "maria", INCIDENT), "x")
    assert entry.sig == "" and b"sig" not in entry.line
    assert note(room.journal("maria", room.maria, sign="never"), "y").sig == ""


def test_a_signature_covers_what_the_same_writer_recorded_before(room: SignedRoom) -> None:
    maria = room.journal("maria", room.maria)
    for number in range(3):
        maria.append(EntryKind.FIGURES, {"text": f"f{number}"})
    note(maria, "m")
    maria.append(EntryKind.FIGURES, {"text": "after"})
    assert room.proofs() == {**dict.fromkeys(("f0", "f1", "f2", "m"), "signed"), "after": "kernel"}
    assert room.proofs(require_signatures=True)["after"] == "unsigned"


def test_what_a_signature_covers_may_come_later(room: SignedRoom) -> None:
    maria = room.journal("maria", room.maria)
    entries = [maria.append(EntryKind.FIGURES, {"text": "f"}), note(maria, "m")]
    owner = proofs_module.FileOwner("maria", False)
    prover = Prover.of(room.settings())
    assert [e.proof for e in prover.prove(INCIDENT, proofs_module.Origin.OWN, owner, entries[1:])] == [Proof.KERNEL]
    assert [entry.proof for _, entry in prover.settle(60)] == [Proof.SIGNED]
    assert [e.proof for e in prover.prove(INCIDENT, proofs_module.Origin.OWN, owner, entries[:1])] == [Proof.SIGNED]


def test_what_a_console_records_by_itself_may_wait_for_its_next_signature_and_nothing_else_may(
    room: SignedRoom,
) -> None:
    maria = room.journal("maria", room.maria)
    note(maria, "m")
    maria.append(EntryKind.FIGURES, {"text": "f"})
    journal, demanding = journal_file(room.folder, INCIDENT), room.settings(require_signatures=True)
    assert not any(verify_incident(journal, Prover.of(demanding)).values())
    note(room.journal("piet", room.piet, sign="never"), "p")
    problems = [problem for some in verify_incident(journal, Prover.of(demanding)).values() for problem in some]
    assert [problem.what for problem in problems] == ["unsigned"]


def test_what_two_accounts_took_over_from_another_host_by_turns_lacks_nothing(room: SignedRoom) -> None:
    entries = [from_laptop(room, "1")]
    for number in range(2, 5):
        entries.append(from_laptop(room, str(number), seq=number, prev=entries[-1].digest))
    folder = room.folder / INCIDENT
    folder.mkdir(parents=True)
    for name, some in (("maria", entries[::2]), ("piet", entries[1::2])):
        (folder / f"{name}.elsewhere").write_bytes(b"".join(entry.line + b"\n" for entry in some))
    journal = journal_file(room.folder, INCIDENT)
    assert not any(verify_incident(journal).values())
    (folder / "piet.elsewhere").write_bytes(entries[3].line + b"\n")
    problems = [problem for some in verify_incident(journal).values() for problem in some]
    assert [problem.what for problem in problems] == ["missing"]


# --- forgeries ------------------------------------------------------------------------------------------------


def from_laptop(room: SignedRoom, text: str, **fields: Any) -> Entry:
    """An entry of piet's on another host, where nothing but a signature proves anything."""
    given: dict[str, Any] = {
        "at": datetime.now(UTC),
        "writer": Writer("piet", "laptop", 7, datetime(2026, 11, 30, tzinfo=UTC), "piet"),
        "seq": 1,
        "prev": "",
        "after": "",
        "kind": "note",
        "data": {"text": text},
    }
    return make(**given | fields)


def signed(room: SignedRoom, key: TestKey, text: str, name: str = INCIDENT, **fields: Any) -> Entry:
    from nexconsole.journal.signatures import AgentKey, payload, sign

    agent = AgentKey(key.line, key.fingerprint)
    return from_laptop(room, text, sign=lambda part: sign(payload(name, part), agent, 30.0), **fields)


def test_what_comes_from_another_host_is_proved_by_its_signature_alone(room: SignedRoom) -> None:
    room.allow(f"piet@laptop {room.piet.line}", f"maria {room.maria.line}")
    import_entries(journal_file(room.folder, INCIDENT), [signed(room, room.piet, "s").line])
    import_entries(journal_file(room.folder, INCIDENT), [from_laptop(room, "u", seq=2).line])
    assert room.proofs() == {"s": "signed", "u": "none"}
    found = room.read(require_signatures=True)
    assert (found["s"].proof, found["u"].proof) == (Proof.SIGNED, Proof.UNSIGNED)
    assert not found["u"].counts and "require_signatures" in found["u"].doubt


@pytest.mark.parametrize(
    ("how", "doubt"),
    [
        ("another person's key", "is signed by the key of maria, it names piet@laptop"),
        ("moved to another incident", "is for something else"),
        ("rewritten with a new id", "is for something else"),
        ("a signature of another entry", "is for something else"),
        ("expired", "expired"),
        ("not a signature", "is none"),
        ("not yet valid", "not valid yet"),
    ],
)
def test_a_signature_that_is_wrong_is_a_forgery(room: SignedRoom, how: str, doubt: str) -> None:
    room.allow(f"piet@laptop {room.piet.line}", f"maria {room.maria.line}")
    entry = signed(room, room.piet, "x")
    if how == "another person's key":
        entry = signed(room, room.maria, "x")
    elif how == "moved to another incident":
        entry = signed(room, room.piet, "x", OTHER)
    elif how == "rewritten with a new id":
        sig = entry.sig
        entry = from_laptop(room, "x", data={"text": "x", "more": 1}, sign=lambda part: sig)
    elif how == "a signature of another entry":
        sig = signed(room, room.piet, "y").sig
        entry = from_laptop(room, "x", sign=lambda part: sig)
    elif how == "expired":
        room.allow(f'piet@laptop valid-before="20200101" {room.piet.line}')
    elif how == "not yet valid":
        room.allow(f'piet@laptop valid-after="20990101" {room.piet.line}')
    else:
        entry = from_laptop(room, "x", sign=lambda part: "AAAA")
    import_entries(journal_file(room.folder, INCIDENT), [entry.line])
    found = room.read()["x"]
    assert found.proof is Proof.FORGED and not found.counts
    assert doubt in found.doubt
    (problems,) = verify_incident(journal_file(room.folder, INCIDENT), Prover.of(room.settings())).values()
    assert [problem.what for problem in problems] == ["forged"]


def test_a_key_that_nobody_is_allowed_proves_nothing_and_counts_nowhere_where_signatures_are_demanded(
    room: SignedRoom,
) -> None:
    room.allow(f"maria {room.maria.line}")
    import_entries(journal_file(room.folder, INCIDENT), [signed(room, room.piet, "x").line])
    found = room.read()["x"]
    assert found.proof is Proof.NONE and room.piet.fingerprint in found.doubt
    assert room.proofs(require_signatures=True) == {"x": "unsigned"}


def test_a_wrong_signature_in_ones_own_file_is_a_forgery_too(room: SignedRoom) -> None:
    maria = room.journal("maria", room.maria)
    first = note(maria, "one")
    file = own_file(room.folder, INCIDENT)
    two = make(
        at=datetime.now(UTC),
        writer=maria.writer,
        seq=2,
        prev=first.digest,
        after=first.id,
        kind="note",
        data={"text": "two"},
        sign=lambda part: first.sig,
    )
    file.write_bytes(first.line + b"\n" + two.line + b"\n")
    assert room.proofs() == {"one": "signed", "two": "forged"}


def test_a_line_with_another_id_is_no_second_entry(room: SignedRoom) -> None:
    room.allow(f"piet@laptop {room.piet.line}")
    entry = signed(room, room.piet, "x")
    journal = journal_file(room.folder, INCIDENT)
    import_entries(journal, [entry.line])
    (file,) = (room.folder / INCIDENT).glob("*.elsewhere")
    with file.open("ab") as out:
        out.write(entry.line.replace(entry.id.encode(), b"f" * 32) + b"\n")
    found = merge(read_incident(journal, Prover.of(room.settings())).entries)
    assert sorted(str(one.proof) for one in found) == ["forged", "signed"]


def test_what_claims_this_host_in_what_came_from_others_needs_a_signature(room: SignedRoom) -> None:
    journal = journal_file(room.folder, INCIDENT)
    here = Writer("piet", socket.gethostname(), 7, datetime(2026, 11, 30, tzinfo=UTC), "piet")
    import_entries(journal, [from_laptop(room, "u", writer=here).line])
    import_entries(journal, [signed(room, room.piet, "s", writer=here, seq=2).line])
    found = room.read()
    assert (found["u"].proof, found["s"].proof) == (Proof.FORGED, Proof.SIGNED)
    assert "names piet of this host" in found["u"].doubt


def test_on_a_shared_account_the_operators_name_is_the_principal(room: SignedRoom) -> None:
    room.allow(f"maria {room.maria.line}", f"piet {room.piet.line}")
    for operator, key in (("maria", room.maria), ("piet", room.maria)):
        writer = Writer(operator, "laptop", 7, datetime(2026, 11, 30, tzinfo=UTC), "ops")
        import_entries(journal_file(room.folder, INCIDENT), [signed(room, key, operator, writer=writer).line])
    assert room.proofs(shared_accounts=["ops"]) == {"maria": "signed", "piet": "forged"}
    assert room.read(shared_accounts=["ops"])["maria"].signed_as == "maria"
    assert room.proofs() == {"maria": "forged", "piet": "forged"}  # no key is the account's


@pytest.mark.parametrize("first", ["the signature", "what it claims to cover"])
def test_a_signature_covers_nothing_that_names_another_writer(room: SignedRoom, first: str) -> None:
    room.allow(f"piet@laptop {room.piet.line}", f"maria {room.maria.line}")
    theirs = Writer("maria", "laptop", 9, datetime(2026, 11, 30, tzinfo=UTC), "maria")
    forged = from_laptop(room, "approved", writer=theirs)
    cover = signed(room, room.piet, "cover", seq=2, prev=forged.digest)
    entries = [cover, forged] if first == "the signature" else [forged, cover]
    prover, owner = Prover.of(room.settings(require_signatures=True)), proofs_module.FileOwner("eve", False)
    found: dict[str, Entry] = {}
    for entry in entries:
        proved = prover.prove(INCIDENT, proofs_module.Origin.IMPORTED, owner, [entry])
        found |= {entry.id: entry for entry in (*proved, *(entry for _, entry in prover.settle(60)))}
    assert (found[cover.id].proof, found[forged.id].proof) == (Proof.SIGNED, Proof.UNSIGNED)


def test_wrong_signatures_in_somebodys_name_take_nothing_from_his_own(
    room: SignedRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs_module, "MOST_WRONG", 3)
    room.allow(f"piet@laptop {room.piet.line}")
    sig = signed(room, room.piet, "x").sig
    wrong = [from_laptop(room, str(n), seq=n + 1, sign=lambda part: sig) for n in range(6)]
    import_entries(journal_file(room.folder, INCIDENT), [entry.line for entry in wrong])
    import_entries(journal_file(room.folder, INCIDENT), [signed(room, room.piet, "his", seq=7).line])
    assert room.proofs() == {**dict.fromkeys(map(str, range(6)), "forged"), "his": "signed"}


# --- the file of allowed signers ------------------------------------------------------------------------------


def a_pipe(file: Path) -> None:
    os.mkfifo(file)


def a_link(file: Path) -> None:
    file.symlink_to("/dev/zero")


def too_large(file: Path) -> None:
    with file.open("wb") as out:
        out.truncate(1 << 31)
    file.chmod(0o600)


def writable(file: Path) -> None:
    file.write_text("maria ssh-ed25519 AAAA\n")
    file.chmod(0o666)


def missing(file: Path) -> None:
    """There is none."""


@pytest.mark.parametrize("make_file", [a_pipe, a_link, too_large, writable, missing])
def test_signers_that_can_not_be_trusted_prove_nothing_and_that_is_said(room: SignedRoom, make_file: Any) -> None:
    note(room.journal("maria", room.maria), "m")
    room.signers.unlink()
    make_file(room.signers)
    began = time.monotonic()
    with pytest.raises(JournalError):
        read_signers(room.signers)
    found = room.read()["m"]
    assert found.proof is Proof.KERNEL and "can't be checked" in found.doubt
    assert room.proofs(require_signatures=True) == {"m": "unsigned"}
    assert time.monotonic() - began < 20


def test_odd_lines_among_the_signers_hide_nobody(room: SignedRoom) -> None:
    note(room.journal("maria", room.maria), "m")
    odd = ["", "#", '"', "x", "maria", "\x00\xff", "maria " * 5000, "* cert-authority ssh-rsa AAAA"]
    room.signers.write_text("\n".join([*odd, f"maria {room.maria.line}"]) + "\n")
    assert room.proofs() == {"m": "signed"}


def test_principals_are_patterns() -> None:
    assert matches("piet@*,maria", "piet@bastion") and matches("maria", "maria") and not matches("piet", "piet2")
    assert not matches("*,!eve", "eve") and matches("*,!eve", "maria") and not matches("", "maria")
    assert not matches("[em]ve", "eve")
    assert AllowedSigners(()).lines_for(claimed_key_of()) == ()


def claimed_key_of() -> Any:
    from nexconsole.journal.signatures import ClaimedKey

    return ClaimedKey("ssh-ed25519", b"x")


def test_a_flood_of_wrong_signatures_in_one_name_keeps_nobody_else_waiting(
    room: SignedRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.allow(f"piet@laptop {room.piet.line}", f"maria {room.maria.line}")
    sig = signed(room, room.piet, "x").sig
    entries = [from_laptop(room, str(n), seq=n + 1, sign=lambda part: sig) for n in range(500)]
    theirs = Writer("maria", "laptop", 9, datetime(2026, 11, 30, tzinfo=UTC), "maria")
    entries.append(signed(room, room.maria, "hers", writer=theirs))
    tried: list[str] = []

    def slow(message: bytes, sig: str, line: str, principal: str, at: datetime) -> str:
        tried.append(principal)
        return "" if principal.startswith("maria") else "the signature is for something else"

    monkeypatch.setattr(proofs_module, "verify_signature", slow)
    prover = Prover.of(room.settings())
    owner = proofs_module.FileOwner("eve", False)
    prover.prove(INCIDENT, proofs_module.Origin.IMPORTED, owner, entries)
    settled = {entry.id: entry.proof for _, entry in prover.settle(60)}
    assert settled == {entry.id: Proof.FORGED for entry in entries} | {entries[-1].id: Proof.SIGNED}
    assert len(tried) == 501
    assert tried[proofs_module.MOST_WRONG].startswith("maria")


def test_what_is_read_once_ends_in_time_though_many_signatures_are_wrong(
    room: SignedRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs_module, "MOST_WRONG", 3)
    monkeypatch.setattr(proofs_module, "LONGEST_S", 0.0)
    room.allow(f"piet@laptop {room.piet.line}")
    sig = signed(room, room.piet, "x").sig
    entries = [from_laptop(room, str(n), seq=n + 1, sign=lambda part: sig) for n in range(200)]

    def slow(*given: Any) -> str:
        time.sleep(0.05)  # as a program that is started
        return "the signature is for something else"

    monkeypatch.setattr(proofs_module, "verify_signature", slow)
    prover, owner = Prover.of(room.settings()), proofs_module.FileOwner("eve", False)
    read = prover.settled(prover.prove(INCIDENT, proofs_module.Origin.IMPORTED, owner, entries))
    assert [entry.proof for entry in read[:3]] == [Proof.FORGED] * 3
    assert read[-1].proof is Proof.NONE and "many in its writer's name are wrong" in read[-1].doubt


# --- a key that is not there ----------------------------------------------------------------------------------


def test_without_an_agent_it_is_written_unsigned_and_said(room: SignedRoom) -> None:
    room.monkeypatch.delenv("SSH_AUTH_SOCK")
    journal = room.journal("maria", room.maria)
    assert note(journal, "m").sig == "" and "no SSH agent" in journal.unsigned
    assert room.proofs() == {"m": "kernel"}


@pytest.mark.parametrize("identity", [{"sign": "always"}, {"require_signatures": True}])
def test_where_signatures_are_demanded_nothing_is_written_without_one(
    room: SignedRoom, identity: dict[str, Any]
) -> None:
    room.monkeypatch.delenv("SSH_AUTH_SOCK")
    journal = room.journal("maria", room.maria, **identity)
    with pytest.raises(JournalError, match=r"must be signed here .* there is no SSH agent"):
        note(journal, "m")
    journal.append(EntryKind.FIGURES, {"text": "f"})  # what a console records by itself is covered later
    assert list(room.proofs()) == ["f"]


def test_a_key_that_the_agent_does_not_hold_is_named(room: SignedRoom, tmp_path: Path) -> None:
    stranger = make_key(tmp_path, "stranger")
    journal = room.journal("maria", stranger)
    assert note(journal, "m").sig == ""
    assert f"does not hold {stranger.fingerprint}" in journal.unsigned
    journal = open_journal(room.settings(key="/nowhere.pub"), "maria", OTHER)
    note(journal, "m")
    assert "/nowhere.pub" in journal.unsigned


def test_an_agent_that_hangs_delays_one_entry_and_not_the_next(room: SignedRoom, tmp_path: Path) -> None:
    place = f"/tmp/hang-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place)
        server.listen()
        room.monkeypatch.setenv("SSH_AUTH_SOCK", place)
        try:
            journal = room.journal("maria", room.maria, sign_timeout_s=0.5)
            note(journal, "one")
            assert "has not answered within 0.5 s" in journal.unsigned
            began = time.monotonic()
            for text in ("two", "three", "four"):
                note(journal, text)
            assert time.monotonic() - began < 0.5
        finally:
            os.unlink(place)
    assert set(room.proofs().values()) == {"kernel"}


def test_two_consoles_of_one_account_sign_in_one_file(room: SignedRoom) -> None:
    first, second = room.journal("maria", room.maria), room.journal("maria", room.maria)
    second.writer = replace_pid(second.writer)
    for number in range(3):
        note(first, f"a{number}")
        note(second, f"b{number}")
    assert set(room.proofs().values()) == {"signed"}
    assert not any(verify_incident(journal_file(room.folder, INCIDENT), Prover.of(room.settings())).values())


def replace_pid(writer: Writer) -> Writer:
    import msgspec

    return msgspec.structs.replace(writer, pid=writer.pid + 1)


def test_a_signed_line_reads_back_as_it_was_written(room: SignedRoom) -> None:
    entry = note(room.journal("maria", room.maria), 'a "sig":"x"} in the text')
    again = decode(entry.line)
    assert (again.sig, again.id, again.intact) == (entry.sig, entry.id, True)
    assert replace(again, proof=entry.proof) == entry
    assert entry.at - datetime.now(UTC) < timedelta(minutes=1)
