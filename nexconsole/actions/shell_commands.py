"""The shell command equivalent to a plan. Secrets in it are variables.

Texts from outside are quoted twice: as a literal of their own language (SQL, JSON), then for the shell.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from ..errors import SourceError
from ..settings.tables import AS_KUBECTL, IN_CLUSTER
from ..sources import cluster_access, docker_link, kubeconfig
from ..sources.cluster_access import Impersonation
from ..sources.redis_address import RedisKind, parse_address

if TYPE_CHECKING:
    from ..settings import Settings

# libpq's own parameters among those that connection strings of NexNum carry; it refuses all others
# (nexnum.md#database-url).
LIBPQ = frozenset(
    {
        "sslmode",
        "application_name",
        "connect_timeout",
        "host",
        "port",
        "user",
        "password",
        "options",
        "sslrootcert",
        "target_session_attrs",
    }
)


def sql_text(text: str) -> str:
    """Any text as an SQL literal. Characters that can't be displayed are escapes."""
    if text.isprintable() and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    parts = []
    for char in text:
        if char in "'\\":
            parts.append(char * 2)
        elif char.isprintable():
            parts.append(char)
        else:
            parts.append(f"\\U{ord(char):08x}")
    return "E'" + "".join(parts) + "'"


def sql_name(name: str) -> str:
    """A name as an SQL identifier, quoted where needed."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        return name
    return '"' + name.replace('"', '""') + '"'


def psql(settings: Settings, sql: str) -> str:
    """`sql` through psql. Parameters that libpq would refuse are removed from the address."""
    query = parse_qs(urlsplit(settings.postgres.url).query)
    if settings.postgres.url and set(query) <= LIBPQ:
        return f'psql -X "$DATABASE_URL" -c {shlex.quote(sql)}'
    mode = f"PGSSLMODE={shlex.quote(query['sslmode'][-1])} " if "sslmode" in query else ""
    return f'{mode}psql -X "${{DATABASE_URL%%\\?*}}" -c {shlex.quote(sql)}'


def redis_cli(settings: Settings, *command: str) -> str:
    """A Redis command through redis-cli, or curl where Redis is a REST service."""
    where = parse_address(settings.redis.url)
    words = shlex.join(command)
    if where.kind is RedisKind.REST:
        body = shlex.quote(json.dumps(list(command), ensure_ascii=False))
        token = '-H "Authorization: Bearer $UPSTASH_REDIS_REST_TOKEN"'
        return f'curl -sS --fail-with-body "$UPSTASH_REDIS_REST_URL" {token} -d {body}'
    if where.kind is RedisKind.ONE:
        return f'redis-cli -u "$REDIS_URL" {words}'
    host, port = where.hosts[0]
    user = f"--user {shlex.quote(where.username)} " if where.username else ""
    place = f"-h {shlex.quote(host)} -p {port}"
    tls = "--tls " if where.tls else ""
    login = f'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli {tls}{user}' if where.password else f"redis-cli {tls}"
    if where.kind is RedisKind.CLUSTER:
        return f"{login}-c {place} {words}"
    master = f"redis-cli {tls}{place} SENTINEL get-master-addr-by-name {shlex.quote(where.service)}"
    number = f"-n {where.database} " if where.database else ""
    return f'set -- $({master}) && {login}-h "$1" -p "$2" {number}{words}'


def curl(
    method: str,
    path: str,
    *,
    headers: Sequence[str] = (),
    body: Mapping[str, object] | None = None,
    server: str = "$API_URL",
    discreet: bool = False,
) -> str:
    """A request to NexNum's API, or to the `server` that a variable names.

    `headers` go into double quotes as they are: they name variables, nothing else. `discreet`: the answer holds
    credentials (nexnum.md#provider-api), so that only its status is printed.
    """
    shown = "--fail -o /dev/null -w '%{http_code}\\n'" if discreet else "--fail-with-body"
    words = [f'curl -sS {shown} -X {method} "{server}"{shlex.quote(path)}']
    words += [f'-H "{header}"' for header in headers]
    if body is not None:
        words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
    return " ".join(words)


def kubectl(settings: Settings, *command: str) -> str:
    """A command of kubectl on the very cluster, namespace and account that the console acts on."""
    where = settings.kubernetes
    files, context, as_whom = kubeconfig.listed(where.kubeconfig), where.context, Impersonation()
    if where.kubeconfig in (IN_CLUSTER, AS_KUBECTL):
        files = ()
    with contextlib.suppress(SourceError):  # as far as it can be told while the kubeconfig can't be used
        if where.kubeconfig:
            access = cluster_access.access(where, cluster_access.RECENT_S)
            files, context, as_whom = access.files, access.context, access.acting_as
    words = ["kubectl", *(("--context", context) if context else ()), "-n", cluster_access.namespace(where)]
    words += [f"--as={as_whom.user}"] if as_whom.user else []
    words += [f"--as-uid={as_whom.uid}"] if as_whom.uid else []
    words += [f"--as-group={group}" for group in as_whom.groups]
    line = shlex.join([*words, *command])
    if not where.kubeconfig:
        return line
    # A pod's own account is what kubectl takes where no kubeconfig says otherwise: an empty one says nothing.
    named = os.pathsep.join(os.path.abspath(file) for file in files) or os.devnull
    return f"KUBECONFIG={shlex.quote(named)} {line}"


def docker(settings: Settings, *command: str) -> str:
    """A command of docker on the very Engine that the console acts on."""
    where = settings.docker
    line = shlex.join(["docker", *command])
    if not where.host or docker_link.implicit(where):
        return line
    words = {"DOCKER_HOST": where.host}
    if where.cert_path:
        words["DOCKER_CERT_PATH"] = where.cert_path
    if where.tls_verify:
        words["DOCKER_TLS_VERIFY"] = "1"
    return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in words.items()), line])


def folded(text: str, width: int, glue: str = "\n") -> str:
    """SQL or a script on lines of about `width` characters; quoted text is not broken.

    For a shell command `glue` is a backslash with the line end.
    """
    cuts: list[int] = []
    quote, begin, last = "", 0, -1
    for place, char in enumerate(text):
        if char == "\n":
            if place - begin > width and last >= 0:
                cuts.append(last)
            begin, last = place + 1, -1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == " ":
            if place - begin > width and last >= 0:
                cuts.append(last)
                begin = last + 1
            last = place
    if len(text) - begin > width and last >= 0:
        cuts.append(last)
    ends = [*cuts, len(text)]
    return glue.join(text[start:end] for start, end in zip([0, *(cut + 1 for cut in cuts)], ends, strict=True))


def amtool(server: str, *command: str) -> str:
    """A command of Alertmanager's own tool; `server` names a variable."""
    return f'amtool --alertmanager.url="{server}" {shlex.join(command)}'


ADMIN = ("Authorization: Bearer $NEXNUM_ADMIN_TOKEN", "Cookie: token=$NEXNUM_ADMIN_TOKEN")
