"""Postgres sessions cancelled and ended, on a real server with real sessions that really block each other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import asyncpg
import pytest
import sample_readings
from acting import Desk, acting, lacking, settings_of, shell

from nexconsole.actions.backends import CANCEL, TERMINATE
from nexconsole.actions.perform import perform
from nexconsole.errors import ActionError
from nexconsole.settings import Settings


class Blockade:
    """A session idle in its transaction with a row locked, and another one that waits for it."""

    def __init__(self, blocker: asyncpg.Connection, waiter: asyncpg.Connection) -> None:
        self.blocker = blocker
        self.waiter = waiter
        self.waiting: asyncio.Task | None = None
        self.pid = blocker.get_server_pid()

    async def begin(self) -> None:
        await self.blocker.execute("BEGIN; UPDATE providers SET priority = 1 WHERE id = 'p'")
        self.waiting = asyncio.create_task(self.waiter.execute("UPDATE providers SET priority = 2 WHERE id = 'p'"))
        sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'"
        while not await self.probe.fetchval(sql, self.waiter.get_server_pid()):
            await asyncio.sleep(0.02)

    probe: asyncpg.Connection


@pytest.fixture
async def blockade(database):
    await database.execute("INSERT INTO providers (id, name, display_name, updated_at) VALUES ('p', 'p', 'P', now())")
    connections = [
        await asyncpg.connect(database.url, server_settings={"application_name": "nexnum-app"}) for _ in range(2)
    ]
    made = Blockade(*connections)
    made.probe = database.connection
    try:
        await made.begin()
        yield made
    finally:
        for connection in connections:
            connection.terminate()
        if made.waiting is not None:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncio.CancelledError, ConnectionError):
                await made.waiting


def on(database, **tables):
    return settings_of(postgres={"url": database.url}, actions={"verify_s": 3}, **tables)


async def test_the_plan_shows_the_session_its_query_and_what_it_blocks(database, blockade):
    async with acting(on(database)) as context:
        plan = await TERMINATE.prepare({"pid": str(blockade.pid)}, context)
    shown = plan.targets[0].shown
    assert shown["blocks"] == 1 and shown["state"] == "idle in transaction" and shown["application"] == "nexnum-app"
    assert "UPDATE providers" in str(shown["query"]) and "blocks 1 others" in plan.effect
    assert "backend_start" in plan.targets[0].identity and "backend_start = '" in plan.command
    assert not plan.blocked and plan.undo is None


async def test_ending_the_blocking_session_frees_those_that_wait(database, blockade):
    async with acting(on(database)) as context:
        done = await perform(TERMINATE, {"pid": str(blockade.pid)}, context, Desk().console)
    assert done.outcome is not None and done.outcome.state == "done"
    assert done.outcome.answer == "pg_terminate_backend answered true"
    assert done.verdict is not None and done.verdict.state == "worked" and "is gone" in done.verdict.because
    assert blockade.waiting is not None and await asyncio.wait_for(blockade.waiting, 20) == "UPDATE 1"


async def test_cancelling_a_session_that_is_idle_in_its_transaction_is_warned_of_and_has_no_effect(database, blockade):
    settings = settings_of(postgres={"url": database.url}, actions={"verify_s": 0.5})
    async with acting(settings) as context:
        done = await perform(CANCEL, {"pid": str(blockade.pid)}, context, Desk().console)
    assert done.plan is not None and any("only backend.terminate ends it" in g.reason for g in done.plan.guards)
    assert done.outcome is not None and done.outcome.state == "done"
    assert done.verdict is not None and done.verdict.state == "no effect"


async def test_cancelling_a_running_query_ends_it_and_leaves_the_session(database, blockade):
    pid = blockade.waiter.get_server_pid()
    async with acting(on(database)) as context:
        done = await perform(CANCEL, {"pid": str(pid)}, context, Desk().console)
    assert done.verdict is not None and done.verdict.state == "worked", done
    with pytest.raises(asyncpg.QueryCanceledError):
        await blockade.waiting
    assert not blockade.waiter.is_closed()


async def test_a_session_that_ended_meanwhile_is_refused_and_no_other_touched(database, blockade):
    async with acting(on(database)) as context:
        plan = await TERMINATE.prepare({"pid": str(blockade.pid)}, context)
        blockade.blocker.terminate()
        while await database.connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", blockade.pid):
            await asyncio.sleep(0.02)
        outcome = await TERMINATE.execute(plan, context)
    assert outcome.state == "refused" and "is gone: nothing was sent" in outcome.answer


async def test_the_same_pid_with_another_start_is_another_session(database, blockade):
    async with acting(on(database)) as context:
        plan = await TERMINATE.prepare({"pid": str(blockade.pid)}, context)
        stale = type(plan.targets[0])(
            kind="session", id=plan.targets[0].id, identity={"backend_start": "2020-01-01T00:00:00+00:00"}
        )
        object.__setattr__(plan, "targets", (stale,))
        outcome = await TERMINATE.execute(plan, context)
    assert outcome.state == "refused" and not blockade.blocker.is_closed()


async def test_a_signal_that_the_server_did_not_send_is_a_failure_and_it_says_false(database, blockade):
    await database.execute("CREATE FUNCTION never(int) RETURNS bool LANGUAGE sql AS 'SELECT false'")
    deaf = replace(TERMINATE, function="public.never")
    async with acting(on(database)) as context:
        done = await perform(deaf, {"pid": str(blockade.pid)}, context, Desk().console)
    assert done.outcome is not None and done.outcome.state == "failed"
    assert f"public.never answered false: session {blockade.pid} got no signal" in done.outcome.answer
    assert not blockade.waiting.done()


async def test_two_operators_at_once_end_it_once(database, blockade):
    async with acting(on(database)) as context, acting(on(database)) as other:
        plan = await TERMINATE.prepare({"pid": str(blockade.pid)}, context)
        first = await TERMINATE.execute(plan, context)
        assert (await TERMINATE.verify(plan, first, context)).state == "worked"
        second = await TERMINATE.execute(plan, other)
    assert (first.state, second.state) == ("done", "refused")


@pytest.mark.parametrize("pid", ["", "12x", "-4", "99999999999", "0"])
async def test_what_is_no_pid_is_said(database, pid):
    async with acting(on(database)) as context:
        with pytest.raises(ActionError, match="is not a pid"):
            await CANCEL.prepare({"pid": pid}, context)


async def test_a_session_that_is_gone_is_said(database):
    async with acting(on(database)) as context:
        with pytest.raises(ActionError, match="session 2147483646 is gone"):
            await CANCEL.prepare({"pid": "2147483646"}, context)


async def test_a_superusers_session_is_blocked_for_others(database):
    superuser = await asyncpg.connect(database.server.admin_url)
    try:
        async with acting(on(database)) as context:
            plan = await TERMINATE.prepare({"pid": str(superuser.get_server_pid())}, context)
    finally:
        await superuser.close()
    assert any("only superusers may" in guard.reason for guard in plan.blocked)


async def test_a_role_without_the_right_is_blocked_and_the_grants_named(database, blockade):
    async with acting(settings_of(postgres={"url": database.server.read_url})) as context:
        done = await perform(TERMINATE, {"pid": str(blockade.pid)}, context, Desk().console)
        guard = await TERMINATE.permitted(context)
    assert done.stopped is not None and done.outcome is None
    assert "GRANT pg_signal_backend TO nexnum_read" in done.stopped and "GRANT pg_monitor" in done.stopped
    assert guard.level == "warn" and "GRANT pg_signal_backend TO nexnum_read" in guard.reason
    assert not blockade.blocker.is_closed()


async def test_a_consoles_own_session_is_blocked(database):
    own = await asyncpg.connect(database.url, server_settings={"application_name": "nexconsole"})
    try:
        async with acting(on(database)) as context:
            plan = await TERMINATE.prepare({"pid": str(own.get_server_pid())}, context)
    finally:
        await own.close()
    assert any("a console's own session" in guard.reason for guard in plan.blocked)


async def test_the_servers_own_processes_are_blocked(database):
    kind = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    pid = await database.connection.fetchval(kind)
    async with acting(settings_of(postgres={"url": database.server.admin_url})) as context:
        plan = await TERMINATE.prepare({"pid": str(pid)}, context)
    assert any("checkpointer" in guard.reason for guard in plan.blocked)


async def test_a_poolers_connection_is_warned_of(database):
    pooled = await asyncpg.connect(database.url, server_settings={"application_name": "Supavisor"})
    try:
        async with acting(on(database)) as context:
            plan = await TERMINATE.prepare({"pid": str(pooled.get_server_pid())}, context)
    finally:
        await pooled.close()
    assert any(guard.name == "pooler" and guard.level == "warn" for guard in plan.guards)


async def test_a_server_that_hangs_after_the_signal_was_sent_leaves_the_outcome_unknown(database, blockade):
    settings = settings_of(postgres={"url": database.url}, actions={"timeout_s": 0.4})

    class Freezing:
        """The server hangs as soon as the transaction has begun."""

        def __init__(self, connection):
            self._connection = connection

        def __getattr__(self, name):
            return getattr(self._connection, name)

        async def fetch(self, *args):
            database.server.freeze()
            return await self._connection.fetch(*args)

    async with acting(settings) as context:
        plan = await TERMINATE.prepare({"pid": str(blockade.pid)}, context)
        connect = context.sources.postgres.connect

        async def freezing_connect():
            return Freezing(await connect())

        context.sources.postgres.connect = freezing_connect
        try:
            outcome = await TERMINATE.execute(plan, context)
        finally:
            database.server.freeze(False)
    assert outcome.state == "unknown" and "it may have happened or not" in outcome.answer


async def test_the_literal_command_does_the_same(database, blockade):
    if lacking("psql"):
        pytest.skip("psql is not installed")
    async with acting(on(database)) as context:
        plan = await TERMINATE.prepare({"pid": str(blockade.pid)}, context)
    status, printed = await shell(plan.command, DATABASE_URL=database.url)
    assert status == 0 and "t" in printed
    assert blockade.waiting is not None and await asyncio.wait_for(blockade.waiting, 20) == "UPDATE 1"
    status, printed = await shell(plan.command, DATABASE_URL=database.url)
    assert status == 0 and "(0 rows)" in printed


def test_the_session_that_blocks_others_is_suggested_and_none_that_waits():
    suggestions = TERMINATE.suggestions(sample_readings.incident(), Settings())
    assert [s.arguments for s in suggestions] == [{"pid": "4312"}]
    assert suggestions[0].title == "End session 4312 nexnum-app - blocks 14 others for 38 s, idle in transaction"
    assert CANCEL.suggestions(sample_readings.incident(), Settings()) == ()
