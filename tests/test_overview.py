"""The overview of all profiles: each read apart from the others; what was not read is not known, and never calm."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sample_readings as sample

from nexconsole.cli.main import run
from nexconsole.errors import SettingsError
from nexconsole.journal import EntryKind, new_incident, open_journal
from nexconsole.model import utc_now
from nexconsole.session import overview
from nexconsole.session.monitor import Monitor
from nexconsole.session.overview import ProfileOverview, ProfileWatch, overview_of, since_words, worst_code
from nexconsole.settings import ApiSettings, JournalSettings, PrometheusSettings, Settings
from nexconsole.signals.search import Search
from nexconsole.status import status_of


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "nexconsole.toml"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
async def silent() -> Callable[[], str]:
    """A server that takes connections and answers nothing; its address."""
    held: list[asyncio.StreamWriter] = []

    async def keep(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for writer in held:
        writer.close()


def monitored(world: str) -> Monitor:
    monitor = Monitor(Settings(), clock=lambda: sample.NOW, readings=sample.WORLDS[world]())
    monitor.judge()
    return monitor


def seen(world: str) -> ProfileOverview:
    monitor = monitored(world)
    assert monitor.severity is not None
    status = status_of(dict(monitor.readings), monitor.severity, sample.health(), sample.NOW)
    return overview_of(Settings(profile="eu", name="nexnum-eu"), status, monitor, "", "eu")


def test_a_line_says_level_reason_and_since_when() -> None:
    found = seen("incident")
    assert (found.level, found.exit_code) == ("SEV-1", 2)
    assert found.sentence and found.since == sample.NOW
    assert since_words(found, sample.NOW).startswith("before ")  # it held when it was first read
    assert seen("calm").level == "none" and seen("calm").exit_code == 0


def test_what_was_not_read_is_not_calm() -> None:
    monitor = monitored("calm")
    monitor.take(sample.reading("outbox", None, error="postgres: refused"))
    assert monitor.severity is not None
    status = status_of(dict(monitor.readings), monitor.severity, sample.health(), sample.NOW)
    found = overview_of(Settings(), status, monitor, None, "eu")
    assert (found.level, found.exit_code) == ("not known", 3) and "postgres: refused" in found.sentence


def test_what_was_not_read_may_make_it_worse() -> None:
    monitor = monitored("calm")
    monitor.take(sample.reading("outbox", None, error="postgres: refused"))
    monitor.take(sample.reading("search", Search(source="meilisearch", up=False, why="refused")))
    assert monitor.severity is not None and monitor.severity.level == "SEV-3"
    status = status_of(dict(monitor.readings), monitor.severity, sample.health(), sample.NOW)
    found = overview_of(Settings(), status, monitor, None, "eu")
    assert found.level == "SEV-3" and found.sentence.endswith("; may be worse, not known: outbox: postgres: refused")


def test_the_worst_is_what_holds_before_what_could_not_be_read() -> None:
    def code(*codes: int) -> int:
        return worst_code([ProfileOverview(profile="x", exit_code=each) for each in codes])

    assert [code(0, 0), code(0, 3), code(3, 1), code(1, 2, 3), code()] == [0, 3, 1, 2, 3]


async def test_one_that_hangs_or_fails_delays_no_other(silent, monkeypatch) -> None:
    stuck = threading.Event()

    def load(name: str) -> Settings:
        if name == "stuck":
            stuck.wait(60)
        if name == "refused":
            raise SettingsError("profiles.refused: its command failed")
        url = {"silent": silent, "gone": "http://127.0.0.1:1"}[name]
        return Settings(profile=name, environment="staging", prometheus=PrometheusSettings(url=url, timeout_s=30.0))

    monkeypatch.setattr(overview, "LOAD_S", 60.0)
    watches = {
        name: ProfileWatch(name, load, read_s=3.0 if name == "silent" else 60.0)
        for name in ("stuck", "silent", "refused", "gone")
    }
    tasks = {name: asyncio.create_task(watch.read()) for name, watch in watches.items()}
    try:
        began = time.monotonic()
        refused = await tasks["refused"]
        gone = await tasks["gone"]
        hung = await tasks["silent"]
        assert time.monotonic() - began < 45.0  # while another still waits for its settings
        assert not tasks["stuck"].done()
        assert (refused.level, refused.error) == ("not known", "profiles.refused: its command failed")
        assert gone.level == "not known" and gone.environment == "staging" and gone.read_at is not None
        assert hung.level == "not known" and "not read within 3 s" in hung.error
        assert watches["stuck"].newest.sentence == "not read yet" and watches["stuck"].newest.exit_code == 3
    finally:
        stuck.set()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        await asyncio.gather(*(watch.close() for watch in watches.values()))


async def test_what_was_read_before_stays_with_its_age_and_is_not_known_any_more() -> None:
    watch = ProfileWatch("eu", lambda name: Settings(profile=name))
    watch.newest = ProfileOverview(profile="eu", level="SEV-2", read_at=sample.NOW, incident="INC-1", exit_code=2)
    watch._failed("no route")
    assert (watch.newest.level, watch.newest.read_at, watch.newest.incident) == ("not known", sample.NOW, "INC-1")
    await watch.close()


async def test_it_holds_no_right_to_act() -> None:
    given: list[Settings] = []

    def opener(settings: Settings):
        given.append(settings)
        raise SettingsError("seen enough")

    secret = Settings(profile="eu", api=ApiSettings(cron_secret="s", admin_token="t"))
    watch = ProfileWatch("eu", lambda name: secret, opener=opener)
    assert (await watch.read()).error == "seen enough"
    assert (given[0].api.cron_secret, given[0].api.admin_token, given[0].actions.observe) == ("", "", True)
    await watch.close()


async def test_an_open_incident_of_its_own_folder_is_seen(tmp_path: Path) -> None:
    chosen = Settings(profile="eu", operator="maria", journal=JournalSettings(folder=str(tmp_path)))
    id = new_incident(tmp_path, utc_now() - timedelta(minutes=5))
    open_journal(chosen, "maria", id).append(
        EntryKind.OPENED, {"title": "t", "level": "SEV-1", "since": "", "changes": []}
    )
    watch = ProfileWatch("eu", lambda name: chosen)
    assert (await watch.read()).incident == id
    await watch.close()


def test_the_command_prints_a_line_each_and_json(config, capsys: pytest.CaptureFixture[str]) -> None:
    file = config(
        '[prometheus]\ntimeout_s = 2.0\n[profiles.eu]\nprometheus.url = "http://127.0.0.1:1"\n'
        '[profiles.us]\nenvironment = "staging"\npostgres.url = { command = ["false"] }\n'
    )
    assert run(["overview", "--config", file]) == 3
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("eu  PRODUCTION") and "NOT KNOWN" in first and "no incident" in first
    assert second.startswith("us  ") and "the command false failed" in second and "incident ?" in second
    assert run(["overview", "--json", "--config", file]) == 3
    document = json.loads(capsys.readouterr().out)
    assert list(document["profiles"]) == ["eu", "us"] and document["exit_code"] == 3
    assert document["profiles"]["us"]["level"] == "not known" and document["profiles"]["us"]["read_at"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "there are no profiles in the settings"),
        (["--database-url", "postgresql://x"], "the profile eu says where to go"),
    ],
)
def test_without_profiles_or_with_a_flag_that_leads_elsewhere_nothing_is_read(config, capsys, words, said) -> None:
    file = config("[profiles.eu]\n" if words else "")
    assert run(["overview", "--config", file, *words]) == 3
    out, err = capsys.readouterr()
    assert out == "" and said in err
