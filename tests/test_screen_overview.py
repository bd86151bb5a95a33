"""The overview in the console: the others' level beside one's own, and the way to another profile."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
import sample_readings as sample
from controller import text_of
from frozen_console import console, shown

from nexconsole.cli.options import with_profile
from nexconsole.screens import overview as page
from nexconsole.screens.overview import OverviewScreen
from nexconsole.session.known_profiles import KnownProfiles
from nexconsole.session.overview import ProfileOverview

NAMES = ("ap", "eu", "lab", "us")
PATIENCE_S = 60.0


class KnownWatch:
    """A profile that is read already; `ap` could not be opened."""

    LINES: ClassVar = {
        "ap": ProfileOverview(
            profile="ap", sentence="its settings can't be read: pass: vault is sealed", error="pass: vault is sealed"
        ),
        "lab": ProfileOverview(
            profile="lab",
            environment="staging",
            name="lab",
            level="none",
            sentence="nothing is wrong",
            incident="",
            read_at=sample.NOW - timedelta(seconds=20),
            exit_code=0,
        ),
        "us": ProfileOverview(
            profile="us",
            environment="production",
            name="nexnum-us",
            level="SEV-1",
            sentence="smsbower does not answer",
            since=sample.NOW - timedelta(minutes=17),
            since_seen=True,
            incident="INC-20261123-1342",
            read_at=sample.NOW - timedelta(minutes=3),
            exit_code=2,
        ),
    }

    def __init__(self, profile: str, load: object, changed: object) -> None:
        self.newest = self.LINES[profile]
        self.opened = profile != "ap"

    async def watch(self) -> None:
        """Nothing comes."""

    async def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "ProfileWatch", KnownWatch)


def with_profiles(world: str = "incident"):
    app = console(world, profile="eu")
    app.profiles = KnownProfiles(names=NAMES, current="eu")
    return app


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_each_profile_has_its_level_cause_since_when_incident_and_age(known, size) -> None:
    app = with_profiles()
    async with app.run_test(size=size) as pilot:
        await shown("incident", "O")(pilot)
        await pilot.pause()
        said = text_of(app)
        for words in ("PRODUCTION", "STAGING", "SEV-1", "CALM", "NOT KNOWN", "smsbower does not answer"):
            assert words in said
        assert "INC-20261123-1342" in said and "no incident" in said and "incident ?" in said
        assert "read 3 min ago" in said and "never" not in said and "here" in said
        line = next(line for line in said.splitlines() if " us " in line)
        assert f"since {sample.NOW - timedelta(minutes=17):%H:%M}" in line and "PRODUCTION" in line


async def test_enter_leaves_for_the_profile_under_the_cursor(known) -> None:
    app = with_profiles()
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("calm", "O", "enter")(pilot)
        assert "this is eu" in text_of(app)
        await pilot.press("home", "enter")
        assert "not now: pass: vault is sealed" in text_of(app) and app.switching_to == ""
        await pilot.press("end", "enter")
        assert app.switching_to == "us"


async def test_what_is_under_way_or_a_dialog_keeps_the_console_here(known, monkeypatch) -> None:
    app = with_profiles()
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("calm")(pilot)

        class OneUnderWay:
            name = "provider.disable smsbower"

        monkeypatch.setattr(type(app.controller.session), "under_way", property(lambda session: (OneUnderWay(),)))
        assert "provider.disable smsbower is under way" in app.switch_profile("us")
        monkeypatch.undo()
        await pilot.press("question_mark")
        assert "a dialog is open" in app.switch_profile("us")
        assert app.switching_to == "" and "there is no profile x" in app.switch_profile("x")


async def test_without_profiles_the_key_says_how_to_have_some() -> None:
    app = console("calm")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("calm", "O")(pilot)
        assert not isinstance(app.screen, OverviewScreen) and "[profiles.NAME]" in text_of(app)


async def test_a_key_that_was_typed_for_the_profile_before_does_nothing() -> None:
    app = console("calm", profile="us")
    now = [0.0]
    app.monotonic = lambda: now[0]
    app.profiles = KnownProfiles(names=NAMES, current="us", before="eu")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("calm")(pilot)
        await pilot.press("question_mark")
        assert app.screen is app.console_screen
        assert "what was typed for eu is dropped" in text_of(app)
        now[0] += 10.0
        await pilot.press("question_mark")
        assert app.screen is not app.console_screen


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ([], ["--profile", "us"]),
        (["--profile", "eu", "--observe"], ["--profile", "us", "--observe"]),
        (
            ["--config", "f", "console", "--profile=eu", "--present"],
            ["--profile", "us", "--config", "f", "console", "--present"],
        ),
    ],
)
def test_the_arguments_stay_but_for_the_profile(words, made) -> None:
    assert with_profile(words, "us") == made


def test_a_terminal_goes_from_one_profile_to_the_other_and_is_given_back(tmp_path: Path) -> None:
    """In a real terminal: the same process begins anew; keys typed meanwhile do nothing; q leaves."""
    settings = tmp_path / "config.toml"
    settings.write_text('[profiles.eu]\n[profiles.us]\nenvironment = "staging"\n')
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 120))
    before = termios.tcgetattr(slave)
    environment = {**os.environ, "TERM": "xterm-256color", "NEXCONSOLE_CONFIG": str(settings)}
    words = [sys.executable, "-m", "nexconsole", "--profile", "eu"]
    process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env=environment)
    written = b""

    def until(wanted: bytes, since: int = 0) -> int:
        nonlocal written
        deadline = time.monotonic() + PATIENCE_S
        while wanted not in written[since:]:
            assert time.monotonic() < deadline, written[-3000:]
            if select.select([master], [], [], 0.05)[0]:
                written += os.read(master, 65536)
        return written.index(wanted, since)

    try:
        until(b"PRODUCTION eu")
        until(b"not configured")
        os.write(master, b"O")
        until(b"All NexNums")
        until(b"STAGING", 0)
        os.write(master, b"G")
        left = len(written)
        until(b"staging".upper(), 0)
        time_left = time.monotonic() + PATIENCE_S
        while b"STAGING us" not in written[left:]:
            assert time.monotonic() < time_left, written[-3000:]
            os.write(master, b"\r")
            if select.select([master], [], [], 0.3)[0]:
                written += os.read(master, 65536)
        until(b"switched from eu to us", left)
        assert process.poll() is None
        while process.poll() is None:
            assert time.monotonic() < time_left + PATIENCE_S
            os.write(master, b"q")
            if select.select([master], [], [], 0.8)[0]:
                written += os.read(master, 65536)
        assert process.returncode == 0
        assert termios.tcgetattr(slave) == before
        end = written.rindex(b"\x1b[?1049l")
        assert b"\x1b[?1049h" not in written[end:]
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
def test_the_overview_looks_so(snap_compare, known, size) -> None:
    assert snap_compare(with_profiles(), run_before=shown("incident", "O"), terminal_size=size)
