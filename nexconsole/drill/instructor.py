"""An instructor's changes to a running market: faults begin and end, time runs faster."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from ..errors import DrillError
from ..text.units import duration, period
from .drill_clock import FASTEST, SLOWEST
from .effect_choice import DrillServers, effect_of
from .effects import NOT_NOW, Effect
from .fault_kinds import KINDS, injected, kind_named
from .faults import Fault
from .market.clock import Job
from .market.market import Market
from .staged_causes import BestRoute, InCluster, Polling

AGAIN_S = 0.5  # what can't begin or end yet is tried again
CATCH_UP_S = 8.0  # so long a world at most waits for what its past has done to the servers
LOOK_EVERY_S = 0.3
_LONGEST_S = 86_400.0
Seconds = Annotated[float, msgspec.Meta(ge=0, le=_LONGEST_S)]
Name = Annotated[str, msgspec.Meta(max_length=60)]


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One request. `at_s` is drill time, `after_s` seconds of it from now on, `for_s` how long it lasts."""

    verb: Literal["inject", "clear", "speed", "running"]
    fault: Name = ""
    provider: Name = ""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    at_s: Seconds | None = None
    after_s: Seconds | None = None
    for_s: Seconds | None = None
    speed: float | None = None


@dataclass
class Instructor:
    """The instructor's side of a world whose market is live. `noted` is called whenever something is different."""

    servers: DrillServers
    noted: Callable[[], None] = lambda: None
    _effects: dict[Fault, Effect] = field(default_factory=dict)
    _ended_by_hand: set[Fault] = field(default_factory=set)
    _jobs: list[Job] = field(default_factory=list)
    _begun: dict[Fault, asyncio.Event] = field(default_factory=dict)

    @property
    def market(self) -> Market:
        return self.servers.market

    def begin(self) -> None:
        """Let what the scenario's own fault does to the servers begin."""
        for fault in self.market.troubles.faults:
            self._unfold(fault)

    async def caught_up(self) -> None:
        """Wait, for a while at most, until the servers are as the faults of the past have left them: a console that
        is started now must not see them change."""
        past = [event for fault, event in self._begun.items() if fault.begins_s <= 0.0]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_S):
                for event in past:
                    await event.wait()

    def close(self) -> None:
        for job in self._jobs:
            job.cancel()
        for effect in self._effects.values():
            effect.close()

    def handle(self, request: Request) -> dict[str, Any]:
        """Do what is asked; what is true then. Raises DrillError."""
        if request.verb == "inject":
            said: dict[str, Any] = {"injected": self._inject(request)}
        elif request.verb == "clear":
            said = {"cleared": self._clear(request)}
        else:
            said = {}
            if request.verb == "speed":
                self._set_speed(request.speed)
        self.noted()
        return {**said, **self.state()}

    def _inject(self, request: Request) -> dict[str, Any]:
        market, now_s = self.market, self.market.drill_clock.now()
        if request.provider and request.provider not in market.provider_ids:
            known = ", ".join(market.provider_ids)
            raise DrillError(f"There is no provider named {request.provider!r}; choose one of: {known}.")
        if request.at_s is not None and request.at_s < now_s:
            raise DrillError(
                f"The drill is {duration(now_s)} old: nothing can begin at {period(request.at_s)} any more."
            )
        begins_s = now_s + (request.after_s or 0.0) if request.at_s is None else request.at_s
        fault = injected(
            request.fault,
            begins_s=begins_s,
            seed=market.seed if request.seed is None else request.seed,
            provider=request.provider,
            ends_s=None if request.for_s is None else begins_s + request.for_s,
        )
        if market.era == "old" and any(isinstance(cause, BestRoute | Polling) for cause in fault.causes):
            raise DrillError(f"{fault.name} can't happen to the oldest version.")
        if self.servers.cluster.name == "docker" and any(isinstance(cause, InCluster) for cause in fault.causes):
            raise DrillError(f"{fault.name} can't happen in Docker: it is about Kubernetes alone.")
        if any(str(one) == str(fault) and not self._over(one) for one in market.troubles.faults):
            raise DrillError(f"{fault} is on already, or will be: clear it first.")
        market.troubles.add(fault)
        self._unfold(fault)
        return self._told(fault)

    def _clear(self, request: Request) -> list[str]:
        if request.fault:
            kind_named(request.fault)
        lasting = [fault for fault in self.market.troubles.faults if not self._over(fault)]
        chosen = [
            fault for fault in lasting if request.fault in ("", fault.name) and request.provider in ("", fault.provider)
        ]
        if not chosen:
            asked = " at ".join(filter(None, (request.fault, request.provider))) or "a fault"
            others = f"; what is: {', '.join(map(str, lasting))}" if lasting else ""
            raise DrillError(f"There is nothing to clear: {asked} is not on{others}.")
        for fault in chosen:
            self.market.troubles.clear(fault)
        return [str(fault) for fault in chosen]

    def _set_speed(self, speed: float | None) -> None:
        if speed is None or not SLOWEST <= speed <= FASTEST:
            raise DrillError(f"The speed must lie between {SLOWEST:g} and {FASTEST:g}.")
        self.market.drill_clock.set(speed)

    # --- what faults do to the servers ---

    def _effect(self, fault: Fault) -> Effect | None:
        return next(filter(None, (effect_of(cause, fault, self.servers) for cause in fault.causes)), None)

    def _unfold(self, fault: Fault) -> None:
        effect = self._effect(fault)
        if effect is not None:
            self._effects[fault] = effect
            self._begun[fault] = asyncio.Event()
            self._jobs.append(self.market.clock.spawn(self._hold(fault, effect)))

    async def _hold(self, fault: Fault, effect: Effect) -> None:
        """Let the effect begin and end with its fault. Clearing the fault is all that it takes to end it."""
        drill_clock = self.market.drill_clock
        await drill_clock.sleep(fault.begins_s - drill_clock.now())
        if fault.ended(drill_clock.now()):
            self._begun[fault].set()
            return
        await _insist(effect.begin)
        self._begun[fault].set()
        self.noted()
        while not fault.ended(drill_clock.now()):
            with contextlib.suppress(*NOT_NOW):  # a server is down: the next look will tell
                await effect.look()
            if effect.over:
                self._ended_by_hand.add(fault)
                self.noted()
                return
            await asyncio.sleep(LOOK_EVERY_S)
        await _insist(effect.end)

    def answered(self, step: str) -> None:
        """A console has answered this step of the runbook: who was asked to, ends what it is about."""
        for fault in self.market.troubles.faults:
            if (
                step in KINDS[fault.name].asks
                and self.market.drill_clock.now() >= fault.begins_s
                and not self._over(fault)
            ):
                self.market.troubles.clear(fault)
                self.noted()

    def _over(self, fault: Fault) -> bool:
        """Whether it has ended, or somebody has ended it by hand."""
        return fault in self._ended_by_hand or fault.ended(self.market.drill_clock.now())

    # --- what is true ---

    def state(self) -> dict[str, Any]:
        """The drill and its faults for a listing, and for the score; times are ISO 8601 in UTC."""
        market = self.market
        return {
            "scenario": market.scenario.name,
            "truth": market.scenario.truth,
            "seed": market.seed,
            "speed": market.drill_clock.speed,
            "since": _moment(market.epoch),
            "drill_s": round(market.drill_clock.now(), 1),
            "faults": [self._told(fault) for fault in market.troubles.faults],
        }

    def _told(self, fault: Fault) -> dict[str, Any]:
        drill_clock, kind = self.market.drill_clock, KINDS[fault.name]
        target = fault.provider or (self._effects[fault].target if fault in self._effects else "")
        return {
            "name": fault.name,
            "provider": fault.provider,
            "seed": fault.seed,
            "state": "over" if self._over(fault) else "waits" if drill_clock.now() < fault.begins_s else "on",
            "began_at": _moment(drill_clock.clock_at(fault.begins_s)),
            "ends_at": None if fault.ends_s is None else _moment(drill_clock.clock_at(fault.ends_s)),
            "target": target,
            "scenarios": kind.scenarios,
            "helps": [help.format(target=target) for help in kind.helps],
            "harms": kind.harms,
            "asks": kind.asks,
            "herring": fault.herring,
        }


def answer(instruction: Instructor, line: bytes, about: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one request as it came: {"error": sentence} where nothing was done."""
    try:
        request = msgspec.json.decode(line, type=Request)
        return {**about, **instruction.handle(request)}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return {"error": f"The request can't be read: {error}."}
    except DrillError as error:
        return {"error": str(error)}


async def _insist(step: Callable[[], Awaitable[None]]) -> None:
    """Take a step until it succeeds."""
    while True:
        try:
            return await step()
        except NOT_NOW:  # a row was in use, or the server is down: what was injected holds all the same
            await asyncio.sleep(AGAIN_S)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
