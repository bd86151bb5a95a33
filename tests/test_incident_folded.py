"""Each part of the folded incident: what begins and ends it, its level, its walks and the lines of its timeline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from incident_story import MARIA, PIET, START, IncidentStory

from nexconsole.incident.incident import CALM, Incident, ScenarioRun, SeverityChange, StepRecord, fold
from nexconsole.journal import Entry, EntryKind, Writer
from nexconsole.journal.entries import make


def opened(**data: object) -> IncidentStory:
    story = IncidentStory()
    story.tell(EntryKind.OPENED, data)
    return story


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def entry(minutes: float, kind: str = EntryKind.NOTE, writer: Writer = MARIA, seq: int = 1, **data: object) -> Entry:
    return make(at=at(minutes), writer=writer, seq=seq, prev="", after="", kind=kind, data=data)


# --- begin, end and title ---


def test_nothing_told_is_an_incident_of_nothing():
    empty = fold([])
    assert (empty.title, empty.opened_by, empty.since, empty.begin, empty.end, empty.closed) == (
        "",
        "",
        None,
        None,
        None,
        None,
    )
    assert (empty.lasted, empty.commander, empty.level, empty.before) == (timedelta(0), "", "", 0)


def test_it_lasts_from_its_first_entry_to_its_last():
    story = opened(title="smsbower fails")
    story.minute = 12
    story.tell(EntryKind.NOTE, {"text": "calm"})
    incident = fold(story.entries)
    assert (incident.begin, incident.end, incident.lasted) == (START, at(12), timedelta(minutes=12))
    assert Incident(begin=START, others={}).lasted == Incident(end=START, others={}).lasted == timedelta(0)


def test_times_are_in_utc_whatever_zone_they_were_written_in():
    kolkata = timezone(timedelta(hours=5, minutes=30))
    incident = fold(
        [make(at=START.astimezone(kolkata), writer=MARIA, seq=1, prev="", after="", kind=EntryKind.NOTE, data={})]
    )
    assert incident.begin is not None and incident.begin.utcoffset() == timedelta(0)
    assert incident.begin == START


@pytest.mark.parametrize(
    ("title", "shown"), [("x" * 200, "x" * 200), ("x" * 201, "x" * 199 + "…"), (None, ""), ("", ""), (7, "7")]
)
def test_a_title_is_a_text_of_at_most_200_characters(title, shown):
    incident = fold(opened(title=title).entries)
    assert (incident.title, incident.opened_by) == (shown, "maria")


def test_the_first_opening_counts_and_an_incident_that_nobody_opened_has_no_title():
    story = opened(title="first")
    story.tell(EntryKind.OPENED, {"title": "second"}, PIET)
    assert (fold(story.entries).title, fold(story.entries).opened_by) == ("first", "maria")
    noted = fold([entry(0, text="so", title="no title")])
    assert (noted.title, noted.opened_by, noted.since) == ("", "", START)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (at(-7), at(-7)),
        (at(-24 * 60), at(-24 * 60)),
        (at(-24 * 60) - timedelta(seconds=1), START),
        (at(0), START),
        (at(0.1), START),
        ("nonsense", START),
        ("", START),
        (None, START),
        ("0001-01-01T00:00:00+05:00", START),
        ("2026-11-23T19:00:00+05:30", at(-12)),
    ],
)
def test_it_began_when_its_severity_was_first_judged_within_a_day_before_its_first_entry(since, expected):
    given = since.isoformat() if isinstance(since, datetime) else since
    found = fold(opened(title="t", since=given).entries).since
    assert found == expected and found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("kinds", "closed"),
    [
        ((), None),
        (((EntryKind.CLOSED, "over"),), "over"),
        (((EntryKind.CLOSED, "over"), (EntryKind.OPENED, "")), None),
        (((EntryKind.CLOSED, "over"), (EntryKind.OPENED, ""), (EntryKind.CLOSED, "over now")), "over now"),
        (((EntryKind.CLOSED, "over"), (EntryKind.NOTE, "late")), "over"),
        (((EntryKind.CLOSED, ""),), ""),
        (((EntryKind.CLOSED, "x" * 501),), "x" * 499 + "…"),
        (((EntryKind.CLOSED, "x" * 500),), "x" * 500),
    ],
)
def test_it_is_closed_by_its_last_closing_unless_it_was_opened_again(kinds, closed):
    story = opened(title="t")
    for kind, reason in kinds:
        story.tell(kind, {"reason": reason})
    assert fold(story.entries).closed == closed


# --- people ---


def test_a_person_is_one_from_whichever_console_with_the_times_of_the_first_and_the_last_entry():
    other = Writer("maria", "a-laptop", 30, START)
    entries = [entry(0), entry(3, writer=PIET), entry(5, writer=other), entry(9, seq=2)]
    maria, piet = fold(entries).people
    assert (maria.name, maria.hosts, maria.first, maria.last, maria.entries) == (
        "maria",
        ("a-laptop", "bastion"),
        at(0),
        at(9),
        3,
    )
    assert (piet.name, piet.hosts, piet.first, piet.last, piet.entries) == ("piet", ("laptop",), at(3), at(3), 1)


def test_the_commander_is_who_has_that_role():
    story = opened(title="t")
    story.tell(EntryKind.ROLE, {"role": "commander", "person": "piet"})
    assert fold(story.entries).commander == "piet"


# --- levels ---


def test_what_a_person_declared_counts_before_what_the_rules_judge():
    story = IncidentStory()
    story.tell(EntryKind.SEVERITY, {"level": "SEV-2", "because": ["a"]})
    assert fold(story.entries).level == "SEV-2"
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": ["b"]})
    assert fold(story.entries).level == "SEV-1"
    story.tell(EntryKind.DECLARED, {"level": "SEV-3", "reason": "one customer"})
    story.tell(EntryKind.SEVERITY, {"level": "none", "because": []})
    assert fold(story.entries).level == "SEV-3"


def test_an_opening_with_a_level_declares_it():
    declared = fold(opened(title="t", level="SEV-2").entries).declared
    assert [(one.level, one.at, one.by, one.because) for one in declared] == [("SEV-2", START, "maria", ())]
    assert fold(opened(title="t", level="").entries).declared == ()


def test_each_change_of_the_judged_level_is_told_once_with_its_reasons():
    story = IncidentStory()
    for level, because in (("SEV-2", ["a", "", None, "b"]), ("SEV-2", ["c"]), ("SEV-1", "alone"), ("SEV-2", None)):
        story.tell(EntryKind.SEVERITY, {"level": level, "because": because})
    story.tell(EntryKind.SEVERITY, {"because": ["without a level"]})
    levels = fold(story.entries).levels
    assert [(one.level, one.because, one.at) for one in levels] == [
        ("SEV-2", ("a", "b"), at(0)),
        ("SEV-1", ("alone",), at(2)),
        ("SEV-2", (), at(3)),
    ]


def test_a_level_that_is_declared_again_for_another_reason_is_told_again():
    story = IncidentStory()
    for reason in ("a", "a", "", "b", "a"):
        story.tell(EntryKind.DECLARED, {"level": "SEV-1", "reason": reason})
    assert [one.because for one in fold(story.entries).declared] == [("a",), ("b",), ("a",)]


def test_of_two_words_for_a_reason_the_list_is_read():
    story = IncidentStory()
    story.tell(EntryKind.DECLARED, {"level": "SEV-1", "because": ["listed"], "reason": "said"})
    assert fold(story.entries).declared[0].because == ("listed",)


@pytest.mark.parametrize(("level", "shown"), [("x" * 20, "x" * 20), ("x" * 21, "x" * 19 + "…")])
def test_a_level_is_a_word_of_at_most_20_characters(level, shown):
    story = IncidentStory()
    story.tell(EntryKind.SEVERITY, {"level": level, "because": []})
    assert fold(story.entries).levels[0].level == shown


@pytest.mark.parametrize(
    ("level", "rank"), [("SEV-1", 0), ("SEV-2", 1), ("SEV-3", 2), (CALM, 3), ("none", 3), ("SEV-9", 3), ("", 3)]
)
def test_an_unknown_level_is_no_worse_than_calm(level, rank):
    assert SeverityChange(level=level, at=START, by="maria").rank == rank


# --- walks ---


def begin(story: IncidentStory, scenario: str = "Provider", writer: Writer = MARIA, **data: object) -> None:
    story.tell(EntryKind.STEP, {"scenario": scenario, "state": "begun", **data}, writer)


def step(
    story: IncidentStory, step: str, state: str, scenario: str = "Provider", writer: Writer = MARIA, **data: object
) -> None:
    story.tell(EntryKind.STEP, {"scenario": scenario, "step": step, "state": state, **data}, writer)


def test_a_walk_has_its_people_its_steps_in_time_and_the_runbooks_words():
    story = IncidentStory()
    begin(story, title="One provider fails", writer=PIET)
    step(story, "look", "done", answer="smsbower", title="Which one?")
    step(story, "call", "skipped", writer=PIET, reason="no phone")
    step(story, "look", "failed", answer="nobody", title="Which one?")
    (walk,) = fold(story.entries).scenarios
    assert (walk.scenario, walk.title, walk.name) == ("Provider", "One provider fails", "One provider fails")
    assert (walk.begun_at, walk.begun_by, walk.people) == (START, "piet", ("piet", "maria"))
    call, look = walk.steps
    assert (call.step, call.name, call.state, call.by, call.at, call.reason, call.answer) == (
        "call",
        "call",
        "skipped",
        "piet",
        at(2),
        "no phone",
        "",
    )
    assert (look.step, look.name, look.title, look.state, look.at, look.answer) == (
        "look",
        "Which one?",
        "Which one?",
        "failed",
        at(3),
        "nobody",
    )


def test_without_the_runbooks_words_a_walk_and_a_step_go_by_their_ids():
    assert ScenarioRun(scenario="p", begun_at=START, begun_by="maria", people=()).name == "p"
    assert StepRecord(step="look", state="done", by="maria", at=START).name == "look"


def test_steps_of_one_moment_are_in_the_order_of_their_names():
    entries = [
        entry(0, EntryKind.STEP, scenario="p", state="begun"),
        entry(1, EntryKind.STEP, PIET, scenario="p", step="b", state="done"),
        entry(1, EntryKind.STEP, scenario="p", step="a", state="done", seq=2),
    ]
    (walk,) = fold(entries).scenarios
    assert [one.step for one in walk.steps] == ["a", "b"]


@pytest.mark.parametrize("limit", [200, 500])
def test_texts_of_a_walk_have_an_end(limit):
    story, fits, long = IncidentStory(), "x" * limit, "x" * (limit + 1)
    for text in (fits, long):
        if limit == 200:
            begin(story, text, title=text)
            step(story, text, "done", scenario=text, title=text)
        else:
            begin(story)
            step(story, "look", "done", answer=text, reason=text)
    walks = fold(story.entries).scenarios
    texts = [
        (walk.scenario, walk.title, one.step, one.title) if limit == 200 else (one.answer, one.reason)
        for walk in walks
        for one in walk.steps
    ]
    assert texts == [(fits,) * len(texts[0]), ("x" * (limit - 1) + "…",) * len(texts[0])]


def test_two_scenarios_that_are_walked_at_once_are_two_and_one_begun_anew_ends_only_its_own():
    story = IncidentStory()
    begin(story, "a")
    begin(story, "b")
    step(story, "1", "done", "a")
    begin(story, "a")
    step(story, "2", "done", "b")
    step(story, "3", "done", "a")
    walks = fold(story.entries).scenarios
    assert [(walk.scenario, [one.step for one in walk.steps]) for walk in walks] == [
        ("a", ["1"]),
        ("b", ["2"]),
        ("a", ["3"]),
    ]


def test_what_was_sent_in_one_walk_may_be_answered_when_the_next_has_begun():
    story = IncidentStory()
    begin(story)
    sent = story.tell(EntryKind.INTENT, {"plan": {"action": "pods.restart"}, "scenario": "Provider", "step": "restart"})
    begin(story)
    story.tell(EntryKind.OUTCOME, {"intent": sent, "outcome": {"state": "done", "answer": "restarted"}})
    first, second = fold(story.entries).scenarios
    assert [(one.step, one.state, one.answer) for one in first.steps] == [("restart", "done", "done: restarted")]
    assert second.steps == ()


@pytest.mark.parametrize(
    "data", [{"state": "begun", "scenario": 7}, {"state": "done", "scenario": "p"}, {"scenario": "p"}]
)
def test_what_begins_no_scenario_is_no_walk(data):
    story = IncidentStory()
    story.tell(EntryKind.STEP, data)
    assert fold(story.entries).scenarios == ()


# --- the timeline ---


def timeline(story: IncidentStory) -> list[str]:
    return [line.text for line in fold(story.entries).timeline]


def test_a_line_says_when_who_and_what():
    story = IncidentStory()
    story.tell(EntryKind.NOTE, {"text": "they answer the phone"}, PIET)
    (line,) = fold(story.entries).timeline
    assert (line.at, line.by, line.kind, line.text) == (START, "piet", EntryKind.NOTE, "they answer the phone")
    assert fold(story.entries).notes == (line,)


def test_what_became_of_an_action_is_told_by_its_name():
    story = IncidentStory()
    gone = story.act("provider.disable", "smsbower")
    story.end(gone)
    story.judge(gone, "worked")
    story.tell(EntryKind.UNDO, {"intent": gone, "by": "other"})
    story.end("nobody's")
    assert timeline(story)[1:] == [
        "provider.disable smsbower: done: so",
        "provider.disable smsbower: worked: 31 % -> 4 %",
        "provider.disable smsbower was taken back",
        "an action whose intent is not on record: done: so",
    ]


@pytest.mark.parametrize("kind", [EntryKind.OBJECTED, EntryKind.APPROVED, EntryKind.STOPPED])
def test_what_became_of_a_proposal_is_told_by_its_name(kind):
    story = IncidentStory()
    plan = {"action": "pods.restart", "arguments": {"deployment": "nexnum-app"}}
    proposal = story.tell(EntryKind.PROPOSED, {"plan": plan, "until": "2027-01-01", "needs": "objection"})
    story.tell(kind, {"proposal": proposal, "reason": "wait"}, PIET)
    story.tell(kind, {"proposal": "nobody's", "reason": "wait"}, PIET)
    known, unknown = timeline(story)[1:]
    assert known.startswith("pods.restart nexnum-app: ")
    assert unknown.startswith("an action whose proposal is not on record: ")


def test_figures_and_what_a_later_version_writes_are_no_lines_and_the_latter_are_counted():
    story = IncidentStory()
    story.tell(EntryKind.FIGURES, {"figures": {"rate": 0.2}})
    for kind in ("presence", "presence", "x" * 41):
        story.tell(kind, {})
    story.tell(EntryKind.NOTE, {"text": "so"})
    incident = fold(story.entries)
    assert [line.text for line in incident.timeline] == ["so"]
    assert incident.others == {"presence": 2, "x" * 39 + "…": 1}


def test_what_two_consoles_saw_is_one_line():
    story = IncidentStory()
    for writer in (MARIA, PIET):
        story.tell(
            EntryKind.SEEN, {"subject": "circuit smsbower", "state": "open", "text": "its circuit opened"}, writer
        )
        story.tell(EntryKind.SEVERITY, {"level": "SEV-2", "because": ["a"]}, writer)
    assert [line.by for line in fold(story.entries).timeline] == ["maria", "maria"]


# --- what stands ---


def test_a_step_under_way_stands_with_who_began_it_and_when_beside_what_else_stands():
    story = IncidentStory()
    story.end(story.act("provider.disable", "smsbower"))
    begin(story, title="Restart")
    plan = {"plan": {"action": "pods.restart"}, "scenario": "Provider", "step": "restart", "title": "All pods"}
    story.tell(EntryKind.INTENT, plan, PIET)
    step(story, "look", "done")
    found = [one for one in fold(story.entries).standing if one.kind == "step"]
    assert [(one.what, one.since, one.by) for one in found] == [
        ("Restart, All pods: begun and not ended", at(3), "piet")
    ]
    sinces = [one.since for one in fold(story.entries).standing]
    assert sinces == sorted(sinces)


# --- what was done before it was opened ---


def test_what_was_done_before_it_was_opened_is_told_and_does_not_make_it_longer():
    before = IncidentStory()
    before.minute = -20
    before.end(before.act("provider.disable", "smsbower", PIET), writer=PIET)
    story = opened(title="t")
    story.minute = 5
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": []})
    incident = fold(story.entries, before.entries)
    assert (incident.before, incident.begin, incident.end) == (2, START, at(5))
    assert [one.name for one in incident.actions] == ["provider.disable smsbower"]
    assert [one.name for one in incident.people] == ["piet", "maria"]
    assert [line.at for line in incident.timeline][:2] == [at(-20), at(-19)]
    assert fold(story.entries).before == 0
    assert fold([], before.entries).begin is None


def test_an_entry_by_a_clock_that_is_behind_does_not_end_it_before_it_began():
    incident = fold([entry(0), entry(-3, writer=PIET)])
    assert incident.begin is not None and incident.end is not None and incident.begin <= incident.end
    assert START.tzinfo is UTC
