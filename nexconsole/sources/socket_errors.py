"""Finds the socket's error inside client libraries' exceptions."""

from __future__ import annotations

import errno
import socket
import ssl

SPECIFIC = (
    ssl.SSLCertVerificationError,
    ssl.SSLError,
    socket.gaierror,
    ConnectionRefusedError,
    ConnectionResetError,
    BrokenPipeError,
)


def socket_error(error: BaseException) -> OSError | None:
    """The most telling OSError in an exception's chain of causes; None where it holds none."""
    found = _system_errors(error)
    return next((candidate for kind in SPECIFIC for candidate in found if isinstance(candidate, kind)), None)


def numbered_error(error: BaseException) -> OSError | None:
    """Any error of the operating system's in the chain, such as a network that is not there; None without one."""
    return next((link for link in _system_errors(error) if link.errno in errno.errorcode), None)


def _system_errors(error: BaseException) -> list[OSError]:
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
    return found
