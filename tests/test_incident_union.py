"""However entries come to a console, how often and in which files they lie: one incident, and the same report."""

from __future__ import annotations

import random
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from incident_story import MARIA, PIET, START, IncidentStory, whole

from nexconsole.incident.incident import fold
from nexconsole.journal import Entry, EntryKind, Writer, import_entries, merge, read_incident
from nexconsole.journal.entries import make
from nexconsole.report.render import as_html, as_json, as_markdown

ANA = Writer("ana", "far", 30, START)
WRITERS = (MARIA, PIET, ANA)
INCIDENT = "INC-20261123-1342"


def shared() -> list[Entry]:
    """An incident of three consoles with something of every kind, several things at each moment."""
    story = whole()
    story.tell(EntryKind.DECLARED, {"level": "SEV-1", "reason": "the bank called"}, ANA)
    story.tell(EntryKind.ROLE, {"role": "commander", "person": "maria"})
    story.tell(EntryKind.ROLE, {"role": "commander", "person": "piet"}, PIET)
    story.tell(EntryKind.ROLE, {"role": "observer", "person": "ana"}, ANA)
    for writer in WRITERS:  # each console saw it
        story.tell(EntryKind.SEEN, {"subject": "circuit smsbower", "state": "open", "text": "smsbower opened"}, writer)
        story.tell(EntryKind.FIGURES, {"figures": {"failure rate": 0.31, "stuck": None}}, writer)
        story.tell(EntryKind.OPENED, {"title": f"as {writer.operator} calls it", "level": "SEV-2", "since": ""}, writer)
    for end in ("objected", "approved", "stopped", "sent"):
        plan = {"action": "pods.restart", "arguments": {"target": end}, "effect": "Restarts 3 pods"}
        until = (START + timedelta(hours=1)).isoformat()
        proposal = story.tell(
            EntryKind.PROPOSED, {"operator": "maria", "plan": plan, "until": until, "needs": "objection"}
        )
        if end == "sent":
            intent = story.tell(EntryKind.INTENT, {"operator": "maria", "plan": plan, "proposal": proposal})
            story.end(intent)
            story.end(intent, "failed", PIET)
            story.judge(intent, "no effect")
            story.tell(EntryKind.UNDO, {"intent": intent, "by": intent}, PIET)
        else:
            story.tell(end, {"proposal": proposal, "reason": "not now"}, ANA)
            story.tell(EntryKind.STOPPED, {"proposal": proposal, "reason": "somebody objected"})
    for state in ("named", "withdrawn"):
        told = {"cause": "session-blocks 4312", "state": state, "title": "session 4312 blocks others", "since": ""}
        story.tell(EntryKind.CAUSE, told | {"text": "since 13:55", "evidence": ["it blocks 15"], "explains": []}, PIET)
    story.tell(EntryKind.BROKE_GLASS, {"plan": plan, "reason": "nobody else is awake"}, ANA)
    story.tell(EntryKind.NOTIFIED, {"message": "m1", "about": "", "to": "ntfy", "state": "sent", "reason": ""}, PIET)
    story.tell(EntryKind.ACKNOWLEDGED, {"page": "p1", "to": "pagerduty", "state": "acknowledged", "reason": ""}, ANA)
    story.tell(EntryKind.HEAD, {"heads": {"maria.jsonl": {"seq": 3, "digest": "ab" * 32}}}, PIET)
    story.tell(EntryKind.CLOSED, {"reason": "calm"}, PIET)
    story.tell(EntryKind.OPENED, {"title": "again"}, ANA)
    story.tell(EntryKind.CLOSED, {"reason": "calm again"})
    assert {*EntryKind} == {one.kind for one in story.entries if one.kind in {*EntryKind}}
    # Times as three clocks have them: a few things at every moment, so that only the order of merging decides.
    return rechained(story.entries, lambda place: START + timedelta(minutes=place // 3))


def rechained(entries: list[Entry], at: Any) -> list[Entry]:
    """The same entries at other times; what names another by its id names it still."""
    ids: dict[str, str] = {}
    made: list[Entry] = []
    for place, one in enumerate(entries):
        data = {key: ids.get(value, value) if isinstance(value, str) else value for key, value in one.data.items()}
        made.append(make(at=at(place), writer=one.writer, seq=one.seq, prev="", after="", kind=one.kind, data=data))
        ids[one.id] = made[-1].id
    return made


ENTRIES = shared()
PLACES = range(len(ENTRIES))


def report(entries: Any) -> list[str]:
    incident = fold(entries)
    return [write(incident, INCIDENT) for write in (as_markdown, as_json, as_html)]


EXPECTED = report(ENTRIES)


@settings(max_examples=50, deadline=None)
@given(order=st.permutations(PLACES), late=st.sets(st.sampled_from(PLACES)), again=st.lists(st.sampled_from(PLACES)))
def test_any_order_with_duplicates_and_gaps_filled_later_is_one_incident_and_one_report(order, late, again):
    early = [ENTRIES[place] for place in order if place not in late]
    early += [ENTRIES[place] for place in again if place not in late]
    with_gaps = merge(early)
    report(with_gaps)  # another incident perhaps, and no error
    filled = merge([ENTRIES[place] for place in late], with_gaps, [ENTRIES[place] for place in again])
    assert fold(filled) == fold(ENTRIES)
    assert report(filled) == EXPECTED


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(PLACES), here=st.sets(st.sampled_from(WRITERS)), seed=st.integers(0, 2**32))
def test_whichever_folder_it_is_told_from_the_report_has_the_same_bytes(order, here, seed):
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{INCIDENT}.jsonl")
        own = [one for one in ENTRIES if one.writer in here]
        if own:
            file.write_bytes(b"".join(one.line + b"\n" for one in own))
        coming = [ENTRIES[place].line for place in order]
        while coming:
            some = coming[: chance.randint(1, 12)]
            import_entries(file, some + some[: chance.randint(0, 3)])
            coming = coming[len(some) :]
        found = read_incident(file)
        assert not found.problems and len(found.entries) == len(ENTRIES)
        assert report(found.entries) == EXPECTED


KINDS = st.sampled_from([*EntryKind, "presence"])
TEXTS = st.sampled_from(["maria", "piet", "SEV-1", "none", "commander", "observer", "begun", "done", "x", "", "0" * 32])
VALUES = (
    TEXTS | st.none() | st.integers(-2, 2) | st.lists(TEXTS, max_size=2) | st.dictionaries(TEXTS, TEXTS, max_size=2)
)
KEYS = st.sampled_from(
    [
        "title",
        "level",
        "since",
        "because",
        "reason",
        "role",
        "person",
        "subject",
        "state",
        "text",
        "figures",
        "scenario",
        "step",
        "plan",
        "until",
        "needs",
        "proposal",
        "intent",
        "outcome",
        "verdict",
        "by",
        "operator",
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    told=st.lists(
        st.tuples(KINDS, st.dictionaries(KEYS, VALUES, max_size=5), st.sampled_from(WRITERS), st.integers(0, 4)),
        max_size=15,
    ),
    seed=st.integers(0, 2**32),
)
def test_what_nobody_would_write_is_one_incident_too_in_whatever_order_it_comes(told, seed):
    entries: list[Entry] = []
    ids = ["none"]
    for place, (kind, data, writer, second) in enumerate(told):
        named = {key: ids[place % len(ids)] if value == "0" * 32 else value for key, value in data.items()}
        at = START + timedelta(seconds=second)
        entries.append(make(at=at, writer=writer, seq=place + 1, prev="", after="", kind=kind, data=named))
        ids.append(entries[-1].id)
    shuffled = entries + entries[: len(entries) // 2]
    random.Random(seed).shuffle(shuffled)
    assert report(shuffled) == report(entries)


def test_a_story_told_by_one_is_not_the_same_as_told_by_all():
    assert report([one for one in ENTRIES if one.writer == MARIA]) != EXPECTED
    story = IncidentStory()
    story.tell(EntryKind.NOTE, {"text": "only this"})
    assert report(story.entries) != EXPECTED
