"""The watchdog of the temporary tree: a separate process, so that it outlives a killed world.

It reads lines from stdin: `run <pid> <signal>`, `gone <pid>` and `file <path>`. At the end of its input (the world
closed it, or died) it ends what still runs, each by the signal that ends it at once, and removes the files and the
folder named by its argument.
Started by file name with `-I -S`: standard library only, no package imports.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

GRACE_S = 3.0


def running(pid: int) -> bool:
    """Whether the process exists and is not merely unburied."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return os.path.isdir("/proc/self") is False


def end(processes: dict[int, int]) -> None:
    for pid, number in processes.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    deadline = time.monotonic() + GRACE_S
    while any(running(pid) for pid in processes) and time.monotonic() < deadline:
        time.sleep(0.01)
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    folder = sys.argv[1]
    processes: dict[int, int] = {}
    files: list[str] = []
    for line in sys.stdin:
        verb, _, rest = line.rstrip("\n").partition(" ")
        if verb == "file":
            files.append(rest)
        elif verb == "run":
            pid, number = rest.split()
            processes[int(pid)] = int(number)
        else:
            processes.pop(int(rest), None)
    end(processes)
    for file in files:
        with contextlib.suppress(OSError):
            os.unlink(file)
    for _ in range(20):  # a dying server may still create a file in a folder that is being removed
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return
        time.sleep(0.05)


main()
