"""The operator's side without a screen: what is recorded, what others do, what nobody knows after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_readings as sample
from acting import add_provider
from consenting import ask, unrecorded
from controller import entries, fresh, kinds, seeing, settings, until
from crashes import DONE, PLAN, crashed

from nexconsole.errors import JournalError
from nexconsole.journal import Entry, open_journal
from nexconsole.journal.accounts import own_account
from nexconsole.model import utc_now
from nexconsole.runbook.progress import KEPT, progress_of
from nexconsole.session import auto_record as module
from nexconsole.session.operation import StepRef
from nexconsole.session.remote_operations import MATTERS, remote_operations
from nexconsole.session.session import Session
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

LABELLED = f"carol (account {own_account()})"


@asynccontextmanager
async def side(folder: Path, sources: Sources | None = None, **more: Any) -> AsyncIterator[Session]:
    readings = fresh(sample.incident())
    options = {key: more.pop(key) for key in ("heard", "changed") if key in more}
    one = Session(settings(folder, **more), sources or Sources(LazyClients(), {}), monitor=seeing(readings), **options)
    one.start()
    try:
        yield one
    finally:
        await one.close()


async def test_a_severity_is_recorded_once_when_it_has_lasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEADY_S", 0.3)
    monkeypatch.setattr(module, "TURNS_S", 0.0)
    async with side(tmp_path) as one:
        for level in ("SEV-1", "none", "SEV-1"):
            one.judged(level, ["because"])
        assert kinds(tmp_path) == []

        async def lasting(level: str, seconds: float) -> None:
            for _ in range(int(seconds / 0.05)):
                one.judged(level, ["because"])
                await asyncio.sleep(0.05)

        await lasting("SEV-1", 1.0)
        assert [entry.data["level"] for entry in entries(tmp_path)] == ["SEV-1"]
        await lasting("SEV-2", 0.1)
        await lasting("SEV-1", 0.6)
        await lasting("none", 0.8)
        assert [entry.data["level"] for entry in entries(tmp_path)] == ["SEV-1", "none"]
    async with side(tmp_path) as other:
        await until(lambda: other.entries)
        other.judged("none", [])
        await asyncio.sleep(0.4)
        other.judged("none", [])
        await asyncio.sleep(0.1)
        assert len(entries(tmp_path)) == 2


async def test_what_another_console_writes_is_heard_within_a_second(tmp_path: Path) -> None:
    heard: list[Entry] = []
    async with side(tmp_path, heard=heard.append) as one:
        await one.note("mine")
        await until(lambda: one.entries)
        other = open_journal(settings(tmp_path), "bob")
        await asyncio.sleep(0.4)
        note = await asyncio.to_thread(other.append, "note", {"text": "theirs"})
        await until(lambda: heard, 1.0)
        assert [entry.data["text"] for entry in heard] == ["theirs"]
        intent = await asyncio.to_thread(other.append, "intent", {"operator": "bob", "plan": PLAN})
        shown = await until(lambda: one.shown, 1.0)
        assert shown[0].elsewhere and shown[0].by == "bob" and shown[0].phase == "sending"
        assert shown[0].name == "provider.disable smsbower"
        outcome = {"intent": intent.id, "outcome": {"state": "done", "answer": "UPDATE 1"}}
        await asyncio.to_thread(other.append, "outcome", outcome)
        await until(lambda: one.shown[0].phase == "watching", 1.0)
        verdict = {"intent": intent.id, "verdict": {"state": "worked", "because": "none for 20 s"}}
        await asyncio.to_thread(other.append, "verdict", verdict)
        await until(lambda: one.shown[0].phase == "ended", 1.0)
        assert one.dismiss() == 1 and one.shown == ()
        assert note.writer != one.journal.writer or note.writer.operator == "bob"


async def test_an_intent_whose_console_died_is_unknown_until_somebody_says_what_became_of_it(tmp_path: Path) -> None:
    await asyncio.to_thread(crashed, tmp_path, f"j.append('intent', {{'operator': 'carol', 'plan': {PLAN!r}}})")
    async with side(tmp_path) as one:
        shown = await until(lambda: one.shown)
        lost = shown[0]
        assert (
            lost.unfinished and lost.by == LABELLED and lost.watch == PLAN["watch"] and lost.command == PLAN["command"]
        )
        await one.found(str(lost.intent), "done", "the row says so")
        await until(lambda: not any(each.unfinished and each.outcome is None for each in one.shown))
    async with side(tmp_path) as later:
        await until(lambda: later.entries)
        assert later.shown == ()
        assert "looked at by maria" in entries(tmp_path)[-1].data["outcome"]["answer"]


async def test_an_action_whose_console_died_while_it_watched_has_no_verdict_until_somebody_tells(
    tmp_path: Path,
) -> None:
    intent = f"i = j.append('intent', {{'operator': 'carol', 'plan': {PLAN!r}}})"
    await asyncio.to_thread(crashed, tmp_path, intent, DONE)
    async with side(tmp_path) as one:
        shown = await until(lambda: one.shown)
        assert shown[0].unjudged and shown[0].lost and shown[0].phase == "ended" and shown[0].watch == PLAN["watch"]
        one.dismiss()
        assert one.shown == () and list(one.lost) == [shown[0].intent]  # the journal shows it still
        await one.seen(str(shown[0].intent), "worked", "no attempt for a minute")
        await until(lambda: not one.lost)
    async with side(tmp_path) as later:
        await until(lambda: later.entries)
        assert later.shown == () and "looked at by maria" in later.entries[-1].data["verdict"]["because"]


async def test_what_was_refused_or_failed_is_owed_no_verdict(tmp_path: Path) -> None:
    for state in ("refused", "failed"):
        intent = f"i = j.append('intent', {{'operator': 'carol', 'plan': {PLAN!r}}})"
        await asyncio.to_thread(crashed, tmp_path, intent, DONE.replace("done", state))
    async with side(tmp_path) as one:
        await until(lambda: len(one.entries) == 4)
        assert one.shown == () and not one.lost


async def test_whether_it_helped_is_no_news_after_half_a_day(tmp_path: Path) -> None:
    intent = f"i = j.append('intent', {{'operator': 'carol', 'plan': {PLAN!r}}})"
    await asyncio.to_thread(crashed, tmp_path, intent, DONE)
    one = Session(settings(tmp_path), Sources(LazyClients(), {}))
    entries_then = entries(tmp_path)
    assert remote_operations(entries_then, one.journal.writer, utc_now(), utc_now())
    late = utc_now() + MATTERS
    assert not remote_operations(entries_then, one.journal.writer, late, late)


async def test_a_console_that_ends_in_the_middle_turns_its_action_unknown_on_the_others(tmp_path: Path) -> None:
    async with side(tmp_path) as one:
        code = f"i = j.append('intent', {{'operator': 'carol', 'plan': {PLAN!r}}})\nimport time; time.sleep(2.5)"
        living = asyncio.create_task(asyncio.to_thread(crashed, tmp_path, code))
        await until(lambda: one.shown)
        assert one.shown[0].phase == "sending" and not one.shown[0].unfinished
        await living
        one.look_again()
        assert one.shown[0].phase == "ended" and one.shown[0].unfinished


async def test_a_finished_action_of_before_is_no_news(tmp_path: Path) -> None:
    await asyncio.to_thread(
        crashed,
        tmp_path,
        f"i = j.append('intent', {{'operator': 'carol', 'plan': {PLAN!r}}})",
        "j.append('outcome', {'intent': i.id, 'outcome': {'state': 'done', 'answer': 'x'}})",
        "j.append('verdict', {'intent': i.id, 'verdict': {'state': 'worked', 'because': 'y'}})",
    )
    async with side(tmp_path) as one:
        await until(lambda: one.entries)
        assert one.shown == ()


async def test_two_consoles_that_disable_the_same_provider_give_one_change_and_one_refusal(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    for name in ("smsbower", "5sim", "tiger-sms"):
        await add_provider(database, name)
    table = {"postgres": {"url": database.url}}
    async with (
        side(tmp_path, sources_on(database.url), **table) as one,
        side(tmp_path, sources_on(database.url), **table) as other,
    ):
        done = await asyncio.gather(
            *(each.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded) for each in (one, other))
        )
        states = sorted(each.outcome.state if each.outcome else "stopped" for each in done)
        assert states in (["done", "refused"], ["done", "stopped"])
        assert sum(each.undo is not None for each in done) == 1


async def test_an_action_taken_for_a_step_is_that_steps_end(tmp_path: Path, database: Any, sources_on: Any) -> None:
    for name in ("smsbower", "5sim", "tiger-sms"):
        await add_provider(database, name)
    async with side(tmp_path, sources_on(database.url), postgres={"url": database.url}) as one:
        await one.begin("s")
        step = StepRef(scenario="s", step="s/do", taken={"s/if": {"provider": "smsbower"}})
        done = await one.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded, step=step)
        walk = one.walk("s")
        assert walk is not None and walk.taken == {"s/if": {"provider": "smsbower"}}
        assert walk.marks["s/do"].answer.startswith(str(done.verdict.state))
        assert walk.marks["s/do"].by == "maria"


async def test_a_journal_that_cannot_be_written_is_said_and_heals(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.write_text("in the way")
    async with side(folder) as one:
        with pytest.raises(JournalError):
            await one.note("x")
        assert "folder is a file" in one.trouble
        folder.unlink()
        await one.note("y")
        assert one.trouble == "" and kinds(folder) == ["note"]


async def test_the_journals_trouble_is_shown_no_longer_than_it_lasts(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.write_text("in the way")
    async with side(folder) as one:
        with pytest.raises(JournalError):
            await one.note("x")
        one.look_again()
        await until(lambda: not one.incident_store._trying)
        assert "folder is a file" in one.trouble or "no journal can be written" in one.trouble
        folder.unlink()
        one.look_again()
        await until(lambda: one.trouble == "")
        assert kinds(folder) == [] and not list(folder.glob(".trial*"))


async def test_a_walk_that_nobody_touched_for_hours_is_not_gone_on_with(tmp_path: Path) -> None:
    async with side(tmp_path) as one:
        await one.begin("s")
        walk = progress_of(one.entries, "s")
        assert walk is not None and walk.lasts(utc_now()) and one.walk("s") is not None
        assert not walk.lasts(utc_now() + KEPT + timedelta(seconds=1))
        assert progress_of(one.entries, "other") is None


async def test_entries_of_other_shapes_do_no_harm(tmp_path: Path) -> None:
    async with side(tmp_path) as one:
        other = open_journal(settings(tmp_path), "bob")
        for kind in ("step", "intent", "outcome", "verdict", "severity", "undo", "future"):
            for data in (
                {},
                {"scenario": "s", "step": 4, "state": 5, "taken": 6, "plan": 7, "outcome": 8, "intent": 9},
                {"scenario": "s", "step": "s/x", "state": "begun", "taken": {"a": 1}, "plan": {"arguments": 1}},
            ):
                await asyncio.to_thread(other.append, kind, data)
        await until(lambda: len(one.entries) == 21)
        assert one.walk("s") is not None and one.shown is not None


def test_an_outcome_that_names_no_intent_ends_none(tmp_path):
    from nexconsole.journal import Journal, Scrubber, Writer, read, unfinished
    from nexconsole.runbook.progress import progress_of

    journal = Journal(tmp_path / "odd.jsonl", Writer.here("maria"), Scrubber())
    journal.append("intent", {"plan": {"action": "provider.disable"}})
    journal.append("outcome", {"intent": ["not", "an", "id"]})
    entries = read(journal.file).entries
    assert len(unfinished(entries)) == 1
    assert progress_of(entries, "1") is None


@pytest.mark.parametrize(
    ("state", "touched", "offered"), [("failed", 0, False), ("failed", 1, True), ("done", 0, True)]
)
def test_an_undo_is_offered_wherever_something_may_have_been_changed(state, touched, offered):
    from datetime import UTC, datetime

    from nexconsole.actions.plan import Confirmation, Outcome, Plan, Target, Undo
    from nexconsole.session.operation import Operation

    now = datetime(2026, 11, 23, tzinfo=UTC)
    plan = Plan(
        action="locks.flush",
        arguments={},
        targets=(),
        effect="",
        command="",
        confirm=Confirmation(kind="letter", text="f"),
        undo=Undo(action="locks.restore", arguments={}, command=""),
        taken_at=now,
        expires_at=now,
    )
    outcome = Outcome(state=state, answer="", touched=(Target(kind="key", id="k"),) * touched)
    operation = Operation(action="locks.flush", arguments={}, began_at=now, by="maria", plan=plan, outcome=outcome)
    assert (operation.undo is not None) is offered
