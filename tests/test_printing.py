"""Output never decides an exit code: an encoding that lacks letters, a reader who has left, a disk that is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attended
import pytest
import redis

CYRILLIC = "борис"
NARROW = {"PYTHONIOENCODING": "latin-1:strict", "PYTHONUTF8": "0"}


def nexconsole(*words: str, out: Any = subprocess.PIPE, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*attended.COMMAND, *words],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.PIPE,
        timeout=60,
    )


@pytest.fixture
def left() -> Iterator[int]:
    """Where nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.fixture
def full() -> Iterator[int]:
    writer = os.open("/dev/full", os.O_WRONLY)
    yield writer
    os.close(writer)


@pytest.fixture
def locks(redis_server: Any, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An abandoned lock, and what a command needs to flush it."""
    client = redis.Redis.from_url(redis_server.url)
    client.flushall()
    client.set("lock:purchase:old", "1700000000000")
    config = tmp_path / "settings.toml"
    config.write_text(
        f'operator = "{CYRILLIC}"\n[journal]\nfolder = "{tmp_path / "journal"}"\n[actions]\nverify_s = 1\n'
    )
    yield {"NEXCONSOLE_CONFIG": str(config), "REDIS_URL": redis_server.url}
    client.flushall()
    client.close()


FLUSH = ("run", "locks.flush", "purchase", "--confirm", "f")


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
def test_what_was_done_is_0_where_the_terminal_has_no_letters_for_it(locks: dict[str, str], more: tuple[str]) -> None:
    done = nexconsole(*FLUSH, *more, **locks, **NARROW)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    if more:
        assert json.loads(done.stdout)["outcome"]["state"] == "done"


@pytest.mark.parametrize("sink", ["left", "full"])
def test_what_was_done_is_0_where_its_output_can_not_be_written(
    locks: dict[str, str], sink: str, request: pytest.FixtureRequest
) -> None:
    done = nexconsole(*FLUSH, out=request.getfixturevalue(sink), **locks)
    assert done.returncode == 0
    said = b"nexconsole: the output could not be written: no space left on device\n"
    assert done.stderr.endswith(said) if sink == "full" else b"nexconsole:" not in done.stderr
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr


def test_what_was_done_is_0_where_there_is_no_output_at_all(locks: dict[str, str]) -> None:
    words = " ".join(FLUSH)
    done = subprocess.run(
        f"{' '.join(attended.COMMAND)} {words} >&- 2>&-", shell=True, env={**os.environ, **locks}, timeout=60
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("settings",), 0),
        (("status",), 3),
        (("status", "--json"), 3),
        (("journal", "list"), 0),
        (("run",), 0),
        (("runbook", "words"), 0),
        (("drill", "--list"), 0),
        (("sheet",), 0),
        (("--help",), 0),
        (("--version",), 0),
        (("doctor", "--json"), None),
    ],
)
def test_every_command_ends_as_it_would_where_the_disk_is_full(
    words: tuple[str, ...], code: int | None, full: int
) -> None:
    done = nexconsole(*words, out=full)
    wanted = nexconsole(*words).returncode if code is None else code
    assert done.returncode == wanted, done.stderr
    assert done.stderr.endswith(b"the output could not be written: no space left on device\n")
    assert b"Traceback" not in done.stderr


def test_a_letter_that_the_encoding_lacks_is_escaped_and_the_others_stay() -> None:
    done = nexconsole("settings", "--operator", f"\xe9{CYRILLIC}", **NARROW)
    line = next(line for line in done.stdout.splitlines() if line.startswith(b"operator"))
    assert done.returncode == 0 and b"\xe9" + "".join(f"\\u{ord(one):04x}" for one in CYRILLIC).encode() in line


def test_a_status_that_is_watched_ends_when_its_reader_leaves(left: int) -> None:
    assert nexconsole("status", "--watch", "1", out=left).returncode == 3


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_a_name_that_the_locale_cannot_read_is_still_the_name(locale: str) -> None:
    narrow = NARROW | {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0"}
    done = nexconsole("run", f"{CYRILLIC}.x", **narrow)
    assert CYRILLIC.encode("ascii", "backslashreplace") in done.stderr and done.returncode == 2
    broken = subprocess.run([sys.executable, "-m", "nexconsole", "run", b"\xff.x"], capture_output=True, timeout=60)
    assert b"there is no action" in broken.stderr and b"Traceback" not in broken.stderr
