"""Entries are data from outside: whatever stands in a journal, it is told, and no console ends of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from command_line import run_with
from controller import controller, until
from controller import settings as desk_settings
from hostile import LINES, line_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from incident_story import MARIA, START, whole

from nexconsole.actions.plan import Outcome
from nexconsole.cli.journal import as_markdown as timeline
from nexconsole.drill.score.debriefing import as_text, debrief
from nexconsole.incident.incident import fold
from nexconsole.journal import Entry, EntryKind, merge, unfinished, unjudged
from nexconsole.journal.entries import make
from nexconsole.journal.reader import scan
from nexconsole.journal.sentences import sentence, unknown
from nexconsole.report.render import as_html, as_json, as_line, as_markdown
from nexconsole.runbook.progress import progress_of
from nexconsole.screens import operation_bar
from nexconsole.session.operation import doing
from nexconsole.session.remote_operations import remote_operations

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
GOOD = whole().entries
RECORD = {
    "scenario": "x",
    "seed": 1,
    "since": NOW.isoformat(),
    "faults": [
        {
            "name": "down",
            "provider": "smsbower",
            "target": "smsbower",
            "scenarios": [],
            "helps": ["provider.disable"],
            "harms": [],
            "began_at": START.isoformat(),
            "ends_at": None,
        }
    ],
}


def read(lines: list[bytes]) -> tuple[Entry, ...]:
    return tuple(entry for _, entry in scan(b"".join(line + b"\n" for line in lines)).lines)


def everything(entries: tuple[Entry, ...]) -> list[object]:
    """All that a console, a report, a score or a command makes of the entries."""
    ordered = merge(entries)
    incident = fold(entries)
    shown = remote_operations(ordered, MARIA, NOW - timedelta(hours=2), NOW)
    for one in (*unfinished(ordered), *unjudged(ordered)):
        assert unknown(one)
    debrief(RECORD, ordered, NOW, NOW + timedelta(minutes=5))
    as_text(debrief(RECORD, ordered, NOW, NOW + timedelta(minutes=5)), RECORD)
    drawn = operation_bar.lines(tuple(shown.values()), None, NOW, 100, 9)
    return [
        incident,
        as_markdown(incident, "x"),
        as_json(incident, "x"),
        as_html(incident, "x"),
        as_line(incident, NOW),
        [sentence(entry) for entry in ordered],
        timeline("x", ordered),
        progress_of(ordered, "begun"),
        doing(shown.values()),
        str(drawn),
    ]


def entry_line(kind: str, data: dict, at: str = "2026-11-23T13:50:00Z", **more: object) -> bytes:
    writer = {"operator": "eve", "host": "bastion", "pid": 66, "start": "2026-11-23T13:00:00Z"}
    entry = {"at": at, "writer": writer, "seq": 1, "prev": "", "after": "", "kind": kind, "data": data}
    return line_of(entry | more)


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(LINES, max_size=7), seed=st.integers(0, 2**32))
@example([entry_line("outcome", {"intent": GOOD[6].id, "outcome": {"state": "exploded", "answer": "x"}})], 1)
@example([entry_line("verdict", {"intent": GOOD[6].id, "verdict": {"state": "superb"}})], 1)
def test_whatever_lines_there_are_nothing_ends_of_them_and_their_order_does_not_matter(lines, seed):
    entries = read([*(one.line for one in GOOD), *lines])
    told = everything(entries)
    shuffled = list(entries) * 2
    random.Random(seed).shuffle(shuffled)
    assert everything(tuple(shuffled)) == told


@settings(max_examples=80, deadline=None)
@given(lines=st.lists(LINES, max_size=8), seed=st.integers(0, 2**32))
def test_good_entries_are_read_as_they_are_whatever_stands_between_them(lines, seed):
    chance, file = random.Random(seed), [one.line for one in GOOD]
    for line in lines:
        file.insert(chance.randint(0, len(file)), line)
    found = {one.line: one for one in read(file)}
    assert [found[one.line] for one in GOOD] == list(GOOD)
    ids = {one.id for one in GOOD}
    strangers = [entry for entry in found.values() if entry.id not in ids]
    named = {str(value) for entry in strangers for value in entry.data.values()}
    if not named & ids:  # whoever names a good entry's intent tells something of it
        actions = {one.intent: one for one in fold(found.values()).actions}
        assert [actions[one.intent] for one in fold(GOOD).actions] == list(fold(GOOD).actions)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "1999-12-31T23:59:59Z"])
def test_an_entry_of_a_time_that_no_clock_shows_is_no_entry_and_its_writer_is_named(at):
    [problem] = scan(entry_line("declared", {"level": "SEV-1"}, at) + b"\n").problems
    assert problem.sentence.startswith("is not an entry: is of a time that no clock shows (")
    assert problem.sentence.endswith("; written by eve")


def test_a_time_without_a_zone_is_no_entrys():
    [problem] = scan(entry_line("note", {}, "2026-11-23T13:50:00") + b"\n").problems
    assert "timezone" in problem.sentence and "written by" in problem.sentence


@pytest.mark.parametrize("lasts", [1e300, -5, "soon", 10**30])
def test_a_silence_that_would_last_for_ever_has_no_end_on_record(lasts):
    target = {"kind": "silence", "id": "s", "lasts_s": lasts}
    intent = entry_line("intent", {"plan": {"action": "alert.silence", "arguments": {"a": "X"}, "targets": [target]}})
    [entry] = read([intent])
    outcome = make(
        at=NOW,
        writer=MARIA,
        seq=1,
        prev="",
        after="",
        kind="outcome",
        data={"intent": entry.id, "outcome": {"state": "done"}},
    )
    incident = fold([entry, outcome])
    assert incident.actions[0].lasts_s is None
    assert incident.standing[0].what == "alerts of X are silenced"


def test_a_word_of_a_later_version_is_unknown_and_still_says_what_it_was():
    intent = entry_line("intent", {"plan": {"action": "pods.restart", "watch": "the pods are new"}})
    [begun] = read([intent])
    lines = [
        intent,
        entry_line("outcome", {"intent": begun.id, "outcome": {"state": "deferred", "answer": "at 4"}}),
        entry_line("teleported", {"where": "laptop"}, seq=2),
    ]
    entries = read(lines)
    [action] = fold(entries).actions
    assert (action.outcome, action.answer) == ("unknown", "'deferred', which this version does not know: at 4")
    assert fold(entries).others == {"teleported": 1}
    told = next(iter(remote_operations(merge(entries), MARIA, START, NOW).values()))
    assert told.outcome == Outcome(state="unknown", answer=action.answer)
    assert sentence(entries[2]) == 'of a kind that this version does not know: {"where":"laptop"}'


def test_of_two_entries_with_one_id_the_one_that_hashes_to_it_counts_in_whatever_order_they_come():
    [good] = read([entry_line("note", {"text": "good"})])
    forged = line_of({**_fields(good), "data": {"text": "forged"}}, good.id)
    for order in ([good.line, forged], [forged, good.line]):
        assert [entry.data["text"] for entry in merge(read(order))] == ["good"]


def _fields(entry: Entry) -> dict:
    import msgspec

    return {name: value for name, value in msgspec.json.decode(entry.line).items() if name != "id"}


ODD: tuple[dict[str, Any], ...] = (
    {},
    {
        "plan": {"action": "alert.silence", "targets": [{"kind": "silence", "lasts_s": 1e300}, 4], "arguments": 5},
        "outcome": {"state": "exploded", "answer": ["x"]},
        "verdict": {"state": 7},
        "intent": "INTENT",
        "until": "never",
        "proposal": "INTENT",
        "needs": 3,
        "scenario": "1",
        "step": ["x"],
        "state": "begun",
        "role": "emperor",
        "person": {"a": 1},
        "level": ["SEV-1"],
        "title": {"[/b]": 1},
        "text": "\x1b[31m[bold]\x00",
        "figures": [1],
    },
    {
        "plan": {"action": "x" * 9000, "undo": {"action": "x", "arguments": 3}, "guards": [[1]]},
        "until": "0001-01-01",
        "lasts_s": 1e300,
        "outcome": {"state": None, "touched": {"a": 1}},
        "intent": ["x"],
        "scenario": 4,
        "step": 5,
        "figures": {"failure_rate": 1e300, "x" * 500: 1},
        "subject": "x",
        "state": "\u202e",
        "text": "x" * 100_000,
        "level": "SEV-9",
        "because": [[["x"]]],
        "since": "9999-12-31T23:59:59-14:00",
        "person": "x" * 900,
        "role": "scribe",
    },
)


async def test_every_screen_shows_an_incident_of_odd_entries_and_so_does_the_next_start(tmp_path) -> None:
    name, lines = "INC-20261123-1342", []
    for kind in (*EntryKind, "teleported"):
        for number, data in enumerate(ODD):
            intent = lines[-1][7:39].decode() if lines else ""
            named = {key: intent if value == "INTENT" else value for key, value in data.items()}
            at = datetime.now(UTC) + timedelta(minutes=(-5, -600, 90)[number])
            lines.append(entry_line(kind, named, at.isoformat(), seq=len(lines) + 1))
    lines = [one for one in lines if b'"kind":"closed"' not in one]
    for file in (f"{name}.jsonl", "outside-incidents.jsonl", "outside-incidents.jsonl.elsewhere"):
        (tmp_path / file).write_bytes(b"".join(line + b"\n" for line in lines))
    for _ in range(2):
        async with controller(desk_settings(tmp_path), size=(160, 50)) as (app, pilot):
            await until(lambda app=app: app.controller.session.incident_store.current == name)
            for keys in (
                ("J", "up", "up", "escape"),
                ("i", "up", "escape"),
                ("s",),
                ("ctrl+p", "escape"),
                ("u", "escape"),
            ):
                await pilot.press(*keys)
                await pilot.pause()
            await app.controller.session.note("still here")
            assert app.controller.session.incident is not None and app.is_running
    # The rest of the day a person reads it in a shell.
    for words in (["show", name], ["export", name], ["verify", name]):
        run_with(desk_settings(tmp_path), "journal", *words)
