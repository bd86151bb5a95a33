"""Commands in processes of their own, without the time that a new interpreter takes to import the program.

Each is a fork of one process that has done so. What is about the start of the interpreter, its variables (PYTHON*, the
locale) or the terminal needs a real one.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

SERVER = Path(__file__).with_name("command_server.py")
OF_THE_INTERPRETER = ("PYTHON", "LC_", "LANG")
PATIENCE_S = 60.0


@functools.cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    variables = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(theirs.fileno())],
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(theirs.fileno(),),
    )
    theirs.close()
    atexit.register(_end, ours, process)
    return ours


def _end(ours: socket.socket, process: subprocess.Popen[bytes]) -> None:
    ours.close()
    process.wait(PATIENCE_S)


def nexconsole(
    *words: str, attended: bool = False, files_by_name: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """What the command printed, and its exit code; it has no terminal and no input. `attended`: it takes it that a
    person sits there all the same. `files_by_name`: it takes the journal's files for those of other accounts, which
    are called like them.
    """
    assert not any(name.startswith(OF_THE_INTERPRETER) for name in environment), "a fork has its server's interpreter"
    told, telling = os.pipe()
    with (
        open(os.devnull) as nothing,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        open(told, "rb", buffering=0) as code,
    ):
        request = {"words": words, "environment": {**os.environ, **environment}, "folder": os.getcwd()}
        request |= {"attended": attended, "files_by_name": files_by_name}
        fds = [nothing.fileno(), out.fileno(), err.fileno(), telling]
        try:
            socket.send_fds(_server(), [json.dumps(request).encode()], fds)
        finally:
            os.close(telling)
        ready, _, _ = select.select([code], [], [], PATIENCE_S)
        assert ready, f"nexconsole {' '.join(words)} has not ended in {PATIENCE_S:.0f} s"
        said = code.read()
        assert said, "the process that forks commands has ended"
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(words, int(said), out.read().decode(), err.read().decode())
