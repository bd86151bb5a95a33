"""Long transactions and who blocks whom. (nexnum.md#sessions)"""

import asyncio

import asyncpg
import pytest

from nexconsole.settings import Settings
from nexconsole.signals import database as signal


async def until(condition):
    """Poll an async condition until it holds; the test's own time limit is 10 s."""
    async with asyncio.timeout(60):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


async def test_it_finds_the_idle_session_that_blocks_another(database, sources_on):
    await database.activation("a", 5, "RESERVED")
    holder, waiter = await asyncpg.connect(database.url), await asyncpg.connect(database.url)
    sources = sources_on(database.server.admin_url)
    try:
        await holder.execute("BEGIN; UPDATE activations SET price = 2 WHERE id = 'a'")
        blocked = asyncio.create_task(waiter.execute("UPDATE activations SET price = 3 WHERE id = 'a'"))

        async def both_seen():
            value = await signal.read(sources, Settings(), None)
            return value if value.long >= 2 and value.blocked == 1 else None

        value = await until(both_seen)
        by_pid = {session.pid: session for session in value.sessions}
        assert by_pid[holder.get_server_pid()].state == "idle in transaction"
        assert by_pid[holder.get_server_pid()].blocks == 1
        assert by_pid[waiter.get_server_pid()].blocked_by == (holder.get_server_pid(),)
        assert value.idle_in_transaction == 1
        await holder.execute("ROLLBACK")
        await blocked
    finally:
        await holder.close()
        await waiter.close()


async def test_a_role_that_may_not_see_others_says_how_many_are_hidden(database, sources_on):
    other = await asyncpg.connect(database.url)
    try:
        value = await signal.read(sources_on(database.server.read_url), Settings(), None)
    finally:
        await other.close()
    assert value.restricted
    assert value.hidden >= 1
    assert value.read_only_role
    assert any("pg_monitor" in note for note in value.notes)
    assert 0 < value.connections < value.max_connections


async def test_the_owner_of_the_tables_is_no_read_only_role(database, sources_on):
    assert not (await signal.read(sources_on(database.url), Settings(), None)).read_only_role


@pytest.mark.parametrize("role", ["url", "read_url"])
async def test_reading_changes_nothing_even_when_asked_to(database, sources_on, role):
    sources = sources_on(getattr(database.server, role))
    with pytest.raises(Exception, match=r"read-only transaction|permission denied"):
        async with sources.postgres.read("an update") as tx:
            await tx.fetch("DELETE FROM activations")
