"""An SSH agent with keys of a test's own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TestKey:
    """A key pair: the file of its public key, and its line without the comment."""

    __test__ = False
    public: Path

    @property
    def line(self) -> str:
        return " ".join(self.public.read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        said = subprocess.run(["ssh-keygen", "-l", "-f", self.public], capture_output=True, text=True, check=True)
        return said.stdout.split()[1]


def make_key(folder: Path, name: str, kind: str = "ed25519") -> TestKey:
    """A key without a passphrase."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(folder / name)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return TestKey(folder / f"{name}.pub")


@contextlib.contextmanager
def agent_with(*keys: TestKey) -> Iterator[str]:
    """The socket of an agent that holds these keys."""
    with tempfile.TemporaryDirectory(prefix="agent-") as folder:
        place = f"{folder}/socket"
        process = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 30
            environment = {**os.environ, "SSH_AUTH_SOCK": place}
            while subprocess.run(["ssh-add", "-l"], env=environment, capture_output=True).returncode == 2:
                assert process.poll() is None and time.monotonic() < until
                time.sleep(0.01)  # it does not answer yet
            for key in keys:
                subprocess.run(["ssh-add", "-q", str(key.public.with_suffix(""))], env=environment, check=True)
            yield place
        finally:
            process.kill()
            process.wait()
