"""The worlds that the console is measured in: the calm drill, a crowded one, and one in which nothing ever answers."""

from __future__ import annotations

import compileall
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from nexconsole.drill import Stage
from nexconsole.settings import ENVIRONMENT

from .terminal import NeverHappened

START_S = 60.0
REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def calm() -> Iterator[dict[str, str]]:
    """The drill's calm scenario; its environment."""
    with Stage("calm") as stage:
        for _ in stage.progress():
            pass
        yield stage.environment


class Crowded:
    """A crowded world that runs. `write` has a pod log a breaker's line; when that was."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        addresses, log = json.loads(self._answer())
        self.environment: dict[str, str] = addresses
        self.postgres_log = Path(log)

    def requests(self) -> dict[str, dict[str, int]]:
        """The HTTP requests so far, by system and what was asked."""
        return json.loads(self._order("requests -"))

    def write(self, state: str, provider: str) -> float:
        return float(self._order(f"{state} {provider}"))

    def _order(self, words: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise NeverHappened("the crowded world has ended")
        return line


@contextmanager
def crowded(providers: int, changing: int, pods: int, lines: int) -> Iterator[Crowded]:
    """A world of that many providers, of which `changing` change a second; its pods log `lines` a second together."""
    sizes = {"providers": providers, "changing": changing, "pods": pods, "lines": lines}
    argv = [sys.executable, "-m", f"{__package__}.crowd", *(f"--{name}={size}" for name, size in sizes.items())]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    try:
        yield Crowded(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(START_S)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def hanging() -> Iterator[dict[str, str]]:
    """Addresses where everything is accepted and nothing answered."""
    with ExitStack() as stack:
        held: list[socket.socket] = []
        ports = {}
        for name in ("postgres", "redis", "prometheus", "kubernetes", "api"):
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
            ports[name] = server.getsockname()[1]
            threading.Thread(target=_accept, args=(server, held), daemon=True).start()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nexconsole-bench-")))
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{ports['kubernetes']}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        user = {"name": "u", "user": {"token": "t"}}
        config = {"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "c"}
        (folder / "kubeconfig").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
        yield {
            "DATABASE_URL": f"postgresql://u:p@127.0.0.1:{ports['postgres']}/nexnum",
            "REDIS_URL": f"redis://127.0.0.1:{ports['redis']}",
            "PROMETHEUS_URL": f"http://127.0.0.1:{ports['prometheus']}",
            "API_URL": f"http://127.0.0.1:{ports['api']}",
            "KUBECONFIG": str(folder / "kubeconfig"),
        }
        for connection in held:
            connection.close()


def _accept(server: socket.socket, held: list[socket.socket]) -> None:
    while True:
        try:
            held.append(server.accept()[0])
        except OSError:  # closed: the world ends
            return


@contextmanager
def console(world: dict[str, str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The command and the environment of a console on this world, with none of this account's own settings."""
    _compile()
    with tempfile.TemporaryDirectory(prefix="nexconsole-bench-") as folder:
        own = {"XDG_CONFIG_HOME": folder, "XDG_STATE_HOME": folder, "NEXCONSOLE_CONFIG": ""}
        unset = {name: "" for name in ENVIRONMENT if name in os.environ}
        yield [str(Path(sys.executable).with_name("nexconsole"))], unset | own | world


@cache
def _compile() -> None:
    """Our modules as an installer leaves them, and the reference has Textual's: where PYTHONDONTWRITEBYTECODE is set,
    a checkout's would be compiled anew at each start, for 120 ms and some megabytes.
    """
    compileall.compile_dir(REPOSITORY / "nexconsole", quiet=2)
