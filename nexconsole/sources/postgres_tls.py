"""TLS to Postgres by libpq's sslmode: which certificate is verified, against which CA, for which name."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ..errors import Unreachable, in_words
from ..text.sanitize import clean
from .postgres_address import Host, PostgresAddress, home_folder
from .postgres_parameters import TLS_PARAMETERS

VERSIONS = {"TLSv1": "TLSv1", "TLSv1.1": "TLSv1_1", "TLSv1.2": "TLSv1_2", "TLSv1.3": "TLSv1_3"}
NO_VERIFICATION = ("disable", "allow", "prefer")


class NamedTlsContext(ssl.SSLContext):
    """Verifies the certificate for `name`, whatever address is connected to: libpq's `hostaddr`."""

    name: str | None = None

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **options | ({"server_hostname": self.name} if self.name else {}))


def tls(where: PostgresAddress, host: Host) -> tuple[str, ssl.SSLContext | bool | None]:
    """asyncpg's `dsn` and `ssl` for one host. Raises Unreachable where a certificate's file can't be used."""
    if host.socket or where.sslmode == "disable":
        return "postgresql://", False
    if where.sslmode in NO_VERIFICATION:
        # With a fallback to or from plain text, which asyncpg does itself.
        asked = {"sslmode": where.sslmode} | {name: where.ssl[name] for name in TLS_PARAMETERS if name in where.ssl}
        return f"postgresql://?{urlencode(asked)}", None
    return _negotiation(where), _context(where, host)


def encryption(where: PostgresAddress, host: Host) -> str:
    """What is known of the connection's security, for people."""
    if host.socket:
        return "by a socket of this machine"
    verified = {
        "verify-full": "TLS, certificate and name verified",
        "verify-ca": "TLS, certificate verified, its name not",
        "require": f"TLS, certificate {'verified, its name not' if _trusted(where) else 'not verified'}",
        "no-verify": "TLS, certificate not verified",
        "disable": "not encrypted",
    }
    return verified.get(where.sslmode) or f"sslmode={where.sslmode}: encrypted only where the server offers it"


def _negotiation(where: PostgresAddress) -> str:
    direct = where.ssl.get("sslnegotiation") == "direct"
    return "postgresql://?sslnegotiation=direct" if direct else "postgresql://"


def _context(where: PostgresAddress, host: Host) -> ssl.SSLContext:
    context = NamedTlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = host.name if host.name != host.place else None
    context.check_hostname = where.sslmode == "verify-full"
    root = _root(where)
    context.verify_mode = ssl.CERT_REQUIRED if root else ssl.CERT_NONE
    try:
        if root == "system":
            context.load_default_certs()
        elif root:
            context.load_verify_locations(cafile=root)
        if crl := where.ssl.get("sslcrl") or _default("root.crl"):
            context.load_verify_locations(cafile=crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        certificate = where.ssl.get("sslcert") or _default("postgresql.crt")
        if certificate and Path(certificate).exists():  # libpq shows none where the file is absent
            key = where.ssl.get("sslkey") or _default("postgresql.key")
            context.load_cert_chain(certificate, key or None, password=where.ssl.get("sslpassword", ""))
    except (OSError, ValueError) as error:
        file = getattr(error, "filename", None)
        named = f"{file}: " if file else ""
        said = clean(in_words(error), 200)
        raise Unreachable("postgres", f"a certificate for postgres at {host} can't be used: {named}{said}") from error
    for limit in ("min", "max"):
        if (version := where.ssl.get(f"ssl_{limit}_protocol_version")) in VERSIONS:
            setattr(context, f"{limit}imum_version", ssl.TLSVersion[VERSIONS[version]])
    context.set_alpn_protocols(["postgresql"])
    return context


def _root(where: PostgresAddress) -> str:
    """The file of authorities; "" where nothing is to be verified. libpq verifies `require` too where there is one."""
    if where.sslmode == "no-verify":
        return ""
    root = _trusted(where)
    if root or where.sslmode == "require":
        return root
    raise Unreachable(
        "postgres",
        f"sslmode={where.sslmode} needs the authorities' certificates: set postgres.ca_file, or sslrootcert in the"
        " address (`system` for the system's), or put them into ~/.postgresql/root.crt",
    )


def _trusted(where: PostgresAddress) -> str:
    return where.sslrootcert or _default("root.crt")


def _default(name: str) -> str:
    """libpq's file in ~/.postgresql; "" where there is none."""
    home = home_folder({})
    file = home / ".postgresql" / name if home else Path("/nonexistent")
    return str(file) if os.path.exists(file) else ""  # as libpq: one that may not be looked at is none
