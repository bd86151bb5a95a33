"""What changes by itself: from readings to events, each once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import sample_readings as sample
from controller import fresh
from incident_story import PIET, IncidentStory

from nexconsole.incident.events import changes_in, observations
from nexconsole.incident.incident import fold
from nexconsole.journal import EntryKind
from nexconsole.model import utc_now
from nexconsole.settings import Settings
from nexconsole.signals.alerts import Alert


def found(readings, known=None):
    return {one.subject: one for one in observations(readings, known or {}, Settings(), utc_now())}


def test_an_incident_is_seen_as_subjects_in_unusual_states_and_the_rest_as_usual():
    seen = found(fresh(sample.incident()))
    unusual = {name: one.state for name, one in seen.items() if not one.usual}
    assert unusual["failure rate"] == "over 10 %" and unusual["circuit smsbower"] == "open"
    assert unusual["reservations"] == "over 50" and unusual["outbox"] == "late"
    assert unusual["alert ProviderApiErrors"] == "firing"
    assert seen["circuit 5sim"].usual and "circuit onlinesim" not in seen  # disabled: its circuit is nobody's matter
    assert all(one.usual for one in found(fresh(sample.calm())).values())


def test_abandoned_locks_are_a_change_and_none_in_a_part_of_the_keys_is_none():
    def seen(number, whole):
        return found(fresh({"locks": sample.reading("locks", sample.locks(number, whole))})).get("abandoned locks")

    assert (seen(3, False).state, seen(3, False).text) == ("some", "3 orphaned locks")
    assert (seen(0, True).state, seen(0, True).usual) == ("none", True)
    assert seen(0, False) is None


def test_half_open_and_unknown_circuits_are_no_change():
    seen = found(fresh(sample.incident()))
    assert "circuit tiger-sms" not in seen and "circuit sms-activate" not in seen


def test_an_alert_on_record_that_is_no_longer_among_the_firing_has_ended():
    readings = fresh(sample.calm())
    seen = found(readings, {"alert Gone": "firing", "alert Before": "ended"})
    assert (seen["alert Gone"].state, seen["alert Gone"].text) == ("ended", "alert Gone fires no more")
    assert "alert Before" not in seen


def test_what_is_stale_or_was_never_read_shows_nothing():
    readings = fresh(sample.incident())
    old = {name: replace(one, taken_at=one.taken_at - timedelta(minutes=5)) for name, one in readings.items()}
    assert found(old) == {} and found({}) == {}
    failing = {name: replace(one, error="connection refused") for name, one in readings.items()}
    assert found(failing) == {}


def test_hostile_names_are_made_harmless():
    readings = fresh(sample.incident())
    alerts = readings["alerts"]
    evil = Alert(name="[/]\x1b[31m" + "x" * 5_000, severity="[red]", since=None)
    readings["alerts"] = replace(alerts, value=replace(alerts.value, firing=(evil,)))
    (one,) = (one for name, one in found(readings).items() if name.startswith("alert"))
    assert "\x1b" not in one.text and len(one.text) < 300


def test_the_same_state_told_by_several_consoles_is_one_event():
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "t"})
    for state, writer in (("open", None), ("open", PIET), ("closed", None), ("closed", PIET), ("open", PIET)):
        data = {"subject": "circuit smsbower", "state": state, "text": f"it is {state}"}
        story.tell(EntryKind.SEEN, data, *(() if writer is None else (writer,)))
    story.tell(EntryKind.SEEN, {"subject": "", "state": "x"})
    story.tell(EntryKind.SEEN, {"state": None, "subject": ["a"]})
    assert [one.state for one in changes_in(story.entries)] == ["open", "closed", "open"]
    assert [line.text for line in fold(story.entries).timeline if line.kind == EntryKind.SEEN] == [
        "it is open",
        "it is closed",
        "it is open",
    ]


def test_the_timeline_has_when_a_service_begins_to_fail_and_when_it_answers_and_no_plain_success():
    story = IncidentStory()
    again = {"state": "sent", "reason": "it answers again", "untold": 2}
    failed = {"state": "failed", "reason": "no"}
    for data in ({"state": "sent"}, failed, failed, {"state": "unknown"}, again, {"state": "sent"}, failed):
        story.tell(EntryKind.NOTIFIED, {"message": "m", "about": "", "to": "chat", **data})
    story.tell(EntryKind.NOTIFIED, {"to": ["hostile"], "state": {}})
    assert [line.text for line in fold(story.entries).timeline][:3] == [
        "not told: chat: no",
        "told chat: it answers again",
        "not told: chat: no",
    ]


def test_a_severity_that_two_consoles_recorded_stands_once_in_the_timeline():
    story = IncidentStory()
    for level, writer in (("SEV-1", None), ("SEV-1", PIET), ("none", PIET)):
        story.tell(EntryKind.SEVERITY, {"level": level, "because": ["so"]}, *(() if writer is None else (writer,)))
    assert [line.text[:5] for line in fold(story.entries).timeline] == ["SEV-1", "none:"]


def test_purchases_of_which_none_is_decided_are_a_change_and_so_is_their_end():
    readings = fresh(sample.calm())
    value = readings["transactions"].value
    hanging = replace(
        value, attempts=24, failures=0, failure_rate=None, in_flight=24, oldest_s=240.0, newest_s=1.0, providers=()
    )
    readings["transactions"] = replace(readings["transactions"], value=hanging)
    seen = found(readings)["purchases"]
    assert (seen.state, seen.text) == ("not decided", "24 purchases in flight, none decided for 4 min")
    assert not seen.usual
    again = found(fresh(sample.calm()))["purchases"]
    assert (again.state, again.text, again.usual) == ("decided", "purchases are decided again", True)


def test_a_long_turn_is_a_change_and_so_is_its_end():
    def turns(known=None, **waits):
        seen = found(fresh({"slots": sample.reading("slots", sample.slots(**waits))}), known)
        return {name: (one.state, one.text) for name, one in seen.items()}

    assert turns(smsbower=9.0) == {}
    long = turns(smsbower=6031.0)
    assert long == {"turns at smsbower": ("long", "purchases at smsbower wait 100 min for a slot")}
    ended = turns({"turns at smsbower": "long"})
    assert ended == {"turns at smsbower": ("short", "purchases at smsbower get a slot at once again")}
    assert turns({"turns at smsbower": "short"}) == {}


def test_balances_search_and_the_databases_cpu_are_changes_when_they_are_not_as_usual():
    seen = found(fresh(sample.looks()))
    told = {name: (one.state, one.usual) for name, one in seen.items()}
    assert told["balance at tiger-sms"] == ("empty", False) and told["balance at 5sim"] == ("low", False)
    assert told["balance at smsbower"] == ("enough", True) and "balance at onlinesim" not in told
    assert seen["balance at 5sim"].text == "our balance at 5sim is below 10.00: 7.40"
    assert told["search"] == ("down", False) and told["database CPU"] == ("busy", False)
    assert told["data findings"] == ("SEV-1", False) and told["security findings"] == ("none", True)


def test_a_redis_that_runs_anew_is_told_once_its_run_was_known():
    seen = found(fresh(sample.calm()))["Redis' run"]
    assert (seen.state, seen.usual, seen.brief) == ("3fa9c1d20b7e", True, True)
