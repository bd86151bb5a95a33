"""provider.disable and provider.enable: change one row by its id, by the admin API if there is one, else by SQL.
(nexnum.md#provider-rows, #provider-api, #disabling)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import ActionError
from ..model import Reading, value_of
from ..signals.circuits import Circuits
from ..signals.transactions import Transactions
from ..text.lookalikes import look_alikes, marked
from ..text.units import duration, percent
from . import control, failure_rate_change, provider_verdicts, shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import admin_headers, change_rows, send
from .era import is_newest
from .guards import asked, fresh, may_update
from .http_replies import HttpReply, lost, unproven
from .plan import Confirmation, Guard, Outcome, Plan, Scalar, Target, Undo, Verdict
from .provider_plans import ProviderSituation, disabling, enabling, healthy, last_healthy, live, offers, quiet_s, share
from .provider_rows import (
    ProviderTable,
    api_guard,
    api_missing,
    api_path,
    counts,
    find,
    keys_of,
    live_numbers,
    read_table,
    unhealthy,
)
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    import asyncpg

    from ..settings import Settings
    from ..sources import Sources

LARGE_SHARE = 0.5  # of all successful attempts: who has more is disabled by typing the name
LOOK_EVERY_S = 1.0
CHANGE_SQL = (
    "UPDATE {schema}.providers SET {flag} = {to}, updated_at = {now} WHERE id = {id} AND {was} RETURNING id, name"
)


@dataclass(frozen=True, kw_only=True)
class SwitchProvider:
    """Either action; `active` is the state that it brings about."""

    name: str
    title: str
    synonyms: tuple[str, ...]
    active: bool
    letter: str
    arguments: tuple[Argument, ...] = (
        Argument(name="provider", kind="provider", help="the provider's name, display name or id"),
    )

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        return (_to_enable if self.active else _to_disable)(readings, settings)

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        if not sources.has("postgres"):
            return "the providers can't be read: set postgres.url (DATABASE_URL)"
        return api_missing(settings, sources) if settings.actions.provider_by == "api" else None

    async def permitted(self, context: Context) -> Guard:
        way = await _way(context)
        if way is not None and way.level != "warn":
            return way
        return await asked(context, "providers", ((await read_table(context)).column, "updated_at"))

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        table = await read_table(context)
        row = find(table, arguments.get("provider", ""))
        if row.active == self.active:
            raise ActionError(f"{row} is {self._state} already")
        picture = ProviderSituation(
            table=table,
            row=row,
            seen=await counts(context),
            live=await live_numbers(context, row.name),
            way=await _way(context, row.id),
            newest=is_newest(await context.sources.postgres.columns()),
        )
        settings, mine = context.settings, picture.mine
        other = replace(self, active=not self.active)
        shown: dict[str, Any] = {"display_name": str(row), "live_numbers": picture.live}
        shown |= {"attempts": mine.attempts, "failures": mine.failures} if picture.seen else {}
        # The way is part of what is confirmed: an API that dies meanwhile doesn't turn a request into SQL unasked.
        identity: dict[str, Scalar] = {"name": row.name, "active": row.active, "by": "api" if picture.by_api else "sql"}
        target = Target(kind="provider", id=row.id, identity=identity, shown=shown)
        return make_plan(
            context,
            action=self.name,
            arguments=dict(arguments),
            targets=(target,),
            effect=(enabling if self.active else disabling)(context, picture),
            command=self._command(context, picture),
            guards=await self._guards(context, picture),
            confirm=self._confirm(context, picture),
            undo=Undo(
                action="provider.disable" if self.active else "provider.enable",
                arguments={"provider": row.name},
                command=other._command(context, picture),
            ),
            watch=f"attempts at {row.name} {'come back' if self.active else 'end'}"
            f" within {duration(settings.actions.provider_cache_s)}, and customers are served",
            deadline_s=min(
                settings.actions.verify_s, settings.actions.provider_cache_s + max(15.0, quiet_s(mine, settings))
            ),
            details={
                "by": identity["by"],
                "column": table.column,
                "now": table.now,
                "attempts": mine.attempts if picture.seen else None,
                "others": picture.seen.attempts - mine.attempts if picture.seen else None,
                "before": await failure_rate_change.before(context),
                "minute": await control.last_minute(context),
                "rest": picture.rest(settings.transactions.window_s),
            },
        )

    @property
    def _state(self) -> str:
        return "enabled" if self.active else "disabled"

    def sql(self, schema: str, table: ProviderTable, id: str) -> str:
        """The statement; `id` is a literal or a parameter."""
        flag = table.flag
        return CHANGE_SQL.format(
            schema=shell_commands.sql_name(schema),
            flag=flag,
            to=str(self.active).lower(),
            now=table.now,
            id=id,
            was=f"NOT {flag}" if self.active else flag,
        )

    def by_api(self, id: str) -> str:
        """The shell command that uses the admin API."""
        return shell_commands.curl(
            "PATCH", api_path(id), headers=shell_commands.ADMIN, body={"isActive": self.active}, discreet=True
        )

    def _command(self, context: Context, picture: ProviderSituation) -> str:
        if picture.by_api:
            return self.by_api(picture.row.id)
        sql = self.sql(context.sources.postgres.schema, picture.table, shell_commands.sql_text(picture.row.id))
        return shell_commands.psql(context.settings, sql)

    async def _guards(self, context: Context, picture: ProviderSituation) -> tuple[Guard, ...]:
        guards = [picture.way] if picture.way is not None else []
        if not picture.by_api:
            async with context.sources.postgres.read("the privileges query") as tx:
                guards.append(await may_update(tx, "providers", (picture.table.column, "updated_at")))
        guards.append(fresh(context, "transactions"))
        if not self.active:
            guards += [
                healthy(context, picture),
                last_healthy(context, picture),
                live(picture),
                offers(context, picture),
            ]
        elif why := unhealthy(context, picture.row.name, picture.seen):
            guards.append(Guard(name="healthy", level="warn", reason=f"{picture.row.name} looked ill: {why}"))
        return tuple(guards)

    def _confirm(self, context: Context, picture: ProviderSituation) -> Confirmation:
        typed = Confirmation(kind="type", text=picture.row.name)
        if self.active:
            return Confirmation(kind="letter", text=self.letter)
        harmful = (healthy(context, picture), last_healthy(context, picture))
        if any(guard.level != "ok" for guard in harmful) or share(picture) > LARGE_SHARE:
            return typed
        return Confirmation(kind="letter", text=self.letter)

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        return await (self._by_api if plan.details["by"] == "api" else self._by_sql)(plan, context)

    async def _by_sql(self, plan: Plan, context: Context) -> Outcome:
        target = plan.targets[0]
        table = ProviderTable(rows=(), column=str(plan.details["column"]), now=str(plan.details["now"]))

        async def work(connection: asyncpg.Connection) -> Outcome:
            rows = await connection.fetch(self.sql(context.sources.postgres.schema, table, "$1"), target.id)
            if not rows:
                return await _changed_meanwhile(connection, table, target)
            if len(rows) > 1:
                return Outcome(state="refused", answer=f"{len(rows)} rows have this id: nothing was changed")
            return self._done("UPDATE 1", target)

        return await change_rows(context, work)

    async def _by_api(self, plan: Plan, context: Context) -> Outcome:
        """The API does not compare before it writes. So consoles take turns, and each reads the row first."""
        target, answered, sent = plan.targets[0], [], False
        table = ProviderTable(rows=(), column=str(plan.details["column"]), now="")

        async def work(connection: asyncpg.Connection) -> Outcome:
            nonlocal sent
            turn = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
            await connection.execute(turn, f"nexconsole provider {target.id}")
            if await _is_active(connection, table, target.id) != target.identity["active"]:
                return await _changed_meanwhile(connection, table, target)
            sent = True
            answered.append(await self._patch(context, target))
            return answered[0]

        outcome = await change_rows(context, work, timeout_s=2.5 * context.settings.actions.timeout_s)
        if answered:
            return answered[0]
        return lost(f"{outcome.answer}; but the API was being asked", sent=True) if sent else outcome

    async def _patch(self, context: Context, target: Target) -> Outcome:
        path, body = api_path(target.id), {"isActive": self.active}
        got = await send(context, "PATCH", path, headers=admin_headers(context), body=body)
        if isinstance(got, Outcome):
            return got
        said = _said_active(got)
        if said is not None and said != self.active:
            return unproven(f"the API answered {got.status}, and that the provider is as it was")
        return self._done(f"the API answered {got.status}", target)

    def _done(self, answer: str, target: Target) -> Outcome:
        return Outcome(state="done", answer=f"{answer}: {target.identity['name']} is {self._state}", touched=(target,))

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        """The API may answer an error after the change, so the row decides."""
        target, name = plan.targets[0], plan.targets[0].identity["name"]
        column = str(plan.details["column"])
        sql = f"SELECT {shell_commands.sql_name(column)} AS active FROM providers WHERE id = $1"

        async def look() -> SettledOutcome:
            async with context.sources.postgres.read("the provider query") as tx:
                rows = await tx.fetch(sql, target.id)
            if not rows:
                return SettledOutcome(happened=False, said=f"{name} has no row now")
            is_now = bool(rows[0]["active"])
            said = f"the row of {name} says {'enabled' if is_now else 'disabled'}"
            return SettledOutcome(happened=is_now == self.active, said=said, touched=(target,))

        return await settled(outcome, look, context, lingers=plan.details["by"] == "api")

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        loop = asyncio.get_running_loop()
        began, before = loop.time(), provider_verdicts.BeforeSwitch.of(plan, context)
        judge = provider_verdicts.enabled if self.active else provider_verdicts.disabled

        async def look(last: bool) -> Verdict | None:
            elapsed = loop.time() - began
            now = await provider_verdicts.since(context, before.name, elapsed)
            fared = await provider_verdicts.customers(context, before, elapsed)
            return before.held(judge(before, now, fared, context, elapsed, last), now, context)

        return await watch(plan.deadline_s, look, LOOK_EVERY_S)


def _to_disable(readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
    """Failing providers and those whose circuit flaps, unless already disabled."""
    transactions, circuits = (
        value_of(readings, "transactions", Transactions),
        value_of(readings, "circuits", Circuits),
    )
    names = [provider.name for provider in circuits.providers] if circuits else []
    keys, twins = keys_of(names), look_alikes(names)
    known = {keys[provider.name]: provider for provider in circuits.providers} if circuits else {}
    rules, found = settings.transactions, {}
    for traffic in transactions.providers if transactions else ():
        rate = traffic.failure_rate or 0.0
        if traffic.decided >= rules.provider_few and rate >= rules.provider_failing:
            found[keys.get(traffic.name, traffic.name.lower())] = (traffic.name, f"{percent(rate)} failing", rate)
    for name, circuit in known.items():
        if circuit.flapping and name not in found:
            found[name] = (circuit.name, "its circuit flaps", 0.2)
    return tuple(
        Suggestion(
            title=f"Disable provider {marked(shown, twins)} - {why}", arguments={"provider": shown}, weight=weight
        )
        for name, (shown, why, weight) in sorted(found.items(), key=lambda item: -item[1][2])
        if name not in known or known[name].active is not False
    )


def _to_enable(readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
    circuits = value_of(readings, "circuits", Circuits)
    twins = look_alikes(circuit.name for circuit in (circuits.providers if circuits else ()))
    return tuple(
        Suggestion(
            title=f"Enable provider {marked(circuit.name, twins)} - disabled now",
            arguments={"provider": circuit.name},
            weight=0.1,
        )
        for circuit in (circuits.providers if circuits else ())
        if circuit.active is False
    )


async def _way(context: Context, provider_id: str | None = None) -> Guard | None:
    """ok: by the admin API; block: it must be and can't; warn: it could not, so SQL is used; None: SQL anyhow."""
    wanted = context.settings.actions.provider_by
    if wanted == "sql" or (wanted == "auto" and api_missing(context.settings, context.sources)):
        return None
    guard = await (api_guard(context, provider_id) if provider_id else api_guard(context))
    if guard.level == "ok" or wanted == "api":
        return guard
    return Guard(name=guard.name, level="warn", reason=f"{guard.reason}; SQL is used instead")


async def _is_active(connection: asyncpg.Connection, table: ProviderTable, provider_id: str) -> bool | None:
    active: bool | None = await connection.fetchval(f"SELECT {table.flag} FROM providers WHERE id = $1", provider_id)
    return active


async def _changed_meanwhile(connection: asyncpg.Connection, table: ProviderTable, target: Target) -> Outcome:
    """Why the row is not as previewed any more."""
    active, name = await _is_active(connection, table, target.id), target.identity["name"]
    if active is None:
        return Outcome(state="refused", answer=f"{name} is gone: nothing was changed")
    state = "enabled" if active else "disabled"
    return Outcome(state="refused", answer=f"{name} is {state} already: nothing was changed")


def _said_active(reply: HttpReply) -> bool | None:
    """What the API's answer says of the provider; its shape depends on the version (nexnum.md#provider-api)."""
    row = reply.document.get("provider", reply.document) if isinstance(reply.document, dict) else None
    said = row.get("isActive") if isinstance(row, dict) else None
    return said if isinstance(said, bool) else None


DISABLE = SwitchProvider(
    name="provider.disable",
    title="Disable a provider",
    synonyms=("stop provider", "switch off", "take out", "turn off", "deactivate", "ban", "block"),
    active=False,
    letter="d",
)
ENABLE = SwitchProvider(
    name="provider.enable",
    title="Enable a provider",
    synonyms=("start provider", "switch on", "bring back", "turn on", "activate", "unban", "allow"),
    active=True,
    letter="e",
)
ACTIONS: tuple[Action, ...] = (DISABLE, ENABLE)
