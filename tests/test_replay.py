"""A recorded incident played again: the same panes, its own clock, what was done and when; and nothing can be done."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import recordings
import sample_readings as sample
from controller import GUARDS, quiet, strip_of, text_of, until
from quick_commands import nexconsole
from textual.pilot import Pilot

from nexconsole import paths
from nexconsole.actions.registry import ACTIONS
from nexconsole.app import NexConsole
from nexconsole.causes.model import Explanation
from nexconsole.errors import JournalError, SettingsError
from nexconsole.journal import EntryKind, Journal, Scrubber, Writer
from nexconsole.panes.registry import PANES
from nexconsole.recording.player import Player, moment_of
from nexconsole.recording.recorder import Recorder
from nexconsole.recording.recording_file import RecordingFile
from nexconsole.recording.replay import listed, open_replay
from nexconsole.replay_app import ReplayApp, _possible
from nexconsole.screens.palette_commands import commands
from nexconsole.session.replay import REPLAY, ReplaySession
from nexconsole.settings import Settings
from nexconsole.signals.registry import polled
from nexconsole.sources import open_sources
from nexconsole.widgets.canvas import LineCanvas
from nexconsole.widgets.spans import as_text

NAME = "INC-20260123-1407"
at = recordings.at


def settings(folder: Path, **tables: object) -> Settings:
    document = {"name": "nexnum-eu", "operator": "maria", "journal": {"folder": str(folder)}, **tables}
    return msgspec.convert(document, Settings)


def write_journal(folder: Path, name: str = NAME, steps: Sequence[str] = ()) -> None:
    """Opened, a provider disabled after a minute and a half, and closed three minutes after the recording's end.
    `steps` of a scenario were done before that."""
    clock = recordings.HandClock()
    journal = Journal(folder / f"{name}.jsonl", Writer.here("piet"), Scrubber(), now=clock)

    def put(seconds: float, kind: str, **data: object) -> str:
        clock.now = at(seconds)
        return journal.append(kind, data).id

    put(2, EntryKind.OPENED, title="purchases fail", level="SEV-1", since="")
    plan = {
        "action": "provider.disable",
        "arguments": {"provider": "smsbower"},
        "effect": "no more traffic",
        "command": "UPDATE providers",
        "watch": "its failures end",
        "targets": [],
    }
    if steps:
        put(60, EntryKind.STEP, scenario=steps[0].partition("/")[0], state="begun")
    for step in steps:
        put(70, EntryKind.STEP, scenario=step.partition("/")[0], step=step, state="done", answer="seen")
    put(80, EntryKind.FIGURES, figures={"failure_rate": 0.18})
    intent = put(90, EntryKind.INTENT, operator="piet", plan=plan)
    put(92, EntryKind.OUTCOME, intent=intent, outcome={"state": "done", "answer": "1 row"})
    put(100, EntryKind.VERDICT, intent=intent, verdict={"state": "worked", "because": "nothing fails"})
    put(300, EntryKind.CLOSED, reason="smsbower was down")


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """An incident of two minutes and its record: calm for 12 s, then one provider fails."""
    made = tmp_path / "journal"
    made.mkdir()
    await recordings.record(made / f"{NAME}.recording", recordings.readings(121), settings(made))
    write_journal(made)
    return made


class Seconds:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def replay(
    folder: Path, seconds: float = 0.0, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[ReplayApp, Pilot, Seconds]]:
    """The replay, paused this long after its beginning, its desk made."""
    chosen, monotonic = settings(folder, postgres={"url": "postgresql://u:p@127.0.0.1:1/db"}), Seconds()
    of = open_replay(NAME, chosen)
    marks = [entry.at for entry in of.events]
    app = ReplayApp(chosen, of, Player(of.begin, of.end, marks, at=at(seconds), monotonic=monotonic))
    app.monotonic = GUARDS
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: app.console_screen.told == app._tell and app.controller.scenarios.library)
        await pilot.press("space")
        yield app, pilot, monotonic


def seen(app: NexConsole, selector: str) -> str:
    return as_text(app.console_screen.query_one(selector, LineCanvas).lines)


def digest(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


async def test_the_panes_show_what_stood_there_and_every_clock_is_the_recordings(folder):
    async with replay(folder, 5) as (app, pilot, _):
        assert "CALM" in seen(app, "#why") and "14:07:36Z" in seen(app, "#clock")
        assert "now" in seen(app, "#outbox")
        await pilot.press("right", "right", "right")
        assert "SEV-1" in seen(app, "#why") and "14:08:06Z" in seen(app, "#clock")
        assert "ONE PROVIDER" in seen(app, "#transactions")
        await pilot.press("home")
        assert "CALM" in seen(app, "#why") and "14:07:31Z" in seen(app, "#clock")


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (200, 50)])
async def test_nobody_takes_it_for_the_present_at_any_size(folder, size):
    async with replay(folder, 60, size) as (app, pilot, _):
        assert "REPLAY" in seen(app, "#why") and "REPLAY" in seen(app, "#keys")
        assert "PRODUCTION" not in text_of(app)
        assert "PAUSED" in seen(app, "#replay") and "00:01:00 of 00:05:00" in seen(app, "#replay")
        await pilot.press("2")
        assert "REPLAY" in seen(app, "#why")


async def test_a_replay_can_be_presented_and_is_still_said_to_be_one(folder):
    async with replay(folder, 101) as (app, pilot, _):
        await pilot.press("P")
        await until(lambda: app.console_screen.query("#frame") and "REPLAY" in seen(app, "#frame"))
        assert NAME in seen(app, "#frame") and "14:09:12Z" in seen(app, "#frame")
        assert "provider.disable smsbower" in text_of(app) and "PRODUCTION" not in text_of(app)
        await pilot.press("home", "P")
        assert "CALM" in seen(app, "#why")


async def test_it_plays_at_its_speed_and_stops_at_its_end_and_says_so(folder):
    async with replay(folder, 10) as (app, pilot, monotonic):
        await pilot.press("plus", "plus", "space")
        assert "PLAY 4x" in seen(app, "#replay")
        monotonic.now += 10
        app.console_screen.turn()
        assert "14:08:21Z" in seen(app, "#clock")
        monotonic.now += 1000
        app.console_screen.turn()
        assert seen(app, "#replay").startswith(" END ") and "the replay is at its end" in seen(app, "#keys")
        assert "14:12:31Z" in seen(app, "#clock")
        await pilot.press("space")
        assert "PLAY 4x  00:00:00" in seen(app, "#replay")


async def test_what_was_done_is_seen_when_it_was_done(folder):
    async with replay(folder, 89) as (app, pilot, _):
        assert "in 1 s: 14:09:01 piet intent provider.disable smsbower" in seen(app, "#replay")
        assert strip_of(app) == ""
        await pilot.press("full_stop")
        assert "▸ sending piet: provider.disable smsbower" in strip_of(app)
        await pilot.press("full_stop")
        assert "● done piet" in strip_of(app) and "watching whether its failures end" in strip_of(app)
        await pilot.press("full_stop")
        assert "● WORKED piet: provider.disable smsbower: nothing fails" in strip_of(app)
        await pilot.press("J")
        await until(lambda: "verdict" in text_of(app))
        assert "closed" not in text_of(app)
        await pilot.press("escape", "i", "r")
        await until(lambda: "worked: nothing fails" in text_of(app) and "smsbower was down" not in text_of(app))
        assert REPLAY in [note.message for note in app._notifications]
        app.player.go(app.player.end)
        await until(lambda: "smsbower was down" in text_of(app))
        app.player.go(at(100))
        await pilot.press("escape", "comma", "comma", "comma")
        assert strip_of(app) == "" and [entry.kind for entry in app.controller.session.entries] == [EntryKind.OPENED]
        assert "provider.disable" not in seen(app, "#health")
        await pilot.press("comma")
        assert "no event came before this" in seen(app, "#keys")


async def test_an_action_whose_end_is_not_on_record_is_unknown_only_when_it_had_time_to_end(folder):
    clock = recordings.HandClock(at(110))
    journal = Journal(folder / f"{NAME}.jsonl", Writer.here("lost"), Scrubber(), now=clock)
    journal.append(EntryKind.INTENT, {"plan": {"action": "pods.restart", "arguments": {}, "watch": "look"}})
    clock.now = at(900)
    journal.append(EntryKind.NOTE, {"text": "much later"})
    async with replay(folder, 115) as (app, pilot, _):
        assert "▸ sending lost: pods.restart" in strip_of(app)
        await pilot.press("end")
        assert "? UNKNOWN lost: pods.restart" in strip_of(app)


async def test_where_nothing_was_recorded_the_panes_say_so_and_show_no_old_figures(folder):
    async with replay(folder, 200) as (app, pilot, _):
        assert "no reading recorded at this time" in seen(app, "#why")
        for face in PANES:
            assert "no reading recorded" in seen(app, f"#{face.SIGNAL}")
        await pilot.press("home", "3")
        await pilot.pause()
        assert "! no reading recorded" in seen(app, "#outbox")  # nobody looked at the events


async def test_a_scenario_shows_its_steps_and_takes_none(folder):
    async with replay(folder, 60) as (app, pilot, _):
        await pilot.press("s")
        await until(lambda: app.controller.scenarios.pane)
        before = digest(folder)
        await pilot.press("space")
        assert "PLAY" in seen(app, "#replay")
        await pilot.press("x")
        await pilot.pause()
        await pilot.press("escape")
        assert digest(folder) == before


async def test_the_keys_of_a_scenario_look_around_in_a_replay_and_record_nothing(folder):
    async with replay(folder, 60) as (app, pilot, _):
        app.controller.scenarios.open("high-purchase-failure-rate")
        pane = await until(lambda: app.controller.scenarios.pane)
        await until(lambda: pane.lines)
        before = digest(folder)
        await pilot.press("f")
        assert pane.row.kind == "do" and pane.step.endswith("/provider.disable")
        rows = len(pane.rows)
        await pilot.press("z")
        assert len(pane.rows) > rows  # what does not apply is there to be read
        await pilot.press("z")
        assert len(pane.rows) == rows
        for key in ("r", "enter", "x", "backspace"):
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is app.console_screen, key
        assert digest(folder) == before and pane.steps.walk is None


async def test_the_end_of_a_scenario_that_was_done_is_shown_in_its_replay_and_closes_nothing(folder):
    async with replay(folder, 110) as (app, pilot, _):
        await pilot.press("s")
        pane = await until(lambda: app.controller.scenarios.pane)
        ids = [row.id for row in pane.rows if row.kind in ("look", "do", "ask")]
    (folder / f"{NAME}.jsonl").unlink()
    write_journal(folder, steps=ids)
    before = digest(folder)
    async with replay(folder, 110) as (app, pilot, _):
        await pilot.press("s")
        pane = await until(lambda: app.controller.scenarios.pane)
        await until(lambda: pane.lines)
        await until(lambda: pane.steps.ended)
        assert pane.row.kind == "closing"
        told = " ".join(as_text(pane.lines).split())
        assert "All that applies is done" in told and "the level is still SEV-1" in told
        assert "WORKED provider.disable smsbower" in told
        assert "writes the report" not in told and "closes INC" not in told and "u undoes it" not in told
        for key in ("x", "r", "u", "e"):
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is app.console_screen, key
        assert digest(folder) == before


async def test_nothing_can_be_done_in_it_and_every_refusal_says_why(folder):
    before = digest(folder)
    async with replay(folder, 60) as (app, pilot, _):
        session = app.controller.session
        assert isinstance(session, ReplaySession)
        for name in ACTIONS:
            assert session.unavailable(name) == REPLAY
        done = await session.perform("provider.disable", {"provider": "smsbower"}, _never, _never)
        assert done.stopped == REPLAY and done.outcome is None
        for writing in (
            session.note("x"),
            session.begin("x"),
            session.open_incident("x", ""),
            session.take_role("commander", "x"),
            session.close_incident("x"),
            session.record(EntryKind.INTENT, {}),
        ):
            with pytest.raises(JournalError, match=REPLAY):
                await writing
        for key in ("n", "u", "o", "a", "l", "e", "B", "ctrl+k"):
            app.console_screen.say("")
            await pilot.press(key)
            assert REPLAY in seen(app, "#keys"), key
        assert app.screen is app.console_screen
        offered = [_possible(one) for one in commands(app.controller, app._fixed())]
        acting = [one for one in offered if one.name in ACTIONS or one.name in ("journal.note", "incident.close")]
        assert len(acting) > len(ACTIONS) and all(one.why_not == REPLAY for one in acting)
        assert {one.name for one in offered if not one.why_not} >= {"journal.show", "console.next.event"}
        await pilot.press("ctrl+p", *"disable", "down")
        await until(lambda: f"not now: {REPLAY}" in text_of(app))
        await pilot.press("escape")
        assert app.settings.postgres.url == "" and app.sources is None
        app.controller.tick()
    assert digest(folder) == before
    assert not paths.state_folder().exists(), "what is over was kept as if it were news"


async def _never(*_: object) -> None:
    raise AssertionError("nobody is asked in a replay")


async def test_a_time_can_be_gone_to_by_name(folder):
    async with replay(folder) as (app, pilot, _):
        app._go()
        await until(lambda: app.screen is not app.console_screen and app.focused)
        await quiet(app)
        await pilot.press(*"soon", "enter")
        await until(lambda: "give +MM:SS" in text_of(app))
        await pilot.press(*["backspace"] * 4, *"+01:35", "enter")
        await until(lambda: app.screen is app.console_screen)
        await until(lambda: "00:01:35 of 00:05:00" in seen(app, "#replay"))
        assert "● done piet" in strip_of(app)


async def test_only_the_incidents_own_record_and_what_was_done_outside_of_any_meanwhile_is_told(folder):
    clock = recordings.HandClock(at(50))
    outside = Journal(folder / "outside-incidents.jsonl", Writer.here("piet"), Scrubber(), now=clock)
    outside.append(EntryKind.NOTE, {"text": "meanwhile"})
    clock.now = at(5000)
    outside.append(EntryKind.NOTE, {"text": "much later"})
    told = [entry.data.get("text") for entry in open_replay(NAME, settings(folder)).entries]
    assert told.count("meanwhile") == 1 and "much later" not in told


async def test_entries_that_came_from_other_hosts_are_played_too(folder):
    clock = recordings.HandClock(at(20))
    elsewhere = folder / f"{NAME}.jsonl.elsewhere"
    Journal(elsewhere, Writer.here("anna"), Scrubber(), now=clock).append(EntryKind.NOTE, {"text": "from afar"})
    assert "from afar" in [entry.data.get("text") for entry in open_replay(NAME, settings(folder)).entries]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_replay_looks_as_it_did(snap_compare, folder, size):
    of = open_replay(NAME, settings(folder, motion="off"))
    player = Player(of.begin, of.end, [entry.at for entry in of.events], at=at(95), monotonic=Seconds())
    app = ReplayApp(settings(folder, motion="off"), of, player)

    async def run_before(pilot: Pilot) -> None:
        await until(lambda: app.console_screen.told == app._tell and app.controller.scenarios.library)
        await until(lambda: app.monitor.explanation is not None)
        await pilot.press("space")
        app.monitor.explain_with(lambda *given: Explanation())  # the picture does not depend on the rules
        app.controller.tick()
        app.console_screen.turn()
        await pilot.pause()

    assert snap_compare(app, run_before=run_before, terminal_size=size)


# --- recording in the console -----------------------------------------------------------------------------------


async def test_the_console_records_what_it_polls_and_what_it_had_read_before(tmp_path):
    chosen = settings(tmp_path)
    file = tmp_path / f"{NAME}.recording"
    app = NexConsole(chosen, opener=open_sources)
    async with app.run_test():
        await until(lambda: len(app.console_screen.readings) == len(polled()))
        app.record(Recorder(chosen, file))
        await until(lambda: app.recorder.records)
    recording = RecordingFile.open(file)
    found = recording.at(recording.span[1])
    assert found.keys() == {signal.name for signal in polled()} and all(one.absent for one in found.values())
    assert "is not configured" in found["outbox"].error


async def test_an_incident_is_recorded_beside_its_journal_from_its_opening_to_its_closing(tmp_path):
    app = NexConsole(settings(tmp_path), opener=open_sources)
    async with app.run_test():
        await until(lambda: "controller" in app.__dict__ and app.controller.scenarios.library)
        assert not list(tmp_path.glob("*.recording"))
        name = await app.controller.session.open_incident("purchases fail", "SEV-1")
        await until(lambda: app.recorder is not None and app.recorder.records)
        await app.controller.session.close_incident("it was nothing")
        await until(lambda: app.recorder is None)
    of = open_replay(name, settings(tmp_path))
    assert of.recording.at(of.recording.span[1]).keys() == {signal.name for signal in polled()}
    assert [entry.kind for entry in of.entries][:1] == [EntryKind.OPENED] and not of.problems
    of.recording.close()


async def test_a_console_that_can_not_record_says_so_once_and_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    app = NexConsole(settings(tmp_path), recorder=Recorder(Settings(), tmp_path / "file" / "x.recording"))
    async with app.run_test(size=(160, 40)):
        app.record(app.recorder)
        await until(lambda: "nothing is recorded for replay" in seen(app, "#keys"))
        app.monitor.take(sample.calm()["outbox"])


# --- the player -------------------------------------------------------------------------------------------------


def test_a_player_moves_at_its_speed_within_its_ends():
    monotonic = Seconds()
    player = Player(at(0), at(100), monotonic=monotonic)
    monotonic.now += 10
    assert player.now == at(10)
    player.set_speed(1000)
    monotonic.now += 1
    assert player.speed == 64 and player.now == at(74)
    player.skip(-500)
    assert player.now == at(0)
    player.toggle()
    monotonic.now += 50
    assert player.now == at(0) and not player.playing
    player.go(at(500))
    assert player.now == at(100) and player.at_end


def test_going_back_while_it_plays_passes_the_event_that_was_just_reached():
    monotonic = Seconds()
    player = Player(at(0), at(100), [at(10), at(20), at(20), at(30)], monotonic=monotonic)
    assert player.next_event() and player.next_event() and player.now == at(20)
    assert player.next_event() and player.now == at(30)
    assert not player.next_event()
    monotonic.now += 1
    assert player.previous_event() and player.now == at(20)
    assert player.previous_event() and player.now == at(10)
    assert not player.previous_event()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+01:30", at(90)),
        ("+1:00:05", at(3605)),
        ("14:08", datetime(2026, 1, 23, 14, 8, tzinfo=UTC)),
        ("14:07", datetime(2026, 1, 23, 14, 7, tzinfo=UTC)),
        ("14:09:30Z", datetime(2026, 1, 23, 14, 9, 30, tzinfo=UTC)),
        ("03:00", datetime(2026, 1, 24, 3, 0, tzinfo=UTC)),
        ("2026-01-23T14:10", datetime(2026, 1, 23, 14, 10, tzinfo=UTC)),
        ("2026-01-23 15:10+01:00", datetime(2026, 1, 23, 14, 10, tzinfo=UTC)),
    ],
)
def test_a_moment_can_be_named_in_three_ways(text: str, expected: datetime):
    assert moment_of(text, at(0)) == expected


@pytest.mark.parametrize("text", ["", "soon", "25:00", "+5", "14", "+99999999999999:00", "9999999-01-01"])
def test_what_is_no_moment_is_refused_with_the_ways_to_name_one(text: str):
    with pytest.raises(SettingsError, match="give"):
        moment_of(text, at(0))


# --- the command ------------------------------------------------------------------------------------------------


def replay_command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    config = folder.parent / "settings.toml"
    config.write_text(f'[journal]\nfolder = "{folder}"\n')
    return nexconsole("replay", "--config", str(config), *arguments)


async def test_the_command_lists_what_was_recorded_and_refuses_in_a_sentence(folder):
    def asked() -> list[subprocess.CompletedProcess[str]]:
        (folder / "INC-2.recording").write_bytes(b"rubbish")
        return [
            replay_command(folder, *given)
            for given in (
                (),
                ("INC-20250101-0000",),
                ("../../etc/passwd.recording",),
                (NAME, "--speed", "900"),
                (NAME, "--at", "x"),
                (NAME,),
                ("INC-2",),
            )
        ]

    listing, absent, path, speed, moment, terminal, rubbish = await asyncio.to_thread(asked)
    assert listing.returncode == 0
    line = next(line for line in listing.stdout.splitlines() if line.startswith(NAME))
    assert "2026-01-23 14:07:31Z" in line and "2 min" in line and "purchases fail" in line
    assert "INC-2 " in listing.stdout and "holds no reading" in listing.stdout
    assert absent.returncode == 1 and "there is no recording of this incident" in absent.stderr
    assert f"there are recordings of {NAME}" in absent.stderr
    assert path.returncode == 1 and "there is no recording" in path.stderr
    assert speed.returncode == 2 and "give 0.5 to 64" in speed.stderr
    assert moment.returncode == 2 and "--at x" in moment.stderr
    assert terminal.returncode == 2 and "needs a terminal" in terminal.stderr
    assert rubbish.returncode == 1 and "holds no reading" in rubbish.stderr
    assert not any("Traceback" in one.stderr for one in (listing, absent, path, speed, moment, terminal, rubbish))


async def test_without_any_recording_the_list_is_empty(tmp_path):
    assert listed(settings(tmp_path / "none")) == []


async def test_a_recording_without_a_journal_is_played_with_a_word_on_it(folder):
    for file in folder.glob("*.jsonl"):
        file.unlink()
    of = open_replay(NAME, settings(folder))
    assert of.entries == () and any("nothing is on record" in one for one in of.problems)
    assert (of.begin, of.end) == (at(0), at(0) + timedelta(seconds=120))
    of.recording.close()
