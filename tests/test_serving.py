"""`nexconsole serve`: who may look, and that looking is all."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pyte
import pytest
from controller import until

from nexconsole.cli import serve, web_server
from nexconsole.cli.main import run
from nexconsole.settings import ENVIRONMENT, powerless
from nexconsole.settings.tables import ApiSettings, Settings

TOKEN = "a-token-for-tests-only"


class Served:
    """A real `nexconsole serve` in a process of its own, and where it listens."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.base = "http://" + urlsplit(address).netloc
        self.address = address

    def children(self) -> list[int]:
        task = Path(f"/proc/{self.process.pid}/task")
        try:
            return [int(pid) for one in task.iterdir() for pid in (one / "children").read_text().split()]
        except OSError:
            return []


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    environment = {
        **os.environ,
        "NEXCONSOLE_SERVE_TOKEN": TOKEN,
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "CRON_SECRET": "must-stay-behind",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nexconsole",
        "serve",
        "--port",
        "0",
        "--operator",
        "watcher",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    address = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
    yield Served(process, address)
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 60)


def of(pid: int, *names: str) -> list[Path]:
    return [Path(f"/proc/{pid}/{name}") for name in names]


def alive(pids: list[int]) -> bool:
    return any(file.exists() for pid in pids for file in of(pid, "stat"))


def browser(**options) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), **options)


async def entered(served: Served, session: aiohttp.ClientSession) -> str:
    async with session.get(served.address) as answer:
        assert answer.status == 200
        return await answer.text()


class PageWatcher:
    """A browser's terminal."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.screen = pyte.Screen(106, 30)
        self._stream = pyte.ByteStream(self.screen)

    async def sees(self, words: str, seconds: float = 40.0) -> None:
        async with asyncio.timeout(seconds):
            while words not in self.text:
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.BINARY, message
                self._stream.feed(message.data)

    async def after(self, seconds: float) -> str:
        """What stands there after so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = await self.socket.receive(timeout=left)
            except TimeoutError:
                break
            if message.type is aiohttp.WSMsgType.BINARY:
                self._stream.feed(message.data)
        return self.text

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    async def type(self, text: str) -> None:
        await self.socket.send_json(["stdin", text])


@pytest.mark.parametrize("path", ["/", "/ws", "/static/js/textual.js", "/static/css/xterm.css", "/nowhere"])
async def test_without_the_token_nothing_is_given(served: Served, path: str) -> None:
    async with browser() as session:
        for url in (path, f"{path}?token=", f"{path}?token=wrong", f"{path}?token={TOKEN}x"):
            async with session.get(served.base + url) as answer:
                assert answer.status == 403
                assert TOKEN not in await answer.text()
        async with session.get(served.base + path, cookies={"nexconsole": TOKEN}) as answer:
            assert answer.status == 403


async def test_with_the_token_the_page_opens_and_the_address_forgets_it(served: Served) -> None:
    async with browser() as session:
        async with session.get(served.address) as answer:
            page = await answer.text()
            assert answer.status == 200 and answer.url.query_string == "fontsize=20"
            assert "no-referrer" in answer.headers["Referrer-Policy"]
        assert TOKEN not in page and "/ws" in page
        async with session.get(served.base + "/static/js/textual.js") as answer:
            assert answer.status == 200
        cookie = next(iter(session.cookie_jar))
        assert cookie["httponly"] and TOKEN not in cookie.value


@pytest.mark.parametrize("cookie", [b"nexconsole=\xff\xfe", b"nexconsole=\xc3\xa9; a=\x80"])
async def test_a_cookie_of_odd_bytes_is_refused_like_any_other(served: Served, cookie: bytes) -> None:
    place = urlsplit(served.base)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: %b\r\nCookie: %b\r\n\r\n" % (place.netloc.encode(), cookie))
    answer = await asyncio.wait_for(reader.readline(), 60)
    writer.close()
    assert b" 403 " in answer


async def test_behind_a_proxy_with_tls_the_page_calls_back_by_its_address(served: Served) -> None:
    proxy = {"Host": "war.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/room"}
    async with browser() as session:
        path = f"{served.base}/?token={TOKEN}"
        async with session.get(path, headers=proxy, allow_redirects=False) as answer:
            assert answer.status == 303 and answer.headers["Location"] == "?fontsize=20"
            assert "Secure" in answer.headers["Set-Cookie"]
            passed = {"nexconsole": answer.cookies["nexconsole"].value}
        async with session.get(served.base, headers=proxy, cookies=passed) as answer:
            page = await answer.text()
            assert 'data-session-websocket-url="wss://war.example/room/ws"' in page and 'src="static/js' in page
        headers = proxy | {"Cookie": f"nexconsole={passed['nexconsole']}"}
        socket = await session.ws_connect(served.base + "/ws", origin="https://war.example", headers=headers)
        await PageWatcher(socket).sees("no action yet")
        await socket.close()
        for wrong in ("war.example/evil", "[", '"><script>'):
            async with session.get(served.base, headers=proxy | {"X-Forwarded-Host": wrong}, cookies=passed) as answer:
                assert wrong not in await answer.text()
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect(served.base + "/ws", origin="https://evil.example", headers=headers)


async def test_another_sites_page_can_not_open_the_websocket(served: Served) -> None:
    async with browser() as session:
        await entered(served, session)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect(served.base + "/ws", origin="https://evil.example")
        async with session.get(served.base + "/", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 403


async def test_a_watcher_sees_the_shared_screen_and_can_do_nothing(served: Served, tmp_path: Path) -> None:
    async with browser() as session:
        await entered(served, session)
        socket = await session.ws_connect(served.base + "/ws?width=106&height=30", origin=served.base)
        watcher = PageWatcher(socket)
        await watcher.sees("no action yet")
        assert "commands" in watcher.text and "note" not in watcher.text
        child = await until(lambda: served.children(), 5)
        known = b"".join(file.read_bytes() for file in of(child[0], "environ", "cmdline"))
        assert b"WebDriver" in known and b"must-stay-behind" not in known and TOKEN.encode() not in known
        for key in ("P", "n", "s", "u", "i"):
            await watcher.type(key)
        assert "no action yet" in await watcher.after(1.5) and " quit" not in watcher.text
        for key in ("q", "q", "\x11"):  # there is nothing to leave: the page stays, and says so
            await watcher.type(key)
            await watcher.sees("close it in the browser")
        await watcher.after(1.0)
        assert served.children() == child and not socket.closed
        await watcher.type("\x10")
        await watcher.sees("what to do")
        await watcher.type("provider")
        shown = await watcher.after(1.5)
        assert "Disable a provider" not in shown and "provider.disable" not in shown
        await socket.close()
        await until(lambda: not served.children(), 15)
    written = await asyncio.to_thread(lambda: [file for file in tmp_path.rglob("*") if file.is_file()])
    assert [file for file in written if "log" not in file.name] == []


async def test_ending_it_ends_every_console_in_it(served: Served) -> None:
    async with browser() as session:
        await entered(served, session)
        sockets = [await session.ws_connect(served.base + "/ws", origin=served.base) for _ in range(2)]
        for socket in sockets:
            await PageWatcher(socket).sees("no action yet")
        children = served.children()
        assert len(children) == 2
        served.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(served.process.wait(), 60)
        assert served.process.returncode == 0
        assert not alive(children)


async def test_a_console_whose_server_was_killed_ends_too(served: Served) -> None:
    async with browser() as session:
        await entered(served, session)
        socket = await session.ws_connect(served.base + "/ws", origin=served.base)
        await PageWatcher(socket).sees("no action yet")
        children = served.children()
        served.process.kill()
        await served.process.communicate()
        await until(lambda: not alive(children), 20)


async def test_a_port_that_is_taken_is_said_in_one_sentence(served: Served) -> None:
    port = str(urlsplit(served.base).port)
    other = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nexconsole",
        "serve",
        "--port",
        port,
        "--token",
        "x",
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    _, said = await asyncio.wait_for(other.communicate(), 30)
    assert other.returncode == 1
    assert said.decode() == f"nexconsole: port {port} of 127.0.0.1 is in use: choose another with --port\n"


@pytest.mark.parametrize("token", ["", "  "])
def test_an_empty_token_is_refused(token: str, capsys) -> None:
    assert run(["serve", "--token", token]) == 2
    assert "the token is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("bastion", False),
    ],
)
def test_an_address_that_others_reach_is_warned_about(monkeypatch, capsys, host: str, alone: bool) -> None:
    async def listen(self: object) -> None:
        """Listens to nobody."""

    monkeypatch.setattr(web_server.WebServer, "listen", listen)
    assert run(["serve", "--host", host, "--token", "x"]) == 0
    said = capsys.readouterr().err
    assert said == "" if alone else f"{host} can be reached by others" in said and said.count("\n") == 1


def test_a_watchers_console_has_no_means_to_act() -> None:
    settings = Settings(api=ApiSettings(url="http://x", cron_secret="secret", admin_token="token"))
    bare = powerless(settings)
    assert bare.actions.observe and not bare.api.cron_secret and not bare.api.admin_token


def test_addresses_go_to_a_watchers_console_by_variables(monkeypatch) -> None:
    for name in ("CRON_SECRET", "ADMIN_TOKEN", "NEXNUM_ADMIN_JWT", "SSH_AUTH_SOCK", "GITHUB_TOKEN", "SMTP_PASSWORD"):
        monkeypatch.setenv(name, "secret")
    for name in ("AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "KUBECONFIG", "UPSTASH_REDIS_REST_TOKEN", "LANG"):
        monkeypatch.setenv(name, "needed")
    given = {"postgres.url": "postgresql://u:p@db/n", "theme": "light"}
    assert serve._variables(given)["DATABASE_URL"] == "postgresql://u:p@db/n"
    assert "secret" not in serve._variables(given).values()
    assert list(serve._variables(given).values()).count("needed") == 5
    assert serve._flags(given, None) == ["--theme", "light"]
    assert "postgres.url" in ENVIRONMENT.values()
