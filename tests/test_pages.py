"""The pages of rows as lines: whatever was read, however little room there is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sample_readings as sample
from controller import quiet
from frozen_console import console, remember, shown
from incident_story import whole
from sample_lookups import ROWS, SUBJECTS, lines, lookups_of, row
from sample_plans import plan, story

from nexconsole.catalogue import Subject
from nexconsole.incident.incident import fold
from nexconsole.journal import EntryKind
from nexconsole.journal.entries import Writer, make
from nexconsole.lookups.event import EventRow
from nexconsole.lookups.lock import LockKey
from nexconsole.lookups.pod import PodFacts
from nexconsole.lookups.registry import LINES, ROW
from nexconsole.lookups.session import SessionRow
from nexconsole.model import Reading
from nexconsole.pages.composing import composed
from nexconsole.pages.registry import PAGES, page_of
from nexconsole.pages.section import PageContext
from nexconsole.screens.journal import JournalScreen
from nexconsole.screens.pod_logs import PodLogs
from nexconsole.screens.row_menu import RowMenu
from nexconsole.screens.subject_page import SubjectScreen
from nexconsole.session.capabilities import WATCHER
from nexconsole.settings import Settings
from nexconsole.signals.database import Database
from nexconsole.signals.database_sessions import DatabaseSession
from nexconsole.signals.locks import Family, Locks
from nexconsole.widgets.canvas import LineCanvas
from nexconsole.widgets.privacy import MASKER
from nexconsole.widgets.spans import as_text, cells, length

HOSTILE = "a[/b]\x1b[31m\x1b]0;title\x07‮evil‬\n\tname 🇩🇪é́́́"


def context(kind: str, width: int = 76, *, world: str = "incident", **changed: Any) -> PageContext:
    readings = sample.WORLDS[world]() | lookups_of(kind)
    given = {"subject": SUBJECTS[kind], "width": width, "now": sample.NOW, "settings": Settings(), "readings": readings}
    return PageContext(**{**given, "entries": story(), **changed})


def said(context: PageContext, room: int = 10_000) -> str:
    drawn, _ = composed(page_of(context.subject.kind), context, room, unfolded=room == 10_000)
    return as_text(drawn)


@pytest.mark.parametrize("world", sample.WORLDS)
@pytest.mark.parametrize("kind", SUBJECTS)
def test_no_line_of_a_page_is_wider_than_its_room_in_any_world(kind: str, world: str) -> None:
    for width in (16, 36, 76, 196):
        drawn, _ = composed(page_of(SUBJECTS[kind].kind), context(kind, width, world=world), 20, unfolded=True)
        assert kind == "reservation" or not [line for line in drawn if length(line) > width]


@pytest.mark.parametrize("kind", [kind for kind in SUBJECTS if kind in ROWS])
def test_what_cannot_be_read_is_one_sentence_and_no_zero(kind: str) -> None:
    why = "postgres refused the connection at 10.0.0.12:5432"
    failed = Reading(signal=ROW, every=4.0, attempted_at=sample.NOW, error=why)
    text = said(context(kind, readings={ROW: failed}))
    assert f"! not known: {why}" in " ".join(text.split())
    assert " 0 " not in text


GONE = {
    "event": EventRow(source="postgres", found=False),
    "session": SessionRow(source="postgres", found=False),
    "lock": LockKey(source="redis", found=False),
    "pod": PodFacts(source="kubernetes", found=False),
}


@pytest.mark.parametrize("kind", GONE)
def test_of_what_was_gone_when_its_page_was_opened_nothing_is_claimed(kind: str) -> None:
    reading = Reading(signal=ROW, every=4.0, value=GONE[kind], taken_at=sample.NOW, attempted_at=sample.NOW)
    text = said(context(kind, readings={ROW: reading}, entries=()))
    assert text.splitlines()[0] in (
        "no such event is there", "this session has ended", "the key is not there", "no such pod is there"
    )  # fmt: skip
    for claim in (
        "no error was kept",
        "none is shown",
        "not scheduled",
        "no container",
        "not ready",
        "none:",
        "nobody",
    ):
        assert claim not in text, claim
    assert "not known yet" not in text


def test_a_page_whose_sources_are_not_configured_says_so_of_each() -> None:
    text = said(context("provider", 116, world="unconfigured"))
    assert "not known: postgres is not configured: set postgres.url or DATABASE_URL" in text
    assert "not known: kubernetes is not configured" in text


def test_a_stale_section_says_of_when_it_is_and_why() -> None:
    text = said(context("provider", 116, world="stale"))
    assert "last good 14:06:49: postgres did not answer within 3 s" in text
    assert "STALE 42 s" in text


@pytest.mark.parametrize("kind", PAGES)
def test_hostile_names_are_drawn_as_harmless_text(kind: str) -> None:
    subject = Subject(kind=kind, id=HOSTILE, title=HOSTILE, arguments={kind: HOSTILE, "lock": HOSTILE})
    for world in sample.WORLDS:
        own = lookups_of(kind if kind in SUBJECTS else "alert")
        known = context("alert", 40, subject=subject, readings=sample.WORLDS[world]() | own)
        drawn, _ = composed(page_of(kind), known, 5, unfolded=False)
        for line in drawn:
            text = as_text((line,))
            assert text.isprintable()
            assert "‮" not in text


def test_the_whole_of_a_huge_error_is_there_and_folded_until_it_is_asked_for() -> None:
    error = " ".join(f"word{n}" for n in range(500))[:3990]
    huge = sample.reading(ROW, replace(ROWS["event"], error=error))
    known = context("event", readings=sample.incident() | {ROW: huge})
    assert "".join(error.split()) in "".join(said(known).split())
    drawn, folded = composed(page_of("event"), known, 18, unfolded=False)
    assert folded
    assert len(drawn) <= 18
    assert "more lines: tab" in as_text(drawn)
    assert "status" in as_text(drawn), "the error leaves room for the state"


def test_folded_sections_use_the_room_that_there_is() -> None:
    for room in range(15, 50):
        drawn, folded = composed(page_of("lock"), context("family", world="locks"), room, unfolded=False)
        assert len(drawn) == room if folded else len(drawn) <= room


def test_who_blocks_whom_is_a_chain_from_the_one_that_waits_for_nobody() -> None:
    def session(pid: int, *by: int) -> DatabaseSession:
        return DatabaseSession(
            pid=pid, user="u", application=f"app{pid}", state="active", transaction_s=5.0, query_s=5.0, wait=None,
            blocked_by=by, blocks=0, query="",
        )  # fmt: skip

    database = Database(
        source="postgres", sessions=(session(1), session(2, 1), session(3, 2), session(4, 3)), blocked=3
    )
    own = SessionRow(source="postgres", found=True, pid=2, blocked_by=(1,))
    subject = Subject(kind="session", id="2", title="session 2", arguments={"pid": "2"})
    readings = {"database": sample.reading("database", database), ROW: sample.reading(ROW, own)}
    text = said(context("session", subject=subject, readings=readings))
    assert text.splitlines()[0] == "it blocks 2 sessions, and waits for 1 itself"
    places = [text.index(f"app{pid}") for pid in (1, 2, 3, 4)]
    assert places == sorted(places)


def test_sessions_that_block_each_other_in_a_ring_end() -> None:
    ring = tuple(
        DatabaseSession(
            pid=pid, user="u", application="", state="active", transaction_s=5.0, query_s=5.0, wait=None,
            blocked_by=(by,), blocks=1, query="",
        )
        for pid, by in ((1, 2), (2, 3), (3, 1))
    )  # fmt: skip
    subject = Subject(kind="session", id="1", title="session 1", arguments={"pid": "1"})
    readings = {"database": sample.reading("database", Database(source="postgres", sessions=ring))}
    assert "blocks 2 sessions" in said(context("session", subject=subject, readings=readings))


def test_ten_thousand_rows_behind_a_page_are_a_few_lines_and_a_count() -> None:
    waiting = tuple(
        DatabaseSession(
            pid=10_000 + n, user="u", application="app", state="active", transaction_s=5.0, query_s=5.0, wait=None,
            blocked_by=(4312,), blocks=0, query="",
        )
        for n in range(10_000)
    )  # fmt: skip
    readings = {
        "database": sample.reading("database", Database(source="postgres", sessions=waiting)),
        ROW: row("session"),
    }
    text = said(context("session", readings=readings))
    assert "it blocks 10 000 sessions" in text
    assert "and 9 950 more that wait" in text
    targets = tuple(replace(plan().targets[0], id=f"target-{n}") for n in range(10_000))
    data = {"operator": "maria", "plan": plan(targets=targets).as_dict()}
    writer = Writer("maria", "bastion", 4242, sample.ago(600))
    entry = make(at=sample.ago(5), writer=writer, seq=1, prev="", after="", kind=EntryKind.INTENT, data=data)
    known = context("provider", subject=Subject(kind="entry", id=entry.id, title="entry"), entries=(entry,))
    assert "and 9 800 more: the report lists them" in said(known)
    assert "what became of it is not known here" in said(known)


def test_an_entry_says_who_where_and_when_what_came_of_it_and_its_targets() -> None:
    [intent] = [entry for entry in story() if entry.kind == EntryKind.INTENT]
    text = " ".join(said(context("provider", 116, subject=Subject(kind="entry", id=intent.id, title="entry"))).split())
    assert "who maria where bastion, process 4242 when 2026-01-23 14:06:36Z" in text
    assert "outcome done: UPDATE 1: smsbower is disabled" in text
    assert "provider 3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f" in text


def test_what_was_changed_is_told_of_this_subject_alone() -> None:
    assert "Disables smsbower" in said(context("provider"))
    other = Subject(kind="provider", id="5sim", title="5sim", arguments={"provider": "5sim"})
    assert "nothing is on record here" in said(context("provider", subject=other))


def test_a_shared_screen_shows_no_customer_and_of_a_query_its_first_word() -> None:
    query = "UPDATE wallets SET reserved = 1 WHERE email = 'anna@example.org'"
    error = "no such user anna@example.org, phone +4915112345678"
    private = {
        "session": replace(ROWS["session"], query=query),
        "event": replace(ROWS["event"], error=error, aggregate_id="anna@example.org"),
    }
    for kind, value in private.items():
        known = context(kind, readings=sample.incident() | {ROW: sample.reading(ROW, value)})
        assert "anna@example.org" in said(known)
        MASKER.enable()
        try:
            text = said(known)
        finally:
            MASKER.disable()
        assert "anna" not in text
        assert "4915112345678" not in text
        assert kind != "session" or "UPDATE …" in text


async def opened(pilot: Any, subject: Subject, **own: Reading) -> SubjectScreen:
    await shown("incident")(pilot)
    remember(pilot.app.controller.session, story())
    pilot.app.controller.open(subject)
    await pilot.pause()
    assert isinstance(pilot.app.screen, SubjectScreen)
    for reading in own.values():
        pilot.app.screen.take(reading)
    await pilot.pause()
    return pilot.app.screen


def on_screen(screen: SubjectScreen) -> str:
    return as_text(screen.query_one("#subject-lines", LineCanvas).lines)


async def test_the_page_is_drawn_anew_with_each_reading_and_escape_goes_back() -> None:
    app = console("incident")
    async with app.run_test(size=(100, 30)) as pilot:
        page = await opened(pilot, SUBJECTS["provider"], row=row("provider"), lines=lines())
        assert "55 % of its purchases fail, breaker OPEN" in on_screen(page)
        app.monitor.take(replace(sample.calm()["transactions"], attempted_at=sample.NOW))
        await pilot.pause()
        assert "1.7 % of its purchases fail" in on_screen(page)
        await pilot.press("escape")
        assert app.screen is app.console_screen
        assert page._heard not in app.monitor.listeners


async def test_what_vanished_keeps_what_was_known_and_comes_back_if_it_does() -> None:
    app = console("incident")
    async with app.run_test(size=(100, 30)) as pilot:
        page = await opened(pilot, SUBJECTS["event"], row=row("event"))
        page.take(sample.reading(ROW, EventRow(source="postgres", found=False)))
        assert "gone since 14:07:31: this is what was known then" in on_screen(page)
        assert "Document identifier" in on_screen(page)
        page.take(row("event"))
        assert "gone since" not in on_screen(page)


async def test_what_was_never_there_is_said_not_to_have_been() -> None:
    app = console("incident")
    async with app.run_test(size=(100, 30)) as pilot:
        page = await opened(pilot, SUBJECTS["event"], row=sample.reading(ROW, EventRow(source="postgres", found=False)))
        assert "it was not there when this page was opened" in on_screen(page)


async def test_an_alert_that_ends_is_gone_and_one_that_cannot_be_asked_for_is_not() -> None:
    app = console("incident")
    async with app.run_test(size=(100, 30)) as pilot:
        page = await opened(pilot, SUBJECTS["alert"])
        alerts = sample.incident()["alerts"]
        app.monitor.take(replace(alerts, error="prometheus did not answer within 3 s"))
        await pilot.pause()
        assert "gone since" not in on_screen(page)
        app.monitor.take(replace(sample.calm()["alerts"], attempted_at=sample.NOW))
        await pilot.pause()
        assert "gone since" in on_screen(page)


async def test_the_lines_scroll_and_the_page_is_copied_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    app = console("incident")
    async with app.run_test(size=(80, 24)) as pilot:
        page = await opened(pilot, SUBJECTS["provider"], row=row("provider"), lines=lines())
        first = on_screen(page)
        assert "CIRCUIT OPEN for smsbower" not in first
        await pilot.press("tab", "end")
        assert "worked: no attempt for 14 s" in on_screen(page)
        await pilot.press("home", "j", "k")
        assert "55 % of its purchases fail" in on_screen(page)
        copied: list[str] = []
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        await pilot.press("c")
        assert "CIRCUIT OPEN for smsbower" in copied[0]
        assert "… " not in copied[0]


async def test_a_console_that_only_watches_opens_pages_as_any_other() -> None:
    app = console("incident")
    app.capabilities = WATCHER
    async with app.run_test(size=(100, 30)) as pilot:
        page = await opened(pilot, SUBJECTS["provider"], row=row("provider"))
        assert "in our rows" in on_screen(page)
        await pilot.press("l")
        await quiet(app)
        assert app.screen is page, "there are no logs, and the page stays"
        assert not isinstance(app.screen, PodLogs)


def test_every_reading_of_a_lookup_makes_its_page_anew() -> None:
    for kind in ("provider", "pod"):
        assert {ROW, LINES} <= page_of(kind).SIGNALS
    for kind in ROWS:
        assert ROW in page_of(kind).SIGNALS


def test_a_family_of_ten_thousand_locks_is_folded() -> None:
    worst = tuple(replace(sample.locks(1).worst[0], key=f"lock:number:{n:08}") for n in range(500))
    family = Family(pattern="lock:number:*", locks=10_000, abandoned=10_000, oldest_s=550.0, worst=worst)
    value = Locks(
        source="redis", locks=10_000, abandoned=10_000, oldest_s=550.0, families={"number": family}, capped=True
    )
    drawn, folded = composed(
        page_of("lock"), context("family", readings={"locks": sample.reading("locks", value)}), 18, False
    )
    assert folded
    assert len(drawn) == 18
    assert all(cells(as_text((line,))) <= 76 for line in drawn)


async def test_space_offers_the_subjects_actions_and_the_palette_puts_them_first() -> None:
    app = console("incident")
    async with app.run_test(size=(120, 40)) as pilot:
        page = await opened(pilot, SUBJECTS["provider"], row=row("provider"))
        await pilot.press("space")
        await pilot.pause()
        assert isinstance(app.screen, RowMenu)
        assert "provider.disable" in [line.command.name for line in app.screen.choices]
        assert "row.page" not in [line.command.name for line in app.screen.choices], "it is open already"
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is page
        assert app.subject == page.subject
        assert app.palette_commands(app.subject)[0].title.startswith("smsbower: ")


async def test_an_entry_of_the_journal_and_of_the_timeline_opens_and_escape_goes_back_there() -> None:
    app = console("incident")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("incident")(pilot)
        remember(app.controller.session, story())
        app.controller.journal()
        await pilot.pause()
        await pilot.pause()
        journal = app.screen
        assert isinstance(journal, JournalScreen)
        await pilot.press("home", "j", "enter")
        await pilot.pause()
        assert isinstance(app.screen, SubjectScreen)
        assert app.screen.subject.id == story()[1].id
        assert "bastion, process 4242" in on_screen(app.screen)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is journal


def test_a_line_of_the_timeline_knows_its_entry() -> None:
    entries = whole().entries
    [told] = [line for line in fold(entries).timeline if line.kind == EntryKind.OPENED]
    assert told.id == entries[0].id
