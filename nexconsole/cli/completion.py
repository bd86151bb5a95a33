"""`nexconsole completion SHELL`: what a shell needs to complete commands, flags and names."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterable

from .parsing import Parser, add_global_flags
from .registry import COMMANDS, listed

SHELLS = ("bash", "zsh", "fish")
FILES, FOLDERS = ("FILE", "JOURNAL", "KUBECONFIG"), ("FOLDER",)
EPILOG = """\
to try it:  eval "$(nexconsole completion bash)"     fish: nexconsole completion fish | source
to keep it: write that line into ~/.bashrc, ~/.zshrc (after compinit) or ~/.config/fish/config.fish
"""


def add_arguments(parser: Parser) -> None:
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.add_argument("shell", choices=SHELLS, help="whose script is printed")


def run(options: Namespace) -> int:
    """Print the script; 0."""
    import shtab

    print(shtab.complete(whole_parser(), options.shell))
    return 0


def whole_parser() -> argparse.ArgumentParser:
    """All commands with their flags as one parser, whose arguments know the names that they may be."""
    parser = Parser(prog="nexconsole", description="The war-room console for NexNum.")
    add_global_flags(parser)
    COMMANDS["console"].module().add_arguments(parser)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)
    for command in listed():
        own = commands.add_parser(command.name, help=command.help, description=command.help)
        command.module().add_arguments(own)
        add_global_flags(own)
    _name_values(parser)
    for name, values in _names().items():
        word, _, dest = name.partition(" ")
        _argument(commands.choices[word], dest).choices = tuple(values)
    return parser


def _names() -> dict[str, Iterable[str]]:
    """What an argument may be, by command and argument."""
    from .. import docs
    from ..actions.registry import ACTIONS
    from ..drill import SCENARIOS
    from .instruct import VERBS

    return {
        "run action": sorted(ACTIONS),
        "drill scenario": (*SCENARIOS, *dict(VERBS)),
        "docs topic": docs.TOPICS,
        "help words": [command.name for command in listed()],
    }


def _argument(parser: argparse.ArgumentParser, dest: str) -> argparse.Action:
    return next(action for action in parser._actions if action.dest == dest)


def _name_values(parser: argparse.ArgumentParser) -> None:
    """Give settings their choices, and files and folders the shell's own completion, in this parser and its verbs'."""
    import shtab

    from ..settings.loading import CHOICES

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb_parser in action.choices.values():
                _name_values(verb_parser)
        elif action.dest in CHOICES:
            action.choices = CHOICES[action.dest]
        elif action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's way to say it
        elif action.metavar in FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
