"""Why an action would not help now, by the readings. The palette lists it last, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from ..model import Reading, SourceHealth, value_of
from ..signals.attribution import ProviderTraffic
from ..signals.circuits import Circuits, ProviderCircuit
from ..signals.database import Database
from ..signals.dependencies import NEEDS, quiet_for, silent
from ..signals.probe import unit_of
from ..signals.search import Search
from ..signals.transactions import Transactions
from ..signals.workloads_value import Workloads
from ..text.pod_names import in_units
from ..text.units import count, duration, percent
from .action import Action, Context
from .plan import Guard, Plan

if TYPE_CHECKING:
    from ..settings import Settings

FULL = 0.9  # of the database's connections: more pods would take the last ones
OLD_RELEASE_S = 86_400.0  # what has run for longer is hardly what broke now


@dataclass(frozen=True, kw_only=True)
class OnScreen:
    """Every signal's reading and every source's health."""

    readings: Mapping[str, Reading]
    health: Iterable[SourceHealth]
    settings: Settings
    now: datetime

    @cached_property
    def traffic(self) -> Mapping[str, ProviderTraffic]:
        """By name in lower case."""
        transactions = value_of(self.readings, "transactions", Transactions)
        return {traffic.name.lower(): traffic for traffic in (transactions.providers if transactions else ())}

    @cached_property
    def circuits(self) -> Mapping[str, ProviderCircuit]:
        circuits = value_of(self.readings, "circuits", Circuits)
        return {circuit.name.lower(): circuit for circuit in (circuits.providers if circuits else ())}

    @cached_property
    def usable(self) -> frozenset[str]:
        """Active providers whose circuit is not open."""
        return frozenset(name for name, circuit in self.circuits.items() if circuit.active and circuit.state != "open")


def misfit(action: str, arguments: Mapping[str, str], seen: OnScreen) -> str:
    """Why it would not help now; "" where nothing says so."""
    return next((why for rule in RULES.get(action, ()) if (why := rule(arguments, seen))), "")


async def prepared(action: Action, arguments: Mapping[str, str], context: Context) -> Plan:
    """The action's plan, with a warning where it would not help. Raises what `prepare` raises."""
    plan = _worded(await action.prepare(arguments, context), unit_of(context.readings()))
    health = context.sources.health() if context.sources is not None else ()
    seen = OnScreen(readings=context.readings(), health=health, settings=context.settings, now=context.clock())
    rules = (rule for rule in RULES.get(plan.action, ()) if rule not in SAID)
    why = next((why for rule in rules if (why := rule(plan.arguments, seen))), "")
    if not why:
        return plan
    return replace(
        plan, guards=(*plan.guards, Guard(name="will it help", level="warn", reason=f"this will hardly help: {why}"))
    )


def _worded(plan: Plan, unit: str) -> Plan:
    """The plan as people speak of it where NexNum runs; its command stays as it is."""
    if unit == "pod":
        return plan
    guards = tuple(replace(guard, reason=in_units(guard.reason, unit)) for guard in plan.guards)
    return replace(
        plan,
        effect=in_units(plan.effect, unit),
        guards=guards,
        watch=in_units(plan.watch, unit),
        summary=in_units(plan.summary, unit),
    )


def _dead(*names: str) -> Callable[[Mapping[str, str], OnScreen], str]:
    """A source is silent: the action could not work, or would miss the cause."""

    def rule(arguments: Mapping[str, str], seen: OnScreen) -> str:
        for one in seen.health:
            if one.name in names and silent(one, seen.now):
                return f"{NEEDS[one.name].name} has not answered for {duration(quiet_for(one, seen.now))}"
        return ""

    return rule


def _blocked(arguments: Mapping[str, str], seen: OnScreen) -> str:
    database = value_of(seen.readings, "database", Database)
    first = next(
        (session for session in (database.sessions if database else ()) if session.blocks and not session.blocked_by),
        None,
    )
    if database is None or first is None or not database.blocked:
        return ""
    return f"{count(database.blocked)} sessions wait for session {first.pid}: end that first"


def _blocked_everywhere(arguments: Mapping[str, str], seen: OnScreen) -> str:
    """A database lock stalls all providers. Where one provider stands out, the lock is not the cause."""
    transactions = value_of(seen.readings, "transactions", Transactions)
    one = transactions is not None and transactions.scope.verdict in ("one", "some")
    return "" if one else _blocked(arguments, seen)


def _everywhere(arguments: Mapping[str, str], seen: OnScreen) -> str:
    transactions = value_of(seen.readings, "transactions", Transactions)
    if transactions is None or transactions.scope.verdict != "all":
        return ""
    return "all providers fail: look for what they share"


def _nowhere_else(arguments: Mapping[str, str], seen: OnScreen) -> str:
    if not seen.circuits or seen.usable - {arguments.get("provider", "").lower()}:
        return ""
    return "no other provider could sell"


def _healthy(arguments: Mapping[str, str], seen: OnScreen) -> str:
    name = arguments.get("provider", "").lower()
    rules, traffic, circuit = seen.settings.transactions, seen.traffic.get(name), seen.circuits.get(name)
    if traffic is None or traffic.decided < rules.provider_few or traffic.overdue:
        return ""
    ill = (traffic.failure_rate or 0.0) >= rules.provider_failing
    if ill or (circuit is not None and (circuit.flapping or circuit.state == "open")):
        return ""
    return f"{traffic.name} is healthy: {count(traffic.failures)} of {count(traffic.decided)} failed"


def _failing(arguments: Mapping[str, str], seen: OnScreen) -> str:
    rules, traffic = seen.settings.transactions, seen.traffic.get(arguments.get("provider", "").lower())
    if (
        traffic is None
        or traffic.decided < rules.provider_few
        or (traffic.failure_rate or 0.0) < rules.provider_failing
    ):
        return ""
    return f"{traffic.name} still fails: {count(traffic.failures)} of {count(traffic.decided)}"


def _one_provider(arguments: Mapping[str, str], seen: OnScreen) -> str:
    """A restart of all pods. One pod alone may be ill for other reasons."""
    transactions = value_of(seen.readings, "transactions", Transactions)
    workloads = value_of(seen.readings, "workloads", Workloads)
    well = workloads is not None and workloads.ready >= workloads.desired
    if arguments.get("pod") or transactions is None or transactions.scope.verdict != "one" or not well:
        return ""
    return f"{transactions.scope.provider} alone fails, and all pods are ready"


def _no_connections(arguments: Mapping[str, str], seen: OnScreen) -> str:
    database = value_of(seen.readings, "database", Database)
    if database is None or not database.max_connections:
        return ""
    used = database.connections / database.max_connections
    if used < FULL:
        return ""
    return f"{percent(used)} of the database's connections are used: more pods take the last ones"


def _search_down(arguments: Mapping[str, str], seen: OnScreen) -> str:
    search = value_of(seen.readings, "search", Search)
    return "" if search is None or search.up else "the search index is down: what is taken now fails for good"


def _old_release(arguments: Mapping[str, str], seen: OnScreen) -> str:
    workloads = value_of(seen.readings, "workloads", Workloads)
    release = workloads.release if workloads is not None else None
    if workloads is None or release is None or release.since is None or workloads.rollout == "stuck":
        return ""
    age_s = (seen.now - release.since).total_seconds()
    return f"what runs was released {duration(age_s)} ago" if age_s > OLD_RELEASE_S else ""


SAID = (_healthy, _nowhere_else, _failing)  # the plans have guards of their own for these
SWITCH = (_dead("postgres", "redis"), _blocked_everywhere, _everywhere, _healthy, _nowhere_else)
RULES: Mapping[str, tuple[Callable[[Mapping[str, str], OnScreen], str], ...]] = {
    "provider.disable": SWITCH,
    "circuit.open": SWITCH,
    "circuit.close": (_dead("redis"), _failing),
    "provider.enable": (_dead("postgres"), _failing),
    "pods.restart": (_dead("postgres", "redis"), _blocked, _one_provider),
    "deployment.scale": (_dead("postgres", "redis"), _blocked, _no_connections, _one_provider),
    "rollout.undo": (_dead("postgres", "redis"), _blocked, _old_release),
    "reconcile.run": (_dead("postgres", "api"), _blocked),
    "outbox.process": (_dead("postgres", "api"), _blocked, _search_down),
    "outbox.retry": (_dead("postgres"), _search_down),
    "locks.flush": (_dead("redis"),),
    "slots.clear": (_dead("redis"),),
    "backend.cancel": (_dead("postgres"),),
    "backend.terminate": (_dead("postgres"),),
}
