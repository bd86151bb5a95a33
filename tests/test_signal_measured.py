"""Signals that the settings declare: one number by PromQL or by SQL, which only reads, with limits of levels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import incident_story
import pytest
import recordings
import sample_readings as sample
from controller import until

from nexconsole import settings as settings_module
from nexconsole.actions.registry import COMMANDS
from nexconsole.app import NexConsole
from nexconsole.break_glass.sheet import sheet
from nexconsole.break_glass.store import keep_report
from nexconsole.cli.status import take
from nexconsole.errors import BadAnswer, SettingsError, SourceError
from nexconsole.exposition import exposition
from nexconsole.incident.events import observations
from nexconsole.incident.incident import fold
from nexconsole.incident.metrics import sample_of
from nexconsole.journal import EntryKind
from nexconsole.runbook.problems import check
from nexconsole.screens.console import ConsoleScreen
from nexconsole.session.monitor import Monitor
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.signals import registry
from nexconsole.signals.measured import Measurement, measured, shown
from nexconsole.signals.probe import answer
from nexconsole.sources.prometheus_json import QueryResult, Sample
from nexconsole.status import as_text
from nexconsole.widgets.canvas import LineCanvas
from nexconsole.widgets.spans import as_text as line_text

TOML = """
[signals.refund-queue]
sql = "SELECT count(*) FROM wallets"
title = "Refund queue"
unit = "refunds"
limits = { SEV-3 = 2, SEV-2 = 100 }
every_s = 30
"""
Load = Callable[[str], Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Settings from this text, as a console reads them."""

    def read(text: str) -> Settings:
        file = tmp_path / "config.toml"
        file.write_text(text)
        return settings_module.load(str(file), environ={}).settings

    return read


def table(**keys: object) -> str:
    lines = (f"{name} = {text!r}" if isinstance(text, str) else f"{name} = {text}" for name, text in keys.items())
    return "\n".join(("[signals.depth]", *lines))


def metrics(*values: float) -> Any:
    """Sources whose Prometheus answers these series to any expression."""

    async def query(expression: str) -> QueryResult[Sample]:
        result = QueryResult(Sample(labels={}, value=value) for value in values)
        result.notes = ()
        return result

    return SimpleNamespace(prometheus=SimpleNamespace(query=query))


# --- what may be declared -----------------------------------------------------------------------------------------


def test_a_signal_of_the_settings_is_declared_with_its_probe_and_its_cadence(load):
    chosen = load(TOML)
    [signal] = registry.extra(chosen)
    assert (signal.name, signal.title, signal.every, signal.needs) == (
        "refund-queue",
        "Refund queue",
        30.0,
        ("postgres",),
    )
    assert registry.probes(chosen)["refund-queue"] is signal.probes[0]
    assert "refund-queue" not in registry.probes() and registry.extra() == ()
    assert [key for key, _, origin in settings_module.load(environ={}).lines() if key == "signals"] == ["signals"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (table(title="x"), r"signals\.depth: set either promql or sql"),
        (table(promql="up", sql="SELECT 1"), r"signals\.depth: set either promql or sql"),
        (table(sql="DELETE FROM wallets"), r"signals\.depth\.sql: expected one SELECT"),
        (table(sql="SELECT 1; DELETE FROM wallets"), r"signals\.depth\.sql: expected one SELECT, without ;"),
        (table(sql="SELECT pg_terminate_backend(7)"), r"pg_terminate_backend may do more than read"),
        (table(sql="SELECT PG_Advisory_Lock(7)"), r"PG_Advisory_Lock may do more than read"),
        (table(sql="SELECT set_config('a', 'b', false)"), r"set_config may do more than read"),
        (table(promql="up", worse="under"), r"signals\.depth\.worse: expected above or below, got under"),
        (table(promql="up", every_s=0.1), r"signals\.depth\.every_s: expected at least 1 s"),
        (table(promql="up") + "\nlimits = { SEV-4 = 3 }", r"signals\.depth\.limits: there is no level SEV-4"),
        ('[signals."Depth 1"]\npromql = "up"', r"signals\.Depth 1: a name is"),
        (table(promql="up", colour="red"), r"there is no such key"),
        (table(promql=7), r"signals.*promql: expected `?str"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key(load, text, why):
    with pytest.raises(SettingsError, match=why):
        load(text)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM pg_stat_activity",
        "WITH old AS (SELECT 1 AS n) SELECT n FROM old",
        "select pg_total_relation_size('outbox_events_v2')",
    ],
)
def test_a_query_that_only_tells_is_taken(load, sql):
    assert load(table(sql=sql)).signals["depth"].sql == sql


def test_a_name_that_is_taken_is_left_out_and_said(load):
    chosen = load('[signals.outbox]\npromql = "up"\n[signals.severity]\npromql = "up"\n')
    assert registry.extra(chosen) == ()
    assert registry.problems(chosen) == (
        "signals.outbox is left out: there is something named outbox already",
        "signals.severity is left out: there is something named severity already",
    )


# --- how it is read -----------------------------------------------------------------------------------------------


async def test_sql_is_read_in_a_transaction_that_can_only_read(load, database, sources_on):
    for name in ("w1", "w2", "w3"):
        await database.customer(name)
        await database.execute("INSERT INTO wallets (id, user_id, balance, reserved) VALUES ($1, $1, 0, 0)", name)
    chosen = load(TOML)
    [signal] = registry.extra(chosen)
    value = await signal.read(sources_on(database.url), chosen, None)
    assert value == Measurement(
        source="postgres", title="Refund queue", number=3.0, unit="refunds", level="SEV-3", passed=2
    )
    assert signal.summary(value) == "3 refunds, above 2 refunds"


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT generate_series(1, 3)", "gives several values: it must give one row of one column"),
        ("SELECT 1, 2", "gives several values"),
        ("SELECT 1 WHERE false", "gives no number: is the expression right?"),
        ("SELECT NULL::int", "gives no number, but None"),
        ("SELECT 'many'", "gives no number, but many"),
        ("SELECT 'NaN'::float8", "gives no number, but nan"),
        ("SELECT no_such_column", "no_such_column"),
        ("SELECT 1) AS a, (SELECT 2", "gives several values"),
        ("WITH gone AS (DELETE FROM wallets RETURNING 1) SELECT count(*) FROM gone", "top level"),
    ],
)
async def test_what_is_not_one_number_is_an_error_that_says_so(load, database, sources_on, sql, why):
    chosen = load(table(sql=sql))
    [signal] = registry.extra(chosen)
    with pytest.raises(SourceError, match=why):
        await signal.read(sources_on(database.url), chosen, None)


@pytest.mark.parametrize(("number", "level"), [(1, "none"), (2, "none"), (3, "SEV-3"), (101, "SEV-2")])
async def test_a_level_is_that_of_the_highest_limit_passed(load, number, level):
    chosen = load(TOML.replace('sql = "SELECT count(*) FROM wallets"', 'promql = "refunds"'))
    [signal] = registry.extra(chosen)
    value = await signal.read(metrics(number), chosen, None)
    assert (value.level, value.number, value.source) == (level, number, "prometheus")


async def test_limits_may_be_passed_below(load):
    chosen = load(table(promql="up", worse="below", unit="ratio") + "\nlimits = { SEV-1 = 0.5, SEV-3 = 0.9 }")
    [signal] = registry.extra(chosen)
    value = await signal.read(metrics(0.4), chosen, None)
    [reason] = signal.reasons(value, chosen)
    assert (reason.level, reason.text, reason.outlook) == ("SEV-1", "Depth: 40 %, below 50 %", "")
    assert (await signal.read(metrics(0.95), chosen, None)).level == "none"


async def test_several_series_or_none_are_no_number(load):
    chosen = load(table(promql="up"))
    [signal] = registry.extra(chosen)
    for values, why in (((1, 2), "gives several series: sum"), ((), "gives no number"), ((float("inf"),), "but inf")):
        with pytest.raises(BadAnswer, match=f"signals.depth.promql {why}" if "but" not in why else why):
            await signal.read(metrics(*values), chosen, None)


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (12, "refunds", "12 refunds"),
        (0.045, "ratio", "4.5 %"),
        (180, "seconds", "3 min"),
        (2.5, "", "2.5"),
        (12345, "", "12 345"),
    ],
)
def test_a_number_is_shown_with_its_unit(number, unit, text):
    assert shown(number, unit) == text


# --- where it is told ---------------------------------------------------------------------------------------------


@pytest.fixture
def chosen(load) -> Settings:
    return load(TOML)


VALUE = Measurement(source="postgres", title="Refund queue", number=140, unit="refunds", level="SEV-2", passed=100)
READING = sample.reading("refund-queue", VALUE)


def test_it_is_judged_told_measured_on_the_sheet_and_asked_by_runbooks(chosen):
    readings = {"refund-queue": READING}
    severity = judge(readings, chosen, sample.NOW)
    assert [(reason.level, reason.text) for reason in severity.reasons] == [
        ("SEV-2", "Refund queue: 140 refunds, above 100 refunds")
    ]
    [seen] = observations(readings, {}, chosen, sample.NOW)
    assert (seen.subject, seen.state) == ("refund-queue", "above 100 refunds")
    assert sample_of(readings, sample.NOW, chosen)["refund_queue"] == 140
    assert "refund-queue  fresh, read" in sheet(readings, severity, None, chosen, sample.NOW)
    found = answer(registry.probes(chosen)["refund-queue"], readings, chosen, sample.NOW)
    assert (found.value, found.text) == (140.0, "Refund queue: 140 refunds, above 100 refunds")
    book = "## 1. Deep (SEV-2)\n\n### Trigger\n\n- Deep. `refund-queue > 100`\n\n### Steps\n\n1. Look: `refund-queue`\n"
    wrong = check(book, COMMANDS)
    assert len(check(book, COMMANDS, registry.probes(chosen))) < len(wrong)


def test_a_report_has_it_with_its_title_and_its_unit(chosen, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    story = incident_story.IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "refunds wait", "level": "SEV-2", "since": ""})
    story.tell(EntryKind.FIGURES, {"figures": sample_of({"refund-queue": READING}, sample.NOW, chosen)})
    markdown, html = keep_report(fold(story.entries), "INC-20260123-1407", chosen)
    assert "| Refund queue | 140 refunds |" in markdown.read_text()
    assert "<td>Refund queue</td><td>140 refunds</td>" in html.read_text()


async def test_status_reads_it(load, database, sources_on):
    chosen = load(TOML)
    sources = sources_on(database.url)
    status = await take(Monitor(chosen, health=sources.health), sources)
    assert "refund-queue  0 refunds (postgres)" in as_text(status, chosen)
    assert "nexconsole_own_refund_queue 0.0" in exposition(status, chosen)


def seen(screen: ConsoleScreen, selector: str) -> str:
    return line_text(screen.query_one(selector, LineCanvas).lines)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (200, 50)])
async def test_it_has_a_line_on_the_screen(chosen, size):
    app = NexConsole(chosen, None, clock=lambda: sample.NOW)
    async with app.run_test(size=size) as pilot:
        await app._watch_more()
        app.monitor.take(READING)
        await pilot.pause()
        assert "refund queue" in seen(app.console_screen, "#refund-queue")
        assert "140 refunds" in seen(app.console_screen, "#refund-queue")
        assert app.console_screen.query_one("#refund-queue").region.height == 1


async def test_more_than_fit_are_reached_by_tab_and_by_command(load):
    chosen = load("\n".join(table(promql="up").replace("depth", f"depth-{n}") for n in range(8)))
    app = NexConsole(chosen, None, clock=lambda: sample.NOW)
    async with app.run_test(size=(80, 24)) as pilot:
        await app._watch_more()
        screen = app.console_screen
        await pilot.pause()
        assert screen.query_one("#more").size.height == 3
        await pilot.press("shift+tab", "shift+tab")
        assert screen.focused.id == "depth-7"
        await until(lambda: screen.query_one("#more").region.contains_region(screen.focused.region))
        [command] = [command for command in app.palette_commands() if command.title == "Depth 5"]
        command.run()
        await pilot.pause()
        assert screen.maximized_pane.id == "depth-5" and screen.maximized_pane.size.height > 15


async def test_a_recording_of_it_can_be_read_where_the_settings_have_no_such_signal(chosen, tmp_path):
    recording = await recordings.recorded(tmp_path / "INC-20260123-1407.recording", [READING], chosen)
    assert recording.at(sample.NOW)["refund-queue"].value == VALUE


def test_a_title_is_the_name_where_none_is_given(load):
    assert measured("refund-queue", load(table(promql="up")).signals["depth"]).title == "Refund queue"
