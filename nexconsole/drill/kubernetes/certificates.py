"""A private CA and a server certificate of it, new in each world: clients send tokens over TLS only."""

from __future__ import annotations

import ssl

import trustme


def server_tls() -> tuple[ssl.SSLContext, str]:
    """A TLS context for 127.0.0.1 and localhost, and the PEM of the CA that vouches for it. Keys never stay on disk."""
    authority = trustme.CA(organization_name="nexconsole drill")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context, authority.cert_pem.bytes().decode()
