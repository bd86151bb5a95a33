"""Real servers for all tests, embedded; folders and variables of nobody's home."""

from __future__ import annotations

import contextlib
import gc
import importlib
import itertools
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from accounts import accounts_by_kernel, accounts_by_name, hosts_by_folder
from nexnum_database import NexNumDatabase
from quick_textual import draw, make_textual_quick
from textual.screen import Screen

from nexconsole.drill.servers import EmbeddedPostgres, EmbeddedRedis, embedded_postgres, embedded_redis
from nexconsole.settings import ENVIRONMENT, PostgresSettings
from nexconsole.sources import Sources, cluster_access
from nexconsole.sources.lazy_clients import LazyClients
from nexconsole.sources.postgres import PostgresSource

WORKERS_PER_CORE = 2  # the tests wait about as much as they compute
MOST_WORKERS = 24
FOLDERS = itertools.count()  # of tests in this process
# The tests start some hundred processes: what they import is compiled once and kept, for them and for the next run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
gc.disable()  # what is collected stays to the end


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return min(MOST_WORKERS, WORKERS_PER_CORE * len(os.sched_getaffinity(0)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Of a whole run each worker compiles its share of the modules first, and then reads what the others compiled."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if not worker or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    modules = sorted(file.stem for file in Path(__file__).parent.glob("test_*.py"))
    for module in modules[int(worker) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
        with contextlib.suppress(Exception):  # said by the collection
            importlib.import_module(module)


def pytest_collection_finish() -> None:
    make_textual_quick()
    gc.collect()
    gc.freeze()  # it need not be looked through again and again
    gc.enable()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new folder of this test's own. Pytest's fixture looks through the folders of all tests before it names one."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    folder = tmp_path_factory.getbasetemp() / f"{name}-{next(FOLDERS)}"
    folder.mkdir(0o700)
    return folder


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings, the variables or the state folder of the account that runs it."""
    for variable in (*ENVIRONMENT, "NEXCONSOLE_CONFIG", "SSH_CONNECTION", "SSH_TTY", "PGPASSWORD", "PGUSER"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(variable, raising=False)
    # ~/.kube/config is a cluster that the console would take where none is named
    for variable, folder in (("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state")):
        monkeypatch.setenv(variable, str(tmp_path / folder))
    home = tmp_path.with_name(f"{tmp_path.name}-home")  # beside the test's own folder, whose content tests compare
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))


@pytest.fixture(autouse=True)
def _own_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A console keeps to the cluster that it began with; each test is a new one."""
    monkeypatch.setattr(cluster_access, "_began_with", {})


@pytest.fixture(autouse=True)
def _accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two operators of a test are two people, though one account runs it."""
    accounts_by_name(monkeypatch.setattr)
    hosts_by_folder(monkeypatch.setattr)


@pytest.fixture
def kernel_accounts(_accounts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For consoles in processes of their own beside this one: all agree on the one account and host that they have."""
    accounts_by_kernel(monkeypatch.setattr)


@pytest.fixture
def every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every frame is drawn, as for a terminal, whether the test looks at it or not."""
    monkeypatch.setattr(Screen, "_compositor_refresh", draw)


@pytest.fixture(scope="session", autouse=True)
def _terminal() -> Iterator[None]:
    """Colours and size do not depend on the terminal that the tests run in."""
    before = {name: os.environ.get(name) for name in ("TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES")}
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        os.environ.pop(name, None)
    yield
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


@pytest.fixture(scope="session")
async def postgres_server() -> AsyncIterator[EmbeddedPostgres]:
    """PostgreSQL far from UTC, so that every comparison of times is tried the hard way."""
    async with embedded_postgres(timezone="Asia/Kolkata") as server:
        yield server


@pytest.fixture(scope="session")
async def redis_server() -> AsyncIterator[EmbeddedRedis]:
    async with embedded_redis() as server:
        yield server


@pytest.fixture
async def clients() -> LazyClients:
    return LazyClients()


@pytest.fixture
async def database(postgres_server: EmbeddedPostgres) -> AsyncIterator[NexNumDatabase]:
    connection = await asyncpg.connect(postgres_server.admin_url)
    try:
        hand = NexNumDatabase(postgres_server, connection)
        await hand.prepare()
        yield hand
    finally:
        await connection.close()


@pytest.fixture
async def sources_on(clients: LazyClients) -> AsyncIterator[Callable[[str], Sources]]:
    """Sources with nothing but the Postgres at a URL; closed at the end."""
    made: list[Sources] = []

    def make(url: str) -> Sources:
        made.append(Sources(clients, {"postgres": PostgresSource(clients, PostgresSettings(url=url))}))
        return made[-1]

    yield make
    for sources in made:
        await sources.close()
