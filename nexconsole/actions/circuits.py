"""circuit.open and circuit.close: act on the shared breaker, by the admin API of the versions that have it.

(nexnum.md#breakers, #breaker-rules, #breaker-control) Only a restart reaches the pods' own breakers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ActionError, NotConfigured, SourceError
from ..model import Reading, value_of
from ..signals.circuits import Circuits, ProviderCircuit
from ..signals.counts import SourceCounts
from ..signals.transactions import Transactions
from ..text.lookalikes import look_alikes, marked
from ..text.units import duration, percent, period, remaining
from . import circuit_verdicts, failure_rate_change, in_flight, shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .circuit_verdicts import key_of
from .connections import admin_headers, send
from .guards import fresh
from .http_replies import unproven
from .in_flight import InFlight
from .plan import Confirmation, Guard, Outcome, Plan, Target, Undo, Verdict
from .provider_rows import (
    ProviderRow,
    api_guard,
    api_missing,
    api_path,
    circuit_of,
    find,
    keys_of,
    read_table,
    unhealthy,
)
from .provider_rows import counts as count_attempts
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

DEADLINE_S = 15.0
LOOK_EVERY_S = 0.5
TRAFFIC_LIMIT_S = 120.0  # a success longer ago says nothing about now
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class SetCircuit:
    """Either action; `wanted` is the state that it brings about, `body` what the route understands."""

    name: str
    title: str
    synonyms: tuple[str, ...]
    wanted: str
    body: Mapping[str, bool]
    letter: str
    arguments: tuple[Argument, ...] = (
        Argument(name="provider", kind="provider", help="the provider's name, display name or id"),
    )

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        """Suggest closing those whose shared breaker is open, and opening those whose attempts fail although it is
        closed.
        """
        circuits = value_of(readings, "circuits", Circuits)
        names = [circuit.name for circuit in (circuits.providers if circuits else ())]
        keys, twins, found = keys_of(names), look_alikes(names), []
        rates = {keys.get(name, name.lower()): rate for name, rate in _failing(readings, settings).items()}
        for circuit in circuits.providers if circuits else ():
            shared, rate, name = _shared_of(circuit), rates.get(keys[circuit.name]), marked(circuit.name, twins)
            if self.wanted == "closed" and shared in ("open", "half-open"):
                title = f"Close the shared breaker of {name} - {shared} now"
            elif self.wanted == "open" and shared == "closed" and rate is not None and circuit.active is not False:
                title = f"Open the shared breaker of {name} - {percent(rate)} failing"
            else:
                continue
            found.append(Suggestion(title=title, arguments={"provider": circuit.name}, weight=0.1))
        return tuple(found)

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        if missing := api_missing(settings, sources):
            return f"only the admin API can do it: {missing}"
        return None if sources.has("postgres") else "the providers can't be read: set postgres.url (DATABASE_URL)"

    async def permitted(self, context: Context) -> Guard:
        return await api_guard(context)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        row = find(await read_table(context), arguments.get("provider", ""))
        state, left_ms = await _shared(context, row.id)
        if state == self.wanted:
            left = f" for {remaining(left_ms / 1000)} more" if left_ms > 0 else ""
            raise ActionError(f"the shared breaker of {row} is {state} already{left}")
        guards = [await api_guard(context, row.id), fresh(context, "circuits")]
        if state == UNKNOWN:
            reason = (
                "its state can't be read (redis is not configured, or doesn't answer): the result can't be verified"
            )
            guards.append(Guard(name="shared breaker read", level="warn", reason=reason))
        seen = await count_attempts(context)
        judged, waiting = await self._judge(context, row, seen), await in_flight.read(context, row, seen)
        guards.append(judged)
        if self.wanted == "open":
            guards.append(in_flight.guard(waiting))
        return make_plan(
            context,
            action=self.name,
            arguments=dict(arguments),
            targets=(
                Target(
                    kind="provider",
                    id=row.id,
                    identity={"name": row.name, "shared": state},
                    shown={"display_name": str(row), "pttl_ms": left_ms, "under_way": waiting.count},
                ),
            ),
            effect=self._effect(row, circuit_of(context.readings(), row.name), waiting),
            command=shell_commands.curl(
                "PATCH", api_path(row.id), headers=shell_commands.ADMIN, body=self.body, discreet=True
            ),
            guards=tuple(guards),
            confirm=Confirmation(kind="letter", text=self.letter)
            if judged.level == "ok"
            else Confirmation(kind="type", text=row.name),
            undo=Undo(
                action="circuit.close" if self.wanted == "open" else "circuit.open",
                arguments={"provider": row.name},
                command=shell_commands.curl(
                    "PATCH", api_path(row.id), headers=shell_commands.ADMIN, body=OTHER_BODY[self.wanted], discreet=True
                ),
            ),
            watch=f"the shared breaker's key says {self.wanted}, and customers fare no worse",
            deadline_s=min(DEADLINE_S, context.settings.actions.verify_s),
            details={"under_way": waiting.count, "before": await failure_rate_change.before(context)},
        )

    def _effect(self, row: ProviderRow, circuit: ProviderCircuit | None, waiting: InFlight) -> str:
        pods = [holder for holder in (circuit.holders if circuit else ()) if holder.kind == "pod"]
        opened = sum(pod.state == "open" for pod in pods)
        own = f"the pods' own breakers ({opened} of {len(pods)} open) stay as they are, only a restart resets them"
        if self.wanted == "open":
            rest = f"; {waiting} still go out" if waiting.count else ""
            return f"Opens the shared breaker of {row} for 30 s: no new purchase is sent there meanwhile{rest}; {own}"
        return f"Closes the shared breaker of {row}: every pod may buy there again at once; {own}"

    async def _judge(self, context: Context, row: ProviderRow, seen: SourceCounts | None) -> Guard:
        """For closing: whether the provider is healthy. For opening: whether another one is."""
        if self.wanted == "closed":
            return _healthy(context, row)
        table = await read_table(context)
        others = [provider_row.name for provider_row in table.rows if provider_row.active and provider_row.id != row.id]
        well = [name for name in others if unhealthy(context, name, seen) is None]
        name = "healthy providers left"
        if well:
            return Guard(name=name, level="ok", reason=f"{len(well)} others are active and healthy")
        return Guard(name=name, level="warn", reason="no healthy active provider is left meanwhile")

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        target = plan.targets[0]
        state, _ = await _shared(context, target.id)
        if state != UNKNOWN and state != target.identity["shared"]:
            said = f"the shared breaker of {target.identity['name']} is {state} now: nothing was sent"
            return Outcome(state="refused", answer=said)
        got = await send(context, "PATCH", api_path(target.id), headers=admin_headers(context), body=dict(self.body))
        if isinstance(got, Outcome):
            return got
        if isinstance(got.document, dict) and got.document.get("success") is False:
            return unproven(f"the API answered {got.status}, and that it did not succeed")
        return Outcome(state="done", answer=f"the API answered {got.status}", touched=(target,))

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        target = plan.targets[0]

        async def look() -> SettledOutcome:
            if not context.sources.has("redis"):
                raise NotConfigured("redis", "the breaker's key can't be read: redis is not configured")
            value, _ = (await context.sources.redis.peek([key_of(target.id)]))[0]
            state = value or "closed"
            return SettledOutcome(
                happened=state == self.wanted, said=f"the breaker's key says {state}", touched=(target,)
            )

        if target.identity["shared"] == UNKNOWN:  # what it says now proves nothing
            return outcome
        return await settled(outcome, look, context)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        look = circuit_verdicts.CircuitWatch(plan, self.wanted, context).look
        return await watch(plan.deadline_s, look, LOOK_EVERY_S)


async def _shared(context: Context, provider_id: str) -> tuple[str, int]:
    """open, half-open, closed or unknown, and the PTTL in ms."""
    if not context.sources.has("redis"):
        return UNKNOWN, -2
    try:
        value, left_ms = (await context.sources.redis.peek([key_of(provider_id)]))[0]
    except SourceError:
        return UNKNOWN, -2
    return value or "closed", left_ms


def _shared_of(circuit: ProviderCircuit) -> str | None:
    return next((holder.state for holder in circuit.holders if holder.kind == "shared"), None)


def _failing(readings: Mapping[str, Reading], settings: Settings) -> dict[str, float]:
    """Failure rates of those that fail, by name."""
    transactions, rules = value_of(readings, "transactions", Transactions), settings.transactions
    return {
        traffic.name: traffic.failure_rate
        for traffic in (transactions.providers if transactions else ())
        if traffic.failure_rate is not None
        and traffic.decided >= rules.provider_few
        and traffic.failure_rate >= rules.provider_failing
    }


def _healthy(context: Context, row: ProviderRow) -> Guard:
    """Checks the runbook's "unless you verify provider is healthy". ok only with evidence of it."""
    name, readings, rules = "provider is healthy", context.readings(), context.settings.transactions
    circuit = circuit_of(readings, row.name)
    opened = [
        holder.where
        for holder in (circuit.holders if circuit else ())
        if holder.kind == "pod" and holder.state == "open"
    ]
    if opened:
        reason = f"do not close it: the breakers of {len(opened)} pods are open, so requests to it fail there"
        return Guard(name=name, level="block", reason=reason)
    transactions = value_of(readings, "transactions", Transactions)
    alike = [p for p in (transactions.providers if transactions else ()) if p.name.lower() == row.name.lower()]
    traffic = next((p for p in alike if p.id == row.id or p.name == row.name), None) or next(
        (p for p in alike if not p.id), None
    )
    attempts = traffic.decided if traffic else 0
    if traffic is not None and attempts >= rules.provider_few and (traffic.failure_rate or 0) >= rules.provider_failing:
        reason = f"do not close it: {traffic.failures} of its {attempts} attempts failed in {period(rules.window_s)}"
        return Guard(name=name, level="block", reason=reason)
    age = context.readings()["transactions"].age(context.clock()) if "transactions" in readings else None
    quiet = None if circuit is None or circuit.last_traffic is None else context.clock() - circuit.last_traffic
    if quiet is not None and quiet.total_seconds() > TRAFFIC_LIMIT_S:
        reason = f"its last traffic was {duration(quiet)} ago: its health now is unknown"
        return Guard(name=name, level="warn", reason=reason)
    if attempts < rules.provider_few or age is None or age > context.settings.actions.reading_limit_s:
        reason = f"{attempts} attempts are too few or too old to judge its health: place an order at the provider first"
        return Guard(name=name, level="warn", reason=reason)
    return Guard(
        name=name,
        level="ok",
        reason=f"{attempts - traffic.failures if traffic else 0} of its {attempts} attempts succeeded",
    )


OPEN_BODY, CLOSE_BODY = {"openCircuit": True}, {"closeCircuit": True}
OTHER_BODY = {"open": CLOSE_BODY, "closed": OPEN_BODY}
OPEN = SetCircuit(
    name="circuit.open",
    title="Open a provider's shared breaker",
    synonyms=("trip breaker", "open circuit", "pause provider"),
    wanted="open",
    body=OPEN_BODY,
    letter="o",
)
CLOSE = SetCircuit(
    name="circuit.close",
    title="Close a provider's shared breaker",
    synonyms=("reset breaker", "close circuit", "resume provider"),
    wanted="closed",
    body=CLOSE_BODY,
    letter="s",
)
ACTIONS: tuple[Action, ...] = (OPEN, CLOSE)
