"""Who is told outside the room: each message once, whatever server, console or network fails; nothing waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sample_readings as sample
from controller import entries, fresh, seeing, settings, until
from crashes import PLAN, crashed
from notified_server import hang, huge, notified_server, refuse

from nexconsole.journal import OUTSIDE, EntryKind
from nexconsole.notify import notifier
from nexconsole.notify.claims import ANSWERS, FAILING, ClaimService
from nexconsole.notify.helper import NotifyHelper
from nexconsole.notify.outages import SHOWN_S, Outages
from nexconsole.session.session import Session
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

PATIENCE_S = 60.0  # a helper process starts within, on a busy machine


class SharedHelper(NotifyHelper):
    """One process for all tests of this file: its start takes seconds."""

    def close(self) -> None:
        """Not between two tests."""


@pytest.fixture(scope="module")
def helper() -> Iterator[NotifyHelper]:
    shared = SharedHelper()
    yield shared
    NotifyHelper.close(shared)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, helper: NotifyHelper) -> None:
    monkeypatch.setattr(notifier, "NotifyHelper", lambda: helper)
    monkeypatch.setattr(notifier, "TAKEOVER_S", 0.3)
    monkeypatch.setattr(notifier, "AGAIN_S", 0.2)


@asynccontextmanager
async def consoles(
    folder: Path, urls: list[str], *names: str, notify: Mapping[str, Any] | None = None, **more: Any
) -> AsyncIterator[tuple[Session, ...]]:
    """Consoles of these operators on one folder, each with its own notifier."""
    async with AsyncExitStack() as stack:
        opened = []
        for name in names:
            tables = {"environment": "production", "notify": {"urls": urls, **(notify or {})}, **more}
            chosen = settings(folder, operator=name, **tables)
            one = Session(chosen, Sources(LazyClients(), {}), monitor=seeing(fresh(sample.incident())))
            stack.push_async_callback(one.close)
            one.start()
            opened.append(one)
        for one in opened:
            await until(lambda one=one: one.incident_store._read)
        yield tuple(opened)


def notified(folder: Path) -> list[dict[str, Any]]:
    return [entry.data for entry in entries(folder) if entry.kind == EntryKind.NOTIFIED]


async def settled(folder: Path, count: int) -> list[dict[str, Any]]:
    """What is on record of messages, once so many are."""
    await until(lambda: len(notified(folder)) >= count, PATIENCE_S)
    return notified(folder)


async def all_looked(room: Sequence[Session]) -> None:
    """Every console has looked whether what others wrote was told."""
    await until(lambda: not any(each.notices._notifier._pending for each in room), PATIENCE_S)


async def test_three_consoles_tell_a_webhook_each_message_once(tmp_path: Path) -> None:
    async with notified_server() as server, consoles(tmp_path, [server.url()], "maria", "ivan", "chen") as room:
        maria, ivan, chen = room
        await maria.record(EntryKind.SEVERITY, {"level": "SEV-1", "because": ["17.8 % of purchases fail"]})
        await maria.open_incident("smsbower is down", "SEV-1")
        await until(lambda: all(each.incident_store.current for each in room))
        intent = await ivan.record(EntryKind.INTENT, {"operator": "ivan", "plan": PLAN})
        await ivan.record(EntryKind.OUTCOME, {"intent": intent, "outcome": {"state": "done", "answer": "UPDATE 1"}})
        await ivan.record(EntryKind.VERDICT, {"intent": intent, "verdict": {"state": "worked", "because": "none left"}})
        await chen.record(EntryKind.PROPOSED, {"plan": PLAN, "needs": "objection", "until": "", "lasts_s": 10})
        await chen.close_incident("it is over")
        await until(lambda: len(server.got) >= 5, PATIENCE_S)
        await settled(tmp_path, 5)
        await all_looked(room)
    titles = "\n".join(sorted(server.titles))
    assert len(server.got) == 5, titles
    for words in (
        "SEV-1 (was calm): 17.8",
        "incident opened: smsbower is down (SEV-1)",
        "provider.disable smsbower: worked",
        "objections wanted: provider.disable smsbower",
        "incident closed: smsbower is down",
    ):
        assert titles.count(words) == 1, titles
    assert "[PRODUCTION nexnum-eu]" in server.titles[0]
    assert {(data["to"], data["state"]) for data in notified(tmp_path)} == {("json", "sent")}


async def test_what_a_console_that_died_has_written_another_one_tells(tmp_path: Path) -> None:
    async with notified_server() as server, consoles(tmp_path, [server.url()], "ivan", "chen") as room:
        crashed(tmp_path, "j.append('broke_glass', {'plan': {'action': 'pods.restart'}, 'reason': 'nobody else'})")
        await settled(tmp_path, 1)
        await all_looked(room)
    assert len(server.got) == 1 and "GLASS BROKEN by carol" in server.titles[0]
    assert "reason given: nobody else" in server.text


async def test_consoles_of_two_hosts_tell_each_message_once(tmp_path: Path, redis_server: Any) -> None:
    async with notified_server() as server, AsyncExitStack() as stack:
        room = []
        for name in ("maria", "ivan"):
            one = consoles(tmp_path / name, [server.url()], name, warroom={"redis_url": redis_server.url})
            room += await stack.enter_async_context(one)
        maria, ivan = room
        await until(lambda: all(not each.peers.reach for each in room))
        await maria.record(EntryKind.BROKE_GLASS, {"plan": PLAN, "reason": "nobody else"})
        await until(lambda: any(entry.kind == EntryKind.BROKE_GLASS for entry in ivan.entries))
        await until(lambda: any(entry.kind == EntryKind.NOTIFIED for entry in ivan.entries), PATIENCE_S)
        await all_looked(room)
    assert len(server.got) == 1, server.titles


async def test_a_service_that_is_down_is_said_and_recorded_and_told_later(tmp_path: Path) -> None:
    async with notified_server() as server:
        async with consoles(tmp_path, [server.url()], "maria") as (maria,):
            maria.notices._notifier.targets[0]._tries_s = (0.1,)
            server.reply = refuse
            await maria.record(EntryKind.DECLARED, {"level": "SEV-2", "reason": "by phone"})
            (first,) = await settled(tmp_path, 1)
            assert first["state"] == "failed" and "500" in first["reason"]
            assert "json was not told" in maria.notices.trouble
            assert len(server.got) == 2
            server.reply = None
            await maria.record(EntryKind.DECLARED, {"level": "SEV-3", "reason": "better"})
            await settled(tmp_path, 2)
            assert maria.notices.trouble == ""


async def test_a_dead_service_is_on_record_once_when_it_fails_and_once_when_it_answers_again(tmp_path: Path) -> None:
    async with notified_server() as server, consoles(tmp_path, [server.url()], "maria", "ivan", "chen") as room:
        for one in room:
            one.notices._notifier._takeover_s = 0.3
            one.notices._notifier.targets[0]._tries_s = ()
        server.reply = refuse
        for each, level in zip(room, ("SEV-3", "SEV-2", "SEV-1"), strict=True):
            await each.record(EntryKind.DECLARED, {"level": level, "reason": "x"})
        await until(lambda: len(server.got) >= 9 and all(each.notices.trouble for each in room), PATIENCE_S)
        await all_looked(room)
        assert [data["state"] for data in notified(tmp_path)] == ["failed"]
        server.reply = None
        await room[0].record(EntryKind.DECLARED, {"level": "SEV-3", "reason": "y"})
        await settled(tmp_path, 2)
        await until(lambda: not any(each.notices.trouble for each in room))
        await room[1].record(EntryKind.DECLARED, {"level": "none", "reason": "z"})
        begins, ends, plain = await settled(tmp_path, 3)
        assert (begins["state"], ends["state"], ends["untold"]) == ("failed", "sent", 3)
        assert ends["reason"] == "it answers again; not told: 3 messages"
        assert plain["state"] == "sent" and "untold" not in plain
        server.reply = refuse
        await room[2].record(EntryKind.DECLARED, {"level": "SEV-2", "reason": "x"})
        assert (await settled(tmp_path, 4))[3]["state"] == "failed"
        await all_looked(room)
        assert len(notified(tmp_path)) == 4


async def test_one_of_the_consoles_of_all_hosts_records_each_turn_of_a_service(
    tmp_path: Path, redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexconsole.sharing.lease_keys.TIMEOUT_S", PATIENCE_S)  # on a busy machine
    room = {"redis_url": redis_server.url}
    claims = [ClaimService(settings(tmp_path / host, operator=host, warroom=room)) for host in ("a", "a", "b")]

    async def turns(state: str, journal: str = "INC-1", failing: bool = True) -> int:
        return sum(await asyncio.gather(*(each.turn("service", state, journal, failing) for each in claims)))

    try:
        assert await turns(ANSWERS, failing=False) == 0
        for state, journal, count in (
            (FAILING, "INC-1", 1),
            (FAILING, "INC-1", 0),
            (FAILING, OUTSIDE, 0),
            (FAILING, "INC-2", 1),
            (ANSWERS, "INC-2", 1),
            (ANSWERS, "INC-2", 0),
            (FAILING, OUTSIDE, 1),
        ):
            assert await turns(state, journal) == count, (state, journal)
    finally:
        for each in claims:
            await each.close()


def test_a_service_of_which_nothing_was_heard_for_long_is_no_trouble_any_more() -> None:
    now = [1000.0]
    known = Outages(lambda: now[0])
    known.fail("chat", "it is down")
    known.fail("old", "it was down", age_s=SHOWN_S + 1)
    assert known.lately() == [("chat", "it is down")]
    now[0] += SHOWN_S + 1
    assert known.lately() == [] and known.failing("chat")
    known.fail("chat", "it is still down")
    assert known.lately() == [("chat", "it is still down")]
    known.end("chat")
    assert not known.failing("chat")


async def test_what_was_written_before_a_console_first_looked_is_no_news(tmp_path: Path) -> None:
    crashed(
        tmp_path,
        "from datetime import UTC, datetime, timedelta",
        "j._now = lambda: datetime.now(UTC) - timedelta(seconds=60)",
        "j.append('declared', {'level': 'SEV-1', 'reason': 'old'})",
        "j.append('broke_glass', {'plan': {'action': 'pods.restart'}, 'reason': 'old'})",
    )
    async with notified_server() as server, consoles(tmp_path, [server.url()], "ivan", "chen") as room:
        await room[0].record(EntryKind.DECLARED, {"level": "SEV-2", "reason": "new"})
        await settled(tmp_path, 1)
        await all_looked(room)
        assert len(server.got) == 1 and "new" in server.text and "old" not in server.text


async def test_a_server_that_never_answers_delays_nothing_and_is_asked_twice_at_most(tmp_path: Path) -> None:
    async with notified_server() as server:
        server.reply = hang
        url = server.url() + "?rto=1&cto=1"
        async with consoles(tmp_path, [url], "maria", "ivan") as (maria, _):
            maria.notices._notifier.targets[0]._tries_s = (0.0, 0.0)
            began = time.monotonic()
            await maria.record(EntryKind.DECLARED, {"level": "SEV-1", "reason": "x"})
            await maria.record(EntryKind.NOTE, {"text": "y"})
            assert time.monotonic() - began < 5.0
            (only,) = await settled(tmp_path, 1)
            assert only["state"] == "unknown" and "may have arrived or not" in only["reason"]
        assert len(server.got) == 2


async def test_a_process_that_just_starts_is_not_ended_as_idle(tmp_path: Path) -> None:
    async with notified_server() as server:
        own = NotifyHelper()
        request = {"verb": "send", "url": server.url(), "title": "t", "body": "b", "urgency": "info"}
        asking = asyncio.create_task(own.ask(request))
        try:
            while not asking.done():
                own.rest()
                await asyncio.sleep(0.02)
            assert (await asking)["ok"] and len(server.got) == 1
        finally:
            own.close()


async def test_leaving_waits_two_seconds_at_most_for_a_server_that_hangs(tmp_path: Path) -> None:
    async with notified_server() as server:
        server.reply = hang
        async with consoles(tmp_path, [server.url()], "maria") as (maria,):
            await maria.record(EntryKind.DECLARED, {"level": "SEV-1", "reason": "x"})
            await until(lambda: server.got, PATIENCE_S)
            began = time.monotonic()
        assert time.monotonic() - began < 6.0  # and what a busy machine takes


async def test_an_answer_of_ten_megabytes_is_one_like_any_other(tmp_path: Path) -> None:
    async with notified_server() as server:
        server.reply = huge
        async with consoles(tmp_path, [server.url()], "maria") as (maria,):
            await maria.record(EntryKind.DECLARED, {"level": "SEV-1", "reason": "x"})
            assert [data["state"] for data in await settled(tmp_path, 1)] == ["sent"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("json://127.0.0.1:1/secretT0ken99", "refused"),
        ("json://no-such-host.invalid/secretT0ken99", "no such host"),
        ("slack://not-an-address-of-slack", ""),
    ],
)
async def test_why_a_service_can_not_be_told_is_said_without_its_address(tmp_path: Path, url: str, words: str) -> None:
    async with consoles(tmp_path, [url], "maria") as (maria,):
        maria.notices._notifier.targets[0]._tries_s = ()
        await maria.record(EntryKind.DECLARED, {"level": "SEV-1", "reason": "x"})
        (only,) = await settled(tmp_path, 1)
    assert only["state"] == "failed" and words in only["reason"] and only["reason"]
    assert "secretT0ken99" not in str(only) and "secretT0ken99" not in maria.notices.trouble


async def test_a_drill_tells_nobody_unless_the_settings_name_it(tmp_path: Path) -> None:
    async with notified_server() as server:
        async with consoles(tmp_path / "a", [server.url()], "maria", environment="drill") as (maria,):
            await maria.record(EntryKind.DECLARED, {"level": "SEV-1", "reason": "x"})
            assert maria.notices._notifier is None
        named = {"environments": ["Drill"]}
        async with consoles(tmp_path / "b", [server.url()], "maria", environment="drill", notify=named) as (maria,):
            await maria.record(EntryKind.DECLARED, {"level": "SEV-2", "reason": "y"})
            await settled(tmp_path / "b", 1)
    assert len(server.got) == 1 and "[DRILL nexnum-eu]" in server.titles[0]


async def test_what_is_over_the_limit_is_counted_in_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexconsole.notify.limits.WINDOW_S", 3.0)
    async with notified_server() as server:
        async with consoles(tmp_path, [server.url()], "maria", notify={"per_minute": 2}) as (maria,):
            await maria.notices._notifier._helper.warm()
            for number in range(9):
                await maria.record(
                    EntryKind.CAUSE, {"cause": f"c{number}", "state": "named", "text": f"cause {number}"}
                )
            await maria.record(EntryKind.BROKE_GLASS, {"plan": PLAN, "reason": "now"})
            await until(lambda: any("7 more messages" in title for title in server.titles), PATIENCE_S)
            await settled(tmp_path, 5)
    assert len(server.got) == 4 and any("GLASS BROKEN" in title for title in server.titles)
    assert [data["reason"] for data in notified(tmp_path) if data["state"] == "limited"] == ["7 messages"]


async def test_each_service_hears_what_it_asks_for_in_the_teams_own_words(tmp_path: Path) -> None:
    async with notified_server() as server:
        notify = {
            "services": {
                "chat": {"url": server.url("ntfy", "rooms"), "kinds": ["severity"], "from_level": "SEV-2"},
                "closing": {"url": server.url("mmost", "hooktoken123456789"), "kinds": ["closed"]},
            },
            "templates": {"severity": "{level} at {name}: {reason} ({who})"},
        }
        async with consoles(tmp_path, [], "maria", notify=notify) as (maria,):
            await maria.record(EntryKind.SEVERITY, {"level": "SEV-3", "because": ["small"]})
            await maria.record(EntryKind.SEVERITY, {"level": "SEV-2", "because": ["<!channel> [x](http://evil) @here"]})
            await maria.open_incident("t", "")
            await maria.close_incident("over")
            found = await settled(tmp_path, 2)
    assert sorted(data["to"] for data in found) == ["chat", "closing"]
    assert "SEV-2 at nexnum-eu: " in server.text and "(maria" in server.text
    assert "<!channel>" not in server.text and "](http" not in server.text and "@here" not in server.text


async def test_customers_and_secrets_are_masked_on_the_way(tmp_path: Path) -> None:
    async with notified_server() as server:
        api = {"cron_secret": "cr0nS3cret77"}
        async with consoles(tmp_path, [server.url()], "maria", api=api) as (maria,):
            words = "maria@example.com paid from +4915112345678 with cr0nS3cret77"
            await maria.record(EntryKind.DECLARED, {"level": "SEV-1", "reason": words})
            await settled(tmp_path, 1)
    for secret in ("maria@example.com", "4915112345678", "cr0nS3cret77"):
        assert secret not in server.text


async def test_a_page_is_raised_acknowledged_and_ended_by_one_key(tmp_path: Path) -> None:
    async with notified_server() as server:
        base = f"http://127.0.0.1:{server.port}"
        pagers = {
            "pager": {"url": "pagerduty://r0utingkey1234@apikey56789", "api": base},
            "genie": {"url": "opsgenie://geniekey-1234-5678", "api": base},
        }
        async with consoles(tmp_path, [], "maria", notify={"services": pagers}) as (maria,):
            await maria.open_incident("smsbower is down", "SEV-1")
            await settled(tmp_path, 2)
            said = await maria.notices.acknowledge()
            assert said == "pager: acknowledged; genie: acknowledged"
            await maria.close_incident("over")
            await settled(tmp_path, 4)
    duty = [document for path, document in server.got if path == "/v2/enqueue"]
    assert [event["event_action"] for event in duty] == ["trigger", "acknowledge", "resolve"]
    assert {event["dedup_key"] for event in duty} == {"nexconsole/production/nexnum-eu"}
    assert {event["routing_key"] for event in duty} == {"r0utingkey1234"}
    assert duty[0]["payload"]["severity"] == "critical" and "smsbower is down" in duty[0]["payload"]["summary"]
    place = "/v2/alerts/nexconsole%2Fproduction%2Fnexnum-eu/"
    assert [path for path, _ in server.got if "/v2/alerts" in path] == [
        "/v2/alerts", f"{place}acknowledge?identifierType=alias", f"{place}close?identifierType=alias",
    ]  # fmt: skip
    kept = [entry.data for entry in entries(tmp_path) if entry.kind == EntryKind.ACKNOWLEDGED]
    assert [(data["to"], data["state"]) for data in kept] == [("pager", "sent"), ("genie", "sent")]


async def test_that_no_pager_can_be_acknowledged_is_one_sentence(tmp_path: Path) -> None:
    async with consoles(tmp_path, ["ntfy://127.0.0.1:1/x"], "maria") as (maria,):
        assert "names no pagerduty:// or opsgenie://" in await maria.notices.acknowledge()
    async with consoles(tmp_path, [], "ivan") as (ivan,):
        assert "names no service" in await ivan.notices.acknowledge()
