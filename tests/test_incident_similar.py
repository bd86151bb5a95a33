"""Seen before: which earlier incidents are like one, by what, and what helped; silent where nothing is alike."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sample_readings as sample
from command_line import run_with
from controller import text_of
from frozen_console import console, shown
from incident_story import START, IncidentStory

from nexconsole.incident.incident import Incident, fold
from nexconsole.incident.similar import PastIncident, headline, past_of, seen_before, similar
from nexconsole.incident.traits import TraitKind, made, skeleton, traits_of
from nexconsole.journal import EntryKind, Journal, Scrubber, Writer, journal_file
from nexconsole.screens.incident import IncidentScreen
from nexconsole.session.earlier import SeenBefore, changes_before, present_traits, read_earlier
from nexconsole.settings import JournalSettings, Settings
from nexconsole.severity import judge
from nexconsole.signals.change import Change, ChangeKind, ChangeLog

NOW = START + timedelta(days=7)
SETTINGS = Settings()


def outage(provider: str, verdict: str = "worked", because: str = "31 % -> 4 %", cause: str = "provider-unreachable"):
    """An outage of a provider, which was disabled."""
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": f"{provider} fails"})
    reasons = [f"17.8 % of purchases fail, 93 % of them at {provider}", "6 of 9 reservations are stuck"]
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": reasons})
    opened = {"subject": f"circuit {provider}", "state": "open", "text": f"circuit {provider} is open"}
    story.tell(EntryKind.SEEN, opened)
    story.tell(EntryKind.CAUSE, {"cause": f"{cause} {provider}", "state": "named"})
    intent = story.act("provider.disable", provider)
    story.end(intent)
    story.tell(EntryKind.VERDICT, {"intent": intent, "verdict": {"state": verdict, "because": because}})
    story.tell(EntryKind.SEVERITY, {"level": "none", "because": []})
    story.tell(EntryKind.CLOSED, {"reason": f"{provider} was back"})
    return story


def slow_database() -> IncidentStory:
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "everything is slow"})
    story.tell(EntryKind.SEVERITY, {"level": "SEV-2", "because": ["session 4711 blocks 14 others for 2 min"]})
    story.tell(EntryKind.CAUSE, {"cause": "session-blocks 4711", "state": "named", "text": "a session blocks"})
    return story


def past(id: str, story: IncidentStory) -> PastIncident:
    found = past_of(id, fold(story.entries))
    assert found is not None
    return found


EARLIER = (past("INC-1", outage("smsbower")), past("INC-2", slow_database()), past("INC-3", outage("5sim", "worse")))


def test_the_same_cause_at_the_same_provider_comes_before_the_same_at_another():
    found = similar(traits_of(fold(outage("smsbower").entries)), EARLIER)
    assert [one.past.id for one in found] == ["INC-1", "INC-3"]
    first, second = found
    assert first.very and first.shared == first.of and first.differs == ()
    assert first.alike[0] == "cause provider-unreachable smsbower"
    assert [tried.name for tried in first.helped] == ["provider.disable smsbower"]
    assert "kind of cause provider-unreachable" in second.alike and "provider smsbower" in second.differs
    assert [tried.name for tried in second.did_not] == ["provider.disable 5sim"] and second.helped == ()


def test_it_says_what_was_alike_what_was_done_and_what_helped():
    (first, *_) = found = similar(traits_of(fold(outage("smsbower").entries)), EARLIER)
    lines = seen_before(found[:1], NOW)
    assert lines[0] == "INC-1 (2026-11-23 13:42Z, 7 d ago), SEV-1, lasted 7 min: smsbower fails"
    assert lines[1].startswith(f"very alike in {first.of} of {first.of}: cause provider-unreachable smsbower; reason")
    assert lines[2:] == ("what helped: provider.disable smsbower (worked: 31 % -> 4 %)", "closed: smsbower was back")
    assert headline(found, NOW) == (
        f"seen before: INC-1 (2026-11-23 13:42Z, 7 d ago), very alike in {first.of} of {first.of};"
        " provider.disable smsbower helped"
    )


def test_where_nothing_is_alike_nothing_is_said():
    strange = made(causes=["redis-full"], reasons=["Redis evicts keys"], level="SEV-1", providers=["smsbower"])
    assert similar(strange, EARLIER) == () and seen_before((), NOW) == () and headline((), NOW) == ""
    assert similar(made(), EARLIER) == similar(traits_of(fold(outage("smsbower").entries)), ()) == ()


def test_a_level_and_a_provider_alone_make_nothing_alike():
    assert similar(made(level="SEV-1", reasons=["smsbower is in the news"], providers=["smsbower"]), EARLIER) == ()


def test_figures_and_providers_make_no_difference_to_a_reason():
    names = ["smsbower", "5sim"]
    first = skeleton("17.8 % of purchases fail, 93 % of them at smsbower, for 2 min", names)
    assert first == skeleton("31 % of purchases fail, 100 % of them at 5SIM, for 40 s", names)
    assert "{provider}" not in skeleton("fails at smsbower-2", names)


def test_a_provider_is_known_by_the_cause_and_by_what_changed():
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "x", "changes": ["provider 5sim"]})
    story.tell(EntryKind.SEVERITY, {"level": "SEV-2", "because": ["smsbower fails 85.7 % of 14 purchases", "5sim too"]})
    story.tell(EntryKind.CAUSE, {"cause": "provider-unreachable smsbower", "state": "likely", "text": "it is out"})
    traits = traits_of(fold(story.entries)).traits
    assert (TraitKind.REASON, "{provider} fails #% of #purchases") in traits and (TraitKind.PROVIDER, "5sim") in traits


def test_a_trait_that_every_incident_has_tells_less():
    common = [past(f"INC-{n}", slow_database()) for n in range(20)]
    rare = past("INC-rare", outage("smsbower"))
    present = made(
        causes=["provider-unreachable smsbower"],
        reasons=["session 4711 blocks 14 others for 2 min"],
        states=[("circuit smsbower", "open")],
        providers=["smsbower"],
    )
    assert next(iter(similar(present, (*common, rare)))).past.id == "INC-rare"


def test_the_present_is_compared_by_what_is_read_now():
    readings = sample.incident()
    severity = judge(readings, SETTINGS, sample.NOW)
    traits = present_traits(severity, None, readings, SETTINGS, sample.NOW)
    assert "smsbower" in traits.of(TraitKind.PROVIDER) and traits.of(TraitKind.REASON)
    assert any(words.startswith("circuit smsbower") for words in traits.of(TraitKind.STATE))
    assert present_traits(None, None, {}, SETTINGS, sample.NOW).traits == {}


def test_what_changed_before_it_is_on_record_and_compared():
    at = sample.NOW - timedelta(minutes=5)
    changes = tuple(
        Change(at=at, kind=kind, subject=f"x {target}", target=target, text="")
        for kind, target in ((ChangeKind.RELEASE, "nexnum-app"), (ChangeKind.ACTION, "ours"), (ChangeKind.ALERT, "Up"))
    )
    old = Change(at=at - timedelta(hours=2), kind=ChangeKind.CONFIG, subject="c", target="c", text="")
    readings = {"changes": sample.reading("changes", ChangeLog(changes=(*changes, old)))}
    assert changes_before(readings, sample.NOW) == ("release nexnum-app",)
    assert changes_before({}, sample.NOW) == ()
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "x", "changes": ["release nexnum-app", 7, "config \x1b[31mshop"]})
    assert fold(story.entries).changed == ("release nexnum-app", "config shop")
    assert ("change", "release nexnum-app") in traits_of(fold(story.entries)).traits


@pytest.mark.parametrize("changes", [None, 3, "release", {"a": 1}, [None, []]])
def test_a_strange_opening_has_no_changes(changes):
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "x", "changes": changes})
    assert fold(story.entries).changed == ()


def test_hostile_and_huge_incidents_are_bounded():
    chance = random.Random(7)
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "\x1b]0;x\x07" * 50})
    for n in range(600):
        word = "".join(chance.choice("ab(*+\\[{#1 %\u202e") for _ in range(300))
        story.tell(EntryKind.SEEN, {"subject": f"circuit {word}{n}", "state": f"{word};{n}", "text": word})
        story.tell(EntryKind.SEVERITY, {"level": ("SEV-1", "none", word)[n % 3], "because": [word] * 5})
    hostile = past("INC-x", story)
    assert len(hostile.traits.traits) < 1_000
    assert all(len(words) <= 200 and "\x1b" not in words for words in hostile.traits.traits.values())
    assert similar(traits_of(fold(outage("smsbower").entries)), (hostile,)) == ()
    assert past_of("INC-e", fold(())) is None and past_of("INC-e", Incident(others={})) is None


# --- journals ---------------------------------------------------------------------------------------------------------


def wrote(folder: Path, name: str, story: IncidentStory) -> Path:
    file = journal_file(folder, name)
    minutes = iter(range(1000))
    begin = datetime(2026, 11, 23, 13, 42, tzinfo=UTC)
    journal = Journal(file, Writer.here("maria"), Scrubber(), now=lambda: begin + timedelta(minutes=next(minutes)))
    ids: dict[str, str] = {}
    for entry in story.entries:
        data = {key: ids.get(value, value) if isinstance(value, str) else value for key, value in entry.data.items()}
        ids[entry.id] = journal.append(entry.kind, data).id
    return file


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    wrote(tmp_path, "INC-20261101-1200", outage("smsbower"))
    wrote(tmp_path, "INC-20261102-1200", slow_database())
    wrote(tmp_path, "INC-20261103-1200", outage("smsbower", "no effect"))
    return Settings(journal=JournalSettings(folder=str(tmp_path)))


def test_journals_are_read_and_what_is_left_out_is_said(chosen: Settings, tmp_path: Path, monkeypatch):
    (tmp_path / "INC-20261104-1200.jsonl").symlink_to("/dev/zero")
    (tmp_path / "INC-20261105-1200.jsonl").write_text("[[[[\n" * 50)
    monkeypatch.setattr("nexconsole.session.earlier.MOST_BYTES", 100_000)
    (tmp_path / "INC-20261106-1200.jsonl").write_bytes(b"x" * 100_001)
    earlier = read_earlier(chosen, "INC-20261103-1200")
    assert [one.id for one in earlier.past] == ["INC-20261102-1200", "INC-20261101-1200"]
    assert "1 earlier journal not compared: too large" in earlier.left_out
    assert "1 earlier journal not compared: unreadable" in earlier.left_out


def test_the_command_lists_what_was_like_it_masked(chosen: Settings, capsys):
    assert run_with(chosen, "journal", "similar", "INC-20261103-1200") == 0
    out = capsys.readouterr().out
    assert out.startswith("INC-20261103-1200 was seen before:\nINC-20261101-1200 (2026-11-23 13:42Z")
    assert "  what helped: provider.disable smsbower (worked: 31 % -> 4 %)" in out
    assert run_with(chosen, "journal", "similar", "INC-20261102-1200", "--json") == 0
    assert capsys.readouterr().out == "[]\n"
    assert run_with(chosen, "journal", "similar", "INC-20261102-1200") == 0
    assert capsys.readouterr().out.startswith("nothing like INC-20261102-1200 among 2 earlier incidents in ")
    for other in ("INC-20261101-1200", "INC-20261103-1200"):
        journal_file(Path(chosen.journal.folder), other).unlink()
    assert run_with(chosen, "journal", "similar", "INC-20261102-1200") == 0
    assert capsys.readouterr().out.startswith("no earlier incident is on record in ")


async def test_it_is_compared_beside_the_screen_while_an_incident_is_open(chosen: Settings):
    spawned, told, clock = [], [], [0.0]
    seen = SeenBefore(chosen, spawned.append, lambda: told.append(1), lambda: clock[0])
    traits = traits_of(fold(outage("smsbower").entries))
    seen.look(None, lambda: traits)
    assert spawned == []
    seen.look("INC-20261103-1200", lambda: traits)
    seen.look("INC-20261103-1200", lambda: traits)
    (loading,) = spawned
    await loading
    seen.look("INC-20261103-1200", lambda: traits)
    assert [one.past.id for one in seen.found] == ["INC-20261101-1200"] and told == [1]
    seen.look("INC-20261103-1200", lambda: pytest.fail("it was compared a moment ago"))
    clock[0] += 60
    seen.look("INC-20261103-1200", lambda: made())
    assert seen.found == ()
    seen.look(None, lambda: traits)
    assert seen.found == () and seen.left_out == ()


async def test_the_page_of_why_and_the_incident_screen_tell_of_it() -> None:
    found = similar(traits_of(fold(outage("smsbower").entries)), EARLIER)
    app = console("incident")
    async with app.run_test(size=(110, 90)) as pilot:
        await shown("incident")(pilot)
        app.controller.session.seen_before.found = found
        app.console_screen.seen_before = app.controller._seen_before()
        await pilot.press("w")
        await pilot.pause()
        said = text_of(app)
        assert "seen before" in said and "INC-1 (2026-11-23 13:42Z" in said
        assert "what helped: provider.disable smsbower (worked: 31 % -> 4 %)" in said
        assert "and 1 more: tab lists all" in said
        drawn = IncidentScreen(app.controller.session, None, lambda: NOW, lambda *_: "")
        drawn._size = app.size
        lines = ["".join(text for text, _ in line) for line in drawn._seen_before(NOW, 110)]
        assert lines[0].startswith(" seen before: INC-1 (2026-11-23 13:42Z, 7 d ago), SEV-1, lasted 7 min")
        assert any(line.startswith("   very alike in ") for line in lines)
