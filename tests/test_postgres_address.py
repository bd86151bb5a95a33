"""Connection strings: the same server, database, role and verification as psql with the same words."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tls_front import tls_front

from nexconsole.drill.kubernetes.certificates import server_tls
from nexconsole.errors import SettingsError, SourceError
from nexconsole.settings import PostgresSettings
from nexconsole.sources.postgres import PostgresSource
from nexconsole.sources.postgres_address import Host, PostgresAddress, parse_address

NONE: dict[str, str] = {}


def parsed(url: str, environ: dict[str, str] | None = None, **options: str) -> PostgresAddress:
    return parse_address(url, environ if environ is not None else NONE, **options)


@pytest.mark.parametrize(
    ("url", "user", "password", "where", "database"),
    [
        ("postgresql://u:p@h/d", "u", "p", "h:5432", "d"),
        ("postgresql://u:p%40ss%2Fw@h:6543/d", "u", "p@ss/w", "h:6543", "d"),
        ("postgresql://u:p@ss@h/d", "u", "p@ss", "h:5432", "d"),
        ("postgresql://u:p/a:s@h/d", "u", "p/a:s", "h:5432", "d"),
        ("postgresql://u:p[a]s@h/d", "u", "p[a]s", "h:5432", "d"),
        ("postgresql://u:p#s@h/d", "u", "p#s", "h:5432", "d"),
        ("postgresql://u:p?s@h/d?sslmode=disable", "u", "p?s", "h:5432", "d"),
        ("postgresql://u:℀@h/d", "u", "℀", "h:5432", "d"),
        ("  postgresql://u:p@h/d\n", "u", "p", "h:5432", "d"),
        ("postgresql://u:@h/d", "u", "", "h:5432", "d"),
        ("postgresql://u@h", "u", None, "h:5432", "u"),
        ("postgresql://u@[::1]:7/d", "u", None, "[::1]:7", "d"),
        ("postgresql://u@a,b:6000/d", "u", None, "a:5432,b:6000", "d"),
        ("postgresql://u@a,b/d?port=7", "u", None, "a:7,b:7", "d"),
        ("postgresql:///d?host=/run/pg&user=u&password=x%20y", "u", "x y", "/run/pg:5432", "d"),
        ("postgresql://%2Frun%2Fpg/d?user=u", "u", None, "/run/pg:5432", "d"),
        ("postgresql://u@h/d?dbname=e&host=k&port=9", "u", None, "k:9", "e"),
        ("postgresql://u@h/d?hostaddr=10.0.0.1", "u", None, "h:5432 (10.0.0.1)", "d"),
        ("host=h port=7 user=u dbname=d password='a \\'b'", "u", "a 'b", "h:7", "d"),
    ],
)
def test_a_connection_string_names_what_libpq_reads_in_it(url, user, password, where, database) -> None:
    address = parsed(url)
    assert (address.user, address.password, str(address), address.database) == (user, password, where, database)


@pytest.mark.parametrize(
    ("url", "mode", "root"),
    [
        ("postgresql://h/d", "prefer", ""),
        ("postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem", "verify-full", "/ca.pem"),
        ("postgresql://h/d?sslrootcert=system", "verify-full", "system"),
        ("postgresql://h/d?ssl=true", "require", ""),
        ("postgresql://h/d?ssl=no-verify", "no-verify", ""),
        ("postgresql://h/d?sslmode=no-verify", "no-verify", ""),
        ("postgresql://h/d?sslmode=require&sslaccept=strict&sslcert=/ca.pem", "verify-full", "/ca.pem"),
        ("postgresql://h/d?sslmode=require&sslaccept=accept_invalid_certs", "no-verify", ""),
    ],
)
def test_the_verification_is_the_one_that_is_asked_for(url: str, mode: str, root: str) -> None:
    address = parsed(url)
    assert (address.sslmode, address.sslrootcert) == (mode, root)


def test_a_ca_file_of_the_settings_is_never_silently_without_effect() -> None:
    assert parsed("postgresql://h/d", ca_file="/ca").sslmode == "verify-full"
    assert parsed("postgresql://h/d?sslmode=verify-ca&sslrootcert=/x", ca_file="/ca").sslrootcert == "/ca"
    with pytest.raises(SettingsError, match="verifies nothing"):
        parsed("postgresql://h/d?sslmode=prefer", ca_file="/ca")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u:sec@h/d", "must begin with postgresql://"),
        ("'postgresql://u:sec@h/d'", "remove the quotes"),
        ("postgresql://u:sec@h:x/d", "port that is not a number"),
        ("postgresql://u:sec@h:99999/d", "1 to 65535"),
        ("postgresql://u:sec@[::1/d", "closing bracket"),
        ("postgresql://u:sec@h/d?sslmode=on", "sslmode=on"),
        ("postgresql://u:sec@h/d?target_session_attrs=main", "target_session_attrs=main"),
        ("postgresql://u:sec@h/d?sslmode=require&sslrootcert=system", "needs verify-full"),
        ("postgresql://u:sec@h/d?channel_binding=require", "channel_binding=require"),
        ("postgresql://u:sec@h/d?require_auth=scram-sha-256", "require_auth"),
        ("postgresql://u:sec@h/d?sslidentity=/id.p12", "sslidentity"),
        ("postgresql://u:sec@a,b,c/d?port=1,2", "3 hosts and 2 ports"),
        ("postgresql://u:sec@a,b/d?hostaddr=1.2.3.4", "2 hosts and 1 of hostaddr"),
        ("postgresql://u:sec\x00@h/d", "control character"),
        ("postgresql://u:sec%00@h/d", "%00"),
        ("postgresql://u:sec@h/d?service=nowhere", "service nowhere"),
        ("host=h password=sec port", "neither"),
    ],
)
def test_what_can_not_be_done_is_one_sentence_without_the_password(url: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        parsed(url, {"HOME": str(tmp_path), "PGSYSCONFDIR": str(tmp_path)})
    assert "sec" not in str(caught.value).replace("seconds", "").replace("require_auth=scram-sha-256", "")


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    for url in (text, f"postgresql://{text}", f"postgresql://u:{text}@h/d", f"postgresql://h/d?{text}"):
        try:
            parsed(url, {"HOME": "/nonexistent"})
        except SettingsError:
            continue


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30))
def test_any_password_that_is_escaped_is_read_back(password: str) -> None:
    assert parsed(f"postgresql://u:{quote(password, safe='')}@h/d").password == password


def test_what_is_left_open_comes_from_the_service_then_from_the_variables(tmp_path: Path) -> None:
    file = tmp_path / "services"
    file.write_text("[shop]\nhost=inside\nport=7\nuser=clerk\ndbname=shop\npassword=a%b\n")
    environ = {"PGSERVICEFILE": str(file), "PGUSER": "nobody", "PGSSLMODE": "require", "HOME": str(tmp_path)}
    address = parsed("postgresql://u@/?service=shop", environ)
    assert (str(address), address.user, address.database, address.password) == ("inside:7", "u", "shop", "a%b")
    assert address.sslmode == "require"
    assert parsed("postgresql://h/d", environ).user == "nobody"


@pytest.mark.parametrize(
    ("url", "environ", "mode"),
    [
        ("postgresql://h/d", {"PGREQUIRESSL": "1"}, "require"),
        ("postgresql://h/d", {"PGREQUIRESSL": "0"}, "prefer"),
        ("postgresql://h/d", {"PGREQUIRESSL": "1", "PGSSLMODE": "disable"}, "disable"),
        ("postgresql://h/d?sslmode=verify-full&sslrootcert=system", {"PGREQUIRESSL": "1"}, "verify-full"),
        ("host=h dbname=d requiressl=1", {}, "require"),
    ],
)
def test_what_asked_for_tls_in_older_words_still_does(url: str, environ: dict[str, str], mode: str) -> None:
    assert parsed(url, environ).sslmode == mode


def test_the_password_file_is_used_where_nobody_else_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "pass"
    file.write_text("# theirs\nother:*:*:*:no\nh:5432:d:u:se\\:cret\n*:*:*:*:any\n")
    file.chmod(0o600)
    address = parsed(f"postgresql://u@h/d?passfile={file}")
    assert address.password_for(address.servers[0]) == "se:cret"
    assert address.password_for(Host("elsewhere", "elsewhere", 1)) == "any"
    file.chmod(0o644)
    assert address.password_for(address.servers[0]) is None


def test_parameters_that_nobody_knows_are_named() -> None:
    assert parsed("postgresql://h/d?sslmod=require&pgbouncer=true&schema=shop").unknown == ("sslmod",)


# --- against a server that speaks TLS, and psql beside it ---------------------------------------------------------


@pytest.fixture
async def secured(database, tmp_path: Path) -> AsyncIterator[tuple[str, int, Path, Path]]:
    """The login, the port of a front with TLS, the authority that vouches for it and one that doesn't."""
    context, authority = server_tls()
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    ours.write_text(authority)
    theirs.write_text(server_tls()[1])
    port = int(database.url.rpartition(":")[2].partition("/")[0])
    async with tls_front(port, context) as front:
        yield f"nexnum:{database.server.password}", front, ours, theirs


async def by_psql(url: str, home: Path) -> bool | None:
    """Whether psql gets in; None where there is no psql."""
    if not (psql := shutil.which("psql")):
        return None
    process = await asyncio.create_subprocess_exec(
        psql,
        "-XqAtc",
        "SELECT 1",
        url,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PGCONNECT_TIMEOUT": "5"},
    )
    return await process.wait() == 0


@pytest.mark.parametrize(
    ("place", "query", "enters"),
    [
        ("localhost", "sslmode=disable", True),
        ("localhost", "sslmode=prefer", True),
        ("localhost", "sslmode=require", True),
        ("localhost", "sslmode=require&sslrootcert={ours}", True),
        ("localhost", "sslmode=require&sslrootcert={theirs}", False),
        ("localhost", "sslmode=verify-ca&sslrootcert={ours}", True),
        ("localhost", "sslmode=verify-ca&sslrootcert={theirs}", False),
        ("localhost", "sslmode=verify-full&sslrootcert={ours}", True),
        ("localhost", "sslmode=verify-full", False),
        ("localhost", "sslmode=verify-full&sslrootcert={absent}", False),
        ("db.example", "hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={ours}", False),
        ("db.example", "hostaddr=127.0.0.1&sslmode=verify-ca&sslrootcert={ours}", True),
        ("localhost", "hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={ours}", True),
        ("localhost", "sslmode=require&sslcert={absent}&sslkey={absent}", True),
    ],
)
async def test_whoever_psql_trusts_is_trusted_and_nobody_else(
    secured, clients, tmp_path, monkeypatch, place, query, enters
):
    login, port, ours, theirs = secured
    monkeypatch.setenv("HOME", str(tmp_path))
    query = query.format(ours=ours, theirs=theirs, absent=tmp_path / "absent.pem")
    url = f"postgresql://{login}@{place}:{port}/nexnum?{query}"
    source = PostgresSource(clients, PostgresSettings(url=url))
    try:
        async with source.read("the test query") as tx:
            entered = (await tx.row("SELECT 1 AS one"))["one"] == 1
    except SourceError:
        entered = False
    finally:
        await source.close()
    assert entered is enters
    assert await by_psql(url, tmp_path) in (None, enters)


async def test_the_next_host_is_tried_and_the_one_that_answers_is_known(database, clients) -> None:
    port = int(database.url.rpartition(":")[2].partition("/")[0])
    login = f"nexnum:{database.server.password}"
    for attributes, enters in (("any", True), ("primary", True), ("prefer-standby", True), ("standby", False)):
        url = f"postgresql://{login}@127.0.0.1:1,127.0.0.1:{port}/nexnum?target_session_attrs={attributes}"
        source = PostgresSource(clients, PostgresSettings(url=url))
        try:
            async with source.read("the test query"):
                assert enters
            assert (source.answered, source.encryption) == (
                f"127.0.0.1:{port}",
                "sslmode=prefer: encrypted only where the server offers it",
            )
        except SourceError as error:
            assert not enters and str(error).endswith(" is not what target_session_attrs=standby asks for")
        finally:
            await source.close()


async def test_a_refused_login_is_final(database, clients) -> None:
    port = int(database.url.rpartition(":")[2].partition("/")[0])
    source = PostgresSource(
        clients, PostgresSettings(url=f"postgresql://nexnum:no@127.0.0.1:{port},127.0.0.1:1/nexnum")
    )
    with pytest.raises(SourceError, match="refused the login"):
        async with source.read():
            pytest.fail("nobody may enter")
    await source.close()
