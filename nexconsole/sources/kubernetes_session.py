"""kubernetes-asyncio's client with the connection that kubectl would make.

The console uses the library's client and session only, and does what it gets wrong: certificates and keys go through
its temporary files, `proxy-url` and proxies of the environment are mixed, and it refuses a CA without the newest
extensions.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import SourceError, in_words
from ..text.sanitize import clean
from .cluster_access import SOCKS, Access
from .proxies import direct

if TYPE_CHECKING:
    import aiohttp
    from kubernetes_asyncio.client import ApiClient

STREAM_BUFFER = 1 << 16  # a followed log holds at most twice this, then the far side has to wait
LARGEST_PEM = 4 << 20


async def open_client(
    access: Access, context: ssl.SSLContext, proxy: str, connections: int, *, resends: bool
) -> ApiClient:
    """The library's client on a session of ours.

    `resends`: whether what was asked on a connection that broke is asked again, as aiohttp does it with a DELETE, too.
    """
    import aiohttp
    from kubernetes_asyncio import client

    configuration = client.Configuration()
    configuration.host = access.server
    configuration.connection_pool_maxsize = connections
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ssl=context),
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=STREAM_BUFFER,
    )
    session._retry_connection = resends  # has no public name
    return _client_on(session, configuration, proxy, access.trust.server_name)


def _client_on(session: aiohttp.ClientSession, configuration: Any, proxy: str, server_name: str) -> ApiClient:
    """The library's client on this session; its own constructors read all the system's authorities, on the loop."""
    from kubernetes_asyncio.client import ApiClient, rest

    class SessionRest(rest.RESTClientObject):
        def __init__(self) -> None:
            self.pool_manager, self.proxy, self.proxy_headers = session, proxy, {}
            self.server_hostname = server_name

    class SessionClient(ApiClient):
        def __init__(self) -> None:
            self.configuration, self.rest_client = configuration, SessionRest()
            self.default_headers: dict[str, str] = {}
            self.pool_threads, self.cookie, self.user_agent = 1, "", "nexconsole"
            self.client_side_validation = configuration.client_side_validation

    return SessionClient()


def tls(access: Access, certificate: tuple[str, str] | None = None) -> ssl.SSLContext:
    """Verification and client certificate; `certificate` is a plugin's, as PEM. Raises SourceError.

    Reads files: to be run in a thread.
    """
    trust, login = access.trust, access.login
    if not (trust.ca or trust.ca_data):
        context = ssl.create_default_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        what = "certificate-authority" + ("" if trust.ca else "-data")
        try:
            context.load_verify_locations(cadata=_pem(trust.ca, trust.ca_data, what))
        except (ssl.SSLError, ValueError) as error:
            raise _bad(what, "holds no certificate that can be read") from error
    if trust.skip:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is None and (login.certificate or login.certificate_data):
        certificate = (
            _pem(login.certificate, login.certificate_data, "client-certificate"),
            _pem(login.key, login.key_data, "client-key"),
        )
    if certificate is not None:
        _load(context, *certificate)
    return context


def proxy_of(access: Access, environ: Mapping[str, str]) -> str:
    """The kubeconfig's proxy, else the environment's, as kubectl takes it; "" for none. Raises SourceError."""
    if access.proxy:
        return access.proxy
    where = urlsplit(access.server)
    names = ("HTTPS_PROXY", "https_proxy") if where.scheme == "https" else ("HTTP_PROXY", "http_proxy")
    name = next((name for name in names if environ.get(name)), "")
    host = where.hostname or ""
    if not name or direct(host, where.port, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
        return ""
    url = environ[name] if "://" in environ[name] else f"http://{environ[name]}"
    scheme = url.partition("://")[0].lower()
    if scheme in SOCKS:
        raise SourceError("kubernetes", f"{name} names a SOCKS proxy, which the console can't use for Kubernetes")
    if scheme not in ("http", "https") or not _is_address(url):
        raise SourceError("kubernetes", f"{name} is not a proxy's address, which begins with http:// or https://")
    return url


def _is_address(url: str) -> bool:
    from yarl import URL

    try:
        return bool(URL(url).host)
    except ValueError:
        return False


def _pem(file: str, data: str, key: str) -> str:
    """A file's text, or the decoded data of the kubeconfig."""
    try:
        if data:
            return base64.b64decode(data, validate=False).decode()
        with open(file, "rb") as opened:
            return opened.read(LARGEST_PEM).decode()
    except OSError as error:
        raise _bad(key, f"{clean(file, 150)} can't be read: {in_words(error)}") from error
    except (binascii.Error, ValueError):
        raise _bad(key, "is not base64 of a PEM" if data else f"{clean(file, 150)} is not a PEM") from None


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """OpenSSL reads client certificates from files only: they are in memory, and gone afterwards."""

    def no_password() -> str:
        raise SourceError("kubernetes", "the kubeconfig's client-key is encrypted: kubectl can't use that either")

    with _in_memory(certificate) as chain, _in_memory(key) as private:
        try:
            context.load_cert_chain(chain, private, password=no_password)
        except (ssl.SSLError, OSError) as error:
            raise _bad("client-certificate", "and its client-key can't be used together, or one is broken") from error


@contextlib.contextmanager
def _in_memory(text: str) -> Iterator[str]:
    handle = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(handle, text.encode())
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _bad(key: str, why: str) -> SourceError:
    return SourceError("kubernetes", f"the kubeconfig's {key} {why}")
