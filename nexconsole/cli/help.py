"""`nexconsole help [COMMAND]`: the commands, or a command's options."""

from __future__ import annotations

import argparse
import textwrap
from argparse import Namespace

from .parsing import Parser, add_global_flags
from .registry import Command, listed, resolve

DESCRIPTION = "The war-room console for NexNum. Without a command it opens the console."
MORE = "nexconsole help COMMAND: what a command does, and its own flags"


class WholeFlags(argparse.HelpFormatter):
    """Breaks no line inside a flag."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("words", metavar="COMMAND", nargs="*", help="such as status, or journal list")
    parser.add_argument("--man", action="store_true", help="print the manual page, for `man -l -`")


def run(options: Namespace) -> int:
    """Print it; 0. Raises UsageError where there is no such command."""
    if options.man:
        from .man import page

        print(page(), end="")
        return 0
    if options.words:
        command, words = resolve(options.words)
        command.parser().parse_args([*words, "--help"])  # prints, and exits with 0
    print(overview().format_help(), end="")
    return 0


def _own_flags(command: Command) -> str:
    """The command's own flags, for the list of all: ` (--json, --watch)`."""
    flags = command.parser().own_flags() if command.name != "console" else []
    return f" ({', '.join(flags)})" if flags else ""


def overview() -> Parser:
    """The parser whose help lists the commands."""
    from .console import add_arguments as add_console_arguments

    usage = "nexconsole [FLAG ...] [COMMAND] [ARGUMENT ...]"
    parser = Parser(prog="nexconsole", usage=usage, description=DESCRIPTION, epilog=MORE, formatter_class=WholeFlags)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", parser_class=Parser)
    for command in listed():
        commands.add_parser(command.name, help=f"{command.help}{_own_flags(command)}".replace("%", "%%"))
    add_console_arguments(parser)
    add_global_flags(parser)
    return parser
