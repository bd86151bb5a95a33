"""The connection to the API server, made again when the kubeconfig or a credential changes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import TYPE_CHECKING, TypeVar

from ..errors import NotConfigured, SourceError, TimedOut
from ..text.units import period
from . import cluster_access, kubernetes_session
from .cluster_access import Access
from .kubernetes_login import Credentials, Keyring
from .threads import AllHang, Threads

if TYPE_CHECKING:
    import aiohttp
    from kubernetes_asyncio.client import ApiClient

    from .. import settings

T = TypeVar("T")

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0  # whether the kubeconfig has changed is looked at no more often than this


class KubernetesLink:
    """`access` is what it was made from; None before the first time. With somebody else's `keyring` it is an action's:
    nothing is ever sent a second time by it."""

    def __init__(self, chosen: settings.KubernetesSettings, keyring: Keyring | None = None) -> None:
        self.settings = chosen
        self.access: Access | None = None
        self.keyring = keyring or Keyring(chosen.plugin_timeout_s)
        self._owns_keyring = keyring is None
        self._client: ApiClient | None = None
        self._made_of: tuple[Access, object] | None = None
        self._looked_at = -inf
        self._making = asyncio.Lock()
        self._threads = Threads(2, "kubeconfig")

    @property
    def credentials(self) -> Credentials:
        assert self.access is not None
        return self.keyring.of(self.access)

    async def ready(self, patience_s: float) -> ApiClient:
        """The client, with credentials that may be sent. Raises SourceError."""
        async with self._making:
            await self._look()
        await self.credentials.ready(patience_s)
        self.credentials.headers()  # what can't be sent is said before anything is
        async with self._making:
            assert self.access is not None
            access, certificate = self.access, self.credentials.certificate
            if self._client is None or self._made_of != (access, certificate):
                return await self._make(access, certificate)
            return self._client

    async def send(
        self,
        client: ApiClient,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        streamed: bool = False,
    ) -> aiohttp.ClientResponse:
        """One request of `ready`'s client; redirects are never followed."""
        from multidict import CIMultiDict

        headers = CIMultiDict([("Accept", "*/*" if streamed else accept), ("User-Agent", "nexconsole")])
        if streamed:
            headers["Accept-Encoding"] = "identity"
        if body is not None:
            headers["Content-Type"] = content_type
        headers.extend(self.credentials.headers())
        rest = client.rest_client
        return await rest.pool_manager.request(
            method,
            f"{client.configuration.host}{path}",
            params=query,
            data=None if body is None else json.dumps(body),
            headers=headers,
            allow_redirects=False,
            timeout=timeout,
            proxy=rest.proxy or None,
            server_hostname=rest.server_hostname or None,
        )

    def refuse(self, error: SourceError) -> None:
        """The server does not accept what was sent: kubeconfig and credentials are looked at again at once."""
        self._looked_at = -inf
        self.credentials.refuse(error)

    async def close(self) -> None:
        self._threads.close()
        if self._owns_keyring:
            self.keyring.close()
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _look(self) -> None:
        """Take up what the kubeconfig says now. While it can't be used, what it said before holds."""
        if time.monotonic() - self._looked_at < LOOK_EVERY_S and self.access is not None:
            return
        try:
            self.access = await self._in_thread(partial(cluster_access.access, self.settings), "the kubeconfig")
        except TimedOut:
            raise
        except SourceError as error:
            if cluster_access.implicit(self.settings):
                raise NotConfigured(
                    "kubernetes", f"kubernetes is not configured, and what kubectl uses: {error}"
                ) from None
            if self.access is None:
                raise
            log.warning("the cluster stays as it was: %s", error)
        self._looked_at = time.monotonic()

    async def _in_thread(self, read: Callable[[], T], what: str) -> T:
        """What `read` makes of files, which may lie on a file system that hangs."""
        limit = self.settings.timeout_s
        try:
            async with asyncio.timeout(limit):
                return await self._threads.run(read, limit)
        except (TimeoutError, AllHang) as error:
            sentence = f"{what} could not be read within {period(limit)}: does a file system hang?"
            raise TimedOut("kubernetes", sentence) from error

    async def _make(self, access: Access, certificate: tuple[str, str] | None) -> ApiClient:
        context = await self._in_thread(partial(kubernetes_session.tls, access, certificate), "its certificates")
        proxy = kubernetes_session.proxy_of(access, os.environ)
        made = await kubernetes_session.open_client(
            access, context, proxy, self.settings.follow_pods + 10, resends=self._owns_keyring
        )
        old, self._client, self._made_of = self._client, made, (access, certificate)
        if old is not None:
            await old.close()
        return made
