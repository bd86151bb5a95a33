"""A likely cause in the record and in sentences: said once, withdrawn once, told by the report with its evidence."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import sample_causes as causes
from controller import settings, until
from incident_story import MARIA, PIET, IncidentStory
from journals import written
from sample_readings import NOW, incident

from nexconsole.causes.model import Explanation
from nexconsole.incident.incident import fold
from nexconsole.journal import EntryKind
from nexconsole.journal.entries import Writer
from nexconsole.journal.sentences import sentence
from nexconsole.line_mode.causes import GONE, STEADY, CauseChanges, cause_lines
from nexconsole.report.render import as_markdown
from nexconsole.session.cause_record import GONE_S, STEADY_S, CauseRecord
from nexconsole.session.incident_store import IncidentStore
from nexconsole.settings import Settings
from nexconsole.severity import Severity, judge

FAILING = judge(incident(), Settings(), NOW, ())
KEY = causes.SMSBOWER.key


def named(story: IncidentStory, state: str = "named", writer: Writer = MARIA, key: str = KEY) -> None:
    told = {"cause": key, "state": state, "text": f"{key}, since 13:55", "evidence": ["its purchases fail: 55 %"]}
    story.tell(EntryKind.CAUSE, told, writer)


async def test_a_cause_that_stays_is_recorded_once_by_all_consoles_and_withdrawn_once(tmp_path: Path) -> None:
    now = [NOW]
    tasks: list[asyncio.Task[None]] = []
    stores = [IncidentStore(settings(tmp_path, operator=who), lambda: now[0]) for who in ("maria", "piet")]
    name = await stores[0].open({"title": "t", "level": "", "since": ""})
    for store in stores:
        await store.look()
    consoles = [
        CauseRecord(store, lambda: now[0], lambda work: tasks.append(asyncio.create_task(work)), turns_s=0.0)
        for store in stores
    ]

    async def seconds(number: float, explanation: Explanation, severity: Severity = FAILING) -> None:
        for after in (0.0, number):
            now[0] += timedelta(seconds=after)
            for console, store in zip(consoles, stores, strict=True):
                await store.look()
                console.look(explanation, severity)
                await asyncio.gather(*tasks)

    def told() -> list[tuple[str, str]]:
        entries = written(tmp_path, name)
        return [(each.data["cause"], each.data["state"]) for each in entries if each.kind == EntryKind.CAUSE]

    await seconds(STEADY_S - 1, causes.ONE)
    assert told() == []
    await seconds(2, causes.ONE)
    await seconds(STEADY_S, causes.ONE)
    assert told() == [(KEY, "named")]
    await seconds(GONE_S + 1, causes.CALM, Severity(level="none"))  # over, not withdrawn
    assert told() == [(KEY, "named")]
    await seconds(GONE_S - 1, causes.UNKNOWN)
    assert told() == [(KEY, "named")]
    await seconds(2, causes.UNKNOWN)
    await seconds(GONE_S, causes.UNKNOWN)
    assert told() == [(KEY, "named"), (KEY, "withdrawn")]
    await until(lambda: all(task.done() for task in tasks))


def test_what_two_consoles_wrote_is_one_and_one_that_is_named_again_is_another() -> None:
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "smsbower fails"})
    named(story)
    named(story, writer=PIET)
    named(story, "withdrawn")
    named(story, "withdrawn", PIET)
    named(story)
    folded = fold(story.entries)
    assert [(one.key, one.withdrawn_at is None) for one in folded.causes] == [(KEY, False), (KEY, True)]
    lines = [line.text for line in folded.timeline if line.kind == EntryKind.CAUSE]
    assert lines == [
        f"likely: {KEY}, since 13:55",
        f"no longer likely: {KEY}, since 13:55",
        f"likely: {KEY}, since 13:55",
    ]


def test_the_report_has_the_likely_cause_with_its_evidence_and_says_what_was_withdrawn() -> None:
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "smsbower fails"})
    named(story)
    named(story, key="bad-release")
    named(story, "withdrawn", key="bad-release")
    said = as_markdown(fold(story.entries), "INC-1")
    assert said.index("## Likely cause") < said.index("## Actions" if "## Actions" in said else "## Timeline")
    assert "its purchases fail: 55 %" in said
    assert "bad-release, since 13:55. Named at 13:44:00; withdrawn at 13:45:00." in said


def test_an_entry_of_any_shape_is_said_and_folded() -> None:
    story = IncidentStory()
    for data in ({}, {"cause": 7, "state": ["x"]}, {"cause": "a", "evidence": 3, "explains": {"x": 1}, "text": None}):
        story.tell(EntryKind.CAUSE, data)
    assert all(sentence(entry).startswith("likely:") for entry in story.entries)
    assert [one.key for one in fold(story.entries).causes] == ["7", "a"]


def test_lines_say_a_cause_that_stays_and_that_it_was_withdrawn() -> None:
    changes = CauseChanges()

    def said(explanation: Explanation, at: datetime, calm: bool = False) -> list[str]:
        return list(changes.sentences(explanation, at, calm))

    later = NOW + STEADY
    assert said(causes.ONE, NOW) == []
    assert said(causes.ONE, later) == ["likely: smsbower does not answer, since 13:55"]
    assert said(causes.ONE, later + STEADY) == []
    assert said(causes.UNKNOWN, later + STEADY) == []  # it may come back
    gone = later + STEADY + GONE
    assert said(causes.UNKNOWN, gone) == ["no longer likely: smsbower does not answer"]
    assert said(causes.UNKNOWN, gone + GONE) == []
    said(causes.ONE, gone)
    said(causes.ONE, gone + STEADY)
    assert said(causes.CALM, gone + 2 * STEADY, calm=True) == []  # that it is calm is said already


def test_who_asks_why_in_lines_gets_the_evidence_with_its_readings() -> None:
    lines = cause_lines(causes.ONE, NOW, Settings(), "SEV-1")
    assert lines[0] == "likely: smsbower does not answer, since 13:55"
    assert "for it: its purchases fail: 55 % of purchases at smsbower fail (transactions, 2 s ago)" in lines
    assert "what helps: Take it out of the offers until it answers again: provider.disable smsbower" in lines
    assert lines[-1] == "may be: the release breaks purchases"
    assert cause_lines(causes.UNKNOWN, NOW, Settings(), "SEV-1")[0].startswith("cause not known; look next: ")
    assert cause_lines(None, NOW, Settings(), "SEV-1") == []
