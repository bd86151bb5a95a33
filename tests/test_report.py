"""The report of an incident, and `nexconsole export`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from incident_story import CUSTOMER, PIET, START, IncidentStory, customers, whole
from markdown_it import MarkdownIt

from nexconsole.cli.journal import as_markdown as timeline
from nexconsole.cli.main import run
from nexconsole.incident.actions import LONGEST_COMMAND
from nexconsole.incident.incident import fold
from nexconsole.incident.timing import timing_of
from nexconsole.journal import EntryKind
from nexconsole.report import chart
from nexconsole.report.content import QUESTIONS, figures, questions
from nexconsole.report.render import as_html, as_json, as_line, as_markdown

NAME = "INC-20261123-1342"
NOW = START + timedelta(minutes=20)
WRITINGS = (as_markdown, as_html, as_json)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    file = tmp_path / f"{NAME}.jsonl"
    file.write_bytes(b"".join(entry.line + b"\n" for entry in whole().entries))
    return file


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        self.names.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_times_are_those_of_the_first_entries_that_say_so():
    times = timing_of(fold(whole().entries))
    minutes = [length / timedelta(minutes=1) for length in (times.detect, times.engage, times.mitigate, times.recover)]
    assert minutes == [0, 3, 8, 12]


def test_what_no_entry_says_is_said_to_be_missing():
    story = IncidentStory()
    story.tell(EntryKind.NOTE, {"text": "strange"})
    incident = fold(story.entries)
    times = timing_of(incident)
    assert (times.detect, times.engage, times.mitigate, times.recover) == (None,) * 4
    assert figures(incident) == {}
    text = as_markdown(incident, NAME)
    assert text.count("not on record") >= 4
    assert "Severity: no entry says." in text
    assert all("no entries" in writing(fold([]), NAME) for writing in (as_markdown, as_html))


def test_a_severity_that_came_back_is_not_recovered():
    story = whole()
    story.tell(EntryKind.SEVERITY, {"level": "SEV-3", "because": ["again"]})
    assert timing_of(fold(story.entries)).recover is None


def test_figures_are_those_at_start_worst_and_end():
    found = figures(fold(whole().entries))
    assert {name: level.level for name, level in found.items()} == {"start": "SEV-2", "worst": "SEV-1", "end": "none"}
    assert found["worst"].because == ("31 % of purchases fail",)


def test_the_questions_begin_with_what_this_incident_left_open():
    asked = questions(fold(whole().entries))
    assert asked == (
        "What became of action 2, pods.restart nexnum-app?",
        "Provider: call skipped: was that right, or is the runbook wrong?",
        "Who ends this, and when: smsbower is disabled?",
        *QUESTIONS,
    )


def test_every_action_is_there_with_its_plan_command_outcome_and_verdict():
    for text in (as_markdown(fold(whole().entries), NAME), "".join(Page(as_html(fold(whole().entries), NAME)).text)):
        plain = text.replace("\\", "")
        for words in (
            "1. provider.disable smsbower",
            "do smsbower",
            "outcome: done: so",
            "verdict: worked: 31 % -> 4 %",
            "unknown: no outcome is on record",
            "smsbower is disabled",
            "they answer the phone",
        ):
            assert words in plain


def test_the_document_for_scripts_holds_the_whole_incident():
    document = json.loads(as_json(fold(whole().entries), NAME))
    assert (document["format"], document["name"]) == (1, NAME)
    assert document["seconds_to"] == {"detect": 0, "engage": 180, "mitigate": 480, "recover": 720}
    assert document["incident"]["begin"] == "2026-11-23T13:42:00Z"
    assert [one["kind"] for one in document["incident"]["standing"]] == ["provider", "action"]


def test_hostile_text_stays_text():
    story = IncidentStory()
    evil = "</pre><script>alert(1)</script> | a ``` b\n# head\x1b[31m [x](javascript:1) <img src=x onerror=y> \u202e"
    story.tell(EntryKind.NOTE, {"text": evil})
    story.tell(EntryKind.STEP, {"scenario": evil, "state": "begun"})
    story.tell(EntryKind.STEP, {"scenario": evil, "step": evil, "state": "done", "answer": evil})
    story.act(evil, evil, effect=evil, command=evil + "\n```\n<b>")
    story.tell(EntryKind.SEVERITY, {"level": evil, "because": [evil]})
    incident = fold(story.entries)
    page = Page(as_html(incident, evil))
    assert not page.tags & {"script", "img", "b", "a"}
    assert "onerror" not in page.names
    markdown = as_markdown(incident, NAME)
    rendered = Page(MarkdownIt("commonmark").enable("table").render(markdown))
    assert not rendered.tags & {"script", "img", "b", "a"}
    for writing in WRITINGS:
        assert "\x1b" not in writing(incident, NAME)
        assert "\u202e" not in writing(incident, NAME)


def test_no_credential_is_in_a_report_even_where_one_got_into_the_journal():
    story = IncidentStory()
    secret = "s3cr3tV4lue99"
    words = f"https://x.example/?api_key={secret} and postgresql://nexnum:{secret}@db/x, Authorization: Bearer {secret}"
    story.tell(EntryKind.OPENED, {"title": words})
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": [words]})
    story.tell(EntryKind.NOTE, {"text": words})
    intent = story.act("provider.disable", words, effect=words, command=f"curl {words}\n{words}", watch=words)
    story.end(intent, "unknown", answer=words)
    story.tell("presence", {"x": words}, PIET)
    story.tell(EntryKind.STEP, {"scenario": "Provider", "state": "begun"})
    story.tell(EntryKind.STEP, {"scenario": "Provider", "step": "look", "state": "done", "answer": words})
    incident = fold(story.entries)
    for text in (*(writing(incident, NAME) for writing in WRITINGS), as_line(incident, NOW)):
        assert secret not in text


def test_a_password_at_the_end_of_what_is_kept_of_a_command_is_not_half_shown():
    story = IncidentStory()
    story.act("x", "y", command="a" * (LONGEST_COMMAND - 40) + " postgresql://nexnum:s3cr3tV4lue99s3cr3tV4lue99@db/x")
    assert "s3cr3t" not in as_markdown(fold(story.entries), NAME)


def told() -> IncidentStory:
    """The whole story as several people lived it: roles, declared severities, proposals, and figures as they went."""
    story = IncidentStory()
    since = (START - timedelta(minutes=4)).isoformat()
    story.tell(EntryKind.OPENED, {"title": "smsbower fails", "level": "SEV-1", "since": since})
    story.tell(EntryKind.ROLE, {"role": "commander", "person": "maria"})
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": ["31 % of purchases fail"]})
    story.tell(EntryKind.FIGURES, {"figures": {"failure_rate": 0.12, "outbox_pending": 3, "attempts": 400}})
    story.tell(
        EntryKind.SEEN, {"subject": "circuit smsbower", "state": "open", "text": "smsbower's circuit opened"}, PIET
    )
    story.tell(EntryKind.ROLE, {"role": "commander", "person": "piet"}, PIET)
    plan = {"action": "pods.restart", "arguments": {}, "effect": "Replaces the 3 pods"}
    until = (START + timedelta(minutes=6, seconds=10)).isoformat()
    proposal = story.tell(EntryKind.PROPOSED, {"operator": "maria", "plan": plan, "until": until, "needs": "objection"})
    story.tell(EntryKind.OBJECTED, {"proposal": proposal, "reason": "it is the provider"}, PIET)
    story.tell(EntryKind.FIGURES, {"figures": {"failure_rate": 0.31, "outbox_pending": 137, "attempts": 380}})
    gone = story.act("provider.disable", "smsbower")
    story.end(gone)
    story.judge(gone, "worked")
    story.tell(EntryKind.FIGURES, {"figures": {"failure_rate": None, "outbox_pending": 40}})
    story.tell(EntryKind.FIGURES, {"figures": {"failure_rate": 0.04, "outbox_pending": 0, "attempts": 390}})
    story.tell(EntryKind.DECLARED, {"level": "SEV-3", "reason": "purchases work again"}, PIET)
    return story


def test_the_chart_draws_each_severity_where_it_was():
    incident = fold(whole().entries)
    line = next(one for one in chart.as_text(incident).splitlines() if one.startswith("severity")).split("|")[1]
    assert len(line) == chart.COLUMNS
    assert line[:5] == " " * 5
    assert line[5:10] == "22222"
    assert line[10:] == "1" * 50
    drawn = ElementTree.fromstring(chart.as_svg(incident))
    assert len(drawn.findall("{http://www.w3.org/2000/svg}rect")) == len(incident.levels)
    assert chart.as_svg(fold(whole().entries[:1])) == ""


def test_the_chart_draws_figures_as_they_went_and_nothing_where_they_were_not_known():
    incident = fold(told().entries)
    lines = {line[:20].strip(): line.partition("|")[2] for line in chart.as_text(incident).splitlines()[1:]}
    rate, _, most = lines["failure rate"].partition("|")
    assert most == " max 31 %"
    at = [rate[int(minute / 14 * chart.COLUMNS) + 1] for minute in (0, 3, 8, 12, 13)]
    assert at == [" ", "▄", "█", " ", "▂"]
    pending = lines["outbox pending"].partition("|")[0]
    assert pending[int(13 / 14 * chart.COLUMNS) + 1] == "▁"
    assert lines["actions"].partition("|")[0].index("1") == int(9 / 14 * chart.COLUMNS)
    drawn = ElementTree.fromstring(chart.as_svg(incident))
    runs = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(runs) == 6  # each figure stands for 90 s, so each of three minutes apart is a run of its own
    assert "reservations" not in chart.as_text(incident)


def test_the_document_for_scripts_has_the_figures_as_arrays():
    document = json.loads(as_json(fold(told().entries), NAME))
    assert document["series"]["figures"]["failure_rate"] == [0.12, 0.31, None, 0.04]
    assert document["series"]["at"][0] == "2026-11-23T13:45:00Z"
    assert document["measured"]["outbox_pending"]["worst"] == 137


def test_a_report_says_who_had_which_role_what_was_declared_and_what_became_of_proposals():
    incident = fold(told().entries)
    times = timing_of(incident)
    minutes = [length / timedelta(minutes=1) for length in (times.detect, times.engage, times.mitigate)]
    assert minutes == [4, 10, 15]
    assert times.recover is None
    text = as_markdown(incident, NAME).replace("\\", "")
    for words in (
        "commander from 13:43:00 to 13:47:00",
        "commander from 13:47:00 to the end",
        "SEV-1 at 13:42:00 by maria; SEV-3 at 13:56:00 by piet (purchases work again)",
        "Severity was first judged at 2026-11-23 13:38:00Z",
        "| failure rate | 12 % | 31 % at 13:50:00 | 4 % |",
        "| purchase attempts | 400 | 380 at 13:50:00 | 390 |",
        "objections until 13:48:10 | objected to by piet: it is the provider",
        "pods.restart: objects: it is the provider",
        "smsbower's circuit opened",
        "pods.restart was proposed and not sent (it is the provider): was that right?",
    ):
        assert words in text


def test_what_was_undone_is_said_with_who_did_it():
    story = whole()
    (gone, *_) = [entry.id for entry in story.entries if entry.kind == EntryKind.INTENT]
    back = story.act("provider.enable", "smsbower", PIET)
    story.end(back, writer=PIET)
    story.tell(EntryKind.UNDO, {"intent": gone, "by": back}, PIET)
    text = as_markdown(fold(story.entries), NAME)
    assert "## What was undone" in text
    assert "- action 1, provider.disable smsbower: taken back 2026-11-23 13:57:00Z by piet" in text


def test_the_line_for_the_channel_tells_the_figures_from_their_worst_to_now():
    assert as_line(fold(told().entries), START + timedelta(minutes=18)) == (
        "SEV-3 22 min, smsbower disabled 13:51 (worked), failure rate 31 % -> 4 %, outbox pending 137 -> 0"
    )


def test_the_line_for_the_channel_says_the_state_by_now():
    story = whole()
    assert as_line(fold(story.entries), NOW) == (
        "over after 12 min, smsbower disabled 13:48 (worked: 31 % -> 4 %), pods.restart nexnum-app 13:51 (unknown)"
    )
    going_on = fold(story.entries[:9])
    assert as_line(going_on, NOW) == "SEV-1 20 min, smsbower disabled 13:48 (worked: 31 % -> 4 %)"
    forgotten = as_line(going_on, NOW + timedelta(days=30))
    assert forgotten.startswith("SEV-1 8 min, ")


@pytest.mark.parametrize("format", ["md", "json", "html"])
def test_the_same_journal_gives_the_same_bytes_on_every_machine(journal, tmp_path, format):
    def export(file: Path, **environment: str) -> bytes:
        command = [sys.executable, "-m", "nexconsole", "export", str(file), "--format", format]
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environment}
        return subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60).stdout

    other = tmp_path / "elsewhere" / journal.name
    other.parent.mkdir()
    other.write_bytes(b"\n".join(reversed(journal.read_bytes().splitlines() * 2)) + b"\n")
    first = export(journal, TZ="UTC", LC_ALL="C.UTF-8", PYTHONHASHSEED="1")
    assert first == export(other, TZ="Asia/Kathmandu", LC_ALL="C", PYTHONHASHSEED="2", PYTHONIOENCODING="latin-1")
    assert len(first) > 1000


def test_a_journal_that_is_not_there_is_said(tmp_path, capsys):
    assert run(["export", str(tmp_path / "INC-1.jsonl")]) == 1
    assert "there is no such journal" in capsys.readouterr().err


def test_what_could_not_be_read_is_said_beside_the_report(journal, capsys):
    journal.write_bytes(journal.read_bytes() + b'{"id":"torn')
    assert run(["export", str(journal), "--format", "line"]) == 0
    assert "torn after" in capsys.readouterr().err


def test_no_customer_is_in_anything_that_leaves_the_house() -> None:
    story = customers()
    incident = fold(story.entries)
    now = story.entries[-1].at
    for text in (
        as_markdown(incident, "INC-20261123-1342"),
        as_html(incident, "INC-20261123-1342"),
        as_json(incident, "INC-20261123-1342"),
        as_line(incident, now),
        "\n".join(timeline("INC-20261123-1342", story.entries)),
    ):
        for what, secret in CUSTOMER.items():
            assert secret not in text, what
        assert "INC-20261123-1342" in text or text == as_line(incident, now)
    assert "redis-cli UNLINK" in as_markdown(incident, "INC-20261123-1342")
    assert json.loads(as_json(incident, "x"))["incident"]["actions"][0]["intent"] == incident.actions[0].intent


def test_a_masked_report_is_always_the_same_bytes() -> None:
    story = customers()
    backwards = fold(reversed(story.entries))
    assert as_html(fold(story.entries), "x") == as_html(backwards, "x")
    assert as_json(fold(story.entries), "x") == as_json(backwards, "x")
