"""Authentication to the API server: tokens are read again as they change, plugins run again as credentials expire."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from math import inf
from urllib.parse import quote

from ..errors import Denied, SourceError, TimedOut, in_words
from ..text.sanitize import clean
from ..text.units import duration, period
from . import credential_plugins
from .cluster_access import Access
from .credential_plugins import ExecCredential, plugin_name

TOKEN_EVERY_S = 10.0  # a token's file is read again no more often than this
PLUGIN_EVERY_S = 4.0  # a plugin is run no more often than this, whatever it answered
LARGEST_TOKEN = 1 << 18


class Keyring:
    """The credentials of the access that is in force: the reader and the actions share one."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._held: Credentials | None = None

    def of(self, access: Access) -> Credentials:
        if self._held is None or self._held.access != access:
            self.close()
            self._held = Credentials(access, self._limit_s)
        return self._held

    def close(self) -> None:
        if self._held is not None:
            self._held.close()


class Credentials:
    """Of one access, shared by everything in this process that talks to its cluster."""

    def __init__(self, access: Access, limit_s: float) -> None:
        self.access = access
        self._limit_s = limit_s
        self._token, self._token_read_at = "", -inf
        self._answer: ExecCredential | None = None
        self._error: SourceError | None = None
        self._asked_at = -inf
        self._run: asyncio.Task[None] | None = None

    @property
    def certificate(self) -> tuple[str, str] | None:
        """A plugin's client certificate and key, as PEM."""
        answer = self._answer
        return (answer.certificate, answer.key) if answer is not None and answer.certificate else None

    async def ready(self, patience_s: float) -> None:
        """Return when there is something to send. Raises SourceError; a plugin that is slower than `patience_s`
        seconds goes on, and the next who asks may have its answer."""
        login = self.access.login
        if login.plugin is None or login.token or login.token_file:
            return
        if self._answer is not None and not self._answer.expired():
            return
        began = time.monotonic()
        if self._run is None or self._run.done():
            if began - self._asked_at < PLUGIN_EVERY_S:
                if self._error is not None:
                    raise self._error
                if self._answer is not None:
                    return
            self._asked_at = began
            self._run = asyncio.create_task(self._ask(), name="credential plugin")
        run = self._run
        await asyncio.wait([run], timeout=patience_s)
        if not run.done():
            raise TimedOut(
                "kubernetes",
                f"waiting for the kubeconfig's credential plugin {plugin_name(login.plugin)} for"
                f" {duration(time.monotonic() - self._asked_at)}: it is ended after {period(self._limit_s)}",
            )
        if not run.cancelled() and (bug := run.exception()) is not None:
            raise bug
        if self._error is not None:
            raise self._error

    async def _ask(self) -> None:
        try:
            self._answer, self._error = await credential_plugins.run(self.access, self._limit_s), None
        except SourceError as error:
            self._answer, self._error = None, error
        self._asked_at = time.monotonic()

    def headers(self) -> list[tuple[str, str]]:
        """Authorization, and whom to act as. Raises SourceError; its text never holds what a file held."""
        return [*self._authorization(), *self._acting_as()]

    def refuse(self, error: SourceError) -> None:
        """The server does not accept what was sent: the next one is read anew, and until then it is this error."""
        self._token_read_at = -inf
        if self._answer is not None:
            self._answer, self._error = None, error

    def close(self) -> None:
        if self._run is not None:
            self._run.cancel()

    def _authorization(self) -> list[tuple[str, str]]:
        login = self.access.login
        token = self._from_file() if login.token_file else login.token
        if not token and self._answer is not None:
            token = self._answer.token
        if token:
            return [("Authorization", f"Bearer {_sendable(token, login.kind)}")]
        if login.username:
            pair = f"{login.username}:{login.password}".encode()
            return [("Authorization", f"Basic {base64.b64encode(pair).decode()}")]
        return []

    def _from_file(self) -> str:
        """The file's token without the line end; what was read before does while it can't be read."""
        login, now = self.access.login, time.monotonic()
        if now - self._token_read_at < TOKEN_EVERY_S and self._token:
            return self._token
        try:
            handle = os.open(login.token_file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                found = file.read(LARGEST_TOKEN).decode("utf-8").strip()
            why = "" if found else "it is empty"
        except UnicodeDecodeError:
            found, why = "", "it is not text"
        except OSError as error:
            found, why = "", in_words(error)
        if found:
            self._token, self._token_read_at = found, now
        elif not self._token and not login.token:
            raise Denied("kubernetes", f"the kubeconfig's tokenFile {clean(login.token_file, 150)}: {why}")
        return self._token or login.token

    def _acting_as(self) -> list[tuple[str, str]]:
        who = self.access.acting_as
        if not who.user:
            return []
        headers = [("Impersonate-User", who.user)]
        if who.uid:
            headers.append(("Impersonate-Uid", who.uid))
        headers += [("Impersonate-Group", group) for group in who.groups]
        for key, values in who.extra.items():
            name = f"Impersonate-Extra-{quote(key.lower(), safe='')}"
            headers += [(name, value) for value in values]
        return headers


def _sendable(token: str, kind: str) -> str:
    """A token as it may stand in a header; its characters are never told."""
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Denied("kubernetes", f"{kind} holds characters that no token may have")
    return token
