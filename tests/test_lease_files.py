"""Leases as locked files, in one process: who waits for whom and for how long, who loses a target, what is told."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from nexconsole.sharing import lease_files
from nexconsole.sharing.lease_files import (
    BUSY,
    GUARD,
    KEPT_S,
    NOBODY,
    Changed,
    Execution,
    Reserved,
    TargetBusy,
    decoded,
    new_token,
    prune,
    tokens,
)

LEASE_S = 30.0


@dataclass
class LeaseClock:
    """A monotonic clock that only sleeping moves; `meanwhile` happens in each sleep."""

    now: float = 1000.0
    naps: int = 0
    meanwhile: Callable[[], object] = field(default=lambda: None)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.naps += 1
        self.meanwhile()

    @property
    def waited_s(self) -> float:
        return self.now - 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> LeaseClock:
    made = LeaseClock()
    monkeypatch.setattr(
        lease_files, "time", SimpleNamespace(monotonic=lambda: made.now, sleep=made.sleep, time=time.time)
    )
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".leases"


def execution(token: str = "t1", **fields: Any) -> Execution:
    return Execution(**{"token": token, "who": "maria@bastion", "what": "double it", "at": "14:07:31Z"} | fields)


def ended(token: str = "t1") -> Execution:
    return execution(token, ended=True)


def taken(folder: Path, *names: str, lease_s: float = LEASE_S, **seen: str) -> Reserved:
    names = names or ("a",)
    reserved = Reserved()
    reserved.take(folder, names, {name: seen.get(name, "") for name in names}, lease_s)
    return reserved


def written(folder: Path, *executions: Execution, name: str = "a") -> None:
    """The file as a console has left it."""
    reserved = taken(folder, name)
    for one in executions:
        reserved.begin(one)
    reserved.free()


def aged(file: Path, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(file, (at, at))


def age_s(file: Path) -> float:
    return time.time() - file.stat().st_mtime


# --- what is on record of a target ---


def test_the_token_of_a_target_is_that_of_the_last_execution_and_like_no_other_while_one_lasts(folder, clock):
    assert tokens(folder, ("a", "b")) == {"a": "", "b": ""}
    written(folder, ended("t1"))
    written(folder, execution("t2"), name="b")
    assert tokens(folder, ("a", "b", "c")) == {"a": "t1", "b": BUSY, "c": ""}
    (folder / "a").write_bytes(b"garbage")
    assert tokens(folder, ("a",)) == {"a": ""}


def test_an_execution_is_read_as_it_was_written_and_always_takes_the_same_room(folder, clock):
    reserved = taken(folder)
    sizes = set()
    for one in (execution("t" * 200), execution("t")):
        reserved.begin(one)
        sizes.add((folder / "a").stat().st_size)
        assert decoded((folder / "a").read_bytes()) == one
    reserved.end(None)
    assert sizes == {4096}


@pytest.mark.parametrize("raw", [b"", b" \n\0 ", b"[]", b"{}", b"{", b"[" * 100_000, b'{"token":1}', b"\xff"])
def test_what_is_no_execution_is_none(raw):
    assert decoded(raw) is None


def test_white_space_and_zeros_around_an_execution_do_no_harm():
    assert decoded(b"\0 \n" + msgspec.json.encode(ended()) + b"\n \0\0") == ended()


def test_tokens_differ_and_can_not_be_guessed():
    made = {new_token() for _ in range(50)}
    assert len(made) == 50 and {len(one) for one in made} == {16}


# --- taking and giving back ---


def test_what_was_executed_is_on_record_when_the_target_is_free_again(folder, clock):
    reserved = taken(folder)
    reserved.begin(execution("t1"))
    assert tokens(folder, ("a",)) == {"a": BUSY}
    reserved.end(ended("t1"))
    assert tokens(folder, ("a",)) == {"a": "t1"}
    taken(folder, a="t1").free()
    assert clock.naps == 0


def test_what_was_not_executed_after_all_leaves_what_was_on_record(folder, clock):
    written(folder, ended("t1"))
    reserved = taken(folder, "a", "b", a="t1")
    reserved.begin(execution("t2"))
    reserved.end(None)
    assert tokens(folder, ("a", "b")) == {"a": "t1", "b": ""}
    taken(folder, "a", "b", a="t1").free()


def test_a_lease_whose_end_can_not_be_written_is_free_all_the_same(folder, clock, monkeypatch):
    reserved = taken(folder)

    def full(*given: object) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(lease_files.os, "pwrite", full)
    with pytest.raises(OSError, match="no space"):
        reserved.end(ended())
    monkeypatch.undo()
    taken(folder).free()


def test_of_several_targets_none_is_kept_where_one_can_not_be_had(folder, clock):
    written(folder, ended("t1"), name="b")
    with pytest.raises(Changed):
        taken(folder, "b", "a", "c")
    for name in "ac":
        taken(folder, name).free()
    assert clock.naps == 0


def test_targets_are_locked_in_one_order_so_that_two_consoles_do_not_block_each_other(folder, clock):
    first = taken(folder, "a")
    first.begin(execution())
    with pytest.raises(TargetBusy):
        taken(folder, "c", "b", "a")
    assert not (folder / "b").exists() and not (folder / "c").exists()
    first.free()


# --- what happened since the preview ---


@pytest.mark.parametrize(("seen", "last"), [("", ended("t1")), ("t0", ended("t1"))])
def test_what_was_executed_since_it_was_seen_is_told(folder, clock, seen, last):
    written(folder, last)
    with pytest.raises(Changed) as changed:
        taken(folder, a=seen)
    assert changed.value.by == last
    taken(folder, a="t1").free()


def test_a_record_that_is_gone_is_a_change_too(folder, clock):
    with pytest.raises(Changed) as changed:
        taken(folder, a="t0")
    assert changed.value.by is None


def test_an_execution_whose_console_died_is_told_once_and_then_on_record_as_ended(folder, clock):
    written(folder, execution("t1"))
    with pytest.raises(Changed) as changed:
        taken(folder, a=BUSY)
    assert changed.value.by == execution("t1")
    [token] = tokens(folder, ("a",)).values()
    assert token not in ("", BUSY, "t1")
    kept = decoded((folder / "a").read_bytes())
    assert kept == execution(token, ended=True)
    taken(folder, a=token).free()


def test_garbage_is_told_once_and_then_gone(folder, clock):
    written(folder)
    (folder / "a").write_bytes(b'{"token": "half of')
    with pytest.raises(Changed) as changed:
        taken(folder)
    assert changed.value.by is None
    assert (folder / "a").read_bytes().strip() == b""
    taken(folder).free()


# --- who waits for whom ---


def test_an_execution_that_lasts_is_not_waited_for(folder, clock):
    first = taken(folder)
    first.begin(execution())
    with pytest.raises(TargetBusy) as busy:
        taken(folder)
    assert busy.value.by == execution() and clock.naps == 0
    first.end(None)


@pytest.mark.parametrize("before", [(), (ended("t1"),)])
def test_a_lock_without_an_execution_is_waited_for_two_and_a_half_seconds(folder, clock, before):
    written(folder, *before)
    first = taken(folder, a="t1" if before else "")
    with pytest.raises(TargetBusy) as busy:
        taken(folder)
    assert busy.value.by is None
    assert clock.waited_s == pytest.approx(2.5, abs=0.02)
    first.free()


def test_a_lock_that_is_given_back_meanwhile_is_had(folder, clock):
    first = taken(folder)
    clock.meanwhile = first.free
    taken(folder).free()
    assert clock.naps == 1


@pytest.mark.parametrize(("lease_s", "watched_s"), [(30.0, 5.0), (1.5, 1.5), (5.5, 5.0)])
@pytest.mark.parametrize("way", [1, -1])
def test_who_gives_no_sign_of_life_is_watched_and_then_loses_his_target(folder, clock, lease_s, watched_s, way):
    """Older than a lease, or of a time that is not yet: a clock that was set proves no life."""
    first = taken(folder)
    first.begin(execution("t1"))
    aged(folder / "a", way * (lease_s + 2))
    with pytest.raises(Changed) as changed:  # the target is had: what was begun on it is told
        taken(folder, a=BUSY, lease_s=lease_s)
    assert changed.value.by == execution("t1")
    assert clock.waited_s == pytest.approx(watched_s, abs=0.02)
    [token] = tokens(folder, ("a",)).values()
    assert (folder / "a").stat().st_size == 4096
    lost_to = first.renew()
    assert lost_to is not None and lost_to.token == token
    taken(folder, a=token).free()
    first.end(ended("t1"))  # is written into a file that nobody sees any more
    assert tokens(folder, ("a",)) == {"a": token}


@pytest.mark.parametrize("way", [1, -1])
def test_who_gave_a_sign_of_life_within_his_lease_keeps_his_target(folder, clock, way):
    first = taken(folder)
    first.begin(execution())
    aged(folder / "a", way * (LEASE_S - 2))
    with pytest.raises(TargetBusy) as busy:
        taken(folder)
    assert busy.value.by == execution() and clock.naps == 0
    first.free()


def test_who_gives_signs_of_life_by_a_clock_that_is_wrong_keeps_his_target(folder, clock):
    first = taken(folder)
    first.begin(execution())
    aged(folder / "a", 2 * LEASE_S)
    clock.meanwhile = lambda: aged(folder / "a", 2 * LEASE_S + clock.naps)
    with pytest.raises(TargetBusy) as busy:
        taken(folder)
    assert busy.value.by == execution()
    assert clock.waited_s == pytest.approx(7.5, abs=0.02)
    first.free()


def test_while_another_console_replaces_the_file_it_is_left_to_that_one(folder, clock):
    first = taken(folder)
    first.begin(execution())
    aged(folder / "a", 2 * LEASE_S)
    (folder / GUARD).touch()
    with (folder / GUARD).open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        with pytest.raises(TargetBusy):
            taken(folder)
    assert clock.waited_s == pytest.approx(7.5, abs=0.02)
    assert first.renew() is None
    first.free()


def test_no_descriptor_is_left_open_whatever_happens(folder, clock):
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = opened()
    first = taken(folder)
    first.begin(execution("t1"))
    for lease_s, error in ((LEASE_S, TargetBusy), (1.5, Changed)):
        aged(folder / "a", 10)
        with pytest.raises(error):
            taken(folder, lease_s=lease_s)
    first.free()
    with pytest.raises(Changed):
        taken(folder)
    assert opened() == before


def test_a_file_that_was_moved_away_before_it_was_locked_is_taken_anew(folder, clock, monkeypatch):
    written(folder, ended("t1"))
    lock, moved = fcntl.flock, []

    def flock(descriptor: int, how: int) -> None:
        lock(descriptor, how)
        if not moved:
            moved.append((folder / "a").rename(folder / "away"))

    monkeypatch.setattr(fcntl, "flock", flock)
    reserved = taken(folder)
    assert reserved.renew() is None  # it is the file at the path that is held
    assert clock.naps == 0
    reserved.free()


# --- signs of life ---


def test_a_sign_of_life_makes_every_file_young(folder, clock):
    reserved = taken(folder, "a", "b")
    for name in "ab":
        aged(folder / name, 100)
    assert reserved.renew() is None
    assert all(age_s(folder / name) < 50 for name in "ab")
    reserved.free()
    aged(folder / "a", 100)
    assert reserved.renew() is None  # nothing is held any more
    assert age_s(folder / "a") > 50


def test_a_target_that_is_somebody_elses_by_now_is_told_also_where_nobody_says_whose(folder, clock):
    reserved = taken(folder)
    (folder / "a").rename(folder / "away")
    (folder / "a").write_bytes(msgspec.json.encode(execution("t2")))
    assert reserved.renew() == execution("t2")
    (folder / "a").write_bytes(b"")
    assert reserved.renew() == NOBODY
    assert (NOBODY.who, NOBODY.what) == ("another console", "something on the same")
    reserved.free()


# --- old files ---


def test_what_nobody_executed_on_for_a_day_is_taken_away(folder, clock):
    written(folder, ended(), name="old")
    written(folder, ended(), name="young")
    held = taken(folder, "held")
    (folder / "folder").mkdir()
    (folder / GUARD).touch()
    for name in ("old", "held", GUARD, "folder"):
        aged(folder / name, KEPT_S + 60)
    aged(folder / "young", KEPT_S - 60)
    prune(folder)
    assert sorted(file.name for file in folder.iterdir()) == [GUARD, "folder", "held", "young"]
    held.free()


@pytest.mark.parametrize(("more_s", "stays"), [(0, True), (1, False)])
def test_a_file_of_exactly_a_day_stays_and_an_older_one_goes(folder, clock, monkeypatch, more_s, stays):
    written(folder, ended())
    now = 1_800_000_000.0
    monkeypatch.setattr(lease_files.time, "time", lambda: now)
    at = now - 24 * 60 * 60 - more_s
    os.utime(folder / "a", (at, at))
    prune(folder)
    assert (folder / "a").exists() == stays


@pytest.mark.parametrize("most", [0, 2])
def test_of_very_many_files_only_so_many_are_looked_at_at_a_time(folder, clock, monkeypatch, most):
    for name in "abcde":
        written(folder, ended(), name=name)
        aged(folder / name, 2 * KEPT_S)
    monkeypatch.setattr(lease_files, "MOST_NAMES", most)
    prune(folder)
    assert len(list(folder.iterdir())) == 5 - most


def test_a_holder_that_gave_a_sign_of_life_meanwhile_keeps_its_file(tmp_path: Path) -> None:
    file = tmp_path / "target"
    file.write_bytes(b"")
    inode = file.stat().st_ino
    assert lease_files._taken_from_the_hung(file, LEASE_S) is False
    assert file.stat().st_ino == inode
    old = time.time() - LEASE_S - 5
    os.utime(file, (old, old))
    assert lease_files._taken_from_the_hung(file, LEASE_S) is True
    assert file.stat().st_ino != inode
