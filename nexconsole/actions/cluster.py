"""Writes to Kubernetes over a connection of its own, after a dry run. Every answer becomes an Outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import msgspec

from ..errors import Denied, NexConsoleError, SourceError
from ..sources.kubernetes import KubernetesSource, body_of
from ..sources.kubernetes_refusals import words
from ..sources.resources import Deployment
from ..text.units import period
from .action import Context
from .http_replies import GATEWAYS, NOTHING, lost, proves_refusal, unproven
from .plan import Guard, GuardLevel, Outcome, OutcomeState

if TYPE_CHECKING:
    import aiohttp

    from ..settings import Settings

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
NO_MORE = (404, 409, 410)  # the world changed since the preview: gone, or another version


@dataclass(frozen=True, kw_only=True)
class AccessRule:
    """A permission that a Role must grant: a verb on a resource ("deployments.apps") or on its subresource."""

    verb: str
    resource: str
    subresource: str = ""

    @property
    def grant(self) -> str:
        """The rule, written as in a Role's manifest."""
        plain, _, group = self.resource.partition(".")
        full = f"{plain}/{self.subresource}" if self.subresource else plain
        return f'apiGroups: ["{group}"], resources: ["{full}"], verbs: ["{self.verb}"]'

    def of(self, settings: Settings) -> str:
        """The object's name, as a Role may restrict names; "" for any."""
        return settings.kubernetes.deployment if self.resource == "deployments.apps" else ""

    @property
    def full(self) -> str:
        """The resource with its subresource: "deployments.apps/scale"."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    def __str__(self) -> str:
        return f"{self.verb} {self.full}"


@dataclass(frozen=True, kw_only=True)
class Write:
    """One write request. Its path begins with /api or /apis; `rule` is the permission that it needs."""

    method: str
    path: str
    body: Mapping[str, Any] | list[Any]
    rule: AccessRule
    content_type: str = "application/json"

    @property
    def name(self) -> str:
        """The object's name: its path ends with it, or with the subresource after it."""
        parts = self.path.split("/")
        return unquote(parts[-2] if self.rule.subresource else parts[-1])


class ClusterWriter:
    """The API server, read and written for one action."""

    def __init__(self, kubernetes: KubernetesSource, limit_s: float) -> None:
        self._kubernetes = kubernetes
        self._limit_s = limit_s
        self.namespace = kubernetes.namespace
        self.name = kubernetes.settings.deployment

    def path(self, group: str, plural: str, name: str = "", sub: str = "") -> str:
        """`group` with its version: "api/v1", "apis/apps/v1"."""
        parts = [group, "namespaces", self.namespace, plural, name, sub]
        return "/" + "/".join(quote(part, safe="/" if part == group else "") for part in parts if part)

    async def deployment(self) -> Deployment:
        """The deployment as it is at this moment. Raises SourceError."""
        return await self._kubernetes.deployment()

    async def get(
        self, path: str, rule: AccessRule, name: str = "", query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """An object as it is, undecoded. Raises SourceError."""
        async with self._kubernetes.exchange(self._limit_s, f"the {rule.resource} query"):
            return await self._kubernetes._read(path, dict, rule.verb, rule.resource, name, query=query)

    async def send(self, write: Write, *, dry: bool = False) -> Mapping[str, Any] | Outcome:
        """What the server made of it, or the Outcome that says why not; a dry run changes nothing in any case.

        A deletion's options are in its body, where the server looks for `dryRun` then and nowhere else.
        """
        import aiohttp

        source, sent = self._kubernetes, False
        at = f"{write.method} {write.path} at kubernetes {source.address}"
        query, body = {"fieldManager": "nexconsole"} if write.method == "PATCH" else {}, write.body
        if dry and isinstance(body, Mapping) and write.method == "DELETE":
            body = {**body, "dryRun": ["All"]}
        elif dry:
            query = {**query, "dryRun": "All"}
        try:
            async with asyncio.timeout(self._limit_s):
                client = await source.ready(self._limit_s)
                sent = not dry
                response = await source.send_by(
                    client, write.method, write.path, query=query, body=body, content_type=write.content_type
                )
                async with response:
                    if not 200 <= response.status < 300:
                        return await self._refused(response, write, dry)
                    return msgspec.json.decode(await body_of(response, source.name), type=dict)
        except aiohttp.ClientConnectorError as error:
            return Outcome(state="failed", answer=f"{source.explain(error)}: nothing was sent")
        except TimeoutError:
            return lost(f"{at} was not answered within {period(self._limit_s)}", sent)
        except NexConsoleError as error:
            return lost(str(error), sent)
        except msgspec.DecodeError:
            sentence = f"{at} was answered with something that is no object: is there a proxy before it?"
            return unproven(sentence) if sent else lost(sentence, sent)
        except (aiohttp.ClientError, OSError) as error:
            return lost(str(source.explain(error) or source._network(error)), sent)

    async def _refused(self, response: aiohttp.ClientResponse, write: Write, dry: bool) -> Outcome:
        """A 4xx in the API server's own words is a no, and nothing was done; anything else leaves that open."""
        rule, status = write.rule, response.status
        own_words = await words(response)
        error = self._kubernetes.refusal(response, own_words, rule.verb, rule.full, write.name)
        said = str(error)
        if not proves_refusal(status, own_words):
            if dry or status == 401:
                return lost(said, sent=False)
            return lost(said, sent=True) if status in GATEWAYS else unproven(said)
        if isinstance(error, Denied) and status == 403:
            said = f"{said} ({rule.grant})"
        state: OutcomeState = "refused" if status == 403 or status in NO_MORE else "failed"
        return Outcome(state=state, answer=f"{said}: {NOTHING}")


@asynccontextmanager
async def open_cluster(context: Context) -> AsyncIterator[ClusterWriter]:
    """A connection for one action, with the kubeconfig's credentials; raises NotConfigured where there is none."""
    limit = context.settings.actions.timeout_s
    kubernetes = context.sources.kubernetes.twin(limit)
    try:
        yield ClusterWriter(kubernetes, limit)
    finally:
        await kubernetes.close()


async def may(context: Context, rule: AccessRule, of: str = "") -> Guard:
    """Whether this account may do it, asked of the server's own review; names the rule that is missing.

    `of` is the object's name where it is not the deployment: a role may name its objects (resourceNames).
    """
    name, kubernetes = f"account may {rule}", context.sources.kubernetes
    of = of or rule.of(context.settings)
    try:
        allowed, why = await kubernetes.allowed(rule.verb, rule.resource, rule.subresource, of)
    except SourceError as error:
        return Guard(name=name, level="warn", reason=f"could not be asked: {error}")
    if allowed:
        return Guard(name=name, level="ok", reason=f"this account may {rule}")
    place = f"in namespace {kubernetes.namespace}"
    because = f" ({why})" if why else ""
    reason = f"this account may not {rule} {place}{because}: grant it by a Role with {rule.grant}"
    return Guard(name=name, level="block", reason=reason)


async def rehearsed(cluster: ClusterWriter, write: Write, allowed: Guard) -> Guard:
    """What the server says to a dry run of it: admission, quotas and validation included."""
    name = "dry run"
    if allowed.level == "block":
        return Guard(name=name, level="warn", reason="not tried: the account may not do it")
    answer = await cluster.send(write, dry=True)
    if not isinstance(answer, Outcome):
        return Guard(name=name, level="ok", reason="the server would accept it (dry run)")
    said = answer.answer.removesuffix(f": {NOTHING}")
    # A webhook that can't do dry runs says so with 400, a time-out says nothing about the real thing.
    level: GuardLevel = "block" if answer.state == "refused" or "(422)" in said else "warn"
    return Guard(name=name, level=level, reason=f"the dry run did not pass: {said}")
