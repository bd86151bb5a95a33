"""The log of a container as the Engine's API sends it: frames of stdout, the runs one after the other."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from aiohttp import web

from ..log import ContainerLog
from .containers import EngineContainer
from .refusals import EngineRefusal

BATCH = 64 * 1024  # bytes gathered before they are sent
TRUE = ("1", "true", "True")
STDOUT = 1


class EngineLogQuery:
    """A log request's parameters, checked."""

    def __init__(self, query: dict[str, str]) -> None:
        if query.get("stdout") not in TRUE and query.get("stderr") not in TRUE:
            raise EngineRefusal(400, "Bad parameters: you must choose at least one stream")
        self.stdout = query.get("stdout") in TRUE
        self.follow = query.get("follow") in TRUE
        self.timestamps = query.get("timestamps") in TRUE
        tail = query.get("tail", "all")
        self.tail = int(tail) if tail.isascii() and tail.isdigit() else None
        self.since, self.until = (_at(query.get(key, "")) for key in ("since", "until"))

    def wants(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at <= self.until)

    def frame(self, at: datetime, text: str) -> bytes:
        stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z ") if self.timestamps else ""
        line = f"{stamp}{text}\n".encode(errors="replace")
        return bytes((STDOUT, 0, 0, 0)) + len(line).to_bytes(4) + line


def _at(text: str) -> datetime | None:
    """A time in seconds since the epoch, with a fraction; None for none, and for 0."""
    if not text or text.strip("0.") == "":
        return None
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise EngineRefusal(400, f"invalid value for a time: {text}") from None


async def send(request: web.Request, container: EngineContainer) -> web.StreamResponse:
    """All runs' lines that are asked for; when following, until the container ends or the client goes."""
    asked = EngineLogQuery(dict(request.query))
    kind = "application/vnd.docker.multiplexed-stream"
    response = web.StreamResponse(headers={"Content-Type": kind})
    response.enable_chunked_encoding()
    runs = list(container.logs)
    with contextlib.suppress(ConnectionError):  # the client has gone
        await response.prepare(request)
        if asked.stdout:
            await _send(response, asked, runs)
        await response.write_eof()
    return response


async def _send(response: web.StreamResponse, asked: EngineLogQuery, runs: list[ContainerLog]) -> None:
    ends = [log.total for log in runs]
    past = [line for log in runs for line in tuple(log.lines) if asked.wants(line[0])]
    if asked.tail is not None:
        past = past[len(past) - asked.tail :] if asked.tail else []
    batch = bytearray()
    for at, text in past:
        batch += asked.frame(at, text)
        if len(batch) >= BATCH:
            await response.write(bytes(batch))
            batch.clear()
    if batch:
        await response.write(bytes(batch))
    if not asked.follow or not runs or (asked.until is not None and asked.until <= datetime.now(UTC)):
        return
    log, index = runs[-1], ends[-1]
    batch.clear()
    async for at, text in log.follow(index):
        index += 1
        batch += asked.frame(at, text)
        if index >= log.total or len(batch) >= BATCH:
            await response.write(bytes(batch))
            batch.clear()
