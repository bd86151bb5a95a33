"""Whether the console's own readings contradict a firing alert. Of what it can't measure itself it says nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ..catalogue import Argument
from ..model import State
from ..text.units import count, duration, latency, percent, several
from .probe import Probe, ProbeResult, View

Said = tuple[bool | None, str]  # whether all is well by it, and the figure
PARTS = ("provider", "provider_id", "country", "instance", "pod")  # labels of an alert that is about a part
SYNC_S = 86_400.0  # from so long ago on providers are said not to be synchronized (nexnum.md#alerts)
LOST, LOST_SHARE = 2, 0.01  # purchases whose process died are overdue for ever: so many mean nothing
CONNECTIONS = 0.8  # of the connections: below it nothing is wrong with them


def _purchases(value: Any, view: View[Any]) -> Said:
    if value.failure_rate is None or value.decided < view.settings.transactions.few:
        return None, "too few purchases to tell"
    text = f"{percent(value.failure_rate)} of {several(value.decided, 'purchase')} fail"
    few_lost = value.overdue <= max(LOST, LOST_SHARE * value.attempts)
    return value.failure_rate <= view.settings.severity.high_rate and few_lost, text


def _latency(value: Any, view: View[Any]) -> Said:
    if value.latency_p95_s is None:
        return None, "no purchase's duration was measured"
    text = f"95 % of purchases take up to {latency(value.latency_p95_s, value.latency_saturated)}"
    return value.latency_p95_s <= view.settings.severity.latency_s and not value.latency_saturated, text


def _providers(value: Any, view: View[Any]) -> Said:
    few = view.settings.transactions.provider_few
    judged = [each for each in value.providers if each.failure_rate is not None and each.decided >= few]
    if not judged:
        return None, "no provider has enough purchases to tell"
    worst = max(judged, key=lambda each: each.failure_rate)
    text = f"the worst provider, {worst.name}, fails {percent(worst.failure_rate)}"
    return worst.failure_rate < view.settings.transactions.provider_failing, text


def _reservations(value: Any, view: View[Any]) -> Said:
    rules = view.settings.reservations
    text = f"{count(value.pending)} pending, {count(value.stuck)} stuck"
    return value.pending <= rules.limit and value.stuck <= rules.alert_limit, text


def _outbox(value: Any, view: View[Any]) -> Said:
    waits = value.oldest_pending_s or 0.0
    text = f"{count(value.failed)} events failed, the oldest waits {duration(waits)}"
    return not value.failed and waits <= view.settings.outbox.stuck_after_s, text


def _connections(value: Any, view: View[Any]) -> Said:
    if not value.max_connections:
        return None, "how many connections there may be is not known"
    text = f"{count(value.connections)} of {count(value.max_connections)} connections are used"
    return value.connections < CONNECTIONS * value.max_connections, text


def _pods(value: Any, view: View[Any]) -> Said:
    return value.ready >= value.desired > 0, f"{count(value.ready)} of {several(value.desired, 'pod')} ready"


def _redis(value: Any, view: View[Any]) -> Said:
    return True, "Redis answers"


def _synced(value: Any, view: View[Any]) -> Said:
    ages = [each.age_s for each in value.balances if each.age_s is not None and each.active is not False]
    if not ages:
        return None, "when NexNum last asked its providers is not known"
    return max(ages) < SYNC_S, f"NexNum asked every active provider within {duration(max(max(ages), 60.0))}"


# By a part of the alert's name, small; the first that fits says what the alert is about.
TOPICS: Mapping[tuple[str, ...], tuple[str, Callable[[Any, View[Any]], Said]]] = {
    ("outbox", "queuebacklog", "queuestuck", "queueexhaustion"): ("outbox", _outbox),
    ("reservation",): ("reservations", _reservations),
    ("connection",): ("database", _connections),
    ("latency", "slowapi"): ("transactions", _latency),
    ("providerapierrors", "providerhigherror", "providererror"): ("transactions", _providers),
    ("purchasefail", "purchaseerror", "errorrate", "failurerate"): ("transactions", _purchases),
    ("apidown", "servicedown", "poddown", "podnotready", "podsnotready"): ("workloads", _pods),
    ("redisdown",): ("locks", _redis),
    ("providersync",): ("balances", _synced),
}


def _topic(alert: str) -> tuple[str, Callable[[Any, View[Any]], Said]] | None:
    name = "".join(sign for sign in alert.casefold() if sign.isalnum())
    return next((topic for words, topic in TOPICS.items() if any(word in name for word in words)), None)


SUBJECTS: Mapping[Callable[[Any, View[Any]], Said], tuple[str, ...]] = {
    _latency: ("latency",),
    _purchases: ("purchases",),
    _providers: ("purchases",),
    _outbox: ("failed events", "pending events"),
    _reservations: ("reservations",),
    _connections: ("connections",),
    _pods: ("workloads",),
    _redis: ("redis",),
    _synced: ("balances",),
}


@lru_cache(maxsize=256)
def speaks_of(alert: str) -> tuple[str, ...]:
    """What the reasons are about that are of the same thing as an alert of this name; () where it is not known."""
    topic = _topic(alert)
    return SUBJECTS[topic[1]] if topic is not None else ()


def _contradicted(view: View[Any]) -> ProbeResult:
    """Whether what the alert speaks of is well by the console's own reading."""
    alert = next((each for each in view.value.firing if each.name == view.argument), None)
    if alert is None:
        return ProbeResult(text=f"{view.argument} does not fire", value=False)
    topic = _topic(alert.name)
    if topic is None:
        return ProbeResult(text=f"not known: this console does not measure what {alert.name} is about", value=None)
    if topic[0] == "transactions" and topic[1] is not _providers and {*alert.labels} & {*PARTS}:
        return ProbeResult(text=f"not known: {alert.name} is about a part of the purchases", value=None)
    reading = view.readings.get(topic[0])
    if reading is None or reading.value is None or reading.state(view.now) is not State.FRESH:
        return ProbeResult(text=f"not known: {topic[0]} can't be read", value=None)
    well, figure = topic[1](reading.value, view)
    if well is None:
        return ProbeResult(text=f"not known: {figure}", value=None)
    return ProbeResult(text=f"{alert.name} fires; by the console's own count {figure}", value=well)


PROBE = Probe(
    name="alert.contradicted",
    title="whether the console's own readings contradict an alert",
    signal="alerts",
    kind="flag",
    argument=Argument(name="alert", kind="alert"),
    read=_contradicted,
)
