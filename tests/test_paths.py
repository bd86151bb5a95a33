"""Where files lie, for accounts as containers and sudo have them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from nexconsole import logging_setup, paths, settings
from nexconsole.doctor import console
from nexconsole.doctor.check import Check
from nexconsole.errors import JournalError, SettingsError
from nexconsole.recording import replay
from nexconsole.settings import platform_choice
from nexconsole.sources import postgres_tls


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that has a number and nothing else."""

    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)


def test_an_account_without_a_home_is_told_what_to_set(nameless: None) -> None:
    with pytest.raises(SettingsError, match="has no home folder: set HOME, or XDG_STATE_HOME"):
        paths.state_folder()
    assert "has no home folder" in logging_setup.start("info")


def test_an_account_without_a_home_needs_no_settings_file_and_has_a_number_for_a_name(nameless: None) -> None:
    loaded = settings.load(environ={})
    assert settings.named(loaded.settings).operator.startswith(f"uid {os.geteuid()}@")


def test_with_the_xdg_folders_set_no_home_is_needed(nameless: None, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert paths.state_folder() == tmp_path / "nexconsole"


def test_nothing_is_made_where_home_says_that_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nowhere = tmp_path / "nonexistent"
    monkeypatch.setenv("HOME", str(nowhere))
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_dir=str(nowhere)))
    with pytest.raises(SettingsError, match="has no home folder: set HOME, or XDG_STATE_HOME"):
        paths.state_folder()
    assert "has no home folder" in logging_setup.start("info")
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_dir=str(tmp_path)))
    assert paths.state_folder() == tmp_path / ".local/state/nexconsole"
    assert not nowhere.exists()


def test_root_leaves_another_accounts_home_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "maria"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_dir="/root"))
    monkeypatch.setattr(os, "stat", lambda path: SimpleNamespace(st_uid=1001, st_mode=0o40700))
    assert paths.state_folder() == Path("/root/.local/state/nexconsole")


@pytest.mark.parametrize(
    ("free", "files", "state"),
    [
        (10**9, 10**6, "ok"),
        (199_000_000, 10**6, "warn"),
        (24_000_000, 10**6, "fail"),
        (10**9, 499, "warn"),
        (10**9, 49, "fail"),
        (200_000_000, 500, "ok"),
    ],
)
def test_doctor_says_when_the_disk_has_no_room_for_an_incident(monkeypatch, tmp_path, free, files, state) -> None:
    room = SimpleNamespace(f_bavail=free // 1000, f_frsize=1000, f_favail=files, f_files=10**7)
    monkeypatch.setattr(os, "statvfs", lambda folder: room)
    check = console.with_room(Check(area="console", what="journal", state="ok", said="x"), tmp_path)
    assert check.state == state and (state == "ok" or "has room for" in check.said)


@contextmanager
def somebody_else(folder: Path) -> Iterator[None]:
    """This process may not look into the folder."""
    mode, root = folder.stat().st_mode, os.geteuid() == 0
    folder.chmod(0)
    if root:
        os.seteuid(54321)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(mode)


def test_a_home_that_this_account_may_not_look_into_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    home = Path(os.environ["HOME"])
    (home / ".config").mkdir(parents=True)
    token = str(home / "token")
    monkeypatch.setattr(platform_choice, "POD_TOKEN", Path(token))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with somebody_else(home):
        with pytest.raises(SettingsError, match=r"config\.toml: can't be read: permission denied: set HOME"):
            settings.load()
        monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
        assert settings.load().settings.kubernetes.kubeconfig == ""
        assert not postgres_tls._default("root.crt")


def test_a_journal_folder_that_may_not_be_looked_into_is_one_sentence_for_a_replay(tmp_path: Path) -> None:
    chosen = settings.Settings(journal=settings.JournalSettings(folder=str(tmp_path)))
    with somebody_else(tmp_path), pytest.raises(JournalError, match="can't be read"):
        replay.listed(chosen)
