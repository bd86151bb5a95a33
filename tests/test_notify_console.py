"""What a console shows and writes to its terminal of notifications, and what it never imports for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from controller import controller, fresh, settings, text_of, until
from notified_server import notified_server, refuse
from sample_readings import WORLDS

from nexconsole.errors import SettingsError
from nexconsole.journal import EntryKind
from nexconsole.journal.redaction import secrets_of
from nexconsole.settings import load

SECRET_URL = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('urls = ["no address"]', "notify.urls: expected addresses as Apprise writes them"),
        ('templates.opened = "{levl}"', "notify.templates.opened: there is no field levl: did you mean level?"),
        ('templates.opened = "{who.__class__}"', "notify.templates.opened: there is no field who.__class__"),
        ('templates.opened = "{who!r:>9}"', "{who} may have no format of its own"),
        ('templates.opened = "{"', "notify.templates.opened: "),
        ('templates.opend = "x"', "there is no kind opend: did you mean opened?"),
        ('services.a = {url = "json://x", kinds = ["closd"]}', "notify.services.a.kinds: there is no kind closd"),
        ('services.a = {url = "json://x", from_level = "SEV-9"}', "there is no level SEV-9"),
        ("services.a = {}", "notify.services.a.url: expected an address"),
        ('services."a b" = {url = "json://x"}', "a name is at most 30 letters"),
        ('services.a = {url = "json://x", api = "ftp://x"}', "notify.services.a.api: expected an address"),
        ('desktop = "osc8"', "notify.desktop: expected one of"),
        ('urls = ["json://x"' + ', "json://x"' * 20 + "]", "at most 20"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(str(written(tmp_path, f"[notify]\n{text}")), environ={})
    assert words in str(refused.value)


def test_an_address_is_a_secret_wherever_settings_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = '{ command = ["echo", "json://bot:pa55@chat.example/x"] }'
    text = f'[notify]\nurls = ["{SECRET_URL}", {command}]\n[notify.services.pager]\nurl = "pagerduty://r0utingkey12@ap1key3456"\n'
    file = written(tmp_path, text)
    for form in ([], ["--json"]):
        assert run(["settings", "--config", str(file), *form]) == 0
        shown = capsys.readouterr().out
        assert "slack://***" in shown and "json://***" in shown and "pagerduty://***" in shown
        for word in ("A1BRTD4JD", "pa55", "r0utingkey12", "ap1key3456"):
            assert word not in shown
    secrets = secrets_of(load(str(file), environ={}).settings)
    assert {SECRET_URL, "TIiajkdnlazkcOXrIdevi7FQ", "pa55", "r0utingkey12", "ap1key3456"} <= {*secrets}
    assert "chat.example" not in secrets


async def test_who_could_not_be_told_stands_above_the_keys_until_it_was(tmp_path: Path) -> None:
    async with notified_server() as server:
        server.reply = refuse
        chosen = settings(tmp_path, environment="production", notify={"urls": [server.url()]})
        async with controller(chosen) as (app, _):
            session = app.controller.session
            session.notices._notifier.targets[0]._tries_s = ()
            await session.record(EntryKind.DECLARED, {"level": "SEV-1", "reason": "x"})
            await until(lambda: session.notices.trouble, 60.0)
            app.controller.tick()
            await until(lambda: "json was not told: Failed to send JSON" in text_of(app))
            server.reply = None
            await session.record(EntryKind.DECLARED, {"level": "SEV-2", "reason": "x"})
            await until(lambda: not session.notices.trouble, 60.0)
            await until(lambda: "was not told" not in text_of(app))


@pytest.mark.parametrize("shared", [False, True])
async def test_the_terminal_rings_when_it_rises_unless_the_screen_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("VTE_VERSION", raising=False)
    async with controller(settings(tmp_path), world="calm") as (app, pilot):
        sent: list[str] = []
        assert app.driver is not None
        monkeypatch.setattr(app.driver, "write", sent.append)
        monkeypatch.setattr(type(app.controller.session), "begins", False)
        if shared:
            app.present(True)
            await pilot.pause()
        app.controller.tick()
        assert not [text for text in sent if "\x07" in text]
        for reading in fresh(WORLDS["incident"]()).values():
            app.monitor.take(reading)
        await until(lambda: app.monitor.severity.level == "SEV-1")
        app.controller.tick()
        app.controller.tick()
        rung = [text for text in sent if "\x07" in text]
        assert len(rung) == (0 if shared else 1)
        assert shared or (rung[0].startswith("\x07\x1b]9;") and "SEV-1" in rung[0])


async def test_the_palette_acknowledges_the_page(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"acknowledge")
        await pilot.press("enter")
        await until(lambda: "nobody outside is told from here" in text_of(app))


def test_without_notify_nothing_of_it_is_imported_and_apprise_never_is() -> None:
    program = (
        "import asyncio, json, sys, pathlib, tempfile\n"
        "from nexconsole.settings import Settings, JournalSettings, NotifySettings\n"
        "from nexconsole.session.session import Session\nfrom nexconsole.sources import Sources\n"
        "from nexconsole.sources.lazy_clients import LazyClients\n"
        "import nexconsole.app\n"
        "async def main(urls):\n"
        "    journal = JournalSettings(folder=tempfile.mkdtemp())\n"
        "    chosen = Settings(journal=journal, notify=NotifySettings(urls=urls))\n"
        "    session = Session(chosen, Sources(LazyClients(), {}))\n"
        "    await session.close()\n"
        "    ours = ('nexconsole.notify', 'apprise', 'requests')\n"
        "    return sorted(name for name in sys.modules if name.startswith(ours))\n"
        "print(json.dumps([asyncio.run(main(())), asyncio.run(main(('json://x',)))]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    without, with_it = json.loads(done.stdout)
    assert without == []
    assert "nexconsole.notify.notifier" in with_it
    assert not [name for name in with_it if name.startswith(("apprise", "requests"))]


async def test_the_command_tries_each_service_and_sends_a_test_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import asyncio

    async with notified_server() as server:
        base = f"http://127.0.0.1:{server.port}"
        text = (
            f'environment = "production"\n[notify]\nurls = ["{server.url()}", "json://127.0.0.1:1/t0ken99999"]\n'
            f'[notify.services.pager]\nurl = "pagerduty://r0utingkey12@ap1key3456"\napi = "{base}"\n'
        )
        file = str(written(tmp_path, text))

        async def said(*words: str) -> tuple[int, list[dict[str, Any]]]:
            code = await asyncio.to_thread(run, ["notify", "--config", file, "--json", *words])
            return code, json.loads(capsys.readouterr().out)["checks"]

        code, checks = await said()
        assert (code, server.got) == (1, [])
        assert {each["what"]: each["state"] for each in checks} == {"pager": "ok", "json": "ok", "json-2": "fail"}
        code, checks = await said("--test", "json", "pager")
        assert code == 0 and {each["said"] for each in checks} == {"took the test"}
        assert any("TEST" in title for title in server.titles)
        assert [document.get("event_action") for path, document in server.got if "enqueue" in path] == [
            "trigger",
            "resolve",
        ]
        assert "t0ken99999" not in str(checks)
