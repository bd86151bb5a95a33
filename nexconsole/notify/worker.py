"""The helper process that sends: it alone imports Apprise, and a server that hangs holds up nobody but it.

It stands by itself, so that it starts quickly and from any folder. Each line of its input is a request, each line of
its output the answer to one, in JSON. `{"id", "verb", "url", "api", "title", "body", "urgency", "page"}`; verb: send,
check, trigger, acknowledge or resolve. The answer: `{"id", "ok", "why", "doubt"}`, for `check` also `service` and
`hosts`; `doubt`: it may have arrived all the same.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import resource
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    import apprise

MEMORY = 1 << 30  # bytes of addresses: an answer without end ends the request, not the machine
TIMEOUT_S = 10.0
READY = 0  # the id of the answer that says that Apprise is loaded: 2 s and more
LONGEST_WHY = 300
PAGERDUTY = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
OPSGENIE = {"us": "https://api.opsgenie.com", "eu": "https://api.eu.opsgenie.com"}
NO_ANSWER = "no answer came in time: it may have arrived or not"
CUT = "the connection was cut: it may have arrived or not"
NETWORK = (
    ("Read timed out", NO_ANSWER),
    ("CERTIFICATE_VERIFY_FAILED", "its TLS certificate is not trusted here"),
    ("SSL", "no TLS could be agreed on"),
    ("Connection refused", "the connection was refused"),
    ("timed out", "the host did not answer"),
    ("name resolution", "there is no such host"),
    ("Name or service not known", "there is no such host"),
    ("No address associated", "there is no such host"),
    ("getaddrinfo", "there is no such host"),
    ("Connection aborted", CUT),
    ("Connection broken", CUT),
    ("reset by peer", CUT),
)
VAGUE = "A Connection error occurred"  # Apprise's words for any trouble of the network
SEVERITIES = {"failure": "critical", "warning": "warning", "success": "info", "info": "info"}
PRIORITIES = {"failure": "P1", "warning": "P3", "success": "P5", "info": "P5"}

_output = threading.Lock()
_loading = threading.Lock()


class Complaints(logging.Handler):
    """What Apprise says of trouble with a request, in whichever thread it sends: warnings, and which exception of the
    network it was, which is among its words for debugging alone."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.of_request: ContextVar[list[str] | None] = ContextVar("complaints", default=None)

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage() if record.levelno >= logging.WARNING else _network(record)
        found = self.of_request.get()
        if text and found is not None:
            found.append(text)

    def taken(self) -> str:
        """Why not; that a connection failed is not said beside how it failed."""
        known = list(dict.fromkeys(self.of_request.get() or ()))
        plainer = [each for each in known if not each.startswith(VAGUE)]
        return "; ".join(plainer or known)[:LONGEST_WHY]


def _network(record: logging.LogRecord) -> str:
    """The kind of a network's trouble, without the address in it; "" for anything else."""
    text = str(record.msg)
    if "xception" not in text:
        return ""
    text = record.getMessage()
    return next((words for mark, words in NETWORK if mark in text), "")


COMPLAINTS = Complaints()


def service_of(url: str) -> apprise.NotifyBase | None:
    """The service of an address; None where Apprise does not know it."""
    import apprise

    asset = apprise.AppriseAsset(app_id="NexConsole", app_desc="NexConsole", app_url="", async_mode=False)
    if hasattr(asset, "http_redirects"):
        asset.http_redirects = False
    with _loading:  # the first loads all its services
        found = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    return found if isinstance(found, apprise.NotifyBase) else None


def send(request: Mapping[str, Any]) -> str:
    """Send one message; "" where the service took it, else why not."""
    import apprise

    service = service_of(request["url"])
    if service is None:
        return COMPLAINTS.taken() or "Apprise does not know such an address"
    sender = apprise.Apprise(asset=service.asset)
    sender.add(service)
    sent = sender.notify(
        body=request["body"],
        title=request["title"],
        notify_type=apprise.NotifyType(request["urgency"]),
        body_format=apprise.NotifyFormat.TEXT,
    )
    why = COMPLAINTS.taken()
    return "" if sent else why or "the service did not take it"


def check(request: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the address can be understood, and the hosts that it leads to. Nothing is sent."""
    service = service_of(request["url"])
    if service is None:
        return {"ok": False, "why": COMPLAINTS.taken() or "Apprise does not know such an address"}
    return {"ok": True, "why": "", "service": str(service.service_name), "hosts": hosts_of(service, request)}


def hosts_of(service: Any, request: Mapping[str, Any]) -> list[list[Any]]:
    """The host and port that messages go to, as far as the service tells: [] where it does not."""
    fixed = next(
        (
            url
            for name in ("notify_url", "webhook_url", "api_url", "cloud_notify_url")
            if isinstance(url := getattr(type(service), name, None), str) and url.startswith("http")
        ),
        "",
    )
    region = getattr(service, "region_name", "us")
    own = {"pagerduty": PAGERDUTY, "opsgenie": OPSGENIE}.get(scheme_of(request["url"]), {}).get(region, "")
    place = urlsplit(request.get("api") or own or fixed)
    if place.hostname and "{" not in place.netloc:
        return [[place.hostname, place.port or (80 if place.scheme == "http" else 443)]]
    host, port = getattr(service, "host", None), getattr(service, "port", None)
    if isinstance(host, str) and ("." in host or host == "localhost" or isinstance(port, int)):
        return [[host, port if isinstance(port, int) else 443 if getattr(service, "secure", False) else 80]]
    return []


def scheme_of(url: str) -> str:
    return url.partition("://")[0].lower()


# --- pagers -----------------------------------------------------------------------------------------------------------


def page(request: Mapping[str, Any]) -> str:
    """Raise, acknowledge or end the page of this key; "" where the pager took it, else why not."""
    service: Any = service_of(request["url"])
    if service is None:
        return COMPLAINTS.taken() or "Apprise does not know such an address"
    if scheme_of(request["url"]) == "pagerduty":
        return post(*pagerduty(service, request))
    return post(*opsgenie(service, request))


def pagerduty(service: Any, request: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Address, document and headers for its Events API, version 2."""
    event: dict[str, Any] = {
        "routing_key": service.integration_key,
        "event_action": request["verb"],
        "dedup_key": request["page"],
    }
    if request["verb"] == "trigger":
        event["client"] = "NexConsole"
        event["payload"] = {
            "summary": f"{request['title']}\n{request['body']}"[:1024],
            "severity": service.severity or SEVERITIES[request["urgency"]],
            "source": service.source,
            "component": service.component,
        }
    base = request.get("api") or PAGERDUTY[service.region_name]
    return f"{base.rstrip('/')}/v2/enqueue", event, {"Authorization": f"Token token={service.apikey}"}


def opsgenie(service: Any, request: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Address, document and headers for its Alert API, where the key is the alert's alias."""
    headers = {"Authorization": f"GenieKey {service.apikey}"}
    base = (request.get("api") or OPSGENIE[service.region_name]).rstrip("/")
    if request["verb"] == "trigger":
        alert = {"message": request["title"][:130], "alias": request["page"], "description": request["body"]}
        return f"{base}/v2/alerts", alert | {"priority": PRIORITIES[request["urgency"]]}, headers
    verb = "close" if request["verb"] == "resolve" else "acknowledge"
    place = f"{base}/v2/alerts/{quote(request['page'], safe='')}/{verb}?identifierType=alias"
    return place, {"source": "NexConsole"}, headers


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """An answer that leads elsewhere is a failure: a key goes nowhere but where it was meant to."""

    def redirect_request(self, *given: Any) -> None:
        return None


def post(url: str, document: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """ "" where it was taken, else why not."""
    body = json.dumps(document).encode()
    request = urllib.request.Request(
        url, body, {"Content-Type": "application/json", "User-Agent": "NexConsole", **headers}, method="POST"
    )
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=TIMEOUT_S) as answer:
            answer.read(4096)
        return ""
    except urllib.error.HTTPError as error:
        return f"the pager answered {error.code}: {error.read(200).decode(errors='replace')}"[:LONGEST_WHY]
    except TimeoutError:
        return NO_ANSWER
    except (OSError, ValueError, http.client.HTTPException) as error:
        text = str(getattr(error, "reason", error))
        return next((words for mark, words in NETWORK if mark in text), text)[:LONGEST_WHY]


# --- the process ------------------------------------------------------------------------------------------------------


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what is asked; whatever goes wrong is a sentence."""
    try:
        if request["verb"] == "load":
            service_of("json://localhost")
            return {"ok": True, "why": ""}
        if request["verb"] == "check":
            return check(request)
        why = send(request) if request["verb"] == "send" else page(request)
        return {"ok": not why, "why": why, "doubt": NO_ANSWER in why or CUT in why}
    except MemoryError:
        return {"ok": False, "why": "its answer had no end", "doubt": True}
    except ImportError as error:
        return {"ok": False, "why": f"{error}: pip install 'nexconsole[notify]'"}
    except Exception as error:  # a bug of a service must not end those of the others
        return {"ok": False, "why": f"{type(error).__name__}: {error}"[:LONGEST_WHY]}


def handle(request: Mapping[str, Any]) -> None:
    COMPLAINTS.of_request.set([])
    line = json.dumps({"id": request["id"], **answer(request)})
    with _output:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def main() -> None:
    """Until the input's end; then what is being sent gets another moment."""
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    apprises_log = logging.getLogger("apprise")
    apprises_log.addHandler(COMPLAINTS)
    apprises_log.setLevel(logging.DEBUG)
    apprises_log.propagate = False
    handle({"id": READY, "verb": "load"})
    threads: list[threading.Thread] = []
    for line in sys.stdin:
        thread = threading.Thread(target=handle, args=(json.loads(line),), daemon=True)
        thread.start()
        threads = [*(each for each in threads if each.is_alive()), thread]
    for thread in threads:
        thread.join(TIMEOUT_S / max(1, len(threads)))
    os._exit(0)


if __name__ == "__main__":
    main()
