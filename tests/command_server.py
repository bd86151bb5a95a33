"""A process that has imported the program, and forks for each command that it is asked for (by `quick_commands`)."""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import signal
import socket
import sys
import time
from typing import Any

from accounts import files_by_name

from nexconsole import terminal

IMPORTED = (
    *("aiohttp", "asyncpg", "redis.asyncio", "nexconsole.cli.main", "nexconsole.session.session"),
    *(f"nexconsole.cli.{name}" for name in ("docs", "doctor", "init", "journal", "replay", "run", "runbook", "status")),
)


def become(request: dict[str, Any], fds: list[int]) -> None:
    """This process is the command's from now on."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    sys.argv = ["nexconsole", *request["words"]]
    random.seed()
    if request["attended"]:
        terminal.attended = lambda: True
    if request["files_by_name"]:
        files_by_name()


def serve(asked: socket.socket) -> None:
    """Returns in each process that became a command."""
    while True:
        message, fds, _, _ = socket.recv_fds(asked, 1 << 20, 4)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            asked.close()
            *streams, told = fds
            command = os.fork()
            if command == 0:
                os.close(told)
                become(json.loads(message), streams)
                return
            for fd in streams:
                os.close(fd)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.write(told, str(os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])).encode())
            os._exit(0)
        for fd in fds:
            os.close(fd)


if __name__ == "__main__":
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    serve(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from nexconsole.__main__ import main

    main()
