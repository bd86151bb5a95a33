"""What the system refuses reaches a person in words, without its numbers."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path

import pytest
from quick_commands import nexconsole

from nexconsole.errors import in_words, system_error

REFUSED = "[Errno 111] Connect call failed ('::1', 1, 0, 0)"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No such file or directory", "/etc/nowhere"), "no such file or directory"),
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (OSError(f"Multiple exceptions: {REFUSED}, {REFUSED}"), "connection refused"),
        (
            OSError(f"Multiple exceptions: {REFUSED}, [Errno 101] Connect call failed ('10.0.0.1', 1)"),
            "connection refused and network is unreachable",
        ),
        (socket.gaierror(-2, "Name or service not known"), "name or service not known"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
            "[SSL: WRONG_VERSION_NUMBER] wrong version number",
        ),
        (OSError(0, "it is no plain file"), "it is no plain file"),
        (OSError(), "OSError"),
        (ValueError("Odd"), "odd"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_is_told_in_words(error: Exception, words: str):
    assert in_words(error) == words


def test_addresses_that_all_refuse_are_a_refusal():
    assert isinstance(system_error(OSError(f"Multiple exceptions: {REFUSED}, {REFUSED}")), ConnectionRefusedError)
    mixed = OSError(f"Multiple exceptions: {REFUSED}, [Errno 101] x")
    assert system_error(mixed) is mixed


KUBECONFIG = {
    "current-context": "x",
    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    "users": [{"name": "x", "user": {"token": "x"}}],
    "clusters": [{"name": "x", "cluster": {"server": "https://localhost:1"}}],
}


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_systems_that_can_not_be_reached_are_told_of_without_a_number(tmp_path: Path, command: str):
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(KUBECONFIG))
    done = nexconsole(
        command,
        "--json",
        DATABASE_URL="postgresql://x@localhost:1/x",
        REDIS_URL="redis://localhost:1",
        PROMETHEUS_URL="http://localhost:1",
        API_URL="http://localhost:1",
        MEILISEARCH_HOST="localhost:1",
        KUBECONFIG=str(file),
    )
    assert done.stdout.count("the connection was refused: is it running, is the port right?") >= 6
    assert "Errno" not in done.stdout + done.stderr and "Connect call" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["status", "--config", "/etc"],
        ["runbook", "check", "/nowhere.md"],
        ["export", "/nowhere.jsonl"],
        ["journal", "show", "/etc/.jsonl/x.jsonl"],
        ["replay", "/nowhere.rec"],
        ["drill", "--json-score", "/nowhere/x"],
        ["drill", "--world", "--keep-journal", "/dev/null/x"],
        ["drill", "--world", "--env-file", "/nowhere/x"],
        ["serve", "--host", "203.0.113.1"],
        ["serve", "--host", "no.such.host.invalid"],
    ],
    ids=" ".join,
)
def test_what_a_command_can_not_open_is_told_of_without_a_number(words: list[str]):
    done = nexconsole(*words)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode in (1, 2, 3) and last.startswith("nexconsole: ")
    assert "Errno" not in done.stderr and "Traceback" not in done.stderr
