"""The score of a rehearsal: what the journal tells, held against what the drill knows."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from incident_story import MARIA, PIET, START, IncidentStory

from nexconsole.cli import drill as drill_command
from nexconsole.drill.score import debriefing
from nexconsole.drill.score.score import Diagnosis, advice, score
from nexconsole.errors import JournalError
from nexconsole.incident.incident import fold
from nexconsole.journal import EntryKind, Scrubber, Writer, journal_file
from nexconsole.journal.writer import Journal

FAILING = "high-purchase-failure-rate"
OUTAGE = Diagnosis(
    fault="provider-outage at smsbower",
    began_at=START - timedelta(minutes=4),
    target="smsbower",
    scenarios=(FAILING,),
    helps=("provider.disable smsbower",),
    harms=("provider.disable", "pods.restart"),
)
STOPPED = Diagnosis(
    fault="reconciler-stopped",
    began_at=START + timedelta(minutes=3, seconds=30),
    scenarios=("stuck-reservations",),
    helps=("reconcile.run",),
)
END = START + timedelta(minutes=30)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def scored(story: IncidentStory, *faults: Diagnosis, opened_at: datetime = START):
    return score(fold(story.entries), faults or (OUTAGE,), opened_at, END)


def step(story: IncidentStory, answer: str, scenario: str = FAILING, **more: Any) -> None:
    data = {"scenario": scenario, "step": f"{scenario}/look", "state": "done", "answer": answer}
    story.tell(EntryKind.STEP, data | more, PIET)


def acted(story: IncidentStory, action: str, target: str, state: str = "done", verdict: str = "worked") -> None:
    intent = story.act(action, target)
    story.end(intent, state)
    if verdict:
        story.judge(intent, verdict)


def handled() -> IncidentStory:
    """Noticed in minute 1, named in minute 4, helped in minute 7, calm in minute 8."""
    story = IncidentStory()
    story.tell(EntryKind.NOTE, {"text": "here we go"})
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": ["31 % fail"]})
    story.tell(EntryKind.STEP, {"scenario": FAILING, "state": "begun"}, PIET)
    step(story, "31 % of purchases fail")
    step(story, "ONE PROVIDER: smsbower, 66 of 71", step=f"{FAILING}/scope")
    acted(story, "provider.disable", "smsbower")
    story.tell(EntryKind.SEVERITY, {"level": "none", "because": []})
    return story


def test_times_count_from_the_fault_or_from_the_consoles_opening_where_that_came_later():
    (course,) = scored(handled()).courses
    assert course.since == START
    marks = (course.detect, course.diagnose, course.mitigate, course.recover)
    assert [mark.after for mark in marks if mark] == [minutes(1), minutes(4), minutes(7), minutes(8)]
    assert (course.diagnose.by, course.mitigate.what) == ("piet", "provider.disable smsbower")
    (late,) = scored(handled(), replace(OUTAGE, began_at=START + minutes(3.5))).courses
    assert (late.since, late.diagnose.after) == (START + minutes(3.5), minutes(0.5))


def test_the_right_diagnosis_names_the_right_scenario_and_the_right_target():
    story = IncidentStory()
    step(story, "smsbower", scenario="stuck-reservations")
    step(story, "tiger-sms fails")
    step(story, "smsbower-2 is well", step=f"{FAILING}/other")
    acted(story, "provider.disable", "smsbower-2")
    assert scored(story).courses[0].diagnose is None
    intent = story.act("provider.disable", "smsbower")
    assert scored(story).courses[0].diagnose.what == "provider.disable smsbower"
    story.end(intent, "refused")
    assert scored(story).courses[0].mitigate is None


def test_each_action_is_held_against_the_truth_and_not_against_its_verdict_alone():
    story = IncidentStory()
    acted(story, "provider.disable", "5sim")  # "worked": it is out of use, and was well
    acted(story, "pods.restart", "nexnum-app", verdict="no effect")
    acted(story, "locks.flush", "purchase", verdict="no effect")
    acted(story, "alert.silence", "X", verdict="worse")
    acted(story, "provider.disable", "smsbower", verdict="no effect")
    acted(story, "provider.disable", "smsbower")
    acted(story, "reconcile.run", "", state="refused", verdict="")
    acted(story, "reconcile.run", "", state="failed", verdict="")
    story.act("reconcile.run", "")
    found = scored(story)
    assert [one.effect for one in found.actions] == [
        "did harm",
        "did harm",
        "did nothing",
        "did harm",
        "did nothing",
        "helped",
        "refused",
        "failed",
        "unknown",
    ]
    assert found.effects["did harm"] == 3
    assert "provider.disable 5sim did harm" in advice(found)


def test_an_action_against_a_fault_that_had_not_begun_is_no_help():
    story = IncidentStory()
    acted(story, "provider.disable", "smsbower")
    found = scored(story, replace(OUTAGE, began_at=START + minutes(10)), STOPPED)
    assert [one.effect for one in found.actions] == ["did nothing"]
    assert found.courses[0].fault == STOPPED


def test_two_faults_have_two_courses_and_one_that_never_began_has_none():
    story = handled()
    story.tell(EntryKind.STEP, {"scenario": "stuck-reservations", "state": "begun"})
    acted(story, "reconcile.run", "")
    first, second = scored(story, STOPPED, OUTAGE, replace(OUTAGE, began_at=END)).courses
    assert (first.fault, second.fault) == (OUTAGE, STOPPED)
    assert second.mitigate.what.startswith("reconcile.run")
    assert second.recover.after == minutes(4.5)


def broken_again() -> IncidentStory:
    """Handled, and two minutes after it was calm it fails again."""
    story = handled()
    story.tell(EntryKind.NOTE, {"text": "is it over?"})
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": ["31 % fail"]})
    return story


def test_a_calm_that_did_not_last_is_told_with_its_time():
    found = scored(broken_again())
    (course,) = found.courses
    assert course.recover is None
    assert [(one.after, one.lasted) for one in course.relapses] == [(minutes(8), minutes(2))]
    told = " ".join(debriefing.as_text(found, {"scenario": "s", "seed": 1}, columns=400).split())
    assert "calm after 8 min for 2 min, then broken again" in told
    assert "never" not in told
    document = json.loads(debriefing.as_json(found, {"scenario": "s", "seed": 1}))
    assert document["faults"][0]["relapses"] == [{"calm_after": 480.0, "seconds": 120.0}]
    assert document["faults"][0]["seconds_to"]["recover"] is None


def test_what_another_fault_broke_again_was_calm_for_good_as_far_as_the_first_is_concerned():
    later = replace(STOPPED, began_at=START + minutes(9))
    first, second = scored(broken_again(), OUTAGE, later).courses
    assert (first.recover.after, first.relapses) == (minutes(8), ())
    assert (second.recover, second.relapses) == (None, ())
    earlier = replace(STOPPED, began_at=START + minutes(7.9))
    first, _ = scored(broken_again(), OUTAGE, earlier).courses
    assert first.recover is None and len(first.relapses) == 1


def test_a_second_calm_that_lasts_is_the_one_that_counts():
    story = broken_again()
    story.tell(EntryKind.SEVERITY, {"level": "none", "because": []})
    (course,) = scored(story).courses
    assert course.recover.after == minutes(11)
    assert len(course.relapses) == 1
    assert "then broken again" not in debriefing.as_text(scored(story), {"scenario": "s", "seed": 1}, columns=400)


def test_while_one_fault_is_felt_only_what_is_about_the_other_shows_that_it_was_noticed():
    story = handled()
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": ["31 % fail"]})
    story.tell(EntryKind.STEP, {"scenario": "stuck-reservations", "state": "begun"})
    stopped = replace(STOPPED, began_at=START + minutes(2))
    assert scored(story, OUTAGE, stopped).courses[1].detect.after == minutes(8)
    assert scored(story, stopped).courses[0].detect.after == minutes(0)
    ended = replace(OUTAGE, ended_at=START + minutes(1.5))
    assert scored(story, ended, stopped).courses[1].detect.after == minutes(0)


def test_what_was_skipped_and_what_still_stands_are_told():
    story = handled()
    story.tell(EntryKind.STEP, {"scenario": FAILING, "step": "a/ticket", "state": "skipped", "reason": "no phone"})
    found = scored(story)
    assert [(one.step, one.reason) for one in found.skipped] == [("a/ticket", "no phone")]
    assert [one.what for one in found.standing] == ["smsbower is disabled"]
    assert "tidied up" not in advice(found)  # the provider is still out: leaving it disabled is right
    over = scored(story, replace(OUTAGE, ended_at=START + minutes(10)))
    assert "not tidied up: smsbower is disabled" in advice(over)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([], "Nobody named provider-outage at smsbower: the runbook's high-purchase-failure-rate leads there"),
        (
            [("locks.flush", "purchase", "no effect"), ("provider.disable", "smsbower", "worked")],
            "before the diagnosis",
        ),
        ([("provider.disable", "smsbower", "no effect")], "was named, but nothing that worked was done"),
    ],
)
def test_the_advice_is_drawn_from_what_happened(told, words):
    story = IncidentStory()
    for action, target, verdict in told:
        acted(story, action, target, verdict=verdict)
    assert words in advice(scored(story))


def test_without_a_mistake_the_advice_says_where_the_time_went():
    story = handled()
    acted(story, "provider.enable", "smsbower")
    assert "3 min, went between" in advice(scored(story))


def test_on_a_calm_day_nothing_was_wrong():
    assert advice(score(fold([]), (), START, END)) == "Nothing was wrong."
    story = IncidentStory()
    acted(story, "pods.restart", "nexnum-app", verdict="no effect")
    assert "one too many" in advice(score(fold(story.entries), (), START, END))


# --- from the drill's record and its folder to the terminal ---


def record(**more: Any) -> dict[str, Any]:
    fault = {
        "name": "provider-outage",
        "provider": "smsbower",
        "seed": 3,
        "state": "on",
        "target": "smsbower",
        "began_at": OUTAGE.began_at.isoformat(),
        "ends_at": None,
        "scenarios": [FAILING],
        "helps": list(OUTAGE.helps),
        "harms": list(OUTAGE.harms),
    }
    return {"scenario": "provider-outage", "seed": 3, "since": START.isoformat(), "faults": [fault | more]}


def test_a_tired_team_reads_a_few_lines():
    found = debriefing.debrief(record(), tuple(handled().entries), START, END)
    text = debriefing.as_text(found, record(), 250)
    assert text.splitlines() == [
        "drill provider-outage, seed 3: 30 min",
        "  times    provider-outage at smsbower (begun 4 min before the console opened): noticed after"
        " 60 s (SEV-1), named after 4 min (scope, piet), helped after 7 min"
        " (provider.disable smsbower, maria), calm after 8 min",
        "  actions  1 helped: provider.disable smsbower",
        "  left     smsbower is disabled; steps skipped: none",
        "  advice   Most of the time, 3 min, went between noticing and naming the cause: open the scenario that"
        " fits at once, its looks answer by themselves.",
    ]
    narrow = debriefing.as_text(found, record(), 60).splitlines()
    assert max(map(len, narrow)) <= 60
    assert not any(re.search(r"\d$", line) for line in narrow[1:])  # no time is torn apart


def test_a_fault_that_ended_by_itself_is_nobodys_merit():
    ended = record(ends_at=(START + minutes(2)).isoformat())
    text = debriefing.as_text(debriefing.debrief(ended, (), START, END), ended, 200)
    assert "never noticed, named, helped or calm, it ended without you after 2 min" in text


def test_a_script_gets_the_same_in_seconds():
    found = debriefing.debrief(record(), tuple(handled().entries), START, END)
    document = json.loads(debriefing.as_json(found, record()))
    seconds = {"detect": 60.0, "diagnose": 240.0, "mitigate": 420.0, "recover": 480.0}
    assert document["faults"][0]["seconds_to"] == seconds
    assert document["effects"]["helped"] == 1
    assert document["actions"][0]["by"] == "maria"


def test_without_a_console_of_its_own_a_world_counts_from_the_first_consoles_start():
    writer = Writer("maria", "bastion", 10, START + minutes(1))
    story = IncidentStory()
    story.tell(EntryKind.NOTE, {"text": "late"}, writer)
    assert debriefing.debrief(record(), tuple(story.entries), None, END).opened_at == START + minutes(1)
    story.tell(EntryKind.NOTE, {"text": "earlier than the world"}, replace_start(MARIA, START - minutes(9)))
    assert debriefing.debrief(record(), tuple(story.entries), None, END).opened_at == START


def replace_start(writer: Writer, start: datetime) -> Writer:
    return Writer(writer.operator, writer.host, writer.pid, start)


def test_the_entries_of_incidents_and_from_elsewhere_count_with_those_outside(tmp_path: Path):
    assert debriefing.entries_in(tmp_path / "none") == ()
    for name in ("outside-incidents", "INC-20261123-1342"):
        Journal(journal_file(tmp_path, name), MARIA, Scrubber(()), 1.0).append(EntryKind.NOTE, {"text": name})
    other = tmp_path / "other"
    Journal(journal_file(other, "INC-1"), PIET, Scrubber(()), 1.0).append(EntryKind.NOTE, {"text": "elsewhere"})
    (other / "INC-1.jsonl").rename(tmp_path / "INC-20261123-1342.jsonl.elsewhere")
    (tmp_path / "INC-20261123-1342.readings").write_bytes(b"\0")
    texts = [entry.data["text"] for entry in debriefing.entries_in(tmp_path)]
    assert sorted(texts) == ["INC-20261123-1342", "elsewhere", "outside-incidents"]
    kept = tmp_path / "kept"
    debriefing.check_kept(kept)
    assert debriefing.keep(tmp_path, kept) >= 4
    assert debriefing.entries_in(kept) == debriefing.entries_in(tmp_path)
    with pytest.raises(JournalError, match=re.escape(f"{kept}: is not empty")):
        debriefing.check_kept(kept)


def test_a_world_that_is_stopped_prints_the_score_and_keeps_what_it_is_asked_to_keep(tmp_path: Path):
    kept, json_file, environment = tmp_path / "kept", tmp_path / "score.json", tmp_path / "env"
    argv = [sys.executable, "-m", "nexconsole", "drill", "provider-outage", "--world", "--seed", "3"]
    argv += ["--keep-journal", str(kept), "--json-score", str(json_file), "--env-file", str(environment)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            lines = iter(process.stdout.readline, "")
            config = next(line for line in lines if line.startswith("NEXCONSOLE_CONFIG=")).partition("=")[2].strip()
            words = iter(process.stderr.readline, "")
            assert next(line for line in words if "is ready" in line).endswith("in another terminal:\n")
            assert next(words) == f"  set -a; . {environment}; set +a; nexconsole\n"
            journal = Path(config).parent / "journal" / "INC-20261123-1342.jsonl"
            writing = Journal(journal, Writer.here("maria"), Scrubber(()), 1.0)
            for step in ({"state": "begun"}, {"step": "look", "state": "done", "answer": "smsbower"}):
                writing.append(EntryKind.STEP, {"scenario": FAILING, **step})
        finally:
            process.send_signal(signal.SIGTERM)
        printed, said = process.communicate(timeout=30)
    assert "drill provider-outage, seed 3:" in printed
    assert re.search(r"named after \d+ s \(look, maria\), never helped or calm", " ".join(printed.split()))
    assert "no score" not in said
    assert json.loads(json_file.read_text())["faults"][0]["fault"] == "provider-outage at smsbower"
    assert (kept / journal.name).exists()
    again = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert (again.returncode, "is not empty" in again.stderr) == (1, True)


def test_a_world_that_is_ready_says_how_to_use_its_file(monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    use = f"in another terminal:\n  set -a; . '{tmp_path}/my world.env'; set +a; nexconsole"
    assert drill_command._how_to_use("my world.env", 8.4) == f"the world is ready after 8 s, until Ctrl+C; {use}"
    assert "--env-file FILE" in drill_command._how_to_use(None, 8.4)
