"""Who somebody is: the account, as the kernel has it, and never the name that he gives himself."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from acting import add_provider
from consenting import active, ask, unrecorded
from controller import entries, settings, until
from incident_story import START

from nexconsole.errors import JournalError
from nexconsole.incident.incident import fold
from nexconsole.incident.permissions import another, author_of
from nexconsole.incident.prelude import BEFORE, prelude_of
from nexconsole.incident.proposals import proposals_in
from nexconsole.incident.timing import timing_of
from nexconsole.journal import EntryKind, Writer, journal_file, open_journal
from nexconsole.journal.accounts import account_of, own_account
from nexconsole.journal.entries import make
from nexconsole.report.render import as_markdown
from nexconsole.session.approvals import ApprovalChannel
from nexconsole.session.incident_store import IncidentStore
from nexconsole.session.peers import Peers
from nexconsole.session.session import Session
from nexconsole.sharing.presence import Presence
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


def writer(operator: str, account: str = "", host: str = "bastion", pid: int = 7) -> Writer:
    return Writer(operator, host, pid, START, account)


def test_a_name_that_is_not_the_accounts_is_shown_as_such():
    assert str(writer("piet", "root")) == "piet (account root)"
    assert str(writer("piet", "piet")) == str(writer("piet")) == "piet"
    assert str(writer("piet@bastion", "piet")) == "piet@bastion"
    assert not writer("piet").labelled and writer("piet", "root").labelled


def test_the_account_is_the_kernels_whatever_the_environment_says():
    code = "from nexconsole.journal import Writer; w = Writer.here('piet'); print(w.account, str(w), sep='|')"
    environment = {**os.environ, "USER": "piet", "LOGNAME": "piet", "SUDO_USER": "piet", "USERNAME": "piet"}
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=Path(__file__).parent.parent,
    ).stdout.strip()
    assert said == f"{own_account()}|piet (account {own_account()})"
    assert account_of(4_000_000_000) == "4000000000"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another account")
def test_the_account_of_whoever_became_another_is_that_one():
    code = "import os; from nexconsole.journal.accounts import own_account; os.seteuid(1); print(own_account())"
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=Path(__file__).parent.parent,
    ).stdout.strip()
    assert said == account_of(1) != own_account()


def apart(one: Writer, other: Writer) -> bool:
    return another(author_of(one), author_of(other))


def test_a_second_person_is_an_account_of_another_name():
    maria = writer("maria", "maria")
    assert apart(writer("piet", "piet"), maria)
    assert apart(writer("piet", "root"), maria)  # whatever he is called, it is another account
    assert not apart(writer("piet", "maria"), maria)
    assert not apart(writer("maria", "maria", "laptop"), maria)
    assert not apart(writer("piet"), maria) and not apart(writer("piet", "piet"), writer("maria"))
    assert apart(writer("piet"), writer("maria")) and not apart(writer("maria"), writer("maria"))


@pytest.mark.parametrize(("by", "ended"), [(writer("piet", "maria", pid=8), ""), (writer("piet", "piet"), "approved")])
def test_nobody_approves_from_his_own_account_under_another_name(by: Writer, ended: str):
    plan = {"action": "provider.enable", "arguments": {"provider": "smsbower"}}
    data = {"plan": plan, "until": NOW.isoformat(), "needs": "approval"}
    proposed = make(at=NOW, writer=writer("maria", "maria"), seq=1, prev="", after="", kind="proposed", data=data)
    approved = make(at=NOW, writer=by, seq=1, prev="", after="", kind="approved", data={"proposal": proposed.id})
    assert [one.ended for one in proposals_in([proposed, approved])] == [ended]


def others(folder: Path, me: Writer, *there: Writer, **how: Any) -> ApprovalChannel:
    chosen = settings(folder, operator=me.operator)
    one = Peers(chosen, IncidentStore(chosen, lambda: NOW), lambda: NOW, lambda work: None)
    here = [Presence(writer=me, since=NOW, me=True), *(Presence(writer=each, since=NOW, **how) for each in there)]
    one.people._here = tuple(here)
    return one.others()


def test_two_consoles_of_one_account_are_one_person_and_whoever_only_looks_is_none(tmp_path: Path):
    maria, again = writer("maria", "maria"), writer("maria", "maria", pid=8)
    piet = writer("piet", "piet")
    assert others(tmp_path, maria, again) == ApprovalChannel(here=0, apart=0)
    assert others(tmp_path, maria, again, piet, writer("piet", "piet", pid=9)) == ApprovalChannel(here=1, apart=1)
    # Under another name of the same account somebody may sit who objects, but nobody whose word is a second person's.
    assert others(tmp_path, maria, writer("piet", "maria", pid=9)) == ApprovalChannel(here=1, apart=0)
    # Who calls himself as another does hides nobody: that other is still somebody else.
    assert others(tmp_path, writer("piet", "root"), piet) == ApprovalChannel(here=1, apart=1)
    assert others(tmp_path, maria, piet, looks_only=True) == ApprovalChannel(here=0, apart=0)
    assert others(tmp_path, maria, piet, observing=True) == ApprovalChannel(here=1, apart=0)


def side(folder: Path, operator: str = "maria", **tables: Any) -> Session:
    return Session(settings(folder, operator=operator, **tables), Sources(LazyClients(), {}))


async def test_a_console_does_not_write_an_approval_of_its_own_accounts_proposal(tmp_path: Path):
    plan = {"action": "provider.enable", "arguments": {"provider": "smsbower"}}
    other = open_journal(settings(tmp_path), "maria")
    id = other.append(EntryKind.PROPOSED, {"plan": plan, "lasts_s": 60, "needs": "approval"}).id
    one = side(tmp_path)
    await one.incident_store.look()
    with pytest.raises(JournalError, match=r"maria proposed it from this account \(maria\): another must approve it"):
        await one.approve(id)


OBSERVERS: dict[str, Any] = {
    "note": lambda one: one.note("x"),
    "open_incident": lambda one: one.open_incident("t", "SEV-1"),
    "take_role": lambda one: one.take_role("commander", "maria"),
    "declare": lambda one: one.declare("SEV-1", "x"),
    "close_incident": lambda one: one.close_incident("x"),
    "object": lambda one: one.object("1"),
    "approve": lambda one: one.approve("1"),
    "begin": lambda one: one.begin("1"),
    "found": lambda one: one.found("1", "done", "x"),
    "seen": lambda one: one.seen("1", "worked", "x"),
    "record": lambda one: one.record(EntryKind.INTENT, {}),
}


@pytest.mark.parametrize("verb", OBSERVERS)
async def test_a_console_that_observes_can_write_nothing(tmp_path: Path, verb: str):
    open_journal(settings(tmp_path), "piet", "INC-20261123-1342").append(EntryKind.OPENED, {"title": "t"})
    one = side(tmp_path, actions={"observe": True})
    await one.incident_store.look()
    with pytest.raises(JournalError, match="this console only observes: it was started with --observe"):
        await OBSERVERS[verb](one)
    one.judged("SEV-1", ["x"])
    one.watch()
    assert not one._tasks.running and len(entries(tmp_path)) == 1


async def test_a_console_that_observes_acts_on_nothing_and_says_that_it_only_looks(tmp_path: Path):
    one = side(tmp_path, actions={"observe": True})
    done = await one.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded)
    assert "only observes" in (done.stopped or "") and done.outcome is None
    assert one.peers.people.here[0].looks_only
    assert not (tmp_path / "outside-incidents.jsonl").exists()


async def test_who_has_the_role_of_an_observer_gives_no_second_persons_word(tmp_path: Path):
    one = side(tmp_path)
    await one.open_incident("t", "")
    await one.take_role("observer", "maria")
    with pytest.raises(JournalError, match="role of an observer"):
        await one.approve("1")
    await one.object("1")  # whoever sees harm coming may stop it


async def test_after_a_reconnect_u_takes_back_what_this_account_did_last(
    tmp_path: Path, database: Any, sources_on: Any
):
    await add_provider(database, "smsbower")
    await add_provider(database, "5sim")
    tables = {"postgres": {"url": database.url}, "warroom": {"objection_s": 0.0}}
    sources = sources_on(database.url)
    first = Session(settings(tmp_path, **tables), sources)
    first.start()
    done = await first.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded)
    assert done.outcome is not None and done.outcome.state == "done"
    await first.close()
    as_another_process(tmp_path, "maria", 1)
    stranger, again = side(tmp_path, "piet"), Session(settings(tmp_path, **tables), sources)
    await stranger.incident_store.look()
    assert stranger.undoable is None
    again.start()
    undoable = await until(lambda: again.undoable)
    assert undoable.name == "provider.disable smsbower" and undoable.undo.action == "provider.enable"
    assert all(one is undoable for one in again.shown)  # where it is shown, the key stands beside it
    back = await again.perform(undoable.undo.action, undoable.undo.arguments, ask, unrecorded, undoes=undoable)
    assert back.outcome is not None and back.outcome.state == "done" and await active(database)
    await until(lambda: any(entry.kind == EntryKind.UNDO for entry in entries(tmp_path)))
    await until(lambda: again.undoable is None or again.undoable.name != undoable.name)
    await again.close()


def as_another_process(folder: Path, operator: str, pid: int) -> None:
    """The journal as if another process of the same account had written it."""
    ids: dict[str, str] = {}
    made = []
    for one in entries(folder):
        data = {key: ids.get(value, value) if isinstance(value, str) else value for key, value in one.data.items()}
        other = Writer(operator, one.writer.host, pid, one.writer.start, one.writer.account)
        entry = make(at=one.at, writer=other, seq=one.seq, prev="", after="", kind=one.kind, data=data, hlc=one.hlc)
        ids[one.id] = entry.id
        made.append(entry)
    journal_file(folder).write_bytes(b"".join(entry.line + b"\n" for entry in made))


def test_what_was_done_just_before_it_was_opened_is_the_incidents_and_has_mitigated_it():
    maria = writer("maria", "maria")

    def told(minute: float, kind: str, data: dict[str, Any], seq: int):
        at = START + timedelta(minutes=minute)
        return make(at=at, writer=maria, seq=seq, prev="", after="", kind=kind, data=data)

    plan = {"action": "provider.disable", "arguments": {"provider": "smsbower"}, "effect": "x"}
    long_ago = told(-40, "intent", {"plan": {**plan, "action": "pods.restart"}}, 1)
    intent = told(-5, "intent", {"plan": plan}, 2)
    outcome = told(-4.9, "outcome", {"intent": intent.id, "outcome": {"state": "done", "answer": "UPDATE 1"}}, 3)
    verdict = told(1, "verdict", {"intent": intent.id, "verdict": {"state": "worked", "because": "31 % -> 4 %"}}, 4)
    outside = [long_ago, intent, outcome, verdict]
    opened = told(0, "opened", {"title": "smsbower fails", "since": (START - timedelta(minutes=8)).isoformat()}, 1)
    incident = fold([opened, told(9, "note", {"text": "calm"}, 2)], prelude_of([opened], outside))
    assert [(action.name, action.verdict) for action in incident.actions] == [("provider.disable smsbower", "worked")]
    assert (incident.begin, incident.before) == (START, 3)
    assert timing_of(incident).mitigate == timedelta(minutes=9) and timing_of(incident).engage == timedelta(minutes=3)
    report = as_markdown(incident, "INC-20261123-1342")
    assert "| mitigate | not on record" not in report
    assert "Actions of the half hour before it was opened are included" in report
    assert timedelta(minutes=30) == BEFORE and prelude_of([], outside) == ()
    assert fold([opened]).before == 0


async def test_the_console_knows_what_was_done_before_the_incident_was_opened(tmp_path: Path):
    one = side(tmp_path)
    one.start()
    plan = {"action": "provider.disable", "arguments": {"provider": "smsbower"}}
    intent = await one.record(EntryKind.INTENT, {"plan": plan})
    await one.record(EntryKind.OUTCOME, {"intent": intent, "outcome": {"state": "done", "answer": "UPDATE 1"}})
    await one.open_incident("smsbower fails", "SEV-1")
    await one.record(EntryKind.VERDICT, {"intent": intent, "verdict": {"state": "worked", "because": "so"}})
    assert [action.verdict for action in one.incident.actions] == ["worked"]
    assert one.incident.begin == one.incident.timeline[2].at
    await one.close()
