"""`nexconsole docs`: pages through a pager on a terminal, as they are written in a pipe."""

import os
import pty
import subprocess
import sys

import pytest
from quick_commands import nexconsole
from rich.cells import cell_len

from nexconsole import docs
from nexconsole.cli import pager
from nexconsole.cli.markdown import drawn

ESCAPE = "\x1b"


def piped(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return nexconsole("docs", *arguments, **environment)


def on_a_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and what the terminal got."""
    ours, theirs = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in ("PAGER", "LESS", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "nexconsole", "docs", *arguments],
        env={**variables, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    got = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so when the last one has closed the other side
            break
        if not piece:
            break
        got += piece
    os.close(ours)
    return process.wait(60), got.decode().replace("\r\n", "\n")


def test_without_a_topic_the_pages_are_listed():
    done = piped()
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(docs.TOPICS)


@pytest.mark.parametrize("name", docs.TOPICS)
def test_a_piped_page_is_its_markdown(name):
    done = piped(name, PAGER="false")
    assert (done.returncode, done.stdout, done.stderr) == (0, docs.TOPICS[name].text(), "")


@pytest.mark.parametrize("cited", ["nexnum#slots", "nexnum.md#slots", "NEXNUM.md#slots"])
def test_a_section_is_found_as_it_is_cited(cited):
    done = piped(cited)
    assert done.returncode == 0
    assert done.stdout == docs.section(docs.TOPICS["nexnum"].text(), "slots")


@pytest.mark.parametrize(
    ("topic", "sentence"),
    [
        ("nexnun", "there is no page 'nexnun': did you mean nexnum?"),
        ("zzz", "there is no page 'zzz': `nexconsole docs` lists them"),
        ("nexnum#slot", "nexnum has no section 'slot': did you mean slots?"),
        ("nexnum#zzzzzz", "nexnum has no section 'zzzzzz': `nexconsole docs nexnum` shows the whole page"),
    ],
)
def test_what_is_not_there_is_a_usage_error_with_what_was_meant(topic, sentence):
    done = piped(topic)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"nexconsole: {sentence}\n")


def test_on_a_terminal_the_operator_s_pager_gets_the_page():
    code, shown = on_a_terminal("nexnum#slots", PAGER="sed 's/^/paged: /'")
    assert code == 0
    assert "paged: " in shown and "ratelimit:provider:ID" in shown
    assert "###" not in shown, "it is drawn"
    assert all(line.startswith("paged: ") for line in shown.splitlines())


@pytest.mark.parametrize("empty", ["", "cat"])
def test_without_a_pager_the_page_is_printed(empty):
    code, shown = on_a_terminal("nexnum#slots", PAGER=empty)
    assert code == 0 and "ratelimit:provider:ID" in shown


def test_a_pager_that_is_not_there_costs_nothing_but_a_line():
    code, shown = on_a_terminal("nexnum#slots", PAGER="no-such-pager --fast")
    assert code == 0 and "ratelimit:provider:ID" in shown


def test_a_pager_may_be_left_before_it_has_read_all():
    code, shown = on_a_terminal("nexnum", PAGER="head -n 3")
    assert code == 0 and len(shown.splitlines()) == 3


def test_the_pager_has_safe_options_unless_the_operator_chose_others():
    show = "cat >/dev/null; echo $LESS $LESSSECURE"
    assert on_a_terminal("nexnum", PAGER=show)[1].split() == ["FRX", "1"]
    assert on_a_terminal("nexnum", PAGER=show, LESS="-S", LESSSECURE="0")[1].split() == ["-S", "0"]


@pytest.mark.parametrize("poor", [{"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_can_t_draw_gets_the_markdown(poor):
    code, shown = on_a_terminal("nexnum#slots", PAGER="cat", **poor)
    assert (code, shown) == (0, docs.section(docs.TOPICS["nexnum"].text(), "slots"))


def test_no_color_is_respected():
    text = "# Title\n\n[link](https://example.test) and `code`\n"
    assert ESCAPE in drawn(text, 80, colour=True)
    assert f"{ESCAPE}[3" not in drawn(text, 80, colour=False)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PAGER": "most -x", "PATH": ""}, "most -x"),
        ({"PAGER": " ", "PATH": "/usr/bin"}, None),
        ({"PAGER": "cat"}, None),
        ({"PATH": "/nowhere"}, None),
    ],
)
def test_the_pager_is_the_operator_s_or_what_is_there(environment, expected):
    assert pager.command(environment) == expected


def test_less_is_better_than_more(tmp_path):
    for name in ("more", "less"):
        assert pager.command({"PATH": str(tmp_path)}) == ("more" if name == "less" else None)
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert pager.command({"PATH": str(tmp_path)}) == "less"


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("name", docs.TOPICS)
def test_a_page_that_is_drawn_fits_its_width_and_nothing_is_cut(name, width):
    text = docs.TOPICS[name].text()
    page = drawn(text, width, colour=False)
    assert [line for line in page.splitlines() if cell_len(line) > width] == []
    assert page.count("…") == text.count("…"), "nothing is cut"
    assert "![" not in page, "pictures are left out"
