"""What switching a provider plans, sends and makes of each answer; the answers are given as values here.

That a real database and a real API answer so is tested elsewhere.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from nexconsole.actions import providers
from nexconsole.actions.action import Context
from nexconsole.actions.failure_rate_change import Rate
from nexconsole.actions.http_replies import HttpReply
from nexconsole.actions.plan import Confirmation, Guard, Outcome, Plan, Verdict
from nexconsole.actions.provider_rows import ProviderRow, ProviderTable
from nexconsole.actions.providers import DISABLE, ENABLE, SwitchProvider
from nexconsole.errors import ActionError, SourceError
from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.signals.circuits import Circuits, ProviderCircuit
from nexconsole.signals.counts import Counts, SourceCounts
from nexconsole.signals.transactions import ProviderTraffic, Transactions

NOW = datetime(2026, 1, 23, 14, 7, 31, tzinfo=UTC)
API = Guard(name="admin API", level="ok", reason="the API's route for a provider exports PATCH")
NO_API = Guard(name="admin API", level="block", reason="the API is away")


class SwitchedWorld:
    """Two active providers, and what the database and the API answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = [self.row("smsbower", True), self.row("5sim", True)]
        self.seen: SourceCounts | None = SourceCounts(
            source="postgres",
            providers={"smsbower": Counts(attempts=60, failures=55), "5sim": Counts(attempts=140, failures=2)},
        )
        self.live = 0
        self.api = API
        self.asked_of: list[Any] = []
        self.active: bool | None = True
        self.changed: Any = [{"id": "id-smsbower", "name": "smsbower"}]
        self.answer: Any = HttpReply(status=200, document={"provider": {"isActive": False}})
        self.ends: Outcome | None = None
        self.statements: list[tuple[Any, ...]] = []
        self.limit_s: float | None = None
        for name in ("read_table", "counts", "live_numbers", "api_guard", "may_update", "asked", "change_rows", "send"):
            monkeypatch.setattr(providers, name, getattr(self, f"_{name}"))
        monkeypatch.setattr(providers, "is_newest", lambda columns: False)
        monkeypatch.setattr(providers.failure_rate_change, "before", self._before)

    @staticmethod
    def row(name: str, active: bool) -> ProviderRow:
        return ProviderRow(id=f"id-{name}", name=name, display_name=name.upper() + " Ltd", active=active)

    def context(self, **tables: Any) -> Context:
        @contextlib.asynccontextmanager
        async def read(what: str) -> AsyncIterator[Any]:
            yield SimpleNamespace(fetch=self._fetch)

        async def columns() -> dict[str, Any]:
            return {}

        async def require(table: str, *columns: str) -> dict[str, Any]:
            raise SourceError("postgres", f"{table} can't be read")  # so nobody can tell the minute before

        sources = SimpleNamespace(
            postgres=SimpleNamespace(schema="public", read=read, columns=columns, require=require),
            has=lambda name: name in ("postgres", "api"),
            health=lambda: (),
        )
        actions = {"provider_cache_s": 60.0, "verify_s": 90.0} | tables.pop("actions", {})
        document = {"postgres": {"url": "postgresql://h/b"}, "api": {"admin_token": "t"}, "actions": actions} | tables
        return Context(
            settings=msgspec.convert(document, Settings),
            sources=sources,
            readings=dict,
            operator="maria",
            clock=lambda: NOW,
        )  # type: ignore[arg-type]

    async def plan(self, action: SwitchProvider = DISABLE, provider: str = "smsbower", **tables: Any) -> Plan:
        return await action.prepare({"provider": provider}, self.context(**tables))

    async def _read_table(self, context: Context) -> ProviderTable:
        return ProviderTable(rows=self.rows, column="is_active", now="now()")

    async def _counts(self, context: Context) -> SourceCounts | None:
        return self.seen

    async def _live_numbers(self, context: Context, name: str) -> int:
        return self.live

    async def _api_guard(self, context: Context, *provider_id: str) -> Guard:
        self.asked_of.append(provider_id)
        return self.api

    async def _may_update(self, tx: Any, table: str, columns: tuple[str, ...]) -> Guard:
        assert (table, columns) == ("providers", ("is_active", "updated_at"))
        return Guard(name="role may write", level="ok", reason="it may")

    async def _asked(self, context: Context, table: str, columns: tuple[str, ...]) -> Guard:
        return await self._may_update(None, table, columns)

    async def _before(self, context: Context) -> str:
        return "before"

    async def _change_rows(
        self, context: Context, work: Callable[[Any], Awaitable[Outcome]], timeout_s: float | None = None
    ) -> Outcome:
        self.limit_s = timeout_s
        done = await work(SimpleNamespace(fetch=self._fetch, fetchval=self._fetchval, execute=self._execute))
        return self.ends or done

    async def _fetch(self, sql: str, *given: Any) -> Any:
        self.statements.append((sql, *given))
        return self.changed

    async def _fetchval(self, sql: str, *given: Any) -> Any:
        assert (sql, given) == ("SELECT is_active FROM providers WHERE id = $1", ("id-smsbower",))
        return self.active

    async def _execute(self, sql: str, *given: Any) -> None:
        self.statements.append((sql, *given))

    async def _send(self, context: Context, method: str, path: str, *, headers: Any, body: Any) -> Any:
        self.statements.append((method, path, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def world(monkeypatch) -> SwitchedWorld:
    return SwitchedWorld(monkeypatch)


# --- the plan ---


async def test_a_plan_to_disable_says_what_it_is_about(world):
    world.live = 3
    plan = await world.plan()
    [target] = plan.targets
    assert (target.kind, target.id) == ("provider", "id-smsbower")
    assert target.identity == {"name": "smsbower", "active": True, "by": "api"}
    assert target.shown == {
        "display_name": "smsbower (SMSBOWER Ltd)",
        "live_numbers": 3,
        "attempts": 60,
        "failures": 55,
    }
    assert plan.watch == "attempts at smsbower end within 60 s, and customers are served"
    assert plan.details == {
        "by": "api",
        "column": "is_active",
        "now": "now()",
        "attempts": 60,
        "others": 140,
        "before": "before",
        "minute": None,
        "rest": asdict(Rate(source="postgres", attempts=140, failures=2, seconds=300)),
    }
    assert plan.action == "provider.disable" and plan.arguments == {"provider": "smsbower"}
    assert plan.effect.startswith("Disables smsbower (SMSBOWER Ltd): it has 30 % of purchases (60 of 200, 55 failed)")
    assert plan.undo is not None
    assert (plan.undo.action, plan.undo.arguments) == ("provider.enable", {"provider": "smsbower"})
    assert '"isActive": true' in plan.undo.command and '"isActive": false' in plan.command
    assert world.asked_of == [("id-smsbower",)]


async def test_a_plan_to_enable_says_what_it_is_about(world):
    world.rows[0] = world.row("smsbower", False)
    plan = await world.plan(ENABLE, actions={"provider_by": "sql"})
    assert plan.watch == "attempts at smsbower come back within 60 s, and customers are served"
    assert plan.targets[0].identity == {"name": "smsbower", "active": False, "by": "sql"}
    assert plan.effect.startswith("Enables smsbower (SMSBOWER Ltd): ")
    assert plan.undo is not None and plan.undo.action == "provider.disable"
    assert shlex.split(plan.command)[-1] == (
        "UPDATE public.providers SET is_active = true, updated_at = now() WHERE id = 'id-smsbower' AND NOT is_active"
        " RETURNING id, name"
    )
    assert "SET is_active = false" in plan.undo.command and "AND is_active RETURNING" in plan.undo.command
    assert next((guard.name, guard.level) for guard in plan.guards) == ("role may write", "ok")
    assert [guard.reason for guard in plan.guards if guard.name == "healthy"] == [
        "smsbower looked ill: 55 of its 60 purchases fail"
    ]
    well = await world.plan(ENABLE, actions={"provider_by": "sql"})
    assert well.confirm == Confirmation(kind="letter", text="e")


async def test_a_provider_that_looked_well_is_enabled_without_a_word(world):
    world.rows[1] = world.row("5sim", False)
    plan = await world.plan(ENABLE, "5sim")
    assert [guard.name for guard in plan.guards if guard.name == "healthy"] == []


async def test_without_counts_nothing_is_said_of_the_traffic(world):
    world.seen = None
    plan = await world.plan()
    assert "attempts" not in plan.targets[0].shown and "failures" not in plan.targets[0].shown
    assert (plan.details["attempts"], plan.details["others"]) == (None, None)


@pytest.mark.parametrize(("action", "active", "state"), [(DISABLE, False, "disabled"), (ENABLE, True, "enabled")])
async def test_what_is_so_already_is_not_planned(world, action, active, state):
    world.rows[0] = world.row("smsbower", active)
    with pytest.raises(ActionError) as error:
        await world.plan(action)
    assert str(error.value) == f"smsbower (SMSBOWER Ltd) is {state} already"


@pytest.mark.parametrize(
    ("attempts", "actions", "deadline_s"),
    [
        (60, {}, 90.0),  # 60 s of caches and a silence of 40 s: longer than a verdict may take
        (60, {"provider_cache_s": 1.0, "verify_s": 200.0}, 41.0),
        (240, {"provider_cache_s": 1.0, "verify_s": 200.0}, 16.0),  # at least 15 s after the caches
        (0, {"provider_cache_s": 1.0, "verify_s": 200.0}, 16.0),
    ],
)
async def test_a_verdict_waits_for_the_caches_and_for_a_silence_that_proves_something(
    world, attempts, actions, deadline_s
):
    world.seen = SourceCounts(source="postgres", providers={"smsbower": Counts(attempts=attempts, failures=0)})
    assert (await world.plan(actions=actions)).deadline_s == deadline_s


def both(bower: tuple[int, int], sim: tuple[int, int]) -> SourceCounts:
    given = {"smsbower": bower, "5sim": sim}
    return SourceCounts(
        source="postgres", providers={name: Counts(attempts=a, failures=f) for name, (a, f) in given.items()}
    )


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (both((60, 55), (140, 2)), "letter"),  # it fails, another is well, few succeed there
        (both((60, 2), (140, 2)), "type"),  # it is well
        (both((60, 55), (140, 100)), "type"),  # the other one is not well
        (both((100, 50), (52, 2)), "letter"),  # half of what succeeds
        (both((102, 51), (52, 2)), "type"),  # more than half
    ],
)
async def test_what_may_harm_is_confirmed_by_typing_the_name(world, seen, kind):
    world.seen = seen
    text = "smsbower" if kind == "type" else "d"
    assert (await world.plan()).confirm == Confirmation(kind=kind, text=text)


async def test_what_speaks_for_and_against_it_is_looked_at_in_one_order(world):
    plan = await world.plan()
    assert [guard.name for guard in plan.guards] == [
        "admin API",
        "transactions read",
        "it fails",
        "healthy providers left",
        "live numbers",
        "its offers",
    ]


# --- the way ---


@pytest.mark.parametrize(
    ("wanted", "token", "api", "by", "first"),
    [
        ("sql", "t", API, "sql", Guard(name="role may write", level="ok", reason="it may")),
        ("auto", "", API, "sql", Guard(name="role may write", level="ok", reason="it may")),
        ("auto", "t", API, "api", API),
        (
            "auto",
            "t",
            NO_API,
            "sql",
            Guard(name="admin API", level="warn", reason="the API is away; SQL is used instead"),
        ),
        ("api", "t", API, "api", API),
        ("api", "t", NO_API, "sql", NO_API),
        ("api", "", NO_API, "sql", NO_API),
    ],
)
async def test_the_admin_api_is_used_where_it_can_be_and_else_sql_where_that_is_allowed(
    world, wanted, token, api, by, first
):
    world.api = api
    plan = await world.plan(actions={"provider_by": wanted}, api={"admin_token": token})
    assert (plan.details["by"], plan.guards[0]) == (by, first)
    assert any(guard.name == "role may write" for guard in plan.guards) == (by == "sql")
    permitted = await DISABLE.permitted(world.context(actions={"provider_by": wanted}, api={"admin_token": token}))
    assert permitted == (Guard(name="role may write", level="ok", reason="it may") if first.level == "warn" else first)
    assert world.asked_of in ([], [("id-smsbower",), ()])  # of a provider that there is, then of the route


def test_what_is_not_there_is_unavailable_and_says_what_to_set(world):
    settings, sources = world.context(actions={"provider_by": "api"}, api={"admin_token": ""}).settings, world
    nothing = SimpleNamespace(has=lambda name: False)
    assert DISABLE.unavailable(settings, nothing) == "the providers can't be read: set postgres.url (DATABASE_URL)"
    there = world.context().sources
    assert DISABLE.unavailable(settings, there) == "the admin API wants an admin's token: set api.admin_token"
    assert DISABLE.unavailable(world.context(api={"admin_token": ""}).settings, there) is None
    assert sources is world


# --- by SQL ---


async def by_sql(world: SwitchedWorld, action: SwitchProvider = DISABLE) -> Outcome:
    plan = await world.plan(action, actions={"provider_by": "sql"})
    world.statements.clear()
    return await action.execute(plan, world.context())


async def test_one_row_is_changed_by_its_id_while_it_is_as_previewed(world):
    outcome = await by_sql(world)
    assert (outcome.state, outcome.answer) == ("done", "UPDATE 1: smsbower is disabled")
    assert [one.id for one in outcome.touched] == ["id-smsbower"]
    assert world.statements == [
        (
            "UPDATE public.providers SET is_active = false, updated_at = now() WHERE id = $1 AND is_active"
            " RETURNING id, name",
            "id-smsbower",
        )
    ]


async def test_two_rows_of_one_id_are_left_alone(world):
    world.changed = world.changed * 2
    outcome = await by_sql(world)
    assert (outcome.state, outcome.answer) == ("refused", "2 rows have this id: nothing was changed")


@pytest.mark.parametrize(
    ("active", "said"),
    [
        (False, "smsbower is disabled already: nothing was changed"),
        (True, "smsbower is enabled already: nothing was changed"),
        (None, "smsbower is gone: nothing was changed"),
    ],
)
async def test_a_row_that_is_another_by_then_is_left_alone_and_it_is_said_why(world, active, said):
    world.changed, world.active = [], active
    outcome = await by_sql(world)
    assert (outcome.state, outcome.answer, outcome.touched) == ("refused", said, ())


# --- by the API ---


async def by_api(world: SwitchedWorld, action: SwitchProvider = DISABLE) -> Outcome:
    plan = await world.plan(action)
    world.statements.clear()
    return await action.execute(plan, world.context(actions={"timeout_s": 4.0}))


async def test_the_api_is_asked_in_turn_with_the_smallest_body(world):
    outcome = await by_api(world)
    assert (outcome.state, outcome.answer) == ("done", "the API answered 200: smsbower is disabled")
    assert world.statements == [
        ("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "nexconsole provider id-smsbower"),
        ("PATCH", "/api/admin/providers/id-smsbower", {"isActive": False}),
    ]
    assert world.limit_s == 10.0  # two and a half times what one exchange may take: one may be in the turn before


@pytest.mark.parametrize("active", [False, None])
async def test_a_row_that_is_another_in_its_turn_is_not_asked_to_change(world, active):
    world.active = active
    outcome = await by_api(world)
    assert outcome.state == "refused" and not any(one[0] == "PATCH" for one in world.statements)


@pytest.mark.parametrize(
    ("document", "state"),
    [
        ({"provider": {"isActive": False}}, "done"),
        ({"isActive": False}, "done"),
        ({"provider": {"isActive": True}}, "unknown"),
        ({"isActive": True}, "unknown"),
        ({"ok": True}, "done"),
        ({"provider": "smsbower"}, "done"),
        ({"provider": {"isActive": "yes"}}, "done"),
        ([], "done"),
        (None, "done"),
    ],
)
async def test_an_answer_that_says_the_opposite_proves_nothing(world, document, state):
    world.answer = HttpReply(status=202, document=document)
    outcome = await by_api(world)
    assert outcome.state == state
    if state == "unknown":
        assert outcome.answer.startswith("the API answered 202, and that the provider is as it was")


async def test_a_refusal_is_told_as_it_came(world):
    world.answer = Outcome(state="refused", answer="PATCH answered 403: nothing was changed")
    assert await by_api(world) == world.answer


async def test_what_the_api_answered_counts_whatever_becomes_of_the_turn(world):
    world.ends = Outcome(state="failed", answer="postgres went away")
    assert (await by_api(world)).answer == "the API answered 200: smsbower is disabled"


async def test_a_turn_that_ends_while_the_api_is_asked_leaves_it_unknown(world, monkeypatch):
    async def cut(context: Context, work: Callable[[Any], Awaitable[Outcome]], timeout_s: float) -> Outcome:
        connection = SimpleNamespace(fetchval=world._fetchval, execute=world._execute)
        with contextlib.suppress(TimeoutError):
            await work(connection)
        return Outcome(state="failed", answer="no answer in time")

    monkeypatch.setattr(providers, "change_rows", cut)
    world.answer = TimeoutError()
    outcome = await by_api(world)
    assert (outcome.state, outcome.answer) == (
        "unknown",
        "no answer in time; but the API was being asked: it may have happened or not",
    )
    world.active = False
    assert (await by_api(world)).answer == "no answer in time"  # it had not been asked


# --- what became of it ---


@pytest.mark.parametrize(
    ("rows", "state", "said"),
    [
        ([{"active": False}], "done", "it was done: the row of smsbower says disabled; no answer"),
        ([{"active": True}], "failed", "not done: the row of smsbower says enabled; no answer"),
        ([], "failed", "not done: smsbower has no row now; no answer"),
    ],
)
async def test_the_row_settles_what_no_answer_proved(world, rows, state, said):
    plan = await world.plan()
    world.changed = rows
    world.statements.clear()
    settled = await DISABLE.settle(plan, Outcome(state="unknown", answer="no answer"), world.context())
    assert (settled.state, settled.answer) == (state, said)
    assert settled.touched == (plan.targets if state == "done" else ())
    assert world.statements[0] == ("SELECT is_active AS active FROM providers WHERE id = $1", "id-smsbower")


@pytest.mark.parametrize(("by", "state"), [("auto", "unknown"), ("sql", "failed")])
async def test_what_an_api_did_not_answer_may_still_come_and_what_sql_did_not_does_not(world, by, state):
    plan = await world.plan(actions={"provider_by": by})
    world.changed = [{"active": True}]
    unanswered = Outcome(state="unknown", answer="no answer", answered=False)
    settled = await DISABLE.settle(plan, unanswered, world.context(actions={"verify_s": 0.0}))
    assert settled.state == state


@pytest.mark.parametrize("action", [DISABLE, ENABLE])
async def test_a_verdict_is_the_first_clear_one_of_its_own_rules_by_what_was_seen_since(world, monkeypatch, action):
    world.rows[0] = world.row("smsbower", not action.active)
    plan, looks = await world.plan(action), []

    def rules(name: str) -> Callable[..., Verdict | None]:
        def judge(before: Any, now: Any, fared: Any, context: Context, elapsed: float, last: bool) -> Verdict | None:
            looks.append((now.at, fared, elapsed >= 0, last))
            return Verdict(state="worked", because=f"by the rules of {name}") if len(looks) == 2 else None

        return judge

    async def since(context: Context, name: str, elapsed: float) -> SimpleNamespace:
        return SimpleNamespace(at=name, others=Rate(source="postgres", attempts=0, failures=0))

    async def customers(context: Context, before: Any, elapsed: float) -> str:
        return f"of {before.name}"

    for name in ("enabled", "disabled"):
        monkeypatch.setattr(providers.provider_verdicts, name, rules(name))
    monkeypatch.setattr(providers.provider_verdicts, "since", since)
    monkeypatch.setattr(providers.provider_verdicts, "customers", customers)
    monkeypatch.setattr(providers, "LOOK_EVERY_S", 0.01)
    done = Outcome(state="done", answer="done", touched=plan.targets)
    verdict = await action.verify(plan, done, world.context())
    assert verdict.because == f"by the rules of {'enabled' if action.active else 'disabled'}"
    assert looks == [("smsbower", "of smsbower", True, False)] * 2


# --- suggestions ---


def circuit(name: str, **fields: Any) -> ProviderCircuit:
    return ProviderCircuit(**{"name": name, "id": name, "active": True, "state": "closed"} | fields)


def suggested(
    action: SwitchProvider, traffic: dict[str, tuple[int, int]], *circuits: ProviderCircuit
) -> list[tuple[str, float]]:
    providers_seen = tuple(
        ProviderTraffic(name=name, attempts=a, failures=f, failure_rate=f / a if a else None)
        for name, (a, f) in traffic.items()
    )
    values = {
        "transactions": Transactions(failure_rate=None, attempts=0, failures=0, window_s=300, providers=providers_seen),
        "circuits": Circuits(providers=circuits) if circuits else None,
    }
    readings = {name: Reading(signal=name, every=2.0, value=value) for name, value in values.items()}
    return [(one.title, one.weight) for one in action.suggestions(readings, Settings())]


@pytest.mark.parametrize(
    ("traffic", "circuits", "expected"),
    [
        ({"a": (5, 1)}, (), [("Disable provider a - 20 % failing", 0.2)]),
        ({"a": (4, 4)}, (), []),
        ({"a": (100, 19)}, (), []),
        ({"a": (0, 0)}, (), []),
        (
            {"a": (100, 40), "b": (100, 90)},
            (),
            [("Disable provider b - 90 % failing", 0.9), ("Disable provider a - 40 % failing", 0.4)],
        ),
        ({"a": (100, 40)}, (circuit("A", active=False),), []),
        ({"a": (100, 40)}, (circuit("A", active=None),), [("Disable provider a - 40 % failing", 0.4)]),
        ({}, (circuit("A", flapping=True), circuit("b")), [("Disable provider A - its circuit flaps", 0.2)]),
        ({"a": (100, 40)}, (circuit("A", flapping=True),), [("Disable provider a - 40 % failing", 0.4)]),
        ({}, (circuit("A", flapping=True, active=False),), []),
    ],
)
def test_whoever_fails_or_flaps_is_suggested_the_worst_first_unless_disabled_already(traffic, circuits, expected):
    assert suggested(DISABLE, traffic, *circuits) == expected


def test_only_who_is_disabled_is_suggested_to_be_enabled():
    circuits = (circuit("a", active=False), circuit("b"), circuit("c", active=None))
    assert suggested(ENABLE, {"a": (100, 90)}, *circuits) == [("Enable provider a - disabled now", 0.1)]
    assert suggested(ENABLE, {}) == []


def test_the_two_actions_are_each_others_way_back():
    assert (DISABLE.name, DISABLE.title, DISABLE.active) == ("provider.disable", "Disable a provider", False)
    assert (ENABLE.name, ENABLE.title, ENABLE.active) == ("provider.enable", "Enable a provider", True)
    assert [(one.name, one.kind, one.required) for one in DISABLE.arguments] == [("provider", "provider", True)]
