"""Kubernetes: the deployment, its pods and their logs, its autoscaler. (facts 6)

Only the client's configuration (kubeconfig, credentials, TLS) is used; answers are decoded by `resources`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from ..errors import BadAnswer, Denied, SourceError, Unreachable
from .clients import Clients
from .logs import Logs
from .resources import (
    Autoscaler,
    AutoscalerList,
    Deployment,
    Object,
    Pod,
    PodList,
    ReplicaSet,
    ReplicaSetList,
    Review,
    Secret,
    Status,
)
from .source import Source
from .text import clean

if TYPE_CHECKING:
    import aiohttp
    from kubernetes_asyncio.client import ApiClient

    from .. import settings

IN_CLUSTER = "in-cluster"
LARGEST_ANSWER = 64 << 20
RELOAD_EVERY_S = 4.0  # a refused token is read again from the kubeconfig no more often than this
STREAM_BUFFER = 1 << 16  # a followed log holds at most twice this, then the far side has to wait

T = TypeVar("T", bound=Object)


class Kubernetes(Source):
    """One namespace of one cluster. `logs` follows the deployment's pods once it has been asked to."""

    name = "kubernetes"
    module = "kubernetes_asyncio"

    def __init__(self, clients: Clients, settings: settings.Kubernetes) -> None:
        super().__init__(clients, settings.kubeconfig)
        self.settings = settings
        self.logs = Logs(self)
        self._client: ApiClient | None = None
        self._connecting = asyncio.Lock()
        self._loaded_at = 0.0
        self._listing = asyncio.Lock()
        self._listed: tuple[float, tuple[Pod, ...]] = (0.0, ())
        self._deployment: Deployment | None = None

    async def deployment(self) -> Deployment:
        """The deployment that the settings name."""
        name = self.settings.deployment
        path = f"/apis/apps/v1/namespaces/{quote(self.settings.namespace)}/deployments/{quote(name, safe='')}"
        async with self.exchange(self.settings.timeout_s, "the deployment query"):
            self._deployment = await self._read(path, Deployment, "get", "deployments.apps", name)
        return self._deployment

    async def pods(self, max_age_s: float = 0.0) -> tuple[Pod, ...]:
        """The deployment's pods, by its own selector or the settings'; a list of `max_age_s` seconds will do."""
        async with self._listing:
            if time.monotonic() - self._listed[0] < max_age_s:
                return self._listed[1]
            selector = self.settings.selector or await self._selector()
            path = f"/api/v1/namespaces/{quote(self.settings.namespace)}/pods"
            async with self.exchange(self.settings.timeout_s, "the pods query"):
                # resourceVersion 0: from the API server's memory, without a quorum read of etcd for every console
                query = {"labelSelector": selector, "resourceVersion": "0"}
                found = await self._read(path, PodList, "list", "pods", query=query)
            self._listed = (time.monotonic(), tuple(found.items or ()))
            return self._listed[1]

    async def _selector(self) -> str:
        try:
            return str((self._deployment or await self.deployment()).spec.selector)
        except Denied as error:
            raise Denied(self.name, f"{error}, or set kubernetes.selector") from error

    async def autoscaler(self) -> Autoscaler | None:
        """The autoscaler that the settings name, else the one that targets the deployment; None: there is none."""
        path = f"/apis/autoscaling/v2/namespaces/{quote(self.settings.namespace)}/horizontalpodautoscalers"
        resource = "horizontalpodautoscalers.autoscaling"
        refused: SourceError | None = None
        found = AutoscalerList()
        async with self.exchange(self.settings.timeout_s, "the autoscaler query"):
            try:
                if name := self.settings.autoscaler:
                    return await self._read(f"{path}/{quote(name, safe='')}", Autoscaler, "get", resource, name)
                found = await self._read(path, AutoscalerList, "list", resource)
            except SourceError as error:
                refused = error  # an answer all the same: a right that only this needs doesn't make the source ill
        if refused is not None:
            raise refused
        for autoscaler in found.items or ():
            target = autoscaler.spec.scale_target_ref
            if (target.kind, target.name) == ("Deployment", self.settings.deployment):
                return autoscaler
        return None

    async def revisions(self, deployment: Deployment) -> tuple[ReplicaSet, ...]:
        """The ReplicaSets of the deployment: one for each revision that its history keeps."""
        path = f"/apis/apps/v1/namespaces/{quote(self.settings.namespace)}/replicasets"
        query = {"labelSelector": str(deployment.spec.selector), "resourceVersion": "0"}
        refused: Denied | None = None
        found = ReplicaSetList()
        async with self.exchange(self.settings.timeout_s, "the revisions query"):
            try:
                found = await self._read(path, ReplicaSetList, "list", "replicasets.apps", query=query)
            except Denied as error:
                refused = error  # an answer all the same, as with the autoscaler
        if refused is not None:
            raise refused
        uid = deployment.metadata.uid
        return tuple(
            one for one in found.items or () if uid in [owner.uid for owner in one.metadata.owner_references or ()]
        )

    async def allowed(self, verb: str, resource: str, subresource: str = "") -> tuple[bool, str]:
        """Whether this account may `verb` the resource ("deployments.apps", "pods") in the namespace; and why not."""
        plain, _, group = resource.partition(".")
        attributes = {"namespace": self.settings.namespace, "verb": verb, "group": group}
        attributes |= {"resource": plain, "subresource": subresource}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        body["spec"] = {"resourceAttributes": attributes}  # type: ignore[assignment]
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        async with self.exchange(self.settings.timeout_s, "the access review"):
            review = await self._read(
                path, Review, "create", "selfsubjectaccessreviews.authorization.k8s.io", body=body
            )
        return review.status.allowed, clean(review.status.reason, 200)

    async def secret(self, name: str) -> Mapping[str, str]:
        """The Secret's entries as text, such as DATABASE_URL. Only asked for when the settings say so."""
        path = f"/api/v1/namespaces/{quote(self.settings.namespace)}/secrets/{quote(name, safe='')}"
        refused: Denied | None = None
        found = Secret()
        async with self.exchange(self.settings.timeout_s, "the secret query"):
            try:
                found = await self._read(path, Secret, "get", "secrets", name)
            except Denied as error:
                refused = error  # an answer all the same, as with the autoscaler
        if refused is not None:
            raise refused
        try:
            return {key: base64.b64decode(value).decode() for key, value in (found.data or {}).items()}
        except (binascii.Error, UnicodeDecodeError) as error:
            raise BadAnswer(self.name, f"secret {name} holds something that is not text") from error

    async def entry(self, name: str, key: str) -> str:
        """One entry of a Secret. Raises SourceError where it has none of that name."""
        entries = await self.secret(name)
        if key not in entries:
            raise SourceError(self.name, f"secret {name} in namespace {self.settings.namespace} has no entry {key}")
        return entries[key]

    @asynccontextmanager
    async def log(self, pod: str, container: str, query: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer that carries a pod's log as it grows, each line with its time; `query` says from where.

        A silent container's answer may begin only with its next line, so nothing but the connection is bounded
        in time, and `health` does not hear of it. Raises SourceErrors.
        """
        import aiohttp

        await self.clients.wait(self.module)
        path = f"/api/v1/namespaces/{quote(self.settings.namespace)}/pods/{quote(pod, safe='')}/log"
        query = {"container": container, "follow": "true", "timestamps": "true", **query}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.settings.timeout_s)
        try:
            async with await self._send("GET", path, query=query, timeout=timeout, streamed=True) as response:
                if response.status != 200:
                    raise await self._refusal(response, "get", "pods/log", pod)
                yield response
        except TimeoutError as error:
            raise Unreachable(self.name, f"the log of pod {pod}: no connection in time") from error
        except (aiohttp.ClientError, OSError) as error:
            known = self.explain(error)
            raise known or self._network(error) from error  # type: ignore[arg-type]

    def explain(self, error: Exception) -> SourceError | None:
        import aiohttp

        at = f"kubernetes at {self.address}"
        match error:
            case msgspec.DecodeError():
                return BadAnswer(self.name, f"{at} answered JSON that is not Kubernetes': {clean(error, 200)}")
            case aiohttp.ClientConnectorCertificateError():
                why = clean(error.certificate_error, 150)
                return Unreachable(
                    self.name, f"{at}: its TLS certificate can't be verified, check certificate-authority: {why}"
                )
            case aiohttp.ClientConnectorError():
                return self._network(_refused(error.os_error))
            case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
                return Unreachable(self.name, f"{at} dropped the connection in the middle of an answer")
            case aiohttp.InvalidURL():
                return Unreachable(self.name, f"the kubeconfig's server is not an address: {clean(error, 200)}")
            case aiohttp.ClientResponseError():
                return BadAnswer(self.name, f"{at} does not speak HTTP: {clean(error.message, 200)}")
            case aiohttp.ClientOSError():
                return self._network(error)
            case aiohttp.ClientError():
                return Unreachable(self.name, f"{at}: {clean(error, 200)}")
        return None

    async def close(self) -> None:
        self.logs.close()
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _read(self, path: str, kind: type[T], verb: str, resource: str, name: str = "", **sent: Any) -> T:
        """One request, decoded as `kind`. The verb, resource and name are what a refusal speaks of."""
        method = "POST" if "body" in sent else "GET"
        async with await self._send(method, path, **sent) as response:
            if not 200 <= response.status < 300:
                raise await self._refusal(response, verb, resource, name)
            if "json" not in response.headers.get("Content-Type", ""):
                raise BadAnswer(
                    self.name,
                    f"kubernetes at {self.address} answered {_kind(response)} instead of JSON: "
                    "is this the API server's address, or a login page's?",
                )
            return msgspec.json.decode(await _body(response, self.name), type=kind)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: aiohttp.ClientTimeout | None = None,
        streamed: bool = False,
    ) -> aiohttp.ClientResponse:
        """Send with the kubeconfig's credentials, proxy and TLS; redirects are never followed."""
        import aiohttp

        client = await self._connected()
        headers = {"Accept": "*/*" if streamed else "application/json", "User-Agent": "nexconsole"}
        if streamed:
            headers["Accept-Encoding"] = "identity"
        if body is not None:
            headers["Content-Type"] = content_type
        await client.update_params_for_auth(headers, [], ["BearerToken"])
        rest = client.rest_client
        if rest.pool_manager.closed:
            raise Unreachable(self.name, f"kubernetes at {self.address}: the credentials are being renewed")
        return await rest.pool_manager.request(
            method,
            client.configuration.host + path,
            params=query,
            data=None if body is None else json.dumps(body),
            headers=headers,
            allow_redirects=False,
            timeout=timeout or aiohttp.ClientTimeout(total=self.settings.timeout_s + 1),
            read_bufsize=STREAM_BUFFER,
            proxy=rest.proxy,
            proxy_headers=rest.proxy_headers,
            server_hostname=rest.server_hostname,
        )

    async def _refusal(self, response: aiohttp.ClientResponse, verb: str, resource: str, name: str) -> SourceError:
        """The sentence for a status that is not success."""
        status, at = response.status, f"kubernetes at {self.address}"
        said = await _said(response)
        place = f"in namespace {self.settings.namespace}"
        if 300 <= status < 400:
            host = clean(urlsplit(response.headers.get("Location", "")).netloc or "elsewhere", 100)
            return BadAnswer(self.name, f"{at} redirects to {host}: is this the API server's address, or a proxy's?")
        if status == 401:
            await self._forget()
            return Denied(self.name, f"{at} does not accept the kubeconfig's credentials (401): log in again")
        if status == 403:
            who = re.search(r'User "([^"]{1,120})"', said)
            account = f"account {who[1]}" if who else "this account"
            return Denied(self.name, f"{account} may not {verb} {resource} {place}: grant {verb} on {resource}")
        if status == 404:
            if name and f'"{name}"' in said:
                key = {"deployments.apps": "deployment", "horizontalpodautoscalers.autoscaling": "autoscaler"}
                setting = f": set kubernetes.{key[resource]} or kubernetes.namespace" if resource in key else ""
                return SourceError(self.name, f"there is no {_singular(resource)} {name} {place}{setting}")
            return BadAnswer(self.name, f"{at} does not know {resource} (404): is this a Kubernetes API server?")
        if status in (429, 502, 503, 504):
            return Unreachable(self.name, f"{at} can't answer now ({status}): {said or 'no reason given'}")
        return SourceError(self.name, f"{at} refused to {verb} {resource} ({status}): {said or 'no reason given'}")

    async def _connected(self) -> ApiClient:
        """The client, made from the kubeconfig when there is none."""
        async with self._connecting:
            if self._client is None:
                self._client = await self._load()
            return self._client

    async def _load(self) -> ApiClient:
        import yaml
        from kubernetes_asyncio import client, config

        configuration = client.Configuration()
        path = self.settings.kubeconfig
        self._loaded_at = time.monotonic()
        try:
            if path == IN_CLUSTER:
                config.load_incluster_config(configuration)
            else:
                context = self.settings.context or None
                await config.load_kube_config(self._files(path), context, configuration, persist_config=False)
            self.address = clean(urlsplit(configuration.host).netloc or configuration.host, 100)
            configuration.connection_pool_maxsize = self.settings.follow_pods + 10
            return client.ApiClient(configuration)
        except (config.ConfigException, yaml.YAMLError, OSError, LookupError) as error:
            # ssl.SSLError is an OSError, too: a CA or client certificate that can't be read.
            raise SourceError(self.name, f"kubeconfig {path} can't be used: {clean(error, 300)}") from error
        except (ValueError, TypeError, AttributeError, AssertionError) as error:
            why = f": {clean(error, 300)}" if isinstance(error, ValueError) else ""  # else the client's own stumbling
            raise SourceError(self.name, f"kubeconfig {path} is not a kubeconfig{why}") from error

    def _files(self, path: str) -> str:
        """KUBECONFIG may name several files, of which those that exist count."""
        files = [os.path.expanduser(part) for part in path.split(os.pathsep) if part]
        if not any(os.path.exists(file) for file in files):
            raise SourceError(self.name, f"kubeconfig {path} does not exist: set kubernetes.kubeconfig")
        return os.pathsep.join(files)

    async def _forget(self) -> None:
        """Read the kubeconfig again at the next exchange: tokens expire, and are renewed by others."""
        if time.monotonic() - self._loaded_at >= RELOAD_EVERY_S and self._client is not None:
            client, self._client = self._client, None
            await client.close()


def _refused(error: OSError) -> OSError:
    """Several addresses (::1 and 127.0.0.1) that all refuse come as one OSError that only says so in words."""
    return ConnectionRefusedError(str(error)) if "Connect call failed" in str(error) else error


def _kind(response: aiohttp.ClientResponse) -> str:
    kind = response.headers.get("Content-Type", "").split(";")[0]
    return {"text/html": "HTML", "": "something without a type"}.get(kind, clean(kind, 60))


def _singular(resource: str) -> str:
    return resource.split(".")[0].split("/")[0].removesuffix("s")


async def _body(response: aiohttp.ClientResponse, source: str) -> bytes:
    """The whole answer, unless it is endless."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise BadAnswer(source, f"an answer is larger than {LARGEST_ANSWER >> 20} MB")
    return b"".join(parts)


async def _said(response: aiohttp.ClientResponse) -> str:
    """The message of a Status, "" where the body is none."""
    head = await response.content.read(STREAM_BUFFER)
    try:
        return clean(msgspec.json.decode(head, type=Status).message, 300)
    except msgspec.DecodeError:
        return ""
