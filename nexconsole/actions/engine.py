"""The one write to Docker: an order to restart a container, over a connection of its own. Its answer is an Outcome."""

from __future__ import annotations

import asyncio

import msgspec

from ..errors import NexConsoleError, SourceError
from ..sources.docker import DockerSource
from ..sources.docker_link import EngineLink
from ..sources.docker_objects import EngineMessage
from ..text.sanitize import clean
from ..text.units import period
from .action import Context
from .http_replies import GATEWAYS, NOTHING, lost, proves_refusal, unproven
from .plan import Outcome

LARGEST_WORDS = 4096


async def restart(context: Context, identity: str, name: str) -> Outcome:
    """Restart the container of that full id, which is told as `name`. Never sent twice."""
    source, stop_s = context.sources.docker, context.settings.docker.stop_s
    limit_s = context.settings.actions.timeout_s + stop_s
    link = EngineLink(context.settings.docker)
    try:
        return await _sent(source, link, f"containers/{identity}/restart", {"t": str(stop_s)}, limit_s, name)
    finally:
        await link.close()


async def _sent(
    source: DockerSource, link: EngineLink, path: str, query: dict[str, str], limit_s: float, name: str
) -> Outcome:
    import aiohttp

    at, sent = f"the order to restart {clean(name, 80)} at docker {source.address}", False
    try:
        version = await source.version()
        docker = await link.ready()
        docker.api_version = f"v{version.api_version}"
        async with asyncio.timeout(limit_s):
            sent = True
            timeout = aiohttp.ClientTimeout(total=limit_s + 1)
            async with await link.send(docker, "POST", path, query=query, timeout=timeout) as response:
                body = await response.content.read(LARGEST_WORDS)
                return _judged(response.status, body, at, name)
    except aiohttp.ClientConnectorError as error:
        return Outcome(state="failed", answer=f"{await source.why(error)}: {NOTHING}")
    except TimeoutError:
        return lost(f"{at} was not answered within {period(limit_s)}", sent)
    except NexConsoleError as error:
        return lost(str(error), sent=False)
    except (aiohttp.ClientError, OSError) as error:
        return lost(str(await source.why(error)), sent)


def _judged(status: int, body: bytes, at: str, name: str) -> Outcome:
    if status == 204:
        return Outcome(state="done", answer=f"Docker has restarted {clean(name, 80)}")
    try:
        said = clean(msgspec.json.decode(body, type=EngineMessage).message, 200)
    except msgspec.DecodeError:
        said = ""
    sentence = f"{at} was answered with {status}{f': {said}' if said else ''}"
    if proves_refusal(status, said):
        return Outcome(state="refused" if status in (403, 404, 409) else "failed", answer=f"{sentence}: {NOTHING}")
    # An error of the Engine's may come after it has stopped the container.
    return lost(sentence, sent=True) if status in GATEWAYS else unproven(sentence)


async def started_at(context: Context, identity: str) -> str:
    """When that very container was started, in the Engine's words; "" where it is gone. Raises SourceError."""
    found = await context.sources.docker.inspect(identity)
    if found is not None and found.id != identity:
        raise SourceError("docker", "the Engine answered with another container")
    return "" if found is None else found.state.started_at
