"""Disabling and enabling a provider, on a real database and against an admin API."""

from __future__ import annotations

import asyncio
import os

import pytest
import sample_readings
from acting import IDS, Desk, acting, add_provider, lacking, reading, settings_of, shell
from admin_api import TOKEN, admin_api

from nexconsole.actions.perform import perform
from nexconsole.actions.provider_rows import ProviderRow, ProviderTable, find
from nexconsole.actions.providers import DISABLE, ENABLE
from nexconsole.actions.registry import ACTIONS
from nexconsole.actions.shell_commands import psql, sql_text
from nexconsole.errors import ActionError
from nexconsole.settings import Settings
from nexconsole.signals.circuits import Circuits, ProviderCircuit
from nexconsole.signals.transactions import ProviderTraffic, Transactions

HOSTILE = "o'reilly\\'; DROP TABLE providers; -- $(touch /tmp/owned) `id` \"x\" %s {y}"


async def active(database, name: str) -> bool:
    return await database.connection.fetchval("SELECT is_active FROM providers WHERE name = $1", name)


@pytest.fixture
async def market(database):
    """Two active providers with enough traffic to judge by: smsbower fails mostly, 5sim is well."""
    for name, display in (("smsbower", "SMS Bower"), ("5sim", "5SIM")):
        await add_provider(database, name, display=display)
    for number in range(8):
        await database.activation(f"b{number}", 30, "FAILED" if number else "ACTIVE", "smsbower", paid=not number)
        await database.activation(f"f{number}", 30, "ACTIVE", "5sim", paid=True)
    return database


def on(database, **tables) -> Settings:
    return settings_of(postgres={"url": database.url}, **tables)


async def test_a_plan_shows_its_share_of_the_traffic_and_what_depends_on_it(market):
    await market.execute(
        "INSERT INTO numbers (id, phone_number, country_code, service_name, price, status, provider, updated_at)"
        " SELECT 'n' || i, '+1', 'nl', 'wa', 1, 'active', 'smsbower', now() FROM generate_series(1, 3) i"
    )
    async with acting(on(market)) as context:
        plan = await DISABLE.prepare({"provider": "SMS Bower"}, context)
    document = plan.as_dict()
    assert document["targets"] == [
        {
            "kind": "provider",
            "id": IDS["smsbower"],
            "name": "smsbower",
            "active": True,
            "by": "sql",
            "display_name": "smsbower (SMS Bower)",
            "live_numbers": 3,
            "attempts": 8,
            "failures": 7,
            "chosen": True,
        }
    ]
    assert "50 % of purchases (8 of 16, 7 failed)" in plan.effect
    assert "3 live numbers" in plan.effect and "within 1 s" in plan.effect
    warned = {guard.name for guard in plan.guards if guard.level == "warn"}
    assert warned == {"transactions read", "live numbers", "its offers"}
    assert plan.confirm.kind == "letter" and not plan.blocked
    assert plan.undo is not None and plan.undo.action == "provider.enable"
    assert "never-shown" not in str(document)


async def test_live_numbers_and_traffic_are_the_sellers_however_the_sale_was_booked(market):
    for n in range(15):
        await market.sale(f"best{n}", 60, "smsbower", f"5sim:{n}", "5SIM")  # best route: asked first, sold elsewhere
    for n in range(4):
        await market.sale(f"own{n}", 60, "5sim", f"5sim:own{n}", "5sim")
    await market.sale("cancelled", 60, "5sim", "5sim:9", "5sim", status="cancelled")
    await market.sale("named alike", 60, "smsbower", "smsbower:1", "5SIM")  # its number says who sold it
    async with acting(on(market)) as context:
        five = await DISABLE.prepare({"provider": "5sim"}, context)
        bower = await DISABLE.prepare({"provider": "smsbower"}, context)
    assert five.targets[0].shown["live_numbers"] == 19
    assert five.targets[0].shown["attempts"] == 8 + 15 + 4 + 1
    assert bower.targets[0].shown["live_numbers"] == 0
    assert (bower.targets[0].shown["attempts"], bower.targets[0].shown["failures"]) == (9, 7)


async def test_the_preview_of_a_look_alike_is_marked_and_counts_its_own_traffic(market):
    await add_provider(market, "SMSBOWER", display="SMS Bower")
    for n in range(3):
        await market.sale(f"twin{n}", 60, "SMSBOWER", f"SMSBOWER:{n}", "SMSBOWER")
    async with acting(on(market)) as context:
        twin = await DISABLE.prepare({"provider": "SMSBOWER"}, context)
        own = await DISABLE.prepare({"provider": "smsbower"}, context)
    assert (twin.targets[0].shown["live_numbers"], twin.targets[0].shown["attempts"]) == (3, 3)
    assert "Disables SMSBOWER (SMS Bower) (look-alike of smsbower: differs in case)" in twin.effect
    assert (own.targets[0].shown["live_numbers"], own.targets[0].shown["attempts"]) == (0, 8)
    assert twin.targets[0].id != own.targets[0].id


async def test_where_there_is_no_table_of_numbers_the_live_activations_are_counted(market):
    await market.execute("DROP TABLE numbers")
    async with acting(on(market)) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
    assert plan.targets[0].shown["live_numbers"] == 1


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("nobody", "there are 5sim, smsbower"), ("", "no name given"), ("twin", "may be any of one, two")],
)
async def test_a_name_that_is_no_providers_or_several_lists_the_names(market, wanted, said):
    if wanted == "twin":
        for name in ("one", "two"):
            await add_provider(market, name, display="Twin")
    async with acting(on(market)) as context:
        with pytest.raises(ActionError, match=said):
            await DISABLE.prepare({"provider": wanted}, context)


def test_a_provider_is_found_by_id_name_or_display_name_whatever_its_case():
    row = ProviderRow(id="42", name="smsbower", display_name="SMS Bower", active=True)
    table = ProviderTable(
        rows=[row, ProviderRow(id="43", name="SMS Bower 2", display_name="", active=True)], column="is_active", now=""
    )
    assert all(find(table, text) is row for text in ("42", "smsbower", "SmsBower", " sms bower "))


async def test_what_is_disabled_already_is_said_and_nothing_prepared(market):
    await market.execute("UPDATE providers SET is_active = false WHERE name = 'smsbower'")
    async with acting(on(market)) as context:
        with pytest.raises(ActionError, match=r"smsbower \(SMS Bower\) is disabled already"):
            await DISABLE.prepare({"provider": "smsbower"}, context)
        with pytest.raises(ActionError, match="5sim is enabled already"):
            await ENABLE.prepare({"provider": "5sim"}, context)


@pytest.mark.parametrize("shape", ["prisma", "timestamptz", "isActive"])
async def test_one_row_is_changed_with_its_time_whatever_the_tables_shape(database, shape):
    await database.create(timestamptz=shape == "timestamptz")
    if shape == "isActive":
        await database.execute('ALTER TABLE providers RENAME is_active TO "isActive"')
    flag = '"isActive"' if shape == "isActive" else "is_active"
    for name in ("smsbower", "5sim"):
        await add_provider(database, name)
    async with acting(on(database)) as context:
        controller = Desk()
        done = await perform(DISABLE, {"provider": "smsbower"}, context, controller.console)
    assert done.outcome is not None and done.outcome.state == "done", done
    rows = await database.connection.fetch(
        f"SELECT name, {flag} AS active, abs(extract(epoch FROM (CASE WHEN pg_typeof(updated_at)::text LIKE '%without%'"
        " THEN (updated_at::timestamp AT TIME ZONE 'UTC') ELSE updated_at::timestamptz END) - now())) AS age"
        " FROM providers ORDER BY name"
    )
    assert [row["active"] for row in rows] == [True, False]
    assert rows[1]["age"] < 5 and rows[0]["age"] > 3600


async def test_the_last_healthy_active_provider_is_disabled_only_by_typing_its_name(market):
    async with acting(on(market)) as context:
        plan = await DISABLE.prepare({"provider": "5sim"}, context)
        assert plan.confirm.kind == "type" and plan.confirm.text == "5sim"
        guard = next(guard for guard in plan.guards if guard.name == "healthy providers left")
        assert guard.level == "warn" and "smsbower: 7 of its 8 purchases fail" in guard.reason
        done = await perform(DISABLE, {"provider": "5sim"}, context, Desk(lambda plan: "d").console)
    assert done.outcome is None and await active(market, "5sim")


async def test_a_healthy_provider_is_disabled_only_by_typing_its_name(database):
    """2 of 88 fail, and 18 % of purchases go there: nothing is wrong with it."""
    for name in ("smsbower", "5sim"):
        await add_provider(database, name)
    for number in range(88):
        await database.activation(f"s{number}", 30, "FAILED" if number < 2 else "ACTIVE", "smsbower", paid=number >= 2)
    for number in range(401):
        await database.activation(f"f{number}", 30, "ACTIVE", "5sim", paid=True)
    async with acting(on(database)) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
    guard = next(guard for guard in plan.guards if guard.name == "it fails")
    assert guard.level == "warn"
    assert guard.reason == "smsbower is healthy: 2 of 88 failed; 18 % of purchases go there"
    assert (plan.confirm.kind, plan.confirm.text) == ("type", "smsbower")


@pytest.mark.parametrize(
    ("era", "said"),
    [
        (
            "head",
            "so is everybody who leaves the choice to NexNum (best route, 404 E_NO_ROUTE) wherever its offer is"
            " the cheapest: 8 of the last 16 purchases went there. The admin API takes them out: set api.url",
        ),
        ("old", "its offers stay on sale, nothing takes them out of the search index: buying one answers 503"),
    ],
)
async def test_what_sql_can_not_do_is_said_by_version(database, era, said):
    await database.create(era=era)
    for name in ("smsbower", "5sim"):
        await add_provider(database, name)
    for number in range(8):
        await database.activation(f"b{number}", 30, "FAILED", "smsbower")
        await database.activation(f"f{number}", 30, "ACTIVE", "5sim", paid=True)
    async with acting(on(database)) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
    guard = next(guard for guard in plan.guards if guard.name == "its offers")
    assert guard.level == "warn" and said in guard.reason, guard


async def test_a_provider_whose_circuit_is_open_is_not_counted_as_healthy(market):
    circuits = Circuits(providers=(ProviderCircuit(name="5sim", id=IDS["5sim"], active=True, state="open"),))
    async with acting(on(market), {"circuits": reading("circuits", circuits)}) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
    assert plan.confirm.text == "smsbower"


async def test_figures_that_are_old_are_warned_of(market):
    old = Transactions(failure_rate=0.5, attempts=10, failures=5, window_s=300)
    readings = {"transactions": reading("transactions", old, age_s=45)}
    async with acting(on(market), readings) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
    guard = next(guard for guard in plan.guards if guard.name == "transactions read")
    assert guard.level == "warn" and "45 s ago" in guard.reason


async def test_a_role_that_may_only_read_is_blocked_and_the_grant_named(market):
    async with acting(settings_of(postgres={"url": market.server.read_url})) as context:
        guard = await DISABLE.permitted(context)
        done = await perform(DISABLE, {"provider": "smsbower"}, context, Desk().console)
    assert guard.level == "block"
    assert (
        done.stopped is not None and "GRANT UPDATE (is_active, updated_at) ON providers TO nexnum_read" in done.stopped
    )
    assert await active(market, "smsbower")


async def test_a_role_that_is_read_only_by_its_settings_stays_so(market):
    await market.execute("ALTER ROLE nexnum SET default_transaction_read_only = on")
    try:
        async with acting(on(market)) as context:
            done = await perform(DISABLE, {"provider": "smsbower"}, context, Desk().console)
    finally:
        await market.execute("ALTER ROLE nexnum RESET default_transaction_read_only")
    assert done.stopped is not None and "default_transaction_read_only" in done.stopped


async def test_the_literal_command_pasted_in_a_shell_does_the_same(market):
    if lacking("psql"):
        pytest.skip("psql is not installed")
    async with acting(on(market)) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
    status, printed = await shell(plan.command, DATABASE_URL=market.url)
    assert status == 0 and "UPDATE 1" in printed, printed
    assert not await active(market, "smsbower")
    assert plan.undo is not None
    status, printed = await shell(plan.undo.command, DATABASE_URL=market.url)
    assert status == 0 and await active(market, "smsbower"), printed


async def test_parameters_that_libpq_refuses_are_left_out_of_the_command(market):
    if lacking("psql"):
        pytest.skip("psql is not installed")
    url = market.url + "?schema=public&pgbouncer=true&connection_limit=5&sslmode=disable"
    command = psql(settings_of(postgres={"url": url}), "SELECT 41 + 1")
    status, printed = await shell(command, DATABASE_URL=url)
    assert status == 0 and "42" in printed, printed


async def test_hostile_texts_are_literals_in_sql_and_words_in_the_shell(database):
    if lacking("psql"):
        pytest.skip("psql is not installed")
    for hostile in (HOSTILE, "a\nb\x1b[31m\\", "\u202e'"):
        command = psql(on(database), f"SELECT length({sql_text(hostile)})")
        assert command.isprintable()
        status, printed = await shell(command, DATABASE_URL=database.url)
        assert status == 0 and str(len(hostile)) in printed, printed
    assert "owned" not in os.listdir("/tmp")


async def test_a_provider_with_a_hostile_name_is_disabled_like_any_other(market):
    await add_provider(market, HOSTILE, id="it's")
    async with acting(on(market)) as context:
        plan = await DISABLE.prepare({"provider": HOSTILE}, context)
        done = await perform(DISABLE, {"provider": HOSTILE}, context, Desk().console)
    assert done.outcome is not None and done.outcome.state == "done", done
    assert not await active(market, HOSTILE)
    if not lacking("psql"):
        await market.execute("UPDATE providers SET is_active = true WHERE id = $1", "it's")
        status, printed = await shell(plan.command, DATABASE_URL=market.url)
        assert status == 0 and not await active(market, HOSTILE), printed


async def test_two_operators_at_once_are_one_change_and_one_honest_refusal(market):
    async with acting(on(market)) as context, acting(on(market)) as other:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
        outcomes = await asyncio.gather(DISABLE.execute(plan, context), DISABLE.execute(plan, other))
    assert sorted(outcome.state for outcome in outcomes) == ["done", "refused"]
    refused = next(outcome for outcome in outcomes if outcome.state == "refused")
    assert "disabled already: nothing was changed" in refused.answer


async def test_a_row_that_somebody_else_has_locked_is_a_failure_that_changed_nothing(market):
    async with acting(settings_of(postgres={"url": market.url}, actions={"timeout_s": 0.6})) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
        async with market.connection.transaction():
            await market.execute("SELECT 1 FROM providers WHERE name = 'smsbower' FOR UPDATE")
            outcome = await DISABLE.execute(plan, context)
    assert outcome.state == "failed" and "nothing was changed" in outcome.answer
    assert await active(market, "smsbower")


async def test_a_server_that_hangs_before_the_commit_has_changed_nothing(market):
    async with acting(
        settings_of(postgres={"url": market.url, "connect_timeout_s": 0.5}, actions={"timeout_s": 0.5})
    ) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
        market.server.freeze()
        try:
            outcome = await DISABLE.execute(plan, context)
        finally:
            market.server.freeze(False)
    assert outcome.state == "failed" and "nothing was changed" in outcome.answer
    assert await active(market, "smsbower")


class HangingAtCommit:
    """A connection whose server hangs as soon as COMMIT is on its way."""

    def __init__(self, connection, server):
        self._connection = connection
        self._server = server

    def __getattr__(self, name):
        return getattr(self._connection, name)

    async def execute(self, sql, *args):
        if sql == "COMMIT":
            self._server.freeze()
        return await self._connection.execute(sql, *args)


async def test_a_server_that_hangs_at_the_commit_is_unknown_and_the_verdict_tells(market):
    settings = on(market, actions={"timeout_s": 0.5})
    async with acting(settings) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
        connect = context.sources.postgres.connect

        async def hanging():
            return HangingAtCommit(await connect(), market.server)

        context.sources.postgres.connect = hanging
        try:
            outcome = await DISABLE.execute(plan, context)
        finally:
            market.server.freeze(False)
    assert outcome.state == "unknown" and "it may have happened or not" in outcome.answer


async def test_a_session_that_is_cut_off_before_the_commit_has_changed_nothing(market):
    async with acting(on(market)) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
        async with market.connection.transaction():
            await market.execute("SELECT 1 FROM providers WHERE name = 'smsbower' FOR UPDATE")
            executing = asyncio.create_task(DISABLE.execute(plan, context))
            cut_off = (
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = 'nexconsole' AND wait_event_type = 'Lock'"
            )
            async with asyncio.timeout(20):
                while not await market.connection.fetchval(cut_off):
                    await market.execute("SELECT pg_stat_clear_snapshot()")
                    await asyncio.sleep(0.02)
            outcome = await executing
    assert outcome.state == "failed" and "nothing was changed" in outcome.answer
    assert await active(market, "smsbower")


# --- verdicts ---


async def test_a_silence_shorter_than_chance_is_not_called_an_effect(market):
    async with acting(on(market)) as context:
        done = await perform(DISABLE, {"provider": "smsbower"}, context, Desk().console)
    assert done.verdict is not None and done.verdict.state == "unknown", done.verdict
    assert "too few to tell" in done.verdict.because


async def test_attempts_that_go_on_after_the_caches_time_are_no_effect(market):
    settings = on(market, actions={"provider_cache_s": 0.2, "verify_s": 1.5})

    async def keep_buying() -> None:
        for number in range(100):
            await market.activation(f"late{number}", 0, "FAILED", "smsbower")
            await market.activation(f"sold{number}", 0, "ACTIVE", "5sim", paid=True)
            await asyncio.sleep(0.05)

    async with acting(settings) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
        outcome = await DISABLE.execute(plan, context)
        buying = asyncio.create_task(keep_buying())
        verdict = await DISABLE.verify(plan, outcome, context)
        buying.cancel()
    assert verdict.state == "no effect" and "still on sale" in verdict.because


def impatient(monkeypatch) -> None:
    """A silence of half a second proves something."""
    monkeypatch.setattr("nexconsole.actions.provider_verdicts.QUIET_LEAST_S", 0.5)
    monkeypatch.setattr("nexconsole.actions.provider_verdicts.ENOUGH", 0.01)
    monkeypatch.setattr("nexconsole.actions.providers.LOOK_EVERY_S", 0.2)


async def test_a_long_enough_silence_in_which_others_sell_is_called_worked(market, monkeypatch):
    impatient(monkeypatch)

    async def sell() -> None:
        for number in range(4):
            await market.activation(f"sold{number}", 0, "ACTIVE", "5sim", paid=True)

    async with acting(on(market)) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
        outcome = await DISABLE.execute(plan, context)
        verifying = asyncio.create_task(DISABLE.verify(plan, outcome, context))
        await asyncio.sleep(0.1)
        await sell()
        verdict = await verifying
    assert verdict.state == "worked", verdict
    assert "no attempts at smsbower for 0 s (0 expected); since: sold 4, failed 0" in verdict.because


async def test_a_silence_in_which_nobody_buys_at_all_is_no_success(market, monkeypatch):
    """As where all that is sold by best route was refused without a row: nobody tries the provider, nobody buys."""
    impatient(monkeypatch)
    await market.execute("UPDATE activations SET provider_id = 'smsbower'")
    async with acting(on(market)) as context:
        done = await perform(DISABLE, {"provider": "smsbower"}, context, Desk().console)
    assert done.verdict is not None and done.verdict.state == "unknown", done.verdict
    assert "nobody has bought since; since: sold 0, failed 0, refused not known, waiting 0" in done.verdict.because


async def test_a_silence_in_which_nobody_buys_anywhere_proves_nothing(market, monkeypatch):
    """As while the database hangs: no rows, but not because the provider is disabled."""
    impatient(monkeypatch)
    monkeypatch.setattr("nexconsole.actions.provider_verdicts.OTHERS_FEW", 0.01)
    await market.activation("elsewhere", 30, "ACTIVE", "5sim", paid=True)
    async with acting(on(market)) as context:
        done = await perform(DISABLE, {"provider": "smsbower"}, context, Desk().console)
    assert done.verdict is not None and done.verdict.state == "unknown", done.verdict
    assert "almost nobody could buy anywhere" in done.verdict.because


@pytest.mark.parametrize(("paid", "state"), [(True, "worked"), (False, "no effect")])
async def test_enabling_worked_when_somebody_buys_again(market, paid, state):
    await market.execute("UPDATE providers SET is_active = false WHERE name = 'smsbower'")
    async with acting(on(market, actions={"provider_cache_s": 0.1, "verify_s": 1})) as context:
        plan = await ENABLE.prepare({"provider": "smsbower"}, context)
        assert plan.confirm.kind == "letter"
        outcome = await ENABLE.execute(plan, context)
        verifying = asyncio.create_task(ENABLE.verify(plan, outcome, context))
        await asyncio.sleep(0.05)
        await market.activation("back", 0, "ACTIVE" if paid else "FAILED", "smsbower", paid=paid)
        verdict = await verifying
    assert outcome.state == "done" and await active(market, "smsbower")
    assert verdict.state == state, verdict


async def test_when_nobody_tries_to_buy_it_is_unknown_whether_enabling_worked(market):
    await market.execute("UPDATE providers SET is_active = false WHERE name = 'smsbower'")
    async with acting(on(market, actions={"provider_cache_s": 0.1, "verify_s": 0.3})) as context:
        done = await perform(ENABLE, {"provider": "smsbower"}, context, Desk().console)
    assert done.verdict is not None and done.verdict.state == "unknown"


async def test_a_source_that_dies_during_verification_leaves_the_verdict_unknown(market):
    async with acting(on(market, actions={"provider_cache_s": 0.1, "verify_s": 0.5})) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
        outcome = await DISABLE.execute(plan, context)
        await market.execute("ALTER TABLE activations RENAME TO activations_gone")
        verdict = await DISABLE.verify(plan, outcome, context)
    assert outcome.state == "done"
    assert verdict.state == "unknown" and "could not be looked at" in verdict.because


# --- the admin API ---


@pytest.fixture
async def api(market):
    async with admin_api(market) as server:
        yield server


def by_api(market, api, **more) -> Settings:
    return on(market, api={"url": api.url, "admin_token": TOKEN}, **more)


async def test_with_a_token_the_admin_api_is_asked_with_the_smallest_body(market, api):
    async with acting(by_api(market, api)) as context:
        done = await perform(DISABLE, {"provider": "smsbower"}, context, Desk().console)
    assert done.outcome is not None and done.outcome.state == "done", done
    assert api.requests == [(f"/api/admin/providers/{IDS['smsbower']}", {"isActive": False})]
    assert api.headers[0]["Authorization"] == f"Bearer {TOKEN}" and api.headers[0]["Cookie"] == f"token={TOKEN}"
    assert done.plan is not None and TOKEN not in str(done.plan.as_dict())


async def test_the_curl_command_does_the_same(market, api):
    async with acting(by_api(market, api)) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
    if lacking("curl"):
        pytest.skip("curl is not installed")
    status, printed = await shell(plan.command, API_URL=api.url, NEXNUM_ADMIN_TOKEN=TOKEN)
    assert status == 0 and not await active(market, "smsbower"), printed


async def test_two_operators_by_the_api_are_one_request_and_one_refusal(market, api):
    async with acting(by_api(market, api)) as context, acting(by_api(market, api)) as other:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
        outcomes = await asyncio.gather(DISABLE.execute(plan, context), DISABLE.execute(plan, other))
    assert sorted(outcome.state for outcome in outcomes) == ["done", "refused"]
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("mood", "state", "said", "left_active"),
    [
        ("html", "failed", "not done: the row of smsbower says enabled; PATCH", True),
        ("redirect", "failed", "redirect", True),
        ("denied", "refused", "401", True),
        ("broken", "failed", "no connection to the database", True),
        ("stumbles", "done", "it was done: the row of smsbower says disabled; PATCH", False),
        ("hangs", "unknown", "not done so far: the row of smsbower says enabled, 0 s after it was sent", True),
        ("drops", "done", "it was done: the row of smsbower says disabled; PATCH", False),
    ],
)
async def test_what_the_api_answers_is_told_for_what_it_is(market, api, mood, state, said, left_active):
    api.mood = mood
    async with acting(by_api(market, api, actions={"timeout_s": 0.5, "verify_s": 0.1})) as context:
        done = await perform(DISABLE, {"provider": "smsbower"}, context, Desk().console)
    assert done.outcome is not None and (done.outcome.state, said in done.outcome.answer) == (state, True), done.outcome
    assert await active(market, "smsbower") == left_active
    assert len(api.requests) == 1


async def test_where_the_route_exports_no_patch_sql_is_used_and_that_is_said(market, api):
    api.methods = "GET, HEAD, OPTIONS"
    async with acting(by_api(market, api)) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
        assert plan.command.startswith("psql")
        assert any("SQL is used instead" in guard.reason for guard in plan.guards)
    async with acting(by_api(market, api, actions={"provider_by": "api"})) as context:
        plan = await DISABLE.prepare({"provider": "smsbower"}, context)
        assert plan.blocked and "does not export PATCH" in plan.blocked[0].reason
        assert (await DISABLE.permitted(context)).level == "block"


async def test_a_role_that_may_only_read_can_act_through_the_api(market, api):
    settings = settings_of(postgres={"url": market.server.read_url}, api={"url": api.url, "admin_token": TOKEN})
    async with acting(settings) as context:
        done = await perform(DISABLE, {"provider": "smsbower"}, context, Desk().console)
    assert done.outcome is not None and done.outcome.state == "done", done
    assert not await active(market, "smsbower")


async def test_settings_that_demand_the_api_without_a_token_make_it_unavailable(market):
    async with acting(on(market, actions={"provider_by": "api"})) as context:
        assert "api.url" in (DISABLE.unavailable(context.settings, context.sources) or "")
    async with acting(settings_of(redis={"url": "redis://127.0.0.1:1"})) as context:
        assert "postgres.url" in (DISABLE.unavailable(context.settings, context.sources) or "")


# --- suggestions ---


def test_what_fails_on_screen_is_suggested_with_its_figure():
    readings, settings = sample_readings.incident(), Settings()
    titles = [suggestion.title for suggestion in DISABLE.suggestions(readings, settings)]
    assert titles[0] == "Disable provider smsbower - 55 % failing"
    assert [s.arguments for s in ENABLE.suggestions(readings, settings)] == [{"provider": "onlinesim"}]


def test_a_provider_that_is_disabled_already_is_not_suggested_again():
    value = Transactions(
        failure_rate=0.5,
        attempts=20,
        failures=10,
        window_s=300,
        providers=(ProviderTraffic(name="onlinesim", attempts=20, failures=10, failure_rate=0.5),),
    )
    readings = sample_readings.calm() | {"transactions": reading("transactions", value)}
    off = Circuits(providers=(ProviderCircuit(name="onlinesim", id="x", active=False, state="closed"),))
    assert DISABLE.suggestions(readings | {"circuits": reading("circuits", off)}, Settings()) == ()


def test_every_action_has_its_name_in_the_registry_and_suggests_without_readings():
    for name, action in ACTIONS.items():
        assert action.name == name and action.title and action.suggestions({}, Settings()) is not None
