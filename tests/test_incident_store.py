"""Which journal entries go to: incidents opened, joined, seen from other consoles, closed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sample_readings as sample
from controller import fresh, seeing, settings, until
from journals import written

from nexconsole.errors import JournalError
from nexconsole.journal import OUTSIDE, Entry, EntryKind, new_incident, open_journal, verify_incident
from nexconsole.session import auto_record
from nexconsole.session.capabilities import Capability
from nexconsole.session.incident_store import IncidentStore
from nexconsole.session.session import Session
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

NOW = datetime(2026, 11, 23, 13, 42, tzinfo=UTC)


@asynccontextmanager
async def console(folder: Path, operator: str = "maria", world: str = "incident", **more) -> AsyncIterator[Session]:
    readings = fresh(sample.WORLDS[world]())
    one = Session(settings(folder, operator=operator), Sources(LazyClients(), {}), monitor=seeing(readings), **more)
    one.start()
    try:
        yield one
    finally:
        await one.close()


def kinds_of(folder: Path, name: str) -> list[str]:
    return [entry.kind for entry in written(folder, name)]


async def test_opening_an_incident_makes_its_journal_and_whoever_opens_it_leads_it(tmp_path: Path) -> None:
    async with console(tmp_path, clock=lambda: NOW) as one:
        await one.note("before")
        name = await one.open_incident("smsbower fails", "SEV-1")
        assert name == "INC-20261123-1342" == one.incident_store.current
        await one.note("during")
        assert kinds_of(tmp_path, OUTSIDE) == ["note"]
        assert kinds_of(tmp_path, name) == ["opened", "role", "note"]
        incident = one.incident
        assert (incident.title, incident.commander, incident.opened_by) == ("smsbower fails", "maria", "maria")
        assert (incident.level, [level.level for level in incident.declared]) == ("SEV-1", ["SEV-1"])
        assert [entry.data.get("text") for entry in one.entries if entry.kind == "note"] == ["before", "during"]
        assert not any(verify_incident(tmp_path / f"{name}.jsonl").values())


async def test_two_incidents_of_one_minute_have_two_names(tmp_path: Path) -> None:
    assert [new_incident(tmp_path, NOW) for _ in range(3)] == [
        "INC-20261123-1342",
        "INC-20261123-1342-2",
        "INC-20261123-1342-3",
    ]
    os.chmod(tmp_path, 0o555)
    if os.getuid() != 0:
        with pytest.raises(JournalError, match="no permission"):
            new_incident(tmp_path, NOW)
    os.chmod(tmp_path, 0o755)
    with pytest.raises(JournalError, match="its folder is a file"):
        (tmp_path / "file").write_text("")
        new_incident(tmp_path / "file", NOW)


async def test_another_console_is_in_the_incident_within_a_second_and_out_again_when_it_closes(tmp_path: Path) -> None:
    heard: list[Entry] = []
    async with console(tmp_path) as one, console(tmp_path, "piet", heard=heard.append) as other:
        await until(lambda: other.incident_store._read)
        name = await one.open_incident("smsbower fails", "")
        await until(lambda: other.incident_store.current == name, 1.0)
        await other.take_role("scribe", "piet")
        await until(lambda: one.incident.roles.get("scribe") == "piet", 1.0)
        assert EntryKind.OPENED in [entry.kind for entry in heard]
        await one.close_incident("smsbower is back")
        await until(lambda: other.incident_store.current is None, 1.0)
        assert one.incident_store.current is None and one.incident is None
        await other.note("after")
        assert kinds_of(tmp_path, OUTSIDE) == ["note"]


async def test_the_end_of_an_action_goes_where_its_intent_stands(tmp_path: Path) -> None:
    async with console(tmp_path) as one:
        outside = await one.record(EntryKind.INTENT, {"plan": {"action": "pods.restart"}})
        name = await one.open_incident("t", "")
        inside = await one.record(EntryKind.INTENT, {"plan": {"action": "pods.restart"}})
        await one.close_incident("over")
        for intent in (outside, inside):
            await one.record(EntryKind.OUTCOME, {"intent": intent, "outcome": {"state": "done", "answer": ""}})
        assert kinds_of(tmp_path, OUTSIDE) == ["intent", "outcome"]
        assert kinds_of(tmp_path, name) == ["opened", "role", "intent", "closed", "outcome"]


async def test_of_two_open_incidents_one_can_be_joined_and_stays_chosen(tmp_path: Path) -> None:
    first = open_journal(settings(tmp_path), "piet", "INC-20261123-1200")
    first.append(EntryKind.OPENED, {"title": "older"})
    second = open_journal(settings(tmp_path), "piet", "INC-20261123-1300")
    second.append(EntryKind.OPENED, {"title": "newer"})
    async with console(tmp_path) as one:
        await until(lambda: one.incident_store.current == "INC-20261123-1300")
        one.incident_store.join("INC-20261123-1200")
        assert one.incident.title == "older"
        second.append(EntryKind.NOTE, {"text": "still here"})
        await asyncio.sleep(0.6)
        assert one.incident_store.current == "INC-20261123-1200"
        first.append(EntryKind.CLOSED, {"reason": "over"})
        await until(lambda: one.incident_store.current == "INC-20261123-1300", 1.0)


async def test_an_incident_that_nobody_touched_for_a_day_is_not_joined(tmp_path: Path) -> None:
    open_journal(settings(tmp_path), "piet", "INC-20261120-1200").append(EntryKind.OPENED, {"title": "forgotten"})
    async with console(tmp_path, clock=lambda: datetime.now(UTC) + timedelta(hours=25)) as one:
        await until(lambda: "INC-20261120-1200" in one.incident_store.incidents)
        assert one.incident_store.current is None


async def test_an_observer_by_role_can_not_act_until_another_role_is_taken(tmp_path: Path) -> None:
    async with console(tmp_path) as one:
        await one.open_incident("t", "")
        await one.take_role("observer", "maria")
        assert one.incident.commander == "" and "role of an observer" in one.why_not(Capability.ACT)
        await one.take_role("operator", "maria")
        assert one.why_not(Capability.ACT) is None and one.incident.roles == {"operator": "maria"}


async def test_what_changes_by_itself_is_recorded_once_though_three_consoles_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto_record, "STEADY_S", 0.3)
    monkeypatch.setattr(auto_record, "TURNS_S", 0.6)
    async with console(tmp_path) as one, console(tmp_path, "piet") as two, console(tmp_path, "jan") as three:
        name = await one.open_incident("t", "")
        await until(lambda: two.incident_store.current == three.incident_store.current == name)
        for _ in range(30):
            for each in (one, two, three):
                each.watch()
            await asyncio.sleep(0.1)
        subjects = [change.subject for change in one.incident.changes]
        assert {"failure rate", "circuit smsbower", "reservations", "alert ProviderApiErrors"} <= set(subjects)
        assert len(subjects) == len(set(subjects))
        assert not [subject for subject in subjects if subject.startswith("restarts")]


async def test_a_severity_on_record_from_before_is_recorded_in_the_new_incident_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto_record, "STEADY_S", 0.1)
    monkeypatch.setattr(auto_record, "TURNS_S", 0.0)
    async with console(tmp_path) as one:

        async def lasting() -> None:
            for _ in range(8):
                one.judged("SEV-1", ["so"])
                await asyncio.sleep(0.05)

        await lasting()
        name = await one.open_incident("t", "")
        await lasting()
        assert kinds_of(tmp_path, OUTSIDE) == ["severity"]
        assert kinds_of(tmp_path, name) == ["opened", "role", "severity"]
        opened = one.incident
        assert opened.since < opened.begin  # the severity rose before the incident was opened


async def test_one_look_is_enough_to_know_the_current_incident_and_to_write_to_it(tmp_path: Path) -> None:
    open_journal(settings(tmp_path), "piet", "INC-20261123-1300").append(EntryKind.OPENED, {"title": "t"})
    book = IncidentStore(settings(tmp_path), lambda: NOW)
    assert await book.look() == "" and book.current == "INC-20261123-1300"
    await book.record(EntryKind.NOTE, {"text": "from a one-shot"})
    assert kinds_of(tmp_path, "INC-20261123-1300") == ["opened", "note"]
    assert [entry["kind"] for entry in book.as_context()] == ["opened", "note"]


async def test_figures_are_recorded_now_and_then_by_one_console_and_at_once_when_the_severity_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto_record, "TURNS_S", 0.2)
    async with console(tmp_path) as one, console(tmp_path, "piet") as two:
        name = await one.open_incident("t", "")
        await until(lambda: two.incident_store.current == name)

        async def watched() -> int:
            for _ in range(10):
                one.watch()
                two.watch()
                await asyncio.sleep(0.1)
            return kinds_of(tmp_path, name).count(EntryKind.FIGURES)

        assert 1 <= await watched() <= 2
        before = await watched()
        assert before <= 2
        await two.record(EntryKind.SEVERITY, {"level": "SEV-1", "because": []})
        assert before < await watched()
        figures = [entry for entry in written(tmp_path, name) if entry.kind == EntryKind.FIGURES]
        assert figures[0].data["figures"]["failure_rate"] == 0.1775
