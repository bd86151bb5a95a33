"""The diagnostics log and the report of a crash: private, and without a secret."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nexconsole import logging_setup
from nexconsole.app import NexConsole
from nexconsole.settings import PostgresSettings, Settings

PASSWORD = "pa55word-of-the-database"
ADDRESS = f"postgresql://nexnum:{PASSWORD}@db.example/nexnum"


@pytest.fixture
def fresh_logging(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The state folder of an account that has never logged anything."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(logging, "raiseExceptions", True)
    root = logging.getLogger()
    before = root.handlers[:]
    yield tmp_path / "nexconsole"
    for handler in root.handlers[:]:
        if handler not in before:
            root.removeHandler(handler)
            handler.close()


def test_the_log_is_for_this_account_alone_whatever_the_umask_says(fresh_logging: Path) -> None:
    fresh_logging.mkdir()
    log = fresh_logging / "nexconsole.log"
    log.touch()
    log.chmod(0o644)  # as an earlier version left it
    umask = os.umask(0)
    try:
        assert logging_setup.start("info") is None
        logging.getLogger("nexconsole").warning("connecting to %s", ADDRESS)
        logging.getLogger().handlers[-1].doRollover()
        logging.getLogger("nexconsole").warning("again")
    finally:
        os.umask(umask)
    files = sorted(fresh_logging.glob("nexconsole.log*"))
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    assert PASSWORD not in "".join(file.read_text() for file in files)


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_what_lies_in_the_logs_place_is_neither_followed_nor_waited_for(fresh_logging: Path, kind: str) -> None:
    fresh_logging.mkdir()
    log, precious = fresh_logging / "nexconsole.log", fresh_logging / "precious"
    precious.write_text("kept")
    if kind == "link":
        log.symlink_to(precious)
    elif kind == "fifo":
        os.mkfifo(log)
    else:
        log.mkdir()
    assert "no diagnostics are written" in logging_setup.start("info")
    assert precious.read_text() == "kept"


def test_a_report_of_a_crash_has_the_stack_but_no_local_variable_and_no_secret() -> None:
    def connect(url: str) -> None:
        raise RuntimeError(f"can't understand {url} nor 'a bare s3cr3tword'")

    with pytest.raises(RuntimeError) as caught:
        connect(ADDRESS)
    report = logging_setup.crash_report(caught.value, ["s3cr3tword"])
    assert "in connect" in report and "RuntimeError: can't understand postgresql://nexnum:***@" in report
    assert PASSWORD not in report and "s3cr3tword" not in report


def test_a_report_of_a_crash_has_an_end() -> None:
    assert len(logging_setup.crash_report(RuntimeError("x" * 10_000_000))) < 2 * logging_setup.LONGEST_REPORT


async def test_a_bug_in_the_console_ends_it_with_a_report_without_local_variables() -> None:
    app = NexConsole(Settings(postgres=PostgresSettings(url=ADDRESS)))
    with pytest.raises(RuntimeError, match="a bug"):
        async with app.run_test():
            url = ADDRESS
            try:
                raise RuntimeError("a bug")
            except RuntimeError as error:
                app._handle_exception(error)
            reports = [str(renderable) for renderable in app._exit_renderables]
            assert url and any("RuntimeError: a bug" in report for report in reports)
            assert not any(PASSWORD in report or "locals" in report for report in reports)


def test_a_bug_in_a_command_shows_no_password() -> None:
    script = (
        "from nexconsole.cli import settings\nfrom nexconsole.cli.main import run\n"
        f"def broken(options):\n    raise ValueError('no way to {ADDRESS}')\n"
        "settings.run = broken\nrun(['settings'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "ValueError: no way to postgresql://nexnum:***@" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


BROKEN = """
from nexconsole.cli import options
from nexconsole.cli.main import run
from nexconsole.cli.registry import resolve
command, _ = resolve({words})
module = command.module()
name = "load" if hasattr(module, "load") else "load_for_screens"
load = getattr(module, name)
def broken(*given, **options):
    load(*given, **options)
    raise KeyError("Zq7xWv93LmKp")
setattr(module, name, broken)
run({words})
"""


@pytest.mark.parametrize(
    "words",
    [
        ["console"],
        ["doctor"],
        ["settings"],
        ["run"],
        ["run", "locks.flush", "purchase"],
        ["journal", "list"],
        ["export", "INC-1"],
        ["replay"],
        ["sheet"],
        ["runbook", "words"],
        ["serve"],
    ],
    ids=" ".join,
)
def test_a_bug_in_any_command_shows_no_secret_of_its_settings(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BROKEN.format(words=words)],
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ | {"DATABASE_URL": "postgresql://u:Zq7xWv93LmKp@h/d"},
    )
    assert done.returncode == 1 and "KeyError: '***'" in done.stderr and "this is a bug" in done.stderr
    assert "Zq7xWv93LmKp" not in done.stdout + done.stderr


def test_a_secret_of_the_settings_does_not_stand_in_the_log_whatever_stands_around_it(fresh_logging: Path) -> None:
    assert logging_setup.start("info", lambda: ["Zq7xWv93LmKp"]) is None
    logging.getLogger("nexconsole").warning("odd: %r", KeyError("words", "Zq7xWv93LmKp"))
    written = (fresh_logging / "nexconsole.log").read_text()
    assert "Zq7xWv93LmKp" not in written and "KeyError('words', '***')" in written
