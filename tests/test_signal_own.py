"""Signals that are not ours: one of an installed package, of one module and one pane, is told wherever ours are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from types import SimpleNamespace

import incident_story
import msgspec
import pytest
import recordings
import sample_readings as sample
from controller import until
from queues_signal import SIGNAL, Queues
from textual.pilot import Pilot

from nexconsole.actions.registry import COMMANDS
from nexconsole.app import NexConsole
from nexconsole.break_glass.sheet import sheet
from nexconsole.cli.status import take
from nexconsole.doctor import console as doctor
from nexconsole.exposition import exposition
from nexconsole.incident.events import observations
from nexconsole.incident.incident import fold
from nexconsole.incident.metrics import sample_of
from nexconsole.journal import EntryKind
from nexconsole.model import Reading
from nexconsole.recording.player import Player
from nexconsole.recording.replay import open_replay
from nexconsole.replay_app import ReplayApp
from nexconsole.report import chart
from nexconsole.report.render import as_line, as_markdown
from nexconsole.runbook.parser import parse
from nexconsole.runbook.problems import check
from nexconsole.runbook.resolution import fitting
from nexconsole.session.argument_values import argument_values
from nexconsole.session.monitor import Monitor
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.signals import plugins, registry
from nexconsole.signals.probe import Probe, ProbeResult, answer
from nexconsole.signals.readings import read_once
from nexconsole.sources import open_sources
from nexconsole.status import as_json, as_text
from nexconsole.storage.schema import recording_file
from nexconsole.widgets.canvas import LineCanvas
from nexconsole.widgets.spans import as_text as line_text

VALUE = Queues(source="bullmq", depth=240, oldest_s=95.0)
READING = sample.reading("queues", VALUE)
BOOK = """\
## 1. Queues are deep (SEV-2)

### Trigger

- Jobs wait. `queues.depth > 100`

### Steps

1. Look: how many? `queues.depth`
"""
Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package whose entry points are these objects, by group."""

    def put(signals: dict[str, object] | None = None, probes: dict[str, object] | None = None) -> None:
        module = SimpleNamespace()
        groups: dict[str, list[EntryPoint]] = {plugins.SIGNALS: [], plugins.PROBES: []}
        for group, objects in ((plugins.SIGNALS, signals or {}), (plugins.PROBES, probes or {})):
            for name, thing in objects.items():
                attribute = f"{group.rpartition('.')[2]}_{name.replace('.', '_').replace('-', '_')}"
                setattr(module, attribute, thing)
                groups[group].append(EntryPoint(name, f"a_team:{attribute}", group))
        monkeypatch.setitem(sys.modules, "a_team", module)
        monkeypatch.setattr(plugins, "entry_points", lambda group: EntryPoints(groups[group]))
        plugins._load.cache_clear()

    yield put
    plugins._load.cache_clear()


@pytest.fixture
def queues(install: Install) -> None:
    install({"queues": SIGNAL})


def seen(app: NexConsole, selector: str) -> str:
    return line_text(app.console_screen.query_one(selector, LineCanvas).lines)


async def shown(app: NexConsole, pilot: Pilot, reading: Reading = READING) -> None:
    """The app with what is not ours, and this reading."""
    await app._watch_more()
    for other in sample.calm().values():
        app.monitor.take(other)
    app.monitor.take(reading)
    app.console_screen.tick()
    await pilot.pause()


async def test_the_console_has_its_line_its_pane_its_severity_and_its_command(queues):
    app = NexConsole(Settings(name="nexnum-eu"), None, clock=lambda: sample.NOW)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot)
        assert "queues" in seen(app, "#queues") and "240 jobs drawn by the team's pane" in seen(app, "#queues")
        assert "SEV-2" in seen(app, "#why") and "240 jobs wait in queues" in seen(app, "#why")
        line = app.console_screen.query_one("#queues")
        assert line.size.height == 1 and line.region.bottom == app.console_screen.query_one("#keys").region.y
        [command] = [command for command in app.palette_commands() if command.title == "Queues"]
        command.run()
        await pilot.pause()
        assert app.console_screen.maximized_pane is line and line.size.height > 20
        assert "row of mail" in seen(app, "#queues")
        await pilot.press("escape")
        assert line.size.height == 1
        assert app.console_screen.query_one("#transactions").size.height > 4


async def test_status_and_its_metrics_have_it(queues):
    chosen = Settings()
    sources = open_sources(chosen)
    try:
        status = await take(Monitor(chosen, health=sources.health), sources)
    finally:
        await sources.close()
    assert "queues        240 jobs wait, the oldest for 95 s (bullmq)" in as_text(status, chosen)
    document = msgspec.json.decode(as_json(status, chosen))
    assert document["queues"]["state"] == "fresh" and document["queues"]["value"]["depth"] == 240
    assert document["severity"]["level"] == "SEV-2" and status.exit_code == 2
    assert "nexconsole_queue_depth 240" in exposition(status, chosen)


def test_severity_timeline_sheet_and_arguments_have_it(queues):
    readings, chosen = {"queues": READING}, Settings()
    severity = judge(readings, chosen, sample.NOW)
    assert [(reason.level, reason.text, reason.outlook) for reason in severity.reasons] == [
        ("SEV-2", "240 jobs wait in queues", "workers are being added")
    ]
    [seen] = observations(readings, {}, chosen, sample.NOW)
    assert (seen.subject, seen.state, seen.text) == ("queues", "deep", "queues hold 240 jobs")
    page = sheet(readings, severity, None, chosen, sample.NOW)
    assert "queues        fresh, read" in page and "  240 jobs wait, the oldest for 95 s" in page
    assert "    queue webhook" in page
    assert argument_values("text", readings, chosen) == ("mail", "webhook")


def test_a_report_has_its_number_in_its_own_words(queues):
    story = incident_story.IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "jobs wait", "level": "SEV-2", "since": ""})
    story.tell(EntryKind.FIGURES, {"figures": sample_of({"queues": READING}, sample.NOW)})
    text = as_markdown(fold(story.entries), "INC-20260123-1407")
    assert "| jobs in queues | 240 |" in text
    assert "jobs in queues" in chart.as_svg(fold(story.entries)) and "jobs in queues" in chart.as_text(
        fold(story.entries)
    )
    assert "jobs in queues 240" in as_line(fold(story.entries), story.entries[-1].at)


async def test_a_recording_holds_it_and_a_replay_draws_it(queues, tmp_path):
    chosen = msgspec.convert({"journal": {"folder": str(tmp_path)}, "recording": {"every_s": 1.0}}, Settings)
    told = [
        (recordings.at(second), replace(READING, taken_at=recordings.at(second), attempted_at=recordings.at(second)))
        for second in range(10)
    ]
    name = "INC-20260123-1407"
    await recordings.record(recording_file(tmp_path / f"{name}.jsonl"), told, chosen)
    of = open_replay(name, chosen)
    assert of.recording.at(recordings.at(5))["queues"].value == VALUE
    app = ReplayApp(chosen, of, Player(of.begin, of.end, [], at=recordings.at(5)))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.console_screen.query("#queues"))
        app.console_screen.turn()
        await pilot.pause()
        assert "240 jobs drawn by the team's pane" in seen(app, "#queues")


def test_a_runbook_may_ask_it(queues):
    assert check(BOOK, COMMANDS) == ()
    chosen = Settings()
    book = parse(BOOK).runbook
    [fit] = fitting(book, {"queues": READING}, chosen, sample.NOW)
    assert fit.because == "240 jobs wait" and fit.signals == ("queues",)
    calm = {"queues": replace(READING, value=replace(VALUE, depth=3))}
    assert fitting(book, calm, chosen, sample.NOW) == ()


def test_without_the_package_nothing_knows_it():
    assert "queues" not in registry.value_types() and "queues.depth" not in registry.probes()
    assert check(BOOK, COMMANDS)


# --- what is broken ---------------------------------------------------------------------------------------------


def raising(*given: object) -> Iterator[object]:
    raise RuntimeError("division by cucumber")


async def raising_read(*given: object) -> Queues:
    raise RuntimeError("division by cucumber")


BROKEN = replace(
    SIGNAL,
    read=raising_read,
    summary=raising,
    reasons=raising,
    numbers=raising,
    observe=raising,
    details=raising,
    arguments={"text": raising},
    pane="no_such_module",
    exported=(SIGNAL.exported[0]._replace(read=raising),),
    probes=(replace(SIGNAL.probes[0], read=raising),),
)


@pytest.mark.parametrize(
    ("signals", "why"),
    [
        ({"queues": "no signal"}, "the signal queues of a_team:signals_queues is left out: its object is no Signal"),
        ({"other": SIGNAL}, "its name must be other"),
        ({"queues": replace(SIGNAL, kind=dict)}, "its kind is no subclass of Value"),
        ({"queues": replace(SIGNAL, every=0)}, "every and timeout must be above 0"),
        ({"queues": replace(SIGNAL, arguments={"queue": raising})}, "there is no kind of argument queue"),
        ({"queues": replace(SIGNAL, probes=(replace(SIGNAL.probes[0], signal="x"),))}, "is no probe of queues"),
        ({"outbox": replace(SIGNAL, name="outbox", probes=())}, "there is something named outbox already"),
        (
            {"queues": replace(SIGNAL, probes=(replace(SIGNAL.probes[0], name="outbox.pending"),))},
            "there is a probe outbox.pending already",
        ),
    ],
)
def test_a_signal_that_is_none_is_left_out_with_a_sentence_in_doctor(install, signals, why, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    install(signals)
    assert registry.extra() == ()
    [problem] = registry.problems()
    assert why in problem
    said = [(found.state, found.said) for found in doctor.examine(Settings()) if found.what == "signal"]
    assert said == [("warn", problem)]


def test_an_entry_point_that_can_not_be_imported_is_left_out(install, monkeypatch):
    install({"queues": SIGNAL})
    monkeypatch.delitem(sys.modules, "a_team")
    plugins._load.cache_clear()
    assert registry.extra() == ()
    [problem] = registry.problems()
    assert problem == "the signal queues of a_team:signals_queues is left out: No module named 'a_team'"


async def test_the_console_says_what_is_left_out_and_goes_on(install):
    install({"queues": "no signal"})
    app = NexConsole(Settings(), None, clock=lambda: sample.NOW)
    async with app.run_test(size=(160, 40)) as pilot:
        await shown(app, pilot, sample.calm()["outbox"])
        assert "the signal queues of a_team:signals_queues is left out" in seen(app, "#keys")
        assert "CALM" in seen(app, "#why")


async def test_a_signal_that_raises_is_a_sentence_wherever_it_is_told(install):
    install({"queues": BROKEN})
    [signal] = registry.extra()
    chosen, readings = Settings(), {"queues": READING}
    reading = await read_once(signal, open_sources(chosen), chosen)
    assert reading.error == "queues is broken: division by cucumber" and reading.value is None
    assert judge(readings, chosen, sample.NOW).reasons == ()
    assert observations(readings, {}, chosen, sample.NOW) == ()
    assert "queue_depth" not in {name for name, number in sample_of(readings, sample.NOW).items() if number}
    assert "queues is broken: division by cucumber" in sheet(readings, None, None, chosen, sample.NOW)
    assert argument_values("text", readings, chosen) == ()
    found = answer(registry.probes()["queues.depth"], readings, chosen, sample.NOW)
    assert (found.value, found.text) == (None, "not known: queues.depth is broken: division by cucumber")


async def test_a_pane_that_can_not_be_used_leaves_the_summary(install):
    install({"queues": BROKEN})
    app = NexConsole(Settings(), None, clock=lambda: sample.NOW)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot)
        assert "queues is broken: division by cucumber" in seen(app, "#queues")
        app.console_screen.action_pane("queues")
        await pilot.pause()
        assert "its pane no_such_module can't be used: No module named 'no_such_module'" in seen(app, "#queues")


async def test_a_pane_that_raises_leaves_the_summary(queues, monkeypatch):
    monkeypatch.setattr("queues_pane.brief", raising)
    app = NexConsole(Settings(), None, clock=lambda: sample.NOW)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot)
        assert "240 jobs wait, the oldest for 95 s" in seen(app, "#queues")


async def test_what_reads_another_type_is_broken(install):
    async def read(*given: object) -> str:
        return "240"

    install({"queues": replace(SIGNAL, read=read)})
    chosen = Settings()
    reading = await read_once(registry.extra()[0], open_sources(chosen), chosen)
    assert reading.error == "queues is broken: it read no Queues"


# --- probes of installed packages -----------------------------------------------------------------------------------


def spare(view: object) -> ProbeResult:
    return ProbeResult(text="3 spare", value=3.0)


SPARE = Probe(name="outbox.spare", title="workers to spare", signal="outbox", kind="number", read=spare)


def test_a_probe_of_a_package_is_asked_like_ours(install):
    install(probes={"outbox.spare": SPARE, "more": [replace(SPARE, name="outbox.more"), SPARE]})
    assert {"outbox.spare", "outbox.more"} <= set(registry.probes())
    found = answer(registry.probes()["outbox.spare"], sample.calm(), Settings(), sample.NOW)
    assert (found.value, found.signal, found.text) == (3.0, "outbox", "3 spare")
    assert registry.problems() == ("the probe outbox.spare is left out: its name is taken",)


@pytest.mark.parametrize(
    ("probe", "why"),
    [
        ("no probe", "its object is no Probe, and no list of probes"),
        ([], "its object is no Probe, and no list of probes"),
        (7, "is left out: 'int' object is not iterable"),
        (replace(SPARE, signal="behaviour"), "the probe outbox.spare is left out: there is no signal behaviour"),
        (replace(SPARE, name="outbox.pending"), "the probe outbox.pending is left out: its name is taken"),
    ],
)
def test_a_probe_that_is_none_is_left_out_with_a_sentence(install, probe, why):
    before = set(registry.probes())
    install(probes={"spare": probe})
    assert set(registry.probes()) == before
    [problem] = registry.problems()
    assert why in problem


def test_packages_are_asked_once(install, monkeypatch):
    install({"queues": SIGNAL})
    asked: list[str] = []
    entry_points = plugins.entry_points
    monkeypatch.setattr(plugins, "entry_points", lambda group: [asked.append(group), entry_points(group)][1])
    for _ in range(3):
        registry.probes(Settings())
    assert asked == [plugins.SIGNALS, plugins.PROBES]
