"""Kubernetes: the deployment, its pods and their logs, its autoscaler. (nexnum.md#deployment, #pod-logs)

Only the client's connection is used (`kubernetes_link`); answers are decoded by `resources`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypedDict, TypeVar, Unpack
from urllib.parse import quote, urlsplit

import msgspec

from ..errors import BadAnswer, Busy, Denied, Missing, NotConfigured, SourceError, Unreachable
from ..model import SourceHealth
from ..text.sanitize import clean
from ..text.units import remaining
from . import cluster_access
from .cluster_access import Access
from .deployment_pods import LabelledPods, Owners
from .kubernetes_link import KubernetesLink
from .kubernetes_login import Keyring
from .kubernetes_refusals import Asked, explained, refusal, words
from .lazy_clients import LazyClients
from .logs import Logs
from .resources import (
    AutoscalerList,
    AutoscalerResource,
    Deployment,
    DeploymentList,
    Event,
    EventList,
    PodList,
    PodResource,
    ReplicaSet,
    ReplicaSetList,
    Review,
    Secret,
    WhoAmI,
)
from .source import Source

if TYPE_CHECKING:
    import aiohttp
    from kubernetes_asyncio.client import ApiClient

    from .. import settings

LARGEST_ANSWER = 64 << 20
MOST_EVENTS = 100  # of one pod
ELSEWHERE_S = 30.0  # a cluster that nobody named and that has no NexNum is asked again no more often than this

T = TypeVar("T")


class Sent(TypedDict, total=False):
    """What a request may carry."""

    query: Mapping[str, str] | None
    body: object
    content_type: str
    accept: str


class KubernetesSource(Source):
    """One namespace of one cluster. `logs` follows the deployment's pods once it has been asked to."""

    name = "kubernetes"
    module = "kubernetes_asyncio"
    noun = "pod"

    def __init__(
        self, clients: LazyClients, settings: settings.KubernetesSettings, keyring: Keyring | None = None
    ) -> None:
        super().__init__(clients, settings.kubeconfig)
        self.settings = settings
        self.logs = Logs(self)
        self._link = KubernetesLink(settings, keyring)
        self._busy_until = 0.0  # the server has asked to be left alone until then
        self._listing = asyncio.Lock()
        self._listed: tuple[float, LabelledPods] = (0.0, LabelledPods())
        self._deployment: Deployment | None = None
        self._not_ours: tuple[float, NotConfigured] | None = None
        self._owners = Owners(settings.deployment, self._sets)

    def twin(self, timeout_s: float) -> KubernetesSource:
        """A second connection to the same cluster, with the same credentials and a time limit of its own."""
        settings = msgspec.structs.replace(self.settings, timeout_s=timeout_s)
        made = KubernetesSource(self.clients, settings, self._link.keyring)
        made.address = self.address
        return made

    @property
    def follow(self) -> settings.KubernetesSettings:
        """How logs are followed."""
        return self.settings

    @property
    def access(self) -> Access | None:
        """The cluster, namespace and account that were chosen; None before the first exchange."""
        return self._link.access

    @property
    def namespace(self) -> str:
        return self.access.namespace if self.access is not None else cluster_access.namespace(self.settings)

    def _path(self, group: str, plural: str, name: str = "", sub: str = "") -> str:
        """`group` with its version: "api/v1", "apis/apps/v1"."""
        parts = [group, "namespaces", self.namespace, plural, name, sub]
        return "/" + "/".join(quote(part, safe="/" if part == group else "") for part in parts if part)

    async def deployment(self) -> Deployment:
        """The deployment that the settings name."""
        name = self.settings.deployment
        if self._not_ours is not None and time.monotonic() < self._not_ours[0]:
            raise self._not_ours[1]
        try:
            async with self.exchange(self.settings.timeout_s, "the deployment query"):
                path = self._path("apis/apps/v1", "deployments", name)
                self._deployment = await self._read(path, Deployment, "get", "deployments.apps", name)
        except SourceError as error:
            if self._deployment is None and cluster_access.implicit(self.settings) and isinstance(error, Missing):
                raise self._elsewhere(error) from error
            raise
        return self._deployment

    def _elsewhere(self, error: SourceError) -> NotConfigured:
        """Nobody has named this cluster, and what is looked for is not there: it is another one's."""
        self.health = SourceHealth(name=self.name, configured=False)
        said = f"kubernetes is not configured, and what kubectl uses ({self.access}): {error}"
        absent = NotConfigured(self.name, said)
        self._not_ours = (time.monotonic() + ELSEWHERE_S, absent)
        return absent

    async def pods(self, max_age_s: float = 0.0) -> tuple[PodResource, ...]:
        """The deployment's own pods that have not ended, those that are ending among them; a list of `max_age_s`
        seconds will do."""
        return (await self.labelled(max_age_s)).own

    async def labelled(self, max_age_s: float = 0.0) -> LabelledPods:
        """All pods under the deployment's selector or the settings', its own apart from the others."""
        async with self._listing:
            if time.monotonic() - self._listed[0] < max_age_s:
                return self._listed[1]
            selector = self.settings.selector or await self._selector()
            async with self.exchange(self.settings.timeout_s, "the pods query"):
                # resourceVersion 0: from the API server's memory, without a quorum read of etcd for every console
                query = {"labelSelector": selector, "resourceVersion": "0"}
                pod_list = await self._read(self._path("api/v1", "pods"), PodList, "list", "pods", query=query)
            self._listed = (time.monotonic(), await self._owners.split(pod_list.items or ()))
            return self._listed[1]

    async def pod(self, name: str) -> PodResource | None:
        """That pod as it is at this moment; None where there is none."""
        async with self.exchange(self.settings.timeout_s, "the pod query"):
            try:
                return await self._read(self._path("api/v1", "pods", name), PodResource, "get", "pods", name)
            except Missing:
                return None

    async def events_of(self, name: str, uid: str) -> tuple[Event, ...]:
        """The events about that pod, in no order. Raises SourceError, where the role may not list them too."""
        async with self.exchange(self.settings.timeout_s, "the pod's events"):
            query = {"fieldSelector": f"involvedObject.name={name},involvedObject.uid={uid}", "limit": str(MOST_EVENTS)}
            events = await self._read(self._path("api/v1", "events"), EventList, "list", "events", query=query)
        return tuple(events.items or ())

    async def _sets(self) -> tuple[ReplicaSet, ...]:
        return await self.revisions(self._deployment or await self.deployment())

    async def _selector(self) -> str:
        try:
            return str((self._deployment or await self.deployment()).spec.selector)
        except Denied as error:
            raise Denied(self.name, f"{error}, or set kubernetes.selector") from error

    async def autoscaler(self) -> AutoscalerResource | None:
        """The autoscaler that the settings name, else the one that targets the deployment; None: there is none."""
        kind, plural = "apis/autoscaling/v2", "horizontalpodautoscalers"
        resource = f"{plural}.autoscaling"
        refused: SourceError | None = None
        autoscaler_list = AutoscalerList()
        async with self.exchange(self.settings.timeout_s, "the autoscaler query"):
            try:
                if name := self.settings.autoscaler:
                    return await self._read(self._path(kind, plural, name), AutoscalerResource, "get", resource, name)
                autoscaler_list = await self._read(self._path(kind, plural), AutoscalerList, "list", resource)
            except SourceError as error:
                refused = error  # an answer all the same: a right that only this needs doesn't make the source ill
        if refused is not None:
            raise refused
        for autoscaler in autoscaler_list.items or ():
            target = autoscaler.spec.scale_target_ref
            if (target.kind, target.name) == ("Deployment", self.settings.deployment):
                return autoscaler
        return None

    async def revisions(self, deployment: Deployment) -> tuple[ReplicaSet, ...]:
        """The ReplicaSets of the deployment: one for each revision that its history keeps."""
        query = {"labelSelector": str(deployment.spec.selector), "resourceVersion": "0"}
        refused: Denied | None = None
        replica_set_list = ReplicaSetList()
        async with self.exchange(self.settings.timeout_s, "the revisions query"):
            try:
                path = self._path("apis/apps/v1", "replicasets")
                replica_set_list = await self._read(path, ReplicaSetList, "list", "replicasets.apps", query=query)
            except Denied as error:
                refused = error  # an answer all the same, as with the autoscaler
        if refused is not None:
            raise refused
        uid = deployment.metadata.uid
        return tuple(
            item
            for item in replica_set_list.items or ()
            if uid in [owner.uid for owner in item.metadata.owner_references or ()]
        )

    async def allowed(self, verb: str, resource: str, subresource: str = "", name: str = "") -> tuple[bool, str]:
        """Whether this account may `verb` the resource ("deployments.apps", "pods") in the namespace, the one of that
        name where it is given (a role may name objects); and why not."""
        plain, _, group = resource.partition(".")
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        reviews = "selfsubjectaccessreviews.authorization.k8s.io"
        async with self.exchange(self.settings.timeout_s, "the access review"):
            attributes = {"namespace": self.namespace, "verb": verb, "group": group, "name": name}
            attributes |= {"resource": plain, "subresource": subresource}
            body = {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes},
            }
            review = await self._read(path, Review, "create", reviews, body=body)
        return review.status.allowed, clean(review.status.reason, 200)

    async def whoami(self) -> tuple[str, tuple[str, ...]]:
        """The account's name and groups, as the API server sees it. Raises SourceError, also where it is too old."""
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        async with self.exchange(self.settings.timeout_s, "the account review"):
            i = await self._read(path, WhoAmI, "create", "selfsubjectreviews.authentication.k8s.io", body=body)
        user = i.status.user_info
        return clean(user.username, 120), tuple(clean(group, 60) for group in user.groups or ())

    async def deployment_names(self) -> tuple[str, ...]:
        """What else there is in the namespace, for whoever has misspelt the name."""
        async with self.exchange(self.settings.timeout_s, "the deployments query"):
            path = self._path("apis/apps/v1", "deployments")
            deployment_list = await self._read(path, DeploymentList, "list", "deployments.apps", query={"limit": "50"})
        return tuple(item.metadata.name for item in deployment_list.items or ())

    async def secret(self, name: str) -> Mapping[str, str]:
        """The Secret's entries as text, such as DATABASE_URL. Only asked for when the settings say so."""
        refused: Denied | None = None
        found = Secret()
        async with self.exchange(self.settings.timeout_s, "the secret query"):
            try:
                found = await self._read(self._path("api/v1", "secrets", name), Secret, "get", "secrets", name)
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
            raise SourceError(self.name, f"secret {name} in namespace {self.namespace} has no entry {key}")
        return entries[key]

    @asynccontextmanager
    async def log(self, pod: str, container: str, query: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer that carries a pod's log as it grows, each line with its time; `query` says from where.

        A silent container's answer may begin only with its next line, so nothing but the connection is bounded
        in time, and `health` does not hear of it. Raises SourceErrors.
        """
        import aiohttp

        client = await self.ready(self.settings.timeout_s)
        query = {"container": container, "follow": "true", "timestamps": "true", **query}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.settings.timeout_s)
        path = self._path("api/v1", "pods", pod, "log")
        try:
            sent = self._link.send(client, "GET", path, query=query, timeout=timeout, streamed=True)
            async with await sent as response:
                if response.status != 200:
                    raise await self.refused(response, "get", "pods/log", pod)
                yield response
        except TimeoutError as error:
            raise Unreachable(self.name, f"the log of pod {pod}: no connection in time") from error
        except (aiohttp.ClientError, OSError) as error:
            known = self.explain(error)
            raise known or self._network(error) from error

    @asynccontextmanager
    async def exchange(self, timeout_s: float, what: str) -> AsyncIterator[None]:
        """As every source's, once the kubeconfig is read and its credentials are there: they have their own limit."""
        try:
            await self.ready(timeout_s)
        except NotConfigured:
            self.health = SourceHealth(name=self.name, configured=False)
            raise
        except SourceError as error:
            raise self._failed(error, error) from error.__cause__
        async with super().exchange(timeout_s, what):
            yield

    async def ready(self, patience_s: float) -> ApiClient:
        """The client, with what it may send. Raises SourceError, also while the server has asked to be left alone."""
        await self.clients.wait(self.module)
        if (left := self._busy_until - time.monotonic()) > 0:
            raise Busy(
                self.name, f"kubernetes at {self.address} is too busy: it is asked again in {remaining(left)}", left
            )
        client = await self._link.ready(patience_s)
        assert self.access is not None
        self.address = clean(urlsplit(self.access.server).netloc.rpartition("@")[2] or self.access.server, 100)
        self.place = self.access.place
        return client

    def explain(self, error: Exception) -> SourceError | None:
        return explained(error, self.name, f"kubernetes at {self.address}", self._network)

    async def close(self) -> None:
        self.logs.close()
        await self._link.close()

    async def _read(
        self, path: str, kind: type[T], verb: str, resource: str, name: str = "", **sent: Unpack[Sent]
    ) -> T:
        """One request, decoded as `kind`. The verb, resource and name are what a refusal speaks of."""
        method = "POST" if "body" in sent else "GET"
        async with await self.send(method, path, **sent) as response:
            if not 200 <= response.status < 300:
                raise await self.refused(response, verb, resource, name)
            if "json" not in response.headers.get("Content-Type", ""):
                raise BadAnswer(
                    self.name,
                    f"kubernetes at {self.address} answered {_kind(response)} instead of JSON: "
                    "is this the API server's address, or a login page's?",
                )
            return msgspec.json.decode(await body_of(response, self.name), type=kind)

    async def send(self, method: str, path: str, **sent: Unpack[Sent]) -> aiohttp.ClientResponse:
        """One request with the kubeconfig's credentials, proxy and TLS, within the time limit of the settings."""
        return await self.send_by(await self.ready(self.settings.timeout_s), method, path, **sent)

    async def send_by(self, client: ApiClient, method: str, path: str, **sent: Unpack[Sent]) -> aiohttp.ClientResponse:
        """The same by the client that `ready` gave: from here on something is sent."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=self.settings.timeout_s + 1)
        return await self._link.send(client, method, path, timeout=timeout, **sent)

    async def refused(self, response: aiohttp.ClientResponse, verb: str, resource: str, name: str) -> SourceError:
        """The sentence for a status that is not success; what follows from it for the next request is taken up."""
        return self.refusal(response, await words(response), verb, resource, name)

    def refusal(self, response: aiohttp.ClientResponse, said: str, verb: str, resource: str, name: str) -> SourceError:
        """The same for whoever has read the server's `words`."""
        login = self.access.login.kind if self.access is not None else ""
        at, namespace = f"kubernetes at {self.address}", self.namespace
        asked = Asked(at=at, namespace=namespace, verb=verb, resource=resource, name=name, login=login)
        error = refusal(response, said, asked)
        if response.status == 401:
            self._link.refuse(error)
        if isinstance(error, Busy):
            self._busy_until = time.monotonic() + error.wait_s
        return error


def _kind(response: aiohttp.ClientResponse) -> str:
    kind = response.headers.get("Content-Type", "").split(";")[0]
    return {"text/html": "HTML", "": "something without a type"}.get(kind, clean(kind, 60))


async def body_of(response: aiohttp.ClientResponse, source: str) -> bytes:
    """The whole answer, unless it is endless."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise BadAnswer(source, f"an answer is larger than {LARGEST_ANSWER >> 20} MB")
    return b"".join(parts)
