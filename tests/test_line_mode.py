"""The console in lines: what changes is said once, and nothing is done that was not typed after its question."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_readings as sample
from acting import add_provider
from controller import entries, fresh, kinds, seeing, settings, until
from proposing_agent import REASON, agent_session, proposed

from nexconsole.incident.permissions import WriterIdentity
from nexconsole.incident.proposals import Proposal
from nexconsole.line_mode.changes import GONE, STILL, Changes, Snapshot, level_of
from nexconsole.line_mode.console import LineConsole
from nexconsole.line_mode.input import LONGEST, LineInput, TypedLine
from nexconsole.line_mode.output import MOST, LineOutput
from nexconsole.model import SourceHealth, utc_now
from nexconsole.session.session import Session
from nexconsole.severity import Reason, Severity
from nexconsole.signals.registry import polled
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

AT = datetime(2026, 11, 29, 14, 7, 31, tzinfo=UTC)
FAILS = Reason(level="SEV-1", text="31 % of purchases fail, all at smsbower", signal="transactions", age_s=1.0)
FLAPS = Reason(level="SEV-3", text="smsbower's circuit flaps: opened 4 times", signal="circuits", age_s=1.0)
CALM = Severity(level="none")


def seen(severity: Severity | None, after_s: float = 0.0, **more: Any) -> Snapshot:
    at = AT + timedelta(seconds=after_s)
    readings = more.pop("readings", {name: replace(one, taken_at=at) for name, one in sample.calm().items()})
    return Snapshot(at=at, severity=severity, readings=readings, expected=(), sources=more.pop("sources", ()), **more)


def worse(*reasons: Reason) -> Severity:
    return Severity(level=reasons[0].level, reasons=reasons)


def test_at_first_it_says_how_things_stand_and_then_only_what_is_different() -> None:
    said = Changes()
    first = said.sentences(seen(worse(FAILS, FLAPS)))
    assert first[0] == "SEV-1: 31 % of purchases fail, all at smsbower; 1 more reason: why lists them"
    assert first[1] == "also SEV-3: smsbower's circuit flaps: opened 4 times"
    figures = replace(FAILS, text="29 % of purchases fail, all at smsbower")
    assert said.sentences(seen(worse(figures, FLAPS), 2.0)) == []
    calm = said.sentences(seen(CALM, 95.0))
    assert calm[0].startswith("calm, was SEV-1 for 95 s: nothing is wrong in ")


def test_a_level_that_lasts_is_said_again_with_its_figures_every_minute() -> None:
    said = Changes()
    said.sentences(seen(worse(FAILS)))
    figures = replace(FAILS, text="12 % of purchases fail, all at smsbower")
    assert said.sentences(seen(worse(figures), STILL.total_seconds() - 1)) == []
    again = said.sentences(seen(worse(figures), STILL.total_seconds()))
    assert again == ["still SEV-1 after 60 s: 12 % of purchases fail, all at smsbower"]


def test_a_reason_is_over_when_it_has_been_gone_for_a_while_and_one_that_comes_and_goes_is_not_said() -> None:
    said = Changes()
    said.sentences(seen(worse(FAILS, FLAPS)))
    assert said.sentences(seen(worse(FAILS), 1.0)) == []
    assert said.sentences(seen(worse(FAILS, FLAPS), 3.0)) == []
    assert said.sentences(seen(worse(FAILS), 3.0 + GONE.total_seconds())) == ["over: " + FLAPS.text]


def test_a_source_that_falls_silent_and_answers_again_is_said() -> None:
    said = Changes()
    said.sentences(seen(CALM))
    broken = SourceHealth(name="redis", failed_at=AT, error="connection refused", kind="refused")
    assert said.sentences(seen(CALM, 5.0, sources=(broken,))) == ["redis does not answer: connection refused"]
    assert said.sentences(seen(CALM, 6.0, sources=(broken,))) == []
    well = SourceHealth(name="redis", ok_at=AT + timedelta(seconds=46), latency_ms=1.0)
    assert said.sentences(seen(CALM, 46.0, sources=(well,))) == ["redis answers again, after 41 s"]


def test_what_was_never_read_is_not_called_calm() -> None:
    assert level_of(seen(CALM, readings={})) == "not known"
    assert level_of(replace(seen(CALM), expected=("transactions", "a signal that has not answered"))) == ""
    assert level_of(seen(Severity(level="none", unanswered=("postgres has never answered",)))) == "not known"


class TypedByTest:
    """Types lines; each came `late` seconds after it is read, so that questions stand by then."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[TypedLine] = asyncio.Queue()

    async def next(self) -> TypedLine:
        return await self._lines.get()

    def type(self, text: str | None, late: float = 60.0) -> None:
        self._lines.put_nowait(TypedLine(text, time.monotonic() + late))


@asynccontextmanager
async def lines(
    folder: Path, sources: Sources | None = None, **more: Any
) -> AsyncIterator[tuple[LineConsole, list[str], TypedByTest]]:
    printed: list[str] = []
    typed = TypedByTest()
    session = Session(
        settings(folder, **more), sources or Sources(LazyClients(), {}), monitor=seeing(fresh(sample.incident()))
    )
    console = LineConsole(session, printed.append, typed, utc_now)
    session.start()
    running = asyncio.create_task(console.run())
    try:
        await until(lambda: any("fits: s shows its steps" in line for line in printed))
        yield console, printed, typed
    finally:
        console.ended.set()
        await running
        await session.close()


@asynccontextmanager
async def asked_to_disable(
    folder: Path, database: Any, sources_on: Any, **more: Any
) -> AsyncIterator[tuple[list[str], TypedByTest, str]]:
    """What is printed, who types, and the word that is asked for to disable smsbower."""
    for name in ("smsbower", "5sim", "tiger-sms"):
        await add_provider(database, name)
    more = {"postgres": {"url": database.url}, **more}
    async with lines(folder, sources_on(database.url), **more) as (_, printed, typed):
        typed.type("disable smsbower")
        await until(lambda: any(re.match(r"1\. Disable provider smsbower", line) for line in printed))
        typed.type("1")
        question = await until(lambda: [line for line in printed if ": to do it, type '" in line])
        yield printed, typed, re.findall(r"type '(.*)'", question[0])[0]


async def test_an_action_is_found_by_words_taken_by_number_and_confirmed_by_its_text(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    async with asked_to_disable(tmp_path, database, sources_on) as (printed, typed, word):
        assert any(line.startswith("Disables smsbower") for line in printed)
        assert any(line.startswith("undo: ") for line in printed)
        typed.type(word)
        await until(lambda: any(": done: " in line for line in printed))
        assert "outcome" in kinds(tmp_path)
        await until(lambda: kinds(tmp_path)[-1] == "verdict")
    row = await database.connection.fetchval("SELECT is_active FROM providers WHERE name = 'smsbower'")
    assert row is False


@pytest.mark.parametrize("reason", ["every purchase fails", " ", ""])
async def test_alone_the_glass_is_broken_by_a_typed_reason_and_by_nothing_less(
    tmp_path: Path, database: Any, sources_on: Any, reason: str
) -> None:
    rules = {"approval_actions": ["provider.disable"]}
    async with asked_to_disable(tmp_path, database, sources_on, warroom=rules) as (printed, typed, word):
        typed.type(word)
        await until(lambda: any("to break the glass, type why it can't wait" in line for line in printed))
        assert any(line.startswith("NO SECOND PERSON: provider.disable smsbower needs") for line in printed)
        typed.type(reason)
        if reason.strip():
            await until(lambda: "outcome" in kinds(tmp_path))
            assert kinds(tmp_path)[:2] == ["broke_glass", "intent"]
        else:
            await until(lambda: any("nobody is here who may approve it" in line for line in printed[-3:]))
    sent = await database.connection.fetchval("SELECT NOT is_active FROM providers WHERE name = 'smsbower'")
    assert sent is bool(reason.strip())


def test_of_many_reasons_three_are_said_and_then_how_many_more_there_are() -> None:
    said = Changes()
    many = [replace(FLAPS, text=f"pool {n} flaps", about=f"pool {n}") for n in "abcdef"]
    first = said.sentences(seen(worse(FAILS, *many)))
    assert [line for line in first[1:] if "reason" in line or "also" in line] == [
        "also SEV-3: pool a flaps",
        "also SEV-3: pool b flaps",
        "also SEV-3: pool c flaps",
        "and 3 more reasons: why lists them",
    ]
    assert not said.sentences(seen(worse(FAILS, *many), 1.0))


def test_what_leads_by_turns_is_not_said_by_turns() -> None:
    said = Changes()
    said.sentences(seen(worse(FAILS)))
    blocks = Reason(level="SEV-1", text="session 4711 blocks 9 others", signal="database", age_s=1.0)
    sentences: list[str] = []
    for second in range(1, 50):
        order = (blocks, FAILS) if second % 6 < 3 else (FAILS, blocks)
        sentences += said.sentences(seen(worse(*order), float(second)))
    assert sentences == ["also SEV-1: session 4711 blocks 9 others"]
    sentences = []
    for second in range(50, 57):
        sentences += said.sentences(seen(worse(blocks, FAILS), float(second)))
    assert sentences == ["still SEV-1, the first reason now: session 4711 blocks 9 others"]


def test_a_scenario_is_offered_when_it_has_fitted_for_a_moment_and_not_again_and_again() -> None:
    said = Changes()
    sentences: list[str] = []
    for second in range(60):
        sentences += said.sentences(seen(worse(FAILS), float(second), fit="" if second % 20 > 12 else "scenario 1 (x)"))
    assert [line for line in sentences if "fits" in line] == ["scenario 1 (x) fits: s shows its steps"]


def test_with_nothing_configured_it_says_so() -> None:
    absent = (SourceHealth(name="postgres", configured=False), SourceHealth(name="redis", configured=False))
    first = Changes().sentences(seen(Severity(level="none"), readings={}, sources=absent))
    assert first[0].startswith("not known: nothing is configured: `nexconsole init`")


async def test_what_was_typed_before_the_question_stood_confirms_nothing(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    async with asked_to_disable(tmp_path, database, sources_on) as (printed, typed, word):
        typed.type(word, late=0.0)
        await until(lambda: any("typed before the question stood" in line for line in printed))
        typed.type("")
        await until(lambda: any(": not done: " in line for line in printed))
        assert "intent" not in kinds(tmp_path)


async def test_an_observer_is_told_why_nothing_can_be_done(tmp_path: Path) -> None:
    async with lines(tmp_path, actions={"observe": True}) as (_, printed, typed):
        typed.type("disable smsbower")
        await until(lambda: any("(not now: this console only observes" in line for line in printed))
        typed.type("1")
        await until(lambda: any(line.startswith("not now: this console only observes") for line in printed))
        typed.type("n hello")
        await until(lambda: printed[-1].startswith("this console only observes"))
        assert not entries(tmp_path)


async def test_a_scenarios_steps_are_listed_without_a_record_and_settled_by_number(tmp_path: Path) -> None:
    async with lines(tmp_path) as (_, printed, typed):
        typed.type("s")
        await until(lambda: any(re.match(r"1\. look: ", line) for line in printed))
        await asyncio.sleep(0.3)
        assert not entries(tmp_path)
        typed.type("1")
        await until(lambda: "recorded" in printed)
        assert [entry.data["state"] for entry in entries(tmp_path)] == ["begun", "done"]
        before = len(printed)
        typed.type("s")
        looks = await until(lambda: [line for line in printed[before:] if "looks that readings answer" in line])
        number, many = re.findall(r"\d+", looks[-1])
        typed.type(number)
        await until(lambda: printed.count("recorded") == 1 + int(many))
        assert len(entries(tmp_path)) == 2 + int(many)


async def test_every_other_line_is_answered(tmp_path: Path) -> None:
    async with lines(tmp_path) as (_, printed, typed):
        for text, answer in (
            ("help", "type words to find"),
            ("why", "SEV-"),
            ("now", "transactions: "),
            ("7000", "there is no line 7000"),
            ("zzzzqqqq", "nothing fits"),
            ("u", "nothing to undo"),
            ("stop", "nothing is being sent"),
            ("object", "nobody proposes anything"),
            ("\x1b[2J" * 400, "1. Scenario: "),
        ):
            before = len(printed)
            typed.type(text)
            await until(lambda before=before, answer=answer: any(answer in line for line in printed[before:]))
        assert not any("\x1b" in line for line in printed)
        typed.type("n the provider was called")
        await until(lambda: "noted" in printed)
        assert entries(tmp_path)[-1].data["text"] == "the provider was called"


async def test_leaving_by_q_and_by_the_end_of_the_input(tmp_path: Path) -> None:
    for text in ("q", None):
        async with lines(tmp_path) as (console, _, typed):
            typed.type(text)
            await asyncio.wait_for(console.ended.wait(), 20)


async def test_a_bug_ends_the_console_and_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Changes, now: Snapshot) -> list[str]:
        raise RuntimeError("a bug")

    session = Session(settings(tmp_path), Sources(LazyClients(), {}), monitor=seeing(fresh(sample.incident())))
    monkeypatch.setattr(Changes, "sentences", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        await LineConsole(session, lambda text: None, None, utc_now).run()
    await session.close()


def started(*flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nexconsole", "watch", "--lines", *flags]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


async def test_without_a_terminal_it_prints_and_ends_on_a_signal(database: Any) -> None:
    watching = started("--database-url", database.url)
    try:
        assert watching.stdout is not None
        first = await asyncio.to_thread(watching.stdout.readline)
        assert "nothing can be done from here: the input is no terminal" in first
        second = await asyncio.to_thread(watching.stdout.readline)
        assert re.match(r"\d\d:\d\d:\d\dZ (calm|not known|SEV-\d): ", second), second
        watching.send_signal(signal.SIGTERM)
        _, errors = await asyncio.to_thread(watching.communicate, timeout=30)
    finally:
        watching.kill()
        watching.communicate()
    assert (watching.returncode, errors) == (128 + signal.SIGTERM, "")


async def test_two_plans_are_asked_about_one_after_the_other_each_right_before_its_question(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    for name in ("smsbower", "5sim", "tiger-sms"):
        await add_provider(database, name)
    async with lines(tmp_path, sources_on(database.url), postgres={"url": database.url}) as (console, printed, typed):
        both = [
            asyncio.create_task(console.act("provider.disable", {"provider": name})) for name in ("smsbower", "5sim")
        ]
        first = await until(lambda: [line for line in printed if ": to do it, type '" in line])
        await asyncio.sleep(1.0)  # long enough for the other plan to be prepared
        shown = [re.split(r"[ :]", line)[1] for line in printed if re.match(r"Disables |provider.disable ", line)]
        assert len(set(shown)) == 1 and len(shown) >= 2, shown  # its effect and its question, nothing of the other
        typed.type("")
        await until(lambda: len([line for line in printed if ": to do it, type '" in line]) == 2)
        typed.type("")
        await asyncio.gather(*both)
        assert first[0].startswith(f"provider.disable {shown[0]}: ") and "intent" not in kinds(tmp_path)


async def test_stop_stops_whatever_is_asked_and_a_number_takes_no_line_that_nobody_has_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lines(tmp_path) as (console, printed, typed):
        stopped: list[str] = []
        monkeypatch.setattr(console._session, "stop", lambda: not stopped.append("stop"))
        asked = asyncio.create_task(console.ask("the incident's title"))
        await until(lambda: "the incident's title" in printed)
        typed.type("stop")
        assert await asked is None
        await until(lambda: stopped == ["stop"])
        typed.type("scenario")
        await until(lambda: any(line.startswith("1. Scenario: ") for line in printed))
        typed.type("1", late=0.0)
        await until(lambda: "1 was typed before these lines were there: type it again" in printed)


def proposal(id: str, name: str) -> Proposal:
    person = WriterIdentity(account="piet", host="bastion", label="piet")
    return Proposal(id=id, name=name, effect="", by="piet", at=AT, until=AT, needs="approval", person=person)


async def test_approved_is_what_had_been_said_when_the_word_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lines(tmp_path) as (console, printed, typed):
        waiting = [(proposal("one", "pods.restart"), 60.0)]
        approved: list[str] = []

        async def approve(id: str) -> None:
            approved.append(id)

        monkeypatch.setattr(Session, "waiting", property(lambda session: tuple(waiting)))
        monkeypatch.setattr(console._session, "approve", approve)
        typed.type("approve", late=-60.0)
        await until(lambda: any(line.startswith("1. approve pods.restart") for line in printed))
        console.tell()
        typed.type("approve")
        await until(lambda: approved == ["one"])
        waiting.append((proposal("two", "locks.flush"), 60.0))  # it comes while `approve` is typed
        typed.type("approve")
        await until(lambda: any(line.startswith("2. approve locks.flush, proposed by piet") for line in printed))
        assert approved == ["one"]
        typed.type("2")
        await until(lambda: approved == ["one", "two"])


async def test_what_an_agent_proposes_is_opened_by_a_word_and_confirmed_by_its_text(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    for name in ("smsbower", "5sim", "tiger-sms"):
        await add_provider(database, name)
    tables = {"postgres": {"url": database.url}, "warroom": {"objection_s": 0.0}}
    sources = sources_on(database.url)
    async with (
        lines(tmp_path, sources, **tables) as (console, printed, typed),
        agent_session(tmp_path, sources, **tables) as agent,
    ):
        await console._session.open_incident("t", "")
        await until(lambda: agent.incident_store.current)
        await proposed(agent)
        said = "agent claude for anna proposes provider.disable smsbower"
        await until(lambda: any(said in line and f"because: {REASON}" in line for line in printed))
        typed.type("open")
        question = await until(lambda: [line for line in printed if ": to do it, type '" in line])
        assert any(line.startswith(f"proposed by agent claude for anna, because: {REASON}") for line in printed)
        typed.type(re.findall(r"type '(.*)'", question[0])[0])
        await until(lambda: "verdict" in kinds(tmp_path))
        [intent] = [entry for entry in entries(tmp_path) if entry.kind == "intent"]
        assert intent.data["proposed_by"] == "agent claude for anna"


async def test_a_key_of_another_encoding_is_no_end_and_the_rest_of_a_long_line_is_no_line() -> None:
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as stream, os.fdopen(write, "wb") as keys:
        typed = LineInput(stream)
        typed.start()
        keys.write(b"caf\xe9\n" + b"x" * 3 * LONGEST + b"\nnext\n")
        keys.flush()
        assert [(await typed.next()).text for _ in range(3)] == ["caf\ufffd", "x" * LONGEST, "next"]
        keys.close()
        assert (await asyncio.wait_for(typed.next(), 20)).text is None


async def test_a_terminal_that_takes_nothing_holds_up_nothing_and_no_question_stands_before_it_was_shown() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    shown = b""
    with os.fdopen(write, "w", encoding="ascii") as terminal, os.fdopen(read, "rb"):
        output = LineOutput(terminal, lambda error: None)
        for number in range(MOST + 3_000):
            output.write(f"{number} gr\u00fcn " + "x" * 60)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(output.written(), 0.3)
        began = time.monotonic()
        output.close(0.2)
        assert time.monotonic() - began < 2.0

        def all_of_it() -> bool:
            nonlocal shown
            with contextlib.suppress(BlockingIOError):
                shown += os.read(read, 1 << 20)
            return shown.endswith(b" lines could not be shown\n")

        await until(all_of_it)
        await asyncio.wait_for(output.written(), 20)
    told = shown.decode("ascii").splitlines()
    assert told[0].startswith("0 gr\\xfcn xx") and len(told) < MOST + 3_000


async def test_output_that_nobody_reads_any_more_is_said_to_be_lost_once() -> None:
    read, write = os.pipe()
    os.close(read)
    lost: list[OSError] = []
    with os.fdopen(write, "w") as terminal:
        output = LineOutput(terminal, lost.append)
        output.write("one")
        await until(lambda: lost)
        output.write("two")
        await asyncio.wait_for(output.written(), 20)
    assert [type(error) for error in lost] == [BrokenPipeError]


async def test_a_look_at_what_is_read_on_demand_alone_is_answered(
    tmp_path: Path, database: Any, sources_on: Any
) -> None:
    await database.event("e1", 600, "FAILED", error="index is gone", retry_count=1)
    async with lines(tmp_path, sources_on(database.url), postgres={"url": database.url}) as (_, printed, typed):
        typed.type("scenario outbox worker lag")
        listed = await until(lambda: [line for line in printed if "Scenario: Outbox worker lag" in line])
        typed.type(listed[0].partition(".")[0])
        looks = await until(lambda: [line for line in printed if "which is the oldest of them" in line])
        assert "index is gone" in looks[0]


async def test_before_all_is_read_no_scenario_is_said_not_to_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lines(tmp_path) as (console, printed, typed):
        there = dict(console._session.readings)
        monkeypatch.setattr(Session, "readings", property(lambda self: {}))
        typed.type("s")
        await until(lambda: any("not all is read yet: type s again" in line for line in printed))
        assert not any("no scenario fits" in line for line in printed)
        calm = {signal.name: sample.calm().get(signal.name) for signal in polled(console._session.settings)}
        monkeypatch.setattr(Session, "readings", property(lambda self: {**calm, **there}))
        assert not console._session.begins
