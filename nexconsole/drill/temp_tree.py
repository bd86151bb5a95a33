"""One temporary folder with the server processes in it; nothing of it outlives this process."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from ..errors import DrillError, in_words

NEEDED_BYTES = 300 * 2**20  # PostgreSQL's files, its log of changes, and a copy of its programs where root runs it
LONGEST_SOCKET = 100  # bytes of a Unix socket's path; the system's limit is 107, or 103


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class TempTree:
    """A folder and processes, guarded by a watchdog that ends and removes them when this process closes it or dies.

    `with TempTree() as tree:` or `close()`; `kill -9` of this process has the same effect.
    Raises DrillError where no folder can be made.
    """

    def __init__(self) -> None:
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="nexconsole-drill-"))
        except OSError as error:
            raise DrillError(
                f"The drill can't make a temporary folder: {in_words(error)}; set TMPDIR to one that it may write."
            ) from error
        self._require_room()
        self.folder.chmod(0o711)  # a server that runs under another account passes through to its own folder
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py")), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._closed = False

    def _require_room(self) -> None:
        """Raises DrillError, and leaves no folder, where the servers' files would not fit."""
        free = shutil.disk_usage(self.folder).free
        if free < NEEDED_BYTES:
            self.folder.rmdir()
            raise DrillError(
                f"The drill needs {NEEDED_BYTES >> 20} MB of disk in {self.folder.parent}, and {free >> 20} MB are"
                " free: make room, or set TMPDIR to a folder on another disk."
            )

    def take_in(self, path: Path) -> None:
        """A file elsewhere that is removed with the temporary tree."""
        self._tell(f"file {path.absolute()}")

    def spawn(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        user: str | int | None = None,
        env: Mapping[str, str] | None = None,
        end_signal: int = signal.SIGKILL,
    ) -> subprocess.Popen[bytes]:
        """Start a server in a session of its own; its output goes to `log`. `end_signal` is what ends it at once."""
        with log.open("ab") as output:
            try:
                process = subprocess.Popen(
                    [str(part) for part in argv],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    user=user,
                    extra_groups=None if user is None else [],
                    cwd=self.folder,
                    env=None if env is None else dict(env),
                    start_new_session=True,
                )
            except OSError as error:
                raise DrillError(f"{argv[0]} can't be started: {in_words(error)}.") from error
        self._processes[process.pid] = process
        self._tell(f"run {process.pid} {int(end_signal)}")
        return process

    async def finish(self, process: subprocess.Popen[bytes], *, number: int | None = None, timeout: float = 5.0) -> int:
        """Wait for a process to end, after sending it the signal `number`; kill it after `timeout` s. Its exit code."""
        if number is not None and process.poll() is None:
            process.send_signal(number)
        deadline = asyncio.get_running_loop().time() + timeout
        while process.poll() is None:
            if asyncio.get_running_loop().time() > deadline:
                process.kill()
            await asyncio.sleep(0.005)
        self._processes.pop(process.pid, None)
        self._tell(f"gone {process.pid}")
        return int(process.returncode)

    def close(self) -> None:
        """End every process, remove the folder. Takes tenths of a second; safe to call again."""
        if self._closed:
            return
        self._closed = True
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        for process in self._processes.values():
            process.wait()
        self._watchdog.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tell(self, line: str) -> None:
        """One line to the watchdog. Where it is gone (killed), close() still does the ending that it can."""
        assert self._watchdog.stdin is not None
        try:
            self._watchdog.stdin.write(f"{line}\n".encode())
            self._watchdog.stdin.flush()
        except BrokenPipeError as error:
            for process in self._processes.values():
                process.kill()
            raise DrillError("The drill's watchdog was killed; its servers have been ended.") from error

    def __enter__(self) -> TempTree:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def tail(path: Path, lines: int = 3) -> str:
    """The last lines of a server's log, for an error's sentence."""
    if not path.exists() or not os.path.getsize(path):
        return "it wrote nothing"
    return " / ".join(path.read_text(errors="replace").strip().splitlines()[-lines:])
