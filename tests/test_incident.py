"""The incident as a fold over the journal."""

from __future__ import annotations

import random
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from incident_story import PIET, START, IncidentStory, whole

from nexconsole.incident.incident import fold
from nexconsole.journal import EntryKind, merge
from nexconsole.report.content import questions


def standing(story: IncidentStory) -> list[str]:
    """What stands, of what is known: these stories tell no verdicts."""
    return [one.what for one in fold(story.entries).standing if "no verdict" not in one.what]


def test_the_fold_tells_who_what_when_and_what_is_left():
    incident = fold(whole().entries)
    assert (incident.title, incident.begin, incident.closed) == ("smsbower fails", START, None)
    assert incident.end == START + timedelta(minutes=12)
    assert [(one.name, one.hosts, one.entries) for one in incident.people] == [
        ("maria", ("bastion",), 7),
        ("piet", ("laptop",), 6),
    ]
    assert [(one.level, one.by) for one in incident.levels] == [
        ("SEV-2", "piet"),
        ("SEV-1", "maria"),
        ("none", "maria"),
    ]
    (walk,) = incident.scenarios
    assert walk.people == ("piet", "maria")
    assert [(one.step, one.state, one.by) for one in walk.steps] == [
        ("look", "done", "piet"),
        ("call", "skipped", "maria"),
    ]
    disabled, restart = incident.actions
    assert (disabled.outcome, disabled.verdict, disabled.because) == ("done", "worked", "31 % -> 4 %")
    assert (restart.outcome, restart.ended_at, restart.unknown) == ("unknown", None, True)
    assert [note.text for note in incident.notes] == ["they answer the phone"]
    assert incident.others == {"presence": 1}
    assert [one.what for one in incident.standing] == [
        "smsbower is disabled",
        "pods.restart nexnum-app: its outcome is unknown. Check whether the pods are new",
    ]


def test_no_entries_are_no_incident():
    assert fold([]).begin is None


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), copies=st.integers(1, 3), missing=st.sets(st.integers(0, 12)))
def test_entries_in_any_order_with_duplicates_and_gaps_filled_later_give_the_same_incident(seed, copies, missing):
    entries = whole().entries
    delivered = [one for place, one in enumerate(entries) if place not in missing] * copies
    random.Random(seed).shuffle(delivered)
    early = merge(delivered)
    fold(early)  # with gaps it is another incident, never an error
    late = [one for place, one in enumerate(entries) if place in missing]
    random.Random(seed + 1).shuffle(late)
    assert fold(merge(late, early)) == fold(entries)
    assert fold([*delivered, *late]) == fold(entries)


json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["begun", "done", "SEV-1", "look", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["state", "plan", "intent", "outcome", "verdict", "touched", "targets", "arguments", "level"]
            )
            | st.sampled_from(["scenario", "step", "because", "guards", "undo", "taken", "text", "kind", "id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*EntryKind, "presence"]),
            st.dictionaries(
                st.sampled_from(
                    ["scenario", "step", "state", "plan", "intent", "outcome", "verdict", "level", "because", "text"]
                ),
                json,
                max_size=5,
            ),
        ),
        max_size=8,
    )
)
def test_data_that_nobody_would_write_are_no_error(told):
    story = IncidentStory()
    for kind, data in told:
        story.tell(kind, data)
    fold(story.entries)


def test_an_enabled_provider_no_longer_stands_however_it_was_written():
    story = IncidentStory()
    named = {"targets": [{"kind": "provider", "id": "7", "name": "smsbower", "chosen": True}]}
    story.end(story.act("provider.disable", "SMS Bower", **named))
    assert standing(story) == ["smsbower is disabled"]
    refused = story.act("provider.enable", "smsbower", **named)
    story.end(refused, "refused")
    assert standing(story) == ["smsbower is disabled"]
    story.end(story.act("provider.enable", "smsbower", **named))
    assert standing(story) == []
    story.end(story.act("provider.disable", "smsbower", **named))
    assert standing(story) == ["smsbower is disabled"]


def test_what_was_taken_back_no_longer_stands():
    story = IncidentStory()
    disabled = story.act("provider.disable", "smsbower")
    story.end(disabled)
    story.tell(EntryKind.UNDO, {"intent": disabled, "by": "other"}, PIET)
    assert standing(story) == []
    assert fold(story.entries).actions[0].undone_by == "piet"


def test_a_deployment_stands_scaled_until_it_is_what_it_was():
    def scale(story: IncidentStory, before: int, after: int) -> str:
        target = {"kind": "deployment", "id": "nexnum-app", "replicas": before, "to": after, "chosen": True}
        intent = story.act("deployment.scale", str(after), targets=[target])
        story.end(intent)
        return intent

    story = IncidentStory()
    scale(story, 3, 6)
    assert standing(story) == ["nexnum-app is scaled to 6, from 3"]
    scale(story, 6, 5)
    assert standing(story) == ["nexnum-app is scaled to 5, from 3"]
    assert all(one.in_force for one in fold(story.entries).standing if one.kind == "deployment")
    scale(story, 5, 3)
    assert standing(story) == []
    taken_back = scale(story, 3, 9)
    story.tell(EntryKind.UNDO, {"intent": taken_back, "by": "other"}, PIET)
    assert standing(story) == []


def test_only_what_has_an_effect_is_in_force():
    story = whole()
    by_kind = {one.kind: one.in_force for one in fold(story.entries).standing}
    assert by_kind == {"provider": True, "action": False}


def test_a_silence_stands_until_it_ends_or_is_ended():
    def silence(minutes: int) -> tuple[IncidentStory, str]:
        story = IncidentStory()
        target = {"kind": "silence", "id": "alertname=X", "lasts_s": minutes * 60}
        made = story.act("alert.silence", "X", targets=[target])
        story.end(made, touched=[{"kind": "silence", "id": "s-1"}])
        story.tell(EntryKind.NOTE, {"text": "later"})
        return story, made

    story, _ = silence(30)
    assert standing(story) == ["alerts of X are silenced until about 2026-11-23 14:13Z"]
    story.end(story.act("alert.unsilence", "s-1"))
    assert standing(story) == []
    assert standing(silence(1)[0]) == []


def test_a_person_who_looked_knows_better_than_a_console_that_gave_up():
    story = IncidentStory()
    intent = story.act("pods.restart", "nexnum-app")
    story.end(intent, writer=PIET)
    story.end(intent, "unknown")
    (action,) = fold(story.entries).actions
    assert (action.outcome, action.unknown) == ("done", False)


def test_an_action_whose_effect_nobody_saw_stands_until_somebody_tells():
    story = IncidentStory()
    seen = story.act("provider.enable", "smsbower", watch="somebody buys there")
    story.end(seen)
    told = story.act("locks.flush", "purchase", watch="the keys are gone")
    story.end(told)
    story.end(told, writer=PIET)  # a person looked
    [left] = fold(story.entries).standing
    assert left.what.startswith("provider.enable smsbower: no verdict is on record. Check whether somebody buys there")
    assert "Did action 1, provider.enable smsbower, help? No verdict is on record." in questions(fold(story.entries))
    story.judge(seen, "worked", PIET)
    assert fold(story.entries).standing == ()


def test_a_step_whose_action_never_ended_stands():
    story = IncidentStory()
    story.tell(EntryKind.STEP, {"scenario": "Provider", "state": "begun"})
    story.tell(EntryKind.INTENT, {"plan": {"action": "pods.restart"}, "scenario": "Provider", "step": "restart"})
    assert standing(story) == ["Provider, restart: begun and not ended", "pods.restart: its outcome is unknown"]


def test_a_scenario_begun_anew_is_another_walk():
    story = IncidentStory()
    for answer in ("smsbower", "5sim"):
        story.tell(EntryKind.STEP, {"scenario": "Provider", "state": "begun"})
        story.tell(EntryKind.STEP, {"scenario": "Provider", "step": "look", "state": "done", "answer": answer})
    assert [walk.steps[0].answer for walk in fold(story.entries).scenarios] == ["smsbower", "5sim"]


def test_a_severity_that_two_consoles_wrote_is_one():
    story = IncidentStory()
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": ["a"]})
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": ["a"]}, PIET)
    assert [one.by for one in fold(story.entries).levels] == ["maria"]


def test_nobody_approves_his_own_proposal_and_an_objection_beats_an_approval():
    story = IncidentStory()
    own = story.tell(
        EntryKind.PROPOSED, {"plan": {"action": "pods.restart"}, "until": "2027-01-01", "needs": "approval"}
    )
    story.tell(EntryKind.APPROVED, {"proposal": own})
    assert fold(story.entries).proposals[0].ended == ""
    story.tell(EntryKind.APPROVED, {"proposal": own}, PIET)
    assert (fold(story.entries).proposals[0].ended, fold(story.entries).proposals[0].ended_by) == ("approved", "piet")
    story.tell(EntryKind.OBJECTED, {"proposal": own, "reason": "wait"})
    assert fold(story.entries).proposals[0].ended == "objected"
