"""Heads: what a writer takes back or rewrites is found by what the others have read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from controller import seeing, settings, until
from journals import own_file, written

from nexconsole.journal import (
    Entry,
    EntryKind,
    LocalTail,
    Writer,
    journal_file,
    merge,
    open_journal,
    read_incident,
    verify_incident,
)
from nexconsole.journal.entries import make
from nexconsole.journal.heads import heads_of
from nexconsole.session.head_record import HeadRecord
from nexconsole.session.session import Session
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

INCIDENT = "INC-20261130-1200"


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """An incident in which piet has read four entries of maria's, and said so."""
    maria, piet = (open_journal(settings(tmp_path), name, INCIDENT) for name in ("maria", "piet"))
    for number in range(4):
        maria.append(EntryKind.NOTE, {"text": str(number)})
    heads = heads_of(read_incident(journal_file(tmp_path, INCIDENT)).entries, piet.writer, {})
    assert [head["seq"] for head in heads.values()] == [4]
    piet.append(EntryKind.HEAD, {"heads": heads})
    assert found(tmp_path) == []
    return tmp_path


def found(folder: Path) -> list[tuple[str, str, str]]:
    problems = verify_incident(journal_file(folder, INCIDENT))
    return [(file.name, problem.what, problem.sentence) for file, some in problems.items() for problem in some]


def lines(folder: Path) -> list[bytes]:
    return own_file(folder, INCIDENT).read_bytes().splitlines(keepends=True)


def rewrite(folder: Path, to: list[bytes]) -> None:
    file = own_file(folder, INCIDENT)
    file.write_bytes(b"".join(to))
    file.with_name(f".{file.name}.last").write_text("")  # its owner can write that too


def test_a_tail_that_was_removed_is_found_with_who_held_it(held: Path) -> None:
    rewrite(held, lines(held)[:2])
    ((file, what, sentence),) = found(held)
    assert (file, what) == ("maria.jsonl", "missing")
    assert "entries 3 to 4 of maria@" in sentence and "piet@" in sentence
    assert sentence.endswith("held the last of them, as nobody else says")


def test_a_file_that_was_removed_is_found(held: Path) -> None:
    own_file(held, INCIDENT).unlink()
    ((file, what, sentence),) = found(held)
    assert (file, what) == ("maria.jsonl", "missing") and "entries 1 to 4" in sentence


def test_lines_that_were_rewritten_with_new_ids_and_chains_are_found(held: Path) -> None:
    made: list[Entry] = []
    for entry in written(held, INCIDENT)[:4]:
        text = "harmless" if entry.seq == 2 else entry.data["text"]
        prev, after = (made[-1].digest, made[-1].id) if made else ("", "")
        data = {"text": text}
        fields = {"at": entry.at, "writer": entry.writer, "seq": entry.seq, "kind": entry.kind, "hlc": entry.hlc}
        made.append(make(**fields, prev=prev, after=after, data=data))
    rewrite(held, [entry.line + b"\n" for entry in made])
    ((file, what, sentence),) = found(held)
    assert (file, what) == ("maria.jsonl", "edited") and "entry 4 of maria@" in sentence and "was rewritten" in sentence


def test_one_that_is_missing_in_the_middle_and_two_that_changed_places_are_found(held: Path) -> None:
    one, two, three, four = lines(held)
    rewrite(held, [one, three, four])
    assert {what for _, what, _ in found(held)} == {"missing"}
    rewrite(held, [one, three, two, four])
    assert {what for _, what, _ in found(held)} == {"reordered"}


def test_odd_heads_of_others_break_nothing(held: Path) -> None:
    piet = open_journal(settings(held), "piet", INCIDENT)
    for odd in (None, [], {"x": None}, {"x": {"seq": "1"}}, {"x": {"seq": True, "digest": 1}}):
        piet.append(EntryKind.HEAD, {"heads": odd})
    assert found(held) == []


async def test_a_console_holds_what_others_wrote_and_shows_no_heads(tmp_path: Path) -> None:
    other = open_journal(settings(tmp_path), "piet", INCIDENT)
    other.append(EntryKind.OPENED, {"title": "t"})
    one = Session(settings(tmp_path), Sources(LazyClients(), {}), monitor=seeing({}))
    record = HeadRecord(one.incident_store, one._spawn, every_s=0.0)
    for _ in range(3):
        await one.incident_store.look()
        record.look()
        await until(lambda: not record._writing)
    heads = [entry for entry in written(tmp_path, INCIDENT) if entry.kind == EntryKind.HEAD]
    assert len(heads) == 1  # nothing came since the first
    assert list(heads[0].data["heads"]) == [other.writer.key]
    assert one.incident is not None and all(line.kind != EntryKind.HEAD for line in one.incident.timeline)
    await one.close()


def test_a_writers_key_says_who_and_which_process() -> None:
    writer = Writer("piet", "bastion", 7, datetime(2026, 11, 30, tzinfo=UTC), "piet")
    assert writer.key == "piet@bastion/7/20261130T000000.000000Z"
    assert merge(()) == ()


def test_what_an_earlier_versions_file_is_given_later_is_not_told_to_other_hosts(held: Path) -> None:
    journal = journal_file(held, INCIDENT)
    last = open_journal(settings(held), "maria", INCIDENT).append(EntryKind.PROPOSED, {"plan": {}})
    told = {entry.id for entry in LocalTail(journal).poll()}
    fields = {"at": last.at + timedelta(hours=1), "writer": last.writer, "seq": 9, "prev": "", "after": ""}
    forged = make(**fields, kind="approved", data={"proposal": last.id})
    journal.write_bytes(forged.line + b"\n")
    tail = LocalTail(journal)
    assert {entry.id for entry in tail.poll()} == told and forged.id not in told
    assert tail.poll() == ()
