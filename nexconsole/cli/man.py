"""The manual page `nexconsole(1)`, as roff, made from the commands' own declarations."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from .registry import COMMANDS, Command

NAME = "the war-room console for NexNum"
DESCRIPTION = "Without a command it opens the console. The global flags stand before the command or after it."
TOPICS = "The pages that ship with it: nexconsole docs."


def page() -> str:
    """The page. It has no date and no width of a terminal: the same commands give the same page."""
    lines = ['.TH NEXCONSOLE 1 "" NexConsole', ".SH NAME", f"nexconsole \\- {_text(NAME)}", ".SH SYNOPSIS"]
    lines += [".B nexconsole", "[FLAG ...] [COMMAND] [ARGUMENT ...]", ".SH DESCRIPTION", _text(DESCRIPTION)]
    lines += [".SH COMMANDS"]
    for command in COMMANDS.values():
        lines += _command(command)
    lines += [".SH GLOBAL FLAGS", *_arguments(COMMANDS["console"].parser(), of_all=True)]
    return "\n".join([*lines, ".SH SEE ALSO", _text(TOPICS)]) + "\n"


def _command(command: Command) -> Iterator[str]:
    """A command, or each of its verbs, with its own flags."""
    parser, word = command.parser(), command.under or command.name
    verbs = next((each.choices for each in parser._actions if isinstance(each, argparse._SubParsersAction)), None)
    if verbs is None or not command.under:
        yield f".SS {_text(f'nexconsole {word}')}"
        yield _text(command.help)
        yield from _arguments(parser, of_all=False)
    for verb, verb_parser in (verbs or {}).items():
        yield f".SS {_text(f'nexconsole {word} {verb}')}"
        yield _text(verb_parser.description)
        yield from _arguments(verb_parser, of_all=False)


def _arguments(parser: argparse.ArgumentParser, of_all: bool) -> Iterator[str]:
    """Its own arguments, or those that all commands have."""
    shared = next(group for group in parser._action_groups if (group.title or "").startswith("global flags"))
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction | argparse._HelpAction):
            continue
        if (action in shared._group_actions) is of_all:
            value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest)
            words = [f"{', '.join(action.option_strings)}"] if action.option_strings else []
            words += [str(value)] if action.nargs != 0 else []
            yield ".TP"
            yield f".B {_text(' '.join(words))}"
            yield _text((action.help or "") % {"default": action.default})


def _text(text: str | None) -> str:
    """Words as roff: nothing in them is a command or an escape, and a dash is a dash that can be copied."""
    line = " ".join((text or "").split()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{line}" if line.startswith((".", "'")) else line
