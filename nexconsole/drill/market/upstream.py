"""The five upstream providers, and the HTTP engine through which a pod calls them. (nexnum.md#breakers, #log-format)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..faults import generator
from ..staged_causes import Answers, UpstreamAnswer
from .active_faults import ActiveFaults
from .breakers import PodBreaker
from .clock import Clock
from .lines import LogLines
from .slots import SlotQueues

TIMEOUT_S = 8.0
USUAL: Answers = (
    (UpstreamAnswer.UNAVAILABLE, 0.006),
    (UpstreamAnswer.RATE_LIMITED, 0.008),
    (UpstreamAnswer.RESET, 0.006),
)
PAGE = "<!DOCTYPE html><html><body><h1>We will be back soon</h1></body></html>"


@dataclass(frozen=True)
class Upstream:
    """A provider as the market sees it: its slug, its share of the traffic, its usual latency in seconds.

    UPSTREAMS has the cheapest first, which is what best-route purchases take.
    """

    name: str
    display: str
    weight: float
    latency_s: float
    url: str

    def address(self, action: str, service: str, country: str, key: str) -> str:
        return f"{self.url}?action={action}&service={service}&country={country}&api_key={key}"


UPSTREAMS = (
    Upstream("smsbower", "SMSBower", 0.36, 0.55, "https://smsbower.example/stubs/handler_api.php"),
    Upstream("tiger-sms", "Tiger SMS", 0.22, 0.40, "https://api.tiger-sms.example/stubs/handler_api.php"),
    Upstream("5sim", "5SIM", 0.20, 0.35, "https://5sim.example/v1/handler_api.php"),
    Upstream("onlinesim", "OnlineSIM", 0.12, 0.70, "https://onlinesim.example/api/handler_api.php"),
    Upstream("grizzlysms", "GrizzlySMS", 0.10, 0.50, "https://api.grizzlysms.example/stubs/handler_api.php"),
)


class UpstreamFailed(Exception):
    """A request failed. `kind` is how the router classifies it, `status` the HTTP status where there was one."""

    def __init__(self, text: str, kind: str, status: int | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.status = status


def unread(body: str) -> UpstreamFailed:
    """An upstream that answers 200 with a body without a number: it becomes UNKNOWN. (nexnum.md#upstream-errors)"""
    text = f'Failed to parse number response. No data returned or mapping failed. Raw: "{body}"'
    return UpstreamFailed(text, "UNKNOWN")


@dataclass(frozen=True)
class HttpRefusal:
    """An answer that is not 2xx: it is tried three times. `kind` is how the router classifies it."""

    status: int
    phrase: str
    kind: str

    def failure(self) -> UpstreamFailed:
        return UpstreamFailed(f"API Request Failed ({self.status} {self.phrase})", self.kind, self.status)


REFUSALS = {
    UpstreamAnswer.RATE_LIMITED: HttpRefusal(429, "Too Many Requests", "RATE_LIMITED"),
    UpstreamAnswer.UNAVAILABLE: HttpRefusal(503, "Service Unavailable", "UNKNOWN"),
}


class UpstreamBehaviour:
    """How the upstreams behave by now. Each provider's answers, and each fault's, come from a generator of its own."""

    def __init__(self, troubles: ActiveFaults, seed: int) -> None:
        self._troubles = troubles
        self._usual = {upstream.name: generator(seed, "upstream", upstream.name) for upstream in UPSTREAMS}

    def answer(self, provider: str, country: str, ill: Answers = ()) -> UpstreamAnswer:
        """Its next answer; `ill` are those that a process gets that can't reach anybody."""
        answers, draws = self._troubles.answers(provider, country) or (USUAL, self._usual[provider])
        answers = ill or answers
        draw = draws.random()
        for answer, share in answers:
            draw -= share
            if draw < 0:
                return answer
        return UpstreamAnswer.OK

    def latency(self, upstream: Upstream) -> float:
        """How long its next answer takes, in seconds."""
        usual = upstream.latency_s * self._usual[upstream.name].lognormvariate(0, 0.45)
        return usual * self._troubles.slowed(upstream.name)


class UpstreamProcess(Protocol):
    """The process that calls: where its lines go, and its own breakers by provider."""

    @property
    def cut_off(self) -> Answers: ...
    def write(self, text: str) -> None: ...
    def breaker(self, provider: str) -> PodBreaker: ...
    def note_answer(self, provider: str, latency_s: float) -> None: ...
    async def work(self) -> None: ...


@dataclass
class Engine:
    """DynamicProvider: slot, breaker, request, retries, lines."""

    clock: Clock
    lines: LogLines
    behaviour: UpstreamBehaviour
    key: Callable[[str], str]  # provider -> its api_key, which goes into the lines in clear
    slots: SlotQueues | None = None  # @old there is no queue

    async def call(
        self,
        process: UpstreamProcess,
        upstream: Upstream,
        action: str,
        service: str,
        country: str,
        lines: LogLines | None = None,
    ) -> float:
        """One request with its retries; how long it took, in seconds. Raises UpstreamFailed.

        A purchase takes a slot first, and its request's line comes before the breaker is asked. (nexnum.md#slots)
        """
        name, url = upstream.name, upstream.address(action, service, country, self.key(upstream.name))
        lines, begun = lines or self.lines, self.clock.now()
        if self.slots is not None and action == "getNumber":
            await self.slots.wait(name)
        sent = self.clock.now()
        breaker = process.breaker(name)
        process.write(lines.request(sent, name, url))
        if not breaker.admits():
            failure = UpstreamFailed("Breaker is open", "UNKNOWN")
            self._write_failure(process, lines, name, url, failure, begun)
            raise failure
        try:
            answer = await self._fetch(process, upstream, country, lines)
        except UpstreamFailed as failure:
            breaker.failed()
            self._write_failure(process, lines, name, url, failure, begun)
            raise
        breaker.succeeded()  # any answer is one, 5xx and 429 too (nexnum.md#breaker-rules)
        took = self.clock.now() - sent
        refusal = REFUSALS.get(answer)
        line = lines.response(self.clock.now(), name, url, refusal.status if refusal else 200, int(took * 1000))
        if line is not None:
            process.write(line)
        if answer is UpstreamAnswer.HTML:
            raise unread(PAGE)  # by who parses it, after the request has succeeded: its end has no line of its own
        if answer is UpstreamAnswer.BAD_KEY or (answer is UpstreamAnswer.NO_NUMBERS and action == "getNumber"):
            raise unread(answer)
        if refusal is None:
            return took
        process.note_answer(name, took)
        refused = refusal.failure()
        self._write_failure(process, lines, name, url, refused, begun)
        raise refused

    async def _fetch(
        self, process: UpstreamProcess, upstream: Upstream, country: str, lines: LogLines
    ) -> UpstreamAnswer:
        """The last answer; a refusal is tried three times. Raises UpstreamFailed on a failure of the network."""
        for attempt in (1, 2, 3):
            await process.work()
            answer = self.behaviour.answer(upstream.name, country, process.cut_off)
            usual = self.behaviour.latency(upstream)
            if answer is UpstreamAnswer.TIMEOUT or usual > TIMEOUT_S:
                await self.clock.sleep(TIMEOUT_S)
                raise UpstreamFailed(f"Request timed out after {int(TIMEOUT_S * 1000)}ms", "TIMEOUT")
            await self.clock.sleep(usual)
            if answer is UpstreamAnswer.RESET:
                raise UpstreamFailed("fetch failed", "UNKNOWN")
            if attempt == 3 or answer not in REFUSALS:
                return answer
            limited = answer is UpstreamAnswer.RATE_LIMITED
            if limited:
                process.write(lines.retry_429(self.clock.now(), upstream.name, 2000 * attempt))
            await self.clock.sleep(2.0 * attempt if limited else 0.3 * attempt)
        raise AssertionError("unreachable")

    def _write_failure(
        self, process: UpstreamProcess, lines: LogLines, name: str, url: str, failure: UpstreamFailed, begun: float
    ) -> None:
        took = int((self.clock.now() - begun) * 1000)
        process.write(lines.failed(self.clock.now(), name, url, str(failure), failure.status, took))
