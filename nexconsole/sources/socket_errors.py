"""The socket's own error, found inside the wrappings that client libraries put around it."""

from __future__ import annotations

import socket
import ssl

SPECIFIC = (ssl.SSLCertVerificationError, ssl.SSLError, socket.gaierror, ConnectionRefusedError, ConnectionResetError,
            BrokenPipeError)  # fmt: skip


def socket_error(error: BaseException) -> OSError | None:
    """The most telling OSError in an exception's chain of causes; None where it holds none."""
    found: list[OSError] = []
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        if isinstance(link, OSError):
            found.append(link)
        if isinstance(link, BaseExceptionGroup):
            waiting.extend(link.exceptions)
        waiting += [link.__cause__, link.__context__]
    for kind in SPECIFIC:
        for candidate in found:
            if isinstance(candidate, kind):
                return candidate
    return None
