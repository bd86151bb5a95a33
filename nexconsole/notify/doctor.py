"""`doctor` and `nexconsole notify` for the services that are told: whether each is reached, and takes a test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from urllib.request import getproxies

from ..doctor.check import Check
from ..journal import Scrubber
from ..model import utc_now
from ..settings import Settings
from ..text.sanitize import clean
from .helper import MISSING, NotifyHelper
from .message import Message, name_of
from .service import NotifyTarget

AREA = "notify"
REACH_S = 4.0


async def examine(settings: Settings) -> tuple[Check, ...]:
    """Whether each address is understood and its host reached. Nothing is sent."""
    if not settings.notify.named:
        return ()
    helper = NotifyHelper()
    if helper.missing():
        return (Check(area=AREA, what="apprise", state="fail", said="it is not installed", advice=MISSING),)
    try:
        checks = await asyncio.gather(*(_service(settings, helper, target) for target in _targets(settings, helper)))
    finally:
        helper.close()
    return (*_environment(settings), *checks)


async def send_tests(settings: Settings, names: Sequence[str] = ()) -> tuple[Check, ...]:
    """Send a test to each service, or to those with these names, and what came of it. A pager's page is ended again."""
    helper = NotifyHelper()
    scrub = Scrubber.of(settings)

    async def test(target: NotifyTarget) -> Check:
        key = f"nexconsole/test/{name_of(settings.environment, settings.name, target.name)[:12]}"
        delivery = await target.ask("trigger" if target.pager else "send", key, _test_message(settings))
        if delivery.state != "sent":
            said = clean(scrub({"why": delivery.reason})["why"], 300)
            return Check(area=AREA, what=target.name, state="fail", said=said, advice=_advice(settings, target.name))
        if target.pager:
            await target.ask("resolve", key)
        return Check(area=AREA, what=target.name, state="ok", said="took the test")

    try:
        targets = [each for each in _targets(settings, helper) if not names or each.name in names]
        return tuple(await asyncio.gather(*map(test, targets)))
    finally:
        helper.close()


def _targets(settings: Settings, helper: NotifyHelper) -> list[NotifyTarget]:
    return [NotifyTarget(name, service, helper, 0, ()) for name, service in settings.notify.named.items()]


def _test_message(settings: Settings) -> Message:
    where = " ".join(filter(None, (settings.environment.upper(), settings.name)))
    body = f"Nothing has happened: {settings.operator or 'somebody'} tries whether this service is told of incidents."
    return Message(
        id="test", about="", kind="opened", title=f"[{clean(where, 60)}] TEST", body=clean(body), at=utc_now()
    )


def _environment(settings: Settings) -> tuple[Check, ...]:
    if settings.notify.tells_in(settings.environment):
        return ()
    said = f"nobody is told of what happens in {clean(settings.environment or 'this environment', 40)}"
    return (Check(area=AREA, what="environments", state="warn", said=said, advice="set notify.environments"),)


async def _service(settings: Settings, helper: NotifyHelper, target: NotifyTarget) -> Check:
    advice = _advice(settings, target.name)
    answer = await helper.ask({"verb": "check", "url": target.settings.url, "api": target.settings.api})
    if not answer.get("ok"):
        said = clean(Scrubber.of(settings)({"why": str(answer.get("why"))})["why"], 300)
        return Check(area=AREA, what=target.name, state="fail", said=said, advice=advice)
    service, hosts = clean(answer.get("service") or "", 60), answer.get("hosts") or []
    if getproxies():
        hosts = []  # it is the proxy that reaches them
    for host, port in hosts:
        if why := await _unreached(str(host), int(port)):
            return Check(area=AREA, what=target.name, state="fail", said=f"{service}: {host}: {why}", advice=advice)
    said = f"{service}: its host answers" if hosts else f"{service}: where it is, is not known before a test"
    return Check(area=AREA, what=target.name, state="ok", said=said)


async def _unreached(host: str, port: int) -> str:
    """Why the host takes no connection; "" where it does."""
    try:
        async with asyncio.timeout(REACH_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return "it did not answer"
    except ConnectionRefusedError:
        return "the connection was refused"
    except socket.gaierror:
        return "there is no such host"
    except OSError as error:
        return clean(error.strerror or "it takes no connection", 100)
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(REACH_S):
            await writer.wait_closed()
    return ""


def _advice(settings: Settings, name: str) -> str:
    key = f"notify.services.{name}.url" if name in settings.notify.services else "notify.urls"
    return f"check {key}; a proxy is taken from HTTPS_PROXY"
