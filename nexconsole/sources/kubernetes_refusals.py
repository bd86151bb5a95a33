"""The API server's refusals in words: RBAC, admission or the server itself, with advice."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from ..errors import AdmissionRefused, BadAnswer, Busy, Denied, Missing, SourceError, Unreachable, in_words
from ..text.sanitize import clean
from ..text.units import period
from .resources import ApiStatus

if TYPE_CHECKING:
    import aiohttp

NAME = "kubernetes"
HEAD = 1 << 16  # bytes of a refusal that are looked at
# How every authorizer begins; admission, quotas and policies speak otherwise.
BY_RIGHTS = re.compile(
    r'User "([^"]{1,200})" cannot (\w+) (?:resource|path)(?: "([^"]{0,200})")?.*?'
    r'(?:in the namespace "[^"]*"|at the cluster scope|$)'
)
ANONYMOUS = "system:anonymous"
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request asked for, for people: "patch deployments.apps", at which address, as whom."""

    at: str
    namespace: str
    verb: str
    resource: str
    name: str = ""
    login: str = ""


async def words(response: aiohttp.ClientResponse) -> str:
    """What the API server itself says: the message of a Status; "" where the answer may be anybody's."""
    head = await response.content.read(HEAD)
    try:
        status = msgspec.json.decode(head, type=ApiStatus)
    except msgspec.DecodeError:
        return ""
    return clean(status.message or status.reason, 300) if status.kind == "Status" else ""


def refusal(response: aiohttp.ClientResponse, said: str, asked: Asked) -> SourceError:
    """The sentence for a status that is not success; `said` is what `words` gives."""
    status, at = response.status, asked.at
    if 300 <= status < 400:
        host = clean(urlsplit(response.headers.get("Location", "")).netloc or "elsewhere", 100)
        return BadAnswer(NAME, f"{at} redirects to {host}: is this the API server's address, or a proxy's?")
    if status == 401:
        return Denied(NAME, f"{at} answers 401 to {asked.login or 'these credentials'}: log in again")
    if status == 403:
        return _forbidden(said, asked)
    if status == 404:
        return _missing(said, asked)
    if status == 429:
        wait = pause_s(response.headers.get("Retry-After", ""))
        again = f" It asks to wait {period(wait)}" if wait else ""
        return Busy(NAME, f"{at} is too busy (429): {said or 'no reason given'}.{again}".rstrip("."), wait)
    if status in (502, 503, 504):
        return Unreachable(NAME, f"{at} can't answer now ({status}): {said or 'no reason given'}")
    return SourceError(NAME, f"{at} refused to {asked.verb} {asked.resource} ({status}): {said or 'no reason given'}")


def pause_s(header: str) -> float:
    """Retry-After in seconds, bounded; 0 where it says nothing that can be used."""
    text = header.strip()
    return min(float(text), LONGEST_PAUSE_S) if text.isascii() and text.isdigit() and len(text) < 9 else 0.0


def _forbidden(said: str, asked: Asked) -> SourceError:
    """A missing right is to be granted; anything else that says no gives its own words."""
    right = None if said.startswith("admission webhook ") else BY_RIGHTS.search(said)
    if right is None and said:
        return AdmissionRefused(NAME, f"the cluster refuses to {asked.verb} {asked.resource}: {said}")
    if right is not None and right[1] == ANONYMOUS:
        return Denied(
            NAME, f"{asked.at} takes us for nobody (403): it got {asked.login or 'no credentials'}, log in again"
        )
    if right is not None and right[2] == "impersonate":
        what = f"impersonate {right[3] or 'users'}"
        said_of = f"account {right[1]} may not {what}, as the kubeconfig's as wants it"
        return Denied(NAME, f"{said_of}: grant {what} in a ClusterRole, or take as out of the kubeconfig")
    account = f"account {right[1]}" if right else "this account"
    reason = said[right.end() :].strip(" :") if right else ""
    sentence = f"{account} may not {asked.verb} {asked.resource} in namespace {asked.namespace}"
    because = f" ({reason})" if reason else ""
    return Denied(NAME, f"{sentence}{because}: grant {asked.verb} on {asked.resource}")


def _missing(said: str, asked: Asked) -> SourceError:
    if asked.name and f'"{asked.name}"' in said:
        key = {"deployments.apps": "deployment", "horizontalpodautoscalers.autoscaling": "autoscaler"}
        whole = asked.resource.partition("/")[0]
        setting = f": set kubernetes.{key[whole]} or kubernetes.namespace" if whole in key else ""
        kind = whole.partition(".")[0].removesuffix("s")
        return Missing(NAME, f"there is no {kind} {asked.name} in namespace {asked.namespace}{setting}")
    return BadAnswer(NAME, f"{asked.at} does not know {asked.resource} (404): is this a Kubernetes API server?")


def explained(error: Exception, name: str, at: str, network: Callable[[OSError], SourceError]) -> SourceError | None:
    """The sentence for what went wrong on the way to the source `name` that stands `at` this address; None for a bug.

    `network` explains what the network said.
    """
    import aiohttp

    match error:
        case msgspec.DecodeError():
            return BadAnswer(name, f"{at} answered JSON that is not Kubernetes': {clean(error, 200)}")
        case aiohttp.ClientProxyConnectionError():
            why = clean(in_words(error.os_error), 120)
            return Unreachable(
                name, f"{at}: its proxy {clean(f'{error.host}:{error.port}', 80)} can't be reached: {why}"
            )
        case aiohttp.ClientHttpProxyError():
            said = clean(f"{error.status} {error.message}", 120)
            return Unreachable(name, f"{at}: its proxy answered {said}: check proxy-url, or HTTPS_PROXY")
        case aiohttp.ClientConnectorCertificateError():
            why = clean(error.certificate_error, 150)
            return Unreachable(name, f"{at}: its TLS certificate can't be verified, check certificate-authority: {why}")
        case aiohttp.ClientConnectorError():
            return network(error.os_error)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return Unreachable(name, f"{at} dropped the connection in the middle of an answer")
        case aiohttp.InvalidURL():
            return Unreachable(name, f"the kubeconfig's server is not an address: {clean(error, 200)}")
        case aiohttp.ClientResponseError():
            return BadAnswer(name, f"{at} does not speak HTTP: {clean(error.message, 200)}")
        case aiohttp.ClientOSError():
            return network(error)
        case aiohttp.ClientError():
            return Unreachable(name, f"{at}: {clean(error, 200)}")
    return None
