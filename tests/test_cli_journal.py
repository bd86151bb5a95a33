"""`nexconsole journal`: list, show, verify and export, on real journals."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from command_line import run_with

from nexconsole import settings
from nexconsole.journal import EntryKind, Journal, Scrubber, Writer, import_entries, journal_file, read, remote_file
from nexconsole.journal.entries import make
from nexconsole.journal.sentences import sentence

INCIDENT = "INC-20261123-1342"
START = datetime(2026, 11, 23, 13, 42, tzinfo=UTC)


@pytest.fixture
def chosen(tmp_path: Path) -> settings.Settings:
    return settings.Settings(journal=settings.JournalSettings(folder=str(tmp_path)))


@pytest.fixture
def run(chosen, capsys):
    """Run `nexconsole journal ...` and give (exit code, what it printed)."""

    def invoke(*words: str) -> tuple[int, str]:
        code = run_with(chosen, "journal", *words)
        return code, capsys.readouterr().out

    return invoke


@pytest.fixture
def incident(tmp_path: Path) -> Path:
    """An incident of two consoles; the second one's intent has no outcome, and its process is gone."""
    file = journal_file(tmp_path, INCIDENT)
    minutes = iter(range(60))

    def clock() -> datetime:
        return START + timedelta(minutes=next(minutes))

    maria = Journal(file, Writer.here("maria"), Scrubber(), now=clock)
    piet = Journal(file, Writer("piet", maria.writer.host, 2**22 + 1, START), Scrubber(), now=clock)
    maria.append(EntryKind.OPENED, {"title": "smsbower fails"})
    maria.append(EntryKind.SEVERITY, {"level": "SEV-1", "because": ["17.8 % of purchases fail"]})
    maria.append(EntryKind.STEP, {"scenario": "1", "step": "one provider?", "state": "done", "answer": "smsbower"})
    plan = {"action": "provider.disable", "arguments": {"provider": "smsbower"}, "effect": "no purchase goes there"}
    intent = maria.append(EntryKind.INTENT, {"operator": "maria", "plan": plan})
    maria.append(EntryKind.OUTCOME, {"intent": intent.id, "outcome": {"state": "done", "answer": "UPDATE 1"}})
    maria.append(EntryKind.VERDICT, {"intent": intent.id, "verdict": {"state": "worked", "because": "31 % -> 4 %"}})
    maria.append("presence", {"here": True})
    plan = {"action": "pods.restart", "effect": "3 pods, one by one", "watch": "the pods are new and ready"}
    piet.append(EntryKind.INTENT, {"plan": plan})
    return file


def test_the_list_says_when_how_many_and_who(run, incident):
    code, text = run("list")
    assert code == 0
    assert text.split() == [INCIDENT, *"2026-11-23 13:42:00Z 2026-11-23 13:49:00Z 8 entries maria, piet".split()]
    (row,) = json.loads(run("list", "--json")[1])
    assert (row["id"], row["entries"], row["who"], row["problems"]) == (INCIDENT, 8, ["maria", "piet"], 0)


def test_no_journals_is_said(run):
    assert run("list")[1].startswith("no journals in ")
    assert json.loads(run("list", "--json")[1]) == []
    assert run("verify")[0] == 0


def test_the_timeline_reads_as_sentences_and_says_what_is_unknown(run, incident):
    lines = run("show", INCIDENT)[1].splitlines()
    assert lines[0] == "2026-11-23 13:42:00Z  maria  opened    smsbower fails"
    assert [line.partition("Z  ")[2] for line in lines[1:8]] == [
        "maria  severity  SEV-1: 17.8 % of purchases fail",
        "maria  step      1 one provider? done: smsbower",
        "maria  intent    provider.disable smsbower: no purchase goes there",
        "maria  outcome   done: UPDATE 1",
        "maria  verdict   worked: 31 % -> 4 %",
        'maria  presence  of a kind that this version does not know: {"here":true}',
        "piet   intent    pods.restart: 3 pods, one by one",
    ]
    assert lines[8].strip() == (
        "UNKNOWN: piet's console ended before it knew what became of: pods.restart: 3 pods, one by one. "
        "Check whether it happened: the pods are new and ready"
    )


def test_an_outcome_without_a_verdict_is_told_with_what_to_check(run, incident, tmp_path):
    file = journal_file(tmp_path, "INC-20261123-1500")
    here = Writer.here("maria")
    plan = {"action": "pods.restart", "effect": "3 pods", "watch": "all pods are new and ready"}
    for writer in (Writer("piet", here.host, 2**22 + 1, START), Writer("bob", "elsewhere", 7, START), here):
        journal = Journal(file, writer, Scrubber())
        intent = journal.append(EntryKind.INTENT, {"plan": plan})
        journal.append(EntryKind.OUTCOME, {"intent": intent.id, "outcome": {"state": "done", "answer": "accepted"}})
    lines = [line.strip() for line in run("show", file.stem)[1].splitlines()[6:]]
    assert lines == [
        "NO VERDICT: piet's console ended while it watched what came of: pods.restart: 3 pods: done: accepted. "
        "Check whether all pods are new and ready",
        "NO VERDICT yet from bob on elsewhere for: pods.restart: 3 pods: done: accepted. "
        "Ask, or check whether all pods are new and ready",
        "UNDER WAY: maria's console still watches whether all pods are new and ready, after: pods.restart: 3 pods: "
        "done: accepted",
    ]
    assert "- **NO VERDICT: piet's console ended while it watched" in run("export", file.stem)[1]
    maria = Journal(file, here, Scrubber())
    for entry in [entry for entry in read(file).entries if entry.kind == EntryKind.INTENT]:
        maria.append(EntryKind.VERDICT, {"intent": entry.id, "verdict": {"state": "worked", "because": "looked"}})
    assert "NO VERDICT" not in run("show", file.stem)[1]


def test_entries_as_json_are_the_journals_own(run, incident):
    shown = json.loads(run("show", INCIDENT, "--json")[1])
    assert shown == [json.loads(line) for line in incident.read_bytes().splitlines()]


def test_verify_ends_with_1_on_problems_and_names_the_line(run, incident):
    assert run("verify", INCIDENT) == (0, f"{incident}: as it was written\n")
    lines = incident.read_bytes().splitlines(keepends=True)
    incident.write_bytes(b"".join([*lines[:3], lines[3].replace(b"smsbower", b"5sim"), *lines[4:]]))
    for named in ([], [INCIDENT], [str(incident)]):
        code, text = run("verify", *named)
        assert code == 1
        assert "  line 4: edited: this line was changed after it was written" in text.splitlines()
    code, text = run("verify", "--json")
    assert code == 1
    assert [problem["line"] for problem in json.loads(text)[0]["problems"]] == [4]
    assert "PROBLEMS: 1" in run("list")[1]


def test_export_as_jsonl_gives_the_lines_as_they_were_written(run, incident):
    code, text = run("export", INCIDENT, "--format", "jsonl")
    assert (code, text.encode()) == (0, incident.read_bytes())


def test_export_as_markdown_is_a_timeline(run, incident):
    code, text = run("export", INCIDENT)
    assert code == 0
    assert text.startswith("# INC-20261123-1342\n\n2026-11-23 13:42:00Z to 2026-11-23 13:49:00Z, maria, piet\n")
    assert "\n- 13:45:00 **intent** provider.disable smsbower: no purchase goes there (maria)\n" in text
    assert "\n- **UNKNOWN: piet's console ended" in text


def test_hostile_texts_do_no_harm_in_any_form(run, tmp_path):
    file = journal_file(tmp_path, INCIDENT)
    writer = Writer("ma\x1b[31mria\u202e", "h", 1, START)
    data = {"text": "\x1b]0;x\x07<script>[/red]**bold** `x` | a\nb api_key=hush99"}
    line = make(at=START, writer=writer, seq=1, prev="", after="", kind="note", data=data).line
    file.write_bytes(line + b"\n\x1b[2Jgarbage\n")
    for words in (["show", INCIDENT], ["export", INCIDENT], ["list"], ["verify", INCIDENT]):
        text = run(*words)[1]
        assert not {"\x1b", "\u202e", "\x07"} & set(text)
        assert "hush99" not in text
    assert "\\<script>\\[/red\\]\\*\\*bold\\*\\* \\`x\\` \\| a b" in run("export", INCIDENT)[1]


def test_data_of_any_shape_has_a_sentence():
    shapes: list[dict] = [{}, {"plan": None}, {"plan": 5}, {"plan": {"arguments": [1], "action": {"a": 1}}}]
    shapes += [{"outcome": []}, {"verdict": {"state": None}}, {"text": {"a": [1]}}, {"because": [1, None]}]
    for kind in (*EntryKind, "presence"):
        for data in shapes:
            entry = make(at=START, writer=Writer.here("m"), seq=1, prev="", after="", kind=kind, data=data)
            assert sentence(entry) == sentence(entry).strip()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("show", "INC-20261123-9999"), 1, "there is no such journal"),
        (("show", "x y"), 1, "not an incident's name"),
        (("frobnicate",), 2, "'frobnicate' is none of list, show, verify, export"),
    ],
)
def test_what_is_not_there_is_an_error(chosen, capsys, words: tuple[str, ...], code: int, sentence: str):
    assert run_with(chosen, "journal", *words) == code
    assert sentence in capsys.readouterr().err


def test_the_timeline_is_in_order_although_the_file_is_not(run, incident):
    lines = incident.read_bytes().splitlines(keepends=True)
    incident.write_bytes(b"".join(reversed(lines)))
    assert [entry["at"] for entry in json.loads(run("show", INCIDENT, "--json")[1])] == [
        msgspec.json.decode(line)["at"] for line in lines
    ]


def test_what_other_hosts_wrote_is_listed_shown_exported_and_verified_with_the_rest(run, incident, tmp_path):
    far = Writer("ana", "laptop", 7, START)
    first = make(at=START, writer=far, seq=1, prev="", after="", kind=EntryKind.NOTE, data={"text": "seen from afar"})
    second = make(at=START, writer=far, seq=2, prev=first.digest, after="", kind=EntryKind.INTENT, data={"plan": {}})
    import_entries(incident, [first.line, second.line])
    assert "10 entries  ana, maria, piet" in run("list")[1]
    assert "ana    note      seen from afar" in run("show", INCIDENT)[1]
    assert "UNKNOWN: no outcome yet from ana on laptop" in run("show", INCIDENT)[1]
    assert len(run("export", INCIDENT, "--format", "jsonl")[1].splitlines()) == 10
    code, text = run("verify", INCIDENT)
    assert code == 0 and text.count("as it was written") == 2
    other = remote_file(incident)
    other.write_bytes(other.read_bytes().replace(b"seen from afar", b"seen from home"))
    code, text = run("verify")
    assert code == 1 and f"{other.name}: PROBLEMS: 2\n  line 1: edited" in text
    assert {row["id"] for row in json.loads(run("verify", "--json")[1])} == {INCIDENT}
    incident.unlink()
    incident.with_name(f".{incident.name}.last").unlink()
    assert f"{INCIDENT:<20}  2026-11-23 13:42:00Z" in run("list")[1]
