"""Redis in each of its shapes, and in every way that it can fail. (nexnum.md#redis-url, #keys)"""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis as Hand
from redis_servers import server, upstash
from remote_console import GARBAGE, HTML, REDIRECT, tcp_server

from nexconsole.errors import BadAnswer, Denied, SettingsError, SourceError, TimedOut, Unreachable
from nexconsole.settings import RedisSettings
from nexconsole.sources.redis import RedisSource
from nexconsole.sources.redis_address import RedisKind, parse_address


@pytest.fixture
async def source(clients) -> AsyncIterator[Callable[..., RedisSource]]:
    made: list[RedisSource] = []

    def make(url: str, **settings) -> RedisSource:
        made.append(RedisSource(clients, RedisSettings(url=url, **{"timeout_s": 2.0, **settings})))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def hand(redis_server) -> AsyncIterator[Hand]:
    """The test's own hand in the keyspace."""
    client = Hand.from_url(redis_server.url)
    await client.flushall()
    yield client
    await client.aclose()


async def fill(hand: Hand) -> None:
    await hand.set("health:1:circuit", "open", px=30_000)
    await hand.set("health:2:circuit", "half-open")
    await hand.set(" health:1:failures", "6")
    await hand.zadd("health:1:requests", {"{}": 1})
    await hand.set("evil", b"\x1b]0;pwned\x07\xff red[/]" + b"x" * 100_000)


KEYS = ["health:1:circuit", "health:2:circuit", "health:3:circuit", " health:1:failures", "health:1:requests"]


def check(peeks: list[tuple[str | None, int]]) -> None:
    (first, ttl), *others = peeks
    assert first == "open" and 0 < ttl <= 30_000
    assert others == [("half-open", -1), (None, -2), ("6", -1), (None, -2)]


async def test_values_come_with_their_ttl_and_other_types_and_absent_keys_do_not_raise(redis_server, hand, source):
    await fill(hand)
    redis = source(redis_server.url)
    check(await redis.peek(KEYS))
    assert await redis.peek([]) == []
    [(evil, _)] = await redis.peek(["evil"])
    assert (evil is not None and len(evil) <= 500 and evil.startswith("� red[/]xxx")) or evil.startswith("red[/]")
    await redis.ping()
    assert redis.health.error is None and redis.health.latency_ms is not None
    assert (await redis.info())["redis_version"] == (await hand.info("server"))["redis_version"]
    assert await redis.time() == pytest.approx(time.time(), abs=5)


async def test_a_calm_redis_is_asked_one_command_for_many_keys(redis_server, hand, source):
    redis = source(redis_server.url)
    await redis.ping()
    before = (await hand.info("commandstats")).get("cmdstat_mget", {"calls": 0})["calls"]
    assert await redis.peek([f"health:{n}:circuit" for n in range(400)]) == [(None, -2)] * 400
    stats = await hand.info("commandstats")
    assert stats["cmdstat_mget"]["calls"] == before + 1


async def test_scanning_is_bounded_resumable_and_never_misses_a_leading_space(redis_server, hand, source):
    await fill(hand)
    await hand.mset({f"other:{n}": "x" for n in range(3000)})
    await hand.config_resetstat()  # other tests share this server
    redis = source(redis_server.url)
    part = await redis.scan("*health:*", budget=500)
    assert part.cursor is not None
    found, turns = set(part.keys), 1
    while part.cursor is not None:
        part = await redis.scan("*health:*", budget=1000, cursor=part.cursor)
        found, turns = found | set(part.keys), turns + 1
    assert found == {"health:1:circuit", "health:2:circuit", " health:1:failures", "health:1:requests"}
    assert turns >= 3
    whole = await redis.scan("*health:*", budget=10_000)
    assert (set(whole.keys), whole.cursor) == (found, None)
    assert "cmdstat_keys" not in await hand.info("commandstats")


async def test_a_key_that_is_no_text_is_still_the_key_that_it_is(redis_server, hand, source):
    await hand.set(b"lock:\xff\xfe", "1")
    redis = source(redis_server.url)
    [key] = (await redis.scan("lock:*")).keys
    assert await redis.peek([key]) == [("1", -1)]


@pytest.mark.parametrize(
    ("login", "kind", "words"),
    [
        (":wrong@", Denied, "refused the password"),
        ("nobody:wrong@", Denied, "refused the password"),
        ("", Denied, "wants a password"),
    ],
)
async def test_a_refused_login_is_said(redis_server, source, login, kind, words):
    redis = source(f"redis://{login}127.0.0.1:{redis_server.port}")
    with pytest.raises(kind, match=words):
        await redis.peek(["a"])
    assert "wrong" not in str(redis.health.error)


async def test_a_password_may_hold_anything_when_escaped(tmp_path, source):
    async with server(tmp_path, "--requirepass", "p@s:s/w#rd %") as port:
        await source(f"redis://:p%40s%3As%2Fw%23rd%20%25@127.0.0.1:{port}/1").ping()


async def test_a_user_with_few_rights_reads_what_it_may_and_hears_what_it_may_not(tmp_path, source):
    rights = ["on", ">pass", "~health:*", "-@all", "+mget", "+pttl"]
    async with server(tmp_path, "--user", "reader", *rights) as port:
        redis = source(f"redis://reader:pass@127.0.0.1:{port}")
        assert await redis.peek(["health:1:circuit"]) == [(None, -2)]
        await redis.try_reads()
        with pytest.raises(Denied, match=r"does not let this user read.*\+@read"):
            await redis.peek(["lock:1"])
        with pytest.raises(Denied, match="does not let this user read"):
            await redis.scan("*")
        assert await redis.peek(["health:1:circuit"]) == [(None, -2)]


async def test_a_password_where_none_is_set_and_a_database_that_is_not_there_are_said(tmp_path, source):
    async with server(tmp_path, "--databases", "2") as port:
        await source(f"redis://127.0.0.1:{port}").ping()
        with pytest.raises(SourceError, match="no such database"):
            await source(f"redis://127.0.0.1:{port}/7").ping()
        with pytest.raises(Denied, match=r"no password set|refused the login"):
            await source(f"redis://:secret@127.0.0.1:{port}").ping()


async def test_a_cluster_is_read_node_by_node_and_a_plain_address_of_it_is_said(tmp_path, source):
    async with server(tmp_path, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf") as port:
        hand = Hand(port=port)
        await hand.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        while (await hand.cluster("INFO"))["cluster_state"] != "ok":
            await asyncio.sleep(0.02)
        await fill(hand)
        redis = source(f"redis+cluster://127.0.0.1:{port}")
        check(await redis.peek(KEYS))
        await redis.ping()
        assert (await redis.info())["redis_version"] == (await hand.info("server"))["redis_version"]
        assert await redis.time() == pytest.approx(time.time(), abs=5)
        found, cursor = set(), None
        while True:
            part = await redis.scan("health:*", cursor=cursor)
            found, cursor = found | set(part.keys), part.cursor
            if cursor is None:
                break
        assert found == {"health:1:circuit", "health:2:circuit", "health:1:requests"}
        # MGET over several slots is what a plain client may not do.
        with pytest.raises(BadAnswer, match=r"redis\+cluster://"):
            await source(f"redis://127.0.0.1:{port}").peek(KEYS)
        await hand.aclose()


async def test_a_plain_server_under_a_cluster_address_is_said(redis_server, source):
    with pytest.raises(BadAnswer, match="is no cluster"):
        await source(redis_server.url.replace("redis://", "redis+cluster://")).ping()


async def test_sentinels_lead_to_the_master_and_to_the_new_one(tmp_path, source):
    async with server(tmp_path) as first, server(tmp_path) as second:
        configuration = tmp_path / "sentinel.conf"
        configuration.write_text(f"sentinel monitor mymaster 127.0.0.1 {first} 1\n")
        async with server(tmp_path, str(configuration), "--sentinel") as sentinel:
            hands = {port: Hand(port=port) for port in (first, second)}
            for port, hand in hands.items():
                await hand.set("health:1:circuit", str(port))
            redis = source(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel}/mymaster/0")
            assert await redis.peek(["health:1:circuit"]) == [(str(first), -1)]
            with pytest.raises(Unreachable, match="know no healthy master"):
                await source(f"redis+sentinel://127.0.0.1:{sentinel}/other").ping()
            watch = Hand(port=sentinel)
            await watch.execute_command("SENTINEL REMOVE", "mymaster")
            await watch.execute_command("SENTINEL MONITOR", "mymaster", "127.0.0.1", str(second), "1")
            await hands[first].client_kill_filter(_type="normal", skipme=True)
            assert await redis.peek(["health:1:circuit"]) == [(str(second), -1)]
            for hand in (watch, *hands.values()):
                await hand.aclose()


async def test_sentinels_may_have_a_password_of_their_own(tmp_path, source):
    async with server(tmp_path, "--requirepass", "data") as master:
        configuration = tmp_path / "sentinel.conf"
        configuration.write_text(f"sentinel monitor m 127.0.0.1 {master} 1\nsentinel auth-pass m data\n")
        async with server(tmp_path, str(configuration), "--sentinel", "--requirepass", "watch") as sentinel:
            await source(f"redis+sentinel://:data@127.0.0.1:{sentinel}/m?sentinel_password=watch").ping()
            with pytest.raises(Denied, match="sentinel_password"):
                await source(f"redis+sentinel://:data@127.0.0.1:{sentinel}/m").ping()
            with pytest.raises(Denied, match="refused the password"):
                await source(f"redis+sentinel://:x@127.0.0.1:{sentinel}/m?sentinel_password=watch").ping()
    with pytest.raises(Unreachable, match="no sentinel that answers"):
        await source("redis+sentinel://127.0.0.1:1/m").ping()


@asynccontextmanager
async def answering(line: bytes) -> AsyncIterator[int]:
    """A server that speaks the protocol and answers every command with one line; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            words = []
            for _ in range(int(head[1:])):
                words.append(await reader.readexactly(int((await reader.readline())[1:]) + 2))
            writer.write(b"+OK\r\n" if words[0].startswith(b"CLIENT") else line + b"\r\n")
        writer.close()

    side = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield side.sockets[0].getsockname()[1]
    finally:
        side.close()


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        (b"-LOADING Redis is loading the dataset in memory", Unreachable, "loading its data"),
        (b"-READONLY You can't write against a read only replica.", SourceError, "can't be written to"),
        (b"-MOVED 3999 127.0.0.1:6381", BadAnswer, r"redis\+cluster"),
        (b"-CLUSTERDOWN The cluster is down", Unreachable, "cluster that is down"),
        (b"-MASTERDOWN Link with MASTER is down", Unreachable, "lost its master"),
        (b"-ERR max number of clients reached \x1b[31m", SourceError, r"max number of clients reached$"),
        (b"$nonsense", BadAnswer, "does not speak Redis' protocol"),
        (b"?what", BadAnswer, "does not speak Redis' protocol"),
        (b":5", BadAnswer, "does not speak Redis' protocol"),
    ],
)
async def test_the_servers_own_trouble_is_a_sentence(source, line, kind, words):
    async with answering(line) as port:
        redis = source(f"redis://127.0.0.1:{port}")
        with pytest.raises(kind, match=words):
            await redis.peek(["a"])
        assert f"127.0.0.1:{port}" in (redis.health.error or "")
        await redis.close()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(HTML, BadAnswer, "does not speak Redis' protocol", id="HTML"),
        pytest.param(GARBAGE, Unreachable, "connection", id="garbage"),
        (b"$1000\r\nhalf an answer", Unreachable, "connection"),
        (b"", Unreachable, "connection"),
    ],
)
async def test_a_far_side_that_is_no_redis_is_a_sentence(source, answer, kind, words):
    async with tcp_server(answer) as port:
        with pytest.raises(kind, match=words):
            await source(f"redis://127.0.0.1:{port}").peek(["a"])


async def test_refused_unknown_host_and_tls_without_tls_are_said(redis_server, source):
    with pytest.raises(Unreachable, match="refused"):
        await source("redis://127.0.0.1:1").ping()
    with pytest.raises(Unreachable, match="does not resolve"):
        await source("redis://no-such-host.invalid").ping()
    with pytest.raises(SourceError, match=r"TLS|connection|did not answer"):
        await source(redis_server.url.replace("redis://", "rediss://"), timeout_s=0.3).ping()


async def test_a_server_that_hangs_is_given_up_in_time_and_read_again_when_it_is_back(redis_server, hand, source):
    await fill(hand)
    redis = source(redis_server.url, timeout_s=0.3)
    check(await redis.peek(KEYS))
    redis_server.freeze()
    try:
        for _ in range(2):
            with pytest.raises(TimedOut, match=r"within 0\.3 s"):
                await redis.peek(KEYS)
    finally:
        redis_server.freeze(False)
    check(await redis.peek(KEYS))  # and not the answer to an earlier question
    assert redis.health.error is None


async def test_a_restart_costs_one_reading_at_most(tmp_path, clients, source):
    from nexconsole.drill.servers import embedded_redis

    async with embedded_redis() as own:
        redis = source(own.url)
        await redis.ping()
        await own.stop()
        with pytest.raises(Unreachable):
            await redis.ping()
        await own.start()
        await redis.ping()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A private CA that is its own server certificate, for 127.0.0.1: (certificate, key)."""
    chain, key = folder / "ca.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=drill", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(chain)]
    subprocess.run(command, check=True, capture_output=True)
    return chain, key


@asynccontextmanager
async def tls_in_front(folder: Path, port: int) -> AsyncIterator[tuple[int, Path]]:
    """TLS with a private CA in front of a plain server: yields (port, CA file)."""
    import ssl

    chain, key = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    tasks: set[asyncio.Task] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except ConnectionError:
            pass
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        for pair in ((reader, inner_writer), (inner_reader, writer)):
            tasks.add(asyncio.create_task(pump(*pair)))

    front = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield front.sockets[0].getsockname()[1], chain
    finally:
        front.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_private_ca_is_trusted_where_it_is_given_and_refused_where_not(tmp_path, redis_server, hand, source):
    await fill(hand)
    async with tls_in_front(tmp_path, redis_server.port) as (port, ca):
        url = f"rediss://:{redis_server.password}@127.0.0.1:{port}"
        check(await source(url, ca_file=str(ca)).peek(KEYS))
        with pytest.raises(Unreachable, match="certificate can't be verified"):
            await source(url).ping()
        with pytest.raises(Unreachable, match="there is no such file: check ca_file"):
            await source(url, ca_file="/nowhere.pem").ping()


async def test_the_rest_service_of_the_first_installs_is_read_alike(hand, source):
    await fill(hand)
    async with upstash(hand) as url:
        redis = source(url, token="t0ken")
        check(await redis.peek(KEYS))
        assert set((await redis.scan("*health:*")).keys) >= {" health:1:failures", "health:1:circuit"}
        await redis.ping()
        assert (await redis.info())["redis_version"] == (await hand.info("server"))["redis_version"]
        assert await redis.time() == pytest.approx(time.time(), abs=5)
        assert "cmdstat_mget" in await redis.info("commandstats")
        with pytest.raises(Denied, match="refused the token"):
            await source(url, token="wrong").ping()


HUGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(HTML, BadAnswer, "not Upstash's JSON", id="HTML"),
        (REDIRECT, BadAnswer, "redirect"),
        pytest.param(GARBAGE, BadAnswer, "does not speak HTTP", id="garbage"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", BadAnswer, "not Upstash's JSON"),
        pytest.param(HUGE, BadAnswer, "more than 2 MB", id="huge"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", Unreachable, "connection"),
        (b"", Unreachable, "connection"),
        (None, TimedOut, "did not answer"),
    ],
)
async def test_a_rest_address_where_something_else_answers_is_a_sentence(source, answer, kind, words):
    async with tcp_server(answer, then_close=answer is not HUGE) as port:
        with pytest.raises(kind, match=words):
            await source(f"http://127.0.0.1:{port}", token="x", timeout_s=0.5).peek(["a"])


@pytest.mark.parametrize(
    ("url", "kind", "hosts", "user", "password", "database", "service"),
    [
        ("redis://h", RedisKind.ONE, (("h", 6379),), None, None, 0, ""),
        ("redis://:p%40w@h:1/2?x=y", RedisKind.ONE, (("h", 1),), None, "p@w", 2, ""),
        ("redis://u.ser:p@w@h", RedisKind.ONE, (("h", 6379),), "u.ser", "p@w", 0, ""),
        ("redis://word@[::1]:7", RedisKind.ONE, (("::1", 7),), None, "word", 0, ""),
        ("redis+sentinel://:p@a,b:2/m/3", RedisKind.SENTINEL, (("a", 26379), ("b", 2)), None, "p", 3, "m"),
        ("rediss+cluster://a:1,b:2", RedisKind.CLUSTER, (("a", 1), ("b", 2)), None, None, 0, ""),
    ],
)
def test_addresses_are_taken_apart(url, kind, hosts, user, password, database, service):
    where = parse_address(url)
    assert (where.kind, where.hosts, where.username, where.password) == (kind, hosts, user, password)
    assert (where.database, where.service, where.tls) == (database, service, url.startswith("rediss"))
    assert not password or password not in f"{where} {where!r}"


@pytest.mark.parametrize("url", ["ftp://h", "redis://:se:cret@h:port", "redis+sentinel://:secret@h", "redis://h/x"])
def test_an_address_that_is_none_is_refused_without_repeating_it(url):
    with pytest.raises(SettingsError, match=r"redis\.url") as refusal:
        parse_address(url)
    assert "secret" not in str(refusal.value)


async def test_a_rest_address_without_a_token_is_refused(clients):
    with pytest.raises(SettingsError, match=r"redis\.token"):
        RedisSource(clients, RedisSettings(url="https://x.upstash.io"))


async def test_a_socket_of_this_machine_is_an_address_too(source, tmp_path):
    path = tmp_path / "redis.sock"
    async with server(tmp_path, "--unixsocket", str(path), "--requirepass", "p@ss"):
        assert await source(f"unix://:p%40ss@{path}?db=3").peek(["x"]) == [(None, -2)]
        with pytest.raises(Denied):
            await source(f"unix://:wrong@{path}").peek(["x"])
    with pytest.raises(Unreachable, match=r"redis\.sock"):
        await source(f"unix://{tmp_path}/other-redis.sock").peek(["x"])


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:sec@h:x",
        "redis://u:sec@h:0",
        "'redis://:sec@h'",
        "unix://sec/a",
        "unix://",
        "redis+sentinel://h",
        "redis://h/sec",
        "ftp://sec@h",
    ],
)
def test_what_is_no_address_is_a_sentence_without_the_password(url):
    with pytest.raises(SettingsError, match=r"redis\.url") as caught:
        parse_address(url)
    assert "sec" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_sentence(text):
    for url in (text, f"redis://{text}", f"rediss://u:{text}@h", f"redis+sentinel://h/{text}", f"unix://{text}"):
        try:
            parse_address(url)
        except SettingsError:
            continue


@pytest.mark.parametrize("password", ["p@ss", "p:s", "p[w", "p#s", "℀"])
def test_a_password_need_not_be_escaped(password):
    where = parse_address(f"redis://u:{password}@h:7/2")
    assert (where.password, where.hosts, where.database) == (password, (("h", 7),), 2)
