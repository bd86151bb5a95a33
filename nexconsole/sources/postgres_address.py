"""A Postgres connection string, understood as libpq 17 understands it: the same server, database, role and verification
as psql with the same words. (nexnum.md#database-url)

What the string leaves open comes from its service, then from libpq's variables (PGHOST ...), then from libpq's
defaults. Prisma's, node-pg's and the poolers' own parameters are known by name; what would weaken a connection if it
were left out is refused by name.
"""

from __future__ import annotations

import configparser
import getpass
import os
import random
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from .. import paths
from ..errors import SettingsError
from ..text.sanitize import clean
from .postgres_parameters import HARMLESS, TLS_PARAMETERS, UNHONOURED, VARIABLES

POOLER_PORT = 6543
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SESSIONS = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
SCHEMES = ("postgresql://", "postgres://", "prisma+postgres://")
SOCKET_FOLDERS = ("/var/run/postgresql", "/run/postgresql", "/tmp")  # Debian's, Red Hat's, libpq's own
LONGEST_FILE = 1_000_000  # bytes of a service or password file
MOST_HOSTS = 32


@dataclass(frozen=True)
class Host:
    """One server to try. `name` is what its certificate must be made out to, `place` what is connected to."""

    name: str
    place: str
    port: int

    @property
    def socket(self) -> bool:
        return self.place.startswith(("/", "@"))

    def __str__(self) -> str:
        host = f"[{self.name}]" if ":" in self.name else self.name
        at = "" if self.place == self.name or not self.place else f" ({self.place})"
        return f"{host}:{self.port}{at}"


@dataclass(frozen=True, kw_only=True)
class PostgresAddress:
    """A connection string taken apart. `sslmode` is libpq's; `sslrootcert` may be `system`.

    `schema` is where NexNum's tables lie, `pooled` whether the address is a pooler's as far as it tells, `unknown` the
    parameters that neither libpq nor NexNum's clients know: psql would refuse them, they are left out here.
    """

    servers: tuple[Host, ...]
    user: str
    password: str | None = field(default=None, repr=False)
    passfile: str = ""
    database: str
    sslmode: str = "prefer"
    sslrootcert: str = ""
    ssl: Mapping[str, str] = field(default_factory=dict, repr=False)  # sslcert, sslkey, sslcrl, sslpassword, ...
    sessions: str = "any"
    options: str = ""
    schema: str = "public"
    pooled: bool = False
    unknown: tuple[str, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(host.name for host in self.servers)

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(host.port for host in self.servers)

    def __str__(self) -> str:
        return ",".join(map(str, self.servers))

    def password_for(self, host: Host) -> str | None:
        """The password for this server: the address' own, else the password file's."""
        return self.password if self.password is not None else _kept_password(self, host)


def parse_address(url: str, environ: Mapping[str, str] | None = None, *, ca_file: str = "") -> PostgresAddress:
    """Take a connection string apart; a password may hold an unescaped @, : or /.

    `ca_file` is the settings', which wins over the string's sslrootcert. Raises SettingsError where it can't be
    understood, or where what it asks for can't be done, without repeating it: it holds a password.
    """
    environ = os.environ if environ is None else environ
    given = _parameters(_trimmed(url))
    known = HARMLESS.union(VARIABLES, UNHONOURED)
    unknown = tuple(sorted(clean(name, 40) for name in given if name not in known))
    values = _with_defaults(given, environ)
    _refuse_unhonoured(values)
    servers = _servers(values)
    user = values.get("user") or _account()
    mode, root = _verification(values, ca_file)
    return PostgresAddress(
        servers=servers,
        user=user,
        password=values.get("password"),
        passfile=values.get("passfile", ""),
        database=values.get("dbname") or user,
        sslmode=mode,
        sslrootcert=root,
        ssl={name: values[name] for name in TLS_PARAMETERS if values.get(name)},
        sessions=_one_of("target_session_attrs", values.get("target_session_attrs") or "any", SESSIONS),
        options=values.get("options", ""),
        schema=given.get("schema") or "public",
        pooled=given.get("pgbouncer") == "true" or any(host.port == POOLER_PORT for host in servers),
        unknown=unknown,
    )


def _trimmed(url: str) -> str:
    """Without the blanks and the line's end that files add; a quote that an env file kept is said."""
    text = url.strip()
    if text[:1] in ("'", '"', "`", "“", "‘"):
        raise SettingsError("postgres.url begins with a quote: remove the quotes around it, an env file keeps them")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise SettingsError("postgres.url has a line break or another control character in it")
    return text


def _parameters(text: str) -> dict[str, str]:
    """libpq's parameters that the string names, by libpq's names."""
    scheme = next((scheme for scheme in SCHEMES if text.lower().startswith(scheme)), None)
    if scheme is None:
        if re.match(r"(?i)\s*[a-z_]+\s*=", text) and "://" not in text:
            return _keywords(text)
        raise SettingsError("postgres.url must begin with postgresql://")
    rest, _, query = text[len(scheme) :].partition("?")
    login, at, places = rest.rpartition("@")
    if not at and "@" in query and _PORTLESS.match(rest):  # an unescaped ? in the password
        login, at, rest = text[len(scheme) :].rpartition("@")
        places, _, query = rest.partition("?")
    places, slash, database = places.partition("/")
    found: dict[str, str] = {}
    user, colon, password = login.partition(":")
    hosts, ports = [], []
    for place in places.split(",") if places else ():
        host, port = _place(place)
        hosts.append(host)
        ports.append(port)
    parts = {
        "host": ",".join(hosts),
        "port": ",".join(ports) if any(ports) else "",
        "user": _decoded(user),
        "dbname": _decoded(database) if slash else "",
    }
    for name, value in parts.items():
        if value.strip(","):
            found[name] = value
    if colon:
        found["password"] = _decoded(password)
    for part in query.split("&") if query else ():
        name, equals, value = part.partition("=")
        if name:
            found[_decoded(name)] = _decoded(value) if equals else ""
    return found


_PORTLESS = re.compile(r"[^/,@:]*:[^/,@]*[^\d/,@]")  # what stands after the colon is no port


def _decoded(text: str) -> str:
    value = unquote(text, errors="surrogateescape")
    if "\0" in value:
        raise SettingsError("postgres.url has %00 in it, which no server takes")
    return value


def _place(place: str) -> tuple[str, str]:
    """Host and port of one place in the string's list."""
    if place.startswith("["):
        host, closed, port = place[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise SettingsError("postgres.url has an IPv6 address without its closing bracket")
        return host, port[1:]
    host, _, port = place.partition(":")
    if port and not port.isdigit():
        raise SettingsError(
            "postgres.url has a port that is not a number: escape @, : and / in the password (%40, %3A, %2F)"
        )
    return _decoded(host), port


def _keywords(text: str) -> dict[str, str]:
    """`host=db user=nexnum password='a b'`, libpq's other form."""
    found, rest = {}, text.strip()
    pattern = re.compile(r"\s*([A-Za-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s\\]|\\.)*))\s*")
    while rest:
        match = pattern.match(rest)
        if match is None:
            raise SettingsError("postgres.url: what stands there is neither postgresql://... nor name=value pairs")
        raw = match[2] if match[2] is not None else match[3]
        found[match[1]] = re.sub(r"\\(.)", r"\1", raw)
        rest = rest[match.end() :]
    return found


def _with_defaults(given: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The string's parameters, over the service's, over the variables'."""
    values = {name: value for name, value in given.items() if name in VARIABLES or name in UNHONOURED}
    _adopt_aliases(given, values)
    service = values.get("service") or environ.get("PGSERVICE", "")
    behind = _service(service, environ) if service else {}
    for name, variable in VARIABLES.items():
        if name not in values and (value := behind.get(name) or (environ.get(variable) if variable else None)):
            values[name] = value
    if "sslmode" not in values and environ.get("PGREQUIRESSL", "").startswith("1"):
        values["sslmode"] = "require"  # libpq's older variable, which still holds where the newer one is not set
    return values


def _adopt_aliases(given: Mapping[str, str], values: dict[str, str]) -> None:
    """What node-pg and Prisma write for libpq's parameters."""
    if given.get("ssl") in ("true", "1") or given.get("requiressl") == "1":
        values.setdefault("sslmode", "require")  # libpq's own reading of JDBC's word
    elif given.get("ssl") in ("0", "false"):
        values.setdefault("sslmode", "disable")
    elif given.get("ssl") == "no-verify":
        values.setdefault("sslmode", "no-verify")
    if "sslaccept" in given or "sslidentity" in given:  # Prisma: sslcert is the authority's certificate
        if "sslcert" in values:
            values["sslrootcert"] = values.pop("sslcert")
        strict = given.get("sslaccept", "accept_invalid_certs") == "strict"
        if values.get("sslmode", "prefer") != "disable":
            values["sslmode"] = "verify-full" if strict else "no-verify"


def _service(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a service, from PGSERVICEFILE or ~/.pg_service.conf, else from the system's file."""
    named = environ.get("PGSERVICEFILE")
    files = [Path(named)] if named else [home / ".pg_service.conf"] if (home := home_folder(environ)) else []
    files += [Path(environ.get("PGSYSCONFDIR", "/etc/postgresql-common")) / "pg_service.conf"]
    for file in files:
        text = _text_of(file)
        if text is None:
            continue
        parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
        try:
            parser.read_string(text)
        except configparser.Error as error:
            raise SettingsError(f"{file}: can't be understood: {clean(error, 200)}") from error
        if parser.has_section(name):
            return {key: value.strip() for key, value in parser.items(name)}
    raise SettingsError(f"postgres.url names the service {clean(name, 60)}, which {', '.join(map(str, files))} lack")


def _text_of(file: Path) -> str | None:
    """A small plain file's text; None where there is none that can be read."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            return None
        return opened.read(LONGEST_FILE).decode("utf-8", "surrogateescape")


def home_folder(environ: Mapping[str, str]) -> Path | None:
    return Path(environ["HOME"]) if environ.get("HOME") else paths.home()


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        sentence = "postgres.url names no user, and this account has no name: add user@ before the host"
        raise SettingsError(sentence) from error


def _refuse_unhonoured(values: Mapping[str, str]) -> None:
    for name, fine in UNHONOURED.items():
        value = values.get(name, "")
        if value and value not in fine:
            raise SettingsError(
                f"postgres.url asks for {name}={clean(value, 40)}, which this console can't do: leave it out"
            )


def _servers(values: Mapping[str, str]) -> tuple[Host, ...]:
    names = values["host"].split(",") if values.get("host") else []
    places = values["hostaddr"].split(",") if values.get("hostaddr") else []
    if names and places and len(names) != len(places):
        raise SettingsError(f"postgres.url has {len(names)} hosts and {len(places)} of hostaddr: as many are needed")
    count = max(len(names), len(places), 1)
    if count > MOST_HOSTS:
        raise SettingsError(f"postgres.url names {count} hosts: {MOST_HOSTS} are the most")
    ports = [_port(port) for port in values.get("port", "").split(",")]
    if len(ports) not in (1, count):
        raise SettingsError(f"postgres.url has {count} hosts and {len(ports)} ports: one for all, or one for each")
    ports = ports * count if len(ports) == 1 else ports
    names += [""] * (count - len(names))
    places += [""] * (count - len(places))
    servers = [_host(name, place, port) for name, place, port in zip(names, places, ports, strict=True)]
    if values.get("load_balance_hosts") == "random":
        random.shuffle(servers)
    return tuple(servers)


def _host(name: str, place: str, port: int) -> Host:
    if place or name:
        return Host(name or place, place or name, port)
    for folder in SOCKET_FOLDERS:
        if os.path.exists(f"{folder}/.s.PGSQL.{port}"):
            return Host(folder, folder, port)
    return Host("localhost", "localhost", port)


def _port(text: str) -> int:
    if not text.strip():
        return 5432
    if not text.strip().isdigit() or not 0 < int(text) < 65536:
        raise SettingsError("postgres.url has a port that is not a number from 1 to 65535")
    return int(text)


def _verification(values: Mapping[str, str], ca_file: str) -> tuple[str, str]:
    """The sslmode and the file of authorities: what was asked for, never less."""
    mode, root = values.get("sslmode", ""), ca_file or values.get("sslrootcert", "")
    if mode == "no-verify":  # node-pg's
        return "no-verify", ""
    if mode:
        _one_of("sslmode", mode, SSL_MODES)
    if root == "system":
        if mode not in ("", "verify-full"):
            raise SettingsError(f"postgres.url has sslrootcert=system with sslmode={mode}: it needs verify-full")
        return "verify-full", root
    if ca_file and mode in ("disable", "allow", "prefer"):
        raise SettingsError(f"postgres.ca_file is set, but sslmode={mode} verifies nothing: say sslmode=verify-full")
    return mode or ("verify-full" if ca_file else "prefer"), root


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise SettingsError(f"postgres.url has {name}={clean(value, 30)}; it must be one of {', '.join(known)}")
    return value


def _kept_password(address: PostgresAddress, host: Host) -> str | None:
    """The first line of the password file that fits; a file that others can read is not used, as libpq does."""
    home = home_folder(os.environ)
    file = Path(address.passfile) if address.passfile else home / ".pgpass" if home else None
    if file is None or (text := _text_of(file)) is None:
        return None
    if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    name = "localhost" if host.socket and host.name in SOCKET_FOLDERS else host.name
    wanted = (name, str(host.port), address.database, address.user)
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        fields = [re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"((?:[^:\\]|\\.)*)(?::|$)", line)][:5]
        if len(fields) == 5 and all(kept in ("*", is_) for kept, is_ in zip(fields, wanted, strict=False)):
            return fields[4]
    return None
