"""The runbook in force: ours, with the team's folder over it; and the command line's check."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from command_line import run_with

from nexconsole.actions.registry import COMMANDS
from nexconsole.cli import runbook
from nexconsole.errors import SettingsError
from nexconsole.runbook.library import SHIPPED, library, shipped
from nexconsole.settings import Settings, load
from nexconsole.signals.registry import probes

OWN = """\
## 1. Purchases fail at our place (SEV-2) `#high-purchase-failure-rate`

### Trigger

- Too many fail. `transactions.rate > 7 %`

### Steps

1. Look: how many? `transactions.rate`
"""
NEW = OWN.replace(
    "## 1. Purchases fail at our place (SEV-2) `#high-purchase-failure-rate`", "## 9. Search is down (SEV-3)"
)
COMMAND = "# Emergency commands\n\n## Flush abandoned locks\n\n### Steps\n\n1. Do: ours. `locks.flush checkout`\n"


@pytest.fixture
def folder(tmp_path: Path):
    """A team's folder; put files into it by name."""
    place = tmp_path / "runbooks"
    place.mkdir()

    def put(**files: str) -> Settings:
        for name, text in files.items():
            (place / f"{name}.md").write_text(text)
        return Settings(runbooks=str(place))

    return put


def test_without_a_folder_the_runbook_is_ours():
    found = library(Settings(), COMMANDS)
    assert (found.runbook, found.problems) == (shipped(), ())


def test_our_runbook_is_read_once_and_a_team_s_changes_nothing_of_it(folder):
    ours, text = shipped(), repr(shipped())
    assert library(folder(own=OWN, command=COMMAND), COMMANDS).runbook != ours
    assert shipped() is ours
    assert repr(ours) == text


def test_a_team_replaces_a_scenario_in_its_place_and_adds_others(folder):
    found = library(folder(own=OWN, new=NEW), COMMANDS)
    assert found.problems == ()
    ours = [s.title for s in shipped().scenarios]
    assert [s.title for s in found.runbook.scenarios] == ["Purchases fail at our place", *ours[1:], "Search is down"]
    assert found.runbook.scenarios[0].severity == "SEV-2"
    assert found.runbook.scenarios[0].origin.endswith("own.md")
    assert found.runbook.levels == shipped().levels


def test_a_team_replaces_an_emergency_command(folder):
    book = library(folder(own=COMMAND), COMMANDS).runbook
    assert [str(step.call) for step in book.chapter("flush-abandoned-locks").steps] == ["locks.flush checkout"]
    assert len(book.commands) == len(shipped().commands)


def test_a_team_s_command_with_a_trigger_stays_a_command(folder):
    own = COMMAND.replace("locks\n\n", "locks (SEV-2)\n\n### Trigger\n\n- Some. `locks.abandoned > 0`\n\n", 1)
    book = library(folder(own=own), COMMANDS).runbook
    assert book.scenarios == shipped().scenarios
    command = book.chapter("flush-abandoned-locks")
    assert command in book.commands and (command.severity, len(command.triggers)) == ("SEV-2", 1)


def test_a_chapter_with_a_problem_in_it_is_not_taken_and_the_others_of_its_file_are(folder):
    found = library(
        folder(own=OWN.replace("1. Look: how many? `transactions.rate`", "1. Look: `nothing`") + "\n" + NEW), COMMANDS
    )
    assert [s.title for s in found.runbook.scenarios] == [*(s.title for s in shipped().scenarios), "Search is down"]
    assert [sentence.partition("own.md:")[2] for sentence in found.sentences()] == [
        "9: Look says nothing to a person: put words before the backticks",
        "9: there is no probe nothing",
    ]


def test_two_files_can_not_both_replace_one_scenario(folder):
    found = library(folder(a=OWN, b=OWN.replace("7 %", "8 %")), COMMANDS)
    assert found.runbook.scenarios[0].triggers[0].condition.text == "transactions.rate > 7 %"
    assert "is already in" in found.sentences()[0]


def test_files_that_are_no_runbook_are_said_and_do_no_harm(folder, tmp_path):
    settings = folder(notes="# Notes\n")
    (tmp_path / "runbooks" / "latin.md").write_bytes("# caf\xe9".encode("latin-1"))
    (tmp_path / "runbooks" / "huge.md").write_text("x" * 3_000_000)
    (tmp_path / "runbooks" / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "runbooks" / "folder.md").mkdir()
    found = library(settings, COMMANDS)
    assert found.runbook == shipped()
    said = " ".join(found.sentences())
    assert "is not UTF-8 text" in said and "is too long for a runbook" in said and "there is no scenario here" in said
    assert len(found.problems) == 3


def test_a_folder_that_is_not_there_is_a_mistake_in_the_settings(tmp_path):
    with pytest.raises(SettingsError, match=r"runbooks: .*nowhere can't be read: no such file"):
        library(Settings(runbooks=str(tmp_path / "nowhere")), COMMANDS)


def test_the_folder_is_named_in_the_settings_file(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('runbooks = "/etc/nexnum"')
    assert load(str(config), environ={}).settings.runbooks == "/etc/nexnum"


EXPLAINS = NEW.replace(
    "### Steps", "### Explains\n\n- It. `#high-purchase-failure-rat`\n- That. `#stuck-reservations`\n\n### Steps"
)


def test_a_chapter_that_explains_what_there_is_not_is_taken_and_said(folder):
    found = library(folder(new=EXPLAINS), COMMANDS)
    assert found.problems == () and found.runbook.chapter("search-is-down") is not None
    [(file, problem)] = found.unknown
    told = "there is no scenario #high-purchase-failure-rat: did you mean high-purchase-failure-rate?"
    assert file.endswith("new.md") and (problem.line, problem.text) == (9, told)
    both = folder(new=EXPLAINS, other=OWN.replace("#high-purchase-failure-rate", "#high-purchase-failure-rat"))
    assert library(both, COMMANDS).unknown == ()  # whichever file is read first


# --- nexconsole runbook check ---------------------------------------------------------------------------------------


def run(settings: Settings, *words: str) -> int:
    return run_with(settings, "runbook", *words)


def test_check_is_silent_about_nothing_and_exits_with_zero(capsys):
    assert run(Settings(), "check", str(SHIPPED)) == 0
    assert capsys.readouterr().out == f"{SHIPPED}: no problems\n"


def test_check_says_file_line_and_problem_and_exits_with_one(capsys, tmp_path):
    file = tmp_path / "own.md"
    file.write_text(OWN.replace("7 %", "7"))
    assert run(Settings(), "check", str(file)) == 1
    assert capsys.readouterr().out == f"{file}:5: transactions.rate must be compared with a share, such as 10 %\n"


def test_check_names_the_scenario_that_a_chapter_explains_and_that_there_is_not(capsys, tmp_path, folder):
    file = tmp_path / "mine.md"
    file.write_text(EXPLAINS)
    told = "9: there is no scenario #high-purchase-failure-rat: did you mean high-purchase-failure-rate?\n"
    assert run(Settings(), "check", str(file)) == 1
    assert capsys.readouterr().out == f"{file}:{told}"
    assert run(folder(new=EXPLAINS), "check") == 1
    assert capsys.readouterr().out.endswith(f"new.md:{told}")
    assert run(Settings(runbooks=str(tmp_path / "nowhere")), "check", str(file)) == 1


def test_check_without_a_file_looks_at_the_runbook_in_force(capsys, folder):
    assert run(folder(own=OWN), "check") == 0
    assert run(folder(bad=OWN.replace("Look:", "Lok:")), "check", "--json") == 1
    (problem, *_) = json.loads(capsys.readouterr().out.partition("\n")[2])["problems"]
    assert problem["file"].endswith("bad.md") and problem["line"] == 1


def test_a_file_that_can_not_be_read_is_a_usage_error(capsys, tmp_path):
    assert run(Settings(), "check", str(tmp_path / "nowhere.md")) == 2
    assert "can't be read: no such file" in capsys.readouterr().err


def test_an_audit_of_a_file_that_can_not_be_understood_is_a_usage_error(capsys, tmp_path):
    file = tmp_path / "own.md"
    file.write_text(OWN.replace("transactions.rate", "transactions.rat"))
    assert run(Settings(), "audit", str(file)) == 2
    assert (
        "own.md:5: there is no probe transactions.rat: did you mean transactions.rate? (and 1 more"
        in capsys.readouterr().err
    )


def test_where_nothing_is_configured_the_audit_finds_every_look_wrong(capsys, monkeypatch):
    monkeypatch.setattr(runbook, "SETTLE_S", 0.0)
    assert run(Settings(), "audit", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False and document["wrong"] > 50
    kinds = {line["kind"] for line in document["lines"] if line["state"] == "wrong"}
    assert kinds == {"level", "trigger", "condition", "look", "do", "route"}
    routes = {line["said"] for line in document["lines"] if line["kind"] == "route"}
    assert routes == {"api is not configured: set api.url or API_URL"}


def test_alerts_that_a_runbook_names_are_looked_up_beside_those_of_the_settings(folder):
    text = NEW.replace("`transactions.rate > 7 %`", "`alerts.firing SearchDown`")
    asked = runbook.with_alerts(Settings(), library(folder(new=text), COMMANDS).runbook)
    assert asked.severity.runbook_alerts == (*Settings().severity.runbook_alerts, "SearchDown")
    assert msgspec.structs.replace(asked, severity=Settings().severity) == Settings()


def test_every_word_that_a_runbook_may_use_can_be_listed(capsys):
    assert run(Settings(), "words") == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in (*probes(), *COMMANDS))
    assert "transactions.scope" in out and "one or some or all or none; gives {provider}" in out
