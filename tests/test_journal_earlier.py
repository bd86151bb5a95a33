"""Incidents of earlier versions: read as they are, continued in files of their own, and no way round those."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from controller import seeing, settings

from nexconsole.journal import EntryKind, Journal, Proof, Scrubber, Writer, journal_file, open_journal
from nexconsole.session.session import Session
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

NAME = "INC-20261130-1200"
PLAN = {"action": "provider.enable", "arguments": {"provider": "smsbower"}}


def earlier(folder: Path, operator: str, minutes: float = 0.0) -> Journal:
    """A console of an earlier version, whose clock shows another time by so many minutes."""
    shown = datetime.now(UTC) + timedelta(minutes=minutes)
    return Journal(journal_file(folder, NAME), Writer.here(operator), Scrubber(), now=lambda: shown)


def console(folder: Path) -> Session:
    return Session(settings(folder), Sources(LazyClients(), {}), monitor=seeing({}))


async def test_an_open_incident_of_an_earlier_version_is_continued_beside_its_file(tmp_path: Path) -> None:
    earlier(tmp_path, "piet", -5).append(EntryKind.OPENED, {"title": "t"})
    before = journal_file(tmp_path, NAME).read_bytes()
    one = console(tmp_path)
    await one.incident_store.look()
    assert one.incident_store.current == NAME
    await one.note("on")
    await one.incident_store.look()
    assert [str(entry.proof) for entry in one.entries] == ["earlier", "kernel"]
    assert journal_file(tmp_path, NAME).read_bytes() == before and (tmp_path / NAME / "maria.jsonl").exists()
    await one.close()


@pytest.mark.parametrize("minutes", [10.0, -60.0], ids=["now", "backdated"])
async def test_nobody_approves_by_way_of_the_file_that_everybody_can_write(tmp_path: Path, minutes: float) -> None:
    maria = open_journal(settings(tmp_path), "maria", NAME)
    maria.append(EntryKind.OPENED, {"title": "t"})
    one = console(tmp_path)
    await one.incident_store.look()
    data = {"plan": PLAN, "lasts_s": 600, "needs": "approval"}
    proposed = maria.append(EntryKind.PROPOSED, data)
    earlier(tmp_path, "piet", minutes).append(EntryKind.APPROVED, {"proposal": proposed.id})
    for _ in range(2):
        await one.incident_store.look()
    (proposal,) = one.incident_store.proposals
    assert proposal.ended == ""
    assert [entry.proof for entry in one.incident_store.on_record if entry.kind == EntryKind.APPROVED] == [Proof.FORGED]
    await one.close()
