"""Where files lie, for accounts as containers and sudo have them."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from nexconsole import diagnostics, doctor, paths, settings
from nexconsole.errors import SettingsError


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
    assert "has no home folder" in diagnostics.start("info")


def test_an_account_without_a_home_needs_no_settings_file_and_has_a_number_for_a_name(nameless: None) -> None:
    loaded = settings.load(environ={})
    assert settings.named(loaded.settings).operator.startswith(f"uid {os.geteuid()}@")


def test_with_the_xdg_folders_set_no_home_is_needed(nameless: None, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert paths.state_folder() == tmp_path / "nexconsole"


def test_root_leaves_another_accounts_home_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "maria"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_dir="/root"))
    monkeypatch.setattr(os, "stat", lambda path: SimpleNamespace(st_uid=1001))
    assert paths.state_folder() == Path("/root/.local/state/nexconsole")


@pytest.mark.parametrize(
    ("free", "files", "state"),
    [(10**9, 10**6, "ok"), (199_000_000, 10**6, "warn"), (24_000_000, 10**6, "fail"), (10**9, 499, "warn"),
     (10**9, 49, "fail"), (200_000_000, 500, "ok")],
)  # fmt: skip
def test_doctor_says_when_the_disk_has_no_room_for_an_incident(monkeypatch, tmp_path, free, files, state) -> None:
    room = SimpleNamespace(f_bavail=free // 1000, f_frsize=1000, f_favail=files, f_files=10**7)
    monkeypatch.setattr(os, "statvfs", lambda folder: room)
    check = doctor._with_room(doctor.Check(area="console", what="journal", state="ok", said="x"), tmp_path)
    assert check.state == state and (state == "ok" or "has room for" in check.said)
