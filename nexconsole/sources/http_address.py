"""An HTTP source's address, login, headers and trust, from the settings, the same for all."""

from __future__ import annotations

import base64
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import SettingsError, Unreachable, in_words
from ..text.sanitize import clean

# The files of authorities that people set for other tools, in the order in which they are believed.
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # a header's name (RFC 9110)


@dataclass(frozen=True, kw_only=True)
class HttpAddress:
    """`url` without login and trailing slash, `place` as people recognise it, `login` as the address holds it."""

    url: str
    place: str
    host: str
    tls: bool
    login: tuple[str, str] | None = field(default=None, repr=False)


def parse_http(key: str, url: str) -> HttpAddress:
    """Take the address of a settings' key apart. Raises SettingsError, without repeating a password."""
    text = url.strip()
    if text[:1] in ("'", '"'):
        raise SettingsError(f"{key}: remove the quotes around the address, an env file keeps them")
    scheme, separator, rest = text.partition("://")
    if scheme.lower() not in ("http", "https") or not separator:
        raise SettingsError(f"{key} must begin with http:// or https:// and name a host")
    netloc = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" not in netloc and "@" in rest:
        raise SettingsError(f"{key}: escape / ? and # in the password (%2F, %3F, %23)")
    login, at, place = netloc.rpartition("@")
    path = rest[len(netloc) :].partition("?")[0].partition("#")[0].rstrip("/")
    try:
        parts = urlsplit(f"{scheme.lower()}://{place}{path}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(f"{key} is no address that can be used: check host and port") from error
    if not host or port == 0 or not all(character.isprintable() and character != " " for character in place + path):
        raise SettingsError(f"{key} must begin with http:// or https:// and name a host")
    user, _, password = login.partition(":")
    return HttpAddress(
        url=f"{scheme.lower()}://{place}{path}",
        place=place + path,
        host=host,
        tls=scheme.lower() == "https",
        login=(unquote(user), unquote(password)) if at else None,
    )


def headers_of(
    key: str, headers: Mapping[str, str], *, bearer: str = "", login: tuple[str, str] | None = None
) -> dict[str, str]:
    """The headers that go with every request. Raises SettingsError naming the settings' key that can't be one."""
    sent = {}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise SettingsError(f"{key}.headers: {clean(name, 40)!r} is no header's name")
        sent[name] = header_value(f"{key}.headers.{name}", value)
    if bearer.strip():
        return sent | {"Authorization": f"Bearer {header_value(f'{key}.bearer', bearer)}"}
    if login and any(login):
        return sent | {"Authorization": f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"}
    return sent


def header_value(key: str, value: str) -> str:
    """The value, fit for an HTTP header, without the blanks and the line's end that files add.

    Raises SettingsError naming the settings' key otherwise.
    """
    text = value.strip()
    if not (text.isascii() and text.isprintable()):
        raise SettingsError(f"{key} holds characters that an HTTP header can't carry")
    return text


def authorities(name: str, ca_file: str, environ: Mapping[str, str] | None = None) -> ssl.SSLContext:
    """Whom to trust: the settings' file alone; else the environment's; else the system's and certifi's.

    Raises Unreachable of the source `name` where a file can't be used.
    """
    environ = os.environ if environ is None else environ
    variable = next((one for one in CA_VARIABLES if environ.get(one)), "")
    chosen, said = (ca_file, f"{name}.ca_file") if ca_file else (environ.get(variable, ""), variable)
    try:
        if not chosen:
            import certifi

            context = ssl.create_default_context()
            context.load_verify_locations(cafile=certifi.where())
            return context
        folder = Path(chosen).expanduser().is_dir()
        place = str(Path(chosen).expanduser())
        return ssl.create_default_context(cafile=None if folder else place, capath=place if folder else None)
    except (OSError, ValueError, RuntimeError) as error:
        raise Unreachable(name, f"{said} {clean(chosen, 120)} can't be used: {clean(in_words(error), 200)}") from error
