"""Redis addresses: a server, a socket, sentinels, a cluster, a REST service. (nexnum.md#redis-url)"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import parse_qs, unquote

from ..errors import SettingsError
from .http_address import parse_http

FORMS = "redis://, rediss://, redis+sentinel://, redis+cluster://, unix:// or https:// (with redis.token)"


class RedisKind(StrEnum):
    ONE = "one"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"
    REST = "rest"
    SOCKET = "socket"


SCHEMES = {
    "redis": (RedisKind.ONE, False),
    "rediss": (RedisKind.ONE, True),
    "redis+sentinel": (RedisKind.SENTINEL, False),
    "rediss+sentinel": (RedisKind.SENTINEL, True),
    "redis+cluster": (RedisKind.CLUSTER, False),
    "rediss+cluster": (RedisKind.CLUSTER, True),
    "unix": (RedisKind.SOCKET, False),
    "http": (RedisKind.REST, False),
    "https": (RedisKind.REST, True),
}
PORTS = {RedisKind.ONE: 6379, RedisKind.SENTINEL: 26379, RedisKind.CLUSTER: 6379}


@dataclass(frozen=True, kw_only=True)
class RedisAddress:
    """Credentials are left out of its text. `service` is the sentinels' name of the master."""

    kind: RedisKind
    tls: bool
    hosts: tuple[tuple[str, int], ...] = ()
    database: int = 0
    service: str = ""
    url: str = ""  # REST only, without a trailing slash
    socket: str = ""  # a socket of this machine's only: its path
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        if self.kind is RedisKind.REST:
            return self.url.partition("://")[2].partition("/")[0]
        if self.kind is RedisKind.SOCKET:
            return self.socket
        places = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"{places}/{self.service}" if self.service else places


def parse_address(url: str, key: str = "redis.url") -> RedisAddress:
    """Raises SettingsError, without repeating the URL: it holds a password. Unknown parameters are left alone.

    A password may hold an unescaped @, : or [.
    """
    text = url.strip()
    if text[:1] in ("'", '"'):
        raise SettingsError(f"{key}: remove the quotes around the address, an env file keeps them")
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        raise SettingsError(f"{key} must begin with {FORMS}")
    kind, tls = SCHEMES[scheme.lower()]
    if kind is RedisKind.REST:
        where = parse_http(key, text)
        return RedisAddress(kind=kind, tls=tls, url=where.url)
    rest, _, parameters = rest.partition("?")
    login, at, rest = rest.rpartition("@")
    places, _, path = rest.partition("/")
    user, colon, password = login.partition(":")
    query = {name: values[-1] for name, values in parse_qs(parameters).items()}
    given = RedisAddress(
        kind=kind,
        tls=tls,
        username=(unquote(user) or None) if at and colon else None,
        # redis://secret@host has no user: the one word is the password.
        password=(unquote(password if colon else user) or None) if at else query.get("password"),
        sentinel_username=query.get("sentinel_username"),
        sentinel_password=query.get("sentinel_password"),
    )
    if kind is RedisKind.SOCKET:
        if places or not path:
            raise SettingsError(f"{key} must name a socket by its whole path: unix:///run/redis.sock")
        return replace(given, socket="/" + unquote(path), database=_number(query.get("db", "0")))
    service, database = _path(kind, path)
    return replace(
        given,
        hosts=tuple(_host(place, PORTS[kind]) for place in places.split(",")),
        database=_number(query.get("db", database) or "0"),
        service=service,
    )


def _path(kind: RedisKind, path: str) -> tuple[str, str]:
    """(the master's name, the database)"""
    first, _, rest = path.strip("/").partition("/")
    if kind is not RedisKind.SENTINEL:
        return "", first
    if not first:
        raise SettingsError("redis.url lacks the master's name: redis+sentinel://host:26379/mymaster")
    return unquote(first), rest


def _host(place: str, default: int) -> tuple[str, int]:
    if place.startswith("["):  # [::1]:6379
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = place.partition(":")
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        raise SettingsError(
            "redis.url has a port that is not a number from 1 to 65535: escape @, : and / in the password"
        )
    return unquote(host) or "localhost", int(port or default)


def _number(text: str) -> int:
    if not text.isdigit():
        raise SettingsError("redis.url ends in a database that is not a number")
    return int(text)
