"""The handover page: what it says, that it is one page, masked, and that it stands with everything down."""

from __future__ import annotations

import json
import random
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_causes as causes
import sample_readings as sample
from command_line import run_with
from frozen_console import console, shown
from incident_story import CUSTOMER, PIET, START, IncidentStory, customers, whole
from textual.pilot import Pilot

from nexconsole.break_glass.store import keep_handover
from nexconsole.incident.incident import Incident, fold
from nexconsole.journal import EntryKind, Journal, Scrubber, Writer, journal_file
from nexconsole.report.handover import HandoverContext, HandoverPage, as_json, as_markdown, as_text, handover
from nexconsole.screens.handover import HandoverScreen
from nexconsole.settings import JournalSettings, Settings
from nexconsole.severity import judge
from nexconsole.signals.runway import Ceiling, Runway

SETTINGS = Settings()
NAME = "INC-20261123-1342"


BEGAN = sample.NOW - timedelta(minutes=22, seconds=31)  # 13:45:00


def folded(story: IncidentStory) -> Incident:
    """The story, as it would be on record if it had begun 22 min ago."""
    return fold(replace(entry, at=entry.at - START + BEGAN) for entry in story.entries)


def context(**more: Any) -> HandoverContext:
    """An incident of something of everything, at the readings of the incident's world."""
    readings = sample.incident()
    given = {
        "now": sample.NOW,
        "settings": SETTINGS,
        "name": NAME,
        "incident": folded(whole()),
        "severity": judge(readings, SETTINGS, sample.NOW),
        "explanation": causes.ONE,
        "readings": readings,
        "here": ("maria", "piet"),
    }
    return HandoverContext(**(given | more))


def section(page: HandoverPage, title: str) -> tuple[str, ...]:
    return next(one.lines for one in page.sections if one.title.startswith(title))


def test_it_says_what_stands_what_it_is_what_was_tried_what_comes_and_who():
    page = handover(context())
    assert (page.name, page.title, page.level, page.live) == (NAME, "smsbower fails", "SEV-1", True)
    stands = section(page, "What stands")
    assert stands[0].startswith("SEV-1; begun 2026-01-23 13:45Z, 22 min ago")
    assert stands[1] == "17.8 % of purchases fail, 93 % of them at smsbower"
    assert any(line.startswith("whom it hurts: 58 customers failing, 30 customers refused") for line in stands)
    assert section(page, "What it is")[0].startswith("likely: smsbower does not answer, since ")
    assert "may be: the release breaks purchases" in section(page, "What it is")
    tried = section(page, "What was tried")
    assert tried[0].startswith("13:54Z pods.restart nexnum-app, piet: unknown")
    assert tried[1] == "13:51Z provider.disable smsbower, maria: worked: 31 % -> 4 %"
    assert section(page, "What was ruled out")[0] == "PostgreSQL does not answer: PostgreSQL answers in 2 ms"
    (force,) = section(page, "In force")
    assert force == "smsbower is disabled, since 13:52Z by maria; until somebody ends it"
    assert any(
        line.startswith("to check: pods.restart nexnum-app: its outcome is unknown") for line in page.sections[5].lines
    )
    assert any(line.endswith("piet: they answer the phone") for line in page.sections[5].lines)
    assert section(page, "Who")[:2] == (
        "commander nobody, operator nobody, scribe nobody",
        "at a console now: maria, piet",
    )


def test_it_began_when_its_cause_did_and_what_is_reached_already_is_not_expected():
    named = causes.ONE.candidates[0]
    early = replace(named, since=causes.onset(minutes=31))
    one = replace(causes.ONE, candidates=(early, *causes.ONE.candidates[1:]))
    page = handover(context(explanation=one))
    assert "; begun 2026-01-23 13:36Z, 31 min ago" in section(page, "What stands")[0]
    now, soon = sample.NOW, sample.NOW + timedelta(minutes=9)
    gone = Ceiling(name="balance at smsbower", now=0.0, limit=0.0, text="used up", earliest=now, latest=now)
    near = Ceiling(name="connections", now=83.0, limit=100.0, text="83 of 100", earliest=now, latest=soon)
    readings = sample.incident() | {"runway": sample.reading("runway", Runway(ceilings=(gone, near)))}
    expected = [line for line in section(handover(context(readings=readings)), "What comes") if "expected" in line]
    assert len(expected) == 1 and expected[0].startswith("expected: connections: 83 of 100; reached between ")


def test_with_nothing_read_it_is_from_the_journal_alone_and_says_so():
    down = context(severity=None, explanation=None, readings={}, why_not_read="postgres at db refuses", here=())
    page = handover(down)
    stands = section(page, "What stands")
    assert stands[0] == "nothing is read now (postgres at db refuses): this page is from the journal alone"
    assert "when it was last on record" in stands[1] and not page.live
    assert section(page, "What it is") == ("the cause is not known: nothing is read now",)
    story = whole()
    story.tell(EntryKind.CAUSE, {"cause": "outbox-stopped", "state": "likely", "text": "the outbox stopped"})
    story.tell(EntryKind.CAUSE, {"cause": "outbox-stopped", "state": "withdrawn"})
    story.tell(EntryKind.CAUSE, {"cause": "x-y z", "state": "likely", "text": "z is out"})
    page = handover(replace(down, incident=folded(story)))
    assert section(page, "What it is") == ("likely, when it was last on record: z is out (14:00Z)",)
    assert section(page, "What was ruled out")[0] == "the outbox stopped: named at 13:58Z, withdrawn at 13:59Z"


def test_without_an_incident_and_where_nothing_is_wrong_it_is_short():
    readings = sample.calm()
    calm = judge(readings, SETTINGS, sample.NOW)
    page = handover(context(name="", incident=None, severity=calm, explanation=causes.CALM, readings=readings, here=()))
    assert section(page, "What stands")[:2] == ("no incident is open", "calm")
    assert section(page, "What it is") == ("nothing is wrong that would need a cause",)
    assert section(page, "What was tried") == ("nothing",)
    assert section(page, "Who") == ("nobody has a role: open an incident to lead one",)
    assert as_text(page).startswith("HANDOVER without an incident, 2026-01-23 14:07:31Z\n")


def test_unknown_customers_are_said_to_be_unknown():
    readings = sample.incident()
    readings["customers"] = sample.reading("customers", None, error="postgres refused")
    stands = section(handover(context(readings=readings)), "What stands")
    assert "whom it hurts: not known: postgres refused" in stands
    readings["customers"] = sample.reading("customers", sample.customers(failing=None, waiting=None, refused=3))
    stands = section(handover(context(readings=readings)), "What stands")
    assert any(
        line.startswith("whom it hurts: 3 customers refused") and "failing, waiting: not known" in line
        for line in stands
    )


def test_a_declared_level_goes_before_the_judged_one_and_both_are_said():
    story = whole()
    story.tell(EntryKind.DECLARED, {"level": "SEV-2", "reason": "half is back"}, PIET)
    page = handover(context(incident=folded(story)))
    assert page.level == "SEV-2"
    assert section(page, "What stands")[0].startswith("SEV-2, declared by piet at 13:58Z (the rules say SEV-1); begun ")


def crowded() -> HandoverContext:
    """An incident that lasted for days, with sentences of any length."""
    chance = random.Random(3)
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "long " * 100})
    for n in range(60):
        words = " ".join("word" * chance.randint(1, 30) for _ in range(chance.randint(1, 40)))
        gone = story.act("provider.disable", f"provider-{n}", watch=words)
        if n % 2:
            story.end(gone)
        if n % 4 == 1:
            story.judge(gone, ("worked", "no effect", "worse")[n % 3])
        story.tell(EntryKind.NOTE, {"text": words})
    return context(incident=folded(story), unread=["postgres " + "x" * 500] * 9, seen_before="seen " * 90)


@pytest.mark.parametrize("make", [context, crowded])
def test_it_is_one_page(make):
    text = as_text(handover(make()))
    assert len(text.splitlines()) <= 60 and max(map(len, text.splitlines())) <= 80
    assert all(title in text for title in ("WHAT STANDS NOW", "WHAT WAS TRIED", "WHO"))


def test_what_is_cut_is_counted_and_markdown_has_all_of_it():
    page = handover(crowded())
    assert "more: the journal has them" in as_text(page)
    assert as_markdown(page).count("\n- ") > as_text(page).count("\n- ")


def test_customers_are_masked_in_every_form_and_markup_cannot_be_broken():
    page = handover(context(incident=folded(customers())))
    for text in (as_text(page), as_markdown(page), as_json(page)):
        assert not [name for name, value in CUSTOMER.items() if name != "name" and value in text]
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "<script>*x*</script> [a](b)\n# head"})
    markdown = as_markdown(handover(context(incident=folded(story))))
    assert "<script>" not in markdown and "\n# head" not in markdown and r"\[a\](b)" in markdown


def test_its_json_has_a_version_and_the_sections():
    document = json.loads(as_json(handover(context())))
    assert (document["version"], document["incident"], document["level"], document["live"]) == (1, NAME, "SEV-1", True)
    assert next(one["title"] for one in document["sections"]) == "What stands now"


def test_it_is_kept_beside_the_reports(tmp_path: Path):
    text, markdown = keep_handover(handover(context()), Settings(environment="drill"))
    assert text.name == f"{NAME}-handover.txt" and text.parent.name == "drill"
    assert markdown.read_text().startswith("# HANDOVER") and stat.S_IMODE(text.stat().st_mode) == 0o600


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    journal = Journal(journal_file(tmp_path / "journal", NAME), Writer.here("maria"), Scrubber(), now=lambda: START)
    journal.append(EntryKind.OPENED, {"title": "smsbower fails"})
    journal.append(EntryKind.SEVERITY, {"level": "SEV-1", "because": ["17.8 % of purchases fail"]})
    journal.append(EntryKind.ROLE, {"role": "commander", "person": "maria"})
    return Settings(journal=JournalSettings(folder=str(tmp_path / "journal")))


def test_the_command_works_with_everything_down(chosen: Settings, tmp_path: Path, capsys):
    assert run_with(chosen, "handover") == 0
    out = capsys.readouterr().out
    assert f"HANDOVER {NAME}" in out and "this page is from the journal alone" in " ".join(out.split())
    assert "- SEV-1 when it was last on record; begun 2026-11-23 13:42Z" in out
    assert "commander maria, operator nobody, scribe nobody" in out
    file = tmp_path / "page.json"
    assert run_with(chosen, "handover", NAME, "--json", "--output", str(file)) == 0
    assert json.loads(file.read_text())["live"] is False and stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_any_journal_it_still_prints_a_page_and_a_wrong_name_is_an_error(tmp_path: Path, capsys):
    nothing = Settings(journal=JournalSettings(folder=str(tmp_path / "nowhere")))
    assert run_with(nothing, "handover") == 0
    assert "no incident is open" in capsys.readouterr().out
    assert run_with(nothing, "handover", "INC-1") == 1


# --- the screen -------------------------------------------------------------------------------------------------------


def opened() -> HandoverScreen:
    async def store(page: HandoverPage) -> str:
        return "handover written: ~/x.txt and .md"

    return HandoverScreen(lambda: handover(context(now=sample.NOW + timedelta(0))), store)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_handover_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    async def run_before(pilot: Pilot) -> None:
        await shown("incident")(pilot)
        pilot.app.push_screen(opened())
        await pilot.pause()

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


async def test_its_keys_copy_write_and_make_it_anew() -> None:
    app = console("incident")
    async with app.run_test(size=(100, 40)) as pilot:
        await shown("incident")(pilot)
        screen = opened()
        app.push_screen(screen)
        await pilot.pause()
        await pilot.press("c")
        assert app.clipboard.startswith("HANDOVER INC-") and len(app.clipboard.splitlines()) <= 60
        await pilot.press("m")
        assert app.clipboard.startswith("# HANDOVER")
        await pilot.press("end", "r", "h")
        await pilot.pause()
        assert app.screen is not screen
