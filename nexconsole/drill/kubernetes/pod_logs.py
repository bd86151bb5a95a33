"""The log subresource of a pod."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from aiohttp import web

from ..log import ContainerLog
from . import refusals
from .kubelet import KubeletPod
from .manifests import main_container
from .store import Object, moment

BATCH = 64 * 1024  # bytes gathered before they are sent
TRUE = ("true", "1", "t", "T", "True", "TRUE")


class LogQuery:
    """A log request's parameters, checked."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self.follow = query.get("follow") in TRUE
        self.previous = query.get("previous") in TRUE
        self.timestamps = query.get("timestamps") in TRUE
        self.tail = _number(query, "tailLines", 0)
        self.limit = _number(query, "limitBytes", 1)
        since = _number(query, "sinceSeconds", 1)
        self.since = None if since is None else datetime.now(UTC) - timedelta(seconds=since)
        if text := query.get("sinceTime"):
            if since is not None:
                raise refusals.bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified")
            try:
                self.since = moment(text)
            except ValueError:
                raise refusals.bad_request(f'parsing time "{text}" as RFC 3339 failed') from None

    def start(self, log: ContainerLog) -> int:
        """The index of the first line that is asked for."""
        first = log.total - len(log.lines)
        start = first if self.tail is None else max(first, log.total - self.tail)
        if self.since is None:
            return start
        for offset, (at, _) in enumerate(log.lines):
            if at >= self.since:
                return max(start, first + offset)
        return log.total

    def encode(self, at: datetime, text: str) -> bytes:
        stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z ") if self.timestamps else ""
        return f"{stamp}{text}\n".encode(errors="replace")


def _number(query: Mapping[str, str], key: str, least: int) -> int | None:
    text = query.get(key)
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        raise refusals.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if number < least:
        raise refusals.Refusal(422, "Invalid", f"PodLogOptions is invalid: {key}: Invalid value: {number}")
    return number


def choose(pod: Object, live: KubeletPod | None, query: Mapping[str, str], asked: LogQuery) -> ContainerLog:
    """The log that is asked for; a Refusal where there is none."""
    name = pod["metadata"]["name"]
    main = main_container(pod)["name"]
    names = [one["name"] for one in pod["spec"]["containers"]]
    container = query.get("container") or ""
    if not container and len(names) > 1:
        told = f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
        raise refusals.bad_request(told)
    container = container or main
    if container not in names:
        raise refusals.bad_request(f"container {container} is not valid for pod {name}")
    if container != main:
        return live.beside if live else ContainerLog()
    if asked.previous:
        if live is None or not live.restarts or live.previous is None:
            told = f'previous terminated container "{container}" in pod "{name}" not found'
            raise refusals.bad_request(told)
        return live.previous.log
    current = live and (live.container or live.previous)
    if not current:
        state = pod["status"].get("containerStatuses", [{}])[0].get("state", {})
        reason = state.get("waiting", {}).get("reason", "ContainerCreating")
        told = f'container "{container}" in pod "{name}" is waiting to start: {reason}'
        raise refusals.bad_request(told)
    return current.log


async def send(
    request: web.Request, log: ContainerLog, asked: LogQuery, answers: Callable[[], Awaitable[None]]
) -> web.StreamResponse:
    """Stream the log's lines; when following, until the container ends or the client goes. `answers` returns when the
    pod's kubelet does."""
    await answers()
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    with contextlib.suppress(ConnectionError):  # the client has gone
        await response.prepare(request)
        await _send_lines(response, log, asked, answers)
        await response.write_eof()
    return response


async def _send_lines(
    response: web.StreamResponse, log: ContainerLog, asked: LogQuery, answers: Callable[[], Awaitable[None]]
) -> None:
    index, end, left = asked.start(log), log.total, asked.limit
    if not asked.follow and index >= end:
        return
    batch = bytearray()
    async for at, text in log.follow(index):
        index += 1
        line = asked.encode(at, text)
        if left is not None:
            line = line[:left]
            left -= len(line)
        batch += line
        full = left == 0 or (not asked.follow and index >= end)
        if full or index >= log.total or len(batch) >= BATCH:
            await answers()
            await response.write(bytes(batch))
            batch.clear()
        if full:
            return
