"""An agent proposes, a person confirms in a console, and everything that is read afterwards says so."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from acting import add_provider
from consenting import active, ask, unrecorded
from controller import controller, entries, kinds, quiet, settings, strip_of, text_of, typed, until, until_done_by
from proposing_agent import REASON, agent_session, person_session, proposed

from nexconsole.errors import ActionError, JournalError
from nexconsole.incident.permissions import WriterIdentity
from nexconsole.incident.proposals import UNNAMED, Proposal, agent_name, proposals_in
from nexconsole.journal import EntryKind, open_journal
from nexconsole.journal.sentences import sentence
from nexconsole.report.content import sections
from nexconsole.screens.confirm import ConfirmScreen
from nexconsole.screens.prompt import Prompt
from nexconsole.screens.proposal_bar import lines
from nexconsole.session.capabilities import Capability, agent_capabilities
from nexconsole.session.confirming import heading, seen_by_agent
from nexconsole.session.session import Session
from nexconsole.widgets.spans import as_text

ROOM: dict[str, Any] = {"objection_s": 0.0}


@pytest.fixture(autouse=True)
async def providers(database: Any) -> None:
    for name in ("smsbower", "5sim", "tiger-sms"):
        await add_provider(database, name)


def tables(database: Any, **more: Any) -> dict[str, Any]:
    return {"postgres": {"url": database.url}, "warroom": ROOM, **more}


async def waiting(session: Session) -> Proposal:
    return (await until(lambda: [one for one, _ in session.waiting if one.agent]))[0]


def report_of(session: Session) -> str:
    assert session.incident is not None
    return repr(sections(session.incident))


async def test_a_person_opens_what_an_agent_proposes_confirms_it_and_the_report_says_so(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    sources = sources_on(database.url)
    chosen = settings(tmp_path, **tables(database))
    async with controller(chosen, sources) as (app, pilot), agent_session(tmp_path, sources, **tables(database)) as it:
        person = app.controller.session
        await person.open_incident("smsbower fails", "")
        await until(lambda: it.incident_store.current)
        await proposed(it)
        await until(lambda: "agent claude for anna proposes: provider.disable smsbower" in strip_of(app))
        assert f"because: {REASON}" in strip_of(app) and "A opens it" in strip_of(app)
        assert "o refuses" in strip_of(app) and "a approves" not in strip_of(app)
        assert not isinstance(app.screen, ConfirmScreen)  # nothing opens by itself
        await until_done_by(lambda: pilot.press("A"), lambda: isinstance(app.screen, ConfirmScreen))
        await quiet(app)
        assert f"proposed by agent claude for anna, because: {REASON[:20]}" in " ".join(text_of(app).split())
        if app.screen.typed:
            await typed(pilot, "smsbower")
            await pilot.press("ctrl+y")
        else:
            await pilot.press("d")
        await until(lambda: EntryKind.VERDICT in kinds(tmp_path))
        assert not await active(database)
        told = [one for one in entries(tmp_path) if one.kind == EntryKind.INTENT]
        assert len(told) == 1 and told[0].writer.operator == "maria"
        assert "(proposed by agent claude for anna)" in sentence(told[0])
        await until(lambda: person.incident.proposals[0].ended == "sent")
        assert "claude" not in strip_of(app).replace("provider.disable", "") or "proposes" not in strip_of(app)
        report = report_of(person)
        assert f"proposed by agent claude for anna, confirmed by maria, because: {REASON}" in report
        assert "a person to confirm it until" in report and "confirmed by maria" in report
        await until(lambda: it.incident.proposals[0].ended == "sent" and it.incident.proposals[0].ended_by == "maria")


async def test_a_person_refuses_with_a_reason_that_the_agent_can_read(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    sources = sources_on(database.url)
    chosen = settings(tmp_path, **tables(database))
    async with controller(chosen, sources) as (app, pilot), agent_session(tmp_path, sources, **tables(database)) as it:
        await app.controller.session.open_incident("smsbower fails", "")
        await until(lambda: it.incident_store.current)
        await proposed(it)
        await until(lambda: "o refuses" in strip_of(app))
        await until_done_by(lambda: pilot.press("o"), lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await typed(pilot, "5sim is down too")
        await pilot.press("enter")
        await until(lambda: [one.reason for one in it.incident.proposals] == ["5sim is down too"])
        assert it.incident.proposals[0].ended == "objected" and await active(database)
        await until(lambda: "proposes" not in strip_of(app))


async def test_what_has_changed_since_is_said_and_must_be_confirmed_as_it_is_now(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    sources = sources_on(database.url)
    async with (
        agent_session(tmp_path, sources, **tables(database)) as it,
        person_session(tmp_path, sources, **tables(database)) as person,
    ):
        await person.open_incident("t", "")
        await until(lambda: it.incident_store.current)
        made = await proposed(it)
        proposal = await waiting(person)
        same = (await person.preview("provider.disable", {"provider": "smsbower"})).plan
        assert same is not None and seen_by_agent(proposal, same) is None
        assert heading(proposal, same) == f"proposed by agent claude for anna, because: {REASON}"
        target = replace(same.targets[0], identity={**same.targets[0].identity, "name": "smsbower2"})
        other = replace(same, targets=(target,))
        assert "smsbower -> smsbower2" in heading(proposal, other)
        before = seen_by_agent(proposal, other)
        assert before is not None and before.effect == made.plan.effect


async def test_it_is_confirmed_once_and_a_refused_one_is_never_sent(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    sources = sources_on(database.url)
    async with (
        agent_session(tmp_path, sources, **tables(database)) as it,
        person_session(tmp_path, sources, **tables(database)) as person,
    ):
        await person.open_incident("t", "")
        await until(lambda: it.incident_store.current)
        await proposed(it)
        proposal = await waiting(person)
        await person.object(proposal.id, "not now")
        done = await person.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded, confirms=proposal)
        assert done.outcome is None and done.stopped == "maria refused the agent's proposal: not now: nothing was sent"
        assert await active(database) and EntryKind.INTENT not in kinds(tmp_path)
        await proposed(it)
        again = await waiting(person)
        done = await person.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded, confirms=again)
        assert done.outcome is not None and done.outcome.state == "done"
        await person.perform("provider.enable", {"provider": "smsbower"}, ask, unrecorded)
        done = await person.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded, confirms=again)
        assert done.stopped == "maria has confirmed the agent's proposal already: nothing was sent"
        assert await active(database)


async def test_an_agent_writes_nothing_but_proposals_and_can_not_act(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    sources = sources_on(database.url)
    async with (
        agent_session(tmp_path, sources, **tables(database)) as it,
        person_session(tmp_path, sources, **tables(database)) as person,
    ):
        await person.open_incident("t", "")
        await until(lambda: it.incident_store.current)
        made = await proposed(it)
        for writing in (it.note("x"), it.object(made.id, "x"), it.approve(made.id), it.open_incident("x", "")):
            with pytest.raises(JournalError):
                await writing
        done = await it.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded)
        assert done.outcome is None and done.stopped and await active(database)
        it.tick()
        [entry] = [one for one in entries(tmp_path) if one.writer.operator == "anna"]
        assert entry.kind == EntryKind.PROPOSED and "confirm" not in entry.data["plan"]
        assert Capability.ACT not in it.capabilities and Capability.NOTE not in it.capabilities


async def test_proposals_are_bounded_and_need_a_reason_and_somebody_to_see_them(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    sources = sources_on(database.url)
    rules = tables(database, agents={"most_open": 1})
    async with (
        agent_session(tmp_path, sources, **rules) as it,
        person_session(tmp_path, sources, follows=False, **tables(database)) as person,
    ):
        with pytest.raises(ActionError, match="nobody is at a console"):
            await proposed(it)
        await person.open_incident("t", "")
        await until(lambda: it.incident_store.current)
        with pytest.raises(ActionError, match="needs a reason"):
            await proposed(it, reason=" \x1b[2J ")
        await proposed(it)
        with pytest.raises(ActionError, match=r"1 proposals of agents wait.*agents.most_open"):
            await proposed(it)


async def test_a_blocked_plan_is_refused_with_the_guards_sentence(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    reads = {"postgres": {"url": database.server.read_url}, "warroom": ROOM}
    async with (
        agent_session(tmp_path, sources_on(database.server.read_url), **reads) as it,
        person_session(tmp_path, sources_on(database.url), **tables(database)) as person,
    ):
        await person.open_incident("t", "")
        await until(lambda: it.incident_store.current)
        with pytest.raises(ActionError, match=r"blocked, so nothing was proposed: .*GRANT UPDATE"):
            await proposed(it)
        assert EntryKind.PROPOSED not in kinds(tmp_path)


async def test_an_old_proposal_is_gone_and_nothing_was_sent(tmp_path: Path, database: Any, sources_on: Any) -> None:
    sources = sources_on(database.url)
    rules = tables(database, agents={"proposal_s": 1.0})
    async with (
        agent_session(tmp_path, sources, **rules) as it,
        person_session(tmp_path, sources, **tables(database)) as person,
    ):
        await person.open_incident("t", "")
        await until(lambda: it.incident_store.current)
        began = time.monotonic()
        await proposed(it)
        await waiting(person)
        await until(lambda: not person.waiting)
        assert time.monotonic() - began >= 0.9 and await active(database)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("claude-code", "claude-code"),
        ("claude for root (account root)", "claude-for-root-account-root"),
        ("\x1b[31mx\x1b[0m\u202e evil", "x-evil"),
        ("", UNNAMED),
        (None, UNNAMED),
        ("[/bold]", "bold"),
        ("a" * 500, "a" * 40),
    ],
)
def test_an_agents_name_can_not_read_like_a_persons(given: object, shown: str) -> None:
    assert agent_name(given) == shown


async def test_only_a_persons_intent_for_the_same_action_ends_a_proposal(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    sources = sources_on(database.url)
    async with (
        agent_session(tmp_path, sources, **tables(database)) as it,
        person_session(tmp_path, sources, **tables(database)) as person,
    ):
        await person.open_incident("t", "")
        await until(lambda: it.incident_store.current)
        made = await proposed(it)
        await waiting(person)
        wrong = {"action": "provider.disable", "arguments": {"provider": "5sim"}, "effect": "x"}
        await person.record(EntryKind.INTENT, {"operator": "maria", "plan": wrong, "confirms": made.id})
        await person.record(EntryKind.APPROVED, {"proposal": made.id})
        [proposal] = [one for one in proposals_in(person.entries) if one.id == made.id]
        assert proposal.ended == ""


HOSTILE = (
    {"plan": {"action": "provider.disable", "arguments": {}}},
    {"plan": {"action": "provider.disable", "arguments": {"provider": "x", "evil": "y"}}},
    {"plan": {"action": "rm -rf", "arguments": {"provider": ["x"]}}},
    {"plan": [1, 2], "reason": {"a": 1}, "lasts_s": "soon"},
    {"plan": {"action": None, "arguments": "x", "targets": "x", "guards": [1]}, "agent": ["x"], "fingerprint": 3},
)


@pytest.mark.parametrize("data", HOSTILE)
async def test_a_malformed_proposal_is_shown_and_can_not_be_confirmed(tmp_path: Path, data: dict[str, Any]) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await app.controller.session.open_incident("t", "")
        name = app.controller.session.incident_store.current
        lasting = {"needs": "confirmation", "lasts_s": 60, "until": "9999-01-01T00:00:00Z"}
        other = open_journal(settings(tmp_path), "piet", name)
        await asyncio.to_thread(other.append, EntryKind.PROPOSED, {**lasting, **data})
        if data.get("lasts_s") == "soon":
            await until(lambda: app.controller.session.incident.proposals)
            return
        await until(lambda: "proposes" in strip_of(app))
        await until_done_by(lambda: pilot.press("A"), lambda: "it can't be confirmed" in text_of(app))
        assert not isinstance(app.screen, ConfirmScreen)


def test_of_many_agents_proposals_three_have_lines() -> None:
    at = datetime(2026, 11, 29, 14, 7, tzinfo=UTC)
    person = WriterIdentity(account="anna", host="h", label="anna")
    many = [
        (Proposal(id=f"{n}", name="x", effect="y", by="b", at=at, until=at, needs="confirmation", person=person,
                  agent="claude", because="z"), 60.0)
        for n in range(10)
    ]  # fmt: skip
    drawn = lines(many, "oaA", 120)
    assert len(drawn) == 5 and "and 7 more of agents" in as_text(drawn)
    assert as_text(drawn[:1]).count("opens it") == 1 and "because: z" in as_text(drawn[1:2])


async def test_an_agent_and_its_account_are_one_person_where_a_second_one_must_approve(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    sources = sources_on(database.url)
    rules = {**ROOM, "approval_actions": ["provider.disable"], "approval_s": 60.0}
    strict = {"postgres": {"url": database.url}, "warroom": rules}
    async with (
        agent_session(tmp_path, sources, **strict) as it,
        person_session(tmp_path, sources, **{**strict, "operator": "anna@desk"}) as anna,
        person_session(tmp_path, sources, **{**strict, "operator": "maria"}) as maria,
    ):
        await anna.open_incident("t", "")
        await until(lambda: it.incident_store.current and maria.incident_store.current)
        made = await proposed(it)
        mine = await waiting(anna)
        await until(lambda: anna.peers.others().apart)
        doing = asyncio.create_task(
            anna.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded, confirms=mine)
        )
        approval = (await until(lambda: [one for one, _ in maria.waiting if one.needs == "approval"]))[0]
        for session in (it, anna):
            with pytest.raises(JournalError):
                await session.approve(approval.id)
        assert await active(database)
        await maria.approve(approval.id)
        done = await doing
        assert done.outcome is not None and done.outcome.state == "done"
        ended = {one.id: (one.ended, one.ended_by) for one in proposals_in(anna.entries)}
        assert ended[made.id] == ("sent", "anna@desk") and ended[approval.id][0] == "sent"


@pytest.mark.parametrize(("roles", "may"), [({}, True), ({"propose": ["nobody"]}, False)])
def test_what_roles_keep_from_an_account_they_keep_from_its_agent(
    tmp_path: Path, roles: dict[str, Any], may: bool
) -> None:
    granted = agent_capabilities(settings(tmp_path, roles=roles))
    assert (Capability.PROPOSE in granted) is may and Capability.LOOK in granted
    assert Capability.ACT not in granted and Capability.APPROVE not in granted
    assert may or "may have actions proposed (roles.propose in the settings)" in granted.why_not(Capability.PROPOSE)


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (120, "agent claude for anna proposes: provider.disable smsbower"),
        (80, "agent claude: provider.disable smsbower"),
    ],
)
def test_what_an_agent_proposes_is_read_on_a_narrow_screen_too(width: int, told: str) -> None:
    at = datetime(2026, 11, 29, 14, 7, tzinfo=UTC)
    person = WriterIdentity(account="anna", host="h", label="anna")
    one = Proposal(
        id="1", name="provider.disable smsbower", effect="", by="agent claude for anna", at=at, until=at,
        needs="confirmation", person=person, agent="claude", because=REASON,
    )  # fmt: skip
    first, second = (as_text((line,)) for line in lines([(one, 900.0)], "oaA", width))
    assert told in first and "opens it" in first and "refuses" in first and REASON in second


@pytest.mark.parametrize("width", range(60, 140, 3))
@pytest.mark.parametrize("effect", ["Disables smsbower everywhere, for new purchases.", "D" * 200])
def test_no_word_of_what_a_proposal_does_is_cut(width: int, effect: str) -> None:
    at = datetime(2026, 11, 29, 14, 7, tzinfo=UTC)
    person = WriterIdentity(account="anna", host="h", label="anna")
    one = Proposal(
        id="1", name="provider.disable smsbower", effect=effect, by="agent claude for anna", at=at, until=at,
        needs="confirmation", person=person, agent="claude", because=REASON,
    )  # fmt: skip
    first = as_text((lines([(one, 900.0)], "oaA", width)[0],))
    _, _, shown = first.partition("disable smsbower")
    kept = shown.partition("  15")[0].split()
    if kept[-1:] == ["…"]:
        kept.pop()
    assert kept == effect.split()[: len(kept)]
