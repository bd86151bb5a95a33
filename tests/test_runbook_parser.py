"""Markdown is read strictly: what it says becomes steps, what it can't mean becomes a problem with its line."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexconsole.actions.registry import COMMANDS
from nexconsole.causes import chapters
from nexconsole.runbook import library
from nexconsole.runbook.library import SHIPPED, read, shipped
from nexconsole.runbook.model import Branch, Call, Question, Step
from nexconsole.runbook.parser import parse
from nexconsole.runbook.problems import check
from nexconsole.runbook.resolution import fitting, resolve
from nexconsole.settings import Settings

NOW = datetime(2026, 11, 23, tzinfo=UTC)
GOOD = """\
# Ours

Some words, with `code` in them.

## 7. Lists *grow* (SEV-2)

Why this is here.

#### Trigger

- Too many wait. `outbox.pending > 10 and outbox.late`

#### Steps

1. Look: how many wait? `outbox.pending`
2. **Ask:** is the index well? `index is up or down`
3. If it is down, `index is down`:
   - Do: read the logs of
     the worker. `logs.show outbox` `#read`

     All of them.
4. Ask: what else did you see?
"""


def wrong(old: str, new: str) -> list[tuple[int, str]]:
    """The problems of GOOD with one thing changed."""
    assert GOOD.count(old) == 1
    return [(problem.line, problem.text) for problem in check(GOOD.replace(old, new), COMMANDS)]


def test_the_runbook_that_we_ship_has_no_problems():
    assert check(read(SHIPPED), COMMANDS) == ()


def test_the_runbook_that_we_ship_covers_the_scenarios_and_the_emergency_commands():
    book = shipped()
    assert [(s.number, s.title, s.severity) for s in book.scenarios] == [
        ("1", "High purchase failure rate", "SEV-1"),
        ("2", "Stuck reservations", "SEV-2"),
        ("3", "Provider circuit breaker OPEN", "SEV-3"),
        ("4", "Outbox worker lag", "SEV-3"),
        ("5", "Purchases wait for slots", "SEV-1"),
        ("6", "Customers are refused", "SEV-1"),
        ("7", "Database connections used up", "SEV-2"),
        ("8", "Redis takes no writes", "SEV-1"),
        ("9", "A session blocks others", "SEV-2"),
    ]
    steps = [step for command in book.commands for step in command.walk() if isinstance(step, Step)]
    done = {str(step.call) for step in steps if step.kind == "do"}
    assert done == {"locks.flush purchase", "locks.flush number", "provider.disable {provider}"}
    assert [level.name for level in book.levels] == ["SEV-1", "SEV-2", "SEV-3"]
    assert book.alerts() == ("HighPurchaseFailureRate", "StuckReservations", "OutboxProcessingFailed")


def test_a_command_that_has_a_trigger_has_a_severity_and_one_without_has_neither():
    text = "# Emergency commands\n\n## Flush {}\n\n### Trigger\n\n- Some. `outbox.late`\n\n### Steps\n\n1. Ask: who?\n"
    parsed = parse(text.format("(SEV-3)"))
    [command] = parsed.runbook.commands
    assert (command.id, command.severity, len(command.triggers), parsed.problems) == ("flush", "SEV-3", 1, ())
    bare = parse(text.format(""))
    assert (bare.runbook.commands[0].severity, bare.runbook.commands[0].triggers) == ("", ())
    [problem] = bare.problems
    assert (problem.line, "says its severity" in problem.text) == (3, True)


def test_every_correction_of_the_old_runbook_stands_in_ours_once():
    numbers = [int(number) for number in re.findall(r"\((\d+)\)$", read(SHIPPED), re.M)]
    assert sorted(numbers) == list(range(1, 35))


def test_a_scenario_is_read_with_its_steps_nested_under_their_conditions():
    assert check(GOOD, COMMANDS) == ()
    (scenario,) = parse(GOOD).runbook.scenarios
    assert (scenario.id, scenario.number, scenario.title, scenario.severity) == (
        "lists-grow",
        "7",
        "Lists grow",
        "SEV-2",
    )
    assert scenario.prose == ("Why this is here.",)
    assert [(part.call.name, part.operator, part.value) for part in scenario.triggers[0].condition.parts] == [
        ("outbox.pending", ">", 10.0),
        ("outbox.late", "", None),
    ]
    look, ask, branch, open_ask = scenario.steps
    assert isinstance(look, Step) and isinstance(ask, Step) and isinstance(branch, Branch)
    assert (look.kind, look.call, look.line) == ("look", Call(name="outbox.pending"), 15)
    assert ask.question == Question(name="index", kind="word", words=("up", "down"))
    assert (branch.title, branch.id) == ("it is down", "lists-grow/if-index-is-down")
    (do,) = branch.steps
    assert (do.id, do.title, do.detail, do.line) == (
        "lists-grow/read",
        "read the logs of the worker.",
        "All of them.",
        18,
    )
    assert do.call == Call(name="logs.show", arguments=("outbox",))
    assert open_ask.id == "lists-grow/what-else-did-you-see"


def test_ids_stay_when_lines_move():
    moved = GOOD.replace("Why this is here.", "Why\n\nthis is\n\n\nhere.").replace(
        "1. Look", "1. Ask: why now?\n1. Look"
    )
    before, after = (parse(text).lines for text in (GOOD, moved))
    assert before.keys() < after.keys()


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("`outbox.pending`\n", "`outbox.pendin`\n", 15, "no probe outbox.pendin: did you mean outbox.pending?"),
        ("`outbox.pending`\n", "`outbox.pending smsbower`\n", 15, "outbox.pending takes nothing, not smsbower"),
        ("`outbox.pending`\n", "`circuits.state {provider}`\n", 15, "nothing before this line says which {provider}"),
        ("`outbox.pending`\n", "`transactions.provider`\n", 15, "lacks its provider"),
        ("`outbox.pending`\n", "outbox.pending\n", 15, "Look: holds exactly one probe between backticks, here are 0"),
        ("`outbox.pending`\n", "`outbox.pending` `outbox.late`\n", 15, "here are 2"),
        ("`outbox.pending`\n", "`outbox.pending > 5`\n", 15, "compares; here only a name"),
        ("Look: how many wait?", "Look:", 15, "says nothing to a person"),
        ("Look: how many", "Watch: how many", 15, "neither look nor do nor ask"),
        ("Look: how many", "how many", 15, "neither look nor do nor ask"),
        ("`index is up or down`", "`outbox.pending is up or down`", 16, "is a probe, so it can't be an answer's name"),
        ("`index is up or down`", "`index is up or up`", 16, "not distinct words"),
        ("`index is up or down`", "`index up down`", 16, "does not say what is asked"),
        ("`index is up or down`", "`index is a banana`", 16, "there is no kind banana"),
        ("`index is down`", "`index is broken`", 17, "this can never hold: index is one of up, down"),
        ("`index is down`", "`indx is down`", 17, "nothing answers indx"),
        ("`index is down`", "`index`", 17, "index is no flag"),
        ("`index is down`", "`outbox.pending is 5 %`", 17, "must be compared with a plain number"),
        ("`index is down`", "`outbox.oldest > 5`", 17, "must be compared with a time"),
        ("`index is down`", "`outbox.oldest > 5 weeks`", 17, "weeks is no unit"),
        ("`index is down`", "`transactions.scope is on`", 17, "this can never hold: transactions.scope is one of one,"),
        ("`index is down`", "`transactions.scope > 1`", 17, "can only be `is`"),
        ("`index is down`", "`outbox.late is late`", 17, "is a flag"),
        ("`index is down`", "`index is down and outbox.late or outbox.late`", 17, "mixes and with or"),
        ("`index is down`", "`index is`", 17, "nothing stands after is"),
        ("`logs.show outbox`", "`logs.shw outbox`", 18, "there is no action logs.shw: did you mean logs.show?"),
        ("`logs.show outbox`", "`logs.show a b`", 18, "logs.show takes of, not b as well"),
        ("`logs.show outbox`", "`provider.disable`", 18, "lacks its provider"),
        ("`logs.show outbox`", "`provider.disable {index}`", 18, "{index} is a word, but provider must be a provider"),
        ("`logs.show outbox`", "`deployment.scale many`", 18, "must be a whole number, not many"),
        ("`logs.show outbox`", "`alert.silence X forever`", 18, "must be a time such as 30m"),
        ("`logs.show outbox`", "`logs.show {`", 19, "neither a word nor a name in braces"),
        ("`#read`", "`#Read me`", 19, "is no id"),
        ("`#read`", "`#read` `#again`", 19, "is a second id"),
        ("4. Ask: what else did you see?", "4. Look: again `outbox.pending`", 22, "line 15 has the same id"),
        ("4. Ask: what else did you see?", "4. If late, `outbox.late`:", 22, "nothing stands beneath this If"),
        ("4. Ask: what else did you see?", "4. If late:\n   - Ask: x?", 22, "exactly one condition"),
        ("4. Ask: what else did you see?", "4. Ask: what?\n   - Ask: x?", 23, "only an If has steps beneath it"),
        ("4. Ask: what else did you see?", "4. - Ask: x?", 22, "neither look nor do nor ask"),
        ("`outbox.pending > 10 and outbox.late`", "much", 11, "a trigger holds exactly one condition"),
        ("- Too many wait. `outbox.pending > 10 and outbox.late`", "", 5, "has no trigger"),
        ("#### Steps", "#### What to do", 5, "has no steps"),
        ("(SEV-2)", "(SEV-4)", 5, "there is no severity SEV-4"),
        ("# Ours", "# Scenarios\n\n## 6. Another\n", 3, "ends with its severity"),
        ("#### Trigger", "#### Triggers!", 5, "has no trigger"),
        ("4. Ask: what else did you see?", "\n\nAsk: what else did you see?", 24, "no item of a list"),
        ("4. Ask: what else did you see?", "> - Ask: what else did you see?", 22, "what is quoted is not run"),
        ("4. Ask: what else did you see?", "##### Then\n\n1. Ask: what?", 22, "nothing beneath Steps is run past"),
    ],
)
def test_every_wrong_line_is_found_with_its_number(old, new, line, said):
    found = wrong(old, new)
    assert [text for at, text in found if at == line and said in text], found


def test_a_condition_knows_only_what_was_asked_before_it_and_not_in_another_branch():
    text = GOOD.replace(
        "4. Ask: what else did you see?", "4. If so, `seen is yes`:\n   - Ask: well? `seen is yes or no`"
    )
    assert [problem.line for problem in check(text, COMMANDS)] == [22]


def test_two_chapters_of_one_name_are_told_apart_by_an_id():
    twice = GOOD + "\n" + GOOD.partition("\n\n")[2]
    assert ["is already the id of line 5" in problem.text for problem in check(twice, COMMANDS)].count(True) == 1
    second = "".join(GOOD.partition("\n\n")[2].replace("(SEV-2)", "(SEV-2) `#again`"))
    assert check(GOOD + "\n" + second, COMMANDS) == ()


def test_steps_nested_too_deep_are_refused_not_dropped():
    deep = "".join(f"{'  ' * n}- If so, `outbox.late`: `#d{n}`\n" for n in range(60)) + "  " * 60 + "- Ask: x?\n"
    assert any("nested deeper than" in problem.text for problem in check(GOOD + "\n" + deep, COMMANDS))


def test_a_file_without_any_scenario_is_a_problem():
    assert next(problem.text for problem in check("# Notes\n\nNothing here.\n", COMMANDS)).startswith(
        "there is no scenario here"
    )


def test_a_novel_is_refused_at_once():
    assert [problem.text for problem in check("x" * 1_000_000, COMMANDS)] == ["over 500,000 characters long"]


def test_text_of_a_file_is_harmless_on_a_terminal():
    hostile = GOOD.replace("how many wait?", "how \x1b[31mmany\u202e [/] wait\x07?").replace(
        "Lists", "\x1b]0;x\x07Lists"
    )
    (scenario,) = parse(hostile).runbook.scenarios
    assert scenario.title == "Lists grow"
    assert scenario.steps[0].title == "how many [/] wait?"


FRAGMENTS = st.sampled_from(
    [
        *GOOD.splitlines(),
        "- ",
        "  ",
        "\t",
        "> ",
        "```",
        "`",
        "{",
        "}",
        "is",
        "not",
        "and",
        "or",
        "#",
        "## 1. A (SEV-1)",
        "#### Steps",
        "#### Trigger",
        "- If x `a is b`:",
        "    - Do: `x {y}`",
        "## Severity levels",
        "### SEV-1: x",
        "## Emergency commands",
        "<b>",
        "[a]: b",
        "***",
        "\x1b[0m",
        "\x00",
        "\ud7ff",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(max_size=300), st.lists(FRAGMENTS, max_size=25).map("\n".join)))
def test_no_markdown_whatever_makes_the_parser_crash(text):
    lines = text.count("\n") + 1 + text.count("\r")
    assert all(0 < problem.line <= lines for problem in check(text, COMMANDS))
    book = parse(text).runbook
    fitting(book, {}, Settings(), NOW)
    for chapter in book.chapters():
        resolve(chapter, {}, Settings(), NOW)


@pytest.mark.parametrize("read", [library.shipped, chapters.shipped])
def test_what_was_parsed_leaves_no_garbage(read: Callable[[], object]) -> None:
    """A console freezes what there is once it stands: some megabytes of the Markdown's nodes would stay with it."""
    read()
    gc.collect()
    gc.disable()
    try:
        kept = read()
        left = gc.collect()
    finally:
        gc.enable()
    assert kept and left < 2_000
