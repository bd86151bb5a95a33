"""What doctor says of all that the looks need."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis as Hand
from web_server import STATUSPAGE, answering, opened, server

from nexconsole.doctor import postgres as postgres_checks
from nexconsole.doctor import redis as redis_checks
from nexconsole.doctor import search, status_pages
from nexconsole.settings import ProvidersSettings, RedisSettings, SearchSettings, Settings
from nexconsole.sources.redis import RedisSource


async def said(checks: AsyncIterator) -> dict[str, tuple[str, str, str]]:
    return {check.what: (check.state, check.said, check.advice) async for check in checks}


async def test_a_role_that_may_read_the_ledgers_is_told_from_one_that_may_not(database, sources_on, postgres_server):
    postgres = sources_on(postgres_server.read_url).postgres
    assert {state for state, _, _ in (await said(postgres_checks.ledger_tables(postgres, "nexnum_read"))).values()} == {
        "ok"
    }
    await database.execute("REVOKE SELECT ON wallets FROM nexnum_read; DROP TABLE wallet_transactions")
    postgres = sources_on(postgres_server.read_url).postgres
    found = await said(postgres_checks.ledger_tables(postgres, "nexnum_read"))
    assert found["wallets"] == ("warn", "wallets may not be read", "GRANT SELECT ON wallets TO nexnum_read")
    assert found["what moves in wallets"][0] == "warn" and "missing" in found["what moves in wallets"][1]
    assert found["our balances"][0] == "ok"


@pytest.fixture
async def hand(redis_server) -> AsyncIterator[Hand]:
    client = Hand.from_url(redis_server.url)
    yield client
    await client.aclose()


async def test_a_redis_that_hides_its_clock_or_its_state_is_a_warning(redis_server, hand, clients):
    whole = RedisSource(clients, RedisSettings(url=redis_server.url))
    await hand.execute_command("ACL", "SETUSER", "blind", "on", ">x", "~*", "+@read", "+ping")
    blind = RedisSource(clients, RedisSettings(url=f"redis://blind:x@{redis_server.url.partition('@')[2]}"))
    try:
        assert [state for state, _, _ in (await said(redis_checks.turns_and_data(whole))).values()] == ["ok", "ok"]
        found = await said(redis_checks.turns_and_data(blind))
        assert [state for state, _, _ in found.values()] == ["warn", "warn"]
        assert found["watching slots"][2].startswith("allow TIME")
        assert found["watching its data"][2].startswith("allow INFO")
    finally:
        await whole.close()
        await blind.close()
        await hand.execute_command("ACL", "DELUSER", "blind")


async def test_search_and_each_status_page_are_tried():
    async with server(answering('{"status": "available"}')) as (url, _):
        async with opened(search=SearchSettings(url=url)) as sources:
            found = await said(search.examine(sources, Settings()))
    assert found["/health"][0] == "ok" and found["/health"][1].endswith("says it is available")
    async with server(answering(STATUSPAGE)) as (url, _):
        pages = ProvidersSettings(status_pages={"smsbower": url, "5sim": "http://127.0.0.1:1"}, status_timeout_s=1.0)
        async with opened(providers=pages) as sources:
            found = await said(status_pages.examine(sources, Settings()))
    assert found["smsbower"] == ("ok", "says: Partial Outage", "")
    assert found["5sim"][0] == "warn" and found["5sim"][2] == "check providers.status_pages.5sim"
