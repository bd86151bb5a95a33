"""The environment's proxy variables, in every form in use: which proxy leads to an address."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import SourceError, Unreachable, in_words
from ..text.sanitize import clean

HTTP = ("http", "https")
# Desktops write socks:// for version 5. The proxy resolves the names: those behind a bastion are known only there.
SOCKS = dict.fromkeys(("socks", "socks5", "socks5h"), "socks5h")
OLD_SOCKS = ("socks4", "socks4a")


@dataclass(frozen=True)
class Proxy:
    """A proxy's address with its login, and the variable that names it."""

    url: str
    variable: str


def proxy_for(name: str, url: str, environ: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy that leads to `url`; None where it is reached directly, as this very host always is.

    Raises Unreachable of the source `name` where the variable's value can't be used.
    """
    environ = os.environ if environ is None else environ
    where = urlsplit(url)
    unproxied = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if direct(where.hostname or "", where.port or {"https": 443}.get(where.scheme, 80), unproxied):
        return None
    for variable in (f"{where.scheme}_proxy", f"{where.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
        if value := environ.get(variable, "").strip():
            return Proxy(_understood(name, variable, value), variable)
    return None


def _understood(name: str, variable: str, value: str) -> str:
    """The proxy's address as a client takes it."""
    scheme, separator, rest = value.partition("://")
    scheme, rest = (scheme.lower(), rest) if separator else ("http", value)
    if scheme in OLD_SOCKS:
        said = f"{name}: {variable} names a {scheme} proxy, which can't be used: name socks5:// or http://"
        raise Unreachable(name, said)
    scheme = SOCKS.get(scheme, scheme)
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        good = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or scheme not in (*HTTP, *SOCKS.values()):
        said = f"{name}: {variable} holds no proxy's address: http://host:port or socks5://host:port is needed"
        raise Unreachable(name, said)
    return f"{scheme}://{rest.rstrip('/')}"


def direct(host: str, port: int | None, unproxied: str) -> bool:
    """Whether NO_PROXY takes this host out: a name with what is below it, an address, a range, *; loopback always."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for part in unproxied.replace(",", " ").lower().split():
        if part == "*":
            return True
        if address is not None:
            with contextlib.suppress(ValueError):
                if address in ipaddress.ip_network(part.strip("[]"), strict=False):
                    return True
        name, _, asked = part.partition(":") if part.count(":") == 1 else (part, "", "")
        if not name or (asked and asked != str(port)):
            continue
        plain = name.lstrip("*").lstrip(".")
        exact = host == plain and not name.startswith((".", "*"))
        if exact or (plain and host.endswith(f".{plain}")):
            return True
    return False


def proxy_failed(name: str, at: str, proxy: Proxy, error: Exception) -> SourceError:
    """The sentence for a proxy that can't be reached, or does not let us through."""
    why = clean(in_words(error), 120)
    return Unreachable(name, f"{at}: the proxy of {proxy.variable} failed: {why}")
