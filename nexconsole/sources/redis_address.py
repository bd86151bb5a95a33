"""The addresses that a Redis can have, taken apart: one server, sentinels, a cluster, or a REST service. (facts 4)"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

from ..errors import SettingsError

FORMS = "redis://, rediss://, redis+sentinel://, redis+cluster:// or https:// (with redis.token)"


class Kind(StrEnum):
    ONE = "one"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"
    REST = "rest"


SCHEMES = {
    "redis": (Kind.ONE, False),
    "rediss": (Kind.ONE, True),
    "redis+sentinel": (Kind.SENTINEL, False),
    "rediss+sentinel": (Kind.SENTINEL, True),
    "redis+cluster": (Kind.CLUSTER, False),
    "rediss+cluster": (Kind.CLUSTER, True),
    "http": (Kind.REST, False),
    "https": (Kind.REST, True),
}
PORTS = {Kind.ONE: 6379, Kind.SENTINEL: 26379, Kind.CLUSTER: 6379}


@dataclass(frozen=True, kw_only=True)
class Address:
    """Credentials are left out of its text. `service` is the sentinels' name of the master."""

    kind: Kind
    tls: bool
    hosts: tuple[tuple[str, int], ...] = ()
    database: int = 0
    service: str = ""
    url: str = ""  # REST only, without a trailing slash
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        if self.kind is Kind.REST:
            return urlsplit(self.url).netloc
        places = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"{places}/{self.service}" if self.service else places


def parse_address(url: str) -> Address:
    """Raises SettingsError, without repeating the URL: it holds a password. Unknown parameters are left alone."""
    parts = urlsplit(url.strip())
    if parts.scheme not in SCHEMES:
        raise SettingsError(f"redis.url must begin with {FORMS}")
    kind, tls = SCHEMES[parts.scheme]
    login, at, places = parts.netloc.rpartition("@")
    if kind is Kind.REST:
        if not places:
            raise SettingsError("redis.url names no host")
        return Address(kind=kind, tls=tls, url=f"{parts.scheme}://{places}{parts.path.rstrip('/')}")
    user, colon, password = login.partition(":")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    service, database = _path(kind, parts.path)
    return Address(
        kind=kind,
        tls=tls,
        hosts=tuple(_host(place, PORTS[kind]) for place in places.split(",")),
        database=_number(query.get("db", database) or "0"),
        service=service,
        username=(unquote(user) or None) if at and colon else None,
        # redis://secret@host has no user: the one word is the password.
        password=(unquote(password if colon else user) or None) if at else query.get("password"),
        sentinel_username=query.get("sentinel_username"),
        sentinel_password=query.get("sentinel_password"),
    )


def _path(kind: Kind, path: str) -> tuple[str, str]:
    """(the master's name, the database)"""
    first, _, rest = path.strip("/").partition("/")
    if kind is not Kind.SENTINEL:
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
    if port and not port.isdigit():
        raise SettingsError("redis.url has a port that is not a number: escape @, : and / in the password")
    return unquote(host) or "localhost", int(port or default)


def _number(text: str) -> int:
    if not text.isdigit():
        raise SettingsError("redis.url ends in a database that is not a number")
    return int(text)
