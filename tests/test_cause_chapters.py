"""Causes as the Markdown says them: what is read, and what is said to be wrong with it, by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexconsole.actions.registry import COMMANDS
from nexconsole.causes import chapters
from nexconsole.causes.model import Side
from nexconsole.cli.main import run
from nexconsole.runbook.library import read, shipped
from nexconsole.runbook.parser import MAX_CHARACTERS, parse
from nexconsole.runbook.problems import check as check_runbook
from nexconsole.settings import Settings

GOOD = """# Ours

## Causes

### {provider} sleeps `#sleeps`

It does. See `providers`.

#### Explains

- Its purchases: `purchases at {provider}` `circuit {provider}`

#### Leads to

- `#naps`

#### Evidence

- Needed: it fails. `transactions.provider {provider} > 20 %`
- Telling: it is quiet. `provider.quiet {provider} > 5 min`
- For: one fails. `transactions.scope is one`
- Against: the database is silent. `database.answers is no`

#### Decides

- Look: what does it say? `provider.statuspage {provider}`

#### Remedy

- Do: disable it. `provider.disable {provider}`
- Open: `#high-purchase-failure-rate`

### Naps

#### Explains

- `alert *`

#### Evidence

- Telling: it rests. `transactions.rate > 5 %`

#### Remedy

- Call: whoever runs it.
"""


def said(text: str) -> list[str]:
    return [f"{problem.line}: {problem.text}" for problem in chapters.check(text, COMMANDS)]


def test_a_chapter_is_read_whole():
    sleeps, naps = chapters.parse(GOOD, "ours.md").causes
    assert said(GOOD) == []
    assert (sleeps.id, sleeps.title, sleeps.kind, sleeps.line) == ("sleeps", "{provider} sleeps", "provider", 5)
    assert sleeps.explains == ("purchases at {provider}", "circuit {provider}")
    assert sleeps.causes == ("naps",)
    assert [rule.side for rule in sleeps.evidence] == [Side.NEEDED, Side.TELLING, Side.FOR, Side.AGAINST]
    assert sleeps.evidence[1].title == "it is quiet." and sleeps.evidence[1].line == 20
    assert [str(call) for call in sleeps.decides] == ["provider.statuspage {provider}"]
    assert str(sleeps.remedy) == "provider.disable {provider}"
    assert (sleeps.scenario, sleeps.origin) == ("high-purchase-failure-rate", "ours.md")
    assert (naps.id, naps.kind, naps.remedy, naps.remedy_text) == ("naps", "", None, "whoever runs it.")


@pytest.mark.parametrize(
    ("what", "instead", "problem"),
    [
        ("transactions.provider {provider}", "transactions.provder {provider}", "19: there is no probe"),
        ("> 20 %", "> 20 s", "19: transactions.provider must be compared with a share"),
        ("scope is one", "scope is two", "21: this can never hold: transactions.scope is one of"),
        ("{provider} > 5 min", "{pod} > 5 min", "20: provider.quiet: nothing before this line says which {pod}"),
        ("- For: one", "- Maybe: one", "21: evidence begins with Needed:, Telling:, For: or Against:"),
        ("`transactions.scope is one`", "", "21: For: holds exactly one condition"),
        ("`#naps`", "`#nap`", "5: there is no cause #nap: did you mean naps?"),
        ("provider.disable {provider}", "provider.disabel {provider}", "5: there is no action provider.disabel"),
        ("- Look: what", "- Watch: what", "26: this begins with Look:"),
        ("### {provider} sleeps", "### {planet} sleeps", "5: {planet} is no kind of target"),
        ("#### Evidence\n\n- Telling", "#### Evidense\n\n- Telling", "is prose here: did you mean evidence?"),
        ("`alert *`", "nothing", "it says between backticks what the reason is about"),
        ("`alert *`", "`alert {pod}`", "the title does not name {pod}"),
        ("### Naps", "### Naps `#sleeps`", "sleeps is already the id of line 5"),
        ("`circuit {provider}`", "`cir*cuit`", "a * stands only at the end"),
    ],
)
def test_what_cannot_be_understood_has_its_line(what: str, instead: str, problem: str):
    assert what in GOOD
    found = said(GOOD.replace(what, instead, 1))
    assert any(problem in each for each in found), found


def test_a_scenario_that_there_is_not_is_said():
    [problem] = chapters.check(GOOD, COMMANDS, scenarios=["high-purchase-failure-rat"])
    assert problem.text.startswith("there is no scenario #high-purchase-failure-rate: did you mean")


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="#`{}*->:- \nabcNeeded:Telling.For", max_size=400))
def test_no_text_raises(text: str):
    chapters.check(f"## Causes\n\n### a `#b`\n\n#### Evidence\n\n{text}", COMMANDS)


def test_a_text_that_is_too_long_is_a_problem():
    assert chapters.parse("x" * (MAX_CHARACTERS + 1)).problems[0].line == 1


def test_ours_have_no_problem():
    ids = [chapter.id for chapter in shipped().chapters()]
    assert chapters.check(read(chapters.SHIPPED), COMMANDS, scenarios=ids) == ()
    causes = chapters.shipped().causes
    assert len({cause.id for cause in causes}) == len(causes)
    assert all(cause.scenario or cause.remedy or cause.remedy_text for cause in causes)


def test_a_team_replaces_a_chapter_and_adds_one(tmp_path: Path):
    mine = GOOD.replace("`#sleeps`", "`#provider-unreachable`")
    (tmp_path / "a.md").write_text(mine)
    (tmp_path / "b.md").write_text(GOOD.replace("### Naps", "### Rests").replace("> 20 %", "> 20 s"))
    found = chapters.load(Settings(runbooks=str(tmp_path)), COMMANDS)
    replaced = found.cause("provider-unreachable")
    assert replaced is not None and replaced.title == "{provider} sleeps" and replaced.origin.endswith("a.md")
    assert found.cause("naps") is not None and found.cause("rests") is not None
    assert found.cause("sleeps") is None  # b.md's has a problem
    assert [file.endswith("b.md") for file, _ in found.problems] == [True]
    assert len(found.causes) == len(chapters.shipped().causes) + 2


def test_a_file_of_causes_alone_is_no_empty_runbook(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert parse(GOOD).has_causes and check_runbook(GOOD, COMMANDS) == ()
    file = tmp_path / "ours.md"
    file.write_text(GOOD)
    assert run(["runbook", "check", str(file)]) == 0
    file.write_text(GOOD.replace("> 20 %", "> 20 s"))
    assert run(["runbook", "check", str(file)]) == 1
    assert f"{file}:19: transactions.provider must be compared" in capsys.readouterr().out
