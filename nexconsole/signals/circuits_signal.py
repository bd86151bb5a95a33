"""The circuits signal's declaration: breakers in every pod and in Redis, and the logs' counts per provider.

(nexnum.md#breakers, #breaker-lines)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Unpack

from ..text.sanitize import clean
from ..text.units import count, duration, several
from .balances import Balances
from .circuits import Circuits, ProviderCircuit, _wake, read
from .log_reach import LINES_S, within
from .probe import MAYBE_PROVIDER, PROVIDER, Probe, ProbeOptions, ProbeResult, Read, View
from .signal import (
    IN_FLIGHT,
    LISTED,
    PURCHASES,
    REFUSED,
    ExportedMetric,
    Judgement,
    LabelledSample,
    MetricSpec,
    Numbers,
    Signal,
    SubjectState,
    circuit_of,
)
from .slots import Slots
from .transactions import Transactions

if TYPE_CHECKING:
    from datetime import datetime

    from ..settings import Settings


def _reasons(value: Circuits, settings: Settings) -> Iterator[Judgement]:
    watched = [provider for provider in value.providers if provider.active is not False]
    window = within(LINES_S, value.reach_s)
    for provider in watched:
        if provider.flapping:
            yield Judgement(
                "SEV-3",
                f"{provider.name}'s circuit flaps: opened {several(provider.opened, 'time')} in {window}",
                about=circuit_of(provider.name),
            )
        elif provider.state in ("open", "half-open"):
            yield Judgement(
                "SEV-3", f"{provider.name}'s circuit is {provider.state.upper()}", about=circuit_of(provider.name)
            )
    if watched and all(provider.state == "open" for provider in watched):
        yield Judgement("SEV-1", f"purchasing is down: the circuits of all {len(watched)} active providers are open")
    if value.providers and all(provider.active is False for provider in value.providers):
        yield Judgement(
            "SEV-1",
            "purchasing is down: no provider is active",
            about="providers",
            explains=(PURCHASES, IN_FLIGHT, REFUSED),
        )


def _summary(value: Circuits) -> str:
    shown = (f"{provider.name} {provider.state}{' FLAPPING' * provider.flapping}" for provider in value.providers)
    return ", ".join(shown) or "no providers"


def _numbers(value: Circuits, every: float, now: datetime) -> Numbers:
    states = [provider.state for provider in value.providers if provider.active is not False]
    opened = states.count("open")
    return {"circuits_open": None if not opened and "unknown" in states else opened}


def _states(value: Circuits, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    for provider in value.providers:
        if provider.active is False:
            continue
        name = clean(provider.name, 100)
        if provider.state in ("open", "closed"):
            shut = provider.state == "closed"
            words = f"{name}'s circuit is closed" if shut else f"{name}'s circuit is open"
            yield SubjectState(f"circuit {name}", provider.state, words, usual=shut, brief=True)
        settled = not provider.flapping
        words = f"{name}'s circuit flaps no more" if settled else f"{name}'s circuit flaps"
        yield SubjectState(f"flapping {name}", "settled" if settled else "flapping", words, usual=settled)


def _details(value: Circuits) -> Iterator[str]:
    for provider in value.providers[:LISTED]:
        active = {True: "active", False: "DISABLED", None: "active or not is not known"}[provider.active]
        yield f"{provider.name}: {provider.state}, {active}, id {provider.id or 'not known'}"


def _state_samples(value: Circuits) -> Iterator[LabelledSample]:
    for provider in value.providers:
        if provider.state != "unknown":
            yield (
                {"provider": provider.name, "id": provider.id or ""},
                {"closed": 0, "half-open": 1, "open": 2}[provider.state],
            )


def _active_samples(value: Circuits) -> Iterator[LabelledSample]:
    for provider in value.providers:
        yield (
            {"provider": provider.name, "id": provider.id or ""},
            None if provider.active is None else int(provider.active),
        )


STATES = ("open", "half-open", "unknown", "closed")  # the most urgent first


def _of_provider(read: Callable[[View[Circuits], ProviderCircuit], ProbeResult]) -> Read:
    """A probe of the provider that the argument names."""

    def asked(view: View[Circuits]) -> ProbeResult:
        provider = view.first(view.value.providers, "name", "display_name", "id")
        if provider is None:
            return ProbeResult(text=f"not known: no provider named {view.argument} was seen", value=None)
        return read(view, provider)

    return asked


def _state(view: View[Circuits]) -> ProbeResult:
    if view.argument:
        return _of_provider(_state_of)(view)
    watched = _watched(view.value)
    if not watched:
        return ProbeResult(text=_nobody(view.value), value=None)
    return _state_of(view, min(watched, key=_urgency))


def _urgency(provider: ProviderCircuit) -> tuple[bool, bool, int, int]:
    """Open before half-open, then what flaps: closed just now, it is no less in trouble."""
    place = STATES.index(provider.state)
    return place > 0, place > 1 and not provider.flapping, place, -provider.opened


def _state_of(view: View[Circuits], provider: ProviderCircuit) -> ProbeResult:
    holders = []
    for state in STATES[:2]:
        pods = [h for h in provider.holders if h.kind == "pod"]
        if held := sum(h.state == state for h in pods):
            holders.append(f"{state.upper()} in {held} of {several(len(pods), view.value.unit)}")
        for shared in provider.holders:
            if shared.kind == "shared" and shared.state == state:
                left = f", {duration(shared.closes_in_s)} left" if shared.closes_in_s is not None else ""
                holders.append(f"shared {state.upper()}{left}")
    if provider.state == "unknown":
        unfollowed = view.value.pods > view.value.pods_followed
        return ProbeResult(
            text=f"not known: nothing was seen of {provider.name}'s breakers" + (_blind(view) if unfollowed else ""),
            value=None,
            gives={"provider": provider.name},
        )
    shown = "; ".join(holders) or provider.state + (" just now, but flapping" if provider.flapping else "")
    calm = provider.state == "closed" and not provider.flapping
    out_of_use = " is disabled" if provider.active is False else ""
    return ProbeResult(
        text=f"{provider.name}{out_of_use}: {shown}" + _blind(view),
        value=provider.state,
        gives={} if calm and not view.argument else {"provider": provider.name},
    )


def _flapping(view: View[Circuits]) -> ProbeResult:
    if view.argument:
        return _of_provider(_flapping_of)(view)
    watched = _watched(view.value)
    if not watched:
        return ProbeResult(text=_nobody(view.value), value=None)
    return _flapping_of(view, max(watched, key=lambda p: (p.flapping, p.opened)))


def _flapping_of(view: View[Circuits], provider: ProviderCircuit) -> ProbeResult:
    if not provider.flapping and not view.value.pods_followed:
        return ProbeResult(text="not known: no pod's log is followed", value=None, lacks="reading the pods' logs")
    window = within(view.settings.circuits.flapping_window_s, view.value.reach_s)
    times = f"{provider.name} opened {several(provider.opened, 'time')} in {window}"
    gives = {"provider": provider.name} if provider.flapping else {}
    return ProbeResult(text=times + _blind(view), value=provider.flapping, gives=gives)


def _usable(view: View[Circuits]) -> ProbeResult:
    value = view.value
    if not value.providers:
        return ProbeResult(text=_nobody(value), value=None)
    watched = _watched(value)
    usable = sum(p.state != "open" for p in watched)
    return ProbeResult(text=f"{usable} of {several(len(watched), 'active provider')} not open", value=float(usable))


def _healthy(view: View[Circuits]) -> ProbeResult:
    """Active, closed, not failing its purchases, and neither stalled nor without our money."""
    value = view.value
    transactions = view.other("transactions", Transactions)
    if not value.providers or transactions is None:
        return ProbeResult(text="not known: it takes both circuits and transactions", value=None)
    rules = view.settings.transactions
    failing = {
        p.name.casefold()
        for p in transactions.providers
        if p.decided >= rules.provider_few and (p.failure_rate or 0) >= rules.provider_failing
    }
    ill = failing | _stalled(view)
    well = [p.name for p in _watched(value) if p.state == "closed" and not ill & _names(p)]
    return ProbeResult(
        text=f"{several(len(well), 'healthy active provider')}: {', '.join(well) or 'none'}", value=float(len(well))
    )


def _disabled(view: View[Circuits]) -> ProbeResult:
    """Which providers are switched off; it gives the one, where it is one."""
    known = [p for p in view.value.providers if p.active is not None]
    if not known:
        return ProbeResult(text="not known: no provider was read from the database", value=None)
    off = [p.name for p in known if not p.active]
    return ProbeResult(
        text=f"{several(len(off), 'disabled provider')}: {', '.join(off) or 'none'}",
        value=float(len(off)),
        gives={"provider": off[0]} if len(off) == 1 else {},
    )


def _stalled(view: View[Circuits]) -> set[str]:
    """The providers where purchases wait too long for a slot, or our money is used up: they take no traffic."""
    slots, balances = view.other("slots", Slots), view.other("balances", Balances)
    waits = slots.longer(view.settings.slots.stalled_s) if slots is not None else ()
    empty = balances.of("empty") if balances is not None else ()
    return {wait.name.casefold() for wait in waits} | {balance.name.casefold() for balance in empty}


def _wrong(view: View[Circuits]) -> ProbeResult:
    watched = _watched(view.value)
    if not watched:
        return ProbeResult(text=_nobody(view.value), value=None)
    wrong = [p for p in watched if p.flapping or p.state in STATES[:2]]
    worst = min(wrong, key=lambda p: (not p.flapping, STATES.index(p.state), -p.opened), default=None)
    names = ", ".join(f"{p.name} {'flapping' if p.flapping else p.state}" for p in wrong)
    return ProbeResult(
        text=f"{len(wrong)} of {several(len(watched), 'active provider')}" + (f": {names}" if names else ""),
        value=float(len(wrong)),
        gives={"provider": worst.name} if worst else {},
    )


def _active(view: View[Circuits], provider: ProviderCircuit) -> ProbeResult:
    if provider.active is None:
        return ProbeResult(text=f"not known: {provider.name} is not among the providers in the database", value=None)
    return ProbeResult(text=f"{provider.name} is {'active' if provider.active else 'disabled'}", value=provider.active)


def _quiet(view: View[Circuits], provider: ProviderCircuit) -> ProbeResult:
    if provider.last_traffic is None:
        return ProbeResult(text=f"not known: no request to {provider.name} was seen in the logs", value=None)
    quiet = max(0.0, (view.now - provider.last_traffic).total_seconds())
    return ProbeResult(text=f"the last request to {provider.name} was {duration(quiet)} ago", value=quiet)


def _turned(attribute: str) -> Callable[[View[Circuits], ProviderCircuit], ProbeResult]:
    """How often the pods' own breakers opened, or closed: only missing answers open them. (nexnum.md#breaker-rules)"""

    def read(view: View[Circuits], provider: ProviderCircuit) -> ProbeResult:
        times: int = getattr(provider, attribute)
        if not times and not view.value.pods_followed:
            return ProbeResult(text="not known: no pod's log is followed", value=None, lacks="reading the pods' logs")
        window = within(LINES_S, view.value.reach_s)
        text = f"{provider.name}'s breakers {attribute} {several(times, 'time')} in the pods, in {window}"
        return ProbeResult(text=text + _blind(view), value=float(times))

    return read


def _seen(what: str, attribute: str) -> Callable[[View[Circuits], ProviderCircuit], ProbeResult]:
    def read(view: View[Circuits], provider: ProviderCircuit) -> ProbeResult:
        count = getattr(provider, attribute)
        if not count and not view.value.pods_followed:
            return ProbeResult(text="not known: no pod's log is followed", value=None, lacks="reading the pods' logs")
        window = within(LINES_S, view.value.reach_s)
        return ProbeResult(text=f"{what}: {count} in {window}" + _blind(view), value=float(count))

    return read


def _one_pod(view: View[Circuits]) -> ProbeResult:
    """Whether the breakers of one pod alone are open, for half of the providers or more: then it is the pod."""
    value = view.value
    watched = _watched(value)
    if value.pods_followed < 2 or not watched:
        return ProbeResult(
            text=_nobody(value) if not watched else f"not known: it takes two {value.unit}s' logs to tell", value=None
        )
    open_in = value.opened_in
    if len(open_in) != 1:
        unit = value.unit
        said = f"{several(len(open_in), unit)} have open breakers" if open_in else f"no {unit} has an open breaker"
        return ProbeResult(text=said + _blind(view), value=False)
    [(pod, providers)] = open_in.items()
    alone = bool(value.ill_pod)
    text = f"{pod} alone has open breakers, for {providers} of {several(len(watched), 'active provider')}"
    return ProbeResult(text=text + _blind(view), value=alone, gives={"pod": pod} if alone else {})


def _names(provider: ProviderCircuit) -> set[str]:
    return {name.casefold() for name in (provider.name, provider.display_name) if name}


def _watched(value: Circuits) -> list[ProviderCircuit]:
    return [p for p in value.providers if p.active is not False]


def _nobody(value: Circuits) -> str:
    return "not known: no provider is active" if value.providers else "not known: no provider was seen"


def _blind(view: View[Circuits]) -> str:
    value = view.value
    missing = value.pods - value.pods_followed
    return f" ({missing} of {value.pods} {value.unit}s' logs are not followed)" if missing > 0 else ""


def _probe(name: str, title: str, kind: str, read: Read, **options: Unpack[ProbeOptions]) -> Probe:
    return Probe(name=name, title=title, signal="circuits", kind=kind, read=read, **options)


_GIVES = {"provider": "provider"}


PROBES = (
    _probe(
        "circuits.state",
        "a provider's breaker, or the most urgent one",
        "word",
        _state,
        words=("open", "half-open", "closed"),
        argument=MAYBE_PROVIDER,
        gives=_GIVES,
    ),
    _probe(
        "circuits.flapping",
        "whether a breaker opens again and again",
        "flag",
        _flapping,
        argument=MAYBE_PROVIDER,
        gives=_GIVES,
    ),
    _probe(
        "circuits.troubled",
        "active providers with a breaker open, half-open or flapping",
        "number",
        _wrong,
        gives=_GIVES,
    ),
    _probe("circuits.pod", "whether one pod alone has open breakers", "flag", _one_pod, gives={"pod": "pod"}),
    _probe(
        "circuit.opened",
        "how often a provider's breakers opened in the pods",
        "number",
        _of_provider(_turned("opened")),
        argument=PROVIDER,
    ),
    _probe(
        "circuit.closed",
        "how often a provider's breakers closed again in the pods",
        "number",
        _of_provider(_turned("closed")),
        argument=PROVIDER,
    ),
    _probe("circuits.usable", "active providers whose breaker is not open", "number", _usable),
    _probe("providers.healthy", "active providers that are well", "number", _healthy),
    _probe("providers.disabled", "providers that are switched off", "number", _disabled, gives=_GIVES),
    _probe("provider.active", "whether a provider is active", "flag", _of_provider(_active), argument=PROVIDER),
    _probe(
        "provider.quiet",
        "time since the last request to a provider",
        "number",
        _of_provider(_quiet),
        unit="seconds",
        argument=PROVIDER,
    ),
    _probe(
        "logs.429",
        "log lines in which a provider limits our rate",
        "number",
        _of_provider(_seen("429", "seen_429")),
        argument=PROVIDER,
    ),
    _probe(
        "logs.5xx",
        "log lines in which a provider fails",
        "number",
        _of_provider(_seen("5xx", "seen_5xx")),
        argument=PROVIDER,
    ),
)


SIGNAL = Signal(
    name="circuits",
    kind=Circuits,
    read=read,
    summary=_summary,
    timeout=6.0,
    wake=_wake,
    reasons=_reasons,
    numbers=_numbers,
    metrics={
        "circuits_open": MetricSpec("circuits open", count),
    },
    exported=(
        ExportedMetric(
            "provider_circuit_state", "0: closed; 1: half-open; 2: open; none where it is not known.", _state_samples
        ),
        ExportedMetric("provider_active", "Whether a provider is active.", _active_samples),
    ),
    observe=_states,
    details=_details,
    arguments={"provider": lambda value: (one.name for one in value.providers)},
    probes=PROBES,
)
