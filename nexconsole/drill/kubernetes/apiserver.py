"""The drill's Kubernetes API server: authentication, routes, lists, watches and writes over HTTPS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from aiohttp import web

from . import discovery, pod_logs, refusals, roles, selectors, tables, writes
from .discovery import ApiResource
from .kubelet import Kubelet
from .managed import Author
from .store import Expired, Object, Store, StoreChange

OPEN = {"/healthz": "ok", "/livez": "ok", "/readyz": "ok"}
BOOKMARK_S = 30.0
INITIAL_END = "k8s.io/initial-events-end"
VERBS = {"GET": "get", "PATCH": "patch", "PUT": "update", "DELETE": "delete", "POST": "create"}
WEBHOOK = "change-freeze.nexnum.example"
HANG_LOOK_S = 0.1
MAX_BODY = 3 * 1024 * 1024


class AnswerForm(Enum):
    """In which form a client wants its answer."""

    OBJECT = "object"
    TABLE = "table"
    METADATA = "metadata"


@dataclass(frozen=True)
class RequestTarget:
    """What a request's path names."""

    resource: ApiResource
    namespace: str
    name: str
    sub: str

    def verb(self, request: web.Request) -> str:
        verb = VERBS.get(request.method, "")
        if verb == "get" and not self.name:
            return "watch" if request.query.get("watch") in pod_logs.TRUE else "list"
        return "deletecollection" if verb == "delete" and not self.name else verb


@dataclass
class ApiFaults:
    """What the cluster refuses or can't do. `freeze`: why an admission webhook lets no change pass; `hanging`: nodes
    whose kubelet answers no request for logs, and sends nothing more on those that it has answered."""

    freeze: str = ""
    hanging: frozenset[str] = frozenset()

    async def answers(self, node: str) -> None:
        """Return when this node's kubelet does."""
        while node in self.hanging:
            await asyncio.sleep(HANG_LOOK_S)


class ApiServer:
    def __init__(self, store: Store, kubelet: Kubelet, tokens: roles.Tokens, troubles: ApiFaults) -> None:
        self._troubles = troubles
        self._store = store
        self._kubelet = kubelet
        self._tokens = tokens

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except refusals.Refusal as refusal:
            return web.json_response(refusal.status(), status=refusal.code)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        if path in OPEN:
            return web.Response(text=OPEN[path])
        if path == "/version":
            return web.json_response(discovery.VERSION)
        user = self._tokens.user(request.headers.get("Authorization", ""))
        if user is None:
            raise refusals.unauthorized()
        aggregated = discovery.AGGREGATED in request.headers.get("Accept", "") and path in ("/api", "/apis")
        document = discovery.document(path, aggregated) if request.method == "GET" else None
        if document is not None:
            kind = discovery.AGGREGATED if aggregated else "application/json"
            return web.Response(body=json.dumps(document), headers={"Content-Type": kind, "Vary": "Accept"})
        target = _target(path)
        verb = target.verb(request)
        full = "/".join(part for part in (target.resource.plural, target.sub) if part)
        if not user.may(verb, target.resource.group, full, target.name):
            raise refusals.forbidden(user.name, verb, target.resource, target.name, target.sub, target.namespace)
        return await self._serve(request, target, verb, user)

    async def _serve(
        self, request: web.Request, target: RequestTarget, verb: str, user: roles.User
    ) -> web.StreamResponse:
        sub = target.resource.subresource(target.sub) if target.sub else None
        if verb not in (sub.verbs if sub else target.resource.verbs):
            raise refusals.not_allowed()
        if verb == "create" and target.resource.kind == "SelfSubjectReview":
            return web.json_response(roles.self_review(user), status=201)
        if verb == "create":
            review = writes.reviewed(request.content_type, await request.read())
            answer = roles.access_review if target.resource.kind == "SelfSubjectAccessReview" else roles.rules_review
            return web.json_response(answer(user, review), status=201)
        if verb == "list":
            return self._list(request, target)
        if verb == "watch":
            return await self._watch(request, target)
        obj = self._store.get(target.resource.plural, target.namespace, target.name)
        if obj is None:
            raise refusals.not_found(target.resource, target.name)
        if target.sub == "log":
            asked = pod_logs.LogQuery(request.query)
            log = pod_logs.choose(obj, self._kubelet.pods.get(obj["metadata"]["uid"]), request.query, asked)
            node = obj["spec"].get("nodeName", "")
            return await pod_logs.send(request, log, asked, lambda: self._troubles.answers(node))
        if verb != "get":
            obj = await self._write(request, target, verb, obj)
        elif target.sub == "scale":
            obj = writes.scale(obj)
        elif (form := _form(request)) is AnswerForm.TABLE:
            include = request.query.get("includeObject", "Metadata")
            version = obj["metadata"]["resourceVersion"]
            return web.json_response(tables.table(target.resource.plural, [obj], version, include))
        elif form is AnswerForm.METADATA:
            obj = _metadata(obj)
        return web.json_response(obj)

    async def _write(self, request: web.Request, target: RequestTarget, verb: str, obj: Object) -> Object:
        body, dry = await request.read(), writes.dry_run(request.query.get("dryRun"))
        if self._troubles.freeze:  # a dry run asks the webhook too
            raise refusals.denied(WEBHOOK, self._troubles.freeze)
        obj = self._store.get(target.resource.plural, target.namespace, target.name) or obj
        if verb == "delete":
            grace = request.query.get("gracePeriodSeconds")
            return writes.delete_pod(self._store, target.resource, obj, writes.parsed(body), grace, dry)
        current = writes.scale(obj) if target.sub == "scale" else obj
        new = writes.parsed(body) if verb == "update" else writes.patched(current, request.content_type, body)
        if not isinstance(new, dict):
            raise refusals.bad_request("the body is no object")
        agent = request.headers.get("User-Agent", "").partition("/")[0].partition(" ")[0]
        by = Author(request.query.get("fieldManager") or agent or "unknown")
        if target.sub == "scale":
            return writes.write_scale(self._store, target.resource, obj, new, dry, by)
        if target.resource.plural == "configmaps":
            return writes.write_config(self._store, target.resource, obj, new, dry, by)
        return writes.write_deployment(self._store, target.resource, obj, new, dry, by)

    def _list(self, request: web.Request, target: RequestTarget) -> web.Response:
        resource, match = target.resource, _match(target, request.query)
        version = str(self._store.version)
        objects = [obj for obj in self._store.objects(resource.plural, target.namespace) if match(obj)]
        form = _form(request, "PartialObjectMetadataList")
        if form is AnswerForm.TABLE:
            include = request.query.get("includeObject", "Metadata")
            return web.json_response(tables.table(resource.plural, objects, version, include))
        if form is AnswerForm.METADATA:
            head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            items = [_metadata(obj) for obj in objects]
            return web.json_response({**head, "metadata": {"resourceVersion": version}, "items": items})
        items = [{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for obj in objects]
        head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
        return web.json_response({**head, "metadata": {"resourceVersion": version}, "items": items})

    async def _watch(self, request: web.Request, target: RequestTarget) -> web.StreamResponse:
        query, match, loop = request.query, _match(target, request.query), asyncio.get_running_loop()
        try:
            since = int(query.get("resourceVersion") or 0)
            patience = float(query.get("timeoutSeconds") or random.uniform(1800, 3600))
        except ValueError as error:
            raise refusals.bad_request(f"invalid watch parameter: {error}") from None
        stream = _Stream(request, target, match)
        with contextlib.suppress(ConnectionError):  # the client has gone
            await self._send_changes(stream, query, since, loop.time() + patience)
        return stream.response

    async def _send_changes(self, stream: _Stream, query: Mapping[str, str], since: int, ends: float) -> None:
        loop, plural = asyncio.get_running_loop(), stream.target.resource.plural
        await stream.open()
        initial = query.get("sendInitialEvents") in pod_logs.TRUE
        if initial or not since:
            since = self._store.version
            for obj in self._store.objects(plural, stream.target.namespace):
                if stream.match(obj):
                    await stream.send("ADDED", obj)
            if initial:
                await stream.bookmark(since, {"annotations": {INITIAL_END: "true"}})
        bookmarks = query.get("allowWatchBookmarks") in pod_logs.TRUE
        while (left := ends - loop.time()) > 0:
            try:
                changes = await self._store.changes(plural, since, min(left, BOOKMARK_S))
            except Expired:
                gone = refusals.gone(f"too old resource version: {since}")
                await stream.write({"type": "ERROR", "object": gone.status()})
                break
            for change in changes:
                await stream.change(change)
                since = change.version
            if not changes:
                since = max(since, self._store.version)
                if bookmarks:
                    await stream.bookmark(since)
        await stream.close()


class _Stream:
    """One watch's answer."""

    def __init__(self, request: web.Request, target: RequestTarget, match: selectors.Match) -> None:
        self.response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self.response.enable_chunked_encoding()
        self._request = request
        self.target = target
        self.match = match
        self._form = _form(request)

    async def open(self) -> None:
        await self.response.prepare(self._request)

    async def close(self) -> None:
        await self.response.write_eof()

    async def write(self, event: Mapping[str, Any]) -> None:
        await self.response.write(json.dumps(event).encode() + b"\n")

    async def send(self, kind: str, obj: Object) -> None:
        if self._form is AnswerForm.METADATA:
            obj = _metadata(obj)
        elif self._form is AnswerForm.TABLE:
            include = self._request.query.get("includeObject", "Metadata")
            obj = tables.table(self.target.resource.plural, [obj], obj["metadata"]["resourceVersion"], include)
        await self.write({"type": kind, "object": obj})

    async def change(self, change: StoreChange) -> None:
        """A change as it looks through the selectors: what leaves them is deleted, what enters them added."""
        if self.target.namespace not in ("", change.after["metadata"].get("namespace", "")):
            return
        matched = change.before is not None and self.match(change.before)
        matches = change.kind != "DELETED" and self.match(change.after)
        if matches:
            await self.send("MODIFIED" if matched else "ADDED", change.after)
        elif matched:
            await self.send("DELETED", change.after)

    async def bookmark(self, version: int, more: Mapping[str, Any] | None = None) -> None:
        if self._form is AnswerForm.TABLE:
            return
        meta = {"resourceVersion": str(version), "creationTimestamp": None, **(more or {})}
        resource = self.target.resource
        obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        await self.write({"type": "BOOKMARK", "object": obj})


def _target(path: str) -> RequestTarget:
    """What a path names; a Refusal where nothing of the name is served."""
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "v1"]:
        group, version, rest = "", "v1", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise refusals.no_such_route()
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource = discovery.find(group, version, rest[0]) if rest and len(rest) <= 3 else None
    if resource is None:
        raise refusals.no_such_route()
    name, sub = [*rest[1:], "", ""][:2]
    if (sub and resource.subresource(sub) is None) or (name and resource.namespaced != bool(namespace)):
        raise refusals.no_such_route()
    return RequestTarget(resource, namespace, name, sub)


def _match(target: RequestTarget, query: Mapping[str, str]) -> selectors.Match:
    try:
        labels = selectors.labels(query.get("labelSelector", ""))
        fields = selectors.fields(query.get("fieldSelector", ""), target.resource.fields)
    except selectors.SelectorError as error:
        raise refusals.bad_request(str(error)) from error
    return lambda obj: labels(obj) and fields(obj)


def _form(request: web.Request, metadata: str = "PartialObjectMetadata") -> AnswerForm:
    """What the client prefers; a Refusal where it takes nothing that is served. `metadata` names the bare form."""
    accept = request.headers.get("Accept", "*/*")
    for entry in accept.split(","):
        kind, _, parameters = entry.strip().partition(";")
        asked = dict(part.strip().partition("=")[::2] for part in parameters.split(";") if "=" in part)
        if kind not in ("application/json", "application/*", "*/*"):
            continue
        if "as" not in asked:
            return AnswerForm.OBJECT
        if (asked.get("g"), asked.get("v")) == ("meta.k8s.io", "v1") and asked["as"] in ("Table", metadata):
            return AnswerForm.TABLE if asked["as"] == "Table" else AnswerForm.METADATA
    raise refusals.not_acceptable()


def _metadata(obj: Object) -> Object:
    """What a metadata-only request gets of an object: its content never leaves the server."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
