"""`nexconsole status`: exit codes for a monitoring system, metrics for a collector, lines for who watches."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
import sample_causes as causes
from command_line import run_with
from sample_readings import NOW, calm, incident

from nexconsole.cli import status as status_command
from nexconsole.cli.main import run
from nexconsole.cli.status import line, take
from nexconsole.errors import SourceError
from nexconsole.exposition import exposition
from nexconsole.model import Reading, SourceHealth
from nexconsole.session.monitor import Monitor
from nexconsole.settings import Loaded, PostgresSettings, RedisSettings, Settings
from nexconsole.severity import judge
from nexconsole.signals.transactions import Transactions
from nexconsole.sources import Sources
from nexconsole.sources.postgres import PostgresSource
from nexconsole.sources.redis import RedisSource
from nexconsole.status import Status, as_json, as_text, unread

CLOSED = "postgresql://x@127.0.0.1:1/x"
UP = SourceHealth(name="postgres", ok_at=NOW, latency_ms=1.0)
DOWN = SourceHealth(name="redis", failed_at=NOW, error="redis at r: the connection was refused", kind="unreachable")


def status(readings: dict[str, Reading], *sources: SourceHealth) -> Status:
    return Status(
        at=NOW,
        readings=readings,
        sources=sources,
        severity=judge(readings, Settings(), NOW, sources),
        unread=tuple(unread(readings, sources)),
    )


def without_rules(**values) -> dict[str, Reading]:
    """Calm readings, some of them with another value or error."""
    return {name: replace(reading, **values.get(name, {})) for name, reading in calm().items()}


@pytest.mark.parametrize(
    ("readings", "sources", "code"),
    [
        (calm(), (UP,), 0),
        (calm(), (UP, DOWN), 3),  # what could not be read is not known, however calm the rest
        (calm(), (UP, replace(DOWN, ok_at=NOW, kind="denied")), 0),  # it answered; one right is lacking
        (calm(), (SourceHealth(name="postgres", configured=False),), 3),
        (without_rules(alerts={"error": "timed out"}), (UP,), 3),
        (without_rules(alerts={"absent": True, "value": None, "error": "not configured"}), (UP,), 0),
        (incident(), (UP,), 2),
        (incident(), (UP, DOWN), 2),  # a rule that holds goes before what is not known
    ],
)
def test_the_exit_code_is_0_only_where_all_that_is_configured_was_read_and_no_rule_holds(readings, sources, code):
    assert status(readings, *sources).exit_code == code


def test_a_minor_level_is_1_also_where_something_could_not_be_read():
    minor = without_rules()
    minor["outbox"] = replace(minor["outbox"], value=replace(minor["outbox"].value, failed=1))
    assert status(minor, UP).exit_code == status(minor, UP, DOWN).exit_code == 1


def test_counters_without_a_series_are_not_known():
    empty = Transactions(
        source="prometheus",
        notes=("nothing was measured there",),
        failure_rate=None,
        attempts=0,
        failures=0,
        window_s=300,
        measured=False,
    )
    found = status(without_rules(transactions={"value": empty}), UP)
    assert (found.exit_code, found.unread) == (3, ("transactions: nothing was measured there",))


def test_the_same_failure_is_said_once():
    readings = without_rules(outbox={"error": DOWN.error}, locks={"error": DOWN.error})
    assert status(readings, UP, DOWN).unread == (f"outbox: {DOWN.error}", f"locks: {DOWN.error}")


async def test_closed_sources_are_not_known_and_are_named(clients, redis_server, database):
    opened = {
        "postgres": PostgresSource(clients, PostgresSettings(url=CLOSED)),
        "redis": RedisSource(clients, RedisSettings(url=redis_server.url)),
    }
    sources = Sources(clients, opened)
    found = await take(Monitor(Settings(), health=sources.health), sources)
    assert (found.severity.level, found.exit_code) == ("none", 3)
    text = as_text(found, Settings())
    assert text.startswith("PRODUCTION  not known: ")
    assert "PostgreSQL has not answered yet (unreachable): purchases need it" in text
    await sources.close()


async def test_a_source_that_dies_between_two_readings_is_a_level(clients, postgres_server, database, monkeypatch):
    sources = Sources(clients, {"postgres": PostgresSource(clients, PostgresSettings(url=database.url))})
    monitor = Monitor(Settings(), health=sources.health)
    before = await take(monitor, sources)
    assert before.exit_code == 0, before.unread
    later = replace(sources.postgres.health, ok_at=sources.postgres.health.ok_at - timedelta(seconds=4))

    async def refused(*_):
        raise ConnectionRefusedError

    monkeypatch.setattr(sources.postgres, "_connected", refused)
    monkeypatch.setattr(sources.postgres, "health", later)
    after = await take(monitor, sources)
    assert (after.severity.level, after.exit_code) == ("SEV-1", 2)
    assert after.severity.reasons[0].text.startswith("PostgreSQL has not answered for 4 s (unreachable)")
    assert after.readings["outbox"].value is not None  # the last good one stays
    await sources.close()


def test_json_says_what_is_not_known_and_which_code_the_command_ends_with():
    document = json.loads(as_json(status(calm(), UP, DOWN), Settings()))
    assert document["exit_code"] == 3
    assert document["not_known"] == [DOWN.error]
    assert document["sources"]["redis"]["error"] == DOWN.error
    purchases = document["transactions"]["value"]
    assert purchases["decided"] == purchases["attempts"] - purchases["in_flight"]


def test_no_incident_is_said_only_where_everything_configured_was_read():
    assert as_text(status(calm(), UP), Settings()).startswith("PRODUCTION  no incident\n")
    few = without_rules(alerts={"absent": True, "value": None, "error": "not configured"})
    said = f"no incident in the {len(few) - 1} of {len(few)} signals that are configured"
    assert said in as_text(status(few, UP), Settings())
    text = as_text(status(calm(), UP, DOWN), Settings())
    assert text.startswith("PRODUCTION  not known: 1 thing could not be read\n")
    assert f"  not known: {DOWN.error}" in text


def test_purchases_under_way_are_in_the_text():
    hanging = Transactions(
        source="postgres",
        failure_rate=None,
        attempts=24,
        failures=0,
        in_flight=24,
        oldest_s=240.0,
        newest_s=1.0,
        window_s=300,
    )
    found = status(without_rules(transactions={"value": hanging}), UP)
    assert found.exit_code == 2
    text = as_text(found, Settings())
    assert "no purchase decided in 5 min, 24 in flight, oldest 4 min" in text
    assert "SEV-1  purchasing is down: 24 in flight, none decided for 4 min" in text


def test_a_line_holds_the_level_the_first_reason_and_what_is_not_known():
    calm_line = line(status(calm(), UP))
    assert calm_line == "2026-01-23 14:07:31Z  no incident"
    assert re.match(r"2026-01-23 14:07:31Z  SEV-1  .* of purchases fail.*; \+\d+ more", line(status(incident(), UP)))
    doubt = line(status(calm(), UP, DOWN))
    assert doubt == f"2026-01-23 14:07:31Z  not known  not known: {DOWN.error}"


def test_the_likely_cause_stands_before_the_reasons_with_its_evidence_in_the_json():
    found = replace(status(incident(), UP), explanation=causes.ONE)
    text = as_text(found, Settings())
    assert text.splitlines()[1] == "  likely: smsbower does not answer, since 13:55"
    assert "SEV-1  likely smsbower does not answer, since 13:55; 17.8 %" in line(found)
    told = json.loads(as_json(found, Settings()))["causes"]
    first, second = told["candidates"]
    assert (first["id"], first["standing"], first["target"]) == (
        "provider-unreachable",
        "likely",
        {"provider": "smsbower"},
    )
    assert first["remedy"] == "provider.disable smsbower"
    assert [row["holds"] for row in first["evidence"]] == [True, True, False, None]
    assert first["evidence"][1]["readings"] == [
        {"probe": "circuits.open", "text": "open", "signal": "circuits", "state": "fresh", "age_s": 1.0}
    ]
    assert second["standing"] == "possible" and told["ruled_out"][0]["id"] == "database-down"
    assert json.loads(as_json(status(incident(), UP), Settings()))["causes"] is None
    assert 'nexconsole_cause_likely{cause="provider-unreachable",target="smsbower"} 1' in exposition(found)


def test_a_cause_that_is_not_known_is_said_to_be_not_known_and_what_to_look_at():
    found = replace(status(incident(), UP), explanation=causes.UNKNOWN)
    assert as_text(found, Settings()).splitlines()[1].startswith("  cause not known; look next: whether one provider's")
    assert "likely" not in line(found) and "cause_likely" not in exposition(found)


# --- metrics -----------------------------------------------------------------------------------------------------


def metrics(text: str) -> dict[str, float]:
    samples = [one for one in text.splitlines() if one and not one.startswith("#")]
    return {name: float(value) for name, _, value in (one.rpartition(" ") for one in samples)}


def test_metrics_hold_the_level_the_states_and_each_providers_figures():
    found = metrics(exposition(status(incident(), UP, DOWN)))
    assert found["nexconsole_severity_level"] == 3
    assert found["nexconsole_status_exit_code"] == 2
    assert found["nexconsole_status_timestamp_seconds"] == NOW.timestamp()
    assert found['nexconsole_source_up{source="postgres"}'] == 1
    assert found['nexconsole_source_up{source="redis"}'] == 0
    assert found['nexconsole_signal_state{signal="outbox",state="fresh"}'] == 1
    assert found['nexconsole_signal_state{signal="outbox",state="stale"}'] == 0
    purchases = incident()["transactions"].value
    one = next(each for each in purchases.providers if each.name == "smsbower")
    assert found['nexconsole_provider_purchases_failed{provider="smsbower",id=""}'] == one.failures
    assert found['nexconsole_provider_slot_wait_seconds{provider="smsbower",id="0000-smsbower"}'] == 42
    assert found['nexconsole_provider_slot_wait_seconds{provider="5sim",id="0000-5sim"}'] == 0
    assert found['nexconsole_provider_balance{provider="tiger-sms"}'] == 0.02
    assert found["nexconsole_search_up"] == 0 and found["nexconsole_database_cpu_used_ratio"] == 0.63
    assert found['nexconsole_integrity_findings{kind="data",level="none"}'] == 1
    assert found['nexconsole_integrity_findings{kind="security",level="SEV-1"}'] == 0
    assert found["nexconsole_purchases_failure_ratio"] == pytest.approx(purchases.failure_rate)


@pytest.mark.parametrize(("level", "number"), [("none", 0), ("SEV-3", 1), ("SEV-2", 2), ("SEV-1", 3)])
def test_a_higher_number_is_a_higher_level(level, number):
    found = status(calm(), UP)
    found = replace(found, severity=replace(found.severity, level=level))
    assert metrics(exposition(found))["nexconsole_severity_level"] == number


def test_what_is_not_known_or_old_has_no_sample_and_is_no_zero():
    readings = without_rules(reservations={"taken_at": NOW - timedelta(seconds=60)})
    text = exposition(status(readings, UP))
    assert "nexconsole_reservations_pending" not in text
    assert 'nexconsole_signal_state{signal="reservations",state="stale"} 1' in text
    nothing = without_rules(transactions={"value": replace(calm()["transactions"].value, failure_rate=None)})
    assert "nexconsole_purchases_failure_ratio" not in exposition(status(nothing, UP))


def test_names_from_outside_are_escaped_in_labels():
    value = calm()["transactions"].value
    odd = replace(value, providers=(replace(value.providers[0], name='a"b\\c\nd'),))
    text = exposition(status(without_rules(transactions={"value": odd}), UP))
    assert 'provider="a\\"b\\\\c\\nd"' in text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("readings", [calm(), incident(), {}])
def test_promtool_finds_nothing_wrong_with_the_metrics(readings):
    if readings:
        value = readings["transactions"].value
        odd = replace(value.providers[0], name='a"b\\c\nd')
        readings["transactions"] = replace(
            readings["transactions"], value=replace(value, providers=(*value.providers, odd))
        )
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=exposition(status(readings, UP, DOWN)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- as a command ------------------------------------------------------------------------------------------------


def command(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nexconsole", "status", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_metrics_are_printed_and_the_code_is_the_states(database):
    done = command("--format", "prometheus", DATABASE_URL=database.url)
    text, errors = done.communicate(timeout=60)
    assert (done.returncode, errors) == (0, "")
    assert metrics(text)["nexconsole_severity_level"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_watching_prints_a_line_at_once_one_for_each_change_and_ends_on_a_signal(database, number):
    import asyncio

    watching = command("--watch", "1", DATABASE_URL=database.url)
    try:
        first = await asyncio.to_thread(watching.stdout.readline)
        # this database was started a moment ago, which is a cause by itself: a line more, or two
        calm = r"  no incident in the \d+ of \d+ signals that are configured(  likely the database was restarted)?$"
        assert re.search(calm, first), first
        await database.event("bad", 10, "FAILED", error="x", retry_count=1)
        second = first
        while second and re.search(calm, second):
            second = await asyncio.to_thread(watching.stdout.readline)
        assert "SEV-3  " in second and "1 outbox event failed, and nothing will retry what failed" in second
        watching.send_signal(number)
        rest, errors = await asyncio.to_thread(watching.communicate, timeout=30)
    finally:
        watching.kill()
        watching.communicate()
    assert (watching.returncode, errors) == (1, "")  # the last state's code
    assert all("SEV-3  " in line and "1 outbox event failed" in line for line in rest.splitlines())


def test_a_bug_is_no_level_of_severity(monkeypatch, capsys):
    def broken_settings(options: argparse.Namespace) -> Loaded:
        raise RuntimeError("a bug")

    monkeypatch.setattr(status_command, "load", broken_settings)
    assert run(["status"]) == 3
    assert "RuntimeError: a bug" in capsys.readouterr().err


def test_what_is_expected_to_fail_is_a_sentence_and_not_known(monkeypatch, capsys):
    def unreadable(options: argparse.Namespace) -> Loaded:
        raise SourceError("postgres", "it can't be read")

    monkeypatch.setattr(status_command, "load", unreadable)
    assert run(["status", "--json"]) == 3
    assert capsys.readouterr().err == "nexconsole: it can't be read\n"


def test_a_bug_is_reported_without_the_secrets_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object) -> int:
        raise ZeroDivisionError("odd postgresql://u:Zq7xWv93LmKp@h/d Zq7xWv93LmKp")

    monkeypatch.setattr(status_command, "_run", broken)
    chosen = Settings(postgres=PostgresSettings(url="postgresql://u:Zq7xWv93LmKp@h/d"))
    assert run_with(chosen, "status") == 3
    said = capsys.readouterr().err
    assert "Zq7xWv93LmKp" not in said and "odd postgresql://u:***@h/d ***" in said and "this is a bug" in said
