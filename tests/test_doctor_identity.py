"""What doctor says of who writes here: the key that signs, the file of allowed signers, and what is not proved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from ssh_agent import TestKey, agent_with, make_key

from nexconsole.doctor.identity import examine
from nexconsole.journal.accounts import own_account
from nexconsole.settings import Settings
from nexconsole.settings.tables import IdentitySettings, WarRoomSettings


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestKey]:
    """A key of ours, in an agent that answers."""
    made = make_key(tmp_path, "maria")
    with agent_with(made) as place:
        monkeypatch.setenv("SSH_AUTH_SOCK", place)
        yield made


def states(settings: Settings) -> list[tuple[str, str]]:
    return [(check.what, check.state) for check in examine(settings)]


def named(settings: Settings, what: str) -> str:
    return next(f"{check.said}; {check.advice}" for check in examine(settings) if check.what == what)


def signed_by(file: Path, line: str, **others: object) -> Settings:
    file.write_text(line)
    file.chmod(0o644)
    return Settings(identity=msgspec.convert({"allowed_signers": str(file), **others}, IdentitySettings))


def test_a_key_that_signs_and_is_listed_is_fine(key: TestKey, tmp_path: Path) -> None:
    settings = signed_by(tmp_path / "signers", f"{own_account()} {key.line}\n")
    assert states(settings) == [("signing", "ok"), ("allowed signers", "ok")]
    assert key.fingerprint in named(settings, "signing")


def test_a_key_that_is_not_listed_for_this_account_is_told_with_its_line(key: TestKey, tmp_path: Path) -> None:
    settings = signed_by(tmp_path / "signers", f"somebody-else {key.line}\n")
    assert states(settings)[0] == ("signing", "warn")
    assert key.line in named(settings, "signing")


def test_a_file_that_others_can_write_is_not_trusted(key: TestKey, tmp_path: Path) -> None:
    settings = signed_by(tmp_path / "signers", f"{own_account()} {key.line}\n")
    Path(settings.identity.allowed_signers).chmod(0o666)
    assert ("allowed signers", "fail") in states(settings)


def test_without_an_agent_what_demands_signatures_fails(
    tmp_path: Path, key: TestKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "no-agent"))
    lenient = signed_by(tmp_path / "signers", f"{own_account()} {key.line}\n")
    assert states(lenient)[0] == ("signing", "warn")
    strict = signed_by(tmp_path / "signers", f"{own_account()} {key.line}\n", require_signatures=True)
    assert states(strict)[0] == ("signing", "fail")


def test_approvals_by_redis_that_nobody_signs_are_told() -> None:
    room = WarRoomSettings(redis_url="redis://war-room:6379", approval_actions=("provider.disable",))
    assert ("approvals", "warn") in states(Settings(warroom=room))
    assert "Redis" in named(Settings(warroom=room), "approvals")
    signed = Settings(warroom=room, identity=IdentitySettings(require_signatures=True))
    assert "approvals" not in dict(states(signed))
    assert "approvals" not in dict(states(Settings(warroom=WarRoomSettings(approval_actions=("provider.disable",)))))
