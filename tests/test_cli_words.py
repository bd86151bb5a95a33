"""The command line's words: global flags anywhere, what was probably meant, help and version."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from nexconsole.cli.main import run
from nexconsole.cli.options import CONFIG, FLAGS, OBSERVE, given, opens_console
from nexconsole.cli.registry import COMMANDS, Command, listed, resolve

NEEDED = {
    "completion": ("bash",),
    "export": ("INC-1",),
    "journal show": ("INC-1",),
    "journal export": ("INC-1",),
    "instruct speed": ("2",),
}
GLOBAL = ((CONFIG, "config"), *((flag, key) for flag, key, _ in FLAGS), (OBSERVE, "actions.observe"))


def verbs_of(command: Command) -> tuple[str, ...]:
    """The words of which one must follow the command's; "" where none does."""
    for action in command.parser()._actions:
        if action.dest == "verb" and action.choices is not None:
            return tuple(action.choices)
    return ("",)


def lines() -> Iterator[tuple[str, ...]]:
    """A command line for every command and verb, with the arguments that it can't do without."""
    for command in COMMANDS.values():
        for verb in verbs_of(command):
            needed = NEEDED.get(f"{command.name} {verb}".strip(), ())
            yield (command.under or command.name, *filter(None, (verb,)), *needed)


LINES = ((), *lines())


def parsed(words: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The command's name, and its options."""
    command, rest = resolve(words)
    return command.name, vars(command.parser().parse_args(rest))


def test_every_command_and_verb_is_among_the_lines():
    assert {resolve(line)[0].name for line in LINES} == set(COMMANDS)
    assert len(LINES) == len(set(LINES)) > len(COMMANDS)


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_every_global_flag_stands_before_the_command_after_it_and_at_the_end(line: tuple[str, ...]):
    name, bare = parsed(line)
    for flag, key in GLOBAL:
        forms = [(flag,)] if flag == OBSERVE else [(flag, "dark"), (f"{flag}=dark",)]
        for form in forms:
            wanted = name, bare | {key: True if flag == OBSERVE else "dark"}
            for place in range(len(line) + 1):
                assert parsed((*line[:place], *form, *line[place:])) == wanted, (form, place)


def test_of_a_flag_that_is_given_twice_the_last_counts():
    assert parsed(["--theme", "dark", "settings", "--theme", "light"])[1]["theme"] == "light"
    assert parsed(["--theme", "dark", "journal", "--theme", "light", "list"])[1]["theme"] == "light"


def test_what_the_flags_say_reaches_the_settings_wherever_they_stand(capsys):
    assert run(["--operator", "maria", "settings"]) == 0
    before = capsys.readouterr().out
    assert run(["settings", "--operator", "maria"]) == 0
    assert before == capsys.readouterr().out
    assert ['"maria"', "flag"] in [row.split()[1:] for row in before.splitlines() if row.startswith("operator ")]


def test_no_flag_leaves_a_trace_where_it_is_not_given():
    command, rest = resolve(["status"])
    assert set(given(command.parser().parse_args(rest)).values()) == {None}


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["stauts"], 2, "there is no command stauts: did you mean status?"),
        (["Status"], 2, "there is no command Status: did you mean status?"),
        (["frobnicate"], 2, "there is no command frobnicate: `nexconsole help` lists them"),
        (["instruct"], 2, "there is no command instruct: `nexconsole help` lists them"),
        (["help", "jurnal"], 2, "there is no command jurnal: did you mean journal?"),
        (["--presnt"], 2, "there is no option --presnt: did you mean --present? (`nexconsole --help`)"),
        (["doctor", "--jsn"], 2, "there is no option --jsn: did you mean --json? (`nexconsole doctor --help`)"),
        (["status", "--jsn"], 3, "there is no option --jsn: did you mean --json? (`nexconsole status --help`)"),
        (
            ["--opperator", "x", "sheet"],
            2,
            "there is no option --opperator: did you mean --operator? (`nexconsole --help`)",
        ),
        (["--obsrve", "sheet"], 2, "there is no option --obsrve: did you mean --observe? (`nexconsole --help`)"),
        (["--json", "doctor"], 2, "--json is not a global flag: write it after the command: nexconsole doctor --json"),
        (["--json", "status"], 3, "--json is not a global flag: write it after the command: nexconsole status --json"),
        (["doctor", "now"], 2, "'now' is an extra word (`nexconsole doctor --help`)"),
        (
            ["journal", "lst"],
            2,
            "'lst' is none of list, show, verify, export, similar: did you mean list? (`nexconsole journal --help`)",
        ),
        (
            ["journal", "list", "--jsn"],
            2,
            "there is no option --jsn: did you mean --json? (`nexconsole journal list --help`)",
        ),
        (
            ["journal"],
            2,
            "the following arguments are required: list|show|verify|export|similar (`nexconsole journal --help`)",
        ),
        (
            ["export", "x", "--format", "htlm"],
            2,
            "--format: 'htlm' is none of md, json, html, line: did you mean html? (`nexconsole export --help`)",
        ),
        (
            ["status", "--format", "jason"],
            3,
            "--format: 'jason' is none of text, json, prometheus: did you mean json? (`nexconsole status --help`)",
        ),
        (["drill", "provider-outtage"], 1, "there is no scenario provider-outtage: did you mean provider-outage?"),
        (["drill", "injct"], 1, "there is no scenario injct: did you mean inject?"),
        (
            ["drill", "--era", "odl"],
            2,
            "--era: 'odl' is none of head, old: did you mean old? (`nexconsole drill --help`)",
        ),
        (
            ["drill", "inject", "--provder", "x"],
            2,
            "there is no option --provder: did you mean --provider? (`nexconsole drill inject --help`)",
        ),
        (["run", "provider.disble"], 2, "there is no action provider.disble: did you mean provider.disable?"),
        (["--theme"], 2, "argument --theme: expected one argument (`nexconsole --help`)"),
        (
            ["settings", "--theme", "drak"],
            2,
            "flag: theme: invalid enum value 'drak', expected one of dark, light, high-contrast, colour-blind:"
            " did you mean dark?",
        ),
    ],
)
def test_what_is_misspelt_is_answered_in_a_line_with_what_was_probably_meant(capsys, words, code, sentence):
    assert run(words) == code
    assert capsys.readouterr() == ("", f"nexconsole: {sentence}\n")


@pytest.mark.parametrize("words", [["status", "--js"], ["--pres"], ["run", "--dry"], ["journal", "list", "--js"]])
def test_no_abbreviation_of_a_flag_is_guessed(capsys, words: list[str]):
    assert run(words) in (2, 3)
    assert "there is no option" in capsys.readouterr().err


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command prints that ends with 0."""
    try:
        code = run(words)
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return out


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_the_version_is_told_anywhere(capsys, line: tuple[str, ...]):
    version = printed(capsys, "--version")
    assert version.count("\n") == 1 and version[0].isdigit()
    assert printed(capsys, "-V", *line) == printed(capsys, *line, "-V") == version


def test_help_lists_every_command_with_what_it_does(capsys):
    text = " ".join(printed(capsys, "help").split())
    assert all(f" {command.name} {command.help}" in text for command in listed())
    assert "--present" in text and "--kubeconfig" in text and "instruct" not in text.split()
    assert printed(capsys, "--help") == printed(capsys, "-h") == printed(capsys, "help")


@pytest.mark.parametrize("line", [line for line in LINES if line], ids=" ".join)
def test_help_shows_a_commands_own_flags_and_the_global_ones(capsys, line: tuple[str, ...]):
    text = printed(capsys, *line, "--help")
    assert text == printed(capsys, "--help", *line) if len(line) == 1 else text
    assert printed(capsys, "help", *line) == text
    usage = text.partition("\n\n")[0]
    assert usage.startswith("usage: nexconsole") and "--theme" not in usage and "--theme THEME" in text


@pytest.mark.parametrize(
    ("words", "opens"),
    [
        ([], True),
        (["console"], True),
        (["--theme", "dark"], True),
        (["--theme=dark", "console", "--present"], True),
        (["--present"], True),
        (["--operator", "status"], True),
        (["--observe", "status"], False),
        (["status"], False),
        (["--config", "x", "replay"], False),
        (["-V"], False),
        (["--present", "--help"], False),
        (["--theme"], True),
    ],
)
def test_the_first_frame_is_painted_where_the_console_opens_and_nowhere_else(words: list[str], opens: bool):
    assert opens_console(words) is opens


LAZY = (
    "import sys; from nexconsole.__main__ import _opens_console; _opens_console({words});"
    "print(*sorted(name for name in sys.modules if name.startswith('nexconsole') or name == 'argparse'))"
)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], "nexconsole nexconsole.__main__"),
        (["--theme", "dark"], "nexconsole nexconsole.__main__ nexconsole.cli nexconsole.cli.options"),
    ],
)
def test_before_the_first_frame_next_to_nothing_is_imported(words: list[str], wanted: str):
    done = subprocess.run([sys.executable, "-c", LAZY.format(words=words)], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == wanted, done.stderr


@pytest.mark.parametrize("words", [["--version"], ["help"], ["settings", "--help"], ["status", "--help"]])
def test_what_is_asked_for_in_passing_imports_no_source_and_no_screen(words: list[str]):
    script = (
        "import sys\nfrom nexconsole.cli.main import run\n"
        f"try:\n    run({words})\nexcept SystemExit:\n    pass\n"
        "heavy = ('textual', 'asyncpg', 'redis', 'httpx', 'kubernetes_asyncio', 'aiohttp')\n"
        "print(*(name for name in heavy if name in sys.modules), file=sys.stderr, end='')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert done.stdout and done.stderr == ""


def test_the_list_of_commands_names_every_flag_whole(capsys):
    assert run(["--help"]) == 0
    words = set(capsys.readouterr().out.replace("(", " ").replace(")", " ").replace(",", " ").split())
    every = {flag for command in listed() for flag in command.parser().own_flags()}
    assert {"--json-score", "--dry-run", "--watch", "--lines"} <= every
    assert every | {flag for flag, _ in GLOBAL} <= words
