"""The drills that run on this account: where their sockets lie, and one question with its answer.

Each drill listens in a folder that only its account can enter; one JSON object a connection, either way.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import DrillError, in_words
from ..text.sanitize import clean
from ..text.units import period

FOLDER = "drills"
MAX_REQUEST = 4096  # bytes
MAX_ANSWER = 256 * 1024
ANSWER_TIMEOUT_S = 10.0
_LONGEST_PATH = 100  # bytes; the system's limit for a socket's path is 107, or 103
_NAME = re.compile(r"(\d{1,10})\.sock")


@dataclass(frozen=True)
class RunningDrill:
    """A drill whose process listens."""

    pid: int
    socket: Path


def folder() -> Path:
    """The private folder for this process' socket, made if need be. Raises DrillError where it isn't private."""
    place = _folders()[0]
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.lstat()
    except OSError as error:
        raise DrillError(f"{place}: can't be made: {in_words(error)}.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise DrillError(f"{place}: must be a folder that this account alone can enter (mode 700).")
    return place


def _folders() -> list[Path]:
    """Where sockets may lie, the best first: another terminal may lack XDG_RUNTIME_DIR, or have one."""
    named = os.environ.get("XDG_RUNTIME_DIR", "")
    runtime = Path(named) if os.path.isabs(named) else Path(f"/run/user/{os.geteuid()}")
    usable = [runtime / "nexconsole" / FOLDER] if _own(runtime) else []
    return [*usable, paths.state_folder() / FOLDER]


def _own(place: Path) -> bool:
    try:
        return place.stat().st_uid == os.geteuid() and os.access(place, os.W_OK | os.X_OK)
    except OSError:
        return False


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """The socket's path, by its folder's descriptor where it is longer than the system allows."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def running() -> list[RunningDrill]:
    """Every drill that listens, by pid; what a killed one has left behind is removed."""
    found = {}
    for place in _folders():
        with contextlib.suppress(OSError):
            for file in place.iterdir():
                match = _NAME.fullmatch(file.name)
                if match and stat.S_ISSOCK(file.lstat().st_mode) and _listens(file):
                    found[int(match[1])] = RunningDrill(int(match[1]), file)
    return [found[pid] for pid in sorted(found)]


def _listens(file: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, short(file) as path:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:  # nobody is at the other end, and nobody will be
            file.unlink(missing_ok=True)
            return False
        except TimeoutError:
            return True  # it hangs, and asking it will say so
        except OSError:
            return False
        return True


def the_one(pid: int | None = None) -> RunningDrill:
    """The drill with this pid, or the only one. Raises DrillError where that can't be told."""
    drills = running()
    if not drills:
        raise DrillError("No drill runs on this account: start one by `nexconsole drill`.")
    pids = ", ".join(str(drill.pid) for drill in drills)
    if pid is None:
        if len(drills) > 1:
            raise DrillError(f"{len(drills)} drills run: say which by --drill PID, one of: {pids}.")
        return drills[0]
    running_drill = next((drill for drill in drills if drill.pid == pid), None)
    if running_drill is None:
        raise DrillError(f"No drill runs with the pid {pid}: there is {pids}.")
    return running_drill


def ask(drill: RunningDrill, timeout: float = ANSWER_TIMEOUT_S, **request: Any) -> dict[str, Any]:
    """What the drill answers. Raises DrillError with its refusal, or with why there is no answer."""
    line = json.dumps({key: value for key, value in request.items() if value is not None}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX) as connection, short(drill.socket) as path:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(line)
            with connection.makefile("rb") as reading:
                said = reading.readline(MAX_ANSWER + 1)
        found = json.loads(said)
    except TimeoutError as error:
        raise DrillError(f"The drill {drill.pid} gave no answer within {period(timeout)}.") from error
    except OSError as error:
        raise DrillError(f"The drill {drill.pid} can't be reached: {in_words(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise DrillError(f"The drill {drill.pid} gave an answer that can't be read.") from error
    if not isinstance(found, dict):
        raise DrillError(f"The drill {drill.pid} gave an answer that can't be read.")
    if "error" in found:
        raise DrillError(clean(found["error"], 400))
    return found
